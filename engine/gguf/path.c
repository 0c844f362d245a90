/* path.c - see path.h. */
#include "engine/gguf/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/gguf/files.h"

static int open_files(const struct model_files *files, struct gguf **ret, struct gguf_error *reterr) {
        int fds[MODEL_FILES_MAX];
        uint32_t failed;
        int r = model_files_open(files, fds, &failed);
        if (r < 0) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "%.160s: %s", files->paths[failed], strerror(-r));
                return r;
        }
        struct gguf_error why;
        r = gguf_open(fds, files->count, ret, &why);
        if (r < 0)
                (void) snprintf(reterr->text, sizeof(reterr->text), "%.90s: %.160s", files->paths[0], why.text);
        for (uint32_t i = 0; i < files->count; i++)
                (void) close(fds[i]);
        return r;
}

int gguf_open_path(const char *path, struct gguf **ret, struct gguf_error *reterr) {
        struct model_files files;
        int r = model_files_list(path, &files);
        if (r < 0) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                r == -EINVAL ? "'%.160s' is named like a part that cannot be" : "out of memory for '%.160s'",
                                path);
                return r;
        }
        r = open_files(&files, ret, reterr);
        model_files_done(&files);
        return r;
}
