/*
 * sandbox.h - a process that reads what strangers wrote locks itself in first.
 *
 * Afterwards it can compute, use the descriptors it already holds, allocate memory and start threads. It cannot
 * open or create a file, make or connect a socket, start a program or another process, trace, signal others or make
 * memory executable. It cannot be undone, and threads started later inherit it.
 *
 * Four layers: no_new_privs; no capability, though it may be root's process; Landlock, which denies every path and, where the kernel knows how, TCP and signals to the outside;
 * seccomp, which denies system calls. The latter two can be missing from a kernel: that is reported, not fatal.
 */
#ifndef HEADROOM_ENGINE_WORKER_SANDBOX_H
#define HEADROOM_ENGINE_WORKER_SANDBOX_H

#include <stdbool.h>

struct sandbox_report {
        int landlock_abi;   /* version in force; 0: not in force */
        bool seccomp;       /* in force */
        char degraded[160]; /* one sentence on what is missing and why; "" when all is in force */
};

/*
 * To be called once, before any thread is started, with all descriptors open and libraries loaded. 0 and *ret,
 * or -errno: then nothing can be relied on and the process should end. Later threads end by returning
 * (pthread_exit and pthread_cancel would load a library).
 *
 * Under a sanitizer or valgrind the process gets no_new_privs alone, since their own runtimes open files and make code.
 */
int sandbox_enter(struct sandbox_report *ret);

#endif
