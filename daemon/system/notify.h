/* notify.h - notices to the service manager, and the sockets it opened for us. Nothing happens where there is none. */
#ifndef HEADROOM_DAEMON_SYSTEM_NOTIFY_H
#define HEADROOM_DAEMON_SYSTEM_NOTIFY_H

#include <stdint.h>

/* Writes the descriptors called NAME ("http", "control": FileDescriptorName= of the socket unit); returns how many, at most MAX. */
unsigned systemd_sockets(const char *name, int fds[], unsigned max);

void systemd_ready(const char *status); /* READY=1, and a line that `systemctl status` shows */
void systemd_stopping(void);
/* A reload begins; it has ended, well or not. */
void systemd_reloading(void);
void systemd_reloaded(void);
void systemd_status(const char *status); /* that line, later */
void systemd_alive(void);                /* WATCHDOG=1 */
uint64_t systemd_watchdog_ms(void);      /* how often to say so at the latest; 0: nobody watches */

#endif
