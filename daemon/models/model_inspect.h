/* model_inspect.h - a model's size, asked of its files. */
#ifndef HEADROOM_DAEMON_MODELS_MODEL_INSPECT_H
#define HEADROOM_DAEMON_MODELS_MODEL_INSPECT_H

struct model;

/* Finds out its size: the answer may come at once (known already) or later. */
void model_inspect(struct model *m);

#endif
