/* bounds.h - every limit of the sensors, with the reason for its value. */
#ifndef HEADROOM_DAEMON_SENSORS_BOUNDS_H
#define HEADROOM_DAEMON_SENSORS_BOUNDS_H

/* --- files --- */
#define FILE_TEXT_MAX   16384 /* vmstat has about 190 lines of 30 characters, memory.stat 70, meminfo 60 */
#define NUMBER_TEXT_MAX 512   /* a file of one number, of "max", or of a few: PSI has two lines of 70 characters */
#define PLACE_MAX       512   /* a path below /sys or /proc; the longest of a real box are under 200 */
#define SCAN_MS         10000 /* hot-plug, another control group, swap on a new zram: seen this late at the latest ... */
#define SCAN_EAGER_MS   1000  /* ... or this soon after a read said that something is gone or new */

/* --- threads --- */
#define ERRAND_STACK_BYTES (256u << 10) /* paths of PATH_MAX and a text at a time; touched only as far as needed */

/* --- memory --- */
#define CGROUP_LEVELS_MAX 32u /* deeper trees exist only by mistake; both versions together */
#define ZRAMS_MAX         16u /* one per processor was the habit once, on small boxes */

/* --- for people --- */
#define SOURCES_MAX       64u /* 32 temperatures and about a dozen others */
#define SOURCE_NAME_MAX   96
#define SOURCE_DETAIL_MAX 160

#endif
