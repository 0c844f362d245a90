/*
 * object.c - objects: properties in the schema's order.
 *
 * For each place in that order there are two rules: which member can stand there, itself or by way of the place behind it, and
 * what can stand behind a member: nothing, where none is required any more, or a comma and the next. So the comma is read
 * before it must be known which member follows, and a thousand optional ones are a thousand ways only in their names.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/json_schema/internal.h"

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
        uint32_t other;                /* a rule: a member with another name; 0: there are none */
        const cJSON *names, *patterns; /* propertyNames, patternProperties: what they say is for all members. NULL: nothing */
        struct counts bounds;
        uint32_t told_apart; /* counts of members up to this */
};

/* ---- the properties ---- */

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
                schema_exceed(m->c, place, "an object must not have more than %u properties", SCHEMA_PROPERTIES_MAX);
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

/* Of keywords about the names of all members one can be held. */
static const cJSON *only(struct members *m, const char *keyword) {
        const cJSON *first = NULL;
        for (uint32_t i = 0; i < m->f->all.count; i++) {
                const cJSON *k = cJSON_GetObjectItemCaseSensitive(m->f->all.schemas[i], keyword);
                if (k && first)
                        schema_relax(m->c, k, "%s is not supported beside another", keyword);
                first = first ? first : k;
        }
        return first;
}

/* What F says of names as a list: they are named then. */
static void collect_listed(struct members *m, const struct facts *f) {
        const cJSON *list = f->values[0], *value;
        bool single = !strcmp(list->string, "const");
        for (value = single ? list : list->child; value; value = single ? NULL : value->next)
                if (cJSON_IsString(value) && schema_allows(m->c, f, value))
                        (void) find_or_add(m, value, value->valuestring);
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
        for (uint32_t i = 0; i < m->f->all.count; i++) {
                const char *name = schema_discriminator(m->f->all.schemas[i]);
                struct property *p = name ? find_or_add(m, m->f->all.schemas[i], name) : NULL;
                if (p)
                        p->required = true;
        }
}

/*
 * The schemas that property NAME must satisfy, or, where that is NULL, a property that no schema names: *ret_said, whether any
 * says so.
 */
static struct together value_of(struct members *m, const char *name, bool *ret_said) {
        struct together t = { 0 };
        *ret_said = false;
        for (uint32_t i = 0; i < m->f->all.count && !m->c->failed; i++) {
                const cJSON *s = m->f->all.schemas[i], *properties = cJSON_GetObjectItemCaseSensitive(s, "properties");
                const cJSON *value = name ? cJSON_GetObjectItemCaseSensitive(properties, name) : NULL;
                (void) schema_works(m->c, name && properties ? (uint32_t) cJSON_GetArraySize(properties) : 1);
                if (!value)
                        value = cJSON_GetObjectItemCaseSensitive(s, "additionalProperties");
                if (!value && !name)
                        value = cJSON_GetObjectItemCaseSensitive(s, "unevaluatedProperties");
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

/* A name that no schema names. */
static uint32_t other_name(struct members *m) {
        const char **names = malloc((m->count + 1) * sizeof(*names));
        if (!names) {
                schema_no_memory(m->c);
                return 0;
        }
        for (uint32_t i = 0; i < m->count; i++)
                names[i] = m->list[i].name;
        uint32_t e = json_text_other_name(&m->c->json, m->c->b, names, m->count);
        free(names);
        return e;
}

/* The names of a record by what is said of them: an expression. Where others are named besides it could be one of those. */
static uint32_t record_name(struct members *m, const struct facts *f) {
        bool says = f->texts_count || f->length.least > 0 || f->length.most != UINT64_MAX;
        if (!says)
                return other_name(m);
        if (m->count == 0)
                return schema_string(m->c, f);
        schema_relax(m->c, m->names, "propertyNames is supported only where no properties are named");
        return other_name(m);
}

/* Members by the pattern of their names, where nothing else is said of any: false where something is. */
static bool make_pattern(struct members *m) {
        const cJSON *first = m->patterns ? m->patterns->child : NULL;
        struct together value = { 0 };
        if (!first)
                return false;
        if (m->count || m->names || first->next) {
                schema_relax(m->c, m->patterns,
                             "patternProperties is supported for one pattern, and where no properties are named");
                return false;
        }
        together_add(m->c, &value, first);
        if (!value.impossible && !m->c->failed)
                m->other = member_rule(m, schema_text_of(m->c, first->string, first), &value);
        return true;
}

static void make_other(struct members *m, const struct facts *names) {
        bool said;
        struct together value = value_of(m, NULL, &said);
        bool listed = names->values_count || names->all.impossible || !(names->types & TYPE_STRING);
        if (m->c->failed || make_pattern(m) || value.impossible || (!said && m->count) || listed)
                return;
        uint32_t name = record_name(m, names);
        m->other = m->c->failed ? 0 : member_rule(m, name, &value);
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

/*
 * Behind the last property: others, as many as may be behind COUNT members. They could all have one name, so where members are wanted
 * they count as one.
 */
static struct place last_place(struct members *m, uint32_t count) {
        struct grammar_builder *b = m->c->b;
        struct place p = { grammar_builder_rule(b, "members", 7), grammar_builder_rule(b, "members", 7) };
        uint64_t wanted = count < m->bounds.least ? m->bounds.least - count : 0;
        uint32_t most = m->bounds.most == UINT64_MAX ? GRAMMAR_UNBOUNDED : (uint32_t) m->bounds.most - count;
        if (!m->other || most == 0 || wanted > 1) {
                grammar_builder_set_body(b, p.member, grammar_builder_choice(b));
                grammar_builder_set_body(b, p.behind, wanted ? grammar_builder_choice(b) : grammar_builder_sequence(b));
                return p;
        }
        grammar_builder_set_body(b, p.behind, grammar_builder_repeat(b, comma_and(m, m->other), (uint32_t) wanted, most));
        uint32_t e = grammar_builder_sequence(b), more = most == GRAMMAR_UNBOUNDED ? most : most - 1;
        grammar_builder_add(b, e, grammar_builder_call(b, m->other));
        grammar_builder_add(b, e, grammar_builder_repeat(b, comma_and(m, m->other), 0, more));
        grammar_builder_set_body(b, p.member, e);
        return p;
}

/*
 * The place at which PROPERTY is the next in order, and COUNT members have been; SKIPPED is the place behind it without it, TAKEN
 * with it. LEFT: whether it or a later one is required.
 */
static struct place place_of(struct members *m, const struct property *property, uint32_t count, struct place skipped,
                             struct place taken, bool left) {
        struct grammar_builder *b = m->c->b;
        struct place p = { grammar_builder_rule(b, "members", 7), grammar_builder_rule(b, "members", 7) };
        uint32_t choice = grammar_builder_choice(b);
        if (property->member && count < m->bounds.most)
                add_member(m, choice, property->member, taken.behind);
        if (!property->required)
                grammar_builder_add(b, choice, grammar_builder_call(b, skipped.member));
        grammar_builder_set_body(b, p.member, choice);
        uint32_t more = comma_and(m, p.member);
        bool may_end = !left && count >= m->bounds.least;
        grammar_builder_set_body(b, p.behind, may_end ? grammar_builder_optional(b, more) : more);
        return p;
}

/* From the last place back to the first; *ret_left: whether a property is required. PLACES has room for each count told apart. */
static void write_places(struct members *m, struct place places[], bool *ret_left) {
        bool left = false;
        for (uint32_t count = 0; count <= m->told_apart; count++)
                places[count] = last_place(m, count);
        for (uint32_t i = m->count; i-- > 0;) {
                const struct property *property = &m->list[i];
                left |= property->required;
                if (!property->member && !property->required)
                        continue;
                for (uint32_t count = 0; count <= m->told_apart; count++) {
                        struct place taken = places[count < m->told_apart ? count + 1 : count];
                        places[count] = place_of(m, property, count, places[count], taken, left);
                }
        }
        *ret_left = left;
}

/* Others could all have one name. */
static void relax_least(struct members *m, uint32_t able) {
        schema_relax(
                m->c, m->f->members_by,
                "minProperties is supported only up to one more than the properties that are named: others could repeat a name");
        m->bounds.least = (uint64_t) able + 1;
}

static void relax_places(struct members *m) {
        schema_relax(m->c, m->f->members_by, "%s is not supported for so many properties", m->f->members_by->string);
        m->bounds = (struct counts){ 0, UINT64_MAX };
        m->told_apart = 0;
}

/* Bounds that say nothing are none; how many counts must be told apart. */
static void settle_bounds(struct members *m) {
        uint32_t required = 0, able = 0;
        m->bounds = m->f->members;
        for (uint32_t i = 0; i < m->count; i++) {
                required += m->list[i].required;
                able += m->list[i].member != 0;
        }
        if (m->bounds.least <= required)
                m->bounds.least = 0;
        if (m->bounds.most >= able && !m->other)
                m->bounds.most = UINT64_MAX;
        if (m->other && m->bounds.least > (uint64_t) able + 1)
                relax_least(m, able);
        uint64_t counts = m->bounds.most == UINT64_MAX ? m->bounds.least : m->bounds.most;
        m->told_apart = counts < able ? (uint32_t) counts : able;
        if (m->told_apart && (m->told_apart + 1) * m->count > SCHEMA_PLACES_MAX)
                relax_places(m);
}

static uint32_t write_members(struct members *m) {
        struct grammar_builder *b = m->c->b;
        struct place *places = malloc((m->told_apart + 1) * sizeof(*places)), first;
        bool left;
        if (!places) {
                schema_no_memory(m->c);
                return 0;
        }
        write_places(m, places, &left);
        first = places[0];
        free(places);
        uint32_t e = grammar_builder_sequence(b);
        grammar_builder_add(b, e, grammar_builder_literal(b, "{"));
        grammar_builder_add(b, e, grammar_builder_call(b, m->c->json.space));
        grammar_builder_add(b, e, grammar_builder_call(b, first.member));
        grammar_builder_add(b, e, grammar_builder_call(b, m->c->json.space));
        grammar_builder_add(b, e, grammar_builder_literal(b, "}"));
        if (left || m->bounds.least > 0)
                return e;
        uint32_t choice = grammar_builder_choice(b);
        grammar_builder_add(b, choice, e);
        grammar_builder_add(b, choice, grammar_builder_literal(b, "{}"));
        return choice;
}

/* What propertyNames says, however it says it. */
static void read_names(struct members *m, struct facts *ret) {
        struct together t = { 0 };
        m->patterns = only(m, "patternProperties");
        m->names = only(m, "propertyNames");
        if (m->names)
                together_add(m->c, &t, m->names);
        facts_read(m->c, &t, ret);
        if (ret->choice)
                schema_relax(m->c, ret->choice, "%s is not supported for names", ret->choice->string);
}

uint32_t schema_object(struct schema_compiler *c, const struct facts *f) {
        struct members m = { .c = c, .f = f };
        struct facts names;
        read_names(&m, &names);
        collect(&m);
        if (names.values_count)
                collect_listed(&m, &names);
        make_members(&m);
        make_other(&m, &names);
        if (!c->failed)
                settle_bounds(&m);
        uint32_t e = c->failed ? 0 : write_members(&m);
        free(m.list);
        return e;
}
