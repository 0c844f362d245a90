/* throttle.h - slowing engines down. */
#ifndef HEADROOM_DAEMON_ENGINES_THROTTLE_H
#define HEADROOM_DAEMON_ENGINES_THROTTLE_H

#include <stdint.h>

struct fleet;
struct model;

void throttle_set(struct fleet *f, uint32_t duty_permille, uint32_t threads_permille);
void throttle_tick(struct fleet *f);
void throttle_release(struct model *m); /* lets it run freely again, if it was stopped */

#endif
