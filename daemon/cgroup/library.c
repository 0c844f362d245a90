/*
 * library.c - libcgroup 2.0.2, for the one thing that works in a delegated group: values of directories that are there.
 *
 * It creates from the mount point down, which a user cannot and root must not; it deletes by moving processes to where
 * none may be; attaching trips over the same; none of that is called. It opens and allocates at every call, so what is
 * read in a tick is not read through it, and nothing of the emergency passes here. Loop thread only: its table of
 * mounts is one for the process.
 */
#include <errno.h>
#include <libcgroup.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cgroup/internal.h"

static int told(int error, char *reterr, size_t reterr_size) {
        const char *words = error == ECGOTHER ? strerror(cgroup_get_last_errno()) : cgroup_strerror(error);
        (void) snprintf(reterr, reterr_size, "%s", words ? words : "unknown error");
        return -EIO;
}

int cgroup_library_open(char *reterr, size_t reterr_size) {
        int error = cgroup_init();
        return error ? told(error, reterr, reterr_size) : 0;
}

int cgroup_library_write(const char *group, const char *controller, const char *name, const char *value, char *reterr,
                         size_t reterr_size) {
        struct cgroup *g = cgroup_new_cgroup(group);
        if (!g)
                return told(ECGFAIL, reterr, reterr_size);
        struct cgroup_controller *c = cgroup_add_controller(g, controller);
        int error = c ? cgroup_add_value_string(c, name, value) : ECGFAIL;
        if (error == 0)
                error = cgroup_modify_cgroup(g);
        cgroup_free(&g);
        return error ? told(error, reterr, reterr_size) : 0;
}
