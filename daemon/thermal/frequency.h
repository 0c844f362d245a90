/* frequency.h - the mean frequency of the processors: for people, who like to see it beside the temperature. */
#ifndef HEADROOM_DAEMON_THERMAL_FREQUENCY_H
#define HEADROOM_DAEMON_THERMAL_FREQUENCY_H

#include <stdint.h>

/* In MHz, over the first FREQUENCIES_MAX processors; 0: the kernel does not tell. */
uint32_t frequency_read(const char *sys);

#endif
