/* lookup.c - see lookup.h. */
#include "daemon/state/lookup.h"

#include <errno.h>
#include <string.h>

#include "daemon/state/fleet.h"

static bool has_name(const struct config_model *c, const char *name) {
        if (!strcmp(c->id, name))
                return true;
        for (uint32_t i = 0; i < c->aliases_count; i++) {
                if (!strcmp(c->aliases[i], name))
                        return true;
        }
        return false;
}

int fleet_model_find(const struct fleet *f, const char *name, uint32_t *ret_index) {
        for (uint32_t i = 0; i < f->models_count; i++) {
                if (has_name(f->models[i].config, name)) {
                        *ret_index = i;
                        return 0;
                }
        }
        return -ENOENT;
}

struct request *requests_running(const struct model *m, uint64_t id) {
        for (struct queue_link *l = m->running.first; l; l = l->next) {
                if (request_of(l)->id == id)
                        return request_of(l);
        }
        return NULL;
}
