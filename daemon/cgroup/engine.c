/*
 * engine.c - the group of one engine: made, limited, frozen, killed, looked at, removed.
 *
 * All its files that are needed later are opened when it is made. Pressure is read, never polled: a descriptor of PSI
 * whose group is removed reports an error without end, and a loop that polls it spins.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <dirent.h>

#include "daemon/base/bounds.h"
#include "daemon/cgroup/internal.h"
#include "engine/base/cleanup.h"
#include "daemon/base/fields.h"
#include "daemon/base/proc_file.h"
#include "daemon/sensors/psi.h"

enum file {
        FILE_KILL,
        FILE_FREEZE,
        FILE_PROCS,
        FILE_MAX,
        FILE_CURRENT,
        FILE_PRESSURE,
        FILE_STAT,
        FILE_EVENTS,
        FILE_COUNT,
};

static const struct {
        const char *name;
        int flags;
} files[FILE_COUNT] = {
        [FILE_KILL] = { "cgroup.kill", O_WRONLY }, /* Linux 5.14 */
        [FILE_FREEZE] = { "cgroup.freeze", O_WRONLY },     [FILE_PROCS] = { "cgroup.procs", O_RDONLY },
        [FILE_MAX] = { "memory.max", O_WRONLY },           [FILE_CURRENT] = { "memory.current", O_RDONLY },
        [FILE_PRESSURE] = { "memory.pressure", O_RDONLY }, [FILE_STAT] = { "memory.stat", O_RDONLY },
        [FILE_EVENTS] = { "memory.events", O_RDONLY },
};

/*
 * Settings written once to the group of every engine. Never memory.high: an engine without swap that reaches it is put to sleep
 * for ever, and is not killed. The last few files are not there on every kernel.
 */
static const struct {
        const char *name, *value;
        bool must; /* where there is a memory controller */
} settings[] = {
        { "memory.oom.group", "1", true }, /* half an engine is of no use, and its socket would stay open */
        { "memory.swap.max", "0", false }, /* no file where swap is not accounted */
        { "memory.zswap.max", "0", false },
        { "cpu.weight", CGROUP_ENGINE_WEIGHT, false },
        { "pids.max", CGROUP_ENGINE_PIDS_MAX, false },
};

struct cgroup_engine {
        struct cgroup_tree *tree;
        struct cgroup_engine *next; /* among the doomed */
        char name[CGROUP_NAME_MAX];
        int directory;
        int fds[FILE_COUNT]; /* or -errno */
};

/* --- killing --- */

static void sleep_ms(long ms) {
        struct timespec t = { 0, ms * 1000000 };
        (void) nanosleep(&t, NULL);
}

/* For kernels without cgroup.kill: round by round, since what is killed may just be forking. */
int cgroup_engine_kill_each(int procs_fd) {
        char text[CGROUP_TEXT_MAX];
        for (int round = 0; round < CGROUP_KILL_ROUNDS; round++) {
                int r = proc_file_read(procs_fd, text, sizeof(text));
                if (r <= 0)
                        return r;
                for (char *at = text, *end; *at; at = *end ? end + 1 : end) {
                        long pid = strtol(at, &end, 10);
                        if (end == at)
                                break;
                        if (pid > 1)
                                (void) kill((pid_t) pid, SIGKILL);
                }
        }
        return 0;
}

int cgroup_engine_kill(struct cgroup_engine *g) {
        int r = cgroup_file_put(g->fds[FILE_KILL], "1");
        return r < 0 ? cgroup_engine_kill_each(g->fds[FILE_PROCS]) : 0;
}

/* --- removing --- */

static void close_files(struct cgroup_engine *g) {
        close_fd(&g->directory);
        for (int i = 0; i < FILE_COUNT; i++)
                close_fd(&g->fds[i]);
}

/* True when it is gone; else it still holds a process. */
static bool try_remove(struct cgroup_engine *g) {
        return unlinkat(g->tree->base.fd, g->name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static void doom(struct cgroup_engine *g) {
        struct cgroup_tree *t = g->tree;
        if (t->doomed_count >= CGROUP_DOOMED_MAX) {
                /* The processes of this group cannot be killed; the next start of the daemon finds it. */
                close_files(g);
                free(g);
                return;
        }
        g->next = t->doomed;
        t->doomed = g;
        t->doomed_count++;
}

void cgroup_engine_sweep(struct cgroup_tree *t) {
        struct cgroup_engine **link = &t->doomed;
        while (*link) {
                struct cgroup_engine *g = *link;
                (void) cgroup_engine_kill(g);
                if (!try_remove(g)) {
                        link = &g->next;
                        continue;
                }
                *link = g->next;
                t->doomed_count--;
                close_files(g);
                free(g);
        }
}

void cgroup_engine_free(struct cgroup_engine *g) {
        struct cgroup_tree *t = g->tree;
        cgroup_engine_sweep(t);
        if (!try_remove(g)) {
                (void) cgroup_engine_kill(g);
                doom(g);
                return;
        }
        close_files(g);
        free(g);
}

void cgroup_engine_forget_all(struct cgroup_tree *t) {
        cgroup_engine_sweep(t);
        for (int tries = 0; t->doomed && tries < CGROUP_REMOVE_TRIES; tries++) {
                sleep_ms(CGROUP_REMOVE_MS);
                cgroup_engine_sweep(t);
        }
        while (t->doomed) {
                struct cgroup_engine *g = t->doomed;
                t->doomed = g->next;
                close_files(g);
                free(g);
        }
        t->doomed_count = 0;
}

/* --- making --- */

static int open_files(struct cgroup_engine *g) {
        g->directory = openat(g->tree->base.fd, g->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (g->directory < 0)
                return -errno;
        for (int i = 0; i < FILE_COUNT; i++) {
                g->fds[i] = openat(g->directory, files[i].name, files[i].flags | O_CLOEXEC);
                if (g->fds[i] < 0)
                        g->fds[i] = -errno;
        }
        return g->fds[FILE_PROCS] < 0 ? g->fds[FILE_PROCS] : g->tree->has_memory && g->fds[FILE_MAX] < 0 ? g->fds[FILE_MAX] : 0;
}

static struct cgroup_engine *new_named(struct cgroup_tree *t, const char *name) {
        struct cgroup_engine *g = calloc(1, sizeof(*g));
        if (!g)
                return NULL;
        g->tree = t;
        g->directory = -1;
        for (int i = 0; i < FILE_COUNT; i++)
                g->fds[i] = -ENOENT;
        (void) snprintf(g->name, sizeof(g->name), "%s", name);
        return g;
}

static int apply_settings(const struct cgroup_engine *g) {
        for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
                int r = cgroup_file_write(g->directory, settings[i].name, settings[i].value);
                if (r < 0 && settings[i].must && g->tree->has_memory)
                        return r;
        }
        return 0;
}

/* Of an earlier daemon one may be left that cannot be removed: then the next number. */
static int make_directory(struct cgroup_tree *t, uint32_t index, char name[CGROUP_NAME_MAX]) {
        int r = -EEXIST;
        for (int tries = 0; r == -EEXIST && tries < CGROUP_NAME_TRIES; tries++) {
                (void) snprintf(name, CGROUP_NAME_MAX, CGROUP_PREFIX "%" PRIu32 ".%" PRIu64, index, ++t->groups_made);
                r = mkdirat(t->base.fd, name, 0755) < 0 ? -errno : 0;
        }
        return r;
}

int cgroup_engine_new(struct cgroup_tree *t, uint32_t index, struct cgroup_engine **ret) {
        char name[CGROUP_NAME_MAX];
        cgroup_engine_sweep(t);
        int r = make_directory(t, index, name);
        if (r < 0)
                return r;
        struct cgroup_engine *g = new_named(t, name);
        r = g ? open_files(g) : -ENOMEM;
        if (r == 0)
                r = apply_settings(g);
        if (r == 0) {
                *ret = g;
                return 0;
        }
        (void) unlinkat(t->base.fd, name, AT_REMOVEDIR);
        if (g)
                close_files(g);
        free(g);
        return r;
}

void cgroup_engine_inherit(struct cgroup_tree *t) {
        int copy = fcntl(t->base.fd, F_DUPFD_CLOEXEC, 0);
        auto_closedir DIR *d = copy < 0 ? NULL : fdopendir(copy);
        const struct dirent *entry;
        if (!d) {
                close_fd(&copy);
                return;
        }
        rewinddir(d);
        while ((entry = readdir(d))) {
                if (strncmp(entry->d_name, CGROUP_PREFIX, strlen(CGROUP_PREFIX)) != 0 || strlen(entry->d_name) >= CGROUP_NAME_MAX)
                        continue;
                struct cgroup_engine *g = new_named(t, entry->d_name);
                if (!g)
                        return;
                (void) open_files(g);
                cgroup_engine_free(g);
        }
}

/* --- using --- */

int cgroup_engine_fd(const struct cgroup_engine *g) {
        return g->directory;
}

int cgroup_engine_limit(struct cgroup_engine *g, uint64_t bytes) {
        const struct cgroup_tree *t = g->tree;
        char value[32], group[PLACE_MAX + CGROUP_NAME_MAX], why[96];
        (void) snprintf(value, sizeof(value), "%" PRIu64, bytes);
        (void) snprintf(group, sizeof(group), "%s/%s", t->base.place.directory + t->base.place.base, g->name);
        if (t->by_libcgroup && cgroup_library_write(group, "memory", "memory.max", value, why, sizeof(why)) == 0)
                return 0;
        return cgroup_file_put(g->fds[FILE_MAX], value);
}

int cgroup_engine_freeze(struct cgroup_engine *g, bool frozen) {
        return cgroup_file_put(g->fds[FILE_FREEZE], frozen ? "1" : "0");
}

static void read_stat(int fd, struct cgroup_usage *ret) {
        char text[CGROUP_TEXT_MAX];
        struct field fields[] = {
                { .key = "workingset_refault_file" },
                { .key = "workingset_refault_anon" },
                { .key = "pswpin" }, /* of newer kernels only, like the next */
                { .key = "zswpin" },
        };
        if (proc_file_read(fd, text, sizeof(text)) < 0)
                return;
        fields_find(text, fields, sizeof(fields) / sizeof(fields[0]));
        ret->refaults = fields[0].value + fields[1].value;
        ret->swapins = fields[2].value + fields[3].value;
}

static void read_events(int fd, struct cgroup_usage *ret) {
        char text[NUMBER_TEXT_MAX];
        struct field fields[] = { { .key = "high" }, { .key = "max" }, { .key = "oom" }, { .key = "oom_kill" } };
        if (proc_file_read(fd, text, sizeof(text)) < 0)
                return;
        fields_find(text, fields, sizeof(fields) / sizeof(fields[0]));
        ret->high_events = fields[0].value;
        ret->max_events = fields[1].value;
        ret->limit_ooms = fields[2].value;
        ret->oom_kills = fields[3].value;
}

void cgroup_engine_usage(struct cgroup_engine *g, struct cgroup_usage *ret) {
        char text[NUMBER_TEXT_MAX];
        *ret = (struct cgroup_usage){ 0 };
        if (proc_file_read_once(g->fds[FILE_CURRENT], text, sizeof(text)) > 0)
                (void) fields_number(text, &ret->current_bytes);
        if (proc_file_read_once(g->fds[FILE_PRESSURE], text, sizeof(text)) > 0)
                (void) pressure_parse(text, &ret->stall_us);
        read_stat(g->fds[FILE_STAT], ret);
        read_events(g->fds[FILE_EVENTS], ret);
}
