/*
 * config.h - headroom.conf, its drop-ins and models.d, read whole, checked whole, never half applied.
 *
 * Later places win: built-in defaults, headroom.conf, headroom.conf.d/ (in order of name), the command line. Each file
 * of models.d/ beside it is one model; each GGUF file of the models directory that no such file names is a model by itself, with
 * the defaults of [models]. units/headroom.conf lists every section and key with its default.
 *
 * Sizes take K M G T (powers of 1024, "iB" optional) or % of RAM where it says so; times take ms s m h.
 * Every problem is reported with file and line; loading fails when there is one.
 */
#ifndef HEADROOM_DAEMON_CONFIG_CONFIG_H
#define HEADROOM_DAEMON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/sensor_keys.h"
#include "daemon/system/log.h"
#include "engine/base/cpu_list.h"
#include "policy/base/kv_type.h"
#include "policy/base/speculate.h"

#define CONFIG_FOREVER UINT64_MAX

/*
 * The default port: none that another server of models has (11434, 11435 to 11440, 1234, 8000, 8080, 9931 ...), none that IANA
 * has given away, below those that the kernel hands out. On a telephone it reads 1-HDRM. The documents name it, and a test compares them.
 */
#define CONFIG_PORT         14376
#define CONFIG_KEYS_OPEN    "open-to-network" /* keys: nobody needs one, from wherever they come */
#define CONFIG_OLLAMA_PORT  11434             /* Ollama's own, which many of its clients alone know */
#define CONFIG_QUOTE(X)     #X
#define CONFIG_LOCAL(PORT)  "127.0.0.1:" CONFIG_QUOTE(PORT)
#define CONFIG_ADDRESS_PORT CONFIG_LOCAL(CONFIG_PORT) /* "127.0.0.1:14376" */

struct config_model {
        char *id;   /* file name without .conf / .gguf, or `name =` */
        char *path; /* first part of a split model */
        char **aliases;
        uint32_t aliases_count, own_aliases_count; /* OWN: of these the first so many are not links that were found */
        int priority;                              /* 0 by default; lower leaves first */
        bool pinned;
        bool preload;
        bool batch;             /* the class of its requests where they do not say */
        uint64_t keep_alive_ms; /* CONFIG_FOREVER: until the room is needed; 0: unload at once */
        uint64_t protect_ms;    /* after its last request no other model turns it out for so long; 0: they may */
        uint32_t context;       /* 0: as large as it was trained for and memory allows */
        uint32_t kv_tokens;     /* 0: as many as requests need, while there is room */
        uint32_t parallel;      /* requests decoded together */
        uint32_t queue;         /* requests that may wait */
        enum kv_type kv_type;   /* as it is loaded, where there is room */
        enum kv_type
                kv_floor; /* what it may be loaded with, or lowered to, where there is not; one above kv_type counts as kv_type */
        enum speculate speculate;
        uint32_t threads;     /* 0: one per core */
        struct cpu_list cpus; /* that its engine runs on; empty: any */
        char *wrong;          /* why it cannot be used whatever its file is: the first mistake in its models.d file; NULL */
        bool discovered;      /* found in the models directory, no models.d entry */
        uint64_t file_key;    /* made of its files' identities, sizes and times as they were found; 0: none was there */
};

/* A file or folder of the models directory that gives no model, and why: "the link leads nowhere". */
struct config_left_out {
        char *path, *why;
};

struct config {
        char *listen_address;  /* 127.0.0.1 */
        uint16_t listen_port;  /* CONFIG_PORT; 0: any free one, printed at start */
        char *ollama_address;  /* where Ollama's clients are served too; "": nowhere else */
        uint16_t ollama_port;  /* CONFIG_OLLAMA_PORT */
        char *hosts;           /* names, beside its own, that clients may ask for: "a b.c"; "" */
        char *origins;         /* pages elsewhere that may use the server: "https://a http://b:1"; "" */
        char *keys;            /* who needs one: "auto" (all, as soon as there is one), "required", "none" or CONFIG_KEYS_OPEN */
        char *control_path;    /* /run/headroom/control.sock */
        char *models_dir;      /* /var/lib/headroom/models */
        char *default_model;   /* of requests that name none; "": the only one there is */
        char *state_dir;       /* /var/lib/headroom */
        char *engine_path;     /* headroom-engine, as an absolute path once loaded */
        uint64_t ram_bytes;    /* of this machine, or of the container: what percentages are of */
        uint64_t budget_bytes; /* default: 80 % of RAM */
        double weights_fraction;       /* of RAM; 0.60 */
        uint64_t reserve_bytes;        /* default max(1 GiB, 4 % of RAM) */
        uint64_t body_bytes_max;       /* 64 MiB */
        uint64_t request_memory_bytes; /* of all bodies and answers that are held; an eighth of RAM, 256 MiB at the most */
        uint32_t connections_max;
        uint64_t header_timeout_ms, idle_timeout_ms, wait_timeout_ms, load_timeout_ms, stop_timeout_ms;
        uint64_t cache_bytes;      /* of prefixes of prompts on disk; 0: none are kept */
        uint64_t cache_idle_ms;    /* ... that an engine has been idle when what it has is kept; 5 s */
        uint64_t min_residency_ms; /* a just loaded model is not evicted earlier while it is in use (docs/policy.md) */
        uint64_t
                turn_ms; /* others' requests go on so long after one began to wait; 0: min_residency_ms, CONFIG_FOREVER: until they end */
        uint64_t
                batch_age_ms; /* a request of the batch class stands where it would if it had come so much later; CONFIG_FOREVER: behind all */
        char *batch_hours;     /* in which requests of the batch class begin: "22:00-07:00", or "always" */
        bool governor_enabled; /* else it looks and shows, and does not act */
        bool heat_enabled;
        uint32_t margin_target_millidegrees; /* below critical: what the heat controller holds; 15 degrees */
        uint32_t critical_millidegrees;      /* of a control sensor that does not tell its own; 100 degrees */
        struct sensor_keys ignored_sensors, trusted_sensors;
        enum log_level log_level;   /* the least that is written; info */
        char *proc_root, *sys_root; /* /proc and /sys, or directories of fixtures for tests */
        struct config_model *models;
        uint32_t models_count;
        struct config_model defaults; /* [models] */
        uint32_t unsettled;           /* files that are being written, and do not count yet */
        struct config_left_out *left_out;
        uint32_t left_out_count;
};

/* One setting from the command line, which has the last word. ORIGIN is how problems name it, e.g. "--budget". */
struct config_override {
        const char *origin, *section, *key, *value;
};

/* TEXT is one sentence: "file:line: what is wrong; what to do". A warning does not make loading fail. */
typedef void config_report(void *user, bool is_warning, const char *text);

/* Where a configuration comes from. What it points to outlives it. */
struct config_source {
        const char *path; /* NULL: /etc/headroom/headroom.conf if it exists, else defaults */
        const struct config_override *overrides;
        uint32_t overrides_count;
        bool is_start;  /* a mistake in a file of models.d is that model's failure: there is nothing that could stay as it was */
        bool is_strict; /* a model file that cannot be used is a problem of the whole, not of that model alone */
        uint64_t *newest_ms; /* NULL, or raised to when a file of the configuration was written last, on the clock of the day */
        config_report *report;
        void *user;
        void (*on_folder)(void *user, const char *path); /* NULL, or told of each folder of models before it is read */
        void *folder_user;
};

/* As config_load; any thread, one at a time. */
int config_read(const struct config_source *source, struct config **ret);
/*
 * What NOW would be with the models directory as it is: nothing else is read. A file that is still being written is left as it
 * was, and counted. SETTLE_MS: younger changes count as such.
 */
int config_look_again(const struct config_source *source, const struct config *now, uint64_t settle_ms, struct config **ret);

/* One difference, for people: "+ model qwen", "~ [memory] budget: 1.0 GiB -> 2.0 GiB, at once". */
struct config_change {
        char text[512];
};
/* The differences from A to B, the caller's to free; as many as CONFIG_CHANGES_MAX. Their number, or -ENOMEM. */
int config_compare(const struct config *a, const struct config *b, struct config_change **ret);
/* The model of that id, or NULL. Two lists hardly differ, so the search begins at *FROM, 0 at first, where the last one ended. */
const struct config_model *config_find_model(const struct config *c, const char *id, uint32_t *from);
/*
 * NEXT takes effect: NOW has what may change while the daemon runs, its models included; NEXT has what they were, for config_free.
 */
void config_take(struct config *now, struct config *next);

/*
 * Reads PATH (NULL: an ordinary user's ~/.config/headroom/headroom.conf, or /etc/headroom/headroom.conf, if it exists, else defaults), PATH.d/ and models.d/ beside it, the
 * overrides, and the models directory. 0, or -EINVAL after at least one report that is no warning, or -ENOMEM.
 */
int config_load(const char *path, const struct config_override *overrides, uint32_t overrides_count, config_report *report,
                void *user, struct config **ret);
/* "22:00-07:00" as minutes of the day; "always": two that are equal. NULL, or what is wrong with the text. */
const char *value_hours(const char *text, uint32_t *ret_from, uint32_t *ret_until);
/* A time as it is written everywhere, "10m", in ms. NULL, or what is wrong with the text. */
const char *value_duration(const char *text, uint64_t *ret_ms);
void config_free(struct config *c);
/* What M holds, not M itself. */
void config_model_done(struct config_model *m);

#endif
