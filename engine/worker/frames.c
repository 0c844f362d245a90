/* frames.c - see frames.h. */
#include "engine/worker/frames.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/unicode/utf8_stream.h"
#include "engine/wire/wire.h"

#define LOGPROB_LEAST         (-9999.0)  /* JSON has no infinity; OpenAI's own stand-in */
#define FLOAT_BYTES           16u        /* "-1.23456789e-10," */
#define TOKEN_NUMBER_BYTES    8u         /* of its id in a list, its comma included */
#define REQUEST_BYTES_BESIDE  (1u << 20) /* tool schemas, biases, and what we do not know */
#define REQUEST_VALUES_TOKEN  8u         /* a message of one token, of parts, with a call */
#define REQUEST_VALUES_BESIDE 262144u    /* of the most tools there may be, or of many lists to embed: as a tree, 20 MiB */
#define TOKEN_BYTES_MAX       512u       /* of a token's text beside its log-probability; longer ones are cut */

static bool add_number(cJSON *o, const char *name, double value) {
        return cJSON_AddNumberToObject(o, name, value) != NULL;
}

static bool add_text(cJSON *o, const char *name, const char *value) {
        return cJSON_AddStringToObject(o, name, value) != NULL;
}

static bool add_text_or_null(cJSON *o, const char *name, const char *value) {
        return value ? add_text(o, name, value) : cJSON_AddNullToObject(o, name) != NULL;
}

/* Takes over ITEM, NULL included. */
static bool add_item(cJSON *o, const char *name, cJSON *item) {
        if (item && cJSON_AddItemToObject(o, name, item))
                return true;
        cJSON_Delete(item);
        return false;
}

static bool append_item(cJSON *array, cJSON *item) {
        if (item && cJSON_AddItemToArray(array, item))
                return true;
        cJSON_Delete(item);
        return false;
}

static cJSON *all_or_nothing(cJSON *o, bool all) {
        if (all)
                return o;
        cJSON_Delete(o);
        return NULL;
}

static cJSON *frame_of(const char *type) {
        cJSON *f = cJSON_CreateObject();
        return all_or_nothing(f, add_text(f, "type", type));
}

static cJSON *frame_about(const char *type, uint64_t id) {
        cJSON *f = frame_of(type);
        return all_or_nothing(f, add_number(f, "id", (double) id));
}

/*
 * No request that fits the context is longer: each token stands for so many bytes of text at the most, or for its number in a
 * list, and escapes double a text where they are many. The rest of the request has its own room.
 */
static double request_bytes_max(const struct engine *e) {
        size_t longest = tokenizer_longest(e->rules.tokenizer);
        double most = (double) e->rules.n_ctx * 2 * (double) (longest > TOKEN_NUMBER_BYTES ? longest : TOKEN_NUMBER_BYTES) +
                      REQUEST_BYTES_BESIDE;
        return most < WIRE_TO_ENGINE_BYTES_MAX ? most : WIRE_TO_ENGINE_BYTES_MAX;
}

/* Each token is a number in a list or stands in a message of a few values; the tools of a request have their own room. */
static double request_values_max(const struct engine *e) {
        double most = (double) e->rules.n_ctx * REQUEST_VALUES_TOKEN + REQUEST_VALUES_BESIDE;
        return most < WIRE_BODY_VALUES_MAX ? most : WIRE_BODY_VALUES_MAX;
}

cJSON *frame_ready(const struct engine *e) {
        cJSON *f = frame_of(WIRE_READY);
        bool all = add_number(f, "version", WIRE_VERSION) && add_text(f, "model", e->model->hparams.name) &&
                   add_number(f, "n_ctx", e->rules.n_ctx) && add_number(f, "kv_tokens", scheduler_pool(e->scheduler).limit) &&
                   add_number(f, "kv_tokens_max", scheduler_pool(e->scheduler).most) && add_number(f, "parallel", e->parallel) &&
                   add_number(f, "n_vocab", e->model->hparams.n_vocab) &&
                   add_number(f, "request_bytes_max", request_bytes_max(e)) &&
                   add_number(f, "request_values_max", request_values_max(e)) &&
                   add_text(f, "chat_format", chat_template_format(&e->model->chat)) &&
                   (!e->model->chat.warning[0] || add_text(f, "chat_warning", e->model->chat.warning)) &&
                   add_text(f, "kv", kv_type_name(e->kv_type)) && add_text(f, "kv_floor", kv_type_name(e->kv_floor)) &&
                   add_number(f, "threads", threads_width_max(e->threads)) &&
                   add_number(f, "prefill_chunk", scheduler_prefill_chunk_max(e->scheduler));
        return all_or_nothing(f, all);
}

cJSON *frame_failed(const char *message) {
        cJSON *f = frame_of(WIRE_FAILED);
        return all_or_nothing(f, add_text(f, "message", message));
}

cJSON *frame_prompt(uint64_t id, uint32_t input, const struct token_list *tokens, size_t at) {
        size_t left = tokens->count - at, count = left < WIRE_PROMPT_TOKENS_MAX ? left : WIRE_PROMPT_TOKENS_MAX;
        cJSON *f = frame_about(WIRE_PROMPT, id);
        return all_or_nothing(f, add_number(f, "input", input) && add_number(f, "at", (double) at) &&
                                         add_number(f, "count", (double) tokens->count) &&
                                         add_item(f, "tokens", cJSON_CreateIntArray(tokens->ids + at, (int) count)));
}

cJSON *frame_note(uint64_t id, const char *message) {
        cJSON *f = frame_about(WIRE_NOTE, id);
        return all_or_nothing(f, add_text(f, "message", message));
}

cJSON *frame_start(uint64_t id, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed) {
        cJSON *f = frame_about(WIRE_START, id);
        return all_or_nothing(f, add_number(f, "prompt_tokens", prompt_tokens) && add_number(f, "cached_tokens", cached_tokens) &&
                                         (!relaxed || add_item(f, "relaxed", cJSON_CreateString(relaxed))));
}

/* The exact bytes of a token, and as much of them as is text. */
static bool add_token(cJSON *o, const struct tokenizer *t, int32_t id, bool first) {
        char piece[TOKEN_BYTES_MAX] = "", text[UTF8_STREAM_ROOM(TOKEN_BYTES_MAX) + UTF8_STREAM_ROOM(0) + 1];
        size_t count = id == TOKEN_NONE ? 0 : tokenizer_piece(t, id, true, first, piece, sizeof(piece));
        if (count > sizeof(piece))
                count = sizeof(piece);
        struct utf8_stream characters = { .held_count = 0 };
        size_t written = utf8_stream_push(&characters, piece, count, text);
        written += utf8_stream_end(&characters, text + written);
        text[written] = '\0';

        int numbers[TOKEN_BYTES_MAX];
        for (size_t i = 0; i < count; i++)
                numbers[i] = (unsigned char) piece[i];
        return add_text(o, "token", text) && add_item(o, "bytes", cJSON_CreateIntArray(numbers, (int) count));
}

static cJSON *logprob_of(const struct tokenizer *t, int32_t id, bool first, float value) {
        cJSON *o = cJSON_CreateObject();
        if (isnan(value))
                return all_or_nothing(o, add_token(o, t, id, first) && cJSON_AddNullToObject(o, "logprob"));
        return all_or_nothing(o, add_token(o, t, id, first) &&
                                         add_number(o, "logprob", value > LOGPROB_LEAST ? value : LOGPROB_LEAST));
}

static cJSON *logprobs_of(const struct tokenizer *t, const struct output_chunk *chunk) {
        cJSON *list = cJSON_CreateArray();
        for (uint32_t i = 0; i < chunk->logprobs_count; i++) {
                const struct token_logprob *l = &chunk->logprobs[i];
                cJSON *one = logprob_of(t, l->id, l->first, l->value), *top = cJSON_CreateArray();
                bool all = top != NULL;
                for (uint32_t n = 0; n < l->top_count && all; n++)
                        all = append_item(top, logprob_of(t, l->top[n].id, false, l->top[n].value));
                all = add_item(one, "top", top) && all;
                if (!append_item(list, one) || !all)
                        return all_or_nothing(list, false);
        }
        return list;
}

/* Adds the kind of a text that is not the answer's content. */
static bool add_kind(cJSON *f, const struct chat_chunk *chunk) {
        if (chunk->kind == CHUNK_CONTENT)
                return true;
        if (chunk->kind == CHUNK_REASONING)
                return add_text(f, "kind", "reasoning");
        cJSON *call = cJSON_CreateObject();
        bool all = add_number(call, "index", chunk->index) &&
                   (!chunk->id || (add_text(call, "id", chunk->id) && add_text(call, "name", chunk->name)));
        return add_item(f, "call", call) && all && add_text(f, "kind", "call");
}

cJSON *frame_text(uint64_t id, const struct tokenizer *t, const struct output_chunk *chunk) {
        char *text = strndup(chunk->parsed.length ? chunk->parsed.text : "", chunk->parsed.length);
        if (!text)
                return NULL;
        cJSON *f = frame_about(WIRE_TEXT, id);
        bool all = add_text(f, "text", text) && add_number(f, "tokens", chunk->tokens) && add_kind(f, &chunk->parsed) &&
                   (!chunk->logprobs_count || add_item(f, "logprobs", logprobs_of(t, chunk)));
        free(text);
        return all_or_nothing(f, all);
}

cJSON *frame_words(uint64_t id, const char *text) {
        cJSON *f = frame_about(WIRE_TEXT, id);
        return all_or_nothing(f, add_text(f, "text", text) && add_number(f, "tokens", 0));
}

cJSON *frame_end(uint64_t id, const struct output_stream_end *end) {
        static const char *const finishes[] = {
                [FINISH_STOP] = "stop", [FINISH_LENGTH] = "length", [FINISH_CALLS] = "tool_calls"
        };
        cJSON *f = frame_about(WIRE_END, id);
        bool all = add_text(f, "finish", finishes[end->finish]) && (!end->stop || add_text(f, "stop", end->stop)) &&
                   (!end->is_scored || add_number(f, "score", fmax(end->score, LOGPROB_LEAST)));
        cJSON *usage = cJSON_AddObjectToObject(f, "usage"), *timings = cJSON_AddObjectToObject(f, "timings");
        all = all && add_number(usage, "prompt_tokens", end->prompt_tokens) &&
              add_number(usage, "completion_tokens", end->completion_tokens) &&
              add_number(usage, "cached_tokens", end->cached_tokens) &&
              add_number(usage, "reasoning_tokens", end->reasoning_tokens) &&
              add_number(timings, "prefill_ms", end->prefill_ms) && add_number(timings, "decode_ms", end->decode_ms);
        return all_or_nothing(f, all);
}

/* One row as JSON text: nine digits give each float back exactly, where the library would print seventeen. */
static cJSON *vector_of(const float *vector, uint32_t n) {
        char *text = malloc((size_t) n * FLOAT_BYTES + 3), *p = text;
        if (!text)
                return NULL;
        *p++ = '[';
        for (uint32_t i = 0; i < n; i++)
                p += isfinite(vector[i]) ? snprintf(p, FLOAT_BYTES + 2, "%s%.9g", i ? "," : "", (double) vector[i])
                                         : snprintf(p, FLOAT_BYTES + 2, "%s0", i ? "," : "");
        memcpy(p, "]", 2);
        cJSON *raw = cJSON_CreateRaw(text);
        free(text);
        return raw;
}

cJSON *frame_embedding(uint64_t id, const struct embedding *e, uint32_t index) {
        cJSON *f = frame_about(WIRE_EMBEDDING, id);
        return all_or_nothing(f, add_number(f, "index", index) &&
                                         add_item(f, "vector", vector_of(e->vectors + (size_t) index * e->n_embd, e->n_embd)) &&
                                         (index + 1 < e->count || add_number(f, "prompt_tokens", e->prompt_tokens)));
}

cJSON *frame_error(uint64_t id, const struct request_error *error) {
        cJSON *f = frame_about(WIRE_ERROR, id);
        bool all = add_text(f, "reason", reason_info(error->reason)->word) && add_text_or_null(f, "param", error->param) &&
                   add_text(f, "message", error->message);
        if (error->n_ctx)
                all = all && add_number(f, "n_prompt_tokens", error->n_prompt_tokens) && add_number(f, "n_ctx", error->n_ctx);
        return all_or_nothing(f, all);
}

static bool add_bool(cJSON *o, const char *name, bool value) {
        return cJSON_AddBoolToObject(o, name, value) != NULL;
}

static cJSON *list_of(const struct scheduler_request list[], uint32_t count, const char *bytes) {
        cJSON *array = cJSON_CreateArray();
        for (uint32_t i = 0; i < count; i++) {
                cJSON *one = cJSON_CreateObject();
                bool all = add_number(one, "id", (double) list[i].id) && add_number(one, bytes, (double) list[i].bytes);
                if (!append_item(array, one) || !all)
                        return all_or_nothing(array, false);
        }
        return array;
}

static bool add_kv(cJSON *f, const struct engine *e, const struct scheduler_statistics *s) {
        const struct requantize *shift = scheduler_requantize(e->scheduler);
        cJSON *bytes = cJSON_AddObjectToObject(f, "kv_bytes");
        bool all = true;
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++)
                all = all && add_number(bytes, kv_type_name((enum kv_type) type), (double) s->kv_bytes[type]);
        enum kv_type kv = shift->target > e->kv_type ? shift->target : e->kv_type;
        return all && add_number(f, "prefix_bytes", (double) s->prefix_bytes) && add_text(f, "kv", kv_type_name(kv)) &&
               add_bool(f, "converting", shift->under_way);
}

static bool add_settings(cJSON *f, const struct engine *e) {
        return add_number(f, "context", e->rules.n_ctx_now) &&
               add_number(f, "prefill_chunk", scheduler_prefill_chunk(e->scheduler)) && add_number(f, "duty", e->throttle.duty) &&
               add_number(f, "threads", threads_width(e->threads));
}

static bool add_pool(cJSON *f, const struct engine *e) {
        struct scheduler_pool pool = scheduler_pool(e->scheduler);
        return add_number(f, "kv_tokens", pool.limit) && add_number(f, "kv_tokens_held", pool.held) &&
               add_number(f, "kv_tokens_needed", pool.needed) && add_number(f, "kv_tokens_wanted", pool.wanted);
}

cJSON *frame_statistics(const struct engine *e, bool asked) {
        struct scheduler_statistics s = scheduler_statistics(e->scheduler);
        struct kv_usage kv;
        kv_cache_usage(e->cache, &kv);
        cJSON *f = frame_of(WIRE_STATISTICS);
        bool all = add_bool(f, "asked", asked) && add_number(f, "requests_running", s.requests_running) &&
                   add_number(f, "requests_waiting", s.requests_waiting) && add_number(f, "kv_blocks_used", kv.blocks_used) &&
                   add_number(f, "kv_blocks_max", kv.blocks_max) && add_number(f, "kv_bytes_used", (double) kv.bytes_used) &&
                   add_number(f, "tokens_prefilled", (double) s.tokens_prefilled) &&
                   add_number(f, "tokens_decoded", (double) s.tokens_decoded) &&
                   add_number(f, "tokens_proposed", (double) s.tokens_proposed) &&
                   add_number(f, "tokens_accepted", (double) s.tokens_accepted) &&
                   add_number(f, "made_room", (double) s.made_room) &&
                   add_number(f, "decode_tokens_per_second", s.decode_tokens_per_second) &&
                   add_number(f, "decode_tokens_per_second_usual", s.decode_tokens_per_second_usual) && add_kv(f, e, &s) &&
                   add_pool(f, e) && add_settings(f, e) &&
                   add_item(f, "requests", list_of(s.running, s.requests_running, "kv_bytes")) &&
                   add_item(f, "suspended", list_of(s.suspended, s.suspended_count, "bytes"));
        return all_or_nothing(f, all);
}

cJSON *frame_controlled(uint64_t id) {
        return frame_about(WIRE_CONTROLLED, id);
}

cJSON *frame_suspended(uint64_t id, uint64_t bytes, const char *error) {
        cJSON *f = frame_about(WIRE_SUSPENDED, id);
        return all_or_nothing(f, add_number(f, "bytes", (double) bytes) && (!error || add_text(f, "error", error)));
}

cJSON *frame_restored(uint64_t id, bool recomputed) {
        cJSON *f = frame_about(WIRE_RESTORED, id);
        return all_or_nothing(f, add_bool(f, "recomputed", recomputed));
}

#define HASH_DIGITS 16u /* of one number */

/* One text for all hashes: a value for each number would be a hundred bytes of tree in the daemon. */
static bool add_hashes(cJSON *f, const uint64_t *hashes, uint32_t blocks) {
        char *text = malloc((size_t) blocks * HASH_DIGITS + 1);
        if (!text)
                return false;
        *text = '\0';
        for (uint32_t i = 0; i < blocks; i++)
                (void) snprintf(text + i * (size_t) HASH_DIGITS, HASH_DIGITS + 1, "%016" PRIx64, hashes[i]);
        bool all = add_text(f, "prefix_hashes", text);
        free(text);
        return all;
}

cJSON *frame_save_candidate(uint64_t id, const struct scheduler_save_candidate *candidate) {
        cJSON *f = frame_about(WIRE_SAVE_CANDIDATE, id);
        return all_or_nothing(f, add_number(f, "tokens", candidate->tokens) &&
                                         add_number(f, "bytes", (double) candidate->bytes) &&
                                         add_hashes(f, candidate->hashes, candidate->blocks));
}

cJSON *frame_saved(uint64_t id, uint64_t bytes, const char *error) {
        cJSON *f = frame_about(WIRE_SAVED, id);
        return all_or_nothing(f, add_number(f, "bytes", (double) bytes) && (!error || add_text(f, "error", error)));
}

cJSON *frame_lookup(uint64_t id, const uint64_t *hashes, uint32_t blocks) {
        cJSON *f = frame_about(WIRE_LOOKUP, id);
        return all_or_nothing(f, add_hashes(f, hashes, blocks));
}

cJSON *frame_corrupt(uint64_t id, const char *error, bool damaged) {
        cJSON *f = frame_about(WIRE_CORRUPT, id);
        return all_or_nothing(f, add_text(f, "error", error) && add_bool(f, "damaged", damaged));
}
