/*
 * keys.c - every section and key there is: one table, which the hints for misspelt names read too.
 *
 * A row says what kind of text a key takes and where the value goes. The keys of one model appear twice: in [models] of
 * headroom.conf as defaults for all, and in [model] of a file in models.d for that one.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/authority.h"
#include "daemon/base/bounds.h"
#include "daemon/config/loader.h"
#include "daemon/system/log.h"
#include "engine/base/cleanup.h"
#include "engine/base/strbuf.h"
#include "engine/wire/wire.h"

static const char *set_text(struct loader *l, const struct key *key, void *field, const char *value) {
        (void) key;
        loader_set_text(l, field, value);
        return NULL;
}

/* Limits apply to numbers of every unit; the sentence is the same. */
static const char *between(const struct key *key, uint64_t number) {
        static char sentence[128];

        if (number >= key->least && number <= key->most)
                return NULL;
        if (number < key->least)
                (void) snprintf(sentence, sizeof sentence, "is too little; the least is %llu", (unsigned long long) key->least);
        else
                (void) snprintf(sentence, sizeof sentence, "is too much; the most is %llu", (unsigned long long) key->most);
        return sentence;
}

static const char *set_count(struct loader *l, const struct key *key, void *field, const char *value) {
        int64_t number;
        const char *wrong = value_integer(value, &number);

        (void) l;
        if (!wrong)
                wrong = number < 0 ? "is negative" : between(key, (uint64_t) number);
        if (!wrong)
                *(uint32_t *) field = (uint32_t) number;
        return wrong;
}

static const char *set_count_or_auto(struct loader *l, const struct key *key, void *field, const char *value) {
        if (strcmp(value, "auto") != 0)
                return set_count(l, key, field, value);
        *(uint32_t *) field = 0;
        return NULL;
}

static const char *set_size(struct loader *l, const struct key *key, void *field, const char *value) {
        uint64_t bytes;
        const char *wrong = value_size(value, &bytes);

        (void) l;
        if (!wrong)
                wrong = between(key, bytes);
        if (!wrong)
                *(uint64_t *) field = bytes;
        return wrong;
}

static const char *set_size_or_share(struct loader *l, const struct key *key, void *field, const char *value) {
        static char sentence[128];
        uint64_t bytes, ram = l->config->ram_bytes;
        const char *wrong = value_size_or_share(value, ram, &bytes);

        if (!wrong)
                wrong = between(key, bytes);
        if (!wrong && bytes > ram) {
                (void) snprintf(sentence, sizeof sentence, "is more than this machine's RAM, which is %llu MiB",
                                (unsigned long long) (ram >> 20));
                wrong = sentence;
        }
        if (!wrong)
                *(uint64_t *) field = bytes;
        return wrong;
}

static const char *set_fraction(struct loader *l, const struct key *key, void *field, const char *value) {
        double fraction;
        const char *wrong = value_fraction(value, &fraction);

        (void) l, (void) key;
        if (!wrong && fraction <= 0)
                wrong = "leaves no room for any model";
        if (!wrong)
                *(double *) field = fraction;
        return wrong;
}

static const char *set_duration(struct loader *l, const struct key *key, void *field, const char *value) {
        static char sentence[128];
        uint64_t ms;
        const char *wrong = value_duration(value, &ms);

        (void) l;
        if (!wrong && (ms < key->least || ms > key->most)) {
                (void) snprintf(sentence, sizeof sentence, "is out of range; it may be %llu to %llu ms",
                                (unsigned long long) key->least, (unsigned long long) key->most);
                wrong = sentence;
        }
        if (!wrong)
                *(uint64_t *) field = ms;
        return wrong;
}

static const char *set_keep_alive(struct loader *l, const struct key *key, void *field, const char *value) {
        if (strcmp(value, "forever") != 0)
                return set_duration(l, key, field, value);
        *(uint64_t *) field = CONFIG_FOREVER;
        return NULL;
}

static const char *set_hours(struct loader *l, const struct key *key, void *field, const char *value) {
        uint32_t from, until;
        const char *wrong = value_hours(value, &from, &until);

        (void) key;
        if (!wrong)
                loader_set_text(l, field, value);
        return wrong;
}

static const char *set_flag(struct loader *l, const struct key *key, void *field, const char *value) {
        (void) l, (void) key;
        return value_flag(value, field);
}

static const char *set_degrees(struct loader *l, const struct key *key, void *field, const char *value) {
        static char sentence[128];
        uint32_t millidegrees;
        const char *wrong = value_degrees(value, &millidegrees);

        (void) l;
        if (!wrong && (millidegrees < key->least || millidegrees > key->most)) {
                (void) snprintf(sentence, sizeof sentence, "is out of range; it may be %llu to %llu degrees",
                                (unsigned long long) key->least / 1000, (unsigned long long) key->most / 1000);
                wrong = sentence;
        }
        if (!wrong)
                *(uint32_t *) field = millidegrees;
        return wrong;
}

/* Keys as the log and the status print them: eight hexadecimal digits each. */
static const char *set_sensors(struct loader *l, const struct key *key, void *field, const char *value) {
        struct sensor_keys keys = { 0 };

        (void) l, (void) key;
        for (const char *at = value + strspn(value, ", \t"); *at; at += strspn(at, ", \t")) {
                size_t digits = strspn(at, "0123456789abcdefABCDEF");
                if (digits != 8 || !strchr(", \t", at[digits]))
                        return "names no sensor; write the keys that headroomctl status or the log prints, of eight digits and letters a to f each";
                if (keys.count == SENSORS_MAX)
                        return "names more than 32 sensors";
                keys.keys[keys.count++] = (uint32_t) strtoul(at, NULL, 16);
                at += digits;
        }
        *(struct sensor_keys *) field = keys;
        return NULL;
}

static const char *set_keys(struct loader *l, const struct key *key, void *field, const char *value) {
        if (strcmp(value, "auto") != 0 && strcmp(value, "required") != 0 && strcmp(value, "none") != 0 &&
            strcmp(value, CONFIG_KEYS_OPEN) != 0)
                return "does not say who needs an access key; write auto (all, as soon as there is one), required, none "
                       "or " CONFIG_KEYS_OPEN;
        return set_text(l, key, field, value);
}

static const char *set_class(struct loader *l, const struct key *key, void *field, const char *value) {
        bool is_batch = !strcmp(value, "batch");

        (void) l, (void) key;
        if (!is_batch && strcmp(value, "interactive") != 0)
                return "is no class of requests; write interactive or batch";
        *(bool *) field = is_batch;
        return NULL;
}

static const char *set_priority(struct loader *l, const struct key *key, void *field, const char *value) {
        int64_t number;
        const char *wrong = value_integer(value, &number);

        (void) l, (void) key;
        if (!wrong && (number < -1000 || number > 1000))
                wrong = "is out of range; it may be -1000 to 1000";
        if (!wrong)
                *(int *) field = (int) number;
        return wrong;
}

static const char *set_kv_type(struct loader *l, const struct key *key, void *field, const char *value) {
        (void) l, (void) key;
        return kv_type_by_name(value, field) ? "is no KV cache type; write f16, q8_0 or q4_0" : NULL;
}

static const char *set_speculate(struct loader *l, const struct key *key, void *field, const char *value) {
        (void) l, (void) key;
        return speculate_by_name(value, field) ? "is no way to speculate; write auto, off or lookup" : NULL;
}

static const char *set_cpus(struct loader *l, const struct key *key, void *field, const char *value) {
        static char sentence[128];
        struct cpu_list cpus = { { 0 } };
        cpu_set_t ours;

        (void) l, (void) key;
        if (strcmp(value, "all") != 0 && cpu_list_read(value, &cpus) < 0)
                return "is no list of processors; write their numbers, such as 0-3,8, or all";
        if (sched_getaffinity(0, sizeof ours, &ours) < 0)
                CPU_ZERO(&ours); /* more of them than this can hold: the kernel decides */
        for (uint32_t i = 0; i < CPU_LIST_CPUS && CPU_COUNT(&ours) > 0; i++)
                if (cpu_list_has(&cpus, i) && !CPU_ISSET(i, &ours)) {
                        (void) snprintf(sentence, sizeof sentence,
                                        "names processor %u, which headroomd may not use or is not there; see nproc and lscpu",
                                        i);
                        return sentence;
                }
        *(struct cpu_list *) field = cpus;
        return NULL;
}

static const char *set_log_level(struct loader *l, const struct key *key, void *field, const char *value) {
        (void) l, (void) key;
        return log_level_by_name(value, field) ? "is no level of the log; write debug, info, warning or error" : NULL;
}

static const char *bad_host(const char *word) {
        struct authority a;

        if (!strcmp(word, "*"))
                return "lets any web page in by a name of its own; write the names that clients use";
        if (authority_read(word, strlen(word), &a) && a.length && !a.has_port)
                return NULL;
        return "has what is no host name; write names or addresses without ports, such as box.lan, [fd00::1]";
}

static const char *bad_origin(const char *word) {
        if (!strcmp(word, "*"))
                return "would let every web page use the models; write the origins of those that may";
        return authority_is_origin(word) ? NULL
                                         : "has what is no origin; write scheme, host and port and nothing behind them, such as "
                                           "https://chat.example, http://localhost:3000";
}

/* Commas and blanks become one blank; BAD says what is wrong with a word. */
static const char *set_words(struct loader *l, char **field, const char *value, const char *(*bad)(const char *word)) {
        auto_free char *copy = strdup(value);
        struct text words = { 0 };
        const char *wrong = NULL;
        char *rest = copy;

        for (char *word; rest && !wrong && (word = strsep(&rest, ", \t"));)
                if (*word) {
                        wrong = bad(word);
                        text_printf(&words, "%s%s", words.used ? " " : "", word);
                }
        if (!copy || words.failed)
                l->out_of_memory = true;
        else if (!wrong)
                loader_set_text(l, field, text_string(&words));
        text_done(&words);
        return wrong;
}

static const char *set_hosts(struct loader *l, const struct key *key, void *field, const char *value) {
        (void) key;
        return set_words(l, field, value, bad_host);
}

static const char *set_origins(struct loader *l, const struct key *key, void *field, const char *value) {
        (void) key;
        return set_words(l, field, value, bad_origin);
}

static const char *set_listen(struct loader *l, const struct key *key, void *field, const char *value) {
        char address[64];
        const char *wrong = value_address(value, address, &l->config->listen_port);

        (void) key;
        if (!wrong)
                loader_set_text(l, field, address);
        return wrong;
}

/* Yes is Ollama's own address; another may be named. */
static const char *set_ollama(struct loader *l, const struct key *key, void *field, const char *value) {
        char address[64] = "127.0.0.1";
        uint16_t port = CONFIG_OLLAMA_PORT;
        bool is_on = true;
        const char *wrong = value_flag(value, &is_on) ? value_address(value, address, &port) : NULL;

        (void) key;
        if (wrong)
                return wrong;
        l->config->ollama_port = port;
        loader_set_text(l, field, is_on ? address : "");
        return NULL;
}

/* Ids and aliases go into URLs, log lines and tables. */
const char *value_bad_name(const char *name) {
        if (!*name)
                return "is empty";
        if (strlen(name) > MODEL_ID_MAX)
                return "is longer than 128 bytes";
        for (const char *c = name; *c; c++)
                if ((unsigned char) *c < 0x20 || *c == 0x7f || *c == ',')
                        return "contains a control character or a comma";
        if (!text_is_utf8(name, strlen(name)))
                return "is not UTF-8";
        return NULL;
}

static const char *set_name(struct loader *l, const struct key *key, void *field, const char *value) {
        const char *wrong = value_bad_name(value);

        (void) key;
        if (!wrong)
                loader_set_text(l, field, value);
        return wrong;
}

const char *loader_add_alias(struct loader *l, struct config_model *m, const char *name, size_t length) {
        char alias[MODEL_ID_MAX + 2] = "";

        if (length > MODEL_ID_MAX)
                return "has a name longer than 128 bytes";
        memcpy(alias, name, length);
        const char *wrong = value_bad_name(alias);
        if (wrong)
                return wrong;
        if (m->aliases_count == MODEL_ALIASES_MAX)
                return "has more than 32 names";
        if (!m->aliases)
                m->aliases = calloc(MODEL_ALIASES_MAX, sizeof *m->aliases);
        if (!m->aliases) {
                l->out_of_memory = true;
                return NULL;
        }
        loader_set_text(l, &m->aliases[m->aliases_count], alias);
        m->aliases_count += !l->out_of_memory;
        return NULL;
}

static const char *set_aliases(struct loader *l, const struct key *key, void *field, const char *value) {
        const char *wrong = NULL;

        (void) key, (void) field;
        for (uint32_t i = 0; i < l->model->aliases_count; i++)
                free(l->model->aliases[i]), l->model->aliases[i] = NULL;
        l->model->aliases_count = 0;
        for (const char *at = value; *at && !wrong;) {
                at += strspn(at, ", \t");
                size_t length = strcspn(at, ",");
                const char *next = at + length;
                while (length && (at[length - 1] == ' ' || at[length - 1] == '\t'))
                        length--;
                if (length)
                        wrong = loader_add_alias(l, l->model, at, length);
                at = next;
        }
        l->model->own_aliases_count = l->model->aliases_count;
        return wrong;
}

/* WHEN: NOW, LOADED or RESTARTED, when a value that has changed in the file of a running daemon begins to count. */
#define IN_CONFIG(SECTION, NAME, WHEN, SET, FIELD, LEAST, MOST) \
        { SECTION, NAME, SET, OWNER_CONFIG, WHEN_##WHEN, offsetof(struct config, FIELD), LEAST, MOST }
#define IN_MODEL(NAME, WHEN, SET, FIELD, LEAST, MOST) \
        { "model", NAME, SET, OWNER_MODEL, WHEN_##WHEN, offsetof(struct config_model, FIELD), LEAST, MOST }
#define IN_BOTH(NAME, WHEN, SET, FIELD, LEAST, MOST)                                                             \
        { "models", NAME, SET, OWNER_DEFAULTS, WHEN_##WHEN, offsetof(struct config_model, FIELD), LEAST, MOST }, \
                IN_MODEL(NAME, WHEN, SET, FIELD, LEAST, MOST)
#define HOUR ((uint64_t) 3600000)

static const struct key keys[] = {
        IN_CONFIG("server", "listen", RESTARTED, set_listen, listen_address, 0, 0),
        IN_CONFIG("server", "ollama", RESTARTED, set_ollama, ollama_address, 0, 0),
        IN_CONFIG("server", "hosts", RESTARTED, set_hosts, hosts, 0, 0),
        IN_CONFIG("server", "origins", RESTARTED, set_origins, origins, 0, 0),
        IN_CONFIG("server", "keys", NOW, set_keys, keys, 0, 0),
        IN_CONFIG("server", "control", RESTARTED, set_text, control_path, 0, 0),
        IN_CONFIG("server", "state", RESTARTED, set_text, state_dir, 0, 0),
        IN_CONFIG("server", "connections", RESTARTED, set_count, connections_max, 1, HTTP_CONNECTIONS_MAX),
        IN_CONFIG("server", "body_limit", RESTARTED, set_size, body_bytes_max, 1024, (uint64_t) 64 << 20),
        IN_CONFIG("server", "request_memory", RESTARTED, set_size, request_memory_bytes, 1 << 20, UINT64_MAX),
        IN_CONFIG("server", "header_timeout", RESTARTED, set_duration, header_timeout_ms, 100, HOUR),
        IN_CONFIG("server", "idle_timeout", RESTARTED, set_duration, idle_timeout_ms, 100, HOUR),
        IN_CONFIG("memory", "budget", NOW, set_size_or_share, budget_bytes, 1 << 20, UINT64_MAX),
        IN_CONFIG("memory", "weights_fraction", NOW, set_fraction, weights_fraction, 0, 0),
        IN_CONFIG("memory", "reserve", NOW, set_size_or_share, reserve_bytes, 0, UINT64_MAX),
        IN_CONFIG("engine", "path", NOW, set_text, engine_path, 0, 0),
        IN_CONFIG("engine", "load_timeout", NOW, set_duration, load_timeout_ms, 1000, 24 * HOUR),
        IN_CONFIG("engine", "stop_timeout", NOW, set_duration, stop_timeout_ms, 100, HOUR),
        IN_CONFIG("cache", "size", RESTARTED, set_size, cache_bytes, 0, UINT64_MAX),
        IN_CONFIG("cache", "idle", NOW, set_duration, cache_idle_ms, 0, HOUR),
        IN_CONFIG("governor", "enabled", NOW, set_flag, governor_enabled, 0, 0),
        IN_CONFIG("governor", "heat", NOW, set_flag, heat_enabled, 0, 0),
        IN_CONFIG("governor", "margin_target", NOW, set_degrees, margin_target_millidegrees, 5000, 50000),
        IN_CONFIG("governor", "critical", NOW, set_degrees, critical_millidegrees, 60000, 125000),
        IN_CONFIG("governor", "ignore_sensors", RESTARTED, set_sensors, ignored_sensors, 0, 0),
        IN_CONFIG("governor", "trust_sensors", RESTARTED, set_sensors, trusted_sensors, 0, 0),
        IN_CONFIG("governor", "proc_root", RESTARTED, set_text, proc_root, 0, 0),
        IN_CONFIG("governor", "sys_root", RESTARTED, set_text, sys_root, 0, 0),
        IN_CONFIG("log", "level", NOW, set_log_level, log_level, 0, 0),
        IN_CONFIG("models", "directory", NOW, set_text, models_dir, 0, 0),
        IN_CONFIG("models", "default_model", NOW, set_text, default_model, 0, 0),
        IN_CONFIG("models", "wait_timeout", NOW, set_duration, wait_timeout_ms, 100, 24 * HOUR),
        IN_CONFIG("models", "min_residency", NOW, set_duration, min_residency_ms, 0, HOUR),
        IN_CONFIG("models", "turn", NOW, set_keep_alive, turn_ms, 0, 24 * HOUR),
        IN_CONFIG("models", "batch_age", NOW, set_keep_alive, batch_age_ms, 0, 24 * HOUR),
        IN_CONFIG("models", "batch_hours", NOW, set_hours, batch_hours, 0, 0),
        IN_BOTH("keep_alive", NOW, set_keep_alive, keep_alive_ms, 0, 365 * 24 * HOUR),
        IN_BOTH("protect", NOW, set_duration, protect_ms, 0, PROTECT_MAX_MS),
        IN_BOTH("context", LOADED, set_count_or_auto, context, 0, 16 << 20),
        IN_BOTH("kv_tokens", LOADED, set_count_or_auto, kv_tokens, 0, 16 << 20),
        IN_BOTH("parallel", LOADED, set_count, parallel, 1, WIRE_PARALLEL_MAX),
        IN_BOTH("queue", NOW, set_count, queue, 0, 65536),
        IN_BOTH("kv", LOADED, set_kv_type, kv_type, 0, 0),
        IN_BOTH("kv_floor", LOADED, set_kv_type, kv_floor, 0, 0),
        IN_BOTH("speculate", LOADED, set_speculate, speculate, 0, 0),
        IN_BOTH("threads", LOADED, set_count, threads, 0, 512),
        IN_BOTH("cpus", LOADED, set_cpus, cpus, 0, 0),
        IN_BOTH("class", NOW, set_class, batch, 0, 0),
        IN_MODEL("name", NOW, set_name, id, 0, 0),
        IN_MODEL("path", LOADED, set_text, path, 0, 0),
        IN_MODEL("aliases", NOW, set_aliases, aliases, 0, 0),
        IN_MODEL("priority", NOW, set_priority, priority, 0, 0),
        IN_MODEL("pin", NOW, set_flag, pinned, 0, 0),
        IN_MODEL("preload", NOW, set_flag, preload, 0, 0),
};
#define KEYS_COUNT (sizeof keys / sizeof *keys)

static const struct {
        setter *set;
        enum value_kind kind;
} kinds[] = {
        { set_count, VALUE_COUNT },         { set_count_or_auto, VALUE_COUNT_OR_AUTO },
        { set_size, VALUE_BYTES },          { set_size_or_share, VALUE_BYTES },
        { set_fraction, VALUE_SHARE },      { set_duration, VALUE_MS },
        { set_keep_alive, VALUE_MS },       { set_flag, VALUE_FLAG },
        { set_degrees, VALUE_DEGREES },     { set_class, VALUE_CLASS },
        { set_priority, VALUE_NUMBER },     { set_kv_type, VALUE_KV_TYPE },
        { set_log_level, VALUE_LOG_LEVEL }, { set_aliases, VALUE_NAMES },
        { set_text, VALUE_TEXT },           { set_listen, VALUE_TEXT },
        { set_ollama, VALUE_TEXT },         { set_name, VALUE_TEXT },
        { set_hosts, VALUE_TEXT },          { set_origins, VALUE_TEXT },
        { set_sensors, VALUE_SENSORS },     { set_keys, VALUE_TEXT },
        { set_hours, VALUE_TEXT },          { set_speculate, VALUE_SPECULATE },
        { set_cpus, VALUE_CPUS },
};

enum value_kind key_kind(const struct key *key) {
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
                if (kinds[i].set == key->set)
                        return kinds[i].kind;
        return VALUE_NONE;
}

const struct key *key_at(size_t index) {
        return index < KEYS_COUNT ? &keys[index] : NULL;
}

static const char *const main_sections[] = { "server", "memory", "engine", "cache", "governor", "log", "models", NULL };
static const char *const model_sections[] = { "model", NULL };

static bool is_listed(const char *const *words, const char *word) {
        for (; *words; words++)
                if (!strcmp(*words, word))
                        return true;
        return false;
}

static void unknown_section(struct loader *l, const char *section) {
        const char *const *here = l->model ? model_sections : main_sections;
        const char *near = value_nearest(section, here);

        if (is_listed(l->model ? main_sections : model_sections, section))
                loader_problem(l, "section [%s] belongs in %s", section,
                               l->model ? "headroom.conf, not in a file of models.d" : "a file of models.d, one for each model");
        else if (!*section)
                loader_problem(l, "this line stands before any section; begin with [%s]", l->model ? "model" : "server");
        else if (near)
                loader_problem(l, "unknown section [%s]; did you mean [%s]?", section, near);
        else
                loader_problem(l, "unknown section [%s]; there are %s", section,
                               l->model ? "only [model]"
                                        : "[server], [memory], [engine], [cache], [governor], [log] and [models]");
}

static void unknown_key(struct loader *l, const char *section, const char *name) {
        const char *words[KEYS_COUNT + 1];
        size_t count = 0;

        for (size_t i = 0; i < KEYS_COUNT; i++)
                if (!strcmp(keys[i].section, section))
                        words[count++] = keys[i].name;
        words[count] = NULL;
        const char *near = value_nearest(name, words);
        if (near) {
                loader_problem(l, "unknown key '%s' in [%s]; did you mean '%s'?", name, section, near);
                return;
        }
        for (size_t i = 0; i < KEYS_COUNT; i++)
                if (!strcmp(keys[i].name, name)) {
                        loader_problem(l, "unknown key '%s' in [%s]; it belongs in [%s]", name, section, keys[i].section);
                        return;
                }
        loader_problem(l, "unknown key '%s' in [%s]", name, section);
}

static void *field_of(struct loader *l, const struct key *key) {
        void *owners[] = { [OWNER_CONFIG] = l->config, [OWNER_DEFAULTS] = &l->defaults, [OWNER_MODEL] = l->model };

        return (char *) owners[key->owner] + key->offset;
}

void loader_set(struct loader *l, const char *section, const char *name, const char *value) {
        const struct key *key = NULL;

        if (!is_listed(l->model ? model_sections : main_sections, section)) {
                unknown_section(l, section);
                return;
        }
        for (size_t i = 0; i < KEYS_COUNT && !key; i++)
                if (!strcmp(keys[i].section, section) && !strcmp(keys[i].name, name))
                        key = &keys[i];
        if (!key) {
                unknown_key(l, section, name);
                return;
        }
        const char *wrong = !*value && key->set != set_aliases ? "is empty; leave the line out for the default"
                                                               : key->set(l, key, field_of(l, key), value);
        if (wrong)
                loader_problem(l, "%s = '%s' %s", name, value, wrong);
}
