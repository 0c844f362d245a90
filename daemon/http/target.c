/* target.c - see target.h. */
#include "daemon/http/target.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "engine/base/strbuf.h"

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool decode(char *text) {
        char *out = text;

        for (const char *in = text; *in; in++) {
                int byte = (unsigned char) *in;
                if (*in == '%') {
                        int high = hex_value(in[1]), low = high < 0 ? -1 : hex_value(in[2]);
                        if (low < 0)
                                return false;
                        byte = high * 16 + low;
                        in += 2;
                }
                if (byte < 0x20 || byte == 0x7f)
                        return false;
                *out++ = (char) byte;
        }
        *out = 0;
        return text_is_utf8(text, (size_t) (out - text));
}

const char *http_target_authority(const char *target, size_t *ret_length) {
        const char *authority = !strncasecmp(target, "http://", 7)    ? target + 7
                                : !strncasecmp(target, "https://", 8) ? target + 8
                                                                      : NULL;

        if (authority)
                *ret_length = strcspn(authority, "/?#");
        return authority;
}

/* "http://host:1/a" -> "/a"; a target with an authority but no path means "/". */
static char *without_authority(char *target) {
        static char root[] = "/";
        size_t length;
        const char *authority = http_target_authority(target, &length);

        if (!authority)
                return target;
        char *path = target + (authority - target) + length;
        return *path == '/' ? path : root;
}

int http_query_value(const char *query, const char *name, char *ret, size_t size) {
        size_t name_length = strlen(name);

        *ret = 0;
        for (const char *at = query; *at;) {
                size_t length = strcspn(at, "&");
                if (length > name_length && !strncmp(at, name, name_length) && at[name_length] == '=') {
                        size_t count = length - name_length - 1;
                        if (count >= size)
                                return -EINVAL;
                        memcpy(ret, at + name_length + 1, count);
                        ret[count] = 0;
                        return decode(ret) ? 0 : -EINVAL;
                }
                at += length + (at[length] == '&');
        }
        return 0;
}

int http_target_path(char *target, const char **ret_path, const char **ret_query) {
        char *path = without_authority(target), *end = path + strcspn(path, "?#");

        *ret_query = "";
        if (*end == '?') {
                *ret_query = end + 1;
                end[1 + strcspn(end + 1, "#")] = 0;
        }
        *end = 0;
        if ((*path != '/' && strcmp(path, "*") != 0) || !decode(path))
                return -EINVAL;
        *ret_path = path;
        return 0;
}
