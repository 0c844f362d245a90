/*
 * admit.c - the account of the pool, which decides who may run.
 *
 * A running sequence holds blocks and may still grow by what its request can come to. The first in the queue is admitted
 * when all blocks that running sequences hold, and all growth still promised, fit together with it. Blocks that only
 * remembered prefixes hold are free for the asking. So growing never fails.
 *
 * A suspended sequence holds nothing, so nothing is promised to it. That it comes back is the queue's order: RETURNING
 * FIRST. Who has been restored waits before all who were never suspended, in the order of the restoring, and while the first
 * cannot run nobody passes it. It fits when the others have ended, since it once did.
 */
#include "engine/scheduler/internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/request/error.h"

uint32_t scheduler_mark_blocks(const struct scheduler *s, const struct kv_sequence *kv) {
        uint32_t fresh = 0;
        for (uint32_t i = 0; i < kv->blocks_count; i++) {
                fresh += !s->marks[kv->blocks[i]];
                s->marks[kv->blocks[i]] = 1;
        }
        return fresh;
}

static uint32_t growth_left(const struct sequence *q) {
        uint32_t all = scheduler_blocks_of(request_tokens_max(&q->request) - q->tokens_made); /* its input has grown by these */
        return all > q->kv.blocks_count ? all - q->kv.blocks_count : 0;
}

/* Blocks that running sequences and Q hold and may still need, each counted once. */
static uint32_t blocks_promised(struct scheduler *s, const struct sequence *q) {
        memset(s->marks, 0, s->blocks_max);
        uint32_t promised = scheduler_mark_blocks(s, &q->kv) + growth_left(q);
        for (uint32_t i = 0; i < s->running_count; i++)
                promised += scheduler_mark_blocks(s, &s->running[i]->kv) + growth_left(s->running[i]);
        return promised;
}

/* The longest prefix that Q can take over; one token at least is left to compute, for the logits. */
static const struct kv_sequence *find_prefix(struct scheduler *s, const struct sequence *q, uint32_t *ret_common) {
        const struct token_list *tokens = sequence_tokens(q);
        uint32_t count = (uint32_t) tokens->count - 1;
        const struct kv_sequence *best = prefix_find(&s->prefixes, tokens->ids, count, ret_common);
        for (uint32_t i = 0; i < s->running_count; i++) {
                const struct sequence *other = s->running[i];
                if (other->request.kind == REQUEST_EMBED)
                        continue;
                uint32_t common = prefix_common(sequence_tokens(other)->ids, other->kv.tokens_count, tokens->ids, count);
                if (common > *ret_common) {
                        *ret_common = common;
                        best = &other->kv;
                }
        }
        return best;
}

/* KV that comes back from a file is read as it was written: a prefix of others could be of another precision. */
static bool has_file(const struct sequence *q) {
        return q->suspension && q->suspension->saved;
}

/* Q takes over the longest prefix that is known: from others in memory, or later from a file. 0, -EAGAIN or -ENOMEM. */
static int take_prefix(struct scheduler *s, struct sequence *q) {
        uint32_t common;
        const struct kv_sequence *prefix = find_prefix(s, q, &common);
        if (lookup_ask(s, q, common))
                return -EAGAIN;
        if (lookup_open(s, q, common) > 0)
                return 0;
        int r = prefix ? kv_sequence_share(s->config.cache, &q->kv, prefix, common) : 0;
        if (r == 0 && !q->admitted_us)
                q->cached_tokens = common;
        return r;
}

/* Makes the first in the queue ready to run, with what it can share. 0, or -EAGAIN: no room now; or -ENOMEM. */
static int make_room(struct scheduler *s, struct sequence *q) {
        if (q->request.kind != REQUEST_EMBED && !has_file(q)) {
                int r = take_prefix(s, q);
                if (r < 0)
                        return r;
        }
        uint32_t promised = blocks_promised(s, q);
        if (promised > s->blocks_max) {
                kv_sequence_done(s->config.cache, &q->kv);
                return -EAGAIN;
        }
        uint32_t growth = growth_left(q);
        for (uint32_t i = 0; i < s->running_count; i++)
                growth += growth_left(s->running[i]);
        for (;;) {
                struct kv_usage usage;
                kv_cache_usage(s->config.cache, &usage);
                if (usage.blocks_used + growth <= s->blocks_max)
                        return 0;
                bool dropped = prefix_drop_oldest(&s->prefixes) || saving_abandon(s);
                assert(dropped); /* without these, what is used and promised fits: looked at above */
        }
}

void scheduler_admit(struct scheduler *s) {
        while (s->waiting && s->running_count < s->config.parallel && !s->head_must_wait) {
                int r = make_room(s, s->waiting);
                if (r == -EAGAIN) {
                        s->head_must_wait = true;
                        return;
                }
                struct sequence *q = scheduler_waiting_take(s, &s->waiting);
                if (r < 0) {
                        struct request_error error = request_error_memory();
                        scheduler_fail(s, q, &error);
                        continue;
                }
                bool first = !q->admitted_us;
                if (first)
                        q->admitted_us = s->config.now_us();
                s->running[s->running_count++] = q;
                if (q->suspension)
                        suspension_admitted(s, q);
                if (q->lookup)
                        lookup_admitted(q); /* on_start follows when it is known how much was read */
                else if (first && q->request.kind != REQUEST_EMBED)
                        s->config.sink.on_start(s->config.sink.context, q->request.id, q->prompt_tokens, q->cached_tokens);
        }
}
