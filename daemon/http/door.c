/* door.c - see door.h. */
#include "daemon/http/door.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "daemon/base/authority.h"
#include "daemon/base/net_address.h"

#define SHOWN_MAX 100 /* of a client's text in a message */

int door_open(const char *hosts, const char *origins, struct http_door *ret) {
        struct http_door door = { strdup(hosts), strdup(origins), "" };

        if (!door.hosts || !door.origins) {
                door_done(&door);
                return -ENOMEM;
        }
        (void) gethostname(door.own_name, sizeof door.own_name - 1);
        *ret = door;
        return 0;
}

void door_done(struct http_door *door) {
        free(door->hosts);
        free(door->origins);
        *door = (struct http_door){ 0 };
}

static bool is_word(const char *word, const char *text, size_t length) {
        return length && strlen(word) == length && !strncasecmp(word, text, length);
}

static bool is_in_list(const char *list, const char *text, size_t length) {
        for (size_t word; *list; list += word + (list[word] == ' ')) {
                word = strcspn(list, " ");
                if (word == length && !strncasecmp(list, text, length))
                        return true;
        }
        return false;
}

/* No name can be made to stand for an address that is written out. */
static bool is_our_address(const char *host, size_t length, const struct in6_addr *local) {
        struct in6_addr address;

        return net_address_read(host, length, &address) &&
               (net_address_is_loopback(&address) || (local && IN6_ARE_ADDR_EQUAL(&address, local)));
}

/* What a client wrote, without what JSON would have to escape. */
static enum reason refuse(enum reason reason, const char *format, const char *text, size_t length,
                          char reterr_why[DOOR_WHY_MAX]) {
        char shown[SHOWN_MAX + 1];
        size_t count = length < SHOWN_MAX ? length : SHOWN_MAX;

        for (size_t i = 0; i < count; i++)
                shown[i] = (char) (text[i] < 0x20 || text[i] > 0x7e || text[i] == '"' || text[i] == '\\' ? '?' : text[i]);
        shown[count] = 0;
        (void) snprintf(reterr_why, DOOR_WHY_MAX, format, shown);
        return reason;
}

static enum reason check_host(const struct http_door *door, const struct in6_addr *local, const char *text, size_t length,
                              char reterr_why[DOOR_WHY_MAX]) {
        struct authority a;

        if (!authority_read(text, length, &a))
                return refuse(REASON_BAD_REQUEST, "%s is no host name or address", text, length, reterr_why);
        if (is_word("localhost", a.host, a.length) || is_word(door->own_name, a.host, a.length) ||
            is_our_address(a.host, a.length, local) || is_in_list(door->hosts, a.host, a.length))
                return REASON_NONE;
        return refuse(REASON_HOST_NOT_ALLOWED,
                      a.length ? "%s is none of the names of this server" : "the Host header names nobody", a.host, a.length,
                      reterr_why);
}

bool door_lists_origin(const struct http_door *door, const char *origin) {
        return is_in_list(door->origins, origin, strlen(origin));
}

/* A page that this server was asked for by that very name, directly or by way of a proxy that speaks TLS. */
static bool is_own_origin(const struct door_request *r) {
        const char *authority = r->host ? r->host : r->authority;
        size_t length = r->host ? strlen(r->host) : r->authority_length;
        size_t scheme = !strncasecmp(r->origin, "http://", 7) ? 7 : !strncasecmp(r->origin, "https://", 8) ? 8 : 0;

        return scheme && authority && strlen(r->origin + scheme) == length && !strncasecmp(r->origin + scheme, authority, length);
}

/* Pictures, scripts, and what a page fetches without wanting to read it; not a link that somebody follows. */
static bool is_fetched_by_stranger(const struct door_request *r) {
        bool follows = r->fetch_mode && !strcasecmp(r->fetch_mode, "navigate") && r->method & (METHOD_GET | METHOD_HEAD);

        return r->fetch_site && strcasecmp(r->fetch_site, "same-origin") != 0 && strcasecmp(r->fetch_site, "none") != 0 &&
               !follows;
}

static enum reason check_origin(const struct http_door *door, const struct door_request *r, char reterr_why[DOOR_WHY_MAX]) {
        if (r->origin && !is_own_origin(r) && !door_lists_origin(door, r->origin))
                return refuse(REASON_ORIGIN_NOT_ALLOWED, "pages of %s may not use this server", r->origin, strlen(r->origin),
                              reterr_why);
        if (!r->origin && is_fetched_by_stranger(r))
                return refuse(REASON_ORIGIN_NOT_ALLOWED, "a page elsewhere may not fetch this (Sec-Fetch-Site: %s)",
                              r->fetch_site, strlen(r->fetch_site), reterr_why);
        return REASON_NONE;
}

static bool is_json(const char *type) {
        static const char json[] = "application/json";
        const char *rest = type + sizeof json - 1;

        if (strncasecmp(type, json, sizeof json - 1) != 0)
                return false;
        rest += strspn(rest, " \t");
        return !*rest || *rest == ';';
}

static enum reason check_content_type(const struct door_request *r, char reterr_why[DOOR_WHY_MAX]) {
        if (!r->has_body || (!r->origin && !r->fetch_site) || (r->content_type && is_json(r->content_type)))
                return REASON_NONE;
        const char *type = r->content_type ? r->content_type : "nothing";
        return refuse(REASON_CONTENT_TYPE, "a body from a browser is application/json, and its Content-Type says %s", type,
                      strlen(type), reterr_why);
}

enum reason door_check(const struct http_door *door, const struct door_request *r, char reterr_why[DOOR_WHY_MAX]) {
        enum reason reason = REASON_NONE;

        if (r->authority)
                reason = check_host(door, r->local, r->authority, r->authority_length, reterr_why);
        if (!reason && r->host)
                reason = check_host(door, r->local, r->host, strlen(r->host), reterr_why);
        if (!reason)
                reason = check_origin(door, r, reterr_why);
        return reason ? reason : check_content_type(r, reterr_why);
}
