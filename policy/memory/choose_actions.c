/* choose_actions.c - candidates by rung, their order, and how many of them suffice. */
#include "policy/memory/choose_actions.h"

#include <assert.h>
#include <stddef.h>

#include "policy/memory/verification.h"
#include "policy/base/sat.h"
#include "policy/admission/precision.h"
#include "policy/admission/victim.h"

/* State shared by the functions of this file: the question, and the answer so far. */
struct search {
        const struct limits *limits;
        const struct snapshot *snapshot;
        const struct need *need;
        const struct past *past;
        struct model_past *const *pasts;
        struct plan *plan;
        uint64_t covered; /* bytes that the actions so far should free */
        bool found;       /* an action of the rung that is being looked at */
};

enum rung policy_rung_of(enum action_kind kind) {
        static const enum rung rungs[ACTION_COUNT] = {
                [ACTION_TRIM] = RUNG_TRIM,           [ACTION_CHUNK] = RUNG_TRIM,
                [ACTION_DROP_FILES] = RUNG_TRIM,     [ACTION_EVICT] = RUNG_EVICT,
                [ACTION_DOWNSHIFT] = RUNG_DOWNSHIFT, [ACTION_CONTEXT] = RUNG_SHRINK,
                [ACTION_SUSPEND] = RUNG_SUSPEND,     [ACTION_END] = RUNG_LAST,
        };
        assert(kind < ACTION_COUNT);
        return rungs[kind];
}

uint64_t policy_kv_units(const struct model_view *m) {
        uint64_t units = 0;
        for (unsigned level = 0; level < KV_TYPE_COUNT; level++)
                units = sat_add(units, sat_mul(m->kv_bytes[level], 64) / kv_type_block_bytes((enum kv_type) level));
        return units;
}

/* May KIND be tried on model I at all? */
static bool may(const struct search *s, uint32_t i, enum action_kind kind) {
        const struct model_view *m = &s->snapshot->models[i];
        if (s->need->only != UINT32_MAX && s->need->only != i)
                return false;
        if (m->state == ACCOUNT_STOPPING || (m->state == ACCOUNT_LOADING && kind != ACTION_END))
                return false;
        if (m->lacks & ACTION_BIT(kind))
                return false;
        if (kind != ACTION_EVICT && kind != ACTION_END && !m->obeys)
                return false;
        return s->pasts[i]->refused_until_ms[kind] <= s->snapshot->now_ms && !policy_is_expected(&s->past->settling, kind, m->id);
}

static bool is_enough(const struct search *s) {
        return s->covered >= s->need->bytes;
}

static void add(struct search *s, struct action action) {
        if (s->plan->actions_count == PLAN_ACTIONS_MAX)
                return;
        action.because = s->need->because;
        s->plan->actions[s->plan->actions_count++] = action;
        s->covered = sat_add(s->covered, action.expected_bytes);
        s->found = true;
}

static struct action action_on(const struct search *s, uint32_t i, enum action_kind kind, uint64_t bytes) {
        return (struct action){ .kind = kind, .model = s->snapshot->models[i].id, .expected_bytes = bytes };
}

/* --- bytes that an action should free --- */

static uint64_t trim_frees(const struct model_view *m) {
        return m->prefix_bytes;
}

static uint64_t downshift_frees(const struct model_view *m) {
        return policy_lowering_frees(m, (enum kv_type)(m->level + 1));
}

static uint64_t relieve_frees(const struct model_view *m) {
        return policy_lowering_frees(m, m->floor);
}

static uint64_t suspend_frees(const struct model_view *m) {
        return m->suspendable_bytes;
}

/* --- candidates in order --- */

/* Lowest class first: priority, then batch before interactive, then what frees most, then order of configuration. */
static bool goes_before(const struct model_view *a, uint64_t a_frees, const struct model_view *b, uint64_t b_frees) {
        if (a->priority != b->priority)
                return a->priority < b->priority;
        if (a->batch != b->batch)
                return a->batch;
        if (a_frees != b_frees)
                return a_frees > b_frees;
        return a->id < b->id;
}

struct candidates {
        uint32_t count;
        uint32_t index[ACCOUNTS_MAX];
        uint64_t frees[ACCOUNTS_MAX];
};

static void insert(const struct snapshot *snapshot, struct candidates *c, uint32_t i, uint64_t frees) {
        uint32_t at = c->count++;
        for (; at > 0 && goes_before(&snapshot->models[i], frees, &snapshot->models[c->index[at - 1]], c->frees[at - 1]); at--) {
                c->index[at] = c->index[at - 1];
                c->frees[at] = c->frees[at - 1];
        }
        c->index[at] = i;
        c->frees[at] = frees;
}

static struct candidates candidates(const struct search *s, enum action_kind kind, uint64_t (*frees)(const struct model_view *)) {
        struct candidates c = { 0 };
        for (uint32_t i = 0; i < s->snapshot->models_count; i++) {
                uint64_t bytes = frees(&s->snapshot->models[i]);
                if (bytes >= ACTION_BYTES_MIN && may(s, i, kind))
                        insert(s->snapshot, &c, i, bytes);
        }
        return c;
}

/* --- rungs --- */

static void trim(struct search *s) {
        struct candidates c = candidates(s, ACTION_TRIM, trim_frees);
        for (uint32_t k = 0; k < c.count && !is_enough(s); k++)
                add(s, action_on(s, c.index[k], ACTION_TRIM, c.frees[k]));
}

/* Covers nothing of what is missing: the kernel counts such pages as free. But it takes time to find them among those that
 * are needed. */
static void drop_files(struct search *s) {
        bool rests = s->past->settling.files_refused_until_ms > s->snapshot->now_ms ||
                     policy_is_expected(&s->past->settling, ACTION_DROP_FILES, UINT32_MAX);
        uint64_t covered = s->covered;
        if (s->snapshot->idle_file_bytes >= ACTION_BYTES_MIN && s->need->only == UINT32_MAX && !rests)
                add(s, (struct action){
                               .kind = ACTION_DROP_FILES, .model = UINT32_MAX, .expected_bytes = s->snapshot->idle_file_bytes });
        s->covered = covered;
}

/* Frees nothing: a shorter step asks for less at once, and notices sooner what else it is asked for. */
static void cut_chunks(struct search *s) {
        for (uint32_t i = 0; i < s->snapshot->models_count && s->need->worsens; i++) {
                const struct model_view *m = &s->snapshot->models[i];
                uint32_t least = m->chunk_full / CHUNK_PART > CHUNK_MIN ? m->chunk_full / CHUNK_PART : CHUNK_MIN;
                if (m->running == 0 || m->chunk <= least || !may(s, i, ACTION_CHUNK))
                        continue;
                struct action action = action_on(s, i, ACTION_CHUNK, 0);
                action.value = least;
                add(s, action);
        }
}

static bool may_leave(const struct search *s, uint32_t i) {
        const struct model_view *m = &s->snapshot->models[i];
        if (m->state != ACCOUNT_IDLE || m->pinned || m->running > 0 || m->waiting > 0 || !may(s, i, ACTION_EVICT))
                return false;
        if (m->suspended > 0 && s->need->limit < RUNG_SUSPEND)
                return false;
        bool was_asked = m->last_end_ms > 0;
        bool is_protected = m->protected_until_ms > s->snapshot->now_ms;
        bool in_use = is_protected || (was_asked && sat_sub(s->snapshot->now_ms, m->last_end_ms) < IN_USE_MS);
        if (in_use && !s->need->beyond && s->need->limit < RUNG_SUSPEND)
                return false;
        bool just_loaded = was_asked && sat_sub(s->snapshot->now_ms, m->loaded_ms) < s->limits->min_residency_ms;
        return !just_loaded || s->need->hurry || s->need->beyond || s->need->limit >= RUNG_SUSPEND;
}

static struct account account_of(const struct model_view *m, uint32_t index) {
        return (struct account){ .id = index,
                                 .state = m->state == ACCOUNT_IDLE || m->state == ACCOUNT_LOADING ? ACCOUNT_IDLE : ACCOUNT_BUSY,
                                 .asked = m->last_end_ms > 0,
                                 .priority = m->priority,
                                 .bytes = policy_leaving_frees(m),
                                 .weights_bytes = m->weights_bytes,
                                 .loaded_ms = m->loaded_ms,
                                 .last_end_ms = m->last_end_ms,
                                 .load_ms = m->load_ms };
}

/*
 * Chooses the accounts to lose for BYTES. If all of them together are not enough: all of them in a hurry, else the first, since
 * it may turn out that less was needed.
 */
static struct victims choose(const struct account *accounts, uint32_t count, uint64_t bytes, bool all) {
        const struct account *list[ACCOUNTS_MAX];
        uint64_t sum = 0;
        for (uint32_t i = 0; i < count; i++) {
                list[i] = &accounts[i];
                sum = sat_add(sum, accounts[i].bytes);
        }
        bool suffices = false;
        struct shortage shortage = { .bytes = u64_max(bytes, 1) };
        if (sum < shortage.bytes)
                shortage.bytes = all ? sum : 1;
        return policy_victims(list, count, shortage, &suffices);
}

static void evict(struct search *s) {
        struct account accounts[ACCOUNTS_MAX];
        uint32_t count = 0;
        for (uint32_t i = 0; i < s->snapshot->models_count; i++) {
                if (may_leave(s, i) && policy_leaving_frees(&s->snapshot->models[i]) >= ACTION_BYTES_MIN)
                        accounts[count++] = account_of(&s->snapshot->models[i], i);
        }
        struct victims v = choose(accounts, count, sat_sub(s->need->bytes, s->covered), s->need->hurry);
        for (uint32_t k = 0; k < v.count; k++)
                add(s, action_on(s, v.leave[k]->id, ACTION_EVICT, v.leave[k]->bytes));
}

/*
 * One level at a time, the most precise models first: none goes to q4_0 while another is still at f16. In a hurry there is no second
 * time: each goes to its floor, which is what the daemon's emergency order does.
 */
static void downshift(struct search *s) {
        struct candidates c = candidates(s, ACTION_DOWNSHIFT, s->need->hurry ? relieve_frees : downshift_frees);
        for (unsigned level = 0; level < KV_TYPE_COUNT; level++) {
                for (uint32_t k = 0; k < c.count && !is_enough(s); k++) {
                        if (s->snapshot->models[c.index[k]].level != (enum kv_type) level)
                                continue;
                        struct action action = action_on(s, c.index[k], ACTION_DOWNSHIFT, c.frees[k]);
                        action.level = s->need->hurry ? s->snapshot->models[c.index[k]].floor : (enum kv_type)(level + 1);
                        add(s, action);
                }
                if (s->found && !s->need->hurry)
                        return;
        }
}

/* Frees nothing now; keeps the next requests from taking as much. One model at a time, lowest class first. */
static void shrink(struct search *s) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < s->snapshot->models_count && s->need->worsens; i++) {
                const struct model_view *m = &s->snapshot->models[i];
                if (m->context > m->context_floor && m->context_floor > 0 && may(s, i, ACTION_CONTEXT) &&
                    (best == UINT32_MAX ||
                     goes_before(m, m->context, &s->snapshot->models[best], s->snapshot->models[best].context)))
                        best = i;
        }
        if (best == UINT32_MAX)
                return;
        const struct model_view *m = &s->snapshot->models[best];
        struct action action = action_on(s, best, ACTION_CONTEXT, 0);
        action.value = m->context / CONTEXT_PART > m->context_floor ? m->context / CONTEXT_PART : m->context_floor;
        add(s, action);
}

static void suspend(struct search *s) {
        struct candidates c = candidates(s, ACTION_SUSPEND, suspend_frees);
        for (uint32_t k = 0; k < c.count && !is_enough(s); k++)
                add(s, action_on(s, c.index[k], ACTION_SUSPEND, c.frees[k]));
}

/* The largest of those to lose; where all together are not enough, the largest of the lowest class. */
static uint32_t choose_end(const struct search *s, const struct account *accounts, uint32_t count) {
        uint64_t bytes = sat_sub(s->need->bytes, s->covered), sum = 0;
        uint32_t best = UINT32_MAX;
        for (uint32_t k = 0; k < count; k++) {
                sum = sat_add(sum, accounts[k].bytes);
                if (best == UINT32_MAX || goes_before(&s->snapshot->models[accounts[k].id], accounts[k].bytes,
                                                      &s->snapshot->models[accounts[best].id], accounts[best].bytes))
                        best = k;
        }
        if (best == UINT32_MAX || sum < bytes)
                return best;
        struct victims v = choose(accounts, count, bytes, false);
        const struct account *largest = v.leave[0];
        for (uint32_t k = 1; k < v.count; k++) {
                if (v.leave[k]->bytes > largest->bytes)
                        largest = v.leave[k];
        }
        return (uint32_t) (largest - accounts);
}

static bool cuts_an_answer(const struct model_view *m) {
        return m->running > 0 || m->waiting > 0;
}

/* An answer is cut only where that changes the outcome ... */
static bool is_worth_its_end(const struct search *s, const struct model_view *m) {
        return policy_leaving_frees(m) >=
               (cuts_an_answer(m) ? u64_max(s->need->end_bytes_least, ACTION_BYTES_MIN) : ACTION_BYTES_MIN);
}

/* ... and when it just suffices: until then the growth may end by itself. */
static bool is_time_to_end(const struct search *s, const struct model_view *m) {
        return !cuts_an_answer(m) || s->need->relieved_ms <= END_BEFORE_MS + policy_leaving_frees(m) / LEAD_RELEASED_PER_MS;
}

/* One engine at a time, until its memory is back. A load in flight goes before any engine with requests. */
static void end(struct search *s) {
        struct account accounts[ACCOUNTS_MAX];
        uint32_t count = 0;
        if (policy_is_expected(&s->past->settling, ACTION_END, UINT32_MAX))
                return;
        for (uint32_t i = 0; i < s->snapshot->models_count; i++) {
                const struct model_view *m = &s->snapshot->models[i];
                bool leaves = policy_is_expected(&s->past->settling, ACTION_EVICT, m->id);
                if (!m->pinned && !leaves && is_worth_its_end(s, m) && may(s, i, ACTION_END))
                        accounts[count++] = account_of(m, i);
        }
        uint32_t k = choose_end(s, accounts, count);
        if (k != UINT32_MAX && is_time_to_end(s, &s->snapshot->models[accounts[k].id]))
                add(s, action_on(s, accounts[k].id, ACTION_END, accounts[k].bytes));
}

enum rung policy_choose_actions(const struct limits *limits, const struct snapshot *snapshot, const struct need *need,
                                struct past *past, struct model_past *const pasts[], struct plan *plan) {
        static const struct {
                enum rung rung;
                void (*search)(struct search *s);
        } steps[] = {
                { RUNG_TRIM, trim },           { RUNG_HOLD, drop_files },
                { RUNG_EVICT, evict },         { RUNG_DOWNSHIFT, cut_chunks },
                { RUNG_DOWNSHIFT, downshift }, { RUNG_SHRINK, shrink },
                { RUNG_SUSPEND, suspend },     { RUNG_LAST, end },
        };
        struct search s = { .limits = limits, .snapshot = snapshot, .need = need, .past = past, .pasts = pasts, .plan = plan };
        enum rung highest = RUNG_CALM;
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]) && steps[k].rung <= need->limit; k++) {
                s.found = false;
                steps[k].search(&s);
                enum rung rung = s.found ? policy_rung_of(plan->actions[plan->actions_count - 1].kind) : RUNG_CALM;
                highest = rung > highest ? rung : highest;
                if (highest > RUNG_CALM && (is_enough(&s) || (s.covered > 0 && !need->hurry)))
                        break;
        }
        return highest;
}
