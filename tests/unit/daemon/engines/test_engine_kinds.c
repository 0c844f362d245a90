/*
 * test_engine_kinds.c - the fleet works with any engine by its table of verbs: one of another kind is played here, that has no
 * process and few verbs. Those that it lacks are NULL, so that a call of one ends the test.
 */
#include "tests/unit/daemon/governor/governor_fixture.h"

#include "daemon/engines/embedded.h"
#include "daemon/engines/engine.h"

#define LEVERS                                                                                                             \
        (ACTION_BIT(ACTION_TRIM) | ACTION_BIT(ACTION_CHUNK) | ACTION_BIT(ACTION_CONTEXT) | ACTION_BIT(ACTION_DOWNSHIFT) |  \
         ACTION_BIT(ACTION_POOL) | ACTION_BIT(ACTION_TURN_OUT) | ACTION_BIT(ACTION_UPSHIFT) | ACTION_BIT(ACTION_SUSPEND) | \
         ACTION_BIT(ACTION_RESUME))

/* --- the other kind --- */

static struct {
        struct model *model; /* NULL: none runs */
        bool deaf, refuses;
        uint32_t starts, sent, cancelled, stopped, ended;
        uint64_t id, cancelled_id; /* of the last one */
} played;

static int play_start(struct model *m, const struct engine_start *with) {
        assert_null(played.model);
        if (played.refuses)
                return -ENOENT;
        assert_int_equal(with->model_fds_count, 1);
        assert_int_equal(with->cgroup_fd, -1);
        m->engine.process = &played;
        played.model = m;
        played.starts++;
        return 0;
}

static bool play_ready(const struct model *m) {
        assert_ptr_equal(m->engine.process, &played);
        return !played.deaf;
}

static int play_send(struct model *m, struct request *request) {
        assert_ptr_equal(m, played.model);
        request->id = ++played.id;
        played.sent++;
        return 0;
}

static void play_cancel(struct model *m, uint64_t id) {
        assert_ptr_equal(m, played.model);
        played.cancelled++;
        played.cancelled_id = id;
}

static void play_stop(struct model *m) {
        assert_ptr_equal(m, played.model);
        played.stopped++;
}

static void play_end_at_once(struct model *m) {
        assert_ptr_equal(m, played.model);
        played.ended++;
}

static const char *play_last_words(const struct model *m) {
        assert_ptr_equal(m, played.model);
        return "these were its last words";
}

static const struct engine_ops played_engine = {
        .start = play_start,
        .ready = play_ready,
        .send = play_send,
        .cancel = play_cancel,
        .stop = play_stop,
        .end_at_once = play_end_at_once,
        .last_words = play_last_words,
};

static void says_ready(void) {
        played.model->engine.events->on_ready(played.model, &(struct engine_ready){ .context = 512, .parallel = 2 });
}

static void answers(uint64_t id, enum answer_kind says, const char *fields) {
        cJSON *frame = cJSON_Parse(fields);
        struct request *request = requests_running(played.model, id);
        assert_non_null(frame);
        assert_non_null(request);
        assert_true(played.model->engine.events->on_answer(played.model, request, says, frame));
        cJSON_Delete(frame);
}

static void exits(void) {
        struct model *m = played.model;
        m->engine.events->on_exit(m, (struct child_exit){ 0 });
        played.model = NULL;
}

static void open_other_fleet(void) {
        memset(&played, 0, sizeof(played));
        open_fleet();
        w.fleet->models[0]->ops = &played_engine;
}

/* Loaded, with a request of C on its way. */
static void one_asked(struct client *c) {
        add_model("");
        open_other_fleet();
        ask(c, "a");
        eventually(played.model);
        assert_int_equal(life_of(0), MODEL_LOADING);
        says_ready();
        eventually(played.sent == 1);
}

static void stops(void) {
        fleet_stop(w.fleet, on_stopped, NULL);
        eventually(played.stopped == 1);
        exits();
        eventually(w.stopped);
        fleet_free(w.fleet);
        w.fleet = NULL;
        w.stopped = false;
}

/* --- tests --- */

static void it_is_loaded_asked_and_stopped(void **state) {
        (void) state;
        struct client c[2] = { 0 };
        one_asked(&c[0]);
        assert_int_equal(status_of(0).n_ctx, 512);
        assert_int_equal(status_of(0).pid, 0);
        assert_string_equal(status_of(0).last_stderr, "these were its last words");
        answers(1, ANSWER_START, "{\"prompt_tokens\":7}");
        answers(1, ANSWER_TEXT, "{\"text\":\"hello\"}");
        request_pause(c[0].request); /* it has no verb for that */
        request_resume(c[0].request);
        assert_string_equal(c[0].text, "hello");
        ask(&c[1], "a");
        request_pause(c[1].request); /* nor for one that begins so */
        eventually(played.sent == 2);
        request_cancel(c[1].request);
        assert_int_equal(played.cancelled, 1);
        assert_int_equal(played.cancelled_id, 2);
        answers(1, ANSWER_END, "{\"finish\":\"stop\"}");
        assert_true(c[0].ended);
        stops();
        assert_int_equal(played.ended, 0);
}

static void it_is_sent_nothing_while_it_is_not_ready(void **state) {
        (void) state;
        struct client c[4] = { 0 };
        one_asked(&c[0]);
        played.deaf = true;
        ask(&c[1], "a");
        until_for(50, false);
        assert_int_equal(played.sent, 1);
        played.deaf = false;
        ask(&c[2], "a");
        eventually(played.sent == 2);
        ask(&c[3], "a"); /* it takes two at a time */
        until_for(50, false);
        assert_int_equal(played.sent, 2);
        for (int i = 0; i < 4; i++)
                request_cancel(c[i].request);
        stops();
}

static void one_that_cannot_start_is_refused(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("");
        open_other_fleet();
        played.refuses = true;
        ask(&c, "a");
        eventually(c.failed);
        assert_string_equal(c.failure.code, "load_failed");
        assert_int_equal(played.starts, 0);
}

static void what_it_fails_by_is_told(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("");
        open_other_fleet();
        ask(&c, "a");
        eventually(played.model);
        played.model->engine.events->on_failed(played.model, "it has no such model");
        exits();
        eventually(c.failed);
        assert_non_null(strstr(c.failure.message, "it has no such model"));
}

static void it_is_ended_at_once(void **state) {
        (void) state;
        struct client c = { 0 };
        one_asked(&c);
        answers(1, ANSWER_TEXT, "{\"text\":\"hel\"}"); /* what has begun is not sent to the next one */
        struct plan plan = plan_of((struct action){ .kind = ACTION_END, .model = 0 });
        plan.emergency = true;
        carry_out(&plan);
        assert_int_equal(played.ended, 1); /* by the emergency itself */
        exits();
        eventually(c.failed && life_of(0) == MODEL_ABSENT);
        assert_int_equal(played.ended, 1);
}

/* An engine that hangs while it stops is ended, too. */
static void one_that_does_not_stop_is_ended(void **state) {
        (void) state;
        struct client c = { 0 };
        w.config.stop_timeout_ms = 50;
        one_asked(&c);
        request_cancel(c.request);
        fleet_stop(w.fleet, on_stopped, NULL);
        eventually(played.stopped == 1 && played.ended == 1);
        exits();
        eventually(w.stopped);
        fleet_free(w.fleet);
        w.fleet = NULL;
}

static void what_it_lacks_is_seen(void **state) {
        (void) state;
        struct client c = { 0 };
        one_asked(&c);
        assert_int_equal(view_of(0)->lacks, LEVERS);
        assert_true(view_of(0)->obeys); /* it makes no report that could be waited for */
        request_cancel(c.request);
        stops();
}

/* No verb that an engine lacks is called, whatever plan asks for it, by either way of carrying it out. */
static void what_it_lacks_is_not_asked_for(void **state) {
        (void) state;
        struct client c = { 0 };
        one_asked(&c);
        for (int kind = ACTION_TRIM; kind < ACTION_COUNT; kind++)
                for (int emergency = 0; (LEVERS & ACTION_BIT(kind)) && emergency < 2; emergency++) {
                        struct plan plan = plan_of(
                                (struct action){ .kind = (enum action_kind) kind, .model = 0, .level = KV_Q8_0, .value = 64 });
                        plan.emergency = emergency;
                        carry_out(&plan);
                        assert_int_equal(told.action.kind, kind);
                        assert_int_equal(told.result, -EOPNOTSUPP);
                }
        struct plan hot = plan_of((struct action){ 0 });
        hot.actions_count = 0;
        hot.duty_permille = 500;
        uint64_t ticks = w.fleet->tick_count;
        carry_out(&hot);
        eventually(w.fleet->tick_count > ticks);
        request_cancel(c.request);
        stops();
}

/* Nor when it has been idle for long, or is to leave: it is not asked for its report, nor for prefixes of prompts. */
static void nothing_of_it_is_kept(void **state) {
        (void) state;
        struct client c = { 0 };
        w.config.cache_bytes = MIB(64);
        w.config.cache_idle_ms = 1;
        one_asked(&c);
        assert_non_null(w.fleet->prefix_cache);
        answers(1, ANSWER_END, "{\"finish\":\"stop\"}");
        until_for(50, false);
        stops();
        (void) rmdir(path_in("prompts"));
}

static void it_may_be_another_for_each_model(void **state) {
        (void) state;
        struct client c[2] = { 0 };
        add_model("");
        add_model("");
        open_other_fleet();
        ask(&c[0], "a");
        ask(&c[1], "b");
        eventually(c[1].ended && played.model);
        assert_int_equal(view_of(1)->lacks, 0);
        says_ready();
        eventually(played.sent == 1);
        answers(1, ANSWER_END, "{\"finish\":\"length\"}");
        assert_true(c[0].ended);
        stops();
}

/* A kind that says it can has the verb. */
static void ours_has_every_verb(void **state) {
        (void) state;
        const struct engine_ops *e = &embedded_engine;
        assert_true(e->can.trims && e->can.changes_chunk && e->can.changes_context && e->can.lowers_kv && e->can.suspends &&
                    e->can.saves_prefixes && e->can.throttles && e->can.pauses && e->can.reports && e->can.freezes);
        assert_true(e->start && e->ready && e->send && e->cancel && e->pause && e->measure && e->slow_down && e->make_smaller &&
                    e->downshift_now && e->suspend && e->restore && e->save_candidate && e->save && e->found_file && e->stop &&
                    e->end_at_once && e->last_words);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                with_fixture(it_is_loaded_asked_and_stopped),
                with_fixture(it_is_sent_nothing_while_it_is_not_ready),
                with_fixture(one_that_cannot_start_is_refused),
                with_fixture(what_it_fails_by_is_told),
                with_fixture(it_is_ended_at_once),
                with_fixture(one_that_does_not_stop_is_ended),
                with_fixture(what_it_lacks_is_seen),
                with_fixture(what_it_lacks_is_not_asked_for),
                with_fixture(nothing_of_it_is_kept),
                with_fixture(it_may_be_another_for_each_model),
                cmocka_unit_test(ours_has_every_verb),
        };
        return run_with_fixtures(argc, argv, tests);
}
