/*
 * models_fixture.h - for tests of the fleet with engines that do as they are told (tests/tools/fake-engine.c): real processes, real frames, real time.
 *
 * Each test has a fixture of its own: a loop, a configuration made here, model files that are orders to the fake engine.
 */
#ifndef HEADROOM_TESTS_UNIT_DAEMON_MODELS_MODELS_FIXTURE_H
#define HEADROOM_TESTS_UNIT_DAEMON_MODELS_MODELS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/requests/submit.h"
#include "daemon/engines/control.h"
#include "daemon/state/model_state.h"
#include "daemon/models/admit.h"
#include "daemon/models/apply.h"
#include "daemon/models/fleet.h"
#include "daemon/models/view.h"
#include "daemon/base/meminfo.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/lookup.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/admission/loads.h"

#define MIB(n)      ((uint64_t) (n) << 20)
#define MODELS      4
#define PATIENCE_MS 20000

struct fixture {
        uv_loop_t loop;
        uv_timer_t clock;
        struct config config;
        struct config_model models[MODELS];
        char directory[64];
        char engine[512];
        char paths[MODELS][128];
        struct fleet *fleet;
        bool stopped;
};
#include "tests/bulk_text.h"

static struct fixture w;

/* --- the fixture --- */

static inline const char *path_in(const char *name) {
        static char path[384];
        (void) snprintf(path, sizeof(path), "%s/%.256s", w.directory, name);
        return path;
}

static inline void write_file(const char *path, const char *text) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        (void) fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

/* Model INDEX is called "a", "b", ...; ORDERS go to its fake engine. */
static inline struct config_model *add_model(const char *orders) {
        static char ids[MODELS][2] = { "a", "b", "c", "d" };
        uint32_t i = w.config.models_count++;
        (void) snprintf(w.paths[i], sizeof(w.paths[i]), "%s/%s.gguf", w.directory, ids[i]);
        write_file(w.paths[i], orders);
        w.models[i] = (struct config_model){
                .id = ids[i], .path = w.paths[i], .keep_alive_ms = CONFIG_FOREVER, .parallel = 4, .queue = 64
        };
        return &w.models[i];
}

static inline void find_engine(void) {
        char self[400];
        ssize_t count = readlink("/proc/self/exe", self, sizeof(self) - 1);
        assert_true(count > 0);
        self[count] = '\0';
        *strrchr(self, '/') = '\0';
        (void) snprintf(w.engine, sizeof(w.engine), "%s/../tools/fake-engine", self);
}

static inline int make_fixture(void **state) {
        (void) state;
        memset(&w, 0, sizeof(w));
        (void) strcpy(w.directory, "/tmp/headroom-fleet-XXXXXX");
        assert_non_null(mkdtemp(w.directory));
        find_engine();
        assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as the daemon */
        assert_int_equal(uv_loop_init(&w.loop), 0);
        (void) uv_timer_init(&w.loop, &w.clock);
        w.config = (struct config){
                .state_dir = w.directory,
                .engine_path = w.engine,
                .ram_bytes = MIB(4096),
                .budget_bytes = MIB(100),
                .weights_fraction = 0.9,
                .wait_timeout_ms = 10000,
                .load_timeout_ms = 5000,
                .stop_timeout_ms = 1000,
                .min_residency_ms = 300,
                .batch_age_ms = 60000,
                .governor_enabled = true,
                .models = w.models,
        };
        return 0;
}

/* The tick as the governor has it (governor/tick.c), on this machine's memory, and with nothing but the loads that policy answers. */
static inline void on_tick(void *user, uint64_t now_ms) {
        static struct snapshot snapshot;
        static struct plan plan;
        static struct loads_past past;
        (void) user;
        struct memory_seen memory;
        struct limits limits = fleet_limits(&w.config);
        assert_int_equal(memory_read("/proc", &memory), 0);
        snapshot.now_ms = now_ms;
        snapshot.ram_bytes = memory.total_bytes;
        snapshot.available_bytes = memory.available_bytes;
        fleet_view(w.fleet, &snapshot);
        plan = (struct plan){ .hold_loads = w.fleet->gate.loads,
                              .hold_batch = w.fleet->gate.batch,
                              .batch_because = w.fleet->gate.batch_because };
        policy_loads(&limits, &snapshot, &past, &plan);
        fleet_obey_pools(w.fleet, &plan);
        fleet_admit(w.fleet, &plan);
        for (uint32_t i = 0; i < plan.loads_count; i++)
                fleet_due(w.fleet, plan.loads[i].look_again_ms);
        fleet_tick(w.fleet);
}

static inline void open_fleet(void) {
        static const struct governed loads_only = { .on_tick = on_tick };
        assert_int_equal(fleet_new(&w.loop, &w.config, &w.fleet), 0);
        fleet_govern(w.fleet, &loads_only, NULL);
}

static inline void on_stopped(void *user) {
        (void) user;
        w.stopped = true;
}

static inline void on_clock(uv_timer_t *timer) {
        (void) timer;
}

/* Turns the loop until CONDITION or for PATIENCE_MS. */
#define until(CONDITION) until_for(PATIENCE_MS, CONDITION)
#define until_for(MS, CONDITION)                                                             \
        do {                                                                                 \
                uint64_t until_began = uv_hrtime();                                          \
                (void) uv_timer_start(&w.clock, on_clock, 5, 5);                             \
                while (!(CONDITION) && uv_hrtime() - until_began < (uint64_t) (MS) *1000000) \
                        (void) uv_run(&w.loop, UV_RUN_ONCE);                                 \
                (void) uv_timer_stop(&w.clock);                                              \
        } while (0)
#define eventually(CONDITION)                                        \
        do {                                                         \
                until(CONDITION);                                    \
                if (!(CONDITION))                                    \
                        fail_msg("never came true: %s", #CONDITION); \
        } while (0)

static inline void close_fleet(void) {
        if (!w.fleet)
                return;
        fleet_stop(w.fleet, on_stopped, NULL);
        eventually(w.stopped);
        fleet_free(w.fleet);
        w.fleet = NULL;
        w.stopped = false;
}

static inline int end_fixture(void **state) {
        (void) state;
        close_fleet();
        uv_close((uv_handle_t *) &w.clock, NULL);
        (void) uv_run(&w.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&w.loop), 0);
        DIR *d = opendir(w.directory);
        for (struct dirent *e; d && (e = readdir(d));)
                (void) unlink(path_in(e->d_name));
        (void) closedir(d);
        (void) rmdir(w.directory);
        return 0;
}

static inline struct model_status status_of(uint32_t index) {
        struct model_status s;
        fleet_model_status(w.fleet, index, &s);
        return s;
}

static inline enum model_state life_of(uint32_t index) {
        return status_of(index).state;
}

/* --- clients --- */

struct client {
        struct request *request;
        struct failure failure;
        char text[4096];
        char why[256];
        char finish[16];
        uint32_t starts, restarts, vectors;
        bool ended, failed;
        struct client *asks_on_end;   /* asked from inside on_end */
        struct client *leaves_on_end; /* cancelled from inside on_end or on_failed */
};

static inline void ask(struct client *c, const char *model);

static inline void on_waiting(void *user, const char *why) {
        struct client *c = user;
        (void) snprintf(c->why + strlen(c->why), sizeof(c->why) - strlen(c->why), "%s;", why);
}

static inline void on_start(void *user, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed) {
        (void) relaxed;
        struct client *c = user;
        (void) cached_tokens;
        assert_int_equal(prompt_tokens, 7);
        c->starts++;
}

static inline void on_text(void *user, const char *text, const cJSON *logprobs) {
        struct client *c = user;
        assert_null(logprobs);
        assert_false(c->ended || c->failed);
        if (strlen(c->text) + strlen(text) < sizeof(c->text))
                (void) strcat(c->text, text);
}

static inline void on_embedding(void *user, const cJSON *vector) {
        struct client *c = user;
        (void) vector;
        c->vectors++;
}

static inline void on_restart(void *user) {
        struct client *c = user;
        c->restarts++;
        c->text[0] = '\0';
}

static inline void after_the_last_word(struct client *c) {
        c->request = NULL;
        if (c->leaves_on_end && c->leaves_on_end->request) {
                request_cancel(c->leaves_on_end->request);
                c->leaves_on_end->request = NULL;
        }
        if (c->asks_on_end)
                ask(c->asks_on_end, "a");
}

static inline void on_end(void *user, const char *finish, const struct request_usage *usage) {
        struct client *c = user;
        (void) usage;
        assert_false(c->ended || c->failed);
        c->ended = true;
        (void) strcpy(c->finish, finish);
        after_the_last_word(c);
}

static inline void on_failed(void *user, const struct failure *failure) {
        struct client *c = user;
        assert_false(c->ended || c->failed);
        c->failed = true;
        c->failure = *failure;
        after_the_last_word(c);
}

static const struct request_events client_events = { .on_waiting = on_waiting,
                                                     .on_start = on_start,
                                                     .on_text = on_text,
                                                     .on_embedding = on_embedding,
                                                     .on_end = on_end,
                                                     .on_failed = on_failed };
static const struct request_events patient_events = {
        .on_start = on_start, .on_text = on_text, .on_restart = on_restart, .on_end = on_end, .on_failed = on_failed
};

static inline int ask_with(struct client *c, const char *model, enum request_kind kind, const struct request_events *events,
                           const char *body) {
        *c = (struct client){ .asks_on_end = c->asks_on_end, .leaves_on_end = c->leaves_on_end };
        return request_submit(w.fleet, model, kind, REQUEST_CLASS_OF_MODEL, request_text(body), events, c, &c->request,
                              &c->failure);
}

static inline void ask(struct client *c, const char *model) {
        assert_int_equal(ask_with(c, model, REQUEST_CHAT, &client_events, "{\"messages\":[]}"), 0);
}

static inline void ask_for(struct client *c, const char *model, int tokens) {
        char body[64];
        (void) snprintf(body, sizeof(body), "{\"max_tokens\":%d}", tokens);
        assert_int_equal(ask_with(c, model, REQUEST_COMPLETION, &client_events, body), 0);
}

static inline bool done(const struct client *c) {
        return c->ended || c->failed;
}

static inline bool all_done(const struct client *c, size_t count) {
        for (size_t i = 0; i < count; i++) {
                if (!done(&c[i]))
                        return false;
        }
        return true;
}

static inline int open_descriptors(void) {
        DIR *d = opendir("/proc/self/fd");
        int count = 0;
        while (readdir(d))
                count++;
        (void) closedir(d);
        return count;
}

#define with_fixture(TEST) cmocka_unit_test_setup_teardown(TEST, make_fixture, end_fixture)

/* Runs TESTS, or those that match the first argument. */
#define run_with_fixtures(ARGC, ARGV, TESTS)                                                                                  \
        (log_open(getenv("V") ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR), (ARGC) > 1 ? cmocka_set_test_filter((ARGV)[1]) : (void) 0, \
         cmocka_run_group_tests(TESTS, NULL, NULL))

#endif
