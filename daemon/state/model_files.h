/* model_files.h - the files of a model, opened for a child, and what tells them from those that replace them. */
#ifndef HEADROOM_DAEMON_STATE_MODEL_FILES_H
#define HEADROOM_DAEMON_STATE_MODEL_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf/files.h"

struct model;

/* The identity of a model's files: while it stays the same, data read from them stays valid. */
struct files_identity {
        uint64_t bytes;
        uint64_t key; /* made of names, sizes and times */
        int64_t modified_s;
};

struct open_files {
        uint32_t count;
        int fds[MODEL_FILES_MAX];
        struct files_identity identity;
};

/* All files of the model, open. 0, or -errno and the sentence. */
int model_open_files(const struct model *m, struct open_files *ret, char *reterr, size_t reterr_size);
void model_files_close(struct open_files *o);
/* Whether they are still what they were when they were opened; a disk that is far away may take its time to say. */
bool model_files_are_same(const struct open_files *o);

#endif
