/*
 * schema_object.c - objects: properties in the schema's order.
 *
 * Behind a property each later one may follow with a comma; before the first, without. So there are two chains: what follows
 * once there has been one (a rule for each place), and where it begins (a choice, down to the first required one).
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
        struct builder *b = &m->c->b;
        uint32_t rule = builder_rule(b, "member", 6), e = builder_sequence(b);
        builder_add(b, e, name);
        builder_add(b, e, builder_literal(b, ":"));
        builder_add(b, e, builder_call(b, m->c->json.space));
        builder_add(b, e, schema_call(m->c, value));
        builder_set_body(b, rule, e);
        return rule;
}

static void make_members(struct members *m) {
        bool said;
        for (uint32_t i = 0; i < m->count && !m->c->failed; i++) {
                struct together value = value_of(m, m->list[i].name, &said);
                if (!value.impossible)
                        m->list[i].member = member_rule(m, json_text_name(&m->c->b, m->list[i].name), &value);
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
        m->other = member_rule(m, json_text_other_name(&m->c->json, &m->c->b, names, m->count), &value);
        free(names);
}

/* ---- their order ---- */

static uint32_t after_comma(struct members *m, uint32_t member) {
        struct builder *b = &m->c->b;
        uint32_t e = builder_sequence(b);
        builder_add(b, e, builder_literal(b, ","));
        builder_add(b, e, builder_call(b, m->c->json.space));
        builder_add(b, e, builder_call(b, member));
        return e;
}

/* Any number of others, once there has been a member. */
static uint32_t others_after(struct members *m) {
        struct builder *b = &m->c->b;
        return m->other ? builder_repeat(b, after_comma(m, m->other), 0, GRAMMAR_UNBOUNDED) : builder_sequence(b);
}

/* A rule for what follows once there has been a member and property INDEX is the next in order. NEXT: that behind it. */
static uint32_t chain_rule(struct members *m, uint32_t index, uint32_t next) {
        struct builder *b = &m->c->b;
        const struct property *p = &m->list[index];
        if (!p->member && !p->required)
                return next;
        uint32_t rule = builder_rule(b, "members", 7), e = builder_sequence(b);
        uint32_t one = p->member ? after_comma(m, p->member) : builder_choice(b);
        builder_add(b, e, p->required ? one : builder_optional(b, one));
        builder_add(b, e, builder_call(b, next));
        builder_set_body(b, rule, e);
        return rule;
}

/* The first member and all behind it, for each that may be the first. */
static void add_beginnings(struct members *m, uint32_t choice, const uint32_t *chain) {
        struct builder *b = &m->c->b;
        uint32_t i = 0;
        for (bool more = true; more && i < m->count; i++) {
                if (m->list[i].member) {
                        uint32_t e = builder_sequence(b);
                        builder_add(b, e, builder_call(b, m->list[i].member));
                        builder_add(b, e, builder_call(b, chain[i + 1]));
                        builder_add(b, choice, e);
                }
                more = !m->list[i].required;
        }
        if (i < m->count || (i && m->list[i - 1].required))
                return;
        if (m->other) {
                uint32_t e = builder_sequence(b);
                builder_add(b, e, builder_call(b, m->other));
                builder_add(b, e, others_after(m));
                builder_add(b, choice, e);
        }
}

static bool any_required(const struct members *m) {
        for (uint32_t i = 0; i < m->count; i++)
                if (m->list[i].required)
                        return true;
        return false;
}

static uint32_t write_members(struct members *m, uint32_t *chain) {
        struct builder *b = &m->c->b;
        uint32_t last = builder_rule(b, "members", 7), first = builder_choice(b), e = builder_sequence(b);
        builder_set_body(b, last, others_after(m));
        chain[m->count] = last;
        for (uint32_t i = m->count; i-- > 0;)
                chain[i] = chain_rule(m, i, chain[i + 1]);
        add_beginnings(m, first, chain);
        builder_add(b, e, builder_literal(b, "{"));
        builder_add(b, e, builder_call(b, m->c->json.space));
        builder_add(b, e, first);
        builder_add(b, e, builder_call(b, m->c->json.space));
        builder_add(b, e, builder_literal(b, "}"));
        if (any_required(m))
                return e;
        uint32_t choice = builder_choice(b);
        builder_add(b, choice, e);
        builder_add(b, choice, builder_literal(b, "{}"));
        return choice;
}

uint32_t schema_object(struct schema_compiler *c, const struct facts *f) {
        struct members m = { .c = c, .f = f };
        collect(&m);
        make_members(&m);
        make_other(&m);
        uint32_t *chain = malloc((m.count + 1) * sizeof(*chain)), e = 0;
        if (chain && !c->failed)
                e = write_members(&m, chain);
        else if (!chain)
                schema_no_memory(c);
        free(chain);
        free(m.list);
        return e;
}
