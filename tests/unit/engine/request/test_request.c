/* test_request.c - bodies of clients: what is accepted and what it comes to, what is refused and which field is blamed. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/base/json_read.h"
#include "engine/base/strbuf.h"
#include "engine/request/request.h"
#include "engine/request/thinking.h"
#include "engine/request/tools.h"

#define MODEL "tests/demo_model/headroom-demo-small.gguf"
#define CTX   256u

static struct model *model;
static struct request_rules rules;

static int open_model(void **state) {
        (void) state;
        struct gguf_error error;
        if (model_open_path(MODEL, &model, &error) < 0) {
                print_error("%s\n", error.text);
                return -1;
        }
        request_rules_init(&rules, model, CTX, 1);
        return 0;
}

static int close_model(void **state) {
        (void) state;
        request_rules_done(&rules);
        model_close(model);
        return 0;
}

static int read_json(enum request_kind kind, cJSON *json, struct request *r, struct request_error *error) {
        if (kind == REQUEST_EMBED && !cJSON_IsObject(json)) { /* the input alone */
                cJSON *wanted = cJSON_CreateObject();
                cJSON_AddItemToObject(wanted, "input", json);
                json = wanted;
        }
        int result = kind == REQUEST_EMBED
                             ? request_read_embed(&rules, 9, json, r, error)
                             : request_read(&rules, &(struct request_asked){ .id = 9, .kind = kind }, json, r, error);
        cJSON_Delete(json);
        if (result == 0) {
                assert_int_equal(r->id, 9);
                assert_int_equal(r->kind, kind);
        }
        return result;
}

static int read_text(enum request_kind kind, const char *text, struct request *r, struct request_error *error) {
        cJSON *json = json_read(text, strlen(text), NULL);
        if (!json)
                fail_msg("not JSON: %s", text);
        return read_json(kind, json, r, error);
}

/* ---- refused ---- */

#define CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define TEXT "\"prompt\":\"Hi\""

/* clang-format off */
static const struct {
        const char *param, *says, *body;
        enum request_kind kind;
} refused_bodies[] = {
        { "messages",          "at least one",         "{}",                                              REQUEST_CHAT },
        { "messages",          "at least one",         "{\"messages\":[]}",                               REQUEST_CHAT },
        { "messages",          "at least one",         "{\"messages\":\"Hi\"}",                           REQUEST_CHAT },
        { "messages",          "at least one",         "{\"messages\":null}",                             REQUEST_CHAT },
        { "messages",          "",                     "{\"messages\":[7]}",                              REQUEST_CHAT },
        { "messages",          "",                     "{\"messages\":[{\"role\":\"user\",\"content\":{}}]}", REQUEST_CHAT },
        { "tools",             "must be a list",       "{" CHAT ",\"tools\":{}}",                         REQUEST_CHAT },
        { "tools",             "tools[0]",             "{" CHAT ",\"tools\":[1]}",                        REQUEST_CHAT },
        { "tools",             "tools[1]",             "{" CHAT ",\"tools\":[{\"function\":{\"name\":\"a\"}},{\"function\":{\"name\":\"\"}}]}", REQUEST_CHAT },
        { "tool_choice",       "there are no tools",   "{" CHAT ",\"tool_choice\":\"required\"}",        REQUEST_CHAT },
        { "tool_choice",       "name a function",      "{" CHAT ",\"tool_choice\":{\"type\":\"function\"}}", REQUEST_CHAT },
        { "tool_choice",       "name a function",      "{" CHAT ",\"tool_choice\":{\"type\":\"custom\",\"name\":\"a\"}}", REQUEST_CHAT },
        { "tool_choice",       "name a function",      "{" CHAT ",\"tool_choice\":7}",                     REQUEST_CHAT },
        { "tool_choice",       "the mode",             "{" CHAT ",\"tool_choice\":{\"type\":\"allowed_tools\"}}", REQUEST_CHAT },
        { "tool_choice",       "must name tools",      "{" CHAT ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[]}}}", REQUEST_CHAT },
        { "tool_choice",       "tools[0], that is no", "{" CHAT ",\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":[{\"type\":\"mcp\",\"name\":\"a\"}]}}", REQUEST_CHAT },
        { "tool_choice",       "b, which is not among", "{" CHAT ",\"tools\":[{\"function\":{\"name\":\"a\"}}],\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\","
                                                       "\"tools\":[{\"type\":\"function\",\"name\":\"b\"}]}}", REQUEST_CHAT },
        { "tools",             "of type custom",       "{" CHAT ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"a\"}}]}", REQUEST_CHAT },
        { "functions",         "say it as tools",      "{" CHAT ",\"functions\":[{\"name\":\"a\"}]}",   REQUEST_CHAT },
        { "function_call",     "say it as tool_choice", "{" CHAT ",\"function_call\":\"auto\"}",         REQUEST_CHAT },
        { "messages",          "messages[0].function_call", "{\"messages\":[{\"role\":\"assistant\",\"function_call\":{\"name\":\"a\"}}]}", REQUEST_CHAT },
        { "parallel_tool_calls", "true or false",      "{" CHAT ",\"parallel_tool_calls\":\"no\"}",       REQUEST_CHAT },
        { "chat_template_kwargs", "an object",         "{" CHAT ",\"chat_template_kwargs\":[]}",         REQUEST_CHAT },
        { "typical_p",         "from 0 to 1",          "{" CHAT ",\"typical_p\":1.5}",                    REQUEST_CHAT },
        { "top_n_sigma",       "from -1 to 100",       "{" CHAT ",\"top_n_sigma\":-2}",                   REQUEST_CHAT },
        { "xtc_probability",   "from 0 to 1",          "{" CHAT ",\"xtc_probability\":2}",                REQUEST_CHAT },
        { "xtc_threshold",     "from 0 to 1",          "{" CHAT ",\"xtc_threshold\":\"0.1\"}",            REQUEST_CHAT },
        { "dynatemp_range",    "from 0 to 5",          "{" CHAT ",\"dynatemp_range\":-1}",                REQUEST_CHAT },
        { "dynatemp_exponent", "from 0 to 10",         "{" CHAT ",\"dynatemp_exponent\":11}",             REQUEST_CHAT },
        { "dry_multiplier",    "from 0 to 100",        "{" CHAT ",\"dry_multiplier\":-1}",                REQUEST_CHAT },
        { "dry_base",          "from 1 to 100",        "{" CHAT ",\"dry_base\":0.5}",                     REQUEST_CHAT },
        { "dry_allowed_length", "whole number from 0", "{" CHAT ",\"dry_allowed_length\":1.5}",           REQUEST_CHAT },
        { "dry_penalty_last_n", "from -1 to 65536",    "{" CHAT ",\"dry_penalty_last_n\":65537}",         REQUEST_CHAT },
        { "dry_sequence_breakers", "list of at most 64", "{" CHAT ",\"dry_sequence_breakers\":\"x\"}",    REQUEST_CHAT },
        { "dry_sequence_breakers", "must hold texts",  "{" CHAT ",\"dry_sequence_breakers\":[7]}",        REQUEST_CHAT },
        { "mirostat",          "from 0 to 2",          "{" CHAT ",\"mirostat\":3}",                       REQUEST_CHAT },
        { "mirostat_tau",      "from 0 to 100",        "{" CHAT ",\"mirostat_tau\":-1}",                  REQUEST_CHAT },
        { "mirostat_eta",      "from 0 to 10",         "{" CHAT ",\"mirostat_eta\":11}",                  REQUEST_CHAT },
        { "min_keep",          "whole number from 0",  "{" CHAT ",\"min_keep\":-1}",                      REQUEST_CHAT },
        { "samplers",          "a list of names",      "{" CHAT ",\"samplers\":7}",                       REQUEST_CHAT },
        { "samplers",          "names alone",          "{" CHAT ",\"samplers\":[7]}",                     REQUEST_CHAT },
        { "samplers",          "more than 16",         "{" CHAT ",\"samplers\":\"kkkkkkkkkkkkkkkkk\"}",    REQUEST_CHAT },
        { "messages",          "of role assistant",    "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}", REQUEST_CHAT },
        { "messages",          "nothing to continue",  "{" CHAT ",\"continue_final_message\":true}",     REQUEST_CHAT },
        { "messages",          "nothing to continue",  "{\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"prefix\":true}]}", REQUEST_CHAT },
        { "messages",          "call no tool",         "{\"messages\":[{\"role\":\"assistant\",\"prefix\":true,\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}]}", REQUEST_CHAT },
        { "continue_final_message", "true or false",   "{" CHAT ",\"continue_final_message\":1}",        REQUEST_CHAT },
        { "add_generation_prompt", "true or false",    "{" CHAT ",\"add_generation_prompt\":\"no\"}",   REQUEST_CHAT },
        { "enable_thinking",   "true or false",        "{" CHAT ",\"enable_thinking\":\"no\"}",            REQUEST_CHAT },
        { "thinking",          "enabled, disabled",    "{" CHAT ",\"thinking\":{\"type\":\"on\"}}",        REQUEST_CHAT },
        { "thinking",          "an object with a type", "{" CHAT ",\"thinking\":\"yes\"}",                REQUEST_CHAT },
        { "thinking.budget_tokens", "whole number",    "{" CHAT ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":\"all\"}}", REQUEST_CHAT },
        { "think",             "a word for an effort", "{" CHAT ",\"think\":1}",                            REQUEST_CHAT },
        { "reasoning_effort",  "a word for an effort", "{" CHAT ",\"reasoning_effort\":true}",             REQUEST_CHAT },
        { "reasoning_budget",  "-1 for no limit",      "{" CHAT ",\"reasoning_budget\":-2}",                REQUEST_CHAT },
        { "thinking_budget",   "whole number",         "{" CHAT ",\"thinking_budget\":0.5}",                REQUEST_CHAT },
        { "messages",          "tool_calls",           "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":{}}]}", REQUEST_CHAT },
        { "messages",          "tool_calls[0]",        "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}", REQUEST_CHAT },
        { "prompt",            "text or a list",       "{}",                                              REQUEST_COMPLETION },
        { "prompt",            "text or a list",       "{\"prompt\":{}}",                                 REQUEST_COMPLETION },
        { "prompt",            "no token id",          "{\"prompt\":[1,\"b\"]}",                          REQUEST_COMPLETION },
        { "prompt",            "0 to 1535",            "{\"prompt\":[1536]}",                             REQUEST_COMPLETION },
        { "prompt",            "no token id",          "{\"prompt\":[-1]}",                               REQUEST_COMPLETION },
        { "prompt",            "no token id",          "{\"prompt\":[1.5]}",                              REQUEST_COMPLETION },
        { "prompt",            "no token id",          "{\"prompt\":[1e300]}",                            REQUEST_COMPLETION },
        { "prompt",            "empty",                "{\"prompt\":\"\"}",                               REQUEST_COMPLETION },
        { "prompt",            "empty",                "{\"prompt\":[]}",                                 REQUEST_COMPLETION },
        { "temperature",       "from 0 to 5",          "{" CHAT ",\"temperature\":5.1}",                  REQUEST_CHAT },
        { "temperature",       "a number",             "{" CHAT ",\"temperature\":\"0.7\"}",              REQUEST_CHAT },
        { "temperature",       "a number",             "{" CHAT ",\"temperature\":-1}",                   REQUEST_CHAT },
        { "temperature",       "a number",             "{" CHAT ",\"temperature\":1e999}",                REQUEST_CHAT },
        { "top_p",             "from 0 to 1",          "{" CHAT ",\"top_p\":1.01}",                       REQUEST_CHAT },
        { "min_p",             "from 0 to 1",          "{" CHAT ",\"min_p\":true}",                       REQUEST_CHAT },
        { "top_k",             "whole number",         "{" CHAT ",\"top_k\":1.5}",                        REQUEST_CHAT },
        { "top_k",             "whole number",         "{" CHAT ",\"top_k\":-2}",                         REQUEST_CHAT },
        { "top_k",             "whole number",         "{" CHAT ",\"top_k\":1e10}",                       REQUEST_CHAT },
        { "repeat_penalty",    "from 0.01 to 10",      "{" CHAT ",\"repeat_penalty\":0}",                 REQUEST_CHAT },
        { "repeat_last_n",     "to 4096",              "{" CHAT ",\"repeat_last_n\":4097}",               REQUEST_CHAT },
        { "presence_penalty",  "from -2 to 2",         "{" CHAT ",\"presence_penalty\":2.5}",             REQUEST_CHAT },
        { "frequency_penalty", "from -2 to 2",         "{" CHAT ",\"frequency_penalty\":[]}",             REQUEST_CHAT },
        { "max_tokens",        "not negative",         "{" CHAT ",\"max_tokens\":-2}",                    REQUEST_CHAT },
        { "max_tokens",        "whole number",         "{" CHAT ",\"max_tokens\":\"10\"}",                REQUEST_CHAT },
        { "max_tokens",        "whole number",         "{" CHAT ",\"max_tokens\":7.5}",                   REQUEST_CHAT },
        { "max_completion_tokens", "whole number",     "{" CHAT ",\"max_completion_tokens\":0.5}",        REQUEST_CHAT },
        { "seed",              "whole number",         "{" CHAT ",\"seed\":1.5}",                         REQUEST_CHAT },
        { "seed",              "64 bits",              "{" CHAT ",\"seed\":1e20}",                        REQUEST_CHAT },
        { "suffix",            "not taught to fill",   "{\"prompt\":\"a\",\"suffix\":\"b\"}",                 REQUEST_COMPLETION },
        { "stop",              "a text or a list",     "{" CHAT ",\"stop\":7}",                           REQUEST_CHAT },
        { "stop",              "a text or a list",     "{" CHAT ",\"stop\":[\"a\",null]}",                REQUEST_CHAT },
        { "stop",              "UTF-8",                "{" CHAT ",\"stop\":\"\xa9\"}",                    REQUEST_CHAT },
        { "stop",              "16",                   "{" CHAT ",\"stop\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
                                                       "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}", REQUEST_CHAT },
        { "logit_bias",        "must map",             "{" CHAT ",\"logit_bias\":[]}",                    REQUEST_CHAT },
        { "logit_bias",        "no token id",          "{" CHAT ",\"logit_bias\":{\"the\":1}}",           REQUEST_CHAT },
        { "logit_bias",        "no token id",          "{" CHAT ",\"logit_bias\":{\"\":1}}",              REQUEST_CHAT },
        { "logit_bias",        "no token id",          "{" CHAT ",\"logit_bias\":{\"-1\":1}}",            REQUEST_CHAT },
        { "logit_bias",        "0 to 1535",            "{" CHAT ",\"logit_bias\":{\"1536\":1}}",          REQUEST_CHAT },
        { "logit_bias",        "no token id",          "{" CHAT ",\"logit_bias\":{\"99999999999999999999999\":1}}", REQUEST_CHAT },
        { "logit_bias",        "-100 to 100",          "{" CHAT ",\"logit_bias\":{\"5\":101}}",           REQUEST_CHAT },
        { "logit_bias",        "-100 to 100",          "{" CHAT ",\"logit_bias\":{\"5\":null}}",          REQUEST_CHAT },
        { "logprobs",          "true or false",        "{" CHAT ",\"logprobs\":5}",                       REQUEST_CHAT },
        { "top_logprobs",      "0 to 20",              "{" CHAT ",\"logprobs\":true,\"top_logprobs\":21}", REQUEST_CHAT },
        { "top_logprobs",      "needs logprobs",       "{" CHAT ",\"top_logprobs\":2}",                   REQUEST_CHAT },
        { "logprobs",          "0 to 20",              "{" TEXT ",\"logprobs\":true}",                    REQUEST_COMPLETION },
        { "logprobs",          "0 to 20",              "{" TEXT ",\"logprobs\":21}",                      REQUEST_COMPLETION },
        { "ignore_eos",        "true or false",        "{" TEXT ",\"ignore_eos\":1}",                     REQUEST_COMPLETION },
        { "response_format",   "an object with a type", "{" CHAT ",\"response_format\":\"json\"}",      REQUEST_CHAT },
        { "response_format",   "an object with a type", "{" CHAT ",\"response_format\":{\"type\":1}}",   REQUEST_CHAT },
        { "response_format",   "must be text, json_o", "{" CHAT ",\"response_format\":{\"type\":\"xml\"}}", REQUEST_CHAT },
        { "response_format",   "must have a schema",   "{" CHAT ",\"response_format\":{\"type\":\"json_schema\"}}", REQUEST_CHAT },
        { "response_format",   "must have a schema",   "{" CHAT ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":7}}", REQUEST_CHAT },
        { "response_format",   "#/items/uniqueItems: the keyword uniqueItems is not supported.", "{" CHAT ",\"response_format\":{\"type\":\"json_schema\","
                                                       "\"json_schema\":{\"strict\":true,\"schema\":{\"type\":\"array\",\"items\":{\"uniqueItems\":true}}}}}", REQUEST_CHAT },
        { "json_schema",       "#/type: type must be", "{" TEXT ",\"json_schema\":{\"type\":\"float\"}}", REQUEST_COMPLETION },
        { "json_schema",       "cannot both be held",  "{" TEXT ",\"json_schema\":{},\"response_format\":{\"type\":\"json_object\"}}", REQUEST_COMPLETION },
        { "grammar",           "cannot both be held",  "{" TEXT ",\"json_schema\":{},\"grammar\":\"root ::= \\\"a\\\"\"}", REQUEST_COMPLETION },
        { "grammar",           "must be a text",       "{" TEXT ",\"grammar\":{}}",                      REQUEST_COMPLETION },
        { "grammar",           "line 2: a class has",  "{" TEXT ",\"grammar\":\"root ::= a\\na ::= [a\"}", REQUEST_COMPLETION },
        { NULL,                "JSON object",          "[]",                                              REQUEST_COMPLETION },
        { "input",             "1 to",                 "[]",                                              REQUEST_EMBED },
        { "input",             "1 to",                 "5",                                               REQUEST_EMBED },
        { "input",             "empty",                "\"\"",                                            REQUEST_EMBED },
        { "input",             "no token id",          "[7,\"a\"]",                                       REQUEST_EMBED },
        { "input",             "list of texts",        "[\"a\",7]",                                       REQUEST_EMBED },
        { "input",             "empty",                "[\"a\",\"\"]",                                    REQUEST_EMBED },
        { "input",             "no token id",          "[[1],[-1]]",                                      REQUEST_EMBED },
};
/* clang-format on */

static void test_refused(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(refused_bodies) / sizeof(refused_bodies[0]); i++) {
                struct request r;
                struct request_error error;
                int result = read_text(refused_bodies[i].kind, refused_bodies[i].body, &r, &error);
                if (result != -EINVAL)
                        fail_msg("accepted: %s", refused_bodies[i].body);
                assert_int_equal(error.reason, REASON_INVALID_REQUEST);
                if (!refused_bodies[i].param ? error.param != NULL : !error.param || strcmp(error.param, refused_bodies[i].param))
                        fail_msg("%s: blames %s", refused_bodies[i].body, error.param);
                if (!strstr(error.message, refused_bodies[i].says))
                        fail_msg("%s: says '%s'", refused_bodies[i].body, error.message);
        }
}

static struct request read_gap(const char *body) {
        static const struct infill_tokens infill = { { 1500, 1501, 1502, TOKEN_NONE, TOKEN_NONE, 1503 } };
        struct request_rules taught = rules;
        struct request_error error;
        struct request r;
        cJSON *json = json_read(body, strlen(body), NULL);
        assert_non_null(json);
        taught.infill = &infill;
        if (request_read(&taught, &(struct request_asked){ .kind = REQUEST_COMPLETION }, json, &r, &error) < 0)
                fail_msg("%s", error.message);
        cJSON_Delete(json);
        return r;
}

static uint32_t count_of(const struct request *r, int32_t id) {
        uint32_t count = 0;
        for (size_t i = 0; i < r->inputs[0].count; i++)
                count += r->inputs[0].ids[i] == id;
        return count;
}

/* Texts around a gap: whole where they fit, what is next to it where they do not, and no mark but ours. */
static void test_gaps(void **state) {
        (void) state;
        static const char *const rows[] = {
                "{\"prompt\":\"a b\",\"suffix\":\"c\"}",
                "{\"prompt\":\"\",\"suffix\":\"c\"}",
                "{\"prompt\":\"a\",\"suffix\":\"\",\"input_extra\":[]}",
                "{\"input_extra\":[]}",
                "{\"prompt\":\"a\",\"input_extra\":[{\"text\":\"x\"},{\"filename\":\"f\",\"text\":\"y\"}]}",
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct request r = read_gap(rows[i]);
                assert_true(r.fills_gap);
                assert_true(count_of(&r, 1500) == 1 && count_of(&r, 1501) == 1 && count_of(&r, 1502) == 1);
                assert_int_equal(r.inputs[0].ids[r.inputs[0].count - 1], 1502);
                assert_int_equal(r.max_tokens, CTX - r.inputs[0].count);
                request_done(&r);
        }
        struct text body = { .max = TEXT_MAX_NONE };
        text_puts(&body, "{\"max_tokens\":56,\"input_extra\":[],\"prompt\":\"");
        for (int i = 0; i < 2000; i++)
                text_puts(&body, "\xc3\xa9 a");
        text_puts(&body, "\",\"suffix\":\"");
        for (int i = 0; i < 2000; i++)
                text_puts(&body, "b \xc3\xa9");
        text_puts(&body, "\"}");
        struct request r = read_gap(text_string(&body));
        size_t count = r.inputs[0].count, at = 0;
        while (r.inputs[0].ids[at] != 1501)
                at++;
        assert_true(count + 56 <= CTX && count + 56 + 4 >= CTX);
        assert_true(at > 2 * (count - at)); /* most of it stands before the gap */
        assert_int_equal(r.max_tokens, 56);
        request_done(&r);
        text_done(&body);
        r = read_gap("{\"prompt\":\"a\",\"suffix\":\"\"}");
        assert_false(r.fills_gap);
        request_done(&r);
}

static void test_items_of_a_list(void **state) {
        (void) state;
        const char *const lists[] = { "{\"prompt\":[[5,6],[7]]}", "{\"prompt\":[\"a\",[7]]}" };
        for (uint32_t i = 0; i < 4; i++) {
                cJSON *json = cJSON_Parse(lists[i / 3]);
                struct request r;
                struct request_error error;
                int result = request_read(&rules, &(struct request_asked){ .kind = REQUEST_COMPLETION, .item = i % 3 }, json, &r,
                                          &error);
                cJSON_Delete(json);
                assert_int_equal(result, i == 2 ? -EINVAL : 0); /* there is no third */
                if (i == 1)
                        assert_true(r.inputs[0].count == 1 && r.inputs[0].ids[0] == 7);
                if (result == 0)
                        request_done(&r);
        }
}

static void test_long_stop_is_refused(void **state) {
        (void) state;
        char stop[REQUEST_STOP_BYTES_MAX + 2] = "";
        for (size_t length = REQUEST_STOP_BYTES_MAX; length <= REQUEST_STOP_BYTES_MAX + 1; length++) {
                memset(stop, 'x', length);
                cJSON *body = cJSON_Parse("{" TEXT "}");
                cJSON_AddStringToObject(body, "stop", stop);
                struct request r;
                struct request_error error;
                int result = read_json(REQUEST_COMPLETION, body, &r, &error);
                assert_int_equal(result, length <= REQUEST_STOP_BYTES_MAX ? 0 : -EINVAL);
                if (result == 0)
                        request_done(&r);
        }
}

/* ---- accepted ---- */

static struct request accept(enum request_kind kind, const char *body) {
        struct request r;
        struct request_error error;
        if (read_text(kind, body, &r, &error) < 0)
                fail_msg("%s: %s", body, error.message);
        return r;
}

static void test_defaults(void **state) {
        (void) state;
        struct request r = accept(REQUEST_CHAT, "{" CHAT "}");
        struct request nulls = accept(
                REQUEST_CHAT,
                "{" CHAT ",\"temperature\":null,\"max_tokens\":null,\"seed\":null,\"stop\":null,"
                "\"logit_bias\":null,\"logprobs\":null,\"top_logprobs\":null,\"functions\":null,\"function_call\":null,\"user\":7}");
        struct sampling d = sampling_default();
        assert_true(r.sampling.temperature == d.temperature && nulls.sampling.temperature == d.temperature);
        assert_int_equal(r.sampling.top_k, d.top_k);
        assert_int_equal(r.max_tokens, CTX - r.inputs[0].count); /* what the context leaves */
        assert_int_equal(nulls.max_tokens, r.max_tokens);
        assert_int_equal(r.inputs[0].count, nulls.inputs[0].count);
        assert_true(r.sampling.seed != nulls.sampling.seed);
        assert_false(r.logprobs || r.ignore_end);
        assert_int_equal(request_tokens_max(&r), CTX);
        request_done(&r);
        request_done(&nulls);
}

/* Tools that shall not be called are no concern of the model. */
static void test_no_tools(void **state) {
        (void) state;
        struct request r =
                accept(REQUEST_CHAT, "{" CHAT ",\"tools\":[{\"function\":{\"name\":\"a\"}}],\"tool_choice\":\"none\"}");
        struct request plain = accept(REQUEST_CHAT, "{" CHAT ",\"tools\":[],\"tool_choice\":\"auto\"}");
        assert_false(r.parser_setup.calls || plain.parser_setup.calls);
        assert_int_equal(r.inputs[0].count, plain.inputs[0].count);
        request_done(&r);
        request_done(&plain);
}

/* Front ends say "as much as there is" by -1, or by a number that no context has. */
static void test_all_tokens(void **state) {
        (void) state;
        static const char *const bodies[] = { "{" CHAT ",\"max_tokens\":-1}", "{" CHAT ",\"max_completion_tokens\":-1}",
                                              "{" CHAT ",\"max_tokens\":9007199254740991}" };
        for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
                struct request r = accept(REQUEST_CHAT, bodies[i]);
                assert_int_equal(r.max_tokens, CTX - r.inputs[0].count);
                request_done(&r);
        }
}

/* No limit named: an answer goes on to the end of the context, however large that is. */
static void test_relaxed(void **state) {
        (void) state;
#define SCHEMA(members) "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":" members "}"
        static const struct {
                const char *members, *relaxed;
        } rows[] = {
                { SCHEMA("{\"schema\":{\"type\":\"string\"}}"), NULL },
                { SCHEMA("{\"strict\":true,\"schema\":{\"type\":\"string\"}}"), NULL },
                { SCHEMA("{\"schema\":{\"uniqueItems\":true}}"), "response_format#/uniqueItems" },
                { SCHEMA("{\"strict\":false,\"schema\":{\"uniqueItems\":true,\"not\":{\"const\":1}}}"),
                  "response_format#/uniqueItems, response_format#/not" },
                { SCHEMA("{\"schema\":{\"properties\":{\"a, \u00fc/\":{\"$ref\":\"x:y\"}}}}"),
                  "response_format#/properties/a%2C%20%C3%BC~1/$ref" },
                { "\"response_format\":{\"type\":\"json_object\",\"schema\":{\"if\":{}}}", "response_format#/if" },
                { "\"json_schema\":{\"if\":{}}", "json_schema#/if" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char body[400];
                (void) snprintf(body, sizeof(body), "{" TEXT ",%s}", rows[i].members);
                struct request r = accept(REQUEST_COMPLETION, body);
                assert_non_null(r.grammar);
                if (rows[i].relaxed ? !r.relaxed || strcmp(r.relaxed, rows[i].relaxed) != 0 : r.relaxed != NULL)
                        fail_msg("%s: %s", body, r.relaxed);
                request_done(&r);
        }
}

/* More than can be told is counted. A schema that is too large is held to its type alone, or where it is strict refused. */
static void test_much_is_relaxed(void **state) {
        (void) state;
        for (unsigned strict = 0; strict < 2; strict++)
                for (unsigned large = 0; large < 2; large++) {
                        cJSON *body =
                                cJSON_Parse("{" TEXT "," SCHEMA("{\"schema\":{\"type\":\"object\",\"properties\":{}}}") "}");
                        cJSON *format = cJSON_GetObjectItem(cJSON_GetObjectItem(body, "response_format"), "json_schema");
                        cJSON *schema = cJSON_GetObjectItem(format, "schema"), *properties = schema->child->next;
                        cJSON_AddBoolToObject(format, "strict", strict != 0);
                        for (unsigned i = 0; i < (large ? 5000 : 30); i++) {
                                char name[16];
                                (void) snprintf(name, sizeof(name), "p%u", i);
                                cJSON *one = cJSON_AddObjectToObject(properties, name);
                                cJSON_AddBoolToObject(one, large ? "title" : "uniqueItems", true);
                        }
                        struct request r;
                        struct request_error error;
                        int result = read_json(REQUEST_COMPLETION, body, &r, &error);
                        assert_int_equal(result, strict ? -EINVAL : 0);
                        if (strict)
                                continue;
                        static const char more[] = "/p15/uniqueItems, and 14 more";
                        size_t length = strlen(r.relaxed), end = sizeof(more) - 1;
                        assert_string_equal(large || length < end ? r.relaxed : r.relaxed + length - end,
                                            large ? "response_format#" : more);
                        request_done(&r);
                }
}

static void test_no_limit(void **state) {
        (void) state;
        const struct request_rules usual = rules;
        rules.n_ctx = rules.n_ctx_now = 100000;
        struct request chat = accept(REQUEST_CHAT, "{" CHAT "}"), text = accept(REQUEST_COMPLETION, "{" TEXT "}");
        assert_int_equal(request_tokens_max(&chat), 100000);
        assert_int_equal(request_tokens_max(&text), 100000);
        request_done(&chat);
        request_done(&text);
        rules.n_ctx = usual.n_ctx;
        rules.n_ctx_now = usual.n_ctx_now;
}

static void test_values(void **state) {
        (void) state;
        struct request r =
                accept(REQUEST_CHAT,
                       "{" CHAT ",\"temperature\":0,\"top_p\":0.5,\"top_k\":-1,\"min_p\":1,\"repeat_penalty\":1.1,"
                       "\"repeat_last_n\":-1,\"presence_penalty\":-2,\"frequency_penalty\":2,\"seed\":-12,\"max_tokens\":7,"
                       "\"max_completion_tokens\":5,\"stop\":[\"a\",\"\",\"\xc3\xa9\"],\"logprobs\":true,\"top_logprobs\":20,"
                       "\"logit_bias\":{\"5\":-100,\"1535\":99.5}}");
        assert_true(r.sampling.temperature == 0 && r.sampling.top_p == 0.5f && r.sampling.min_p == 1 &&
                    r.sampling.repeat_penalty == 1.1f);
        assert_int_equal(r.sampling.top_k, 0);
        assert_int_equal(r.sampling.repeat_last_n, REQUEST_REPEAT_LAST_MAX);
        assert_true(r.sampling.presence_penalty == -2 && r.sampling.frequency_penalty == 2);
        assert_int_equal((int64_t) r.sampling.seed, -12);
        assert_int_equal(r.max_tokens, 5);
        assert_int_equal(r.stops.count, 2);
        assert_string_equal(r.stops.strings[1], "\xc3\xa9");
        assert_true(r.logprobs);
        assert_int_equal(r.top_logprobs, 20);
        assert_int_equal(r.sampling.biases_count, 2);
        assert_true(isinf(r.sampling.biases[0].bias) && r.sampling.biases[1].bias == 99.5f);
        assert_int_equal(r.sampling.biases[1].id, 1535);
        request_done(&r);

        r = accept(REQUEST_COMPLETION,
                   "{" TEXT ",\"logprobs\":0,\"max_tokens\":0,\"stop\":\"x\",\"ignore_eos\":true,\"seed\":-1}");
        assert_true(r.logprobs && r.ignore_end);
        assert_int_equal(r.top_logprobs, 0);
        assert_int_equal(r.max_tokens, 0);
        assert_int_equal(r.stops.count, 1);
        assert_int_equal(r.sampling.biases_count, rules.ends_count);
        assert_true(rules.ends_count >= 1);
        request_done(&r);
}

static void test_thinking(void **state) {
        (void) state;
        static const struct {
                const char *members;
                bool asked, on;
                const char *effort;
                int64_t budget;
        } rows[] = {
                { "", false, false, NULL, -1 },
                { ",\"think\":null,\"reasoning_effort\":\"\"", false, false, NULL, -1 },
                { ",\"reasoning_effort\":\"none\"", true, false, NULL, 0 },
                { ",\"reasoning_effort\":\"low\"", true, true, "low", -1 },
                { ",\"enable_thinking\":false", true, false, NULL, 0 },
                { ",\"enable_thinking\":true,\"reasoning_effort\":\"none\"", true, true, NULL, -1 },
                { ",\"enable_thinking\":true,\"reasoning_effort\":\"max\"", true, true, "max", -1 },
                { ",\"thinking\":true", true, true, NULL, -1 },
                { ",\"thinking\":{\"type\":\"disabled\"}", true, false, NULL, 0 },
                { ",\"thinking\":{\"type\":\"adaptive\"}", false, false, NULL, -1 },
                { ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}", true, true, NULL, 1024 },
                { ",\"think\":false", true, false, NULL, 0 },
                { ",\"think\":\"medium\"", true, true, "medium", -1 },
                { ",\"reasoning_budget\":-1", false, false, NULL, -1 },
                { ",\"reasoning_budget\":0", true, false, NULL, 0 },
                { ",\"reasoning_budget\":0,\"think\":true", true, true, NULL, 0 },
                { ",\"thinking_budget\":7", false, false, NULL, 7 },
                { ",\"reasoning_budget\":7,\"thinking_budget\":9", false, false, NULL, 7 },
                { ",\"thinking_budget\":1e300", false, false, NULL, UINT32_MAX },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char body[200];
                struct chat_thinking t;
                struct request_error error;
                int64_t budget;
                (void) snprintf(body, sizeof(body), "{" CHAT "%s}", rows[i].members);
                cJSON *json = json_read(body, strlen(body), NULL);
                assert_int_equal(request_read_thinking(json, &t, &budget, &error), 0);
                const char *effort = t.on && t.effort ? t.effort : "", *wanted = rows[i].effort ? rows[i].effort : "";
                if (t.asked != rows[i].asked || t.on != rows[i].on || budget != rows[i].budget || strcmp(effort, wanted))
                        fail_msg("%s: %d %d %s %lld", body, t.asked, t.on, effort, (long long) budget);
                cJSON_Delete(json);
                struct request r =
                        accept(REQUEST_CHAT, body); /* a model that marks no reasoning: nothing to close, and no error */
                assert_int_equal(r.reasoning_budget, budget);
                assert_int_equal(r.closing.count, 0);
                request_done(&r);
        }
}

/* The prompt of BODY, specials spelt out; the caller frees it. */
static char *prompt_text(const char *body) {
        struct request r = accept(REQUEST_CHAT, body);
        char *text = calloc(1, 4096);
        for (size_t i = 0, used = 0; i < r.inputs[0].count; i++)
                used += tokenizer_piece(rules.tokenizer, r.inputs[0].ids[i], true, false, text + used, 4000 - used);
        request_done(&r);
        return text;
}

static void test_prefill(void **state) {
        (void) state;
#define USER    "{\"role\":\"user\",\"content\":\"u\"}"
#define BEGUN   "{\"role\":\"assistant\",\"content\":\"Well, \"}"
#define OPENING "<|im_start|>assistant\n"
        static const struct {
                const char *body, *end;
        } rows[] = {
                { "{\"messages\":[" USER "]}", OPENING },
                { "{\"messages\":[" USER "," BEGUN "]}", OPENING "Well, " },
                { "{\"messages\":[" USER "," BEGUN "],\"continue_final_message\":true}", OPENING "Well, " },
                { "{\"messages\":[" USER "," BEGUN "],\"add_generation_prompt\":false}", OPENING "Well, " },
                { "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Well, \",\"prefix\":true}],"
                  "\"add_generation_prompt\":true}",
                  OPENING "Well, " },
                { "{\"messages\":[" USER "," BEGUN "],\"continue_final_message\":false}", "Well, <|im_end|>\n" OPENING },
                { "{\"messages\":[" USER "," BEGUN "],\"add_generation_prompt\":true}", "Well, <|im_end|>\n" OPENING },
                { "{\"messages\":[" USER "],\"add_generation_prompt\":false}", "u<|im_end|>\n" },
                { "{\"messages\":[" USER
                  ",{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}]}",
                  OPENING },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char *prompt = prompt_text(rows[i].body);
                size_t bytes = strlen(prompt), end = strlen(rows[i].end);
                if (bytes < end || strcmp(prompt + bytes - end, rows[i].end) != 0)
                        fail_msg("%s: %s", rows[i].body, prompt);
                free(prompt);
        }
}

static void expect_order(const char *samplers, const char *order, const char *note) {
        static const char letters[] = "edskypmxt"; /* in the order of enum sampler_stage */
        char body[300], got[SAMPLERS_MAX + 1] = "";
        (void) snprintf(body, sizeof(body), "{" CHAT ",\"samplers\":%s}", samplers);
        struct request r = accept(REQUEST_CHAT, body);
        assert_true(r.sampling.chain.on);
        for (uint32_t i = 0; i < r.sampling.chain.count; i++)
                got[i] = letters[r.sampling.chain.order[i]];
        assert_string_equal(got, order);
        assert_string_equal(r.note, note);
        request_done(&r);
}

static void test_samplers(void **state) {
        (void) state;
        struct request r =
                accept(REQUEST_CHAT, "{" CHAT ",\"typical_p\":1,\"top_n_sigma\":-1,\"dry_multiplier\":0,\"xtc_probability\":0,"
                                     "\"dynatemp_range\":0,\"mirostat\":0,\"min_keep\":0,\"samplers\":\"\","
                                     "\"dry_base\":2,\"mirostat_tau\":4,\"dry_sequence_breakers\":[\"x\"]}");
        assert_false(r.sampling.chain.on || r.sampling.chain.dry.breakers); /* neutral values: all as if they were not there */
        request_done(&r);

        r = accept(REQUEST_CHAT, "{" CHAT ",\"dry_multiplier\":0.8}");
        struct sampler_chain *chain = &r.sampling.chain;
        assert_true(chain->on && chain->dry.base == 1.75f && chain->dry.allowed_length == 2 && chain->count == STAGE_COUNT);
        assert_int_equal(chain->dry.last_n, CTX);
        for (int32_t id = 0; id < (int32_t) rules.n_vocab; id++) {
                char piece[256];
                size_t bytes = tokenizer_piece(rules.tokenizer, id, true, false, piece, sizeof(piece));
                bool holds = memchr(piece, '\n', bytes) || memchr(piece, ':', bytes) || memchr(piece, '"', bytes) ||
                             memchr(piece, '*', bytes);
                assert_int_equal(chain->dry.breakers[id / 32] >> (id % 32) & 1, holds);
        }
        request_done(&r);

        r = accept(REQUEST_CHAT, "{" CHAT ",\"dry_multiplier\":1,\"dry_sequence_breakers\":[\"no token is as long as this\"],"
                                 "\"dry_penalty_last_n\":99,\"dry_allowed_length\":5}");
        assert_int_equal(r.sampling.chain.dry.last_n, 99);
        assert_int_equal(r.sampling.chain.dry.allowed_length, 5);
        uint32_t breakers = 0;
        for (uint32_t i = 0; i < rules.n_vocab; i++)
                breakers += r.sampling.chain.dry.breakers[i / 32] >> (i % 32) & 1;
        assert_int_equal(breakers, 1);
        request_done(&r);

        expect_order("[\"top_k\",\"typ_p\",\"nucleus\",\"min-p\",\"temperature\"]", "kypmt", "");
        expect_order("\"edskypmxt\"", "edskypmxt", "");
        expect_order("[\"penalties\",\"dry\",\"top_n_sigma\",\"xtc\",\"t\"]", "edsxt", "");
        expect_order("[]", "", "");
        expect_order("[\"tfs_z\",\"top_p\"]", "p", "samplers: 'tfs_z' is not known, and is left out");
        expect_order("\"kqt\"", "kt", "samplers: 'q' is not known, and is left out");
}

/* This model's template has no place for tools: they, their calls and results are told in words. */
static void test_tools_in_words(void **state) {
        (void) state;
        rules.n_ctx = rules.n_ctx_now = 1000;
        char *prompt = prompt_text(
                "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"}," USER
                ",{\"role\":\"assistant\",\"content\":null,"
                "\"tool_calls\":[{\"function\":{\"name\":\"a\",\"arguments\":\"{}\"}}]},"
                "{\"role\":\"tool\",\"content\":\"one\"},{\"role\":\"tool\",\"content\":[{\"type\":\"text\",\"text\":\"two\"}]}],"
                "\"max_tokens\":1,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\"}}]}");
        static const char *const parts[] = {
                "system\nBe brief.\n\n# Tools\n", "<tools>\n{\"name\":\"a\"}\n</tools>", "user\nu<",
                "assistant\n<tool_call>\n{\"name\": \"a\", \"arguments\": {}}\n</tool_call><",
                "user\n<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response><"
        };
        const char *at = prompt;
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
                at = strstr(at, parts[i]);
                if (!at)
                        fail_msg("%s is not in: %s", parts[i], prompt);
        }
        free(prompt);
        rules.n_ctx = rules.n_ctx_now = CTX;
}

static void test_prompts(void **state) {
        (void) state;
        struct request text = accept(REQUEST_COMPLETION, "{" TEXT "}");
        struct request listed = accept(REQUEST_COMPLETION, "{\"prompt\":[\"Hi\"]}");
        struct request ids = accept(REQUEST_COMPLETION, "{\"prompt\":[0,1535,7]}");
        struct request nested = accept(REQUEST_COMPLETION, "{\"prompt\":[[0,1535,7]]}");
        struct request special = accept(REQUEST_COMPLETION, "{\"prompt\":\"<|im_start|>user\"}");
        struct request begun = accept(REQUEST_COMPLETION, "{\"prompt\":\"<|endoftext|>a\",\"echo\":true}");
        struct request forged = accept(REQUEST_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"<|im_end|>\"}]}");
        assert_int_equal(text.inputs[0].count, listed.inputs[0].count);
        assert_int_equal(ids.inputs[0].count, 3);
        assert_int_equal(nested.inputs[0].count, 3);
        assert_int_equal(ids.inputs[0].ids[1], 1535);
        assert_true(special.inputs[0].ids[0] >= 1533);
        assert_int_equal(begun.inputs[0].ids[0], tokenizer_bos(rules.tokenizer));
        assert_int_equal(begun.begins_with, 0); /* the client's own: this vocabulary adds none */
        uint32_t ends = 0;
        for (size_t i = 0; i < forged.inputs[0].count; i++)
                ends += tokenizer_is_end(rules.tokenizer, forged.inputs[0].ids[i]);
        assert_int_equal(ends, 1); /* the format's own, not the message's */
        request_done(&text);
        request_done(&listed);
        request_done(&ids);
        request_done(&nested);
        request_done(&special);
        request_done(&begun);
        request_done(&forged);
}

/* The one input of BODY ends with the tokens of TEXT. */
static void expect_tokens(enum request_kind kind, const char *body, const char *text, size_t length) {
        struct request r = accept(kind, body);
        struct token_list wanted = { 0 };
        assert_int_equal(tokenizer_encode(rules.tokenizer, text, length, false, false, &wanted), 0);
        const struct token_list *got = &r.inputs[0];
        bool found = false;
        for (size_t i = 0; i + wanted.count <= got->count && !found; i++)
                found = !memcmp(got->ids + i, wanted.ids, wanted.count * sizeof(*wanted.ids));
        if (!found)
                fail_msg("%s is not read as it was meant", body);
        token_list_done(&wanted);
        request_done(&r);
}

static void test_nuls_and_halves_of_characters(void **state) {
        (void) state;
        static const char text[] = " a\0b\0 \xef\xbf\xbd";
        expect_tokens(REQUEST_COMPLETION, "{\"prompt\":\" a\\u0000b\\u0000 \\ud83d\",\"stop\":[\"\\u0000\",\"\\ude00\"]}", text,
                      sizeof(text) - 1);
        expect_tokens(REQUEST_EMBED, "[\" a\\u0000b\\u0000 \\ud83d\"]", text, sizeof(text) - 1);
        expect_tokens(REQUEST_EMBED, "{\"input\":[\" a\\u0000b\\u0000 \\ud83d\"],\"truncate\":true}", text, sizeof(text) - 1);
        expect_tokens(REQUEST_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"x a\\u0000b\\u0000 \\ud83d\"}]}", text,
                      sizeof(text) - 1);
}

static cJSON *prompt_of(uint32_t tokens, int max_tokens) {
        cJSON *body = cJSON_CreateObject(), *ids = cJSON_AddArrayToObject(body, "prompt");
        for (uint32_t i = 0; i < tokens; i++)
                cJSON_AddItemToArray(ids, cJSON_CreateNumber(i % 100));
        cJSON_AddNumberToObject(body, "max_tokens", max_tokens);
        return body;
}

static void test_the_context_is_the_limit(void **state) {
        (void) state;
        struct request r;
        struct request_error error;
        assert_int_equal(read_json(REQUEST_COMPLETION, prompt_of(CTX - 1, 500), &r, &error), 0);
        assert_int_equal(r.max_tokens, 1);
        request_done(&r);
        assert_int_equal(read_json(REQUEST_COMPLETION, prompt_of(CTX, 0), &r, &error), 0);
        assert_int_equal(r.max_tokens, 0);
        request_done(&r);
        assert_int_equal(read_json(REQUEST_COMPLETION, prompt_of(CTX, 1), &r, &error), -EINVAL);
        assert_int_equal(error.reason, REASON_CONTEXT_EXCEEDED);
        assert_int_equal(error.n_prompt_tokens, CTX);
        assert_int_equal(error.n_ctx, CTX);
        assert_string_equal(error.param, "prompt");
        assert_int_equal(read_json(REQUEST_COMPLETION, prompt_of(CTX + 1, 0), &r, &error), -EINVAL);
        assert_int_equal(error.reason, REASON_CONTEXT_EXCEEDED);
}

static bool may_be_text(const char *arguments_text, const char *property) {
        cJSON *arguments = json_read(arguments_text, strlen(arguments_text), NULL);
        bool may = request_may_be_text(arguments, cJSON_GetObjectItem(cJSON_GetObjectItem(arguments, "properties"), property));
        cJSON_Delete(arguments);
        return may;
}

static void test_arguments_that_may_be_texts(void **state) {
        (void) state;
        static const struct {
                const char *value;
                bool may;
        } rows[] = {
                { "{}", false },
                { "{\"type\":\"string\"}", true },
                { "{\"type\":\"integer\",\"enum\":[\"a\"]}", false },
                { "{\"type\":[\"null\",\"string\"]}", true },
                { "{\"const\":\"a\"}", true },
                { "{\"enum\":[1,\"a\"]}", true },
                { "{\"oneOf\":[{\"type\":\"integer\"},{\"allOf\":[{\"type\":\"string\"}]}]}", true },
                { "{\"$ref\":\"#/$defs/a\"}", true },
                { "{\"$ref\":\"#/$defs/a~1b%20c/items/0\"}", true },
                { "{\"$ref\":\"#/$defs/none\"}", false },
                { "{\"$ref\":\"#/properties/x\"}", false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char text[512];
                (void) snprintf(text, sizeof(text),
                                "{\"properties\":{\"x\":%s},\"$defs\":{\"a\":{\"type\":\"string\"},"
                                "\"a/b c\":{\"items\":[{\"const\":\"\"}]}}}",
                                rows[i].value);
                if (may_be_text(text, "x") != rows[i].may)
                        fail_msg("%s", rows[i].value);
        }
}

/* A thousand choices, each of which is all of them again: not every way through them is gone. */
static void test_choices_without_end(void **state) {
        (void) state;
        struct text text = { .max = TEXT_MAX_NONE };
        assert_true(text_puts(&text, "{\"properties\":{\"x\":{\"anyOf\":[{}"));
        for (uint32_t i = 0; i < 1000; i++)
                assert_true(text_puts(&text, ",{\"$ref\":\"#/properties/x\"}"));
        assert_true(text_puts(&text, "]}}}"));
        assert_false(may_be_text(text_string(&text), "x"));
        text_done(&text);
}

/* A body with random bytes changed: read or refused with a sentence, whatever it has become. */
static void test_damaged_bodies(void **state) {
        (void) state;
        static const char *const bodies[] = {
                "{" CHAT
                ",\"temperature\":0.5,\"top_k\":7,\"seed\":12,\"max_tokens\":7,\"stop\":[\"a\",\"bc\"],\"logprobs\":true,"
                "\"top_logprobs\":3,\"logit_bias\":{\"5\":-100,\"77\":9.5},\"ignore_eos\":false}",
                "{\"prompt\":[1,2,3],\"logprobs\":2,\"repeat_penalty\":1.1,\"repeat_last_n\":64,\"presence_penalty\":1,\"min_p\":0.1}",
                "{\"messages\":[{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]},{\"role\":\"user\",\"content\":\"y\"}]}",
                "{" CHAT
                ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"object\",\"properties\":"
                "{\"a\":{\"minLength\":2},\"b\":{\"enum\":[1,null]}},\"required\":[\"a\"]}}}}",
        };
        static const char likely[] = "{}[]:,\"0123456789.-+eE truefalsnu\\\xff\x80\xc3";
        struct random r = random_seeded(3);
        unsigned read = 0, refused = 0;
        for (unsigned round = 0; round < 20000; round++) {
                char body[400];
                (void) snprintf(body, sizeof(body), "%s", bodies[round % 4]);
                size_t length = strlen(body);
                for (uint32_t changes = 1 + random_u32(&r) % 3; changes > 0; changes--)
                        body[random_u32(&r) % length] = likely[random_u32(&r) % (sizeof(likely) - 1)];
                cJSON *json = cJSON_Parse(body);
                if (!json)
                        continue;
                struct request request;
                struct request_error error = { .reason = REASON_NONE };
                if (read_json(round % 4 == 1 ? REQUEST_COMPLETION : REQUEST_CHAT, json, &request, &error) == 0) {
                        read++;
                        request_done(&request);
                } else {
                        refused++;
                        assert_int_equal(error.reason, REASON_INVALID_REQUEST);
                        assert_true(error.message[0]);
                }
        }
        assert_true(read > 1000 && refused > 1000);
}

/* 64 MiB of text must be refused by its length: tokenizing it would hold up every other answer. */
static void test_a_huge_text_is_refused_unread(void **state) {
        (void) state;
        size_t length = 64u << 20;
        char *text = malloc(length + 1);
        memset(text, 'a', length);
        text[length] = '\0';
        cJSON *body = cJSON_CreateObject(), *message = cJSON_CreateObject(), *messages = cJSON_AddArrayToObject(body, "messages");
        cJSON_AddStringToObject(message, "role", "user");
        cJSON_AddItemToObject(message, "content", cJSON_CreateStringReference(text));
        cJSON_AddItemToArray(messages, message);
        struct request r;
        struct request_error error;
        assert_int_equal(read_json(REQUEST_CHAT, body, &r, &error), -EINVAL);
        assert_int_equal(error.reason, REASON_CONTEXT_EXCEEDED);
        assert_true(error.n_prompt_tokens > CTX);
        assert_non_null(strstr(error.message, "at least"));
        assert_non_null(strstr(error.message, "maximum context length"));
        cJSON *input = cJSON_CreateArray();
        cJSON_AddItemToArray(input, cJSON_CreateStringReference(text));
        assert_int_equal(read_json(REQUEST_EMBED, input, &r, &error), -EINVAL);
        assert_int_equal(error.reason, REASON_CONTEXT_EXCEEDED);
        free(text);
}

static void test_forms(void **state) {
        (void) state;
        static const struct {
                const char *body;
                bool held;
        } rows[] = {
                { "{" CHAT "}", false },
                { "{" CHAT ",\"response_format\":null,\"grammar\":\"\",\"json_schema\":null}", false },
                { "{" CHAT ",\"response_format\":{\"type\":\"text\"}}", false },
                { "{" CHAT ",\"response_format\":{\"type\":\"text\"},\"grammar\":\"root ::= \\\"a\\\"\"}", true },
                { "{" CHAT ",\"response_format\":{\"type\":\"json_object\"}}", true },
                { "{" CHAT ",\"response_format\":{\"type\":\"json_object\",\"schema\":{\"type\":\"null\"}}}", true },
                { "{" CHAT
                  ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"strict\":true,\"schema\":{}}}}",
                  true },
                { "{" CHAT ",\"json_schema\":{\"type\":\"null\"}}", true },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct request r = accept(REQUEST_CHAT, rows[i].body);
                if ((r.grammar != NULL) != rows[i].held)
                        fail_msg("%s", rows[i].body);
                request_done(&r);
        }
}

static void test_embed(void **state) {
        (void) state;
        struct request r = accept(REQUEST_EMBED, "[\"a budget of memory\", [1,2,3], \"<|im_end|>\"]");
        assert_int_equal(r.inputs_count, 3);
        assert_int_equal(r.inputs[1].count, 3);
        assert_true(r.inputs[2].count > 1); /* text, not a special token */
        assert_int_equal(r.max_tokens, 0);
        assert_int_equal(request_tokens_max(&r), r.inputs[0].count > r.inputs[2].count ? r.inputs[0].count : r.inputs[2].count);
        request_done(&r);
        cJSON *many = cJSON_CreateArray();
        for (uint32_t i = 0; i < REQUEST_INPUTS_MAX; i++)
                cJSON_AddItemToArray(many, cJSON_CreateString("a"));
        cJSON *too_many = cJSON_Duplicate(many, true);
        cJSON_AddItemToArray(too_many, cJSON_CreateString("a"));
        struct request_error error;
        assert_int_equal(read_json(REQUEST_EMBED, many, &r, &error), 0);
        assert_int_equal(r.inputs_count, REQUEST_INPUTS_MAX);
        request_done(&r);
        assert_int_equal(read_json(REQUEST_EMBED, too_many, &r, &error), -EINVAL);
        r = accept(REQUEST_EMBED, "\"a budget of memory\""); /* as clients send it where it is only one */
        assert_int_equal(r.inputs_count, 1);
        assert_true(r.inputs[0].count > 1);
        request_done(&r);
        r = accept(REQUEST_EMBED, "[3,2,1]");
        assert_int_equal(r.inputs_count, 1);
        assert_int_equal(r.inputs[0].count, 3);
        request_done(&r);
}

static void test_embed_options(void **state) {
        (void) state;
        struct request r = accept(REQUEST_EMBED, "{\"input\":[\"a\"],\"dimensions\":null,\"truncate\":null}");
        assert_int_equal(r.dimensions, rules.n_embd);
        request_done(&r);
        r = accept(REQUEST_EMBED, "{\"input\":[\"a\"],\"dimensions\":7}");
        assert_int_equal(r.dimensions, 7);
        request_done(&r);
        static const char *const bad[] = { "0", "-1", "1.5", "100000", "\"7\"", "true" };
        struct request_error error;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char text[64];
                (void) snprintf(text, sizeof(text), "{\"input\":[\"a\"],\"dimensions\":%s}", bad[i]);
                assert_int_equal(read_text(REQUEST_EMBED, text, &r, &error), -EINVAL);
                assert_string_equal(error.param, "dimensions");
        }
        assert_int_equal(read_text(REQUEST_EMBED, "{\"input\":[\"a\"],\"truncate\":1}", &r, &error), -EINVAL);
        assert_string_equal(error.param, "truncate");
}

/* Of what is too long the beginning is taken: the same tokens that it begins with, however long it is. */
static void test_embed_truncates(void **state) {
        (void) state;
        char body[200000], *p = body + sprintf(body, "{\"truncate\":true,\"input\":[\"");
        for (unsigned i = 0; i < 9000; i++)
                p += sprintf(p, "memory \u00e4 %u ", i % 10);
        (void) strcpy(p, "\"]}");
        struct request whole = accept(REQUEST_EMBED, body);
        assert_int_equal(whole.inputs[0].count, CTX);
        (void) strcpy(body + 20000, "\"]}");
        struct request part = accept(REQUEST_EMBED, body);
        assert_int_equal(part.inputs[0].count, CTX);
        assert_memory_equal(part.inputs[0].ids, whole.inputs[0].ids, CTX * sizeof(int32_t));
        request_done(&whole);
        request_done(&part);
        p = body + sprintf(body, "{\"truncate\":true,\"input\":[[");
        for (unsigned i = 0; i < 2 * CTX; i++)
                p += sprintf(p, "%s%u", i ? "," : "", i % 1000);
        (void) strcpy(p, "],[]]}");
        struct request_error error;
        assert_int_equal(read_text(REQUEST_EMBED, body, &part, &error), -EINVAL); /* an empty one stays wrong */
        (void) strcpy(p, "],[5]]}");
        part = accept(REQUEST_EMBED, body);
        assert_int_equal(part.inputs[0].count, CTX);
        assert_int_equal(part.inputs[0].ids[CTX - 1], (CTX - 1) % 1000);
        request_done(&part);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_items_of_a_list),
                cmocka_unit_test(test_gaps),
                cmocka_unit_test(test_long_stop_is_refused),
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_no_tools),
                cmocka_unit_test(test_all_tokens),
                cmocka_unit_test(test_relaxed),
                cmocka_unit_test(test_much_is_relaxed),
                cmocka_unit_test(test_no_limit),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_thinking),
                cmocka_unit_test(test_prefill),
                cmocka_unit_test(test_samplers),
                cmocka_unit_test(test_tools_in_words),
                cmocka_unit_test(test_prompts),
                cmocka_unit_test(test_nuls_and_halves_of_characters),
                cmocka_unit_test(test_the_context_is_the_limit),
                cmocka_unit_test(test_arguments_that_may_be_texts),
                cmocka_unit_test(test_choices_without_end),
                cmocka_unit_test(test_damaged_bodies),
                cmocka_unit_test(test_a_huge_text_is_refused_unread),
                cmocka_unit_test(test_forms),
                cmocka_unit_test(test_embed),
                cmocka_unit_test(test_embed_options),
                cmocka_unit_test(test_embed_truncates),
        };
        return cmocka_run_group_tests(tests, open_model, close_model);
}
