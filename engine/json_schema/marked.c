/*
 * marked.c - calls whose arguments stand between marks, each in its own: a text as it is, anything else as JSON. What can be said of a text
 * there is only which ones it may be; and of the arguments together, which of them there must be.
 */
#include <string.h>

#include "engine/json_schema/internal.h"

struct marked {
        struct schema_compiler *c;
        const struct schema_marks *marks;
        const cJSON *arguments;
};

static void add_literal(const struct marked *m, uint32_t e, const char *text) {
        if (text)
                grammar_builder_add(m->c->b, e, grammar_builder_literal(m->c->b, text));
}

/* Up to the mark and with it; where that is no ASCII no text holds what it begins with. */
static uint32_t any_text(const struct marked *m) {
        struct grammar_builder *b = m->c->b;
        const char *end = m->marks->value_end;
        struct char_set set = { 0 };
        bool ascii = true;
        for (const char *p = end; *p; p++)
                ascii = ascii && (unsigned char) *p < 0x80;
        if (ascii)
                return grammar_builder_until(b, end);
        uint32_t e = grammar_builder_sequence(b);
        char_set_add(&set, (unsigned char) *end, (unsigned char) *end);
        char_set_invert(&set);
        grammar_builder_add(b, e, grammar_builder_repeat(b, grammar_builder_class(b, &set), 0, GRAMMAR_UNBOUNDED));
        char_set_done(&set);
        add_literal(m, e, end);
        return e;
}

/* One of the texts that ENUM or `const` lists. */
static uint32_t listed_text(const struct marked *m, const cJSON *list) {
        struct grammar_builder *b = m->c->b;
        uint32_t choice = grammar_builder_choice(b), e = grammar_builder_sequence(b);
        const cJSON *only = cJSON_IsArray(list) ? list->child : list;
        for (const cJSON *v = only; v; v = cJSON_IsArray(list) ? v->next : NULL)
                if (cJSON_IsString(v))
                        add_literal(m, choice, v->valuestring);
        grammar_builder_add(b, e, choice);
        add_literal(m, e, m->marks->value_end);
        return e;
}

static uint32_t text_value(const struct marked *m, const cJSON *schema) {
        struct together t = { 0 };
        struct facts f;
        together_add(m->c, &t, schema);
        if (m->c->failed)
                return 0;
        facts_read(m->c, &t, &f);
        if (f.values_count == 1)
                return listed_text(m, f.values[0]);
        bool counted = f.length.least > 0 || f.length.most != UINT64_MAX;
        const cJSON *unheld = f.values_count         ? f.values[0]
                              : f.texts_count        ? f.texts[0]
                              : counted              ? f.length_by
                              : f.choice && f.one_of ? f.choice
                                                     : NULL;
        if (unheld)
                schema_relax(m->c, unheld,
                             "a text that this model writes between marks is held to no more than an enum or a const");
        return m->c->failed ? 0 : any_text(m);
}

static uint32_t json_value(const struct marked *m, const cJSON *schema) {
        struct grammar_builder *b = m->c->b;
        struct together t = { 0 };
        uint32_t e = grammar_builder_sequence(b);
        together_add(m->c, &t, schema);
        grammar_builder_add(b, e, m->c->failed ? 0 : schema_call(m->c, &t));
        add_literal(m, e, m->marks->before_end);
        add_literal(m, e, m->marks->value_end);
        return e;
}

static uint32_t one_argument(const struct marked *m, const cJSON *schema) {
        struct grammar_builder *b = m->c->b;
        bool text = m->marks->is_text(m->arguments, schema);
        uint32_t e = grammar_builder_sequence(b);
        if (!*schema->string || strpbrk(schema->string, "<>\"\n"))
                schema_refuse(m->c, schema, "a property of this name cannot be written between marks");
        add_literal(m, e, m->marks->before_key);
        add_literal(m, e, schema->string);
        add_literal(m, e, text && m->marks->behind_text_key ? m->marks->behind_text_key : m->marks->behind_key);
        grammar_builder_add(b, e, m->c->failed ? 0 : text ? text_value(m, schema) : json_value(m, schema));
        add_literal(m, e, "\n");
        return e;
}

static bool is_required(const struct marked *m, const char *name) {
        const cJSON *one;
        cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(m->arguments, "required"))
                if (!schema_works(m->c, 1) || (cJSON_IsString(one) && !strcmp(one->valuestring, name)))
                        return true;
        return false;
}

/* What is said of the arguments together, where it is more than which there are. */
static void check_keywords(const struct marked *m) {
        static const char *const unheld[] = { "allOf",
                                              "anyOf",
                                              "oneOf",
                                              "not",
                                              "enum",
                                              "const",
                                              "$ref",
                                              "minProperties",
                                              "if",
                                              "maxProperties",
                                              "propertyNames",
                                              "patternProperties",
                                              "dependentRequired" };
        const cJSON *one, *properties = cJSON_GetObjectItemCaseSensitive(m->arguments, "properties");
        for (size_t i = 0; i < sizeof(unheld) / sizeof(unheld[0]); i++)
                if ((one = cJSON_GetObjectItemCaseSensitive(m->arguments, unheld[i])))
                        schema_relax(m->c, one, "the keyword %s is not supported for arguments between marks", unheld[i]);
        uint32_t count = (uint32_t) cJSON_GetArraySize(properties);
        cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(m->arguments, "required")) {
                if (!schema_works(m->c, 1 + count))
                        return;
                if (cJSON_IsString(one) && !cJSON_GetObjectItemCaseSensitive(properties, one->valuestring))
                        schema_relax(m->c, one, "it is none of the properties");
        }
}

uint32_t schema_marked(struct schema_compiler *c, const struct schema_marks *marks, const cJSON *arguments) {
        const struct marked m = { c, marks, arguments };
        uint32_t e = grammar_builder_sequence(c->b);
        const cJSON *p;
        c->root = arguments;
        if (cJSON_IsObject(arguments))
                check_keywords(&m);
        cJSON_ArrayForEach(p, cJSON_GetObjectItemCaseSensitive(arguments, "properties")) {
                uint32_t one = c->failed ? 0 : one_argument(&m, p);
                grammar_builder_add(c->b, e, is_required(&m, p->string) ? one : grammar_builder_optional(c->b, one));
        }
        schema_write_bodies(c);
        return e;
}
