/*
 * settle.c - assertions of a pattern: what each says of the text behind it is put there.
 *
 * A term with assertions is settled from behind, with what follows it: $ leaves the empty text of that, what looks ahead is met with it.
 */
#include <errno.h>

#include "engine/pattern/term.h"

struct settle {
        struct regular *r;
        bool cannot;
        uint32_t depth;
};

static uint32_t settle(struct settle *s, uint32_t a, uint32_t behind, bool at_start);

/* X(LEAST) of A may be followed by what is BEHIND, X(MOST) must be: each copy has the next behind it. */
static uint32_t settle_repeat(struct settle *s, struct regular_term t, uint32_t behind, bool at_start) {
        uint32_t next = behind;
        if (t.most > REGULAR_COPIES_MAX) {
                s->cannot = true;
                return REGULAR_NOTHING;
        }
        for (uint32_t i = t.most; i-- > 0;) {
                uint32_t copy = settle(s, t.a, next, at_start && i == 0);
                next = i >= t.least ? regular_either(s->r, copy, behind) : copy;
        }
        return next;
}

static uint32_t settle_then(struct settle *s, struct regular_term t, uint32_t behind, bool at_start) {
        const struct regular_term first = s->r->terms[t.a];
        bool stays = first.longest == 0;
        if (at_start && !stays && first.nullable && s->r->terms[t.b].begins)
                s->cannot = true; /* ^ behind what may be there or not */
        uint32_t second = settle(s, t.b, behind, at_start && stays);
        return settle(s, t.a, second, at_start);
}

static uint32_t settle_kind(struct settle *s, struct regular_term t, uint32_t behind, bool at_start) {
        struct regular *r = s->r;
        switch ((enum regular_kind) t.kind) {
        case TERM_THEN: return settle_then(s, t, behind, at_start);
        case TERM_EITHER: return regular_either(r, settle(s, t.a, behind, at_start), settle(s, t.b, behind, at_start));
        case TERM_REPEAT: return settle_repeat(s, t, behind, at_start);
        case TERM_BEGIN: return at_start ? behind : REGULAR_NOTHING;
        case TERM_END: return regular_both(r, REGULAR_EMPTY, behind);
        case TERM_LOOK: return regular_both(r, settle(s, t.a, REGULAR_ANY, at_start), behind);
        case TERM_LOOK_NOT: return regular_both(r, regular_not(r, settle(s, t.a, REGULAR_ANY, at_start)), behind);
        default: return REGULAR_NOTHING; /* no pattern makes one */
        }
}

static uint32_t settle(struct settle *s, uint32_t a, uint32_t behind, bool at_start) {
        if (s->r->broken || s->cannot)
                return REGULAR_NOTHING;
        const struct regular_term t = s->r->terms[a];
        if (!t.asserts)
                return regular_then(s->r, a, behind);
        if (s->depth == REGULAR_DEPTH_MAX)
                return regular_fail(s->r, -E2BIG);
        s->depth++;
        uint32_t settled = settle_kind(s, t, behind, at_start);
        s->depth--;
        return settled;
}

bool regular_settle(struct regular *r, uint32_t a, uint32_t *ret) {
        struct settle s = { r, false, 0 };
        *ret = REGULAR_NOTHING;
        if (r->broken)
                return true;
        uint32_t first = settle(&s, a, REGULAR_ANY, true), later = first;
        if (r->terms[a].begins)
                later = settle(&s, a, REGULAR_ANY, false);
        uint32_t skipped = regular_repeat(r, r->terms[REGULAR_ANY].a, r->terms[a].begins, GRAMMAR_UNBOUNDED);
        *ret = regular_then(r, skipped, later);
        if (r->terms[a].begins)
                *ret = regular_either(r, first, *ret);
        return !s.cannot;
}

static uint32_t without(struct regular *r, uint32_t a, uint32_t depth) {
        if (r->broken)
                return REGULAR_NOTHING;
        const struct regular_term t = r->terms[a];
        if (!t.asserts)
                return a;
        if (depth == REGULAR_DEPTH_MAX)
                return regular_fail(r, -E2BIG);
        switch ((enum regular_kind) t.kind) {
        case TERM_THEN: return regular_then(r, without(r, t.a, depth + 1), without(r, t.b, depth + 1));
        case TERM_EITHER: return regular_either(r, without(r, t.a, depth + 1), without(r, t.b, depth + 1));
        case TERM_REPEAT: return regular_repeat(r, without(r, t.a, depth + 1), t.least, t.most);
        case TERM_BEGIN:
        case TERM_END: return a;
        default: return REGULAR_EMPTY;
        }
}

uint32_t regular_without_looks(struct regular *r, uint32_t a) {
        return without(r, a, 0);
}
