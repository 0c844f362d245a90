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

static void put_character(struct line *l, unsigned char c, bool is_utf8) {
        static const char special[] = "\"\\\n\r\t", letter[] = "\"\\nrt";
        const char *at = strchr(special, c);
        char escaped[8];

        if (at)
                (void) snprintf(escaped, sizeof escaped, "\\%c", letter[at - special]);
        else if (c < 0x20 || c == 0x7f)
                (void) snprintf(escaped, sizeof escaped, "\\u%04x", c);
        if (at || c < 0x20 || c == 0x7f)
                line_puts(l, escaped);
        else
                put(l, c >= 0x80 && !is_utf8 ? "?" : (const char *) &c, 1);
}

/* The first of COUNT bytes, whole characters. */
static size_t first_bytes(const char *text, size_t count) {
        if (count <= TRACE_TEXT_MAX)
                return count;
        for (count = TRACE_TEXT_MAX; count > 0 && ((unsigned char) text[count] & 0xc0) == 0x80;)
                count--;
        return count;
}

void line_text(struct line *l, const char *text) {
        size_t length = text ? strlen(text) : 0, count = first_bytes(text, length);

        if (!text) {
                line_puts(l, "null");
                return;
        }
        bool is_utf8 = text_is_utf8(text, count);
        line_puts(l, count < length ? "{\"cut\":\"" : "\"");
        for (size_t i = 0; i < count && !l->is_full; i++)
                put_character(l, (unsigned char) text[i], is_utf8);
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
