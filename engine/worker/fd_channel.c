/* fd_channel.c - see fd_channel.h. */
#include "engine/worker/fd_channel.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILES_WAITING_MAX 1024u /* thrown away at one look: more than a socket's queue holds */
#define FDS_MAX           4u    /* of one message that are seen, so that too many are closed and not leaked */

/* The one descriptor of MESSAGE in *ret, -1 without; false, and nothing is kept, when there are several. */
static bool take_fds(struct msghdr *message, int *ret) {
        int count = 0;
        *ret = -1;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
                        if (count++ > 0)
                                (void) close(fd);
                        else
                                *ret = fd;
                }
        }
        if (count <= 1)
                return true;
        (void) close(*ret);
        *ret = -1;
        return false;
}

/* One message: 0, *ret_id and *ret_fd (-1: it was lost on the way); -ENOENT; -EBADMSG. */
static int receive(int socket_fd, uint64_t *ret_id, int *ret_fd) {
        uint8_t bytes[8];
        union {
                struct cmsghdr head;
                char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
        } control;
        struct iovec text = { bytes, sizeof(bytes) };
        struct msghdr message = {
                .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)
        };
        ssize_t n;
        while ((n = recvmsg(socket_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
                ;
        if (n <= 0)
                return n == 0 || errno == EAGAIN || errno == EWOULDBLOCK ? -ENOENT : -EBADMSG;
        bool one = take_fds(&message, ret_fd);
        if (!one || n != sizeof(bytes) || message.msg_flags & MSG_TRUNC) {
                if (*ret_fd >= 0)
                        (void) close(*ret_fd);
                return -EBADMSG;
        }
        *ret_id = 0;
        for (unsigned i = 0; i < sizeof(bytes); i++)
                *ret_id |= (uint64_t) bytes[i] << 8 * i;
        return 0;
}

int files_take(int socket_fd, uint64_t id) {
        for (unsigned i = 0; socket_fd >= 0 && i < FILES_WAITING_MAX; i++) {
                uint64_t for_id;
                int fd, r = receive(socket_fd, &for_id, &fd);
                if (r < 0)
                        return r;
                if (for_id == id)
                        return fd >= 0 ? fd : -EMFILE;
                if (fd >= 0)
                        (void) close(fd);
        }
        return -ENOENT;
}
