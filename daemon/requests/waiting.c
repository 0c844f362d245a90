/*
 * waiting.c - see waiting.h.
 *
 * Owners' callbacks may submit and cancel requests. So a queue is walked only where nothing is called; where something is
 * called, the requests are first moved to a queue of our own and taken from it one by one.
 */
#include "daemon/requests/waiting.h"

#include "daemon/requests/finish.h"
#include "daemon/requests/failure.h"
#include "daemon/requests/gate.h"
#include "daemon/requests/outlook.h"
#include "daemon/state/queue.h"
#include "daemon/state/fleet.h"
#include "daemon/state/model_state.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/base/sat.h"

/* Takes the requests out of the model's own queue, which may be theirs or that of running ones. */
static void take_all(struct model *m, struct queue *from, struct queue *to) {
        if (from == &m->waiting)
                m->fleet->waiting_count -= from->count;
        queue_move_all(from, to);
}

void requests_fail(struct model *m, struct queue *requests, const struct failure *failure) {
        struct queue doomed = { 0 };
        take_all(m, requests, &doomed);
        for (struct queue_link *link; (link = doomed.first);)
                request_fail(request_of(link), failure);
}

/* Arrivals come in order, so the place is at the end or, past what has yet to age, not far from it. */
void requests_wait(struct model *m, struct request *request) {
        struct queue_link *after = m->waiting.last;
        while (after && request_of(after)->turn_ms > request->turn_ms)
                after = after->previous;
        queue_insert(&m->waiting, &request->link, after);
        m->fleet->waiting_count++;
}

const char *requests_why(const struct model *m, const struct request *request) {
        enum reason held = gate_check(m, request);
        if (held != REASON_NONE)
                return reason_info(held)->sentence;
        if (m->engine.stopped)
                return reason_info(REASON_STOPPED)->sentence;
        switch (m->state) {
        case MODEL_INSPECTING: return "reading the model's size";
        case MODEL_WAITING:
                if (m->last_answer.guarded_until_ms > 0)
                        return reason_info(REASON_PROTECTED)->sentence;
                return m->last_answer.verdict == VERDICT_SHORT ? "waiting for other programs to free memory" : "making room";
        case MODEL_LOADING: return "loading";
        case MODEL_DRAINING:
        case MODEL_STOPPING: return "another model has its turn";
        default: return "queued";
        }
}

void requests_tell_why(struct model *m) {
        for (struct queue_link *l = m->waiting.first; l;) {
                struct request *request = request_of(l);
                const char *why = requests_why(m, request);
                l = l->next;
                if (request->why == why)
                        continue;
                uint64_t at = sat_add(request->since_ms, WHY_AFTER_MS);
                if (at > m->fleet->now_ms) {
                        fleet_due(m->fleet, at);
                        continue;
                }
                request->why = why;
                if (request->events.on_waiting) {
                        request->events.on_waiting(request->user, why);
                        l = m->waiting.first; /* the callback may have changed the queue */
                }
        }
}

static void describe_late(const struct model *m, const struct request *request, struct failure *ret) {
        const struct room *a = &m->last_answer.room;
        unsigned waited_s = (unsigned) (m->fleet->config->wait_timeout_ms / 1000);
        enum reason held = gate_check(m, request);
        if (held != REASON_NONE)
                gate_failure(m, held, ret);
        else if (m->state == MODEL_WAITING && m->last_answer.guarded_until_ms > m->fleet->now_ms)
                failure_set(ret, REASON_PROTECTED,
                            "waited %u s for model '%s': models that hold the memory are protected from others for %llu s more",
                            waited_s, m->config->id,
                            (unsigned long long) (m->last_answer.guarded_until_ms - m->fleet->now_ms + 999) / 1000);
        else if (m->state == MODEL_WAITING)
                failure_set(ret, REASON_WAIT_TOO_LONG,
                            "waited %u s for memory for model '%s': it needs %llu MiB, others hold %llu MiB of the %llu MiB "
                            "allowed (%s)",
                            waited_s, m->config->id, (unsigned long long) a->needed_bytes >> 20,
                            (unsigned long long) a->used_bytes >> 20, (unsigned long long) a->limit_bytes >> 20,
                            a->rule == RULE_AVAILABLE ? "reserve" : policy_rule_word(a->rule));
        else
                failure_set(ret, REASON_WAIT_TOO_LONG, "waited %u s for model '%s' (%s); %u requests are being answered, %u wait",
                            waited_s, m->config->id, requests_why(m, request), m->running.count, m->waiting.count);
        uint64_t again_ms = model_outlook_ms(m, m->waiting.count);
        if (ret->reason == REASON_WAIT_TOO_LONG && again_ms != TIME_NEVER)
                failure_set_retry_after(ret, again_ms);
}

static void fail_late(struct model *m, struct queue *late) {
        struct failure failure;
        describe_late(m, request_of(late->first), &failure);
        log_warning("wait_too_long", LOG_TEXT("model", m->config->id), LOG_TEXT("life", model_state_name(m->state)),
                    LOG_NUMBER("requests", late->count), LOG_TEXT("reason", failure.code), LOG_TEXT("message", failure.message),
                    LOG_MAYBE("advice", failure.advice));
        for (struct queue_link *link; (link = late->first);) {
                describe_late(m, request_of(link), &failure);
                request_fail(request_of(link), &failure);
        }
}

void requests_expire(struct model *m) {
        uint64_t limit_ms = m->fleet->config->wait_timeout_ms;
        struct queue late = { 0 };
        for (struct queue_link *l = m->waiting.first; l;) {
                struct queue_link *link = l;
                uint64_t deadline = sat_add(request_of(link)->since_ms, limit_ms);
                l = l->next;
                if (deadline > m->fleet->now_ms) {
                        fleet_due(m->fleet, deadline);
                        continue;
                }
                queue_leave(link);
                m->fleet->waiting_count--;
                queue_append(&late, link);
        }
        if (late.count > 0)
                fail_late(m, &late);
}

void requests_give_back(struct model *m, const struct failure *failure, bool retry) {
        struct queue again = { 0 }, doomed = { 0 };
        for (struct queue_link *link; (link = queue_take(&m->running));) {
                struct request *request = request_of(link);
                bool may = retry && request->attempts < REQUEST_ATTEMPTS_MAX && (!request->spoke || request->events.on_restart);
                queue_append(may ? &again : &doomed, link);
        }
        uint32_t retried = again.count, failed = doomed.count;
        while (again.last) {
                struct request *request = request_of(again.last);
                queue_leave(&request->link);
                request->id = 0;
                request->suspended = request->moving = request->has_looked_up = false;
                request->found_file = 0;
                request->since_ms = fleet_clock_ms();
                requests_wait(m, request);
        }
        if (retried + failed > 0)
                log_warning("requests_after_death", LOG_TEXT("model", m->config->id), LOG_NUMBER("retried", retried),
                            LOG_NUMBER("failed", failed));
        for (struct queue_link *link; (link = doomed.first);)
                request_fail(request_of(link), failure);
        /* The parts of an answer that these requests had been given are void; it begins anew. */
        for (struct queue_link *l = m->waiting.first; l;) {
                struct request *request = request_of(l);
                l = l->next;
                if (!request->spoke)
                        continue;
                request->spoke = request->started = false;
                request->events.on_restart(request->user);
                l = m->waiting.first;
        }
}
