/* pool.c - the size of the KV pool while it may change: what requests need of it, and what is given back. */
#include "engine/scheduler/internal.h"

#include <string.h>

static uint32_t blocks_used(const struct scheduler *s) {
        return kv_cache_blocks(s->config.cache).used;
}

/* Blocks of those that run alone; prefixes that nobody uses fall free for the asking. */
static uint32_t blocks_running(struct scheduler *s) {
        uint32_t count = 0;
        memset(s->marks, 0, s->blocks_max);
        for (uint32_t i = 0; i < s->running_count; i++)
                count += scheduler_mark_blocks(s, &s->running[i]->kv);
        return count;
}

static uint32_t at_most(uint64_t blocks, uint32_t most) {
        return blocks < most ? (uint32_t) blocks : most;
}

struct scheduler_pool scheduler_pool(struct scheduler *s) {
        struct kv_blocks blocks = kv_cache_blocks(s->config.cache);
        uint64_t running = blocks_running(s), growth = scheduler_growth(s);
        return (struct scheduler_pool){
                .limit = KV_BLOCK_TOKENS * (blocks.limit > blocks.used ? blocks.limit : blocks.used),
                .held = KV_BLOCK_TOKENS * blocks.used,
                .used = KV_BLOCK_TOKENS * (uint32_t) running,
                .needed = KV_BLOCK_TOKENS * at_most(running + growth, s->blocks_max),
                .wanted = KV_BLOCK_TOKENS * at_most(blocks.used + growth, s->blocks_max),
                .most = KV_BLOCK_TOKENS * s->blocks_max,
        };
}

/* Prefixes go first; then, where that is asked for, the youngest of those that run wait to be computed again. */
void scheduler_set_pool(struct scheduler *s, uint32_t tokens, bool makes_room) {
        uint32_t limit = scheduler_blocks_of(tokens), running = blocks_running(s);
        if (!makes_room && limit < running)
                limit = running;
        kv_cache_set_limit(s->config.cache, limit);
        while (blocks_used(s) > limit && scheduler_free_blocks(s))
                ;
        while (blocks_used(s) > limit && scheduler_turn_out(s))
                ;
        s->head_must_wait = false;
        s->is_starved = false;
}
