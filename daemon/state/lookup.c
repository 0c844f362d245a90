/* lookup.c - see lookup.h. */
#include "daemon/state/lookup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/state/fleet.h"
#include "daemon/base/text_distance.h"

/* strcmp or strcasecmp. */
typedef int compare(const char *a, const char *b);

static bool has_name(const struct config_model *c, const char *name, compare *differ) {
        if (!differ(c->id, name))
                return true;
        for (uint32_t i = 0; i < c->aliases_count; i++) {
                if (!differ(c->aliases[i], name))
                        return true;
        }
        return false;
}

struct model *fleet_model(const struct fleet *f, uint32_t number) {
        for (uint32_t i = 0; i < f->models_count; i++)
                if (f->models[i]->number == number)
                        return f->models[i];
        return NULL;
}

bool model_is_offered(const struct model *m) {
        return !m->is_retired && (!m->config->discovered || (m->surveyed && !m->is_no_model));
}

/* What is no model has no name, even before clients are told of the others. */
static bool can_be_called(const struct model *m) {
        return !m->is_retired && !(m->config->discovered && m->is_no_model);
}

static const char *last_part(const char *id) {
        const char *slash = strrchr(id, '/');
        return slash ? slash + 1 : id;
}

/* By id or alias, where one model alone has it; as it is written no two have. */
static int find_by_name(const struct fleet *f, const char *name, compare *differ, uint32_t *ret_index) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < f->models_count; i++) {
                if (!can_be_called(f->models[i]) || !has_name(f->models[i]->config, name, differ))
                        continue;
                *ret_index = i;
                if (differ == strcmp)
                        return 0;
                found++;
        }
        return found == 1 ? 0 : -ENOENT;
}

static int find_by_last_part(const struct fleet *f, const char *name, compare *differ, uint32_t *ret_index) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < f->models_count; i++) {
                if (!can_be_called(f->models[i]) || differ(last_part(f->models[i]->config->id), name) != 0)
                        continue;
                *ret_index = i;
                found++;
        }
        return found == 1 ? 0 : -ENOENT;
}

static int find(const struct fleet *f, const char *name, uint32_t *ret_index) {
        static compare *const ways[] = { strcmp, strcasecmp };
        for (unsigned i = 0; i < 2; i++)
                if (find_by_name(f, name, ways[i], ret_index) == 0 || find_by_last_part(f, name, ways[i], ret_index) == 0)
                        return 0;
        return -ENOENT;
}

/* A name and a tag, of what is called by both together: qwen3:8b for qwen3-8b. */
static int find_by_tag(const struct fleet *f, const char *name, uint32_t *ret_index) {
        char joined[MODEL_ID_MAX + 1];
        if (!strchr(name, ':') || strlen(name) >= sizeof(joined))
                return -ENOENT;
        (void) strcpy(joined, name);
        for (char *colon = joined; (colon = strchr(colon, ':'));)
                *colon = '-';
        return find(f, joined, ret_index);
}

int fleet_model_find(const struct fleet *f, const char *name, uint32_t *ret_index) {
        static const char *const suffixes[] = {
                ".gguf", ":latest"
        }; /* what others add to the names of files, and to those without a tag */
        char shorter[MODEL_ID_MAX + sizeof(":latest")];
        size_t length = strlen(name);
        if (find(f, name, ret_index) == 0)
                return 0;
        for (unsigned i = 0; i < 2; i++) {
                size_t end = strlen(suffixes[i]);
                if (length <= end || length >= sizeof(shorter) || strcasecmp(name + length - end, suffixes[i]) != 0)
                        continue;
                (void) snprintf(shorter, sizeof(shorter), "%.*s", (int) (length - end), name);
                return find(f, shorter, ret_index);
        }
        return find_by_tag(f, name, ret_index);
}

/* --- names that nobody has --- */

struct near {
        const char *ids[LOOKUP_NEAR_MAX]; /* the nearest first; then NULL */
        unsigned distances[LOOKUP_NEAR_MAX];
};

static void note_near(struct near *n, const char *id, unsigned distance) {
        unsigned at = LOOKUP_NEAR_MAX;
        while (at > 0 && (!n->ids[at - 1] || distance < n->distances[at - 1]))
                at--;
        for (unsigned i = LOOKUP_NEAR_MAX - 1; i > at; i--) {
                n->ids[i] = n->ids[i - 1];
                n->distances[i] = n->distances[i - 1];
        }
        if (at < LOOKUP_NEAR_MAX) {
                n->ids[at] = id;
                n->distances[at] = distance;
        }
}

/* How many slips make ID, or its last part, of NAME; such as have NAME in them stand behind: people leave the publisher out, or the precision. */
static unsigned distance_of(const char *name, const char *id) {
        unsigned most = text_slip(name) + 1, whole = text_distance(name, id, most),
                 part = text_distance(name, last_part(id), most);
        unsigned least = whole < part ? whole : part;
        if (least < most)
                return least;
        return strlen(name) > 2 && strcasestr(id, name) ? most : UINT_MAX;
}

static void find_near(const struct fleet *f, const char *name, struct near *ret) {
        *ret = (struct near){ 0 };
        for (uint32_t i = 0; i < f->models_count; i++) {
                const char *id = f->models[i]->config->id;
                unsigned distance = model_is_offered(f->models[i]) ? distance_of(name, id) : UINT_MAX;
                if (distance != UINT_MAX)
                        note_near(ret, id, distance);
        }
}

void fleet_model_missing(const struct fleet *f, const char *name, char *out, size_t size) {
        if (f->on_unknown)
                f->on_unknown(f->on_unknown_user);
        for (uint32_t i = 0; i < f->models_count; i++) {
                const struct model *m = f->models[i];
                if (m->is_no_model && !m->is_retired && has_name(m->config, name, strcmp)) {
                        (void) snprintf(out, size, "'%.200s' is no model: %s", name, m->inspect_sentence);
                        return;
                }
        }
        struct near near;
        find_near(f, name, &near);
        int used = snprintf(out, size, "there is no model '%.200s'", name);
        for (unsigned i = 0; i < LOOKUP_NEAR_MAX && near.ids[i] && used > 0 && (size_t) used < size; i++)
                used += snprintf(out + used, size - (size_t) used, "%s'%s'", i == 0 ? "; did you mean " : " or ", near.ids[i]);
        if (near.ids[0] && (size_t) used < size)
                (void) snprintf(out + used, size - (size_t) used, "?");
}

struct request *requests_running(const struct model *m, uint64_t id) {
        for (struct queue_link *l = m->running.first; l; l = l->next) {
                if (request_of(l)->id == id)
                        return request_of(l);
        }
        return NULL;
}
