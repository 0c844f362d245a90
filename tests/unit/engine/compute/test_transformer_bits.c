/*
 * test_transformer_bits.c - the forward pass's promise that results depend on a sequence's own tokens alone, to the last bit: not on the
 * batch, the chunks, the threads, who shares a prefix, or whether it has been to a file and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/kv/session_file.h"
#include "tests/unit/engine/compute/transformer_fixture.h"

static const struct rig_config varied[] = {
        { .model = { .type = TENSOR_Q8_0, .experts = 6, .experts_used = 3 } },
        { .model = { .type = TENSOR_Q4_K, .arch = ARCH_QWEN3MOE, .experts = 8 }, .kv = KV_Q8_0 },
        { .model = { .type = TENSOR_Q8_0, .arch = ARCH_GEMMA2 } },
        { .model = { .type = TENSOR_F16, .arch = ARCH_GEMMA3, .window = 70 }, .kv = KV_Q8_0 },
        { .model = { .type = TENSOR_Q8_0, .arch = ARCH_PHI3, .d_head = 96, .window = 33 }, .kv = KV_Q4_0 },
        { .model = { .type = TENSOR_Q4_0, .arch = ARCH_QWEN2, .yarn_scale = 4 } },
        { .model = { .type = TENSOR_Q8_0, .arch = ARCH_QWEN3 }, .kernels = "portable" },
        { .model = { .type = TENSOR_Q8_0 } },
        { .model = { .type = TENSOR_Q4_K, .heads = 8 }, .kv = KV_Q8_0 },
        { .model = { .type = TENSOR_F16, .heads_kv = 4, .embd = 64, .ff = 172, .d_head = 32 }, .kv = KV_Q4_0 },
        { .model = { .type = TENSOR_Q6_K, .odd = "blk.1.attn_k.weight", .odd_type = TENSOR_F32 } },
        { .model = { .type = TENSOR_Q8_0 }, .kernels = "portable" },
};
#define VARIED (sizeof(varied) / sizeof(*varied))

static void chunks_of_any_size_give_the_same_bits(void **state) {
        (void) state;
        static const uint32_t chunks[] = { 1, 2, 3, 7, 33, BATCH };
        for (size_t i = 0; i < VARIED; i++) {
                struct rig r = rig_open(varied[i]);
                int32_t tokens[140];
                float one_by_one[64], chunked[64];
                make_tokens(&r, 2, tokens, 140);
                logits_of(&r, tokens, 140, 1, one_by_one);
                for (size_t c = 0; c < sizeof(chunks) / sizeof(*chunks); c++) {
                        logits_of(&r, tokens, 140, chunks[c], chunked);
                        assert_memory_equal(one_by_one, chunked, sizeof(chunked));
                }
                rig_close(&r);
        }
}

/* Five sequences of different lengths advance together in uneven runs. */
static void batch_together(struct rig *r, int32_t tokens[ITEMS][TOKENS_MAX], const uint32_t lengths[], float logits[ITEMS][64]) {
        struct kv_sequence s[ITEMS] = { 0 };
        for (bool more = true; more;) {
                struct transformer_item items[ITEMS];
                uint32_t n = 0, who[ITEMS], room = BATCH;
                for (uint32_t i = 0; i < ITEMS; i++) {
                        uint32_t left = lengths[i] - s[i].tokens_count, count = (i * 5 + s[i].tokens_count) % 11 + 1;
                        count = count < left ? count : left;
                        count = count < room ? count : room;
                        if (!count)
                                continue;
                        assert_int_equal(kv_sequence_grow(r->cache, &s[i], count), 0);
                        who[n] = i;
                        items[n++] =
                                (struct transformer_item){ &s[i], tokens[i] + s[i].tokens_count, count, WANT_LOGITS, NULL, 0, 0 };
                        room -= count;
                }
                transformer_run(r->transformer, items, n);
                for (uint32_t i = 0; i < n; i++)
                        memcpy(logits[who[i]], items[i].result, sizeof(logits[0]));
                more = n > 0;
        }
        for (uint32_t i = 0; i < ITEMS; i++)
                kv_sequence_done(r->cache, &s[i]);
}

static void neighbours_in_a_batch_change_no_bit(void **state) {
        (void) state;
        static const uint32_t lengths[ITEMS] = { 130, 1, 65, 64, 17, 90 };
        static int32_t tokens[ITEMS][TOKENS_MAX];
        for (size_t i = 0; i < VARIED; i++) {
                struct rig r = rig_open(varied[i]);
                float together[ITEMS][64], alone[64];
                for (uint32_t s = 0; s < ITEMS; s++)
                        make_tokens(&r, s, tokens[s], lengths[s]);
                batch_together(&r, tokens, lengths, together);
                for (uint32_t s = 0; s < ITEMS; s++) {
                        logits_of(&r, tokens[s], lengths[s], 1, alone);
                        assert_memory_equal(alone, together[s], sizeof(alone));
                }
                rig_close(&r);
        }
}

/* Guesses are checked by the logits of several tokens of one item: those that each has when it comes alone. */
static void logits_of_several_tokens_are_those_of_each(void **state) {
        (void) state;
        enum { COUNT = 70, LAST = 5 };
        for (size_t i = 0; i < VARIED; i++) {
                struct rig r = rig_open(varied[i]);
                struct kv_sequence s = { 0 };
                int32_t tokens[COUNT];
                float each[64];
                uint32_t n_vocab = r.model->hparams.n_vocab;
                make_tokens(&r, 3, tokens, COUNT);
                for (uint32_t t = 0; t < COUNT - LAST; t++)
                        (void) feed(&r, &s, tokens + t, 1, WANT_NOTHING);
                assert_int_equal(kv_sequence_grow(r.cache, &s, LAST), 0);
                struct transformer_item item = { &s, tokens + COUNT - LAST, LAST, WANT_LOGITS, NULL, 0, LAST };
                transformer_run(r.transformer, &item, 1);
                float *several = malloc((size_t) LAST * n_vocab * sizeof(float));
                memcpy(several, item.result, (size_t) LAST * n_vocab * sizeof(float));
                kv_sequence_done(r.cache, &s);
                for (uint32_t t = 0; t < LAST; t++) {
                        logits_of(&r, tokens, COUNT - LAST + t + 1, 1, each);
                        assert_memory_equal(each, several + (size_t) t * n_vocab, n_vocab * sizeof(float));
                }
                free(several);
                rig_close(&r);
        }
}

static void the_number_of_threads_changes_no_bit(void **state) {
        (void) state;
        for (size_t i = 0; i < VARIED; i++) {
                struct rig_config config = varied[i];
                config.threads = 4;
                struct rig r = rig_open(config);
                int32_t tokens[140];
                float one[64], many[64];
                make_tokens(&r, 4, tokens, 140);
                threads_set_width(r.threads, 1);
                logits_of(&r, tokens, 140, BATCH, one);
                for (uint32_t width = 2; width <= 4; width++) {
                        threads_set_width(r.threads, width);
                        logits_of(&r, tokens, 140, BATCH, many);
                        assert_memory_equal(one, many, sizeof(many));
                }
                rig_close(&r);
        }
}

/* Where a text has several chunks of positions, and threads take some of them each. */
static void long_texts_are_shared_out_and_change_no_bit(void **state) {
        (void) state;
        enum { LONG = 1100 };
        for (enum kv_type kv = 0; kv < KV_TYPE_COUNT; kv++) {
                struct tiny_model windowed = { .type = TENSOR_F16, .arch = ARCH_GEMMA3, .window = 600 };
                struct tiny_model plain = { .type = TENSOR_Q8_0 };
                struct rig r = rig_open((struct rig_config){ .model = kv == KV_Q8_0 ? windowed : plain, .kv = kv, .threads = 4 });
                static int32_t tokens[LONG];
                float one[64], many[64];
                struct kv_sequence s = { 0 };
                make_tokens(&r, 4, tokens, LONG);
                for (uint32_t at = 0; at < LONG - 4; at += BATCH)
                        (void) feed(&r, &s, tokens + at, LONG - 4 - at < BATCH ? LONG - 4 - at : BATCH, WANT_NOTHING);
                for (uint32_t width = 1; width <= 4; width++)
                        for (uint32_t chunk = 1; chunk <= 4; chunk += 3) {
                                threads_set_width(r.threads, width);
                                for (uint32_t at = LONG - 4; at < LONG; at += chunk)
                                        memcpy(many, feed(&r, &s, tokens + at, chunk, WANT_LOGITS), sizeof(many));
                                if (width == 1 && chunk == 1)
                                        memcpy(one, many, sizeof(one));
                                assert_memory_equal(one, many, sizeof(many));
                                kv_sequence_truncate(r.cache, &s, LONG - 4);
                        }
                kv_sequence_done(r.cache, &s);
                rig_close(&r);
        }
}

/* Sequences that share a beginning take their next tokens in one pass, in any order, as each alone. */
static void beginnings_read_together_change_no_bit(void **state) {
        (void) state;
        for (size_t i = 0; i < VARIED; i++) {
                struct rig r = rig_open(varied[i]);
                struct kv_sequence s[4] = { 0 };
                struct transformer_item items[4];
                int32_t tokens[180];
                float alone[4][64];
                make_tokens(&r, 6, tokens, 180);
                for (uint32_t at = 0; at < 128; at += 32)
                        (void) feed(&r, &s[0], tokens + at, 32, WANT_NOTHING);
                for (uint32_t k = 1; k < 4; k++)
                        assert_int_equal(kv_sequence_share(r.cache, &s[k], &s[0], k == 2 ? 64 : 128), 0);
                for (uint32_t k = 0; k < 4; k++) {
                        uint32_t had = s[k].tokens_count;
                        (void) feed(&r, &s[k], tokens + 130 + k, 3 + 2 * k, WANT_NOTHING);
                        memcpy(alone[k], feed(&r, &s[k], tokens + 150, 2, WANT_LOGITS), sizeof(alone[k]));
                        kv_sequence_truncate(r.cache, &s[k], had + 3 + 2 * k);
                        assert_int_equal(kv_sequence_grow(r.cache, &s[k], 2), 0);
                        items[3 - k] = (struct transformer_item){ &s[k], tokens + 150, 2, WANT_LOGITS, NULL, 0, 0 };
                }
                transformer_run(r.transformer, items, 4);
                for (uint32_t k = 0; k < 4; k++) {
                        assert_memory_equal(items[3 - k].result, alone[k], sizeof(alone[k]));
                        kv_sequence_done(r.cache, &s[k]);
                }
                rig_close(&r);
        }
}

static void a_shared_prefix_is_as_good_as_an_own_one(void **state) {
        (void) state;
        for (size_t i = 0; i < VARIED; i++) {
                struct rig r = rig_open(varied[i]);
                struct kv_sequence first = { 0 }, second = { 0 };
                int32_t tokens[180];
                float own[64];
                make_tokens(&r, 5, tokens, 180);
                logits_of(&r, tokens, 150, BATCH, own);
                for (uint32_t at = 0; at < 128; at += 32)
                        (void) feed(&r, &first, tokens + at, 32, WANT_NOTHING);
                assert_int_equal(kv_sequence_share(r.cache, &second, &first, 128), 0);
                (void) feed(&r, &first, tokens + 150, 30, WANT_NOTHING); /* goes its own way */
                assert_memory_equal(feed(&r, &second, tokens + 128, 22, WANT_LOGITS), own, sizeof(own));
                kv_sequence_truncate(r.cache, &second, 100); /* back into the shared part, and forth again */
                (void) feed(&r, &second, tokens + 100, 40, WANT_NOTHING);
                assert_memory_equal(feed(&r, &second, tokens + 140, 10, WANT_LOGITS), own, sizeof(own));
                kv_sequence_done(r.cache, &first);
                kv_sequence_done(r.cache, &second);
                rig_close(&r);
        }
}

/* --- precision that is lowered on the way --- */

/* 200 tokens, the first two blocks made q4_0, the third q8_0, then 20 more in chunks of at most CHUNK. */
static void logits_of_mixed(struct rig *r, const int32_t *tokens, bool convert, uint32_t chunk, float *out) {
        struct kv_sequence s = { 0 };
        const float *logits = NULL;
        for (uint32_t at = 0; at < 200; at += 40)
                (void) feed(r, &s, tokens + at, 40, WANT_NOTHING);
        for (uint32_t i = 0; convert && i < 3; i++)
                (void) kv_sequence_convert(r->cache, &s, i, i < 2 ? KV_Q4_0 : KV_Q8_0);
        for (uint32_t at = 200; at < 220; at += chunk)
                logits = feed(r, &s, tokens + at, 220 - at < chunk ? 220 - at : chunk, WANT_LOGITS);
        memcpy(out, logits, r->model->hparams.n_vocab * sizeof(float));
        kv_sequence_done(r->cache, &s);
}

static void blocks_of_mixed_types_are_read_together(void **state) {
        (void) state;
        for (size_t i = 0; i < VARIED; i++) {
                struct rig_config config = varied[i];
                config.kv = KV_F16;
                config.threads = 3;
                struct rig r = rig_open(config);
                int32_t tokens[220];
                float exact[64], mixed[64], again[64];
                make_tokens(&r, 7, tokens, 220);
                logits_of_mixed(&r, tokens, false, 20, exact);
                logits_of_mixed(&r, tokens, true, 20, mixed);
                assert_true(memcmp(exact, mixed, sizeof(exact)) != 0);
                assert_true(nmse_to(mixed, exact, 64) < 0.1); /* as close as q4_0 keys and values are */
                for (uint32_t chunk = 1; chunk < 20; chunk += 6) {
                        logits_of_mixed(&r, tokens, true, chunk, again);
                        assert_memory_equal(mixed, again, sizeof(mixed));
                }
                rig_close(&r);
        }
}

/* Quantised from f16 or from floats: the same but for f16's own rounding, for both kernel sets. */
static void a_converted_cache_answers_as_one_that_was_stored_so(void **state) {
        (void) state;
        for (unsigned i = 0; i < 4; i++) {
                enum kv_type type = i % 2 ? KV_Q4_0 : KV_Q8_0;
                struct rig_config config = { .model = { .type = TENSOR_Q8_0 }, .kernels = i < 2 ? "portable" : NULL };
                struct rig f16 = rig_open(config);
                config.kv = type;
                struct rig stored = rig_open(config);
                int32_t tokens[193];
                float exact[64], a[64], b[64];
                struct kv_sequence s = { 0 }, t = { 0 };
                make_tokens(&f16, 8, tokens, 193);
                logits_of(&f16, tokens, 193, BATCH, exact);
                for (uint32_t at = 0; at < 192; at += 48) {
                        (void) feed(&f16, &s, tokens + at, 48, WANT_NOTHING);
                        (void) feed(&stored, &t, tokens + at, 48, WANT_NOTHING);
                }
                for (uint32_t block = 0; block < 3; block++)
                        assert_true(kv_sequence_convert(f16.cache, &s, block, type) > 0);
                memcpy(a, feed(&f16, &s, tokens + 192, 1, WANT_LOGITS), sizeof(a));
                memcpy(b, feed(&stored, &t, tokens + 192, 1, WANT_LOGITS), sizeof(b));
                double limit = type == KV_Q8_0 ? 0.002 : 0.3;
                assert_true(nmse_to(a, exact, 64) < limit && nmse_to(b, exact, 64) < limit);
                assert_true(nmse_to(a, exact, 64) < 3 * nmse_to(b, exact, 64));
                kv_sequence_done(f16.cache, &s);
                kv_sequence_done(stored.cache, &t);
                rig_close(&f16);
                rig_close(&stored);
        }
}

/* --- models without logits --- */

/* Three texts together give what each gives alone, on one thread. */
static void texts_beside_each_other_change_no_bit(void **state) {
        (void) state;
        static const uint32_t lengths[3] = { 17, 1, 30 };
        for (size_t i = 0; i < ENCODERS; i++) {
                struct rig r = rig_open(encoders[i]);
                struct kv_sequence s[3] = { 0 }, alone = { 0 };
                struct transformer_item items[3];
                int32_t tokens[3][30];
                uint32_t size = r.model->hparams.n_embd;
                float *together[3];
                for (uint32_t t = 0; t < 3; t++) {
                        make_tokens(&r, t, tokens[t], lengths[t]);
                        assert_int_equal(kv_sequence_grow(r.cache, &s[t], lengths[t]), 0);
                        items[t] = (struct transformer_item){ &s[t], tokens[t], lengths[t], WANT_HIDDEN, NULL, 0, 0 };
                }
                transformer_run(r.transformer, items, 3);
                for (uint32_t t = 0; t < 3; t++) {
                        together[t] = malloc((size_t) lengths[t] * size * sizeof(float));
                        memcpy(together[t], items[t].result, (size_t) lengths[t] * size * sizeof(float));
                }
                threads_set_width(r.threads, 1);
                for (uint32_t t = 0; t < 3; t++) {
                        const float *result = feed(&r, &alone, tokens[t], lengths[t], WANT_HIDDEN);
                        assert_memory_equal(result, together[t], (size_t) lengths[t] * size * sizeof(float));
                        kv_sequence_done(r.cache, &alone);
                        kv_sequence_done(r.cache, &s[t]);
                        free(together[t]);
                }
                rig_close(&r);
        }
}

/* --- through a file --- */

/* SEQUENCE to a file and from it into a cache of R that has seen nothing of it. */
static struct kv_sequence through_a_file(struct rig *r, const struct kv_sequence *sequence, const int32_t *tokens) {
        struct session_writer w;
        struct session_reader back = { 0 };
        struct kv_sequence again = { 0 };
        uint64_t model = session_model(r->model);
        int result, fd = memfd_create("session", MFD_CLOEXEC);
        assert_int_equal(session_write_begin(&w, fd, model, r->cache, sequence, tokens, sequence->tokens_count), 0);
        while ((result = session_write_some(&w, 1)) == 1)
                ;
        assert_int_equal(result, 0);
        assert_int_equal(session_read_begin(&back, fd, model, r->cache, TOKENS_MAX), 0);
        while ((result = session_read_some(&back, &again, 1)) == 1)
                ;
        assert_int_equal(result, 0);
        session_reader_done(&back);
        (void) close(fd);
        return again;
}

/* Of every architecture and type of cache: saved, read by an engine that knows nothing, and continued. */
static void a_file_brings_it_back(void **state) {
        (void) state;
        for (enum arch arch = 0; arch < ARCH_COUNT; arch++)
                for (enum kv_type kv = 0; arch_info(arch)->kind->causal && kv < KV_TYPE_COUNT; kv++) {
                        struct rig r = rig_open((struct rig_config){ .model = { .arch = arch, .type = TENSOR_Q8_0 }, .kv = kv });
                        struct kv_sequence sequence = { 0 };
                        int32_t tokens[180];
                        float uninterrupted[64];
                        make_tokens(&r, 10, tokens, 180);
                        logits_of(&r, tokens, 180, BATCH, uninterrupted);
                        for (uint32_t at = 0; at < 160; at += 40)
                                (void) feed(&r, &sequence, tokens + at, 40, WANT_NOTHING);
                        struct kv_sequence again = through_a_file(&r, &sequence, tokens);
                        kv_sequence_done(r.cache, &sequence);
                        assert_int_equal(again.tokens_count, 160);
                        assert_memory_equal(feed(&r, &again, tokens + 160, 20, WANT_LOGITS), uninterrupted,
                                            sizeof(uninterrupted));
                        kv_sequence_done(r.cache, &again);
                        rig_close(&r);
                }
}

/* The same weights in a file that has a tensor for each expert. */
static void experts_lie_where_they_want(void **state) {
        (void) state;
        float given[2][64];
        for (unsigned apart = 0; apart < 2; apart++) {
                struct rig r = rig_open((struct rig_config){
                        .model = { .type = TENSOR_Q4_K, .experts = 7, .experts_used = 3, .experts_apart = apart } });
                int32_t tokens[100];
                make_tokens(&r, 11, tokens, 100);
                logits_of(&r, tokens, 100, 40, given[apart]);
                rig_close(&r);
        }
        assert_memory_equal(given[0], given[1], sizeof(given[0]));
}

static void an_empty_pass_does_nothing(void **state) {
        (void) state;
        struct rig r = rig_open((struct rig_config){ .model = { .type = TENSOR_Q8_0 } });
        transformer_run(r.transformer, NULL, 0);
        rig_close(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(chunks_of_any_size_give_the_same_bits),
                cmocka_unit_test(neighbours_in_a_batch_change_no_bit),
                cmocka_unit_test(logits_of_several_tokens_are_those_of_each),
                cmocka_unit_test(the_number_of_threads_changes_no_bit),
                cmocka_unit_test(long_texts_are_shared_out_and_change_no_bit),
                cmocka_unit_test(beginnings_read_together_change_no_bit),
                cmocka_unit_test(a_shared_prefix_is_as_good_as_an_own_one),
                cmocka_unit_test(blocks_of_mixed_types_are_read_together),
                cmocka_unit_test(a_converted_cache_answers_as_one_that_was_stored_so),
                cmocka_unit_test(texts_beside_each_other_change_no_bit),
                cmocka_unit_test(a_file_brings_it_back),
                cmocka_unit_test(experts_lie_where_they_want),
                cmocka_unit_test(an_empty_pass_does_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
