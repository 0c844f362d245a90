/* net_address.c - see net_address.h. */
#include "daemon/base/net_address.h"

#include <arpa/inet.h>
#include <string.h>

static struct in6_addr mapped(struct in_addr v4) {
        struct in6_addr address = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

        memcpy(address.s6_addr + 12, &v4, sizeof v4);
        return address;
}

bool net_address_read(const char *text, size_t length, struct in6_addr *ret) {
        char copy[INET6_ADDRSTRLEN] = "";
        bool has_brackets = length >= 2 && *text == '[' && text[length - 1] == ']';
        struct in_addr v4;

        if (has_brackets)
                text++, length -= 2;
        if (length >= sizeof copy)
                return false;
        memcpy(copy, text, length);
        if (has_brackets || inet_pton(AF_INET, copy, &v4) != 1)
                return inet_pton(AF_INET6, copy, ret) == 1 && !IN6_IS_ADDR_V4MAPPED(ret);
        *ret = mapped(v4);
        return true;
}

bool net_address_of(const struct sockaddr_storage *name, struct in6_addr *ret) {
        if (name->ss_family == AF_INET)
                *ret = mapped(((const struct sockaddr_in *) name)->sin_addr);
        else if (name->ss_family == AF_INET6)
                *ret = ((const struct sockaddr_in6 *) name)->sin6_addr;
        return name->ss_family == AF_INET || name->ss_family == AF_INET6;
}

bool net_address_is_loopback(const struct in6_addr *address) {
        return IN6_IS_ADDR_V4MAPPED(address) ? address->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(address);
}
