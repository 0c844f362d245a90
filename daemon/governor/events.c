/* events.c - a ring by number: event N lies at N modulo its size. */
#include "daemon/governor/events.h"

#include <stddef.h>

#include "engine/base/clock.h"

static struct event *at(struct events *e, uint64_t number) {
        return &e->all[number % EVENTS_MAX];
}

static uint64_t oldest(const struct events *e) {
        return e->count > EVENTS_MAX ? e->count - EVENTS_MAX + 1 : 1;
}

struct event *events_add(struct events *e, enum event_kind kind, uint64_t tick_ms, const struct plan *plan) {
        struct event *event = at(e, ++e->count);
        *event = (struct event){
                .number = e->count,
                .tick_ms = tick_ms,
                .unix_ms = clock_ms(CLOCK_REALTIME),
                .kind = kind,
                .action = { .model = UINT32_MAX },
                .for_model = UINT32_MAX,
                .because = plan->because,
                .rung = plan->rung,
                .heat_level = plan->heat_level,
                .duty_permille = plan->duty_permille,
                .headroom_bytes = plan->headroom_bytes,
                .exhaustion_ms = plan->exhaustion_ms,
                .millidegrees = plan->millidegrees,
                .margin_millidegrees = plan->margin_millidegrees,
                .sensor = plan->heat_sensor,
                .emergency = plan->emergency,
        };
        return event;
}

struct event *events_next(struct events *e, uint64_t after) {
        uint64_t number = after + 1 > oldest(e) ? after + 1 : oldest(e);
        return after < e->count ? at(e, number) : NULL;
}

struct event *events_find_action(struct events *e, enum action_kind kind, uint32_t model, uint64_t now_ms, uint64_t age_ms) {
        for (uint64_t number = e->count; number >= oldest(e) && number > 0; number--) {
                struct event *event = at(e, number);
                if (event->tick_ms + age_ms < now_ms)
                        return NULL;
                if (event->kind == EVENT_ACTION && event->action.kind == kind && event->action.model == model && !event->verified)
                        return event;
        }
        return NULL;
}

const struct event *events_last_of(const struct events *e, uint32_t model, uint64_t now_ms, uint64_t age_ms) {
        for (uint64_t number = e->count; number >= oldest(e) && number > 0; number--) {
                const struct event *event = &e->all[number % EVENTS_MAX];
                if (event->tick_ms + age_ms < now_ms)
                        return NULL;
                if (event->action.model == model)
                        return event;
        }
        return NULL;
}

const char *event_word(const struct event *e) {
        switch (e->kind) {
        case EVENT_ACTION: return policy_action_word(e->action.kind);
        case EVENT_RUNG: return "rung";
        case EVENT_HEAT: return "heat";
        case EVENT_SENSOR: return "sensor";
        case EVENT_BLIND: return "blind";
        case EVENT_SIGHT: return "sight";
        case EVENT_LOAD: return "load";
        case EVENT_UNLOAD: return "unload";
        case EVENT_REFUSAL: return "refuse";
        case EVENT_DEATH: return "died";
        case EVENT_STOP: return "stopped";
        case EVENT_GO: return "goes_on";
        case EVENT_TRACE: return "trace";
        case EVENT_TRACE_END: return "trace_end";
        }
        return "";
}
