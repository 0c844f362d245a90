/*
 * test_fleet.c - the fleet with engines that do as they are told (tests/tools/fake-engine.c): real processes, real frames, real time.
 *
 * Each test is a small world: a loop, a configuration made here, model files that are orders to the fake engine.
 */
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

#include "daemon/dispatch.h"
#include "daemon/fleet_internal.h"
#include "daemon/log.h"

#define MIB(n)      ((uint64_t) (n) << 20)
#define MODELS      4
#define PATIENCE_MS 20000

struct world {
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

static struct world w;

/* --- the world --- */

static const char *path_in(const char *name) {
        static char path[384];
        (void) snprintf(path, sizeof(path), "%s/%.256s", w.directory, name);
        return path;
}

static void write_file(const char *path, const char *text) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        (void) fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

/* Model INDEX is called "a", "b", ...; ORDERS go to its fake engine. */
static struct config_model *add_model(const char *orders) {
        static char ids[MODELS][2] = { "a", "b", "c", "d" };
        uint32_t i = w.config.models_count++;
        (void) snprintf(w.paths[i], sizeof(w.paths[i]), "%s/%s.gguf", w.directory, ids[i]);
        write_file(w.paths[i], orders);
        w.models[i] = (struct config_model){
                .id = ids[i], .path = w.paths[i], .keep_alive_ms = CONFIG_FOREVER, .parallel = 4, .queue = 64
        };
        return &w.models[i];
}

static void find_engine(void) {
        char self[400];
        ssize_t count = readlink("/proc/self/exe", self, sizeof(self) - 1);
        assert_true(count > 0);
        self[count] = '\0';
        *strrchr(self, '/') = '\0';
        (void) snprintf(w.engine, sizeof(w.engine), "%s/../tools/fake-engine", self);
}

static int build_world(void **state) {
        (void) state;
        memset(&w, 0, sizeof(w));
        (void) strcpy(w.directory, "/tmp/headroom-fleet-XXXXXX");
        assert_non_null(mkdtemp(w.directory));
        find_engine();
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
                .models = w.models,
        };
        return 0;
}

static void open_fleet(void) {
        assert_int_equal(fleet_new(&w.loop, &w.config, &w.fleet), 0);
}

static void on_stopped(void *user) {
        (void) user;
        w.stopped = true;
}

static void on_clock(uv_timer_t *timer) {
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

static void close_fleet(void) {
        if (!w.fleet)
                return;
        fleet_stop(w.fleet, on_stopped, NULL);
        eventually(w.stopped);
        fleet_free(w.fleet);
        w.fleet = NULL;
        w.stopped = false;
}

static int end_world(void **state) {
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

static struct model_status status_of(uint32_t index) {
        struct model_status s;
        fleet_model_status(w.fleet, index, &s);
        return s;
}

static enum life life_of(uint32_t index) {
        return status_of(index).life;
}

/* --- clients --- */

struct client {
        struct ask *ask;
        struct failure failure;
        char text[4096];
        char why[256];
        char finish[16];
        uint32_t starts, restarts, vectors;
        bool ended, failed;
        struct client *asks_on_end;   /* asked from inside on_end */
        struct client *leaves_on_end; /* cancelled from inside on_end or on_failed */
};

static void ask(struct client *c, const char *model);

static void on_waiting(void *user, const char *why) {
        struct client *c = user;
        (void) snprintf(c->why + strlen(c->why), sizeof(c->why) - strlen(c->why), "%s;", why);
}

static void on_start(void *user, uint32_t prompt_tokens, uint32_t cached_tokens) {
        struct client *c = user;
        (void) cached_tokens;
        assert_int_equal(prompt_tokens, 7);
        c->starts++;
}

static void on_text(void *user, const char *text, const cJSON *logprobs) {
        struct client *c = user;
        assert_null(logprobs);
        assert_false(c->ended || c->failed);
        if (strlen(c->text) + strlen(text) < sizeof(c->text))
                (void) strcat(c->text, text);
}

static void on_embedding(void *user, const cJSON *vectors) {
        struct client *c = user;
        c->vectors += (uint32_t) cJSON_GetArraySize(vectors);
}

static void on_restart(void *user) {
        struct client *c = user;
        c->restarts++;
        c->text[0] = '\0';
}

static void after_the_last_word(struct client *c) {
        c->ask = NULL;
        if (c->leaves_on_end && c->leaves_on_end->ask) {
                ask_cancel(c->leaves_on_end->ask);
                c->leaves_on_end->ask = NULL;
        }
        if (c->asks_on_end)
                ask(c->asks_on_end, "a");
}

static void on_end(void *user, const char *finish, const struct ask_usage *usage) {
        struct client *c = user;
        (void) usage;
        assert_false(c->ended || c->failed);
        c->ended = true;
        (void) strcpy(c->finish, finish);
        after_the_last_word(c);
}

static void on_failed(void *user, const struct failure *failure) {
        struct client *c = user;
        assert_false(c->ended || c->failed);
        c->failed = true;
        c->failure = *failure;
        after_the_last_word(c);
}

static const struct ask_events client_events = { .on_waiting = on_waiting,
                                                 .on_start = on_start,
                                                 .on_text = on_text,
                                                 .on_embedding = on_embedding,
                                                 .on_end = on_end,
                                                 .on_failed = on_failed };
static const struct ask_events patient_events = {
        .on_start = on_start, .on_text = on_text, .on_restart = on_restart, .on_end = on_end, .on_failed = on_failed
};

static int ask_with(struct client *c, const char *model, enum ask_kind kind, const struct ask_events *events, const char *body) {
        *c = (struct client){ .asks_on_end = c->asks_on_end, .leaves_on_end = c->leaves_on_end };
        cJSON *parsed = cJSON_Parse(body);
        assert_non_null(parsed);
        return dispatch_submit(w.fleet, model, kind, parsed, events, c, &c->ask, &c->failure);
}

static void ask(struct client *c, const char *model) {
        assert_int_equal(ask_with(c, model, ASK_CHAT, &client_events, "{\"messages\":[]}"), 0);
}

static void ask_for(struct client *c, const char *model, int tokens) {
        char body[64];
        (void) snprintf(body, sizeof(body), "{\"max_tokens\":%d}", tokens);
        assert_int_equal(ask_with(c, model, ASK_COMPLETION, &client_events, body), 0);
}

static bool done(const struct client *c) {
        return c->ended || c->failed;
}

static bool all_done(const struct client *c, size_t count) {
        for (size_t i = 0; i < count; i++) {
                if (!done(&c[i]))
                        return false;
        }
        return true;
}

static int open_descriptors(void) {
        DIR *d = opendir("/proc/self/fd");
        int count = 0;
        while (readdir(d))
                count++;
        (void) closedir(d);
        return count;
}

/* --- loading on demand --- */

static void the_first_request_loads_and_is_answered(void **state) {
        (void) state;
        add_model("load_ms=700\n");
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        assert_false(done(&c));
        eventually(done(&c));
        assert_true(c.ended);
        assert_string_equal(c.text, "t1 t2 t3 ");
        assert_string_equal(c.finish, "length");
        assert_int_equal(c.starts, 1);
        assert_non_null(strstr(c.why, "loading;"));
        struct model_status s = status_of(0);
        assert_int_equal(s.life, LIFE_READY);
        assert_int_equal(s.loads, 1);
        assert_int_equal(s.requests, 1);
        assert_true(s.pid > 0);
        assert_int_equal(s.n_ctx, 1024);
}

static void ten_at_once_start_one_process(void **state) {
        (void) state;
        add_model("load_ms=50\nparallel=2\n");
        open_fleet();
        static struct client c[10];
        for (int i = 0; i < 10; i++)
                ask(&c[i], "a");
        eventually(all_done(c, 10));
        for (int i = 0; i < 10; i++)
                assert_true(c[i].ended);
        assert_int_equal(status_of(0).loads, 1);
}

static void an_unknown_model_is_refused_at_once(void **state) {
        (void) state;
        add_model("");
        w.models[0].aliases = (char *[]){ "other-name" };
        w.models[0].aliases_count = 1;
        open_fleet();
        struct client c = { 0 };
        assert_int_equal(ask_with(&c, "b", ASK_CHAT, &client_events, "{}"), -ENOENT);
        assert_int_equal(c.failure.status, 404);
        assert_string_equal(c.failure.code, "model_not_found");
        assert_string_equal(c.failure.param, "model");
        ask(&c, "other-name");
        eventually(c.ended);
}

static void embeddings_pass_through(void **state) {
        (void) state;
        add_model("");
        open_fleet();
        struct client c = { 0 };
        assert_int_equal(ask_with(&c, "a", ASK_EMBED, &client_events, "{\"input\":[\"x\"]}"), 0);
        eventually(c.ended);
        assert_int_equal(c.vectors, 1);
}

static void what_the_engine_refuses_is_told(void **state) {
        (void) state;
        add_model("refuse=the prompt is too long\n");
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.failed);
        assert_int_equal(c.failure.status, 400);
        assert_string_equal(c.failure.kind, "invalid_request_error");
        assert_string_equal(c.failure.message, "the prompt is too long");
        assert_int_equal(life_of(0), LIFE_READY);
}

static void preloaded_without_a_request(void **state) {
        (void) state;
        add_model("")->preload = true;
        open_fleet();
        eventually(life_of(0) == LIFE_READY);
}

static void a_client_that_leaves_while_loading_costs_nothing(void **state) {
        (void) state;
        add_model("load_ms=100\n");
        open_fleet();
        struct client c = { 0 }, later = { 0 };
        ask(&c, "a");
        eventually(life_of(0) == LIFE_LOADING);
        ask_cancel(c.ask);
        struct fleet_status s;
        fleet_status(w.fleet, &s);
        assert_int_equal(s.requests_waiting, 0);
        eventually(life_of(0) == LIFE_READY);
        ask(&later, "a");
        eventually(later.ended);
        assert_false(done(&c));
        assert_int_equal(status_of(0).loads, 1);
}

static void a_client_that_leaves_before_the_size_is_known_stops_the_load(void **state) {
        (void) state;
        add_model("inspect_ms=100\n");
        open_fleet();
        struct client c = { 0 }, later = { 0 };
        ask(&c, "a");
        eventually(life_of(0) == LIFE_INSPECTING);
        ask_cancel(c.ask);
        eventually(life_of(0) == LIFE_ABSENT);
        ask(&later, "a");
        eventually(later.ended);
}

static void a_client_that_leaves_in_the_middle_frees_its_place(void **state) {
        (void) state;
        add_model("parallel=1\ntoken_ms=10\n");
        open_fleet();
        struct client first = { 0 }, second = { 0 };
        ask_for(&first, "a", 100000);
        ask(&second, "a");
        eventually(strlen(first.text) > 10);
        assert_int_equal(status_of(0).waiting, 1);
        ask_cancel(first.ask);
        eventually(second.ended);
        assert_string_equal(second.text, "t1 t2 t3 ");
}

static void a_paused_answer_waits_for_its_reader(void **state) {
        (void) state;
        add_model("token_ms=5\n");
        open_fleet();
        struct client c = { 0 };
        ask_for(&c, "a", 20);
        ask_pause(c.ask); /* before it was even sent */
        until_for(300, c.ended);
        size_t said = strlen(c.text);
        assert_true(said < 10);
        ask_resume(c.ask);
        eventually(c.ended);
        assert_non_null(strstr(c.text, "t20 "));
}

static void callbacks_may_ask_and_leave(void **state) {
        (void) state;
        add_model("parallel=1\ntoken_ms=5\n");
        open_fleet();
        struct client next = { 0 }, leaver = { 0 }, first = { .asks_on_end = &next, .leaves_on_end = &leaver };
        ask(&first, "a");
        ask(&leaver, "a");
        eventually(next.ended);
        assert_true(first.ended);
        assert_false(done(&leaver));
}

/* --- making room --- */

#define LARGE "weights=62914560\n" /* 60 MiB: one fits the budget of 100, two do not */

static void an_idle_model_goes_after_its_time(void **state) {
        (void) state;
        add_model("")->keep_alive_ms = 150;
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.ended);
        assert_int_equal(life_of(0), LIFE_READY);
        assert_true(status_of(0).expires_in_ms >= 0);
        eventually(life_of(0) == LIFE_ABSENT);
        assert_int_equal(status_of(0).pid, 0);
        ask(&c, "a");
        eventually(c.ended);
        assert_int_equal(status_of(0).loads, 2);
}

static void a_pinned_model_stays(void **state) {
        (void) state;
        struct config_model *m = add_model("");
        m->keep_alive_ms = 50;
        m->pinned = true;
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.ended);
        until_for(300, false);
        assert_int_equal(life_of(0), LIFE_READY);
        assert_int_equal(status_of(0).expires_in_ms, -1);
}

static void an_idle_model_makes_room(void **state) {
        (void) state;
        add_model(LARGE);
        add_model(LARGE);
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        eventually(a.ended);
        ask(&b, "b");
        eventually(b.ended);
        assert_int_equal(life_of(0), LIFE_ABSENT);
        assert_int_equal(life_of(1), LIFE_READY);
}

static void exactly_the_budget_fits(void **state) {
        (void) state;
        /* KV cache: 2048 tokens of 1 KiB each. */
        add_model("weights=50331648\n");
        add_model("weights=50331648\n");
        w.config.budget_bytes = 2 * (MIB(48) + MIB(2));
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        ask(&b, "b");
        eventually(a.ended && b.ended);
        assert_int_equal(life_of(0), LIFE_READY);
        assert_int_equal(life_of(1), LIFE_READY);
        close_fleet();

        w.config.budget_bytes--;
        open_fleet();
        ask(&a, "a");
        eventually(a.ended);
        ask(&b, "b");
        eventually(b.ended);
        assert_int_equal(life_of(0), LIFE_ABSENT);
}

static void loads_that_fit_run_at_once(void **state) {
        (void) state;
        add_model("load_ms=400\n");
        add_model("load_ms=400\n");
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        ask(&b, "b");
        eventually(life_of(0) == LIFE_LOADING && life_of(1) == LIFE_LOADING);
        eventually(a.ended && b.ended);
}

static void a_busy_model_is_never_cut(void **state) {
        (void) state;
        add_model(LARGE "token_ms=10\n");
        add_model(LARGE);
        w.config.min_residency_ms = 100;
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask_for(&a, "a", 300);
        eventually(strlen(a.text) > 0);
        ask(&b, "b");
        eventually(b.ended);
        assert_true(a.ended);
        assert_non_null(strstr(a.text, "t300 "));
}

/* Clients of one model never stop asking; the waiter of the other gets its turn all the same. */
static void a_hot_model_gives_way_in_time(void **state) {
        (void) state;
        add_model(LARGE "token_ms=20\n");
        add_model(LARGE);
        open_fleet();
        struct client hot[3] = { 0 }, b = { 0 };
        for (int i = 0; i < 3; i++)
                ask(&hot[i], "a");
        eventually(hot[0].ended);
        ask(&b, "b");
        uint64_t began = uv_hrtime();
        while (!b.ended && uv_hrtime() - began < 15000000000u) {
                for (int i = 0; i < 3; i++) {
                        if (done(&hot[i]))
                                ask(&hot[i], "a");
                }
                until_for(10, b.ended);
        }
        assert_true(b.ended);
        assert_true(uv_hrtime() - began < 6000000000u);
        eventually(all_done(hot, 3));
        for (int i = 0; i < 3; i++)
                assert_true(hot[i].ended);
}

static void two_waiters_share_one_eviction(void **state) {
        (void) state;
        add_model("weights=73400320\n");
        add_model("weights=31457280\n");
        add_model("weights=31457280\n");
        open_fleet();
        struct client a = { 0 }, b = { 0 }, c = { 0 };
        ask(&a, "a");
        eventually(a.ended);
        ask(&b, "b");
        ask(&c, "c");
        eventually(b.ended && c.ended);
        assert_int_equal(life_of(0), LIFE_ABSENT);
        assert_int_equal(status_of(1).loads, 1);
        assert_int_equal(status_of(2).loads, 1);
}

static void what_can_never_fit_is_refused_with_the_numbers(void **state) {
        (void) state;
        add_model("weights=209715200\n");
        add_model(LARGE);
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&b, "b");
        eventually(b.ended);
        ask(&a, "a");
        eventually(a.failed);
        assert_int_equal(a.failure.status, 503);
        assert_string_equal(a.failure.code, "never_fits");
        assert_int_equal(a.failure.should_retry, 0);
        assert_non_null(strstr(a.failure.message, "202 MiB"));
        assert_non_null(strstr(a.failure.message, "100 MiB"));
        assert_int_equal(life_of(1), LIFE_READY);
}

static void pinned_in_the_way_is_said_at_once(void **state) {
        (void) state;
        add_model(LARGE)->pinned = true;
        add_model(LARGE);
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        eventually(a.ended);
        ask(&b, "b");
        eventually(b.failed);
        assert_string_equal(b.failure.code, "insufficient_memory");
        assert_true(b.failure.retry_after_s > 0);
        assert_non_null(strstr(b.failure.message, "pinned"));
        assert_int_equal(life_of(0), LIFE_READY);
}

static void a_request_during_the_stop_loads_it_again(void **state) {
        (void) state;
        add_model("deaf=1\n")->keep_alive_ms = 50;
        w.config.stop_timeout_ms = 300;
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.ended);
        eventually(life_of(0) == LIFE_STOPPING);
        ask(&c, "a");
        eventually(c.ended);
        assert_int_equal(status_of(0).loads, 2);
        assert_int_equal(status_of(0).deaths, 0);
}

static void an_engine_that_ignores_us_is_killed(void **state) {
        (void) state;
        add_model("deaf=1\n")->keep_alive_ms = 50;
        w.config.stop_timeout_ms = 200;
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.ended);
        pid_t pid = status_of(0).pid;
        eventually(life_of(0) == LIFE_ABSENT);
        assert_int_equal(kill(pid, 0), -1);
        assert_string_equal(status_of(0).last_exit, "killed by SIGKILL");
        assert_int_equal(status_of(0).deaths, 0);
}

/* --- failing to load --- */

static void a_damaged_file_is_refused_with_the_sentence(void **state) {
        (void) state;
        add_model("inspect_fail=tensor 'x' reaches beyond the end of the file\n");
        open_fleet();
        struct client c[3] = { 0 };
        for (int i = 0; i < 3; i++)
                ask(&c[i], "a");
        eventually(all_done(c, 3));
        for (int i = 0; i < 3; i++) {
                assert_int_equal(c[i].failure.status, 500);
                assert_string_equal(c[i].failure.code, "load_failed");
                assert_non_null(strstr(c[i].failure.message, "tensor 'x' reaches beyond the end of the file"));
        }
        assert_non_null(strstr(status_of(0).last_error, "tensor 'x'"));
        /* The file is replaced: no waiting, no restart. */
        write_file(w.paths[0], "tokens=5\nweights=2000000\n");
        ask(&c[0], "a");
        eventually(c[0].ended);
}

static void a_missing_file_is_said_by_name(void **state) {
        (void) state;
        add_model("");
        (void) unlink(w.paths[0]);
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.failed);
        assert_string_equal(c.failure.code, "load_failed");
        assert_non_null(strstr(c.failure.message, w.paths[0]));
        assert_non_null(strstr(c.failure.message, "No such file"));
}

static void a_missing_engine_is_said_by_name(void **state) {
        (void) state;
        add_model("");
        w.config.engine_path = "/nowhere/headroom-engine";
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.failed);
        assert_non_null(strstr(c.failure.message, "/nowhere/headroom-engine"));
}

static void an_engine_that_cannot_load_says_why_and_is_left_alone(void **state) {
        (void) state;
        add_model("load_fail=layer 3 is not finite\nload_ms=50\n");
        open_fleet();
        struct client c[2] = { 0 }, late = { 0 };
        ask(&c[0], "a");
        ask(&c[1], "a");
        eventually(all_done(c, 2));
        assert_string_equal(c[0].failure.code, "load_failed");
        assert_non_null(strstr(c[0].failure.message, "layer 3 is not finite"));
        assert_string_equal(c[0].failure.message, c[1].failure.message);
        assert_int_equal(ask_with(&late, "a", ASK_CHAT, &client_events, "{}"), -EAGAIN);
        assert_int_equal(late.failure.status, 503);
        assert_string_equal(late.failure.code, "load_cooldown");
        assert_in_range(late.failure.retry_after_s, 9, 10);
        assert_non_null(strstr(late.failure.message, "layer 3"));
        assert_true(status_of(0).cooldown_ms > 9000);
}

static void an_engine_that_dies_loading_is_left_alone(void **state) {
        (void) state;
        add_model("load_signal=9\nwords=something went wrong\n");
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.failed);
        assert_string_equal(c.failure.code, "engine_died");
        assert_non_null(strstr(c.failure.message, "SIGKILL"));
        assert_int_equal(c.failure.retry_after_s, 10);
        eventually(life_of(0) == LIFE_ABSENT);
        assert_string_equal(status_of(0).last_exit, "killed by SIGKILL");
        assert_non_null(strstr(status_of(0).last_stderr, "something went wrong"));
}

static void an_engine_that_is_never_ready_is_ended(void **state) {
        (void) state;
        add_model("never_ready=1\n");
        w.config.load_timeout_ms = 300;
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.failed);
        assert_non_null(strstr(c.failure.message, "load_timeout"));
        eventually(life_of(0) == LIFE_ABSENT);
}

/* --- dying --- */

static void who_was_told_nothing_is_answered_by_the_next_engine(void **state) {
        (void) state;
        char orders[400];
        (void) snprintf(orders, sizeof(orders), "die_at=0\ndie_if=%.300s\n", path_in("flag"));
        add_model(orders);
        write_file(path_in("flag"), "");
        open_fleet();
        static struct client c[8];
        for (int i = 0; i < 8; i++)
                ask(&c[i], "a");
        eventually(all_done(c, 8));
        for (int i = 0; i < 8; i++) {
                assert_true(c[i].ended);
                assert_string_equal(c[i].text, "t1 t2 t3 ");
        }
        assert_int_equal(status_of(0).loads, 2);
        assert_int_equal(status_of(0).deaths, 1);
}

static void who_was_told_something_is_told_of_the_end(void **state) {
        (void) state;
        char orders[400];
        (void) snprintf(orders, sizeof(orders), "parallel=2\ntoken_ms=5\ndie_at=2\ndie_if=%.300s\n", path_in("flag"));
        add_model(orders);
        write_file(path_in("flag"), "");
        open_fleet();
        struct client c[5] = { 0 };
        for (int i = 0; i < 5; i++)
                ask(&c[i], "a");
        eventually(all_done(c, 5));
        /* Two were running; the three that waited are answered by the next engine. */
        for (int i = 0; i < 2; i++) {
                assert_true(c[i].failed);
                assert_int_equal(c[i].failure.status, 502);
                assert_string_equal(c[i].failure.code, "engine_died");
                assert_non_null(strstr(c[i].failure.message, "SIGKILL"));
        }
        for (int i = 2; i < 5; i++)
                assert_true(c[i].ended);
}

static void who_can_take_it_back_is_answered_anew(void **state) {
        (void) state;
        char orders[400];
        (void) snprintf(orders, sizeof(orders), "die_at=2\ndie_if=%.300s\n", path_in("flag"));
        add_model(orders);
        write_file(path_in("flag"), "");
        open_fleet();
        struct client c = { 0 };
        assert_int_equal(ask_with(&c, "a", ASK_CHAT, &patient_events, "{}"), 0);
        eventually(c.ended);
        assert_int_equal(c.restarts, 1);
        assert_int_equal(c.starts, 2);
        assert_string_equal(c.text, "t1 t2 t3 ");
}

static void a_request_that_kills_two_engines_ends_and_the_model_rests(void **state) {
        (void) state;
        add_model("die_at=0\n");
        open_fleet();
        struct client c = { 0 }, late = { 0 };
        ask(&c, "a");
        eventually(c.failed);
        assert_string_equal(c.failure.code, "engine_died");
        assert_int_equal(status_of(0).deaths, 2);
        assert_int_equal(ask_with(&late, "a", ASK_CHAT, &client_events, "{}"), -EAGAIN);
        assert_string_equal(late.failure.code, "load_cooldown");
        /* The operator knows better. */
        write_file(w.paths[0], "");
        fleet_load(w.fleet, "a", NULL, NULL);
        eventually(life_of(0) == LIFE_READY);
        ask(&late, "a");
        eventually(late.ended);
}

static void a_stray_kill_is_forgiven(void **state) {
        (void) state;
        add_model("token_ms=20\n");
        open_fleet();
        struct client c[20], next = { 0 };
        memset(c, 0, sizeof(c));
        for (int i = 0; i < 20; i++)
                ask_for(&c[i], "a", 50);
        eventually(strlen(c[0].text) > 10);
        assert_int_equal(kill(status_of(0).pid, SIGKILL), 0);
        eventually(all_done(c, 20));
        uint32_t failed = 0;
        for (int i = 0; i < 20; i++)
                failed += c[i].failed;
        assert_int_equal(failed, 4);
        ask(&next, "a");
        eventually(next.ended);
        assert_int_equal(status_of(0).loads, 2);
        assert_int_equal(status_of(0).deaths, 1);
}

static const struct rude {
        const char *what, *orders, *word;
} rudes[] = {
        { "an unknown type", "say_at=0\nsay={\"type\":\"hello\"}\n", "unknown type" },
        { "no type", "say_at=0\nsay={\"id\":1}\n", "not a message" },
        { "no JSON", "say_at=0\nsay=rubbish\n", "not a message" },
        { "an empty frame", "say_at=0\nsay=\n", "empty or too long" },
        { "an id that was never given", "say_at=0\nsay={\"type\":\"text\",\"id\":99,\"text\":\"x\"}\n", "never made" },
        { "no id", "say_at=0\nsay={\"type\":\"text\",\"text\":\"x\"}\n", "never made" },
        { "half an id", "say_at=0\nsay={\"type\":\"text\",\"id\":0.5,\"text\":\"x\"}\n", "never made" },
        { "ready twice", "say_at=0\nsay={\"type\":\"ready\",\"version\":1}\n", "twice" },
        { "text without text", "say_at=0\nsay={\"type\":\"text\",\"id\":1}\n", "not what its type says" },
        { "an end without a finish", "say_at=0\nsay={\"type\":\"end\",\"id\":1}\n", "not what its type says" },
        { "vectors for a chat", "say_at=0\nsay={\"type\":\"embedding\",\"id\":1,\"vectors\":[]}\n", "not what its type says" },
};

static void an_engine_that_talks_nonsense_is_ended(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(rudes) / sizeof(rudes[0]); i++) {
                w.config.models_count = 0;
                add_model(rudes[i].orders);
                open_fleet();
                struct client c = { 0 };
                ask(&c, "a");
                eventually(c.failed);
                if (!strstr(c.failure.message, rudes[i].word))
                        fail_msg("%s: %s", rudes[i].what, c.failure.message);
                eventually(life_of(0) == LIFE_ABSENT);
                close_fleet();
        }
}

static void an_engine_that_hangs_is_ended(void **state) {
        (void) state;
        add_model("hang_at=1\n");
        open_fleet();
        w.fleet->ping_after_ms = 100;
        w.fleet->silent_max_ms = 400;
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.failed);
        assert_string_equal(c.failure.code, "engine_died");
        assert_non_null(strstr(c.failure.message, "hangs"));
}

/* A slow one answers when it is asked how it is. */
static void an_engine_that_is_slow_is_not(void **state) {
        (void) state;
        add_model("token_ms=900\n");
        open_fleet();
        w.fleet->ping_after_ms = 100;
        w.fleet->silent_max_ms = 400;
        struct client c = { 0 };
        ask_for(&c, "a", 2);
        eventually(done(&c));
        assert_true(c.ended);
}

/* --- waiting --- */

static void a_full_queue_is_said_at_once(void **state) {
        (void) state;
        add_model("parallel=1\ntoken_ms=50\n")->queue = 2;
        open_fleet();
        struct client c[3] = { 0 }, late = { 0 };
        ask(&c[0], "a");
        eventually(c[0].starts == 1);
        ask(&c[1], "a");
        ask(&c[2], "a");
        assert_int_equal(ask_with(&late, "a", ASK_CHAT, &client_events, "{}"), -EAGAIN);
        assert_int_equal(late.failure.status, 429);
        assert_string_equal(late.failure.code, "concurrency_limit");
        assert_int_equal(late.failure.retry_after_s, 1);
        eventually(all_done(c, 3));
}

static void nobody_waits_for_ever(void **state) {
        (void) state;
        add_model("parallel=1\ntoken_ms=20\n");
        w.config.wait_timeout_ms = 300;
        open_fleet();
        struct client busy = { 0 }, waiter = { 0 };
        ask_for(&busy, "a", 50);
        eventually(busy.starts == 1);
        ask(&waiter, "a");
        eventually(waiter.failed);
        assert_int_equal(waiter.failure.status, 503);
        assert_string_equal(waiter.failure.code, "wait_too_long");
        eventually(busy.ended);
}

/* --- the operator --- */

struct outcome {
        bool told, failed;
        struct failure failure;
};

static void on_done(void *user, const struct failure *failure) {
        struct outcome *v = user;
        assert_false(v->told);
        v->told = true;
        v->failed = failure != NULL;
        if (failure)
                v->failure = *failure;
}

static void the_operator_loads_and_unloads(void **state) {
        (void) state;
        add_model("load_ms=50\n");
        open_fleet();
        struct outcome v = { 0 }, again = { 0 }, unknown = { 0 };
        fleet_load(w.fleet, "a", on_done, &v);
        fleet_load(w.fleet, "nobody", on_done, &unknown);
        assert_false(v.told || unknown.told);
        eventually(v.told && unknown.told);
        assert_false(v.failed);
        assert_string_equal(unknown.failure.code, "model_not_found");
        assert_int_equal(life_of(0), LIFE_READY);
        fleet_load(w.fleet, "a", on_done, &again);
        eventually(again.told);
        struct outcome u = { 0 }, twice = { 0 };
        fleet_unload(w.fleet, "a", false, on_done, &u);
        eventually(u.told);
        assert_false(u.failed);
        assert_int_equal(life_of(0), LIFE_ABSENT);
        fleet_unload(w.fleet, "a", false, on_done, &twice);
        eventually(twice.told);
        assert_false(twice.failed);
}

static void a_load_that_fails_is_told_to_the_operator(void **state) {
        (void) state;
        add_model("weights=209715200\n");
        open_fleet();
        struct outcome v = { 0 };
        fleet_load(w.fleet, "a", on_done, &v);
        eventually(v.told);
        assert_true(v.failed);
        assert_string_equal(v.failure.code, "never_fits");
}

static void unloading_waits_for_running_answers(void **state) {
        (void) state;
        add_model("parallel=1\ntoken_ms=10\n");
        open_fleet();
        struct client running = { 0 }, waiting = { 0 };
        ask_for(&running, "a", 30);
        ask(&waiting, "a");
        eventually(running.starts == 1);
        struct outcome v = { 0 };
        fleet_unload(w.fleet, "a", false, on_done, &v);
        eventually(waiting.failed);
        assert_string_equal(waiting.failure.code, "unloaded");
        assert_false(running.ended);
        eventually(v.told);
        assert_true(running.ended);
}

static void unloading_by_force_does_not_wait(void **state) {
        (void) state;
        add_model("token_ms=10\n");
        open_fleet();
        struct client running = { 0 };
        ask_for(&running, "a", 100000);
        eventually(running.starts == 1);
        struct outcome v = { 0 };
        fleet_unload(w.fleet, "a", true, on_done, &v);
        eventually(v.told);
        assert_true(running.failed);
        assert_string_equal(running.failure.code, "unloaded");
        assert_int_equal(life_of(0), LIFE_ABSENT);
}

/* --- stopping --- */

static void stopping_ends_everything(void **state) {
        (void) state;
        add_model("token_ms=10\n");
        add_model("deaf=1\n");
        add_model("never_ready=1\n");
        add_model("inspect_ms=60000\n");
        w.config.stop_timeout_ms = 300;
        open_fleet();
        struct client c[5] = { 0 };
        ask_for(&c[0], "a", 100000);
        ask(&c[1], "b");
        eventually(c[0].starts == 1 && c[1].ended);
        ask(&c[2], "c");
        ask(&c[3], "d");
        eventually(life_of(2) == LIFE_LOADING && life_of(3) == LIFE_INSPECTING);
        pid_t pids[] = { status_of(0).pid, status_of(1).pid, status_of(2).pid };
        fleet_stop(w.fleet, on_stopped, NULL);
        assert_int_equal(ask_with(&c[4], "a", ASK_CHAT, &client_events, "{}"), -ESHUTDOWN);
        eventually(w.stopped);
        w.stopped = false;
        fleet_free(w.fleet);
        w.fleet = NULL;
        for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++)
                assert_int_equal(kill(pids[i], 0), -1);
        const int failed[] = { 0, 2, 3 };
        for (size_t i = 0; i < sizeof(failed) / sizeof(failed[0]); i++) {
                assert_true(c[failed[i]].failed);
                assert_string_equal(c[failed[i]].failure.code, "shutting_down");
        }
}

/* --- measuring --- */

static void an_engine_is_measured(void **state) {
        (void) state;
        add_model("touch=20971520\n");
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.ended);
        eventually(status_of(0).measured_bytes > MIB(20));
        assert_true(status_of(0).peak_bytes > MIB(20));
        assert_true(status_of(0).measured_bytes < MIB(60));
        struct fleet_status s;
        fleet_status(w.fleet, &s);
        assert_true(s.measured_bytes == status_of(0).measured_bytes);
        assert_true(s.reserved_bytes >= s.measured_bytes);
}

static void what_was_measured_is_remembered(void **state) {
        (void) state;
        add_model("touch=20971520\noverhead=1048576\n");
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.ended);
        eventually(status_of(0).measured_bytes > MIB(20));
        assert_true(status_of(0).predicted_bytes < MIB(5));
        until_for(500, false); /* measured again, now that it has said how full its cache is */
        fleet_unload(w.fleet, "a", false, NULL, NULL);
        eventually(life_of(0) == LIFE_ABSENT);
        close_fleet();

        open_fleet();
        ask(&c, "a");
        eventually(c.ended);
        assert_true(status_of(0).predicted_bytes > MIB(20));
        close_fleet();

        /* Another file of the same name: what was learned no longer holds. */
        write_file(w.paths[0], "overhead=1048576\n");
        open_fleet();
        ask(&c, "a");
        eventually(c.ended);
        assert_true(status_of(0).predicted_bytes < MIB(5));
        close_fleet();

        write_file(path_in("footprints.json"), "{\"version\":1,\"models\":");
        open_fleet();
        ask(&c, "a");
        eventually(c.ended);
        assert_int_equal(access(path_in("footprints.json.damaged"), F_OK), 0);
}

/* Measured wins over declared: after it has shown its size, it no longer fits beside the other. */
static void a_model_that_lied_about_its_size_is_found_out(void **state) {
        (void) state;
        add_model("overhead=1048576\ntouch=73400320\n");
        add_model("weights=41943040\n");
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        eventually(a.ended);
        eventually(status_of(0).measured_bytes > MIB(70));
        ask(&b, "b");
        eventually(b.ended);
        assert_int_equal(life_of(0), LIFE_ABSENT);
}

/* It grows past the budget while others are idle: they make room; alone it cannot help it, and nobody is cut. */
static void an_engine_that_grows_turns_idle_ones_out(void **state) {
        (void) state;
        add_model("overhead=1048576\ngrow=62914560\ntoken_ms=10\n");
        add_model("weights=52428800\n");
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&b, "b");
        eventually(b.ended);
        ask_for(&a, "a", 500);
        eventually(life_of(1) == LIFE_ABSENT);
        assert_false(a.failed);
        eventually(a.ended);
}

/* --- for a year --- */

static void nothing_is_left_behind(void **state) {
        (void) state;
        add_model("token_ms=1\n")->keep_alive_ms = 0;
        add_model("");
        open_fleet();
        struct client c = { 0 };
        ask(&c, "b");
        eventually(c.ended);
        int before = open_descriptors();
        for (int i = 0; i < 20; i++) {
                ask(&c, "a");
                eventually(c.ended);
                eventually(life_of(0) == LIFE_ABSENT);
        }
        for (int i = 0; i < 1000; i++) {
                ask(&c, "b");
                if (i % 3 == 0) {
                        until_for(1, done(&c));
                        if (!done(&c))
                                ask_cancel(c.ask);
                } else {
                        eventually(c.ended);
                }
        }
        until_for(200, false);
        assert_in_range(open_descriptors(), 0, before);
        assert_int_equal(status_of(1).running, 0);
        assert_int_equal(status_of(1).waiting, 0);
        assert_int_equal(status_of(1).deaths, 0);
}

#define in_a_world(TEST) cmocka_unit_test_setup_teardown(TEST, build_world, end_world)

int main(int argc, char **argv) {
        log_open(LOG_LEVEL_ERROR);
        const struct CMUnitTest tests[] = {
                in_a_world(the_first_request_loads_and_is_answered),
                in_a_world(ten_at_once_start_one_process),
                in_a_world(an_unknown_model_is_refused_at_once),
                in_a_world(embeddings_pass_through),
                in_a_world(what_the_engine_refuses_is_told),
                in_a_world(preloaded_without_a_request),
                in_a_world(a_client_that_leaves_while_loading_costs_nothing),
                in_a_world(a_client_that_leaves_before_the_size_is_known_stops_the_load),
                in_a_world(a_client_that_leaves_in_the_middle_frees_its_place),
                in_a_world(a_paused_answer_waits_for_its_reader),
                in_a_world(callbacks_may_ask_and_leave),
                in_a_world(an_idle_model_goes_after_its_time),
                in_a_world(a_pinned_model_stays),
                in_a_world(an_idle_model_makes_room),
                in_a_world(exactly_the_budget_fits),
                in_a_world(loads_that_fit_run_at_once),
                in_a_world(a_busy_model_is_never_cut),
                in_a_world(a_hot_model_gives_way_in_time),
                in_a_world(two_waiters_share_one_eviction),
                in_a_world(what_can_never_fit_is_refused_with_the_numbers),
                in_a_world(pinned_in_the_way_is_said_at_once),
                in_a_world(a_request_during_the_stop_loads_it_again),
                in_a_world(an_engine_that_ignores_us_is_killed),
                in_a_world(a_damaged_file_is_refused_with_the_sentence),
                in_a_world(a_missing_file_is_said_by_name),
                in_a_world(a_missing_engine_is_said_by_name),
                in_a_world(an_engine_that_cannot_load_says_why_and_is_left_alone),
                in_a_world(an_engine_that_dies_loading_is_left_alone),
                in_a_world(an_engine_that_is_never_ready_is_ended),
                in_a_world(who_was_told_nothing_is_answered_by_the_next_engine),
                in_a_world(who_was_told_something_is_told_of_the_end),
                in_a_world(who_can_take_it_back_is_answered_anew),
                in_a_world(a_request_that_kills_two_engines_ends_and_the_model_rests),
                in_a_world(a_stray_kill_is_forgiven),
                in_a_world(an_engine_that_talks_nonsense_is_ended),
                in_a_world(an_engine_that_hangs_is_ended),
                in_a_world(an_engine_that_is_slow_is_not),
                in_a_world(a_full_queue_is_said_at_once),
                in_a_world(nobody_waits_for_ever),
                in_a_world(the_operator_loads_and_unloads),
                in_a_world(a_load_that_fails_is_told_to_the_operator),
                in_a_world(unloading_waits_for_running_answers),
                in_a_world(unloading_by_force_does_not_wait),
                in_a_world(stopping_ends_everything),
                in_a_world(an_engine_is_measured),
                in_a_world(what_was_measured_is_remembered),
                in_a_world(a_model_that_lied_about_its_size_is_found_out),
                in_a_world(an_engine_that_grows_turns_idle_ones_out),
                in_a_world(nothing_is_left_behind),
        };
        if (argc > 1)
                cmocka_set_test_filter(argv[1]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
