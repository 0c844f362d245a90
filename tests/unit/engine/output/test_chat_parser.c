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

#define DS(words)    "<\xef\xbd\x9c" words "\xef\xbd\x9c>"
#define HUNDRED      "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
#define ML(words)      \
        "\xef\xbd\x9c" \
        "DSML"         \
        "\xef\xbd\x9c" words

enum model {
        PLAIN,
        HERMES,
        THINKING,
        THINKING_OPEN,
        LLAMA,
        MISTRAL,
        MAGISTRAL,
        GRANITE,
        CODER,
        GLM,
        MINIMAX,
        DSML,
        KIMI,
        DEEPSEEK,
        DEEPSEEK_31,
        HARMONY,
        LFM2,
        LLAMA_4,
        NEMOTRON,
        COHERE,
        FUNCTIONARY,
        HUNYUAN
};

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
        [CODER] = "<tool_call>\n<function=f>\n<parameter=a>\n</parameter>\n</function>\n</tool_call> arguments",
        [GLM] = "<think></think><tool_call>{name}\n<arg_key></arg_key>\n<arg_value></arg_value>\n</tool_call> arguments",
        [MINIMAX] = "<think></think>{% set begin = '<minimax:tool_call>' %} arguments",
        [DSML] = "</think> dsml_token = '\xef\xbd\x9c"
                 "DSML\xef\xbd\x9c' + 'function_calls'",
        [KIMI] = "<|tool_calls_section_begin|><|tool_call_begin|><|tool_call_argument_begin|>",
        [DEEPSEEK] = DS("tool▁calls▁begin") " ```json",
        [DEEPSEEK_31] = DS("tool▁calls▁begin"),
        [HARMONY] = "<|start|>assistant<|channel|>analysis<|message|> <|channel|>commentary",
        [LFM2] = "List of tools: <|tool_list_start|>[",
        [LLAMA_4] = "<|header_start|>assistant<|header_end|>",
        [NEMOTRON] = "<TOOLCALL>[",
        [COHERE] = "<|START_THINKING|><|END_THINKING|><|START_ACTION|>",
        [FUNCTIONARY] = "<function=",
        [HUNYUAN] = "'<think{}>'.format(HYTK) '<arg_key{}>'.format(HYTK)",
};

struct said {
        char text[2048];
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
        char tools[] = "get\0tcity\0an\0\0set\0\0";
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

/* clang-format off */
static const struct {
        const char *what;
        enum model model;
        const char *text, *parts;
} answers[] = {
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
        /* ---- arguments that are none, or damaged ---- */
        { "a call of what takes nothing", HERMES, "<tool_call>\n{\"name\": \"get\"}\n</tool_call>", "0:get({})" },
        { "and another behind it", HERMES, "<tool_call>{\"id\": 7, \"name\": \"get\"}</tool_call><tool_call>{\"name\":\"set\"}</tool_call>done",
          "0:get({})1:set({})C{done}" },
        { "a bare one", LLAMA, "{\"name\": \"get\"}", "0:get({})" },
        { "which is not offered", LLAMA, "{\"name\": \"Bob\"}", "C{{\"name\": \"Bob\"}}" },
        { "in a list", MISTRAL, "[TOOL_CALLS] [{\"name\": \"get\"}, {\"name\": \"set\"}]", "0:get({})1:set({})" },
        { "a name alone", MISTRAL, "[TOOL_CALLS]get[ARGS]", "0:get({})" },
        { "a name alone, twice", MISTRAL, "[TOOL_CALLS]get[ARGS][TOOL_CALLS]set", "0:get({})1:set({})" },
        { "a word alone", MISTRAL, "[TOOL_CALLS] see", "C{[TOOL_CALLS] see}" },
        { "arguments that are an empty text", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": \"\"}</tool_call>", "0:get({})" },
        { "another text", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": \"Paris, \\\"x\\\"}\"}</tool_call>b", "0:get({})C{b}" },
        { "a list", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": [{\"a\": \"]\"}, 1]}</tool_call>b", "0:get({})C{b}" },
        { "a number", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": -1.5e3, \"x\": {}}</tool_call>b", "0:get({})C{b}" },
        { "a text with a NUL", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": \"{\\\"a\\\": \\\"x\\u0000\\\"}\"}</tool_call>", "0:get({\"a\": \"x\\u0000\"})" },
        { "a text that is cut off", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": \"{\\\"q\\\":\"}</tool_call>", "0:get({\"q\":null})" },
        { "a text within a text, cut off", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": \"{\\\"q\\\": \\\"a\\\\\"}", "0:get({\"q\": \"a\"})" },
        { "Python's words and quotes", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": {'a': True, b: None, \"c\": [False, 'it\\'s \"x\"',],}}</tool_call>",
          "0:get({\"a\": true, \"b\": null, \"c\": [false, \"it's \\\"x\\\"\"]})" },
        { "line ends in a text", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": {\"a\": \"x\n\ty\\q\\u00e9\\ud8\"}}</tool_call>",
          "0:get({\"a\": \"x\\n\\ty\\\\q\\u00e9\\\\ud8\"})" },
        { "commas and colons that are missing", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": {\"a\" 1 \"b\": 02, \"c\", : 3}}</tool_call>",
          "0:get({\"a\":\"1 \\\"b\\\": 02\", \"c\":null, \"\": 3})" },
        { "cut off between two members", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": {\"a\": [1]", "0:get({\"a\": [1]})" },
        { "cut off within one", HERMES, "<tool_call>{\"name\": \"get\", \"arguments\": {\"a\": \"rm -rf /", "0:get({\"a\": \"rm -rf /)" },
        /* ---- arguments between marks ---- */
        { "arguments between marks", CODER, "<tool_call>\n<function=get>\n<parameter=city>\nParis, \"x\"\n</parameter>\n<parameter=n>\n3\n</parameter>\n</function>\n</tool_call>",
          "0:get({\"city\": \"Paris, \\\"x\\\"\", \"n\": 3})" },
        { "a text of several lines", CODER, "Well.\n<tool_call>\n<function=get>\n<parameter=city>\n\n a\n\tb < </par\n\n</parameter>\n</function>\n</tool_call>\nSo.",
          "C{Well.}0:get({\"city\": \"\\n a\\n\\tb < </par\\n\"})C{So.}" },
        { "a text that looks like a number", CODER, "<tool_call>\n<function=get>\n<parameter=city>\n75001\n</parameter>\n<parameter=n>\nmany\n</parameter>\n</function>\n</tool_call>",
          "0:get({\"city\": \"75001\", \"n\": \"many\"})" },
        { "values of every kind", CODER, "<tool_call>\n<function=set>\n<parameter=a>\nTrue\n</parameter>\n<parameter=b>\n{'x': [1, None]}\n</parameter>\n<parameter=c>\n-1.5e3\n</parameter><parameter=d>\n</parameter><parameter=e>[1] 2</parameter></function></tool_call>",
          "0:set({\"a\": true, \"b\": {\"x\": [1, null]}, \"c\": -1.5e3, \"d\": \"\", \"e\": \"[1] 2\"})" },
        { "no arguments between marks", CODER, "<tool_call>\n<function=get>\n</function>\n</tool_call>", "0:get({})" },
        { "several calls in one section", CODER, "<tool_call><function=get></function><function=set></function></tool_call>\n<tool_call><function=get></function></tool_call>",
          "0:get({})1:set({})2:get({})" },
        { "without the section", CODER, "I call.\n<function=get>\n<parameter=n>\n1\n</parameter>\n</function>\n</tool_call>", "C{I call.}0:get({\"n\": 1})" },
        { "which is not offered", CODER, "Write <function=foo> <parameter=x>", "C{Write <function=foo> <parameter=x>}" },
        { "a mark that is none", CODER, "<tool_call> see <function=get>", "C{<tool_call> see <function=get>}" },
        { "an end that is missing", CODER, "<tool_call>\n<function=get>\n<parameter=n>\n1\n</parameter>\n</tool_call> b", "0:get({\"n\": 1})C{b}" },
        { "the end of a value that is missing", CODER, "<tool_call>\n<function=get>\n<parameter=city>\nOslo\n</function>\n</tool_call>", "0:get({\"city\": \"Oslo\"})" },
        { "cut off within a value", CODER, "<tool_call>\n<function=get>\n<parameter=city>\nOs", "0:get({\"city\": \"Os)" },
        { "GLM's marks", GLM, "<think>a</think>\n<tool_call>get\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>n</arg_key>\n<arg_value>3</arg_value>\n</tool_call>\n<tool_call>set\n</tool_call>",
          "R{a}0:get({\"city\": \"Oslo\", \"n\": 3})1:set({})" },
        { "on one line", GLM, "<tool_call>get<arg_key>city</arg_key><arg_value>Oslo</arg_value></tool_call>ok", "0:get({\"city\": \"Oslo\"})C{ok}" },
        { "MiniMax's", MINIMAX, "<think>\na\n</think>\n\n<minimax:tool_call>\n<invoke name=\"get\">\n<parameter name=\"city\">Oslo</parameter>\n<parameter name=\"n\">[1]</parameter>\n</invoke>\n<invoke name=\"set\">\n</invoke>\n</minimax:tool_call>",
          "R{a}0:get({\"city\": \"Oslo\", \"n\": [1]})1:set({})" },
        { "DeepSeek's, which say what is a text", DSML,
          "a\n\n<" ML("function_calls>") "\n<" ML("invoke name=\"set\">") "\n<" ML("parameter name=\"x\" string=\"true\">") "1</" ML("parameter>") "\n<" ML("parameter name=\"city\" string=\"false\">") "2</" ML("parameter>") "\n</" ML("invoke>") "\n</" ML("function_calls>"),
          "C{a}0:set({\"x\": \"1\", \"city\": 2})" },
        { "Hunyuan's", HUNYUAN, "<think:opensource>a</think:opensource><tool_calls:opensource>\n<tool_call:opensource>get<tool_sep:opensource>\n<arg_key:opensource>city</arg_key:opensource>\n<arg_value:opensource>Oslo</arg_value:opensource>\n</tool_call:opensource>\n</tool_calls:opensource>",
          "R{a}0:get({\"city\": \"Oslo\"})" },
        /* ---- a name, and an object ---- */
        { "Kimi's", KIMI, "a<|tool_calls_section_begin|><|tool_call_begin|>functions.get:0<|tool_call_argument_begin|>{\"n\": 1}<|tool_call_end|><|tool_call_begin|>functions.set:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
          "C{a}0:get({\"n\": 1})1:set({})" },
        { "without arguments", KIMI, "<|tool_calls_section_begin|><|tool_call_begin|>functions.get:0<|tool_call_argument_begin|><|tool_call_end|><|tool_calls_section_end|>b", "0:get({})C{b}" },
        { "DeepSeek's", DEEPSEEK, DS("tool▁calls▁begin") DS("tool▁call▁begin") "function" DS("tool▁sep") "get\n```json\n{\"n\": 1}\n```" DS("tool▁call▁end") "\n" DS("tool▁call▁begin") "function" DS("tool▁sep") "set\n```json\n{}\n```" DS("tool▁call▁end") DS("tool▁calls▁end"),
          "0:get({\"n\": 1})1:set({})" },
        { "and its newer ones", DEEPSEEK_31, DS("tool▁calls▁begin") DS("tool▁call▁begin") "get" DS("tool▁sep") "{\"n\": 1}" DS("tool▁call▁end") DS("tool▁calls▁end") "b", "0:get({\"n\": 1})C{b}" },
        { "functionary's", FUNCTIONARY, "<function=get>{\"n\": 1}</function><function=set>{}</function>", "0:get({\"n\": 1})1:set({})" },
        { "Nemotron's", NEMOTRON, "<TOOLCALL>[{\"name\": \"get\", \"arguments\": {\"n\": 1}}, {\"name\": \"set\", \"arguments\": {}}]</TOOLCALL>\n", "0:get({\"n\": 1})1:set({})" },
        { "Cohere's", COHERE, "<|START_THINKING|>a<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"get\", \"parameters\": {\"n\": 1}},\n    {\"tool_call_id\": \"1\", \"tool_name\": \"set\", \"parameters\": {}}\n]<|END_ACTION|>",
          "R{a}0:get({\"n\": 1})1:set({})" },
        /* ---- Python ---- */
        { "calls as Python writes them", LFM2, "<|tool_call_start|>[get(city=\"Oslo\", n=3), set()]<|tool_call_end|>So.", "0:get({\"city\":\"Oslo\", \"n\":3})1:set({})C{So.}" },
        { "values in brackets", LFM2, "<|tool_call_start|>[get(n=[1, (2, None)], o={'a': \")\"}, city='x')]<|tool_call_end|>", "0:get({\"n\":[1, [2, null]], \"o\":{\"a\": \")\"}, \"city\":\"x\"})" },
        { "one that is cut off", LFM2, "<|tool_call_start|>[get(n=3, city=\"Os", "0:get({\"n\":3, \"city\":\"Os)" },
        { "as JSON after all", LFM2, "<|tool_call_start|>[{\"name\": \"get\", \"arguments\": {\"n\": 1}}]<|tool_call_end|>", "0:get({\"n\": 1})" },
        { "a bare list", LLAMA_4, "[get(n=1), set()]", "0:get({\"n\":1})1:set({})" },
        { "one that is not of calls", LLAMA_4, "[1, 2]", "C{[1, 2]}" },
        { "nor of these tools", LLAMA_4, "[foo(n=1)]", "C{[foo(n=1)]}" },
        { "behind its mark", LLAMA_4, "<|python_start|>[get(n=1)]<|python_end|>", "0:get({\"n\":1})" },
        { "bare JSON", LLAMA_4, "{\"name\": \"get\", \"parameters\": {\"n\": 1}}", "0:get({\"n\": 1})" },
        /* ---- channels ---- */
        { "channels", HARMONY, "<|channel|>analysis<|message|>Hm.\n\nSo.<|end|><|start|>assistant<|channel|>final<|message|>Yes. <b>", "R{Hm.\n\nSo.}C{Yes. <b>}" },
        { "an answer alone", HARMONY, "<|channel|>final<|message|>Yes.<|return|>", "C{Yes.}" },
        { "a call in a channel", HARMONY, "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary to=functions.get <|constrain|>json<|message|>{\"n\": 1}<|call|>",
          "R{a}0:get({\"n\": 1})" },
        { "whose name comes first", HARMONY, "<|start|>assistant to=functions.get<|channel|>commentary json<|message|>{}<|call|>", "0:get({})" },
        { "words before it", HARMONY, "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.set<|message|>{\"a\":2}", "C{I look.}0:set({\"a\":2})" },
        { "no channels after all", HARMONY, "Yes <|channel|>", "C{Yes <|channel|>}" },
        { "a head that is too long", HARMONY, "<|channel|>" HUNDRED HUNDRED HUNDRED HUNDRED "<|message|>a", "C{<|channel|>" HUNDRED HUNDRED HUNDRED HUNDRED "<|message|>a}" },
        { "a head that does not end", HARMONY, "<|channel|>analy", "C{<|channel|>analy}" },
};
/* clang-format on */

static void test_parts(void **state) {
        (void) state;
        for (size_t i = 0; i < COUNT(answers); i++)
                check(answers[i].what, answers[i].model, true, answers[i].text, answers[i].parts);
        check("no tools were offered", HERMES, false, "<tool_call>{\"name\":\"get\",\"arguments\":{}}</tool_call>",
              "C{<tool_call>{\"name\":\"get\",\"arguments\":{}}</tool_call>}");
        check("channels, and no tools", HARMONY, false, "<|channel|>commentary to=functions.get<|message|>{}<|call|>", "C{{}}");
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
                char begun[100], tools[] = "get\0tcity\0an\0\0set\0\0";
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

/* The answer goes on with a text of the prompt: its first blank counts, and a mark is no beginning any more. */
static void test_continued(void **state) {
        (void) state;
        static const struct {
                enum model model;
                enum reasoning reasoning;
                const char *text, *parts;
        } rows[] = {
                { THINKING, REASONING_OVER, " 42", "C{ 42}" },
                { THINKING, REASONING_OVER, "\n<think>x", "C{\n<think>x}" },
                { THINKING, REASONING_OPEN, " so.</think>\n\nYes", "R{ so.}C{Yes}" },
                { THINKING, REASONING_MAY, "<think>so.</think>Yes", "R{so.}C{Yes}" },
                { LLAMA, REASONING_OVER, "{\"name\": \"get\", \"parameters\": {}}",
                  "C{{\"name\": \"get\", \"parameters\": {}}}" },
                { HERMES, REASONING_OVER, " then\n<tool_call>\n{\"name\": \"set\", \"arguments\": {}}\n</tool_call>",
                  "C{ then}0:set({})" },
                { HARMONY, REASONING_OVER, " 42<|end|><|start|>assistant<|channel|>analysis<|message|>Hm", "C{ 42}R{Hm}" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct chat_format format =
                        chat_format_recognise(templates[rows[i].model], strlen(templates[rows[i].model]), NULL);
                char tools[] = "get\0tcity\0an\0\0set\0\0";
                struct chat_parser_setup setup = {
                        .format = &format, .calls = true, .continues = true, .reasoning = rows[i].reasoning, .tools = tools
                };
                struct said said = { .any = false };
                struct chat_parser r;
                assert_int_equal(chat_parser_init(&r, &setup), 0);
                assert_int_equal(chat_parser_push(&r, rows[i].text, strlen(rows[i].text)), 0);
                take(&r, &said);
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
                { "<tool_call>", NULL },
                { "<tool_call> \"arguments\"", "<tool_call>" },
                { "<tool_call> arguments <function=x> <parameter=y>", "<function=" },
                { "<tool_call> arguments <arg_key> <arg_value>", "<tool_call>" },
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
                cmocka_unit_test(test_parts),     cmocka_unit_test(test_arguments_flow), cmocka_unit_test(test_begun),
                cmocka_unit_test(test_continued), cmocka_unit_test(test_formats),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
