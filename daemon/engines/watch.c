/*
 * watch.c - see watch.h. The state of the process is read when the tick runs anyway, at most once in WATCH_MS: nothing is woken for it.
 * Our own freezer does not show there as a stop.
 */
#include "daemon/engines/watch.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/proc_file.h"
#include "daemon/state/fleet.h"
#include "daemon/state/outcome.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/base/sat.h"

/* The letter behind the name, which may hold anything but ends at the last bracket. */
static bool is_stopped(pid_t pid) {
        char directory[64], text[512];
        (void) snprintf(directory, sizeof(directory), CHILDREN_PROC "/%d", (int) pid);
        if (proc_file_read_at(directory, "/stat", text, sizeof(text)) < 0)
                return false;
        const char *state = strrchr(text, ')');
        return state && state[1] == ' ' && (state[2] == 'T' || state[2] == 't');
}

/* An owner may leave in its callback, so the queue is begun anew after each; WHY tells who was told. */
static void tell_owners(struct model *m, const char *why) {
        for (struct queue_link *l = m->running.first; l;) {
                struct request *request = request_of(l);
                l = l->next;
                if (request->why == why)
                        continue;
                request->why = why;
                if (why && request->events.on_waiting) {
                        request->events.on_waiting(request->user, why);
                        l = m->running.first;
                }
        }
}

static void note_change(struct model *m, bool stopped) {
        struct instance *e = &m->engine;
        const struct reason_info *why = reason_info(stopped ? REASON_STOPPED : REASON_GOES_ON);
        uint64_t now = fleet_clock_ms();
        log_warning(stopped ? "engine_stopped" : "engine_goes_on", LOG_TEXT("model", m->config->id), LOG_NUMBER("pid", e->pid),
                    LOG_TEXT("message", why->sentence), LOG_NUMBER("running", m->running.count),
                    LOG_NUMBER("waiting", m->waiting.count),
                    LOG_MAYBE("advice", stopped ? "kill -CONT with its pid lets it go on" : ""));
        govern_note(m->fleet, &(struct note){ .kind = NOTE_STOP,
                                              .model = m->number,
                                              .for_model = UINT32_MAX,
                                              .because = stopped ? REASON_STOPPED : REASON_GOES_ON });
        e->stopped = stopped;
        e->stopped_ms = now;
        if (!stopped)
                e->heard_ms = now; /* it could not say anything */
        fleet_poke(m->fleet);
}

void engine_watch(struct model *m) {
        struct instance *e = &m->engine;
        if (!e->process || e->pid == 0 || e->frozen || sat_sub(m->fleet->now_ms, e->watched_ms) < WATCH_MS)
                return;
        e->watched_ms = m->fleet->now_ms;
        bool stopped = is_stopped(e->pid);
        if (stopped == e->stopped)
                return;
        note_change(m, stopped);
        tell_owners(m, stopped ? reason_info(REASON_STOPPED)->sentence : NULL);
}
