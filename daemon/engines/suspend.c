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
#include "daemon/state/lookup.h"
#include "daemon/state/outcome.h"
#include "daemon/state/tick.h"
#include "engine/wire/wire.h"
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
        return request->batch && !request->suspended && !request_is_for_vectors(request->kind);
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

static void begin(struct model *m, const struct action *action) {
        m->engine.suspending = *action;
        m->engine.suspending_failed = 0;
}

/* --- files, made on a thread of the pool: this happens when the disk is busiest --- */

struct files {
        uv_work_t work;
        struct fleet *fleet;
        uint32_t model, generation; /* of the engine that they are for: by then there may be another, or none */
        uint64_t bytes;             /* that will be written to them together */
        int result;
        uint32_t wanted, count;
        int fds[WIRE_PARALLEL_MAX];
        char directory[PATH_MAX];
};

static void make_files(uv_work_t *work) {
        struct files *files = work->data;
        if (mkdir(files->directory, 0700) < 0 && errno != EEXIST)
                files->result = -errno;
        else if (!disk_has(files->directory, files->bytes))
                files->result = -ENOSPC;
        while (files->result == 0 && files->count < files->wanted) {
                int fd = nameless_file(files->directory);
                if (fd < 0)
                        files->result = fd;
                else
                        files->fds[files->count++] = fd;
        }
}

/* The outcome where no request has been sent to disk; else the engine's answers are. */
static int send_files(struct model *m, const struct files *files) {
        int r = files->result < 0 ? files->result : -ENOENT;
        uint32_t used = 0;
        for (struct queue_link *l = m->running.first; l && used < files->count; l = l->next) {
                struct request *request = request_of(l);
                if (!may_be_suspended(request) || request->moving)
                        continue;
                r = m->ops->suspend(m, request->id, files->fds[used]);
                if (r < 0)
                        break; /* the rest at the next action */
                used++;
                request->moving = true;
        }
        return used > 0 ? 0 : r;
}

static void on_files(uv_work_t *work, int status) {
        (void) status;
        struct files *files = work->data;
        struct fleet *f = files->fleet;
        struct model *m = fleet_model(f, files->model);
        bool same = m && m->generation == files->generation && m->engine.process && m->engine.suspending.kind == ACTION_SUSPEND;
        int r = same ? send_files(m, files) : 0;
        if (r < 0) {
                struct action action = m->engine.suspending;
                m->engine.suspending = (struct action){ 0 };
                govern_tell(f, &action, r);
        }
        if (same)
                m->engine.making_files = false;
        for (uint32_t i = 0; i < files->count; i++)
                (void) close(files->fds[i]);
        f->files_making--;
        free(files);
        fleet_poke(f);
}

int suspension_begin(struct model *m, const struct action *action) {
        if (m->engine.suspending.kind != ACTION_NONE)
                return -EALREADY;
        struct files *files = calloc(1, sizeof(*files));
        if (!files)
                return -ENOMEM;
        files->work.data = files;
        files->fleet = m->fleet;
        files->model = m->number;
        files->generation = m->generation;
        files->bytes = suspension_bytes(m);
        directory_of(m->fleet, files->directory);
        for (struct queue_link *l = m->running.first; l && files->wanted < WIRE_PARALLEL_MAX; l = l->next)
                files->wanted += may_be_suspended(request_of(l));
        int r = files->wanted == 0 ? -ENOENT : uv_queue_work(m->fleet->loop, &files->work, make_files, on_files);
        if (r < 0) {
                free(files);
                return r;
        }
        m->fleet->files_making++;
        m->engine.making_files = true;
        begin(m, action);
        return 0;
}

int suspension_resume(struct model *m, const struct action *action) {
        bool any = false;
        if (m->engine.suspending.kind != ACTION_NONE)
                return -EALREADY;
        for (struct queue_link *l = m->running.first; l; l = l->next)
                if (request_of(l)->suspended && m->ops->restore(m, request_of(l)->id) == 0)
                        request_of(l)->moving = any = true;
        if (!any)
                return -ENOENT;
        begin(m, action);
        return 0;
}

void suspension_answered(struct request *request, bool good) {
        struct model *m = request->model;
        m->engine.suspending_failed += request->moving && !good;
        request->moving = false;
        engine_measure(m);
        fleet_poke(m->fleet);
}

/* A request that has ended meanwhile is not waited for. */
void suspension_tick(struct model *m) {
        struct instance *e = &m->engine;
        if (e->suspending.kind == ACTION_NONE || e->making_files)
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
