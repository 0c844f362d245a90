/* relaxed.c - what cannot be held to: refused with its place, or told. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/json_schema/internal.h"

/* Appends a step of a pointer (RFC 6901) as the fragment of an address has it; one that does not fit is cut. */
static void write_step(char *out, size_t size, const char *name) {
        size_t used = strlen(out);
        used += used + 1 < size ? (size_t) snprintf(out + used, size - used, "/") : 0;
        for (; *name && used + 4 < size; name++) {
                unsigned char c = (unsigned char) *name;
                char shown[4] = { (char) c };
                if (c == '~' || c == '/')
                        strcpy(shown, c == '~' ? "~0" : "~1");
                else if (!isalnum(c) && !strchr("_-.$+@:!*()=", c))
                        (void) snprintf(shown, sizeof(shown), "%%%02X", c);
                used += (size_t) snprintf(out + used, size - used, "%s", shown);
        }
}

/* The schema's depth bounds the recursion. */
bool schema_write_place(const cJSON *at, const cJSON *place, char *out, size_t size) {
        if (at == place)
                return true;
        size_t used = strlen(out);
        uint32_t index = 0;
        const cJSON *child;
        cJSON_ArrayForEach(child, at) {
                char number[16];
                (void) snprintf(number, sizeof(number), "%u", index++);
                write_step(out, size, child->string ? child->string : number);
                if (schema_write_place(child, place, out, size))
                        return true;
                out[used] = '\0';
        }
        return false;
}

static void refuse(struct schema_compiler *c, const cJSON *place, const char *format, va_list arguments) {
        char where[SCHEMA_POINTER_MAX] = "#", what[160];
        (void) vsnprintf(what, sizeof(what), format, arguments);
        (void) schema_write_place(c->root, place, where, sizeof(where));
        c->failed = grammar_fail(c->reterr, "%s: %s", where, what);
}

void schema_exceed(struct schema_compiler *c, const cJSON *place, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        if (!c->failed) {
                refuse(c, place, format, arguments);
                c->reterr->limit = true;
        }
        va_end(arguments);
}

void schema_refuse(struct schema_compiler *c, const cJSON *place, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        if (!c->failed)
                refuse(c, place, format, arguments);
        va_end(arguments);
}

static void tell(struct schema_relaxed *r, const cJSON *root, const cJSON *place) {
        size_t used = strlen(r->places), begun;
        char where[2 * SCHEMA_POINTER_MAX] = "";
        for (uint32_t i = 0; place && i < r->count; i++)
                if (r->seen[i] == place)
                        return;
        (void) snprintf(where, SCHEMA_POINTER_MAX, "%s", r->within ? r->within : "");
        if (r->name)
                write_step(where, SCHEMA_POINTER_MAX, r->name);
        begun = strlen(where);
        where[begun] = '#';
        where[begun + 1] = '\0';
        (void) schema_write_place(root, place, where, begun + SCHEMA_POINTER_MAX);
        if (r->count == SCHEMA_RELAXED_MAX || used + strlen(where) + sizeof(", ") > sizeof(r->places)) {
                r->more++;
                return;
        }
        r->seen[r->count++] = place;
        (void) snprintf(r->places + used, sizeof(r->places) - used, "%s%s", used ? ", " : "", where);
}

void schema_tell_whole(struct schema_relaxed *r, const char *name) {
        r->name = name;
        tell(r, NULL, NULL);
}

void schema_relax(struct schema_compiler *c, const cJSON *place, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        if (!c->failed && !c->relaxed)
                refuse(c, place, format, arguments);
        else if (!c->failed)
                tell(c->relaxed, c->root, place);
        va_end(arguments);
}
