/* small_file.c - the small text files of /proc and /sys. */
#include "ctl/base/small_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/base/bounds.h"

int small_file_read(char **ret, const char *path, ...) {
        va_list args;
        char *name;
        va_start(args, path);
        int rc = vasprintf(&name, path, args);
        va_end(args);
        assert(rc >= 0);
        int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        int error = errno;
        free(name);
        if (fd < 0)
                return -error;

        char *text = malloc(SMALL_FILE_BYTES_MAX + 1);
        assert(text);
        size_t used = 0;
        ssize_t n = 0;
        while (used < SMALL_FILE_BYTES_MAX && (n = read(fd, text + used, SMALL_FILE_BYTES_MAX - used)) > 0)
                used += (size_t) n;
        error = errno;
        (void) close(fd);
        if (n < 0) {
                free(text);
                return -error;
        }
        text[used] = '\0';
        *ret = text;
        return 0;
}

int small_file_number(const char *text, const char *key, uint64_t *ret) {
        size_t length = strlen(key);
        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, key, length) != 0)
                        continue;
                const char *number = line + length + strspn(line + length, ": \t");
                if (number == line + length || *number < '0' || *number > '9')
                        continue;
                *ret = strtoull(number, NULL, 10);
                return 0;
        }
        return -ENOENT;
}
