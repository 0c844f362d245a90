/* model_files.c - see model_files.h. Nothing is read here: the files are for a child. */
#include "daemon/state/model_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/state/model.h"

void model_files_close(struct open_files *o) {
        for (uint32_t i = 0; i < o->count; i++)
                (void) close(o->fds[i]);
        o->count = 0;
}

static uint64_t mix(uint64_t key, uint64_t value) {
        return (key ^ value) * 0x9e3779b97f4a7c15u ^ key >> 29;
}

static int identify(struct open_files *o) {
        o->identity = (struct files_identity){ 0 };
        for (uint32_t i = 0; i < o->count; i++) {
                struct stat st;
                if (fstat(o->fds[i], &st) < 0)
                        return -errno;
                if (!S_ISREG(st.st_mode))
                        return -EINVAL;
                o->identity.bytes += (uint64_t) st.st_size;
                o->identity.modified_s = st.st_mtim.tv_sec;
                const uint64_t parts[] = { (uint64_t) st.st_size, (uint64_t) st.st_mtim.tv_sec, (uint64_t) st.st_mtim.tv_nsec,
                                           (uint64_t) st.st_ino };
                for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++)
                        o->identity.key = mix(o->identity.key, parts[p]);
        }
        return 0;
}

int model_open_files(const struct model *m, struct open_files *ret, char *reterr, size_t reterr_size) {
        struct model_files files;
        int r = model_files_list(m->config->path, &files);
        if (r < 0) {
                (void) snprintf(reterr, reterr_size, "the name of '%s' is not that of a part of a split model: %s",
                                m->config->path, strerror(-r));
                return r;
        }
        uint32_t failed = 0;
        r = model_files_open(&files, ret->fds, &failed);
        if (r < 0) {
                (void) snprintf(reterr, reterr_size, "cannot open '%s': %s", files.paths[failed], strerror(-r));
                model_files_done(&files);
                return r;
        }
        ret->count = files.count;
        model_files_done(&files);
        r = identify(ret);
        if (r < 0) {
                (void) snprintf(reterr, reterr_size, "'%s' is not a file that can be mapped: %s", m->config->path, strerror(-r));
                model_files_close(ret);
        }
        return r;
}

bool model_files_are_same(const struct open_files *o) {
        struct open_files now = *o;
        return identify(&now) < 0 || now.identity.key == o->identity.key;
}
