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

void loader_problem(struct loader *l, const char *format, ...) {
        va_list args;

        va_start(args, format);
        report(l, false, format, args);
        va_end(args);
        l->failed = true;
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
