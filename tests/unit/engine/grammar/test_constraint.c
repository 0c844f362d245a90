/* test_constraint.c - which tokens may come next: the mask says what asking token by token says, in every place of many answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/grammar/constraint.h"
#include "engine/grammar/gbnf.h"
#include "engine/json_schema/schema.h"
#include "engine/model/model.h"
#include "policy/base/random.h"
#include "tests/tiny_vocab.h"

#define MODEL      "tests/demo_model/headroom-demo-small.gguf"
#define TOKENS_MAX 120u

static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":12},\"n\":{\"type\":\"integer\","
        "\"minimum\":-7,\"maximum\":1200},\"w\":{\"enum\":[\"hello\",\"hell\",\"\xc3\xbc\xe2\x82\xac\"]},\"r\":{\"type\":"
        "\"array\",\"items\":{\"$ref\":\"#\"},\"maxItems\":2}},\"required\":[\"w\"]}";

static struct grammar *grammar_of(const char *text) {
        struct grammar *g;
        struct grammar_error error;
        int r;
        if (text[0] == '{') {
                cJSON *json = cJSON_Parse(text);
                assert_non_null(json);
                r = schema_compile(json, NULL, &g, &error);
                cJSON_Delete(json);
        } else {
                r = gbnf_compile(text, strlen(text), &g, &error);
        }
        if (r < 0)
                fail_msg("%s", error.text);
        return g;
}

static bool bit(const uint32_t *mask, uint32_t id) {
        return mask[id / 32] >> (id % 32) & 1;
}

/* A token of MASK, chosen at random; -1 when there is none. */
static int32_t any_of(struct random *r, const uint32_t *mask, uint32_t n_vocab) {
        int32_t chosen = -1;
        for (uint32_t id = 0, seen = 0; id < n_vocab; id++)
                if (bit(mask, id) && random_u32(r) % ++seen == 0)
                        chosen = (int32_t) id;
        return chosen;
}

struct place {
        const struct tokenizer *tokenizer;
        struct token_trie *trie;
        uint32_t n_vocab;
};

/* An answer of random tokens that are allowed; every mask on the way is compared. Its text, which is whole or cut off. */
static void check_answer(const struct place *p, const struct grammar *grammar, bool first, struct random *r) {
        struct constraint *g;
        struct constraint_config config = {
                .grammar = grammar, .tokenizer = p->tokenizer, .trie = p->trie, .n_vocab = p->n_vocab, .first = first
        };
        assert_int_equal(constraint_new(&config, &g), 0);
        for (unsigned i = 0; i < TOKENS_MAX && !constraint_is_over(g); i++) {
                uint32_t *mask = malloc((p->n_vocab + 31) / 32 * sizeof(*mask));
                memcpy(mask, constraint_mask(g), (p->n_vocab + 31) / 32 * sizeof(*mask));
                for (uint32_t id = 0; id < p->n_vocab; id++) {
                        /* The mask has worked out what one token leads to, so both are known. */
                        if (bit(mask, id) != constraint_follow(g, (int32_t[]){ (int32_t) id }, 1))
                                fail_msg("token %u after %u others is not followed as in the mask %d", id, i, bit(mask, id));
                        if (bit(mask, id) != constraint_allows(g, (int32_t) id))
                                fail_msg("token %u after %u others, first %d: in the mask %d", id, i, first, bit(mask, id));
                }
                int32_t id = any_of(r, mask, p->n_vocab);
                free(mask);
                assert_true(id >= 0); /* these vocabularies have all bytes: there is always a way on */
                if (tokenizer_is_end(p->tokenizer, id))
                        break;
                constraint_take(g, id);
        }
        constraint_free(g);
}

static void check_vocabulary(const struct tokenizer *t) {
        static const char *const texts[] = { schema,
                                             "root ::= \" \"? [a-z\xc3\xa4-\xc3\xbc\xe2\x82\xac ]{0,9} (\"hello\" | \"he\" root)",
                                             "root ::= .{1,20}" };
        struct place p = { .tokenizer = t, .n_vocab = tokenizer_vocab_count(t) };
        struct random r = random_seeded(5);
        assert_int_equal(token_trie_new(t, p.n_vocab, &p.trie), 0);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct grammar *g = grammar_of(texts[i]);
                for (unsigned round = 0; round < 6; round++)
                        check_answer(&p, g, round % 2, &r);
                grammar_free(g);
        }
        token_trie_free(p.trie);
}

static void test_masks_of_sentencepiece(void **state) {
        (void) state;
        struct tiny_vocab v;
        tiny_vocab_spm(&v);
        check_vocabulary(v.tokenizer);
        tiny_vocab_done(&v);
}

static void test_masks_of_bytes(void **state) {
        (void) state;
        struct tiny_vocab v;
        tiny_vocab_bpe(&v, "gpt-2");
        check_vocabulary(v.tokenizer);
        tiny_vocab_done(&v);
}

static void test_masks_of_the_demo_model(void **state) {
        (void) state;
        struct model *model;
        struct gguf_error error;
        if (model_open_path(MODEL, &model, &error) < 0)
                fail_msg("%s", error.text);
        check_vocabulary(model->tokenizer);
        model_close(model);
}

/* Control tokens spell nothing, whatever the grammar allows; ends are for the end. */
static void test_special_tokens(void **state) {
        (void) state;
        struct tiny_vocab v;
        tiny_vocab_spm(&v);
        struct place p = { .tokenizer = v.tokenizer, .n_vocab = tokenizer_vocab_count(v.tokenizer) };
        assert_int_equal(token_trie_new(p.tokenizer, p.n_vocab, &p.trie), 0);
        struct grammar *grammar = grammar_of("root ::= .* \"!\"");
        struct constraint *g;
        struct constraint_config config = { .grammar = grammar, .tokenizer = p.tokenizer, .trie = p.trie, .n_vocab = p.n_vocab };
        assert_int_equal(constraint_new(&config, &g), 0);
        struct token_list mark = { 0 };
        assert_int_equal(tokenizer_encode(p.tokenizer, "!", 1, false, false, &mark), 0);
        for (unsigned round = 0; round < 2; round++) {
                for (uint32_t id = 0; id < p.n_vocab; id++) {
                        bool is_end = tokenizer_is_end(p.tokenizer, (int32_t) id);
                        if (is_end)
                                assert_int_equal(constraint_allows(g, (int32_t) id), round == 1);
                        else if (tokenizer_is_special(p.tokenizer, (int32_t) id))
                                assert_false(constraint_allows(g, (int32_t) id));
                }
                constraint_take(g, mark.ids[mark.count - 1]);
        }
        token_list_done(&mark);
        constraint_free(g);
        grammar_free(grammar);
        token_trie_free(p.trie);
        tiny_vocab_done(&v);
}

/* The token of a mark counts as its text where the grammar wants that text, in the mask too; and nowhere else. */
static void test_marks(void **state) {
        (void) state;
        struct tiny_vocab v;
        tiny_vocab_spm(&v);
        struct place p = { .tokenizer = v.tokenizer, .n_vocab = tokenizer_vocab_count(v.tokenizer) };
        assert_int_equal(token_trie_new(p.tokenizer, p.n_vocab, &p.trie), 0);
        struct token_list mark = { 0 }, letter = { 0 };
        assert_int_equal(tokenizer_encode(p.tokenizer, "[INST]", 6, false, true, &mark), 0);
        assert_int_equal(tokenizer_encode(p.tokenizer, "a", 1, false, false, &letter), 0);
        struct grammar *grammar = grammar_of("root ::= \"a\"* \"[INST]\" \"h\"");
        for (uint32_t literal_tokens = 0; literal_tokens < 2; literal_tokens++) {
                struct constraint *g;
                struct constraint_config config = { .grammar = grammar,
                                                    .tokenizer = p.tokenizer,
                                                    .trie = p.trie,
                                                    .n_vocab = p.n_vocab,
                                                    .literal_tokens = mark.ids,
                                                    .literal_tokens_count = literal_tokens };
                assert_int_equal(constraint_new(&config, &g), 0);
                for (unsigned round = 0; round < 2; round++) {
                        assert_int_equal(constraint_allows(g, mark.ids[0]), literal_tokens);
                        assert_int_equal(bit(constraint_mask(g), (uint32_t) mark.ids[0]), literal_tokens);
                        constraint_take(g, letter.ids[letter.count - 1]);
                }
                if (literal_tokens) {
                        constraint_take(g, mark.ids[0]);
                        assert_false(constraint_allows(g, mark.ids[0]) || bit(constraint_mask(g), (uint32_t) mark.ids[0]));
                        assert_false(constraint_may_end(g));
                }
                constraint_free(g);
        }
        token_list_done(&mark);
        token_list_done(&letter);
        grammar_free(grammar);
        token_trie_free(p.trie);
        tiny_vocab_done(&v);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_masks_of_sentencepiece),
                cmocka_unit_test(test_masks_of_bytes),
                cmocka_unit_test(test_masks_of_the_demo_model),
                cmocka_unit_test(test_special_tokens),
                cmocka_unit_test(test_marks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
