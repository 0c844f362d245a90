/*
 * suspend.c - requests of the batch class go to disk while memory is short, and come back.
 *
 * The file has no name (O_TMPFILE, or it is unlinked at once): the engine gets it open, and it is gone with the last who has it
 * open. Where the disk is nearly full, nothing is suspended: a full disk is no better than full memory.
 */
#include "daemon/engines/suspend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/cache/page_cache.h"
#include "daemon/engines/engine.h"
#include "daemon/state/fleet.h"
#include "daemon/state/outcome.h"
#include "daemon/state/tick.h"
#include "engine/base/cleanup.h"
#include "policy/base/sat.h"

#define DIRECTORY "suspended"

static void directory_of(const struct fleet *f, char path[PATH_MAX]) {
        (void) snprintf(path, PATH_MAX, "%s/" DIRECTORY, f->config->state_dir);
}

static int nameless_file(const char *directory) {
        int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
                return fd >= 0 ? fd : -errno;
        char path[PATH_MAX + 16];
        (void) snprintf(path, sizeof(path), "%s/XXXXXX", directory);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        (void) unlink(path);
        return fd;
}

static bool disk_has(const char *directory, uint64_t bytes) {
        struct statvfs disk;
        return statvfs(directory, &disk) == 0 && sat_mul(disk.f_bavail, disk.f_frsize) >= sat_add(bytes, SUSPEND_DISK_FREE_MIN);
}

static uint64_t bytes_of(const struct model *m, const struct request *request) {
        for (uint32_t i = 0; i < m->engine.report.requests_count; i++)
                if (m->engine.report.requests[i].id == request->id)
                        return m->engine.report.requests[i].bytes;
        return 0;
}

static bool may_be_suspended(const struct request *request) {
        return request->batch && !request->suspended && request->kind != REQUEST_EMBED;
}

uint64_t suspension_bytes(const struct model *m) {
        uint64_t bytes = 0, looked = page_cache_looked_ms(m->fleet->page_cache);
        for (struct queue_link *l = m->running.first; l; l = l->next)
                if (may_be_suspended(request_of(l)))
                        bytes = sat_add(bytes, bytes_of(m, request_of(l)));
        /* A disk that was not looked at lately is not known to be full. */
        bool low = looked > 0 && page_cache_disk_free_bytes(m->fleet->page_cache) < sat_add(bytes, SUSPEND_DISK_FREE_MIN);
        return low || m->engine.suspending.kind != ACTION_NONE ? 0 : bytes;
}

static int begin(struct model *m, const struct action *action) {
        m->engine.suspending = *action;
        m->engine.suspending_failed = 0;
        return 0;
}

int suspension_begin(struct model *m, const struct action *action) {
        char directory[PATH_MAX];
        int r = -ENOENT;
        bool any = false;
        directory_of(m->fleet, directory);
        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                return -errno;
        if (m->engine.suspending.kind != ACTION_NONE)
                return -EALREADY;
        if (!disk_has(directory, suspension_bytes(m)))
                return -ENOSPC;
        for (struct queue_link *l = m->running.first; l; l = l->next) {
                struct request *request = request_of(l);
                if (!may_be_suspended(request))
                        continue;
                auto_close int fd = nameless_file(directory);
                r = fd < 0 ? fd : m->engine.ops->suspend(m, request->id, fd);
                if (r < 0)
                        break; /* the rest at the next action */
                request->moving = any = true;
        }
        return any ? begin(m, action) : r;
}

int suspension_resume(struct model *m, const struct action *action) {
        bool any = false;
        if (m->engine.suspending.kind != ACTION_NONE)
                return -EALREADY;
        for (struct queue_link *l = m->running.first; l; l = l->next)
                if (request_of(l)->suspended && m->engine.ops->restore(m, request_of(l)->id) == 0)
                        request_of(l)->moving = any = true;
        return any ? begin(m, action) : -ENOENT;
}

void suspension_answered(struct request *request, bool good) {
        struct model *m = request->model;
        m->engine.suspending_failed += request->moving && !good;
        request->moving = false;
        engine_measure(m);
        fleet_poke(m->fleet);
}

/* One that left meanwhile is not waited for. */
void suspension_tick(struct model *m) {
        struct instance *e = &m->engine;
        if (e->suspending.kind == ACTION_NONE)
                return;
        for (struct queue_link *l = m->running.first; l; l = l->next)
                if (request_of(l)->moving)
                        return;
        struct action action = e->suspending;
        e->suspending = (struct action){ 0 };
        govern_tell(m->fleet, &action, e->suspending_failed > 0 ? -EREMOTEIO : 0);
}

void suspension_clean(const struct fleet *f) {
        char directory[PATH_MAX], path[PATH_MAX + sizeof(((struct dirent *) NULL)->d_name) + 1];
        directory_of(f, directory);
        DIR *d = opendir(directory);
        if (!d)
                return;
        for (const struct dirent *entry; (entry = readdir(d));) {
                (void) snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
                (void) unlink(path);
        }
        (void) closedir(d);
}
