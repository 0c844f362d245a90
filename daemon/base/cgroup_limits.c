/*
 * cgroup_limits.c - memory.max of our group and of each one above it, or memory.limit_in_bytes.
 *
 * What a group has left is its limit, less what it holds, plus what the kernel would drop first: pages of files and
 * reclaimable slab. That is how MemAvailable is meant too, so the mapped weights of loaded models count as available in
 * both, and who decides subtracts them. memory.high counts as a limit: beyond it a group without swap is put to sleep
 * for ever, which is worse than being ended.
 */
#include "daemon/base/cgroup_limits.h"

#include "daemon/base/fields.h"
#include "daemon/base/proc_file.h"
#include "policy/base/sat.h"

/* v1 says "no limit" by the largest number of pages, a little under 2^63. */
#define NO_LIMIT (UINT64_MAX / 4)

/* The names of the same things in the two versions. */
static const struct cgroup_names {
        const char *limit, *high, *current, *stat;
        const char *droppable[3];
} names[] = {
        [CGROUP_VERSION_1] = { "/memory.limit_in_bytes",
                               NULL,
                               "/memory.usage_in_bytes",
                               "/memory.stat",
                               { "total_inactive_file", "total_active_file", NULL } },
        [CGROUP_VERSION_2] = { "/memory.max",
                               "/memory.high",
                               "/memory.current",
                               "/memory.stat",
                               { "inactive_file", "active_file", "slab_reclaimable" } },
};

/* --- opening --- */

static void close_level(const struct cgroup_level *level) {
        proc_file_close(level->limit);
        proc_file_close(level->high);
        proc_file_close(level->current);
        proc_file_close(level->stat);
}

/* The root of v2 has no such files, nor has any group where the controller is not enabled. */
static bool open_level(const struct cgroup_place *p, enum cgroup_version version, struct cgroup_level *ret) {
        const struct cgroup_names *n = &names[version];
        ret->version = version;
        ret->place = *p;
        ret->limit = proc_file_open(p->directory, n->limit);
        ret->high = n->high ? proc_file_open(p->directory, n->high) : -1;
        ret->current = proc_file_open(p->directory, n->current);
        ret->stat = proc_file_open(p->directory, n->stat);
        if ((ret->limit >= 0 || ret->high >= 0) && ret->current >= 0)
                return true;
        close_level(ret);
        return false;
}

/* v1 before Linux 5.11: a group whose use_hierarchy is 0 does not count what its children hold. */
static bool counts_children(const struct cgroup_place *p, enum cgroup_version version) {
        char text[NUMBER_TEXT_MAX];
        uint64_t uses = 1;
        if (version == CGROUP_VERSION_2)
                return true;
        if (proc_file_read_at(p->directory, "/memory.use_hierarchy", text, sizeof(text)) >= 0)
                (void) fields_number(text, &uses);
        return uses != 0;
}

static void open_hierarchy(const char *proc, const char *sys, enum cgroup_version version, struct cgroup_limits *l) {
        struct cgroup_place p;
        if (!cgroup_place_find(proc, sys, version, &p))
                return;
        do {
                if (l->count == CGROUP_LEVELS_MAX) {
                        l->is_cut = true;
                        return;
                }
                l->count += open_level(&p, version, &l->levels[l->count]);
        } while (cgroup_place_up(&p) && counts_children(&p, version));
}

void cgroup_limits_open(const char *proc, const char *sys, struct cgroup_limits *ret) {
        ret->count = 0;
        ret->is_cut = false;
        open_hierarchy(proc, sys, CGROUP_VERSION_2, ret);
        open_hierarchy(proc, sys, CGROUP_VERSION_1, ret);
}

void cgroup_limits_close(struct cgroup_limits *l) {
        for (uint32_t i = 0; i < l->count; i++)
                close_level(&l->levels[i]);
        l->count = 0;
}

/* --- reading --- */

/* UINT64_MAX for "max", for rubbish, and where there is no such file. */
static uint64_t read_limit(int fd, bool *is_gone) {
        char text[NUMBER_TEXT_MAX];
        uint64_t bytes;
        if (fd < 0)
                return UINT64_MAX;
        if (proc_file_read_once(fd, text, sizeof(text)) < 0) {
                *is_gone = true;
                return UINT64_MAX;
        }
        return fields_number(text, &bytes) && bytes < NO_LIMIT ? bytes : UINT64_MAX;
}

/* From memory.stat: what would be dropped first, and for v1 the tightest limit of the groups above, seen or not. */
static uint64_t read_stat(const struct cgroup_level *level, uint64_t *ret_limit) {
        char text[FILE_TEXT_MAX];
        struct field fields[4] = { { .key = "hierarchical_memory_limit" } };
        size_t count = 1;
        for (size_t i = 0; i < 3 && names[level->version].droppable[i]; i++)
                fields[count++] = (struct field){ .key = names[level->version].droppable[i] };
        *ret_limit = UINT64_MAX;
        if (proc_file_read(level->stat, text, sizeof(text)) < 0)
                return 0;
        fields_find(text, fields, count);
        if (fields[0].found && fields[0].value < NO_LIMIT)
                *ret_limit = fields[0].value;
        uint64_t sum = 0;
        for (size_t i = 1; i < count; i++)
                sum = sat_add(sum, fields[i].found ? fields[i].value : 0);
        return sum;
}

static void lower_to(const struct cgroup_level *level, struct memory_seen *seen, struct cgroup_tightest *tightest) {
        char text[NUMBER_TEXT_MAX];
        uint64_t current, above;
        uint64_t limit = u64_min(read_limit(level->limit, &tightest->is_gone), read_limit(level->high, &tightest->is_gone));
        /* Most groups say "max"; of those above that are not mounted here, v1 tells in the topmost. */
        if (limit == UINT64_MAX && (level->version == CGROUP_VERSION_2 || !cgroup_place_is_top(&level->place)))
                return;
        uint64_t droppable = read_stat(level, &above);
        limit = u64_min(limit, above);
        if (limit == UINT64_MAX)
                return;
        if (proc_file_read_once(level->current, text, sizeof(text)) < 0 || !fields_number(text, &current)) {
                tightest->is_gone = true;
                return;
        }
        uint64_t available = sat_sub(limit, sat_sub(current, droppable));
        if (limit < seen->total_bytes) {
                seen->total_bytes = limit;
                tightest->smallest = level;
        }
        if (available > seen->available_bytes)
                return;
        seen->available_bytes = available;
        tightest->level = level;
        tightest->limit_bytes = limit;
}

struct cgroup_tightest cgroup_limits_lower(const struct cgroup_limits *l, struct memory_seen *seen) {
        struct cgroup_tightest tightest = { 0 };
        for (uint32_t i = 0; i < l->count; i++)
                lower_to(&l->levels[i], seen, &tightest);
        return tightest;
}

void cgroup_limit_apply(const char *proc, const char *sys, struct memory_seen *seen) {
        struct cgroup_limits l;
        cgroup_limits_open(proc, sys, &l);
        (void) cgroup_limits_lower(&l, seen);
        cgroup_limits_close(&l);
}
