/* text_file.c - see text_file.h. */
#include "engine/base/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES (16u << 10)

static int read_all(int fd, struct text *t) {
        char piece[PIECE_BYTES];
        for (;;) {
                ssize_t got = read(fd, piece, sizeof(piece));
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (!text_add(t, piece, (size_t) got)) /* of none as well: an empty text is one */
                        return (size_t) got > t->max - t->used ? -EFBIG : -ENOMEM;
                if (got == 0)
                        return 0;
        }
}

int text_file_read(const char *path, size_t length_max, struct text *ret) {
        *ret = (struct text){ .max = length_max };
        int fd = path && strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
        if (fd < 0)
                return -errno;
        int r = read_all(fd, ret);
        if (fd != STDIN_FILENO)
                (void) close(fd);
        if (r < 0)
                text_done(ret);
        return r;
}
