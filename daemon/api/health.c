/* health.c - is anybody there, and do they get on: not only this socket, but the ticks of the fleet and of the governor. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/api/api_internal.h"
#include "daemon/base/bounds.h"

/* Of this side; 0 for what is no TCP. */
static uint16_t port_of(const struct http_exchange *x) {
        struct sockaddr_storage name = { 0 };
        socklen_t length = sizeof name;

        if (getsockname(http_socket(x), (struct sockaddr *) &name, &length))
                return 0;
        return ntohs(name.ss_family == AF_INET    ? ((const struct sockaddr_in *) &name)->sin_port
                     : name.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *) &name)->sin6_port
                                                  : 0);
}

void handle_root(struct api *api, struct http_exchange *x, const char *rest) {
        bool is_ollama = api->ollama_port && port_of(x) == api->ollama_port;
        const char *text = is_ollama ? "Ollama is running" : "Headroom is running\n";

        (void) rest;
        http_answer(x, 200, "", "text/plain; charset=utf-8", text, strlen(text));
}

void handle_health(struct api *api, struct http_exchange *x, const char *rest) {
        struct fleet_status s;
        struct text body = { 0 };

        (void) rest;
        fleet_status(api->fleet, &s);
        uint64_t governor_ms = governor_tick_age_ms(api->governor);
        bool is_alive = s.last_tick_ms_ago <= API_TICK_AGE_MAX_MS && governor_ms <= API_TICK_AGE_MAX_MS && !api->is_stopping;
        text_printf(&body,
                    "{\"status\":\"%s\",\"version\":\"" HEADROOM_VERSION
                    "\",\"models_known\":%u,\"models_loaded\":%u,\"requests_running\":%u,"
                    "\"requests_waiting\":%u,\"last_tick_ms_ago\":%lld,\"governor_tick_ms_ago\":%llu}\n",
                    is_alive           ? "ok"
                    : api->is_stopping ? "stopping"
                                       : "stalled",
                    s.models_known, s.models_loaded, s.requests_running, s.requests_waiting, (long long) s.last_tick_ms_ago,
                    (unsigned long long) governor_ms);
        http_answer(x, is_alive ? 200 : 503, "Cache-Control: no-store\r\n", "application/json", text_string(&body), body.used);
        text_done(&body);
}
