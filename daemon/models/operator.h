/* operator.h - the operator's unloads, carried out by the tick. */
#ifndef HEADROOM_DAEMON_MODELS_OPERATOR_H
#define HEADROOM_DAEMON_MODELS_OPERATOR_H

struct model;

void operator_jobs_unload(struct model *m);

#endif
