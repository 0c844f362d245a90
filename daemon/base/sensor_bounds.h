/* sensor_bounds.h - every limit of the sensors, with the reason for its value. */
#ifndef HEADROOM_DAEMON_BASE_SENSOR_BOUNDS_H
#define HEADROOM_DAEMON_BASE_SENSOR_BOUNDS_H

/* --- files --- */
#define FILE_TEXT_MAX   16384 /* vmstat has about 190 lines of 30 characters, memory.stat 70, meminfo 60 */
#define NUMBER_TEXT_MAX 512   /* a file of one number, of "max", or of a few: PSI has two lines of 70 characters */
#define PLACE_MAX       512   /* a path below /sys or /proc; the longest of a real box are under 200 */
#define SCAN_MS         10000 /* hot-plug, another control group, swap on a new zram: seen this late at the latest ... */
#define SCAN_EAGER_MS   1000  /* ... or this soon after a read said that something is gone or new */

/* --- threads --- */
#define BG_THREAD_STACK_BYTES (256u << 10) /* paths of PATH_MAX and a text at a time; touched only as far as needed */

/* --- memory --- */
#define CGROUP_LEVELS_MAX 32u /* deeper trees exist only by mistake; both versions together */
#define ZRAMS_MAX         16u /* one per processor was the habit once, on small boxes */

/* --- pressure --- */
#define WATCH_WRITE_MAX 256u /* the bytes are 20 */
#define ALARM_PAUSE_MS  100  /* an event only makes us look sooner, and no look is of use so soon after another */
#define ALARM_READS_MAX 16   /* of 4096 bytes: a whole pipe; what a flood has left waits for the next time */

/* --- heat --- */
#define HEAT_READ_DEADLINE_MS 500    /* a slow one on a bus takes 10-100 ms; after so long it hangs */
#define HEAT_CHANCE_MS        20     /* a late thread gets so long to run, should the whole box have stood still */
#define HEAT_ROUND_MAX_MS     2000   /* slow ones add up; what was not come to by then counts as missed */
#define HEAT_THREADS_MAX      8u     /* each hanging sensor keeps one; with so many hanging the rest count as hanging too */
#define TEMPERATURES_MAX      99u    /* tempN_input of one device: a processor's cores */
#define ZONES_MAX             64u    /* large ARM processors have about 40 */
#define TRIPS_MAX             12u    /* of one zone: what the kernel allowed for long */
#define TRIP_MIN_MILLIDEGREES 50000  /* firmware tells of critical 20.8 and of -274 degrees: lower is a lie ... */
#define TRIP_MAX_MILLIDEGREES 150000 /* ... and higher no silicon lives */
#define CHIP_NAME_MAX         48
#define THROTTLE_FILES_MAX    160u /* one for each core and package: a server with two sockets of 64 cores, with room */
#define FREQUENCIES_MAX       16u  /* processors whose frequency is averaged: for people only */

/* --- for people --- */
#define SOURCES_MAX       64u /* 32 temperatures and about a dozen others */
#define SOURCE_NAME_MAX   96
#define SOURCE_DETAIL_MAX 224
#define SENSOR_NAME_MAX   128 /* two names of 47 bytes, and the key */
#define GROUP_NAME_MAX    63  /* leaves room in a detail for what is said of the group */

#endif
