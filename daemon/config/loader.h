/*
 * loader.h - what the files of this room share: one loader carries the configuration that grows, and where we are in the text.
 *
 * value.c turns text into values, keys.c knows every section and key, files.c reads files,
 * walk.c finds files on disk, find_models.c the models among them and compares them all, config.c puts these in order.
 */
#ifndef HEADROOM_DAEMON_CONFIG_LOADER_H
#define HEADROOM_DAEMON_CONFIG_LOADER_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "daemon/base/bounds.h"
#include "daemon/config/config.h"

/* File and lines that define the parts of a model, for problems that only show once everything has been read. */
struct model_origin {
        char *file; /* NULL for a discovered model */
        unsigned path_line, name_line, aliases_line;
        dev_t device; /* of the model's file, once found */
        ino_t inode;
        bool is_linked; /* ... and it has other names, or this is one */
};

/* A GGUF file below the models directory, under one of its names. */
struct found {
        char *path, *below; /* BELOW the models directory */
        struct stat st;     /* of what a link leads to */
        bool by_link;       /* the name is a link, or lies in a folder that one leads to */
};

struct loader {
        const struct config_source *source;
        const struct config *before; /* in force, where files that are still being written keep what they were in it */
        struct config *config;
        struct config_model defaults;            /* [models] */
        struct model_origin origins[MODELS_MAX]; /* one for each of config->models */
        uint64_t settle_ms;
        struct found *found;
        uint32_t found_count, folders_count;
        struct config_model *model; /* the one whose file is being read, else NULL */
        const char *file;           /* for problems; a file's path or an option's name */
        unsigned line;              /* 0: not a matter of one line */
        config_report *report;
        void *user;
        bool failed;
        bool out_of_memory;
};

/* loader.c */
void loader_problem(struct loader *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
void loader_warning(struct loader *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Notes that PATH gives no model; at the start it warns as well. */
void loader_leave_out(struct loader *l, const char *path, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Replaces a text; a failed allocation sticks in the loader. */
void loader_set_text(struct loader *l, char **text, const char *value);
/* What A has in common with another look at its models directory: all but the models that were found there. */
void loader_copy(struct loader *l, const struct config *a);
/* A new model with the defaults, or NULL (too many, or no memory; both have been said). */
struct config_model *loader_add_model(struct loader *l, const char *id);

enum owner { OWNER_CONFIG, OWNER_DEFAULTS, OWNER_MODEL };
enum when { WHEN_NOW, WHEN_LOADED, WHEN_RESTARTED }; /* at once, from the next load of a model, from the next start */
enum value_kind {
        VALUE_NONE, /* of a row that cannot be compared: there is none */
        VALUE_TEXT,
        VALUE_COUNT,
        VALUE_COUNT_OR_AUTO, /* 0: auto */
        VALUE_BYTES,
        VALUE_SHARE,
        VALUE_MS,
        VALUE_FLAG,
        VALUE_DEGREES,
        VALUE_CLASS,
        VALUE_NUMBER,
        VALUE_KV_TYPE,
        VALUE_SPECULATE,
        VALUE_CPUS,
        VALUE_LOG_LEVEL,
        VALUE_NAMES,
        VALUE_SENSORS
};

struct key;
typedef const char *setter(struct loader *l, const struct key *key, void *field, const char *value);

struct key {
        const char *section, *name;
        setter *set;
        enum owner owner;
        enum when when;
        size_t offset;
        uint64_t least, most;
};

/* keys.c: the rows of its table (NULL behind the last), and what kind of value a row has. */
const struct key *key_at(size_t index);
enum value_kind key_kind(const struct key *key);

/* keys.c: one setting. Every problem is reported. */
void loader_set(struct loader *l, const char *section, const char *key, const char *value);
/* The sentence that says why NAME cannot be a model's name, or NULL. */
const char *value_bad_name(const char *name);
/* Another name (its first LENGTH bytes) for M; or the sentence that says why not. */
const char *loader_add_alias(struct loader *l, struct config_model *m, const char *name, size_t length);

/* files.c */
void loader_read_main(struct loader *l, const char *path, bool must_exist);
void loader_read_drop_ins(struct loader *l, const char *directory);
void loader_read_models(struct loader *l, const char *directory);

#define MODEL_SUFFIX ".gguf" /* in upper case, too */

/* walk.c: every GGUF file below DIRECTORY, in order of name, to loader.found; what cannot be one is left out. */
void loader_walk(struct loader *l, const char *directory);
void loader_forget_found(struct loader *l);

/* find_models.c */
void loader_locate_models(struct loader *l);   /* the files of the models that were named */
void loader_discover_models(struct loader *l); /* the models in the directory that no file names */
void loader_check_names(struct loader *l);     /* ids and aliases are one name space */

/* value.c: each returns NULL and writes *ret, or returns what is wrong with the text: "is no ...; write ...". */
const char *value_size(const char *text, uint64_t *ret);
const char *value_size_or_share(const char *text, uint64_t whole, uint64_t *ret); /* also "80%" of WHOLE */
const char *value_fraction(const char *text, double *ret);                        /* 0.6 or 60% */
const char *value_integer(const char *text, int64_t *ret);
const char *value_degrees(const char *text, uint32_t *ret_millidegrees); /* 15 or 87.5; "C" may follow */
const char *value_flag(const char *text, bool *ret);
const char *value_address(const char *text, char ret_address[64], uint16_t *ret_port);
/* The nearest of the words (NULL-terminated list), or NULL when none is near. */
const char *value_nearest(const char *word, const char *const *words);

#endif
