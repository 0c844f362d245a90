/*
 * log.c - formats one bounded line and hands it to one of two places.
 *
 * A value is written bare when it is plain (letters, digits and -_.:/@%+,), else quoted, with \" \\ \n \r \t and
 * \xNN, so that a line is always one line and splits at the spaces outside quotes. Nothing here allocates: a line is
 * needed most when memory is least.
 */
#include "daemon/system/log.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* that would be this file, for every line */
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "engine/base/strbuf.h"

static const char *const level_names[] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug"
};
static enum log_level level_least = LOG_LEVEL_INFO;
static bool to_journal;
static uint64_t lines_lost;
static log_tap *tap;
static void *tap_user;

struct line {
        char *bytes;
        uint32_t size, used; /* used < size: there is always room for the final NUL */
};

static void put(struct line *l, char c) {
        if (l->used + 1 < l->size)
                l->bytes[l->used++] = c;
}

static void put_all(struct line *l, const char *text) {
        while (*text)
                put(l, *text++);
}

static bool is_plain(const char *text) {
        for (const char *c = text; *c; c++)
                if (!isalnum((unsigned char) *c) && !strchr("-_.:/@%+,", *c))
                        return false;
        return *text;
}

/* FIRST_RAW: the least byte above ASCII that stands for itself. */
static void put_escaped(struct line *l, unsigned char c, unsigned first_raw) {
        static const char special[] = "\"\\\n\r\t", letter[] = "\"\\nrt", hex[] = "0123456789abcdef";
        const char *at = c ? strchr(special, c) : NULL;

        if (at) {
                put(l, '\\');
                put(l, letter[at - special]);
        } else if (c < 0x20 || c == 0x7f || (c >= 0x80 && c < first_raw)) {
                put_all(l, "\\x");
                put(l, hex[c >> 4]);
                put(l, hex[c & 15]);
        } else {
                put(l, (char) c);
        }
}

static void put_value(struct line *l, const char *text) {
        if (is_plain(text)) {
                put_all(l, text);
                return;
        }
        unsigned first_raw = text_is_utf8(text, strlen(text)) ? 0x80 : 0x100; /* a file may be called anything */
        put(l, '"');
        for (const char *c = text; *c; c++)
                put_escaped(l, (unsigned char) *c, first_raw);
        put(l, '"');
}

static void number_text(int64_t number, char ret[24]) {
        (void) snprintf(ret, 24, "%" PRId64, number);
}

static void put_field(struct line *l, const struct log_field *f) {
        char number[24];

        put(l, ' ');
        put_all(l, f->key);
        put(l, '=');
        if (f->is_number) {
                number_text(f->number, number);
                put_all(l, number);
        } else {
                put_value(l, f->text ? f->text : "-");
        }
}

uint32_t log_format(char *line, uint32_t size, const char *event, const struct log_field *fields) {
        struct line l = { line, size, 0 };

        put_all(&l, "event=");
        put_value(&l, event);
        for (const struct log_field *f = fields; f->key; f++)
                if (*f->key)
                        put_field(&l, f);
        line[l.used] = 0;
        return l.used;
}

/* JOURNAL_STREAM=device:inode says that a standard stream is connected to the journal; ours may since have been redirected. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && !fstat(STDERR_FILENO, &st) && st.st_dev == device &&
               st.st_ino == inode;
}

int log_level_by_name(const char *name, enum log_level *ret) {
        for (enum log_level level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++)
                if (level_names[level] && !strcmp(level_names[level], name)) {
                        *ret = level;
                        return 0;
                }
        return -EINVAL;
}

const char *log_level_name(enum log_level level) {
        return level_names[level];
}

void log_open(enum log_level least) {
        level_least = least;
        to_journal = stderr_is_journal();
}

/* A journal field is NAME=value: capitals, digits and underscores; ours begin with HEADROOM_. */
static void journal_field(struct line *l, const struct log_field *f) {
        char number[24];

        put_all(l, "HEADROOM_");
        for (const char *c = f->key; *c; c++)
                put(l, isalnum((unsigned char) *c) ? (char) toupper((unsigned char) *c) : '_');
        put(l, '=');
        if (f->is_number)
                number_text(f->number, number);
        put_all(l, f->is_number ? number : f->text ? f->text : "-");
}

/* Returns the vector of the field just written at the end of L; its bytes stay where they are. */
static struct iovec taken_since(const struct line *l, uint32_t start) {
        return (struct iovec){ .iov_base = l->bytes + start, .iov_len = l->used - start };
}

static bool write_journal(enum log_level level, const char *line, const char *event, const struct log_field *fields) {
        static char bytes[2 * LOG_LINE_MAX];
        struct iovec parts[LOG_FIELDS_MAX + 3];
        struct line l = { bytes, sizeof bytes, 0 };
        int count = 0;

        put_all(&l, "MESSAGE=");
        put_all(&l, line);
        parts[count++] = taken_since(&l, 0);
        uint32_t start = l.used;
        journal_field(&l, &LOG_NUMBER("priority", level));
        parts[count++] = (struct iovec){ bytes + start + strlen("HEADROOM_"), l.used - start - strlen("HEADROOM_") };
        start = l.used;
        journal_field(&l, &LOG_TEXT("event", event));
        parts[count++] = taken_since(&l, start);
        for (const struct log_field *f = fields; f->key && count < LOG_FIELDS_MAX + 3; f++) {
                if (!*f->key)
                        continue;
                start = l.used;
                journal_field(&l, f);
                parts[count++] = taken_since(&l, start);
        }
        return sd_journal_sendv(parts, count) >= 0;
}

/* A pipe that polls writable takes PIPE_BUF bytes without blocking, and a line is shorter. */
static bool stderr_is_writable(void) {
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

        return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void write_stderr(enum log_level level, const char *line) {
        char out[LOG_LINE_MAX + 64];

        if (!stderr_is_writable()) {
                lines_lost++;
                return;
        }
        int used = lines_lost ? snprintf(out, sizeof out, "%s %s lines_lost=%" PRIu64 "\n", level_names[level], line, lines_lost)
                              : snprintf(out, sizeof out, "%s %s\n", level_names[level], line);
        if (write(STDERR_FILENO, out, (size_t) used) == used)
                lines_lost = 0;
        else
                lines_lost++;
}

void log_set_tap(log_tap *new_tap, void *user) {
        tap = new_tap;
        tap_user = user;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields) {
        char line[LOG_LINE_MAX];

        if (tap)
                tap(tap_user, level, event, fields);
        if (level > level_least)
                return;
        (void) log_format(line, sizeof line, event, fields);
        if (!to_journal || !write_journal(level, line, event, fields))
                write_stderr(level, line);
}
