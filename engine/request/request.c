/* request.c - see request.h. Numbers with a range are rows of a table; the rest has a function each. */
#include "engine/request/request.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/base/json_read.h"
#include "engine/base/printable.h"
#include "engine/request/infill.h"
#include "engine/request/prompt.h"
#include "engine/request/error.h"
#include "engine/request/response_format.h"
#include "engine/request/samplers.h"
#include "engine/request/thinking.h"
#include "engine/request/tools.h"
#include "engine/wire/wire.h"

#define TOKENS_ALL (-1.0) /* the value that front ends send for "as many as fit" */
#define SEED_ANY   (-1.0) /* the value that front ends send for "choose one" */

static enum pooling pooling_of(const struct hparams *s) {
        switch (s->pooling) {
        case POOLING_NONE: return POOLING_MEAN;
        case POOLING_RANK: return s->causal ? POOLING_LAST : POOLING_CLS;
        default: return s->pooling;
        }
}

void request_rules_init(struct request_rules *rules, const struct model *model, uint32_t n_ctx, uint64_t seed) {
        uint32_t texts = tokenizer_vocab_count(model->tokenizer);
        *rules = (struct request_rules){
                .tokenizer = model->tokenizer,
                .chat = &model->chat,
                .infill = &model->infill,
                .n_vocab = texts < model->hparams.n_vocab ? texts : model->hparams.n_vocab,
                .n_ctx = n_ctx,
                .n_ctx_now = n_ctx,
                .n_embd = model->hparams.n_embd,
                .makes_text = hparams_makes_text(&model->hparams),
                .pooling = pooling_of(&model->hparams),
                .ranker = model->hparams.pooling == POOLING_RANK ? model : NULL,
                .seeds = random_seeded(seed),
        };
        for (uint32_t id = 0; id < rules->n_vocab; id++)
                if (tokenizer_is_end(model->tokenizer, (int32_t) id) && rules->ends_count < REQUEST_ENDS_MAX)
                        rules->ends[rules->ends_count++] = (int32_t) id;
}

void request_rules_done(struct request_rules *rules) {
        token_trie_free(rules->trie);
        rules->trie = NULL;
}

static int read_bool(const cJSON *body, const char *name, bool *out, struct request_error *reterr) {
        const cJSON *value = json_get(body, name);
        if (!value)
                return 0;
        if (!cJSON_IsBool(value))
                return request_refuse(reterr, name, "%s must be true or false.", name);
        *out = cJSON_IsTrue(value);
        return 0;
}

struct float_field {
        const char *name;
        size_t offset; /* in struct sampling */
        float min, max;
};

/* clang-format off */
static const struct float_field float_fields[] = {
        { "temperature",       offsetof(struct sampling, temperature),       0,     5 },
        { "top_p",             offsetof(struct sampling, top_p),             0,     1 },
        { "min_p",             offsetof(struct sampling, min_p),             0,     1 },
        { "repeat_penalty",    offsetof(struct sampling, repeat_penalty),    0.01f, 10 },
        { "presence_penalty",  offsetof(struct sampling, presence_penalty),  -2,    2 },
        { "frequency_penalty", offsetof(struct sampling, frequency_penalty), -2,    2 },
        { "typical_p",         offsetof(struct sampling, chain.typical_p),   0,     1 },
        { "top_n_sigma",       offsetof(struct sampling, chain.top_n_sigma), -1,    100 },
        { "xtc_probability",   offsetof(struct sampling, chain.xtc_probability), 0, 1 },
        { "xtc_threshold",     offsetof(struct sampling, chain.xtc_threshold), 0,   1 },
        { "dynatemp_range",    offsetof(struct sampling, chain.dynatemp_range), 0,  5 },
        { "dynatemp_exponent", offsetof(struct sampling, chain.dynatemp_exponent), 0, 10 },
        { "dry_multiplier",    offsetof(struct sampling, chain.dry.multiplier), 0,  100 },
        { "dry_base",          offsetof(struct sampling, chain.dry.base),    1,     100 },
        { "mirostat_tau",      offsetof(struct sampling, chain.mirostat_tau), 0,    100 },
        { "mirostat_eta",      offsetof(struct sampling, chain.mirostat_eta), 0,    10 },
};
/* clang-format on */

static int read_floats(const cJSON *body, struct sampling *sampling, struct request_error *reterr) {
        for (size_t i = 0; i < sizeof(float_fields) / sizeof(float_fields[0]); i++) {
                const struct float_field *f = &float_fields[i];
                const cJSON *value = json_get(body, f->name);
                if (!value)
                        continue;
                float number = cJSON_IsNumber(value) ? (float) value->valuedouble : NAN;
                if (!(number >= f->min && number <= f->max))
                        return request_refuse(reterr, f->name, "%s must be a number from %g to %g.", f->name, (double) f->min,
                                              (double) f->max);
                memcpy((char *) sampling + f->offset, &number, sizeof(number));
        }
        return 0;
}

/* A count where -1, by custom, means "as much as there is". */
static int read_count(const cJSON *body, const char *name, uint32_t max, uint32_t all, uint32_t *out,
                      struct request_error *reterr) {
        const cJSON *value = json_get(body, name);
        if (!value)
                return 0;
        if (!json_is_whole(value, -1, max))
                return request_refuse(reterr, name, "%s must be a whole number from -1 to %u.", name, max);
        *out = value->valuedouble < 0 ? all : (uint32_t) value->valuedouble;
        return 0;
}

static int read_seed(const cJSON *body, struct random *seeds, uint64_t *out, struct request_error *reterr) {
        const cJSON *value = json_get(body, "seed");
        if (!value || (cJSON_IsNumber(value) && value->valuedouble == SEED_ANY)) {
                *out = (uint64_t) random_u32(seeds) << 32 | random_u32(seeds);
                return 0;
        }
        if (!json_is_whole(value, -0x1p63, 0x1.fffffffffffffp62))
                return request_refuse(reterr, "seed", "seed must be a whole number of at most 64 bits.");
        *out = (uint64_t) (int64_t) value->valuedouble;
        return 0;
}

static int read_max_tokens(const cJSON *body, uint32_t *out, struct request_error *reterr) {
        static const char *const names[] = { "max_completion_tokens", "max_tokens" };
        bool found = false;
        for (size_t i = 0; i < 2; i++) {
                const cJSON *value = json_get(body, names[i]);
                if (value && !json_is_whole(value, TOKENS_ALL, HUGE_VAL))
                        return request_refuse(reterr, names[i], "%s must be a whole number that is not negative.", names[i]);
                if (value && !found)
                        *out = value->valuedouble < 0 || value->valuedouble > UINT32_MAX ? UINT32_MAX
                                                                                         : (uint32_t) value->valuedouble;
                found |= value != NULL;
        }
        return 0;
}

static int read_stop(const cJSON *value, struct stop_set *stops, struct request_error *reterr) {
        if (!cJSON_IsString(value))
                return request_refuse(reterr, "stop", "stop must be a text or a list of texts.");
        const char *text = value->valuestring;
        size_t length = strlen(text);
        if (length == 0)
                return 0; /* some front ends send their empty field */
        if (json_has_nul(text))
                return 0; /* no answer holds a NUL */
        if (length > REQUEST_STOP_BYTES_MAX)
                return request_refuse(reterr, "stop", "stop holds a text of %zu bytes: the most is %u.", length,
                                      REQUEST_STOP_BYTES_MAX);
        for (size_t at = 0, step; at < length; at += step)
                if (!(step = printable_utf8(text + at, length - at, NULL)))
                        return request_refuse(reterr, "stop", "stop holds a text that is not valid UTF-8.");
        if (stops->count == REQUEST_STOPS_MAX)
                return request_refuse(reterr, "stop", "stop must not hold more than %u texts.", REQUEST_STOPS_MAX);
        char *copy = strdup(text);
        if (!copy)
                return request_no_memory(reterr);
        stops->strings[stops->count++] = copy;
        return 0;
}

static int read_stops(const cJSON *body, struct stop_set *stops, struct request_error *reterr) {
        const cJSON *value = json_get(body, "stop"), *item;
        if (!value)
                return 0;
        if (!cJSON_IsArray(value))
                return read_stop(value, stops, reterr);
        cJSON_ArrayForEach(item, value) {
                int r = read_stop(item, stops, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* "123" to 123, or -1: digits alone, in range. */
static int32_t token_id_of(const char *key, uint32_t n_vocab) {
        uint64_t id = 0;
        for (const char *p = key; *p; p++) {
                if (*p < '0' || *p > '9' || id >= n_vocab)
                        return -1;
                id = id * 10 + (uint64_t) (*p - '0');
        }
        return *key && id < n_vocab ? (int32_t) id : -1;
}

static int add_bias(struct sampling *s, int32_t id, float bias) {
        /* Grown by doubling: a full table is one whose count is a power of two. */
        if ((s->biases_count & (s->biases_count - 1)) == 0) {
                size_t capacity = s->biases_count ? 2 * (size_t) s->biases_count : 1;
                struct token_bias *grown = realloc(s->biases, capacity * sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                s->biases = grown;
        }
        s->biases[s->biases_count++] = (struct token_bias){ id, bias };
        return 0;
}

static int read_biases(const cJSON *body, uint32_t n_vocab, struct sampling *sampling, struct request_error *reterr) {
        const cJSON *value = json_get(body, "logit_bias"), *item;
        if (!value)
                return 0;
        if (!cJSON_IsObject(value))
                return request_refuse(reterr, "logit_bias", "logit_bias must map token ids to numbers.");
        cJSON_ArrayForEach(item, value) {
                if (sampling->biases_count == REQUEST_BIASES_MAX)
                        return request_refuse(reterr, "logit_bias", "logit_bias must not name more than %u tokens.",
                                              REQUEST_BIASES_MAX);
                int32_t id = token_id_of(item->string, n_vocab);
                if (id < 0)
                        return request_refuse(reterr, "logit_bias",
                                              "logit_bias has a key that is no token id: this model has ids from 0 to %u.",
                                              n_vocab - 1);
                double bias = cJSON_IsNumber(item) ? item->valuedouble : NAN;
                if (!(bias >= -100 && bias <= 100))
                        return request_refuse(reterr, "logit_bias", "logit_bias must map token ids to numbers from -100 to 100.");
                /* The API promises that -100 bans, whatever the logits' scale. */
                if (add_bias(sampling, id, bias == -100 ? -INFINITY : (float) bias) < 0)
                        return request_no_memory(reterr);
        }
        return 0;
}

static int read_chat_logprobs(const cJSON *body, struct request *r, struct request_error *reterr) {
        int result = read_bool(body, "logprobs", &r->logprobs, reterr);
        if (result < 0)
                return result;
        const cJSON *top = json_get(body, "top_logprobs");
        if (!top)
                return 0;
        if (!json_is_whole(top, 0, LOGPROBS_TOP_MAX))
                return request_refuse(reterr, "top_logprobs", "top_logprobs must be a whole number from 0 to %u.",
                                      LOGPROBS_TOP_MAX);
        if (!r->logprobs && top->valuedouble > 0)
                return request_refuse(reterr, "top_logprobs", "top_logprobs needs logprobs to be true.");
        r->top_logprobs = (uint32_t) top->valuedouble;
        return 0;
}

static int read_completion_logprobs(const cJSON *body, struct request *r, struct request_error *reterr) {
        const cJSON *value = json_get(body, "logprobs");
        if (!value || cJSON_IsFalse(value))
                return 0;
        if (!json_is_whole(value, 0, LOGPROBS_TOP_MAX))
                return request_refuse(reterr, "logprobs", "logprobs must be a whole number from 0 to %u.", LOGPROBS_TOP_MAX);
        r->logprobs = true;
        r->top_logprobs = (uint32_t) value->valuedouble;
        return 0;
}

static int read_logprobs(const cJSON *body, struct request *r, struct request_error *reterr) {
        return r->kind == REQUEST_CHAT ? read_chat_logprobs(body, r, reterr) : read_completion_logprobs(body, r, reterr);
}

static int read_sampling(struct request_rules *rules, const cJSON *body, struct request *r, struct request_error *reterr) {
        struct sampling *s = &r->sampling;
        const uint32_t last_max = REQUEST_REPEAT_LAST_MAX;
        int result;
        if ((result = read_floats(body, s, reterr)) < 0 ||
            (result = read_count(body, "top_k", INT32_MAX, 0, &s->top_k, reterr)) < 0 ||
            (result = read_count(body, "repeat_last_n", last_max, last_max, &s->repeat_last_n, reterr)) < 0 ||
            (result = read_seed(body, &rules->seeds, &s->seed, reterr)) < 0 ||
            (result = read_biases(body, rules->n_vocab, s, reterr)) < 0 ||
            (result = read_bool(body, "ignore_eos", &r->ignore_end, reterr)) < 0 ||
            (result = request_read_samplers(rules, body, r, reterr)) < 0)
                return result;
        for (uint32_t i = 0; r->ignore_end && i < rules->ends_count; i++)
                if (add_bias(s, rules->ends[i], -INFINITY) < 0)
                        return request_no_memory(reterr);
        return 0;
}

/* Of a chat; then what the answer begins within is known, and so how its reasoning is closed. */
static int read_chat(const struct request_rules *rules, const cJSON *body, const struct request_tools *tools, uint32_t tokens_max,
                     struct request *r, struct request_error *reterr) {
        struct chat_thinking thinking;
        int result = request_read_thinking(body, &thinking, &r->reasoning_budget, reterr);
        if (result == 0)
                result = prompt_read_chat(rules, body, tools, &thinking, tokens_max, &r->inputs[0], &r->parser_setup, reterr);
        return result < 0 ? result : request_prepare_closing(rules, r, reterr);
}

static int read_completion(const struct request_rules *rules, const cJSON *body, uint32_t item, uint32_t tokens_max,
                           struct request *r, struct request_error *reterr) {
        r->fills_gap = infill_is_asked(body);
        if (r->fills_gap && cJSON_IsTrue(json_get(body, "echo")))
                return request_refuse(reterr, "echo", "echo does not go with a suffix: the answer stands between the two.");
        if (r->fills_gap)
                return infill_read(rules, body, r->max_tokens, tokens_max, &r->inputs[0], reterr);
        int result = prompt_read(rules, json_get(body, "prompt"), item, tokens_max, &r->inputs[0], reterr);
        if (result == 0)
                result = read_bool(body, "echo", &r->echo, reterr);
        bool is_text = !cJSON_IsArray(json_get(body, "prompt")) || cJSON_IsString(json_get(body, "prompt")->child);
        if (result == 0)
                r->begins_with =
                        is_text && tokenizer_adds_bos(rules->tokenizer) && r->inputs[0].ids[0] == tokenizer_bos(rules->tokenizer);
        return result;
}

static int read_prompt(const struct request_rules *rules, const cJSON *body, uint32_t item, const struct request_tools *tools,
                       struct request *r, struct request_error *reterr) {
        r->parser_setup.seed =
                r->sampling.seed ^ r->id << 32; /* the same seed again must not give a conversation two calls of one id */
        /* An answer needs room for one token at least. */
        uint32_t tokens_max = rules->n_ctx - (r->max_tokens > 0);
        int result = r->kind == REQUEST_CHAT ? read_chat(rules, body, tools, tokens_max, r, reterr)
                                             : read_completion(rules, body, item, tokens_max, r, reterr);
        if (result < 0)
                return result;
        const char *param = r->kind == REQUEST_CHAT ? "messages" : "prompt";
        if (r->inputs[0].count + (r->max_tokens > 0) > rules->n_ctx_now)
                return request_refuse_lowered(reterr, param, r->inputs[0].count, rules->n_ctx_now, rules->n_ctx);
        uint32_t left = rules->n_ctx_now - (uint32_t) r->inputs[0].count;
        if (r->max_tokens > left)
                r->max_tokens = left;
        return 0;
}

static int read_body(struct request_rules *rules, const cJSON *body, uint32_t item, struct request *r,
                     struct request_error *reterr) {
        int result = request_refuse_without_text(rules, reterr);
        if (result < 0)
                return result;
        if (!cJSON_IsObject(body))
                return request_refuse(reterr, NULL, "The request's body must be a JSON object.");
        if ((result = read_sampling(rules, body, r, reterr)) < 0 || (result = read_stops(body, &r->stops, reterr)) < 0 ||
            (result = read_max_tokens(body, &r->max_tokens, reterr)) < 0 || (result = read_logprobs(body, r, reterr)) < 0)
                return result;
        if (r->top_logprobs > rules->n_vocab)
                r->top_logprobs = rules->n_vocab;
        bool parallel = true;
        if ((result = read_bool(body, "parallel_tool_calls", &parallel, reterr)) < 0)
                return result;
        r->parser_setup.calls_once = !parallel;
        /* Steps that take time come last; where the grammar begins is for the prompt to say. */
        struct request_tools tools = { .offered = NULL };
        if (r->kind == REQUEST_CHAT)
                result = request_read_tools(rules, body, &r->parser_setup, &tools, reterr);
        if (result == 0)
                result = read_prompt(rules, body, item, &tools, r, reterr);
        if (result == 0)
                result = request_read_grammar(rules, body, &tools, &r->parser_setup, &r->grammar, &r->relaxed, reterr);
        request_tools_done(&tools);
        return result;
}

int request_read(struct request_rules *rules, const struct request_asked *asked, const cJSON *body, struct request *ret,
                 struct request_error *reterr) {
        assert(asked->kind == REQUEST_CHAT || asked->kind == REQUEST_COMPLETION);
        struct request r = {
                .id = asked->id,
                .kind = asked->kind,
                .inputs = calloc(1, sizeof(*r.inputs)),
                .inputs_count = 1,
                .max_tokens = UINT32_MAX, /* as many as the context leaves */
                .sampling = sampling_default(),
                .reasoning_budget = REASONING_UNLIMITED,
        };
        int result = r.inputs ? read_body(rules, body, asked->item, &r, reterr) : request_no_memory(reterr);
        if (result < 0)
                request_done(&r);
        else
                *ret = r;
        return result;
}

/* Reads the options for all vectors; the inputs come later. */
static int read_embed_options(const struct request_rules *rules, const cJSON *wanted, struct request *r, bool *ret_truncate,
                              struct request_error *reterr) {
        const cJSON *dimensions = json_get(wanted, "dimensions");
        if (dimensions && !json_is_whole(dimensions, 1, rules->n_embd))
                return request_refuse(reterr, "dimensions", "dimensions must be a whole number from 1 to %u.", rules->n_embd);
        r->dimensions = dimensions ? (uint32_t) dimensions->valuedouble : rules->n_embd;
        return read_bool(wanted, "truncate", ret_truncate, reterr);
}

/* One text, or one list of tokens, is a list with that in it. */
static bool is_single(const cJSON *input) {
        return cJSON_IsString(input) || (cJSON_IsArray(input) && cJSON_IsNumber(input->child));
}

/* Of `input`: the first, and the others behind it. */
static int read_inputs(const struct request_rules *rules, const cJSON *input, bool truncate, struct request *r,
                       struct request_error *reterr) {
        bool single = is_single(input);
        int count = single ? 1 : cJSON_IsArray(input) ? cJSON_GetArraySize(input) : 0;
        if (count < 1 || (uint32_t) count > REQUEST_INPUTS_MAX)
                return request_refuse(reterr, "input", "input must be a list of 1 to %u texts or lists of token ids.",
                                      REQUEST_INPUTS_MAX);
        r->inputs = calloc((size_t) count, sizeof(*r->inputs));
        if (!r->inputs)
                return request_no_memory(reterr);
        for (const cJSON *item = single ? input : input->child; item; item = single ? NULL : item->next) {
                int result = prompt_read_input(rules, item, truncate, &r->inputs[r->inputs_count++], reterr);
                if (result < 0)
                        return result;
        }
        return 0;
}

int request_read_embed(struct request_rules *rules, uint64_t id, const cJSON *body, struct request *ret,
                       struct request_error *reterr) {
        struct request r = { .id = id, .kind = REQUEST_EMBED, .sampling = sampling_default() };
        bool truncate = false;
        if (rules->ranker)
                return request_refuse_without_vectors(reterr);
        int result = read_embed_options(rules, body, &r, &truncate, reterr);
        if (result == 0)
                result = read_inputs(rules, json_get(body, "input"), truncate, &r, reterr);
        if (result < 0)
                request_done(&r);
        else
                *ret = r;
        return result;
}

void request_done(struct request *r) {
        for (uint32_t i = 0; r->inputs && i < r->inputs_count; i++)
                token_list_done(&r->inputs[i]);
        free(r->inputs);
        free(r->seconds);
        free(r->sampling.biases);
        free(r->sampling.chain.dry.breakers);
        stop_set_done(&r->stops);
        grammar_free(r->grammar);
        free(r->relaxed);
        token_list_done(&r->closing);
        chat_parser_setup_done(&r->parser_setup);
        *r = (struct request){ 0 };
}

bool request_is_end(const struct request_rules *rules, const struct request *r, int32_t token) {
        return !r->ignore_end &&
               (tokenizer_is_end(rules->tokenizer, token) || (r->fills_gap && infill_tokens_end(rules->infill, token)));
}

uint32_t request_tokens_max(const struct request *r) {
        size_t longest = 0;
        for (uint32_t i = 0; i < r->inputs_count; i++)
                if (r->inputs[i].count > longest)
                        longest = r->inputs[i].count;
        return (uint32_t) longest + r->max_tokens;
}
