/* loads.c - the question to admission for each model that waits, in turn, each seeing what the ones before it were promised. */
#include "policy/admission/loads.h"

#include <assert.h>
#include <stddef.h>

#include "policy/admission/footprint.h"
#include "policy/admission/precision.h"
#include "policy/admission/round.h"
#include "policy/admission/wait.h"
#include "policy/base/sat.h"

uint64_t policy_weights_max(const struct limits *limits, uint64_t ram_bytes) {
        if (limits->weights_permille == 0)
                return UINT64_MAX;
        return sat_add(sat_mul(ram_bytes / 1000, limits->weights_permille), ram_bytes % 1000 * limits->weights_permille / 1000);
}

struct admission_limits round_limits(const struct round *r) {
        return (struct admission_limits){
                .budget_bytes = r->limits->budget_bytes > 0 ? r->limits->budget_bytes : UINT64_MAX,
                .weights_max_bytes = policy_weights_max(r->limits, r->snapshot->ram_bytes),
                .reserve_bytes = r->limits->reserve_bytes,
                .ram_bytes = r->snapshot->ram_bytes,
                .min_residency_ms = r->limits->min_residency_ms,
                .turn_ms = r->limits->turn_ms,
                .wait_ms = r->limits->wait_ms,
        };
}

/* A missing measurement is no reason to admit. */
struct admission_snapshot round_now(const struct round *r) {
        return (struct admission_snapshot){
                .now_ms = r->snapshot->now_ms,
                .available_bytes = r->snapshot->memory_blind ? 0 : r->snapshot->available_bytes,
                .accounts = r->accounts,
                .accounts_count = r->count,
        };
}

static bool is_ended_by(const struct plan *plan, uint32_t model) {
        for (uint32_t i = 0; plan != NULL && i < plan->actions_count; i++) {
                const struct action *a = &plan->actions[i];
                if (a->model == model && (a->kind == ACTION_EVICT || a->kind == ACTION_END))
                        return true;
        }
        return false;
}

/* Memory that an upshift of the same plan takes is not there any more. */
static uint64_t grows_by(const struct plan *plan, const struct model_view *m) {
        for (uint32_t i = 0; plan != NULL && i < plan->actions_count; i++) {
                if (plan->actions[i].model == m->id && plan->actions[i].kind == ACTION_UPSHIFT)
                        return m->upshift_bytes;
        }
        return 0;
}

static struct account account_of(const struct model_view *m, const struct plan *plan) {
        return (struct account){
                .id = m->id,
                .state = is_ended_by(plan, m->id) ? ACCOUNT_STOPPING : m->state,
                .pinned = m->pinned,
                .protected_until_ms = m->protected_until_ms,
                .asked = m->last_end_ms > 0,
                .priority = m->priority,
                .bytes = sat_add(u64_max(m->account_bytes, m->bytes), grows_by(plan, m)),
                .weights_bytes = u64_max(m->account_weights_bytes, m->weights_bytes),
                .taken_bytes = m->taken_bytes,
                .loaded_ms = m->loaded_ms,
                .last_end_ms = m->last_end_ms,
                .load_ms = m->load_ms,
                .service_ms = m->service_ms,
        };
}

/* PLAN: what it ends counts as leaving; NULL: nothing is. */
static void open_accounts(struct round *r, const struct plan *plan) {
        if (r->limits->passive)
                plan = NULL;
        r->count = 0;
        for (uint32_t i = 0; i < r->snapshot->models_count; i++) {
                r->accounts[r->count] = account_of(&r->snapshot->models[i], plan);
                policy_pool_range(&r->snapshot->models[i], &r->accounts[r->count]);
                policy_pool_mark_asked(&r->snapshot->models[i], &r->accounts[r->count]);
                policy_precision_mark_told(&r->snapshot->models[i], &r->accounts[r->count++]);
        }
}

static void open_account(struct round *r, const struct want *want, uint32_t form, enum account_state state) {
        if (r->count < ACCOUNTS_MAX)
                r->accounts[r->count++] = (struct account){ .id = want->id,
                                                            .state = state,
                                                            .priority = want->priority,
                                                            .bytes = want->forms[form].bytes,
                                                            .whole_bytes = want->forms[form].whole_bytes,
                                                            .weights_bytes = want->forms[form].weights_bytes };
}

/* --- unloads --- */

void round_unload(struct round *r, uint32_t model, enum reason because, uint32_t for_model) {
        for (uint32_t i = 0; i < r->count; i++) {
                struct account *a = &r->accounts[i];
                if (a->id == model)
                        a->state = a->state == ACCOUNT_BUSY ? ACCOUNT_DRAINING : ACCOUNT_STOPPING;
        }
        if (r->plan->unloads_count < ACCOUNTS_MAX)
                r->plan->unloads[r->plan->unloads_count++] = (struct unload){ model, because, for_model };
}

static struct room room_of(const struct admission *a) {
        return (struct room){ a->rule, a->limit_bytes, a->used_bytes, a->needed_bytes };
}

/* An engine grew past its prediction: idle ones go until the rest holds its word. */
static void see_to_overrun(struct round *r) {
        struct admission_limits limits = round_limits(r);
        struct admission_snapshot now = round_now(r);
        struct admission a = policy_admission_overrun(&limits, &now);
        if (a.verdict == VERDICT_ADMIT)
                return;
        r->plan->overrun = room_of(&a);
        for (uint32_t i = 0; i < a.victims_count; i++)
                round_unload(r, a.victims[i], REASON_OVER_BUDGET, UINT32_MAX);
}

/* --- one waiter --- */

static enum reason held_because(const struct limits *limits, const struct plan *plan, const struct want *want) {
        if (limits->passive)
                return REASON_NONE;
        if (plan->hold_loads)
                return REASON_MEMORY_HELD;
        if (plan->hold_batch && want->batch)
                return plan->batch_because;
        return REASON_NONE;
}

static struct admission_want admission_want_of(const struct want *want, uint32_t form) {
        return (struct admission_want){ .bytes = want->forms[form].bytes,
                                        .weights_bytes = want->forms[form].weights_bytes,
                                        .priority = want->priority,
                                        .since_ms = want->since_ms };
}

/* What could never grow to a whole context is asked for as a whole, which is refused for that. */
static struct admission_want asked_for(const struct round *r, const struct want *want, uint32_t form) {
        struct admission_want asked = admission_want_of(want, form), whole = asked;
        struct admission_limits limits = round_limits(r);
        struct admission_snapshot now = round_now(r);
        whole.bytes = u64_max(want->forms[form].bytes, want->forms[form].whole_bytes);
        return policy_admission(&limits, &now, &whole).verdict == VERDICT_NEVER ? whole : asked;
}

uint64_t round_free_bytes(const struct round *r) {
        struct admission_limits limits = round_limits(r);
        struct admission_snapshot now = round_now(r);
        return policy_admission_free(&limits, &now);
}

static uint32_t context_of(const struct round *r, const struct want *want, uint32_t form) {
        const struct context_range range = { .least = want->context,
                                             .full = want->context_full,
                                             .whole_bytes = u64_max(want->forms[form].bytes, want->forms[form].whole_bytes),
                                             .token_bytes = want->forms[form].token_bytes };
        return policy_context(&range, round_free_bytes(r));
}

/* The smallest form that is tried decides where all are refused. */
static struct admission ask(const struct round *r, const struct want *want, uint32_t *ret_form) {
        struct admission_want forms[FORMS_MAX];
        struct admission_limits limits = round_limits(r);
        struct admission_snapshot now = round_now(r);
        assert(want->forms_count > 0 && want->forms_count <= FORMS_MAX);
        for (uint32_t i = 0; i < want->forms_count; i++)
                forms[i] = asked_for(r, want, i);
        return policy_admission_of_forms(&limits, &now, forms, want->forms_count, ret_form);
}

/* Since when it is known to be short; remembered in NEXT. */
static uint64_t short_since(const struct loads_past *past, struct loads_past *next, uint32_t id, uint64_t now_ms) {
        uint64_t since_ms = now_ms;
        for (uint32_t i = 0; i < past->shorts_count; i++) {
                if (past->shorts[i].id == id)
                        since_ms = past->shorts[i].since_ms;
        }
        if (next->shorts_count < WANTS_MAX) {
                next->shorts[next->shorts_count].id = id;
                next->shorts[next->shorts_count++].since_ms = since_ms;
        }
        return since_ms;
}

/* The consequences for the accounts, and the time from which a refusal is final. */
static void follow(struct round *r, const struct want *want, const struct admission *a, const struct loads_past *past,
                   struct loads_past *next, struct load *load) {
        uint64_t now_ms = r->snapshot->now_ms;
        switch (a->verdict) {
        case VERDICT_ADMIT: open_account(r, want, load->form, ACCOUNT_LOADING); break;
        case VERDICT_EVICT:
                for (uint32_t i = 0; i < a->victims_count; i++)
                        round_unload(r, a->victims[i], REASON_MAKE_ROOM, want->id);
                break;
        case VERDICT_SHORT: {
                uint64_t since_ms = short_since(past, next, want->id, now_ms);
                load->refused = now_ms - since_ms >= SHORT_GRACE_MS;
                load->because = REASON_INSUFFICIENT_MEMORY;
                load->look_again_ms = sat_add(now_ms, SHORT_POLL_MS);
                break;
        }
        case VERDICT_BLOCKED:
                load->refused = true;
                load->because = REASON_INSUFFICIENT_MEMORY;
                break;
        case VERDICT_PROTECTED: load->refused = true; break;
        case VERDICT_NEVER:
                load->refused = true;
                load->because = REASON_NEVER_FITS;
                break;
        default: break;
        }
        if (a->promised)
                open_account(r, want, load->form, ACCOUNT_PROMISED);
}

/* Until the account's room is free for another; what loads has its turn first. */
static uint64_t leaves_after(const struct round *r, const struct account *a) {
        uint64_t service_ms = a->service_ms > 0 ? a->service_ms : SERVICE_UNKNOWN_MS;
        if (a->state == ACCOUNT_DRAINING || a->state == ACCOUNT_BUSY)
                return service_ms;
        if (a->state != ACCOUNT_LOADING)
                return 0;
        return sat_add(sat_add(policy_load_ms(a->load_ms, a->bytes), r->limits->min_residency_ms), service_ms);
}

/* Of what makes the room, the last to leave. */
static uint64_t last_leaves_after(const struct round *r, bool is_promised) {
        uint64_t after = 0;
        for (uint32_t i = 0; i < r->count; i++) {
                const struct account *a = &r->accounts[i];
                if (!a->pinned && (!is_promised || a->state == ACCOUNT_DRAINING))
                        after = u64_max(after, leaves_after(r, a));
        }
        return after;
}

/* A turn ends, then what runs; and those who were promised room before have their turn first. */
static uint64_t room_expected(const struct round *r, const struct admission *a) {
        uint64_t now_ms = r->snapshot->now_ms;
        if (a->verdict == VERDICT_ADMIT)
                return now_ms;
        if (a->verdict != VERDICT_EVICT && a->verdict != VERDICT_WAIT)
                return UINT64_MAX;
        if (a->guarded_until_ms > 0)
                return a->guarded_until_ms;
        uint64_t turn_ms = !a->promised && a->look_again_ms != UINT64_MAX ? u64_max(a->look_again_ms, now_ms) : now_ms;
        uint64_t room_ms = sat_add(turn_ms, last_leaves_after(r, a->promised));
        return a->promised ? room_ms : u64_max(room_ms, r->later_ms);
}

static void expect_room(struct round *r, const struct want *want, const struct admission *a, struct load *load) {
        load->room_ms = room_expected(r, a);
        if (load->room_ms == UINT64_MAX)
                return;
        uint64_t ready_ms = sat_add(load->room_ms, policy_load_ms(want->load_ms, want->forms[load->form].bytes));
        r->later_ms = u64_max(r->later_ms, sat_add(ready_ms, policy_turn_ms(r->limits->turn_ms, r->limits->min_residency_ms)));
}

/* An emergency has no time for them. */
static bool pools_may_change(const struct limits *limits, const struct plan *plan) {
        return limits->passive || !plan->emergency;
}

/* What nobody uses, and prefixes: no model leaves for those. */
static bool cut_pools(struct round *r, const struct want *want, uint32_t form) {
        const struct admission_want asked = admission_want_of(want, form);
        return pools_may_change(r->limits, r->plan) && (round_cut_pools(r, POOL_UNUSED, &asked, want->id, want->since_ms) ||
                                                        round_cut_pools(r, POOL_PREFIXES, &asked, want->id, want->since_ms));
}

/* Idle ones that leave are milder than what follows; so is the end of a wait that is in sight. */
static bool is_answered_mildly(const struct round *r, const struct admission *a) {
        bool mildly = a->verdict == VERDICT_ADMIT || a->verdict == VERDICT_NEVER || a->promised;
        if (a->verdict != VERDICT_EVICT)
                return mildly;
        for (uint32_t k = 0; k < a->victims_count; k++)
                for (uint32_t i = 0; i < r->count; i++)
                        if (r->accounts[i].id == a->victims[k] && r->accounts[i].state != ACCOUNT_IDLE)
                                return false;
        return true;
}

/* Of those that run: their precision; then, where none would leave in its turn, requests that came later wait, though never for batch work. */
static bool press(struct round *r, const struct want *want, uint32_t form, enum verdict verdict) {
        const struct admission_want asked = admission_want_of(want, form);
        uint64_t whole_bytes = want->forms[form].whole_bytes;
        if (r->limits->passive || r->plan->emergency)
                return false;
        return round_lower_precision(r, want, &asked, whole_bytes) ||
               (verdict != VERDICT_EVICT && !want->batch && round_turn_has_come(r, want->since_ms) &&
                round_ask_beside(r, asked, whole_bytes).verdict == VERDICT_ADMIT &&
                round_cut_pools(r, POOL_RUNNING, &asked, want->id, want->since_ms));
}

static struct load answer(struct round *r, const struct want *want, const struct loads_past *past, struct loads_past *next) {
        struct load load = { .model = want->id,
                             .look_again_ms = UINT64_MAX,
                             .room_ms = UINT64_MAX,
                             .because = held_because(r->limits, r->plan, want) };
        if (load.because != REASON_NONE) {
                load.verdict = VERDICT_HELD;
                return load;
        }
        struct admission a = ask(r, want, &load.form);
        if (a.verdict != VERDICT_ADMIT && a.verdict != VERDICT_NEVER && cut_pools(r, want, load.form))
                a = ask(r, want, &load.form);
        if (!is_answered_mildly(r, &a) && press(r, want, load.form, a.verdict))
                a = ask(r, want, &load.form);
        if (a.verdict == VERDICT_ADMIT)
                a = round_ask_beside(r, asked_for(r, want, load.form), want->forms[load.form].whole_bytes);
        load.verdict = a.verdict;
        load.context = a.verdict == VERDICT_ADMIT ? context_of(r, want, load.form) : want->context;
        load.room = room_of(&a);
        load.look_again_ms = a.look_again_ms;
        load.guarded_until_ms = a.guarded_until_ms;
        load.because = a.guarded_until_ms > 0 ? REASON_PROTECTED : REASON_NONE;
        follow(r, want, &a, past, next, &load);
        expect_room(r, want, &a, &load);
        return load;
}

static bool comes_before(const struct want *a, const struct want *b) {
        return a->since_ms != b->since_ms ? a->since_ms < b->since_ms : a->id < b->id;
}

/* The longest waiter of those that are not ANSWERED; of equals, in order of configuration. NULL: all are. */
static const struct want *next_want(const struct snapshot *s, const bool answered[]) {
        const struct want *next = NULL;
        for (uint32_t i = 0; i < s->wants_count; i++) {
                if (!answered[i] && (next == NULL || comes_before(&s->wants[i], next)))
                        next = &s->wants[i];
        }
        return next;
}

void policy_loads(const struct limits *limits, const struct snapshot *snapshot, struct loads_past *past, struct plan *plan) {
        struct round r = { .limits = limits, .snapshot = snapshot, .plan = plan };
        struct loads_past next = { 0 };
        bool answered[WANTS_MAX] = { false };
        assert(snapshot->wants_count <= WANTS_MAX);
        open_accounts(&r, plan);
        see_to_overrun(&r);
        if (pools_may_change(limits, plan) && (limits->passive || !plan->hold_loads))
                round_grow_pools(&r);
        for (const struct want *want; (want = next_want(snapshot, answered)) != NULL;) {
                answered[want - snapshot->wants] = true;
                plan->loads[plan->loads_count++] = answer(&r, want, past, &next);
        }
        *past = next;
        plan->free_bytes = round_free_bytes(&r);
        if (pools_may_change(limits, plan))
                policy_pools_rest(snapshot, plan);
}

bool policy_has_room(const struct limits *limits, const struct snapshot *snapshot, uint64_t bytes) {
        struct round r = { .limits = limits, .snapshot = snapshot };
        open_accounts(&r, NULL);
        struct admission_limits admission_limits = round_limits(&r);
        struct admission_snapshot now = round_now(&r);
        now.has_place = true;
        struct admission_want want = { .bytes = bytes, .since_ms = snapshot->now_ms };
        return policy_admission(&admission_limits, &now, &want).verdict == VERDICT_ADMIT;
}

/* --- candidates --- */

struct choice {
        const struct plan *plan;
        const struct load *load; /* NULL: what the plan ends or unloads for no load */
        const struct want *want; /* of that load */
};

/* NULL: it stays. */
static const struct unload *unload_of(const struct plan *plan, uint32_t model) {
        for (uint32_t i = 0; i < plan->unloads_count; i++) {
                if (plan->unloads[i].model == model)
                        return &plan->unloads[i];
        }
        return NULL;
}

static bool is_chosen(const struct round *r, const struct choice *choice, uint32_t model) {
        const struct unload *u = unload_of(choice->plan, model);
        if (u && u->for_model == (choice->load ? choice->load->model : UINT32_MAX))
                return true;
        return !choice->load && !r->limits->passive && is_ended_by(choice->plan, model);
}

/* Use protects from the governor's own actions and from a want, and from no overrun. */
static bool is_in_use(const struct round *r, const struct account *a, const struct choice *choice) {
        struct admission_limits limits = round_limits(r);
        const struct want *want = choice->want;
        if (!want)
                return choice->plan->overrun.rule == RULE_NONE && a->last_end_ms > 0 &&
                       sat_sub(r->snapshot->now_ms, a->last_end_ms) < IN_USE_MS;
        struct admission_want asked = { .priority = want->priority, .since_ms = want->since_ms };
        return policy_admission_protects(&limits, a, &asked, r->snapshot->now_ms);
}

static enum candidate_fate fate_of(const struct round *r, const struct account *a, const struct choice *choice) {
        if (is_chosen(r, choice, a->id))
                return CANDIDATE_LEAVES;
        if (a->state == ACCOUNT_DRAINING || a->state == ACCOUNT_STOPPING || unload_of(choice->plan, a->id))
                return CANDIDATE_LEAVING;
        if (a->pinned)
                return CANDIDATE_PINNED;
        if (choice->want && policy_is_guarded(a, r->snapshot->now_ms))
                return CANDIDATE_PROTECTED;
        if (a->state == ACCOUNT_LOADING)
                return CANDIDATE_LOADING;
        if (a->state == ACCOUNT_BUSY)
                return CANDIDATE_BUSY;
        return is_in_use(r, a, choice) ? CANDIDATE_IN_USE : CANDIDATE_SPARED;
}

static struct candidate candidate_of(const struct round *r, const struct account *a, const struct choice *choice) {
        uint64_t since_ms = u64_max(a->loaded_ms, a->last_end_ms);
        return (struct candidate){ .model = a->id,
                                   .fate = fate_of(r, a, choice),
                                   .bytes = a->bytes,
                                   .idle_ms = a->state == ACCOUNT_IDLE ? sat_sub(r->snapshot->now_ms, since_ms) : 0 };
}

static const struct want *want_of(const struct snapshot *snapshot, uint32_t model) {
        for (uint32_t i = 0; i < snapshot->wants_count; i++) {
                if (snapshot->wants[i].id == model)
                        return &snapshot->wants[i];
        }
        return NULL;
}

uint32_t policy_candidates(const struct limits *limits, const struct snapshot *snapshot, const struct plan *plan,
                           const struct load *load, struct candidate ret[ACCOUNTS_MAX]) {
        struct round r = { .limits = limits, .snapshot = snapshot };
        const struct choice choice = { plan, load, load ? want_of(snapshot, load->model) : NULL };
        uint32_t count = 0, leaving = 0;
        open_accounts(&r, load ? plan : NULL);
        for (uint32_t i = 0; i < r.count; i++) {
                ret[count] = candidate_of(&r, &r.accounts[i], &choice);
                if (ret[count].fate == CANDIDATE_LEAVES) {
                        struct candidate c = ret[count];
                        ret[count] = ret[leaving];
                        ret[leaving++] = c;
                }
                count++;
        }
        return count;
}

const char *policy_fate_word(enum candidate_fate fate) {
        static const char *const words[CANDIDATE_FATES] = {
                [CANDIDATE_LEAVES] = "leaves", [CANDIDATE_SPARED] = "spared",       [CANDIDATE_IN_USE] = "in_use",
                [CANDIDATE_BUSY] = "busy",     [CANDIDATE_LOADING] = "loading",     [CANDIDATE_LEAVING] = "leaving",
                [CANDIDATE_PINNED] = "pinned", [CANDIDATE_PROTECTED] = "protected",
        };
        assert(fate < CANDIDATE_FATES);
        return words[fate];
}
