/* port_holder.h - who listens on a TCP port of this machine, for the one who finds it taken. */
#ifndef HEADROOM_DAEMON_SYSTEM_PORT_HOLDER_H
#define HEADROOM_DAEMON_SYSTEM_PORT_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "ollama (pid 77)", or "a program of user 1001" where that is all one may know. False: nobody seems to. */
bool port_holder(const char *address, uint16_t port, char *ret, size_t size);

#endif
