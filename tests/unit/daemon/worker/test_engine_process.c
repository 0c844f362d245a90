/*
 * test_engine_process.c - the daemon's end of the levers, against a process that plays an engine, and what it makes of
 * the numbers that engines tell.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/worker/process.h"
#include "daemon/state/statistics.h"
#include "tests/bulk_text.h"
#include "engine/wire/wire.h"

#define PATIENCE_MS 20000u

static struct {
        uv_loop_t loop;
        struct engine_process *engine;
        cJSON *last[FRAME_COUNT]; /* the last frame of each kind, and how many there were */
        uint64_t ids[FRAME_COUNT];
        unsigned counts[FRAME_COUNT];
        bool exited;
        char broken[200];
} w;

static bool on_frame(void *user, enum frame_type says, uint64_t id, const cJSON *frame) {
        (void) user;
        cJSON_Delete(w.last[says]);
        w.last[says] = cJSON_Duplicate(frame, true);
        w.ids[says] = id;
        w.counts[says]++;
        return true;
}

static void on_protocol_error(void *user, const char *sentence) {
        (void) user;
        (void) snprintf(w.broken, sizeof(w.broken), "%s", sentence);
}

static void on_hang_up(void *user) {
        (void) user;
}

static void on_exit_(void *user, struct child_exit exit) {
        (void) user;
        (void) exit;
        w.exited = true;
}

static void await(const unsigned *count, unsigned wanted) {
        for (uint64_t until = uv_hrtime() + PATIENCE_MS * 1000000ull; *count < wanted && uv_hrtime() < until;) {
                (void) uv_run(&w.loop, UV_RUN_NOWAIT);
                (void) usleep(500);
        }
        assert_true(*count >= wanted);
}

static void await_says(enum frame_type says, unsigned wanted) {
        await(&w.counts[says], wanted);
}

static void start(const char *orders) {
        memset(&w, 0, sizeof(w));
        assert_int_equal(uv_loop_init(&w.loop), 0);
        int model = memfd_create("model", MFD_CLOEXEC);
        assert_true(model >= 0 && write(model, orders, strlen(orders)) == (ssize_t) strlen(orders));
        char path[512];
        ssize_t count = readlink("/proc/self/exe", path, sizeof(path) - 40);
        assert_true(count > 0);
        path[count] = '\0';
        (void) strcpy(strrchr(path, '/'), "/../tools/fake-engine");
        struct engine_settings settings = { .path = path,
                                            .model_fds = &model,
                                            .model_fds_count = 1,
                                            .context = 512,
                                            .kv_tokens = 1024,
                                            .parallel = 4,
                                            .kv_floor = KV_Q4_0 };
        static const struct engine_process_events events = { on_frame, on_protocol_error, on_hang_up, on_exit_ };
        assert_int_equal(engine_process_start(&w.loop, &settings, &events, NULL, &w.engine), 0);
        (void) close(model);
        await_says(FRAME_READY, 1);
}

static void stop(void) {
        if (!w.exited)
                engine_process_kill(w.engine);
        while (!w.exited)
                (void) uv_run(&w.loop, UV_RUN_ONCE);
        (void) uv_run(&w.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&w.loop), 0);
        for (unsigned i = 0; i < FRAME_COUNT; i++)
                cJSON_Delete(w.last[i]);
}

static uint64_t generate(void) {
        struct bulk *body = bulk_text("{\"max_tokens\":1000000}");
        uint64_t id;
        assert_int_equal(
                engine_process_send_body(
                        w.engine,
                        &(struct engine_request){ .type = WIRE_GENERATE, .kind = "completion", .body = body, .values = 2 }, &id),
                0);
        bulk_drop(body);
        return id;
}

static struct engine_report report(void) {
        unsigned before = w.counts[FRAME_STATISTICS];
        struct engine_report r;
        engine_process_tell(w.engine, WIRE_STATISTICS);
        await_says(FRAME_STATISTICS, before + 1);
        assert_true(engine_report_read(w.last[FRAME_STATISTICS], &r));
        return r;
}

static void test_control(void **state) {
        (void) state;
        start("threads=2\nchunk=256\n");
        cJSON *settings = cJSON_Parse("{\"duty\":400,\"context\":77,\"threads\":1}");
        uint64_t id;
        assert_int_equal(engine_process_control(w.engine, settings, &id), 0);
        cJSON_Delete(settings);
        await_says(FRAME_CONTROLLED, 1);
        assert_int_equal(w.ids[FRAME_CONTROLLED], id);
        struct engine_report r = report();
        assert_int_equal(r.duty_permille, 400);
        assert_int_equal(r.context, 77);
        assert_int_equal(r.threads, 1);
        assert_int_equal(r.prefill_chunk, 256);
        stop();
        start("control_fail=no\n");
        settings = cJSON_Parse("{\"duty\":400}");
        assert_int_equal(engine_process_control(w.engine, settings, &id), 0);
        cJSON_Delete(settings);
        await_says(FRAME_ERROR, 1);
        assert_int_equal(w.ids[FRAME_ERROR], id);
        stop();
}

static void test_suspend_and_restore(void **state) {
        (void) state;
        start("kv_hold=6400000\ntoken_ms=1\n");
        uint64_t id = generate();
        await_says(FRAME_TEXT, 3);
        assert_int_equal(report().kv_bytes[KV_F16], 6400000);
        int fd = memfd_create("kv", MFD_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(engine_process_suspend(w.engine, id, fd), 0);
        await_says(FRAME_SUSPENDED, 1);
        assert_int_equal(w.ids[FRAME_SUSPENDED], id);
        assert_null(cJSON_GetObjectItem(w.last[FRAME_SUSPENDED], "error"));
        struct stat s;
        assert_int_equal(fstat(fd, &s), 0);
        assert_true(s.st_size > 0); /* it went through this very descriptor */
        (void) close(fd);
        struct engine_report r = report();
        assert_int_equal(r.kv_bytes_used, 0);
        assert_int_equal(r.suspended_count, 1);
        assert_int_equal(r.suspended[0].id, id);
        assert_int_equal(r.suspended[0].bytes, 6400000);
        unsigned texts = w.counts[FRAME_TEXT];
        assert_int_equal(engine_process_restore(w.engine, id), 0);
        await_says(FRAME_RESTORED, 1);
        await_says(FRAME_TEXT, texts + 2);
        assert_int_equal(engine_process_suspend(w.engine, id, -1), 0);
        await_says(FRAME_SUSPENDED, 2);
        assert_int_equal(engine_process_suspend(w.engine, id + 0, -1), 0);
        await_says(FRAME_SUSPENDED, 3);
        assert_string_equal(w.broken, "");
        stop();
}

static void test_downshift_now(void **state) {
        (void) state;
        start("kv_hold=6400000\nprefix_hold=100000\ntoken_ms=1\n");
        (void) generate();
        await_says(FRAME_TEXT, 1);
        struct engine_report r = report();
        assert_int_equal(r.prefix_bytes, 100000);
        assert_int_equal(engine_process_downshift_now(w.engine), 0);
        r = report();
        assert_int_equal(r.prefix_bytes, 0);
        assert_int_equal(r.kv, KV_Q4_0);
        assert_int_equal(r.kv_bytes[KV_Q4_0], 6400000 / 64 * 18);
        assert_int_equal(r.prefill_chunk, 32);
        assert_int_equal(engine_process_downshift_now(w.engine), 0); /* again: the first has long gone out */
        (void) report();
        stop();
}

/* The engine does not read: the emergency frame is queued once, and a second is refused rather than lost or allocated for. */
static void test_downshift_now_of_a_deaf_engine(void **state) {
        (void) state;
        start("hang_at=0\n");
        (void) generate();
        char filler[900000];
        memset(filler, ' ', sizeof(filler));
        memcpy(filler + sizeof(filler) - 3, "{}", 3);
        struct bulk *large = bulk_text(filler);
        uint64_t id;
        assert_int_equal(
                engine_process_send_body(
                        w.engine,
                        &(struct engine_request){ .type = WIRE_GENERATE, .kind = "completion", .body = large, .values = 1 }, &id),
                0);
        bulk_drop(large); /* the write has it */
        assert_true(bulk_account.used > sizeof(filler));
        assert_int_equal(engine_process_downshift_now(w.engine), 0);
        assert_int_equal(engine_process_downshift_now(w.engine), -EALREADY);
        stop();
}

static void test_unasked_frames(void **state) {
        (void) state;
        start("heartbeat_ms=1\ntoken_ms=2\n");
        (void) generate();
        await_says(FRAME_STATISTICS, 3);
        assert_string_equal(w.broken, "");
        stop();
        static const char *const hostile[] = {
                "{\"type\":\"suspended\",\"id\":9,\"bytes\":0}",
                "{\"type\":\"suspended\",\"bytes\":0}",
                "{\"type\":\"restored\",\"id\":1.5,\"recomputed\":false}",
                "{\"type\":\"downshift_now\"}",
                "{\"type\":\"suspend\",\"id\":1}",
        };
        for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
                char orders[300];
                (void) snprintf(orders, sizeof(orders), "say_at=1\nsay=%s\n", hostile[i]);
                start(orders);
                (void) generate();
                for (uint64_t until = uv_hrtime() + PATIENCE_MS * 1000000ull; !w.broken[0] && uv_hrtime() < until;)
                        (void) uv_run(&w.loop, UV_RUN_ONCE);
                assert_true(w.broken[0]);
                stop();
        }
}

/* clang-format off */
static const struct { const char *what, *frame; bool good; } reports[] = {
        { "nothing is known",            "{}", true },
        { "an old engine",               "{\"kv_bytes_used\":5}", true },
        { "fields that we do not know",  "{\"x\":[1],\"kv_bytes\":{\"q2\":-1}}", true },
        { "the largest number",          "{\"kv_bytes_used\":9007199254740992}", true },
        { "a number too large",          "{\"kv_bytes_used\":1e300}", false },
        { "a negative number",           "{\"kv_bytes_used\":-1}", false },
        { "half a byte",                 "{\"kv_bytes_used\":0.5}", false },
        { "a word for a number",         "{\"context\":\"many\"}", false },
        { "a count over 32 bits",        "{\"context\":4294967296}", false },
        { "a rate",                      "{\"decode_tokens_per_second\":0.25}", true },
        { "an absurd rate",              "{\"decode_tokens_per_second_usual\":1e10}", false },
        { "a precision that is none",    "{\"kv\":\"f8\"}", false },
        { "a precision as a number",     "{\"kv\":1}", false },
        { "precisions as a list",        "{\"kv_bytes\":[1,2]}", false },
        { "bytes of one are negative",   "{\"kv_bytes\":{\"q8_0\":-1}}", false },
        { "converting by number",        "{\"converting\":1}", false },
        { "requests as an object",       "{\"requests\":{}}", false },
        { "a request without an id",     "{\"requests\":[{\"kv_bytes\":1}]}", false },
        { "a request that is a number",  "{\"requests\":[7]}", false },
        { "suspended, well said",        "{\"suspended\":[{\"id\":3,\"bytes\":10}]}", true },
        { "suspended, bytes negative",   "{\"suspended\":[{\"id\":3,\"bytes\":-10}]}", false },
};
/* clang-format on */

static void test_reports(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
                struct engine_report r;
                cJSON *frame = cJSON_Parse(reports[i].frame);
                assert_non_null(frame);
                if (engine_report_read(frame, &r) != reports[i].good)
                        fail_msg("%s", reports[i].what);
                cJSON_Delete(frame);
        }
        cJSON *frame = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(frame, "requests");
        struct engine_report r;
        for (unsigned i = 0; i <= WIRE_PARALLEL_MAX; i++) {
                assert_int_equal(engine_report_read(frame, &r), true);
                assert_int_equal(r.requests_count, i);
                assert_true(cJSON_AddItemToArray(list, cJSON_Parse("{\"id\":1,\"kv_bytes\":2}")));
        }
        assert_false(engine_report_read(frame, &r));
        cJSON_Delete(frame);
}

int main(void) {
        (void) signal(SIGPIPE, SIG_IGN); /* as the daemon */
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_control),        cmocka_unit_test(test_suspend_and_restore),
                cmocka_unit_test(test_downshift_now),  cmocka_unit_test(test_downshift_now_of_a_deaf_engine),
                cmocka_unit_test(test_unasked_frames), cmocka_unit_test(test_reports),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
