/*
 * config.c - the order in which a configuration comes together, its defaults, and the checks that need all of it.
 *
 * Nothing stops at the first problem: an operator wants the whole list. A wrong value keeps its default, so that one
 * error does not cause the next.
 */
#include "daemon/config/config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/base/net_address.h"
#include "engine/base/cleanup.h"
#include "engine/base/user_dirs.h"
#include "daemon/config/loader.h"
#include "daemon/base/cgroup_limits.h"

#define CONFIG_DEFAULT_PATH "/etc/headroom/headroom.conf"
#define GIB                 ((uint64_t) 1 << 30)

void config_model_done(struct config_model *m) {
        for (uint32_t i = 0; i < m->aliases_count; i++)
                free(m->aliases[i]);
        free(m->aliases);
        free(m->wrong);
        free(m->path);
        free(m->id);
}

void config_free(struct config *c) {
        if (!c)
                return;
        for (uint32_t i = 0; i < c->models_count; i++)
                config_model_done(&c->models[i]);
        free(c->models);
        for (uint32_t i = 0; i < c->left_out_count; i++) {
                free(c->left_out[i].path);
                free(c->left_out[i].why);
        }
        free(c->left_out);
        free(c->listen_address);
        free(c->ollama_address);
        free(c->hosts);
        free(c->origins);
        free(c->control_path);
        free(c->keys);
        free(c->batch_hours);
        free(c->models_dir);
        free(c->default_model);
        free(c->state_dir);
        free(c->engine_path);
        free(c->proc_root);
        free(c->sys_root);
        free(c);
}

/* In a container the machine is what its control group leaves of it. */
static uint64_t machine_ram(void) {
        struct sysinfo info;
        struct memory_seen seen = { .total_bytes = GIB, .available_bytes = UINT64_MAX };

        if (sysinfo(&info) == 0)
                seen.total_bytes = (uint64_t) info.totalram * info.mem_unit;
        cgroup_limit_apply("/proc", "/sys", &seen);
        return seen.total_bytes;
}

static bool is_ordinary_user(void) {
        return geteuid() != 0 && access("/run/headroom", W_OK) != 0;
}

/* The places of the service; or those of an ordinary user (XDG base directories), who may not write there. */
static void set_places(struct loader *l) {
        struct config *c = l->config;

        loader_set_text(l, &c->control_path, "/run/headroom/control.sock");
        loader_set_text(l, &c->models_dir, "/var/lib/headroom/models");
        loader_set_text(l, &c->state_dir, "/var/lib/headroom");
        if (!is_ordinary_user())
                return;
        char path[PATH_MAX];
        if (user_dirs_runtime("headroom/control.sock", path, sizeof(path)))
                loader_set_text(l, &c->control_path, path);
        if (user_dirs_find("XDG_DATA_HOME", ".local/share", "headroom/models", path, sizeof(path)))
                loader_set_text(l, &c->models_dir, path);
        if (user_dirs_find("XDG_STATE_HOME", ".local/state", "headroom", path, sizeof(path)))
                loader_set_text(l, &c->state_dir, path);
}

static uint64_t request_memory(uint64_t ram_bytes) {
        uint64_t part = ram_bytes / BULK_PART_OF_RAM;

        return part < BULK_BYTES_LEAST ? BULK_BYTES_LEAST : part > BULK_BYTES_MOST ? BULK_BYTES_MOST : part;
}

static void set_defaults(struct loader *l) {
        struct config *c = l->config;

        c->ram_bytes = machine_ram();
        loader_set_text(l, &c->listen_address, "127.0.0.1");
        loader_set_text(l, &c->ollama_address, "");
        loader_set_text(l, &c->hosts, "");
        loader_set_text(l, &c->origins, "");
        loader_set_text(l, &c->default_model, "");
        loader_set_text(l, &c->keys, "auto");
        loader_set_text(l, &c->proc_root, "/proc");
        loader_set_text(l, &c->sys_root, "/sys");
        c->governor_enabled = c->heat_enabled = true;
        c->log_level = LOG_LEVEL_INFO;
        c->margin_target_millidegrees = 15000;
        c->critical_millidegrees = 100000;
        c->listen_port = CONFIG_PORT;
        c->ollama_port = CONFIG_OLLAMA_PORT;
        loader_set_text(l, &c->engine_path, "headroom-engine");
        set_places(l);
        c->budget_bytes = c->ram_bytes / 5 * 4;
        c->weights_fraction = 0.60;
        c->reserve_bytes = c->ram_bytes / 25 > GIB ? c->ram_bytes / 25 : GIB;
        c->body_bytes_max = 64 << 20;
        c->request_memory_bytes = request_memory(c->ram_bytes);
        c->connections_max = 512;
        c->header_timeout_ms = 10 * 1000;
        c->idle_timeout_ms = 75 * 1000;
        c->wait_timeout_ms = 5 * 60 * 1000;  /* half of the ten minutes that the common client library waits */
        c->load_timeout_ms = 10 * 60 * 1000; /* 60 GiB from a slow disk */
        c->stop_timeout_ms = 10 * 1000;
        c->min_residency_ms = 10 * 1000;
        c->batch_age_ms = 60 * 1000;
        loader_set_text(l, &c->batch_hours, "always");
        c->cache_idle_ms = 5 * 1000;
        l->defaults = (struct config_model){
                .keep_alive_ms = 5 * 60 * 1000, .parallel = 4, .queue = 64, .kv_type = KV_F16, .kv_floor = KV_Q4_0
        };
}

static void apply_overrides(struct loader *l, const struct config_override *overrides, uint32_t count) {
        for (uint32_t i = 0; i < count; i++) {
                l->file = overrides[i].origin;
                l->line = 0;
                loader_set(l, overrides[i].section, overrides[i].key, overrides[i].value);
        }
}

static bool use_engine(struct loader *l, const char *path) {
        char resolved[PATH_MAX];

        if (!realpath(path, resolved) || access(resolved, X_OK))
                return false;
        loader_set_text(l, &l->config->engine_path, resolved);
        return true;
}

/* In DIRECTORY (its first LENGTH bytes). */
static bool find_engine_in(struct loader *l, const char *directory, size_t length) {
        char path[PATH_MAX];
        int used = snprintf(path, sizeof path, "%.*s/%s", (int) length, directory, l->config->engine_path);

        return used > 0 && used < PATH_MAX && use_engine(l, path);
}

/* A bare name is looked for beside our own binary, so that a build tree runs as it is, then in PATH. */
static void find_engine(struct loader *l) {
        char self[PATH_MAX] = "";

        l->file = l->config->engine_path;
        l->line = 0;
        if (strchr(l->config->engine_path, '/')) {
                if (!use_engine(l, l->config->engine_path))
                        loader_problem(l, "the engine cannot be run: %s", strerror(errno));
                return;
        }
        if (readlink("/proc/self/exe", self, sizeof self - 1) > 0 &&
            find_engine_in(l, self, (size_t) (strrchr(self, '/') - self)))
                return;
        for (const char *at = getenv("PATH"); at && *at;) {
                size_t length = strcspn(at, ":");
                if (length && find_engine_in(l, at, length))
                        return;
                at += length + (at[length] == ':');
        }
        loader_problem(l, "the engine is found neither beside headroomd nor in PATH; set [engine] path");
}

/* A user's own file, where there is one; else that of the machine. */
static const char *default_file(char own[PATH_MAX]) {
        bool is_own =
                is_ordinary_user() && user_dirs_find("XDG_CONFIG_HOME", ".config", "headroom/headroom.conf", own, PATH_MAX) > 0;
        return is_own && access(own, F_OK) == 0 ? own : CONFIG_DEFAULT_PATH;
}

/* Names of the other places follow from that of the main file: headroom.conf.d, and models.d in the same directory. */
static void read_files(struct loader *l, const char *path, const struct config_override *overrides, uint32_t overrides_count) {
        char own[PATH_MAX];
        const char *main_file = path ? path : default_file(own);
        const char *slash = strrchr(main_file, '/');
        auto_free char *drop_ins = NULL, *models = NULL;

        if (asprintf(&drop_ins, "%s.d", main_file) < 0 ||
            asprintf(&models, "%.*smodels.d", slash ? (int) (slash - main_file + 1) : 0, main_file) < 0) {
                l->out_of_memory = true;
                return;
        }
        loader_read_main(l, main_file, path);
        loader_read_drop_ins(l, drop_ins);
        apply_overrides(l, overrides, overrides_count);
        loader_read_models(l, models);
}

/* Not an error: the limit of a container may be raised while the daemon runs. */
static void check_reserve(struct loader *l) {
        const struct config *c = l->config;

        l->line = 0;
        l->file = "[memory] reserve";
        if (c->reserve_bytes >= c->ram_bytes)
                loader_warning(
                        l,
                        "%llu MiB are to stay free of the %llu MiB that this machine or container has, so no model can be loaded; set less, such as reserve = 10%%, or raise the limit",
                        (unsigned long long) (c->reserve_bytes >> 20), (unsigned long long) (c->ram_bytes >> 20));
}

static bool is_reached_from_elsewhere(const char *address) {
        struct in6_addr read;

        return *address && !(net_address_read(address, strlen(address), &read) && net_address_is_loopback(&read));
}

/* Whoever opens the door to a network without keys means it: it is not what is left of a time when there was only loopback. */
static void check_keys(struct loader *l) {
        const struct config *c = l->config;

        l->line = 0;
        l->file = "[server] keys";
        if (!strcmp(c->keys, "none") &&
            (is_reached_from_elsewhere(c->listen_address) || is_reached_from_elsewhere(c->ollama_address)))
                loader_problem(l, "none is for loopback addresses, and this server is reached from other machines; write auto or "
                                  "required, or " CONFIG_KEYS_OPEN " to let everybody in who reaches it");
}

static struct loader *loader_new(const struct config_source *source) {
        struct loader *l = calloc(1, sizeof *l); /* too large for a stack that may be small */

        if (l)
                l->config = calloc(1, sizeof *l->config);
        if (!l || !l->config) {
                free(l);
                return NULL;
        }
        l->source = source;
        l->report = source->report;
        l->user = source->user;
        return l;
}

static int finish(struct loader *l, struct config **ret) {
        struct config *c = l->config;
        int result = l->out_of_memory ? -ENOMEM : l->failed ? -EINVAL : 0;

        for (uint32_t i = 0; i < c->models_count; i++)
                free(l->origins[i].file);
        loader_forget_found(l);
        c->defaults = l->defaults;
        free(l);
        if (result)
                config_free(c);
        else
                *ret = c;
        return result;
}

int config_read(const struct config_source *source, struct config **ret) {
        struct loader *l = loader_new(source);

        if (!l)
                return -ENOMEM;
        set_defaults(l);
        if (!l->out_of_memory) {
                read_files(l, source->path, source->overrides, source->overrides_count);
                find_engine(l);
                loader_locate_models(l);
                loader_discover_models(l);
                loader_check_names(l);
                check_reserve(l);
                check_keys(l);
        }
        return finish(l, ret);
}

int config_load(const char *path, const struct config_override *overrides, uint32_t overrides_count, config_report *on_report,
                void *user, struct config **ret) {
        const struct config_source source = { .path = path,
                                              .overrides = overrides,
                                              .overrides_count = overrides_count,
                                              .is_strict = true,
                                              .report = on_report,
                                              .user = user };

        return config_read(&source, ret);
}

int config_look_again(const struct config_source *source, const struct config *now, uint64_t settle_ms, struct config **ret) {
        struct loader *l = loader_new(source);

        if (!l)
                return -ENOMEM;
        l->before = now;
        l->settle_ms = settle_ms;
        l->defaults = now->defaults;
        loader_copy(l, now);
        if (!l->out_of_memory) {
                loader_locate_models(l);
                loader_discover_models(l);
        }
        return finish(l, ret);
}
