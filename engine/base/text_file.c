/* text_file.c - see text_file.h. */
#include "engine/base/text_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES (64u << 10)

static int read_all(FILE *in, size_t length_max, struct text_file *t) {
        size_t capacity = 0;
        for (size_t got = 1; got > 0; t->length += got) {
                if (t->length > length_max)
                        return -EFBIG;
                if (t->length + 1 >= capacity) {
                        capacity = capacity ? 2 * capacity : FIRST_BYTES;
                        char *grown = realloc(t->bytes, capacity);
                        if (!grown)
                                return -ENOMEM;
                        t->bytes = grown;
                }
                errno = 0;
                got = fread(t->bytes + t->length, 1, capacity - 1 - t->length, in);
        }
        t->bytes[t->length] = '\0';
        return ferror(in) ? -(errno ? errno : EIO) : 0;
}

int text_file_read(const char *path, size_t length_max, struct text_file *ret) {
        FILE *in = path && strcmp(path, "-") ? fopen(path, "re") : stdin;
        if (!in)
                return -errno;
        struct text_file t = { 0 };
        int r = read_all(in, length_max, &t);
        if (in != stdin)
                (void) fclose(in);
        if (r < 0)
                free(t.bytes);
        else
                *ret = t;
        return r;
}
