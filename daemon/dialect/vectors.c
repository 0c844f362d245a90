/* vectors.c - see vectors.h. OpenAI's shape, with its two forms of a vector: numbers, or base64 of little-endian floats, a third as long. */
#include "daemon/dialect/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/cleanup.h"

static void put_base64(struct text *out, const uint8_t *bytes, size_t count) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t i = 0; i < count; i += 3) {
                uint32_t rest = count - i < 3 ? (uint32_t) (count - i) : 3, group = (uint32_t) bytes[i] << 16;
                group |= (rest > 1 ? (uint32_t) bytes[i + 1] << 8 : 0) | (rest > 2 ? bytes[i + 2] : 0);
                const char four[4] = { digits[group >> 18], digits[group >> 12 & 63], rest > 1 ? digits[group >> 6 & 63] : '=',
                                       rest > 2 ? digits[group & 63] : '=' };
                (void) text_add(out, four, sizeof four);
        }
}

/* Little-endian, whatever this machine is. */
static void put_vector_base64(struct text *out, const cJSON *vector) {
        size_t count = (size_t) cJSON_GetArraySize(vector);
        auto_free uint8_t *bytes = malloc(count ? count * sizeof(float) : 1);
        const cJSON *item;
        uint8_t *p = bytes;

        if (!bytes) {
                out->failed = true;
                return;
        }
        cJSON_ArrayForEach(item, vector) {
                float value = (float) item->valuedouble;
                uint32_t bits;
                memcpy(&bits, &value, sizeof bits);
                for (unsigned i = 0; i < 4; i++)
                        *p++ = (uint8_t) (bits >> 8 * i);
        }
        (void) text_puts(out, "\"");
        put_base64(out, bytes, (size_t) (p - bytes));
        (void) text_puts(out, "\"");
}

void vectors_put(struct text *out, const cJSON *vector) {
        const cJSON *item;

        (void) text_puts(out, "[");
        cJSON_ArrayForEach(item, vector)
                (void) text_printf(out, "%s%.9g", item != vector->child ? "," : "", item->valuedouble);
        (void) text_puts(out, "]");
}

static void openai_item(struct text *out, uint32_t index, const cJSON *vector, bool is_base64) {
        (void) text_printf(out, "%s{\"object\":\"embedding\",\"index\":%u,\"embedding\":",
                           index ? "," : "{\"object\":\"list\",\"data\":[", index);
        if (is_base64)
                put_vector_base64(out, vector);
        else
                vectors_put(out, vector);
        (void) text_puts(out, "}");
}

static void openai_end(struct text *out, const struct vectors_answer *a) {
        (void) text_puts(out, "],\"model\":");
        (void) text_json(out, a->model);
        (void) text_printf(out, ",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u}}\n", a->prompt_tokens, a->prompt_tokens);
}

const struct vectors_dialect vectors_openai = { .refusals = &dialect_openai_chat, .item = openai_item, .end = openai_end };
