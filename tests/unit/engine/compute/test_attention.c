/*
 * test_attention.c - attention over the paged cache: against plain softmax, the same bits however it is shared out, and each block
 * read as often as it must be.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/compute/attention_tiles.h"
#include "engine/dispatch/dispatch.h"

enum { HEADS = 8, HEADS_KV = 2, GROUP = HEADS / HEADS_KV, D = 64, ROWS_MAX = 8, TOKENS = 1300 };

/* Kernels that count how many rows of values were read. */
static struct kernels counting;
static kernel_mix *mixes[KV_TYPE_COUNT];
static uint64_t rows_read;

static void count_f16(const struct mixture *m) {
        rows_read += m->rows_count;
        mixes[KV_F16](m);
}

static void count_q8_0(const struct mixture *m) {
        rows_read += m->rows_count;
        mixes[KV_Q8_0](m);
}

static void count_q4_0(const struct mixture *m) {
        rows_read += m->rows_count;
        mixes[KV_Q4_0](m);
}

static void count_rows(void) {
        static kernel_mix *const counts[KV_TYPE_COUNT] = { count_f16, count_q8_0, count_q4_0 };
        counting = *kernels_get();
        for (enum kv_type type = 0; type < KV_TYPE_COUNT; type++) {
                mixes[type] = counting.kv[type].mix;
                counting.kv[type].mix = counts[type];
        }
}

struct rig {
        struct hparams hparams;
        uint32_t head_kv[1];
        struct kv_cache *cache;
        float queries[ROWS_MAX][HEADS][D], attended[ROWS_MAX][HEADS][D];
        struct attention attention;
        uint8_t *buffers;
};

static float number(uint32_t i) {
        return (float) (i * 2654435761u >> 16) * 0x1p-14f - 2;
}

static struct rig *rig_open(enum kv_type type, uint32_t window) {
        struct rig *r = calloc(1, sizeof(*r));
        r->head_kv[0] = HEADS_KV;
        r->hparams = (struct hparams){ .n_layer = 1,
                                       .n_head = HEADS,
                                       .n_head_kv = HEADS_KV,
                                       .head_kv = r->head_kv,
                                       .d_head_k = D,
                                       .d_head_v = D,
                                       .attention_scale = 0.125f,
                                       .window = window,
                                       .causal = true };
        assert_int_equal(kv_cache_new(&(struct kv_config){ &r->hparams, 4 * TOKENS, type, type }, &r->cache), 0);
        for (uint32_t i = 0; i < ROWS_MAX * HEADS * D; i++)
                (&r->queries[0][0][0])[i] = number(i + 17);
        r->attention = (struct attention){ &counting,
                                           &r->hparams,
                                           r->cache,
                                           attention_buffers_layout(&r->hparams),
                                           &r->queries[0][0][0],
                                           &r->attended[0][0][0] };
        r->buffers = aligned_alloc(ACTIVATION_ALIGN, r->attention.layout.bytes);
        return r;
}

static void rig_close(struct rig *r) {
        kv_cache_free(r->cache);
        free(r->buffers);
        free(r);
}

/* Stores random keys and values for the positions that S has room for but does not hold yet. */
static void grow(struct rig *r, struct kv_sequence *s, uint32_t count, uint32_t salt) {
        float x[D];
        assert_int_equal(kv_sequence_grow(r->cache, s, count), 0);
        for (uint32_t end = s->tokens_count + count; s->tokens_count < end; s->tokens_count++)
                for (uint32_t head = 0; head < HEADS_KV; head++) {
                        uint32_t block = s->blocks[s->tokens_count / KV_BLOCK_TOKENS], place = s->tokens_count % KV_BLOCK_TOKENS;
                        struct kv_rows k = kv_cache_keys(r->cache, block, 0, head), v = kv_cache_values(r->cache, block, 0, head);
                        for (uint32_t i = 0; i < D; i++)
                                x[i] = number(salt + (s->tokens_count * HEADS_KV + head) * D + i);
                        counting.kv[k.type].store(x, D, k.rows + place * (size_t) k.row_bytes);
                        counting.kv[v.type].store(x, D, v.rows + place * (size_t) v.row_bytes);
                }
}

/* The last COUNT tokens of S, from row ROW of the batch on. */
static struct attention_row *last_rows(struct attention_row *rows, const struct kv_sequence *s, uint32_t count, uint32_t row) {
        for (uint32_t i = 0; i < count; i++)
                *rows++ = (struct attention_row){ s, s->tokens_count - count + i, s->tokens_count, row + i };
        return rows;
}

static void run(struct rig *r, const struct attention_tile *t) {
        rows_read = 0;
        for (uint32_t head = 0; head < HEADS_KV; head++)
                attention_run(&r->attention, t, 0, head, r->buffers);
}

/* --- what it computes --- */

static double dot(const float *a, const float *b) {
        double sum = 0;
        for (uint32_t i = 0; i < D; i++)
                sum += (double) a[i] * (double) b[i];
        return sum;
}

/* Softmax as it is written in books, of query head HEAD of ROW, over positions FROM .. its own. */
static void plain(struct rig *r, const struct attention_row *row, uint32_t head, uint32_t from, double out[D]) {
        float query[D], x[D];
        double sum = 0;
        memset(out, 0, D * sizeof(*out));
        memcpy(query, r->queries[row->row][head], sizeof(query));
        for (uint32_t at = from; at <= row->position; at++) {
                uint32_t block = row->sequence->blocks[at / KV_BLOCK_TOKENS], place = at % KV_BLOCK_TOKENS;
                struct kv_rows k = kv_cache_keys(r->cache, block, 0, head / GROUP),
                               v = kv_cache_values(r->cache, block, 0, head / GROUP);
                if (at == from && kv_type_rotates_keys(k.type))
                        counting.hadamard(query, D);
                counting.kv[k.type].load(k.rows + place * (size_t) k.row_bytes, D, x);
                double weight = exp(0.125 * dot(query, x));
                counting.kv[v.type].load(v.rows + place * (size_t) v.row_bytes, D, x);
                for (uint32_t i = 0; i < D; i++)
                        out[i] += weight * (double) x[i];
                sum += weight;
        }
        for (uint32_t i = 0; i < D; i++)
                out[i] /= sum;
}

static void it_is_softmax_over_what_is_seen(void **state) {
        (void) state;
        static const uint32_t windows[] = { 0, 700 };
        for (unsigned i = 0; i < 2 * KV_TYPE_COUNT; i++) {
                struct rig *r = rig_open((enum kv_type)(i / 2), windows[i % 2]);
                struct kv_sequence s = { 0 };
                struct attention_row rows[ROWS_MAX];
                grow(r, &s, TOKENS, 0);
                (void) last_rows(rows, &s, ROWS_MAX, 0);
                run(r, &(struct attention_tile){ rows, ROWS_MAX });
                for (uint32_t row = 0; row < ROWS_MAX; row++)
                        for (uint32_t head = 0; head < HEADS; head++) {
                                double expected[D];
                                uint32_t end = rows[row].position + 1;
                                plain(r, &rows[row], head, windows[i % 2] ? end - windows[i % 2] : 0, expected);
                                for (uint32_t v = 0; v < D; v++)
                                        assert_true(fabs((double) r->attended[row][head][v] - expected[v]) < 1e-4);
                        }
                kv_sequence_done(r->cache, &s);
                rig_close(r);
        }
}

/* --- the same bits, whoever computes it beside what --- */

static void in_pieces(struct rig *r, const struct attention_tile *t, uint32_t pieces) {
        struct attention_chunks chunks = attention_chunks(&r->attention, t, 0);
        float *parts = calloc(chunks.count * attention_softmax_floats(&r->hparams, t->count * GROUP), sizeof(float));
        for (uint32_t head = 0; head < HEADS_KV; head++) {
                for (uint32_t piece = pieces; piece-- > 0;)
                        attention_run_part(&r->attention, t, 0, head, attention_piece(chunks, piece, pieces), parts, r->buffers);
                attention_join(&r->attention, t, 0, head, parts);
        }
        free(parts);
}

static void chunks_by_any_threads_give_the_same_bits(void **state) {
        (void) state;
        static float whole[ROWS_MAX][HEADS][D];
        for (unsigned i = 0; i < 2 * KV_TYPE_COUNT; i++) {
                struct rig *r = rig_open((enum kv_type)(i / 2), i % 2 ? 600 : 0);
                struct kv_sequence s = { 0 };
                struct attention_row rows[ROWS_MAX];
                struct attention_tile tile = { rows, ROWS_MAX };
                grow(r, &s, TOKENS, 0);
                (void) last_rows(rows, &s, ROWS_MAX, 0);
                run(r, &tile);
                memcpy(whole, r->attended, sizeof(whole));
                assert_int_equal(attention_chunks(&r->attention, &tile, 0).count, i % 2 ? 2 : 3);
                for (uint32_t pieces = 1; pieces <= 4; pieces++) {
                        memset(r->attended, 0, sizeof(r->attended));
                        in_pieces(r, &tile, pieces);
                        assert_memory_equal(r->attended, whole, sizeof(whole));
                }
                for (uint32_t row = 0; row < ROWS_MAX; row++) {
                        memset(r->attended, 0, sizeof(r->attended));
                        run(r, &(struct attention_tile){ rows + row, 1 });
                        assert_memory_equal(r->attended[row], whole[row], sizeof(whole[row]));
                }
                kv_sequence_done(r->cache, &s);
                rig_close(r);
        }
}

/* However long a text is, it has so many chunks at most, and those of its first half are as long as they were. */
static void chunks_are_bounded(void **state) {
        (void) state;
        const struct hparams s = { .causal = true };
        for (uint32_t position = 0; position < 1u << 26; position = position * 3 / 2 + 1) {
                uint32_t chunk = attention_chunk_tokens(&s, &(struct attention_row){ .position = position });
                assert_true(position / chunk < ATTENTION_CHUNKS_MAX && chunk % KV_BLOCK_TOKENS == 0);
                assert_true(chunk == ATTENTION_CHUNK_TOKENS_MIN || position / chunk >= ATTENTION_CHUNKS_MAX / 2);
        }
}

static void few_tiles_are_shared_out_by_chunks(void **state) {
        (void) state;
        struct rig *r = rig_open(KV_F16, 0);
        struct kv_sequence s = { 0 };
        struct attention_row rows[ROWS_MAX];
        struct attention_tile one = { rows, 1 }, many[ROWS_MAX];
        grow(r, &s, TOKENS, 0);
        (void) last_rows(rows, &s, ROWS_MAX, 0);
        for (uint32_t i = 0; i < ROWS_MAX; i++)
                many[i] = (struct attention_tile){ rows + i, 1 };
        assert_int_equal(attention_work(&r->attention, &one, 1, 0, 1).units, HEADS_KV);
        struct attention_work work = attention_work(&r->attention, &one, 1, 0, 8);
        assert_int_equal(work.pieces, 3); /* no more than there are chunks */
        assert_int_equal(work.units, 3 * HEADS_KV);
        assert_true(work.units / work.pieces * work.stride <= attention_parts_floats(&r->hparams));
        work = attention_work(&r->attention, many, ROWS_MAX, 0, 4);
        assert_int_equal(work.pieces, 1);
        assert_int_equal(work.units, ROWS_MAX * HEADS_KV);
        kv_sequence_done(r->cache, &s);
        rig_close(r);
}

/* --- how often blocks are read --- */

static void windows_skip_blocks(void **state) {
        (void) state;
        struct rig *r = rig_open(KV_F16, 100);
        struct kv_sequence s = { 0 };
        struct attention_row rows[ROWS_MAX];
        grow(r, &s, TOKENS, 0);
        (void) last_rows(rows, &s, 1, 0);
        run(r, &(struct attention_tile){ rows, 1 });
        assert_int_equal(rows_read, 100 * HEADS_KV);
        kv_sequence_done(r->cache, &s);
        rig_close(r);
}

/* Four sequences with 1152 tokens in common and some of their own: the common ones are read once for all. */
static void beginnings_in_common_are_read_once(void **state) {
        (void) state;
        enum { SEQUENCES = 4, COMMON = 1152 };
        for (enum kv_type type = 0; type < KV_TYPE_COUNT; type++) {
                static float together[ROWS_MAX][HEADS][D];
                struct rig *r = rig_open(type, 0);
                struct kv_sequence s[SEQUENCES] = { 0 }, other = { 0 };
                struct attention_row rows[ROWS_MAX], *end = rows;
                struct attention_tile tiles[ROWS_MAX];
                uint32_t own = 0;
                grow(r, &s[0], COMMON, 0);
                for (uint32_t i = 1; i < SEQUENCES; i++)
                        assert_int_equal(kv_sequence_share(r->cache, &s[i], &s[0], COMMON), 0);
                grow(r, &other, 90, 9);
                for (uint32_t i = 0; i < SEQUENCES; i++) {
                        grow(r, &s[i], 10 + 40 * i, i);
                        own += 10 + 40 * i;
                        end = last_rows(end, &s[i], 1, i + (i > 1));
                        if (i == 1)
                                end = last_rows(end, &other, 1, 2);
                }
                attention_sort(rows, SEQUENCES + 1);
                uint32_t n = attention_cut(&r->hparams, rows, SEQUENCES + 1, ROWS_MAX, tiles);
                assert_int_equal(n, 2);
                uint64_t read = 0;
                for (uint32_t i = 0; i < n; i++) {
                        run(r, &tiles[i]);
                        read += rows_read;
                }
                assert_int_equal(read, (COMMON + own + 90) * HEADS_KV);
                memcpy(together, r->attended, sizeof(together));
                memset(r->attended, 0, sizeof(r->attended));
                for (uint32_t i = 0; i < SEQUENCES + 1; i++)
                        run(r, &(struct attention_tile){ rows + i, 1 });
                assert_memory_equal(r->attended, together, sizeof(together));
                for (uint32_t i = 0; i < SEQUENCES; i++)
                        kv_sequence_done(r->cache, &s[i]);
                kv_sequence_done(r->cache, &other);
                rig_close(r);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_is_softmax_over_what_is_seen),
                cmocka_unit_test(chunks_by_any_threads_give_the_same_bits),
                cmocka_unit_test(chunks_are_bounded),
                cmocka_unit_test(few_tiles_are_shared_out_by_chunks),
                cmocka_unit_test(windows_skip_blocks),
                cmocka_unit_test(beginnings_in_common_are_read_once),
        };
        count_rows();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
