/* translate.c - see translate.h. */
#include "daemon/translate/translate.h"

#include <stdarg.h>
#include <stdio.h>

#include "daemon/requests/failure.h"

struct failure bad_request(const char *param, const char *format, ...) {
        struct failure f;
        va_list args;

        va_start(args, format);
        failure_set_list(&f, REASON_INVALID_REQUEST, format, args);
        va_end(args);
        (void) snprintf(f.param, sizeof f.param, "%s", param ? param : "");
        return f;
}

void find_members(struct json_value object, const char *const names[], size_t count, struct json_value ret[]) {
        struct json_walk r;
        struct json_value key, value;
        size_t i;

        for (i = 0; i < count; i++)
                ret[i] = (struct json_value){ JSON_NONE, "", 0 };
        json_walk_begin(&r, object.at, object.length, JSON_DEPTH_MAX, UINT32_MAX);
        if (!json_walk_into(&r, JSON_OBJECT))
                return;
        while (json_walk_member(&r, &key) && json_walk_value(&r, &value)) {
                for (i = 0; i < count && !json_string_is(key, names[i]);)
                        i++;
                if (i < count && ret[i].kind == JSON_NONE)
                        ret[i] = value;
        }
        for (i = 0; i < count; i++)
                if (ret[i].kind == JSON_NULL)
                        ret[i].kind = JSON_NONE;
}

void items_begin(struct json_walk *r, struct json_value array) {
        json_walk_begin(r, array.at, array.length, JSON_DEPTH_MAX, UINT32_MAX);
        (void) json_walk_into(r, JSON_ARRAY);
}

bool items_next(struct json_walk *r, struct json_value *ret) {
        return r->depth > 0 && json_walk_item(r) && json_walk_value(r, ret);
}

void put_comma(struct text *out) {
        char last = out->used ? out->bytes[out->used - 1] : '{';

        if (last != '{' && last != '[')
                text_puts(out, ",");
}

void put_key(struct text *out, const char *name) {
        put_comma(out);
        text_printf(out, "\"%s\":", name);
}

void put_member(struct text *out, const char *name, struct json_value value) {
        if (value.kind <= JSON_NULL)
                return;
        put_key(out, name);
        text_add(out, value.at, value.length);
}

void put_text_part(struct text *out, struct json_value text) {
        put_comma(out);
        text_puts(out, "{\"type\":\"text\"");
        put_member(out, "text", text);
        text_puts(out, "}");
}

void put_line(struct text *out, const char *json, size_t length) {
        bool is_text = false;

        for (const char *c = json, *end = json + length; c < end; c++) {
                if ((unsigned char) *c < 0x20) {
                        if (is_text)
                                text_printf(out, "\\u%04x", (unsigned) *c);
                        continue;
                }
                text_add(out, c, 1);
                if (*c == '\\')
                        text_add(out, ++c, 1);
                else if (*c == '"')
                        is_text = !is_text;
        }
}

bool put_list(const struct translation *t, const char *name, struct json_value list,
              bool (*put_item)(const struct translation *t, uint32_t index, struct json_value item)) {
        struct json_value item;
        struct json_walk r;

        put_key(t->out, name);
        text_puts(t->out, "[");
        items_begin(&r, list);
        for (uint32_t i = 0; items_next(&r, &item); i++)
                if (!put_item(t, i, item))
                        return false;
        text_puts(t->out, "]");
        return true;
}
