/*
 * find_models.c - model files on disk: those the configuration names, and those that simply lie in the models directory.
 *
 * A GGUF file is a model whose id is its path below the directory without ".gguf"; of a split model only the first part
 * counts, and its id lacks "-00001-of-00003". Hidden files, unfinished downloads (they end otherwise) and projectors
 * ("mmproj-...") are no models. Nothing is opened here: only the engine looks into a file.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "engine/base/cleanup.h"
#include "daemon/config/loader.h"
#include "engine/gguf/files.h"

#define SUFFIX         ".gguf"
#define PART_FORMAT    "-%05u-of-%05u"
#define DEMO_DIRECTORY "../share/headroom/models" /* from where the program is installed */
#define PART_LENGTH    15u                        /* "-00001-of-00003" */

static void name_a_problem(struct loader *l, uint32_t index, unsigned line) {
        l->file = l->origins[index].file;
        l->line = line;
}

/* True when PATH is a file; its identity goes to the origin. */
static bool note_file(struct loader *l, uint32_t index, const char *path) {
        struct stat st;

        if (stat(path, &st))
                return false;
        if (!S_ISREG(st.st_mode)) {
                errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
                return false;
        }
        l->origins[index].device = st.st_dev;
        l->origins[index].inode = st.st_ino;
        return true;
}

/* DIRECTORY/ID.gguf, or the first part of a split one: the only name that matches ID-00001-of-*.gguf. */
static char *path_by_id(const char *directory, const char *id) {
        char *path = NULL;

        if (asprintf(&path, "%s/%s" SUFFIX, directory, id) < 0)
                return NULL;
        if (access(path, F_OK) == 0)
                return path;
        for (unsigned parts = 1; parts <= 999; parts++) {
                auto_free char *first = NULL;
                if (asprintf(&first, "%s/%s" PART_FORMAT SUFFIX, directory, id, 1u, parts) > 0 && access(first, F_OK) == 0) {
                        free(path);
                        path = first;
                        first = NULL;
                        break;
                }
        }
        return path;
}

static void locate(struct loader *l, uint32_t index) {
        struct config_model *m = &l->config->models[index];
        const char *directory = l->config->models_dir;
        auto_free char *path = NULL;

        if (!m->path)
                path = path_by_id(directory, m->id);
        else if (*m->path == '/')
                path = strdup(m->path);
        else if (asprintf(&path, "%s/%s", directory, m->path) < 0)
                path = NULL;
        if (!path) {
                l->out_of_memory = true;
                return;
        }
        name_a_problem(l, index, l->origins[index].path_line);
        if (!note_file(l, index, path))
                loader_problem(l, m->path ? "the model file %s cannot be used: %s" : "no path is given and %s cannot be used: %s",
                               path, strerror(errno));
        loader_set_text(l, &m->path, path);
}

void loader_locate_models(struct loader *l) {
        for (uint32_t i = 0; i < l->config->models_count; i++)
                locate(l, i);
}

static bool is_known_file(const struct loader *l, const struct stat *st) {
        for (uint32_t i = 0; i < l->config->models_count; i++)
                if (l->origins[i].inode == st->st_ino && l->origins[i].device == st->st_dev)
                        return true;
        return false;
}

static bool is_known_name(const struct loader *l, const char *name) {
        for (uint32_t i = 0; i < l->config->models_count; i++) {
                const struct config_model *m = &l->config->models[i];

                if (!strcmp(m->id, name))
                        return true;
                for (uint32_t a = 0; a < m->aliases_count; a++)
                        if (!strcmp(m->aliases[a], name))
                                return true;
        }
        return false;
}

static void discover_file(struct loader *l, const char *path, const char *below, const struct stat *st) {
        const char *name = strrchr(below, '/') ? strrchr(below, '/') + 1 : below;
        size_t length = strlen(below) - strlen(SUFFIX);
        uint32_t part = 0;
        char id[MODEL_ID_MAX + 1] = "";

        if ((model_files_part(path, &part, NULL) && part != 1) || !strncmp(name, "mmproj-", 7) || !st->st_size ||
            is_known_file(l, st))
                return;
        if (part)
                length -= PART_LENGTH;
        l->file = path;
        l->line = 0;
        if (length > MODEL_ID_MAX) {
                loader_warning(l, "is left out: its name is longer than %d bytes; give it a file in models.d", MODEL_ID_MAX);
                return;
        }
        memcpy(id, below, length);
        const char *wrong = value_bad_name(id);
        if (wrong) {
                loader_warning(l, "is left out: its name %s; give it a file in models.d", wrong);
                return;
        }
        if (is_known_name(l, id)) {
                loader_warning(l, "is left out: another model is already called '%s'", id);
                return;
        }
        struct config_model *m = loader_add_model(l, id);
        if (!m)
                return;
        m->discovered = true;
        loader_set_text(l, &m->path, path);
        (void) note_file(l, (uint32_t) (m - l->config->models), path);
}

static int is_visible(const struct dirent *entry) {
        return *entry->d_name != '.';
}

static bool ends_with_suffix(const char *name) {
        size_t length = strlen(name);

        return length > strlen(SUFFIX) && !strcmp(name + length - strlen(SUFFIX), SUFFIX);
}

/* BELOW is the path under the models directory, "" at its top. */
static void discover_directory(struct loader *l, const char *path, const char *below, unsigned depth) {
        struct dirent **entries;
        int count = scandir(path, &entries, is_visible, alphasort);

        if (count < 0) {
                l->file = path;
                l->line = 0;
                loader_warning(l, "the models directory cannot be read: %s", strerror(errno));
                return;
        }
        for (int i = 0; i < count; i++) {
                auto_free char *entry = NULL, *entry_below = NULL;
                struct stat st;
                const char *name = entries[i]->d_name;

                if (asprintf(&entry, "%s/%s", path, name) < 0 ||
                    asprintf(&entry_below, "%s%s%s", below, *below ? "/" : "", name) < 0)
                        l->out_of_memory = true;
                else if (stat(entry, &st) == 0 && S_ISDIR(st.st_mode) && depth < MODELS_DEPTH_MAX)
                        discover_directory(l, entry, entry_below, depth + 1);
                else if (stat(entry, &st) == 0 && S_ISREG(st.st_mode) && ends_with_suffix(name))
                        discover_file(l, entry, entry_below, &st);
                free(entries[i]);
        }
        free(entries);
}

/* A new installation has no model at hand: our own small one answers until there is another. */
static void discover_demo(struct loader *l) {
        char path[PATH_MAX + sizeof DEMO_DIRECTORY] = "", resolved[PATH_MAX];

        if (readlink("/proc/self/exe", path, PATH_MAX - 1) < 0)
                return;
        strcpy(strrchr(path, '/') + 1, DEMO_DIRECTORY);
        if (!realpath(path, resolved))
                return;
        discover_directory(l, resolved, "", 1);
        l->file = l->config->models_dir;
        l->line = 0;
        if (l->config->models_count)
                loader_warning(l, "no model is here yet: the demo model in %s is served", resolved);
}

void loader_discover_models(struct loader *l) {
        discover_directory(l, l->config->models_dir, "", 1);
        if (!l->config->models_count)
                discover_demo(l);
}

static void check_name(struct loader *l, uint32_t owner, const char *name, unsigned line, uint32_t aliases_before) {
        const struct config *c = l->config;

        for (uint32_t i = 0; i <= owner; i++) {
                const struct config_model *other = &c->models[i];
                uint32_t aliases = i < owner ? other->aliases_count : aliases_before;
                bool is_taken = i < owner && !strcmp(other->id, name);

                for (uint32_t a = 0; a < aliases && !is_taken; a++)
                        is_taken = !strcmp(other->aliases[a], name);
                if (i == owner && aliases_before && !strcmp(other->id, name))
                        is_taken = true;
                if (!is_taken)
                        continue;
                name_a_problem(l, owner, line);
                loader_problem(l, "the name '%s' is already taken by the model %s (%s)", name, other->id,
                               l->origins[i].file ? l->origins[i].file : other->path);
                return;
        }
}

void loader_check_names(struct loader *l) {
        for (uint32_t i = 0; i < l->config->models_count; i++) {
                const struct config_model *m = &l->config->models[i];

                check_name(l, i, m->id, l->origins[i].name_line, 0);
                for (uint32_t a = 0; a < m->aliases_count; a++)
                        check_name(l, i, m->aliases[a], l->origins[i].aliases_line, a);
        }
}
