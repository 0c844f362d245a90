/* embedded.c - headroom-engine by the verbs of engine.h: each is a frame to its process (docs/wire-protocol.md). */
#include "daemon/engines/embedded.h"

#include <errno.h>

#include "daemon/engines/frames.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "daemon/worker/process.h"
#include "engine/wire/wire.h"

/* --- its life --- */

static bool on_frame(void *user, enum frame_type says, uint64_t id, const cJSON *frame) {
        return engine_take_frame(user, says, id, frame);
}

static void on_protocol_error(void *user, const char *sentence) {
        struct model *m = user;
        m->engine.events->on_broken(m, sentence);
}

static void on_hang_up(void *user) {
        struct model *m = user;
        m->engine.events->on_hang_up(m);
}

static void on_exit_(void *user, struct child_exit exit) {
        struct model *m = user;
        m->engine.events->on_exit(m, exit);
}

static int start(struct model *m, const struct engine_start *with) {
        static const struct engine_process_events events = {
                .on_frame = on_frame, .on_protocol_error = on_protocol_error, .on_hang_up = on_hang_up, .on_exit = on_exit_
        };
        const struct fleet *f = m->fleet;
        struct engine_settings settings = {
                .path = f->config->engine_path,
                .model_fds = with->model_fds,
                .model_fds_count = with->model_fds_count,
                .context = m->context,
                .kv_tokens = m->form.kv_tokens,
                .kv_tokens_max = model_pool_full(m),
                .parallel = m->config->parallel,
                .threads = m->config->threads,
                .cpus = m->config->cpus,
                .kv_type = m->form.kv_type,
                .kv_floor = m->config->kv_floor,
                .speculate = m->config->speculate,
                .lookups = f->prefix_cache != NULL,
                .cgroup_fd = with->cgroup_fd,
                .trace = m->trace,
        };
        struct engine_process *process;
        int r = engine_process_start(f->loop, &settings, &events, m, &process);
        if (r < 0)
                return r;
        m->engine.process = process;
        m->engine.pid = engine_process_pid(process);
        m->engine.pidfd = engine_process_pidfd(process);
        return 0;
}

static bool ready(const struct model *m) {
        return engine_process_listens(m->engine.process);
}

static void stop(struct model *m) {
        engine_process_tell(m->engine.process, WIRE_SHUTDOWN);
}

static void trace(struct model *m) {
        engine_process_trace(m->engine.process, m->trace);
}

static void end_at_once(struct model *m) {
        engine_process_kill(m->engine.process);
}

static const char *last_words(const struct model *m) {
        return engine_process_last_words(m->engine.process);
}

/* --- requests --- */

static int send_request(struct model *m, struct request *request) {
        static const char *const kinds[] = { [REQUEST_CHAT] = "chat",   [REQUEST_COMPLETION] = "completion",
                                             [REQUEST_COUNT] = "count", [REQUEST_TOKENS] = "tokens",
                                             [REQUEST_TEXT] = "text",   [REQUEST_TEMPLATE] = "template",
                                             [REQUEST_EMBED] = NULL,    [REQUEST_RANK] = "rank" };
        const struct engine_request asked = { .type = request_is_for_vectors(request->kind) ? WIRE_EMBED : WIRE_GENERATE,
                                              .kind = kinds[request->kind],
                                              .batch = request->batch,
                                              .item = request->body.item,
                                              .choice = request->body.choice,
                                              .is_scored = request->body.is_scored,
                                              .group = request->body.group,
                                              .tenant = request->body.tenant,
                                              .body = request->body.json,
                                              .values = request->body.values };
        return engine_process_send_body(m->engine.process, &asked, &request->id);
}

static void cancel(struct model *m, uint64_t id) {
        engine_process_about(m->engine.process, WIRE_CANCEL, id);
}

static void pause_answer(struct model *m, uint64_t id, bool paused) {
        engine_process_about(m->engine.process, paused ? WIRE_PAUSE : WIRE_RESUME, id);
}

/* --- governing --- */

static void measure(struct model *m) {
        engine_process_tell(m->engine.process, WIRE_STATISTICS);
}

/* SETTINGS is taken over, NULL is fine. */
static int control(struct model *m, cJSON *settings, uint64_t *ret_id) {
        int r = settings ? engine_process_control(m->engine.process, settings, ret_id) : -ENOMEM;
        cJSON_Delete(settings);
        return r;
}

static bool add_setting(cJSON *settings, const char *key, uint32_t value) {
        return value == 0 || cJSON_AddNumberToObject(settings, key, value);
}

/* A single frame carries all settings that have to change. */
static int slow_down(struct model *m, const struct engine_pace *pace, uint64_t *ret_id) {
        cJSON *settings = cJSON_CreateObject();
        if (!settings || !add_setting(settings, "heartbeat_ms", pace->heartbeat_ms) ||
            !add_setting(settings, "duty", pace->duty_permille) || !add_setting(settings, "threads", pace->threads)) {
                cJSON_Delete(settings);
                return -ENOMEM;
        }
        return control(m, settings, ret_id);
}

static cJSON *one_setting(const char *key, cJSON *value) {
        cJSON *settings = cJSON_CreateObject();
        if (settings && value && cJSON_AddItemToObject(settings, key, value))
                return settings;
        cJSON_Delete(settings);
        cJSON_Delete(value);
        return NULL;
}

static cJSON *pool_with_turn_out(uint32_t tokens) {
        cJSON *settings = one_setting("kv_tokens", cJSON_CreateNumber(tokens));
        if (settings && cJSON_AddTrueToObject(settings, "make_room"))
                return settings;
        cJSON_Delete(settings);
        return NULL;
}

static cJSON *settings_of(const struct action *action) {
        switch (action->kind) {
        case ACTION_TRIM: return one_setting("trim", cJSON_CreateTrue());
        case ACTION_CHUNK: return one_setting("prefill_chunk", cJSON_CreateNumber(action->value));
        case ACTION_CONTEXT: return one_setting("context", cJSON_CreateNumber(action->value));
        case ACTION_POOL: return one_setting("kv_tokens", cJSON_CreateNumber(action->value));
        case ACTION_TURN_OUT: return pool_with_turn_out(action->value);
        default: return one_setting("kv", cJSON_CreateString(kv_type_name(action->level)));
        }
}

static int make_smaller(struct model *m, const struct action *action, uint64_t *ret_id) {
        return control(m, settings_of(action), ret_id);
}

static int downshift_now(struct model *m) {
        return engine_process_downshift_now(m->engine.process);
}

static int suspend(struct model *m, uint64_t id, int fd) {
        return engine_process_suspend(m->engine.process, id, fd);
}

static int restore(struct model *m, uint64_t id) {
        return engine_process_restore(m->engine.process, id);
}

/* --- prefixes of prompts --- */

static int save_candidate(struct model *m, uint64_t *ret_id) {
        return engine_process_save_candidate(m->engine.process, ret_id);
}

static int save(struct model *m, int fd, uint64_t *ret_id) {
        return engine_process_save(m->engine.process, fd, ret_id);
}

static int found_file(struct model *m, uint64_t id, int fd) {
        return engine_process_found(m->engine.process, id, fd);
}

const struct engine_ops embedded_engine = {
        .can = { .trims = true,
                 .changes_chunk = true,
                 .changes_context = true,
                 .lowers_kv = true,
                 .changes_pool = true,
                 .suspends = true,
                 .saves_prefixes = true,
                 .throttles = true,
                 .pauses = true,
                 .reports = true,
                 .freezes = true },
        .start = start,
        .ready = ready,
        .send = send_request,
        .cancel = cancel,
        .pause = pause_answer,
        .measure = measure,
        .slow_down = slow_down,
        .make_smaller = make_smaller,
        .downshift_now = downshift_now,
        .suspend = suspend,
        .restore = restore,
        .save_candidate = save_candidate,
        .save = save,
        .found_file = found_file,
        .stop = stop,
        .trace = trace,
        .end_at_once = end_at_once,
        .last_words = last_words,
};
