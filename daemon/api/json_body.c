/*
 * json_body.c - a request body to a JSON object, and a JSON object to an answer.
 *
 * cJSON spends some 64 bytes on each value, however short its text: the values are counted before they are parsed, so that
 * a body of the allowed size cannot cost a hundred times as much, and what is accepted here fits into a frame to an engine.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api_internal.h"
#include "daemon/base/bounds.h"
#include "engine/base/cleanup.h"
#include "engine/base/json_read.h"
#include "engine/wire/wire.h"

static bool is_blank(const char *at, const char *end) {
        while (at < end && strchr(" \t\r\n", *at) && *at)
                at++;
        return at == end;
}

/*
 * A control character, which cJSON lets through and JSON does not. Tabs and line ends within strings are not JSON either, but
 * people write them.
 */
static bool holds_control_character(const char *bytes, size_t size) {
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char) bytes[i];
                if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
                        return true;
        }
        return false;
}

cJSON *api_read_json(struct http_exchange *x, struct failure *reterr) {
        size_t size, end;
        const char *body = http_body(x, &size);

        if (is_blank(body, body + size)) {
                *reterr = error_bad_request(NULL, "the body is empty; it must be a JSON object");
                return NULL;
        }
        if (!text_is_utf8(body, size)) {
                *reterr = error_bad_request(NULL, "the body is not valid UTF-8");
                return NULL;
        }
        if (holds_control_character(body, size)) {
                *reterr = error_bad_request(NULL, "the body holds a control character that is not escaped");
                return NULL;
        }
        if (wire_json_check(body, size, WIRE_DEPTH_MAX - 1)) {
                *reterr = error_bad_request(NULL, "the body holds more than %u values, or nests deeper than %u levels",
                                            WIRE_VALUES_MAX, WIRE_DEPTH_MAX - 1);
                return NULL;
        }
        cJSON *json = json_read(body, size, &end);
        if (!json || !is_blank(body + end, body + size)) {
                *reterr = error_bad_request(NULL, "the body is not valid JSON (at byte %zu)", end);
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
                http_answer_error(x, REASON_OUT_OF_MEMORY, "", "there is no memory for the answer");
}
