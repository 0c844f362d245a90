/* frames.c - see frames.h. */
#include "daemon/engines/frames.h"

#include "daemon/engines/control.h"
#include "daemon/engines/prefix_cache_client.h"
#include "daemon/state/statistics.h"
#include "daemon/engines/suspend.h"
#include "daemon/state/lookup.h"
#include "daemon/state/model.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "engine/base/json_get.h"
#include "engine/wire/wire.h"
#include "policy/base/sat.h"

static void take_ready(struct model *m, const cJSON *frame) {
        struct engine_ready ready = {
                .context = json_get_clamped(frame, "n_ctx", 0, m->context),
                .kv_tokens_max = json_get_clamped(frame, "kv_tokens_max", 0, UINT32_MAX),
                .parallel = json_get_clamped(frame, "parallel", 1, WIRE_PARALLEL_MAX),
                .warning = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "chat_warning")),
        };
        m->engine.events->on_ready(m, &ready);
}

static void take_failed(struct model *m, const cJSON *frame) {
        const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "message"));
        m->engine.events->on_failed(m, message ? message : "the engine did not say why");
}

static bool take_suspended(struct request *request, const cJSON *frame) {
        const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(frame, "bytes");
        const cJSON *error = cJSON_GetObjectItemCaseSensitive(frame, "error");
        if (!request->moving || request->suspended)
                return false; /* nobody asked for it */
        if (error ? !cJSON_IsString(error) : !cJSON_IsNumber(bytes) || !(bytes->valuedouble >= 0))
                return false;
        request->suspended = !error;
        suspension_answered(request, !error);
        /* A stream that stops in the middle gets the reason. Its owner may leave in the callback. */
        if (request->suspended && request->events.on_waiting)
                request->events.on_waiting(request->user, "memory is short: this request waits on disk, and will go on");
        return true;
}

static bool take_restored(struct request *request, const cJSON *frame) {
        if (!request->moving || !request->suspended || !cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(frame, "recomputed")))
                return false;
        request->suspended = false;
        suspension_answered(request, true);
        return true;
}

/* --- signs of life --- */

static void is_alive(struct model *m) {
        m->engine.heard_ms = fleet_clock_ms();
        m->engine.pinged = false;
}

/* Whether an engine that works may have nothing to say: its client reads too slowly, it is on its way to disk or back, or it waits for room. */
static bool may_be_silent(const struct model *m) {
        for (const struct queue_link *l = m->running.first; l; l = l->next) {
                const struct request *request = (const struct request *) l;
                if (request->paused || request->suspended || request->moving)
                        return true;
        }
        return m->running.count == 0 || m->engine.report.kv_tokens_needed > m->engine.pool;
}

static uint64_t tokens_of(const struct engine_report *r) {
        return sat_add(r->tokens_prefilled, r->tokens_decoded);
}

/*
 * A report alone says only that somebody writes reports. While a request runs it counts where tokens were computed since the last
 * one, and no more of them than the contexts hold: by then an answer has come, or none will.
 */
static bool shows_life(const struct model *m, uint64_t tokens_before) {
        const struct instance *e = &m->engine;
        uint64_t tokens = tokens_of(&e->report);
        return may_be_silent(m) ||
               (tokens > tokens_before && sat_sub(tokens, e->answered_tokens) <= sat_mul(e->parallel, e->n_ctx));
}

static bool take_statistics(struct model *m, const cJSON *frame) {
        uint64_t tokens_before = tokens_of(&m->engine.report);
        if (!engine_report_read(frame, &m->engine.report))
                return false;
        if (shows_life(m, tokens_before))
                is_alive(m);
        control_compare_report(m);
        m->engine.kv_known = m->running.count == 0;
        fleet_measure_want(m);
        return true;
}

/* --- about a request --- */

/* A prompt that was taken in, then its answer; vectors, and nothing else, for texts to embed; an error at any time. */
static bool is_in_order(const struct request *request, enum frame_type says) {
        bool embeds = request_is_for_vectors(request->kind);
        switch (says) {
        case FRAME_START: return !embeds && !request->begun;
        case FRAME_NOTE: return !embeds && !request->begun && !request->noted;
        case FRAME_TEXT:
        case FRAME_END: return request->begun;
        case FRAME_EMBEDDING: return embeds;
        default: return true;
        }
}

static bool take_answer(struct model *m, struct request *request, enum frame_type says, const cJSON *frame) {
        const struct engine_events *events = m->engine.events;
        switch (says) {
        case FRAME_START: return events->on_answer(m, request, ANSWER_START, frame);
        case FRAME_TEXT: return events->on_answer(m, request, ANSWER_TEXT, frame);
        case FRAME_END: return events->on_answer(m, request, ANSWER_END, frame);
        case FRAME_EMBEDDING: return events->on_answer(m, request, ANSWER_EMBEDDING, frame);
        case FRAME_ERROR: return events->on_answer(m, request, ANSWER_ERROR, frame);
        default: return false;
        }
}

static bool take_note(const struct model *m, struct request *request, const cJSON *frame) {
        const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "message"));
        request->noted = true;
        if (message)
                log_info("request_note", LOG_TEXT("model", m->config->id), LOG_TEXT("message", message));
        return message != NULL;
}

static bool take_about(struct model *m, struct request *request, enum frame_type says, const cJSON *frame) {
        if (!is_in_order(request, says))
                return false;
        m->engine.answered_tokens = tokens_of(&m->engine.report);
        is_alive(m);
        switch (says) {
        case FRAME_SUSPENDED: return take_suspended(request, frame);
        case FRAME_RESTORED: return take_restored(request, frame);
        case FRAME_LOOKUP: return prefix_client_take_lookup(m, request, frame);
        case FRAME_CORRUPT: return prefix_client_take_corrupt(m, request, frame);
        case FRAME_NOTE: return take_note(m, request, frame);
        default: return take_answer(m, request, says, frame);
        }
}

bool engine_take_frame(struct model *m, enum frame_type says, uint64_t id, const cJSON *frame) {
        if (says == FRAME_READY)
                take_ready(m, frame);
        else if (says == FRAME_FAILED)
                take_failed(m, frame);
        if (says == FRAME_READY || says == FRAME_FAILED)
                return true;
        if (says == FRAME_STATISTICS)
                return take_statistics(m, frame);
        if (says == FRAME_CONTROLLED)
                return control_request_answered(m, id, true);
        if (says == FRAME_ERROR && control_request_answered(m, id, false))
                return true;
        if (says == FRAME_PROMPT)
                return true; /* for the trace, which has it */
        if (says == FRAME_SAVE_CANDIDATE)
                return prefix_client_take_save_candidate(m, id, frame);
        if (says == FRAME_SAVED)
                return prefix_client_take_saved(m, id, frame);
        struct request *request = requests_running(m, id);
        return !request || take_about(m, request, says, frame); /* no request: cancelled, and the engine had not heard yet */
}
