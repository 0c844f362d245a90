/*
 * test_trace.c - a trace's lines and file, and what becomes of it when a disk is slow, full, or not there.
 *
 * The pool has one thread, so that a job which waits stands for a disk that is busy.
 */
#include <errno.h>
#include <ftw.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/base/bounds.h"
#include "daemon/trace/line.h"
#include "daemon/trace/traces.h"

static struct {
        uv_loop_t loop;
        char directory[64];
        struct traces *traces;
        struct trace *trace[TRACES_MAX + 1]; /* that takes lines, by model */
        enum reason because[TRACES_MAX + 1];
        unsigned done_count, due_count;
        int error;
        char path[4096];
        uint64_t dropped;
} w;

/* --- lines --- */

static void assert_line(const char *json, const char *expected) {
        char bytes[512];
        struct line l = { .bytes = bytes, .size = sizeof bytes };
        cJSON *value = cJSON_Parse(json);

        assert_non_null(value);
        line_value(&l, value);
        cJSON_Delete(value);
        assert_false(l.is_full);
        bytes[l.used] = 0;
        assert_string_equal(bytes, expected);
}

static void a_value_is_written_as_it_was(void **state) {
        static const char *const same[] = { "{}", "[]", "{\"a\":[1,-2,0.5,true,false,null],\"b\":{\"c\":\"\"}}",
                                            "9007199254740992",
                                            "\"\\\"\\\\\\n\\r\\t\\u0001 gr\xc3\xb6\xc3\x9f"
                                            "e\"" };

        (void) state;
        for (size_t i = 0; i < sizeof same / sizeof *same; i++)
                assert_line(same[i], same[i]);
        assert_line("1e999", "null");
        assert_line("\"a\xff\xc3\"", "\"a??\"");
}

static cJSON *long_text(size_t bytes) {
        char *text = malloc(bytes + 1);

        assert_non_null(text);
        for (size_t i = 0; i < bytes; i++)
                text[i] = i % 2 ? (char) 0xb6 : (char) 0xc3;
        text[bytes] = 0;
        cJSON *value = cJSON_CreateString(text);
        free(text);
        return value;
}

/* The JSON that is written for VALUE, parsed. */
static cJSON *written(cJSON *value) {
        static char bytes[TRACE_LINE_MAX];
        struct line l = { .bytes = bytes, .size = sizeof bytes };

        line_value(&l, value);
        cJSON_Delete(value);
        assert_false(l.is_full);
        cJSON *parsed = cJSON_ParseWithLength(bytes, l.used);
        assert_non_null(parsed);
        return parsed;
}

static double number_of(const cJSON *object, const char *key) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

        assert_true(cJSON_IsNumber(item));
        return item->valuedouble;
}

static const char *text_of(const cJSON *object, const char *key) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

        assert_non_null(text);
        return text;
}

static void what_is_long_is_cut_and_its_length_told(void **state) {
        (void) state;
        cJSON *whole = written(long_text(TRACE_TEXT_MAX)), *cut = written(long_text(TRACE_TEXT_MAX + 2));
        assert_int_equal(strlen(cJSON_GetStringValue(whole)), TRACE_TEXT_MAX);
        assert_string_equal(text_of(cut, "cut"), cJSON_GetStringValue(whole));
        assert_int_equal(number_of(cut, "bytes"), TRACE_TEXT_MAX + 2);
        cJSON_Delete(whole);
        cJSON_Delete(cut);

        cJSON *array = cJSON_CreateArray();
        for (unsigned i = 0; i < TRACE_ITEMS_MAX + 3; i++)
                cJSON_AddItemToArray(array, cJSON_CreateNumber(i));
        cut = written(array);
        const cJSON *items = cJSON_GetObjectItemCaseSensitive(cut, "cut");
        assert_int_equal(cJSON_GetArraySize(items), TRACE_ITEMS_MAX);
        assert_int_equal(number_of(cut, "items"), TRACE_ITEMS_MAX + 3);
        cJSON_Delete(cut);
}

static void no_character_is_cut_in_two(void **state) {
        char *text = malloc(TRACE_TEXT_MAX + 3);

        (void) state;
        assert_non_null(text);
        memset(text, 'a', TRACE_TEXT_MAX - 1);
        (void) strcpy(text + TRACE_TEXT_MAX - 1, "\xc3\xb6");
        cJSON *cut = written(cJSON_CreateString(text));
        assert_int_equal(strlen(text_of(cut, "cut")), TRACE_TEXT_MAX - 1);
        cJSON_Delete(cut);
        memset(text, 0x80, TRACE_TEXT_MAX + 1); /* no characters at all */
        cut = written(cJSON_CreateString(text));
        assert_int_equal(strspn(text_of(cut, "cut"), "?"), TRACE_TEXT_MAX - 3);
        cJSON_Delete(cut);
        free(text);
}

static void a_full_line_takes_no_more(void **state) {
        char bytes[8];
        struct line l = { .bytes = bytes, .size = sizeof bytes };

        (void) state;
        line_puts(&l, "12345678");
        assert_false(l.is_full);
        line_puts(&l, "9");
        assert_true(l.is_full);
        assert_int_equal(l.used, 8);
}

/* --- a world with a disk --- */

static void on_change(void *user, uint32_t model, struct trace *trace, enum reason because) {
        (void) user;
        w.trace[model] = trace;
        w.because[model] = because;
}

static void on_due(void *user) {
        (void) user;
        w.due_count++;
}

static void on_done(void *user, int error, const struct trace_info *info) {
        (void) user;
        w.done_count++;
        w.error = error;
        w.dropped = info->dropped;
        (void) snprintf(w.path, sizeof w.path, "%s", info->path);
}

static int set_up(void **state) {
        static const struct traces_events events = { .on_change = on_change, .on_due = on_due };

        (void) state;
        memset(&w, 0, sizeof w);
        (void) strcpy(w.directory, "/tmp/headroom-trace-XXXXXX");
        assert_non_null(mkdtemp(w.directory));
        assert_int_equal(uv_loop_init(&w.loop), 0);
        return traces_new(&w.loop, w.directory, &events, NULL, &w.traces);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place) {
        (void) st;
        (void) kind;
        (void) place;
        return remove(path);
}

static int tear_down(void **state) {
        (void) state;
        (void) traces_finish(w.traces);
        (void) uv_run(&w.loop, UV_RUN_DEFAULT);
        assert_true(traces_finish(w.traces));
        traces_free(w.traces);
        assert_int_equal(uv_loop_close(&w.loop), 0);
        return nftw(w.directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void run(void) {
        (void) uv_run(&w.loop, UV_RUN_DEFAULT); /* no timers: it returns when the pool has nothing left */
}

static struct trace *begin(uint32_t model, const char *id) {
        assert_int_equal(traces_begin(w.traces, model, id, 10, on_done, NULL), REASON_NONE);
        run();
        assert_int_equal(w.error, 0);
        assert_non_null(w.trace[model]);
        return w.trace[model];
}

static void end(uint32_t model) {
        assert_int_equal(traces_end(w.traces, model, on_done, NULL), REASON_NONE);
        assert_null(w.trace[model]);
        run();
}

struct lines {
        size_t count;
        cJSON *all[1024];
};

/* Each line of the file, which is whole JSON. */
static struct lines *read_lines(void) {
        struct lines *lines = calloc(1, sizeof *lines);
        FILE *file = fopen(w.path, "re");
        char *line = NULL;
        size_t size = 0;
        ssize_t count;

        assert_non_null(lines);
        assert_non_null(file);
        while ((count = getline(&line, &size, file)) > 0) {
                assert_true(lines->count < 1024 && line[count - 1] == '\n');
                cJSON *value = cJSON_ParseWithLength(line, (size_t) count);
                assert_non_null(value);
                lines->all[lines->count++] = value;
        }
        free(line);
        (void) fclose(file);
        assert_true(lines->count >= 2);
        return lines;
}

static void lines_free(struct lines *lines) {
        for (size_t i = 0; i < lines->count; i++)
                cJSON_Delete(lines->all[i]);
        free(lines);
}

static void assert_last(const struct lines *lines, enum reason because) {
        const cJSON *last = lines->all[lines->count - 1];

        assert_string_equal(text_of(last, "kind"), "end");
        assert_string_equal(text_of(last, "reason"), reason_info(because)->word);
        assert_string_equal(text_of(last, "sentence"), reason_info(because)->sentence);
        assert_int_equal(number_of(last, "lines"), lines->count - 1);
}

static unsigned mode_of(const char *path) {
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_mode & 07777;
}

static void add_frame(struct trace *t, const char *json) {
        cJSON *frame = cJSON_Parse(json);

        trace_frame(t, TRACE_ENGINE, "text", frame, strlen(json));
        cJSON_Delete(frame);
}

static void frames_and_decisions_are_lines_of_a_private_file(void **state) {
        char folder[80];

        (void) state;
        struct trace *t = begin(0, "org/name:q4");
        log_debug("admission", LOG_TEXT("model", "org/name:q4"), LOG_TEXT("verdict", "admit"), LOG_NUMBER("needed_mib", 7));
        log_info("unload", LOG_TEXT("model", "other"), LOG_TEXT("for", "org/name:q4"));
        log_info("unload", LOG_TEXT("model", "other"), LOG_MAYBE("for", ""));
        log_info("rung", LOG_TEXT("rung", "hold"));
        log_debug("plan", LOG_NUMBER("tick", 1));
        add_frame(t, "{\"type\":\"text\",\"id\":1,\"text\":\"hi\"}");
        trace_frame(t, TRACE_DAEMON, "relieve", NULL, 20);
        end(0);
        log_info("rung", LOG_TEXT("rung", "calm"));
        (void) snprintf(folder, sizeof folder, "%s/" TRACE_FOLDER, w.directory);
        assert_int_equal(mode_of(folder), 0700);
        assert_int_equal(mode_of(w.path), 0600);
        assert_non_null(strstr(w.path, "/org_name_q4-2"));

        struct lines *lines = read_lines();
        static const char *const kinds[] = { "begin", "decision", "decision", "decision", "frame", "frame", "end" };
        assert_int_equal(lines->count, 7);
        for (size_t i = 0; i < 7; i++)
                assert_string_equal(text_of(lines->all[i], "kind"), kinds[i]);
        assert_string_equal(text_of(lines->all[0], "model"), "org/name:q4");
        assert_int_equal(number_of(lines->all[0], "minutes"), 10);
        assert_string_equal(text_of(lines->all[1], "event"), "admission");
        assert_string_equal(text_of(lines->all[1], "level"), "debug");
        const cJSON *fields = cJSON_GetObjectItemCaseSensitive(lines->all[1], "fields");
        assert_string_equal(text_of(fields, "verdict"), "admit");
        assert_int_equal(number_of(fields, "needed_mib"), 7);
        assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(lines->all[2], "fields")), 2);
        assert_string_equal(text_of(lines->all[3], "event"), "rung");
        assert_string_equal(text_of(lines->all[4], "from"), "engine");
        assert_string_equal(text_of(cJSON_GetObjectItemCaseSensitive(lines->all[4], "frame"), "text"), "hi");
        assert_string_equal(text_of(lines->all[5], "from"), "daemon");
        assert_string_equal(text_of(lines->all[5], "type"), "relieve");
        assert_null(cJSON_GetObjectItemCaseSensitive(lines->all[5], "frame"));
        assert_last(lines, REASON_OPERATOR);
        lines_free(lines);
}

static void a_folder_that_others_could_read_is_closed(void **state) {
        char folder[80];

        (void) state;
        (void) snprintf(folder, sizeof folder, "%s/" TRACE_FOLDER, w.directory);
        assert_int_equal(mkdir(folder, 0777), 0);
        assert_int_equal(chmod(folder, 0777), 0);
        (void) begin(0, "m");
        assert_int_equal(mode_of(folder), 0700);
}

static void assert_fails(int error) {
        assert_int_equal(traces_begin(w.traces, 0, "m", 10, on_done, NULL), REASON_NONE);
        run();
        assert_int_equal(w.error, error);
        assert_null(w.trace[0]);
        assert_int_equal(traces_end(w.traces, 0, on_done, NULL), REASON_NOT_TRACED);
}

static void no_file_no_trace(void **state) {
        char folder[80];

        (void) state;
        (void) snprintf(folder, sizeof folder, "%s/" TRACE_FOLDER, w.directory);
        assert_int_equal(symlink("/tmp", folder), 0);
        assert_fails(-ENOTDIR); /* a link is not followed */
        assert_int_equal(unlink(folder), 0);
        FILE *file = fopen(folder, "we");
        assert_non_null(file);
        (void) fclose(file);
        assert_fails(-ENOTDIR);
        assert_int_equal(unlink(folder), 0);
        assert_int_equal(w.done_count, 2);
        (void) begin(0, "m"); /* and then it can be had */
}

/* --- bounds --- */

static sem_t gate;

static void wait_at_gate(uv_work_t *work) {
        (void) work;
        (void) sem_wait(&gate);
}

static void on_passed(uv_work_t *work, int status) {
        (void) work;
        (void) status;
}

static void lines_that_a_slow_disk_cannot_take_are_dropped_and_counted(void **state) {
        static uv_work_t busy;
        char text[1000];
        unsigned added = 0;

        (void) state;
        struct trace *t = begin(0, "m");
        assert_int_equal(sem_init(&gate, 0, 0), 0);
        assert_int_equal(uv_queue_work(&w.loop, &busy, wait_at_gate, on_passed), 0);
        (void) snprintf(text, sizeof text, "{\"text\":\"%0900d\"}", 1);
        for (; trace_info(t).dropped < 3; added++)
                add_frame(t, text);
        assert_true(added > TRACE_BUFFER_BYTES / 1100);
        assert_int_equal(trace_over(t, 0), REASON_NONE);
        (void) sem_post(&gate);
        run();
        add_frame(t, text);
        end(0);
        assert_int_equal(w.dropped, 3);

        FILE *file = fopen(w.path, "re");
        char *line = NULL;
        size_t size = 0;
        unsigned frames = 0;
        assert_non_null(file);
        while (getline(&line, &size, file) > 0) {
                frames += strstr(line, "\"kind\":\"frame\"") != NULL;
                if (strstr(line, "\"kind\":\"dropped\""))
                        assert_non_null(strstr(line, "\"lines\":3}"));
                if (strstr(line, "\"kind\":\"dropped\""))
                        assert_int_equal(frames, added - 3);
        }
        assert_int_equal(frames, added - 3 + 1);
        assert_non_null(strstr(line, "\"kind\":\"end\""));
        assert_non_null(strstr(line, "\"dropped\":3}"));
        free(line);
        (void) fclose(file);
}

static void a_frame_longer_than_a_line_goes_without_its_contents(void **state) {
        (void) state;
        struct trace *t = begin(0, "m");
        cJSON *frame = cJSON_CreateObject();
        for (unsigned i = 0; i < TRACE_LINE_MAX / TRACE_TEXT_MAX; i++)
                cJSON_AddItemToObject(frame, "text", long_text(TRACE_TEXT_MAX));
        trace_frame(t, TRACE_ENGINE, "text", frame, 600000);
        cJSON_Delete(frame);
        end(0);
        struct lines *lines = read_lines();
        assert_int_equal(lines->count, 3);
        assert_int_equal(number_of(lines->all[1], "bytes"), 600000);
        assert_null(cJSON_GetObjectItemCaseSensitive(lines->all[1], "frame"));
        lines_free(lines);
}

static void a_file_that_is_full_ends_the_trace(void **state) {
        struct stat st;

        (void) state;
        struct trace *t = begin(0, "m");
        cJSON *frame = cJSON_CreateObject();
        for (unsigned i = 0; i < 7; i++)
                cJSON_AddItemToObject(frame, "text", long_text(TRACE_TEXT_MAX));
        unsigned due = w.due_count;
        for (unsigned i = 0; i < 1000 && trace_over(t, 0) == REASON_NONE; i++) {
                trace_frame(t, TRACE_ENGINE, "text", frame, 460000);
                run();
        }
        cJSON_Delete(frame);
        assert_int_equal(trace_over(t, 0), REASON_TRACE_FULL);
        assert_int_equal(w.due_count, due + 1);
        add_frame(t, "{\"small\":1}"); /* would fit, but it has ended */
        (void) traces_tick(w.traces, 0);
        assert_int_equal(w.because[0], REASON_TRACE_FULL);
        run();
        assert_int_equal(stat(w.path, &st), 0);
        assert_true(st.st_size <= TRACE_FILE_BYTES_MAX && st.st_size > TRACE_FILE_BYTES_MAX - 500000);
        struct lines *lines = read_lines();
        assert_last(lines, REASON_TRACE_FULL);
        assert_string_equal(text_of(lines->all[lines->count - 2], "type"), "text");
        lines_free(lines);
}

static void a_disk_that_is_full_ends_the_trace(void **state) {
        struct rlimit before, little = { 100, RLIM_INFINITY };

        (void) state;
        struct trace *t = begin(0, "m");
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        little.rlim_max = before.rlim_max;
        (void) signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
        add_frame(t, "{\"text\":\"more than the hundred bytes that this file may have\"}");
        run();
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(trace_over(t, 0), REASON_TRACE_FAILED);
        (void) traces_tick(w.traces, 0);
        assert_null(w.trace[0]);
        assert_int_equal(w.because[0], REASON_TRACE_FAILED);
        run();
        assert_int_equal(traces_end(w.traces, 0, on_done, NULL), REASON_NOT_TRACED);
}

/* --- several --- */

static void a_model_has_one_and_few_have_one(void **state) {
        static const char *const ids[TRACES_MAX + 1] = { "a", "b", "c", "d", "e" };

        (void) state;
        for (uint32_t i = 0; i < TRACES_MAX; i++)
                (void) begin(i, ids[i]);
        assert_int_equal(traces_begin(w.traces, 2, ids[2], 10, on_done, NULL), REASON_TRACED);
        assert_int_equal(traces_begin(w.traces, TRACES_MAX, ids[TRACES_MAX], 10, on_done, NULL), REASON_TOO_MANY_TRACES);
        assert_int_equal(traces_end(w.traces, TRACES_MAX, on_done, NULL), REASON_NOT_TRACED);
        log_debug("state", LOG_TEXT("model", "c"));
        assert_int_equal(trace_info(w.trace[2]).lines, trace_info(w.trace[1]).lines + 1);
        end(2);
        (void) begin(TRACES_MAX, ids[TRACES_MAX]);
        assert_int_equal(w.done_count, TRACES_MAX + 2);
}

static void its_time_ends_it(void **state) {
        uint64_t now_ms = uv_hrtime() / 1000000;

        (void) state;
        assert_int_equal(traces_tick(w.traces, now_ms), UINT64_MAX);
        (void) begin(0, "m");
        uint64_t due_ms = traces_tick(w.traces, now_ms);
        assert_true(due_ms >= now_ms + 600000 && due_ms < now_ms + 660000);
        assert_non_null(w.trace[0]);
        assert_int_equal(traces_tick(w.traces, due_ms), UINT64_MAX);
        assert_null(w.trace[0]);
        run();
        struct lines *lines = read_lines();
        assert_last(lines, REASON_TIME_UP);
        lines_free(lines);
}

static void the_end_of_the_daemon_ends_all(void **state) {
        (void) state;
        (void) begin(0, "a");
        assert_int_equal(traces_begin(w.traces, 1, "b", 1, on_done, NULL), REASON_NONE); /* its file is not there yet */
        assert_false(traces_finish(w.traces));
        assert_int_equal(traces_begin(w.traces, 2, "c", 1, on_done, NULL), REASON_SHUTTING_DOWN);
        run();
        assert_true(traces_finish(w.traces));
        assert_int_equal(w.because[1], REASON_SHUTTING_DOWN);
        struct lines *lines = read_lines(); /* of b, told last */
        assert_string_equal(text_of(lines->all[0], "model"), "b");
        assert_last(lines, REASON_SHUTTING_DOWN);
        lines_free(lines);
}

#define IN_WORLD(TEST) cmocka_unit_test_setup_teardown(TEST, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_value_is_written_as_it_was),
                cmocka_unit_test(what_is_long_is_cut_and_its_length_told),
                cmocka_unit_test(no_character_is_cut_in_two),
                cmocka_unit_test(a_full_line_takes_no_more),
                IN_WORLD(frames_and_decisions_are_lines_of_a_private_file),
                IN_WORLD(a_folder_that_others_could_read_is_closed),
                IN_WORLD(no_file_no_trace),
                IN_WORLD(lines_that_a_slow_disk_cannot_take_are_dropped_and_counted),
                IN_WORLD(a_frame_longer_than_a_line_goes_without_its_contents),
                IN_WORLD(a_file_that_is_full_ends_the_trace),
                IN_WORLD(a_disk_that_is_full_ends_the_trace),
                IN_WORLD(a_model_has_one_and_few_have_one),
                IN_WORLD(its_time_ends_it),
                IN_WORLD(the_end_of_the_daemon_ends_all),
        };

        (void) setenv("UV_THREADPOOL_SIZE", "1", 1);
        log_open(LOG_LEVEL_ERROR);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
