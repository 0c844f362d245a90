/* test_ollama.c - Ollama's bodies as the one that engines know, and its answers, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "daemon/dialect/ollama.h"

/* --- bodies --- */

struct row {
        translator *translate;
        const char *source;
        const char *body;    /* NULL: refused ... */
        const char *refusal; /* ... in words that have these among them */
        struct asked asked;
};
#define CHAT       translate_ollama_chat
#define GENERATE   translate_ollama_generate
#define EMBED      translate_ollama_embed
#define USER(TEXT) "{\"role\":\"user\",\"content\":\"" TEXT "\"}"
#define SAYS(MORE) "{\"model\":\"m\",\"messages\":[" USER("x") "]" MORE "}"
#define IS(MORE)   "{\"model\":\"m\",\"stream\":true,\"messages\":[" USER("x") "]" MORE "}"
#define FREE       ",\"max_tokens\":-1"

static const struct row rows[] = {
        /* a chat */
        { CHAT, SAYS(""), IS(FREE), 0, { 0 } },
        { CHAT, SAYS(",\"stream\":false"), "{\"model\":\"m\",\"stream\":false,\"messages\":[" USER("x") "]" FREE "}", 0, { 0 } },
        { CHAT,
          SAYS(",\"stream\":null,\"tools\":[],\"format\":\"\",\"options\":null,\"keep_alive\":null,\"unknown\":{}"),
          IS(FREE),
          0,
          { 0 } },
        { CHAT, SAYS(",\"format\":\"json\""), IS(FREE ",\"response_format\":{\"type\":\"json_object\"}"), 0, { 0 } },
        { CHAT,
          SAYS(",\"format\":{\"type\":\"object\"}"),
          IS(FREE
             ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"format\",\"schema\":{\"type\":\"object\"}}}"),
          0,
          { 0 } },
        { CHAT, SAYS(",\"format\":\"xml\""), 0, "'format' must be \"json\" or a JSON Schema", { 0 } },
        { CHAT, SAYS(",\"think\":false"), IS(FREE ",\"think\":false"), 0, { 0 } },
        { CHAT, SAYS(",\"think\":\"high\""), IS(FREE ",\"think\":\"high\""), 0, { 0 } },
        { CHAT, SAYS(",\"logprobs\":true,\"top_logprobs\":2"), IS(FREE ",\"logprobs\":true,\"top_logprobs\":2"), 0, { 0 } },
        { CHAT, SAYS(",\"tools\":[{\"type\":\"function\"}]"), IS(FREE ",\"tools\":[{\"type\":\"function\"}]"), 0, { 0 } },
        { CHAT,
          "{\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\\\"\"}]}",
          "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\\\"\"}]" FREE "}",
          0,
          { 0 } },
        { CHAT,
          "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"images\":[]}]}",
          "{\"stream\":true,\"messages\":[" USER("x") "]" FREE "}",
          0,
          { 0 } },
        { CHAT,
          "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"images\":[\"aGk=\"]}]}",
          0,
          "'images' are not offered",
          { 0 } },
        { CHAT, "{\"messages\":[7]}", "{\"stream\":true,\"messages\":[7]" FREE "}", 0, { 0 } },
        { CHAT, "{\"messages\":\"x\"}", "{\"stream\":true,\"messages\":[]" FREE "}", 0, { 0 } },
        /* its calls and their results */
        { CHAT,
          "{\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
          "\"arguments\":{\"a\":1}}},{\"function\":{\"name\":\"g\",\"arguments\":{}}}]},"
          "{\"role\":\"tool\",\"tool_name\":\"f\",\"content\":\"1\"},{\"role\":\"tool\",\"tool_name\":\"g\",\"content\":\"2\"},"
          "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"own\",\"function\":{\"name\":\"h\"}}]},"
          "{\"role\":\"tool\",\"tool_call_id\":\"own\",\"content\":\"3\"}]}",
          "{\"stream\":true,\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"hm\",\"tool_calls\":["
          "{\"id\":\"call00001\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}},"
          "{\"id\":\"call00002\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":{}}}]},"
          "{\"role\":\"tool\",\"content\":\"1\",\"name\":\"f\",\"tool_call_id\":\"call00001\"},"
          "{\"role\":\"tool\",\"content\":\"2\",\"name\":\"g\",\"tool_call_id\":\"call00002\"},"
          "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"own\",\"type\":\"function\",\"function\":{\"name\":\"h\"}}]},"
          "{\"role\":\"tool\",\"content\":\"3\",\"tool_call_id\":\"own\"}]" FREE "}",
          0,
          { 0 } },
        { CHAT,
          "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}",
          "{\"stream\":true,\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]" FREE "}",
          0,
          { 0 } },
        /* options: all that Ollama knows */
        { CHAT,
          SAYS(",\"options\":{\"num_keep\":5,\"seed\":42,\"num_predict\":100,\"top_k\":20,\"top_p\":0.9,\"min_p\":0.0,\"typical_p\":0.7,"
               "\"repeat_last_n\":33,\"temperature\":0.8,\"repeat_penalty\":1.2,\"presence_penalty\":1.5,\"frequency_penalty\":1.0,"
               "\"mirostat\":1,\"mirostat_tau\":0.8,\"mirostat_eta\":0.6,\"penalize_newline\":true,\"stop\":[\"\\n\",\"user:\"],\"numa\":false,"
               "\"num_ctx\":1024,\"num_batch\":2,\"num_gpu\":1,\"main_gpu\":0,\"low_vram\":false,\"vocab_only\":false,\"use_mmap\":true,"
               "\"use_mlock\":false,\"num_thread\":8}"),
          IS(",\"temperature\":0.8,\"top_k\":20,\"top_p\":0.9,\"min_p\":0.0,\"typical_p\":0.7,\"repeat_last_n\":33,\"repeat_penalty\":1.2,"
             "\"presence_penalty\":1.5,\"frequency_penalty\":1.0,\"mirostat\":1,\"mirostat_tau\":0.8,\"mirostat_eta\":0.6,\"seed\":42,"
             "\"stop\":[\"\\n\",\"user:\"],\"max_tokens\":100"),
          0,
          { 0 } },
        { CHAT, SAYS(",\"options\":{\"num_predict\":-2}"), IS(FREE), 0, { 0 } },
        { CHAT, SAYS(",\"options\":{\"num_predict\":0}"), IS(FREE), 0, { 0 } },
        { CHAT, SAYS(",\"options\":{\"num_predict\":1.5}"), 0, "options.num_predict must be a whole number", { 0 } },
        { CHAT, SAYS(",\"options\":{\"num_predict\":\"9\"}"), 0, "options.num_predict must be a whole number", { 0 } },
        { CHAT, SAYS(",\"options\":{\"top_k\":\"9\"}"), 0, "options.top_k must be a number", { 0 } },
        { CHAT, SAYS(",\"options\":[]"), 0, "'options' must be an object", { 0 } },
        { CHAT, SAYS(",\"options\":{\"temperature\":null,\"temperature\":1}"), IS(FREE), 0, { 0 } },
        /* how long the model stays */
        { CHAT, SAYS(",\"keep_alive\":0"), IS(FREE), 0, { .has_keep_alive = true } },
        { CHAT, SAYS(",\"keep_alive\":1800"), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = 1800000 } },
        { CHAT, SAYS(",\"keep_alive\":0.25"), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = 250 } },
        { CHAT, SAYS(",\"keep_alive\":-1"), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = -1 } },
        { CHAT, SAYS(",\"keep_alive\":1e300"), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = -1 } },
        { CHAT, SAYS(",\"keep_alive\":\"300\""), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = 300000 } },
        { CHAT, SAYS(",\"keep_alive\":\"-1\""), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = -1 } },
        { CHAT, SAYS(",\"keep_alive\":\"-1m\""), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = -1 } },
        { CHAT, SAYS(",\"keep_alive\":\"5m\""), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = 300000 } },
        { CHAT, SAYS(",\"keep_alive\":\"+1h30m0.5s\""), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = 5400500 } },
        { CHAT, SAYS(",\"keep_alive\":\"1500ms\""), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = 1500 } },
        { CHAT, SAYS(",\"keep_alive\":\"2000000\\u00b5s\""), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = 2000 } },
        { CHAT, SAYS(",\"keep_alive\":\"3000000000ns\""), IS(FREE), 0, { .has_keep_alive = true, .keep_alive_ms = 3000 } },
        { CHAT, SAYS(",\"keep_alive\":\"\""), IS(FREE), 0, { 0 } },
        { CHAT, SAYS(",\"keep_alive\":\"-\""), 0, "'keep_alive' must be", { 0 } },
        { CHAT, SAYS(",\"keep_alive\":\"5x\""), 0, "'keep_alive' must be", { 0 } },
        { CHAT, SAYS(",\"keep_alive\":\"m\""), 0, "'keep_alive' must be", { 0 } },
        { CHAT, SAYS(",\"keep_alive\":\"0x10s\""), 0, "'keep_alive' must be", { 0 } },
        { CHAT, SAYS(",\"keep_alive\":\"1.2.3s\""), 0, "'keep_alive' must be", { 0 } },
        { CHAT, SAYS(",\"keep_alive\":\"nan\""), 0, "'keep_alive' must be", { 0 } },
        { CHAT, SAYS(",\"keep_alive\":true"), 0, "'keep_alive' must be", { 0 } },
        { CHAT,
          SAYS(",\"keep_alive\":\"00000000000000000000000000000000000000000000000000000000000000001s\""),
          0,
          "'keep_alive' must be",
          { 0 } },
        /* the model alone */
        { CHAT, "{\"model\":\"m\"}", "{\"model\":\"m\",\"stream\":true}", 0, { .is_load = true } },
        { CHAT,
          "{\"model\":\"m\",\"messages\":[],\"stream\":false,\"keep_alive\":0}",
          "{\"model\":\"m\",\"stream\":false}",
          0,
          { .is_load = true, .has_keep_alive = true } },
        { GENERATE,
          "{\"model\":\"m\",\"prompt\":\"\",\"keep_alive\":-1}",
          "{\"model\":\"m\",\"stream\":true}",
          0,
          { .is_load = true, .has_keep_alive = true, .keep_alive_ms = -1 } },
        { EMBED, "{\"model\":\"m\",\"input\":[]}", "{\"model\":\"m\"}", 0, { .is_load = true } },
        { translate_ollama_embeddings, "{\"model\":\"m\",\"prompt\":\"\"}", "{\"model\":\"m\"}", 0, { .is_load = true } },
        /* a generation */
        { GENERATE, "{\"model\":\"m\",\"prompt\":\"x\",\"context\":[1,2]}", IS(FREE), 0, { 0 } },
        { GENERATE,
          "{\"model\":\"m\",\"prompt\":\"x\",\"system\":\"s\",\"think\":true}",
          "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"system\",\"content\":\"s\"}," USER("x") "]" FREE
                                                                                                              ",\"think\":true}",
          0,
          { 0 } },
        { GENERATE,
          "{\"prompt\":\"x\",\"raw\":true,\"template\":\"t\",\"system\":\"s\",\"think\":true,\"logprobs\":true,\"top_logprobs\":3}",
          "{\"stream\":true,\"prompt\":\"x\"" FREE ",\"logprobs\":3}",
          0,
          { 0 } },
        { GENERATE,
          "{\"prompt\":\"x\",\"raw\":true,\"logprobs\":true}",
          "{\"stream\":true,\"prompt\":\"x\"" FREE ",\"logprobs\":0}",
          0,
          { 0 } },
        { GENERATE,
          "{\"prompt\":\"x\",\"suffix\":\"y\"}",
          "{\"stream\":true,\"prompt\":\"x\",\"suffix\":\"y\"" FREE "}",
          0,
          { 0 } },
        { GENERATE, "{\"prompt\":\"x\",\"template\":\"{{ .Prompt }}\"}", 0, "'template' is not offered", { 0 } },
        { GENERATE, "{\"prompt\":[\"x\"]}", 0, "'prompt' must be a string", { 0 } },
        { GENERATE, "{\"prompt\":\"x\",\"images\":[\"aGk=\"]}", 0, "'images' are not offered", { 0 } },
        { GENERATE, "{\"prompt\":\"x\",\"options\":7}", 0, "'options' must be an object", { 0 } },
        /* vectors */
        { EMBED,
          "{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"dimensions\":8,\"options\":{}}",
          "{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"dimensions\":8,\"truncate\":true}",
          0,
          { 0 } },
        { EMBED,
          "{\"model\":\"m\",\"input\":\"a\",\"truncate\":false,\"keep_alive\":\"1s\"}",
          "{\"model\":\"m\",\"input\":\"a\",\"truncate\":false}",
          0,
          { .has_keep_alive = true, .keep_alive_ms = 1000 } },
        { EMBED, "{\"input\":\"a\",\"truncate\":null}", "{\"input\":\"a\",\"truncate\":true}", 0, { 0 } },
        { EMBED, "{\"input\":\"a\",\"keep_alive\":\"x\"}", 0, "'keep_alive' must be", { 0 } },
        { translate_ollama_embeddings,
          "{\"model\":\"m\",\"prompt\":\"a\"}",
          "{\"model\":\"m\",\"input\":\"a\",\"truncate\":true}",
          0,
          { 0 } },
        /* models by name */
        { translate_ollama_name, "{\"name\":\"m\"}", "{\"model\":\"m\",\"stream\":true}", 0, { 0 } },
        { translate_ollama_name,
          "{\"model\":\"\",\"name\":\"m\",\"verbose\":true}",
          "{\"model\":\"m\",\"stream\":true}",
          0,
          { 0 } },
        { translate_ollama_name,
          "{\"model\":\"a\",\"name\":\"m\",\"stream\":false}",
          "{\"model\":\"a\",\"stream\":false}",
          0,
          { 0 } },
        { translate_ollama_name, "{\"model\":7}", 0, "'model' must be the name", { 0 } },
        { translate_ollama_name, "{}", 0, "'model' must be the name", { 0 } },
};

static void check_row(const struct row *r) {
        char room[8192];
        size_t size = strlen(r->source);
        struct text out = { .bytes = room, .capacity = sizeof room, .max = TRANSLATION_BYTES(size) - 1, .is_lent = true };
        struct asked asked = { 0 };
        struct failure f = { 0 };
        bool is_well = r->translate(r->source, size, &out, &asked, &f);

        if (is_well != !r->refusal || out.failed)
                fail_msg("%s: %s", r->source, is_well ? text_string(&out) : f.message);
        if (!is_well) {
                assert_int_equal(f.status, 400);
                if (!strstr(f.message, r->refusal))
                        fail_msg("%s: %s", r->source, f.message);
                return;
        }
        assert_string_equal(text_string(&out), r->body);
        if (asked.is_load != r->asked.is_load || asked.has_keep_alive != r->asked.has_keep_alive ||
            asked.keep_alive_ms != r->asked.keep_alive_ms)
                fail_msg("%s: load %d, keep_alive %d %lld", r->source, asked.is_load, asked.has_keep_alive,
                         (long long) asked.keep_alive_ms);
}

static void test_bodies(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                check_row(&rows[i]);
}

/* The shortest calls that become longest. */
static void test_many_calls_fit(void **state) {
        struct text source = { 0 };
        char *room = test_malloc(1 << 20);
        struct asked asked = { 0 };
        struct failure f;

        (void) state;
        text_puts(&source, "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[");
        for (int i = 0; i < 2000; i++)
                text_puts(&source, i ? ",{\"function\":{\"name\":\"\"}}" : "{\"function\":{\"name\":\"\"}}");
        text_puts(&source, "]},{\"role\":\"tool\"}]}");
        struct text out = { .bytes = room, .capacity = 1 << 20, .max = TRANSLATION_BYTES(source.used) - 1, .is_lent = true };
        assert_true(translate_ollama_chat(source.bytes, source.used, &out, &asked, &f) && !out.failed);
        assert_non_null(strstr(
                room,
                "\"id\":\"call02000\",\"type\":\"function\",\"function\":{\"name\":\"\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call00001\"}"));
        text_done(&source);
        test_free(room);
}

/* --- answers --- */

static const struct request_usage usage = { .prompt_tokens = 5, .completion_tokens = 2, .prefill_ms = 1.5, .decode_ms = 2.25 };
#define LINE             "{\"model\":\"m:q4\",\"created_at\":\"2026-11-30T16:30:55Z\","
#define SAID(TEXT, MORE) LINE "\"message\":{\"role\":\"assistant\",\"content\":\"" TEXT "\"" MORE "},\"done\":false}\n"
#define ENDED(REASON)                                                                                                        \
        "\"done\":true,\"done_reason\":\"" REASON "\",\"total_duration\":900,\"load_duration\":100,\"prompt_eval_count\":5," \
        "\"prompt_eval_duration\":1500000,\"eval_count\":2,\"eval_duration\":2250000}\n"
#define CALLED(INDEX, ID, NAME, ARGUMENTS) \
        "{\"id\":\"" ID "\",\"function\":{\"index\":" #INDEX ",\"name\":\"" NAME "\",\"arguments\":" ARGUMENTS "}}"

static struct answer answer_of(const struct dialect *d, bool is_stream) {
        return (struct answer){ .dialect = d,
                                .model = "m:q4",
                                .created_s = 1796056255,
                                .is_stream = is_stream,
                                .keeps = !is_stream || d->keeps,
                                .keeps_calls = d->keeps_calls,
                                .bytes_max = 1000,
                                .waited_ns = 100,
                                .total_ns = 900 };
}

struct piece {
        enum part_kind kind;
        const char *text;
        const char *id, *name; /* of a call's first */
};

static void end_part(struct text *out, struct answer *a) {
        if (answer_part(a) && a->is_stream)
                a->dialect->close(out, a, answer_part(a));
}

/* As the daemon has it said: PIECES end with a text of NULL. */
static const char *play(const struct dialect *d, bool is_stream, const struct piece *pieces, const char *finish,
                        const char *logprobs) {
        static struct text out;
        struct answer a = answer_of(d, is_stream);
        cJSON *list = logprobs ? cJSON_Parse(logprobs) : NULL;

        text_clear(&out);
        if (is_stream)
                d->begin(&out, &a);
        for (const struct piece *p = pieces; p->text; p++) {
                const struct request_call call = { 0, p->id, p->name, p->text };
                if (!answer_part(&a) || answer_part(&a)->kind != p->kind || p->id) {
                        end_part(&out, &a);
                        assert_non_null(answer_begin(&a, p->kind, p->kind == PART_CALL ? &call : NULL));
                        if (is_stream)
                                d->open(&out, &a, answer_part(&a));
                }
                answer_add(&a, p->text);
                if (is_stream)
                        d->piece(&out, &a, answer_part(&a), p->text, list);
                else if (list)
                        logprobs_add(&a.logprobs, !d->lists_logprobs, list);
        }
        end_part(&out, &a);
        if (is_stream)
                d->end(&out, &a, finish, &usage);
        else
                d->whole(&out, &a, finish, &usage);
        assert_false(a.is_too_long || out.failed);
        answer_done(&a);
        cJSON_Delete(list);
        return text_string(&out);
}

static const struct piece words[] = {
        { PART_REASONING, "Hm.", 0, 0 }, { PART_TEXT, "Hi \"you\"\n", 0, 0 }, { PART_TEXT, "ü", 0, 0 }, { 0, 0, 0, 0 }
};
/* Arguments that go over several lines, and one call that was cut off. */
static const struct piece calls[] = { { PART_CALL, "{\n \"a\":", "c1", "f" },
                                      { PART_CALL, "\"x\ty\\\"\"\n}", 0, 0 },
                                      { PART_CALL, "{}", "c2", "g" },
                                      { PART_CALL, "{\"cut", "c3", "h" },
                                      { 0, 0, 0, 0 } };
static const struct piece none[] = { { 0, 0, 0, 0 } };

static void test_chat_stream(void **state) {
        (void) state;
        assert_string_equal(play(&dialect_ollama_chat, true, words, "stop", NULL),
                            SAID("", ",\"thinking\":\"Hm.\"") SAID("Hi \\\"you\\\"\\n", "") SAID("ü", "") LINE
                            "\"message\":{\"role\":\"assistant\",\"content\":\"\"}," ENDED("stop"));
        assert_string_equal(play(&dialect_ollama_chat, true, calls, "length", NULL),
                            SAID("", ",\"tool_calls\":[" CALLED(0, "c1", "f", "{ \"a\":\"x\\u0009y\\\"\"}") "]")
                                    SAID("", ",\"tool_calls\":[" CALLED(1, "c2", "g", "{}") "]") LINE
                            "\"message\":{\"role\":\"assistant\",\"content\":\"\"}," ENDED("length"));
}

static void test_chat_whole(void **state) {
        (void) state;
        assert_string_equal(
                play(&dialect_ollama_chat, false, words, "stop", NULL), LINE
                "\"message\":{\"role\":\"assistant\",\"content\":\"Hi \\\"you\\\"\\nü\",\"thinking\":\"Hm.\"}," ENDED("stop"));
        assert_string_equal(
                play(&dialect_ollama_chat, false, calls, "tool_calls", NULL),
                LINE "\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[" CALLED(
                        0, "c1", "f", "{ \"a\":\"x\\u0009y\\\"\"}") "," CALLED(1, "c2", "g", "{}") "]}," ENDED("stop"));
        assert_string_equal(play(&dialect_ollama_chat, false, none, "load", NULL), LINE
                            "\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"load\"}\n");
}

static void test_generate(void **state) {
        const struct dialect *both[] = { &dialect_ollama_generate, &dialect_ollama_raw };

        (void) state;
        for (unsigned i = 0; i < 2; i++) {
                assert_string_equal(play(both[i], true, words, "stop", NULL),
                                    LINE "\"response\":\"\",\"thinking\":\"Hm.\",\"done\":false}\n" LINE
                                         "\"response\":\"Hi \\\"you\\\"\\n\",\"done\":false}\n" LINE
                                         "\"response\":\"ü\",\"done\":false}\n" LINE "\"response\":\"\"," ENDED("stop"));
                assert_string_equal(play(both[i], false, words, "length", NULL),
                                    LINE "\"response\":\"Hi \\\"you\\\"\\nü\",\"thinking\":\"Hm.\"," ENDED("length"));
                assert_string_equal(play(both[i], true, none, "load", NULL),
                                    LINE "\"response\":\"\",\"done\":true,\"done_reason\":\"load\"}\n");
        }
}

static void test_logprobs(void **state) {
        static const struct piece one[] = { { PART_TEXT, "a", 0, 0 }, { 0, 0, 0, 0 } };
        static const char asked[] = "[{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top\":[]}]";
#define TOKEN ",\"logprobs\":[{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":[]}]"

        (void) state;
        assert_string_equal(play(&dialect_ollama_raw, true, one, "stop", asked),
                            LINE "\"response\":\"a\",\"done\":false" TOKEN "}\n" LINE "\"response\":\"\"," ENDED("stop"));
        assert_string_equal(play(&dialect_ollama_raw, false, one, "stop", asked),
                            LINE "\"response\":\"a\"" TOKEN "," ENDED("stop"));
}

/* A call's arguments are kept until it ends, also in a stream, and not without a limit. */
static void test_a_call_without_end(void **state) {
        struct answer a = answer_of(&dialect_ollama_chat, true);
        const struct request_call call = { 0, "c", "f", "" };

        (void) state;
        assert_non_null(answer_begin(&a, PART_CALL, &call));
        for (int i = 0; i < 200; i++)
                answer_add(&a, "123456");
        assert_true(a.is_too_long);
        assert_in_range(answer_part(&a)->text.used, 900, 1000);
        answer_done(&a);
}

static void test_failures(void **state) {
        struct answer a = answer_of(&dialect_ollama_chat, true);
        struct failure f = { .message = "no \"m\"", .advice = "" };
        struct text out = { 0 };

        (void) state;
        dialect_ollama_chat.refuse(&out, &f, "id");
        assert_string_equal(text_string(&out), "{\"error\":\"no \\\"m\\\"\"}");
        text_clear(&out);
        f.advice = "wait";
        dialect_ollama_chat.failed(&out, &a, &f);
        assert_string_equal(text_string(&out), "{\"error\":\"no \\\"m\\\" (wait)\"}\n");
        text_clear(&out);
        dialect_ollama_chat.ping(&out, "loading");
        assert_string_equal(text_string(&out), " ");
        text_done(&out);
}

static void test_vectors(void **state) {
        static const struct vectors_answer all = { .model = "m", .prompt_tokens = 3, .total_ns = 900 };
        cJSON *vector = cJSON_Parse("[0.5,-1]");
        struct text out = { 0 };

        (void) state;
        vectors_ollama_embed.item(&out, 0, vector, false);
        vectors_ollama_embed.item(&out, 1, vector, false);
        vectors_ollama_embed.end(&out, &all);
        assert_string_equal(
                text_string(&out),
                "{\"embeddings\":[[0.5,-1],[0.5,-1]],\"model\":\"m\",\"total_duration\":900,\"prompt_eval_count\":3}\n");
        text_clear(&out);
        vectors_ollama_embeddings.item(&out, 0, vector, false);
        vectors_ollama_embeddings.end(&out, &all);
        assert_string_equal(text_string(&out), "{\"embedding\":[0.5,-1]}\n");
        assert_string_equal(play(&dialect_ollama_embed, false, none, "load", NULL), "{\"model\":\"m:q4\",\"embeddings\":[]}\n");
        assert_string_equal(play(&dialect_ollama_embeddings, false, none, "load", NULL), "{\"embedding\":[]}\n");
        text_done(&out);
        cJSON_Delete(vector);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bodies),
                cmocka_unit_test(test_many_calls_fit),
                cmocka_unit_test(test_chat_stream),
                cmocka_unit_test(test_chat_whole),
                cmocka_unit_test(test_generate),
                cmocka_unit_test(test_logprobs),
                cmocka_unit_test(test_a_call_without_end),
                cmocka_unit_test(test_failures),
                cmocka_unit_test(test_vectors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
