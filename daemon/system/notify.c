/* notify.c - see notify.h. All of it by libsystemd, which asks the environment. */
#include "daemon/system/notify.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "engine/base/clock.h"

unsigned systemd_sockets(const char *name, int fds[], unsigned max) {
        char **names = NULL;
        unsigned found = 0;
        int count = sd_listen_fds_with_names(0, &names);

        for (int i = 0; i < count; i++) {
                if (!strcmp(names[i], name) && found < max)
                        fds[found++] = SD_LISTEN_FDS_START + i;
                free(names[i]);
        }
        free(names);
        return found;
}

void systemd_ready(const char *status) {
        (void) sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void systemd_status(const char *status) {
        (void) sd_notifyf(0, "STATUS=%s", status);
}

/* systemd 253 and later want the time with it; earlier ones do not look at it. */
void systemd_reloading(void) {
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) clock_ms(CLOCK_MONOTONIC) * 1000);
}

void systemd_reloaded(void) {
        (void) sd_notify(0, "READY=1");
}

void systemd_stopping(void) {
        (void) sd_notify(0, "STOPPING=1\nSTATUS=letting running answers end");
}

void systemd_alive(void) {
        (void) sd_notify(0, "WATCHDOG=1");
}

uint64_t systemd_watchdog_ms(void) {
        uint64_t us = 0;

        return sd_watchdog_enabled(0, &us) > 0 ? us / 1000 / 2 : 0;
}
