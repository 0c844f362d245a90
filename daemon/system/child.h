/*
 * child.h - one child process: started in its control group with exactly the descriptors named, heard to its last word, reaped.
 *
 * The child gets /dev/null as standard input, a channel to us, a pipe for standard error, and the descriptors it
 * was promised from CHILD_FDS_FIRST on; nothing else of ours, and of the environment only what a program needs. The
 * last lines of its standard error are kept. It is a group of its own, so a Ctrl-C at our terminal does not reach it.
 *
 * on_exit is the last event and comes once, after every byte that the child wrote has been delivered; the child is
 * gone with it. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_SYSTEM_CHILD_H
#define HEADROOM_DAEMON_SYSTEM_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct bulk;
struct child;

enum child_channel {
        CHILD_CHANNEL_STDOUT = 1, /* we read what it prints */
        CHILD_CHANNEL_SOCKET = 3, /* a stream socket, both ways */
};

#define CHILD_FDS_FIRST 4

struct child_spec {
        const char *path;             /* searched in PATH when it has no slash */
        const char *const *arguments; /* NULL at the end; [0] is the name */
        enum child_channel channel;
        const int *fds; /* become CHILD_FDS_FIRST, ... in the child; stay the caller's */
        uint32_t fds_count;
        int cgroup_fd; /* directory of a control group that it is in from its first own page on; -1 or 0: ours */
};

#define CHILD_STATUS_UNKNOWN (-1) /* another wait reaped it */

struct child_exit {
        int64_t status; /* meaningful when signal is 0 */
        int signal;
};

struct child_events {
        void (*on_bytes)(void *user, const uint8_t *bytes, size_t count);
        void (*on_channel_end)(void *user); /* the child closed its end; maybe it still runs */
        void (*on_exit)(void *user, struct child_exit exit);
};

/* 0 and *ret, or -errno and nothing was started. */
int child_start(uv_loop_t *loop, const struct child_spec *spec, const struct child_events *events, void *user,
                struct child **ret);
pid_t child_pid(const struct child *c);
/* Readable once it has ended; for process_mrelease(2). Stays the child's. */
int child_pidfd(const struct child *c);
/* BYTES is taken over (also on failure). 0, or -errno when the channel is closed. */
int child_write(struct child *c, uint8_t *bytes, size_t count);
/* The same of three pieces: HEAD is taken over (also on failure), BODY is held until it is sent, TAIL is a constant. */
int child_write_around(struct child *c, uint8_t *head, size_t head_count, struct bulk *body, const char *tail);
/*
 * The same without memory of its own, for an emergency: BYTES stay the caller's until the child has exited. They go out behind
 * what is unsent. 0; -EALREADY while the last such write is still unsent; -errno when the channel is closed.
 */
int child_write_kept(struct child *c, const uint8_t *bytes, size_t count);
size_t child_unsent_bytes(const struct child *c);
/* SIGKILL to the child and whatever it started. */
void child_kill(struct child *c);
/* The last lines of its standard error, terminated, borrowed. */
const char *child_last_words(const struct child *c);

/* "exit status 3" or "killed by SIGSEGV"; "" for a clean exit. */
void child_exit_words(struct child_exit exit, char *out, size_t size);

#endif
