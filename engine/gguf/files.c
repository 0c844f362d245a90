/* files.c - see files.h. */
#include "engine/gguf/files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "engine/base/bounds.h"
#include "engine/base/user_dirs.h"

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

/* DIRECTORY/ID.gguf or the first of its parts. */
static char *find_below(const char *directory, const char *id) {
        static const char *const endings[] = { ".gguf", "-00001-of-*.gguf" };
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
                char pattern[PATH_MAX];
                int length = snprintf(pattern, sizeof(pattern), "%s/%s%s", directory, id, endings[i]);
                glob_t found;
                if (length < 0 || (size_t) length >= sizeof(pattern) || glob(pattern, 0, NULL, &found) != 0)
                        continue;
                char *path = found.gl_pathc == 1 ? strdup(found.gl_pathv[0]) : NULL;
                globfree(&found);
                if (path)
                        return path;
        }
        return NULL;
}

char *model_files_by_id(const char *path_or_id) {
        char own[PATH_MAX];
        if (*path_or_id == '/' || *path_or_id == '.' || strpbrk(path_or_id, "*?[\\") || access(path_or_id, F_OK) == 0)
                return NULL;
        char *path = NULL;
        if (user_dirs_find("XDG_DATA_HOME", ".local/share", "headroom/models", own, sizeof(own)))
                path = find_below(own, path_or_id);
        return path ? path : find_below("/var/lib/headroom/models", path_or_id);
}

static int list(const char *path, struct model_files *ret) {
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

int model_files_list(const char *path, struct model_files *ret) {
        char *found = model_files_by_id(path);
        int r = list(found ? found : path, ret);
        free(found);
        return r;
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
