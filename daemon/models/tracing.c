/* tracing.c - see tracing.h. */
#include "daemon/models/tracing.h"

#include "daemon/engines/engine.h"
#include "daemon/state/fleet.h"
#include "daemon/state/lookup.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"

static void on_change(void *user, uint32_t number, struct trace *trace, enum reason because) {
        struct fleet *f = user;
        struct model *m = fleet_model(f, number); /* which is not let go before its trace */
        m->trace = trace;
        if (m->engine.process && m->ops->trace)
                m->ops->trace(m);
        log_info(trace ? "trace" : "trace_end", LOG_TEXT("model", m->config->id), LOG_TEXT("reason", reason_info(because)->word),
                 LOG_MAYBE("path", trace ? trace_info(trace).path : ""));
        if (f->on_trace)
                f->on_trace(f->on_trace_user, number, trace != NULL, because);
        fleet_poke(f);
}

static void on_due(void *user) {
        fleet_poke(user);
}

int tracing_open(struct fleet *f) {
        static const struct traces_events events = { .on_change = on_change, .on_due = on_due };
        return traces_new(f->loop, f->config->state_dir, &events, f, &f->traces);
}

void tracing_tick(struct fleet *f) {
        fleet_due(f, traces_tick(f->traces, f->now_ms));
}

enum reason fleet_trace_begin(struct fleet *f, uint32_t model, uint32_t minutes, trace_done *on_done, void *user) {
        uint32_t number = f->models[model]->number;
        return traces_begin(f->traces, number, names_text(&f->names, number), minutes, on_done, user);
}

enum reason fleet_trace_end(struct fleet *f, uint32_t model, trace_done *on_done, void *user) {
        return traces_end(f->traces, f->models[model]->number, on_done, user);
}

void fleet_on_trace(struct fleet *f, fleet_traced *on_trace, void *user) {
        f->on_trace = on_trace;
        f->on_trace_user = user;
}
