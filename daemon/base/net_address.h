/*
 * net_address.h - numeric addresses of IP, those of the older family mapped into the newer (RFC 4291, 2.5.5.2), so that
 * they are compared as they are. Pure.
 */
#ifndef HEADROOM_DAEMON_BASE_NET_ADDRESS_H
#define HEADROOM_DAEMON_BASE_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* LENGTH bytes of TEXT: "10.0.0.1", "fd00::7" or "[fd00::7]". False when they are none; one that is written as mapped is none. */
bool net_address_read(const char *text, size_t length, struct in6_addr *ret);
/* Of a socket's name. False when it has none: that of a Unix socket. */
bool net_address_of(const struct sockaddr_storage *name, struct in6_addr *ret);
bool net_address_is_loopback(const struct in6_addr *address);

#endif
