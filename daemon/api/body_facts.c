/* body_facts.c - see body_facts.h. Objects and arrays that we look into are gone through here; the reader walks past the rest. */
#include "daemon/api/body_facts.h"

#include <string.h>

#include "engine/wire/wire.h"

static const char *const names[MEMBER_COUNT] = {
        [MEMBER_MODEL] = "model",
        [MEMBER_STREAM] = "stream",
        [MEMBER_STREAM_OPTIONS] = "stream_options",
        [MEMBER_N] = "n",
        [MEMBER_BEST_OF] = "best_of",
        [MEMBER_ECHO] = "echo",
        [MEMBER_SUFFIX] = "suffix",
        [MEMBER_MAX_TOKENS] = "max_tokens",
        [MEMBER_MAX_COMPLETION_TOKENS] = "max_completion_tokens",
        [MEMBER_TEMPERATURE] = "temperature",
        [MEMBER_TOP_P] = "top_p",
        [MEMBER_TOP_K] = "top_k",
        [MEMBER_MIN_P] = "min_p",
        [MEMBER_PRESENCE_PENALTY] = "presence_penalty",
        [MEMBER_FREQUENCY_PENALTY] = "frequency_penalty",
        [MEMBER_REPEAT_PENALTY] = "repeat_penalty",
        [MEMBER_SEED] = "seed",
        [MEMBER_LOGIT_BIAS] = "logit_bias",
        [MEMBER_LOGPROBS] = "logprobs",
        [MEMBER_TOP_LOGPROBS] = "top_logprobs",
        [MEMBER_TOOLS] = "tools",
        [MEMBER_RESPONSE_FORMAT] = "response_format",
        [MEMBER_SERVICE_TIER] = "service_tier",
        [MEMBER_MESSAGES] = "messages",
        [MEMBER_PROMPT] = "prompt",
        [MEMBER_CONTENT] = "content",
        [MEMBER_TOKENS] = "tokens",
        [MEMBER_INPUT] = "input",
        [MEMBER_QUERY] = "query",
        [MEMBER_DOCUMENTS] = "documents",
        [MEMBER_TOP_N] = "top_n",
        [MEMBER_RETURN_DOCUMENTS] = "return_documents",
        [MEMBER_ENCODING_FORMAT] = "encoding_format",
        [MEMBER_DIMENSIONS] = "dimensions",
        [MEMBER_TRUNCATE] = "truncate",
        [MEMBER_FORCE] = "force",
        [MEMBER_MINUTES] = "minutes",
        [MEMBER_TIME] = "time",
};

const char *body_member_name(enum member m) {
        return names[m];
}

static bool is_token(struct json_value v) {
        return json_whole(v, 0, INT32_MAX);
}

/* --- messages --- */

static enum message_fault read_message(struct json_walk *r) {
        struct json_value key, value, role = { 0 }, content = { 0 };

        if (!json_walk_into(r, JSON_OBJECT))
                return MESSAGE_NO_OBJECT;
        while (json_walk_member(r, &key)) {
                struct json_value *known = json_string_is(key, "role") ? &role : json_string_is(key, "content") ? &content : NULL;
                if (json_walk_value(r, &value) && known && known->kind == JSON_NONE)
                        *known = value;
        }
        if (role.kind != JSON_STRING)
                return MESSAGE_NO_ROLE;
        return content.kind <= JSON_NULL || content.kind == JSON_STRING || content.kind == JSON_ARRAY ? MESSAGE_FINE
                                                                                                      : MESSAGE_CONTENT;
}

static void read_messages(struct json_walk *r, struct messages_facts *m) {
        if (!json_walk_into(r, JSON_ARRAY))
                return;
        for (; json_walk_item(r); m->count++) {
                enum message_fault fault = read_message(r);
                if (m->fault != MESSAGE_FINE || fault == MESSAGE_FINE)
                        continue;
                m->fault = fault;
                m->wrong_index = m->count;
        }
}

/* --- prompts and inputs --- */

/* Whether the array that comes next holds tokens, and at least one. */
static bool read_tokens(struct json_walk *r) {
        struct json_value item;
        bool are_tokens = json_walk_into(r, JSON_ARRAY);
        uint32_t count = 0;

        if (!are_tokens)
                return false;
        for (; json_walk_item(r); count++)
                are_tokens = json_walk_value(r, &item) && is_token(item) && are_tokens;
        return are_tokens && count > 0;
}

static void read_list(struct json_walk *r, struct list_facts *l) {
        struct json_value item;
        uint32_t tokens = 0;
        bool is_wrong = false;

        if (!json_walk_into(r, JSON_ARRAY))
                return;
        for (; json_walk_item(r); l->count++) {
                enum json_kind kind = json_walk_kind(r);
                bool is_list = kind == JSON_ARRAY && read_tokens(r);
                if (kind != JSON_ARRAY && json_walk_value(r, &item))
                        tokens += is_token(item);
                if (l->count == 0) {
                        l->first = kind;
                        l->is_first_tokens = is_list;
                }
                if (!is_wrong && !is_list && (kind != JSON_STRING || item.length <= 2)) {
                        is_wrong = true;
                        l->wrong_index = l->count;
                }
        }
        if (!is_wrong)
                l->wrong_index = l->count;
        l->are_tokens = l->count > 0 && tokens == l->count;
}

static void read_stream_options(struct json_walk *r, bool *ret_includes_usage) {
        struct json_value key, value;
        bool is_known = false;

        if (!json_walk_into(r, JSON_OBJECT))
                return;
        while (json_walk_member(r, &key)) {
                bool is_it = !is_known && json_string_is(key, "include_usage");
                if (!json_walk_value(r, &value) || !is_it)
                        continue;
                is_known = true;
                *ret_includes_usage = value.kind == JSON_TRUE;
        }
}

/* --- the body --- */

static enum member find_member(struct json_value key) {
        unsigned m = 0;

        while (m < MEMBER_COUNT && !json_string_is(key, names[m]))
                m++;
        return (enum member) m;
}

/* The value of M comes next. */
static void read_member(struct json_walk *r, enum member m, struct body_facts *f) {
        struct json_value value = { .kind = json_walk_kind(r), .at = r->at };

        switch (m) {
        case MEMBER_STREAM_OPTIONS: read_stream_options(r, &f->includes_usage); break;
        case MEMBER_MESSAGES: read_messages(r, &f->messages); break;
        case MEMBER_PROMPT: read_list(r, &f->prompt); break;
        case MEMBER_INPUT: read_list(r, &f->input); break;
        case MEMBER_DOCUMENTS: read_list(r, &f->documents); break;
        default: (void) json_walk_value(r, &value);
        }
        value.length = (size_t) (r->at - value.at);
        f->members[m] = value;
}

void body_facts_read(const char *text, size_t size, struct body_facts *ret) {
        struct body_facts f = { 0 };
        struct json_walk r;
        struct json_value key, other;

        json_walk_begin(&r, text, size, WIRE_BODY_DEPTH_MAX, WIRE_BODY_VALUES_MAX);
        f.is_object = json_walk_into(&r, JSON_OBJECT);
        while (f.is_object && json_walk_member(&r, &key)) {
                enum member m = find_member(key);
                if (m < MEMBER_COUNT && f.members[m].kind == JSON_NONE)
                        read_member(&r, m, &f);
                else
                        (void) json_walk_value(&r, &other);
        }
        (void) json_walk_end(&r);
        for (unsigned m = 0; m < MEMBER_COUNT; m++)
                if (f.members[m].kind == JSON_NULL)
                        f.members[m].kind = JSON_NONE;
        f.values = r.values;
        f.error = r.error;
        f.error_at = (size_t) (r.at - r.begin);
        *ret = f;
}
