/* places.c - see places.h. */
#include "daemon/http/places.h"

#include <string.h>
#include <sys/socket.h>

#include "daemon/base/net_address.h"
#include "daemon/http/connection.h"

static uint32_t beside_max(const struct http_server *s) {
        uint32_t part = s->options.connections_max / 4 + 1;

        return part < HTTP_BESIDE_MAX ? part : HTTP_BESIDE_MAX;
}

/*
 * A provider gives a customer a /64 of the newer family; what has no prefix there (::1) counts as one. The peers of a Unix
 * socket have no address.
 */
static void read_address(struct connection *c) {
        struct sockaddr_storage name = { 0 };
        struct in6_addr address;
        uint64_t prefix = 0;
        uint32_t last = 0;
        int length = sizeof name;

        if (c->stream.type != UV_TCP || uv_tcp_getpeername(&c->tcp, (struct sockaddr *) &name, &length) ||
            !net_address_of(&name, &address))
                return;
        if (IN6_IS_ADDR_V4MAPPED(&address))
                memcpy(&last, address.s6_addr + 12, sizeof last);
        else
                memcpy(&prefix, &address, sizeof prefix);
        c->address = prefix ? prefix : (uint64_t) ntohl(last) + 1;
}

static uint32_t share(const struct http_server *s) {
        return s->options.connections_max - s->options.connections_max / HTTP_SHARE_PART;
}

static bool has_share(const struct connection *c) {
        const struct http_server *s = c->server;
        uint32_t count = 0;

        if (!c->address || s->places_taken < share(s))
                return true;
        for (const struct connection *other = s->connections; other; other = other->next)
                count += other->has_place && other->address == c->address;
        return count < share(s);
}

void places_leave(struct connection *c) {
        c->server->places_taken -= c->has_place;
        c->server->beside_count -= c->is_beside;
        c->has_place = c->is_beside = false;
}

bool places_take(struct connection *c) {
        struct http_server *s = c->server;

        if (!c->address)
                read_address(c);
        if (s->places_taken >= s->options.connections_max || !has_share(c))
                return false;
        places_leave(c);
        c->has_place = true;
        s->places_taken++;
        return true;
}

static bool waits_for_client(const struct connection *c) {
        return c->phase != PHASE_ANSWERING && c->phase != PHASE_CLOSING && !c->is_broken;
}

/* Bytes a second of a request that is not whole. A head is taken for granted, so that who has just come is not judged. */
static uint64_t pace(const struct connection *c) {
        bool is_request = c->phase == PHASE_HEAD || c->phase == PHASE_BODY;
        uint64_t bytes = HTTP_PACE_CREDIT + (is_request ? c->request.head_bytes + c->request.body_bytes : 0);

        return c->phase == PHASE_LINGERING ? 0 : bytes * 1000 / (uv_now(c->server->loop) - c->since_ms + 1);
}

/* Of those with a place, or of those beside: of C's address alone, if IS_SAME. The list begins with the youngest. */
static struct connection *find_slowest(const struct connection *c, bool is_beside, bool is_same) {
        struct connection *slowest = NULL;

        for (struct connection *other = c->server->connections; other; other = other->next)
                if (other != c && (is_beside ? other->is_beside : other->has_place) && waits_for_client(other) &&
                    (!is_same || other->address == c->address) && (!slowest || pace(other) <= pace(slowest)))
                        slowest = other;
        return slowest;
}

struct connection *places_find_slowest(const struct connection *c) {
        return find_slowest(c, false, !has_share(c));
}

struct connection *places_find_slowest_beside(const struct connection *c) {
        return c->server->beside_count >= beside_max(c->server) ? find_slowest(c, true, false) : NULL;
}

bool places_step_beside(struct connection *c) {
        struct http_server *s = c->server;

        if (s->beside_count >= beside_max(s))
                return false;
        c->is_beside = true;
        s->beside_count++;
        return true;
}

bool places_can_admit(const struct http_server *s) {
        bool is_all_answering = true;

        if (s->places_taken < share(s))
                return true;
        for (const struct connection *c = s->connections; c; c = c->next)
                if (c->has_place && waits_for_client(c)) {
                        is_all_answering = false;
                        if (c->phase == PHASE_LINGERING || uv_now(s->loop) - c->since_ms >= HTTP_GRACE_MS)
                                return true;
                }
        return is_all_answering;
}

bool places_serve(struct connection *c) {
        const struct http_server *s = c->server;

        return c->has_place || places_take(c) || (s->options.is_vital && s->options.is_vital((struct http_exchange *) c));
}
