/*
 * walk.c - looks for GGUF files below a directory, also behind links, and ends where links lead in a circle.
 *
 * Nothing is opened here. What looks like a model and cannot be one is left out with a sentence; hidden files and those with
 * other names are none of ours.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/config/loader.h"
#include "engine/base/cleanup.h"

/* A folder that is being looked into, and those above it. */
struct folder {
        const struct folder *above;
        const char *path, *below; /* BELOW the models directory, "" at its top */
        dev_t device;
        ino_t inode;
        unsigned depth;
        bool by_link;
};

#define ABOVE_MAX 64 /* folders that the models directory lies in */

static void add_found(struct loader *l, char **path, char **below, const struct stat *st, bool by_link) {
        if (!l->found)
                l->found = calloc(MODELS_FOUND_MAX, sizeof *l->found);
        if (!l->found) {
                l->out_of_memory = true;
                return;
        }
        if (l->found_count == MODELS_FOUND_MAX) {
                loader_leave_out(l, *path, "the models directory holds more than %d GGUF files", MODELS_FOUND_MAX);
                return;
        }
        l->found[l->found_count++] = (struct found){ .path = *path, .below = *below, .st = *st, .by_link = by_link };
        *path = *below = NULL;
}

void loader_forget_found(struct loader *l) {
        for (uint32_t i = 0; i < l->found_count; i++) {
                free(l->found[i].path);
                free(l->found[i].below);
        }
        free(l->found);
        l->found = NULL;
        l->found_count = 0;
}

static bool has_suffix(const char *name) {
        size_t length = strlen(name), suffix = strlen(MODEL_SUFFIX);

        return length > suffix && !strcasecmp(name + length - suffix, MODEL_SUFFIX);
}

static void look_into(struct loader *l, struct folder *f);

/* A folder that is also one of those above it is the end of a circle. */
static void enter(struct loader *l, struct folder *f) {
        for (const struct folder *up = f->above; up; up = up->above)
                if (up->device == f->device && up->inode == f->inode) {
                        loader_leave_out(l, f->path, "the link leads back to a folder that it lies in");
                        return;
                }
        if (f->depth > MODELS_DEPTH_MAX)
                loader_leave_out(l, f->path, "it lies deeper than %d folders", MODELS_DEPTH_MAX);
        else if (l->folders_count++ == FOLDERS_MAX)
                loader_leave_out(l, f->path, "the models directory holds more than %d folders; the rest is not looked into",
                                 FOLDERS_MAX);
        else if (l->folders_count <= FOLDERS_MAX)
                look_into(l, f);
}

static void take_entry(struct loader *l, const struct folder *f, const char *name) {
        auto_free char *path = NULL, *below = NULL;
        struct stat st;

        if (asprintf(&path, "%s/%s", f->path, name) < 0 || asprintf(&below, "%s%s%s", f->below, *f->below ? "/" : "", name) < 0) {
                l->out_of_memory = true;
                return;
        }
        bool is_link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
        bool by_link = f->by_link || is_link;
        if (stat(path, &st)) {
                if (has_suffix(name))
                        loader_leave_out(l, path, "%s%s", is_link ? "the link leads nowhere: " : "", strerror(errno));
                else if (is_link && errno == ELOOP)
                        loader_leave_out(l, path, "the link leads to itself");
        } else if (S_ISDIR(st.st_mode)) {
                struct folder in = { f, path, below, st.st_dev, st.st_ino, f->depth + 1, by_link };
                enter(l, &in);
        } else if (has_suffix(name) && !S_ISREG(st.st_mode)) {
                loader_leave_out(l, path, "it is no file but a pipe, socket or device");
        } else if (has_suffix(name)) {
                add_found(l, &path, &below, &st, by_link);
        }
}

static int is_visible(const struct dirent *entry) {
        return *entry->d_name != '.';
}

static void look_into(struct loader *l, struct folder *f) {
        struct dirent **entries;
        if (l->source->on_folder)
                l->source->on_folder(l->source->folder_user, f->path);
        int count = scandir(f->path, &entries, is_visible, alphasort);

        if (count < 0) {
                loader_leave_out(l, f->path, "the folder cannot be read: %s", strerror(errno));
                return;
        }
        for (int i = 0; i < count; i++) {
                take_entry(l, f, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
}

/* Those that the directory itself lies in, up to the root: a link to one of them is a circle as well. */
static struct folder *folders_above(const char *directory, struct folder above[ABOVE_MAX], char path[PATH_MAX]) {
        struct folder *last = NULL;

        if (!realpath(directory, path))
                return NULL;
        for (unsigned i = 0; i < ABOVE_MAX && strcmp(path, "/") != 0; i++) {
                struct stat st;
                char *slash = strrchr(path, '/');
                slash[slash == path] = '\0';
                if (stat(path, &st))
                        break;
                above[i] = (struct folder){ .above = last, .path = "", .device = st.st_dev, .inode = st.st_ino };
                last = &above[i];
        }
        return last;
}

void loader_walk(struct loader *l, const char *directory) {
        struct stat st;
        struct folder above[ABOVE_MAX], top = { .path = directory, .below = "" };
        char path[PATH_MAX];

        if (stat(directory, &st)) {
                l->file = directory;
                l->line = 0;
                loader_warning(l, "the models directory cannot be read: %s", strerror(errno));
                return;
        }
        top.device = st.st_dev;
        top.inode = st.st_ino;
        top.above = folders_above(directory, above, path);
        l->folders_count = 0;
        look_into(l, &top);
}
