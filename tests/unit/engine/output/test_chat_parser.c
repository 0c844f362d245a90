/*
 * test_chat_parser.c - answers taken apart: a row is what a model says, and the parts of it. Each text comes whole, byte by byte, and cut in
 * two at every place: the parts must be the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/output/chat_parser.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum model { PLAIN, HERMES, THINKING, THINKING_OPEN, LLAMA, MISTRAL, MAGISTRAL, GRANITE };

/* Templates, as far as their marks go. */
static const char *const templates[] = {
        [PLAIN] = "{{ messages }}",
        [HERMES] = "<tool_call>\n{\"name\": , \"arguments\": }\n</tool_call>",
        [THINKING] = "<think></think> <tool_call> \"arguments\"",
        [THINKING_OPEN] = "<think></think> <tool_call> \"arguments\"",
        [LLAMA] = "<|start_header_id|> {\"name\": , \"parameters\": }",
        [MISTRAL] = "[TOOL_CALLS] [INST]",
        [MAGISTRAL] = "[THINK][/THINK] [TOOL_CALLS]",
        [GRANITE] = "<|tool_call|>",
};

struct said {
        char text[1024];
        enum chunk_kind kind; /* of the last part */
        bool any;
};

/* R{reasoning} C{content} and, for a call, name(arguments). */
static void note(struct said *s, const struct chat_chunk *p) {
        size_t used = strlen(s->text);
        bool again = s->any && s->kind == p->kind && !p->name;
        if (again)
                s->text[--used] = '\0';
        else if (p->kind != CHUNK_CALL)
                used += (size_t) sprintf(s->text + used, "%s", p->kind == CHUNK_REASONING ? "R{" : "C{");
        if (p->name) {
                assert_int_equal(p->length, 0);
                assert_int_equal(strlen(p->id), 9);
                used += (size_t) sprintf(s->text + used, "%u:%s(", p->index, p->name);
        }
        sprintf(s->text + used, "%.*s%s", (int) p->length, p->text, p->kind == CHUNK_CALL ? ")" : "}");
        s->any = true;
        s->kind = p->kind;
}

static void take(struct chat_parser *r, struct said *s) {
        struct chat_chunk part;
        while (chat_parser_next(r, &part))
                note(s, &part);
}

/* TEXT in pieces: up to FIRST bytes, then STEP by STEP. */
static void say(enum model model, bool calls, const char *text, size_t first, size_t step, struct said *ret) {
        struct chat_format format = chat_format_recognise(templates[model], strlen(templates[model]), NULL);
        char tools[] = "get\0set\0";
        struct chat_parser_setup setup = { .format = &format,
                                           .calls = calls,
                                           .reasoning = model == THINKING_OPEN ? REASONING_OPEN : REASONING_OVER,
                                           .tools = tools };
        struct chat_parser r;
        size_t length = strlen(text);
        *ret = (struct said){ .any = false };
        assert_int_equal(chat_parser_init(&r, &setup), 0);
        for (size_t at = 0, count = first; at < length; at += count, count = step) {
                if (count > length - at)
                        count = length - at;
                char *piece = malloc(count ? count : 1); /* exactly its size */
                memcpy(piece, text + at, count);
                assert_int_equal(chat_parser_push(&r, piece, count), 0);
                free(piece);
                take(&r, ret);
        }
        chat_parser_end(&r);
        take(&r, ret);
        chat_parser_done(&r);
}

static void check(const char *what, enum model model, bool calls, const char *text, const char *parts) {
        struct said said;
        size_t length = strlen(text);
        for (size_t first = 0; first <= length + 1; first++) {
                say(model, calls, text, first <= length ? first : 1, first <= length ? length : 1, &said);
                if (strcmp(said.text, parts))
                        fail_msg("%s, cut at %zu: %s\ngot    %s\nwanted %s", what, first, text, said.text, parts);
        }
}

static void test_parts(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                const char *what;
                enum model model;
                const char *text, *parts;
        } rows[] = {
                { "a model that marks nothing", PLAIN, " <think>a</think><tool_call>{}\n", "C{ <think>a</think><tool_call>{}\n}" },
                { "content alone", HERMES, " Hello\n", "C{ Hello\n}" },
                { "a call", HERMES, "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"a\": [1, \"}\\\"\"]}}\n</tool_call>",
                  "0:get({\"a\": [1, \"}\\\"\"]})" },
                { "words before and behind", HERMES, "Let me see.\n\n<tool_call>{\"name\":\"get\",\"arguments\":{}}</tool_call>\n done",
                  "C{Let me see.}0:get({})C{done}" },
                { "two calls", HERMES,
                  "<tool_call>\n{\"name\":\"get\",\"arguments\":{}}\n</tool_call>\n<tool_call>\n{\"name\":\"set\",\"arguments\":{\"b\":1}}\n</tool_call>",
                  "0:get({})1:set({\"b\":1})" },
                { "arguments before the name", HERMES, "<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"get\"}</tool_call>", "0:get({\"a\": 1})" },
                { "arguments as a text", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": \"{\\\"a\\\": 1}\"}</tool_call>", "0:get({\"a\": 1})" },
                { "no arguments", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": null}</tool_call>", "0:get({})" },
                { "more members", HERMES, "<tool_call>{\"id\": [{\"x\": \"}\"}], \"name\": \"get\", \"arguments\": {}, \"z\": {\"y\": 1}}</tool_call>", "0:get({})" },
                { "no JSON", HERMES, "<tool_call>get(1)</tool_call>", "C{<tool_call>get(1)</tool_call>}" },
                { "JSON that is no call", HERMES, "<tool_call>{\"a\": 1}</tool_call> b", "C{<tool_call>{\"a\": 1}</tool_call> b}" },
                { "a call cut short in its name", HERMES, "a <tool_call>{\"name\": \"ge", "C{a <tool_call>{\"name\": \"ge}" },
                { "a call cut short in its arguments", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": {\"a\":", "0:get({\"a\":)" },
                { "a call that is not closed", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": {}}", "0:get({})" },
                { "what looks like a mark", HERMES, "a <tool <tool_cal> < b", "C{a <tool <tool_cal> < b}" },
                { "and ends like one", HERMES, "a <tool_ca", "C{a <tool_ca}" },
                { "reasoning", THINKING, "<think>\nHm.\n\nSo.\n</think>\n\nYes.", "R{Hm.\n\nSo.}C{Yes.}" },
                { "white space before it", THINKING, "\n <think>a</think>b", "R{a}C{b}" },
                { "no reasoning after all", THINKING, "Yes <think>", "C{Yes <think>}" },
                { "empty reasoning", THINKING, "<think>\n\n</think>\n\nYes.", "C{Yes.}" },
                { "reasoning that does not end", THINKING, "<think>a </th", "R{a </th}" },
                { "reasoning that the prompt opened", THINKING_OPEN, "\nHm.</think>\nYes.", "R{Hm.}C{Yes.}" },
                { "reasoning, then a call", THINKING, "<think>a</think>\n<tool_call>{\"name\":\"get\",\"arguments\":{}}</tool_call>", "R{a}0:get({})" },
                { "a call within reasoning is thought of", THINKING, "<think><tool_call>{}</tool_call></think>b", "R{<tool_call>{}</tool_call>}C{b}" },
                { "a bare call", LLAMA, "{\"name\": \"get\", \"parameters\": {\"a\": 1}}", "0:get({\"a\": 1})" },
                { "behind its mark", LLAMA, "<|python_tag|>{\"name\": \"get\", \"parameters\": {}}", "0:get({})" },
                { "two of them", LLAMA, "{\"name\": \"get\", \"parameters\": {}}; {\"name\": \"set\", \"parameters\": {}}", "0:get({})1:set({})" },
                { "JSON that was asked for", LLAMA, "{\"name\": \"Bob\", \"parameters\": {\"a\": 1}}", "C{{\"name\": \"Bob\", \"parameters\": {\"a\": 1}}}" },
                { "other JSON", LLAMA, "{\"a\": 1}", "C{{\"a\": 1}}" },
                { "JSON within words", LLAMA, "See {\"name\": \"get\", \"parameters\": {}}", "C{See {\"name\": \"get\", \"parameters\": {}}}" },
                { "a list of calls", MISTRAL, "[TOOL_CALLS] [{\"name\": \"get\", \"arguments\": {\"a\": 1}}, {\"name\": \"set\", \"arguments\": {}, \"id\": \"abcdefghi\"}]",
                  "0:get({\"a\": 1})1:set({})" },
                { "names with arguments", MISTRAL, "[TOOL_CALLS]get[ARGS]{\"a\": 1}[TOOL_CALLS]set[CALL_ID]abcdefghi[ARGS]{}", "0:get({\"a\": 1})1:set({})" },
                { "without the mark between", MISTRAL, "[TOOL_CALLS]get{\"a\": 1}", "0:get({\"a\": 1})" },
                { "brackets of words", MISTRAL, "[TOOL] [1] [TOOL_CALLS", "C{[TOOL] [1] [TOOL_CALLS}" },
                { "reasoning by other marks", MAGISTRAL, "[THINK]a[/THINK]b[TOOL_CALLS]get[ARGS]{}", "R{a}C{b}0:get({})" },
                { "a list behind a mark", GRANITE, "<|tool_call|>[{\"name\": \"get\", \"arguments\": {}}]", "0:get({})" },
        };
        /* clang-format on */
        for (size_t i = 0; i < COUNT(rows); i++)
                check(rows[i].what, rows[i].model, true, rows[i].text, rows[i].parts);
        check("no tools were offered", HERMES, false, "<tool_call>{\"name\":\"get\",\"arguments\":{}}</tool_call>",
              "C{<tool_call>{\"name\":\"get\",\"arguments\":{}}</tool_call>}");
        check("and a model that thinks", THINKING, false, "<think>a</think><tool_call>", "R{a}C{<tool_call>}");
}

/* Arguments flow: they do not wait for their end. */
static void test_arguments_flow(void **state) {
        (void) state;
        struct chat_format format = chat_format_recognise(templates[HERMES], strlen(templates[HERMES]), NULL);
        struct chat_parser_setup setup = { .format = &format, .calls = true };
        static const char begins[] = "<tool_call>{\"name\": \"get\", \"arguments\": {\"a\"";
        struct chat_parser r;
        struct chat_chunk part;
        assert_int_equal(chat_parser_init(&r, &setup), 0);
        assert_int_equal(chat_parser_push(&r, begins, strlen(begins)), 0);
        assert_true(chat_parser_next(&r, &part));
        assert_string_equal(part.name, "get");
        assert_true(chat_parser_next(&r, &part));
        assert_int_equal(part.length, 4);
        assert_memory_equal(part.text, "{\"a\"", 4);
        assert_null(part.id);
        assert_false(chat_parser_next(&r, &part));
        chat_parser_done(&r);
}

/* The beginning of a call that the prompt already holds counts as said. */
static void test_begun(void **state) {
        (void) state;
        static const struct {
                enum model model;
                const char *begun, *text, *parts;
        } rows[] = {
                { HERMES, "<tool_call>\n{\"name\": \"get\", \"arguments\":", " {\"a\": 1}}\n</tool_call>", "0:get({\"a\": 1})" },
                { HERMES, "<tool_call>\n{\"name\": \"", "set\", \"arguments\": {}}\n</tool_call>", "0:set({})" },
                { LLAMA, "{\"name\": \"get\", \"parameters\": ", "{}}", "0:get({})" },
                { MISTRAL, "[TOOL_CALLS] [{\"name\": \"get\", \"arguments\": ", "{}}]", "0:get({})" },
                { MAGISTRAL, "[TOOL_CALLS]get[ARGS]", "{\"a\": 1}", "0:get({\"a\": 1})" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct chat_format format =
                        chat_format_recognise(templates[rows[i].model], strlen(templates[rows[i].model]), NULL);
                char begun[100], tools[] = "get\0set\0";
                strcpy(begun, rows[i].begun);
                struct chat_parser_setup setup = { .format = &format, .calls = true, .begun = begun, .tools = tools };
                struct said said = { .any = false };
                struct chat_parser r;
                assert_int_equal(chat_parser_init(&r, &setup), 0);
                take(&r, &said);
                assert_int_equal(chat_parser_push(&r, rows[i].text, strlen(rows[i].text)), 0);
                chat_parser_end(&r);
                take(&r, &said);
                assert_string_equal(said.text, rows[i].parts);
                chat_parser_done(&r);
        }
}

static void test_formats(void **state) {
        (void) state;
        static const struct {
                const char *template, *opens;
        } rows[] = {
                { "<tool_call> <function=x> \"arguments\" <arg_key>", NULL },
                { "<tool_call> <function=x>", NULL },
                { "<tool_call> \"arguments\"", "<tool_call>" },
                { "", NULL },
                { "functools[]", "functools" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct chat_format f = chat_format_recognise(rows[i].template, strlen(rows[i].template), NULL);
                if (!rows[i].opens)
                        assert_null(f.calls);
                else
                        assert_string_equal(f.calls->open, rows[i].opens);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parts),
                cmocka_unit_test(test_arguments_flow),
                cmocka_unit_test(test_begun),
                cmocka_unit_test(test_formats),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
