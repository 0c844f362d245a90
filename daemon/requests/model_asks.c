/*
 * model_asks.c - one model's requests: they wait in the order of their turns, are sent as places become free, and are told
 * what comes back. When the engine dies, whoever was told nothing yet waits again where it stood.
 *
 * Owners' callbacks may submit and cancel asks. So a queue is walked only where nothing is called; where something is
 * called, the asks are first moved to a queue of our own and taken from it one by one.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/models/fleet_internal.h"
#include "daemon/system/log.h"
#include "engine/wire/wire.h"
#include "policy/base/sat.h"

void ask_free(struct ask *ask) {
        queue_leave(&ask->link);
        cJSON_Delete(ask->body);
        free(ask);
}

/* Ends an ask: it is gone before its owner hears, so whatever the owner does in the callback is fine. */
static void ask_fail(struct ask *ask, const struct failure *failure) {
        struct ask_events events = ask->events;
        void *user = ask->user;
        ask_free(ask);
        events.on_failed(user, failure);
}

/* Takes the asks out of the model's own queue, which may be theirs or that of running ones. */
static void take_all(struct model *m, struct queue *from, struct queue *to) {
        if (from == &m->waiting)
                m->fleet->waiting_count -= from->count;
        queue_move_all(from, to);
}

void asks_fail(struct model *m, struct queue *asks, const struct failure *failure) {
        struct queue doomed = { 0 };
        take_all(m, asks, &doomed);
        for (struct queue_link *link; (link = doomed.first);)
                ask_fail(ask_of(link), failure);
}

/* Arrivals come in order, so the place is at the end or, past what has yet to age, not far from it. */
void asks_wait(struct model *m, struct ask *ask) {
        struct queue_link *after = m->waiting.last;
        while (after && ask_of(after)->turn_ms > ask->turn_ms)
                after = after->previous;
        queue_insert(&m->waiting, &ask->link, after);
        m->fleet->waiting_count++;
}

/* --- sending --- */

static bool add_embed_fields(cJSON *message, const cJSON *body) {
        static const char *const fields[] = { "input", "dimensions", "truncate" };
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
                cJSON *item = cJSON_GetObjectItemCaseSensitive(body, fields[i]);
                if (item && !cJSON_AddItemReferenceToObject(message, fields[i], item))
                        return false;
        }
        return true;
}

static cJSON *message_of(const struct ask *ask) {
        cJSON *message = cJSON_CreateObject();
        bool embeds = ask->kind == ASK_EMBED;
        bool good = message && cJSON_AddStringToObject(message, "type", embeds ? WIRE_EMBED : WIRE_GENERATE);
        if (good && embeds) {
                good = add_embed_fields(message, ask->body);
        } else if (good) {
                good = cJSON_AddStringToObject(message, "kind", ask->kind == ASK_CHAT ? "chat" : "completion") &&
                       cJSON_AddItemReferenceToObject(message, "body", ask->body);
        }
        if (good)
                return message;
        cJSON_Delete(message);
        return NULL;
}

static int send_ask(struct model *m, struct ask *ask) {
        cJSON *message = message_of(ask);
        if (!message)
                return -ENOMEM;
        int r = engine_process_request(m->engine.process, message, &ask->id);
        cJSON_Delete(message);
        if (r < 0)
                return r;
        ask->attempts++;
        m->engine.kv_known = false;
        if (m->running.count == 0)
                m->engine.heard_ms = fleet_clock_ms();
        if (ask->paused)
                engine_process_about(m->engine.process, WIRE_PAUSE, ask->id);
        return 0;
}

/* An engine says what its context can hold at the most, and is spared the rest: its account has no room for it. */
static void fail_unsendable(const struct model *m, struct ask *ask, int error) {
        struct failure failure;
        if (error == -EMSGSIZE) {
                failure_set(&failure, REASON_ENGINE_DIED, "the request is longer than the context of %u tokens can hold",
                            m->engine.n_ctx);
                failure.status = 400;
                failure.kind = "exceed_context_size_error";
                failure.retry_after_s = 0;
                failure.should_retry = -1;
                failure.n_ctx = m->engine.n_ctx;
                failure.n_prompt_tokens = failure.n_ctx + 1; /* at the least */
        } else {
                failure_set(&failure, REASON_ENGINE_DIED, "no memory to pass the request to the engine");
                failure.status = 503;
        }
        (void) strcpy(failure.code, error == -EMSGSIZE ? "request_too_large" : "out_of_memory");
        ask_fail(ask, &failure);
}

void asks_send(struct model *m) {
        while (m->life == LIFE_READY && model_running(m) < m->engine.parallel && engine_process_listens(m->engine.process)) {
                struct ask *ask = holds_next(m);
                if (!ask)
                        return;
                int r = send_ask(m, ask);
                if (r == -EPIPE)
                        return; /* it is about to be told that the engine has gone */
                queue_leave(&ask->link);
                m->fleet->waiting_count--;
                if (r < 0)
                        fail_unsendable(m, ask, r);
                else
                        queue_append(&m->running, &ask->link);
        }
}

/* --- waiting --- */

static const char *why_waiting(const struct model *m, const struct ask *ask) {
        enum reason held = holds_ask(m, ask);
        if (held != REASON_NONE)
                return reason_info(held)->sentence;
        switch (m->life) {
        case LIFE_INSPECTING: return "reading the model's size";
        case LIFE_WAITING:
                return m->last_answer.verdict == VERDICT_SHORT ? "waiting for other programs to free memory" : "making room";
        case LIFE_LOADING: return "loading";
        case LIFE_DRAINING:
        case LIFE_STOPPING: return "another model has its turn";
        default: return "queued";
        }
}

void asks_tell_why(struct model *m) {
        for (struct queue_link *l = m->waiting.first; l;) {
                struct ask *ask = ask_of(l);
                const char *why = why_waiting(m, ask);
                l = l->next;
                if (ask->why == why)
                        continue;
                uint64_t at = sat_add(ask->since_ms, WHY_AFTER_MS);
                if (at > m->fleet->now_ms) {
                        fleet_due(m->fleet, at);
                        continue;
                }
                ask->why = why;
                if (ask->events.on_waiting) {
                        ask->events.on_waiting(ask->user, why);
                        l = m->waiting.first; /* the callback may have changed the queue */
                }
        }
}

static void describe_late(const struct model *m, const struct ask *ask, struct failure *ret) {
        const struct admission *a = &m->last_answer;
        unsigned waited_s = (unsigned) (m->fleet->config->wait_timeout_ms / 1000);
        enum reason held = holds_ask(m, ask);
        if (held != REASON_NONE)
                holds_failure(m, held, ret);
        else if (m->life == LIFE_WAITING)
                failure_set(ret, REASON_WAIT_TOO_LONG,
                            "waited %u s for memory for model '%s': it needs %llu MiB, others hold %llu MiB of the %llu MiB "
                            "allowed (%s)",
                            waited_s, m->config->id, (unsigned long long) a->needed_bytes >> 20,
                            (unsigned long long) a->used_bytes >> 20, (unsigned long long) a->limit_bytes >> 20,
                            policy_rule_word(a->rule));
        else
                failure_set(ret, REASON_WAIT_TOO_LONG, "waited %u s for model '%s' (%s); %u requests are being answered, %u wait",
                            waited_s, m->config->id, why_waiting(m, ask), m->running.count, m->waiting.count);
}

static void fail_late(struct model *m, struct queue *late) {
        struct failure failure;
        describe_late(m, ask_of(late->first), &failure);
        log_warning("wait_too_long", LOG_TEXT("model", m->config->id), LOG_TEXT("life", life_name(m->life)),
                    LOG_NUMBER("requests", late->count), LOG_TEXT("reason", failure.code), LOG_TEXT("message", failure.message));
        for (struct queue_link *link; (link = late->first);) {
                describe_late(m, ask_of(link), &failure);
                ask_fail(ask_of(link), &failure);
        }
}

void asks_expire(struct model *m) {
        uint64_t limit_ms = m->fleet->config->wait_timeout_ms;
        struct queue late = { 0 };
        for (struct queue_link *l = m->waiting.first; l;) {
                struct queue_link *link = l;
                uint64_t deadline = sat_add(ask_of(link)->since_ms, limit_ms);
                l = l->next;
                if (deadline > m->fleet->now_ms) {
                        fleet_due(m->fleet, deadline);
                        continue;
                }
                queue_leave(link);
                m->fleet->waiting_count--;
                queue_append(&late, link);
        }
        if (late.count > 0)
                fail_late(m, &late);
}

void asks_give_back(struct model *m, const struct failure *failure, bool retry) {
        struct queue again = { 0 }, doomed = { 0 };
        for (struct queue_link *link; (link = queue_take(&m->running));) {
                struct ask *ask = ask_of(link);
                bool may = retry && ask->attempts < ASK_ATTEMPTS_MAX && (!ask->spoke || ask->events.on_restart);
                queue_append(may ? &again : &doomed, link);
        }
        uint32_t retried = again.count, failed = doomed.count;
        while (again.last) {
                struct ask *ask = ask_of(again.last);
                queue_leave(&ask->link);
                ask->id = 0;
                ask->suspended = ask->moving = ask->has_recalled = false;
                ask->recalled = 0;
                ask->since_ms = fleet_clock_ms();
                asks_wait(m, ask);
        }
        if (retried + failed > 0)
                log_warning("requests_after_death", LOG_TEXT("model", m->config->id), LOG_NUMBER("retried", retried),
                            LOG_NUMBER("failed", failed));
        for (struct queue_link *link; (link = doomed.first);)
                ask_fail(ask_of(link), failure);
        /* What they had been told is void; the answer will begin anew. */
        for (struct queue_link *l = m->waiting.first; l;) {
                struct ask *ask = ask_of(l);
                l = l->next;
                if (!ask->spoke)
                        continue;
                ask->spoke = ask->started = false;
                ask->events.on_restart(ask->user);
                l = m->waiting.first;
        }
}

/* --- what the engine says --- */

struct ask *asks_running(const struct model *m, uint64_t id) {
        for (struct queue_link *l = m->running.first; l; l = l->next) {
                if (ask_of(l)->id == id)
                        return ask_of(l);
        }
        return NULL;
}

static uint32_t count_in(const cJSON *object, const char *key) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0))
                return 0;
        return item->valuedouble > UINT32_MAX ? UINT32_MAX : (uint32_t) item->valuedouble;
}

static double time_in(const cJSON *object, const char *key) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
        return cJSON_IsNumber(item) && isfinite(item->valuedouble) && item->valuedouble >= 0 ? item->valuedouble : 0;
}

void asks_ask_statistics(struct model *m) {
        if (m->running.count == 0 && m->life == LIFE_READY)
                engine_process_tell(m->engine.process, WIRE_STATISTICS);
}

void asks_note_end(struct model *m) {
        m->requests_count++;
        m->engine.worked = true;
        m->engine.keeping.exhausted = false;
        m->engine.last_end_ms = fleet_clock_ms();
        asks_ask_statistics(m);
        fleet_measure_want(m);
        fleet_poke(m->fleet);
}

static void take_start(struct ask *ask, const cJSON *frame) {
        if (ask->started)
                return;
        ask->started = true;
        if (ask->events.on_start)
                ask->events.on_start(ask->user, count_in(frame, "prompt_tokens"), count_in(frame, "cached_tokens"));
}

static bool take_call(struct ask *ask, const cJSON *frame, const char *text) {
        const cJSON *call = cJSON_GetObjectItemCaseSensitive(frame, "call");
        struct ask_call told = {
                .index = count_in(call, "index"),
                .id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "id")),
                .name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "name")),
                .arguments = text,
        };
        if (!cJSON_IsObject(call) || !told.id != !told.name)
                return false;
        if (ask->events.on_call)
                ask->events.on_call(ask->user, &told);
        return true;
}

/* What is not content goes its own way; log-probabilities always go with content, even where that is empty. */
static bool take_text(struct model *m, struct ask *ask, const cJSON *frame) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "text"));
        const cJSON *kind = cJSON_GetObjectItemCaseSensitive(frame, "kind");
        const cJSON *logprobs = cJSON_GetObjectItemCaseSensitive(frame, "logprobs");
        const char *word = kind ? cJSON_GetStringValue(kind) : "content";
        uint64_t id = ask->id;
        if (!text || !word)
                return false;
        ask->spoke = true;
        if (!strcmp(word, "call") ? !take_call(ask, frame, text) : strcmp(word, "reasoning") && strcmp(word, "content"))
                return false;
        if (!strcmp(word, "reasoning") && ask->events.on_reasoning)
                ask->events.on_reasoning(ask->user, text);
        if (asks_running(m, id) != ask)
                return true; /* its owner has left in the callback */
        bool content = !strcmp(word, "content");
        if (ask->events.on_text && (content || logprobs))
                ask->events.on_text(ask->user, content ? text : "", logprobs);
        return true;
}

static bool take_end(struct model *m, struct ask *ask, const cJSON *frame) {
        const char *finish = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "finish"));
        static const char *const known[] = { "stop", "length", "tool_calls" };
        const char *ended = NULL;
        for (size_t i = 0; finish && i < sizeof known / sizeof *known; i++)
                if (strcmp(finish, known[i]) == 0)
                        ended = known[i];
        if (!ended)
                return false;
        const cJSON *usage = cJSON_GetObjectItemCaseSensitive(frame, "usage"),
                    *timings = cJSON_GetObjectItemCaseSensitive(frame, "timings");
        struct ask_usage told = {
                .prompt_tokens = count_in(usage, "prompt_tokens"),
                .completion_tokens = count_in(usage, "completion_tokens"),
                .cached_tokens = count_in(usage, "cached_tokens"),
                .prefill_ms = time_in(timings, "prefill_ms"),
                .decode_ms = time_in(timings, "decode_ms"),
        };
        struct ask_events events = ask->events;
        void *user = ask->user;
        ask_free(ask);
        asks_note_end(m);
        events.on_end(user, ended, &told);
        return true;
}

static bool take_embedding(struct model *m, struct ask *ask, const cJSON *frame) {
        const cJSON *vectors = cJSON_GetObjectItemCaseSensitive(frame, "vectors");
        if (!cJSON_IsArray(vectors))
                return false;
        struct ask_usage told = { .prompt_tokens = count_in(frame, "prompt_tokens") };
        uint64_t id = ask->id;
        if (ask->events.on_embedding)
                ask->events.on_embedding(ask->user, vectors);
        if (asks_running(m, id) != ask)
                return true; /* its owner has left in the callback */
        struct ask_events events = ask->events;
        void *user = ask->user;
        ask_free(ask);
        asks_note_end(m);
        events.on_end(user, "stop", &told);
        return true;
}

static void take_error(struct model *m, struct ask *ask, const cJSON *frame) {
        struct failure failure;
        failure_from_frame(&failure, frame);
        log_info("request_refused", LOG_TEXT("model", m->config->id), LOG_NUMBER("status", failure.status),
                 LOG_MAYBE("code", failure.code), LOG_TEXT("message", failure.message));
        queue_leave(&ask->link);
        asks_note_end(m);
        ask_fail(ask, &failure);
}

static bool take_suspended(struct ask *ask, const cJSON *frame) {
        const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(frame, "bytes");
        const cJSON *error = cJSON_GetObjectItemCaseSensitive(frame, "error");
        if (error ? !cJSON_IsString(error) : !cJSON_IsNumber(bytes) || !(bytes->valuedouble >= 0))
                return false;
        ask->suspended = !error;
        suspension_answered(ask, !error);
        /* A stream that stops in the middle is told why. Its owner may leave in the callback. */
        if (ask->suspended && ask->events.on_waiting)
                ask->events.on_waiting(ask->user, "memory is short: this request waits on disk, and will go on");
        return true;
}

static bool take_restored(struct ask *ask, const cJSON *frame) {
        ask->suspended = false;
        suspension_answered(ask, true);
        return cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(frame, "recomputed"));
}

bool asks_take_frame(struct model *m, enum engine_says says, uint64_t id, const cJSON *frame) {
        if (says == ENGINE_SAYS_STATISTICS) {
                if (!engine_report_read(frame, &m->engine.report))
                        return false;
                orders_compare(m);
                m->engine.kv_known = m->running.count == 0;
                fleet_measure_want(m);
                return true;
        }
        if ((says == ENGINE_SAYS_CONTROLLED || says == ENGINE_SAYS_ERROR) &&
            order_answered(m, id, says == ENGINE_SAYS_CONTROLLED))
                return true;
        if (says == ENGINE_SAYS_OFFERED)
                return prompts_take_offered(m, id, frame);
        if (says == ENGINE_SAYS_KEPT)
                return prompts_take_kept(m, id, frame);
        struct ask *ask = asks_running(m, id);
        if (!ask)
                return true; /* cancelled, and the engine had not heard yet */
        switch (says) {
        case ENGINE_SAYS_START: take_start(ask, frame); return true;
        case ENGINE_SAYS_TEXT: return take_text(m, ask, frame);
        case ENGINE_SAYS_END: return take_end(m, ask, frame);
        case ENGINE_SAYS_EMBEDDING: return ask->kind == ASK_EMBED && take_embedding(m, ask, frame);
        case ENGINE_SAYS_ERROR: take_error(m, ask, frame); return true;
        case ENGINE_SAYS_SUSPENDED: return take_suspended(ask, frame);
        case ENGINE_SAYS_RESTORED: return take_restored(ask, frame);
        case ENGINE_SAYS_RECALL: return prompts_take_recall(m, ask, frame);
        case ENGINE_SAYS_SPOILT: return prompts_take_spoilt(m, ask, frame);
        default: return false;
        }
}
