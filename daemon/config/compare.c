/* compare.c - two configurations: the differences in words, and how one takes the place of the other. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/bounds.h"
#include "daemon/config/loader.h"

static const char *const when_words[] = {
        [WHEN_NOW] = "at once", [WHEN_LOADED] = "from its next load", [WHEN_RESTARTED] = "needs a restart"
};

struct shown {
        char text[160];
};

static void show_names(const struct config_model *m, struct shown *s) {
        size_t used = 0;

        for (uint32_t i = 0; i < m->aliases_count && used < sizeof s->text; i++)
                used += (size_t) snprintf(s->text + used, sizeof s->text - used, "%s%s", i ? ", " : "", m->aliases[i]);
}

static void show_sensors(const struct sensor_keys *k, struct shown *s) {
        size_t used = 0;

        for (uint32_t i = 0; i < k->count && used < sizeof s->text; i++)
                used += (size_t) snprintf(s->text + used, sizeof s->text - used, "%s%08x", i ? ", " : "", k->keys[i]);
}

static void show_cpus(const struct cpu_list *l, struct shown *s) {
        char text[CPU_LIST_TEXT_BYTES];
        (void) snprintf(s->text, sizeof s->text, "%.159s", cpu_list_is_empty(l) ? "all" : cpu_list_text(l, text));
}

static void show_count(uint64_t number, const char *unit, struct shown *s) {
        (void) snprintf(s->text, sizeof s->text, "%llu%s", (unsigned long long) number, unit);
}

static void show_bytes(uint64_t bytes, struct shown *s) {
        if (bytes % (1 << 20))
                show_count(bytes, "", s);
        else
                show_count(bytes >> 20, " MiB", s);
}

static void show_ms(uint64_t ms, struct shown *s) {
        if (ms == CONFIG_FOREVER)
                (void) snprintf(s->text, sizeof s->text, "forever");
        else if (ms % 1000)
                show_count(ms, " ms", s);
        else
                show_count(ms / 1000, " s", s);
}

/* As a person would write it. FIELD is of OWNER. */
static struct shown show(const struct key *key, const void *owner) {
        const void *field = (const char *) owner + key->offset;
        struct shown s = { "" };
        const char *text = "";

        switch (key_kind(key)) {
        case VALUE_NONE: break;
        case VALUE_SENSORS: show_sensors(field, &s); break;
        case VALUE_TEXT: text = *(char *const *) field; break;
        case VALUE_COUNT: show_count(*(const uint32_t *) field, "", &s); break;
        case VALUE_COUNT_OR_AUTO:
                if (*(const uint32_t *) field > 0)
                        show_count(*(const uint32_t *) field, "", &s);
                else
                        text = "auto";
                break;
        case VALUE_BYTES: show_bytes(*(const uint64_t *) field, &s); break;
        case VALUE_SHARE: (void) snprintf(s.text, sizeof s.text, "%g", *(const double *) field); break;
        case VALUE_MS: show_ms(*(const uint64_t *) field, &s); break;
        case VALUE_FLAG: text = *(const bool *) field ? "yes" : "no"; break;
        case VALUE_DEGREES: (void) snprintf(s.text, sizeof s.text, "%g", *(const uint32_t *) field / 1000.0); break;
        case VALUE_CLASS: text = *(const bool *) field ? "batch" : "interactive"; break;
        case VALUE_NUMBER: (void) snprintf(s.text, sizeof s.text, "%d", *(const int *) field); break;
        case VALUE_KV_TYPE: text = kv_type_name(*(const enum kv_type *) field); break;
        case VALUE_CPUS: show_cpus(field, &s); break;
        case VALUE_SPECULATE: text = speculate_name(*(const enum speculate *) field); break;
        case VALUE_LOG_LEVEL: text = log_level_name(*(const enum log_level *) field); break;
        case VALUE_NAMES: show_names(owner, &s); break;
        }
        if (text && *text)
                (void) snprintf(s.text, sizeof s.text, "%s", text);
        return s;
}

/* --- the differences --- */

struct changes {
        struct config_change *all;
        int count;
};

static void add(struct changes *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct changes *c, const char *format, ...) {
        va_list args;

        if (c->count == CONFIG_CHANGES_MAX)
                return;
        va_start(args, format);
        (void) vsnprintf(c->all[c->count].text, sizeof c->all[c->count].text, format, args);
        va_end(args);
        c->count++;
}

/* The rows of one owner; WHAT names it: "[memory]", or "model qwen:". */
static void compare_fields(struct changes *c, enum owner owner, const char *what, const void *a, const void *b) {
        for (size_t i = 0; key_at(i); i++) {
                const struct key *key = key_at(i);
                if (key->owner != owner)
                        continue;
                struct shown before = show(key, a), now = show(key, b);
                if (!strcmp(before.text, now.text))
                        continue;
                char section[32];
                (void) snprintf(section, sizeof section, "[%s]", key->section);
                add(c, "%s %s %s: %s -> %s, %s", key->when == WHEN_RESTARTED ? "!" : "~", what ? what : section, key->name,
                    *before.text ? before.text : "-", *now.text ? now.text : "-", when_words[key->when]);
        }
}

const struct config_model *config_find_model(const struct config *c, const char *id, uint32_t *from) {
        for (uint32_t k = 0; k < c->models_count; k++) {
                uint32_t i = (*from + k) % c->models_count;
                if (!strcmp(c->models[i].id, id)) {
                        *from = i + 1;
                        return &c->models[i];
                }
        }
        return NULL;
}

static void compare_model(struct changes *c, const struct config_model *a, const struct config_model *b) {
        char what[MODEL_ID_MAX + 16];

        (void) snprintf(what, sizeof what, "model %s:", a->id);
        compare_fields(c, OWNER_MODEL, what, a, b);
        if (a->file_key != b->file_key && !strcmp(a->path, b->path))
                add(c, "~ %s its file is another, from its next load", what);
}

static void compare_models(struct changes *c, const struct config *a, const struct config *b) {
        uint32_t from = 0;

        for (uint32_t i = 0; i < a->models_count; i++) {
                const struct config_model *now = config_find_model(b, a->models[i].id, &from);
                if (now)
                        compare_model(c, &a->models[i], now);
                else
                        add(c, "- model %s: it takes no more requests and goes", a->models[i].id);
        }
        from = 0;
        for (uint32_t i = 0; i < b->models_count; i++)
                if (!config_find_model(a, b->models[i].id, &from))
                        add(c, "+ model %s: %s", b->models[i].id, b->models[i].path);
}

static void compare_ports(struct changes *c, const char *name, uint16_t a, uint16_t b) {
        if (a != b)
                add(c, "! [server] %s: port %u -> %u, %s", name, a, b, when_words[WHEN_RESTARTED]);
}

int config_compare(const struct config *a, const struct config *b, struct config_change **ret) {
        struct changes c = { .all = calloc(CONFIG_CHANGES_MAX, sizeof *c.all) };

        if (!c.all)
                return -ENOMEM;
        if (b->listen_address) { /* else only the models directory was looked at */
                compare_fields(&c, OWNER_CONFIG, NULL, a, b);
                compare_ports(&c, "listen", a->listen_port, b->listen_port);
                compare_ports(&c, "ollama", a->ollama_port, b->ollama_port);
        }
        compare_models(&c, a, b);
        *ret = c.all;
        return c.count;
}

/* --- taking effect --- */

static size_t size_of(const struct key *key) {
        switch (key_kind(key)) {
        case VALUE_TEXT: return sizeof(char *);
        case VALUE_BYTES:
        case VALUE_MS: return sizeof(uint64_t);
        case VALUE_SHARE: return sizeof(double);
        case VALUE_FLAG: return sizeof(bool);
        case VALUE_LOG_LEVEL: return sizeof(enum log_level);
        default: return sizeof(uint32_t);
        }
}

static void swap(void *a, void *b, size_t size) {
        char kept[sizeof(struct config_model)];

        memcpy(kept, a, size);
        memcpy(a, b, size);
        memcpy(b, kept, size);
}

#define SWAP(FIELD) swap(&now->FIELD, &next->FIELD, sizeof now->FIELD)

void config_take(struct config *now, struct config *next) {
        for (size_t i = 0; next->listen_address && key_at(i); i++)
                if (key_at(i)->owner == OWNER_CONFIG && key_at(i)->when == WHEN_NOW)
                        swap((char *) now + key_at(i)->offset, (char *) next + key_at(i)->offset, size_of(key_at(i)));
        SWAP(models);
        SWAP(models_count);
        SWAP(defaults);
        SWAP(left_out);
        SWAP(left_out_count);
}
