/*
 * prefix_cache_client.c - one model's beginnings of prompts on disk: what its engine has to keep, and what its requests are given.
 *
 * Keeping is for idle time. Some seconds after the last request has ended the engine is asked what it has; each thing it
 * offers gets a file, until it has no more. One that is told to leave is asked at once and waited for, but not for
 * long, and not where it leaves because memory is short. A request's question is always answered: it waits for that.
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

#define DIGITS 16u /* of a number in a chain */

/* For whom a job of the cache is done: by then there may be another engine, or none. */
struct bg_thread {
        struct model *model;
        uint32_t generation;
        uint64_t id; /* of the request, or 0 */
};

static struct bg_thread *bg_thread_new(struct model *m, uint64_t id) {
        struct bg_thread *w = malloc(sizeof(*w));
        if (w)
                *w = (struct bg_thread){ m, m->generation, id };
        return w;
}

/* The model, if the engine is still the one; W is freed. */
static struct model *bg_thread_done(struct bg_thread *w) {
        struct model *m = w->model->generation == w->generation && w->model->engine.process ? w->model : NULL;
        free(w);
        return m;
}

/* ---- chains ---- */

static bool digit(char c, uint64_t *value) {
        unsigned d = c >= '0' && c <= '9' ? (unsigned) (c - '0') : c >= 'a' && c <= 'f' ? (unsigned) (c - 'a') + 10 : 16;
        *value = *value << 4 | (d & 15);
        return d < 16;
}

/* The chain of FRAME, malloc'ed, and its length, at least LEAST; NULL when it is none. */
static uint64_t *chain_in(const cJSON *frame, uint32_t least, uint32_t *ret_blocks) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "chain"));
        size_t length = text ? strlen(text) : 0;
        if (!text || length % DIGITS != 0 || length / DIGITS < least || length / DIGITS > CACHE_BLOCKS_MAX)
                return NULL;
        uint32_t blocks = (uint32_t) (length / DIGITS);
        uint64_t *chain = calloc(blocks ? blocks : 1, sizeof(*chain));
        bool good = chain;
        for (size_t i = 0; good && i < length; i++)
                good = digit(text[i], &chain[i / DIGITS]);
        if (!good) {
                free(chain);
                return NULL;
        }
        *ret_blocks = blocks;
        return chain;
}

/* ---- keeping ---- */

static bool is_under_way(const struct keeping *k) {
        return k->offer_id || k->making || k->job;
}

static void on_kept(void *user, int64_t bytes) {
        const struct model *kept_for = ((struct bg_thread *) user)->model; /* whatever has become of its engine */
        if (bytes >= 0)
                log_info("prompt_kept", LOG_TEXT("model", kept_for->config->id), LOG_NUMBER("kib", bytes >> 10));
        struct model *m = bg_thread_done(user);
        if (m)
                m->engine.keeping.making = false;
        fleet_poke(kept_for->fleet);
}

static void on_made(void *user, struct cache_job *job, int fd, int error) {
        struct fleet *f = ((struct bg_thread *) user)->model->fleet;
        struct model *m = bg_thread_done(user);
        struct keeping *k = m ? &m->engine.keeping : NULL;
        (void) error; /* said by the cache */
        fleet_poke(f);
        if (k)
                k->making = false;
        if (!job)
                return;
        if (k && m->engine.ops->keep(m, fd, &k->keep_id) == 0)
                k->job = job;
        else
                prefix_cache_discard(job);
}

bool prefix_client_take_offered(struct model *m, uint64_t id, const cJSON *frame) {
        struct keeping *k = &m->engine.keeping;
        const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(frame, "tokens"),
                    *bytes = cJSON_GetObjectItemCaseSensitive(frame, "bytes");
        if (!k->offer_id || id != k->offer_id || !cJSON_IsNumber(tokens) || !cJSON_IsNumber(bytes) ||
            !(bytes->valuedouble >= 0) || !(bytes->valuedouble < 0x1p53))
                return false;
        k->offer_id = 0;
        fleet_poke(m->fleet);
        if (tokens->valuedouble == 0) {
                k->exhausted = true;
                return true;
        }
        uint32_t blocks;
        uint64_t *chain = chain_in(frame, 1, &blocks);
        struct bg_thread *w = chain ? bg_thread_new(m, 0) : NULL;
        if (!w) {
                free(chain);
                return false;
        }
        k->making =
                prefix_cache_make(m->fleet->prefix_cache, m->files.key, chain, blocks, (uint64_t) bytes->valuedouble, on_made, w);
        if (!k->making)
                free(w); /* the next one */
        return true;
}

bool prefix_client_take_kept(struct model *m, uint64_t id, const cJSON *frame) {
        struct keeping *k = &m->engine.keeping;
        const cJSON *error = cJSON_GetObjectItemCaseSensitive(frame, "error");
        if (!k->job || id != k->keep_id || (error && !cJSON_IsString(error)))
                return false;
        struct cache_job *job = k->job;
        struct bg_thread *w = error ? NULL : bg_thread_new(m, 0);
        k->job = NULL;
        fleet_poke(m->fleet);
        if (error)
                log_info("prompt_not_kept", LOG_TEXT("model", m->config->id), LOG_TEXT("error", error->valuestring));
        if (!w) {
                prefix_cache_discard(job);
                return true;
        }
        k->making = true;
        prefix_cache_keep(job, on_kept, w);
        return true;
}

static bool may_keep(const struct model *m) {
        return m->fleet->prefix_cache && m->engine.worked && m->engine.ops->can.saves_prefixes;
}

static void ask_for_offer(struct model *m) {
        struct keeping *k = &m->engine.keeping;
        if (m->engine.ops->offer(m, &k->offer_id) < 0)
                k->exhausted = true; /* it is about to be told that the engine has gone */
}

void prefix_client_tick(struct model *m) {
        struct instance *e = &m->engine;
        struct fleet *f = m->fleet;
        if (!may_keep(m) || e->keeping.exhausted || is_under_way(&e->keeping) || m->running.count > 0 || m->waiting.count > 0 ||
            f->gate.loads)
                return;
        uint64_t due = sat_add(e->last_end_ms, f->config->cache_idle_ms);
        if (due > f->now_ms)
                fleet_due(f, due);
        else
                ask_for_offer(m);
}

bool prefix_client_delay_leaving(struct model *m) {
        struct instance *e = &m->engine;
        struct keeping *k = &e->keeping;
        bool may = e->why_stopped == REASON_IDLE || e->why_stopped == REASON_MAKE_ROOM || e->why_stopped == REASON_OPERATOR ||
                   e->why_stopped == REASON_SHUTTING_DOWN;
        if (!may_keep(m) || k->exhausted || !may)
                return false;
        if (!k->leaving_ms)
                k->leaving_ms = m->fleet->now_ms;
        uint64_t end = sat_add(k->leaving_ms, CACHE_LEAVE_MAX_MS);
        if (end <= m->fleet->now_ms)
                return false;
        fleet_due(m->fleet, end);
        if (!is_under_way(k))
                ask_for_offer(m);
        return !k->exhausted;
}

void prefix_client_forget(struct model *m) {
        if (m->engine.keeping.job)
                prefix_cache_discard(m->engine.keeping.job);
        m->engine.keeping = (struct keeping){ 0 };
}

/* ---- recalling ---- */

static void on_found(void *user, uint64_t number, int fd) {
        struct bg_thread *w = user;
        uint64_t id = w->id;
        struct model *m = bg_thread_done(w);
        struct request *request = m ? requests_running(m, id) : NULL;
        if (!request)
                return; /* the engine has been told that it was cancelled */
        if (fd >= 0 && m->engine.ops->recalled(m, id, fd) == 0)
                request->recalled = number;
        else
                (void) m->engine.ops->recalled(m, id, -1);
}

bool prefix_client_take_recall(struct model *m, struct request *request, const cJSON *frame) {
        struct prefix_cache *c = m->fleet->prefix_cache;
        uint32_t blocks;
        uint64_t *chain = c && !request->has_recalled ? chain_in(frame, 0, &blocks) : NULL;
        if (!chain)
                return false;
        request->has_recalled = true;
        struct bg_thread *w = bg_thread_new(m, request->id);
        bool found = w && prefix_cache_find(c, m->files.key, chain, blocks, on_found, w);
        free(chain);
        if (!found) {
                free(w);
                (void) m->engine.ops->recalled(m, request->id, -1);
        }
        return true;
}

bool prefix_client_take_spoilt(struct model *m, struct request *request, const cJSON *frame) {
        const char *error = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "error"));
        const cJSON *damaged = cJSON_GetObjectItemCaseSensitive(frame, "damaged");
        if (!error || !cJSON_IsBool(damaged) || !request->recalled)
                return false;
        prefix_cache_spoil(m->fleet->prefix_cache, request->recalled, cJSON_IsTrue(damaged), error);
        request->recalled = 0;
        return true;
}
