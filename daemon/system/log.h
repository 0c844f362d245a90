/*
 * log.h - one line per decision, key=value, to the journal where there is one, else to standard error.
 *
 *      log_info("unloaded", LOG_TEXT("model", id), LOG_TEXT("reason", "idle"), LOG_NUMBER("freed_mib", n));
 *
 * writes `event=unloaded model=qwen3-8b reason=idle freed_mib=7750`. Text from outside is escaped here, so a caller
 * may pass any bytes. Code that decides logs; leaves never do. A reader of standard error that stalls costs lines
 * (counted, and told by the next one that gets through), never the loop's time. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_SYSTEM_LOG_H
#define HEADROOM_DAEMON_SYSTEM_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The values are those of syslog. */
enum log_level {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7,
};

struct log_field {
        const char *key;  /* NULL ends the list, "" leaves this field out */
        const char *text; /* NULL is shown as "-" */
        int64_t number;
        bool is_number;
};

#define LOG_TEXT(KEY, TEXT)     ((struct log_field){ .key = (KEY), .text = (TEXT) })
#define LOG_NUMBER(KEY, NUMBER) ((struct log_field){ .key = (KEY), .number = (int64_t) (NUMBER), .is_number = true })
/* A field only where there is something to say: an empty or absent text is left out. */
#define LOG_MAYBE(KEY, TEXT) LOG_TEXT((TEXT) && *(TEXT) ? (KEY) : "", (TEXT))

/* The end is added as one more argument, so that an event without fields needs no __VA_OPT__, which analysers do not all read. */
#define LOG_END                            ((struct log_field){ .key = NULL })
#define log_event(LEVEL, ...)              log_event_ended(LEVEL, __VA_ARGS__, LOG_END)
#define log_event_ended(LEVEL, EVENT, ...) log_write((LEVEL), (EVENT), (const struct log_field[]){ __VA_ARGS__ })
#define log_error(...)                     log_event(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)                   log_event(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)                      log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                     log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* The level called NAME (debug, info, warning, error): 0, or -EINVAL. */
int log_level_by_name(const char *name, enum log_level *ret);
const char *log_level_name(enum log_level level);

/*
 * Finds out where lines go (JOURNAL_STREAM names our standard error: the journal). Without it, to standard error.
 * Called again when the configuration has said which lines are wanted.
 */
void log_open(enum log_level least);
void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* TAP is given each event of any level before it is written, unless NULL. */
typedef void log_tap(void *user, enum log_level level, const char *event, const struct log_field *fields);
void log_set_tap(log_tap *tap, void *user);

/* The line without a newline; returns its length, cut at SIZE - 1. For tests, and for who shows lines elsewhere. */
uint32_t log_format(char *line, uint32_t size, const char *event, const struct log_field *fields);

#endif
