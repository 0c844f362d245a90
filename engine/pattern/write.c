/* write.c - a term as a grammar: as it stands, or a rule for each state. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pattern/term.h"

struct writer {
        struct regular *r;
        const struct json_text *j;
        struct grammar_builder *b;
        uint32_t depth;
        /* Code points fall into ranges, and these into kinds that all sets hold or do not hold as one. */
        uint32_t *starts, ranges_count; /* the last is behind all */
        uint8_t *kinds;                 /* of each range */
        uint32_t kinds_count;
        uint64_t *masks; /* of each set: its kinds */
        /* States: */
        uint32_t *states, states_count; /* their terms, in the order in which they were found */
        uint32_t *rules;                /* of each term that is a state; UINT32_MAX: it is none */
        uint32_t rules_count;           /* room in `rules` */
};

/* ---- as it stands ---- */

static uint32_t write_char(const struct writer *w, uint32_t set) {
        const struct char_set *s = &w->r->sets[set];
        struct char_set copy = { 0 };
        if (s->count == 1 && s->ranges[0].first <= 1 && s->ranges[0].last == CODE_POINT_MAX)
                return grammar_builder_call(w->b, w->j->character);
        for (uint32_t i = 0; i < s->count; i++)
                char_set_add(&copy, s->ranges[i].first, s->ranges[i].last);
        uint32_t e = json_text_char(w->b, &copy);
        char_set_done(&copy);
        return e;
}

static uint32_t write_plain(struct writer *w, uint32_t a);

/* Lists are long, and no nesting. */
static uint32_t write_list(struct writer *w, enum regular_kind kind, uint32_t a) {
        uint32_t e = kind == TERM_THEN ? grammar_builder_sequence(w->b) : grammar_builder_choice(w->b);
        for (; w->r->terms[a].kind == kind && !w->b->broken; a = w->r->terms[a].b)
                grammar_builder_add(w->b, e, write_plain(w, w->r->terms[a].a));
        grammar_builder_add(w->b, e, write_plain(w, a));
        return e;
}

static uint32_t write_plain(struct writer *w, uint32_t a) {
        const struct regular_term t = w->r->terms[a];
        if (a == REGULAR_EMPTY)
                return grammar_builder_sequence(w->b);
        if (++w->depth > REGULAR_DEPTH_MAX)
                (void) regular_fail(w->r, -E2BIG);
        if (w->r->broken)
                return 0;
        uint32_t e;
        switch ((enum regular_kind) t.kind) {
        case TERM_CHAR: e = write_char(w, t.a); break;
        case TERM_THEN:
        case TERM_EITHER: e = write_list(w, t.kind, a); break;
        case TERM_REPEAT: e = grammar_builder_repeat(w->b, write_plain(w, t.a), t.least, t.most); break;
        default: e = grammar_builder_choice(w->b); break; /* nothing */
        }
        w->depth--;
        return e;
}

/* ---- kinds of characters ---- */

static int ascending(const void *left, const void *right) {
        uint32_t a = *(const uint32_t *) left, b = *(const uint32_t *) right;
        return a < b ? -1 : a > b;
}

/* The beginnings of all ranges that some set tells apart from what is before them, and the end. */
static bool find_ranges(struct writer *w) {
        uint32_t count = 2, kept = 0;
        for (uint32_t i = 0; i < w->r->sets_count; i++)
                count += 2 * w->r->sets[i].count;
        if (count > REGULAR_RANGES_MAX) {
                (void) regular_fail(w->r, -E2BIG);
                return false;
        }
        w->starts = malloc(count * sizeof(*w->starts));
        w->kinds = calloc(count, sizeof(*w->kinds));
        w->masks = calloc(w->r->sets_count, sizeof(*w->masks));
        if (!w->starts || !w->kinds || !w->masks) {
                (void) regular_fail(w->r, -ENOMEM);
                return false;
        }
        w->starts[0] = 1; /* no text holds a NUL */
        w->starts[1] = CODE_POINT_MAX + 1;
        count = 2;
        for (uint32_t i = 0; i < w->r->sets_count; i++)
                for (uint32_t k = 0; k < w->r->sets[i].count; k++) {
                        w->starts[count++] = w->r->sets[i].ranges[k].first;
                        w->starts[count++] = w->r->sets[i].ranges[k].last + 1;
                }
        qsort(w->starts, count, sizeof(*w->starts), ascending);
        for (uint32_t i = 0; i < count; i++)
                if (!kept || w->starts[i] != w->starts[kept - 1])
                        w->starts[kept++] = w->starts[i];
        w->ranges_count = kept - 1;
        return true;
}

/* Each kind of which SET holds a part falls into two. */
static void split_kinds(struct writer *w, const struct char_set *set) {
        int within[REGULAR_KINDS_MAX], beside[REGULAR_KINDS_MAX]; /* the numbers of each kind's parts; -1: none yet */
        memset(within, -1, sizeof(within));
        memset(beside, -1, sizeof(beside));
        uint32_t count = 0;
        for (uint32_t i = 0; i < w->ranges_count; i++) {
                int *part = &(char_set_has(set, w->starts[i]) ? within : beside)[w->kinds[i]];
                if (*part < 0 && count == REGULAR_KINDS_MAX) {
                        (void) regular_fail(w->r, -E2BIG);
                        return;
                }
                if (*part < 0)
                        *part = (int) count++;
                w->kinds[i] = (uint8_t) *part;
        }
        w->kinds_count = count;
}

static bool find_kinds(struct writer *w) {
        if (!find_ranges(w))
                return false;
        for (uint32_t i = 0; i < w->r->sets_count && !w->r->broken; i++)
                split_kinds(w, &w->r->sets[i]);
        for (uint32_t i = 0; i < w->r->sets_count; i++)
                for (uint32_t k = 0; k < w->ranges_count; k++)
                        if (char_set_has(&w->r->sets[i], w->starts[k]))
                                w->masks[i] |= 1ull << w->kinds[k];
        return !w->r->broken;
}

static uint32_t write_kinds(const struct writer *w, uint64_t mask) {
        struct char_set set = { 0 };
        for (uint32_t i = 0; i < w->ranges_count; i++)
                if (mask >> w->kinds[i] & 1)
                        char_set_add(&set, w->starts[i], w->starts[i + 1] - 1);
        uint32_t e = json_text_char(w->b, &set);
        char_set_done(&set);
        return e;
}

/* ---- states ---- */

/* What is left of A behind a character of KIND. */
static uint32_t behind(struct writer *w, uint32_t a, uint32_t kind) {
        struct regular *r = w->r;
        uint32_t left = REGULAR_NOTHING;
        if (a == REGULAR_EMPTY || r->broken)
                return REGULAR_NOTHING;
        const struct regular_term t = r->terms[a];
        if (++w->depth > REGULAR_DEPTH_MAX)
                return regular_fail(r, -E2BIG);
        switch ((enum regular_kind) t.kind) {
        case TERM_CHAR: left = w->masks[t.a] >> kind & 1 ? REGULAR_EMPTY : REGULAR_NOTHING; break;
        case TERM_THEN:
                left = regular_then(r, behind(w, t.a, kind), t.b);
                if (r->terms[t.a].nullable)
                        left = regular_either(r, left, behind(w, t.b, kind));
                break;
        case TERM_EITHER: left = regular_either(r, behind(w, t.a, kind), behind(w, t.b, kind)); break;
        case TERM_BOTH: left = regular_both(r, behind(w, t.a, kind), behind(w, t.b, kind)); break;
        case TERM_NOT: left = regular_not(r, behind(w, t.a, kind)); break;
        case TERM_REPEAT: {
                uint32_t once = behind(w, t.a, kind), least = t.least ? t.least - 1 : 0;
                uint32_t most = t.most == GRAMMAR_UNBOUNDED ? t.most : t.most - 1;
                left = regular_then(r, once, regular_repeat(r, t.a, least, most));
                break;
        }
        default: break;
        }
        w->depth--;
        return left;
}

/* The rule of state A. */
static uint32_t rule_of(struct writer *w, uint32_t a) {
        if (a >= w->rules_count) {
                uint32_t *grown = realloc(w->rules, 2 * (a + 1) * sizeof(*grown));
                if (!grown) {
                        (void) regular_fail(w->r, -ENOMEM);
                        return 0;
                }
                memset(grown + w->rules_count, 0xff, (2 * (a + 1) - w->rules_count) * sizeof(*grown));
                w->rules = grown;
                w->rules_count = 2 * (a + 1);
        }
        if (w->rules[a] != UINT32_MAX)
                return w->rules[a];
        if (w->states_count == REGULAR_STATES_MAX) {
                (void) regular_fail(w->r, -E2BIG);
                return 0;
        }
        w->states[w->states_count++] = a;
        return w->rules[a] = grammar_builder_rule(w->b, "state", 5);
}

/* From A to each state that a character leads to. */
static uint32_t write_state(struct writer *w, uint32_t a) {
        uint32_t choice = grammar_builder_choice(w->b), targets[REGULAR_KINDS_MAX], count = 0;
        uint64_t masks[REGULAR_KINDS_MAX];
        for (uint32_t kind = 0; kind < w->kinds_count && !w->r->broken; kind++) {
                uint32_t target = behind(w, a, kind), i = 0;
                if (target == REGULAR_NOTHING)
                        continue;
                while (i < count && targets[i] != target)
                        i++;
                masks[i] = (i < count ? masks[i] : 0) | 1ull << kind;
                targets[i] = target;
                count += i == count;
        }
        for (uint32_t i = 0; i < count && !w->r->broken; i++) {
                uint32_t e = grammar_builder_sequence(w->b);
                grammar_builder_add(w->b, e, write_kinds(w, masks[i]));
                if (targets[i] != REGULAR_EMPTY)
                        grammar_builder_add(w->b, e, grammar_builder_call(w->b, rule_of(w, targets[i])));
                grammar_builder_add(w->b, choice, e);
        }
        if (w->r->terms[a].nullable)
                grammar_builder_add(w->b, choice, grammar_builder_sequence(w->b));
        return choice;
}

static uint32_t write_states(struct writer *w, uint32_t a) {
        if (!find_kinds(w))
                return 0;
        w->states = malloc(REGULAR_STATES_MAX * sizeof(*w->states));
        if (!w->states) {
                (void) regular_fail(w->r, -ENOMEM);
                return 0;
        }
        uint32_t first = rule_of(w, a);
        for (uint32_t i = 0; i < w->states_count && !w->r->broken && !w->b->broken; i++) {
                w->depth = 0;
                uint32_t body = write_state(w, w->states[i]);
                grammar_builder_set_body(w->b, w->rules[w->states[i]], body);
        }
        return grammar_builder_call(w->b, first);
}

int regular_write(struct regular *r, const struct json_text *j, struct grammar_builder *b, uint32_t a, uint32_t *ret_expression) {
        struct writer w = { .r = r, .j = j, .b = b };
        if (!r->broken)
                *ret_expression = r->terms[a].plain ? write_plain(&w, a) : write_states(&w, a);
        free(w.starts);
        free(w.kinds);
        free(w.masks);
        free(w.states);
        free(w.rules);
        return r->broken;
}
