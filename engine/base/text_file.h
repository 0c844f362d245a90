/* text_file.h - a whole text in memory, from a file or from standard input, within a limit. */
#ifndef HEADROOM_ENGINE_BASE_TEXT_FILE_H
#define HEADROOM_ENGINE_BASE_TEXT_FILE_H

#include "engine/base/strbuf.h"

/* PATH NULL or "-" is standard input. 0; -EFBIG beyond LENGTH_MAX, or another -errno, and *ret is empty. */
int text_file_read(const char *path, size_t length_max, struct text *ret);

#endif
