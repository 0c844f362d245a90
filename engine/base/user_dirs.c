/* user_dirs.c - see user_dirs.h. A relative path in a variable counts as none (XDG Base Directory Specification). */
#include "engine/base/user_dirs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static size_t fitting(int length, size_t size) {
        return length > 0 && (size_t) length < size ? (size_t) length : 0;
}

size_t user_dirs_find(const char *variable, const char *in_home, const char *below, char *ret, size_t size) {
        const char *base = getenv(variable), *home = getenv("HOME");
        if (base && *base == '/')
                return fitting(snprintf(ret, size, "%s/%s", base, below), size);
        if (home && *home == '/')
                return fitting(snprintf(ret, size, "%s/%s/%s", home, in_home, below), size);
        return 0;
}

size_t user_dirs_runtime(const char *below, char *ret, size_t size) {
        const char *base = getenv("XDG_RUNTIME_DIR");
        if (base && *base == '/')
                return fitting(snprintf(ret, size, "%s/%s", base, below), size);
        size_t length = fitting(snprintf(ret, size, "/run/user/%u", (unsigned) getuid()), size);
        if (length > 0 && access(ret, W_OK) == 0)
                return fitting(snprintf(ret, size, "/run/user/%u/%s", (unsigned) getuid(), below), size);
        return user_dirs_find("XDG_STATE_HOME", ".local/state", below, ret, size);
}
