/* authority.h - "name:port" of a URL or of a Host header, taken apart. Pure. */
#ifndef HEADROOM_DAEMON_BASE_AUTHORITY_H
#define HEADROOM_DAEMON_BASE_AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>

struct authority {
        const char *host; /* within the text; that of "[::1]:80" is "[::1]" */
        size_t length;    /* 0: the text is empty, or has a port alone */
        bool has_port;
};

/* LENGTH bytes of TEXT. False when they are no name, no address, or have no port behind their colon: a user, a blank, a path. */
bool authority_read(const char *text, size_t length, struct authority *ret);

/* "scheme://authority", as a browser names the origin of a page: no path, no user. */
bool authority_is_origin(const char *text);

#endif
