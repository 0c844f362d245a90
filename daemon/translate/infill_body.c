/*
 * infill_body.c - what editors ask for at POST /infill of llama-server, as the body that engines know: what stands before the cursor and behind
 * it, and other files of the project, as a completion with a `suffix` (engine/request/infill.h).
 */
#include "daemon/translate/translate.h"

enum { PREFIX, PROMPT, BEHIND, EXTRA, LIMIT, FIELDS, OWN_MEMBERS };
static const char *const own[OWN_MEMBERS] = { "input_prefix", "prompt",    "input_suffix",
                                              "input_extra",  "n_predict", "response_fields" };
static const char *const unwanted[] = { "suffix", "max_tokens", "max_completion_tokens", "n", "best_of", "echo", "logprobs" };

static bool is_one_of(struct json_value key, const char *const names[], size_t count) {
        for (size_t i = 0; i < count; i++)
                if (json_string_is(key, names[i]))
                        return true;
        return false;
}

/* Samplers and all else that has the same name here and there. */
static void put_others(struct text *out, struct json_value object) {
        struct json_walk r;
        struct json_value key, value;

        json_walk_begin(&r, object.at, object.length, JSON_DEPTH_MAX, UINT32_MAX);
        (void) json_walk_into(&r, JSON_OBJECT);
        while (json_walk_member(&r, &key) && json_walk_value(&r, &value)) {
                if (is_one_of(key, own, OWN_MEMBERS) || is_one_of(key, unwanted, sizeof unwanted / sizeof *unwanted))
                        continue;
                put_comma(out);
                text_add(out, key.at, key.length);
                text_puts(out, ":");
                text_add(out, value.at, value.length);
        }
}

/* The line up to the cursor belongs to what stands before it. */
static void put_before(struct text *out, struct json_value prefix, struct json_value prompt) {
        put_key(out, "prompt");
        text_puts(out, "\"");
        if (prefix.kind == JSON_STRING)
                text_add(out, prefix.at + 1, prefix.length - 2);
        if (prompt.kind == JSON_STRING)
                text_add(out, prompt.at + 1, prompt.length - 2);
        text_puts(out, "\"");
}

static bool check(const struct json_value m[], struct failure *reterr) {
        for (size_t i = PREFIX; i <= BEHIND; i++)
                if (m[i].kind != JSON_NONE && m[i].kind != JSON_STRING) {
                        *reterr = bad_request(own[i], "'%s' must be a string", own[i]);
                        return false;
                }
        if (m[EXTRA].kind != JSON_NONE && m[EXTRA].kind != JSON_ARRAY) {
                *reterr = bad_request("input_extra", "'input_extra' must be an array of objects with 'filename' and 'text'");
                return false;
        }
        return true;
}

bool translate_infill(const char *source, size_t size, struct text *out, struct asked *asked, struct failure *reterr) {
        struct json_value whole = { JSON_OBJECT, source, size }, m[OWN_MEMBERS];

        find_members(whole, own, OWN_MEMBERS, m);
        if (!check(m, reterr))
                return false;
        text_puts(out, "{");
        put_before(out, m[PREFIX], m[PROMPT]);
        put_member(out, "suffix", m[BEHIND]);
        put_member(out, "max_tokens", m[LIMIT]);
        put_key(out, "input_extra");
        if (m[EXTRA].kind == JSON_ARRAY)
                text_add(out, m[EXTRA].at, m[EXTRA].length);
        else
                text_puts(out, "[]");
        put_others(out, whole);
        text_puts(out, "}");
        asked->repeated[0] = m[FIELDS];
        return true;
}
