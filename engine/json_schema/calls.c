/* calls.c - calls of tools, of which one must be: see schema_read_calls. */
#include "engine/json_schema/internal.h"

/* {"type": "object"} */
static char type_word[] = "type", object_word[] = "object";
static cJSON object_type = { .type = cJSON_String, .valuestring = object_word, .string = type_word };
static const cJSON is_object = { .type = cJSON_Object, .child = &object_type };

static uint32_t one_call(struct schema_compiler *c, const struct schema_calls *calls, const struct schema_call *one) {
        uint32_t e = grammar_builder_sequence(c->b);
        c->relaxed = one->strict ? NULL : calls->relaxed;
        if (c->relaxed)
                c->relaxed->name = one->told_as;
        grammar_builder_add(c->b, e, grammar_builder_literal(c->b, one->name));
        grammar_builder_add(c->b, e, grammar_builder_literal(c->b, calls->between));
        if (calls->marks) {
                grammar_builder_add(c->b, e, schema_marked(c, calls->marks, one->arguments));
                return e;
        }
        grammar_builder_add(c->b, e, grammar_builder_call(c->b, c->json.space));
        grammar_builder_add(c->b, e, schema_call_of_whole(c, one->arguments, &is_object));
        return e;
}

int schema_read_calls(struct grammar_builder *b, const struct schema_calls *calls, uint32_t *ret_rule, uint32_t *ret_wrong,
                      struct grammar_error *reterr) {
        struct schema_compiler c = { .b = b, .reterr = reterr };
        uint32_t e = grammar_builder_sequence(b), choice = grammar_builder_choice(b);
        schema_begin(&c);
        *ret_wrong = calls->count;
        for (uint32_t i = 0; i < calls->count && !c.failed; i++) {
                grammar_builder_add(b, choice, one_call(&c, calls, &calls->list[i]));
                if (c.failed)
                        *ret_wrong = i;
        }
        grammar_builder_add(b, e, grammar_builder_literal(b, calls->before));
        grammar_builder_add(b, e, choice);
        grammar_builder_add(b, e, grammar_builder_literal(b, calls->behind));
        return schema_end(&c, e, ret_rule);
}
