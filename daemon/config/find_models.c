/*
 * find_models.c - model files on disk: those the configuration names, and those that simply lie in the models directory.
 *
 * A GGUF file is a model whose id is its path below the directory without ".gguf"; of a split model only the first part
 * counts, and its id lacks "-00001-of-00003". Links to a model's file are further names of it. Nothing is opened here: only
 * the engine looks into a file, and says then if it is a model at all.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "engine/base/cleanup.h"
#include "engine/base/clock.h"
#include "daemon/config/loader.h"
#include "engine/gguf/files.h"
#include "policy/base/hash.h"

#define PART_FORMAT    "-%05u-of-%05u"
#define DEMO_DIRECTORY "../share/headroom/models" /* from where the program is installed */
#define PART_LENGTH    15u                        /* "-00001-of-00003" */

static void name_a_problem(struct loader *l, uint32_t index, unsigned line) {
        l->file = l->origins[index].file;
        l->line = line;
}

static uint64_t ms_of(const struct timespec *t) {
        return (uint64_t) t->tv_sec * 1000 + (uint64_t) t->tv_nsec / 1000000;
}

static uint64_t key_of(uint64_t key, const struct stat *st) {
        const uint64_t parts[] = { (uint64_t) st->st_dev, (uint64_t) st->st_ino, (uint64_t) st->st_size,
                                   (uint64_t) st->st_mtim.tv_sec, (uint64_t) st->st_mtim.tv_nsec };

        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
                key = hash_number(key, parts[i], sizeof parts[i]);
        return key | 1; /* never 0 */
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
        struct model_origin *o = &l->origins[index];
        struct stat itself;
        o->device = st.st_dev;
        o->inode = st.st_ino;
        o->is_linked = st.st_nlink > 1 || lstat(path, &itself) || S_ISLNK(itself.st_mode);
        l->config->models[index].file_key = key_of(HASH_START, &st);
        return true;
}

/* DIRECTORY/ID.gguf, or the first part of a split one: the only name that matches ID-00001-of-*.gguf. */
static char *path_by_id(const char *directory, const char *id) {
        char *path = NULL;

        if (asprintf(&path, "%s/%s" MODEL_SUFFIX, directory, id) < 0)
                return NULL;
        if (access(path, F_OK) == 0)
                return path;
        for (unsigned parts = 1; parts <= 999; parts++) {
                auto_free char *first = NULL;
                if (asprintf(&first, "%s/%s" PART_FORMAT MODEL_SUFFIX, directory, id, 1u, parts) > 0 &&
                    access(first, F_OK) == 0) {
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
                (l->source->is_strict ? loader_problem : loader_warning)(
                        l, m->path ? "the model file %s cannot be used: %s" : "no path is given and %s cannot be used: %s", path,
                        strerror(errno));
        loader_set_text(l, &m->path, path);
}

void loader_locate_models(struct loader *l) {
        for (uint32_t i = 0; i < l->config->models_count; i++)
                locate(l, i);
}

/* --- models that no file names --- */

static uint32_t owner_of_file(const struct loader *l, const struct stat *st) {
        for (uint32_t i = 0; i < l->config->models_count; i++)
                if (l->origins[i].inode == st->st_ino && l->origins[i].device == st->st_dev)
                        return i;
        return UINT32_MAX;
}

static const struct config_model *owner_of_name(const struct loader *l, const char *name) {
        for (uint32_t i = 0; i < l->config->models_count; i++) {
                const struct config_model *m = &l->config->models[i];

                if (!strcmp(m->id, name))
                        return m;
                for (uint32_t a = 0; a < m->aliases_count; a++)
                        if (!strcmp(m->aliases[a], name))
                                return m;
        }
        return NULL;
}

/* The path below the models directory without ".gguf" and the number of its part. */
static bool name_of(struct loader *l, const struct found *f, char id[MODEL_ID_MAX + 1]) {
        size_t length = strlen(f->below) - strlen(MODEL_SUFFIX);

        if (model_files_part(f->path, NULL, NULL))
                length -= PART_LENGTH;
        if (length > MODEL_ID_MAX) {
                loader_leave_out(l, f->path, "its name is longer than %d bytes; give it a file in models.d", MODEL_ID_MAX);
                return false;
        }
        memcpy(id, f->below, length);
        id[length] = '\0';
        const char *wrong = value_bad_name(id);
        if (wrong)
                loader_leave_out(l, f->path, "its name %s; give it a file in models.d", wrong);
        return !wrong;
}

/* The model that FOUND was until now; NULL: it is new. */
static const struct config_model *before(const struct loader *l, const struct found *f) {
        for (uint32_t i = 0; l->before && i < l->before->models_count; i++)
                if (l->before->models[i].discovered && !strcmp(l->before->models[i].path, f->path))
                        return &l->before->models[i];
        return NULL;
}

/* Whoever writes a file changes its times, last of all when it is given those of another. */
static bool is_settled(const struct loader *l, const struct stat *st) {
        const uint64_t now_ms = clock_ms(CLOCK_REALTIME), written_ms = ms_of(&st->st_mtim), changed_ms = ms_of(&st->st_ctim);

        return !(written_ms <= now_ms && now_ms - written_ms < l->settle_ms) &&
               !(changed_ms <= now_ms && now_ms - changed_ms < l->settle_ms);
}

static void add_model(struct loader *l, const struct found *f, const char *id) {
        bool is_settling = !is_settled(l, &f->st);
        const struct config_model *was = is_settling ? before(l, f) : NULL;

        l->config->unsettled += is_settling;
        if (is_settling && !was)
                return;
        struct config_model *m = loader_add_model(l, id);

        if (!m)
                return;
        m->discovered = true;
        loader_set_text(l, &m->path, f->path);
        (void) note_file(l, (uint32_t) (m - l->config->models), f->path);
        if (was)
                m->file_key = was->file_key;
}

/* A second name of a file that a model has: another name of the model, where a link or a hard link makes it one. */
static void add_name(struct loader *l, const struct found *f, uint32_t owner, const char *id) {
        struct config_model *m = &l->config->models[owner];

        if (!strcmp(f->path, m->path) || !(f->by_link || l->origins[owner].is_linked))
                return;
        const char *wrong = loader_add_alias(l, m, id, strlen(id));
        if (wrong)
                loader_leave_out(l, f->path, "it is a link to the model '%s', which %s", m->id, wrong);
}

static void take_found(struct loader *l, const struct found *f) {
        uint32_t owner = owner_of_file(l, &f->st);
        char id[MODEL_ID_MAX + 1];

        if (!f->st.st_size) {
                loader_leave_out(l, f->path, "it is empty");
                return;
        }
        if (!name_of(l, f, id))
                return;
        const struct config_model *namesake = owner_of_name(l, id);
        bool is_own = namesake && owner != UINT32_MAX && namesake == &l->config->models[owner];
        if (namesake && !is_own)
                loader_leave_out(l, f->path, "another model is already called '%s'", id);
        else if (owner != UINT32_MAX && !is_own)
                add_name(l, f, owner, id);
        else if (!is_own)
                add_model(l, f, id);
}

/* A further part of a split model counts for what the first one is. */
static void take_part(struct loader *l, const struct found *f) {
        auto_free char *first = strdup(f->path);

        if (!first) {
                l->out_of_memory = true;
                return;
        }
        memcpy(first + strlen(first) - strlen(MODEL_SUFFIX) - PART_LENGTH, "-00001", 6);
        for (uint32_t i = 0; i < l->config->models_count; i++)
                if (!strcmp(l->config->models[i].path, first)) {
                        l->config->models[i].file_key = key_of(l->config->models[i].file_key, &f->st);
                        return;
                }
        if (access(first, F_OK))
                loader_leave_out(l, f->path, "the first part of its model is missing");
}

static bool is_further_part(const struct found *f) {
        uint32_t part;

        return model_files_part(f->path, &part, NULL) && part != 1;
}

/* Files by their own names come first, so that no link takes a name away. */
static void discover_directory(struct loader *l, const char *directory) {
        loader_walk(l, directory);
        for (unsigned by_link = 0; by_link < 2; by_link++)
                for (uint32_t i = 0; i < l->found_count; i++)
                        if (l->found[i].by_link == by_link && !is_further_part(&l->found[i]))
                                take_found(l, &l->found[i]);
        for (uint32_t i = 0; i < l->found_count; i++)
                if (is_further_part(&l->found[i]))
                        take_part(l, &l->found[i]);
        loader_forget_found(l);
}

/* A new installation has no model at hand: our own small one answers until there is another. */
static void discover_demo(struct loader *l) {
        char path[PATH_MAX + sizeof DEMO_DIRECTORY] = "", resolved[PATH_MAX];

        if (readlink("/proc/self/exe", path, PATH_MAX - 1) < 0)
                return;
        strcpy(strrchr(path, '/') + 1, DEMO_DIRECTORY);
        if (!realpath(path, resolved))
                return;
        discover_directory(l, resolved);
        l->file = l->config->models_dir;
        l->line = 0;
        if (l->config->models_count)
                loader_warning(l, "no model is here yet: the demo model in %s is served", resolved);
}

void loader_discover_models(struct loader *l) {
        discover_directory(l, l->config->models_dir);
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
