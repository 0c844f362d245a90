/*
 * json_body.c - a request body to a JSON object, and a JSON object to an answer.
 *
 * cJSON spends some 64 bytes on each value, however short its text: the values are counted before they are parsed, so that
 * a body of the allowed size cannot cost a hundred times as much.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api_internal.h"
#include "daemon/bounds.h"
#include "daemon/cleanup.h"

/* An upper bound of the number of values: outside strings, each begins at the start, or after one of [ { , :. */
static size_t count_values(const char *bytes, size_t size) {
        bool in_string = false;
        size_t count = 1;

        for (size_t i = 0; i < size; i++) {
                char c = bytes[i];
                if (in_string) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                in_string = false;
                } else if (c == '"') {
                        in_string = true;
                } else if (c == ',' || c == '[' || c == '{') {
                        count++;
                }
        }
        return count;
}

static bool is_blank(const char *at, const char *end) {
        while (at < end && strchr(" \t\r\n", *at) && *at)
                at++;
        return at == end;
}

cJSON *api_read_json(struct http_exchange *x, struct failure *reterr) {
        size_t size;
        const char *body = http_body(x, &size), *end = body;

        if (is_blank(body, body + size)) {
                *reterr = error_bad_request(NULL, "the body is empty; it must be a JSON object");
                return NULL;
        }
        if (!text_is_utf8(body, size)) {
                *reterr = error_bad_request(NULL, "the body is not valid UTF-8");
                return NULL;
        }
        if (count_values(body, size) > API_JSON_VALUES_MAX) {
                *reterr = error_bad_request(NULL, "the body holds more than %u values", API_JSON_VALUES_MAX);
                return NULL;
        }
        cJSON *json = cJSON_ParseWithLengthOpts(body, size, &end, false);
        if (!json || !is_blank(end, body + size)) {
                *reterr = error_bad_request(NULL, "the body is not valid JSON (at byte %zu)", (size_t) (end - body));
                cJSON_Delete(json);
                return NULL;
        }
        if (!cJSON_IsObject(json)) {
                *reterr = error_bad_request(NULL, "the body must be a JSON object");
                cJSON_Delete(json);
                return NULL;
        }
        return json;
}

void api_answer_json(struct http_exchange *x, cJSON *json) {
        auto_free char *text = json ? cJSON_PrintUnformatted(json) : NULL;

        cJSON_Delete(json);
        if (text)
                http_answer(x, 200, "", "application/json", text, strlen(text));
        else
                http_answer_error(x, 503, "", "no_memory", "there is no memory for the answer");
}
