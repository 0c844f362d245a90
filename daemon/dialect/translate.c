/* translate.c - see translate.h. */
#include "daemon/dialect/translate.h"

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

static void put_comma(struct text *out) {
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
