/*
 * files.c - reads INI files through inih, and knows the line of each setting.
 *
 * inih hands over name and value but not the line, and reports only the first line it could not understand. Its
 * reader callback is asked for one line at a time, so that is where we count, and where a line that led to no
 * setting is noticed when the next one is asked for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "engine/base/cleanup.h"
#include "daemon/config/loader.h"

/* Lines may be longer than the library's 200 bytes where it can be told so at run time (Debian's can). */
extern bool ini_use_stack __attribute__((weak));
extern int ini_max_line __attribute__((weak));
extern int ini_initial_alloc __attribute__((weak));

static void allow_long_lines(void) {
        if (!&ini_use_stack || !&ini_max_line || !&ini_initial_alloc)
                return;
        ini_use_stack = false;
        ini_max_line = ini_initial_alloc = CONFIG_LINE_MAX;
}

struct ini_file {
        struct loader *loader;
        FILE *file;
        bool must_set; /* the line handed out last is no comment and no section, so it has to become a setting */
};

static void check_last_line(struct ini_file *f) {
        if (f->must_set)
                loader_problem(f->loader, "this line is neither [section] nor key = value");
        f->must_set = false;
}

static char *trim(char *text) {
        text += strspn(text, " \t\r\n\f\v");
        size_t length = strlen(text);
        while (length && strchr(" \t\r\n\f\v", text[length - 1]))
                text[--length] = 0;
        return text;
}

/* fgets for inih: counts, judges, and takes the indentation away, which would otherwise continue the line before. */
static char *read_line(char *line, int size, void *user) {
        struct ini_file *f = user;
        struct loader *l = f->loader;

        check_last_line(f);
        if (!fgets(line, size, f->file))
                return NULL;
        l->line++;
        if (!strchr(line, '\n') && !feof(f->file)) {
                loader_problem(l, "this line is longer than %d bytes", size - 1);
                for (int c = 0; c != '\n' && c != EOF;)
                        c = getc(f->file);
                strcpy(line, "\n");
                return line;
        }
        bool is_first = l->line == 1 && !strncmp(line, "\xEF\xBB\xBF", 3);
        char *text = trim(is_first ? line + 3 : line);
        if (*text == '[' && !strchr(text, ']')) {
                loader_problem(l, "this section has no closing bracket");
                *text = 0;
        }
        f->must_set = *text && *text != '[' && *text != '#' && *text != ';';
        memmove(line, text, strlen(text) + 1);
        return line;
}

static int on_setting(void *user, const char *section, const char *name, const char *value) {
        struct ini_file *f = user;
        struct loader *l = f->loader;

        f->must_set = false;
        loader_set(l, section, name, value);
        if (l->model) {
                struct model_origin *o = &l->origins[l->model - l->config->models];
                if (!strcmp(name, "path"))
                        o->path_line = l->line;
                else if (!strcmp(name, "name"))
                        o->name_line = l->line;
                else if (!strcmp(name, "aliases"))
                        o->aliases_line = l->line;
        }
        return 1;
}

/* When it has been read, so that what was done to it meanwhile shows. */
static void note_age(struct loader *l, int fd) {
        uint64_t *newest = l->source->newest_ms;
        struct stat st;

        if (!newest || fstat(fd, &st))
                return;
        uint64_t changed = (uint64_t) st.st_ctim.tv_sec * 1000 + (uint64_t) st.st_ctim.tv_nsec / 1000000;
        if (changed > *newest)
                *newest = changed;
}

/* /dev/null is how one says "no configuration". */
static bool is_readable(const struct stat *st) {
        return S_ISREG(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3));
}

/* Does not wait for whoever writes to a FIFO. NULL: said by errno; ENOTSUP: it is none. */
static FILE *open_file(const char *path) {
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        if (fd < 0)
                return NULL;
        FILE *file = fstat(fd, &st) == 0 && is_readable(&st) ? fdopen(fd, "r") : NULL;
        if (file)
                return file;
        (void) close(fd);
        errno = ENOTSUP;
        return NULL;
}

static void read_file(struct loader *l, const char *path) {
        auto_fclose FILE *file = open_file(path);
        struct ini_file f = { .loader = l, .file = file };

        l->file = path;
        l->line = 0;
        if (!file && errno == ENOTSUP) {
                loader_problem(l, "is no file");
                return;
        }
        if (!file) {
                loader_problem(l, "cannot be opened: %s", strerror(errno));
                return;
        }
        allow_long_lines();
        int result = ini_parse_stream(read_line, &f, on_setting, &f);
        check_last_line(&f);
        note_age(l, fileno(file));
        l->line = 0;
        if (ferror(file))
                loader_problem(l, "cannot be read: %s", strerror(errno));
        if (result == -2)
                l->out_of_memory = true;
}

void loader_read_main(struct loader *l, const char *path, bool must_exist) {
        if (must_exist || access(path, F_OK) == 0 || errno != ENOENT)
                read_file(l, path);
}

static int is_conf(const struct dirent *entry) {
        size_t length = strlen(entry->d_name);

        return *entry->d_name != '.' && length > 5 && !strcmp(entry->d_name + length - 5, ".conf");
}

/* Calls EACH for every visible *.conf of a directory in order of name. A directory that is not there is empty. */
static void each_conf(struct loader *l, const char *directory,
                      void (*each)(struct loader *l, const char *path, const char *name)) {
        struct dirent **entries;
        int count = scandir(directory, &entries, is_conf, alphasort);

        l->file = directory;
        l->line = 0;
        if (count < 0) {
                if (errno != ENOENT)
                        loader_problem(l, "cannot be read: %s", strerror(errno));
                return;
        }
        if (count > CONFIG_FILES_MAX)
                loader_problem(l, "holds %d files; at most %d are read", count, CONFIG_FILES_MAX);
        for (int i = 0; i < count; i++) {
                auto_free char *path = NULL;
                if (i < CONFIG_FILES_MAX && asprintf(&path, "%s/%s", directory, entries[i]->d_name) > 0)
                        each(l, path, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
}

static void read_drop_in(struct loader *l, const char *path, const char *name) {
        (void) name;
        read_file(l, path);
}

void loader_read_drop_ins(struct loader *l, const char *directory) {
        each_conf(l, directory, read_drop_in);
}

static void read_model(struct loader *l, const char *path, const char *name) {
        auto_free char *id = strndup(name, strlen(name) - strlen(".conf"));

        l->file = path;
        l->line = 0;
        if (!id) {
                l->out_of_memory = true;
                return;
        }
        l->model = loader_add_model(l, id);
        if (!l->model)
                return;
        loader_set_text(l, &l->origins[l->model - l->config->models].file, path);
        read_file(l, path);
        l->model = NULL;
}

void loader_read_models(struct loader *l, const char *directory) {
        each_conf(l, directory, read_model);
}
