/* presented.c - see presented.h. */
#include "daemon/keys/presented.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <nettle/base64.h>

static bool take(const char *text, char ret[KEY_PRESENTED_MAX]) {
        size_t length = strlen(text);

        if (length == 0 || length >= KEY_PRESENTED_MAX)
                return false;
        memcpy(ret, text, length + 1);
        return true;
}

/* What follows SCHEME and blanks; NULL: it is another. */
static const char *after_scheme(const char *header, const char *scheme) {
        size_t length = strlen(scheme);

        if (!header || strncasecmp(header, scheme, length) != 0 || header[length] != ' ')
                return NULL;
        return header + length + strspn(header + length, " ");
}

/* base64 of NAME:PASSWORD (RFC 7617): the name may be anything. */
static bool take_password(const char *text, char ret[KEY_PRESENTED_MAX]) {
        struct base64_decode_ctx decode;
        uint8_t bytes[BASE64_DECODE_LENGTH(2 * KEY_PRESENTED_MAX) + 1];
        size_t count = sizeof bytes - 1;

        base64_decode_init(&decode);
        if (strlen(text) > 2 * KEY_PRESENTED_MAX || !base64_decode_update(&decode, &count, bytes, strlen(text), text) ||
            !base64_decode_final(&decode))
                return false;
        bytes[count] = '\0';
        const char *colon = strchr((const char *) bytes, ':');
        return colon && take(colon + 1, ret);
}

bool key_presented(const struct http_exchange *x, char ret[KEY_PRESENTED_MAX]) {
        const char *header = http_header(x, "authorization"), *key = http_header(x, "x-api-key");
        const char *bearer = after_scheme(header, "Bearer"), *basic = after_scheme(header, "Basic");

        if (!key)
                key = http_header(x, "api-key");
        if (bearer)
                return take(bearer, ret);
        if (basic)
                return take_password(basic, ret);
        return key && take(key, ret);
}
