/*
 * wire.c - the frame codec that daemon and engine share.
 *
 * Whatever a peer sends is measured before it is parsed: the length before the bytes are kept, the nesting
 * and the number of values before cJSON builds a tree of 64-byte nodes from 2-byte texts. The encoder holds to the
 * same bounds, so that a client's odd body is refused by the side that has a client to tell, and can never
 * make one honest peer send what the other must die of.
 */
#include "engine/wire/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_read.h"
#include "engine/base/little_endian.h"

#define READER_BYTES_KEPT (1u << 20) /* an empty reader gives a larger buffer back */

void wire_reader_done(struct wire_reader *r) {
        text_done(&r->buffer);
        r->taken = 0;
}

/* Drops the frames already handed out. Moves each byte at most once per doubling, so no input is quadratic. */
static void reader_compact(struct wire_reader *r) {
        if (r->taken == r->buffer.used && r->buffer.capacity > READER_BYTES_KEPT) {
                wire_reader_done(r);
        } else if (r->taken == r->buffer.used || r->taken > r->buffer.capacity / 2) {
                text_drop(&r->buffer, r->taken);
                r->taken = 0;
        }
}

int wire_reader_push(struct wire_reader *r, const void *bytes, size_t count) {
        if (!count)
                return 0;
        reader_compact(r);
        r->buffer.max = TEXT_MAX_NONE; /* the caller looks at each frame's length */
        return text_add(&r->buffer, bytes, count) ? 0 : -ENOMEM;
}

/* The byte after the string that begins before P, or END. */
static const char *string_end(const char *p, const char *end) {
        while (p < end && *p != '"')
                p += *p == '\\' && end - p > 1 ? 2 : 1;
        return p < end ? p + 1 : end;
}

int wire_json_check(const char *json, size_t length, uint32_t depth_max) {
        uint32_t depth = 0, values = 1;
        for (const char *p = json, *end = json + length; p < end;) {
                switch (*p++) {
                case '"': p = string_end(p, end); break;
                case '[':
                case '{':
                        if (++depth > depth_max || ++values > WIRE_VALUES_MAX)
                                return -E2BIG;
                        break;
                case ']':
                case '}': depth -= depth > 0; break;
                case ',':
                        if (++values > WIRE_VALUES_MAX)
                                return -E2BIG;
                        break;
                }
        }
        return 0;
}

static bool only_space(const char *p, const char *end) {
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
                p++;
        return p == end;
}

/* One JSON object with a string "type" and nothing after it, or NULL. */
static cJSON *parse_object(const char *json, size_t length) {
        if (memchr(json, 0, length) || wire_json_check(json, length, WIRE_DEPTH_MAX) < 0)
                return NULL;
        size_t end;
        cJSON *object = json_read(json, length, &end);
        if (object && cJSON_IsObject(object) && only_space(json + end, json + length) && wire_type(object))
                return object;
        cJSON_Delete(object);
        return NULL;
}

size_t wire_reader_waiting(const struct wire_reader *r) {
        return r->buffer.used - r->taken;
}

int wire_reader_next(struct wire_reader *r, cJSON **ret) {
        size_t waiting = wire_reader_waiting(r);
        if (waiting < WIRE_HEADER_BYTES)
                return 0;
        const uint8_t *at = (const uint8_t *) r->buffer.bytes + r->taken;
        uint32_t length = take_u32(&at);
        if (length == 0 || length > r->bytes_max)
                return -EMSGSIZE;
        if (waiting - WIRE_HEADER_BYTES < length)
                return 0;
        if (r->utf8 && !text_is_utf8((const char *) at, length))
                return -EILSEQ;
        cJSON *object = parse_object((const char *) at, length);
        if (!object)
                return -EBADMSG;
        r->taken += WIRE_HEADER_BYTES + (size_t) length;
        *ret = object;
        return 1;
}

/* Whether the other side would read a tree of this shape. DEPTH counts the objects and arrays around V and V. */
static bool within_bounds(const cJSON *v, uint32_t depth, uint32_t *values) {
        if (++*values > WIRE_VALUES_MAX)
                return false;
        if (!cJSON_IsArray(v) && !cJSON_IsObject(v))
                return true;
        if (depth > WIRE_DEPTH_MAX)
                return false;
        const cJSON *child;
        cJSON_ArrayForEach(child, v)
                if (!within_bounds(child, depth + 1, values))
                        return false;
        return ++*values <= WIRE_VALUES_MAX; /* wire_json_check counts an empty container as two */
}

int wire_encode(const cJSON *message, uint32_t bytes_max, uint8_t **ret, size_t *ret_count) {
        assert(wire_type(message));
        uint32_t values = 0;
        if (!within_bounds(message, 1, &values))
                return -EMSGSIZE;
        char *json = json_write(message);
        if (!json)
                return -ENOMEM;
        size_t length = strlen(json);
        if (length > bytes_max) {
                free(json);
                return -EMSGSIZE;
        }
        uint8_t *frame = realloc(json, length + WIRE_HEADER_BYTES);
        if (!frame) {
                free(json);
                return -ENOMEM;
        }
        memmove(frame + WIRE_HEADER_BYTES, frame, length);
        (void) put_u32(frame, (uint32_t) length);
        *ret = frame;
        *ret_count = length + WIRE_HEADER_BYTES;
        return 0;
}

const char *wire_type(const cJSON *message) {
        const cJSON *type = cJSON_GetObjectItemCaseSensitive(message, "type");
        return cJSON_IsString(type) ? type->valuestring : NULL;
}
