/* response_format.c - see response_format.h. */
#include "engine/request/response_format.h"

#include <errno.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/base/strbuf.h"
#include "engine/grammar/gbnf.h"
#include "engine/json_schema/schema.h"
#include "engine/base/printable.h"
#include "engine/request/error.h"

#define LINES_BEHIND_REASONING 2u /* line ends that models leave between it and the answer, which shows them nowhere */

struct wish {
        const char *param;
        const cJSON *schema, *grammar;
        bool any_object;
        bool strict; /* of the schema nothing may be left out */
        const struct request_tools *call;
        struct schema_relaxed relaxed;
        bool too_large; /* why it was refused */
        bool is_open;   /* what is not strict is held to no more than its type */
};

static bool is_asked(const struct wish *w) {
        return w->schema || w->grammar || w->any_object || w->call;
}

/* {"type": "json_schema", "json_schema": {"schema": ...}}; some put the schema beside the type. */
static const cJSON *schema_in(const cJSON *format) {
        const cJSON *wrapper = json_get(format, "json_schema");
        return wrapper ? json_get(wrapper, "schema") : json_get(format, "schema");
}

static int read_format(const cJSON *body, struct wish *w, struct request_error *reterr) {
        const cJSON *format = json_get(body, "response_format"), *type = json_get(format, "type");
        if (!format)
                return 0;
        w->param = "response_format";
        if (!cJSON_IsObject(format) || !cJSON_IsString(type))
                return request_refuse(reterr, w->param, "response_format must be an object with a type.");
        w->schema = schema_in(format);
        w->strict = cJSON_IsTrue(json_get(json_get(format, "json_schema"), "strict"));
        if (!strcmp(type->valuestring, "text")) {
                w->schema = NULL;
        } else if (!strcmp(type->valuestring, "json_object")) {
                w->any_object = !w->schema;
        } else if (strcmp(type->valuestring, "json_schema")) {
                return request_refuse(reterr, w->param, "response_format.type must be text, json_object or json_schema.");
        } else if (!w->schema) {
                return request_refuse(reterr, w->param, "response_format.json_schema must have a schema.");
        }
        return 0;
}

static int take(struct wish *to, struct wish from, struct request_error *reterr) {
        if (!is_asked(&from))
                return 0;
        if (is_asked(to))
                return request_refuse(reterr, from.param, "%s and %s cannot both be held to: send one of them.", to->param,
                                      from.param);
        *to = from;
        return 0;
}

static int read_wish(const cJSON *body, const struct request_tools *tools, struct wish *w, struct request_error *reterr) {
        const cJSON *schema = json_get(body, "json_schema"), *grammar = json_get(body, "grammar");
        if (grammar && !cJSON_IsString(grammar))
                return request_refuse(reterr, "grammar", "grammar must be a text.");
        if (grammar && !grammar->valuestring[0])
                grammar = NULL; /* some front ends send their empty field */
        int r = read_format(body, w, reterr);
        if (r == 0)
                r = take(w, (struct wish){ .param = "json_schema", .schema = schema }, reterr);
        if (r == 0)
                r = take(w, (struct wish){ .param = "grammar", .grammar = grammar }, reterr);
        if (r == 0)
                r = take(w, (struct wish){ .param = "tool_choice", .call = tools->must ? tools : NULL }, reterr);
        return r;
}

/* ---- a call ---- */

/* What SCHEMA is held to where all of it would be too much. */
static const cJSON *open_schema(const cJSON *schema) {
        static char type_word[] = "type", object_word[] = "object";
        static cJSON object_type = { .type = cJSON_String, .valuestring = object_word, .string = type_word };
        static const cJSON any_object = { .type = cJSON_Object, .child = &object_type }, anything = { .type = cJSON_True };
        const char *type = cJSON_GetStringValue(json_get(schema, "type"));
        return type && !strcmp(type, "object") ? &any_object : &anything;
}

/* Lists those that may be called. Returns their number. */
static uint32_t list_calls(struct wish *w, struct schema_call list[]) {
        const struct request_tools *tools = w->call;
        uint32_t count = 0;
        const cJSON *tool;
        cJSON_ArrayForEach(tool, tools->offered) {
                const char *name = request_tool_name(tool);
                if (tools->only && strcmp(name, tools->only) != 0)
                        continue;
                bool strict = request_tool_is_strict(tool), is_open = w->is_open && !strict;
                const cJSON *arguments = request_tool_arguments(tool);
                list[count++] = (struct schema_call){ name, is_open ? open_schema(arguments) : arguments, name, strict };
                if (is_open)
                        schema_tell_whole(&w->relaxed, name);
                if (tools->only)
                        break; /* of two with one name the first is meant */
        }
        return count;
}

static int refuse(struct wish *w, int error, const struct grammar_error *why, struct request_error *reterr) {
        const char *param = w->call ? "tools" : w->param;
        w->too_large = why->limit;
        return error == -ENOMEM ? request_no_memory(reterr) : request_refuse(reterr, param, "%s: %s.", param, why->text);
}

/* A call as the model writes it, without what the prompt has begun of it. */
static int read_call(struct grammar_builder *b, struct wish *w, const struct chat_parser_setup *parser_setup, uint32_t *ret_root,
                     struct request_error *reterr) {
        struct schema_call list[REQUEST_TOOLS_MAX];
        const char *const *writes = parser_setup->format->calls->writes, *only = w->call->only;
        const struct argument_marks *a = &parser_setup->format->calls->argument;
        const struct schema_marks marks = { a->key,        a->behind_key, a->behind_text_key,
                                            a->before_end, a->value_end,  request_may_be_text };
        struct schema_calls calls = { .before = writes[0],
                                      .between = writes[1],
                                      .behind = writes[2],
                                      .marks = a->key ? &marks : NULL,
                                      .list = list,
                                      .count = list_calls(w, list),
                                      .relaxed = &w->relaxed };
        struct grammar_error why;
        char shown[64];
        uint32_t wrong;
        if (parser_setup->begun)
                calls.before = "";
        if (parser_setup->begun && only)
                list[0].name = calls.between = "";
        int r = schema_read_calls(b, &calls, ret_root, &wrong, &why);
        if (r != -EINVAL || wrong == calls.count)
                return r < 0 ? refuse(w, r, &why, reterr) : 0;
        const char *name = list[wrong].told_as;
        w->too_large = why.limit;
        return request_refuse(reterr, "tools", "A call of %s cannot be held to its parameters: %s.",
                              printable_copy(shown, sizeof(shown), name, strlen(name)), why.text);
}

/* ---- the whole ---- */

static int read_schema(struct grammar_builder *b, struct wish *w, uint32_t *ret_root, struct grammar_error *reterr) {
        bool is_open = w->is_open && !w->strict;
        if (is_open)
                schema_tell_whole(&w->relaxed, NULL);
        return schema_read(b, is_open ? open_schema(w->schema) : w->schema, w->strict ? NULL : &w->relaxed, ret_root, reterr);
}

/* The rules of the answer proper. */
static int read_rules(struct grammar_builder *b, struct wish *w, const struct chat_parser_setup *parser_setup, uint32_t *ret_root,
                      struct request_error *reterr) {
        struct grammar_error why;
        if (w->call)
                return read_call(b, w, parser_setup, ret_root, reterr);
        int r = w->grammar      ? gbnf_read_whole(b, w->grammar->valuestring, strlen(w->grammar->valuestring), ret_root, &why)
                : w->any_object ? schema_read_any_object(b, ret_root, &why)
                                : read_schema(b, w, ret_root, &why);
        return r < 0 ? refuse(w, r, &why, reterr) : 0;
}

/* A rule for the same behind reasoning, and, where content has a mark and CONTENT is what it is, behind that. */
static uint32_t behind_reasoning(struct grammar_builder *b, uint32_t root, const struct chat_parser_setup *parser_setup,
                                 bool content) {
        const struct reasoning_format *f = parser_setup->format->reasoning;
        uint32_t rule = grammar_builder_rule(b, "answer", 6), thought = grammar_builder_sequence(b),
                 e = grammar_builder_sequence(b);
        bool may = parser_setup->reasoning == REASONING_MAY;
        if (may)
                grammar_builder_add(b, thought, grammar_builder_literal(b, f->open));
        grammar_builder_add(b, thought, grammar_builder_until(b, f->close));
        grammar_builder_add(b, thought,
                            f->next ? grammar_builder_literal(b, f->next)
                                    : grammar_builder_repeat(b, grammar_builder_literal(b, "\n"), 0, LINES_BEHIND_REASONING));
        grammar_builder_add(b, e, may ? grammar_builder_optional(b, thought) : thought);
        if (f->content && content)
                grammar_builder_add(b, e, grammar_builder_literal(b, f->content));
        grammar_builder_add(b, e, grammar_builder_call(b, root));
        grammar_builder_set_body(b, rule, e);
        return rule;
}

static int compile(struct wish *w, const struct chat_parser_setup *parser_setup, struct grammar **ret,
                   struct request_error *reterr) {
        struct grammar_builder b = { 0 };
        struct grammar_error why;
        uint32_t root;
        w->relaxed = (struct schema_relaxed){ .within = w->call ? "tools" : w->param };
        int r = read_rules(&b, w, parser_setup, &root, reterr);
        if (r == 0 && parser_setup->reasoning != REASONING_OVER)
                root = behind_reasoning(&b, root, parser_setup, !w->call);
        if (r == 0 && (r = grammar_builder_compile(&b, root, ret, &why)) < 0)
                (void) refuse(w, r, &why, reterr);
        grammar_builder_done(&b);
        return r;
}

/* A schema that is too large, and not strict, is held to no more than its type. */
static int compile_or_open(struct wish *w, const struct chat_parser_setup *parser_setup, struct grammar **ret,
                           struct request_error *reterr) {
        int r = compile(w, parser_setup, ret, reterr);
        if (r != -EINVAL || !w->too_large || w->grammar || w->strict)
                return r;
        w->is_open = true;
        return compile(w, parser_setup, ret, reterr);
}

/* Tools that are strict, of which the model may choose: nothing holds what it calls them with. */
static void tell_free_tools(const struct request_tools *tools, struct wish *w) {
        const cJSON *tool;
        w->relaxed.within = "tools";
        cJSON_ArrayForEach(tool, tools->offered)
                if (!tools->must && request_tool_is_strict(tool))
                        schema_tell_whole(&w->relaxed, request_tool_name(tool));
}

static int list_relaxed(const struct schema_relaxed *relaxed, char **ret, struct request_error *reterr) {
        struct text list = { .max = TEXT_MAX_NONE }; /* it is bounded already */
        if (!relaxed->count)
                return 0;
        (void) text_puts(&list, relaxed->places);
        if (relaxed->more)
                (void) text_printf(&list, ", and %u more", relaxed->more);
        if (list.failed) {
                text_done(&list);
                return request_no_memory(reterr);
        }
        *ret = list.bytes;
        return 0;
}

int request_read_grammar(struct request_rules *rules, const cJSON *body, const struct request_tools *tools,
                         const struct chat_parser_setup *parser_setup, struct grammar **ret, char **ret_relaxed,
                         struct request_error *reterr) {
        struct wish w = { 0 };
        int r = read_wish(body, tools, &w, reterr);
        if (r == 0 && is_asked(&w) && !rules->trie && token_trie_new(rules->tokenizer, rules->n_vocab, &rules->trie) < 0)
                return request_no_memory(reterr);
        if (r == 0 && is_asked(&w))
                r = compile_or_open(&w, parser_setup, ret, reterr);
        if (r == 0)
                tell_free_tools(tools, &w);
        return r < 0 ? r : list_relaxed(&w.relaxed, ret_relaxed, reterr);
}
