/* schema.c - see schema.h and internal.h. Rules wait in a queue until their bodies are written: nothing here recurses. */
#include "engine/json_schema/schema.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json_schema/internal.h"
#include "policy/base/hash.h"

#define PENDING_SLOTS (2 * GRAMMAR_RULES_MAX) /* a power of two */

void schema_no_memory(struct schema_compiler *c) {
        if (c->failed)
                return;
        (void) grammar_fail(c->reterr, "there is no memory for it");
        c->failed = -ENOMEM;
}

bool schema_works(struct schema_compiler *c, uint32_t count) {
        c->work += count;
        if (c->work > SCHEMA_WORK_MAX)
                schema_exceed(c, c->root, "the schema is too large");
        return !c->failed;
}

/* ---- schemas that hold together ---- */

void together_add(struct schema_compiler *c, struct together *t, const cJSON *s) {
        if (cJSON_IsTrue(s))
                return;
        if (cJSON_IsFalse(s)) {
                t->impossible = true;
                return;
        }
        if (!cJSON_IsObject(s)) {
                schema_refuse(c, s, "a schema must be an object, true or false");
                return;
        }
        for (uint32_t i = 0; i < t->count; i++)
                if (t->schemas[i] == s)
                        return;
        if (t->count == SCHEMA_TOGETHER_MAX)
                schema_exceed(c, s, "more than %u schemas must hold together", SCHEMA_TOGETHER_MAX);
        else
                t->schemas[t->count++] = s;
}

static bool is_kept(const struct schema_compiler *c, const struct pending *p, const struct together *t) {
        const cJSON **kept = c->kept + p->first;
        return p->count == t->count && p->chosen_count == t->chosen_count &&
               !memcmp(kept, t->schemas, t->count * sizeof(*kept)) &&
               !memcmp(kept + t->count, t->chosen, t->chosen_count * sizeof(*kept));
}

static uint32_t slot_of(const struct schema_compiler *c, const struct together *t) {
        uint64_t hash = 0;
        for (uint32_t i = 0; i < t->count + t->chosen_count; i++)
                hash = (hash ^ (uintptr_t) (i < t->count ? t->schemas[i] : t->chosen[i - t->count])) * HASH_SPREAD;
        uint32_t slot = (uint32_t) (hash >> 32) & (PENDING_SLOTS - 1);
        while (c->slots[slot] && !is_kept(c, &c->pending[c->slots[slot] - 1], t))
                slot = (slot + 1) & (PENDING_SLOTS - 1);
        return slot;
}

/* Room for COUNT more of what is kept, and for one more rule. */
static bool reserve(struct schema_compiler *c, uint32_t count) {
        if (c->kept_count + count > c->kept_capacity) {
                uint32_t capacity = 2 * (c->kept_count + count);
                const cJSON **grown = realloc(c->kept, capacity * sizeof(*grown));
                if (!grown)
                        return false;
                c->kept = grown;
                c->kept_capacity = capacity;
        }
        if (c->pending_count == c->pending_capacity) {
                uint32_t capacity = c->pending_capacity ? 2 * c->pending_capacity : 64;
                struct pending *grown = realloc(c->pending, capacity * sizeof(*grown));
                if (!grown)
                        return false;
                c->pending = grown;
                c->pending_capacity = capacity;
        }
        return true;
}

static uint32_t new_rule(struct schema_compiler *c, const struct together *t, uint32_t slot) {
        uint32_t rule = grammar_builder_rule(c->b, "schema", 6);
        if (c->b->broken || !reserve(c, t->count + t->chosen_count)) {
                if (!c->b->broken)
                        schema_no_memory(c);
                return 0;
        }
        memcpy(c->kept + c->kept_count, t->schemas, t->count * sizeof(*c->kept));
        memcpy(c->kept + c->kept_count + t->count, t->chosen, t->chosen_count * sizeof(*c->kept));
        c->pending[c->pending_count++] = (struct pending){ rule, c->kept_count, (uint16_t) t->count, (uint16_t) t->chosen_count };
        c->kept_count += t->count + t->chosen_count;
        c->slots[slot] = c->pending_count;
        return rule;
}

uint32_t schema_call(struct schema_compiler *c, const struct together *t) {
        if (t->impossible)
                return grammar_builder_choice(c->b);
        if (!t->count)
                return grammar_builder_call(c->b, c->json.value);
        uint32_t slot = slot_of(c, t);
        if (c->slots[slot])
                return grammar_builder_call(c->b, c->pending[c->slots[slot] - 1].rule);
        return grammar_builder_call(c->b, new_rule(c, t, slot));
}

/* ---- bodies ---- */

/* Makes a choice of the alternatives of F, each with all that T says added. */
static uint32_t body_of_choice(struct schema_compiler *c, const struct together *t, const struct facts *f) {
        uint32_t choice = grammar_builder_choice(c->b);
        const cJSON *alternative, *other;
        if (f->one_of)
                cJSON_ArrayForEach(alternative, f->choice)
                        for (other = alternative->next; other && !c->failed; other = other->next)
                                if (!schemas_apart(c, alternative, other, f->discriminator))
                                        schema_relax(c, f->choice,
                                                     "oneOf is only supported where types, or constants of required "
                                                     "properties, tell its alternatives apart; anyOf may do");
        if (t->chosen_count == SCHEMA_CHOICES_MAX) {
                schema_exceed(c, f->choice, "more than %u lists of alternatives must hold together", SCHEMA_CHOICES_MAX);
                return choice;
        }
        cJSON_ArrayForEach(alternative, f->choice) {
                struct together chosen = *t;
                chosen.chosen[chosen.chosen_count++] = f->choice;
                together_add(c, &chosen, alternative);
                grammar_builder_add(c->b, choice, schema_call(c, &chosen));
        }
        return choice;
}

bool schema_allows(struct schema_compiler *c, const struct facts *f, const cJSON *value) {
        if (!(type_of_value(value) & f->types))
                return false;
        for (uint32_t i = 0; i < f->values_count; i++) {
                const cJSON *list = f->values[i], *other;
                bool found = false;
                if (!strcmp(list->string, "const"))
                        found = values_equal(list, value);
                else
                        cJSON_ArrayForEach(other, list) {
                                if (found || !schema_works(c, 1))
                                        break;
                                found = values_equal(other, value);
                        }
                if (!found)
                        return false;
        }
        return true;
}

static void check_value(struct schema_compiler *c, const cJSON *value) {
        if (cJSON_IsNumber(value) && !(fabs(value->valuedouble) <= 0x1p53))
                schema_relax(c, value, "numbers beyond 2^53 are not exact, and not supported");
}

static uint32_t body_of_values(struct schema_compiler *c, const struct facts *f) {
        uint32_t choice = grammar_builder_choice(c->b);
        if (f->limiting)
                schema_relax(c, f->limiting, "%s is not supported beside enum and const", f->limiting->string);
        const cJSON *list = f->values[0], *value;
        if (!strcmp(list->string, "const")) {
                check_value(c, list);
                if (schema_allows(c, f, list))
                        grammar_builder_add(c->b, choice, json_text_value(c->b, list));
                return choice;
        }
        cJSON_ArrayForEach(value, list) {
                check_value(c, value);
                if (schema_allows(c, f, value))
                        grammar_builder_add(c->b, choice, json_text_value(c->b, value));
        }
        return choice;
}

static uint32_t body_of_types(struct schema_compiler *c, const struct facts *f) {
        uint32_t choice = grammar_builder_choice(c->b);
        if (f->types & TYPE_OBJECT)
                grammar_builder_add(c->b, choice, schema_object(c, f));
        if (f->types & TYPE_ARRAY)
                grammar_builder_add(c->b, choice, schema_array(c, f));
        if (f->types & TYPE_STRING)
                grammar_builder_add(c->b, choice, schema_string(c, f));
        if (f->types & TYPE_NUMBER)
                grammar_builder_add(c->b, choice, schema_number(c, f));
        if (f->types & TYPE_BOOLEAN) {
                grammar_builder_add(c->b, choice, grammar_builder_literal(c->b, "true"));
                grammar_builder_add(c->b, choice, grammar_builder_literal(c->b, "false"));
        }
        if (f->types & TYPE_NULL)
                grammar_builder_add(c->b, choice, grammar_builder_literal(c->b, "null"));
        return choice;
}

static uint32_t body_of(struct schema_compiler *c, const struct together *t) {
        struct facts f;
        facts_read(c, t, &f);
        if (c->failed || f.all.impossible)
                return grammar_builder_choice(c->b);
        if (f.choice)
                return body_of_choice(c, t, &f);
        return f.values_count ? body_of_values(c, &f) : body_of_types(c, &f);
}

void schema_write_bodies(struct schema_compiler *c) {
        for (; c->written < c->pending_count && !c->failed && !c->b->broken; c->written++) {
                struct pending p = c->pending[c->written];
                struct together t = { .count = p.count, .chosen_count = p.chosen_count };
                memcpy(t.schemas, c->kept + p.first, p.count * sizeof(*c->kept));
                memcpy(t.chosen, c->kept + p.first + p.count, p.chosen_count * sizeof(*c->kept));
                grammar_builder_set_body(c->b, p.rule, body_of(c, &t));
        }
}

/* ---- the whole ---- */

void schema_begin(struct schema_compiler *c) {
        c->slots = calloc(PENDING_SLOTS, sizeof(*c->slots));
        if (!c->slots || json_text_init(&c->json, c->b) < 0)
                schema_no_memory(c);
}

uint32_t schema_call_of_whole(struct schema_compiler *c, const cJSON *schema, const cJSON *another) {
        struct together t = { 0 };
        c->root = schema;
        if (another)
                together_add(c, &t, another);
        together_add(c, &t, schema);
        uint32_t call = c->failed ? 0 : schema_call(c, &t);
        schema_write_bodies(c);
        return call;
}

int schema_end(struct schema_compiler *c, uint32_t body, uint32_t *ret_rule) {
        if (!c->failed) {
                *ret_rule = grammar_builder_rule(c->b, "root", 4);
                grammar_builder_set_body(c->b, *ret_rule, body);
        }
        free(c->kept);
        free(c->pending);
        free(c->slots);
        json_digits_done(&c->digits);
        schema_texts_done(c);
        return c->failed;
}

int schema_read(struct grammar_builder *b, const cJSON *schema, struct schema_relaxed *relaxed, uint32_t *ret_rule,
                struct grammar_error *reterr) {
        struct schema_compiler c = { .b = b, .relaxed = relaxed, .reterr = reterr };
        schema_begin(&c);
        return schema_end(&c, c.failed ? 0 : schema_call_of_whole(&c, schema, NULL), ret_rule);
}

int schema_read_any_object(struct grammar_builder *b, uint32_t *ret_rule, struct grammar_error *reterr) {
        struct schema_compiler c = { .b = b, .reterr = reterr };
        schema_begin(&c);
        return schema_end(&c, c.failed ? 0 : grammar_builder_call(b, c.json.object), ret_rule);
}

int schema_compile(const cJSON *schema, struct schema_relaxed *relaxed, struct grammar **ret, struct grammar_error *reterr) {
        struct grammar_builder b = { 0 };
        uint32_t root;
        int r = schema_read(&b, schema, relaxed, &root, reterr);
        if (r == 0)
                r = grammar_builder_compile(&b, root, ret, reterr);
        grammar_builder_done(&b);
        return r;
}
