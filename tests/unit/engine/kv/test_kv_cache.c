/* test_kv_cache.c - blocks are taken and given back, memory follows use, and nobody writes into a block that others read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/engine/kv/kv_fixture.h"
#include "tests/own_memory.h"

/* As the forward pass does: the sequence has more tokens now. */
static void append(struct kv_cache *c, struct kv_sequence *s, uint32_t count) {
        assert_int_equal(kv_sequence_grow(c, s, count), 0);
        s->tokens_count += count;
}

static uint32_t used(const struct kv_cache *c) {
        struct kv_usage u;
        kv_cache_usage(c, &u);
        return u.blocks_used;
}

/* --- places --- */

struct stretch {
        uint8_t *start, *end;
};

static int by_start(const void *a, const void *b) {
        const struct stretch *x = a, *y = b;
        return (x->start > y->start) - (x->start < y->start);
}

/* All rows of all heads of all layers of BLOCKS blocks: none overlaps another. */
static void check_places(enum kv_type type_k, enum kv_type type_v) {
        struct kv_cache *c = new_cache(3 * KV_BLOCK_TOKENS, type_k, type_v);
        struct kv_sequence s = { 0 };
        struct stretch places[3 * 6 * 2];
        size_t count = 0;
        append(c, &s, 3 * KV_BLOCK_TOKENS);
        for (uint32_t b = 0; b < 3; b++)
                for (uint32_t layer = 0; layer < 3; layer++)
                        for (uint32_t head = 0; head < heads[layer]; head++) {
                                struct kv_rows k = kv_cache_keys(c, s.blocks[b], layer, head),
                                               v = kv_cache_values(c, s.blocks[b], layer, head);
                                assert_int_equal(k.type, type_k);
                                assert_int_equal(v.type, type_v);
                                places[count++] = (struct stretch){ k.rows, k.rows + k.row_bytes * KV_BLOCK_TOKENS };
                                places[count++] = (struct stretch){ v.rows, v.rows + v.row_bytes * KV_BLOCK_TOKENS };
                                memset(k.rows, 1, k.row_bytes * KV_BLOCK_TOKENS);
                                memset(v.rows, 1, v.row_bytes * KV_BLOCK_TOKENS);
                        }
        qsort(places, count, sizeof(*places), by_start);
        for (size_t i = 1; i < count; i++)
                assert_true(places[i - 1].end <= places[i].start);
        kv_sequence_done(c, &s);
        kv_cache_free(c);
}

static void places_do_not_overlap_in_any_mix_of_types(void **state) {
        (void) state;
        for (enum kv_type k = 0; k < KV_TYPE_COUNT; k++)
                for (enum kv_type v = 0; v < KV_TYPE_COUNT; v++)
                        check_places(k, v);
}

static void rows_are_as_long_as_their_type_says(void **state) {
        (void) state;
        static const uint32_t bytes_64[KV_TYPE_COUNT] = { 128, 68, 36 }, bytes_32[KV_TYPE_COUNT] = { 64, 34, 18 };
        for (enum kv_type type = 0; type < KV_TYPE_COUNT; type++) {
                struct kv_cache *c = new_cache(64, type, type);
                struct kv_sequence s = { 0 };
                struct kv_usage u;
                append(c, &s, 1);
                assert_int_equal(kv_cache_keys(c, s.blocks[0], 0, 0).row_bytes, bytes_64[type]);
                assert_int_equal(kv_cache_values(c, s.blocks[0], 0, 0).row_bytes, bytes_32[type]);
                kv_cache_usage(c, &u);
                assert_int_equal(u.bytes_used, KV_BLOCK_TOKENS * hparams_kv_bytes_per_token(&hparams, type));
                assert_int_equal(u.blocks_by_type[type], 1);
                kv_sequence_done(c, &s);
                kv_cache_free(c);
        }
}

/* --- taking and giving back --- */

static void growing_takes_whole_blocks_and_nothing_when_it_fails(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(129, KV_F16, KV_F16); /* three blocks */
        struct kv_sequence s = { 0 }, other = { 0 };
        append(c, &s, 1);
        assert_int_equal(used(c), 1);
        append(c, &s, 63);
        assert_int_equal(used(c), 1);
        append(c, &s, 1);
        assert_int_equal(used(c), 2);
        assert_int_equal(kv_sequence_grow(c, &other, 65), -ENOSPC);
        assert_int_equal(kv_sequence_grow(c, &s, UINT32_MAX), -ENOSPC);
        assert_int_equal(used(c), 2);
        assert_int_equal(other.blocks_count, 0);
        append(c, &other, 64);
        assert_int_equal(kv_sequence_grow(c, &s, 63), 0);
        assert_int_equal(kv_sequence_grow(c, &s, 64), -ENOSPC);
        kv_sequence_done(c, &other);
        assert_int_equal(kv_sequence_grow(c, &s, 64), 0);
        kv_sequence_truncate(c, &s, 1000); /* room beyond the last token goes back too */
        assert_int_equal(s.tokens_count, 65);
        assert_int_equal(used(c), 2);
        kv_sequence_truncate(c, &s, 64);
        assert_int_equal(used(c), 1);
        kv_sequence_truncate(c, &s, 0);
        assert_int_equal(used(c), 0);
        kv_sequence_done(c, &s);
        kv_cache_free(c);
}

static void a_shared_block_goes_with_its_last_user(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(64 * 8, KV_Q8_0, KV_Q4_0);
        struct kv_sequence a = { 0 }, b = { 0 }, d = { 0 };
        append(c, &a, 150);
        assert_int_equal(kv_sequence_share(c, &b, &a, 128), 0);
        assert_int_equal(kv_sequence_share(c, &d, &b, 64), 0);
        assert_int_equal(used(c), 3);
        append(c, &b, 10);
        assert_int_equal(used(c), 4);
        assert_int_equal(a.blocks[1], b.blocks[1]);
        kv_sequence_done(c, &a);
        assert_int_equal(used(c), 3);
        kv_sequence_done(c, &b);
        assert_int_equal(used(c), 1);
        kv_sequence_done(c, &d);
        assert_int_equal(used(c), 0);
        kv_cache_free(c);
}

static void a_sequence_cut_inside_a_shared_block_gets_a_copy_before_it_writes(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(64 * 4, KV_F16, KV_F16);
        struct kv_sequence a = { 0 }, b = { 0 };
        append(c, &a, 128);
        uint8_t *mine = kv_cache_keys(c, a.blocks[1], 2, 1).rows;
        memset(mine, 7, 64);
        assert_int_equal(kv_sequence_share(c, &b, &a, 128), 0);
        kv_sequence_truncate(c, &b, 100);
        assert_int_equal(a.blocks[1], b.blocks[1]);
        assert_int_equal(kv_sequence_grow(c, &b, 0), 0);
        assert_int_equal(a.blocks[1], b.blocks[1]);
        append(c, &b, 1);
        assert_int_not_equal(a.blocks[1], b.blocks[1]);
        assert_int_equal(a.blocks[0], b.blocks[0]);
        uint8_t *copy = kv_cache_keys(c, b.blocks[1], 2, 1).rows;
        assert_memory_equal(mine, copy, 64);
        memset(copy, 9, 64);
        assert_int_equal(mine[0], 7);
        assert_int_equal(used(c), 3);
        append(c, &a, 64); /* the fourth and last */
        struct kv_sequence d = { 0 };
        assert_int_equal(kv_sequence_share(c, &d, &a, 64), 0);
        kv_sequence_truncate(c, &d, 10);
        assert_int_equal(kv_sequence_grow(c, &d, 1), -ENOSPC); /* no block is left for the copy */
        assert_int_equal(d.blocks[0], a.blocks[0]);
        kv_sequence_done(c, &a);
        kv_sequence_done(c, &b);
        kv_sequence_done(c, &d);
        assert_int_equal(used(c), 0);
        kv_cache_free(c);
}

static void what_is_shared_within_a_block_is_copied(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(64 * 4, KV_F16, KV_F16);
        struct kv_sequence a = { 0 }, b = { 0 }, d = { 0 };
        append(c, &a, 120);
        uint8_t *mine = kv_cache_keys(c, a.blocks[1], 2, 1).rows;
        memset(mine, 7, 64);
        assert_int_equal(kv_sequence_share(c, &b, &a, 100), 0);
        assert_int_equal(b.tokens_count, 100);
        assert_int_equal(a.blocks[0], b.blocks[0]);
        assert_int_not_equal(a.blocks[1], b.blocks[1]);
        assert_memory_equal(kv_cache_keys(c, b.blocks[1], 2, 1).rows, mine, 64);
        assert_int_equal(used(c), 3);
        kv_cache_set_limit(c, 3); /* one is free, and may not be taken */
        assert_int_equal(kv_sequence_share(c, &d, &a, 100), 0);
        assert_int_equal(d.tokens_count, 64);
        assert_int_equal(used(c), 3);
        kv_sequence_done(c, &d);
        kv_cache_set_limit(c, 4);
        append(c, &a, 60);
        assert_int_equal(kv_sequence_share(c, &d, &a, 100), 0); /* no block is left for the copy */
        assert_int_equal(d.tokens_count, 64);
        assert_int_equal(d.blocks_count, 1);
        kv_sequence_done(c, &a);
        kv_sequence_done(c, &b);
        kv_sequence_done(c, &d);
        assert_int_equal(used(c), 0);
        kv_cache_free(c);
}

/* --- memory follows use --- */

static uint64_t resident_kib(void) {
        FILE *file = fopen("/proc/self/smaps_rollup", "r");
        char line[256];
        unsigned long kib = 0;
        if (!file)
                return 0;
        while (fgets(line, sizeof(line), file))
                if (sscanf(line, "Rss: %lu kB", &kib) == 1)
                        break;
        (void) fclose(file);
        return kib;
}

static void fill_block(struct kv_cache *c, uint32_t block) {
        for (uint32_t layer = 0; layer < 3; layer++)
                for (uint32_t head = 0; head < heads[layer]; head++) {
                        struct kv_rows k = kv_cache_keys(c, block, layer, head), v = kv_cache_values(c, block, layer, head);
                        memset(k.rows, 1, k.row_bytes * KV_BLOCK_TOKENS);
                        memset(v.rows, 1, v.row_bytes * KV_BLOCK_TOKENS);
                }
}

static void memory_follows_use(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(1u << 20, KV_F16, KV_F16); /* 1.1 GiB of addresses */
        struct kv_sequence s = { 0 };
        uint64_t before = resident_kib();
        if (!before) {
                printf("SKIP no /proc/self/smaps_rollup here\n");
                skip();
        }
        append(c, &s, 500 * KV_BLOCK_TOKENS);
        assert_true(resident_kib() < before + 2000); /* tables, not blocks */
        for (uint32_t i = 0; i < s.blocks_count; i++)
                fill_block(c, s.blocks[i]);
        uint64_t bytes = 500 * KV_BLOCK_TOKENS * hparams_kv_bytes_per_token(&hparams, KV_F16), full = resident_kib();
        uint64_t spare = 2000 + own_memory_shadow(bytes) / 1024;
        assert_true(full > before + bytes / 1024 * 98 / 100 && full < before + bytes / 1024 + spare);
        kv_sequence_truncate(c, &s, 100 * KV_BLOCK_TOKENS);
        assert_true(resident_kib() < before + bytes / 1024 / 5 + spare);
        kv_sequence_done(c, &s);
        assert_true(resident_kib() < before + spare);
        kv_cache_free(c);
}

static void a_block_taken_again_is_empty_and_of_the_cache_s_types(void **state) {
        (void) state;
        struct kv_cache *c = new_cache(64, KV_Q4_0, KV_Q8_0);
        struct kv_sequence s = { 0 };
        append(c, &s, 1);
        fill_block(c, s.blocks[0]);
        kv_sequence_done(c, &s);
        append(c, &s, 1);
        assert_int_equal(kv_cache_keys(c, s.blocks[0], 0, 0).rows[0], 0);
        assert_int_equal(kv_cache_keys(c, s.blocks[0], 0, 0).type, KV_Q4_0);
        assert_int_equal(kv_cache_values(c, s.blocks[0], 0, 0).type, KV_Q8_0);
        kv_sequence_done(c, &s);
        kv_cache_free(c);
}

/* --- refusals --- */

static void heads_that_a_type_cannot_hold_are_refused(void **state) {
        (void) state;
        struct kv_cache *c = NULL;
        struct hparams odd = hparams;
        odd.d_head_v = 40;
        assert_int_equal(kv_cache_new(&(struct kv_config){ &odd, 64, KV_F16, KV_Q8_0 }, &c), -EINVAL);
        assert_int_equal(kv_cache_new(&(struct kv_config){ &odd, 64, KV_F16, KV_F16 }, &c), 0);
        kv_cache_free(c);
        c = NULL;
        odd.d_head_k = 8;
        assert_int_equal(kv_cache_new(&(struct kv_config){ &odd, 64, KV_Q4_0, KV_F16 }, &c), -EINVAL);
        assert_int_equal(kv_cache_new(&(struct kv_config){ &hparams, 0, KV_F16, KV_F16 }, &c), -EINVAL);
        assert_null(c);
        kv_cache_free(NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(places_do_not_overlap_in_any_mix_of_types),
                cmocka_unit_test(rows_are_as_long_as_their_type_says),
                cmocka_unit_test(growing_takes_whole_blocks_and_nothing_when_it_fails),
                cmocka_unit_test(a_shared_block_goes_with_its_last_user),
                cmocka_unit_test(a_sequence_cut_inside_a_shared_block_gets_a_copy_before_it_writes),
                cmocka_unit_test(what_is_shared_within_a_block_is_copied),
                cmocka_unit_test(memory_follows_use),
                cmocka_unit_test(a_block_taken_again_is_empty_and_of_the_cache_s_types),
                cmocka_unit_test(heads_that_a_type_cannot_hold_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
