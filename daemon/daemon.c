/* daemon.c - see daemon.h. */
#include "daemon/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/api/api.h"
#include "daemon/control/control.h"
#include "daemon/base/bounds.h"
#include "daemon/base/peers.h"
#include "engine/base/cleanup.h"
#include "daemon/models/fleet.h"
#include "daemon/governor/governor.h"
#include "daemon/http/server.h"
#include "daemon/keys/keys.h"
#include "daemon/system/bulk.h"
#include "daemon/system/descriptors.h"
#include "daemon/reload/reload.h"
#include "daemon/system/log.h"
#include "daemon/system/notify.h"
#include "daemon/system/port_holder.h"
#include "daemon/system/state_lock.h"
#include "daemon/system/turn.h"

static const int signal_numbers[] = { SIGTERM, SIGINT, SIGHUP };
#define SIGNALS_COUNT (sizeof signal_numbers / sizeof *signal_numbers)

struct daemon {
        struct config *config;
        const struct config_source *source;
        uv_loop_t loop;
        uv_signal_t signals[SIGNALS_COUNT];
        uv_timer_t watchdog;
        uv_timer_t deadline; /* of the start's, later of the stop's present step */
        struct fleet *fleet;
        struct governor *governor;
        struct api *api;
        struct reload *reload;
        struct keys *keys;
        char *keys_path; /* of those that headroomctl makes */
        struct http_server *http, *control;
        struct bulk_account bulk; /* of both */
        struct turn_watch turns;
        char listen[128];
        struct descriptor_shares connections;
        int state_lock, peers; /* descriptors, as long as the process lives */
        bool is_announced, is_stopping, is_fleet_stopping;
        unsigned servers_open;
};

/* --- the end --- */

/*
 * The signal handles stay open to the last: closing one restores the default action, and a signal that came late would
 * spoil the exit status. They only keep the loop no longer.
 */
static void close_handles(struct daemon *d) {
        for (size_t i = 0; i < SIGNALS_COUNT; i++)
                uv_unref((uv_handle_t *) &d->signals[i]);
        turn_watch_close(&d->turns);
        uv_close((uv_handle_t *) &d->watchdog, NULL);
        uv_close((uv_handle_t *) &d->deadline, NULL);
        if (d->reload)
                reload_close(d->reload);
        d->reload = NULL;
        if (d->governor)
                governor_close(d->governor, NULL, NULL);
        d->governor = NULL;
}

static void on_server_empty(void *user) {
        struct daemon *d = user;

        if (--d->servers_open == 0 && d->is_fleet_stopping)
                close_handles(d);
}

static void on_flush_deadline(uv_timer_t *timer) {
        struct daemon *d = timer->data;

        http_server_cut(d->http);
        http_server_cut(d->control);
}

/* The last engine is gone; what remains is to get the last words out. */
static void on_fleet_stopped(void *user) {
        struct daemon *d = user;

        (void) uv_timer_start(&d->deadline, on_flush_deadline, STOP_FLUSH_MS, 0);
        http_server_drain(d->control, on_server_empty, d);
}

static void stop_fleet(struct daemon *d) {
        if (d->is_fleet_stopping)
                return;
        d->is_fleet_stopping = true;
        (void) uv_timer_stop(&d->deadline);
        fleet_stop(d->fleet, on_fleet_stopped, d);
}

static void on_grace_deadline(uv_timer_t *timer) {
        stop_fleet(timer->data);
}

static void on_api_idle(void *user) {
        stop_fleet(user);
}

static void reload(struct daemon *d) {
        log_info("reloading", LOG_TEXT("signal", "SIGHUP"));
        if (d->reload && reload_begin(d->reload, RELOAD_ALL, NULL, NULL) == -EAGAIN)
                log_warning("reload_ignored", LOG_TEXT("because", "too many others wait"));
}

static void on_signal(uv_signal_t *handle, int number) {
        struct daemon *d = handle->data;

        if (number == SIGHUP) {
                reload(d);
                return;
        }
        log_info("stopping", LOG_TEXT("signal", number == SIGINT ? "SIGINT" : "SIGTERM"),
                 LOG_NUMBER("requests_running", api_running(d->api)));
        if (d->is_stopping) {
                stop_fleet(d);
                return;
        }
        d->is_stopping = true;
        systemd_stopping();
        (void) uv_timer_start(&d->deadline, on_grace_deadline, STOP_GRACE_MS, 0);
        http_server_drain(d->http, on_server_empty, d);
        api_stop(d->api, on_api_idle, d);
}

/* --- the beginning --- */

/* A watchdog that is fed by a timer proves only that the timer runs: fleet and governor have to make progress as well. */
static void on_watchdog(uv_timer_t *timer) {
        struct daemon *d = timer->data;
        struct fleet_status s;

        fleet_status(d->fleet, &s);
        bool gets_on = s.last_tick_ms_ago <= API_TICK_AGE_MAX_MS && governor_tick_age_ms(d->governor) <= API_TICK_AGE_MAX_MS;
        if (gets_on || d->is_stopping)
                systemd_alive();
}

/* "127.0.0.1:80", "[::1]:80" or a path. */
static int describe_socket(int fd, char *ret, size_t size) {
        struct sockaddr_storage name = { 0 };
        const struct sockaddr_in *v4 = (const struct sockaddr_in *) &name;
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) &name;
        socklen_t length = sizeof name;
        char text[INET6_ADDRSTRLEN] = "";

        if (getsockname(fd, (struct sockaddr *) &name, &length))
                return -errno;
        if (name.ss_family == AF_UNIX) {
                (void) snprintf(ret, size, "%s", ((const struct sockaddr_un *) &name)->sun_path);
                return 0;
        }
        bool is_v4 = name.ss_family == AF_INET;
        (void) inet_ntop(name.ss_family, is_v4 ? (const void *) &v4->sin_addr : (const void *) &v6->sin6_addr, text, sizeof text);
        (void) snprintf(ret, size, is_v4 ? "%s:%u" : "[%s]:%u", text, ntohs(is_v4 ? v4->sin_port : v6->sin6_port));
        return 0;
}

static const char *form_of(const char *address) {
        return strchr(address, ':') ? "[%s]:%u" : "%s:%u";
}

static int listen_http(struct daemon *d) {
        const struct config *c = d->config;
        int fds[4];
        unsigned count = systemd_sockets("http", fds, 4);

        for (unsigned i = 0; i < count; i++) {
                int result = describe_socket(fds[i], d->listen, sizeof d->listen);
                if (!result)
                        result = http_server_listen_fd(d->http, fds[i]);
                if (result)
                        return result;
        }
        if (count)
                return 0;
        uint16_t port = c->listen_port;
        const char *format = form_of(c->listen_address);
        (void) snprintf(d->listen, sizeof d->listen, format, c->listen_address, port);
        int result = http_server_listen_tcp(d->http, c->listen_address, port, &port);
        if (!result)
                (void) snprintf(d->listen, sizeof d->listen, format, c->listen_address, port);
        return result;
}

/* Makes every directory of PATH that is missing, up to its last slash; the user of a directory reports failures. */
static void make_directories(const char *path) {
        auto_free char *copy = strdup(path);

        for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                (void) mkdir(copy, 0755);
                *slash = '/';
        }
}

static int listen_control(struct daemon *d) {
        const char *path = d->config->control_path;
        int fds[4];
        unsigned count = systemd_sockets("control", fds, 4);

        for (unsigned i = 0; i < count; i++) {
                int result = http_server_listen_fd(d->control, fds[i]);
                if (result)
                        return result;
        }
        if (count)
                return 0;
        make_directories(path);
        int result = http_server_listen_unix(d->control, path, 0660);
        if (result)
                return result;
        const struct group *group = getgrnam("headroom");
        if (group && chown(path, (uid_t) -1, group->gr_gid))
                log_warning("control_group", LOG_TEXT("path", path), LOG_TEXT("error", strerror(errno)));
        return 0;
}

static int new_servers(struct daemon *d) {
        const struct config *c = d->config;
        const struct http_options http = { .on_request = api_on_request,
                                           .is_vital = api_is_vital,
                                           .write_refusal = api_write_refusal,
                                           .headers = "Vary: Origin\r\nCross-Origin-Resource-Policy: same-origin\r\n"
                                                      "X-Content-Type-Options: nosniff\r\n",
                                           .hosts = c->hosts,
                                           .origins = c->origins,
                                           .connections_max = d->connections.clients,
                                           .body_bytes_max = c->body_bytes_max < d->bulk.max ? c->body_bytes_max : d->bulk.max,
                                           .bulk = &d->bulk,
                                           .header_timeout_ms = c->header_timeout_ms,
                                           .idle_timeout_ms = c->idle_timeout_ms };
        struct http_options control = http;

        control.on_request = control_on_request;
        control.is_vital = NULL;
        control.write_refusal = NULL;
        control.headers = "";
        control.hosts = NULL;
        control.connections_max = d->connections.operators;
        control.body_bytes_max = CONTROL_BODY_MAX;
        int result = http_server_new(&d->loop, &http, &d->http);
        return result ? result : http_server_new(&d->loop, &control, &d->control);
}

static const char *words_of(int error) {
        return error == -EADDRINUSE ? "another headroomd, or another program, is listening there" : strerror(-error);
}

static void complain_why(const char *what, const char *where, const char *hint, const char *why) {
        log_error("start_failed", LOG_TEXT("step", what), LOG_TEXT("at", where), LOG_TEXT("error", why), LOG_TEXT("hint", hint));
}

static void complain(const char *what, const char *where, const char *hint, int error) {
        complain_why(what, where, hint, words_of(error));
}

/* With who has the port, where that can be known. */
static void why_not_listening(int error, const char *address, uint16_t port, char *ret, size_t size) {
        char holder[64];

        if (error == -EADDRINUSE && port_holder(address, port, holder, sizeof holder))
                (void) snprintf(ret, size, "%s is listening there", holder);
        else
                (void) snprintf(ret, size, "%s", words_of(error));
}

static void complain_listen(const struct daemon *d, int error) {
        char why[96];

        why_not_listening(error, d->config->listen_address, d->config->listen_port, why, sizeof why);
        complain_why("listen", d->listen, "choose another address with --listen", why);
}

static int begin_listening(struct daemon *d) {
        int result = new_servers(d);

        if (result) {
                complain("servers", "", "", result);
                return result;
        }
        result = listen_control(d);
        if (result) {
                complain("listen", d->config->control_path, "choose another path with --control", result);
                return result;
        }
        result = listen_http(d);
        if (result)
                complain_listen(d, result);
        return result;
}

/* A second daemon would write over what the first one learns. Where nothing can be written, there is nothing to lock. */
static int begin_state(struct daemon *d) {
        const char *directory = d->config->state_dir;
        char sentence[96] = "another headroomd uses this state directory";
        pid_t holder;

        make_directories(directory);
        (void) mkdir(directory, 0750);
        d->state_lock = state_lock(directory, &holder);
        if (d->state_lock >= 0)
                return 0;
        if (d->state_lock != -EBUSY) {
                log_warning("state_not_locked", LOG_TEXT("path", directory), LOG_TEXT("error", strerror(-d->state_lock)),
                            LOG_TEXT("effect", "nothing is remembered over a restart"));
                return 0;
        }
        if (holder > 0)
                (void) snprintf(sentence, sizeof sentence, "another headroomd, with pid %d, uses this state directory",
                                (int) holder);
        log_error("start_failed", LOG_TEXT("step", "state"), LOG_TEXT("at", directory), LOG_TEXT("error", sentence),
                  LOG_TEXT("hint", "stop it, or give this one a directory of its own with --state"));
        return -EBUSY;
}

/* First we can be seen, then we look: of two that begin at once, one at least sees the other. */
static void begin_among_peers(struct daemon *d) {
        const struct config *c = d->config;
        struct peers peers;
        char sentence[256];

        d->peers = peers_join(PEERS_DIRECTORY, c->budget_bytes);
        if (d->peers < 0)
                log_info("not_registered", LOG_TEXT("path", PEERS_DIRECTORY), LOG_TEXT("error", strerror(-d->peers)),
                         LOG_TEXT("effect", "other headroomds of this machine do not see this one"));
        peers_look(PEERS_DIRECTORY, getpid(), &peers);
        for (uint32_t i = 0; i < peers.count; i++) {
                peers_sentence(&peers, i, c->budget_bytes, c->ram_bytes, sentence, sizeof sentence);
                log_event(peers_exceed(&peers, c->budget_bytes, c->ram_bytes) ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
                          "another_headroomd", LOG_NUMBER("pid", peers.all[i].pid), LOG_TEXT("because", sentence));
        }
}

/* FD: what systemd has handed over, or -1. AT is where it is, *ret_port its port. */
static int open_ollama(struct daemon *d, int fd, char *at, size_t size, uint16_t *ret_port) {
        const struct config *c = d->config;

        if (fd >= 0) {
                int result = describe_socket(fd, at, size);
                const char *port = strrchr(at, ':');
                *ret_port = port ? (uint16_t) strtoul(port + 1, NULL, 10) : 0;
                return result ? result : http_server_listen_fd(d->http, fd);
        }
        int result = http_server_listen_tcp(d->http, c->ollama_address, c->ollama_port, ret_port);
        (void) snprintf(at, size, form_of(c->ollama_address), c->ollama_address, *ret_port);
        return result;
}

/* Ollama itself may be running still: that is no reason to serve nobody. */
static void listen_ollama(struct daemon *d) {
        const struct config *c = d->config;
        char at[128] = "", why[96];
        uint16_t port = c->ollama_port;
        int fd = -1;

        if (!systemd_sockets("ollama", &fd, 1) && !*c->ollama_address)
                return;
        int result = open_ollama(d, fd, at, sizeof at, &port);
        if (!result) {
                api_serve_ollama(d->api, port);
                log_info("ollama_served", LOG_TEXT("listen", at));
                return;
        }
        why_not_listening(result, c->ollama_address, port, why, sizeof why);
        log_warning("ollama_not_served", LOG_TEXT("at", at), LOG_TEXT("error", why),
                    LOG_TEXT("hint", "stop that program and restart headroomd, or change [server] ollama"));
}

/* A credential of the service is named after what it holds (systemd.exec(5)). */
static int begin_keys(struct daemon *d) {
        const char *credentials = getenv("CREDENTIALS_DIRECTORY");
        auto_free char *credential = NULL;
        char wrong[256] = "";

        if (asprintf(&d->keys_path, "%s/keys.json", d->config->state_dir) < 0 ||
            (credentials && asprintf(&credential, "%s/keys.json", credentials) < 0)) {
                d->keys_path = NULL;
                return -ENOMEM;
        }
        int result = keys_open(d->keys_path, credential, &d->keys, wrong, sizeof wrong);
        if (result)
                complain_why("keys", d->keys_path, "mend the file, or remove it and make new keys",
                             *wrong ? wrong : strerror(-result));
        return result;
}

static int begin(struct daemon *d) {
        int result = begin_state(d);

        if (!result)
                result = begin_keys(d);
        if (!result)
                result = begin_listening(d);
        if (result)
                return result;
        result = fleet_new(&d->loop, d->config, &d->fleet);
        if (!result)
                result = governor_new(&d->loop, d->config, d->fleet, &d->governor);
        if (!result)
                result = api_new(&d->loop, d->config, d->fleet, d->governor, d->listen, &d->api);
        if (!result)
                result = reload_new(&d->loop, d->config, d->source, d->fleet, d->governor, &d->reload);
        if (result) {
                complain("fleet", d->config->state_dir, "", result);
                return result;
        }
        listen_ollama(d);
        begin_among_peers(d);
        api_tell_of(d->api, &d->turns, &d->bulk);
        api_set_reload(d->api, d->reload);
        api_set_keys(d->api, d->keys, d->keys_path, http_server_is_exposed(d->http));
        http_server_set_user(d->http, d->api);
        http_server_set_user(d->control, d->api);
        for (size_t i = 0; i < SIGNALS_COUNT; i++)
                (void) uv_signal_start(&d->signals[i], on_signal, signal_numbers[i]);
        uint64_t watchdog_ms = systemd_watchdog_ms();
        if (watchdog_ms)
                (void) uv_timer_start(&d->watchdog, on_watchdog, watchdog_ms, watchdog_ms);
        return 0;
}

/* Neither is an error, and both are what somebody looks for in the log later. */
static void tell_who_gets_in(const struct daemon *d) {
        if (!http_server_is_exposed(d->http))
                return;
        if (!strcmp(d->config->keys, CONFIG_KEYS_OPEN))
                log_warning(CONFIG_KEYS_OPEN, LOG_TEXT("listen", d->listen),
                            LOG_TEXT("effect", "whoever reaches this address may use the models"));
        else if (!keys_count(d->keys))
                log_warning("no_keys", LOG_TEXT("listen", d->listen), LOG_TEXT("effect", "every request is refused"),
                            LOG_TEXT("hint", "headroomctl key add NAME makes a key"));
}

static void announce(struct daemon *d) {
        const struct config *c = d->config;
        struct fleet_status fleet;
        char status[192];

        fleet_status(d->fleet, &fleet);
        (void) snprintf(status, sizeof status, "serving %u models on %s, budget %llu MiB", fleet.models_known, d->listen,
                        (unsigned long long) (c->budget_bytes >> 20));
        log_info("ready", LOG_TEXT("listen", d->listen), LOG_TEXT("control", c->control_path),
                 LOG_NUMBER("models", fleet.models_known), LOG_NUMBER("budget", c->budget_bytes), LOG_NUMBER("pid", getpid()),
                 LOG_TEXT("version", HEADROOM_VERSION));
        tell_who_gets_in(d);
        systemd_ready(status);
}

/*
 * Ready is said when every file has been looked into, so that nothing that is no model is among those that are told; or after a
 * while, on a slow disk.
 */
static void on_surveyed(void *user) {
        struct daemon *d = user;

        if (d->is_announced || d->is_stopping)
                return;
        d->is_announced = true;
        (void) uv_timer_stop(&d->deadline);
        announce(d);
}

static void on_survey_deadline(uv_timer_t *timer) {
        on_surveyed(timer->data);
}

static void announce_soon(struct daemon *d) {
        (void) uv_timer_start(&d->deadline, on_survey_deadline, SURVEY_WAIT_MS, 0);
        fleet_when_surveyed(d->fleet, on_surveyed, d);
}

static void share_descriptors(struct daemon *d) {
        const struct descriptor_shares wanted = { d->config->connections_max, CONTROL_CONNECTIONS_MAX };
        uint64_t needed = descriptors_needed(wanted, d->config->models_count), allowed = descriptors_raise(needed);

        d->connections = descriptors_share(allowed, wanted, d->config->models_count);
        if (allowed < needed)
                log_warning("descriptor_limit", LOG_NUMBER("needed", needed), LOG_NUMBER("allowed", allowed),
                            LOG_NUMBER("connections", d->connections.clients),
                            LOG_TEXT("hint", "raise LimitNOFILE= or lower [server] connections"));
}

static void init_handles(struct daemon *d) {
        for (size_t i = 0; i < SIGNALS_COUNT; i++) {
                (void) uv_signal_init(&d->loop, &d->signals[i]);
                d->signals[i].data = d;
        }
        turn_watch_open(&d->loop, &d->turns);
        (void) uv_timer_init(&d->loop, &d->watchdog);
        (void) uv_timer_init(&d->loop, &d->deadline);
        d->watchdog.data = d->deadline.data = d;
        d->servers_open = 2;
}

static void on_unused_fleet_stopped(void *user) {
        (void) user;
}

/* Ends the parts that had begun when another could not. */
static void undo_begin(struct daemon *d) {
        d->is_fleet_stopping = true;
        if (d->fleet)
                fleet_stop(d->fleet, on_unused_fleet_stopped, d);
        if (d->http)
                http_server_drain(d->http, on_server_empty, d);
        else
                on_server_empty(d);
        if (d->control)
                http_server_drain(d->control, on_server_empty, d);
        else
                on_server_empty(d);
}

/* Large blocks go back to the kernel when freed: by default the C library learns to keep what it has seen once. */
static void keep_little_memory(void) {
        (void) mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
        (void) mallopt(M_TRIM_THRESHOLD, LARGE_BLOCK_BYTES);
        (void) mallopt(M_ARENA_MAX, 2);
}

int daemon_run(struct config *config, const struct config_source *source) {
        static struct daemon d; /* outlives us, as its signal handles do */

        d.config = config;
        d.bulk.max = config->request_memory_bytes;
        d.source = source;
        keep_little_memory();
        (void) signal(SIGPIPE, SIG_IGN);
        share_descriptors(&d);
        int result = uv_loop_init(&d.loop);
        if (result) {
                complain("loop", "", "", result);
                return result;
        }
        init_handles(&d);
        result = begin(&d);
        if (result)
                undo_begin(&d);
        else
                announce_soon(&d);
        (void) uv_run(&d.loop, UV_RUN_DEFAULT);
        peers_leave(PEERS_DIRECTORY);
        http_server_free(d.http);
        http_server_free(d.control);
        api_free(d.api);
        keys_free(d.keys);
        free(d.keys_path);
        if (d.fleet)
                fleet_free(d.fleet);
        (void) uv_run(&d.loop, UV_RUN_NOWAIT);
        if (!result)
                log_info("stopped");
        return result;
}
