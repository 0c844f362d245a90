/*
 * scheduler_fixture.h - a scheduler with a real small model, and what each request was told: for tests that include cmocka first.
 *
 * Each body's answer is computed once by an engine of its own; whatever happens around a request, that is its answer.
 */
#ifndef HEADROOM_TESTS_UNIT_ENGINE_SCHEDULER_SCHEDULER_FIXTURE_H
#define HEADROOM_TESTS_UNIT_ENGINE_SCHEDULER_SCHEDULER_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/engine.h"
#include "policy/base/random.h"

#define MODEL      "tests/demo_model/headroom-demo-small.gguf"
#define IDS_MAX    400u
#define VECTOR_MAX 512u

/* The reports about one id. */
struct told {
        char text[4096];
        size_t length;
        uint32_t starts, pieces, ends, errors, embeddings;
        uint32_t tokens, logprobs;
        uint32_t prompt_tokens, cached_tokens;
        uint32_t order; /* of its end among all ends */
        uint32_t suspensions, refusals, restorations, recomputations;
        uint64_t given_back; /* by the last suspension */
        char refusal[200];
        struct output_stream_end end;
        float vectors[2][VECTOR_MAX];
};

struct fixture {
        struct engine engine;
        struct told told[IDS_MAX];
        uint32_t ends;
        uint32_t running_max;
        uint32_t lookups, lookup_blocks; /* the last one's */
        uint64_t lookup_hashes[64];
        uint32_t corrupt, damaged, saved, save_errors;
        uint64_t saved_bytes;
        uint64_t tenant, group, choice; /* of what is submitted */
};

static struct told *told_of(void *context, uint64_t id) {
        struct fixture *f = context;
        assert_true(id < IDS_MAX);
        struct told *t = &f->told[id];
        assert_true(t->ends + t->errors + t->embeddings == 0); /* nothing follows the last event */
        return t;
}

static void on_start(void *context, uint64_t id, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed) {
        (void) relaxed;
        struct told *t = told_of(context, id);
        assert_int_equal(t->starts++, 0);
        t->prompt_tokens = prompt_tokens;
        t->cached_tokens = cached_tokens;
}

static void on_text(void *context, uint64_t id, const struct output_chunk *chunk) {
        struct told *t = told_of(context, id);
        assert_int_equal(t->starts, 1);
        assert_true(chunk->parsed.length > 0 || chunk->logprobs_count > 0);
        assert_true(t->length + chunk->parsed.length < sizeof(t->text));
        memcpy(t->text + t->length, chunk->parsed.text, chunk->parsed.length);
        t->length += chunk->parsed.length;
        t->tokens += chunk->tokens;
        t->logprobs += chunk->logprobs_count;
        t->pieces++;
}

static void on_end(void *context, uint64_t id, const struct output_stream_end *end) {
        struct told *t = told_of(context, id);
        assert_int_equal(t->starts, 1);
        t->ends++;
        t->end = *end;
        t->order = ((struct fixture *) context)->ends++;
}

static void on_embedding(void *context, uint64_t id, const struct embedding *e) {
        struct told *t = told_of(context, id);
        t->embeddings++;
        t->prompt_tokens = e->prompt_tokens;
        assert_true(e->count <= 2 && e->n_embd <= VECTOR_MAX);
        for (uint32_t i = 0; i < e->count; i++)
                memcpy(t->vectors[i], e->vectors + i * e->n_embd, e->n_embd * sizeof(float));
}

static void on_error(void *context, uint64_t id, const struct request_error *error) {
        (void) error;
        told_of(context, id)->errors++;
}

static void on_suspended(void *context, uint64_t id, uint64_t bytes, const char *error) {
        struct fixture *f = context;
        struct told *t = &f->told[id]; /* after its end too: the answer to a late question */
        t->given_back = bytes;
        if (error)
                (void) snprintf(t->refusal, sizeof(t->refusal), "%s", error);
        *(error ? &t->refusals : &t->suspensions) += 1;
}

static void on_restored(void *context, uint64_t id, bool recomputed) {
        struct told *t = told_of(context, id);
        t->restorations++;
        t->recomputations += recomputed;
}

static void on_lookup(void *context, uint64_t id, const uint64_t *hashes, uint32_t blocks) {
        struct fixture *f = context;
        assert_int_equal(told_of(context, id)->starts, 0);
        assert_true(blocks <= 64);
        memcpy(f->lookup_hashes, hashes, blocks * sizeof(*hashes));
        f->lookup_blocks = blocks;
        f->lookups++;
}

static void on_corrupt(void *context, uint64_t id, const char *error, bool damaged) {
        struct fixture *f = context;
        assert_int_equal(told_of(context, id)->starts, 0);
        assert_true(error && *error);
        f->corrupt++;
        f->damaged += damaged;
}

static void on_saved(void *context, uint64_t id, uint64_t bytes, const char *error) {
        struct fixture *f = context;
        (void) id;
        f->saved_bytes = bytes;
        *(error ? &f->save_errors : &f->saved) += 1;
}

/* CONFIG: what is asked of it beyond the model and the sink. */
static inline struct fixture *open_fixture_as(struct engine_config config) {
        struct fixture *f = calloc(1, sizeof(*f));
        config.path = MODEL;
        config.threads = 1;
        config.sink = (struct scheduler_sink){ .context = f,
                                               .on_start = on_start,
                                               .on_text = on_text,
                                               .on_end = on_end,
                                               .on_embedding = on_embedding,
                                               .on_error = on_error,
                                               .on_suspended = on_suspended,
                                               .on_restored = on_restored,
                                               .on_lookup = on_lookup,
                                               .on_corrupt = on_corrupt,
                                               .on_saved = on_saved };
        struct gguf_error error;
        if (engine_open(&f->engine, &config, &error) < 0)
                fail_msg("%s", error.text);
        return f;
}

static inline struct fixture *open_fixture_speculating(uint32_t kv_tokens, uint32_t parallel, enum speculate speculate) {
        struct engine_config config = engine_config_default();
        config.kv_tokens = kv_tokens;
        config.parallel = parallel;
        config.speculate = speculate;
        return open_fixture_as(config);
}

static inline struct fixture *open_fixture_with(uint32_t kv_tokens, uint32_t parallel, uint32_t chunk, bool lookups) {
        struct engine_config config = engine_config_default();
        config.kv_tokens = kv_tokens;
        config.parallel = parallel;
        config.prefill_chunk = chunk;
        config.lookups = lookups;
        return open_fixture_as(config);
}

static inline struct fixture *open_fixture(uint32_t kv_tokens, uint32_t parallel, uint32_t chunk) {
        return open_fixture_with(kv_tokens, parallel, chunk, false);
}

static inline void close_fixture(struct fixture *f) {
        engine_close(&f->engine);
        free(f);
}

static inline int submit(struct fixture *f, uint64_t id, const char *body) {
        cJSON *json = cJSON_Parse(body);
        assert_non_null(json);
        struct request r;
        struct request_error error;
        enum request_kind kind = cJSON_GetObjectItem(json, "messages") ? REQUEST_CHAT : REQUEST_COMPLETION;
        if (request_read(&f->engine.rules, &(struct request_asked){ .id = id, .kind = kind }, json, &r, &error) < 0)
                fail_msg("%s", error.message);
        cJSON_Delete(json);
        r.tenant = f->tenant;
        r.group = f->group;
        r.sampling.seed += f->choice;
        int result = scheduler_submit(f->engine.scheduler, &r, &error);
        if (result < 0)
                request_done(&r);
        return result;
}

static inline void submit_embed(struct fixture *f, uint64_t id, const char *input) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddItemToObject(json, "input", cJSON_Parse(input));
        struct request r;
        struct request_error error;
        assert_int_equal(request_read_embed(&f->engine.rules, id, json, &r, &error), 0);
        cJSON_Delete(json);
        assert_int_equal(scheduler_submit(f->engine.scheduler, &r, &error), 0);
}

static inline void step(struct fixture *f) {
        scheduler_step(f->engine.scheduler);
        struct kv_usage usage;
        kv_cache_usage(f->engine.cache, &usage);
        assert_true(usage.blocks_used <= usage.blocks_max);
        uint32_t running = scheduler_statistics(f->engine.scheduler).requests_running;
        if (running > f->running_max)
                f->running_max = running;
}

static inline void run_dry(struct fixture *f) {
        for (unsigned steps = 0; scheduler_has_work(f->engine.scheduler); steps++) {
                assert_true(steps < 100000);
                step(f);
        }
}

/* ---- bodies of many kinds ---- */

/* A long prefix that many prompts share: some 150 tokens. */
#define LONG                                                                                                            \
        "The memory budget says how many bytes all models together may use. The daemon loads a model when it is asked " \
        "for and unloads one when another needs room. A busy model is never unloaded. The KV cache keeps the keys and " \
        "values of all tokens seen so far, so that each new token needs only its own computation. It grows with the "   \
        "context, and each request reserves what it may come to before it starts. "

static const char *const bodies[] = {
        "{\"messages\":[{\"role\":\"user\",\"content\":\"What is the KV cache?\"}],\"temperature\":0,\"max_tokens\":40}",
        "{\"prompt\":\"" LONG "What is swap?\",\"temperature\":0,\"max_tokens\":30,\"ignore_eos\":true}",
        "{\"prompt\":\"" LONG "What is heat?\",\"temperature\":1.5,\"seed\":7,\"max_tokens\":30,\"logprobs\":3}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"What does the daemon do?\"}],\"temperature\":0.9,\"seed\":1,\"max_tokens\":50,"
        "\"presence_penalty\":0.5,\"frequency_penalty\":0.2,\"repeat_penalty\":1.1}",
        "{\"prompt\":\"Swap\",\"temperature\":2,\"seed\":-5,\"top_k\":0,\"top_p\":1,\"min_p\":0,\"max_tokens\":64,\"ignore_eos\":true}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"What is the KV cache?\"}],\"temperature\":0,\"max_tokens\":40,\"stop\":[\"tokens\",\"zz\"]}",
        "{\"prompt\":\"" LONG LONG "\",\"temperature\":0.7,\"seed\":3,\"max_tokens\":20}",
        "{\"prompt\":\"A\",\"temperature\":0,\"max_tokens\":1}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"What is swap?\"}],\"temperature\":1,\"seed\":4,\"max_tokens\":60,\"top_k\":0,"
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"object\",\"properties\":{\"answer\":{\"type\":"
        "\"string\",\"maxLength\":60},\"sure\":{\"type\":\"boolean\"}},\"required\":[\"answer\",\"sure\"]}}}}",
        "{\"prompt\":\"Numbers: \",\"temperature\":0.8,\"seed\":9,\"max_tokens\":40,\"repeat_penalty\":1.3,\"logit_bias\":{\"50\":4},"
        "\"stop\":[\"99\"],\"grammar\":\"root ::= [0-9]{2} (\\\", \\\" [0-9]{2}){3,40} \\\".\\\"\",\"logprobs\":2}",
        /* Longer than what is promised to an answer. */
        "{\"prompt\":\"Once\",\"temperature\":0.9,\"seed\":11,\"max_tokens\":420,\"ignore_eos\":true}",
};
#define BODIES (sizeof(bodies) / sizeof(bodies[0]))

static char alone[BODIES][4096];
static struct output_stream_end alone_end[BODIES];

/* The answers each gets from an engine of its own. */
static inline int answer_alone(void **state) {
        (void) state;
        for (uint32_t i = 0; i < BODIES; i++) {
                struct fixture *f = open_fixture_speculating(512, 1, SPECULATE_OFF);
                assert_int_equal(submit(f, i, bodies[i]), 0);
                run_dry(f);
                assert_int_equal(f->told[i].ends, 1);
                memcpy(alone[i], f->told[i].text, sizeof(alone[i]));
                alone_end[i] = f->told[i].end;
                close_fixture(f);
        }
        return 0;
}

static inline void check_as_alone(const struct told *t, uint32_t body) {
        assert_int_equal(t->ends, 1);
        assert_string_equal(t->text, alone[body]);
        assert_int_equal(t->end.finish, alone_end[body].finish);
        assert_int_equal(t->end.completion_tokens, alone_end[body].completion_tokens);
        assert_int_equal(t->end.prompt_tokens, alone_end[body].prompt_tokens);
}

/* --- storms --- */

/* Requests that come and go at random: who has asked what, and who has gone. */
struct storm {
        struct fixture *f;
        struct random rng;
        uint64_t next; /* ids below it are given out */
        uint32_t body_of[IDS_MAX];
        bool cancelled[IDS_MAX];
};

static inline void storm_submit(struct storm *s) {
        s->body_of[s->next] = random_u32(&s->rng) % BODIES;
        assert_int_equal(submit(s->f, s->next, bodies[s->body_of[s->next]]), 0);
        s->next++;
}

static inline void storm_cancel(struct storm *s, uint64_t id) {
        s->cancelled[id] |= s->f->told[id].ends == 0;
        scheduler_cancel(s->f->engine.scheduler, id);
}

/* Everybody who has stayed gets the answer that is theirs, and nobody else any. */
static inline void storm_end(struct storm *s) {
        run_dry(s->f);
        for (uint64_t id = 0; id < s->next; id++) {
                if (!s->cancelled[id])
                        check_as_alone(&s->f->told[id], s->body_of[id]);
                else
                        assert_int_equal(s->f->told[id].ends, 0);
        }
        close_fixture(s->f);
}

#endif
