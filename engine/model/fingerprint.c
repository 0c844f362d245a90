/* fingerprint.c - see fingerprint.h. Of each part: its size, its beginning, and pieces spread over the rest. */
#include "engine/model/fingerprint.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file_io.h"
#include "engine/gguf/files.h"
#include "policy/base/hash.h"

#define PIECES      64u  /* each costs a page of the disk */
#define PIECE_BYTES 512u /* the first is the header, with the number of tensors in it */

static int mix_piece(uint64_t *hash, int fd, uint64_t offset) {
        uint8_t bytes[PIECE_BYTES];
        ssize_t n;
        while ((n = pread(fd, bytes, sizeof(bytes), (off_t) offset)) < 0 && errno == EINTR)
                ;
        if (n < 0)
                return -errno;
        *hash = hash_bytes(*hash, bytes, (size_t) n);
        return 0;
}

static int mix_file(uint64_t *hash, int fd) {
        struct stat st;
        int r = file_status(fd, &st);
        if (r < 0)
                return r;
        uint64_t size = (uint64_t) st.st_size;
        *hash = hash_number(*hash, size, sizeof(size));
        for (unsigned i = 0; i < PIECES && r == 0; i++)
                r = mix_piece(hash, fd, size / PIECES * i);
        return r;
}

int model_identity(const int fds[], uint32_t count, uint64_t *ret) {
        uint64_t hash = HASH_START;
        for (uint32_t i = 0; i < count; i++) {
                int r = mix_file(&hash, fds[i]);
                if (r < 0)
                        return r;
        }
        *ret = hash;
        return 0;
}

int model_identity_of_path(const char *path, uint64_t *ret) {
        struct model_files files;
        int r = model_files_list(path, &files);
        if (r < 0)
                return r;
        int *fds = calloc(files.count, sizeof(*fds));
        uint32_t failed;
        r = fds ? model_files_open(&files, fds, &failed) : -ENOMEM;
        if (r == 0) {
                r = model_identity(fds, files.count, ret);
                for (uint32_t i = 0; i < files.count; i++)
                        (void) close(fds[i]);
        }
        free(fds);
        model_files_done(&files);
        return r;
}
