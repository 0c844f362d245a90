/* verification.c - promises, and what became of them. */
#include "policy/memory/verification.h"

#include <stddef.h>

#include "policy/memory/choose_actions.h"
#include "policy/base/sat.h"

static uint32_t index_of(const struct seen *seen, uint32_t id) {
        for (uint32_t i = 0; i < seen->models_count; i++) {
                if (seen->models[i].id == id)
                        return i;
        }
        return UINT32_MAX;
}

static uint64_t kv_bytes(const struct model_view *m) {
        uint64_t sum = 0;
        for (unsigned level = 0; level < KV_TYPE_COUNT; level++)
                sum = sat_add(sum, m->kv_bytes[level]);
        return sum;
}

/* What the act is to reduce, as the model tells it. */
static uint64_t bytes_of(enum act_kind kind, const struct seen *seen, const struct model_view *m) {
        switch (kind) {
        case ACT_TRIM: return m->prefix_bytes;
        case ACT_DROP_FILES: return seen->idle_file_bytes;
        case ACT_DOWNSHIFT: return kv_bytes(m);
        case ACT_SUSPEND: return m->suspendable_bytes;
        default: return 0;
        }
}

void policy_promise(struct settling *s, const struct seen *seen, const struct headroom *headroom, double slope_per_ms,
                    struct model_past *const pasts[], const struct plan *plan, uint32_t first, bool stall) {
        for (uint32_t k = first; k < plan->acts_count && s->promises_count < PLAN_ACTS_MAX; k++) {
                const struct act *act = &plan->acts[k];
                uint32_t i = index_of(seen, act->model);
                const struct model_view *m = i == UINT32_MAX ? NULL : &seen->models[i];
                s->promises[s->promises_count++] = (struct promise){
                        .act = *act,
                        .generation = m != NULL ? m->generation : 0,
                        .at_ms = seen->now_ms,
                        .due_ms = sat_add(seen->now_ms, SETTLE_MS),
                        .bytes_before = m != NULL || act->kind == ACT_DROP_FILES ? bytes_of(act->kind, seen, m) : 0,
                        .units_before = m != NULL ? policy_kv_units(m) : 0,
                        .headroom_before = headroom->bytes,
                        .slope_per_ms = slope_per_ms,
                };
                if (i != UINT32_MAX && (act->kind == ACT_DOWNSHIFT || act->kind == ACT_UPSHIFT)) {
                        struct model_past *past = pasts[i];
                        for (unsigned t = 1; t < TRANSITIONS_MAX; t++)
                                past->transitions_ms[t - 1] = past->transitions_ms[t];
                        past->transitions_ms[TRANSITIONS_MAX - 1] = u64_max(seen->now_ms, 1);
                }
                s->until_ms = sat_add(seen->now_ms, SETTLE_MS);
                if (stall && policy_rung_of(act->kind) >= RUNG_EVICT)
                        s->stall_until_ms = sat_add(seen->now_ms, SETTLE_STALL_MS);
        }
}

/* What came back to the box since, less what the slope of that time explains. */
static uint64_t rise(const struct promise *p, const struct seen *seen, const struct headroom *headroom) {
        double expected = p->slope_per_ms * (double) (seen->now_ms - p->at_ms);
        return sat_from_double((double) headroom->bytes - (double) p->headroom_before - expected);
}

/* What as much KV as there is now would take if it were stored as it was then, less what it takes. */
static uint64_t saved_by_precision(const struct promise *p, const struct model_view *m) {
        if (p->units_before == 0)
                return 0;
        double as_before = (double) p->bytes_before / (double) p->units_before * (double) policy_kv_units(m);
        return sat_from_double(as_before - (double) kv_bytes(m));
}

/* M: NULL once the engine is gone, or another one is in its place. */
static uint64_t freed_by(const struct promise *p, const struct seen *seen, const struct headroom *headroom,
                         const struct model_view *m) {
        uint64_t expected = p->act.expected_bytes;
        switch (p->act.kind) {
        case ACT_EVICT:
        case ACT_END: return m != NULL ? 0 : u64_min(expected, rise(p, seen, headroom));
        case ACT_DROP_FILES: return sat_sub(p->bytes_before, seen->idle_file_bytes);
        case ACT_TRIM: return m == NULL ? p->bytes_before : sat_sub(p->bytes_before, m->prefix_bytes);
        case ACT_DOWNSHIFT: return m == NULL ? p->bytes_before : saved_by_precision(p, m);
        case ACT_SUSPEND: return m == NULL ? p->bytes_before : sat_sub(p->bytes_before, m->suspendable_bytes);
        default: return 0;
        }
}

/* Acts that free nothing at once are kept when the model shows what was asked. */
static bool is_obeyed(const struct promise *p, const struct model_view *m) {
        if (m == NULL)
                return true;
        switch (p->act.kind) {
        case ACT_CHUNK: return m->chunk == p->act.value;
        case ACT_CONTEXT: return m->context == p->act.value;
        case ACT_UPSHIFT: return m->level <= p->act.level;
        case ACT_RESUME: return m->suspended == 0 || m->suspended_bytes < p->act.expected_bytes;
        default: return false;
        }
}

static bool frees(enum act_kind kind) {
        return kind == ACT_TRIM || kind == ACT_DROP_FILES || kind == ACT_EVICT || kind == ACT_DOWNSHIFT || kind == ACT_SUSPEND ||
               kind == ACT_END;
}

enum judgement { JUDGEMENT_LATER, JUDGEMENT_KEPT, JUDGEMENT_FAILED };

/* It is still at it: more has come since it was last due, or its engine is on its way out. */
static bool makes_progress(const struct promise *p, const struct seen *seen, const struct model_view *m) {
        if (seen->now_ms - p->at_ms >= PROMISE_MAX_MS)
                return false;
        if (m != NULL && (m->state == ACCOUNT_STOPPING || m->state == ACCOUNT_DRAINING))
                return p->act.kind == ACT_EVICT || p->act.kind == ACT_END;
        return p->freed_bytes >= sat_add(p->freed_at_due_bytes, sat_mul(p->act.expected_bytes, PROGRESS_PERMILLE) / 1000 + 1);
}

static enum judgement judge(struct promise *p, const struct seen *seen, const struct headroom *headroom,
                            const struct model_view *m) {
        bool due = seen->now_ms >= p->due_ms;
        if (!frees(p->act.kind))
                return is_obeyed(p, m) ? JUDGEMENT_KEPT : due ? JUDGEMENT_FAILED : JUDGEMENT_LATER;
        p->freed_bytes = freed_by(p, seen, headroom, m);
        uint64_t promised = p->act.expected_bytes;
        if (p->freed_bytes >= sat_mul(promised, KEPT_PERMILLE) / 1000)
                return JUDGEMENT_KEPT;
        if (!due)
                return JUDGEMENT_LATER;
        if (makes_progress(p, seen, m)) {
                p->freed_at_due_bytes = p->freed_bytes;
                p->due_ms = sat_add(seen->now_ms, SETTLE_MS);
                return JUDGEMENT_LATER;
        }
        return p->freed_bytes < sat_mul(promised, FAILED_PERMILLE) / 1000 ? JUDGEMENT_FAILED : JUDGEMENT_KEPT;
}

/* The model that PROMISE is about, if it is still the same engine. */
static uint32_t still_there(const struct promise *p, const struct seen *seen) {
        uint32_t i = index_of(seen, p->act.model);
        return i != UINT32_MAX && seen->models[i].generation == p->generation ? i : UINT32_MAX;
}

static void judge_one(struct settling *s, struct promise *p, const struct seen *seen, const struct headroom *headroom,
                      struct model_past *const pasts[]) {
        uint32_t i = still_there(p, seen);
        enum judgement judgement = judge(p, seen, headroom, i == UINT32_MAX ? NULL : &seen->models[i]);
        if (judgement == JUDGEMENT_LATER)
                return;
        p->judged = true;
        uint64_t rests_until_ms = sat_add(seen->now_ms, FAILED_REST_MS);
        if (judgement == JUDGEMENT_FAILED && p->act.kind == ACT_DROP_FILES)
                s->files_refused_until_ms = rests_until_ms;
        else if (judgement == JUDGEMENT_FAILED && i != UINT32_MAX)
                pasts[i]->refused_until_ms[p->act.kind] = rests_until_ms;
}

void policy_judge(struct settling *s, const struct seen *seen, const struct headroom *headroom, struct model_past *const pasts[],
                  struct plan *plan) {
        uint32_t kept = 0;
        for (uint32_t k = 0; k < s->promises_count; k++) {
                struct promise *p = &s->promises[k];
                if (!p->judged)
                        judge_one(s, p, seen, headroom, pasts);
                bool tells = p->judged && frees(p->act.kind) && plan->verified.kind == ACT_NONE;
                if (tells) {
                        plan->verified = p->act;
                        plan->verified_freed_bytes = p->freed_bytes;
                }
                if (!tells && (!p->judged || frees(p->act.kind)))
                        s->promises[kept++] = *p;
        }
        s->promises_count = kept;
}

bool policy_is_promised(const struct settling *s, enum act_kind kind, uint32_t model) {
        for (uint32_t k = 0; k < s->promises_count; k++) {
                const struct promise *p = &s->promises[k];
                bool this_kind = kind == ACT_NONE || p->act.kind == kind;
                if (!p->judged && this_kind && (model == UINT32_MAX || p->act.model == model))
                        return true;
        }
        return false;
}

uint64_t policy_leaving_frees(const struct model_view *m) {
        return sat_add(sat_sub(m->bytes, m->weights_resident_bytes), m->weights_bytes);
}

/* Believed only for a while: an engine may be stuck in the kernel, on its way out. */
static bool is_leaving(const struct model_view *m, const struct model_past *past, uint64_t now_ms) {
        return m->state == ACCOUNT_STOPPING && now_ms - past->leaving_since_ms < LEAVING_TRUST_MS;
}

uint64_t policy_returning_bytes(const struct settling *s, const struct seen *seen, struct model_past *const pasts[]) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < seen->models_count; i++) {
                if (is_leaving(&seen->models[i], pasts[i], seen->now_ms))
                        sum = sat_add(sum, policy_leaving_frees(&seen->models[i]));
        }
        for (uint32_t k = 0; k < s->promises_count; k++) {
                const struct promise *p = &s->promises[k];
                uint32_t i = still_there(p, seen);
                bool stops = i != UINT32_MAX && seen->models[i].state == ACCOUNT_STOPPING;
                if (!p->judged && !stops && frees(p->act.kind) && p->act.kind != ACT_DROP_FILES)
                        sum = sat_add(sum, sat_sub(p->act.expected_bytes, p->freed_bytes));
        }
        return sum;
}

bool policy_is_settling(const struct settling *s, uint64_t now_ms) {
        return now_ms < s->until_ms && policy_is_promised(s, ACT_NONE, UINT32_MAX);
}
