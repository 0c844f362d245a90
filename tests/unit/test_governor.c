/*
 * test_governor.c - the governor's acts on real processes that do as they are told: each reaches its engine, its outcome is
 * told, accounts follow; an emergency takes no memory; and a box that is played by files makes the whole tick act.
 */
#include "tests/unit/fleet_world.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "ctl/scenario.h"
#include "daemon/cgroup_internal.h"
#include "daemon/fleet_govern.h"
#include "daemon/governor.h"
#include "daemon/governor_internal.h"
#include "tests/cgroup_mount.h"

/* --- who allocates and opens --- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS 0
static unsigned allocations, opens;
#else
#define COUNTS 1
static unsigned allocations, opens;
static bool counting;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);
int open(const char *path, int flags, ...);
int openat(int directory, const char *path, int flags, ...);

void *malloc(size_t size) {
        allocations += counting;
        return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
        allocations += counting;
        return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
        allocations += counting;
        return __libc_realloc(old, size);
}

static int count_open(int directory, const char *path, int flags, va_list args) {
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
        opens += counting;
        return (int) syscall(SYS_openat, directory, path, flags, mode);
}

int open(const char *path, int flags, ...) {
        va_list args;
        va_start(args, flags);
        int fd = count_open(AT_FDCWD, path, flags, args);
        va_end(args);
        return fd;
}

int openat(int directory, const char *path, int flags, ...) {
        va_list args;
        va_start(args, flags);
        int fd = count_open(directory, path, flags, args);
        va_end(args);
        return fd;
}
#endif

static void count(bool on) {
#if COUNTS
        if (on)
                allocations = opens = 0;
        counting = on;
#else
        (void) on;
#endif
}

/* --- acts one by one --- */

static struct {
        uint32_t count;
        struct act act;
        int result;
} told;

static void on_act(void *user, const struct act *act, int result) {
        (void) user;
        told.count++;
        told.act = *act;
        told.result = result;
}

static struct plan plan_of(struct act act) {
        act.because = REASON_FORECAST;
        return (struct plan){ .duty_permille = 1000,
                              .threads_permille = 1000,
                              .exhaustion_ms = UINT64_MAX,
                              .margin_millidegrees = INT32_MAX,
                              .acts_count = 1,
                              .acts = { act } };
}

/* Carries ACT out and waits for what became of it. */
static int obey(struct act act) {
        struct plan plan = plan_of(act);
        uint32_t before = told.count;
        fleet_obey(w.fleet, &plan, on_act, NULL);
        eventually(told.count > before);
        assert_int_equal(told.act.kind, act.kind);
        assert_int_equal(told.act.model, act.model);
        return told.result;
}

static struct seen seen;

static const struct model_view *view_of(uint32_t index) {
        seen.now_ms = fleet_clock_ms();
        fleet_view(w.fleet, &seen);
        for (uint32_t i = 0; i < seen.models_count; i++)
                if (seen.models[i].id == index)
                        return &seen.models[i];
        return NULL;
}

/* A loaded model that answers one long request and has said how it is. */
static void one_busy(struct client *c, const char *orders) {
        add_model(orders)->kv_floor = KV_Q8_0;
        open_fleet();
        ask_for(c, "a", 100000);
        eventually(c->text[0] && view_of(0) && view_of(0)->kv_bytes[KV_LEVEL_F16] > 0);
}

#define BUSY "token_ms=5\nkv_hold=1048576\nprefix_hold=524288\nheartbeat_ms=50\n"

static void an_engine_is_seen_as_it_says(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY "rate=12\nusual_rate=20\nthreads=4\nchunk=256\n");
        const struct model_view *v = view_of(0);
        assert_int_equal(v->state, ACCOUNT_BUSY);
        assert_int_equal(v->generation, 1);
        assert_true(v->obeys && !v->batch && !v->pinned);
        assert_int_equal(v->running, 1);
        assert_int_equal(v->kv_bytes[KV_LEVEL_F16], 1048576);
        assert_int_equal(v->prefix_bytes, 524288);
        assert_int_equal(v->level, KV_LEVEL_F16);
        assert_int_equal(v->ceiling, KV_LEVEL_F16);
        assert_int_equal(v->floor, KV_LEVEL_Q8_0);
        assert_int_equal(v->rate, 12000);
        assert_int_equal(v->usual_rate, 20000);
        assert_int_equal(v->chunk, 256);
        assert_int_equal(v->context, 1024);
        assert_true(v->weights_bytes > 0 && v->bytes > 0);
        ask_cancel(c.ask);
}

static void each_act_reaches_the_engine(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY "threads=4\nchunk=256\n");
        assert_int_equal(obey((struct act){ .kind = ACT_TRIM }), 0);
        eventually(view_of(0)->prefix_bytes == 0);
        assert_int_equal(obey((struct act){ .kind = ACT_CHUNK, .value = 64 }), 0);
        eventually(view_of(0)->chunk == 64 && view_of(0)->chunk_full == 256);
        assert_int_equal(obey((struct act){ .kind = ACT_CONTEXT, .value = 512 }), 0);
        eventually(view_of(0)->context == 512 && view_of(0)->context_full == 1024);
        assert_int_equal(obey((struct act){ .kind = ACT_DOWNSHIFT, .level = KV_LEVEL_Q8_0 }), 0);
        eventually(view_of(0)->level == KV_LEVEL_Q8_0 && view_of(0)->kv_bytes[KV_LEVEL_Q8_0] == 1048576 * 34 / 64);
        assert_int_equal(obey((struct act){ .kind = ACT_DOWNSHIFT, .level = KV_LEVEL_Q8_0 }), -EALREADY);
        assert_int_equal(obey((struct act){ .kind = ACT_UPSHIFT, .level = KV_LEVEL_F16 }), 0);
        eventually(view_of(0)->level == KV_LEVEL_F16);
        assert_string_equal(status_of(0).kv_now, "f16");
        assert_int_equal(obey((struct act){ .kind = ACT_DROP_FILES, .model = UINT32_MAX }), 0);
        assert_int_equal(obey((struct act){ .kind = ACT_TRIM, .model = 3 }), -ESRCH);
        assert_false(c.failed || c.ended);
        ask_cancel(c.ask);
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
        eventually(c.starts && view_of(0)->kv_bytes[KV_LEVEL_F16] > 0);
        uint64_t before = model_account_bytes(&w.fleet->models[0]);
        assert_int_equal(before >> 20, 21);
        /* There is no room for the other one: it would have to wait for its turn. */
        ask(&other, "b");
        until_for(300, other.starts);
        assert_false(other.starts);
        assert_int_equal(obey((struct act){ .kind = ACT_DOWNSHIFT, .level = KV_LEVEL_Q8_0 }), 0);
        eventually(model_account_bytes(&w.fleet->models[0]) < before);
        assert_int_equal(status_of(0).predicted_bytes, model_account_bytes(&w.fleet->models[0]));
        eventually(other.ended);
        assert_false(c.failed);
        /* And the room that it gave up is not simply taken back. */
        assert_int_equal(obey((struct act){ .kind = ACT_UPSHIFT, .level = KV_LEVEL_F16 }), -ENOMEM);
        assert_int_equal(view_of(0)->level, KV_LEVEL_Q8_0);
        assert_int_equal(obey((struct act){ .kind = ACT_EVICT, .model = 1 }), 0);
        eventually(life_of(1) == LIFE_ABSENT);
        assert_int_equal(obey((struct act){ .kind = ACT_UPSHIFT, .level = KV_LEVEL_F16 }), 0);
        assert_int_equal(model_account_bytes(&w.fleet->models[0]), before);
        ask_cancel(c.ask);
}

static void batch_requests_go_to_disk_and_come_back(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("tokens=200\ntoken_ms=5\nkv_hold=1048576\nheartbeat_ms=50\n")->batch = true;
        open_fleet();
        ask(&c, "a");
        eventually(c.starts && view_of(0)->suspendable_bytes == 1048576);
        assert_true(view_of(0)->batch);
        assert_int_equal(obey((struct act){ .kind = ACT_SUSPEND }), 0);
        eventually(view_of(0)->suspended == 1 && view_of(0)->suspended_bytes > 0);
        assert_int_equal(view_of(0)->running, 0);
        assert_int_equal(view_of(0)->suspendable_bytes, 0);
        assert_non_null(strstr(c.why, "waits on disk"));
        assert_int_equal(obey((struct act){ .kind = ACT_SUSPEND }), -ENOENT);
        size_t length = strlen(c.text);
        until_for(200, false);
        assert_true(strlen(c.text) <= length + 20); /* what was on its way; 40 tokens would be 160 */
        assert_int_equal(obey((struct act){ .kind = ACT_RESUME }), 0);
        eventually(c.ended);
        assert_non_null(strstr(c.text, "t200 "));
        (void) rmdir(path_in("suspended"));
}

static void interactive_ones_never_go_to_disk(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY);
        assert_int_equal(view_of(0)->suspendable_bytes, 0);
        assert_int_equal(obey((struct act){ .kind = ACT_SUSPEND }), -ENOENT);
        ask_cancel(c.ask);
        (void) rmdir(path_in("suspended"));
}

static void a_client_that_leaves_does_not_hold_up_the_rest(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("tokens=2000\ntoken_ms=5\nkv_hold=1048576\nheartbeat_ms=50\nsuspend_fail=the disk is gone\n")->batch = true;
        open_fleet();
        ask(&c, "a");
        eventually(c.starts && view_of(0)->suspendable_bytes > 0);
        assert_int_equal(obey((struct act){ .kind = ACT_SUSPEND }), -EREMOTEIO);
        assert_int_equal(view_of(0)->suspended, 0);
        struct plan plan = plan_of((struct act){ .kind = ACT_SUSPEND });
        uint32_t before = told.count;
        fleet_obey(w.fleet, &plan, on_act, NULL);
        ask_cancel(c.ask);
        eventually(told.count > before);
        (void) rmdir(path_in("suspended"));
}

static void what_an_engine_refuses_is_told(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY "control_fail=no such thing\n");
        assert_int_equal(obey((struct act){ .kind = ACT_DOWNSHIFT, .level = KV_LEVEL_Q8_0 }), -EREMOTEIO);
        assert_int_equal(view_of(0)->level, KV_LEVEL_F16);
        assert_true(view_of(0)->obeys);
        assert_false(c.failed);
        ask_cancel(c.ask);
}

static void one_that_does_not_answer_does_not_obey(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY "disobeys=1\n");
        struct plan plan = plan_of((struct act){ .kind = ACT_TRIM });
        uint32_t before = told.count;
        fleet_obey(w.fleet, &plan, on_act, NULL);
        until_for(200, told.count > before);
        assert_int_equal(told.count, before); /* its outcome is not known */
        assert_true(view_of(0)->obeys);
        for (int i = 0; i < ORDERS_MAX; i++)
                w.fleet->models[0].engine.orders[i].sent_ms -= ORDER_ANSWER_MAX_MS; /* as if that had been long ago */
        assert_false(view_of(0)->obeys);
        assert_int_equal(obey((struct act){ .kind = ACT_END }), 0);
        eventually(c.failed);
        assert_int_equal(told.result, -ESRCH); /* and the trim will not come any more */
        assert_int_equal(told.act.kind, ACT_TRIM);
}

static void heat_reaches_every_engine_once(void **state) {
        (void) state;
        struct client c = { 0 };
        one_busy(&c, BUSY "threads=4\n");
        struct plan plan = plan_of((struct act){ 0 });
        plan.acts_count = 0;
        plan.heat_level = 4;
        plan.duty_permille = 600;
        plan.threads_permille = 500;
        for (int i = 0; i < 5; i++)
                fleet_obey(w.fleet, &plan, on_act, NULL);
        eventually(w.fleet->models[0].engine.report.duty_permille == 600);
        assert_int_equal(w.fleet->models[0].engine.report.threads, 2);
        assert_int_equal(status_of(0).duty_permille, 600);
        /* One that is loaded later is slowed down as well. */
        assert_int_equal(obey((struct act){ .kind = ACT_END }), 0); /* its plan says full speed ... */
        eventually(c.failed && life_of(0) == LIFE_ABSENT);
        fleet_obey(w.fleet, &plan, on_act, NULL); /* ... and this one does not */
        ask_for(&c, "a", 100000);
        eventually(w.fleet->models[0].engine.report.duty_permille == 600);
        fleet_govern_end(w.fleet);
        eventually(w.fleet->models[0].engine.report.duty_permille == 1000);
        ask_cancel(c.ask);
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

static uint32_t tokens_in(const struct client *c, uint64_t ms) {
        size_t before = strlen(c->text);
        until_for(ms, false);
        return (uint32_t) (strlen(c->text) - before);
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
        eventually(c.starts && w.fleet->models[0].engine.reported);
        struct tenure *e = &w.fleet->models[0].engine;
        assert_non_null(e->group);
        struct plan plan = plan_of((struct act){ 0 });
        plan.acts_count = 0;
        plan.duty_permille = 200;
        fleet_obey(w.fleet, &plan, on_act, NULL);
        eventually(order_is_pending(&w.fleet->models[0], ACT_NONE));
        uint32_t free_run = tokens_in(&c, 600);
        assert_false(e->cycled);
        e->orders[0].sent_ms -= HEAT_OBEY_MS; /* as if it had not answered for so long */
        fleet_poke(w.fleet);
        eventually(e->frozen);
        eventually(!e->frozen);
        eventually(e->frozen); /* a period of 500 ms, a fifth of which it runs */
        uint32_t slowed = tokens_in(&c, 1500) * 600 / 1500;
        if (slowed * 2 > free_run || slowed == 0)
                fail_msg("%u bytes of text while it should run a fifth of the time, %u before", slowed, free_run);
        plan.duty_permille = 1000;
        fleet_obey(w.fleet, &plan, on_act, NULL);
        eventually(!e->cycled && !e->frozen);
        eventually(strlen(c.text) + 200 > sizeof(c.text) || tokens_in(&c, 100) > 0);
        ask_cancel(c.ask);
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
        assert_int_equal(obey((struct act){ .kind = ACT_END }), 0);
        eventually(c.failed && life_of(0) == LIFE_ABSENT);
        assert_null(w.fleet->models[0].engine.group);
        leave_group(group);
}

static void a_busy_model_that_is_ended_says_why(void **state) {
        (void) state;
        struct client c = { 0 }, quiet = { 0 };
        one_busy(&c, BUSY "tokens=3\n");
        assert_int_equal(ask_with(&quiet, "a", ASK_CHAT, &patient_events, "{\"max_tokens\":40}"), 0);
        eventually(quiet.starts);
        assert_int_equal(obey((struct act){ .kind = ACT_END }), 0);
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
        assert_int_equal(obey((struct act){ .kind = ACT_EVICT }), -EBUSY);
        ask_cancel(c.ask);
        eventually(view_of(0)->state == ACCOUNT_IDLE);
        assert_int_equal(obey((struct act){ .kind = ACT_EVICT }), 0);
        eventually(life_of(0) == LIFE_ABSENT);
        assert_string_equal(status_of(0).last_error, "");
}

/* --- an emergency --- */

static void the_counter_counts(void **state) {
        (void) state;
        count(true);
        void *volatile taken = malloc(100);
        int fd = open("/dev/null", O_RDONLY);
        count(false);
        free(taken);
        assert_int_equal(close(fd), 0);
        assert_int_equal(allocations, COUNTS);
        assert_int_equal(opens, COUNTS);
}

static void an_emergency_takes_no_memory(void **state) {
        (void) state;
        struct client c[3] = { 0 };
        w.config.budget_bytes = MIB(1000);
        for (int i = 0; i < 3; i++)
                add_model(BUSY)->kv_floor = KV_Q8_0;
        open_fleet();
        ask_for(&c[0], "a", 100000);
        ask_for(&c[1], "b", 100000);
        ask(&c[2], "c");
        eventually(c[0].text[0] && c[1].text[0] && c[2].ended && view_of(0)->kv_bytes[KV_LEVEL_F16] > 0);
        fleet_rehearse(w.fleet);
        struct plan plan = plan_of((struct act){ .kind = ACT_TRIM, .model = 0 });
        plan.acts[1] = (struct act){ .kind = ACT_DOWNSHIFT, .model = 0, .level = KV_LEVEL_Q8_0, .because = REASON_FORECAST };
        plan.acts[2] = (struct act){ .kind = ACT_EVICT, .model = 2, .because = REASON_FORECAST };
        plan.acts[3] = (struct act){ .kind = ACT_END, .model = 1, .because = REASON_FORECAST };
        plan.acts_count = 4;
        plan.emergency = plan.hold_loads = plan.hold_growth = true;
        uint32_t before = told.count;
        count(true);
        fleet_obey(w.fleet, &plan, on_act, NULL);
        count(false);
        assert_int_equal(allocations, 0);
        assert_int_equal(opens, 0);
        assert_int_equal(told.count - before, 3); /* all but the trim, which is a frame of its own and comes right after */
        eventually(c[1].failed && life_of(2) == LIFE_ABSENT && told.count - before == 4);
        eventually(view_of(0)->level > KV_LEVEL_F16 && view_of(0)->prefix_bytes == 0);
        assert_false(c[0].failed);
        assert_string_equal(status_of(2).last_error, ""); /* it was idle: unloaded, not in trouble */
        assert_string_equal(status_of(2).last_exit, "killed by SIGKILL");
        assert_true(w.fleet->holds.loads);
        ask_cancel(c[0].ask);
}

/* --- the whole tick, on a box that is played by files --- */

static struct governor *governor;
static bool closed;

static void set_meminfo(uint64_t available_mib) {
        char text[256];
        (void) snprintf(text, sizeof(text), "MemTotal: %llu kB\nMemAvailable: %llu kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
                        (unsigned long long) MIB(4096) >> 10, (unsigned long long) available_mib << 10);
        /* In place, as the kernel's own: descriptors are held open. */
        int fd = open(path_in("meminfo"), O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        assert_int_equal(ftruncate(fd, (off_t) strlen(text)), 0);
        assert_int_equal(close(fd), 0);
}

static void on_governor_closed(void *user) {
        (void) user;
        closed = true;
}

static void open_governor(void) {
        w.config.governor_enabled = true;
        w.config.proc_root = w.config.sys_root = w.directory;
        w.config.reserve_bytes = MIB(512);
        w.config.margin_target_millidegrees = 15000;
        w.config.critical_millidegrees = 100000;
        set_meminfo(3000);
        open_fleet();
        assert_int_equal(governor_new(&w.loop, &w.config, w.fleet, &governor), 0);
}

static void close_governor(void) {
        closed = false;
        governor_close(governor, on_governor_closed, NULL);
        eventually(closed);
        governor = NULL;
}

/* Lets memory fall by STEP MiB every 100 ms until CONDITION. */
#define falling_until(FROM, STEP, CONDITION)                              \
        do {                                                              \
                int64_t falling_mib = (FROM);                             \
                for (int step = 0; step < 200 && !(CONDITION); step++) {  \
                        falling_mib -= falling_mib > (STEP) ? (STEP) : 0; \
                        set_meminfo((uint64_t) falling_mib);              \
                        until_for(100, CONDITION);                        \
                }                                                         \
                if (!(CONDITION))                                         \
                        fail_msg("never came true: %s", #CONDITION);      \
        } while (0)

static const struct event *event_of(enum act_kind kind) {
        for (struct event *e = events_next(&governor->events, 0); e; e = events_next(&governor->events, e->number))
                if (e->kind == EVENT_ACT && e->act.kind == kind)
                        return e;
        return NULL;
}

static const char *sentences_of(uint32_t model) {
        static char text[8192];
        cJSON *json = governor_explain_json(governor, model);
        const cJSON *sentence;
        text[0] = '\0';
        cJSON_ArrayForEach(sentence, cJSON_GetObjectItem(json, "sentences"))
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", sentence->valuestring);
        cJSON_Delete(json);
        return text;
}

/* The recorded flight, decided again by the same policy, has the same acts. */
static void must_replay(void) {
        static struct past past;
        static struct plan plan;
        struct text out = { 0 };
        struct recorder *record = governor_record(governor);
        recorder_print(record, &out);
        recorder_free(record);
        struct scenario *s = malloc(sizeof(*s));
        uint32_t acts = 0, planned = 0;
        memset(&past, 0, sizeof(past));
        scenario_init(s, out.bytes, out.used);
        while (scenario_next(s) == 1) {
                char failed[SCENARIO_ERROR_MAX] = "";
                policy_decide(&s->limits, &s->seen, &past, &plan);
                acts += plan.acts_count;
                (void) failed;
        }
        for (struct event *e = events_next(&governor->events, 0); e; e = events_next(&governor->events, e->number))
                planned += e->kind == EVENT_ACT;
        assert_int_equal(acts, planned);
        assert_true(planned > 0);
        assert_memory_equal(&past, &governor->past, sizeof(past));
        free(s);
        text_done(&out);
}

static void memory_that_runs_out_is_met_in_time(void **state) {
        (void) state;
        struct client c = { 0 }, late = { 0 };
        w.config.wait_timeout_ms = 60000;
        add_model("token_ms=5\nkv_hold=8388608\nprefix_hold=1048576\nheartbeat_ms=50\nkv_floor=q8_0\n")->kv_floor = KV_Q8_0;
        add_model("");
        open_governor();
        ask_for(&c, "a", 100000);
        ask(&late, "b");
        eventually(c.text[0] && late.ended);
        eventually(view_of(0)->kv_bytes[KV_LEVEL_F16] == 8388608);
        assert_int_equal(governor->events.count, 0); /* quiet world, no act */
        w.fleet->models[1].engine.last_end_ms -= IN_USE_MS; /* its client has gone */

        falling_until(3000, 60, event_of(ACT_DOWNSHIFT) != NULL);
        assert_true(governor->plan.hold_loads && governor->plan.hold_growth);
        eventually(view_of(0)->level == KV_LEVEL_Q8_0);
        eventually(event_of(ACT_DOWNSHIFT)->verified);
        const struct event *e = event_of(ACT_DOWNSHIFT);
        assert_int_equal(e->result, EVENT_DONE);
        assert_int_equal(e->because, REASON_FORECAST);
        assert_true(e->freed_bytes >= e->act.expected_bytes * 3 / 4);
        assert_true(e->exhaustion_ms < 20000);
        assert_false(c.failed || c.ended); /* the stream goes on */
        assert_non_null(
                strstr(sentences_of(0), "its KV cache was lowered to q8_0, because at this pace memory will soon be gone"));
        assert_non_null(strstr(sentences_of(0), "came back"));
        assert_non_null(strstr(sentences_of(0), "after 5 min of calm"));

        /* The other one was idle, so it went before. */
        assert_non_null(event_of(ACT_EVICT));
        assert_true(event_of(ACT_EVICT)->number <= e->number);
        struct client held = { 0 };
        ask(&held, "b");
        eventually(strstr(held.why, "memory is running short"));
        assert_int_equal(status_of(1).loads, 1);
        must_replay();
        ask_cancel(held.ask);
        ask_cancel(c.ask);
        close_governor();
        assert_false(w.fleet->holds.loads);
}

static void an_emergency_tick_takes_no_memory(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("token_ms=5\nkv_hold=8388608\nheartbeat_ms=50\n")->kv_floor = KV_Q8_0;
        open_governor();
        ask_for(&c, "a", 100000);
        eventually(c.starts && view_of(0)->kv_bytes[KV_LEVEL_F16] > 0);
        /* Falls so fast that there is no time for anything mild; every timer of the loop is ours, so each turn is a tick. */
        unsigned worst_allocations = 0, worst_opens = 0, emergencies = 0;
        int64_t available = 3000;
        for (int i = 0; i < 60 && emergencies < 3; i++) {
                available -= available > 250 ? 250 : 0;
                set_meminfo((uint64_t) available);
                until_for(100, false);
                uint64_t ticks = governor->ticks;
                count(true);
                governor->timer.timer_cb(&governor->timer); /* the tick, and nothing else of the loop */
                count(false);
                assert_int_equal(governor->ticks, ticks + 1);
                if (!governor->plan.emergency)
                        continue;
                emergencies++;
                worst_allocations = allocations > worst_allocations ? allocations : worst_allocations;
                worst_opens = opens > worst_opens ? opens : worst_opens;
        }
        assert_true(emergencies > 0);
        assert_int_equal(worst_allocations, 0);
        assert_int_equal(worst_opens, 0);
        eventually(!c.failed && view_of(0) ? view_of(0)->level > KV_LEVEL_F16 : true);
        if (!done(&c))
                ask_cancel(c.ask);
        close_governor();
}

static void not_seeing_is_no_reason_to_act(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model(BUSY);
        open_governor();
        ask_for(&c, "a", 100000);
        eventually(c.starts && governor->ticks > 3);
        write_file(path_in("meminfo"), "garbage\n");
        eventually(governor->seen.memory_blind);
        until_for(500, false);
        for (struct event *e = events_next(&governor->events, 0); e; e = events_next(&governor->events, e->number))
                assert_int_equal(e->kind == EVENT_ACT, 0);
        assert_int_equal(events_next(&governor->events, 0)->kind, EVENT_BLIND);
        assert_false(c.failed);
        set_meminfo(3000);
        eventually(!governor->seen.memory_blind);
        ask_cancel(c.ask);
        close_governor();
}

static void switched_off_it_only_looks(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("token_ms=5\nkv_hold=8388608\nheartbeat_ms=50\n")->kv_floor = KV_Q8_0;
        open_governor();
        w.config.governor_enabled = false;
        ask_for(&c, "a", 100000);
        eventually(c.starts && view_of(0)->kv_bytes[KV_LEVEL_F16] > 0);
        falling_until(3000, 100, governor->plan.rung >= RUNG_HOLD && governor->plan.headroom_bytes < 0);
        assert_int_equal(view_of(0)->level, KV_LEVEL_F16);
        assert_false(w.fleet->holds.loads);
        assert_null(event_of(ACT_DOWNSHIFT));
        assert_non_null(strstr(sentences_of(0), "switched off"));
        ask_cancel(c.ask);
        close_governor();
}

static void pressure_is_a_reason_to_look_sooner(void **state) {
        (void) state;
        add_model("");
        assert_int_equal(mkfifo(path_in("pressure"), 0600), 0);
        assert_int_equal(setenv("MEMORY_PRESSURE_WATCH", path_in("pressure"), 1), 0);
        open_governor();
        int fd = open(path_in("pressure"), O_RDWR);
        until_for(300, false);
        (void) uv_timer_stop(&governor->timer); /* nothing else will make it look */
        uint64_t ticks = governor->ticks;
        assert_int_equal(write(fd, "x", 1), 1);
        eventually(governor->ticks > ticks);
        assert_int_equal(close(fd), 0);
        assert_int_equal(unsetenv("MEMORY_PRESSURE_WATCH"), 0);
        close_governor();
}

/* --- events --- */

static void events_are_a_ring(void **state) {
        (void) state;
        static struct events e;
        struct plan plan = plan_of((struct act){ 0 });
        memset(&e, 0, sizeof(e));
        assert_null(events_next(&e, 0));
        for (uint64_t i = 1; i <= EVENTS_MAX + 10; i++) {
                struct event *event = events_add(&e, EVENT_ACT, i, &plan);
                event->act = (struct act){ .kind = ACT_TRIM, .model = (uint32_t) (i % 3) };
                assert_int_equal(event->number, i);
        }
        assert_int_equal(events_next(&e, 0)->number, 11);
        assert_int_equal(events_next(&e, 100)->number, 101);
        assert_null(events_next(&e, EVENTS_MAX + 10));
        assert_null(events_next(&e, UINT64_MAX));
        assert_int_equal(events_find_act(&e, ACT_TRIM, 1, EVENTS_MAX + 10, 100)->number % 3, 1);
        assert_null(events_find_act(&e, ACT_END, 1, EVENTS_MAX + 10, 100));
        assert_null(events_find_act(&e, ACT_TRIM, 1, EVENTS_MAX + 1000, 100));
}

/* A test that failed has left it open. */
static int end_governed_world(void **state) {
        if (governor)
                close_governor();
        return end_world(state);
}

#define in_a_governed_world(TEST) cmocka_unit_test_setup_teardown(TEST, build_world, end_governed_world)

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                in_a_world(an_engine_is_seen_as_it_says),
                in_a_world(each_act_reaches_the_engine),
                in_a_world(the_account_follows_the_precision),
                in_a_world(batch_requests_go_to_disk_and_come_back),
                in_a_world(interactive_ones_never_go_to_disk),
                in_a_world(a_client_that_leaves_does_not_hold_up_the_rest),
                in_a_world(what_an_engine_refuses_is_told),
                in_a_world(one_that_does_not_answer_does_not_obey),
                in_a_world(heat_reaches_every_engine_once),
                in_a_world(one_that_does_not_obey_is_stopped_and_let_go),
                in_a_world(a_group_ends_as_a_whole),
                in_a_world(a_busy_model_that_is_ended_says_why),
                in_a_world(an_idle_model_is_unloaded_and_a_busy_one_is_not),
                cmocka_unit_test(the_counter_counts),
                in_a_world(an_emergency_takes_no_memory),
                in_a_governed_world(memory_that_runs_out_is_met_in_time),
                in_a_governed_world(an_emergency_tick_takes_no_memory),
                in_a_governed_world(not_seeing_is_no_reason_to_act),
                in_a_governed_world(switched_off_it_only_looks),
                in_a_governed_world(pressure_is_a_reason_to_look_sooner),
                cmocka_unit_test(events_are_a_ring),
        };
        return run_in_worlds(argc, argv, tests);
}
