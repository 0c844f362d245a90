/* weights.c - see weights.h. */
#include "daemon/cache/weights.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/cache/page_cache.h"
#include "engine/base/cleanup.h"
#include "engine/gguf/files.h"
#include "policy/base/sat.h"

/* linux/ioprio.h: of the calling thread */
#define IO_CLASS_NONE 0
#define IO_CLASS_IDLE (3 << 13)

static void set_io_class(int class) {
        (void) syscall(SYS_ioprio_set, 1, 0, class);
}

struct parts {
        uint32_t count;
        struct model_files files;
        int fds[MODEL_FILES_MAX];
        uint64_t sizes[MODEL_FILES_MAX];
};

static void close_parts(struct parts *p) {
        for (uint32_t i = 0; i < p->count; i++)
                (void) close(p->fds[i]);
        model_files_done(&p->files);
}

static int open_parts(const char *path, struct parts *ret) {
        struct stat st;
        uint32_t failed;
        int r = model_files_list(path, &ret->files);

        if (r < 0)
                return r;
        r = model_files_open(&ret->files, ret->fds, &failed);
        ret->count = r < 0 ? 0 : ret->files.count;
        for (uint32_t i = 0; i < ret->count; i++) {
                r = fstat(ret->fds[i], &st) ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : r;
                ret->sizes[i] = (uint64_t) st.st_size;
        }
        if (r < 0)
                close_parts(ret);
        return r;
}

int weights_look(const char *path, struct weights *ret) {
        auto_free unsigned char *window = malloc(PAGE_CACHE_WINDOW_PAGES);
        struct parts parts;
        int r = window ? open_parts(path, &parts) : -ENOMEM;

        if (r < 0)
                return r;
        *ret = (struct weights){ .is_known = true };
        for (uint32_t i = 0; i < parts.count; i++) {
                uint64_t cached = 0;
                ret->is_known &= page_cache_of_file(parts.files.paths[i], parts.fds[i], parts.sizes[i], window, &cached);
                ret->bytes += parts.sizes[i];
                ret->cached_bytes += u64_min(cached, parts.sizes[i]); /* the last page is a whole one */
        }
        close_parts(&parts);
        return 0;
}

/* A file that was cut off meanwhile has nothing more to be read: 0. */
static int read_part(int fd, uint64_t from, uint64_t to) {
        auto_free unsigned char *buffer = malloc(WARM_READ_BYTES);

        while (buffer && from < to) {
                ssize_t count = pread(fd, buffer, u64_min(to - from, WARM_READ_BYTES), (off_t) from);
                if (count <= 0)
                        return count < 0 ? -errno : 0;
                from += (uint64_t) count;
        }
        return buffer ? 0 : -ENOMEM;
}

int weights_read(const char *path, uint64_t from, uint64_t count, uint64_t *ret_to, uint64_t *ret_bytes) {
        struct parts parts;
        uint64_t begin = 0, to = sat_add(from, count);
        int r = open_parts(path, &parts);

        if (r < 0)
                return r;
        set_io_class(IO_CLASS_IDLE);
        for (uint32_t i = 0; i < parts.count && r == 0; begin += parts.sizes[i++]) {
                uint64_t end = begin + parts.sizes[i];
                if (from < end && begin < to)
                        r = read_part(parts.fds[i], u64_max(from, begin) - begin, u64_min(to, end) - begin);
        }
        set_io_class(IO_CLASS_NONE);
        *ret_bytes = begin;
        *ret_to = u64_min(to, begin);
        close_parts(&parts);
        return r;
}
