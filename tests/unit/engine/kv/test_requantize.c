/*
 * test_requantize.c - blocks become less precise where they lie: the right bytes, in the right order, for all of their users,
 * with no more memory on the way than before.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/dispatch/dispatch.h"
#include "engine/kernels/kernels.h"
#include "engine/kv/requantize.h"
#include "tests/own_memory.h"
#include "tests/unit/engine/kv/kv_fixture.h"

#define HEADS 6u /* of all layers */

/* --- contents --- */

/* Value I of a row: a number that says where it belongs. */
static void make_row(float *x, uint32_t n, uint32_t salt, uint32_t position, uint32_t layer, uint32_t head) {
        uint32_t state = salt * 2654435761u + position * 40503u + layer * 977u + head * 131u + 1;
        for (uint32_t i = 0; i < n; i++) {
                state = state * 1664525u + 1013904223u;
                x[i] = ((float) (state >> 8) * 0x1p-24f - 0.5f) * (i % 32 == 7 ? 9.0f : 2.0f);
        }
}

/* As the forward pass does: keys are turned where the type wants it. */
static void store_row(enum kv_type type, bool is_key, float *x, uint32_t n, uint8_t *row) {
        const struct kernels *k = kernels_get();
        if (is_key && kv_type_rotates_keys(type))
                k->hadamard(x, n);
        k->kv[type].store(x, n, row);
}

static void store_token(struct kv_cache *c, const struct kv_sequence *s, uint32_t salt, uint32_t position) {
        float x[64];
        for (uint32_t layer = 0; layer < hparams.n_layer; layer++)
                for (uint32_t head = 0; head < heads[layer]; head++) {
                        uint32_t block = s->blocks[position / KV_BLOCK_TOKENS], row = position % KV_BLOCK_TOKENS;
                        struct kv_rows keys = kv_cache_keys(c, block, layer, head);
                        struct kv_rows values = kv_cache_values(c, block, layer, head);
                        make_row(x, 64, salt, position, layer, head);
                        store_row(keys.type, true, x, 64, keys.rows + (size_t) row * keys.row_bytes);
                        make_row(x, 32, salt + 1000, position, layer, head);
                        store_row(values.type, false, x, 32, values.rows + (size_t) row * values.row_bytes);
                }
}

static void append(struct kv_cache *c, struct kv_sequence *s, uint32_t salt, uint32_t count) {
        assert_int_equal(kv_sequence_grow(c, s, count), 0);
        for (uint32_t i = 0; i < count; i++)
                store_token(c, s, salt, s->tokens_count + i);
        s->tokens_count += count;
}

/* ROW is what storing VALUES as the first type of PATH gives, and storing what is read back as each further one. */
static void check_row(const float *values, bool is_key, uint32_t n, const uint8_t *row, const enum kv_type path[],
                      uint32_t steps) {
        const struct kernels *k = kernels_get();
        float x[64];
        uint8_t expected[128];
        memcpy(x, values, n * sizeof(float));
        for (uint32_t i = 0; i < steps; i++) {
                memset(expected, 0, sizeof(expected));
                store_row(path[i], is_key && !(i && kv_type_rotates_keys(path[i - 1])), x, n, expected);
                k->types[kv_tensor_type(path[i])].dequantize(expected, n, x);
        }
        static const uint32_t bytes_32[KV_TYPE_COUNT] = { 64, 34, 18 };
        assert_memory_equal(row, expected, n / 32 * bytes_32[path[steps - 1]]);
}

/* The types a row has had. */
struct path {
        enum kv_type types[3];
        uint32_t steps;
};

static void check_token(const struct kv_cache *c, const struct kv_sequence *s, uint32_t salt, uint32_t position, struct path k,
                        struct path v) {
        float x[64];
        for (uint32_t layer = 0; layer < hparams.n_layer; layer++)
                for (uint32_t head = 0; head < heads[layer]; head++) {
                        uint32_t block = s->blocks[position / KV_BLOCK_TOKENS], row = position % KV_BLOCK_TOKENS;
                        struct kv_rows keys = kv_cache_keys(c, block, layer, head);
                        struct kv_rows values = kv_cache_values(c, block, layer, head);
                        assert_int_equal(keys.type, k.types[k.steps - 1]);
                        assert_int_equal(values.type, v.types[v.steps - 1]);
                        make_row(x, 64, salt, position, layer, head);
                        check_row(x, true, 64, keys.rows + (size_t) row * keys.row_bytes, k.types, k.steps);
                        make_row(x, 32, salt + 1000, position, layer, head);
                        check_row(x, false, 32, values.rows + (size_t) row * values.row_bytes, v.types, v.steps);
                }
}

static void check_tokens(const struct kv_cache *c, const struct kv_sequence *s, uint32_t salt, uint32_t from, uint32_t to,
                         struct path path) {
        for (uint32_t i = from; i < to; i++)
                check_token(c, s, salt, i, path, path);
}

#define PATH(...) ((struct path){ { __VA_ARGS__ }, sizeof((enum kv_type[]){ __VA_ARGS__ }) / sizeof(enum kv_type) })

static uint64_t bytes_used(const struct kv_cache *c) {
        struct kv_usage u;
        kv_cache_usage(c, &u);
        uint64_t sum = 0;
        for (uint32_t type = 0; type < KV_TYPE_COUNT; type++)
                sum += u.bytes_by_type[type];
        assert_int_equal(sum, u.bytes_used);
        return u.bytes_used;
}

static uint64_t block_bytes(enum kv_type type_k, enum kv_type type_v) {
        static const uint32_t bytes_32[KV_TYPE_COUNT] = { 64, 34, 18 };
        return (uint64_t) HEADS * KV_BLOCK_TOKENS * (2 * bytes_32[type_k] + bytes_32[type_v]);
}

/* --- one block --- */

static void check_pair(enum kv_type k, enum kv_type v, enum kv_type target, uint32_t tokens) {
        struct kv_cache *c = new_cache(3 * KV_BLOCK_TOKENS, k, v);
        struct kv_sequence s = { 0 }, other = { 0 };
        enum kv_type new_k = k > target ? k : target, new_v = v > target ? v : target;
        append(c, &other, 2, KV_BLOCK_TOKENS); /* the neighbours in the pool stay as they are */
        append(c, &s, 1, tokens);
        uint64_t freed = kv_sequence_convert(c, &s, 0, target);
        assert_int_equal(freed, block_bytes(k, v) - block_bytes(new_k, new_v));
        assert_int_equal(kv_block_bytes(c, s.blocks[0]), block_bytes(new_k, new_v));
        assert_int_equal(bytes_used(c), block_bytes(k, v) * s.blocks_count + block_bytes(new_k, new_v));
        assert_int_equal(kv_sequence_convert(c, &s, 0, target), 0);
        struct path old_k = PATH(k), old_v = PATH(v);
        struct path path_k = k == new_k ? old_k : PATH(k, new_k), path_v = v == new_v ? old_v : PATH(v, new_v);
        for (uint32_t i = 0; i < tokens; i++)
                check_token(c, &s, 1, i, i < KV_BLOCK_TOKENS ? path_k : old_k, i < KV_BLOCK_TOKENS ? path_v : old_v);
        for (uint32_t i = 0; i < KV_BLOCK_TOKENS; i++)
                check_token(c, &other, 2, i, old_k, old_v);
        kv_sequence_done(c, &s);
        kv_sequence_done(c, &other);
        kv_cache_free(c);
}

static void every_pair_of_types_becomes_every_other(void **state) {
        (void) state;
        static const uint32_t lengths[] = { 1, 13, 63, 64, 65, 128 };
        for (unsigned i = 0; i < KV_TYPE_COUNT * KV_TYPE_COUNT * KV_TYPE_COUNT * 6; i++)
                check_pair((enum kv_type)(i / 6 % 3), (enum kv_type)(i / 18 % 3), (enum kv_type)(i / 54), lengths[i % 6]);
}

/* --- memory --- */

/* Whole heads of a real size: a block is 1 MiB, or 256 pages. */
static uint32_t wide_heads[] = { 8, 8, 8, 8 };

static const struct hparams wide = {
        .n_layer = 4,
        .n_head = 8,
        .n_head_kv = 8,
        .head_kv = wide_heads,
        .d_head_k = 128,
        .d_head_v = 128,
};

static void fill_rows(struct kv_rows at, uint32_t rows) {
        memset(at.rows, 1, (size_t) rows * at.row_bytes);
}

static void fill_wide(struct kv_cache *c, struct kv_sequence *s, uint32_t tokens) {
        assert_int_equal(kv_sequence_grow(c, s, tokens), 0);
        s->tokens_count += tokens;
        for (uint32_t b = 0; b < s->blocks_count; b++) {
                uint32_t left = s->tokens_count - b * KV_BLOCK_TOKENS, rows = left < KV_BLOCK_TOKENS ? left : KV_BLOCK_TOKENS;
                for (uint32_t layer = 0; layer < 4; layer++)
                        for (uint32_t head = 0; head < 8; head++) {
                                fill_rows(kv_cache_keys(c, s->blocks[b], layer, head), rows);
                                fill_rows(kv_cache_values(c, s->blocks[b], layer, head), rows);
                        }
        }
}

static uint64_t pages(uint64_t bytes) {
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
        return (bytes + page - 1) / page * page;
}

/* Bytes of the first BLOCKS slots of the pool that are in memory. The pool begins where block 0 does. */
static uint64_t resident(const struct kv_cache *c, uint32_t blocks) {
        uint64_t page = pages(1), bytes = blocks * pages(KV_BLOCK_TOKENS * hparams_kv_bytes_per_token(&wide, KV_F16)), sum = 0;
        unsigned char *map = malloc(bytes / page);
        assert_int_equal(mincore(kv_cache_keys(c, 0, 0, 0).rows, bytes, map), 0);
        for (uint64_t i = 0; i < bytes / page; i++)
                sum += (map[i] & 1) * page;
        free(map);
        return sum;
}

static void memory_falls_block_by_block(void **state) {
        (void) state;
        enum { BLOCKS = 16 };
        struct kv_cache *c = NULL;
        struct kv_sequence s = { 0 };
        assert_int_equal(kv_cache_new(&(struct kv_config){ &wide, BLOCKS * KV_BLOCK_TOKENS, KV_F16, KV_F16 }, &c), 0);
        fill_wide(c, &s, BLOCKS * KV_BLOCK_TOKENS);
        uint64_t block[KV_TYPE_COUNT];
        for (enum kv_type type = 0; type < KV_TYPE_COUNT; type++)
                block[type] = pages(KV_BLOCK_TOKENS * hparams_kv_bytes_per_token(&wide, type));
        assert_int_equal(resident(c, BLOCKS), BLOCKS * block[KV_F16]);
        for (enum kv_type type = KV_Q8_0; type < KV_TYPE_COUNT; type++)
                for (uint32_t i = 0; i < BLOCKS; i++) {
                        assert_true(kv_sequence_convert(c, &s, i, type) > 0);
                        assert_int_equal(resident(c, BLOCKS), (BLOCKS - i - 1) * block[type - 1] + (i + 1) * block[type]);
                }
        assert_true(resident(c, BLOCKS) < 0.3 * (double) (BLOCKS * block[KV_F16]));
        kv_sequence_done(c, &s);
        assert_int_equal(resident(c, BLOCKS), 0);
        kv_cache_free(c);
}

/* Rows that are not there yet cost nothing afterwards either; but the rows of a head may come to lie on one page more. */
static void a_block_in_its_prefix_does_not_grow(void **state) {
        (void) state;
        static const uint32_t lengths[] = { 1, 9, 30, 63 };
        for (size_t i = 0; i < 4; i++) {
                struct kv_cache *c = NULL;
                struct kv_sequence s = { 0 };
                assert_int_equal(kv_cache_new(&(struct kv_config){ &wide, KV_BLOCK_TOKENS, KV_F16, KV_F16 }, &c), 0);
                fill_wide(c, &s, lengths[i]);
                uint64_t before = resident(c, 1);
                assert_true(kv_sequence_convert(c, &s, 0, KV_Q8_0) > 0);
                assert_true(resident(c, 1) <= before + 4 * 8 * pages(1));
                assert_true(resident(c, 1) <= pages(kv_block_bytes(c, 0)));
                kv_sequence_done(c, &s);
                kv_cache_free(c);
        }
}

/* The kernel's own count of the peak: what is held twice within a block cannot hide between two samples. */
static void the_peak_on_the_way_is_less_than_a_block_above_the_start(void **state) {
        (void) state;
        enum { BLOCKS = 64 };
        struct kv_cache *c = NULL;
        struct kv_sequence s = { 0 };
        if (!own_memory_reset_peak() || !own_memory_kib("VmHWM")) {
                printf("SKIP no peak to be had from /proc/self\n");
                skip();
        }
        assert_int_equal(kv_cache_new(&(struct kv_config){ &wide, BLOCKS * KV_BLOCK_TOKENS, KV_F16, KV_F16 }, &c), 0);
        fill_wide(c, &s, BLOCKS * KV_BLOCK_TOKENS);
        uint64_t before = own_memory_kib("VmRSS"), block = kv_block_bytes(c, 0) / 1024;
        assert_true(own_memory_reset_peak());
        for (uint32_t i = 0; i < BLOCKS; i++)
                assert_true(kv_sequence_convert(c, &s, i, KV_Q8_0) > 0);
        assert_true(own_memory_kib("VmHWM") < before + block);
        assert_true(own_memory_kib("VmRSS") + BLOCKS * block * 45 / 100 < before);
        kv_sequence_done(c, &s);
        kv_cache_free(c);
}

/* --- the running conversion --- */

static uint64_t clock_us, clock_step_us;

static uint64_t now_us(void) {
        return clock_us += clock_step_us;
}

static struct requantize new_requantize(struct kv_cache *c) {
        struct requantize s;
        assert_int_equal(requantize_init(&s, c, now_us), 0);
        clock_step_us = 1;
        return s;
}

#define WINDOW REQUANTIZE_WINDOW_TOKENS
#define ALL_US 1000000u

static void what_is_in_a_window_waits_until_it_has_left_it(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(20 * KV_BLOCK_TOKENS, KV_F16, KV_F16);
        struct requantize shift = new_requantize(c);
        struct kv_sequence s = { 0 };
        const struct requantize_user user = { &s, WINDOW };
        assert_int_equal(requantize_begin(&shift, KV_Q8_0), 0);
        assert_true(shift.under_way);
        for (uint32_t tokens = 0; tokens < 6 * KV_BLOCK_TOKENS; tokens++) {
                requantize_slice(&shift, &user, 1, ALL_US);
                assert_false(shift.under_way);
                uint32_t old = tokens > WINDOW ? (tokens - WINDOW) / KV_BLOCK_TOKENS : 0;
                for (uint32_t b = 0; b < s.blocks_count; b++)
                        assert_int_equal(kv_cache_keys(c, s.blocks[b], 0, 0).type, b < old ? KV_Q8_0 : KV_F16);
                append(c, &s, 1, 1);
        }
        const uint32_t five = 5 * KV_BLOCK_TOKENS;
        check_tokens(c, &s, 1, 0, five, PATH(KV_F16, KV_Q8_0));
        check_tokens(c, &s, 1, five, s.tokens_count, PATH(KV_F16));
        append(c, &s, 1, WINDOW); /* the sixth is due, and another target comes first */
        assert_int_equal(requantize_begin(&shift, KV_Q4_0), 0);
        requantize_slice(&shift, &user, 1, ALL_US);
        check_tokens(c, &s, 1, 0, five, PATH(KV_F16, KV_Q8_0, KV_Q4_0));
        check_tokens(c, &s, 1, five, five + KV_BLOCK_TOKENS, PATH(KV_F16, KV_Q4_0));
        check_tokens(c, &s, 1, five + KV_BLOCK_TOKENS, s.tokens_count, PATH(KV_F16));
        assert_int_equal(shift.figures.blocks, 5 + 6);
        kv_sequence_done(c, &s);
        requantize_done(&shift);
        kv_cache_free(c);
}

static void a_shared_block_is_converted_once_for_all_its_users(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(20 * KV_BLOCK_TOKENS, KV_F16, KV_F16);
        struct requantize shift = new_requantize(c);
        struct kv_sequence old = { 0 }, young = { 0 };
        append(c, &old, 1, 4 * KV_BLOCK_TOKENS);
        assert_int_equal(kv_sequence_share(c, &young, &old, 3 * KV_BLOCK_TOKENS), 0);
        append(c, &young, 2, 1);
        const struct requantize_user users[] = { { &old, 0 }, { &young, WINDOW } };
        assert_int_equal(requantize_begin(&shift, KV_Q8_0), 0);
        requantize_slice(&shift, users, 2, ALL_US);
        assert_int_equal(shift.figures.blocks, 3); /* the third is in the window of the young one */
        check_tokens(c, &young, 1, 0, 2 * KV_BLOCK_TOKENS, PATH(KV_F16, KV_Q8_0));
        check_tokens(c, &young, 1, 2 * KV_BLOCK_TOKENS, 3 * KV_BLOCK_TOKENS, PATH(KV_F16));
        check_tokens(c, &old, 1, 3 * KV_BLOCK_TOKENS, 4 * KV_BLOCK_TOKENS, PATH(KV_F16, KV_Q8_0));
        append(c, &young, 2, KV_BLOCK_TOKENS);
        requantize_slice(&shift, users, 2, ALL_US);
        check_tokens(c, &old, 1, 0, 4 * KV_BLOCK_TOKENS, PATH(KV_F16, KV_Q8_0));
        assert_int_equal(shift.figures.blocks, 4);
        assert_int_equal(shift.figures.bytes_freed, 4 * (block_bytes(KV_F16, KV_F16) - block_bytes(KV_Q8_0, KV_Q8_0)));

        /* One user that has been cut to less than the block does not keep the rest of it from the other. */
        kv_sequence_truncate(c, &young, 2 * KV_BLOCK_TOKENS + 5);
        assert_int_equal(kv_sequence_convert(c, &young, 2, KV_Q4_0),
                         block_bytes(KV_Q8_0, KV_Q8_0) - block_bytes(KV_Q4_0, KV_Q4_0));
        check_tokens(c, &old, 1, 2 * KV_BLOCK_TOKENS, 3 * KV_BLOCK_TOKENS, PATH(KV_F16, KV_Q8_0, KV_Q4_0));
        append(c, &young, 3, 1); /* into a copy of its own, of the same types */
        check_tokens(c, &young, 1, 2 * KV_BLOCK_TOKENS, 2 * KV_BLOCK_TOKENS + 5, PATH(KV_F16, KV_Q8_0, KV_Q4_0));
        check_tokens(c, &young, 3, 2 * KV_BLOCK_TOKENS + 5, 2 * KV_BLOCK_TOKENS + 6, PATH(KV_Q4_0));
        check_tokens(c, &old, 1, 2 * KV_BLOCK_TOKENS, 3 * KV_BLOCK_TOKENS, PATH(KV_F16, KV_Q8_0, KV_Q4_0));
        kv_sequence_done(c, &old);
        kv_sequence_done(c, &young);
        requantize_done(&shift);
        kv_cache_free(c);
}

static void a_slice_ends_with_its_budget_and_does_at_least_one_block(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(40 * KV_BLOCK_TOKENS, KV_F16, KV_F16);
        struct requantize shift = new_requantize(c);
        struct kv_sequence a = { 0 }, b = { 0 };
        append(c, &a, 1, 10 * KV_BLOCK_TOKENS);
        append(c, &b, 2, 6 * KV_BLOCK_TOKENS);
        const struct requantize_user users[] = { { &a, 0 }, { &b, WINDOW } };
        clock_step_us = 10; /* each block takes this long */
        assert_int_equal(requantize_begin(&shift, KV_Q4_0), 0);
        requantize_slice(&shift, users, 2, 0);
        assert_int_equal(shift.figures.blocks, 1);
        requantize_slice(&shift, users, 2, 9);
        assert_int_equal(shift.figures.blocks, 2);
        requantize_slice(&shift, users, 2, 45);
        assert_int_equal(shift.figures.blocks, 6);
        assert_true(shift.under_way);
        assert_int_equal(shift.figures.us, 60);
        for (uint32_t i = 0; i < 10; i++) { /* the oldest of both are done first */
                assert_int_equal(kv_cache_keys(c, a.blocks[i], 0, 0).type, i < 3 ? KV_Q4_0 : KV_F16);
                if (i < 6)
                        assert_int_equal(kv_cache_keys(c, b.blocks[i], 0, 0).type, i < 3 ? KV_Q4_0 : KV_F16);
        }
        kv_sequence_truncate(c, &a, 5 * KV_BLOCK_TOKENS); /* what has gone need not be converted */
        requantize_slice(&shift, users, 2, ALL_US);
        assert_int_equal(shift.figures.blocks, 10);
        assert_false(shift.under_way);
        assert_int_equal(bytes_used(c), 10 * block_bytes(KV_Q4_0, KV_Q4_0) + block_bytes(KV_F16, KV_F16));
        assert_int_equal(requantize_budget_us(40000), 10000);
        assert_int_equal(requantize_budget_us(4000000), REQUANTIZE_SLICE_US_MAX);
        assert_int_equal(requantize_budget_us(0), REQUANTIZE_SLICE_US_MAX);
        kv_sequence_done(c, &a);
        kv_sequence_done(c, &b);
        requantize_done(&shift);
        kv_cache_free(c);
}

static void going_back_up_brings_nothing_back(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(20 * KV_BLOCK_TOKENS, KV_F16, KV_Q8_0);
        struct requantize shift = new_requantize(c);
        struct kv_sequence s = { 0 };
        const struct requantize_user user = { &s, WINDOW };
        append(c, &s, 1, 4 * KV_BLOCK_TOKENS);
        assert_int_equal(requantize_now(&shift, &user, 1, KV_Q4_0), 0);
        append(c, &s, 1, KV_BLOCK_TOKENS);
        assert_int_equal(kv_cache_keys(c, s.blocks[4], 0, 0).type, KV_Q4_0);
        assert_int_equal(requantize_begin(&shift, KV_F16), 0);
        append(c, &s, 1, 3 * KV_BLOCK_TOKENS);
        requantize_slice(&shift, &user, 1, ALL_US);
        assert_false(shift.under_way);
        assert_int_equal(kv_cache_keys(c, s.blocks[4], 0, 0).type, KV_Q4_0);
        assert_int_equal(kv_cache_keys(c, s.blocks[5], 0, 0).type, KV_F16);
        assert_int_equal(kv_cache_values(c, s.blocks[5], 0, 0).type, KV_Q8_0); /* as loaded, and no better */
        assert_int_equal(shift.figures.blocks, 4);
        kv_sequence_done(c, &s);
        requantize_done(&shift);
        kv_cache_free(c);
}

static void relief_takes_the_windows_too_and_what_comes(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(20 * KV_BLOCK_TOKENS, KV_F16, KV_F16);
        struct requantize shift = new_requantize(c);
        struct kv_sequence s = { 0 }, t = { 0 };
        append(c, &s, 1, 2 * KV_BLOCK_TOKENS + 17);
        append(c, &t, 2, 3);
        const struct requantize_user users[] = { { &s, WINDOW }, { &t, WINDOW } };
        assert_int_equal(requantize_now(&shift, users, 2, KV_Q4_0), 0);
        assert_false(shift.under_way);
        check_tokens(c, &s, 1, 0, s.tokens_count, PATH(KV_F16, KV_Q4_0));
        append(c, &s, 1, KV_BLOCK_TOKENS);
        check_tokens(c, &s, 1, 2 * KV_BLOCK_TOKENS + 17, s.tokens_count, PATH(KV_Q4_0));
        assert_int_equal(bytes_used(c), 5 * block_bytes(KV_Q4_0, KV_Q4_0));
        assert_int_equal(requantize_now(&shift, users, 2, KV_Q8_0), 0); /* a milder one changes nothing */
        assert_int_equal(shift.target, KV_Q4_0);
        kv_sequence_done(c, &s);
        kv_sequence_done(c, &t);
        requantize_done(&shift);
        kv_cache_free(c);
}

static void heads_that_a_type_cannot_hold_refuse_it(void **state) {
        (void) state;
        struct hparams odd = hparams;
        struct kv_cache *c = NULL;
        odd.d_head_v = 40;
        assert_int_equal(kv_cache_new(&(struct kv_config){ &odd, 128, KV_F16, KV_F16 }, &c), 0);
        struct requantize shift = new_requantize(c);
        assert_int_equal(requantize_begin(&shift, KV_Q8_0), -EINVAL);
        assert_int_equal(requantize_now(&shift, NULL, 0, KV_Q4_0), -EINVAL);
        assert_int_equal(shift.target, KV_F16);
        assert_int_equal(requantize_begin(&shift, KV_F16), 0);
        requantize_done(&shift);
        kv_cache_free(c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_pair_of_types_becomes_every_other),
                cmocka_unit_test(memory_falls_block_by_block),
                cmocka_unit_test(a_block_in_its_prefix_does_not_grow),
                cmocka_unit_test(the_peak_on_the_way_is_less_than_a_block_above_the_start),
                cmocka_unit_test(what_is_in_a_window_waits_until_it_has_left_it),
                cmocka_unit_test(a_shared_block_is_converted_once_for_all_its_users),
                cmocka_unit_test(a_slice_ends_with_its_budget_and_does_at_least_one_block),
                cmocka_unit_test(going_back_up_brings_nothing_back),
                cmocka_unit_test(relief_takes_the_windows_too_and_what_comes),
                cmocka_unit_test(heads_that_a_type_cannot_hold_refuse_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
