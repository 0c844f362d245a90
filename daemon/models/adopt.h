/*
 * adopt.h - another list of models takes the place of the one there is, while they work.
 *
 * A model is known by its id. What has not changed is not touched. What has changed counts at once or from the next load. A model
 * that is no longer listed is retired: it serves the requests it has, takes no more, goes, and is freed when nothing is left of it.
 * Whoever outlives a turn of the loop holds a model's number and no pointer.
 */
#ifndef HEADROOM_DAEMON_MODELS_ADOPT_H
#define HEADROOM_DAEMON_MODELS_ADOPT_H

#include <stdint.h>

struct config_model;
struct fleet;
struct model;

/* The configuration's list is another by now; BEFORE is the one that models refer to. Takes from it what those that go still need. */
void fleet_adopt(struct fleet *f, struct config_model *before, uint32_t before_count);
/* ON_UNKNOWN is called, from inside any call, when a request names a model that there is not. NULL: nobody is told any more. */
void fleet_on_unknown(struct fleet *f, void (*on_unknown)(void *user), void *user);
/* From the tick. */
void model_drain(struct model *m);
void fleet_let_go(struct fleet *f);
/* 0; or -ENOSPC or -ENOMEM. */
int fleet_add(struct fleet *f, const struct config_model *config);
void fleet_free_model(struct fleet *f, struct model *m);

#endif
