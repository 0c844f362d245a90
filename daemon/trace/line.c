/* line.c - see line.h. */
#include "daemon/trace/line.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/bounds.h"
#include "engine/base/strbuf.h"

static void put(struct line *l, const char *bytes, size_t count) {
        l->is_full = l->is_full || count > l->size - l->used;
        if (l->is_full)
                return;
        memcpy(l->bytes + l->used, bytes, count);
        l->used += count;
}

void line_puts(struct line *l, const char *text) {
        put(l, text, strlen(text));
}

void line_printf(struct line *l, const char *format, ...) {
        char text[256];
        va_list args;

        va_start(args, format);
        int count = vsnprintf(text, sizeof text, format, args);
        va_end(args);
        if (count >= 0 && (size_t) count < sizeof text)
                put(l, text, (size_t) count);
        else
                l->is_full = true;
}

static bool is_plain(unsigned char c, bool is_utf8) {
        return c >= 0x20 && c != 0x7f && c != '"' && c != '\\' && (c < 0x80 || is_utf8);
}

static void put_escaped(struct line *l, unsigned char c) {
        static const char special[] = "\"\\\n\r\t", letter[] = "\"\\nrt";
        const char *at = strchr(special, c);

        if (at)
                line_printf(l, "\\%c", letter[at - special]);
        else if (c >= 0x80)
                line_puts(l, "?");
        else
                line_printf(l, "\\u%04x", c);
}

/* Stretches without an escape go in one piece: a text is mostly that, and may be long. */
static void put_all(struct line *l, const char *text, size_t count) {
        bool is_utf8 = text_is_utf8(text, count);

        for (size_t i = 0, plain; i < count && !l->is_full; i += plain) {
                for (plain = 0; i + plain < count && is_plain((unsigned char) text[i + plain], is_utf8);)
                        plain++;
                put(l, text + i, plain);
                if (i + plain < count)
                        put_escaped(l, (unsigned char) text[i + plain++]);
        }
}

/* The first of COUNT bytes; what is UTF-8 is not cut within a character. */
static size_t first_bytes(const char *text, size_t count) {
        size_t most = TRACE_TEXT_MAX;

        if (count <= most)
                return count;
        while (most > TRACE_TEXT_MAX - 3 && ((unsigned char) text[most] & 0xc0) == 0x80)
                most--;
        return most;
}

void line_text(struct line *l, const char *text) {
        size_t length = text ? strlen(text) : 0, count = first_bytes(text, length);

        if (!text) {
                line_puts(l, "null");
                return;
        }
        line_puts(l, count < length ? "{\"cut\":\"" : "\"");
        put_all(l, text, count);
        line_puts(l, "\"");
        if (count < length)
                line_printf(l, ",\"bytes\":%zu}", length);
}

static void put_number(struct line *l, double value) {
        if (!isfinite(value))
                line_puts(l, "null");
        else if (floor(value) == value && fabs(value) <= 0x1p53)
                line_printf(l, "%.0f", value);
        else
                line_printf(l, "%.17g", value);
}

static void put_array(struct line *l, const cJSON *array) {
        size_t count = 0, length = 0;

        for (const cJSON *item = array->child; item; item = item->next)
                length++;
        line_puts(l, length > TRACE_ITEMS_MAX ? "{\"cut\":[" : "[");
        for (const cJSON *item = array->child; item && count < TRACE_ITEMS_MAX && !l->is_full; item = item->next) {
                line_puts(l, count++ > 0 ? "," : "");
                line_value(l, item);
        }
        line_puts(l, "]");
        if (length > TRACE_ITEMS_MAX)
                line_printf(l, ",\"items\":%zu}", length);
}

static void put_object(struct line *l, const cJSON *object) {
        line_puts(l, "{");
        for (const cJSON *item = object->child; item && !l->is_full; item = item->next) {
                line_puts(l, item == object->child ? "" : ",");
                line_text(l, strlen(item->string) <= TRACE_TEXT_MAX ? item->string : "(a name too long)");
                line_puts(l, ":");
                line_value(l, item);
        }
        line_puts(l, "}");
}

void line_value(struct line *l, const cJSON *value) {
        if (cJSON_IsObject(value))
                put_object(l, value);
        else if (cJSON_IsArray(value))
                put_array(l, value);
        else if (cJSON_IsString(value))
                line_text(l, value->valuestring);
        else if (cJSON_IsNumber(value))
                put_number(l, value->valuedouble);
        else
                line_puts(l, cJSON_IsTrue(value) ? "true" : cJSON_IsFalse(value) ? "false" : "null");
}
