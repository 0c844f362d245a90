/* test_models_failing.c - files that are damaged, engines that die, lie, hang and grow, an operator, and an orderly end. */
#include "tests/unit/daemon/models/models_fixture.h"

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
        assert_int_equal(ask_with(&late, "a", REQUEST_CHAT, &client_events, "{}"), -EAGAIN);
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
        eventually(life_of(0) == MODEL_ABSENT);
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
        eventually(life_of(0) == MODEL_ABSENT);
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
        assert_int_equal(ask_with(&c, "a", REQUEST_CHAT, &patient_events, "{}"), 0);
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
        assert_int_equal(ask_with(&late, "a", REQUEST_CHAT, &client_events, "{}"), -EAGAIN);
        assert_string_equal(late.failure.code, "load_cooldown");
        /* The operator knows better. */
        write_file(w.paths[0], "");
        fleet_load(w.fleet, "a", NULL, NULL);
        eventually(life_of(0) == MODEL_READY);
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

/* The memory of the engine was back before we knew, so no model waits for it to come back. */
static void a_large_one_that_dies_is_replaced_at_once(void **state) {
        (void) state;
        add_model("touch=314572800\noverhead=314572800\n");
        w.config.budget_bytes = MIB(1000);
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.ended);
        eventually(status_of(0).measured_bytes > MIB(300));
        uint64_t began = uv_hrtime();
        assert_int_equal(kill(status_of(0).pid, SIGKILL), 0);
        eventually(life_of(0) == MODEL_ABSENT);
        assert_true(uv_hrtime() - began < FREED_WAIT_MAX_MS * 1000000u);
        ask(&c, "a");
        eventually(c.ended);
        /* An engine that is told to go is seen to have gone. */
        fleet_unload(w.fleet, "a", false, NULL, NULL);
        eventually(life_of(0) == MODEL_ABSENT);
        assert_int_equal(status_of(0).measured_bytes, 0);
}

/* What had failed was replaced: there is no reason to wait any longer. */
static void a_rest_ends_with_its_cause(void **state) {
        (void) state;
        add_model("load_signal=9\n");
        open_fleet();
        struct client c[2] = { 0 }, late = { 0 };
        ask(&c[0], "a");
        eventually(c[0].failed);
        assert_int_equal(ask_with(&late, "a", REQUEST_CHAT, &client_events, "{}"), -EAGAIN);
        assert_string_equal(late.failure.code, "load_cooldown");
        write_file(w.paths[0], "tokens=2\n");
        ask(&c[1], "a");
        eventually(c[1].ended);
        assert_int_equal(status_of(0).cooldown_ms, 0);
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
        { "the wire protocol of the release before", "version=2\n", "speaks another version of the wire protocol" },
        { "one that does not exist yet", "version=4\n", "speaks another version of the wire protocol" },
        { "ready twice", "say_at=0\nsay={\"type\":\"ready\",\"version\":1}\n", "twice" },
        { "text without text", "say_at=1\nsay={\"type\":\"text\",\"id\":1}\n", "not what its type says" },
        { "an end without a finish", "say_at=1\nsay={\"type\":\"end\",\"id\":1}\n", "not what its type says" },
        { "a lookup where nothing is saved", "say_at=0\nsay={\"type\":\"lookup\",\"id\":1,\"prefix_hashes\":\"\"}\n",
          "not what its type says" },
        { "a candidate that nobody asked for",
          "say_at=0\nsay={\"type\":\"save_candidate\",\"id\":1,\"tokens\":0,\"bytes\":0,\"prefix_hashes\":\"\"}\n",
          "not what its type says" },
        { "saved what was not to be saved", "say_at=0\nsay={\"type\":\"saved\",\"id\":1,\"bytes\":5}\n",
          "not what its type says" },
        { "a corrupt file that it never had", "say_at=0\nsay={\"type\":\"corrupt\",\"id\":1,\"error\":\"x\",\"damaged\":true}\n",
          "not what its type says" },
        { "a note without words", "say_at=0\nsay={\"type\":\"note\",\"id\":1}\n", "not what its type says" },
        { "a note behind the start", "say_at=1\nsay={\"type\":\"note\",\"id\":1,\"message\":\"x\"}\n", "not what its type says" },
        { "text before the start", "say_at=0\nsay={\"type\":\"text\",\"id\":1,\"text\":\"x\"}\n", "not what its type says" },
        { "a second start", "say_at=1\nsay={\"type\":\"start\",\"id\":1,\"prompt_tokens\":7}\n", "not what its type says" },
        { "more of a prompt cached than there is",
          "say_at=0\nsay={\"type\":\"start\",\"id\":1,\"prompt_tokens\":7,\"cached_tokens\":8}\n", "not what its type says" },
        { "a header of its own", "say_at=0\nsay={\"type\":\"start\",\"id\":1,\"prompt_tokens\":7,\"relaxed\":\"a\\r\\nb: c\"}\n",
          "not what its type says" },
        { "half a token", "say_at=1\nsay={\"type\":\"end\",\"id\":1,\"finish\":\"stop\",\"usage\":{\"completion_tokens\":0.5}}\n",
          "not what its type says" },
        { "more reasoning than tokens",
          "say_at=1\nsay={\"type\":\"end\",\"id\":1,\"finish\":\"stop\",\"usage\":{\"completion_tokens\":1,\"reasoning_tokens\":2}}\n",
          "not what its type says" },
        { "a text that is not UTF-8", "say_at=1\nsay={\"type\":\"text\",\"id\":1,\"text\":\"\xff\"}\n", "not UTF-8" },
        { "half a character", "say_at=1\nsay={\"type\":\"text\",\"id\":1,\"text\":\"\xe2\x82\"}\n", "not UTF-8" },
        { "a call that begins with the second",
          "say_at=1\nsay={\"type\":\"text\",\"id\":1,\"kind\":\"call\",\"text\":\"\",\"call\":"
          "{\"index\":1,\"id\":\"a\",\"name\":\"f\"}}\n",
          "not what its type says" },
        { "a call far away",
          "say_at=1\nsay={\"type\":\"text\",\"id\":1,\"kind\":\"call\",\"text\":\"\",\"call\":"
          "{\"index\":1e18,\"id\":\"a\",\"name\":\"f\"}}\n",
          "not what its type says" },
        { "arguments of no call",
          "say_at=1\nsay={\"type\":\"text\",\"id\":1,\"kind\":\"call\",\"text\":\"{}\",\"call\":{\"index\":0}}\n",
          "not what its type says" },
        { "an end by calls without one", "say_at=1\nsay={\"type\":\"end\",\"id\":1,\"finish\":\"tool_calls\"}\n",
          "not what its type says" },
        { "suspended unasked", "say_at=1\nsay={\"type\":\"suspended\",\"id\":1,\"bytes\":5}\n", "not what its type says" },
        { "restored unasked", "say_at=1\nsay={\"type\":\"restored\",\"id\":1,\"recomputed\":false}\n", "not what its type says" },
        { "obeyed unasked", "say_at=1\nsay={\"type\":\"controlled\",\"id\":1}\n", "not what its type says" },
        { "vectors for a chat", "say_at=0\nsay={\"type\":\"embedding\",\"id\":1,\"index\":0,\"vector\":[1]}\n",
          "not what its type says" },
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
                eventually(life_of(0) == MODEL_ABSENT);
                close_fleet();
        }
}

static void one_vector_for_two_texts_is_none(void **state) {
        (void) state;
        add_model("");
        open_fleet();
        struct client c = { 0 };
        assert_int_equal(ask_with(&c, "a", REQUEST_EMBED, &client_events, "{\"input\":[\"x\",\"y\"]}"), 0);
        request_expect_vectors(c.request, 2);
        eventually(c.failed);
        assert_int_equal(c.vectors, 0);
        assert_non_null(strstr(c.failure.message, "not what its type says"));
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

/* It answers when it is asked how it is, and does nothing else. */
static void an_engine_that_only_reports_is_ended(void **state) {
        (void) state;
        add_model("token_ms=60000\nheartbeat_ms=50\n");
        open_fleet();
        w.fleet->ping_after_ms = 100;
        w.fleet->silent_max_ms = 400;
        struct client c = { 0 };
        ask_for(&c, "a", 2);
        eventually(c.failed);
        assert_string_equal(c.failure.code, "engine_died");
        assert_non_null(strstr(c.failure.message, "hangs"));
}

/* What it says to have computed is more than all contexts hold. */
static void an_engine_that_computes_for_ever_is_ended(void **state) {
        (void) state;
        add_model("token_ms=60000\ncomputes=2000\n");
        open_fleet();
        w.fleet->ping_after_ms = 100;
        w.fleet->silent_max_ms = 400;
        struct client c = { 0 };
        ask_for(&c, "a", 2);
        eventually(c.failed);
        assert_string_equal(c.failure.code, "engine_died");
}

/* A slow one has computed something when it is asked how it is. */
static void an_engine_that_is_slow_is_not(void **state) {
        (void) state;
        add_model("token_ms=900\ncomputes=1\n");
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
        assert_int_equal(ask_with(&late, "a", REQUEST_CHAT, &client_events, "{}"), -EAGAIN);
        assert_int_equal(late.failure.status, 429);
        assert_string_equal(late.failure.code, "concurrency_limit");
        assert_int_equal(late.failure.retry_after_s, SERVICE_UNKNOWN_MS / 1000); /* none has ended yet */
        eventually(all_done(c, 3));
}

static void a_full_service_is_said_at_once(void **state) {
        (void) state;
        static struct client c[WAITING_MAX + 1], late;
        add_model("parallel=1\ntoken_ms=1000\n")->queue = 2 * WAITING_MAX;
        open_fleet();
        ask(&c[0], "a");
        eventually(c[0].starts == 1);
        for (uint32_t i = 1; i <= WAITING_MAX; i++)
                ask(&c[i], "a");
        assert_int_equal(ask_with(&late, "a", REQUEST_CHAT, &client_events, "{}"), -EAGAIN);
        assert_int_equal(late.failure.status, 503);
        assert_string_equal(late.failure.code, "queue_full");
        assert_true(late.failure.retry_after_s > 0);
        for (uint32_t i = 0; i <= WAITING_MAX; i++)
                request_cancel(c[i].request);
}

static void nobody_waits_for_ever(void **state) {
        (void) state;
        add_model("parallel=1\ntoken_ms=20\n");
        open_fleet();
        struct client busy = { 0 }, waiter = { 0 };
        ask_for(&busy, "a", 50);
        eventually(busy.starts == 1);
        w.config.wait_timeout_ms = 300; /* on a busy machine the load itself takes longer */
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
        assert_int_equal(life_of(0), MODEL_READY);
        fleet_load(w.fleet, "a", on_done, &again);
        eventually(again.told);
        struct outcome u = { 0 }, twice = { 0 };
        fleet_unload(w.fleet, "a", false, on_done, &u);
        eventually(u.told);
        assert_false(u.failed);
        assert_int_equal(life_of(0), MODEL_ABSENT);
        fleet_unload(w.fleet, "a", false, on_done, &twice);
        eventually(twice.told);
        assert_false(twice.failed);
}

static void the_operator_has_the_size_read_again(void **state) {
        (void) state;
        add_model("");
        char engine[512];
        (void) snprintf(engine, sizeof(engine), "%s", path_in("engine"));
        assert_int_equal(symlink("/bin/false", engine), 0);
        w.config.engine_path = engine;
        open_fleet();
        struct outcome bad = { 0 }, good = { 0 };
        fleet_load(w.fleet, "a", on_done, &bad);
        eventually(bad.told);
        assert_true(bad.failed);
        assert_int_equal(unlink(engine), 0);
        assert_int_equal(symlink(w.engine, engine), 0); /* the right engine has been installed, the file is the same */
        fleet_load(w.fleet, "a", on_done, &good);
        eventually(good.told);
        assert_false(good.failed);
        close_fleet();
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
        assert_int_equal(life_of(0), MODEL_ABSENT);
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
        eventually(life_of(2) == MODEL_LOADING && life_of(3) == MODEL_INSPECTING);
        pid_t pids[] = { status_of(0).pid, status_of(1).pid, status_of(2).pid };
        fleet_stop(w.fleet, on_stopped, NULL);
        assert_int_equal(ask_with(&c[4], "a", REQUEST_CHAT, &client_events, "{}"), -ESHUTDOWN);
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
        add_model("touch=20971520\noverhead=8388608\n");
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.ended);
        eventually(status_of(0).measured_bytes > MIB(20));
        assert_true(status_of(0).predicted_bytes < MIB(12));
        eventually(w.fleet->models[0]->engine.rest_peak_bytes >
                   MIB(12)); /* measured again, now that it has said how full its cache is */
        fleet_unload(w.fleet, "a", false, NULL, NULL);
        eventually(life_of(0) == MODEL_ABSENT);
        close_fleet();

        open_fleet();
        ask(&c, "a");
        eventually(c.ended);
        assert_true(status_of(0).predicted_bytes > MIB(20));
        close_fleet();

        /* How long a load and a request took, too: before it is loaded again. */
        open_fleet();
        eventually(status_of(0).load_ms > 0 && status_of(0).service_ms > 0);
        assert_int_equal(life_of(0), MODEL_ABSENT);
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
        assert_int_equal(life_of(0), MODEL_ABSENT);
}

/* An engine grows past the budget while others are idle: they make room; alone it cannot help it, and no answer is cut. */
static void an_engine_that_grows_turns_idle_ones_out(void **state) {
        (void) state;
        add_model("overhead=1048576\ngrow=62914560\ntoken_ms=10\n");
        add_model("weights=52428800\n");
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&b, "b");
        eventually(b.ended);
        ask_for(&a, "a", 500);
        eventually(life_of(1) == MODEL_ABSENT);
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
                eventually(life_of(0) == MODEL_ABSENT);
        }
        for (int i = 0; i < 1000; i++) {
                ask(&c, "b");
                if (i % 3 == 0) {
                        until_for(1, done(&c));
                        if (!done(&c))
                                request_cancel(c.request);
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

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                with_fixture(a_damaged_file_is_refused_with_the_sentence),
                with_fixture(a_missing_file_is_said_by_name),
                with_fixture(a_missing_engine_is_said_by_name),
                with_fixture(an_engine_that_cannot_load_says_why_and_is_left_alone),
                with_fixture(an_engine_that_dies_loading_is_left_alone),
                with_fixture(an_engine_that_is_never_ready_is_ended),
                with_fixture(who_was_told_nothing_is_answered_by_the_next_engine),
                with_fixture(who_was_told_something_is_told_of_the_end),
                with_fixture(who_can_take_it_back_is_answered_anew),
                with_fixture(a_request_that_kills_two_engines_ends_and_the_model_rests),
                with_fixture(a_stray_kill_is_forgiven),
                with_fixture(a_large_one_that_dies_is_replaced_at_once),
                with_fixture(an_engine_that_talks_nonsense_is_ended),
                with_fixture(an_engine_that_hangs_is_ended),
                with_fixture(a_rest_ends_with_its_cause),
                with_fixture(one_vector_for_two_texts_is_none),
                with_fixture(an_engine_that_only_reports_is_ended),
                with_fixture(an_engine_that_computes_for_ever_is_ended),
                with_fixture(an_engine_that_is_slow_is_not),
                with_fixture(a_full_queue_is_said_at_once),
                with_fixture(a_full_service_is_said_at_once),
                with_fixture(nobody_waits_for_ever),
                with_fixture(the_operator_loads_and_unloads),
                with_fixture(the_operator_has_the_size_read_again),
                with_fixture(a_load_that_fails_is_told_to_the_operator),
                with_fixture(unloading_waits_for_running_answers),
                with_fixture(unloading_by_force_does_not_wait),
                with_fixture(stopping_ends_everything),
                with_fixture(an_engine_is_measured),
                with_fixture(what_was_measured_is_remembered),
                with_fixture(a_model_that_lied_about_its_size_is_found_out),
                with_fixture(an_engine_that_grows_turns_idle_ones_out),
                with_fixture(nothing_is_left_behind),
        };
        return run_with_fixtures(argc, argv, tests);
}
