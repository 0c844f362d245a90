/* test_models.c - models are loaded when they are asked for, and leave when others need the room. */
#include "tests/unit/daemon/models/models_fixture.h"
#include "daemon/models/adopt.h"
#include "daemon/models/tracing.h"

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
        assert_int_equal(s.state, MODEL_READY);
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
        assert_int_equal(ask_with(&c, "b", REQUEST_CHAT, &client_events, "{}"), -ENOENT);
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
        assert_int_equal(ask_with(&c, "a", REQUEST_EMBED, &client_events, "{\"input\":[\"x\"]}"), 0);
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
        assert_int_equal(life_of(0), MODEL_READY);
}

static void what_no_context_could_hold_is_not_sent(void **state) {
        (void) state;
        add_model("request_max=300\n");
        open_fleet();
        struct client c = { 0 }, next = { 0 };
        char body[512];
        (void) snprintf(body, sizeof(body), "{\"prompt\":\"%0400d\"}", 0);
        assert_int_equal(ask_with(&c, "a", REQUEST_COMPLETION, &client_events, body), 0);
        eventually(c.failed);
        assert_int_equal(c.failure.status, 400);
        assert_string_equal(c.failure.kind, "exceed_context_size_error");
        assert_string_equal(c.failure.code, "context_length_exceeded");
        assert_non_null(strstr(c.failure.message, "maximum context length"));
        assert_int_equal(c.failure.n_ctx, 1024);
        assert_int_equal(c.failure.should_retry, -1);
        ask(&next, "a");
        eventually(next.ended);
        assert_int_equal(status_of(0).loads, 1);
}

static void preloaded_without_a_request(void **state) {
        (void) state;
        add_model("")->preload = true;
        open_fleet();
        eventually(life_of(0) == MODEL_READY);
}

static void a_preloaded_one_comes_back_only_when_it_died(void **state) {
        (void) state;
        add_model("")->preload = true;
        w.models[0].keep_alive_ms = 100;
        open_fleet();
        eventually(life_of(0) == MODEL_READY);
        assert_int_equal(kill(status_of(0).pid, SIGKILL), 0);
        eventually(status_of(0).deaths == 1 && life_of(0) == MODEL_READY);
        eventually(life_of(0) == MODEL_ABSENT);
        until_for(300, life_of(0) != MODEL_ABSENT);
        assert_int_equal(life_of(0), MODEL_ABSENT);
        assert_int_equal(status_of(0).loads, 2);
}

static void a_client_that_leaves_while_loading_costs_nothing(void **state) {
        (void) state;
        add_model("load_ms=100\n");
        open_fleet();
        struct client c = { 0 }, later = { 0 };
        ask(&c, "a");
        eventually(life_of(0) == MODEL_LOADING);
        request_cancel(c.request);
        struct fleet_status s;
        fleet_status(w.fleet, &s);
        assert_int_equal(s.requests_waiting, 0);
        eventually(life_of(0) == MODEL_READY);
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
        eventually(life_of(0) == MODEL_INSPECTING);
        request_cancel(c.request);
        eventually(life_of(0) == MODEL_ABSENT);
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
        request_cancel(first.request);
        eventually(second.ended);
        assert_string_equal(second.text, "t1 t2 t3 ");
}

static void a_paused_answer_waits_for_its_reader(void **state) {
        (void) state;
        add_model("token_ms=5\n");
        open_fleet();
        struct client c = { 0 };
        ask_for(&c, "a", 20);
        request_pause(c.request); /* before it was even sent */
        until_for(300, c.ended || c.failed);
        assert_string_equal(c.failure.message, "");
        size_t said = strlen(c.text);
        assert_true(said < 10);
        request_resume(c.request);
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
        assert_int_equal(life_of(0), MODEL_READY);
        assert_true(status_of(0).expires_in_ms >= 0);
        eventually(life_of(0) == MODEL_ABSENT);
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
        assert_int_equal(life_of(0), MODEL_READY);
        assert_int_equal(status_of(0).expires_in_ms, -1);
}

static void a_request_says_how_long_its_model_stays(void **state) {
        (void) state;
        add_model("");
        open_fleet();
        struct client first = { 0 }, silent = { 0 }, last = { 0 };
        ask(&first, "a");
        request_keep_alive(first.request, 60000);
        eventually(first.ended);
        assert_in_range(status_of(0).expires_in_ms, 50000, 60000);
        ask(&silent, "a");
        eventually(silent.ended);
        assert_in_range(status_of(0).expires_in_ms, 50000, 60000);
        ask(&last, "a");
        request_keep_alive(last.request, 0);
        eventually(last.ended && life_of(0) == MODEL_ABSENT);
        ask(&silent, "a");
        eventually(silent.ended);
        assert_int_equal(status_of(0).expires_in_ms, -1); /* for ever, as configured */
        assert_int_equal(status_of(0).loads, 2);
}

static void a_load_ends_when_the_model_is_there(void **state) {
        (void) state;
        add_model("load_ms=50\nparallel=1\ntoken_ms=20\n");
        open_fleet();
        struct client load = { 0 }, busy = { 0 };
        assert_int_equal(ask_with(&load, "a", REQUEST_LOAD, &client_events, ""), 0);
        request_keep_alive(load.request, 60000);
        eventually(load.ended);
        assert_string_equal(load.finish, "load");
        assert_int_equal(life_of(0), MODEL_READY);
        assert_int_equal(status_of(0).requests, 0);
        assert_in_range(status_of(0).expires_in_ms, 50000, 60000);
        ask_for(&busy, "a", 1000);
        eventually(busy.starts);
        assert_int_equal(ask_with(&load, "a", REQUEST_LOAD, &client_events, ""), 0);
        eventually(load.ended); /* although there is no place */
        assert_false(done(&busy));
        request_cancel(busy.request);
}

static void a_load_fails_as_others_do(void **state) {
        (void) state;
        add_model("load_fail=no such luck\n");
        open_fleet();
        struct client load = { 0 };
        assert_int_equal(ask_with(&load, "a", REQUEST_LOAD, &client_events, ""), 0);
        eventually(load.failed);
        struct fleet_status s;
        fleet_status(w.fleet, &s);
        assert_int_equal(s.requests_waiting, 0);
}

static void a_model_is_let_go_when_it_is_idle(void **state) {
        (void) state;
        add_model("parallel=1\ntoken_ms=20\n");
        add_model("")->pinned = true;
        open_fleet();
        struct client runs = { 0 }, waits = { 0 };
        assert_int_equal(fleet_dismiss(w.fleet, "a"), 0);
        assert_int_equal(fleet_dismiss(w.fleet, "b"), -EPERM);
        assert_int_equal(fleet_dismiss(w.fleet, "none"), -ENOENT);
        ask(&runs, "a");
        eventually(runs.starts);
        ask(&waits, "a");
        assert_int_equal(fleet_dismiss(w.fleet, "a"), 0);
        eventually(life_of(0) == MODEL_ABSENT);
        assert_true(runs.ended && waits.ended);
        assert_int_equal(status_of(0).loads, 1);
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
        assert_int_equal(life_of(0), MODEL_ABSENT);
        assert_int_equal(life_of(1), MODEL_READY);
}

static void exactly_the_budget_fits(void **state) {
        (void) state;
        /* KV cache: 2048 tokens of 1 KiB each. */
        add_model("weights=50331648\n")->kv_tokens = 2048;
        add_model("weights=50331648\n")->kv_tokens = 2048;
        w.config.budget_bytes = 2 * (MIB(48) + MIB(2));
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        ask(&b, "b");
        eventually(a.ended && b.ended);
        assert_int_equal(life_of(0), MODEL_READY);
        assert_int_equal(life_of(1), MODEL_READY);
        close_fleet();

        w.config.budget_bytes--;
        open_fleet();
        ask(&a, "a");
        eventually(a.ended);
        ask(&b, "b");
        eventually(b.ended);
        assert_int_equal(life_of(0), MODEL_ABSENT);
}

static void loads_that_fit_run_at_once(void **state) {
        (void) state;
        add_model("load_ms=400\n");
        add_model("load_ms=400\n");
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        ask(&b, "b");
        eventually(life_of(0) == MODEL_LOADING && life_of(1) == MODEL_LOADING);
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
        assert_int_equal(life_of(0), MODEL_ABSENT);
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
        assert_non_null(strstr(a.failure.message, "201 MiB")); /* with a KV cache for one context */
        assert_non_null(strstr(a.failure.message, "1024 tokens in f16"));
        assert_non_null(strstr(a.failure.message, "100 MiB"));
        assert_int_equal(life_of(1), MODEL_READY);
}

/* What it was answered the last time it waited is no answer to this one. */
static void an_old_answer_is_not_told_again(void **state) {
        (void) state;
        static const struct governed nobody;
        add_model("");
        open_fleet();
        fleet_govern(w.fleet, &nobody, NULL); /* nobody answers, as while memory runs out */
        w.fleet->models[0]->last_answer = (struct load){ .verdict = VERDICT_SHORT, .room = { RULE_AVAILABLE, 3, 2, 1 } };
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.why[0]);
        assert_int_equal(life_of(0), MODEL_WAITING);
        assert_non_null(strstr(c.why, "making room"));
        assert_int_equal(w.fleet->models[0]->last_answer.room.rule, RULE_NONE);
        request_cancel(c.request);
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
        assert_int_equal(life_of(0), MODEL_READY);
}

/* 10 MiB of weights, 64 KiB of KV a token: 138 MiB for two contexts, 74 for one, 42 for one in q8_0. */
static void what_does_not_fit_as_wanted_is_loaded_smaller(void **state) {
        (void) state;
        add_model("weights=10485760\nkv=65536\n");
        add_model("weights=10485760\nkv=65536\n");
        w.models[0].pinned = true;
        w.models[1].kv_floor = KV_Q4_0;
        w.config.budget_bytes = MIB(118);
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        eventually(a.ended);
        assert_int_equal(status_of(0).kv_bytes, MIB(64));
        assert_string_equal(status_of(0).kv_type, "f16");
        ask(&b, "b");
        eventually(b.ended);
        assert_int_equal(status_of(1).kv_bytes, MIB(32));
        assert_string_equal(status_of(1).kv_type, "q8_0");
        assert_int_equal(life_of(0), MODEL_READY);
}

/* 10 MiB of weights, 64 KiB of KV a token: 138 MiB at first, 266 when the pool has grown to all it can. */
static void a_pool_grows_and_gives_way(void **state) {
        (void) state;
        add_model("weights=10485760\nkv=65536\npool=2048\npool_needed=3000\npool_max=4096\ntoken_ms=5\nheartbeat_ms=50\n");
        add_model("weights=10485760\nkv=16384\n");
        w.config.budget_bytes = MIB(270);
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        eventually(status_of(0).kv_tokens == 4096); /* 3000 and a quarter, in whole steps */
        assert_int_equal(status_of(0).predicted_bytes, MIB(10 + 256));
        eventually(a.ended);
        ask(&b, "b");
        eventually(b.ended);
        assert_int_equal(life_of(0), MODEL_READY); /* it has given back what it does not need */
        assert_int_equal(status_of(0).kv_tokens, 3000);
        assert_int_equal(status_of(0).loads, 1);
}

/* What is free beside the weights is 1024 MiB, and half of that is 8192 tokens. */
static void the_context_is_what_there_is_room_for(void **state) {
        (void) state;
        add_model("weights=10485760\nkv=65536\nctx_train=100000\n");
        w.config.budget_bytes = MIB(1034);
        open_fleet();
        struct client a = { 0 };
        eventually(status_of(0).n_ctx == 8192); /* before anybody has asked */
        ask(&a, "a");
        eventually(a.ended);
        assert_int_equal(w.fleet->models[0]->context, 8192);
}

static void a_request_during_the_stop_loads_it_again(void **state) {
        (void) state;
        add_model("deaf=1\n")->keep_alive_ms = 50;
        w.config.stop_timeout_ms = 300;
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.ended);
        eventually(life_of(0) == MODEL_STOPPING);
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
        eventually(life_of(0) == MODEL_ABSENT);
        assert_int_equal(kill(pid, 0), -1);
        assert_string_equal(status_of(0).last_exit, "killed by SIGKILL");
        assert_int_equal(status_of(0).deaths, 0);
}

/* --- another configuration --- */

/* Its texts are the configuration's own, as those of a file are. */
static struct config_model own_copy(const struct config_model *m, const char *id) {
        struct config_model own = *m;
        own.id = strdup(id);
        own.path = strdup(m->path);
        return own;
}

static void take_models(struct config_model *next, uint32_t count) {
        struct config_model *before = w.config.models;
        uint32_t before_count = w.config.models_count;
        w.config.models = next;
        w.config.models_count = count;
        fleet_adopt(w.fleet, before, before_count);
}

/* Of equals policy takes the first, and a recording lists them by their numbers (policy/record/snapshot_lists.h). */
static void policy_sees_models_in_the_order_of_their_numbers(void **state) {
        (void) state;
        static struct config_model next[2];
        static struct snapshot snapshot;
        add_model("");
        open_fleet();
        next[0] = own_copy(&w.models[0], "z");
        next[1] = w.models[0];
        take_models(next, 2);
        struct client c[2] = { 0 };
        ask(&c[0], "a");
        ask(&c[1], "z");
        eventually(all_done(c, 2));
        assert_string_equal(status_of(0).id, "z");
        snapshot.now_ms = fleet_clock_ms();
        fleet_view(w.fleet, &snapshot);
        assert_int_equal(snapshot.models_count, 2);
        for (uint32_t i = 0; i < 2; i++)
                assert_int_equal(snapshot.models[i].id, i);
        close_fleet();
        config_model_done(&next[0]);
}

static uint32_t traces_begun, traces_ended;

static void on_trace(void *user, uint32_t model, bool runs, enum reason because) {
        (void) user, (void) model, (void) because;
        *(runs ? &traces_begun : &traces_ended) += 1;
}

static void on_trace_begun(void *user, int error, const struct trace_info *info) {
        (void) info;
        assert_int_equal(error, 0);
        *(bool *) user = true;
}

/* Its file is opened on a thread, while the model is already on its way out. */
static void a_trace_that_begins_while_its_model_goes_ends_with_it(void **state) {
        (void) state;
        bool is_told = false;
        add_model("");
        w.models[0] = own_copy(&w.models[0], "a");
        open_fleet();
        fleet_on_trace(w.fleet, on_trace, NULL);
        traces_begun = traces_ended = 0;
        eventually(status_of(0).predicted_bytes > 0);
        assert_int_equal(fleet_trace_begin(w.fleet, 0, 5, on_trace_begun, &is_told), REASON_NONE);
        take_models(NULL, 0);
        fleet_tick(w.fleet);
        eventually(is_told && w.fleet->models_count == 0);
        assert_int_equal(traces_begun, 1);
        assert_int_equal(traces_ended, 1);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                with_fixture(the_first_request_loads_and_is_answered),
                with_fixture(ten_at_once_start_one_process),
                with_fixture(an_unknown_model_is_refused_at_once),
                with_fixture(embeddings_pass_through),
                with_fixture(what_the_engine_refuses_is_told),
                with_fixture(what_no_context_could_hold_is_not_sent),
                with_fixture(preloaded_without_a_request),
                with_fixture(a_preloaded_one_comes_back_only_when_it_died),
                with_fixture(a_client_that_leaves_while_loading_costs_nothing),
                with_fixture(a_client_that_leaves_before_the_size_is_known_stops_the_load),
                with_fixture(a_client_that_leaves_in_the_middle_frees_its_place),
                with_fixture(a_paused_answer_waits_for_its_reader),
                with_fixture(callbacks_may_ask_and_leave),
                with_fixture(an_idle_model_goes_after_its_time),
                with_fixture(a_pinned_model_stays),
                with_fixture(a_request_says_how_long_its_model_stays),
                with_fixture(a_load_ends_when_the_model_is_there),
                with_fixture(a_load_fails_as_others_do),
                with_fixture(a_model_is_let_go_when_it_is_idle),
                with_fixture(an_idle_model_makes_room),
                with_fixture(exactly_the_budget_fits),
                with_fixture(loads_that_fit_run_at_once),
                with_fixture(a_busy_model_is_never_cut),
                with_fixture(a_hot_model_gives_way_in_time),
                with_fixture(two_waiters_share_one_eviction),
                with_fixture(what_can_never_fit_is_refused_with_the_numbers),
                with_fixture(an_old_answer_is_not_told_again),
                with_fixture(pinned_in_the_way_is_said_at_once),
                with_fixture(what_does_not_fit_as_wanted_is_loaded_smaller),
                with_fixture(a_pool_grows_and_gives_way),
                with_fixture(the_context_is_what_there_is_room_for),
                with_fixture(a_request_during_the_stop_loads_it_again),
                with_fixture(an_engine_that_ignores_us_is_killed),
                with_fixture(policy_sees_models_in_the_order_of_their_numbers),
                with_fixture(a_trace_that_begins_while_its_model_goes_ends_with_it),
        };
        return run_with_fixtures(argc, argv, tests);
}
