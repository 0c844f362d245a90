/* verification.c - the expected effects of actions, and their verification. */
#include "policy/memory/verification.h"

#include <stddef.h>

#include "policy/memory/choose_actions.h"
#include "policy/base/sat.h"

static uint32_t index_of(const struct snapshot *snapshot, uint32_t id) {
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                if (snapshot->models[i].id == id)
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

/* The bytes that the action is to reduce, as the model reports them. */
static uint64_t bytes_of(enum action_kind kind, const struct snapshot *snapshot, const struct model_view *m) {
        switch (kind) {
        case ACTION_TRIM: return m->prefix_bytes;
        case ACTION_DROP_FILES: return snapshot->idle_file_bytes;
        case ACTION_DOWNSHIFT: return kv_bytes(m);
        case ACTION_SUSPEND: return m->suspendable_bytes;
        default: return 0;
        }
}

void policy_expect(struct settling *s, const struct snapshot *snapshot, const struct headroom *headroom, double slope_per_ms,
                   struct model_past *const pasts[], const struct plan *plan, uint32_t first, bool stall) {
        for (uint32_t k = first; k < plan->actions_count && s->expected_count < PLAN_ACTIONS_MAX; k++) {
                const struct action *action = &plan->actions[k];
                if (action->kind == ACTION_POOL || action->kind == ACTION_TURN_OUT)
                        continue; /* told by the model itself */
                uint32_t i = index_of(snapshot, action->model);
                const struct model_view *m = i == UINT32_MAX ? NULL : &snapshot->models[i];
                s->expected[s->expected_count++] = (struct expected_effect){
                        .action = *action,
                        .generation = m != NULL ? m->generation : 0,
                        .at_ms = snapshot->now_ms,
                        .due_ms = sat_add(snapshot->now_ms, SETTLE_MS),
                        .bytes_before = m != NULL || action->kind == ACTION_DROP_FILES ? bytes_of(action->kind, snapshot, m) : 0,
                        .units_before = m != NULL ? policy_kv_units(m) : 0,
                        .headroom_before = headroom->bytes,
                        .slope_per_ms = slope_per_ms,
                };
                if (i != UINT32_MAX && (action->kind == ACTION_DOWNSHIFT || action->kind == ACTION_UPSHIFT)) {
                        struct model_past *past = pasts[i];
                        for (unsigned t = 1; t < TRANSITIONS_MAX; t++)
                                past->transitions_ms[t - 1] = past->transitions_ms[t];
                        past->transitions_ms[TRANSITIONS_MAX - 1] = u64_max(snapshot->now_ms, 1);
                }
                s->until_ms = sat_add(snapshot->now_ms, SETTLE_MS);
                if (stall && policy_rung_of(action->kind) >= RUNG_EVICT)
                        s->stall_until_ms = sat_add(snapshot->now_ms, SETTLE_STALL_MS);
        }
}

/* Headroom regained since the action, less the change that the slope of that time explains. */
static uint64_t rise(const struct expected_effect *e, const struct snapshot *snapshot, const struct headroom *headroom) {
        double expected = e->slope_per_ms * (double) (snapshot->now_ms - e->at_ms);
        return sat_from_double((double) headroom->bytes - (double) e->headroom_before - expected);
}

/* Bytes saved by precision: the size of the present KV at the precision of then, less its size now. */
static uint64_t saved_by_precision(const struct expected_effect *e, const struct model_view *m) {
        if (e->units_before == 0)
                return 0;
        double as_before = (double) e->bytes_before / (double) e->units_before * (double) policy_kv_units(m);
        return sat_from_double(as_before - (double) kv_bytes(m));
}

/* M: NULL once the engine is gone, or another one is in its place. */
static uint64_t freed_by(const struct expected_effect *e, const struct snapshot *snapshot, const struct headroom *headroom,
                         const struct model_view *m) {
        uint64_t expected = e->action.expected_bytes;
        switch (e->action.kind) {
        case ACTION_EVICT:
        case ACTION_END: return m != NULL ? 0 : u64_min(expected, rise(e, snapshot, headroom));
        case ACTION_DROP_FILES: return sat_sub(e->bytes_before, snapshot->idle_file_bytes);
        case ACTION_TRIM: return m == NULL ? e->bytes_before : sat_sub(e->bytes_before, m->prefix_bytes);
        case ACTION_DOWNSHIFT: return m == NULL ? e->bytes_before : saved_by_precision(e, m);
        case ACTION_SUSPEND: return m == NULL ? e->bytes_before : sat_sub(e->bytes_before, m->suspendable_bytes);
        default: return 0;
        }
}

/* Actions that free nothing at once are kept when the model shows what was asked. */
static bool is_obeyed(const struct expected_effect *e, const struct model_view *m) {
        if (m == NULL)
                return true;
        switch (e->action.kind) {
        case ACTION_CHUNK: return m->chunk == e->action.value;
        case ACTION_CONTEXT: return m->context == e->action.value;
        case ACTION_UPSHIFT: return m->level <= e->action.level;
        case ACTION_RESUME: return m->suspended == 0 || m->suspended_bytes < e->action.expected_bytes;
        default: return false;
        }
}

static bool frees(enum action_kind kind) {
        return kind == ACTION_TRIM || kind == ACTION_DROP_FILES || kind == ACTION_EVICT || kind == ACTION_DOWNSHIFT ||
               kind == ACTION_SUSPEND || kind == ACTION_END;
}

enum judgement { JUDGEMENT_LATER, JUDGEMENT_KEPT, JUDGEMENT_FAILED };

/* True while the effect still grows: more has come since it was last due, or the engine is on its way out. */
static bool makes_progress(const struct expected_effect *e, const struct snapshot *snapshot, const struct model_view *m) {
        if (snapshot->now_ms - e->at_ms >= EFFECT_MAX_MS)
                return false;
        if (m != NULL && (m->state == ACCOUNT_STOPPING || m->state == ACCOUNT_DRAINING))
                return e->action.kind == ACTION_EVICT || e->action.kind == ACTION_END;
        return e->freed_bytes >= sat_add(e->freed_at_due_bytes, sat_mul(e->action.expected_bytes, PROGRESS_PERMILLE) / 1000 + 1);
}

static enum judgement judge(struct expected_effect *e, const struct snapshot *snapshot, const struct headroom *headroom,
                            const struct model_view *m) {
        bool due = snapshot->now_ms >= e->due_ms;
        if (!frees(e->action.kind))
                return is_obeyed(e, m) ? JUDGEMENT_KEPT : due ? JUDGEMENT_FAILED : JUDGEMENT_LATER;
        e->freed_bytes = freed_by(e, snapshot, headroom, m);
        uint64_t expected = e->action.expected_bytes;
        if (e->freed_bytes >= sat_mul(expected, KEPT_PERMILLE) / 1000)
                return JUDGEMENT_KEPT;
        if (!due)
                return JUDGEMENT_LATER;
        if (makes_progress(e, snapshot, m)) {
                e->freed_at_due_bytes = e->freed_bytes;
                e->due_ms = sat_add(snapshot->now_ms, SETTLE_MS);
                return JUDGEMENT_LATER;
        }
        return e->freed_bytes < sat_mul(expected, FAILED_PERMILLE) / 1000 ? JUDGEMENT_FAILED : JUDGEMENT_KEPT;
}

/* The model that PROMISE is about, if it is still the same engine. */
static uint32_t still_there(const struct expected_effect *e, const struct snapshot *snapshot) {
        uint32_t i = index_of(snapshot, e->action.model);
        return i != UINT32_MAX && snapshot->models[i].generation == e->generation ? i : UINT32_MAX;
}

static void judge_one(struct settling *s, struct expected_effect *e, const struct snapshot *snapshot,
                      const struct headroom *headroom, struct model_past *const pasts[]) {
        uint32_t i = still_there(e, snapshot);
        enum judgement judgement = judge(e, snapshot, headroom, i == UINT32_MAX ? NULL : &snapshot->models[i]);
        if (judgement == JUDGEMENT_LATER)
                return;
        e->judged = true;
        uint64_t rests_until_ms = sat_add(snapshot->now_ms, FAILED_REST_MS);
        if (judgement == JUDGEMENT_FAILED && e->action.kind == ACTION_DROP_FILES)
                s->files_refused_until_ms = rests_until_ms;
        else if (judgement == JUDGEMENT_FAILED && i != UINT32_MAX)
                pasts[i]->refused_until_ms[e->action.kind] = rests_until_ms;
}

void policy_verify(struct settling *s, const struct snapshot *snapshot, const struct headroom *headroom,
                   struct model_past *const pasts[], struct plan *plan) {
        uint32_t kept = 0;
        for (uint32_t k = 0; k < s->expected_count; k++) {
                struct expected_effect *e = &s->expected[k];
                if (!e->judged)
                        judge_one(s, e, snapshot, headroom, pasts);
                bool tells = e->judged && frees(e->action.kind) && plan->verified.kind == ACTION_NONE;
                if (tells) {
                        plan->verified = e->action;
                        plan->verified_freed_bytes = e->freed_bytes;
                }
                if (!tells && (!e->judged || frees(e->action.kind)))
                        s->expected[kept++] = *e;
        }
        s->expected_count = kept;
}

bool policy_is_expected(const struct settling *s, enum action_kind kind, uint32_t model) {
        for (uint32_t k = 0; k < s->expected_count; k++) {
                const struct expected_effect *e = &s->expected[k];
                bool this_kind = kind == ACTION_NONE || e->action.kind == kind;
                if (!e->judged && this_kind && (model == UINT32_MAX || e->action.model == model))
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

uint64_t policy_returning_bytes(const struct settling *s, const struct snapshot *snapshot, struct model_past *const pasts[]) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                if (is_leaving(&snapshot->models[i], pasts[i], snapshot->now_ms))
                        sum = sat_add(sum, policy_leaving_frees(&snapshot->models[i]));
        }
        for (uint32_t k = 0; k < s->expected_count; k++) {
                const struct expected_effect *e = &s->expected[k];
                uint32_t i = still_there(e, snapshot);
                bool stops = i != UINT32_MAX && snapshot->models[i].state == ACCOUNT_STOPPING;
                if (!e->judged && !stops && frees(e->action.kind) && e->action.kind != ACTION_DROP_FILES)
                        sum = sat_add(sum, sat_sub(e->action.expected_bytes, e->freed_bytes));
        }
        return sum;
}

bool policy_is_settling(const struct settling *s, uint64_t now_ms) {
        return now_ms < s->until_ms && policy_is_expected(s, ACTION_NONE, UINT32_MAX);
}
