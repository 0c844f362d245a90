/* trace.c - two halves of a buffer: one is filled while a thread writes the other down. */
#include "daemon/trace/trace.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/trace/file.h"
#include "daemon/trace/line.h"
#include "engine/base/clock.h"
#include "policy/base/sat.h"

struct half {
        char *bytes;
        size_t used;
};

struct trace {
        uv_loop_t *loop;
        const char *state_dir;
        struct trace_events events;
        void *user;
        char name[MODEL_ID_MAX + 40], path[PATH_MAX];
        uint64_t begun_unix_ms, until_unix_ms, until_ms;

        struct half filling, writing;
        uint64_t bytes, lines; /* so far, those that are not written yet included */
        uint64_t dropped, dropped_told;
        enum reason over; /* full, or not to be written */
        bool is_ended;    /* the last line is there */

        uv_work_t work; /* one at a time */
        bool is_busy;
        int fd; /* -1: not open */
        int result;
};

/* --- to the disk, on threads --- */

static void make_file(uv_work_t *work) {
        struct trace *t = work->data;

        t->fd = trace_file_make(t->state_dir, t->name);
        t->result = t->fd < 0 ? t->fd : 0;
}

static void write_half(uv_work_t *work) {
        struct trace *t = work->data;

        t->result = trace_file_write(t->fd, t->writing.bytes, t->writing.used);
}

static void close_down(uv_work_t *work) {
        struct trace *t = work->data;

        (void) close(t->fd);
}

static void trace_free(struct trace *t) {
        free(t->filling.bytes);
        free(t->writing.bytes);
        free(t);
}

static void advance(struct trace *t);

static void set_over(struct trace *t, enum reason because) {
        if (t->over != REASON_NONE)
                return;
        t->over = because;
        t->events.on_over(t->user);
}

static void on_made(uv_work_t *work, int status) {
        struct trace *t = work->data;
        int r = status < 0 ? status : t->result;

        t->is_busy = false;
        t->events.on_open(t->user, r);
        if (r < 0)
                trace_free(t);
        else
                advance(t);
}

static void on_written(uv_work_t *work, int status) {
        struct trace *t = work->data;

        t->is_busy = false;
        t->writing.used = 0;
        if (status < 0 || t->result < 0)
                set_over(t, REASON_TRACE_FAILED);
        advance(t);
}

static void on_file_closed(uv_work_t *work, int status) {
        struct trace *t = work->data;

        (void) status;
        t->events.on_closed(t->user);
        trace_free(t);
}

static void begin(struct trace *t, uv_work_cb work, uv_after_work_cb after) {
        t->is_busy = true;
        (void) uv_queue_work(t->loop, &t->work, work, after); /* fails only without a callback */
}

/* A line is on its way at once while the disk is idle; while it is busy the next ones gather. */
static void advance(struct trace *t) {
        if (t->is_busy)
                return;
        if (t->filling.used > 0 && t->over != REASON_TRACE_FAILED) {
                struct half full = t->filling;
                t->filling = t->writing;
                t->writing = full;
                begin(t, write_half, on_written);
        } else if (t->is_ended) {
                begin(t, close_down, on_file_closed);
        }
}

/* --- lines --- */

static size_t buffer_room(const struct trace *t) {
        return TRACE_BUFFER_BYTES - TRACE_END_BYTES - t->filling.used;
}

static size_t file_room(const struct trace *t) {
        return TRACE_FILE_BYTES_MAX - TRACE_END_BYTES - t->bytes;
}

static struct line open_line(const struct trace *t, size_t size) {
        struct line l = { .bytes = t->filling.bytes + t->filling.used, .size = size };

        line_printf(&l, "{\"unix_ms\":%" PRIu64 ",\"kind\":", clock_ms(CLOCK_REALTIME));
        return l;
}

/* False: it did not fit, and is not there. */
static bool close_line(struct trace *t, struct line *l) {
        line_puts(l, "}\n");
        if (l->is_full)
                return false;
        t->filling.used += l->used;
        t->bytes += l->used;
        t->lines++;
        return true;
}

static bool add_dropped(struct trace *t, size_t room) {
        struct line l = open_line(t, room);

        line_printf(&l, "\"dropped\",\"lines\":%" PRIu64, t->dropped - t->dropped_told);
        if (!close_line(t, &l))
                return false;
        t->dropped_told = t->dropped;
        return true;
}

/*
 * The room for a next line, or 0: none is taken. Once lines were dropped, the next has to wait for the room of a longest one,
 * so that they are missing in one place, which is marked there.
 */
static size_t room_for_line(struct trace *t) {
        if (t->is_ended || t->over != REASON_NONE)
                return 0;
        size_t room = u64_min(buffer_room(t), file_room(t));
        if (t->dropped > t->dropped_told && (room < TRACE_LINE_MAX || !add_dropped(t, room)))
                return 0;
        return u64_min(u64_min(buffer_room(t), file_room(t)), TRACE_LINE_MAX);
}

/* A line did not fit. */
static void drop(struct trace *t) {
        if (t->is_ended || t->over != REASON_NONE)
                return;
        t->dropped++;
        if (file_room(t) < buffer_room(t))
                set_over(t, REASON_TRACE_FULL);
}

/* The facts about a frame, and FRAME unless it is NULL. */
static bool write_frame(struct trace *t, size_t room, enum trace_side side, const char *type, const cJSON *frame, size_t bytes) {
        struct line l = open_line(t, room);

        line_printf(&l, "\"frame\",\"from\":\"%s\",\"type\":", side == TRACE_DAEMON ? "daemon" : "engine");
        line_text(&l, type);
        line_printf(&l, ",\"bytes\":%zu", bytes);
        if (frame) {
                line_puts(&l, ",\"frame\":");
                line_value(&l, frame);
        }
        return close_line(t, &l);
}

void trace_add_frame(struct trace *t, enum trace_side side, const char *type, const cJSON *frame, size_t bytes) {
        size_t room = room_for_line(t);

        /* A frame longer than any line goes without its contents. */
        if (room > 0 && (write_frame(t, room, side, type, frame, bytes) ||
                         (room == TRACE_LINE_MAX && write_frame(t, room, side, type, NULL, bytes))))
                advance(t);
        else
                drop(t);
}

static void write_field(struct line *l, const struct log_field *f) {
        line_text(l, f->key);
        line_puts(l, ":");
        if (f->is_number)
                line_printf(l, "%" PRId64, f->number);
        else
                line_text(l, f->text);
}

void trace_add_decision(struct trace *t, enum log_level level, const char *event, const struct log_field *fields) {
        size_t room = room_for_line(t);
        struct line l = open_line(t, room);
        const char *comma = "";

        line_printf(&l, "\"decision\",\"level\":\"%s\",\"event\":", log_level_name(level));
        line_text(&l, event);
        line_puts(&l, ",\"fields\":{");
        for (const struct log_field *f = fields; f->key; f++) {
                if (!*f->key)
                        continue;
                line_puts(&l, comma);
                write_field(&l, f);
                comma = ",";
        }
        line_puts(&l, "}");
        if (close_line(t, &l))
                advance(t);
        else
                drop(t);
}

static void add_beginning(struct trace *t, const char *model, uint32_t minutes) {
        struct line l = open_line(t, TRACE_LINE_MAX);

        line_puts(&l, "\"begin\",\"version\":1,\"headroomd\":\"" HEADROOM_VERSION "\",\"model\":");
        line_text(&l, model);
        line_printf(&l, ",\"minutes\":%" PRIu32, minutes);
        (void) close_line(t, &l);
}

/* The last line has room reserved in the buffer and in the file. */
static void add_end(struct trace *t, enum reason because) {
        struct line l = open_line(t, TRACE_END_BYTES);
        const struct reason_info *why = reason_info(because);

        line_printf(&l, "\"end\",\"reason\":\"%s\",\"sentence\":\"%s\"", why->word, why->sentence);
        line_printf(&l, ",\"lines\":%" PRIu64 ",\"dropped\":%" PRIu64, t->lines, t->dropped);
        (void) close_line(t, &l);
}

/* --- life --- */

/* "qwen3-8b-20261130T084256.123Z.jsonl". An id may have slashes and colons. */
static void set_names(struct trace *t, const char *model) {
        time_t seconds = (time_t) (t->begun_unix_ms / 1000);
        char id[MODEL_ID_MAX + 1], when[24] = "";
        struct tm utc;

        (void) snprintf(id, sizeof id, "%s", model);
        for (char *c = id; *c; c++)
                if (!isalnum((unsigned char) *c) && !strchr("-_.", *c))
                        *c = '_';
        if (*id == '.')
                *id = '_';
        (void) strftime(when, sizeof when, "%Y%m%dT%H%M%S", gmtime_r(&seconds, &utc));
        (void) snprintf(t->name, sizeof t->name, "%s-%s.%03uZ.jsonl", id, when, (unsigned) (t->begun_unix_ms % 1000));
        (void) snprintf(t->path, sizeof t->path, "%s/" TRACE_FOLDER "/%s", t->state_dir, t->name);
}

int trace_new(uv_loop_t *loop, const char *state_dir, const char *model, uint32_t minutes, const struct trace_events *events,
              void *user, struct trace **ret) {
        struct trace *t = calloc(1, sizeof *t);

        if (!t)
                return -ENOMEM;
        *t = (struct trace){ .loop = loop, .state_dir = state_dir, .events = *events, .user = user, .fd = -1 };
        t->work.data = t;
        t->filling.bytes = malloc(TRACE_BUFFER_BYTES);
        t->writing.bytes = malloc(TRACE_BUFFER_BYTES);
        if (!t->filling.bytes || !t->writing.bytes) {
                trace_free(t);
                return -ENOMEM;
        }
        t->begun_unix_ms = clock_ms(CLOCK_REALTIME);
        t->until_unix_ms = t->begun_unix_ms + (uint64_t) minutes * 60000;
        t->until_ms = uv_hrtime() / 1000000 + (uint64_t) minutes * 60000;
        set_names(t, model);
        add_beginning(t, model, minutes);
        begin(t, make_file, on_made);
        *ret = t;
        return 0;
}

enum reason trace_over(const struct trace *t, uint64_t now_ms) {
        return t->over != REASON_NONE ? t->over : now_ms >= t->until_ms ? REASON_TIME_UP : REASON_NONE;
}

uint64_t trace_until_ms(const struct trace *t) {
        return t->until_ms;
}

void trace_end(struct trace *t, enum reason because) {
        if (t->is_ended)
                return;
        add_end(t, because);
        t->is_ended = true;
        advance(t);
}

struct trace_info trace_info(const struct trace *t) {
        return (struct trace_info){ .path = t->path,
                                    .begun_unix_ms = t->begun_unix_ms,
                                    .until_unix_ms = t->until_unix_ms,
                                    .lines = t->lines,
                                    .dropped = t->dropped,
                                    .bytes = t->bytes };
}
