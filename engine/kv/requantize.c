/* requantize.c - see requantize.h. Tables are short, so each slice looks at all of them and remembers nothing. */
#include "engine/kv/requantize.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int requantize_init(struct requantize *s, struct kv_cache *c, uint64_t (*now_us)(void)) {
        struct kv_usage usage;
        kv_cache_usage(c, &usage);
        *s = (struct requantize){ .cache = c, .now_us = now_us, .blocks_max = usage.blocks_max };
        s->in_window = malloc(usage.blocks_max);
        return s->in_window ? 0 : -ENOMEM;
}

void requantize_done(struct requantize *s) {
        free(s->in_window);
        *s = (struct requantize){ 0 };
}

void requantize_look_again(struct requantize *s) {
        s->under_way = s->target != KV_F16;
}

int requantize_begin(struct requantize *s, enum kv_type target) {
        assert(target < KV_TYPE_COUNT);
        if (!kv_cache_can_hold(s->cache, target))
                return -EINVAL;
        s->target = target;
        requantize_look_again(s);
        kv_cache_begin_with(s->cache, KV_F16); /* F16 means: as loaded */
        return 0;
}

/* --- blocks to convert --- */

/* Blocks of S that lie before its newest WINDOW tokens. */
static uint32_t blocks_before(const struct kv_sequence *s, uint32_t window) {
        if (window == 0)
                return s->blocks_count;
        return s->tokens_count > window ? (s->tokens_count - window) / KV_BLOCK_TOKENS : 0;
}

static void mark_windows(struct requantize *s, const struct requantize_user users[], uint32_t count) {
        memset(s->in_window, 0, s->blocks_max);
        for (uint32_t u = 0; u < count; u++) {
                const struct kv_sequence *q = users[u].sequence;
                for (uint32_t i = blocks_before(q, users[u].window); i < q->blocks_count; i++)
                        s->in_window[q->blocks[i]] = 1;
        }
}

static bool is_due(const struct requantize *s, uint32_t block) {
        return !s->in_window[block] && kv_block_exceeds(s->cache, block, s->target);
}

/* The oldest block that is due: the lowest number in a table, from *INDEX on. */
static const struct kv_sequence *find_due(const struct requantize *s, const struct requantize_user users[], uint32_t count,
                                          uint32_t *index) {
        for (bool more = true; more; ++*index) {
                more = false;
                for (uint32_t u = 0; u < count; u++) {
                        const struct kv_sequence *q = users[u].sequence;
                        if (*index >= q->blocks_count)
                                continue;
                        more = true;
                        if (is_due(s, q->blocks[*index]))
                                return q;
                }
        }
        return NULL;
}

static void convert_one(struct requantize *s, const struct kv_sequence *q, uint32_t index) {
        s->figures.bytes_read += kv_block_bytes(s->cache, q->blocks[index]);
        s->figures.bytes_freed += kv_sequence_convert(s->cache, q, index, s->target);
        s->figures.blocks++;
}

/* --- slices --- */

uint64_t requantize_budget_us(uint64_t step_us) {
        uint64_t share = (uint64_t) ((double) step_us * REQUANTIZE_STEP_SHARE);
        return step_us == 0 || share > REQUANTIZE_SLICE_US_MAX ? REQUANTIZE_SLICE_US_MAX : share;
}

void requantize_slice(struct requantize *s, const struct requantize_user users[], uint32_t count, uint64_t budget_us) {
        if (s->target == KV_F16)
                return;
        mark_windows(s, users, count);
        uint64_t begun_us = s->now_us(), spent_us = 0, block_us = 0;
        uint32_t index = 0;
        const struct kv_sequence *q;
        while ((q = find_due(s, users, count, &index)) && spent_us + block_us <= budget_us) {
                convert_one(s, q, index);
                uint64_t now_us = s->now_us() - begun_us;
                block_us = now_us - spent_us;
                spent_us = now_us;
        }
        s->under_way = q != NULL;
        s->figures.us += spent_us;
}

int requantize_now(struct requantize *s, const struct requantize_user users[], uint32_t count, enum kv_type target) {
        int r = requantize_begin(s, target > s->target ? target : s->target);
        if (r < 0)
                return r;
        kv_cache_begin_with(s->cache, s->target);
        memset(s->in_window, 0, s->blocks_max);
        uint64_t begun_us = s->now_us();
        uint32_t index = 0;
        for (const struct kv_sequence *q; (q = find_due(s, users, count, &index));)
                convert_one(s, q, index);
        s->under_way = false;
        s->figures.us += s->now_us() - begun_us;
        return 0;
}
