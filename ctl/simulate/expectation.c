/* expectation.c - the `expect` lines of a scenario: tables of words, and how each is compared with a plan. */
#include "ctl/simulate/expectation.h"

#include <string.h>

#include "policy/record/field_text.h"

bool word_is(struct word w, const char *text) {
        return strlen(text) == w.length && memcmp(w.text, text, w.length) == 0;
}

/* --- numbers of a plan --- */

enum number_kind { NUMBER_BYTES, NUMBER_TIME, NUMBER_TIME_FROM_NOW, NUMBER_U32, NUMBER_I32, NUMBER_U64, NUMBER_SIGNED_BYTES };

static const struct number {
        const char *name;
        enum number_kind kind;
        size_t offset;
} numbers[] = {
        { "acts", NUMBER_U32, offsetof(struct plan, actions_count) },
        { "loads", NUMBER_U32, offsetof(struct plan, loads_count) },
        { "unloads", NUMBER_U32, offsetof(struct plan, unloads_count) },
        { "headroom", NUMBER_SIGNED_BYTES, offsetof(struct plan, headroom_bytes) },
        { "slope", NUMBER_SIGNED_BYTES, offsetof(struct plan, slope_bytes_per_s) },
        { "freed", NUMBER_BYTES, offsetof(struct plan, verified_freed_bytes) },
        { "exhaustion", NUMBER_TIME, offsetof(struct plan, exhaustion_ms) },
        { "cliff", NUMBER_TIME, offsetof(struct plan, cliff_ms) },
        { "look_again", NUMBER_TIME_FROM_NOW, offsetof(struct plan, look_again_ms) },
        { "heat_level", NUMBER_U32, offsetof(struct plan, heat_level) },
        { "duty_permille", NUMBER_U32, offsetof(struct plan, duty_permille) },
        { "threads_permille", NUMBER_U32, offsetof(struct plan, threads_permille) },
        { "margin_millidegrees", NUMBER_I32, offsetof(struct plan, margin_millidegrees) },
        { "millidegrees", NUMBER_I32, offsetof(struct plan, millidegrees) },
        { "stall_permille", NUMBER_U32, offsetof(struct plan, stall_permille) },
        { "refaults_per_s", NUMBER_U64, offsetof(struct plan, refaults_per_s) },
        { "swapins_per_s", NUMBER_U64, offsetof(struct plan, swapins_per_s) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int64_t narrowed(uint64_t value) {
        return value > INT64_MAX ? INT64_MAX : (int64_t) value;
}

static int64_t number_of(const struct number *n, const struct snapshot *snapshot, const struct plan *plan) {
        const char *member = (const char *) plan + n->offset;
        uint64_t wide;
        uint32_t narrow;
        int32_t whole;
        int64_t big;
        switch (n->kind) {
        case NUMBER_U32: memcpy(&narrow, member, sizeof(narrow)); return narrow;
        case NUMBER_I32: memcpy(&whole, member, sizeof(whole)); return whole;
        case NUMBER_SIGNED_BYTES: memcpy(&big, member, sizeof(big)); return big;
        default: memcpy(&wide, member, sizeof(wide)); break;
        }
        if (n->kind == NUMBER_TIME_FROM_NOW)
                wide = wide > snapshot->now_ms ? wide - snapshot->now_ms : 0;
        return narrowed(wide);
}

static bool parse_number(const struct number *n, struct word w, int64_t *ret) {
        bool is_time = n->kind == NUMBER_TIME || n->kind == NUMBER_TIME_FROM_NOW;
        bool negative = n->kind == NUMBER_SIGNED_BYTES && w.length > 0 && w.text[0] == '-';
        if (is_time && word_is(w, "never")) {
                *ret = INT64_MAX;
                return true;
        }
        enum field_kind kind = is_time                                                     ? FIELD_MS
                               : n->kind == NUMBER_BYTES || n->kind == NUMBER_SIGNED_BYTES ? FIELD_BYTES
                                                                                           : FIELD_INT;
        if (!policy_number_parse(kind, w.text + negative, w.length - negative, ret))
                return false;
        *ret = negative ? -*ret : *ret;
        return true;
}

/* --- flags of a plan --- */

static const struct flag_member {
        const char *name;
        size_t offset;
} flags[] = {
        { "hold_loads", offsetof(struct plan, hold_loads) },
        { "hold_growth", offsetof(struct plan, hold_growth) },
        { "hold_batch", offsetof(struct plan, hold_batch) },
        { "emergency", offsetof(struct plan, emergency) },
};

/* --- parsing --- */

struct words {
        const struct word *next, *end;
};

static bool take(struct words *w, const char *text) {
        if (w->next == w->end || !word_is(*w->next, text))
                return false;
        w->next++;
        return true;
}

static bool take_reason(struct words *w, enum reason *ret) {
        for (unsigned r = 0; w->next < w->end && r < REASON_COUNT; r++)
                if (word_is(*w->next, reason_info((enum reason) r)->word)) {
                        *ret = (enum reason) r;
                        w->next++;
                        return true;
                }
        return false;
}

static bool take_action(struct words *w, enum action_kind *ret) {
        for (unsigned k = ACTION_NONE + 1; w->next < w->end && k < ACTION_COUNT; k++)
                if (word_is(*w->next, policy_action_word((enum action_kind) k))) {
                        *ret = (enum action_kind) k;
                        w->next++;
                        return true;
                }
        return false;
}

static bool take_u32(struct words *w, uint32_t *ret) {
        int64_t value;
        if (w->next == w->end || !policy_number_parse(FIELD_COUNT_U32, w->next->text, w->next->length, &value) || value < 0 ||
            value >= UINT32_MAX)
                return false;
        *ret = (uint32_t) value;
        w->next++;
        return true;
}

static bool has_level(enum action_kind kind) {
        return kind == ACTION_DOWNSHIFT || kind == ACTION_UPSHIFT;
}

static bool take_level(struct words *w, uint32_t *ret) {
        const char *word;
        for (uint32_t l = 0; w->next < w->end && (word = policy_field_word(FIELD_LEVEL, l)) != NULL; l++)
                if (word_is(*w->next, word)) {
                        *ret = l;
                        w->next++;
                        return true;
                }
        return false;
}

static const char *parse_action(struct words *w, struct expectation *e) {
        e->kind = EXPECT_ACTION;
        e->model = UINT32_MAX;
        e->because = REASON_COUNT;
        (void) take_u32(w, &e->model);
        if (take(w, "to")) {
                if (!has_level(e->action) && !policy_action_has_value(e->action))
                        return "this act has no value";
                if (has_level(e->action) ? !take_level(w, &e->to) : !take_u32(w, &e->to))
                        return "the value after 'to' is none of this act";
                e->has_to = true;
        }
        if (take(w, "because") && !take_reason(w, &e->because))
                return "there is no such reason";
        return NULL;
}

static bool take_verdict(struct words *w, enum verdict *ret) {
        for (unsigned v = 0; w->next < w->end && v < VERDICT_COUNT; v++)
                if (word_is(*w->next, policy_verdict_word((enum verdict) v))) {
                        *ret = (enum verdict) v;
                        w->next++;
                        return true;
                }
        return false;
}

/* The answer to a model that waits. */
static const char *parse_load(struct words *w, struct expectation *e) {
        e->kind = EXPECT_LOAD;
        e->verdict = VERDICT_COUNT;
        e->because = REASON_COUNT;
        if (!take_u32(w, &e->model))
                return "after 'load' stands the number of the model";
        e->refused = take(w, "refused");
        if (!take_verdict(w, &e->verdict) && !e->refused)
                return "there is no such verdict";
        if (take(w, "because") && !take_reason(w, &e->because))
                return "there is no such reason";
        return NULL;
}

static const char *parse_unload(struct words *w, struct expectation *e) {
        e->kind = EXPECT_UNLOAD;
        e->for_model = UINT32_MAX;
        e->because = REASON_COUNT;
        if (!take_u32(w, &e->model))
                return "after 'unload' stands the number of the model";
        if (take(w, "for") && !take_u32(w, &e->for_model))
                return "after 'for' stands the number of a model";
        if (take(w, "because") && !take_reason(w, &e->because))
                return "there is no such reason";
        return NULL;
}

static enum comparison take_comparison(struct words *w) {
        return take(w, "at_least") ? AT_LEAST : take(w, "at_most") ? AT_MOST : EXACTLY;
}

static const char *parse_rung(struct words *w, struct expectation *e) {
        e->kind = EXPECT_RUNG;
        e->comparison = take_comparison(w);
        for (unsigned r = 0; w->next < w->end && r < RUNG_COUNT; r++)
                if (word_is(*w->next, policy_rung_word((enum rung) r))) {
                        e->rung = (enum rung) r;
                        w->next++;
                        return NULL;
                }
        return "there is no such rung";
}

static const char *parse_because(struct words *w, struct expectation *e, enum expectation_kind kind) {
        e->kind = kind;
        return take_reason(w, &e->because) ? NULL : "there is no such reason";
}

static const char *parse_verified(struct words *w, struct expectation *e) {
        e->kind = EXPECT_VERIFIED;
        e->model = UINT32_MAX;
        if (!take_action(w, &e->action))
                return "there is no such act";
        (void) take_u32(w, &e->model);
        return NULL;
}

/* A flag or a number of the plan. */
static const char *parse_member(struct words *w, struct expectation *e) {
        for (size_t i = 0; i < COUNT(flags); i++)
                if (take(w, flags[i].name)) {
                        e->kind = EXPECT_FLAG;
                        e->member = flags[i].offset;
                        return NULL;
                }
        for (size_t i = 0; i < COUNT(numbers); i++)
                if (take(w, numbers[i].name)) {
                        e->kind = EXPECT_NUMBER;
                        e->member = i;
                        e->comparison = take_comparison(w);
                        if (w->next == w->end || !parse_number(&numbers[i], *w->next, &e->number))
                                return "the value is none of this number";
                        w->next++;
                        return NULL;
                }
        return "nothing of this name can be expected";
}

static const char *parse_any_action(struct words *w, struct expectation *e) {
        e->kind = EXPECT_ANY_ACTION;
        return take(w, "acts") && e->negated ? NULL : "nothing of this name can be expected";
}

static const char *parse_what(struct words *w, struct expectation *e) {
        if (take_action(w, &e->action))
                return parse_action(w, e);
        if (e->until_now || (e->negated && w->end - w->next == 1 && word_is(*w->next, "acts")))
                return parse_any_action(w, e);
        if (take(w, "nothing")) {
                e->kind = EXPECT_NOTHING;
                return e->negated ? "'no nothing' says nothing" : NULL;
        }
        if (take(w, "rung"))
                return parse_rung(w, e);
        if (take(w, "load"))
                return parse_load(w, e);
        if (take(w, "unload"))
                return parse_unload(w, e);
        if (take(w, "because"))
                return parse_because(w, e, EXPECT_BECAUSE);
        if (take(w, "heat_because"))
                return parse_because(w, e, EXPECT_HEAT_BECAUSE);
        if (take(w, "verified"))
                return parse_verified(w, e);
        return parse_member(w, e);
}

const char *expectation_parse(const struct word words[], uint32_t count, struct expectation *ret) {
        struct words w = { words, words + count };
        struct expectation e = { 0 };
        e.until_now = take(&w, "until_now");
        e.negated = take(&w, "no");
        if (w.next == w.end)
                return "what is expected?";
        const char *wrong = parse_what(&w, &e);
        if (!wrong && w.next != w.end)
                return "there is more than belongs to it";
        if (!wrong)
                *ret = e;
        return wrong;
}

/* --- comparing --- */

uint32_t action_target(const struct action *action) {
        return has_level(action->kind) ? (uint32_t) action->level : action->value;
}

static bool same_action(const struct action *a, const struct action *b) {
        return a->kind == b->kind && a->model == b->model && a->because == b->because && action_target(a) == action_target(b);
}

static bool deeds_has(const struct deeds *d, const struct action *action) {
        for (uint32_t i = 0; i < d->count; i++)
                if (same_action(&d->all[i], action))
                        return true;
        return false;
}

bool deeds_add(struct deeds *d, const struct plan *plan) {
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                if (deeds_has(d, &plan->actions[i]))
                        continue;
                if (d->count == DEEDS_MAX)
                        return false;
                d->all[d->count++] = plan->actions[i];
        }
        return true;
}

static bool action_matches(const struct expectation *e, const struct action *a) {
        return a->kind == e->action && (e->model == UINT32_MAX || a->model == e->model) &&
               (!e->has_to || action_target(a) == e->to) && (e->because == REASON_COUNT || a->because == e->because);
}

static bool any_action(const struct expectation *e, const struct action actions[], uint32_t count) {
        for (uint32_t i = 0; i < count; i++)
                if (e->kind == EXPECT_ANY_ACTION || action_matches(e, &actions[i]))
                        return true;
        return false;
}

static bool any_load(const struct expectation *e, const struct plan *plan) {
        for (uint32_t i = 0; i < plan->loads_count; i++) {
                const struct load *load = &plan->loads[i];
                if (load->model == e->model && load->refused == e->refused &&
                    (e->verdict == VERDICT_COUNT || load->verdict == e->verdict) &&
                    (e->because == REASON_COUNT || load->because == e->because))
                        return true;
        }
        return false;
}

static bool any_unload(const struct expectation *e, const struct plan *plan) {
        for (uint32_t i = 0; i < plan->unloads_count; i++) {
                const struct unload *u = &plan->unloads[i];
                if (u->model == e->model && (e->for_model == UINT32_MAX || u->for_model == e->for_model) &&
                    (e->because == REASON_COUNT || u->because == e->because))
                        return true;
        }
        return false;
}

static bool compares(enum comparison c, int64_t is, int64_t expected) {
        return c == EXACTLY ? is == expected : c == AT_LEAST ? is >= expected : is <= expected;
}

static bool is_so(const struct expectation *e, const struct snapshot *snapshot, const struct plan *plan,
                  const struct deeds *deeds) {
        bool flag;
        switch (e->kind) {
        case EXPECT_NOTHING:
                return plan->actions_count == 0 && !plan->hold_loads && !plan->hold_growth && !plan->hold_batch &&
                       !plan->emergency;
        case EXPECT_ACTION:
        case EXPECT_ANY_ACTION:
                return any_action(e, plan->actions, plan->actions_count) ||
                       (e->until_now && any_action(e, deeds->all, deeds->count));
        case EXPECT_LOAD: return any_load(e, plan);
        case EXPECT_UNLOAD: return any_unload(e, plan);
        case EXPECT_RUNG: return compares(e->comparison, plan->rung, e->rung);
        case EXPECT_BECAUSE: return plan->because == e->because;
        case EXPECT_HEAT_BECAUSE: return plan->heat_because == e->because;
        case EXPECT_FLAG: memcpy(&flag, (const char *) plan + e->member, sizeof(flag)); return flag;
        case EXPECT_VERIFIED:
                return plan->verified.kind == e->action && (e->model == UINT32_MAX || plan->verified.model == e->model);
        case EXPECT_NUMBER: return compares(e->comparison, number_of(&numbers[e->member], snapshot, plan), e->number);
        }
        return false;
}

bool expectation_holds(const struct expectation *e, const struct snapshot *snapshot, const struct plan *plan,
                       const struct deeds *deeds) {
        return is_so(e, snapshot, plan, deeds) != e->negated;
}
