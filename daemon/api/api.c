/* api.c - what all routes share: the beginning and the end, the count of what is under way, ids. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/api/api_internal.h"
#include "daemon/config/config.h"
#include "policy/base/splitmix64.h"

int api_new(uv_loop_t *loop, const struct config *config, struct fleet *fleet, struct governor *governor, const char *listen,
            struct api **ret) {
        struct api *api = calloc(1, sizeof *api);

        if (!api)
                return -ENOMEM;
        api->loop = loop;
        api->config = config;
        api->fleet = fleet;
        api->governor = governor;
        api->started_ns = uv_hrtime();
        api->listen = strdup(listen);
        if (!api->listen || getrandom(&api->id_state, sizeof api->id_state, 0) != sizeof api->id_state) {
                free(api->listen);
                free(api);
                return -ENOMEM;
        }
        api->readings_end = &api->readings;
        *ret = api;
        return 0;
}

void api_tell_of(struct api *api, const struct turn_watch *turns, const struct bulk_account *bulk) {
        api->turns = turns;
        api->bulk = bulk;
}

void api_set_keys(struct api *api, struct keys *keys, const char *path, bool is_exposed) {
        api->keys = keys;
        api->is_exposed = is_exposed;
        api->keys_path = path;
}

void api_set_reload(struct api *api, struct reload *reload) {
        api->reload = reload;
}

void api_serve_ollama(struct api *api, uint16_t port) {
        api->ollama_port = port;
}

void api_free(struct api *api) {
        if (!api)
                return;
        free(api->listen);
        free(api);
}

uint32_t api_running(const struct api *api) {
        return api->running + api->closing;
}

void api_begin(struct api *api) {
        api->running++;
}

static void check_idle(struct api *api) {
        void (*on_idle)(void *user) = api->on_idle;

        if (!api->is_stopping || api->running || !on_idle)
                return;
        api->on_idle = NULL;
        on_idle(api->idle_user);
}

void api_end(struct api *api) {
        api->running--;
        check_idle(api);
}

void api_stop(struct api *api, void (*on_idle)(void *user), void *user) {
        api->is_stopping = true;
        api->on_idle = on_idle;
        api->idle_user = user;
        check_idle(api);
}

void api_keep_as_asked(struct request *request, const struct http_exchange *x, const struct asked *asked) {
        const char *protect = http_header(x, PROTECT_HEADER);
        uint64_t protect_ms;
        if (protect && !value_duration(protect, &protect_ms))
                request_protect(request, protect_ms);
        if (asked->has_keep_alive)
                request_keep_alive(request, asked->keep_alive_ms < 0 ? CONFIG_FOREVER : (uint64_t) asked->keep_alive_ms);
}

/* Ids must differ, not be secret. */
void api_make_id(struct api *api, char ret[25]) {
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

        for (unsigned i = 0; i < 24; i += 8) {
                uint64_t random = splitmix64(&api->id_state);
                for (unsigned j = 0; j < 8; j++, random /= 62)
                        ret[i + j] = alphabet[random % 62];
        }
        ret[24] = 0;
}
