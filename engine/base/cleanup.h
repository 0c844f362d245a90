/* cleanup.h - scope ends what scope began: attributes for descriptors and heap memory. */
#ifndef HEADROOM_ENGINE_BASE_CLEANUP_H
#define HEADROOM_ENGINE_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void close_fd(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

static inline void free_pointer(void *pointer) {
        free(*(void **) pointer);
}

static inline void close_file(FILE **file) {
        if (*file)
                (void) fclose(*file);
}

static inline void close_dir(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

#define auto_close    __attribute__((cleanup(close_fd)))
#define auto_free     __attribute__((cleanup(free_pointer)))
#define auto_fclose   __attribute__((cleanup(close_file)))
#define auto_closedir __attribute__((cleanup(close_dir)))

/* Hands a descriptor on: the scope that gave it no longer closes it. */
static inline int take_fd(int *fd) {
        int taken = *fd;
        *fd = -1;
        return taken;
}

#endif
