/*
 * admit.c - the account of the pool, which decides who may run.
 *
 * A running sequence holds blocks, and will grow: by the rest of its prompt surely, and by an answer of which only the most is known. What
 * is promised to it is what answers of this engine usually come to (LIKELY). The first in the queue is admitted when all blocks that
 * running sequences hold, and all growth promised, fit together with it. Blocks that only remembered prefixes hold are free for the
 * asking.
 *
 * When more is needed than was promised, and nothing is free any more, the YOUNGEST MAKES ROOM, of the batch class first: it gives all its
 * blocks up, returns to the queue, and is computed again when it fits, which changes nothing of its answer. In its class who came first is
 * never turned out by who came later, the oldest of all fits alone (scheduler_submit has seen to it), and nobody in the queue passes who
 * returns; so each becomes the oldest one day, and none starves.
 *
 * SIBLINGS, the answers to one prompt, are sequences like any other, but for one thing: while the first of them computes the prompt the others
 * wait, and are passed by who comes behind them, since they take over its KV to the last whole token. That wait ends with the prompt, so it
 * starves nobody.
 *
 * A suspended sequence holds nothing, so nothing is promised to it. That it comes back is the queue's order: RETURNING
 * FIRST. Who has been restored, or made room, waits before all who never ran, in the order of the returning, and while the first
 * cannot run nobody passes it. It fits when the others have ended, since it once did.
 */
#include "engine/scheduler/internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/request/error.h"

#define ANSWER_PART 0.125 /* of the mean of answers' lengths is the last one's */

uint32_t scheduler_mark_blocks(const struct scheduler *s, const struct kv_sequence *kv) {
        uint32_t fresh = 0;
        for (uint32_t i = 0; i < kv->blocks_count; i++) {
                fresh += !s->marks[kv->blocks[i]];
                s->marks[kv->blocks[i]] = 1;
        }
        return fresh;
}

static uint32_t least(uint32_t a, uint32_t b) {
        return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b) {
        return a > b ? a : b;
}

/* Of tokens that Q will still make. Who has gone beyond what is usual is believed to go on for half as long again. */
static uint32_t likely_more(const struct scheduler *s, const struct sequence *q) {
        uint32_t usual = s->answer_tokens > q->tokens_made ? (uint32_t) s->answer_tokens - q->tokens_made : 0;
        return most(most(usual, q->tokens_made / 2), KV_BLOCK_TOKENS);
}

static uint32_t growth_left(const struct scheduler *s, const struct sequence *q) {
        uint32_t tokens = request_tokens_max(&q->request) - q->tokens_made; /* its input has grown by these */
        if (q->request.kind != REQUEST_EMBED)
                tokens = least(tokens, (uint32_t) sequence_tokens(q)->count + likely_more(s, q));
        uint32_t all = scheduler_blocks_of(tokens);
        return all > q->kv.blocks_count ? all - q->kv.blocks_count : 0;
}

void scheduler_note_answer(struct scheduler *s, const struct sequence *q) {
        if (q->finish != FINISH_LENGTH || q->tokens_made > s->answer_tokens) /* a limit of the client tells of nothing else */
                s->answer_tokens += ANSWER_PART * (q->tokens_made - s->answer_tokens);
}

static uint64_t growth_of_running(const struct scheduler *s) {
        uint64_t growth = 0;
        for (uint32_t i = 0; i < s->running_count; i++)
                growth += growth_left(s, s->running[i]);
        return growth;
}

uint64_t scheduler_growth(const struct scheduler *s) {
        uint64_t growth = growth_of_running(s);
        uint32_t places = s->config.parallel - s->running_count;
        for (const struct sequence *q = s->waiting; q && places > 0; q = q->next, places--)
                growth += growth_left(s, q);
        return growth;
}

/* Blocks that running sequences and Q hold and may still need, each counted once. */
static uint32_t blocks_promised(struct scheduler *s, const struct sequence *q) {
        memset(s->marks, 0, s->blocks_max);
        uint32_t promised = scheduler_mark_blocks(s, &q->kv) + growth_left(s, q);
        for (uint32_t i = 0; i < s->running_count; i++)
                promised += scheduler_mark_blocks(s, &s->running[i]->kv) + growth_left(s, s->running[i]);
        return promised;
}

static bool are_siblings(const struct sequence *q, const struct sequence *other) {
        return q->request.group && q->request.group == other->request.group;
}

/* How many of Q's first COUNT tokens OTHER has: whole blocks, but the whole of a prompt that is theirs together. */
static uint32_t common_with(const struct sequence *other, const struct sequence *q, uint32_t count) {
        const int32_t *ids = sequence_tokens(q)->ids, *others = sequence_tokens(other)->ids;
        uint32_t stored = least(other->kv.tokens_count, count), common = prefix_common(others, stored, ids, count);
        while (are_siblings(q, other) && common < stored && others[common] == ids[common])
                common++;
        return common;
}

/* The longest prefix that Q can take over; one token at least is left to compute, for the logits. */
static const struct kv_sequence *find_prefix(struct scheduler *s, const struct sequence *q, uint32_t *ret_common) {
        const struct token_list *tokens = sequence_tokens(q);
        uint32_t count = (uint32_t) tokens->count - 1;
        const struct kv_sequence *best = prefix_find(&s->prefixes, q->request.tenant, tokens->ids, count, ret_common);
        for (uint32_t i = 0; i < s->running_count; i++) {
                const struct sequence *other = s->running[i];
                if (other->request.kind == REQUEST_EMBED || other->request.tenant != q->request.tenant)
                        continue;
                uint32_t common = common_with(other, q, count);
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
                q->cached_tokens = q->kv.tokens_count;
        return r;
}

/* Makes the first in the queue ready to run, with what it can share. 0, or -EAGAIN: no room now; or -ENOMEM. */
static int make_room(struct scheduler *s, struct sequence *q) {
        if (q->request.kind != REQUEST_EMBED && !has_file(q) && !sequence_tells_prompt(q)) {
                int r = take_prefix(s, q);
                if (r < 0)
                        return r;
        }
        uint32_t promised = blocks_promised(s, q);
        if (promised > kv_cache_blocks(s->config.cache).limit) {
                kv_sequence_done(s->config.cache, &q->kv);
                return -EAGAIN;
        }
        uint64_t growth = growth_left(s, q) + growth_of_running(s);
        for (;;) {
                struct kv_blocks blocks = kv_cache_blocks(s->config.cache);
                if (blocks.used + growth <= blocks.limit)
                        return 0;
                bool dropped = scheduler_free_blocks(s);
                assert(dropped); /* without these, what is used and promised fits: looked at above */
        }
}

/* ---- when there is not enough ---- */

bool scheduler_free_blocks(struct scheduler *s) {
        return prefix_drop_oldest(&s->prefixes) || saving_abandon(s);
}

/* One that is being written to a file gives its blocks soon, and one that is read from there needs them as soon. */
static bool can_make_room(const struct sequence *q) {
        return !q->suspension && !q->lookup && q->kv.blocks_count > 0;
}

/* What can wait makes room before what somebody waits for; of the same class the younger. */
bool scheduler_goes_sooner(const struct sequence *q, const struct sequence *other) {
        return q->request.batch != other->request.batch ? q->request.batch : q->number > other->number;
}

static struct sequence *first_to_go(const struct scheduler *s) {
        struct sequence *found = NULL;
        for (uint32_t i = 0; i < s->running_count; i++)
                if (can_make_room(s->running[i]) && (!found || scheduler_goes_sooner(s->running[i], found)))
                        found = s->running[i];
        return found;
}

bool scheduler_turn_out(struct scheduler *s) {
        struct sequence *q = first_to_go(s);
        bool done = q && suspension_by_itself(s, q);
        s->made_room += done;
        return done;
}

void scheduler_make_room(struct scheduler *s) {
        if (s->is_short && s->running_count > 1)
                (void) scheduler_turn_out(s);
        s->is_short = false;
}

/* Whether the prompt of Q is being computed already: it begins with what comes of that. */
static bool waits_for_sibling(const struct scheduler *s, const struct sequence *q) {
        for (uint32_t i = 0; i < s->running_count && !has_file(q) && !sequence_tells_prompt(q); i++)
                if (are_siblings(q, s->running[i]) && s->running[i]->kv.tokens_count < s->running[i]->prompt_tokens)
                        return true;
        return false;
}

struct sequence **scheduler_next(struct scheduler *s) {
        struct sequence **link = &s->waiting;
        while (*link && waits_for_sibling(s, *link))
                link = &(*link)->next;
        return *link && s->running_count < s->config.parallel && !s->head_must_wait ? link : NULL;
}

void scheduler_admit(struct scheduler *s) {
        for (struct sequence **link; (link = scheduler_next(s));) {
                int r = make_room(s, *link);
                if (r == -EAGAIN) {
                        s->head_must_wait = true;
                        return;
                }
                struct sequence *q = scheduler_waiting_take(s, link);
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
                        s->config.sink.on_start(s->config.sink.context, q->request.id, q->prompt_tokens, q->cached_tokens,
                                                q->request.relaxed);
        }
}
