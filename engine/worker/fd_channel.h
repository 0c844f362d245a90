/*
 * fd_channel.h - descriptors that the daemon sends: each with the id of the request that it is for, before the frame that needs it.
 *
 * A locked-in engine can open nothing, so a file comes open. One message is 8 bytes, the id in little-endian, with
 * one descriptor. A descriptor that no frame has used by then is one that the daemon could not follow up with its
 * frame: it is closed.
 */
#ifndef HEADROOM_ENGINE_WORKER_FD_CHANNEL_H
#define HEADROOM_ENGINE_WORKER_FD_CHANNEL_H

#include <stdint.h>

/*
 * The descriptor that came for ID over SOCKET_FD (-1: none can), without waiting: the caller's to close, or -ENOENT: none is
 * there; -EMFILE: it came, and this process may not have another; -EBADMSG: something else came.
 */
int files_take(int socket_fd, uint64_t id);

#endif
