/* files.c - see files.h. */
#include "engine/gguf/files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "engine/base/bounds.h"

static_assert(MODEL_FILES_MAX == GGUF_PARTS_MAX, "the reader takes every model that has a list of files");

#define DIGITS        5u                               /* in each of the two numbers */
#define SUFFIX_LENGTH (1u + DIGITS + 4u + DIGITS + 5u) /* "-00001-of-00003.gguf" */

static bool five_digits(const char *text, uint32_t *ret) {
        uint32_t value = 0;
        for (unsigned i = 0; i < DIGITS; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return false;
                value = value * 10 + (uint32_t) (text[i] - '0');
        }
        *ret = value;
        return true;
}

bool model_files_part(const char *path, uint32_t *ret_part, uint32_t *ret_count) {
        size_t length = strlen(path);
        if (length < SUFFIX_LENGTH)
                return false;
        const char *suffix = path + length - SUFFIX_LENGTH;
        uint32_t part, count;
        if (suffix[0] != '-' || !five_digits(suffix + 1, &part) || strncmp(suffix + 1 + DIGITS, "-of-", 4) != 0 ||
            !five_digits(suffix + 5 + DIGITS, &count) || strcasecmp(suffix + 5 + 2 * DIGITS, ".gguf") != 0)
                return false;
        if (ret_part)
                *ret_part = part;
        if (ret_count)
                *ret_count = count;
        return true;
}

int model_files_list(const char *path, struct model_files *ret) {
        uint32_t part = 1, count = 1;
        bool split = model_files_part(path, &part, &count);
        if (part == 0 || part > count || count > MODEL_FILES_MAX)
                return -EINVAL;

        struct model_files files = { .paths = calloc(count, sizeof(*files.paths)) };
        if (!files.paths)
                return -ENOMEM;
        size_t stem = strlen(path) - (split ? SUFFIX_LENGTH : 0);
        for (uint32_t i = 0; i < count; i++) {
                int length = split ? asprintf(&files.paths[i], "%.*s-%05" PRIu32 "-of-%05" PRIu32 "%s", (int) stem, path, i + 1,
                                              count, path + strlen(path) - 5)
                                   : asprintf(&files.paths[i], "%s", path);
                if (length < 0) {
                        model_files_done(&files);
                        return -ENOMEM;
                }
                files.count = i + 1;
        }
        *ret = files;
        return 0;
}

void model_files_done(struct model_files *f) {
        for (uint32_t i = 0; i < f->count; i++)
                free(f->paths[i]);
        free(f->paths);
        *f = (struct model_files){ 0 };
}

int model_files_open(const struct model_files *f, int fds[], uint32_t *ret_failed) {
        for (uint32_t i = 0; i < f->count; i++) {
                fds[i] = open(f->paths[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
                if (fds[i] < 0) {
                        int error = errno;
                        *ret_failed = i;
                        while (i-- > 0)
                                (void) close(fds[i]);
                        return -error;
                }
        }
        return 0;
}
