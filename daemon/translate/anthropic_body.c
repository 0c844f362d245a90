/*
 * anthropic_body.c - what clients ask for at POST /v1/messages, as the body that engines know.
 *
 * A message of theirs is a string or a list of blocks. Results of tools, which are blocks of the user, are messages of their own for a
 * model; what the assistant has thought and called stands beside its text. A block or a tool that we cannot offer is refused by its type;
 * what only says how an answer may be had cheaper (cache_control, metadata, context_management) is left out.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/translate/translate.h"

#define WORD_BYTES 64u /* of a client's word in a sentence, or of a place */

/* --- blocks --- */

enum { TYPE, TEXT, THOUGHT, ID, NAME, INPUT, OF_CALL, CONTENT, IS_ERROR, BLOCK_MEMBERS };
static const char *const block_names[BLOCK_MEMBERS] = { "type",  "text",        "thinking", "id",      "name",
                                                        "input", "tool_use_id", "content",  "is_error" };

/* By where they stand: the types that are known, and the strings that each must have. */
struct block_kind {
        const char *type;
        int needs; /* TYPE: nothing more */
};
static const struct block_kind of_system[] = { { "text", TEXT }, { NULL, 0 } };
static const struct block_kind of_result[] = { { "text", TEXT }, { NULL, 0 } };
static const struct block_kind of_user[] = { { "text", TEXT }, { "tool_result", OF_CALL }, { NULL, 0 } };
static const struct block_kind of_assistant[] = {
        { "text", TEXT }, { "thinking", THOUGHT }, { "redacted_thinking", TYPE }, { "tool_use", NAME }, { NULL, 0 }
};

static bool refuse_type(const struct translation *t, const char *at, uint32_t index, struct json_value type) {
        char word[WORD_BYTES];

        (void) json_string_copy(type, word, sizeof word);
        *t->reterr = bad_request(NULL, "%s.%u: a block of type '%s' cannot be read here; this server's models read text alone",
                                 at, index, word);
        return false;
}

static bool check_block(const struct translation *t, const struct block_kind *kinds, const char *at, uint32_t index,
                        const struct json_value block[]) {
        const struct block_kind *k = kinds;

        while (k->type && !json_string_is(block[TYPE], k->type))
                k++;
        if (block[TYPE].kind == JSON_STRING && !k->type)
                return refuse_type(t, at, index, block[TYPE]);
        if (block[TYPE].kind == JSON_STRING && block[k->needs].kind == JSON_STRING)
                return true;
        *t->reterr = bad_request(NULL, "%s.%u: '%s' must be a string", at, index, block_names[k->type ? k->needs : TYPE]);
        return false;
}

static bool check_content(const struct translation *t, const struct block_kind *kinds, const char *at,
                          struct json_value content) {
        struct json_value item, block[BLOCK_MEMBERS];
        struct json_walk r;

        if (content.kind != JSON_STRING && content.kind != JSON_ARRAY) {
                *t->reterr = bad_request(NULL, "%s must be a string or a list of blocks", at);
                return false;
        }
        items_begin(&r, content);
        for (uint32_t i = 0; items_next(&r, &item); i++) {
                find_members(item, block_names, BLOCK_MEMBERS, block);
                if (!check_block(t, kinds, at, i, block))
                        return false;
        }
        return true;
}

/* The next block of TYPE in a list that R goes through. */
static bool next_block(struct json_walk *r, const char *type, struct json_value block[]) {
        struct json_value item;

        while (items_next(r, &item)) {
                find_members(item, block_names, BLOCK_MEMBERS, block);
                if (json_string_is(block[TYPE], type))
                        return true;
        }
        return false;
}

/*
 * The line by which coding agents tell Anthropic whom to charge. No model needs it, and it changes with each request: it stands before all
 * else, so that nothing of the prompt would ever be known.
 */
static bool is_for_billing(struct json_value text) {
        static const char begin[] = "\"x-anthropic-billing-header:";

        return text.length >= sizeof begin && !memcmp(text.at, begin, sizeof begin - 1);
}

static void put_texts(struct text *out, struct json_value content) {
        struct json_value block[BLOCK_MEMBERS];
        struct json_walk r;

        if (content.kind == JSON_STRING)
                put_text_part(out, content);
        items_begin(&r, content);
        while (next_block(&r, "text", block))
                if (!is_for_billing(block[TEXT]))
                        put_text_part(out, block[TEXT]);
}

/* --- messages --- */

static void begin_message(struct text *out, const char *role) {
        put_comma(out);
        text_printf(out, "{\"role\":\"%s\"", role);
        put_key(out, "content");
        text_puts(out, "[");
}

static void write_plain(struct text *out, const char *role, struct json_value content) {
        begin_message(out, role);
        put_texts(out, content);
        text_puts(out, "]}");
}

/* A model is told in words that a tool failed. */
static bool write_result(const struct translation *t, uint32_t message, uint32_t index, const struct json_value block[]) {
        struct json_value content = block[CONTENT];
        char at[WORD_BYTES];

        (void) snprintf(at, sizeof at, "messages.%u.content.%u.content", message, index);
        if (content.kind != JSON_NONE && !check_content(t, of_result, at, content))
                return false;
        begin_message(t->out, "tool");
        if (block[IS_ERROR].kind == JSON_TRUE)
                put_text_part(t->out, (struct json_value){ JSON_STRING, "\"Error:\"", 8 });
        put_texts(t->out, content);
        text_puts(t->out, "]");
        put_member(t->out, "tool_call_id", block[OF_CALL]);
        text_puts(t->out, "}");
        return true;
}

/* Texts that follow each other are a message, each result is one. */
static bool write_user(const struct translation *t, uint32_t message, struct json_value content) {
        struct json_value item, block[BLOCK_MEMBERS];
        struct json_walk r;
        bool is_open = false;

        items_begin(&r, content);
        for (uint32_t i = 0; items_next(&r, &item); i++) {
                find_members(item, block_names, BLOCK_MEMBERS, block);
                bool is_text = json_string_is(block[TYPE], "text");
                if (is_text && !is_open)
                        begin_message(t->out, "user");
                if (!is_text && is_open)
                        text_puts(t->out, "]}");
                is_open = is_text;
                if (is_text)
                        put_text_part(t->out, block[TEXT]);
                else if (!write_result(t, message, i, block))
                        return false;
        }
        text_puts(t->out, is_open ? "]}" : "");
        return true;
}

/* All that was thought, as one string. */
static void put_thoughts(struct text *out, struct json_value content) {
        struct json_value block[BLOCK_MEMBERS];
        struct json_walk r;
        bool is_open = false;

        items_begin(&r, content);
        for (; next_block(&r, "thinking", block); is_open = true) {
                if (!is_open) {
                        put_key(out, "reasoning_content");
                        text_puts(out, "\"");
                }
                text_add(out, block[THOUGHT].at + 1, block[THOUGHT].length - 2);
        }
        text_puts(out, is_open ? "\"" : "");
}

static void put_calls(struct text *out, struct json_value content) {
        struct json_value block[BLOCK_MEMBERS];
        struct json_walk r;
        bool is_open = false;

        items_begin(&r, content);
        for (; next_block(&r, "tool_use", block); is_open = true) {
                if (!is_open) {
                        put_key(out, "tool_calls");
                        text_puts(out, "[");
                }
                put_comma(out);
                text_puts(out, "{\"type\":\"function\"");
                put_member(out, "id", block[ID]);
                text_puts(out, ",\"function\":{");
                put_member(out, "name", block[NAME]);
                put_member(out, "arguments", block[INPUT]);
                text_puts(out, "}}");
        }
        text_puts(out, is_open ? "]" : "");
}

static void write_assistant(struct text *out, struct json_value content) {
        begin_message(out, "assistant");
        put_texts(out, content);
        text_puts(out, "]");
        put_thoughts(out, content);
        put_calls(out, content);
        text_puts(out, "}");
}

static bool write_message(const struct translation *t, uint32_t index, struct json_value message) {
        static const char *const names[] = { "role", "content" };
        struct json_value m[2];
        char at[WORD_BYTES];

        find_members(message, names, 2, m);
        bool is_user = json_string_is(m[0], "user"), is_assistant = json_string_is(m[0], "assistant"),
             is_system = json_string_is(m[0], "system");
        if (!is_user && !is_assistant && !is_system) {
                *t->reterr = bad_request(NULL, "messages.%u.role must be 'user' or 'assistant'", index);
                return false;
        }
        (void) snprintf(at, sizeof at, "messages.%u.content", index);
        if (!check_content(t, is_user ? of_user : is_assistant ? of_assistant : of_system, at, m[1]))
                return false;
        if (is_user && m[1].kind == JSON_ARRAY)
                return write_user(t, index, m[1]);
        if (is_assistant)
                write_assistant(t->out, m[1]);
        else
                write_plain(t->out, is_user ? "user" : "system", m[1]);
        return true;
}

static bool write_messages(const struct translation *t, struct json_value system, struct json_value messages) {
        struct json_value item;
        struct json_walk r;
        uint32_t count = 0;

        put_key(t->out, "messages");
        text_puts(t->out, "[");
        if (system.kind != JSON_NONE) {
                if (!check_content(t, of_system, "system", system))
                        return false;
                write_plain(t->out, "system", system);
        }
        items_begin(&r, messages);
        for (; items_next(&r, &item); count++)
                if (!write_message(t, count, item))
                        return false;
        text_puts(t->out, "]");
        if (count > 0)
                return true;
        *t->reterr = bad_request(NULL, "messages must be a list of at least one message");
        return false;
}

/* --- tools --- */

/* A tool that Anthropic's servers would run, or know the schema of, has a type of its own. */
static bool write_tool(const struct translation *t, uint32_t index, struct json_value tool) {
        enum { TOOL_TYPE, TOOL_NAME, DESCRIPTION, SCHEMA, STRICT, TOOL_MEMBERS };
        static const char *const names[] = { "type", "name", "description", "input_schema", "strict" };
        struct json_value m[TOOL_MEMBERS];
        char word[WORD_BYTES];

        find_members(tool, names, TOOL_MEMBERS, m);
        (void) json_string_copy(m[TOOL_TYPE], word, sizeof word);
        if (m[TOOL_TYPE].kind != JSON_NONE && !json_string_is(m[TOOL_TYPE], "custom"))
                *t->reterr = bad_request(NULL, "tools.%u: tools of type '%s' are not offered; give its name and input_schema",
                                         index, word);
        else if (m[TOOL_NAME].kind != JSON_STRING)
                *t->reterr = bad_request(NULL, "tools.%u.name must be a string", index);
        else if (m[SCHEMA].kind != JSON_OBJECT)
                *t->reterr = bad_request(NULL, "tools.%u.input_schema must be an object", index);
        else {
                put_comma(t->out);
                text_puts(t->out, "{\"type\":\"function\",\"function\":{");
                put_member(t->out, "name", m[TOOL_NAME]);
                put_member(t->out, "description", m[DESCRIPTION]);
                put_member(t->out, "parameters", m[SCHEMA]);
                put_member(t->out, "strict", m[STRICT]);
                text_puts(t->out, "}}");
                return true;
        }
        return false;
}

static bool write_tools(const struct translation *t, struct json_value tools) {
        if (tools.kind == JSON_NONE)
                return true;
        if (tools.kind != JSON_ARRAY) {
                *t->reterr = bad_request(NULL, "tools must be a list");
                return false;
        }
        return put_list(t, "tools", tools, write_tool);
}

static bool write_tool_choice(const struct translation *t, struct json_value choice) {
        static const char *const names[] = { "type", "name", "disable_parallel_tool_use" };
        static const char *const words[][2] = { { "auto", "auto" }, { "any", "required" }, { "none", "none" } };
        struct json_value m[3];
        size_t i = 0;

        if (choice.kind == JSON_NONE)
                return true;
        find_members(choice, names, 3, m);
        if (m[2].kind == JSON_TRUE) {
                put_key(t->out, "parallel_tool_calls");
                text_puts(t->out, "false");
        }
        put_key(t->out, "tool_choice");
        while (i < 3 && !json_string_is(m[0], words[i][0]))
                i++;
        if (i < 3) {
                text_printf(t->out, "\"%s\"", words[i][1]);
                return true;
        }
        text_puts(t->out, "{\"type\":\"function\",\"function\":{");
        put_member(t->out, "name", m[1]);
        text_puts(t->out, "}}");
        if (json_string_is(m[0], "tool") && m[1].kind == JSON_STRING)
                return true;
        *t->reterr = bad_request(NULL, "tool_choice.type must be 'auto', 'any', 'none', or 'tool' with a name");
        return false;
}

/* --- the form of the answer --- */

/* FORMAT is {"type":"json_schema","schema":{}}. */
static bool write_format(const struct translation *t, struct json_value format) {
        static const char *const names[] = { "type", "schema" };
        struct json_value m[2];

        if (format.kind == JSON_NONE)
                return true;
        find_members(format, names, 2, m);
        if (!json_string_is(m[0], "json_schema") || m[1].kind != JSON_OBJECT) {
                *t->reterr = bad_request(NULL, "the format of an answer must be of type 'json_schema' and have a schema");
                return false;
        }
        put_key(t->out, "response_format");
        text_puts(t->out, "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\"");
        put_member(t->out, "schema", m[1]);
        text_puts(t->out, ",\"strict\":true}}");
        return true;
}

/* `output_format` is what it was called at first. */
static bool write_output(const struct translation *t, struct json_value config, struct json_value format) {
        static const char *const names[] = { "effort", "format" };
        struct json_value m[2];

        find_members(config, names, 2, m);
        put_member(t->out, "reasoning_effort", m[0]);
        return write_format(t, m[1].kind != JSON_NONE ? m[1] : format);
}

/* --- the whole --- */

enum { SYSTEM, MESSAGES, TOOLS, TOOL_CHOICE, OUTPUT_CONFIG, OUTPUT_FORMAT, MCP_SERVERS, CONTAINER, STOP_SEQUENCES, AS_THEY_ARE };
#define MEMBERS (AS_THEY_ARE + 8)
static const char *const members[MEMBERS] = { "system",        "messages",    "tools",       "tool_choice",    "output_config",
                                              "output_format", "mcp_servers", "container",   "stop_sequences", "model",
                                              "max_tokens",    "stream",      "temperature", "top_p",          "top_k",
                                              "thinking",      "service_tier" };

static bool check_offered(const struct translation *t, const struct json_value m[]) {
        struct json_value server;
        struct json_walk r;

        items_begin(&r, m[MCP_SERVERS]);
        if (!items_next(&r, &server) && m[CONTAINER].kind == JSON_NONE)
                return true;
        *t->reterr = bad_request(NULL, "'%s' is not offered: this server calls no tools itself",
                                 members[m[CONTAINER].kind == JSON_NONE ? MCP_SERVERS : CONTAINER]);
        return false;
}

bool translate_anthropic(const char *source, size_t size, struct text *out, struct asked *asked, struct failure *reterr) {
        struct translation t = { out, reterr };
        struct json_value m[MEMBERS];

        (void) asked;
        find_members((struct json_value){ JSON_OBJECT, source, size }, members, MEMBERS, m);
        text_puts(out, "{");
        for (unsigned i = AS_THEY_ARE; i < MEMBERS; i++)
                put_member(out, members[i], m[i]);
        put_member(out, "stop", m[STOP_SEQUENCES]);
        if (!check_offered(&t, m) || !write_messages(&t, m[SYSTEM], m[MESSAGES]) || !write_tools(&t, m[TOOLS]) ||
            !write_tool_choice(&t, m[TOOL_CHOICE]) || !write_output(&t, m[OUTPUT_CONFIG], m[OUTPUT_FORMAT]))
                return false;
        text_puts(out, "}");
        return true;
}
