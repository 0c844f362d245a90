/* model_inspect.h - a model's size, asked of its files. */
#ifndef HEADROOM_DAEMON_MODELS_MODEL_INSPECT_H
#define HEADROOM_DAEMON_MODELS_MODEL_INSPECT_H

struct fleet;
struct model;

/* Finds out its size: the answer may come at once (known already) or later. */
void model_inspect(struct model *m);
/* From the tick: looks into the files of models that nobody has asked for yet, so that it is known what is a model, and how large. */
void fleet_survey(struct fleet *f);

#endif
