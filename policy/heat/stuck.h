/*
 * stuck.h - whether a sensor that is believed follows the load at all.
 *
 * A guest's thermometer that always reads 100 degrees is plausible, and would have the box crawl for ever. What a real one cannot do is
 * to stay on one value to the last digit while the box goes from rest to work and back: so that is what is counted, with the load
 * of the whole box and not only ours. A sensor that is stuck is not obeyed, until the first digit that moves; after that it is given half
 * an hour. Where the processor counts that it slows itself down, the heat is real, and nothing is stuck.
 */
#ifndef HEADROOM_POLICY_HEAT_STUCK_H
#define HEADROOM_POLICY_HEAT_STUCK_H

#include "policy/state/past.h"

/* Notes a value that was believed, and the load under which it was read. */
void policy_stuck_note(struct stillness *s, int32_t millidegrees, uint32_t load_permille, uint64_t now_ms);
/* The heat was seen by other means: what was counted is void. */
void policy_stuck_void(struct stillness *s, uint64_t now_ms);
bool policy_is_stuck(const struct sensor_past *s);

#endif
