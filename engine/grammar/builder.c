/* builder.c - see builder.h: what is written down. grammar_builder_compile is in compile.c. */
#include "engine/grammar/builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void grammar_builder_done(struct grammar_builder *b) {
        for (uint32_t i = 0; i < b->rules_count; i++)
                free(b->rules[i].name);
        free(b->expressions);
        free(b->rules);
        free(b->classes);
        free(b->ranges);
        text_done(&b->text);
        *b = (struct grammar_builder){ 0 };
}

static void fail(struct grammar_builder *b, int error) {
        if (!b->broken)
                b->broken = error;
}

/* Room for MORE behind COUNT of *array; false and broken when there is none, or beyond MAX. */
static bool room(struct grammar_builder *b, void *array, size_t size, uint32_t count, uint32_t more, uint32_t *capacity,
                 uint32_t max) {
        if (more > max || count > max - more) {
                fail(b, -E2BIG);
                return false;
        }
        if (count + more <= *capacity)
                return true;
        uint32_t wanted = *capacity ? *capacity : 64;
        while (wanted < count + more)
                wanted *= 2;
        void *grown = realloc(*(void **) array, wanted * size);
        if (!grown) {
                fail(b, -ENOMEM);
                return false;
        }
        *(void **) array = grown;
        *capacity = wanted;
        return true;
}

/* ---- rules ---- */

uint32_t grammar_builder_rule(struct grammar_builder *b, const char *name, size_t length) {
        char *copy = strndup(name, length);
        if (!copy || !room(b, &b->rules, sizeof(*b->rules), b->rules_count, 1, &b->rules_capacity, GRAMMAR_RULES_MAX)) {
                free(copy);
                fail(b, -ENOMEM);
                return 0;
        }
        b->rules[b->rules_count] = (struct grammar_builder_rule){ .name = copy };
        return b->rules_count++;
}

uint32_t grammar_builder_find(const struct grammar_builder *b, const char *name) {
        uint32_t rule = 0;
        while (rule < b->rules_count && strcmp(b->rules[rule].name, name))
                rule++;
        return rule;
}

void grammar_builder_set_body(struct grammar_builder *b, uint32_t rule, uint32_t expression) {
        if (rule < b->rules_count)
                b->rules[rule].body = expression;
}

/* ---- expressions ---- */

/* Number 0 is no expression: what is made after a failure. */
static uint32_t expression(struct grammar_builder *b, struct expression e) {
        if (!b->expressions_count) {
                if (!room(b, &b->expressions, sizeof(e), 0, 1, &b->expressions_capacity, GRAMMAR_EXPRESSIONS_MAX))
                        return 0;
                b->expressions[b->expressions_count++] = (struct expression){ .kind = EXPRESSION_CHOICE };
        }
        if (!room(b, &b->expressions, sizeof(e), b->expressions_count, 1, &b->expressions_capacity, GRAMMAR_EXPRESSIONS_MAX))
                return 0;
        b->expressions[b->expressions_count] = e;
        return b->expressions_count++;
}

uint32_t grammar_builder_sequence(struct grammar_builder *b) {
        return expression(b, (struct expression){ .kind = EXPRESSION_SEQUENCE });
}

uint32_t grammar_builder_choice(struct grammar_builder *b) {
        return expression(b, (struct expression){ .kind = EXPRESSION_CHOICE });
}

void grammar_builder_add(struct grammar_builder *b, uint32_t parent, uint32_t child) {
        if (!parent || !child)
                return; /* broken */
        struct expression *p = &b->expressions[parent];
        if (p->last)
                b->expressions[p->last].next = child;
        else
                p->first = child;
        p->last = child;
}

uint32_t grammar_builder_range(struct grammar_builder *b, uint32_t first, uint32_t last) {
        return expression(b, (struct expression){ .kind = EXPRESSION_RANGE, .a = first, .b = last });
}

static void mark_ascii(struct grammar_class *c, struct char_range r) {
        for (uint32_t code = r.first; code <= r.last && code < 128; code++)
                c->ascii[code / 64] |= 1ull << (code % 64);
}

uint32_t grammar_builder_class(struct grammar_builder *b, struct char_set *set) {
        char_set_settle(set);
        if (set->broken) {
                fail(b, -ENOMEM);
                return 0;
        }
        if (set->count == 1)
                return grammar_builder_range(b, set->ranges[0].first, set->ranges[0].last);
        if (!set->count)
                return grammar_builder_choice(b);
        if (!room(b, &b->classes, sizeof(*b->classes), b->classes_count, 1, &b->classes_capacity, GRAMMAR_RANGES_MAX) ||
            !room(b, &b->ranges, sizeof(*b->ranges), b->ranges_count, set->count, &b->ranges_capacity, GRAMMAR_RANGES_MAX))
                return 0;
        struct grammar_class c = { .first = b->ranges_count, .count = set->count };
        for (uint32_t i = 0; i < set->count; i++) {
                b->ranges[b->ranges_count++] = set->ranges[i];
                mark_ascii(&c, set->ranges[i]);
        }
        b->classes[b->classes_count] = c;
        return expression(b, (struct expression){ .kind = EXPRESSION_CLASS, .a = b->classes_count++ });
}

uint32_t grammar_builder_text(struct grammar_builder *b, const char *text, size_t length) {
        if (length == 0)
                return grammar_builder_sequence(b);
        if (length > GRAMMAR_TEXT_BYTES_MAX - b->text.used) {
                fail(b, -E2BIG);
                return 0;
        }
        uint32_t offset = (uint32_t) b->text.used;
        if (!text_add(&b->text, text, length)) {
                fail(b, -ENOMEM);
                return 0;
        }
        return expression(b, (struct expression){ .kind = EXPRESSION_TEXT, .a = offset, .b = (uint32_t) length });
}

uint32_t grammar_builder_literal(struct grammar_builder *b, const char *text) {
        return grammar_builder_text(b, text, strlen(text));
}

uint32_t grammar_builder_call(struct grammar_builder *b, uint32_t rule) {
        return expression(b, (struct expression){ .kind = EXPRESSION_RULE, .a = rule });
}

uint32_t grammar_builder_repeat(struct grammar_builder *b, uint32_t child, uint32_t least, uint32_t most) {
        uint32_t e = expression(b, (struct expression){ .kind = EXPRESSION_REPEAT, .a = least, .b = most });
        grammar_builder_add(b, e, child);
        return e;
}

uint32_t grammar_builder_optional(struct grammar_builder *b, uint32_t child) {
        uint32_t e = grammar_builder_choice(b);
        grammar_builder_add(b, e, child);
        grammar_builder_add(b, e, grammar_builder_sequence(b));
        return e;
}

/* How many of the first characters of MARK the text ends with once the first AT of them and then C stand there. */
static size_t shared_after(const char *mark, size_t at, char c) {
        size_t count = at;
        if (mark[at] == c)
                return at + 1;
        while (count && !(mark[count - 1] == c && !memcmp(mark, mark + at - (count - 1), count - 1)))
                count--;
        return count;
}

/* Behind the first AT characters of MARK: RULES has a rule for each AT (Knuth, Morris and Pratt 1977, as a grammar). */
static uint32_t until_behind(struct grammar_builder *b, const char *mark, uint32_t rules, size_t at) {
        uint32_t choice = grammar_builder_choice(b);
        struct char_set others = { 0 };
        for (const char *c = mark; *c; c++) {
                size_t count = shared_after(mark, at, *c);
                if (!count || memchr(mark, *c, (size_t) (c - mark)))
                        continue;
                uint32_t e = grammar_builder_sequence(b);
                grammar_builder_add(b, e, grammar_builder_range(b, (uint8_t) *c, (uint8_t) *c));
                if (mark[count])
                        grammar_builder_add(b, e, grammar_builder_call(b, rules + (uint32_t) count));
                grammar_builder_add(b, choice, e);
                char_set_add(&others, (uint8_t) *c, (uint8_t) *c);
        }
        char_set_invert(&others);
        uint32_t e = grammar_builder_sequence(b);
        grammar_builder_add(b, e, grammar_builder_class(b, &others));
        grammar_builder_add(b, e, grammar_builder_call(b, rules));
        grammar_builder_add(b, choice, e);
        char_set_done(&others);
        return choice;
}

uint32_t grammar_builder_until(struct grammar_builder *b, const char *mark) {
        uint32_t rules = b->rules_count;
        for (size_t at = 0; mark[at]; at++)
                (void) grammar_builder_rule(b, "until", 5);
        for (size_t at = 0; mark[at]; at++)
                grammar_builder_set_body(b, rules + (uint32_t) at, until_behind(b, mark, rules, at));
        return grammar_builder_call(b, rules);
}
