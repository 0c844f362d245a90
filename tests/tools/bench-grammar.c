/*
 * bench-grammar.c - what holding an answer to a JSON Schema costs a token, with the vocabulary of any GGUF file.
 *
 *      bench-grammar VOCABULARY.gguf SCHEMA.json [ANSWERS]
 *
 * Two clients: one whose model writes what the schema wants (each pick is allowed: a trained model, mostly), and one whose
 * model knows nothing (logits are noise, so most picks are refused and need a mask). Processor time of the constraint alone.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/text_file.h"
#include "engine/grammar/constraint.h"
#include "engine/json_schema/schema.h"
#include "engine/sampling/sampler.h"
#include "policy/base/random.h"

#define TOKENS_MAX 300u
#define SCHEMA_MAX (1u << 20)

static double processor_us(void) {
        return (double) clock_us(CLOCK_THREAD_CPUTIME_ID);
}

struct bench {
        struct tokenizer *tokenizer;
        struct token_trie *trie;
        struct grammar *grammar;
        uint32_t n_vocab;
        struct random random;
        float *logits;
        struct sampler_scratch *scratch;
};

struct figures {
        double us, worst_us, pick_us;
        uint64_t tokens, masks, found;
        uint32_t whole;
};

static struct constraint *constraint_of(const struct bench *b) {
        struct constraint *g;
        struct constraint_config config = {
                .grammar = b->grammar, .tokenizer = b->tokenizer, .trie = b->trie, .n_vocab = b->n_vocab
        };
        if (constraint_new(&config, &g) < 0)
                exit(1);
        return g;
}

static void noise(struct bench *b) {
        for (uint32_t i = 0; i < b->n_vocab; i++) /* the sum of four is near enough to a normal distribution */
                b->logits[i] = (float) (3 * (random_unit(&b->random) + random_unit(&b->random) + random_unit(&b->random) +
                                             random_unit(&b->random) - 2));
}

/*
 * Measures the work of G for a token: asked about WANTED, it makes a mask where that is refused. Returns the token that is taken.
 */
static int32_t measured_token(struct bench *b, struct constraint *g, struct sampler *s, int32_t wanted, struct figures *f) {
        double begun = processor_us(), us;
        const uint32_t *mask = constraint_allows(g, wanted) ? NULL : constraint_mask(g);
        us = processor_us() - begun;
        if (mask) {
                begun = processor_us();
                wanted = sampler_pick_among(s, b->scratch, b->logits, mask);
                f->pick_us += processor_us() - begun;
        }
        begun = processor_us();
        if (wanted >= 0)
                constraint_take(g, wanted);
        us += processor_us() - begun;
        f->us += us;
        f->worst_us = us > f->worst_us ? us : f->worst_us;
        f->tokens++;
        return wanted;
}

static void one_answer(struct bench *b, bool knows, struct figures *f) {
        struct constraint *g = constraint_of(b), *oracle = constraint_of(b);
        struct sampling sampling = sampling_default();
        struct sampler *s;
        sampling.top_k = 0;
        sampling.temperature = 1;
        sampling.seed = random_u32(&b->random);
        if (sampler_new(&sampling, b->n_vocab, &s) < 0)
                exit(1);
        for (uint32_t i = 0; i < TOKENS_MAX && !constraint_is_over(g); i++) {
                noise(b);
                int32_t wanted = knows ? sampler_pick_among(s, b->scratch, b->logits, constraint_mask(oracle))
                                       : sampler_pick(s, b->scratch, b->logits);
                int32_t token = measured_token(b, g, s, wanted, f);
                if (token < 0 || tokenizer_is_end(b->tokenizer, token))
                        break;
                if (knows)
                        constraint_take(oracle, token);
        }
        f->whole += constraint_may_end(g);
        f->masks += constraint_figures(g).masks_made;
        f->found += constraint_figures(g).masks_found;
        sampler_free(s);
        constraint_free(g);
        constraint_free(oracle);
}

static void measure(struct bench *b, bool knows, uint32_t answers) {
        struct figures f = { 0 };
        for (uint32_t i = 0; i < answers; i++)
                one_answer(b, knows, &f);
        printf("%s: %.1f us a token (worst %.0f); %llu tokens, %llu masks made, %llu found again; picking among a mask %.1f us a "
               "token; %u of %u answers whole\n",
               knows ? "model that knows " : "model of noise   ", f.us / (double) f.tokens, f.worst_us,
               (unsigned long long) f.tokens, (unsigned long long) f.masks, (unsigned long long) f.found,
               f.pick_us / (double) f.tokens, f.whole, answers);
}

/* A mask where nearly every token is allowed, for the first time and where much of it is known. */
static void measure_wide(struct bench *b, const char *schema) {
        struct grammar_error why;
        cJSON *json = cJSON_Parse(schema);
        struct constraint *g;
        struct token_list mark = { 0 };
        grammar_free(b->grammar);
        if (schema_compile(json, NULL, &b->grammar, &why) < 0 ||
            tokenizer_encode(b->tokenizer, "\"ab", 3, false, false, &mark) < 0)
                exit(1);
        g = constraint_of(b);
        printf("inside of %s: a mask", schema);
        for (size_t i = 0; i < mark.count; i++) {
                constraint_take(g, mark.ids[i]);
                double begun = processor_us();
                (void) constraint_mask(g);
                printf("%s %.0f us", i ? ", then" : "", processor_us() - begun);
        }
        putchar('\n');
        cJSON_Delete(json);
        token_list_done(&mark);
        constraint_free(g);
}

static void compile(struct bench *b, const char *path) {
        struct text text;
        struct grammar_error why = { .text = "no JSON" };
        cJSON *schema = text_file_read(path, SCHEMA_MAX, &text) < 0 ? NULL : cJSON_Parse(text.bytes);
        double begun = processor_us();
        if (!schema || schema_compile(schema, NULL, &b->grammar, &why) < 0) {
                fprintf(stderr, "bench-grammar: %s: %s\n", path, why.text);
                exit(1);
        }
        printf("schema: %u nodes, compiled in %.0f us\n", b->grammar->nodes_count, processor_us() - begun);
        cJSON_Delete(schema);
        text_done(&text);
}

int main(int argc, char **argv) {
        struct gguf *g;
        struct gguf_error error;
        struct bench b = { .random = random_seeded(1) };
        if (argc < 3) {
                fputs("usage: bench-grammar VOCABULARY.gguf SCHEMA.json [ANSWERS]\n", stderr);
                return 2;
        }
        int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                perror(argv[1]);
                return 1;
        }
        if (gguf_open(&fd, 1, &g, &error) < 0 || tokenizer_new(g, &b.tokenizer, &error) < 0) {
                fprintf(stderr, "bench-grammar: %s\n", error.text);
                return 1;
        }
        b.n_vocab = tokenizer_vocab_count(b.tokenizer);
        double begun = processor_us();
        if (token_trie_new(b.tokenizer, b.n_vocab, &b.trie) < 0)
                return 1;
        printf("vocabulary: %u tokens, %u nodes, %.1f MiB, made in %.1f ms\n", b.n_vocab, b.trie->nodes_count,
               (double) (b.trie->nodes_count * sizeof(*b.trie->nodes) + b.trie->ids_count * sizeof(*b.trie->ids)) / 0x1p20,
               (processor_us() - begun) / 1000);
        b.logits = malloc(b.n_vocab * sizeof(*b.logits));
        if (!b.logits || sampler_scratch_new(b.n_vocab, &b.scratch) < 0)
                return 1;
        compile(&b, argv[2]);
        uint32_t answers = argc > 3 ? (uint32_t) atoi(argv[3]) : 20;
        measure(&b, true, answers);
        measure(&b, false, answers);
        measure_wide(&b, "{\"type\":\"string\"}");
        measure_wide(&b, "{\"type\":\"string\",\"maxLength\":200}");
        sampler_scratch_free(b.scratch);
        grammar_free(b.grammar);
        token_trie_free(b.trie);
        free(b.logits);
        tokenizer_free(b.tokenizer);
        gguf_close(g);
        return 0;
}
