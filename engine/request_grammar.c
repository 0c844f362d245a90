/* request_grammar.c - see request_grammar.h. */
#include "engine/request_grammar.h"

#include <errno.h>
#include <string.h>

#include "engine/grammar/gbnf.h"
#include "engine/grammar/schema.h"
#include "engine/request_error.h"

struct wish {
        const char *param;
        const cJSON *schema, *grammar;
        bool any_object;
};

static bool is_asked(const struct wish *w) {
        return w->schema || w->grammar || w->any_object;
}

static const cJSON *member(const cJSON *object, const char *name) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
        return cJSON_IsNull(value) ? NULL : value;
}

/* {"type": "json_schema", "json_schema": {"schema": ...}}; some put the schema beside the type. */
static const cJSON *schema_in(const cJSON *format) {
        const cJSON *wrapper = member(format, "json_schema");
        return wrapper ? member(wrapper, "schema") : member(format, "schema");
}

static int read_format(const cJSON *body, struct wish *w, struct request_error *reterr) {
        const cJSON *format = member(body, "response_format"), *type = member(format, "type");
        if (!format)
                return 0;
        w->param = "response_format";
        if (!cJSON_IsObject(format) || !cJSON_IsString(type))
                return request_refuse(reterr, w->param, "response_format must be an object with a type.");
        w->schema = schema_in(format);
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

static int read_wish(const cJSON *body, struct wish *w, struct request_error *reterr) {
        const cJSON *schema = member(body, "json_schema"), *grammar = member(body, "grammar");
        if (grammar && !cJSON_IsString(grammar))
                return request_refuse(reterr, "grammar", "grammar must be a text.");
        if (grammar && !grammar->valuestring[0])
                grammar = NULL; /* some front ends send their empty field */
        int r = read_format(body, w, reterr);
        if (r == 0)
                r = take(w, (struct wish){ .param = "json_schema", .schema = schema }, reterr);
        if (r == 0)
                r = take(w, (struct wish){ .param = "grammar", .grammar = grammar }, reterr);
        return r;
}

static int compile(const struct wish *w, struct grammar **ret, struct request_error *reterr) {
        struct grammar_error why;
        int r = w->grammar      ? gbnf_compile(w->grammar->valuestring, strlen(w->grammar->valuestring), ret, &why)
                : w->any_object ? schema_compile_any_object(ret, &why)
                                : schema_compile(w->schema, ret, &why);
        if (r == -ENOMEM)
                return request_no_memory(reterr);
        return r < 0 ? request_refuse(reterr, w->param, "%s: %s.", w->param, why.text) : 0;
}

int request_read_grammar(struct request_rules *rules, const cJSON *body, struct grammar **ret, struct request_error *reterr) {
        struct wish w = { 0 };
        int r = read_wish(body, &w, reterr);
        if (r < 0 || !is_asked(&w))
                return r;
        if (!rules->trie && token_trie_new(rules->tokenizer, rules->n_vocab, &rules->trie) < 0)
                return request_no_memory(reterr);
        return compile(&w, ret, reterr);
}
