/* frames.c - see frames.h. */
#include "daemon/engines/frames.h"

#include "daemon/engines/control.h"
#include "daemon/engines/prefix_cache_client.h"
#include "daemon/state/statistics.h"
#include "daemon/engines/suspend.h"
#include "daemon/state/lookup.h"
#include "daemon/state/model.h"
#include "daemon/state/tick.h"
#include "engine/base/json_get.h"
#include "engine/wire/wire.h"

static void take_ready(struct model *m, const cJSON *frame) {
        struct engine_ready ready = {
                .context = json_get_clamped(frame, "n_ctx", 0, UINT32_MAX),
                .kv_tokens = json_get_clamped(frame, "kv_tokens", 0, UINT32_MAX),
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
        request->suspended = false;
        suspension_answered(request, true);
        return cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(frame, "recomputed"));
}

static bool take_statistics(struct model *m, const cJSON *frame) {
        if (!engine_report_read(frame, &m->engine.report))
                return false;
        control_compare_report(m);
        m->engine.kv_known = m->running.count == 0;
        fleet_measure_want(m);
        return true;
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

static bool take_about(struct model *m, struct request *request, enum frame_type says, const cJSON *frame) {
        switch (says) {
        case FRAME_SUSPENDED: return take_suspended(request, frame);
        case FRAME_RESTORED: return take_restored(request, frame);
        case FRAME_LOOKUP: return prefix_client_take_lookup(m, request, frame);
        case FRAME_CORRUPT: return prefix_client_take_corrupt(m, request, frame);
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
        if ((says == FRAME_CONTROLLED || says == FRAME_ERROR) && control_request_answered(m, id, says == FRAME_CONTROLLED))
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
