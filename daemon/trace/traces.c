/* traces.c - see traces.h. */
#include "daemon/trace/traces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/bounds.h"
#include "policy/base/sat.h"

/* One trace, from the wish for it until its file is closed. */
struct slot {
        struct traces *all;
        struct trace *trace; /* NULL: free */
        uint32_t model;
        const char *id;
        bool takes_lines;
        trace_done *on_done; /* of its beginning or its end; NULL: nobody waits */
        void *done_user;
};

struct traces {
        uv_loop_t *loop;
        const char *state_dir;
        struct traces_events events;
        void *user;
        bool is_finishing;
        struct slot slots[TRACES_MAX];
};

static void tell_done(struct slot *s, int error) {
        struct trace_info info = trace_info(s->trace);
        trace_done *on_done = s->on_done;

        s->on_done = NULL;
        if (on_done)
                on_done(s->done_user, error, &info);
}

/* --- lines of the log --- */

/* A line that names this model, or one of weight that names none. */
static bool concerns(const struct slot *s, enum log_level level, const struct log_field *fields) {
        bool names_one = false;

        for (const struct log_field *f = fields; f->key; f++) {
                bool is_model = !strcmp(f->key, "model");
                if ((is_model || !strcmp(f->key, "for")) && f->text && !strcmp(f->text, s->id))
                        return true;
                names_one = names_one || is_model;
        }
        return !names_one && level <= LOG_LEVEL_INFO;
}

static void on_log(void *user, enum log_level level, const char *event, const struct log_field *fields) {
        struct traces *traces = user;

        for (uint32_t i = 0; i < TRACES_MAX; i++) {
                struct slot *s = &traces->slots[i];
                if (s->takes_lines && concerns(s, level, fields))
                        trace_add_decision(s->trace, level, event, fields);
        }
}

/* The log has no listener while nothing is traced. */
static void hear_log(struct traces *traces) {
        bool any = false;

        for (uint32_t i = 0; i < TRACES_MAX; i++)
                any = any || traces->slots[i].takes_lines;
        log_set_tap(any ? on_log : NULL, traces);
}

/* --- the life of one --- */

static void end(struct slot *s, enum reason because) {
        s->takes_lines = false;
        hear_log(s->all);
        s->all->events.on_change(s->all->user, s->model, NULL, because);
        trace_end(s->trace, because);
}

static void on_open(void *user, int result) {
        struct slot *s = user;

        if (result < 0) {
                tell_done(s, result);
                s->trace = NULL;
                s->all->events.on_due(s->all->user);
                return;
        }
        s->takes_lines = true;
        hear_log(s->all);
        s->all->events.on_change(s->all->user, s->model, s->trace, REASON_OPERATOR);
        tell_done(s, 0);
        if (s->all->is_finishing)
                end(s, REASON_SHUTTING_DOWN);
}

static void on_over(void *user) {
        struct slot *s = user;

        s->all->events.on_due(s->all->user);
}

static void on_closed(void *user) {
        struct slot *s = user;

        tell_done(s, 0);
        s->trace = NULL;
        s->all->events.on_due(s->all->user);
}

/* --- from outside --- */

int traces_new(uv_loop_t *loop, const char *state_dir, const struct traces_events *events, void *user, struct traces **ret) {
        struct traces *traces = calloc(1, sizeof *traces);

        if (!traces)
                return -ENOMEM;
        traces->loop = loop;
        traces->state_dir = state_dir;
        traces->events = *events;
        traces->user = user;
        for (uint32_t i = 0; i < TRACES_MAX; i++)
                traces->slots[i].all = traces;
        *ret = traces;
        return 0;
}

void traces_free(struct traces *traces) {
        free(traces);
}

static struct slot *find(struct traces *traces, uint32_t model) {
        for (uint32_t i = 0; i < TRACES_MAX; i++)
                if (traces->slots[i].trace && traces->slots[i].model == model)
                        return &traces->slots[i];
        return NULL;
}

static struct slot *find_free(struct traces *traces) {
        for (uint32_t i = 0; i < TRACES_MAX; i++)
                if (!traces->slots[i].trace)
                        return &traces->slots[i];
        return NULL;
}

enum reason traces_begin(struct traces *traces, uint32_t model, const char *id, uint32_t minutes, trace_done *on_done,
                         void *user) {
        static const struct trace_events events = { .on_open = on_open, .on_over = on_over, .on_closed = on_closed };
        struct slot *s = find_free(traces);

        if (traces->is_finishing)
                return REASON_SHUTTING_DOWN;
        if (find(traces, model))
                return REASON_TRACED;
        if (!s)
                return REASON_TOO_MANY_TRACES;
        s->model = model;
        s->id = id;
        s->on_done = on_done;
        s->done_user = user;
        return trace_new(traces->loop, traces->state_dir, id, minutes, &events, s, &s->trace) < 0 ? REASON_OUT_OF_MEMORY
                                                                                                  : REASON_NONE;
}

enum reason traces_end(struct traces *traces, uint32_t model, trace_done *on_done, void *user) {
        struct slot *s = find(traces, model);

        if (!s || !s->takes_lines)
                return REASON_NOT_TRACED;
        s->on_done = on_done;
        s->done_user = user;
        end(s, REASON_OPERATOR);
        return REASON_NONE;
}

bool traces_hold(struct traces *traces, uint32_t model) {
        return find(traces, model) != NULL;
}

uint64_t traces_tick(struct traces *traces, uint64_t now_ms) {
        uint64_t due_ms = UINT64_MAX;

        for (uint32_t i = 0; i < TRACES_MAX; i++) {
                struct slot *s = &traces->slots[i];
                enum reason over = s->takes_lines ? trace_over(s->trace, now_ms) : REASON_NONE;
                if (over != REASON_NONE)
                        end(s, over);
                else if (s->takes_lines)
                        due_ms = u64_min(due_ms, trace_until_ms(s->trace));
        }
        return due_ms;
}

bool traces_finish(struct traces *traces) {
        bool are_gone = true;

        traces->is_finishing = true;
        for (uint32_t i = 0; i < TRACES_MAX; i++) {
                struct slot *s = &traces->slots[i];
                if (s->takes_lines)
                        end(s, REASON_SHUTTING_DOWN);
                are_gone = are_gone && !s->trace;
        }
        return are_gone;
}
