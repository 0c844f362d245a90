/* control.c - see control.h. */
#include "engine/worker/control.h"

#include <assert.h>
#include <errno.h>

#include "engine/base/json_get.h"
#include "engine/base/bounds.h"
#include "engine/request/error.h"

/* A whole number of FRAME: 0 and *ret, 0 when it is absent; -EINVAL and *reterr. */
static int read_number(const cJSON *frame, const char *name, uint32_t min, uint32_t max, uint32_t *ret,
                       struct request_error *reterr) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(frame, name);
        if (!value)
                return 0;
        if (!json_is_whole(value, min, max))
                return request_refuse(reterr, name, "%s must be a whole number from %u to %u for this engine.", name, min, max);
        *ret = (uint32_t) value->valuedouble;
        return 0;
}

static int read_kv(const struct engine *e, const cJSON *frame, struct control *c, struct request_error *reterr) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(frame, "kv");
        if (!value)
                return 0;
        if (!cJSON_IsString(value) || kv_type_by_name(value->valuestring, &c->kv) < 0)
                return request_refuse(reterr, "kv", "kv must be f16, q8_0 or q4_0.");
        if (c->kv > e->kv_floor)
                return request_refuse(reterr, "kv", "kv must not be below %s, which this engine was started with.",
                                      kv_type_name(e->kv_floor));
        c->has_kv = true;
        return 0;
}

static int read_flag(const cJSON *frame, const char *name, bool *ret, struct request_error *reterr) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(frame, name);
        if (value && !cJSON_IsBool(value))
                return request_refuse(reterr, name, "%s must be true or false.", name);
        *ret = cJSON_IsTrue(value);
        return 0;
}

int control_read(const struct engine *e, const cJSON *frame, struct control *ret, struct request_error *reterr) {
        struct control c = { 0 };
        int r;
        if ((r = read_number(frame, "threads", 1, threads_width_max(e->threads), &c.threads, reterr)) < 0 ||
            (r = read_number(frame, "prefill_chunk", 1, scheduler_prefill_chunk_max(e->scheduler), &c.prefill_chunk, reterr)) <
                    0 ||
            (r = read_number(frame, "duty", THROTTLE_DUTY_LEAST, THROTTLE_DUTY_FULL, &c.duty, reterr)) < 0 ||
            (r = read_number(frame, "context", 1, e->rules.n_ctx, &c.context, reterr)) < 0 ||
            (r = read_number(frame, "heartbeat_ms", 0, HEARTBEAT_MS_MAX, &c.heartbeat_ms, reterr)) < 0 ||
            (r = read_number(frame, "kv_tokens", 1, scheduler_pool(e->scheduler).most, &c.kv_tokens, reterr)) < 0 ||
            (r = read_kv(e, frame, &c, reterr)) < 0 || (r = read_flag(frame, "trim", &c.trim, reterr)) < 0 ||
            (r = read_flag(frame, "make_room", &c.makes_room, reterr)) < 0)
                return r;
        c.has_heartbeat = cJSON_GetObjectItemCaseSensitive(frame, "heartbeat_ms") != NULL;
        *ret = c;
        return 0;
}

void control_apply(struct engine *e, const struct control *c) {
        if (c->threads)
                scheduler_set_width(e->scheduler, e->threads, c->threads);
        if (c->prefill_chunk)
                scheduler_set_prefill_chunk(e->scheduler, c->prefill_chunk);
        if (c->context)
                e->rules.n_ctx_now = c->context;
        if (c->has_heartbeat)
                e->heartbeat_ms = c->heartbeat_ms;
        if (c->duty) {
                throttle_set_duty(&e->throttle, c->duty);
                scheduler_set_step_us(e->scheduler, throttle_is_on(&e->throttle) ? THROTTLE_STEP_US : 0);
        }
        if (c->kv_tokens)
                scheduler_set_pool(e->scheduler, c->kv_tokens, c->makes_room);
        if (c->trim)
                scheduler_trim(e->scheduler);
        if (c->has_kv) {
                int r = scheduler_set_kv(e->scheduler, c->kv);
                assert(r == 0); /* not below the floor, which the heads can have */
        }
}
