/* target.c - see target.h. */
#include "daemon/http/target.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "daemon/text.h"

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

/* "http://host:1/a" -> "/a"; a target with an authority but no path means "/". */
static char *without_authority(char *target) {
        static char root[] = "/";
        char *authority = !strncasecmp(target, "http://", 7)    ? target + 7
                          : !strncasecmp(target, "https://", 8) ? target + 8
                                                                : NULL;

        if (!authority)
                return target;
        char *path = authority + strcspn(authority, "/?");
        return *path == '/' ? path : root;
}

int http_target_path(char *target, const char **ret_path) {
        char *path = without_authority(target);

        path[strcspn(path, "?#")] = 0;
        if ((*path != '/' && strcmp(path, "*") != 0) || !decode(path))
                return -EINVAL;
        *ret_path = path;
        return 0;
}
