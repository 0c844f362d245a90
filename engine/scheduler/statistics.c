/* statistics.c - the scheduler's own report: requests, their speed, and the owners of the bytes in the KV cache. */
#include "engine/scheduler/internal.h"

#include <string.h>

/* Halves of a block's bytes where keys and values differ: its own two types say how much is whose. */
static void add_block(const struct scheduler *s, uint32_t block, uint64_t bytes[KV_TYPE_COUNT]) {
        struct kv_block_view b = kv_cache_block(s->config.cache, block);
        bytes[b.type_k] += b.keys_bytes;
        bytes[b.type_v] += b.bytes_count - b.keys_bytes;
}

/* Each block once, whoever shares it. */
static void count_kv(const struct scheduler *s, struct scheduler_statistics *ret) {
        struct kv_usage usage;
        kv_cache_usage(s->config.cache, &usage);
        memset(s->marks, 0, s->blocks_max);
        for (uint32_t i = 0; i < s->running_count; i++)
                (void) scheduler_mark_blocks(s, &s->running[i]->kv);
        uint64_t running = 0;
        for (uint32_t block = 0; block < s->blocks_max; block++)
                if (s->marks[block])
                        add_block(s, block, ret->kv_bytes);
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++)
                running += ret->kv_bytes[type];
        ret->prefix_bytes = usage.bytes_used - running;
}

/* The bytes that would come back if the sequence gave its blocks up: those that nobody shares. */
static uint64_t own_bytes(const struct scheduler *s, const struct kv_sequence *kv) {
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < kv->blocks_count; i++) {
                struct kv_block_view b = kv_cache_block(s->config.cache, kv->blocks[i]);
                bytes += b.shared ? 0 : b.bytes_count;
        }
        return bytes;
}

/* Suspended requests in the queue hold nothing either, and need as much as before. */
static void list_requests(const struct scheduler *s, struct scheduler_statistics *ret) {
        for (uint32_t i = 0; i < s->running_count; i++) {
                const struct sequence *q = s->running[i];
                ret->running[ret->requests_running++] = (struct scheduler_request){ q->request.id, own_bytes(s, &q->kv) };
        }
        for (uint32_t i = 0; i < s->suspended_count; i++) {
                const struct sequence *q = s->suspended[i];
                ret->suspended[ret->suspended_count++] = (struct scheduler_request){ q->request.id, q->suspension->bytes };
        }
        for (const struct sequence *q = s->waiting; q && q->suspension && ret->suspended_count < WIRE_SUSPENDED_MAX; q = q->next)
                if (!q->suspension->by_itself)
                        ret->suspended[ret->suspended_count++] =
                                (struct scheduler_request){ q->request.id, q->suspension->bytes };
}

struct scheduler_statistics scheduler_statistics(const struct scheduler *s) {
        struct scheduler_statistics ret = {
                .requests_waiting = s->waiting_count,
                .tokens_prefilled = s->tokens_prefilled,
                .tokens_decoded = s->tokens_decoded,
                .tokens_proposed = s->tokens_proposed,
                .tokens_accepted = s->tokens_accepted,
                .made_room = s->made_room,
                .decode_tokens_per_second = throughput_now(&s->throughput, s->config.now_us()),
                .decode_tokens_per_second_usual = throughput_usual(&s->throughput),
        };
        count_kv(s, &ret);
        list_requests(s, &ret);
        return ret;
}
