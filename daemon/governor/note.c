/* note.c - notes the tick's actions and the changes of models in the ring of events, with reasons and numbers. */
#include <string.h>

#include "daemon/base/bounds.h"
#include "daemon/governor/internal.h"
#include "daemon/state/tick.h"

/* --- candidates --- */

static const struct load *load_of(const struct plan *plan, uint32_t model) {
        for (uint32_t i = 0; i < plan->loads_count; i++)
                if (plan->loads[i].model == model)
                        return &plan->loads[i];
        return NULL;
}

/* For the load of FOR_MODEL, or UINT32_MAX: for the governor's own ends. The first few; the number of all of them. */
static void note_candidates(struct governor *g, uint32_t for_model, struct event *e) {
        const struct load *load = for_model == UINT32_MAX ? NULL : load_of(&g->plan, for_model);
        if (for_model != UINT32_MAX && !load)
                return;
        e->considered = policy_candidates(&g->limits, &g->snapshot, &g->plan, load, g->candidates);
        e->candidates_count = e->considered < EVENT_CANDIDATES_MAX ? e->considered : EVENT_CANDIDATES_MAX;
        memcpy(e->candidates, g->candidates, e->candidates_count * sizeof(*e->candidates));
}

/* --- actions --- */

void governor_on_action(void *user, const struct action *action, int result) {
        struct governor *g = user;
        struct event *e = events_find_action(&g->events, action->kind, action->model, fleet_clock_ms(), ACTION_OUTCOME_MAX_MS);
        if (!e || e->result != EVENT_BEGUN)
                return;
        e->result = result < 0 ? EVENT_FAILED : EVENT_DONE;
        e->error = result;
        g->notes_pending = g->notes_pending || result < 0;
}

void governor_note_actions(struct governor *g) {
        const struct plan *p = &g->plan;
        for (uint32_t i = 0; i < p->actions_count; i++) {
                struct event *e = events_add(&g->events, EVENT_ACTION, g->snapshot.now_ms, p);
                e->action = p->actions[i];
                e->because = p->actions[i].because;
                if (e->action.kind == ACTION_EVICT || e->action.kind == ACTION_END)
                        note_candidates(g, UINT32_MAX, e);
        }
        if (p->verified.kind == ACTION_NONE)
                return;
        struct event *e =
                events_find_action(&g->events, p->verified.kind, p->verified.model, g->snapshot.now_ms, ACTION_OUTCOME_MAX_MS);
        if (!e)
                return;
        e->verified = true;
        e->freed_bytes = p->verified_freed_bytes;
        g->notes_pending = true;
}

static bool is_among(uint32_t key, const uint32_t *keys, uint32_t count) {
        for (uint32_t i = 0; i < count; i++)
                if (keys[i] == key)
                        return true;
        return false;
}

static void note_sensor(struct governor *g, uint32_t key, enum reason because) {
        struct event *e = events_add(&g->events, EVENT_SENSOR, g->snapshot.now_ms, &g->plan);
        e->sensor = key;
        e->because = because;
        e->margin_millidegrees = INT32_MAX;
        for (uint32_t i = 0; i < g->snapshot.sensors_count; i++)
                if (g->snapshot.sensors[i].key == key)
                        e->millidegrees = g->snapshot.sensors[i].millidegrees;
}

static void note_stuck(struct governor *g) {
        const struct plan *p = &g->plan;
        for (uint32_t i = 0; i < p->stuck_count; i++)
                if (!is_among(p->stuck[i], g->stuck, g->stuck_count))
                        note_sensor(g, p->stuck[i], REASON_SENSOR_STUCK);
        for (uint32_t i = 0; i < g->stuck_count; i++)
                if (!is_among(g->stuck[i], p->stuck, p->stuck_count))
                        note_sensor(g, g->stuck[i], REASON_SENSOR_MOVES);
        g->stuck_count = p->stuck_count;
        memcpy(g->stuck, p->stuck, p->stuck_count * sizeof(*g->stuck));
        sensors_note_stuck(g->sensors, g->stuck, g->stuck_count);
}

void governor_note_changes(struct governor *g) {
        const struct plan *p = &g->plan;
        uint64_t now_ms = g->snapshot.now_ms;
        if (p->rung != g->rung)
                (void) events_add(&g->events, EVENT_RUNG, now_ms, p);
        if (p->heat_level != g->heat_level)
                events_add(&g->events, EVENT_HEAT, now_ms, p)->because = p->heat_because;
        note_stuck(g);
        if (g->snapshot.memory_blind != g->blind)
                (void) events_add(&g->events, g->snapshot.memory_blind ? EVENT_BLIND : EVENT_SIGHT, now_ms, p);
        g->rung = p->rung;
        g->heat_level = p->heat_level;
        g->blind = g->snapshot.memory_blind;
}

/* --- traces --- */

void governor_on_trace(void *user, uint32_t model, bool runs, enum reason because) {
        struct governor *g = user;
        struct event *e = events_add(&g->events, runs ? EVENT_TRACE : EVENT_TRACE_END, fleet_clock_ms(), &g->plan);
        e->action.model = model;
        e->because = because;
}

/* --- loads and unloads --- */

/* Models that the governor's own actions end have an event as an action; and that all leave when the daemon stops is no news. */
static bool is_told_elsewhere(const struct note *note) {
        return note->kind == NOTE_UNLOAD && note->because != REASON_MAKE_ROOM && note->because != REASON_OVER_BUDGET &&
               note->because != REASON_IDLE && note->because != REASON_OPERATOR && note->because != REASON_REMOVED &&
               note->because != REASON_FILE_CHANGED;
}

/* A client that asks again and again would push a night's events out of the ring. */
static bool is_told_already(const struct governor *g, const struct note *note) {
        const struct event *last = events_last_of(&g->events, note->model, fleet_clock_ms(), REFUSAL_AGAIN_MS);
        return last && note->kind == NOTE_REFUSAL && last->kind == EVENT_REFUSAL && last->because == note->because;
}

void governor_on_note(void *user, const struct note *note) {
        static const enum event_kind kinds[] = { [NOTE_LOAD] = EVENT_LOAD,
                                                 [NOTE_UNLOAD] = EVENT_UNLOAD,
                                                 [NOTE_REFUSAL] = EVENT_REFUSAL,
                                                 [NOTE_DEATH] = EVENT_DEATH,
                                                 [NOTE_STOP] = EVENT_STOP };
        struct governor *g = user;
        if (is_told_elsewhere(note) || is_told_already(g, note))
                return;
        enum event_kind kind = note->because == REASON_GOES_ON ? EVENT_GO : kinds[note->kind];
        struct event *e = events_add(&g->events, kind, fleet_clock_ms(), &g->plan);
        e->action.model = note->model;
        e->because = note->because;
        e->for_model = note->for_model;
        e->bytes = note->bytes;
        e->room = note->room;
        if (note->because == REASON_MAKE_ROOM)
                note_candidates(g, note->for_model, e);
        else if (note->because == REASON_OVER_BUDGET)
                note_candidates(g, UINT32_MAX, e);
        else if (note->room.rule != RULE_NONE)
                note_candidates(g, note->model, e);
        (void) uv_idle_start(&g->after, governor_on_after);
}
