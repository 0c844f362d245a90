/*
 * tool_call_json.c - see tool_call_json.h. The header of a call is short, so it is read from its beginning each time more has come.
 */
#include "engine/output/tool_call_json.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_read.h"

#define VALUE_DEPTH_MAX 64u

struct reader {
        const char *text;
        size_t length, at;
        bool wrong; /* no JSON; otherwise what stops before its end is unfinished */
};

size_t tool_call_json_text_end(const char *text, size_t length) {
        for (size_t i = 1; i < length; i++) {
                if (text[i] == '\\')
                        i++;
                else if (text[i] == '"')
                        return i + 1;
        }
        return 0;
}

char *tool_call_json_decode(const char *text, size_t length) {
        cJSON *json = json_read(text, length, NULL);
        char *decoded = cJSON_IsString(json) ? strdup(json->valuestring) : NULL;
        cJSON_Delete(json);
        return decoded;
}

static void skip_space(struct reader *r) {
        while (r->at < r->length && strchr(" \n\r\t", r->text[r->at]))
                r->at++;
}

/* Whether C stands next; where another character does, it is no JSON. */
static bool takes(struct reader *r, char c) {
        skip_space(r);
        if (r->at == r->length)
                return false;
        if (r->text[r->at] != c) {
                r->wrong = true;
                return false;
        }
        r->at++;
        return true;
}

/* A text, quotes included. */
static bool take_text(struct reader *r, const char **ret, size_t *ret_length) {
        skip_space(r);
        if (r->at < r->length && r->text[r->at] != '"')
                r->wrong = true;
        size_t length = r->at < r->length && !r->wrong ? tool_call_json_text_end(r->text + r->at, r->length - r->at) : 0;
        *ret = r->text + r->at;
        *ret_length = length;
        r->at += length;
        return length > 0;
}

/* Passes over a value; whether all of it is there. */
static bool skip_value(struct reader *r) {
        uint32_t depth = 0;
        skip_space(r);
        for (; r->at < r->length; r->at++) {
                char c = r->text[r->at];
                if (c == '"') {
                        size_t length = tool_call_json_text_end(r->text + r->at, r->length - r->at);
                        if (!length)
                                return false;
                        r->at += length - 1;
                } else if (c == '{' || c == '[') {
                        if (++depth > VALUE_DEPTH_MAX)
                                r->wrong = true;
                } else if ((c == '}' || c == ']' || c == ',') && depth == 0) {
                        return true; /* the end of a number or a word */
                } else if (c == '}' || c == ']') {
                        depth--;
                }
                if (depth == 0 && (c == '"' || c == '}' || c == ']')) {
                        r->at++;
                        return true;
                }
                if (r->wrong)
                        return false;
        }
        return false;
}

static bool is(const char *quoted, size_t length, const char *word) {
        return length == strlen(word) + 2 && !memcmp(quoted + 1, word, length - 2);
}

static bool take_name(struct reader *r, struct tool_call_header *header) {
        const char *quoted;
        size_t length;
        if (!take_text(r, &quoted, &length))
                return false;
        char *name = tool_call_json_decode(quoted, length);
        if (!name || !*name || strlen(name) > REQUEST_TOOL_NAME_BYTES_MAX)
                r->wrong = true;
        else
                strcpy(header->name, name);
        free(name);
        return !r->wrong;
}

/* One member; *found_arguments when it is the arguments, and R stands at their value. False: it is not whole, or no JSON. */
static bool take_member(struct reader *r, struct tool_call_header *header, bool *found_arguments) {
        const char *key;
        size_t length;
        if (!take_text(r, &key, &length) || !takes(r, ':'))
                return false;
        skip_space(r);
        if (r->at == r->length)
                return false;
        if (is(key, length, "name") || is(key, length, "tool_name"))
                return take_name(r, header);
        if (is(key, length, "arguments") || is(key, length, "parameters")) {
                *found_arguments = true;
                header->arguments_at = r->at;
                if (header->name[0])
                        return true;
        }
        return skip_value(r);
}

enum tool_call_json tool_call_json_header(const char *text, size_t length, struct tool_call_header *ret) {
        struct reader r = { .text = text, .length = length };
        bool arguments = false, more = takes(&r, '{');
        *ret = (struct tool_call_header){ .arguments_at = 0 };
        while (more && !(arguments && ret->name[0])) {
                more = take_member(&r, ret, &arguments);
                if (!more || (arguments && ret->name[0]))
                        break;
                skip_space(&r);
                if (r.at < r.length && r.text[r.at] == '}') { /* closed without the two */
                        ret->arguments_at = r.at;
                        ret->without = true;
                        return ret->name[0] ? TOOL_CALL_JSON_CALL : TOOL_CALL_JSON_OTHER;
                }
                more = takes(&r, ',');
        }
        if (r.wrong)
                return TOOL_CALL_JSON_OTHER;
        return arguments && ret->name[0] ? TOOL_CALL_JSON_CALL : TOOL_CALL_JSON_UNFINISHED;
}
