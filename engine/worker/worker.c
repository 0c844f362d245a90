/* worker.c - see worker.h. Each frame type is a row of a table; the loop at the end is the whole life. */
#include "engine/worker/worker.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/bounds.h"
#include "engine/base/clock.h"
#include "engine/base/exit_codes.h"
#include "engine/base/json_get.h"
#include "engine/worker/control.h"
#include "engine/worker/fd_channel.h"
#include "engine/worker/frames.h"
#include "engine/worker/send_queue.h"
#include "engine/base/printable.h"
#include "engine/request/error.h"
#include "engine/request/tokens.h"
#include "engine/unicode/utf8_stream.h"
#include "engine/wire/wire.h"

#define RECEIVE_BYTES       (64u << 10)
#define WORDS_BYTES         (32u << 10) /* of a text that is no answer, in a frame */
#define ID_MAX              0x1p53      /* JSON numbers are exact up to here */
#define LARGE_FRAME_BYTES   (1u << 20)
#define LARGE_FRAME_WAIT_US 1000u /* for more of a frame that is under way, before a step is made without it */

struct worker {
        int socket_fd;
        int files_fd; /* descriptors for suspend come here; -1: none can */
        struct engine engine;
        struct wire_reader reader;
        struct send_queue send_queue;
        uint64_t told_us;     /* when statistics were last told unasked ... */
        uint32_t told_needed; /* ... and what was needed of the KV pool then */
        bool idle_told;       /* and that it is idle, since it last did something */
        bool tells_prompts;
        bool over; /* ends with CODE */
        int code;
};

static void end(struct worker *w, int code) {
        if (!w->over)
                w->code = code;
        w->over = true;
}

static void protocol_error(struct worker *w, const char *what) {
        fprintf(stderr, "headroom-engine worker: %s\n", what);
        end(w, EXIT_FAILED);
}

/* ---- out ---- */

/* Takes over FRAME. */
static void say(struct worker *w, cJSON *frame) {
        uint8_t *bytes = NULL;
        size_t count;
        if (!frame || wire_encode(frame, WIRE_TO_DAEMON_BYTES_MAX, &bytes, &count) < 0 ||
            send_queue_add(&w->send_queue, bytes, count) < 0)
                protocol_error(w, "out of memory for a frame");
        cJSON_Delete(frame);
        free(bytes);
}

static void on_start(void *context, uint64_t id, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed) {
        say(context, frame_start(id, prompt_tokens, cached_tokens, relaxed));
}

static void on_text(void *context, uint64_t id, const struct output_chunk *chunk) {
        struct worker *w = context;
        say(w, frame_text(id, w->engine.rules.tokenizer, chunk));
}

static void on_end(void *context, uint64_t id, const struct output_stream_end *e) {
        say(context, frame_end(id, e));
}

/* Sends of what is waiting all but so many BYTES, however long the peer takes. */
static void flush_down_to(struct worker *w, size_t bytes) {
        while (send_queue_waiting(&w->send_queue) > bytes) {
                struct pollfd p = { .fd = w->socket_fd, .events = POLLOUT };
                if ((poll(&p, 1, -1) < 0 && errno != EINTR) || send_queue_flush(&w->send_queue, w->socket_fd) < 0)
                        return;
        }
}

/* Many vectors are many megabytes as text: no more of it is made than is about to go out. */
static void on_embedding(void *context, uint64_t id, const struct embedding *e) {
        struct worker *w = context;
        for (uint32_t i = 0; i < e->count; i++) {
                say(w, frame_embedding(id, e, i));
                flush_down_to(w, SEND_QUEUE_BYTES_HIGH);
        }
}

static void on_error(void *context, uint64_t id, const struct request_error *error) {
        say(context, frame_error(id, error));
}

static void on_suspended(void *context, uint64_t id, uint64_t bytes, const char *error) {
        say(context, frame_suspended(id, bytes, error));
}

static void on_restored(void *context, uint64_t id, bool recomputed) {
        say(context, frame_restored(id, recomputed));
}

static void on_lookup(void *context, uint64_t id, const uint64_t *hashes, uint32_t blocks) {
        say(context, frame_lookup(id, hashes, blocks));
}

static void on_corrupt(void *context, uint64_t id, const char *error, bool damaged) {
        say(context, frame_corrupt(id, error, damaged));
}

static void on_saved(void *context, uint64_t id, uint64_t bytes, const char *error) {
        say(context, frame_saved(id, bytes, error));
}

/* ---- in ---- */

static void tell_prompts(struct worker *w, const struct request *r) {
        for (uint32_t i = 0; i < r->inputs_count; i++)
                for (size_t at = 0; at < r->inputs[i].count; at += WIRE_PROMPT_TOKENS_MAX)
                        say(w, frame_prompt(r->id, i, &r->inputs[i], at));
}

static void submit(struct worker *w, uint64_t id, int result, struct request *r, struct request_error *error) {
        if (result == 0 && r->note[0])
                say(w, frame_note(id, r->note));
        if (result == 0 && w->tells_prompts)
                tell_prompts(w, r);
        if (result == 0)
                result = scheduler_submit(w->engine.scheduler, r, error);
        if (result < 0) {
                request_done(r);
                say(w, frame_error(id, error));
        }
}

/* Whole characters, without what no text of ours holds (scheduler/output_stream.h), as soon as they come to a frame. */
static void tell_words(struct worker *w, uint64_t id, const struct text *words) {
        struct utf8_stream characters = { .held_count = 0 };
        char piece[UTF8_STREAM_ROOM(WORDS_BYTES) + UTF8_STREAM_ROOM(0) + 1];
        for (size_t at = 0, count; at < words->used; at += count) {
                size_t written, kept = 0;
                count = words->used - at < WORDS_BYTES ? words->used - at : WORDS_BYTES;
                written = utf8_stream_push(&characters, words->bytes + at, count, piece);
                if (at + count == words->used)
                        written += utf8_stream_end(&characters, piece + written);
                for (size_t i = 0; i < written; i++)
                        if (piece[i])
                                piece[kept++] = piece[i];
                piece[kept] = '\0';
                if (kept > 0)
                        say(w, frame_words(id, piece));
                flush_down_to(w, SEND_QUEUE_BYTES_HIGH);
        }
}

/* Answered as soon as it is read. */
static void take_tokens(struct worker *w, uint64_t id, tokens_reader *read, const cJSON *body) {
        struct output_stream_end end = { .finish = FINISH_STOP };
        struct text words = { .max = TOKENIZE_ANSWER_MAX };
        struct request_error error;
        if (read(&w->engine.rules, body, &words, &end.prompt_tokens, &error) < 0) {
                say(w, frame_error(id, &error));
        } else {
                say(w, frame_start(id, end.prompt_tokens, 0, NULL));
                tell_words(w, id, &words);
                say(w, frame_end(id, &end));
        }
        text_done(&words);
}

/* A prompt that was only to be counted has been, once it was read. */
static void tell_count(struct worker *w, struct request *r) {
        struct output_stream_end end = { .finish = FINISH_LENGTH, .prompt_tokens = (uint32_t) r->inputs[0].count };
        say(w, frame_start(r->id, end.prompt_tokens, 0, NULL));
        say(w, frame_end(r->id, &end));
        request_done(r);
}

/* 0 where it is absent, or no count. */
static uint64_t count_in(const cJSON *frame, const char *name) {
        uint64_t count = 0;
        (void) json_get_count(frame, name, ID_MAX, &count);
        return count;
}

static void take_generate(struct worker *w, uint64_t id, const cJSON *frame) {
        static const struct {
                const char *kind;
                tokens_reader *read;
        } lookups[] = { { "tokens", tokens_of_text }, { "text", tokens_to_text }, { "template", tokens_of_template } };
        const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "kind"));
        for (size_t i = 0; kind && i < sizeof(lookups) / sizeof(lookups[0]); i++)
                if (!strcmp(kind, lookups[i].kind)) {
                        take_tokens(w, id, lookups[i].read, cJSON_GetObjectItemCaseSensitive(frame, "body"));
                        return;
                }
        bool counts = kind && !strcmp(kind, "count"), chat = counts || (kind && !strcmp(kind, "chat"));
        if (!chat && !(kind && !strcmp(kind, "completion"))) {
                protocol_error(w, "a generate frame without a kind");
                return;
        }
        struct request r = { 0 };
        struct request_error error;
        const struct request_asked asked = { .id = id,
                                             .kind = chat ? REQUEST_CHAT : REQUEST_COMPLETION,
                                             .item = (uint32_t) count_in(frame, "item") };
        int result = request_read(&w->engine.rules, &asked, cJSON_GetObjectItemCaseSensitive(frame, "body"), &r, &error);
        r.batch = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(frame, "batch"));
        r.is_scored = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(frame, "scored"));
        r.group = count_in(frame, "group");
        r.tenant = count_in(frame, "tenant");
        r.sampling.seed += count_in(frame, "choice");
        if (counts && result == 0)
                tell_count(w, &r);
        else
                submit(w, id, result, &r, &error);
}

static void take_embed(struct worker *w, uint64_t id, const cJSON *frame) {
        struct request r = { 0 };
        struct request_error error;
        const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "kind"));
        const cJSON *body = cJSON_GetObjectItemCaseSensitive(frame, "body");
        int result =
                (kind && !strcmp(kind, "rank") ? request_read_rank : request_read_embed)(&w->engine.rules, id, body, &r, &error);
        r.batch = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(frame, "batch"));
        submit(w, id, result, &r, &error);
}

static void take_cancel(struct worker *w, uint64_t id, const cJSON *frame) {
        (void) frame;
        scheduler_cancel(w->engine.scheduler, id);
}

static void take_pause(struct worker *w, uint64_t id, const cJSON *frame) {
        (void) frame;
        scheduler_pause(w->engine.scheduler, id, true);
}

static void take_resume(struct worker *w, uint64_t id, const cJSON *frame) {
        (void) frame;
        scheduler_pause(w->engine.scheduler, id, false);
}

static void take_statistics(struct worker *w, uint64_t id, const cJSON *frame) {
        (void) id;
        (void) frame;
        say(w, frame_statistics(&w->engine, true));
}

static void take_control(struct worker *w, uint64_t id, const cJSON *frame) {
        struct control control;
        struct request_error error;
        if (control_read(&w->engine, frame, &control, &error) < 0) {
                say(w, frame_error(id, &error));
                return;
        }
        control_apply(&w->engine, &control);
        say(w, frame_controlled(id));
}

static void take_downshift_now(struct worker *w, uint64_t id, const cJSON *frame) {
        (void) id;
        (void) frame;
        engine_downshift_now(&w->engine);
}

#define TOO_MANY_FILES "The engine has too many files open."

/* The descriptor that came for a frame with `file`; -1: it has none; -EMFILE: it was lost. False: there should be one, and is not. */
static bool take_file(struct worker *w, uint64_t id, const cJSON *frame, int *ret_fd) {
        *ret_fd = -1;
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(frame, "file")))
                return true;
        *ret_fd = files_take(w->files_fd, id);
        if (*ret_fd >= 0 || *ret_fd == -EMFILE)
                return true;
        char what[96];
        (void) snprintf(what, sizeof(what), "a %s frame whose file has not come", wire_type(frame));
        protocol_error(w, what);
        return false;
}

static void take_suspend(struct worker *w, uint64_t id, const cJSON *frame) {
        int fd;
        if (!take_file(w, id, frame, &fd))
                return;
        if (fd == -EMFILE)
                say(w, frame_suspended(id, 0, TOO_MANY_FILES));
        else
                scheduler_suspend(w->engine.scheduler, id, fd);
}

static void take_restore(struct worker *w, uint64_t id, const cJSON *frame) {
        (void) frame;
        scheduler_restore(w->engine.scheduler, id);
}

static void take_save_candidate(struct worker *w, uint64_t id, const cJSON *frame) {
        (void) frame;
        struct scheduler_save_candidate candidate;
        if (scheduler_save_candidate(w->engine.scheduler, &candidate) < 0)
                candidate = (struct scheduler_save_candidate){ 0 }; /* without memory there is nothing to keep */
        say(w, frame_save_candidate(id, &candidate));
        free(candidate.hashes);
}

static void take_save(struct worker *w, uint64_t id, const cJSON *frame) {
        int fd;
        if (!take_file(w, id, frame, &fd))
                return;
        if (fd < 0)
                say(w, frame_saved(id, 0, fd == -EMFILE ? TOO_MANY_FILES : "There is no file to keep it in."));
        else
                scheduler_save(w->engine.scheduler, id, fd);
}

static void take_found(struct worker *w, uint64_t id, const cJSON *frame) {
        int fd;
        if (take_file(w, id, frame, &fd))
                scheduler_found(w->engine.scheduler, id, fd < 0 ? -1 : fd);
}

static void take_trace(struct worker *w, uint64_t id, const cJSON *frame) {
        (void) id;
        w->tells_prompts = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(frame, "on"));
}

static void take_shutdown(struct worker *w, uint64_t id, const cJSON *frame) {
        (void) id;
        (void) frame;
        end(w, EXIT_DONE);
}

enum id_rule { ID_NONE, ID_NEW, ID_ANY };

/* clang-format off */
static const struct incoming {
        const char *type;
        enum id_rule id;
        void (*take)(struct worker *w, uint64_t id, const cJSON *frame);
} incoming[] = {
        { WIRE_GENERATE,   ID_NEW,  take_generate },
        { WIRE_EMBED,      ID_NEW,  take_embed },
        { WIRE_CANCEL,     ID_ANY,  take_cancel },
        { WIRE_PAUSE,      ID_ANY,  take_pause },
        { WIRE_RESUME,     ID_ANY,  take_resume },
        { WIRE_STATISTICS, ID_NONE, take_statistics },
        { WIRE_CONTROL,    ID_ANY,  take_control },
        { WIRE_DOWNSHIFT_NOW,    ID_NONE, take_downshift_now },
        { WIRE_SUSPEND,    ID_ANY,  take_suspend },
        { WIRE_RESTORE,    ID_ANY,  take_restore },
        { WIRE_SAVE_CANDIDATE,      ID_ANY,  take_save_candidate },
        { WIRE_SAVE,       ID_ANY,  take_save },
        { WIRE_FOUND,   ID_ANY,  take_found },
        { WIRE_TRACE,      ID_NONE, take_trace },
        { WIRE_SHUTDOWN,   ID_NONE, take_shutdown },
};
/* clang-format on */

static void take_frame(struct worker *w, const cJSON *frame) {
        const struct incoming *known = NULL;
        for (size_t i = 0; i < sizeof(incoming) / sizeof(incoming[0]); i++)
                if (!strcmp(wire_type(frame), incoming[i].type))
                        known = &incoming[i];
        char type[48], what[96];
        (void) printable_copy(type, sizeof(type), wire_type(frame), strlen(wire_type(frame)));
        if (!known) {
                (void) snprintf(what, sizeof(what), "a frame of unknown type '%s'", type);
                protocol_error(w, what);
                return;
        }
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(frame, "id");
        double number = cJSON_IsNumber(id) ? id->valuedouble : 0;
        bool valid = number >= 1 && number <= ID_MAX && floor(number) == number;
        if (known->id != ID_NONE &&
            (!valid || (known->id == ID_NEW && scheduler_knows(w->engine.scheduler, (uint64_t) number)))) {
                (void) snprintf(what, sizeof(what), "a frame of type '%s' with %s", type,
                                valid ? "an id that is in use" : "no valid id");
                protocol_error(w, what);
                return;
        }
        known->take(w, valid ? (uint64_t) number : 0, frame);
}

/* All whole frames that have arrived. */
static void take_frames(struct worker *w) {
        while (!w->over) {
                cJSON *frame;
                size_t waiting = wire_reader_waiting(&w->reader);
                int r = wire_reader_next(&w->reader, &frame);
                if (r == 0)
                        return;
                if (r < 0) {
                        protocol_error(w, r == -EMSGSIZE ? "a frame of an impossible length" : "a frame that is no message");
                        return;
                }
                take_frame(w, frame);
                cJSON_Delete(frame);
                if (waiting > LARGE_FRAME_BYTES)
                        /* The small pieces of its tree would stay ours: memory that the account does not know. */
                        (void) malloc_trim(0);
        }
}

/* Takes what the socket has, at most about MAX bytes; returns how many. Sees the end of the peer. */
static size_t receive(struct worker *w, size_t max) {
        uint8_t bytes[RECEIVE_BYTES];
        size_t total = 0;
        while (total < max && !w->over) {
                ssize_t n = recv(w->socket_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                        break;
                if (n <= 0) { /* closed, or reset by a peer that died with our frames unread */
                        end(w, EXIT_DONE);
                        break;
                }
                if (wire_reader_push(&w->reader, bytes, (size_t) n) < 0) {
                        protocol_error(w, "out of memory for a frame");
                        break;
                }
                total += (size_t) n;
                take_frames(w);
        }
        return total;
}

/* ---- the loop ---- */

static uint64_t now_us(void) {
        return clock_us(CLOCK_MONOTONIC);
}

/* The work that may be done without waiting: none, only giving memory back, a step. */
enum may { MAY_NOTHING, MAY_UPKEEP, MAY_STEP };

/* *ret_rest_us: until more may be done; UINT64_MAX: until a frame comes. */
static enum may what_may_be_done(struct worker *w, uint64_t *ret_rest_us) {
        *ret_rest_us = UINT64_MAX;
        if (send_queue_waiting(&w->send_queue) >= SEND_QUEUE_BYTES_HIGH || !scheduler_has_work(w->engine.scheduler))
                return MAY_NOTHING;
        *ret_rest_us = throttle_rest_us(&w->engine.throttle, now_us());
        return *ret_rest_us == 0 ? MAY_STEP : scheduler_has_upkeep(w->engine.scheduler) ? MAY_UPKEEP : MAY_NOTHING;
}

/* A rest is not slept through: a frame ends it, and what is left of it is rested when the frame is done. */
static int wait_on_socket(struct worker *w, short events, uint64_t wait_us) {
        struct pollfd p = { .fd = w->socket_fd, .events = events };
        struct timespec time = { (time_t) (wait_us / 1000000), (long) (wait_us % 1000000 * 1000) };
        int n = ppoll(&p, 1, wait_us == UINT64_MAX ? NULL : &time, NULL);
        if (n < 0 && errno != EINTR)
                protocol_error(w, strerror(errno));
        return n > 0 ? p.revents : 0;
}

/* Waits until there is something to do; says what. */
static enum may wait_for_peer(struct worker *w, size_t *received) {
        bool full = send_queue_waiting(&w->send_queue) >= SEND_QUEUE_BYTES_HIGH;
        bool more_comes = wire_reader_waiting(&w->reader) > 0 && *received < INBOX_BYTES_PER_STEP;
        uint64_t rest_us;
        enum may may = what_may_be_done(w, &rest_us);
        uint64_t wait_us = may == MAY_NOTHING ? rest_us : more_comes ? LARGE_FRAME_WAIT_US : 0;
        int seen = wait_on_socket(w, (short) ((full ? 0 : POLLIN) | (send_queue_waiting(&w->send_queue) ? POLLOUT : 0)), wait_us);
        if ((seen & POLLOUT) && send_queue_flush(&w->send_queue, w->socket_fd) < 0)
                end(w, EXIT_DONE);
        if (w->over || !(seen & (POLLIN | POLLHUP | POLLERR | POLLNVAL)))
                return may;
        size_t now = receive(w, INBOX_BYTES_PER_STEP);
        *received += now;
        /* A frame that is still under way is first taken in as far as it comes without a pause. */
        if (now && wire_reader_waiting(&w->reader) > 0 && *received < INBOX_BYTES_PER_STEP)
                return MAY_NOTHING;
        return what_may_be_done(w, &rest_us);
}

static void flush(struct worker *w) {
        if (!w->over && send_queue_flush(&w->send_queue, w->socket_fd) < 0)
                end(w, EXIT_DONE);
}

/* More is needed of the KV pool than it may hold, and more than was told: whoever can have it grow hears of it at once. */
static bool needs_room(const struct worker *w, const struct scheduler_pool *pool) {
        return pool->needed > pool->limit && pool->needed > w->told_needed;
}

/* While it computes, every so often; and once when it has become idle. Never by a timer: an idle engine sleeps. */
static void tell_unasked(struct worker *w) {
        bool idle = !scheduler_has_work(w->engine.scheduler);
        uint64_t now = now_us(), after_us = (uint64_t) w->engine.heartbeat_ms * 1000;
        struct scheduler_pool pool = scheduler_pool(w->engine.scheduler);
        bool due = idle ? !w->idle_told : now - w->told_us >= after_us;
        if (w->over || !w->engine.heartbeat_ms || !(due || needs_room(w, &pool)))
                return;
        w->told_us = now;
        w->told_needed = pool.needed;
        w->idle_told = idle;
        say(w, frame_statistics(&w->engine, false));
}

static void step(struct worker *w) {
        uint64_t begun_us = now_us();
        scheduler_step(w->engine.scheduler);
        throttle_worked(&w->engine.throttle, begun_us, now_us());
        w->idle_told = false;
}

static void serve(struct worker *w) {
        size_t received = 0; /* since the last step */
        w->idle_told = true;
        while (!w->over) {
                enum may may = wait_for_peer(w, &received);
                if (!w->over && may == MAY_STEP)
                        step(w);
                else if (!w->over && may == MAY_UPKEEP)
                        scheduler_upkeep(w->engine.scheduler);
                if (may != MAY_NOTHING)
                        received = 0;
                tell_unasked(w);
                flush(w);
        }
}

int worker_run(int socket_fd, int files_fd, const struct engine_config *config) {
        struct worker w = { .socket_fd = socket_fd, .files_fd = files_fd, .reader = { .bytes_max = WIRE_TO_ENGINE_BYTES_MAX } };
        struct engine_config with_sink = *config;
        with_sink.sink = (struct scheduler_sink){
                .context = &w,
                .on_start = on_start,
                .on_text = on_text,
                .on_end = on_end,
                .on_embedding = on_embedding,
                .on_error = on_error,
                .on_suspended = on_suspended,
                .on_restored = on_restored,
                .on_lookup = on_lookup,
                .on_corrupt = on_corrupt,
                .on_saved = on_saved,
        };
        struct gguf_error error = { .text = "" };
        if (engine_open(&w.engine, &with_sink, &error) < 0) {
                fprintf(stderr, "headroom-engine worker: %s\n", error.text);
                say(&w, frame_failed(error.text));
                flush_down_to(&w, 0);
                end(&w, EXIT_FAILED);
        } else {
                say(&w, frame_ready(&w.engine));
                serve(&w);
        }
        engine_close(&w.engine);
        wire_reader_done(&w.reader);
        send_queue_done(&w.send_queue);
        return w.code;
}
