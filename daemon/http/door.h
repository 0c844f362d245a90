/*
 * door.h - whom a server of HTTP lets in: by Host, by Origin, by content type.
 *
 * Whoever reads a web page lends it their browser, which reaches this machine's own addresses. Three things tell such
 * requests from those of programs, and they are looked at in this order, for every path and method, before a body is read:
 *
 * Host: a page may have its own name point at this machine (DNS rebinding) and then counts as one of ours, without an
 * Origin. But its name is in the Host. Names that cannot be made to point elsewhere are let in: localhost, loopback
 * addresses, the address that the client reached, the name of this machine, and those that the configuration adds. The port is not compared: a
 * forwarded one differs, and it is the name that is forged.
 *
 * Origin: pages of this server itself, and of those that the configuration names. A browser tells it for whatever may change
 * something or is to be read; what it fetches without one it marks by Sec-Fetch-Site.
 *
 * Content type: a body from a browser is application/json, which a page of another origin cannot send without asking first.
 */
#ifndef HEADROOM_DAEMON_HTTP_DOOR_H
#define HEADROOM_DAEMON_HTTP_DOOR_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/http/exchange.h"
#include "policy/base/reason.h"

/* Lists are separated by blanks, "" for an empty one; the texts are the door's own. */
struct http_door {
        char *hosts;   /* names and addresses, without ports */
        char *origins; /* "https://chat.example" */
        char own_name[HOST_NAME_MAX + 1];
};

/* Of a request's head; NULL for what it does not have. */
struct door_request {
        enum http_method method;
        bool has_body;
        const char *host;
        const char *authority; /* of a target in absolute form, AUTHORITY_LENGTH bytes of it */
        size_t authority_length;
        const char *origin, *fetch_site, *fetch_mode, *content_type;
        const struct in6_addr *local; /* the address that it came to, as net_address.h has it */
};

#define DOOR_WHY_MAX 160u

/* Both lists are copied. 0 or -ENOMEM. */
int door_open(const char *hosts, const char *origins, struct http_door *ret);
void door_done(struct http_door *door);

/* REASON_NONE when the request may come in, else why not: in a sentence that can stand in JSON as it is. */
enum reason door_check(const struct http_door *door, const struct door_request *r, char reterr_why[DOOR_WHY_MAX]);
/* Whether pages of ORIGIN, beside the server's own, may read answers. */
bool door_lists_origin(const struct http_door *door, const char *origin);

#endif
