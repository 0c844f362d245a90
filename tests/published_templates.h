/*
 * published_templates.h - the chat templates that models are published with, from the reference data beside the project (../shared/refdata,
 * $HEADROOM_REFDATA): for tests that include cmocka first, and that say SKIP where there are none.
 */
#ifndef HEADROOM_TESTS_PUBLISHED_TEMPLATES_H
#define HEADROOM_TESTS_PUBLISHED_TEMPLATES_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLISHED_BYTES_MAX (1u << 20)

/* Calls WITH for each; returns their number. */
static inline unsigned published_templates(void (*with)(void *context, const char *name, const char *text, size_t length),
                                           void *context) {
        const char *folder = getenv("HEADROOM_REFDATA");
        char path[512];
        unsigned count = 0;
        (void) snprintf(path, sizeof(path), "%s/chat/templates", folder ? folder : "../shared/refdata");
        DIR *d = opendir(path);
        for (const struct dirent *e; d && (e = readdir(d));) {
                char file[1024];
                (void) snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
                FILE *in = strstr(e->d_name, ".jinja") ? fopen(file, "re") : NULL;
                if (!in)
                        continue;
                char *text = malloc(PUBLISHED_BYTES_MAX);
                size_t length = fread(text, 1, PUBLISHED_BYTES_MAX, in);
                assert_true(length < PUBLISHED_BYTES_MAX);
                fclose(in);
                with(context, e->d_name, text, length);
                free(text);
                count++;
        }
        if (d)
                closedir(d);
        return count;
}

#endif
