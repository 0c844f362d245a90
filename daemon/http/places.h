/*
 * places.h - within daemon/http only: which connections have a place, and which one gives its place up when all are taken.
 *
 * A connection that waits for its client costs a place and gives nothing: when a new one comes and none is free, the one of
 * them that has brought the least in the longest time makes room, be it idle or in the middle of a request that trickles. One
 * whose request is being answered keeps its place. No address has more than seven eighths of all.
 *
 * Where all places are held by answers, a few more connections are let in beside them: their head is read, what the handler
 * calls vital (/health) is answered, and others are told that we are full.
 */
#ifndef HEADROOM_DAEMON_HTTP_PLACES_H
#define HEADROOM_DAEMON_HTTP_PLACES_H

#include <stdbool.h>

struct connection;
struct http_server;

/* Whether one more may be accepted now. Not while all who could make room have only just come: then it waits in the kernel. */
bool places_can_admit(const struct http_server *s);
/* A free place for C, if there is one and its address has not its share. */
bool places_take(struct connection *c);
/* A place beside the others; false when they are all taken. */
bool places_step_beside(struct connection *c);
/* C needs its place no more. */
void places_leave(struct connection *c);
/* Who makes room for C: of its own address, where that has its share. NULL: all are being answered. */
struct connection *places_find_slowest(const struct connection *c);
/* Who makes room beside the others; NULL: nobody can, or nobody has to. */
struct connection *places_find_slowest_beside(const struct connection *c);
/* C's head is there: whether its request is to be answered, on a place that has become free if need be. */
bool places_serve(struct connection *c);

#endif
