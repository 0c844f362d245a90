/* measure.h - looking at the engines' memory, and at the files that they have mapped, on a thread of the pool. */
#ifndef HEADROOM_DAEMON_MODELS_MEASURE_H
#define HEADROOM_DAEMON_MODELS_MEASURE_H

struct fleet;
struct model;
struct open_files;

void fleet_measure(struct fleet *f);
/* FILES, which are taken over, are looked at as long as the model's engine lives: engine.weights_changed. */
void measure_hold(struct model *m, const struct open_files *files);
void measure_release(struct model *m);

#endif
