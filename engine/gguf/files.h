/*
 * files.h - the files of a model: one, or the parts of a split one, found by the name alone.
 *
 * Parts are called STEM-00001-of-00003.gguf ... STEM-00003-of-00003.gguf and lie in one directory; naming any
 * of them names the whole model. Who runs a command may name a model by its id, too. No file is read here. Needs libc alone: the daemon and headroomctl use it too.
 */
#ifndef HEADROOM_ENGINE_GGUF_FILES_H
#define HEADROOM_ENGINE_GGUF_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_FILES_MAX 512u /* parts; as many as a GGUF reader accepts */

struct model_files {
        uint32_t count;
        char **paths; /* in order; owned */
};

/* Whether PATH is called like a part of a split model; *ret_part counts from 1. Both outputs may be NULL. */
bool model_files_part(const char *path, uint32_t *ret_part, uint32_t *ret_count);

/*
 * The file of the model that is called ID in the models directory of this user or of the machine (ID.gguf, or the first part of a
 * split one): a malloc'ed path; NULL where PATH_OR_ID is the path of something, or nothing of that name is there.
 */
char *model_files_by_id(const char *path_or_id);

/* 0 and *ret; -EINVAL when the part number exceeds the count or either is 0 or over MODEL_FILES_MAX; -ENOMEM. */
int model_files_list(const char *path, struct model_files *ret);
void model_files_done(struct model_files *f);

/*
 * Opens all files read-only and close-on-exec, without waiting on a FIFO. 0 and FDS (room for f->count); or
 * -errno, nothing open, and *ret_failed, the index of the path that could not be opened.
 */
int model_files_open(const struct model_files *f, int fds[], uint32_t *ret_failed);

#endif
