/*
 * temp_reader.c - tempN_input and what belongs to it; a zone's temp and its trip points.
 *
 * A device that is suspended is never read: that would wake it, or be answered with nonsense. The critical temperature is
 * read here and not when the sensor is found, since a chip on a bus is asked for it.
 */
#include "daemon/thermal/temp_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/fields.h"
#include "daemon/base/proc_file.h"
#include "engine/base/clock.h"

#define ABANDONED 0x80000000u

/* --- one reading --- */

/* Plainly opened: of what hangs in open(), a FIFO, the thread takes care as of what hangs in read(). */
static int open_at(const struct thermometer *t, const char *base, const char *name) {
        char path[PLACE_MAX];
        int length = snprintf(path, sizeof(path), "%s%s%s", t->directory, base, name);
        if (length < 0 || (size_t) length >= sizeof(path))
                return -ENAMETOOLONG;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* read() where there is no position: a FIFO in the place of a sensor. */
static int read_text(int fd, char text[NUMBER_TEXT_MAX]) {
        int r = proc_file_read_once(fd, text, NUMBER_TEXT_MAX);
        if (r != -ESPIPE)
                return r;
        ssize_t count = read(fd, text, NUMBER_TEXT_MAX - 1);
        text[count < 0 ? 0 : count] = '\0';
        return count < 0 ? -errno : (int) count;
}

/* 0, -errno, or -EBADMSG for what is no number. */
static int read_millidegrees(int fd, int32_t *ret) {
        char text[NUMBER_TEXT_MAX];
        int r = read_text(fd, text);
        if (r < 0)
                return r;
        return fields_millidegrees(text, ret) ? 0 : -EBADMSG;
}

static int read_named(const struct thermometer *t, const char *base, const char *name, int32_t *ret) {
        int fd = open_at(t, base, name);
        int r = fd < 0 ? fd : read_millidegrees(fd, ret);
        proc_file_close(fd);
        return r;
}

static bool is_plausible(int32_t critical) {
        return critical >= TRIP_MIN_MILLIDEGREES && critical <= TRIP_MAX_MILLIDEGREES;
}

/* tempN_crit, else tempN_max: of a chip without the first, the second is where it raises its alarm. */
static void read_limits(struct reading *r) {
        static const char *const names[] = { "_crit", "_max" };
        for (size_t i = 0; i < 2 && r->critical_millidegrees == 0; i++) {
                int32_t limit;
                int error = read_named(&r->thermometer, r->thermometer.base, names[i], &limit);
                if (error == 0 && is_plausible(limit))
                        r->critical_millidegrees = limit;
                /* The sensor has a limit and did not tell: asked again with the next reading. */
                if (error < 0 && error != -ENOENT && error != -EBADMSG)
                        r->is_critical_known = false;
        }
}

static void read_trips(struct reading *r) {
        for (unsigned i = 0; i < TRIPS_MAX; i++) {
                char base[CHIP_NAME_MAX], type[NUMBER_TEXT_MAX];
                int32_t trip;
                (void) snprintf(base, sizeof(base), "/trip_point_%u", i);
                int fd = open_at(&r->thermometer, base, "_type");
                int length = fd < 0 ? fd : read_text(fd, type);
                proc_file_close(fd);
                if (length < 0 || strncmp(type, "critical", 8) != 0)
                        continue;
                if (read_named(&r->thermometer, base, "_temp", &trip) == 0 && is_plausible(trip))
                        r->critical_millidegrees = trip;
        }
}

static void read_critical(struct reading *r) {
        r->is_critical_known = true;
        r->critical_millidegrees = 0;
        if (r->thermometer.kind == THERMOMETER_ZONE)
                read_trips(r);
        else
                read_limits(r);
}

/* Known devices without power management say "unsupported"; others have no such file. */
static bool is_suspended(struct reading *r) {
        char text[NUMBER_TEXT_MAX];
        if (r->status == -EBADF)
                r->status = open_at(&r->thermometer, "", "/device/power/runtime_status");
        if (r->status < 0 || read_text(r->status, text) < 0)
                return false;
        return strncmp(text, "suspend", 7) == 0; /* "suspended", "suspending" */
}

/* tempN_enable, where there is one. */
static bool is_disabled(const struct reading *r) {
        int32_t enabled;
        return r->thermometer.kind == THERMOMETER_HWMON &&
               read_named(&r->thermometer, r->thermometer.base, "_enable", &enabled) == 0 && enabled == 0;
}

void reading_take(struct reading *r) {
        r->is_asleep = is_suspended(r);
        r->result = 0;
        if (r->is_asleep)
                return;
        if (r->input < 0 && is_disabled(r)) {
                r->result = -ENODATA;
                return;
        }
        if (r->input < 0)
                r->input = open_at(&r->thermometer, r->thermometer.base, r->thermometer.input);
        r->result = r->input < 0 ? r->input : read_millidegrees(r->input, &r->millidegrees);
        if (r->result == 0 && !r->is_critical_known)
                read_critical(r);
}

void reading_close(struct reading *r) {
        proc_file_close(r->input);
        proc_file_close(r->status);
        r->input = r->status = -EBADF;
}

/* --- the round --- */

uint64_t heat_clock_us(void) {
        return clock_us(CLOCK_MONOTONIC);
}

static void run_round(void *data) {
        struct temp_reader *r = data;
        for (uint32_t i = 0; i < r->count; i++) {
                reading_take(&r->readings[i]);
                uint32_t at = i;
                atomic_store(&r->step_us, heat_clock_us());
                if (!atomic_compare_exchange_strong(&r->step, &at, i + 1))
                        return;
        }
}

/* Only what has not been taken, and was not taken away. */
static void drop_round(void *data) {
        struct temp_reader *r = data;
        for (uint32_t i = r->taken; i < r->end; i++)
                reading_close(&r->readings[i]);
        r->count = r->end = r->taken = 0;
}

const struct bg_thread_kind temp_reader_kind = { sizeof(struct temp_reader), run_round, drop_round };

void temp_reader_begin(struct temp_reader *r) {
        r->end = r->count;
        r->taken = 0;
        r->late_us = 0;
        atomic_store(&r->step, 0);
        atomic_store(&r->step_us, heat_clock_us());
}

uint32_t temp_reader_done(struct temp_reader *r) {
        return atomic_load(&r->step) & ~ABANDONED;
}

bool temp_reader_abandon(struct temp_reader *r, uint32_t *ret) {
        uint32_t at = atomic_load(&r->step);
        uint64_t now_us = heat_clock_us();
        if (at & ABANDONED || at >= r->count)
                return false;
        if (now_us < atomic_load(&r->step_us) + HEAT_READ_DEADLINE_MS * UINT64_C(1000)) {
                r->late_us = 0;
                return false;
        }
        r->late_us = r->late_us ? r->late_us : now_us;
        if (now_us < r->late_us + HEAT_CHANCE_MS * UINT64_C(1000) ||
            !atomic_compare_exchange_strong(&r->step, &at, at | ABANDONED))
                return false;
        *ret = at;
        return true;
}

bool temp_reader_is_abandoned(struct temp_reader *r) {
        return (atomic_load(&r->step) & ABANDONED) != 0;
}
