/* text_file.h - a whole text in memory, from a file or from standard input, within a limit. */
#ifndef HEADROOM_ENGINE_BASE_TEXT_FILE_H
#define HEADROOM_ENGINE_BASE_TEXT_FILE_H

#include <stddef.h>

struct text_file {
        char *bytes; /* LENGTH of them and a zero behind; the caller's to free */
        size_t length;
};

/* PATH NULL or "-" is standard input. 0 and *ret; -EFBIG beyond LENGTH_MAX, or another -errno. */
int text_file_read(const char *path, size_t length_max, struct text_file *ret);

#endif
