/*
 * api.h - the handlers of paths: the OpenAI surface for clients, the control surface for operators.
 *
 * An api translates between HTTP and the fleet; it keeps no state of models, only the requests that are under way.
 */
#ifndef HEADROOM_DAEMON_API_API_H
#define HEADROOM_DAEMON_API_API_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/config/config.h"
#include "daemon/http/exchange.h"

struct api;
struct bulk_account;
struct fleet;
struct governor;
struct keys;
struct reload;
struct text;
struct turn_watch;

/* CONFIG, FLEET and GOVERNOR must outlive it; LISTEN is what `status` says of where clients are served. */
int api_new(uv_loop_t *loop, const struct config *config, struct fleet *fleet, struct governor *governor, const char *listen,
            struct api **ret);
/* For `status`: the turns of the loop, and what requests and answers take. Both outlive it. */
void api_tell_of(struct api *api, const struct turn_watch *turns, const struct bulk_account *bulk);
/* Who asks for / at this port is told that Ollama is running, which is what some of its clients look for. */
void api_serve_ollama(struct api *api, uint16_t port);
void api_free(struct api *api); /* when api_running is 0 */

/* Without them nobody needs a key. KEYS and PATH, of their file, outlive it. IS_EXPOSED: clients may come from other machines. */
void api_set_keys(struct api *api, struct keys *keys, const char *path, bool is_exposed);
/* Without one, asking for a reload is refused. */
void api_set_reload(struct api *api, struct reload *reload);
/* Handlers for the two servers; USER is the api. */
/* Answered although all connections are taken. */
bool api_is_vital(const struct http_exchange *x);
/* A refusal as the dialect of PATH has it, no matter who makes it. No newline. */
void api_write_refusal(struct text *out, const char *path, enum reason reason, const char *message, const char *request_id);
void api_on_request(void *user, struct http_exchange *x);

/* Refuses what comes from now on with shutting_down. ON_IDLE is called, at once or later, when nothing is under way any more. */
void api_stop(struct api *api, void (*on_idle)(void *user), void *user);
uint32_t api_running(const struct api *api);

#endif
