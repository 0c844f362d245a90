/*
 * array.c - arrays: items by position, then all alike.
 *
 * What may follow the first N items is a rule of its own for each N that has a position of its own: so a long list of
 * positions is no deep nesting.
 */
#include "engine/json_schema/internal.h"

struct row {
        struct schema_compiler *c;
        const struct facts *f;
        uint64_t least, most, positions; /* items; of them, those that have a place of their own */
        uint32_t rest;                   /* one item behind the positions: a rule */
};

/* The list of schemas by position, and the one for all behind them; draft 7 calls them items and additionalItems. */
static const cJSON *positions_of(const cJSON *schema, const cJSON **ret_others) {
        const cJSON *items = cJSON_GetObjectItemCaseSensitive(schema, "items");
        bool listed = cJSON_IsArray(items);
        *ret_others = listed ? cJSON_GetObjectItemCaseSensitive(schema, "additionalItems") : items;
        return listed ? items : cJSON_GetObjectItemCaseSensitive(schema, "prefixItems");
}

/* The schemas that the item at INDEX must satisfy; false when no schema says anything but prefixItems, which end before it. */
static bool item_at(struct row *r, uint64_t index, struct together *ret) {
        struct together t = { 0 };
        bool any = false, has_positions = false;
        for (uint32_t i = 0; i < r->f->all.count; i++) {
                const cJSON *items, *positions = positions_of(r->f->all.schemas[i], &items);
                int count = cJSON_GetArraySize(positions);
                has_positions |= positions != NULL;
                const cJSON *item = (uint64_t) count > index ? cJSON_GetArrayItem(positions, (int) index) : items;
                if (!schema_works(r->c, (uint32_t) (count + 4)))
                        break;
                if (item)
                        together_add(r->c, &t, item);
                any |= item != NULL;
        }
        *ret = t;
        return any || !has_positions;
}

static uint64_t count_positions(const struct facts *f) {
        uint64_t most = 0;
        for (uint32_t i = 0; i < f->all.count; i++) {
                const cJSON *others, *positions = positions_of(f->all.schemas[i], &others);
                uint64_t count = (uint64_t) cJSON_GetArraySize(positions);
                most = count > most ? count : most;
        }
        return most;
}

static uint32_t after_comma(struct row *r, uint32_t item) {
        struct grammar_builder *b = r->c->b;
        uint32_t e = grammar_builder_sequence(b);
        grammar_builder_add(b, e, grammar_builder_literal(b, ","));
        grammar_builder_add(b, e, grammar_builder_call(b, r->c->json.space));
        grammar_builder_add(b, e, item);
        return e;
}

/* The rest of an array after COUNT items, COUNT > 0. */
static uint32_t rest_after(struct row *r, uint64_t count) {
        struct grammar_builder *b = r->c->b;
        if (count >= r->most)
                return grammar_builder_sequence(b);
        uint64_t least = r->least > count ? r->least - count : 0;
        uint32_t most = r->most == UINT64_MAX ? GRAMMAR_UNBOUNDED : (uint32_t) (r->most - count);
        return grammar_builder_repeat(b, after_comma(r, grammar_builder_call(b, r->rest)), (uint32_t) least, most);
}

/* A rule for what follows COUNT items, COUNT > 0; NEXT is that for one more. */
static uint32_t position_rule(struct row *r, uint64_t count, uint32_t next) {
        struct grammar_builder *b = r->c->b;
        struct together t;
        (void) item_at(r, count, &t);
        uint32_t rule = grammar_builder_rule(b, "items", 5), e = after_comma(r, schema_call(r->c, &t));
        grammar_builder_add(b, e, grammar_builder_call(b, next));
        grammar_builder_set_body(b, rule, count < r->least ? e : grammar_builder_optional(b, e));
        return rule;
}

/* All behind the first item. */
static uint32_t behind_first(struct row *r) {
        struct grammar_builder *b = r->c->b;
        uint64_t fixed = r->positions > 1 ? r->positions : 1;
        uint32_t rule = grammar_builder_rule(b, "items", 5);
        grammar_builder_set_body(b, rule, rest_after(r, fixed));
        for (uint64_t count = fixed; count-- > 1 && !r->c->failed;)
                rule = position_rule(r, count, rule);
        return grammar_builder_call(b, rule);
}

/* The array ends where its positions do, or at a schema that nothing satisfies. */
static void settle_bounds(struct row *r) {
        struct together t;
        for (uint64_t i = 0; i <= r->positions && i < r->most && !r->c->failed; i++) {
                bool said = item_at(r, i, &t);
                if (t.impossible || (!said && r->least <= i))
                        r->most = i;
        }
        r->positions = r->positions < r->most ? r->positions : r->most;
        if (r->positions < r->most) {
                (void) item_at(r, r->positions, &t);
                r->rest = grammar_builder_rule(r->c->b, "item", 4);
                grammar_builder_set_body(r->c->b, r->rest, schema_call(r->c, &t));
        }
}

uint32_t schema_array(struct schema_compiler *c, const struct facts *f) {
        struct row r = { c, f, f->items.least, f->items.most, count_positions(f), 0 };
        struct grammar_builder *b = c->b;
        settle_bounds(&r);
        uint32_t choice = grammar_builder_choice(b);
        if (r.least > r.most)
                return choice;
        if (r.most > 0) {
                struct together first;
                uint32_t e = grammar_builder_sequence(b);
                (void) item_at(&r, 0, &first);
                grammar_builder_add(b, e, grammar_builder_literal(b, "["));
                grammar_builder_add(b, e, grammar_builder_call(b, c->json.space));
                grammar_builder_add(b, e, schema_call(c, &first));
                grammar_builder_add(b, e, behind_first(&r));
                grammar_builder_add(b, e, grammar_builder_call(b, c->json.space));
                grammar_builder_add(b, e, grammar_builder_literal(b, "]"));
                grammar_builder_add(b, choice, e);
        }
        if (r.least == 0)
                grammar_builder_add(b, choice, grammar_builder_literal(b, "[]"));
        return choice;
}
