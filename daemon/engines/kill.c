/*
 * kill.c - the control group that an engine is in, and ending the engine at once.
 *
 * Ending is part of the emergency: it uses descriptors that are held and system calls alone. The memory of a killed process
 * comes back when the kernel finds time to reap it; process_mrelease(2) does it now, on our time.
 */
#include "daemon/engines/kill.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/cgroup/cgroup.h"
#include "daemon/engines/engine.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/system/log.h"
#include "policy/base/sat.h"

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448 /* the same on every architecture; since Linux 5.15 */
#endif

/* The net under an account. */
static uint64_t limit_of(const struct model *m) {
        uint64_t account = model_account_bytes(m);
        return sat_add(account, u64_max(account / GROUP_SPARE_PART, GROUP_SPARE_BYTES_MIN));
}

static int set_limit(struct model *m, uint64_t bytes) {
        int r = cgroup_engine_limit(m->engine.group, bytes);
        if (r == 0)
                m->engine.group_bytes = bytes;
        return r;
}

int engine_group_begin(struct model *m) {
        struct fleet *f = m->fleet;
        struct instance *e = &m->engine;
        if (!f->tree)
                return -1;
        int r = cgroup_engine_new(f->tree, m->number, &e->group);
        if (r < 0) {
                log_warning("no_group", LOG_TEXT("model", m->config->id), LOG_TEXT("error", strerror(-r)),
                            LOG_TEXT("effect", "the engine runs in the daemon's own control group"));
                e->group = NULL;
                return -1;
        }
        r = set_limit(m, limit_of(m));
        if (r < 0)
                log_warning("no_group_limit", LOG_TEXT("model", m->config->id), LOG_TEXT("error", strerror(-r)),
                            LOG_TEXT("effect", "it can be ended and stopped as a whole, but the kernel does not limit it"));
        return cgroup_engine_fd(e->group);
}

void engine_group_follow(struct model *m) {
        uint64_t limit = limit_of(m);
        if (m->engine.group && limit > m->engine.group_bytes)
                (void) set_limit(m, limit);
}

void engine_group_lower(struct model *m) {
        uint64_t limit = limit_of(m);
        struct cgroup_usage usage = { 0 };
        if (!m->engine.group || sat_sub(m->engine.group_bytes, limit) < GROUP_SPARE_BYTES_MIN)
                return;
        cgroup_engine_usage(m->engine.group, &usage);
        if (usage.current_bytes > 0 && usage.current_bytes <= limit)
                (void) set_limit(m, limit);
}

void engine_group_end(struct model *m) {
        struct instance *e = &m->engine;
        if (!e->group)
                return;
        cgroup_engine_usage(e->group, &e->group_end);
        cgroup_engine_free(e->group);
        e->group = NULL;
}

void engine_end_now(struct model *m) {
        struct instance *e = &m->engine;
        if (!e->process)
                return;
        if (e->group)
                (void) cgroup_engine_kill(e->group);
        m->ops->end_at_once(m);
        if (e->pid > 0)
                (void) syscall(SYS_process_mrelease, e->pidfd, 0);
}

void engine_rehearse_end(const struct model *m) {
        const struct instance *e = &m->engine;
        struct cgroup_usage usage;
        if (e->group)
                cgroup_engine_usage(e->group, &usage);
        if (e->process && e->pid > 0)
                (void) syscall(SYS_pidfd_send_signal, e->pidfd, 0, NULL, 0);
}
