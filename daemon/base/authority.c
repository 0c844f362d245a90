/* authority.c - see authority.h. */
#include "daemon/base/authority.h"

#include <string.h>

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

bool authority_read(const char *text, size_t length, struct authority *ret) {
        bool is_v6 = length && *text == '[';
        const char *const allowed = is_v6 ? DIGITS "abcdefABCDEF:." : DIGITS LETTERS "-._";
        const char *rest = text + is_v6, *end = text + length;

        while (rest < end && *rest && strchr(allowed, *rest))
                rest++;
        if (is_v6 && (rest == end || *rest++ != ']'))
                return false;
        size_t host = (size_t) (rest - text);
        bool has_port = rest < end && *rest == ':';
        rest += has_port;
        if (!has_port && rest < end)
                return false;
        for (const char *digit = rest; digit < end; digit++)
                if (digit - rest == 5 || *digit < '0' || *digit > '9')
                        return false;
        *ret = (struct authority){ text, host, has_port };
        return true;
}

bool authority_is_origin(const char *text) {
        size_t scheme = strspn(text, DIGITS LETTERS "+-.");
        struct authority a;

        if (!scheme || strncmp(text + scheme, "://", 3) != 0)
                return false;
        text += scheme + 3;
        return authority_read(text, strlen(text), &a) && a.length;
}
