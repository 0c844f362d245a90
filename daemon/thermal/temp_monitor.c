/*
 * temp_monitor.c - the loop's side of the rounds.
 *
 * A round carries copies and descriptors, and finds its thermometer again by the key, since the list may have changed
 * meanwhile; a thermometer that is gone from the list is closed.
 */
#include "daemon/thermal/temp_monitor.h"

#include <errno.h>
#include <string.h>

#include "daemon/thermal/temp_reader.h"

#define ROUND_US (HEAT_ROUND_MAX_MS * UINT64_C(1000))

static struct watched *find(struct temp_monitor *w, uint32_t key) {
        for (uint32_t i = 0; i < w->count; i++)
                if (w->all[i].thermometer.key == key)
                        return &w->all[i];
        return NULL;
}

static void close_watched(struct watched *t) {
        struct reading r = { .input = t->input, .status = t->status };
        reading_close(&r);
        t->input = t->status = -EBADF;
}

static void missed(struct watched *t, int result) {
        t->state = SENSOR_MISSED;
        t->result = result;
        t->is_fresh = t->has_state = true;
}

/* It ever gave a value that can be, and the operator has not left it out. */
static bool may_control(const struct temp_monitor *w, const struct watched *t) {
        return t->was_believed && !sensor_keys_have(&w->ignored, t->thermometer.key);
}

/* The highest rank of those that may. */
static bool control_rank(const struct temp_monitor *w, enum thermometer_rank *ret) {
        *ret = THERMOMETER_OTHER;
        for (uint32_t i = 0; i < w->count; i++)
                if (may_control(w, &w->all[i]) && w->all[i].thermometer.rank > *ret)
                        *ret = w->all[i].thermometer.rank;
        return *ret > THERMOMETER_OTHER;
}

bool temp_monitor_is_control(const struct temp_monitor *w, const struct watched *t) {
        enum thermometer_rank rank;
        return control_rank(w, &rank) && may_control(w, t) && t->thermometer.rank == rank;
}

/* --- results of a scan --- */

static bool is_same_file(const struct thermometer *a, const struct thermometer *b) {
        return strcmp(a->directory, b->directory) == 0 && strcmp(a->base, b->base) == 0 && a->input_device == b->input_device &&
               a->input_inode == b->input_inode;
}

static void move_to(struct watched *t, const struct thermometer *place) {
        if (!is_same_file(&t->thermometer, place)) {
                t->is_moved = t->is_out;
                if (!t->is_out)
                        close_watched(t);
                t->is_critical_known = false;
        }
        t->thermometer = *place;
        t->is_present = true;
}

static void drop_those_gone(struct temp_monitor *w) {
        uint32_t kept = 0;
        /* Whether one controls is asked of the whole list, before it shrinks. */
        enum thermometer_rank rank;
        bool has_control = control_rank(w, &rank);
        for (uint32_t i = 0; i < w->count; i++) {
                struct watched *t = &w->all[i];
                bool is_lost_control = has_control && may_control(w, t) && t->thermometer.rank == rank;
                if (!t->is_present && !t->is_out)
                        close_watched(t);
                if (t->is_present || is_lost_control)
                        w->all[kept++] = *t;
        }
        w->count = kept;
}

/* A lesser one makes place for a better one: a processor's driver may be loaded after many others. */
static struct watched *place_for(struct temp_monitor *w, enum thermometer_rank rank) {
        if (w->count < SENSORS_MAX)
                return &w->all[w->count++];
        struct watched *least = &w->all[0];
        for (uint32_t i = 1; i < w->count; i++)
                if (w->all[i].thermometer.rank < least->thermometer.rank)
                        least = &w->all[i];
        if (least->thermometer.rank >= rank)
                return NULL;
        if (!least->is_out)
                close_watched(least);
        return least;
}

void temp_monitor_merge(struct temp_monitor *w, const struct thermometers *found) {
        for (uint32_t i = 0; i < w->count; i++)
                w->all[i].is_present = false;
        for (uint32_t i = 0; i < found->count; i++) {
                struct watched *t = find(w, found->all[i].key);
                if (t)
                        move_to(t, &found->all[i]);
        }
        drop_those_gone(w);
        w->left_out = found->left_out;
        for (uint32_t i = 0; i < found->count; i++) {
                if (find(w, found->all[i].key))
                        continue;
                struct watched *t = place_for(w, found->all[i].rank);
                if (t)
                        *t = (struct watched){
                                .thermometer = found->all[i], .is_present = true, .input = -EBADF, .status = -EBADF
                        };
                w->left_out += t == NULL;
        }
}

/* --- results of the rounds --- */

static bool is_possible(int32_t millidegrees) {
        return millidegrees >= SENSOR_LEAST_MILLIDEGREES && millidegrees <= SENSOR_MOST_MILLIDEGREES;
}

static void take_result(struct temp_monitor *w, struct watched *t, const struct reading *r) {
        t->is_fresh = t->has_state = true;
        t->result = r->result;
        t->state = r->is_asleep ? SENSOR_ASLEEP : r->result < 0 ? SENSOR_MISSED : SENSOR_READ;
        w->is_scan_wanted = w->is_scan_wanted || r->result == -ENODEV || r->result == -ENOENT || r->result == -ENXIO;
        if (t->state != SENSOR_READ)
                return;
        t->was_believed = t->was_believed || is_possible(r->millidegrees);
        t->millidegrees = r->millidegrees;
        t->is_critical_known = r->is_critical_known;
        t->critical_millidegrees = r->critical_millidegrees;
}

/* IS_LATE: it came back after it had been told as missed, and with news from then. */
static void take_back(struct temp_monitor *w, struct reading *r, bool is_late) {
        struct watched *t = find(w, r->thermometer.key);
        if (!t || !t->is_out) {
                reading_close(r);
                return;
        }
        t->is_out = t->is_hanging = false;
        if (t->is_moved || r->result == -ENODEV || r->result == -ENXIO)
                reading_close(r);
        t->input = r->input;
        t->status = r->status;
        if (!is_late && !t->is_moved)
                take_result(w, t, r);
        t->is_moved = false;
}

static struct bg_thread *idle_round(struct temp_monitor *w) {
        for (uint32_t i = 0; i < w->threads; i++) {
                const struct temp_reader *r = bg_thread_data(w->rounds[i]);
                if (!bg_thread_is_running(w->rounds[i]) && r->count == 0)
                        return w->rounds[i];
        }
        return NULL;
}

/* Readings behind the hanging one go to another thread; without one they are missed this time. */
static void hand_on(struct temp_monitor *w, struct temp_reader *from, uint32_t first) {
        struct bg_thread *other = idle_round(w);
        struct temp_reader *to = other ? bg_thread_data(other) : NULL;
        for (uint32_t i = first; i < from->end; i++) {
                if (to) {
                        to->readings[to->count++] = from->readings[i];
                        continue;
                }
                struct watched *t = find(w, from->readings[i].thermometer.key);
                take_back(w, &from->readings[i], true);
                if (t)
                        missed(t, -EAGAIN);
        }
        from->end = first;
        if (!to || to->count == 0)
                return;
        temp_reader_begin(to);
        bg_thread_start(other);
}

static void collect_round(struct temp_monitor *w, struct bg_thread *e) {
        struct temp_reader *r = bg_thread_data(e);
        bool is_running = bg_thread_is_running(e);
        uint32_t done = temp_reader_done(r), hanging;
        for (; r->taken < done && r->taken < r->end; r->taken++)
                take_back(w, &r->readings[r->taken], false);
        if (!is_running) {
                /* The hanging reading came back: it was reported as missed long ago. */
                for (; r->taken < r->end; r->taken++)
                        take_back(w, &r->readings[r->taken], true);
                r->count = r->end = r->taken = 0;
                return;
        }
        if (!temp_reader_abandon(r, &hanging))
                return;
        /* The round may have moved on since we looked above. */
        for (; r->taken < hanging; r->taken++)
                take_back(w, &r->readings[r->taken], false);
        struct watched *t = find(w, r->readings[hanging].thermometer.key);
        if (t) {
                t->is_hanging = true;
                missed(t, -ETIMEDOUT);
        }
        hand_on(w, r, hanging + 1);
}

void temp_monitor_collect(struct temp_monitor *w) {
        for (uint32_t i = 0; i < w->threads; i++)
                collect_round(w, w->rounds[i]);
}

/* --- asking --- */

/* A thread to read, one for when it hangs, and those that hang. */
static void make_threads(struct temp_monitor *w) {
        uint32_t wanted = 2;
        for (uint32_t i = 0; i < w->threads; i++)
                wanted += bg_thread_is_running(w->rounds[i]) && temp_reader_is_abandoned(bg_thread_data(w->rounds[i]));
        while (w->threads < wanted && w->threads < HEAT_THREADS_MAX &&
               bg_thread_new(&temp_reader_kind, &w->rounds[w->threads]) == 0)
                w->threads++;
}

static void add_reading(struct temp_reader *round, struct watched *t) {
        round->readings[round->count++] = (struct reading){ .thermometer = t->thermometer,
                                                            .input = t->input,
                                                            .status = t->status,
                                                            .is_critical_known = t->is_critical_known,
                                                            .critical_millidegrees = t->critical_millidegrees };
        t->input = t->status = -EBADF;
        t->is_out = true;
        t->asked_us = heat_clock_us();
}

/* The processor's first: whatever hangs behind it does not delay it. */
static void fill_round(struct temp_monitor *w, struct temp_reader *round) {
        for (int rank = THERMOMETER_PACKAGE; rank >= THERMOMETER_OTHER; rank--) {
                for (uint32_t i = 0; i < w->count; i++) {
                        struct watched *t = &w->all[i];
                        if ((int) t->thermometer.rank != rank)
                                continue;
                        if (!t->is_present)
                                missed(t, -ENODEV);
                        else if (t->is_hanging || (t->is_out && heat_clock_us() >= t->asked_us + ROUND_US))
                                missed(t, -ETIMEDOUT);
                        else if (!t->is_out && round)
                                add_reading(round, t);
                        else if (!t->is_out)
                                missed(t, -EAGAIN);
                }
        }
}

void temp_monitor_ask(struct temp_monitor *w) {
        if (w->count == 0)
                return;
        make_threads(w);
        struct bg_thread *e = idle_round(w);
        struct temp_reader *round = e ? bg_thread_data(e) : NULL;
        fill_round(w, round);
        if (!round || round->count == 0)
                return;
        temp_reader_begin(round);
        bg_thread_start(e);
}

/* --- telling --- */

void temp_monitor_tell(struct temp_monitor *w, struct snapshot *ret) {
        ret->sensors_count = 0;
        for (uint32_t i = 0; i < w->count; i++) {
                struct watched *t = &w->all[i];
                if (!t->has_state)
                        continue;
                ret->sensors[ret->sensors_count++] =
                        (struct sensor_view){ .key = t->thermometer.key,
                                              .state = t->is_fresh ? t->state : SENSOR_OLD,
                                              .control = temp_monitor_is_control(w, t),
                                              .trusted = sensor_keys_have(&w->trusted, t->thermometer.key),
                                              .millidegrees = t->millidegrees,
                                              .critical_millidegrees = t->critical_millidegrees };
                t->is_fresh = false;
        }
}

void temp_monitor_close(struct temp_monitor *w) {
        for (uint32_t i = 0; i < w->threads; i++)
                bg_thread_leave(w->rounds[i]);
        for (uint32_t i = 0; i < w->count; i++)
                close_watched(&w->all[i]);
        w->threads = w->count = 0;
}
