/*
 * prefix_cache_client.c - one model's prefixes of prompts on disk: saving those of its engine, and finding those for its
 * requests.
 *
 * Saving is for idle time. Some seconds after the last request has ended the engine is asked for save candidates, and
 * each gets a file, until there are no more. An engine that is told to leave is asked at once and waited for, but not
 * for long, and not where it leaves because memory is short. A request's question is always answered: it waits for
 * that.
 */
#include "daemon/engines/prefix_cache_client.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cache/prefix_cache.h"
#include "daemon/engines/engine.h"
#include "daemon/state/fleet.h"
#include "daemon/state/lookup.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/base/sat.h"

#define DIGITS 16u /* of a hash */

/* For whom a job of the cache is done: by then there may be another engine, or none. */
struct job_owner {
        struct fleet *fleet;
        uint32_t model, generation;
        uint64_t id; /* of the request, or 0 */
};

static struct job_owner *job_owner_new(struct model *m, uint64_t id) {
        struct job_owner *w = malloc(sizeof(*w));
        if (w)
                *w = (struct job_owner){ m->fleet, m->number, m->generation, id };
        return w;
}

/* The model, if the engine is still the one; W is freed. */
static struct model *job_owner_done(struct job_owner *w) {
        struct model *m = fleet_model(w->fleet, w->model);
        bool is_same = m && m->generation == w->generation && m->engine.process;
        free(w);
        return is_same ? m : NULL;
}

/* ---- hashes ---- */

static bool digit(char c, uint64_t *value) {
        unsigned d = c >= '0' && c <= '9' ? (unsigned) (c - '0') : c >= 'a' && c <= 'f' ? (unsigned) (c - 'a') + 10 : 16;
        *value = *value << 4 | (d & 15);
        return d < 16;
}

/* The hashes of FRAME, malloc'ed, and their count, at least LEAST; NULL when it is none. */
static uint64_t *hashes_in(const cJSON *frame, uint32_t least, uint32_t *ret_blocks) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "prefix_hashes"));
        size_t length = text ? strlen(text) : 0;
        if (!text || length % DIGITS != 0 || length / DIGITS < least || length / DIGITS > CACHE_BLOCKS_MAX)
                return NULL;
        uint32_t blocks = (uint32_t) (length / DIGITS);
        uint64_t *hashes = calloc(blocks ? blocks : 1, sizeof(*hashes));
        bool good = hashes;
        for (size_t i = 0; good && i < length; i++)
                good = digit(text[i], &hashes[i / DIGITS]);
        if (!good) {
                free(hashes);
                return NULL;
        }
        *ret_blocks = blocks;
        return hashes;
}

/* ---- saving ---- */

static bool is_under_way(const struct saving *saving) {
        return saving->candidate_id || saving->making || saving->job;
}

static void on_saved(void *user, int64_t bytes) {
        const struct job_owner *w = user;
        struct fleet *f = w->fleet;
        if (bytes >= 0)
                log_info("prompt_kept", LOG_TEXT("model", names_text(&f->names, w->model)), LOG_NUMBER("kib", bytes >> 10));
        struct model *m = job_owner_done(user);
        if (m)
                m->engine.saving.making = false;
        fleet_poke(f);
}

static void on_made(void *user, struct cache_job *job, int fd, int error) {
        struct fleet *f = ((struct job_owner *) user)->fleet;
        struct model *m = job_owner_done(user);
        struct saving *saving = m ? &m->engine.saving : NULL;
        (void) error; /* said by the cache */
        fleet_poke(f);
        if (saving)
                saving->making = false;
        if (!job)
                return;
        if (saving && m->ops->save(m, fd, &saving->save_id) == 0)
                saving->job = job;
        else
                prefix_cache_discard(job);
}

bool prefix_client_take_save_candidate(struct model *m, uint64_t id, const cJSON *frame) {
        struct saving *saving = &m->engine.saving;
        const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(frame, "tokens"),
                    *bytes = cJSON_GetObjectItemCaseSensitive(frame, "bytes");
        if (!saving->candidate_id || id != saving->candidate_id || !cJSON_IsNumber(tokens) || !cJSON_IsNumber(bytes) ||
            !(bytes->valuedouble >= 0) || !(bytes->valuedouble < 0x1p53))
                return false;
        saving->candidate_id = 0;
        fleet_poke(m->fleet);
        if (tokens->valuedouble == 0) {
                saving->exhausted = true;
                return true;
        }
        uint32_t blocks;
        uint64_t *hashes = hashes_in(frame, 1, &blocks);
        struct job_owner *w = hashes ? job_owner_new(m, 0) : NULL;
        if (!w) {
                free(hashes);
                return false;
        }
        saving->making = prefix_cache_make(m->fleet->prefix_cache, m->files.key, hashes, blocks, (uint64_t) bytes->valuedouble,
                                           on_made, w);
        if (!saving->making)
                free(w); /* the next one */
        return true;
}

bool prefix_client_take_saved(struct model *m, uint64_t id, const cJSON *frame) {
        struct saving *saving = &m->engine.saving;
        const cJSON *error = cJSON_GetObjectItemCaseSensitive(frame, "error");
        if (!saving->job || id != saving->save_id || (error && !cJSON_IsString(error)))
                return false;
        struct cache_job *job = saving->job;
        struct job_owner *w = error ? NULL : job_owner_new(m, 0);
        saving->job = NULL;
        fleet_poke(m->fleet);
        if (error)
                log_info("prompt_not_kept", LOG_TEXT("model", m->config->id), LOG_TEXT("error", error->valuestring));
        if (!w) {
                prefix_cache_discard(job);
                return true;
        }
        saving->making = true;
        prefix_cache_save(job, on_saved, w);
        return true;
}

static bool may_save(const struct model *m) {
        return m->fleet->prefix_cache && m->engine.worked && m->ops->can.saves_prefixes;
}

static void ask_for_candidate(struct model *m) {
        struct saving *saving = &m->engine.saving;
        if (m->ops->save_candidate(m, &saving->candidate_id) < 0)
                saving->exhausted = true; /* a callback will say that the engine has gone */
}

void prefix_client_tick(struct model *m) {
        struct instance *e = &m->engine;
        struct fleet *f = m->fleet;
        if (!may_save(m) || e->saving.exhausted || is_under_way(&e->saving) || m->running.count > 0 || m->waiting.count > 0 ||
            f->gate.loads)
                return;
        uint64_t due = sat_add(e->last_end_ms, f->config->cache_idle_ms);
        if (due > f->now_ms)
                fleet_due(f, due);
        else
                ask_for_candidate(m);
}

bool prefix_client_delay_leaving(struct model *m) {
        struct instance *e = &m->engine;
        struct saving *saving = &e->saving;
        bool may = e->why_stopped == REASON_IDLE || e->why_stopped == REASON_MAKE_ROOM || e->why_stopped == REASON_OPERATOR ||
                   e->why_stopped == REASON_SHUTTING_DOWN;
        if (!may_save(m) || saving->exhausted || !may)
                return false;
        if (!saving->leaving_ms)
                saving->leaving_ms = m->fleet->now_ms;
        uint64_t end = sat_add(saving->leaving_ms, CACHE_LEAVE_MAX_MS);
        if (end <= m->fleet->now_ms)
                return false;
        fleet_due(m->fleet, end);
        if (!is_under_way(saving))
                ask_for_candidate(m);
        return !saving->exhausted;
}

void prefix_client_forget(struct model *m) {
        if (m->engine.saving.job)
                prefix_cache_discard(m->engine.saving.job);
        m->engine.saving = (struct saving){ 0 };
}

/* ---- lookup ---- */

static void on_found(void *user, uint64_t number, int fd) {
        struct job_owner *w = user;
        uint64_t id = w->id;
        struct model *m = job_owner_done(w);
        struct request *request = m ? requests_running(m, id) : NULL;
        if (!request)
                return; /* the engine has been told that it was cancelled */
        if (fd >= 0 && m->ops->found_file(m, id, fd) == 0)
                request->found_file = number;
        else
                (void) m->ops->found_file(m, id, -1);
}

bool prefix_client_take_lookup(struct model *m, struct request *request, const cJSON *frame) {
        struct prefix_cache *c = m->fleet->prefix_cache;
        uint32_t blocks;
        uint64_t *hashes = c && !request->has_looked_up ? hashes_in(frame, 0, &blocks) : NULL;
        if (!hashes)
                return false;
        request->has_looked_up = true;
        struct job_owner *w = job_owner_new(m, request->id);
        bool found = w && prefix_cache_find(c, m->files.key, hashes, blocks, on_found, w);
        free(hashes);
        if (!found) {
                free(w);
                (void) m->ops->found_file(m, request->id, -1);
        }
        return true;
}

bool prefix_client_take_corrupt(struct model *m, struct request *request, const cJSON *frame) {
        const char *error = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "error"));
        const cJSON *damaged = cJSON_GetObjectItemCaseSensitive(frame, "damaged");
        if (!error || !cJSON_IsBool(damaged) || !request->found_file)
                return false;
        prefix_cache_reject(m->fleet->prefix_cache, request->found_file, cJSON_IsTrue(damaged), error);
        request->found_file = 0;
        return true;
}
