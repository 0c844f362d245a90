/* file_io.h - what an open file is, and reads and writes at a place in it that do not stop half way. */
#ifndef HEADROOM_ENGINE_BASE_FILE_IO_H
#define HEADROOM_ENGINE_BASE_FILE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* fstat(), by the call that takes no path: the C library's takes one, which a locked-in process may not. 0 or -errno. */
int file_status(int fd, struct stat *ret);
/* All COUNT bytes: 0; -EBADMSG where the file ends before, or another -errno. */
int pread_all(int fd, void *bytes, size_t count, uint64_t offset);
/* All COUNT bytes: 0 or -errno; -EIO where the kernel takes none. */
int pwrite_all(int fd, const void *bytes, size_t count, uint64_t offset);

#endif
