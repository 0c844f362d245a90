/* test_request.c - bodies of clients: what is accepted and what it comes to, what is refused and which field is blamed. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/strbuf.h"
#include "engine/request/thinking.h"
#include "tests/unit/engine/request/request_fixture.h"

/* ---- refused ---- */

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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_long_stop_is_refused),
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_all_tokens),
                cmocka_unit_test(test_relaxed),
                cmocka_unit_test(test_much_is_relaxed),
                cmocka_unit_test(test_no_limit),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_thinking),
                cmocka_unit_test(test_samplers),
                cmocka_unit_test(test_damaged_bodies),
                cmocka_unit_test(test_forms),
        };
        return cmocka_run_group_tests(tests, open_model, close_model);
}
