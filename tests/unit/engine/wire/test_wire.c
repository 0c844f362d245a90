/* test_wire.c - the frame codec: any split of the stream gives the same frames; a damaged frame ends the stream. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/wire/wire.h"

static void push_frame(struct wire_reader *r, const char *json, size_t length) {
        uint8_t header[4] = { (uint8_t) length, (uint8_t) (length >> 8), (uint8_t) (length >> 16), (uint8_t) (length >> 24) };
        assert_int_equal(wire_reader_push(r, header, sizeof(header)), 0);
        assert_int_equal(wire_reader_push(r, json, length), 0);
}

static int read_one(const char *json, size_t length) {
        struct wire_reader r = { .bytes_max = 1000 };
        push_frame(&r, json, length);
        cJSON *frame = NULL;
        int result = wire_reader_next(&r, &frame);
        assert_int_equal(result == 1, frame != NULL);
        cJSON_Delete(frame);
        wire_reader_done(&r);
        return result;
}

static void test_rows(void **state) {
        (void) state;
        static const struct {
                const char *what, *json;
                int expect;
        } rows[] = {
                { "a plain frame", "{\"type\":\"ready\"}", 1 },
                { "white space around it", " {\"type\":\"ready\"}\n", 1 },
                { "a second object behind it", "{\"type\":\"ready\"}{}", -EBADMSG },
                { "rubbish behind it", "{\"type\":\"ready\"}x", -EBADMSG },
                { "an array", "[\"type\"]", -EBADMSG },
                { "a string", "\"type\"", -EBADMSG },
                { "no type", "{\"Type\":\"x\"}", -EBADMSG },
                { "a type that is a number", "{\"type\":1}", -EBADMSG },
                { "cut short", "{\"type\":\"rea", -EBADMSG },
                { "cut short after a backslash", "{\"type\":\"rea\\", -EBADMSG },
                { "not JSON", "GET / HTTP/1.1", -EBADMSG },
                { "empty", "", -EMSGSIZE },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                if (read_one(rows[i].json, strlen(rows[i].json)) != rows[i].expect)
                        fail_msg("%s", rows[i].what);
        }
        static const char with_nul[] = "{\"type\":\"a\0b\"}";
        assert_int_equal(read_one(with_nul, sizeof(with_nul) - 1), -EBADMSG);
        static const char nul_behind[] = "{\"type\":\"a\"}";
        assert_int_equal(read_one(nul_behind, sizeof(nul_behind)), -EBADMSG);
}

static void test_too_long_is_refused_before_it_arrives(void **state) {
        (void) state;
        struct wire_reader r = { .bytes_max = 100 };
        cJSON *frame;
        assert_int_equal(wire_reader_push(&r, "\x65\0\0\0", 4), 0);
        assert_int_equal(wire_reader_next(&r, &frame), -EMSGSIZE);
        wire_reader_done(&r);
        assert_int_equal(wire_reader_push(&r, "\xff\xff\xff\xff", 4), 0);
        assert_int_equal(wire_reader_next(&r, &frame), -EMSGSIZE);
        wire_reader_done(&r);
}

/* {"type":"x","deep":[[...]]} with DEPTH containers in all. */
static char *nested(uint32_t depth) {
        static const char head[] = "{\"type\":\"x\",\"deep\":";
        char *json = malloc(sizeof(head) + 2 * depth + 2);
        char *p = stpcpy(json, head);
        memset(p, '[', depth - 1);
        memset(p + depth - 1, ']', depth - 1);
        strcpy(p + 2 * (depth - 1), "}");
        return json;
}

static void test_nesting_is_bounded_on_both_sides(void **state) {
        (void) state;
        for (uint32_t depth = WIRE_DEPTH_MAX - 1; depth <= WIRE_DEPTH_MAX + 1; depth++) {
                char *json = nested(depth);
                assert_int_equal(read_one(json, strlen(json)), depth <= WIRE_DEPTH_MAX ? 1 : -EBADMSG);
                cJSON *tree = cJSON_Parse(json);
                uint8_t *frame = NULL;
                size_t count;
                assert_int_equal(wire_encode(tree, 1000, &frame, &count), depth <= WIRE_DEPTH_MAX ? 0 : -EMSGSIZE);
                free(frame);
                cJSON_Delete(tree);
                free(json);
        }
        /* Brackets inside a string do not nest, whatever is escaped there. */
        const char *flat = "{\"type\":\"x\",\"a\":\"[[[[\\\"[[[[\\\\\",\"b\":[1]}";
        assert_int_equal(wire_json_check(flat, strlen(flat), 2), 0);
        assert_int_equal(wire_json_check(flat, strlen(flat), 1), -E2BIG);
}

static void test_values_are_bounded_on_both_sides(void **state) {
        (void) state;
        static const char head[] = "{\"type\":\"x\",\"a\":[0";
        size_t many = WIRE_VALUES_MAX;
        char *json = malloc(sizeof(head) + 2 * many + 2);
        char *p = stpcpy(json, head);
        for (size_t i = 0; i < many; i++)
                p = stpcpy(p, ",0");
        strcpy(p, "]}");
        struct wire_reader r = { .bytes_max = WIRE_TO_ENGINE_BYTES_MAX };
        push_frame(&r, json, strlen(json));
        cJSON *frame;
        assert_int_equal(wire_reader_next(&r, &frame), -EBADMSG);
        wire_reader_done(&r);

        cJSON *tree = cJSON_Parse(json);
        uint8_t *bytes;
        size_t count;
        assert_int_equal(wire_encode(tree, WIRE_TO_ENGINE_BYTES_MAX, &bytes, &count), -EMSGSIZE);
        cJSON_Delete(tree);
        free(json);
}

static void test_encode_keeps_to_the_limit(void **state) {
        (void) state;
        cJSON *message = cJSON_Parse("{\"type\":\"text\",\"id\":7,\"text\":\"na\xc3\xafve \\\" \\n\"}");
        uint8_t *frame;
        size_t count;
        assert_int_equal(wire_encode(message, 10, &frame, &count), -EMSGSIZE);
        assert_int_equal(wire_encode(message, 1000, &frame, &count), 0);
        assert_int_equal(frame[0], count - 4);
        assert_int_equal(frame[1] | frame[2] | frame[3], 0);
        struct wire_reader r = { .bytes_max = (uint32_t) count - 4 };
        assert_int_equal(wire_reader_push(&r, frame, count), 0);
        cJSON *again = NULL, *none = NULL;
        assert_int_equal(wire_reader_next(&r, &again), 1);
        assert_true(cJSON_Compare(message, again, true));
        assert_string_equal(wire_type(again), "text");
        assert_int_equal(wire_reader_next(&r, &none), 0);
        cJSON_Delete(again);
        cJSON_Delete(message);
        free(frame);
        wire_reader_done(&r);
}

static int allocations_left;

static void *sparse_malloc(size_t size) {
        return allocations_left-- > 0 ? malloc(size) : NULL;
}

static void test_encode_survives_lack_of_memory(void **state) {
        (void) state;
        cJSON *message = cJSON_Parse("{\"type\":\"text\"}");
        cJSON_Hooks hooks = { .malloc_fn = sparse_malloc, .free_fn = free };
        cJSON_InitHooks(&hooks);
        uint8_t *frame = NULL;
        size_t count = 0;
        int r;
        for (int n = 0; allocations_left = n, (r = wire_encode(message, 1000, &frame, &count)) != 0; n++) {
                assert_int_equal(r, -ENOMEM);
                assert_null(frame);
        }
        free(frame);
        cJSON_InitHooks(NULL);
        cJSON_Delete(message);
}

/* A stream of frames of many sizes. */
#define FRAMES 60u

static size_t text_length(unsigned i) {
        return i % 7 == 0 ? 5000 + i * 100 : i;
}

static uint8_t *make_stream(size_t *ret_count) {
        uint8_t *stream = NULL;
        size_t used = 0;
        for (unsigned i = 0; i < FRAMES; i++) {
                size_t length = text_length(i);
                char *text = malloc(length + 1);
                memset(text, 'a' + (int) (i % 26), length);
                text[length] = '\0';
                cJSON *message = cJSON_CreateObject();
                cJSON_AddStringToObject(message, "type", "text");
                cJSON_AddNumberToObject(message, "id", i);
                cJSON_AddStringToObject(message, "text", text);
                uint8_t *frame;
                size_t count;
                assert_int_equal(wire_encode(message, 1u << 20, &frame, &count), 0);
                stream = realloc(stream, used + count);
                memcpy(stream + used, frame, count);
                used += count;
                free(frame);
                free(text);
                cJSON_Delete(message);
        }
        *ret_count = used;
        return stream;
}

static void test_any_split_gives_the_same_frames(void **state) {
        (void) state;
        size_t count;
        uint8_t *stream = make_stream(&count);
        for (unsigned round = 0; round < 100; round++) {
                srand(round);
                size_t step_max = (size_t[]){ 1, 3, 9, 200, 20000 }[round % 5];
                struct wire_reader r = { .bytes_max = 1u << 20 };
                unsigned seen = 0;
                for (size_t at = 0; at < count;) {
                        size_t step = 1 + (size_t) rand() % step_max;
                        step = step < count - at ? step : count - at;
                        assert_int_equal(wire_reader_push(&r, stream + at, step), 0);
                        at += step;
                        /* Sometimes frames are left waiting while more bytes arrive. */
                        cJSON *frame;
                        while ((at == count || rand() % 3) && wire_reader_next(&r, &frame) == 1) {
                                assert_int_equal(cJSON_GetObjectItem(frame, "id")->valueint, seen);
                                assert_int_equal(strlen(cJSON_GetObjectItem(frame, "text")->valuestring), text_length(seen));
                                cJSON_Delete(frame);
                                seen++;
                        }
                }
                assert_int_equal(seen, FRAMES);
                wire_reader_done(&r);
        }
        free(stream);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_too_long_is_refused_before_it_arrives),
                cmocka_unit_test(test_nesting_is_bounded_on_both_sides),
                cmocka_unit_test(test_values_are_bounded_on_both_sides),
                cmocka_unit_test(test_encode_keeps_to_the_limit),
                cmocka_unit_test(test_encode_survives_lack_of_memory),
                cmocka_unit_test(test_any_split_gives_the_same_frames),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
