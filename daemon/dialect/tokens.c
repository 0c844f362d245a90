/* tokens.c - see tokens.h. The engine's answer is a text: what was asked for, or a list of tokens as JSON. */
#include "daemon/dialect/tokens.h"

#include "engine/base/json_walk.h"

/* An engine is believed to have written JSON when it has. */
static bool is_list(const struct text *text) {
        struct json_walk r;
        struct json_value v = { .kind = JSON_NONE };

        json_walk_begin(&r, text_string(text), text->used, JSON_DEPTH_MAX, UINT32_MAX);
        return json_walk_value(&r, &v) && v.kind == JSON_ARRAY && json_walk_end(&r);
}

static void whole_tokens(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        const struct answer_part *p = answer_part(a);

        (void) finish;
        out->failed |= !p || !is_list(&p->text);
        text_printf(out, "{\"tokens\":%s,\"count\":%u}\n", p ? text_string(&p->text) : "[]", usage->prompt_tokens);
}

static void put_text(struct text *out, const char *name, const struct answer *a) {
        put_key(out, name);
        if (!answer_join(out, a, PART_TEXT))
                text_puts(out, "\"\"");
}

/* llama-server calls it so, and vLLM so. */
static void whole_text(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        (void) finish, (void) usage;
        text_puts(out, "{");
        put_text(out, "content", a);
        put_text(out, "prompt", a);
        text_puts(out, "}\n");
}

static void whole_template(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        (void) finish, (void) usage;
        text_puts(out, "{");
        put_text(out, "prompt", a);
        text_puts(out, "}\n");
}

const struct dialect dialect_tokenize = {
        .id_prefix = "", .is_chat = true, .looks = REQUEST_TOKENS, .whole = whole_tokens, .refuse = openai_refuse
};
const struct dialect dialect_detokenize = {
        .id_prefix = "", .looks = REQUEST_TEXT, .whole = whole_text, .refuse = openai_refuse
};
const struct dialect dialect_template = {
        .id_prefix = "", .is_chat = true, .looks = REQUEST_TEMPLATE, .whole = whole_template, .refuse = openai_refuse
};
