/* lookup.c - see lookup.h. */
#include "daemon/state/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/state/fleet.h"
#include "daemon/base/text_distance.h"

static bool has_name(const struct config_model *c, const char *name) {
        if (!strcmp(c->id, name))
                return true;
        for (uint32_t i = 0; i < c->aliases_count; i++) {
                if (!strcmp(c->aliases[i], name))
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
static bool is_called(const struct model *m, const char *name) {
        return !m->is_retired && !(m->config->discovered && m->is_no_model) && has_name(m->config, name);
}

static const char *last_part(const char *id) {
        const char *slash = strrchr(id, '/');
        return slash ? slash + 1 : id;
}

static int find_exactly(const struct fleet *f, const char *name, uint32_t *ret_index) {
        for (uint32_t i = 0; i < f->models_count; i++) {
                if (is_called(f->models[i], name)) {
                        *ret_index = i;
                        return 0;
                }
        }
        return -ENOENT;
}

static int find_by_last_part(const struct fleet *f, const char *name, uint32_t *ret_index) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < f->models_count; i++) {
                if (!is_called(f->models[i], f->models[i]->config->id) || strcmp(last_part(f->models[i]->config->id), name) != 0)
                        continue;
                *ret_index = i;
                found++;
        }
        return found == 1 ? 0 : -ENOENT;
}

int fleet_model_find(const struct fleet *f, const char *name, uint32_t *ret_index) {
        static const char suffix[] = ".gguf";
        char shorter[MODEL_ID_MAX + sizeof(suffix)];
        size_t length = strlen(name), end = sizeof(suffix) - 1;
        if (find_exactly(f, name, ret_index) == 0 || find_by_last_part(f, name, ret_index) == 0)
                return 0;
        if (length <= end || length >= sizeof(shorter) || strcasecmp(name + length - end, suffix) != 0)
                return -ENOENT;
        (void) snprintf(shorter, sizeof(shorter), "%.*s", (int) (length - end), name);
        return find_exactly(f, shorter, ret_index) == 0 ? 0 : find_by_last_part(f, shorter, ret_index);
}

/* --- names that nobody has --- */

/* The offered id that is nearest to NAME, of those that are near; also by its last part. */
static const char *nearest(const struct fleet *f, const char *name) {
        const char *found = NULL;
        unsigned best = text_slip(name) + 1;
        for (uint32_t i = 0; i < f->models_count; i++) {
                const char *id = f->models[i]->config->id;
                if (!model_is_offered(f->models[i]))
                        continue;
                const char *const forms[] = { id, last_part(id) };
                for (unsigned k = 0; k < 2; k++) {
                        unsigned distance = text_distance(name, forms[k], best);
                        if (distance < best) {
                                best = distance;
                                found = id;
                        }
                }
        }
        return found;
}

/* The first offered id that has NAME in it: people leave the publisher out, or the precision. */
static const char *longer(const struct fleet *f, const char *name) {
        for (uint32_t i = 0; strlen(name) > 2 && i < f->models_count; i++)
                if (model_is_offered(f->models[i]) && strcasestr(f->models[i]->config->id, name))
                        return f->models[i]->config->id;
        return NULL;
}

void fleet_model_missing(const struct fleet *f, const char *name, char *out, size_t size) {
        for (uint32_t i = 0; i < f->models_count; i++) {
                const struct model *m = f->models[i];
                if (m->is_no_model && !m->is_retired && has_name(m->config, name)) {
                        (void) snprintf(out, size, "'%.200s' is no model: %s", name, m->inspect_sentence);
                        return;
                }
        }
        const char *near = nearest(f, name);
        if (!near)
                near = longer(f, name);
        (void) snprintf(out, size, near ? "there is no model '%.200s'; did you mean '%s'?" : "there is no model '%.200s'", name,
                        near);
}

struct request *requests_running(const struct model *m, uint64_t id) {
        for (struct queue_link *l = m->running.first; l; l = l->next) {
                if (request_of(l)->id == id)
                        return request_of(l);
        }
        return NULL;
}
