/*
 * log_plan.c - the governor's actions in the log and in the status line of systemd. Never before an action, always after.
 *
 * An action has up to three lines: when it is begun, with its reason and the numbers; if it could not be done; and what it
 * really freed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/bounds.h"
#include "daemon/governor/internal.h"
#include "daemon/state/fleet.h"
#include "daemon/system/log.h"
#include "daemon/system/notify.h"
#include "policy/base/hash.h"
#include "policy/base/sat.h"

struct governor_words governor_bytes(int64_t bytes) {
        struct governor_words w;
        double mib = (double) bytes / (1 << 20);
        if (mib >= 1024 || mib <= -1024)
                (void) snprintf(w.text, sizeof(w.text), "%.1f GiB", mib / 1024);
        else if (mib >= 10 || mib <= -10 || bytes == 0)
                (void) snprintf(w.text, sizeof(w.text), "%.0f MiB", mib);
        else
                (void) snprintf(w.text, sizeof(w.text), "%.1f MiB", mib);
        return w;
}

struct governor_words governor_time(uint64_t ms) {
        struct governor_words w;
        if (ms == UINT64_MAX)
                (void) snprintf(w.text, sizeof(w.text), "never");
        else if (ms < 100000)
                (void) snprintf(w.text, sizeof(w.text), "%.1f s", (double) ms / 1000);
        else if (ms < 7200000)
                (void) snprintf(w.text, sizeof(w.text), "%.0f min", (double) ms / 60000);
        else
                (void) snprintf(w.text, sizeof(w.text), "%.1f h", (double) ms / 3600000);
        return w;
}

struct governor_heat governor_heat(const struct governor *g) {
        const struct plan *p = &g->plan;
        struct governor_heat h = { "" };
        struct sensor_name name = sensors_name(g->sensors, p->heat_sensor);
        if (p->heat_because == REASON_THROTTLED)
                (void) snprintf(h.text, sizeof(h.text), "the processor slows itself down for its heat");
        else if (p->heat_because == REASON_SENSOR_LOST)
                (void) snprintf(h.text, sizeof(h.text), "%s cannot be read, so it counts as hot", name.text);
        else if (p->margin_millidegrees != INT32_MAX)
                (void) snprintf(h.text, sizeof(h.text), "%s is at %.1f degrees, %.1f below critical", name.text,
                                p->millidegrees / 1000.0, p->margin_millidegrees / 1000.0);
        else if (p->heat_level > 0)
                (void) snprintf(h.text, sizeof(h.text), "%s", reason_info(p->heat_because)->sentence);
        return h;
}

const char *governor_model_name(const struct governor *g, uint32_t model) {
        return names_text(&g->fleet->names, model);
}

void governor_candidates(const struct governor *g, const struct event *e, const char *before, char *out, size_t size) {
        size_t used = 0;
        *out = '\0';
        for (uint32_t i = 0; i < e->candidates_count && used < size; i++) {
                const struct candidate *c = &e->candidates[i];
                bool idle = c->idle_ms > 0;
                int more = snprintf(out + used, size - used, "%s%s%s%s %s %s", i > 0 ? ", " : before,
                                    governor_model_name(g, c->model), idle ? " idle " : "",
                                    idle ? governor_time(c->idle_ms).text : "",
                                    governor_bytes((int64_t) u64_min(c->bytes, INT64_MAX)).text, policy_fate_word(c->fate));
                used += more > 0 ? (size_t) more : 0;
        }
        if (e->considered > e->candidates_count && used < size)
                (void) snprintf(out + used, size - used, ", and %u more", e->considered - e->candidates_count);
}

/* The value that the action was to change to. */
static const char *to_of(const struct action *action, char number[16]) {
        if (action->kind == ACTION_DOWNSHIFT || action->kind == ACTION_UPSHIFT)
                return kv_type_name(action->level);
        if (!policy_action_has_value(action->kind))
                return "";
        (void) snprintf(number, 16, "%u", action->value);
        return number;
}

static struct log_field exhaustion(const struct event *e) {
        if (e->exhaustion_ms == UINT64_MAX)
                return LOG_TEXT("exhaustion_ms", "never");
        return LOG_NUMBER(e->exhaustion_ms < FORECAST_NEWS_MS ? "exhaustion_ms" : "", e->exhaustion_ms);
}

static void log_action(const struct governor *g, const struct event *e) {
        char number[16];
        log_event(e->action.kind == ACTION_END || e->emergency ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, event_word(e),
                  LOG_MAYBE("model", governor_model_name(g, e->action.model)), LOG_TEXT("reason", reason_info(e->because)->word),
                  LOG_MAYBE("to", to_of(&e->action, number)), LOG_NUMBER("headroom_mib", e->headroom_bytes / (1 << 20)),
                  exhaustion(e), LOG_NUMBER("expected_mib", e->action.expected_bytes >> 20),
                  LOG_TEXT("rung", policy_rung_word(e->rung)), LOG_NUMBER("emergency", e->emergency),
                  LOG_NUMBER("number", e->number));
}

static void log_sensor(const struct governor *g, const struct event *e) {
        char text[112];
        const char *setting = NULL;
        if (e->because == REASON_SENSOR_STUCK) {
                setting = text;
                (void) snprintf(text, sizeof(text),
                                "[governor] trust_sensors = %08x has it obeyed, ignore_sensors = %08x leaves it out", e->sensor,
                                e->sensor);
        }
        log_warning("sensor", LOG_TEXT("sensor", sensors_name(g->sensors, e->sensor).text),
                    LOG_TEXT("reason", reason_info(e->because)->word), LOG_NUMBER("millidegrees", e->millidegrees),
                    LOG_TEXT("effect", reason_info(e->because)->sentence), LOG_MAYBE("hint", setting),
                    LOG_NUMBER("number", e->number));
}

static void log_change(const struct governor *g, const struct event *e) {
        if (e->kind == EVENT_SENSOR)
                log_sensor(g, e);
        else if (e->kind == EVENT_HEAT)
                log_info("heat", LOG_NUMBER("level", e->heat_level), LOG_TEXT("reason", reason_info(e->because)->word),
                         LOG_MAYBE("sensor", e->sensor ? sensors_name(g->sensors, e->sensor).text : ""),
                         LOG_NUMBER("duty_permille", e->duty_permille), LOG_NUMBER("millidegrees", e->millidegrees),
                         LOG_NUMBER("margin_millidegrees", e->margin_millidegrees), LOG_NUMBER("number", e->number));
        else if (e->kind == EVENT_RUNG)
                log_info("rung", LOG_TEXT("rung", policy_rung_word(e->rung)), LOG_TEXT("reason", reason_info(e->because)->word),
                         LOG_NUMBER("headroom_mib", e->headroom_bytes / (1 << 20)), exhaustion(e),
                         LOG_NUMBER("number", e->number));
        else if (e->kind == EVENT_BLIND || e->kind == EVENT_SIGHT)
                log_warning(event_word(e),
                            LOG_TEXT("effect", e->kind == EVENT_BLIND ? "memory cannot be read: restrictions stay in force"
                                                                      : "memory can be read again"));
}

/* "chat idle 40.0 s 1.2 GiB leaves, code busy 4.1 GiB": the choice with its losers. */
static void log_candidates(const struct governor *g, const struct event *e) {
        char text[512];
        if (e->candidates_count == 0)
                return;
        governor_candidates(g, e, "", text, sizeof(text));
        log_info("considered", LOG_TEXT("for", event_word(e)), LOG_MAYBE("model", governor_model_name(g, e->action.model)),
                 LOG_NUMBER("count", e->considered), LOG_TEXT("candidates", text), LOG_NUMBER("number", e->number));
}

/* Results come after the action, in any order; only those of the last minutes are looked for. */
static void log_notes(struct governor *g) {
        g->notes_pending = false;
        for (struct event *e = events_next(&g->events, 0); e; e = events_next(&g->events, e->number)) {
                if (e->kind != EVENT_ACTION)
                        continue;
                if (e->result == EVENT_FAILED && !e->logged && e->error != -EALREADY)
                        log_warning("act_failed", LOG_TEXT("act", event_word(e)),
                                    LOG_MAYBE("model", governor_model_name(g, e->action.model)),
                                    LOG_TEXT("error", strerror(-e->error)), LOG_NUMBER("number", e->number));
                e->logged = e->logged || e->result == EVENT_FAILED;
                if (e->verified && !e->verified_logged)
                        log_info("verified", LOG_TEXT("act", event_word(e)),
                                 LOG_MAYBE("model", governor_model_name(g, e->action.model)),
                                 LOG_NUMBER("expected_mib", e->action.expected_bytes >> 20),
                                 LOG_NUMBER("freed_mib", e->freed_bytes >> 20), LOG_NUMBER("number", e->number));
                e->verified_logged = e->verified;
        }
}

/* For maintainers: one line a tick, also of those that change nothing. */
static void log_plan(const struct governor *g) {
        const struct plan *p = &g->plan;
        log_debug("plan", LOG_NUMBER("look", g->looks), LOG_TEXT("rung", policy_rung_word(p->rung)),
                  LOG_TEXT("reason", reason_info(p->because)->word), LOG_NUMBER("headroom_mib", p->headroom_bytes / (1 << 20)),
                  LOG_NUMBER("slope_kib_per_s", p->slope_bytes_per_s / 1024), LOG_NUMBER("stall_permille", p->stall_permille),
                  LOG_NUMBER("acts", p->actions_count),
                  LOG_MAYBE("first", p->actions_count > 0 ? policy_action_word(p->actions[0].kind) : ""),
                  LOG_NUMBER("hold_loads", p->hold_loads), LOG_NUMBER("hold_growth", p->hold_growth),
                  LOG_NUMBER("hold_batch", p->hold_batch), LOG_NUMBER("heat_level", p->heat_level),
                  LOG_NUMBER("look_again_ms", sat_sub(p->look_again_ms, g->snapshot.now_ms)));
}

void governor_log(struct governor *g) {
        log_plan(g);
        for (struct event *e; (e = events_next(&g->events, g->logged));) {
                g->logged = e->number;
                if (e->kind == EVENT_ACTION)
                        log_action(g, e);
                else
                        log_change(g, e);
                log_candidates(g, e);
        }
        if (g->notes_pending)
                log_notes(g);
}

static bool was_told(const struct governor *g, uint32_t hash) {
        for (uint32_t i = 0; i < g->sources_told_count; i++)
                if (g->sources_told[i] == hash)
                        return true;
        return false;
}

/* Each source once when it fails, and that all are whole again; not at every look. */
void governor_log_sources(struct governor *g) {
        const struct sensors_source *rows;
        if (g->snapshot.now_ms - g->sources_ms < SOURCES_PERIOD_MS && g->sources_ms > 0)
                return;
        bool is_first = g->sources_ms == 0;
        g->sources_ms = g->snapshot.now_ms;
        uint32_t count = sensors_sources(g->sensors, &rows);
        for (uint32_t i = 0; i < count && is_first; i++)
                if (strcmp(rows[i].name, SOURCE_NO_THERMOMETER) == 0)
                        log_info("no_thermometer", LOG_TEXT("effect", rows[i].detail));
        uint32_t told[SOURCES_MAX] = { 0 }, told_count = 0;
        for (uint32_t i = 0; i < count && told_count < SOURCES_MAX; i++) {
                if (rows[i].works)
                        continue;
                told[told_count] = hash_bytes_32(HASH_START_32, rows[i].name, strlen(rows[i].name));
                if (!was_told(g, told[told_count++]))
                        log_info("source_degraded", LOG_TEXT("source", rows[i].name), LOG_TEXT("because", rows[i].detail));
        }
        if (told_count == 0 && g->sources_told_count > 0)
                log_info("sources_whole", LOG_NUMBER("sources", count));
        g->sources_told_count = told_count;
        memcpy(g->sources_told, told, told_count * sizeof(*told));
}

/* "3 models, 41.2 GiB of 58.0 GiB, H 9.1 GiB, gone in 8.2 s, 71 C (-24)": when it says something new, every few seconds at most. */
void governor_tell_systemd(struct governor *g) {
        char status[sizeof(g->status)], heat[48] = "", gone[64] = "";
        struct fleet_status f;
        if (g->status_ms > 0 && g->snapshot.now_ms - g->status_ms < STATUS_PERIOD_MS)
                return;
        g->status_ms = g->snapshot.now_ms;
        fleet_status(g->fleet, &f);
        if (g->plan.margin_millidegrees != INT32_MAX)
                (void) snprintf(heat, sizeof(heat), ", %d C (-%d)", g->plan.millidegrees / 1000,
                                g->plan.margin_millidegrees / 1000);
        if (g->plan.exhaustion_ms < FORECAST_NEWS_MS && g->plan.rung > RUNG_CALM)
                (void) snprintf(gone, sizeof(gone), ", gone in %s", governor_time(g->plan.exhaustion_ms).text);
        (void) snprintf(status, sizeof(status), "%u models loaded, %s of %s, headroom %s%s%s%s%s", f.models_loaded,
                        governor_bytes((int64_t) u64_min(f.measured_bytes, INT64_MAX)).text,
                        governor_bytes((int64_t) u64_min(f.budget_bytes, INT64_MAX)).text,
                        governor_bytes(g->plan.headroom_bytes).text, gone, heat, g->plan.rung > RUNG_CALM ? ", " : "",
                        g->plan.rung > RUNG_CALM ? policy_rung_word(g->plan.rung) : "");
        if (!strcmp(status, g->status))
                return;
        (void) strcpy(g->status, status);
        systemd_status(status);
}
