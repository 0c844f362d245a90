/*
 * scratch.h - a directory for one test: files are put into it, with the directories above them, and it is gone afterwards.
 */
#ifndef HEADROOM_TESTS_UNIT_SCRATCH_H
#define HEADROOM_TESTS_UNIT_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static inline int make_root(void **state) {
        (void) state;
        (void) strcpy(root, "/tmp/headroom-test-XXXXXX");
        return mkdtemp(root) ? 0 : -1;
}

static inline int remove_root(void **state) {
        (void) state;
        char command[128];
        (void) snprintf(command, sizeof(command), "rm -rf '%s'", root);
        return system(command);
}

static inline char *whole_path(const char *path) {
        static char whole[512];
        (void) snprintf(whole, sizeof(whole), "%s/%.400s", root, path);
        return whole;
}

/* The directories above ROOT/PATH. */
static inline char *make_way(const char *path) {
        char *whole = whole_path(path);
        for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void) mkdir(whole, 0755);
                *slash = '/';
        }
        return whole;
}

/* Writes TEXT to ROOT/PATH, in place where it exists: a held descriptor sees it, as it would a change of the kernel's. */
static inline void put(const char *path, const char *text) {
        FILE *f = fopen(make_way(path), "w");
        if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
                fprintf(stderr, "cannot write %s\n", whole_path(path));
                abort();
        }
}

#endif
