/*
 * test_governor_actions.c - the governor's actions on real processes that do as they are told: each reaches its engine, its
 * outcome is told, and accounts follow.
 */
#include "tests/unit/daemon/governor/governor_fixture.h"

#include "daemon/cgroup/internal.h"
#include "tests/cgroup_mount.h"

static void an_engine_is_seen_as_it_says(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY "rate=12\nusual_rate=20\nthreads=4\nchunk=256\n");
        const struct model_view *v = view_of(0);
        assert_int_equal(v->state, ACCOUNT_BUSY);
        assert_int_equal(v->generation, 1);
        assert_true(v->obeys && !v->batch && !v->pinned);
        assert_int_equal(v->running, 1);
        assert_int_equal(v->kv_bytes[KV_F16], 1048576);
        assert_int_equal(v->prefix_bytes, 524288);
        assert_int_equal(v->level, KV_F16);
        assert_int_equal(v->ceiling, KV_F16);
        assert_int_equal(v->floor, KV_Q8_0);
        assert_int_equal(v->rate, 12000);
        assert_int_equal(v->usual_rate, 20000);
        assert_int_equal(v->chunk, 256);
        assert_int_equal(v->context, 1024);
        assert_true(v->weights_bytes > 0 && v->bytes > 0);
        request_cancel(c.request);
}

static void each_action_reaches_the_engine(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY "threads=4\nchunk=256\n");
        assert_int_equal(obey((struct action){ .kind = ACTION_TRIM }), 0);
        eventually(view_of(0)->prefix_bytes == 0);
        assert_int_equal(obey((struct action){ .kind = ACTION_CHUNK, .value = 64 }), 0);
        eventually(view_of(0)->chunk == 64 && view_of(0)->chunk_full == 256);
        assert_int_equal(obey((struct action){ .kind = ACTION_CONTEXT, .value = 512 }), 0);
        eventually(view_of(0)->context == 512 && view_of(0)->context_full == 1024);
        assert_int_equal(obey((struct action){ .kind = ACTION_DOWNSHIFT, .level = KV_Q8_0 }), 0);
        eventually(view_of(0)->level == KV_Q8_0 && view_of(0)->kv_bytes[KV_Q8_0] == 1048576 * 34 / 64);
        assert_int_equal(obey((struct action){ .kind = ACTION_DOWNSHIFT, .level = KV_Q8_0 }), -EALREADY);
        assert_int_equal(obey((struct action){ .kind = ACTION_UPSHIFT, .level = KV_F16 }), 0);
        eventually(view_of(0)->level == KV_F16);
        assert_string_equal(status_of(0).kv_now, "f16");
        assert_int_equal(obey((struct action){ .kind = ACTION_DROP_FILES, .model = UINT32_MAX }), 0);
        assert_int_equal(obey((struct action){ .kind = ACTION_TRIM, .model = 3 }), -ESRCH);
        assert_false(c.failed || c.ended);
        request_cancel(c.request);
}

static bool is_room_for(uint64_t bytes) {
        struct limits limits = fleet_limits(&w.config);
        return policy_has_room(&limits, &snapshot, bytes);
}

static void the_account_follows_the_precision(void **state) {
        (void) state;
        struct client c = { 0 }, other = { 0 };
        w.config.budget_bytes = MIB(30);
        add_model("token_ms=5\nkv=8192\nkv_hold=1048576\nheartbeat_ms=50\nweights=1048576\n")->kv_floor = KV_Q8_0;
        w.models[0].kv_tokens = 2560; /* 20 MiB of KV */
        add_model("weights=12582912\nkv=64\n");
        w.models[1].kv_tokens = 1;
        open_fleet();
        ask_for(&c, "a", 100000);
        eventually(c.starts && view_of(0)->kv_bytes[KV_F16] > 0);
        uint64_t before = model_account_bytes(w.fleet->models[0]);
        assert_int_equal(before >> 20, 21);
        /* The other model has no room: it would have to wait for its turn. */
        ask(&other, "b");
        until_for(300, other.starts);
        assert_false(other.starts);
        assert_int_equal(obey((struct action){ .kind = ACTION_DOWNSHIFT, .level = KV_Q8_0 }), 0);
        eventually(model_account_bytes(w.fleet->models[0]) < before);
        assert_int_equal(status_of(0).predicted_bytes, model_account_bytes(w.fleet->models[0]));
        eventually(other.ended);
        assert_false(c.failed);
        /* The room that it gave up is not simply taken back: policy asks for it first. */
        assert_int_equal(view_of(0)->upshift_bytes, before - model_account_bytes(w.fleet->models[0]));
        assert_false(is_room_for(view_of(0)->upshift_bytes));
        assert_int_equal(obey((struct action){ .kind = ACTION_EVICT, .model = 1 }), 0);
        eventually(life_of(1) == MODEL_ABSENT);
        assert_true(is_room_for(view_of(0)->upshift_bytes));
        assert_int_equal(obey((struct action){ .kind = ACTION_UPSHIFT, .level = KV_F16 }), 0);
        assert_int_equal(model_account_bytes(w.fleet->models[0]), before);
        request_cancel(c.request);
}

static void batch_requests_go_to_disk_and_come_back(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("tokens=200\ntoken_ms=5\nkv_hold=1048576\nheartbeat_ms=50\n")->batch = true;
        open_fleet();
        ask(&c, "a");
        eventually(c.starts && view_of(0)->suspendable_bytes == 1048576);
        assert_true(view_of(0)->batch);
        assert_int_equal(obey((struct action){ .kind = ACTION_SUSPEND }), 0);
        eventually(view_of(0)->suspended == 1 && view_of(0)->suspended_bytes > 0);
        assert_int_equal(view_of(0)->running, 0);
        assert_int_equal(view_of(0)->suspendable_bytes, 0);
        assert_non_null(strstr(c.why, "waits on disk"));
        assert_int_equal(obey((struct action){ .kind = ACTION_SUSPEND }), -ENOENT);
        size_t length = strlen(c.text);
        until_for(200, false);
        assert_true(strlen(c.text) <= length + 20); /* what was on its way; 40 tokens would be 160 */
        assert_int_equal(obey((struct action){ .kind = ACTION_RESUME }), 0);
        eventually(c.ended);
        assert_non_null(strstr(c.text, "t200 "));
        (void) rmdir(path_in("suspended"));
}

/* Its file cannot be made: the action has failed, the request goes on, and the next action may do better. */
static void a_disk_that_takes_no_file_is_told(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("tokens=200\ntoken_ms=5\nkv_hold=1048576\nheartbeat_ms=50\n")->batch = true;
        open_fleet();
        write_file(path_in("suspended"), "no directory");
        ask(&c, "a");
        eventually(c.starts && view_of(0)->suspendable_bytes == 1048576);
        assert_int_equal(obey((struct action){ .kind = ACTION_SUSPEND }), -ENOTDIR);
        assert_int_equal(view_of(0)->running, 1);
        assert_int_equal(unlink(path_in("suspended")), 0);
        assert_int_equal(obey((struct action){ .kind = ACTION_SUSPEND }), 0);
        eventually(view_of(0)->suspended == 1);
        assert_int_equal(obey((struct action){ .kind = ACTION_RESUME }), 0);
        eventually(c.ended);
        (void) rmdir(path_in("suspended"));
}

/* The client leaves and the daemon stops while the files are being made: nothing is left open. */
static void a_stop_waits_for_files_that_are_being_made(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("tokens=200\ntoken_ms=5\nkv_hold=1048576\nheartbeat_ms=50\n")->batch = true;
        open_fleet();
        ask(&c, "a");
        eventually(c.starts && view_of(0)->suspendable_bytes == 1048576);
        struct plan plan = plan_of((struct action){ .kind = ACTION_SUSPEND });
        int before = open_descriptors();
        carry_out(&plan);
        assert_int_equal(w.fleet->files_making, 1);
        request_cancel(c.request);
        eventually(w.fleet->files_making == 0);
        assert_int_equal(open_descriptors(), before);
        close_fleet();
        (void) rmdir(path_in("suspended"));
}

static void interactive_ones_never_go_to_disk(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY);
        assert_int_equal(view_of(0)->suspendable_bytes, 0);
        assert_int_equal(obey((struct action){ .kind = ACTION_SUSPEND }), -ENOENT);
        request_cancel(c.request);
        (void) rmdir(path_in("suspended"));
}

static void a_client_that_leaves_does_not_hold_up_the_rest(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("tokens=2000\ntoken_ms=5\nkv_hold=1048576\nheartbeat_ms=50\nsuspend_fail=the disk is gone\n")->batch = true;
        open_fleet();
        ask(&c, "a");
        eventually(c.starts && view_of(0)->suspendable_bytes > 0);
        assert_int_equal(obey((struct action){ .kind = ACTION_SUSPEND }), -EREMOTEIO);
        assert_int_equal(view_of(0)->suspended, 0);
        struct plan plan = plan_of((struct action){ .kind = ACTION_SUSPEND });
        uint32_t before = told.count;
        carry_out(&plan);
        request_cancel(c.request);
        eventually(told.count > before);
        (void) rmdir(path_in("suspended"));
}

static void what_an_engine_refuses_is_told(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY "control_fail=no such thing\n");
        assert_int_equal(obey((struct action){ .kind = ACTION_DOWNSHIFT, .level = KV_Q8_0 }), -EREMOTEIO);
        assert_int_equal(view_of(0)->level, KV_F16);
        assert_true(view_of(0)->obeys);
        assert_false(c.failed);
        request_cancel(c.request);
}

static void one_that_does_not_answer_does_not_obey(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY "disobeys=1\n");
        struct plan plan = plan_of((struct action){ .kind = ACTION_TRIM });
        uint32_t before = told.count;
        carry_out(&plan);
        until_for(200, told.count > before);
        assert_int_equal(told.count, before); /* its outcome is not known */
        assert_true(view_of(0)->obeys);
        for (int i = 0; i < CONTROL_REQUESTS_MAX; i++)
                w.fleet->models[0]->engine.control_requests[i].sent_ms -=
                        CONTROL_ANSWER_MAX_MS; /* as if that had been long ago */
        assert_false(view_of(0)->obeys);
        assert_int_equal(obey((struct action){ .kind = ACTION_END }), 0);
        eventually(c.failed);
        assert_int_equal(told.result, -ESRCH); /* and the trim will not come any more */
        assert_int_equal(told.action.kind, ACTION_TRIM);
}

static void heat_reaches_every_engine_once(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY "threads=4\n");
        struct plan plan = plan_of((struct action){ 0 });
        plan.actions_count = 0;
        plan.heat_level = 4;
        plan.duty_permille = 600;
        plan.threads_permille = 500;
        for (int i = 0; i < 5; i++)
                carry_out(&plan);
        eventually(w.fleet->models[0]->engine.report.duty_permille == 600);
        assert_int_equal(w.fleet->models[0]->engine.report.threads, 2);
        assert_int_equal(status_of(0).duty_permille, 600);
        /* A model that is loaded later is slowed down as well. */
        assert_int_equal(obey((struct action){ .kind = ACTION_END }), 0); /* its plan says full speed ... */
        eventually(c.failed && life_of(0) == MODEL_ABSENT);
        carry_out(&plan); /* ... and this one does not */
        ask_for(&c, "a", 100000);
        eventually(w.fleet->models[0]->engine.report.duty_permille == 600);
        fleet_govern_end(w.fleet);
        eventually(w.fleet->models[0]->engine.report.duty_permille == 1000);
        request_cancel(c.request);
}

/* The tests' own process enters a group that is made for it, as systemd would put it there. */
static bool enter_group(char group[512]) {
        char path[600], reason[256];
        if (!cgroup_mount_make(group, 512))
                return false;
        (void) snprintf(path, sizeof(path), "%s/cgroup.procs", group);
        write_file(path, "0\n");
        int r = cgroup_tree_open_needing("/proc", "/sys", NULL, &w.fleet->tree, reason, sizeof(reason));
        if (r < 0)
                fail_msg("%s", reason);
        return true;
}

static void leave_group(const char *group) {
        char path[600];
        close_fleet();
        (void) snprintf(path, sizeof(path), "%s/../cgroup.procs", group);
        write_file(path, "0\n");
        assert_int_equal(rmdir(group), 0);
}

/* Whether the kernel has stopped all of the engine's group: told by the file that is not ours. */
static bool is_stopped(pid_t pid) {
        char mount[512], path[1200], line[1024] = "", own[1024] = "";
        cgroup_mount_find(mount, sizeof(mount));
        (void) snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) pid);
        FILE *f = fopen(path, "r");
        while (f && fgets(line, sizeof(line), f))
                (void) sscanf(line, "0::%1023s", own);
        if (f)
                (void) fclose(f);
        (void) snprintf(path, sizeof(path), "%.500s%.600s/cgroup.events", mount, own);
        f = fopen(path, "r");
        bool stopped = false;
        while (f && fgets(line, sizeof(line), f))
                stopped = stopped || !strcmp(line, "frozen 1\n");
        if (f)
                (void) fclose(f);
        return stopped;
}

/* While it is stopped nothing more comes, but for what was on its way; once it is let go the text goes on. */
static void must_pause_and_go_on(struct client *c, const struct instance *e) {
        const uv_timer_t *beat = &w.fleet->beat; /* each change of state starts it anew, and so has a number */
        eventually(e->frozen && is_stopped(status_of(0).pid));
        uint64_t state = beat->start_id;
        for (int i = 0; i < 20 && beat->start_id == state; i++)
                (void) uv_run(&w.loop, UV_RUN_NOWAIT);
        c->text[0] = '\0';
        until(beat->start_id != state || c->text[0]);
        if (beat->start_id == state)
                fail_msg("'%s' came while it was stopped", c->text);
        eventually(c->text[0]);
}

/*
 * How long a state lasts is what the timer was set to. That is seen some time afterwards: never longer, and at some time,
 * however busy the machine is, hardly shorter.
 */
static void must_last(const struct instance *e, bool frozen, uint64_t ms) {
        uint64_t longest = 0;
        for (int i = 0; i < 100 && longest + 10 < ms; i++) {
                eventually(e->frozen != frozen);
                eventually(e->frozen == frozen);
                uint64_t due = uv_timer_get_due_in(&w.fleet->beat);
                longest = due > longest ? due : longest;
        }
        if (longest > ms || longest + 10 < ms)
                fail_msg("%u ms where %u are right", (unsigned) longest, (unsigned) ms);
}

static void one_that_does_not_obey_is_stopped_and_let_go(void **state) {
        (void) state;
        struct client c = { 0 };
        char group[512];
        add_model(BUSY "disobeys=1\ntokens=100000\n");
        open_fleet();
        if (!enter_group(group)) {
                print_message("SKIP there is no cgroup v2 where we may make a group\n");
                return;
        }
        ask_for(&c, "a", 100000);
        eventually(c.starts && w.fleet->models[0]->engine.reported);
        struct instance *e = &w.fleet->models[0]->engine;
        assert_non_null(e->group);
        struct plan plan = plan_of((struct action){ 0 });
        plan.actions_count = 0;
        plan.duty_permille = 200;
        carry_out(&plan);
        eventually(control_request_is_pending(w.fleet->models[0], ACTION_NONE));
        assert_false(e->cycled);
        e->control_requests[0].sent_ms -= HEAT_OBEY_MS; /* as if it had not answered for so long */
        fleet_poke(w.fleet);
        for (int i = 0; i < 3; i++)
                must_pause_and_go_on(&c, e);
        must_last(e, true, 400); /* of a period of 500 ms, a fifth of which it runs */
        must_last(e, false, 100);
        plan.duty_permille = 1000;
        carry_out(&plan);
        eventually(!e->cycled && !e->frozen);
        assert_false(is_stopped(status_of(0).pid));
        c.text[0] = '\0';
        eventually(c.text[0]);
        request_cancel(c.request);
        leave_group(group);
}

static void a_group_ends_as_a_whole(void **state) {
        (void) state;
        struct client c = { 0 };
        char group[512];
        add_model(BUSY);
        open_fleet();
        if (!enter_group(group)) {
                print_message("SKIP there is no cgroup v2 where we may make a group\n");
                return;
        }
        ask_for(&c, "a", 100000);
        eventually(c.text[0]); /* nothing told yet, it would be asked again */
        assert_int_equal(obey((struct action){ .kind = ACTION_END }), 0);
        eventually(c.failed && life_of(0) == MODEL_ABSENT);
        assert_null(w.fleet->models[0]->engine.group);
        leave_group(group);
}

static void a_busy_model_that_is_ended_says_why(void **state) {
        (void) state;
        struct client c = { 0 }, quiet = { 0 };
        one_busy(&c, BUSY "tokens=3\n");
        assert_int_equal(ask_with(&quiet, "a", REQUEST_CHAT, &patient_events, "{\"max_tokens\":40}"), 0);
        eventually(quiet.starts);
        assert_int_equal(obey((struct action){ .kind = ACTION_END }), 0);
        eventually(c.failed);
        assert_string_equal(c.failure.code, "engine_died");
        assert_non_null(strstr(c.failure.message, "ended to keep this machine alive"));
        assert_non_null(strstr(c.failure.message, "memory will soon be gone"));
        eventually(quiet.ended); /* it could take back what it was told, so it was asked again */
        assert_int_equal(status_of(0).deaths, 0);
        assert_int_equal(status_of(0).cooldown_ms, 0);
}

static void an_idle_model_is_unloaded_and_a_busy_one_is_not(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY);
        assert_int_equal(obey((struct action){ .kind = ACTION_EVICT }), -EBUSY);
        request_cancel(c.request);
        eventually(view_of(0)->state == ACCOUNT_IDLE);
        assert_int_equal(obey((struct action){ .kind = ACTION_EVICT }), 0);
        eventually(life_of(0) == MODEL_ABSENT);
        assert_string_equal(status_of(0).last_error, "");
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                with_fixture(an_engine_is_seen_as_it_says),
                with_fixture(each_action_reaches_the_engine),
                with_fixture(the_account_follows_the_precision),
                with_fixture(batch_requests_go_to_disk_and_come_back),
                with_fixture(a_disk_that_takes_no_file_is_told),
                with_fixture(a_stop_waits_for_files_that_are_being_made),
                with_fixture(interactive_ones_never_go_to_disk),
                with_fixture(a_client_that_leaves_does_not_hold_up_the_rest),
                with_fixture(what_an_engine_refuses_is_told),
                with_fixture(one_that_does_not_answer_does_not_obey),
                with_fixture(heat_reaches_every_engine_once),
                with_fixture(one_that_does_not_obey_is_stopped_and_let_go),
                with_fixture(a_group_ends_as_a_whole),
                with_fixture(a_busy_model_that_is_ended_says_why),
                with_fixture(an_idle_model_is_unloaded_and_a_busy_one_is_not),
        };
        return run_with_fixtures(argc, argv, tests);
}
