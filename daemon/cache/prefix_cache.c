/*
 * prefix_cache.c - the index, the choice of files to drop, and the jobs that touch the disk on threads of the pool.
 *
 * A job's thread works on the job alone; its findings are entered here when it is back on the loop. A file that is to go leaves
 * the index at once and the disk a moment later; an engine that has it open reads on.
 */
#include "daemon/cache/prefix_cache.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/system/log.h"
#include "daemon/cache/prefix_cache_dir.h"
#include "policy/base/sat.h"

#define DIRECTORY "prompts"

struct prefix_cache {
        uv_loop_t *loop;
        char directory[PATH_MAX - 64];
        struct cached *all; /* CACHE_FILES_MAX; NULL until the directory has been read */
        uint32_t count;
        uint64_t bytes, bytes_max;
        uint64_t uses;   /* above any file's time */
        uint64_t number; /* of the last file */
        uint32_t jobs;
        bool disk_is_low; /* said already */
        struct prefix_cache_figures figures;
        void (*on_quiet)(void *user);
        void *user;
};

enum job_kind { JOB_SCAN, JOB_FIND, JOB_MAKE, JOB_SAVE, JOB_REMOVE, JOB_SET_ASIDE };

struct cache_job {
        uv_work_t work;
        struct prefix_cache *cache;
        enum job_kind kind;
        struct cached file; /* the file, present or future; owns its hashes */
        int fd;             /* owned */
        int result;
        uint32_t slot;
        struct cache_scan scan;
        prefix_cache_found *on_found;
        prefix_cache_made *on_made;
        prefix_cache_saved *on_saved;
        void *user;
};

/* ---- jobs ---- */

static void job_free(struct cache_job *j) {
        if (j->fd >= 0)
                (void) close(j->fd);
        free(j->file.hashes);
        free(j);
}

static struct cache_job *job_new(struct prefix_cache *c, enum job_kind kind) {
        struct cache_job *j = calloc(1, sizeof(*j));
        if (!j)
                return NULL;
        j->cache = c;
        j->kind = kind;
        j->fd = -1;
        j->work.data = j;
        return j;
}

/* On a thread of the pool. */
static void work(uv_work_t *w) {
        struct cache_job *j = w->data;
        const char *directory = j->cache->directory;
        switch (j->kind) {
        case JOB_SCAN: j->result = cache_files_scan(directory, &j->scan); break;
        case JOB_FIND: j->result = j->fd = cache_files_open(directory, j->file.number); break;
        case JOB_MAKE: j->result = j->fd = cache_files_make(directory, j->file.number, j->file.bytes); break;
        case JOB_SAVE: j->result = cache_files_commit(directory, j->fd, &j->file); break;
        case JOB_REMOVE: j->result = cache_files_remove(directory, j->file.number); break;
        case JOB_SET_ASIDE: j->result = cache_files_set_aside(directory, j->file.number, j->slot); break;
        }
}

static void finished(struct cache_job *j);

static void on_worked(uv_work_t *w, int status) {
        struct cache_job *j = w->data;
        struct prefix_cache *c = j->cache;
        if (status < 0)
                j->result = status;
        c->jobs--;
        finished(j);
        if (c->jobs == 0)
                c->on_quiet(c->user);
}

/* Takes over J. */
static int begin(struct cache_job *j) {
        int r = uv_queue_work(j->cache->loop, &j->work, work, on_worked);
        if (r < 0)
                job_free(j);
        else
                j->cache->jobs++;
        return r;
}

/* ---- the index ---- */

static uint64_t use_now(struct prefix_cache *c) {
        return ++c->uses;
}

/* How many blocks two lists of hashes share: equal once is equal before. */
static uint32_t common(const struct cached *e, const uint64_t *hashes, uint32_t blocks) {
        uint32_t low = 0, high = e->blocks < blocks ? e->blocks : blocks;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (e->hashes[middle] == hashes[middle])
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static struct cached *longest(struct prefix_cache *c, uint64_t model, const uint64_t *hashes, uint32_t blocks, uint32_t *ret) {
        struct cached *best = NULL;
        uint32_t most = 0;
        for (uint32_t i = 0; i < c->count; i++) {
                uint32_t n = c->all[i].model == model ? common(&c->all[i], hashes, blocks) : 0;
                if (n > most) {
                        most = n;
                        best = &c->all[i];
                }
        }
        *ret = most;
        return best;
}

static void take_out(struct prefix_cache *c, struct cached *e) {
        c->bytes = sat_sub(c->bytes, e->bytes);
        free(e->hashes);
        *e = c->all[--c->count];
}

/* Out of the index, and the file with it. */
static void drop(struct prefix_cache *c, struct cached *e) {
        struct cache_job *j = job_new(c, JOB_REMOVE);
        if (j) {
                j->file.number = e->number;
                (void) begin(j);
        } /* else it is found again at the next start */
        take_out(c, e);
}

/* Of files used within one tick of the file system's clock the one that was made first. */
static bool is_older(const struct cached *a, const struct cached *b) {
        return a->used != b->used ? a->used < b->used : a->number < b->number;
}

static struct cached *oldest(struct prefix_cache *c) {
        struct cached *e = NULL;
        for (uint32_t i = 0; i < c->count; i++)
                if (!e || is_older(&c->all[i], e))
                        e = &c->all[i];
        return e;
}

static void make_room(struct prefix_cache *c, uint64_t bytes) {
        uint32_t evicted = 0;
        uint64_t before = c->bytes;
        for (struct cached *e; (sat_add(c->bytes, bytes) > c->bytes_max || c->count >= CACHE_FILES_MAX) && (e = oldest(c));
             evicted++)
                drop(c, e);
        c->figures.evicted += evicted;
        if (evicted)
                log_info("prompts_evicted", LOG_NUMBER("files", evicted), LOG_NUMBER("mib", sat_sub(before, c->bytes) >> 20),
                         LOG_NUMBER("size_mib", c->bytes_max >> 20));
}

/* ---- back on the loop ---- */

static void scanned(struct prefix_cache *c, struct cache_job *j) {
        if (j->result < 0) {
                log_warning("prompt_cache_unreadable", LOG_TEXT("path", c->directory), LOG_TEXT("error", strerror(-j->result)),
                            LOG_TEXT("effect", "prompts are computed anew after a restart"));
                return;
        }
        c->all = j->scan.all;
        c->count = j->scan.count;
        c->number = j->scan.number_max;
        c->figures.damaged += j->scan.damaged;
        for (uint32_t i = 0; i < c->count; i++) {
                c->bytes = sat_add(c->bytes, c->all[i].bytes);
                c->uses = u64_max(c->uses, c->all[i].used);
        }
        if (j->scan.damaged)
                log_warning("prompt_cache_damaged", LOG_TEXT("path", c->directory), LOG_TEXT("file", j->scan.damaged_name),
                            LOG_NUMBER("files", j->scan.damaged), LOG_TEXT("error", "the files are damaged"),
                            LOG_TEXT("effect", "set aside as damaged-N.kv; these prompts are computed anew"));
        make_room(c, 0);
        log_info("prompt_cache", LOG_NUMBER("files", c->count), LOG_NUMBER("mib", c->bytes >> 20),
                 LOG_NUMBER("size_mib", c->bytes_max >> 20));
}

static void made(struct prefix_cache *c, struct cache_job *j) {
        if (j->result == -ENOSPC) {
                c->figures.refused++;
                if (!c->disk_is_low)
                        log_warning("prompt_not_kept", LOG_TEXT("path", c->directory), LOG_NUMBER("mib", j->file.bytes >> 20),
                                    LOG_NUMBER("stay_free_mib", SUSPEND_DISK_FREE_MIN >> 20),
                                    LOG_TEXT("error", "the disk is too full"));
        }
        c->disk_is_low = j->result == -ENOSPC;
        if (j->result < 0) {
                j->on_made(j->user, NULL, -1, j->result);
                job_free(j);
        } else {
                j->on_made(j->user, j, j->fd, 0);
        }
}

/* Older files whose contents are a prefix of the new file's are no longer needed. */
static void enter(struct prefix_cache *c, struct cached *file) {
        for (uint32_t i = c->count; i-- > 0;) {
                struct cached *e = &c->all[i];
                if (e->model == file->model && e->blocks <= file->blocks && common(e, file->hashes, file->blocks) == e->blocks)
                        drop(c, e);
        }
        make_room(c, file->bytes);
        c->all[c->count] = *file;
        c->all[c->count++].used = use_now(c);
        c->bytes = sat_add(c->bytes, file->bytes);
        file->hashes = NULL;
        c->figures.saved++;
}

static void saved(struct prefix_cache *c, struct cache_job *j) {
        if (j->result == 0)
                enter(c, &j->file);
        else
                log_warning("prompt_not_kept", LOG_TEXT("path", c->directory), LOG_TEXT("error", strerror(-j->result)));
        j->on_saved(j->user, j->result < 0 ? j->result : (int64_t) j->file.bytes);
        job_free(j);
}

static void finished(struct cache_job *j) {
        struct prefix_cache *c = j->cache;
        switch (j->kind) {
        case JOB_SCAN:
                scanned(c, j);
                job_free(j);
                break;
        case JOB_FIND:
                j->on_found(j->user, j->file.number, j->fd);
                job_free(j);
                break;
        case JOB_MAKE: made(c, j); break;
        case JOB_SAVE: saved(c, j); break;
        case JOB_REMOVE:
        case JOB_SET_ASIDE: job_free(j); break;
        }
}

/* ---- for the others ---- */

bool prefix_cache_find(struct prefix_cache *c, uint64_t model, const uint64_t *hashes, uint32_t blocks,
                       prefix_cache_found *on_found, void *user) {
        uint32_t blocks_found;
        struct cached *e = longest(c, model, hashes, blocks, &blocks_found);
        struct cache_job *j = e ? job_new(c, JOB_FIND) : NULL;
        c->figures.not_found += !j;
        if (!j)
                return false;
        e->used = use_now(c);
        j->file.number = e->number;
        j->on_found = on_found;
        j->user = user;
        c->figures.found++;
        return begin(j) == 0;
}

void prefix_cache_reject(struct prefix_cache *c, uint64_t number, bool damaged, const char *error) {
        struct cached *e = c->all;
        while (e && e < c->all + c->count && e->number != number)
                e++;
        if (!e || e == c->all + c->count)
                return; /* the file has gone meanwhile */
        log_warning(damaged ? "prompt_cache_damaged" : "prompt_cache_useless", LOG_TEXT("path", c->directory),
                    LOG_NUMBER("file", number), LOG_TEXT("error", error),
                    LOG_TEXT("effect", damaged ? "set aside as damaged-N.kv; the prompt is computed anew"
                                               : "removed; the prompt is computed anew"));
        if (!damaged) {
                drop(c, e);
                return;
        }
        struct cache_job *j = job_new(c, JOB_SET_ASIDE);
        if (j) {
                j->file.number = number;
                j->slot = (uint32_t) (c->figures.damaged % CACHE_DAMAGED_MAX);
                (void) begin(j);
        }
        c->figures.damaged++;
        take_out(c, e);
}

bool prefix_cache_make(struct prefix_cache *c, uint64_t model, uint64_t *hashes, uint32_t blocks, uint64_t bytes,
                       prefix_cache_made *on_made, void *user) {
        uint32_t found = 0;
        struct cached *e = c->all ? longest(c, model, hashes, blocks, &found) : NULL;
        uint64_t all = sat_add(bytes, (uint64_t) blocks * 8 + CACHE_FILE_SPARE);
        struct cache_job *j = NULL;
        if (e && found == blocks)
                e->used = use_now(c); /* as fresh as if it were written now */
        else if (c->all && all <= c->bytes_max)
                j = job_new(c, JOB_MAKE);
        if (!j) {
                free(hashes);
                return false;
        }
        make_room(c, all);
        j->file = (struct cached){ .number = ++c->number, .model = model, .hashes = hashes, .blocks = blocks, .bytes = all };
        j->on_made = on_made;
        j->user = user;
        return begin(j) == 0;
}

void prefix_cache_save(struct cache_job *j, prefix_cache_saved *on_saved, void *user) {
        j->kind = JOB_SAVE;
        j->on_saved = on_saved;
        j->user = user;
        if (uv_queue_work(j->cache->loop, &j->work, work, on_worked) == 0) {
                j->cache->jobs++;
                return;
        }
        on_saved(user, -ENOMEM);
        prefix_cache_discard(j);
}

/* The name goes at once: a file of ours alone, in a directory that was just written to. */
void prefix_cache_discard(struct cache_job *j) {
        (void) cache_files_drop_new(j->cache->directory, j->file.number);
        job_free(j);
}

void prefix_cache_figures(const struct prefix_cache *c, struct prefix_cache_figures *ret) {
        *ret = (struct prefix_cache_figures){ 0 };
        if (!c)
                return;
        *ret = c->figures;
        ret->enabled = true;
        ret->bytes = c->bytes;
        ret->bytes_max = c->bytes_max;
        ret->files = c->count;
}

bool prefix_cache_busy(const struct prefix_cache *c) {
        return c && c->jobs > 0;
}

int prefix_cache_new(uv_loop_t *loop, const char *state_dir, uint64_t bytes_max, void (*on_quiet)(void *user), void *user,
                     struct prefix_cache **ret) {
        struct prefix_cache *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->loop = loop;
        c->bytes_max = bytes_max;
        c->on_quiet = on_quiet;
        c->user = user;
        int length = snprintf(c->directory, sizeof(c->directory), "%s/" DIRECTORY, state_dir);
        struct cache_job *j = length > 0 && (size_t) length < sizeof(c->directory) ? job_new(c, JOB_SCAN) : NULL;
        int r = j ? begin(j) : -ENOMEM;
        if (r < 0) {
                free(c);
                return r;
        }
        *ret = c;
        return 0;
}

void prefix_cache_free(struct prefix_cache *c) {
        if (!c)
                return;
        while (c->count)
                free(c->all[--c->count].hashes);
        free(c->all);
        free(c);
}
