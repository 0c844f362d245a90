/* cgroup_limit.h - the memory limits of the control groups above this process. */
#ifndef HEADROOM_CTL_BASE_CGROUP_LIMIT_H
#define HEADROOM_CTL_BASE_CGROUP_LIMIT_H

#include <stdint.h>

struct cgroup_limit {
        uint64_t limit_bytes;     /* the least; UINT64_MAX when nothing limits us */
        uint64_t available_bytes; /* the least of limit - use, where page cache does not count as use */
        char path[512];           /* of the cgroup with the least limit */
};

/* ROOT is put before every path. What cannot be read does not limit. */
struct cgroup_limit cgroup_limit_read(const char *root);

#endif
