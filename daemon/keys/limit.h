/* limit.h - so much in so long, as people write it: "60/m", "1M/day". */
#ifndef HEADROOM_DAEMON_KEYS_LIMIT_H
#define HEADROOM_DAEMON_KEYS_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* False: it is none. The amount is 1 to 10^15, with k, M or G behind it for thousands. */
bool limit_read(const char *text, uint64_t *ret_amount, uint64_t *ret_period_ms);

#endif
