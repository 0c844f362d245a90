/* sensors_sources.c - the rows for people: what is read, what is not, and why. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sensors/sensors_internal.h"

/* A row whose detail is the error, unless something better is printed into it afterwards. */
static char *add(struct sources_text *t, const char *name, int result) {
        static char nowhere[SOURCE_DETAIL_MAX];
        if (t->count == SOURCES_MAX)
                return nowhere;
        uint32_t i = t->count++;
        (void) snprintf(t->names[i], SOURCE_NAME_MAX, "%s", name);
        t->rows[i] = (struct sensors_source){ t->names[i], result >= 0, t->details[i] };
        (void) snprintf(t->details[i], SOURCE_DETAIL_MAX, "%s", result < 0 ? strerror(-result) : "");
        return t->details[i];
}

__attribute__((format(printf, 2, 3))) static void say(char *detail, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(detail, SOURCE_DETAIL_MAX, format, arguments);
        va_end(arguments);
}

static unsigned long long mib(uint64_t bytes) {
        return bytes >> 20;
}

static void add_memory(struct sensors *s) {
        struct sources_text *t = &s->sources;
        (void) add(t, "meminfo", s->memory_result);
        char *detail = add(t, "control group limits", 0);
        if (s->tightest.level)
                say(detail, "%s: %llu MiB, the tightest of %u groups", s->tightest.level->name, mib(s->tightest.limit_bytes),
                    s->files.limits.count);
        else
                say(detail, "none of %u groups is tighter than the box", s->files.limits.count);
        (void) add(t, "vmstat", s->vmstat_result);
        detail = add(t, "swap", s->swap_result);
        if (s->swap_result == 0 && s->swap.devices == 0)
                say(detail, "none");
        else if (s->swap_result == 0)
                say(detail, "%u devices, %llu MiB; %u of them zram, taking %llu MiB of RAM%s", s->swap.devices,
                    mib(s->swap.total_bytes), s->swap.zram_devices, mib(s->swap.zram_bytes),
                    s->swap.is_zram_unknown ? " (one cannot be read)" : "");
}

static void add_pressure(struct sensors *s) {
        (void) add(&s->sources, "psi", s->pressure_result);
        char *detail = add(&s->sources, "own psi", s->own_pressure_result);
        if (s->own_pressure_result < 0 && s->files.own_why)
                say(detail, "%s", s->files.own_why);
}

uint32_t sensors_sources(struct sensors *s, const struct sensors_source **ret) {
        s->sources.count = 0;
        add_memory(s);
        add_pressure(s);
        *ret = s->sources.rows;
        return s->sources.count;
}
