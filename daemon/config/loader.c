/* loader.c - what is said while a configuration is read, and where what is read goes. */
#include "daemon/config/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void report(struct loader *l, bool is_warning, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

static void report(struct loader *l, bool is_warning, const char *format, va_list args) {
        char sentence[1024], text[CONFIG_LINE_MAX + 1100];

        (void) vsnprintf(sentence, sizeof sentence, format, args);
        if (l->line)
                (void) snprintf(text, sizeof text, "%s:%u: %s", l->file, l->line, sentence);
        else
                (void) snprintf(text, sizeof text, "%s: %s", l->file, sentence);
        l->report(l->user, is_warning, text);
}

/* The first mistake in the file of a model, where that is its failure alone. */
static void keep_wrong(struct loader *l, const char *format, va_list args) {
        char sentence[512], text[CONFIG_LINE_MAX + 600];

        (void) vsnprintf(sentence, sizeof sentence, format, args);
        (void) snprintf(text, sizeof text, "%s:%u: %s", l->file, l->line, sentence);
        loader_set_text(l, &l->model->wrong, text);
        l->report(l->user, true, text);
}

void loader_problem(struct loader *l, const char *format, ...) {
        va_list args;

        bool is_own = l->source->is_start && l->model;
        va_start(args, format);
        if (is_own && !l->model->wrong)
                keep_wrong(l, format, args);
        else
                report(l, false, format, args);
        va_end(args);
        l->failed = l->failed || !is_own;
}

void loader_warning(struct loader *l, const char *format, ...) {
        va_list args;

        va_start(args, format);
        report(l, true, format, args);
        va_end(args);
}

static void note_left_out(struct loader *l, const char *path, const char *why) {
        struct config *c = l->config;

        if (!c->left_out)
                c->left_out = calloc(LEFT_OUT_MAX, sizeof *c->left_out);
        if (!c->left_out || c->left_out_count == LEFT_OUT_MAX)
                return;
        struct config_left_out *o = &c->left_out[c->left_out_count++];
        loader_set_text(l, &o->path, path);
        loader_set_text(l, &o->why, why);
}

void loader_leave_out(struct loader *l, const char *path, const char *format, ...) {
        char why[512];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(why, sizeof why, format, args);
        va_end(args);
        note_left_out(l, path, why);
        l->file = path;
        l->line = 0;
        if (l->source->is_start || l->source->is_strict) /* a running daemon compares the lists, and says what is new */
                loader_warning(l, "is left out: %s", why);
}

void loader_set_text(struct loader *l, char **text, const char *value) {
        char *copy = strdup(value);

        if (!copy) {
                l->out_of_memory = true;
                return;
        }
        free(*text);
        *text = copy;
}

struct config_model *loader_add_model(struct loader *l, const char *id) {
        struct config *c = l->config;

        if (c->models_count == MODELS_MAX) {
                loader_problem(l, "there are more than %d models", MODELS_MAX);
                return NULL;
        }
        if (!c->models)
                c->models = calloc(MODELS_MAX, sizeof *c->models);
        char *copy = strdup(id);
        if (!c->models || !copy) {
                free(copy);
                l->out_of_memory = true;
                return NULL;
        }
        struct config_model *m = &c->models[c->models_count++];
        *m = l->defaults;
        m->id = copy;
        return m;
}

static void copy_model(struct loader *l, const struct config_model *from) {
        struct config_model *m = loader_add_model(l, from->id);
        struct config_model own;

        if (!m)
                return;
        own = *m;
        *m = *from;
        m->id = own.id;
        m->path = m->wrong = NULL;
        m->aliases = NULL;
        m->aliases_count = 0;
        m->file_key = 0;
        loader_set_text(l, &m->path, from->path);
        if (from->wrong)
                loader_set_text(l, &m->wrong, from->wrong);
        for (uint32_t i = 0; i < from->own_aliases_count; i++)
                (void) loader_add_alias(l, m, from->aliases[i], strlen(from->aliases[i]));
}

void loader_copy(struct loader *l, const struct config *a) {
        loader_set_text(l, &l->config->models_dir, a->models_dir);
        for (uint32_t i = 0; i < a->models_count; i++)
                if (!a->models[i].discovered)
                        copy_model(l, &a->models[i]);
}
