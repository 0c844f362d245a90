/* sources.c - the rows for people: what is read, what is not, and why. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sensors/internal.h"
#include "daemon/thermal/temp_sources.h"

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

/* The end of the group's path below the mount point. */
static const char *group_name(const struct cgroup_place *p) {
        const char *name = p->directory + p->base;
        size_t length = strlen(name);
        return length == 0 ? "/" : length > GROUP_NAME_MAX ? name + length - GROUP_NAME_MAX : name;
}

static void add_memory(struct sensors *s) {
        struct sources_text *t = &s->sources;
        (void) add(t, "meminfo", s->memory_result);
        char *detail = add(t, "control group limits", 0);
        if (s->tightest.level)
                say(detail, "%s: %llu MiB, the tightest of %u groups", group_name(&s->tightest.level->place),
                    mib(s->tightest.limit_bytes), s->files.limits.count);
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

/* How we learn of pressure sooner than at the next look. */
static const char *alarm_words(const struct sensors *s, enum alarm alarm) {
        if (s->alarms[alarm].state == ALARM_ARMED)
                return s->alarm_words[alarm];
        if (s->watch.is_off)
                return "polled: triggers are off by MEMORY_PRESSURE_WATCH";
        if (alarm == ALARM_OWN && s->alarms[ALARM_WATCH].state == ALARM_ARMED)
                return "MEMORY_PRESSURE_WATCH tells";
        switch (s->alarm_results[alarm]) {
        case -EPERM: return "polled: no CAP_SYS_RESOURCE, and a kernel before 6.4";
        case -EACCES: return "polled: no right to set a trigger";
        case -EROFS: return "polled: mounted read-only";
        case -EINVAL: return "polled: the kernel takes no window";
        case -ENOTTY: return "polled: none of the kernel's files";
        case -ENODEV: return "polled: the trigger is gone";
        default: return "polled: no trigger";
        }
}

static void add_pressure(struct sensors *s) {
        char *detail = add(&s->sources, "psi", s->pressure_result);
        if (s->pressure_result == 0)
                say(detail, "%s", alarm_words(s, ALARM_BOX));
        detail = add(&s->sources, "own psi", s->own_pressure_result);
        if (s->own_pressure_result == 0)
                say(detail, "%s", alarm_words(s, ALARM_OWN));
        else if (s->files.own_why)
                say(detail, "%s", s->files.own_why);
        if (s->watch.problem)
                say(add(&s->sources, "pressure watch", -1), "%s", s->watch.problem);
        else if (s->watch.is_set)
                say(add(&s->sources, "pressure watch", s->alarm_results[ALARM_WATCH]), "%s: %s", s->watch.path,
                    s->alarm_results[ALARM_WATCH] < 0 ? strerror(-s->alarm_results[ALARM_WATCH]) : "listened to");
}

static const char *heat_words(const struct watched *t) {
        if (!t->has_state)
                return "not read yet";
        return t->state == SENSOR_ASLEEP ? "asleep, and left so" : t->is_hanging ? "the read hangs" : strerror(-t->result);
}

/* A value is shown, a problem explained; and the key always, since the configuration names a thermometer by it. */
static void add_thermometer(struct sensors *s, const struct watched *t) {
        char name[SOURCE_NAME_MAX];
        bool is_nonsense = t->has_state && t->state == SENSOR_READ && !t->was_believed;
        bool is_ignored = sensor_keys_have(&s->heat.ignored, t->thermometer.key);
        bool works = is_ignored || !t->has_state || (t->state != SENSOR_MISSED && !is_nonsense && !t->is_stuck);
        uint32_t key = t->thermometer.key;
        (void) snprintf(name, sizeof(name), "%s: %.40s%s%.40s", temp_source_word(t->thermometer.kind), t->thermometer.chip,
                        *t->thermometer.label ? " " : "", t->thermometer.label);
        const char *role = is_ignored ? ", left out by ignore_sensors" : temp_monitor_is_control(&s->heat, t) ? ", controls" : "";
        char *detail = add(&s->sources, name, works ? 0 : -1);
        double degrees = t->millidegrees / 1000.0;
        if (!t->has_state || t->state == SENSOR_MISSED || t->state == SENSOR_ASLEEP)
                say(detail, "%s%s, sensor %08x", heat_words(t), role, key);
        else if (is_nonsense && !is_ignored)
                say(detail, "%.1f degrees, and never a value that can be: unknown, controls nothing, sensor %08x", degrees, key);
        else if (t->is_stuck && !is_ignored)
                say(detail,
                    "stuck at %.1f degrees whatever the load is, so not obeyed; in [governor], trust_sensors = %08x has it obeyed, ignore_sensors = %08x leaves it out",
                    degrees, key, key);
        else if (t->critical_millidegrees > 0)
                say(detail, "%.1f of %.1f degrees%s, sensor %08x", degrees, t->critical_millidegrees / 1000.0, role, key);
        else
                say(detail, "%.1f degrees%s, sensor %08x", degrees, role, key);
}

static void add_heat(struct sensors *s) {
        char *detail;
        for (uint32_t i = 0; i < s->heat.count; i++)
                add_thermometer(s, &s->heat.all[i]);
        if (s->heat.count == 0)
                say(add(&s->sources, SOURCE_NO_THERMOMETER, 0), "this machine has no thermometer, so heat is not controlled");
        if (s->heat.left_out > 0)
                say(add(&s->sources, "more temperatures", -1), "%u are not looked at", s->heat.left_out);
        /* Not every processor counts, nor tells its frequency: that is no fault. */
        detail = add(&s->sources, "throttling", s->files.throttle.count == 0 ? 0 : s->throttle_result);
        if (s->files.throttle.count == 0)
                say(detail, "not counted by this processor's driver");
        else if (s->throttle_result == 0)
                say(detail, "%llu since boot", (unsigned long long) s->throttles.sum);
        detail = add(&s->sources, "frequency", 0);
        if (s->files.frequency_mhz > 0)
                say(detail, "%u MHz", s->files.frequency_mhz);
        else
                say(detail, "not told");
}

void sensors_note_stuck(struct sensors *s, const uint32_t *keys, uint32_t count) {
        for (uint32_t i = 0; i < s->heat.count; i++) {
                struct watched *t = &s->heat.all[i];
                t->is_stuck = false;
                for (uint32_t k = 0; k < count; k++)
                        t->is_stuck = t->is_stuck || t->thermometer.key == keys[k];
        }
}

struct sensor_name sensors_name(const struct sensors *s, uint32_t key) {
        struct sensor_name name;
        for (uint32_t i = 0; i < s->heat.count; i++) {
                const struct thermometer *t = &s->heat.all[i].thermometer;
                if (t->key != key)
                        continue;
                (void) snprintf(name.text, sizeof(name.text), "%s%s%s (sensor %08x)", t->chip, *t->label ? " " : "", t->label,
                                key);
                return name;
        }
        (void) snprintf(name.text, sizeof(name.text), "sensor %08x", key);
        return name;
}

uint32_t sensors_sources(struct sensors *s, const struct sensors_source **ret) {
        s->sources.count = 0;
        add_memory(s);
        add_pressure(s);
        add_heat(s);
        *ret = s->sources.rows;
        return s->sources.count;
}
