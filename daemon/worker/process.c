/* process.c - the worker's command line, and a conversation in frames that ends at the first wrong word. */
#include "daemon/worker/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/system/argv.h"
#include "daemon/system/log.h"
#include "daemon/trace/trace.h"
#include "daemon/system/bulk.h"
#include "engine/base/json_get.h"
#include "engine/base/little_endian.h"
#include "engine/base/strbuf.h"
#include "engine/wire/wire.h"

struct engine_process {
        struct child *child;
        struct engine_process_events events;
        void *user;
        struct wire_reader reader;
        struct trace *trace; /* NULL: it is not traced */
        uint64_t ids_issued;
        int files_fd; /* descriptors go out here; -1: none yet */
        uint8_t *downshift_now;
        size_t downshift_now_count;
        uint32_t request_bytes_max, request_values_max; /* as it said when it was ready */
        bool ready;                                     /* has said `ready`: requests may follow */
        bool over;                                      /* has said `failed`, or broke: nothing more is listened to */
};

/* Frames that an engine may send, and when. */
static const struct {
        const char *type;
        bool before_ready; /* else only after it */
        bool has_id;
} sayings[FRAME_COUNT] = {
        [FRAME_READY] = { WIRE_READY, true, false },
        [FRAME_FAILED] = { WIRE_FAILED, true, false },
        [FRAME_START] = { WIRE_START, false, true },
        [FRAME_TEXT] = { WIRE_TEXT, false, true },
        [FRAME_END] = { WIRE_END, false, true },
        [FRAME_EMBEDDING] = { WIRE_EMBEDDING, false, true },
        [FRAME_ERROR] = { WIRE_ERROR, false, true },
        [FRAME_STATISTICS] = { WIRE_STATISTICS, false, false },
        [FRAME_CONTROLLED] = { WIRE_CONTROLLED, false, true },
        [FRAME_SUSPENDED] = { WIRE_SUSPENDED, false, true },
        [FRAME_RESTORED] = { WIRE_RESTORED, false, true },
        [FRAME_SAVE_CANDIDATE] = { WIRE_SAVE_CANDIDATE, false, true },
        [FRAME_SAVED] = { WIRE_SAVED, false, true },
        [FRAME_LOOKUP] = { WIRE_LOOKUP, false, true },
        [FRAME_CORRUPT] = { WIRE_CORRUPT, false, true },
        [FRAME_PROMPT] = { WIRE_PROMPT, false, true },
        [FRAME_NOTE] = { WIRE_NOTE, false, true },
};

static void broken(struct engine_process *e, const char *sentence) {
        if (e->over)
                return;
        e->over = true;
        e->events.on_protocol_error(e->user, sentence);
}

/* 1 and *ret_id; 0 when the id is missing, not a whole number, or was never issued. */
static int frame_id(const struct engine_process *e, const cJSON *frame, uint64_t *ret_id) {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(frame, "id");
        if (!json_is_whole(id, 1, (double) e->ids_issued))
                return 0;
        *ret_id = (uint64_t) id->valuedouble;
        return 1;
}

/* MOST where it does not say, or says more. */
static uint32_t limit_in(const cJSON *frame, const char *name, uint32_t most) {
        const cJSON *said = cJSON_GetObjectItemCaseSensitive(frame, name);
        return cJSON_IsNumber(said) && said->valuedouble >= 1 && said->valuedouble < most ? (uint32_t) said->valuedouble : most;
}

/* For maintainers: the conversation with an engine, without what clients say in it. */
static void log_frame(const struct engine_process *e, const char *event, const cJSON *frame, size_t bytes) {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(frame, "id");
        log_debug(event, LOG_NUMBER("pid", child_pid(e->child)), LOG_TEXT("type", wire_type(frame)),
                  cJSON_IsNumber(id) && id->valuedouble >= 0 && id->valuedouble < 0x1p53 ? LOG_NUMBER("id", id->valuedouble)
                                                                                         : LOG_MAYBE("", ""),
                  LOG_NUMBER("bytes", bytes));
}

static void tell_trace(struct engine_process *e);

static void take_frame(struct engine_process *e, const cJSON *frame) {
        const char *type = wire_type(frame);
        unsigned says = 0;
        while (says < FRAME_COUNT && strcmp(sayings[says].type, type) != 0)
                says++;
        if (says == FRAME_COUNT) {
                broken(e, "the engine sent a message of an unknown type");
                return;
        }
        if (sayings[says].before_ready == e->ready) {
                broken(e, e->ready ? "the engine said twice that it was ready" : "the engine answered before it was ready");
                return;
        }
        uint64_t id = 0;
        if (sayings[says].has_id && !frame_id(e, frame, &id)) {
                broken(e, "the engine answered a request that was never made");
                return;
        }
        if (says == FRAME_READY) {
                const cJSON *version = cJSON_GetObjectItemCaseSensitive(frame, "version");
                if (!cJSON_IsNumber(version) || version->valueint != WIRE_VERSION) {
                        broken(e, "the engine speaks another version of the wire protocol than the daemon; install both of the "
                                  "same release");
                        return;
                }
                e->ready = true;
                e->request_bytes_max = limit_in(frame, "request_bytes_max", WIRE_TO_ENGINE_BYTES_MAX);
                e->request_values_max = limit_in(frame, "request_values_max", WIRE_BODY_VALUES_MAX);
                if (e->trace)
                        tell_trace(e);
        }
        if (says == FRAME_FAILED)
                e->over = true;
        if (!e->events.on_frame(e->user, (enum frame_type) says, id, frame))
                broken(e, "the engine sent a message whose contents are not what its type says");
}

static void on_bytes(void *user, const uint8_t *bytes, size_t count) {
        struct engine_process *e = user;
        if (e->over)
                return;
        if (wire_reader_push(&e->reader, bytes, count) < 0) {
                broken(e, "no memory for a message of the engine");
                return;
        }
        while (!e->over) {
                cJSON *frame;
                size_t taken = e->reader.taken;
                int r = wire_reader_next(&e->reader, &frame);
                if (r == 0)
                        return;
                if (r < 0) {
                        broken(e, r == -EMSGSIZE ? "the engine sent a message that is empty or too long"
                                  : r == -EILSEQ ? "the engine sent a text that is not UTF-8"
                                                 : "the engine sent something that is not a message");
                        return;
                }
                log_frame(e, "frame_received", frame, e->reader.taken - taken);
                trace_frame(e->trace, TRACE_ENGINE, wire_type(frame), frame, e->reader.taken - taken);
                take_frame(e, frame);
                cJSON_Delete(frame);
        }
}

static void on_channel_end(void *user) {
        struct engine_process *e = user;
        if (e->over)
                return;
        e->over = true;
        e->events.on_hang_up(e->user);
}

static void process_free(struct engine_process *e) {
        if (e->files_fd >= 0)
                (void) close(e->files_fd);
        wire_reader_done(&e->reader);
        free(e->downshift_now);
        free(e);
}

static void on_child_exit(void *user, struct child_exit exit) {
        struct engine_process *e = user;
        e->over = true;
        e->events.on_exit(e->user, exit);
        process_free(e);
}

/* All words but those for the parts of the model. */
#define ARGUMENTS_FIXED 27

/* CPUS is room for words of its own. */
static void fill_arguments(struct arguments *a, const struct engine_settings *s, char cpus[CPU_LIST_TEXT_BYTES]) {
        arguments_add(a, "headroom-engine");
        arguments_add(a, "worker");
        arguments_add_number(a, "--socket", CHILD_CHANNEL_SOCKET);
        for (uint32_t i = 0; i < s->model_fds_count; i++)
                arguments_add_number(a, "--model-fd", CHILD_FDS_FIRST + i);
        arguments_add_number(a, "--ctx", s->context);
        arguments_add_number(a, "--kv-tokens", s->kv_tokens);
        arguments_add_number(a, "--kv-tokens-max", s->kv_tokens_max);
        arguments_add(a, "--kv");
        arguments_add(a, kv_type_name(s->kv_type));
        arguments_add(a, "--kv-floor");
        arguments_add(a, kv_type_name(s->kv_floor));
        arguments_add_number(a, "--files", CHILD_FDS_FIRST + s->model_fds_count);
        if (s->lookups)
                arguments_add(a, "--recall");
        arguments_add(a, "--speculate");
        arguments_add(a, speculate_name(s->speculate));
        if (s->threads > 0)
                arguments_add_number(a, "--threads", s->threads);
        if (!cpu_list_is_empty(&s->cpus)) {
                arguments_add(a, "--cpus");
                arguments_add(a, cpu_list_text(&s->cpus, cpus));
        }
        arguments_add_number(a, "--parallel", s->parallel);
}

/* FDS: those of the model, then the engine's end of the files socket. */
static int start_worker(uv_loop_t *loop, const struct engine_settings *s, const int *fds, struct engine_process *e) {
        struct arguments a;
        char cpus[CPU_LIST_TEXT_BYTES];
        static const struct child_events events = { .on_bytes = on_bytes,
                                                    .on_channel_end = on_channel_end,
                                                    .on_exit = on_child_exit };
        int r = arguments_init(&a, ARGUMENTS_FIXED + 2 * (size_t) s->model_fds_count);
        if (r < 0)
                return r;
        fill_arguments(&a, s, cpus);
        struct child_spec spec = {
                .path = s->path,
                .arguments = a.all,
                .channel = CHILD_CHANNEL_SOCKET,
                .fds = fds,
                .fds_count = s->model_fds_count + 1,
                .cgroup_fd = s->cgroup_fd,
        };
        r = child_start(loop, &spec, &events, e, &e->child);
        arguments_done(&a);
        return r;
}

static int start_with_files(uv_loop_t *loop, const struct engine_settings *s, struct engine_process *e) {
        int ends[2], r = -ENOMEM;
        int *fds = calloc((size_t) s->model_fds_count + 1, sizeof(*fds));
        if (!fds)
                return r;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
                memcpy(fds, s->model_fds, s->model_fds_count * sizeof(*fds));
                fds[s->model_fds_count] = ends[1];
                e->files_fd = ends[0];
                r = start_worker(loop, s, fds, e);
                (void) close(ends[1]);
        } else {
                r = -errno;
        }
        free(fds);
        return r;
}

static int make_downshift_now(struct engine_process *e) {
        cJSON *frame = cJSON_CreateObject();
        int r = frame && cJSON_AddStringToObject(frame, "type", WIRE_DOWNSHIFT_NOW)
                        ? wire_encode(frame, WIRE_TO_ENGINE_BYTES_MAX, &e->downshift_now, &e->downshift_now_count)
                        : -ENOMEM;
        cJSON_Delete(frame);
        return r;
}

int engine_process_start(uv_loop_t *loop, const struct engine_settings *settings, const struct engine_process_events *events,
                         void *user, struct engine_process **ret) {
        struct engine_process *e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->events = *events;
        e->user = user;
        e->reader = (struct wire_reader){ .bytes_max = WIRE_TO_DAEMON_BYTES_MAX, .utf8 = true };
        e->files_fd = -1;
        e->trace = settings->trace;
        int r = make_downshift_now(e);
        if (r == 0)
                r = start_with_files(loop, settings, e);
        if (r < 0) {
                process_free(e);
                return r;
        }
        *ret = e;
        return 0;
}

pid_t engine_process_pid(const struct engine_process *e) {
        return child_pid(e->child);
}

int engine_process_pidfd(const struct engine_process *e) {
        return child_pidfd(e->child);
}

const char *engine_process_last_words(const struct engine_process *e) {
        return child_last_words(e->child);
}

bool engine_process_listens(const struct engine_process *e) {
        return e->ready && !e->over && child_unsent_bytes(e->child) < ENGINE_UNSENT_BYTES_MAX;
}

static int send_message(struct engine_process *e, const cJSON *message) {
        uint8_t *bytes;
        size_t count;
        int r = wire_encode(message, WIRE_TO_ENGINE_BYTES_MAX, &bytes, &count);
        if (r < 0)
                return r;
        log_frame(e, "frame_sent", message, count);
        trace_frame(e->trace, TRACE_DAEMON, wire_type(message), message, count);
        return child_write(e->child, bytes, count);
}

/* The frame as the trace wants it; one that is longer than its lines goes without contents. */
static cJSON *frame_to_trace(const struct text *head, const struct bulk *body, uint32_t values, const char *tail) {
        struct text whole = { 0 };
        cJSON *frame = NULL;
        if (bulk_size(body) > TRACE_LINE_MAX || values > TRACE_ITEMS_MAX)
                return NULL;
        if (text_add(&whole, head->bytes + WIRE_HEADER_BYTES, head->used - WIRE_HEADER_BYTES) &&
            text_add(&whole, bulk_bytes(body), bulk_size(body)) && text_puts(&whole, tail))
                frame = cJSON_ParseWithLength(whole.bytes, whole.used);
        text_done(&whole);
        return frame;
}

/* The frame up to the body. */
static bool write_head(struct text *head, const struct engine_request *request, uint64_t id) {
        text_add(head, "\0\0\0", WIRE_HEADER_BYTES);
        text_printf(head, "{\"type\":\"%s\",\"id\":%" PRIu64, request->type, id);
        if (request->kind)
                text_printf(head, ",\"kind\":\"%s\"", request->kind);
        if (request->batch)
                text_puts(head, ",\"batch\":true");
        if (request->group)
                text_printf(head, ",\"group\":%" PRIu64 ",\"choice\":%u", request->group, request->choice);
        if (request->tenant)
                text_printf(head, ",\"tenant\":%" PRIu64, request->tenant);
        if (request->item)
                text_printf(head, ",\"item\":%u", request->item);
        if (request->is_scored)
                text_puts(head, ",\"scored\":true");
        return text_puts(head, ",\"body\":");
}

int engine_process_send_body(struct engine_process *e, const struct engine_request *request, uint64_t *ret_id) {
        static const char tail[] = "}";
        struct text head = { 0 };
        struct bulk *body = request->body;
        uint64_t id = e->ids_issued + 1;
        if (bulk_size(body) > e->request_bytes_max || request->values > e->request_values_max)
                return -EMSGSIZE;
        if (!write_head(&head, request, id)) {
                text_done(&head);
                return -ENOMEM;
        }
        size_t count = head.used + bulk_size(body) + strlen(tail);
        (void) put_u32((uint8_t *) head.bytes, (uint32_t) (count - WIRE_HEADER_BYTES));
        log_debug("frame_sent", LOG_NUMBER("pid", child_pid(e->child)), LOG_TEXT("type", request->type), LOG_NUMBER("id", id),
                  LOG_NUMBER("bytes", count));
        if (e->trace) {
                cJSON *frame = frame_to_trace(&head, body, request->values, tail);
                trace_frame(e->trace, TRACE_DAEMON, request->type, frame, count);
                cJSON_Delete(frame);
        }
        int r = child_write_around(e->child, (uint8_t *) head.bytes, head.used, body, tail);
        if (r < 0)
                return r;
        e->ids_issued = id;
        *ret_id = id;
        return 0;
}

/* WITH_FILE: a descriptor has been sent before. */
static int send_small(struct engine_process *e, const char *type, uint64_t id, bool with_file) {
        cJSON *message = cJSON_CreateObject();
        int r = -ENOMEM;
        if (message && cJSON_AddStringToObject(message, "type", type) &&
            (id == 0 || cJSON_AddNumberToObject(message, "id", (double) id)) &&
            (!with_file || cJSON_AddTrueToObject(message, "file")))
                r = send_message(e, message);
        cJSON_Delete(message);
        return r;
}

void engine_process_about(struct engine_process *e, const char *type, uint64_t id) {
        (void) send_small(e, type, id, false);
}

void engine_process_tell(struct engine_process *e, const char *type) {
        (void) send_small(e, type, 0, false);
}

/* --- levers --- */

int engine_process_control(struct engine_process *e, cJSON *settings, uint64_t *ret_id) {
        uint64_t id = e->ids_issued + 1;
        if (!cJSON_AddStringToObject(settings, "type", WIRE_CONTROL) || !cJSON_AddNumberToObject(settings, "id", (double) id))
                return -ENOMEM;
        int r = send_message(e, settings);
        if (r < 0)
                return r;
        e->ids_issued = id;
        *ret_id = id;
        return 0;
}

/* The request's id in little-endian, and the descriptor with it. */
static int send_file(const struct engine_process *e, uint64_t id, int fd) {
        uint8_t bytes[8];
        for (unsigned i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (id >> 8 * i);
        struct iovec text = { bytes, sizeof(bytes) };
        union {
                struct cmsghdr head;
                char room[CMSG_SPACE(sizeof(int))];
        } control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
        struct msghdr message = {
                .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)
        };
        for (;;) {
                if (sendmsg(e->files_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

int engine_process_suspend(struct engine_process *e, uint64_t id, int fd) {
        int r = fd < 0 ? 0 : send_file(e, id, fd);
        /* A descriptor whose frame cannot follow is thrown away by the engine when the next one comes. */
        return r < 0 ? r : send_small(e, WIRE_SUSPEND, id, fd >= 0);
}

int engine_process_restore(struct engine_process *e, uint64_t id) {
        return send_small(e, WIRE_RESTORE, id, false);
}

int engine_process_save_candidate(struct engine_process *e, uint64_t *ret_id) {
        int r = send_small(e, WIRE_SAVE_CANDIDATE, e->ids_issued + 1, false);
        if (r == 0)
                *ret_id = ++e->ids_issued;
        return r;
}

int engine_process_save(struct engine_process *e, int fd, uint64_t *ret_id) {
        int r = send_file(e, e->ids_issued + 1, fd);
        if (r == 0)
                r = send_small(e, WIRE_SAVE, e->ids_issued + 1, true);
        if (r == 0)
                *ret_id = ++e->ids_issued;
        return r;
}

int engine_process_found(struct engine_process *e, uint64_t id, int fd) {
        int r = fd < 0 ? 0 : send_file(e, id, fd);
        return r < 0 ? r : send_small(e, WIRE_FOUND, id, fd >= 0);
}

int engine_process_downshift_now(struct engine_process *e) {
        trace_frame(e->trace, TRACE_DAEMON, WIRE_DOWNSHIFT_NOW, NULL, e->downshift_now_count);
        return child_write_kept(e->child, e->downshift_now, e->downshift_now_count);
}

/* An engine that has hung up does not hear it, which shows as on_exit. */
static void tell_trace(struct engine_process *e) {
        cJSON *message = cJSON_CreateObject();
        if (message && cJSON_AddStringToObject(message, "type", WIRE_TRACE) &&
            cJSON_AddBoolToObject(message, "on", e->trace != NULL))
                (void) send_message(e, message);
        cJSON_Delete(message);
}

void engine_process_trace(struct engine_process *e, struct trace *trace) {
        e->trace = trace;
        if (e->ready)
                tell_trace(e);
}

void engine_process_kill(struct engine_process *e) {
        child_kill(e->child);
}
