/*
 * schema_object.c - objects: properties in the schema's order.
 *
 * For each place in that order there are two rules: which member can stand there, itself or by way of the place behind it, and
 * what can stand behind a member: nothing, where none is required any more, or a comma and the next. So the comma is read
 * before it must be known which member follows, and a thousand optional ones are a thousand ways only in their names.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/grammar/schema_internal.h"

struct property {
        const char *name;
        bool required;
        uint32_t member; /* a rule: name, colon, value; 0: it can have none */
};

struct members {
        struct schema_compiler *c;
        const struct facts *f;
        struct property *list;
        uint32_t count, capacity;
        uint32_t other; /* a rule: a member with another name; 0: there are none */
};

/* ---- which there are ---- */

static struct property *find(struct members *m, const char *name) {
        for (uint32_t i = 0; i < m->count && schema_works(m->c, 1); i++)
                if (!strcmp(m->list[i].name, name))
                        return &m->list[i];
        return NULL;
}

static struct property *find_or_add(struct members *m, const cJSON *place, const char *name) {
        struct property *found = find(m, name);
        if (found || m->c->failed)
                return found;
        if (m->count == SCHEMA_PROPERTIES_MAX) {
                schema_refuse(m->c, place, "an object must not have more than %u properties", SCHEMA_PROPERTIES_MAX);
                return NULL;
        }
        if (m->count == m->capacity) {
                uint32_t capacity = m->capacity ? 2 * m->capacity : 16;
                struct property *grown = realloc(m->list, capacity * sizeof(*grown));
                if (!grown) {
                        schema_no_memory(m->c);
                        return NULL;
                }
                m->list = grown;
                m->capacity = capacity;
        }
        m->list[m->count] = (struct property){ .name = name };
        return &m->list[m->count++];
}

static void collect(struct members *m) {
        const cJSON *one;
        for (uint32_t i = 0; i < m->f->all.count; i++)
                cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(m->f->all.schemas[i], "properties"))
                        (void) find_or_add(m, one, one->string);
        for (uint32_t i = 0; i < m->f->all.count; i++)
                cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(m->f->all.schemas[i], "required")) {
                        struct property *p = find_or_add(m, one, one->valuestring);
                        if (p)
                                p->required = true;
                }
}

/* What must hold for property NAME, or, where that is NULL, for one that no schema names: *ret_said, whether any says so. */
static struct together value_of(struct members *m, const char *name, bool *ret_said) {
        struct together t = { 0 };
        *ret_said = false;
        for (uint32_t i = 0; i < m->f->all.count && !m->c->failed; i++) {
                const cJSON *s = m->f->all.schemas[i], *properties = cJSON_GetObjectItemCaseSensitive(s, "properties");
                const cJSON *value = name ? cJSON_GetObjectItemCaseSensitive(properties, name) : NULL;
                (void) schema_works(m->c, name && properties ? (uint32_t) cJSON_GetArraySize(properties) : 1);
                if (!value)
                        value = cJSON_GetObjectItemCaseSensitive(s, "additionalProperties");
                if (value)
                        together_add(m->c, &t, value);
                *ret_said |= value != NULL;
        }
        return t;
}

/* ---- members ---- */

static uint32_t member_rule(struct members *m, uint32_t name, const struct together *value) {
        struct grammar_builder *b = m->c->b;
        uint32_t rule = grammar_builder_rule(b, "member", 6), e = grammar_builder_sequence(b);
        grammar_builder_add(b, e, name);
        grammar_builder_add(b, e, grammar_builder_literal(b, ":"));
        grammar_builder_add(b, e, grammar_builder_call(b, m->c->json.space));
        grammar_builder_add(b, e, schema_call(m->c, value));
        grammar_builder_set_body(b, rule, e);
        return rule;
}

static void make_members(struct members *m) {
        bool said;
        for (uint32_t i = 0; i < m->count && !m->c->failed; i++) {
                struct together value = value_of(m, m->list[i].name, &said);
                if (!value.impossible)
                        m->list[i].member = member_rule(m, json_text_name(m->c->b, m->list[i].name), &value);
        }
}

static void make_other(struct members *m) {
        bool said;
        struct together value = value_of(m, NULL, &said);
        if (value.impossible || (!said && m->count) || m->c->failed)
                return;
        const char **names = malloc((m->count + 1) * sizeof(*names));
        if (!names) {
                schema_no_memory(m->c);
                return;
        }
        for (uint32_t i = 0; i < m->count; i++)
                names[i] = m->list[i].name;
        m->other = member_rule(m, json_text_other_name(&m->c->json, m->c->b, names, m->count), &value);
        free(names);
}

/* ---- their order ---- */

static uint32_t comma_and(struct members *m, uint32_t rule) {
        struct grammar_builder *b = m->c->b;
        uint32_t e = grammar_builder_sequence(b);
        grammar_builder_add(b, e, grammar_builder_literal(b, ","));
        grammar_builder_add(b, e, grammar_builder_call(b, m->c->json.space));
        grammar_builder_add(b, e, grammar_builder_call(b, rule));
        return e;
}

/* Adds to CHOICE a member and what may stand behind it. */
static void add_member(struct members *m, uint32_t choice, uint32_t member, uint32_t behind) {
        struct grammar_builder *b = m->c->b;
        uint32_t e = grammar_builder_sequence(b);
        grammar_builder_add(b, e, grammar_builder_call(b, member));
        grammar_builder_add(b, e, grammar_builder_call(b, behind));
        grammar_builder_add(b, choice, e);
}

/* The two rules of a place: what stands there when a member must, and what may stand behind a member. */
struct place {
        uint32_t member, behind;
};

/* Behind the last property: others, as many as one likes. */
static struct place last_place(struct members *m) {
        struct grammar_builder *b = m->c->b;
        struct place p = { grammar_builder_rule(b, "members", 7), grammar_builder_rule(b, "members", 7) };
        uint32_t choice = grammar_builder_choice(b);
        if (m->other)
                add_member(m, choice, m->other, p.behind);
        grammar_builder_set_body(b, p.member, choice);
        grammar_builder_set_body(b, p.behind,
                                 m->other ? grammar_builder_optional(b, comma_and(m, p.member)) : grammar_builder_sequence(b));
        return p;
}

/* Where property INDEX is the next in order; LEFT: whether it or one behind it is required. */
static struct place place_of(struct members *m, uint32_t index, struct place next, bool left) {
        struct grammar_builder *b = m->c->b;
        const struct property *property = &m->list[index];
        if (!property->member && !property->required)
                return next;
        struct place p = { grammar_builder_rule(b, "members", 7), grammar_builder_rule(b, "members", 7) };
        uint32_t choice = grammar_builder_choice(b);
        if (property->member)
                add_member(m, choice, property->member, next.behind);
        if (!property->required)
                grammar_builder_add(b, choice, grammar_builder_call(b, next.member));
        grammar_builder_set_body(b, p.member, choice);
        uint32_t more = comma_and(m, p.member);
        grammar_builder_set_body(b, p.behind, left ? more : grammar_builder_optional(b, more));
        return p;
}

static uint32_t write_members(struct members *m) {
        struct grammar_builder *b = m->c->b;
        struct place first = last_place(m);
        bool left = false;
        for (uint32_t i = m->count; i-- > 0;) {
                left |= m->list[i].required;
                first = place_of(m, i, first, left);
        }
        uint32_t e = grammar_builder_sequence(b);
        grammar_builder_add(b, e, grammar_builder_literal(b, "{"));
        grammar_builder_add(b, e, grammar_builder_call(b, m->c->json.space));
        grammar_builder_add(b, e, grammar_builder_call(b, first.member));
        grammar_builder_add(b, e, grammar_builder_call(b, m->c->json.space));
        grammar_builder_add(b, e, grammar_builder_literal(b, "}"));
        if (left)
                return e;
        uint32_t choice = grammar_builder_choice(b);
        grammar_builder_add(b, choice, e);
        grammar_builder_add(b, choice, grammar_builder_literal(b, "{}"));
        return choice;
}

uint32_t schema_object(struct schema_compiler *c, const struct facts *f) {
        struct members m = { .c = c, .f = f };
        collect(&m);
        make_members(&m);
        make_other(&m);
        uint32_t e = c->failed ? 0 : write_members(&m);
        free(m.list);
        return e;
}
