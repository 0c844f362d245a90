/* small_file.h - the small text files of /proc and /sys. */
#ifndef HEADROOM_CTL_BASE_SMALL_FILE_H
#define HEADROOM_CTL_BASE_SMALL_FILE_H

#include <stdint.h>

/* The first SMALL_FILE_BYTES_MAX bytes of the file, terminated and malloc'ed. 0 or -errno. PATH is a printf format. */
int small_file_read(char **ret, const char *path, ...) __attribute__((format(printf, 2, 3)));

/* The number after the line's first word KEY ("MemTotal:  24 kB" -> 24). 0 and *ret, or -ENOENT. */
int small_file_number(const char *text, const char *key, uint64_t *ret);

#endif
