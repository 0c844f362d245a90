/*
 * prefix_store_io.c - beginnings that outlive the engine: what finished sequences have left is written to files, and a prompt
 * that begins like one of them is read from there instead of being computed.
 *
 * The files are another's, who keeps them and finds them by their chains (kv/prefix_hash.h); here are a descriptor to write to and
 * one to read from. Keeping is for idle time: it rests while anything runs, and is given up when its blocks are wanted.
 * A prompt asks once, before it is admitted, if a file could spare it RECALL_TOKENS_MIN tokens; nobody passes it meanwhile. What
 * is read is what was written, bit for bit, or is given up as a whole; the tokens are compared, so a chain that lies costs time alone.
 */
#include "engine/scheduler/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/bounds.h"
#include "engine/kv/prefix_hash.h"

/* ---- keeping ---- */

void keeping_end(struct scheduler *s) {
        struct keeping *k = &s->keeping;
        kv_sequence_done(s->config.cache, &k->kv);
        free(k->tokens);
        if (k->fd >= 0)
                (void) close(k->fd);
        *k = (struct keeping){ .fd = -1 };
}

static void say_kept(const struct scheduler *s, uint64_t id, uint64_t bytes, const char *error) {
        s->config.sink.on_kept(s->config.sink.context, id, bytes, error);
}

static void give_up(struct scheduler *s, const char *error) {
        uint64_t id = s->keeping.id;
        keeping_end(s);
        say_kept(s, id, 0, error);
}

bool keeping_abandon(struct scheduler *s) {
        if (!s->keeping.tokens)
                return false;
        if (s->keeping.fd >= 0)
                give_up(s, "Its memory was wanted.");
        else
                keeping_end(s);
        return true;
}

/* Whether all of KV is as precise as on the first day: another prompt's answer shall not depend on what happened to this one. */
static bool is_exact(const struct scheduler *s, const struct kv_sequence *kv) {
        for (uint32_t i = 0; i < kv->blocks_count; i++) {
                struct kv_block_view b = kv_cache_block(s->config.cache, kv->blocks[i]);
                if (b.type_k != s->config.kv || b.type_v != s->config.kv)
                        return false;
        }
        return true;
}

static struct prefix *next_to_offer(struct scheduler *s) {
        struct prefix *best = NULL;
        for (uint32_t i = 0; i < s->prefixes.count; i++) {
                struct prefix *p = &s->prefixes.entries[i];
                if (!p->offered && p->kv.tokens_count >= RECALL_TOKENS_MIN && is_exact(s, &p->kv) &&
                    (!best || p->used > best->used))
                        best = p;
        }
        return best;
}

/* 0 or -ENOMEM, and nothing is held then. */
static int hold(struct scheduler *s, const struct prefix *p) {
        struct keeping *k = &s->keeping;
        uint32_t count = p->kv.tokens_count;
        k->tokens = malloc(count * sizeof(*k->tokens));
        if (!k->tokens || kv_sequence_share(s->config.cache, &k->kv, &p->kv, count) < 0) {
                keeping_end(s);
                return -ENOMEM;
        }
        memcpy(k->tokens, p->tokens, count * sizeof(*k->tokens));
        return 0;
}

int scheduler_offer(struct scheduler *s, struct scheduler_offer *ret) {
        *ret = (struct scheduler_offer){ 0 };
        if (s->keeping.fd >= 0)
                return 0; /* one at a time */
        keeping_end(s);
        struct prefix *p = next_to_offer(s);
        if (!p)
                return 0;
        uint32_t count = p->kv.tokens_count;
        struct scheduler_offer o = { .tokens = count, .hashes = malloc(count / KV_BLOCK_TOKENS * sizeof(*o.hashes)) };
        if (!o.hashes || hold(s, p) < 0) {
                free(o.hashes);
                return -ENOMEM;
        }
        p->offered = true;
        o.blocks = prefix_hash_blocks(prefix_hash_seed(s->config.session_model, s->config.kv), p->tokens, count, o.hashes);
        o.bytes = session_bytes(s->config.cache, &s->keeping.kv, count);
        *ret = o;
        return 0;
}

void scheduler_keep(struct scheduler *s, uint64_t id, int fd) {
        struct keeping *k = &s->keeping;
        if (k->tokens && k->fd < 0) {
                k->fd = fd;
                k->id = id; /* begun when nothing runs */
                return;
        }
        (void) close(fd);
        say_kept(s, id, 0, "What was offered is there no more.");
}

static bool keeps_now(const struct scheduler *s) {
        return s->keeping.fd >= 0 && s->running_count == 0;
}

static void keep_some(struct scheduler *s) {
        struct keeping *k = &s->keeping;
        int r = 1;
        if (!is_exact(s, &k->kv)) {
                give_up(s, "Its precision was lowered.");
                return;
        }
        if (k->writer.offset == 0)
                r = session_write_begin(&k->writer, k->fd, s->config.session_model, s->config.cache, &k->kv, k->tokens,
                                        k->kv.tokens_count);
        if (r >= 0)
                r = session_write_some(&k->writer, SESSION_SLICE_BYTES);
        if (r > 0)
                return;
        char error[160];
        (void) snprintf(error, sizeof(error), "It cannot be written: %s.", strerror(-r));
        if (r < 0) {
                give_up(s, error);
                return;
        }
        uint64_t id = k->id, bytes = k->writer.offset;
        keeping_end(s);
        say_kept(s, id, bytes, NULL);
}

/* ---- recalling ---- */

void recall_end(struct sequence *q) {
        if (!q->recall)
                return;
        if (q->recall->fd >= 0)
                (void) close(q->recall->fd);
        session_reader_done(&q->recall->reader);
        free(q->recall);
        q->recall = NULL;
}

static bool may_ask(const struct scheduler *s, const struct sequence *q, uint32_t known) {
        uint32_t count = (uint32_t) sequence_tokens(q)->count;
        return s->config.recalls && !q->asked && !q->suspension && q->request.kind != REQUEST_EMBED && count > known &&
               count - known > RECALL_TOKENS_MIN;
}

bool recall_ask(struct scheduler *s, struct sequence *q, uint32_t known) {
        if (q->recall)
                return q->recall->state == RECALL_ASKED;
        if (!may_ask(s, q, known))
                return false;
        q->asked = true;
        const struct token_list *tokens = sequence_tokens(q);
        uint32_t count = (uint32_t) tokens->count - 1; /* one token at least is left to compute, for the logits */
        uint64_t *hashes = malloc((count / KV_BLOCK_TOKENS + 1) * sizeof(*hashes));
        q->recall = hashes ? calloc(1, sizeof(*q->recall)) : NULL;
        if (q->recall) {
                *q->recall = (struct recall){ .state = RECALL_ASKED, .fd = -1 };
                uint32_t blocks =
                        prefix_hash_blocks(prefix_hash_seed(s->config.session_model, s->config.kv), tokens->ids, count, hashes);
                s->config.sink.on_recall(s->config.sink.context, q->request.id, hashes, blocks);
        }
        free(hashes);
        return q->recall != NULL; /* without memory it is computed */
}

void scheduler_recalled(struct scheduler *s, uint64_t id, int fd) {
        struct sequence *q = scheduler_find(s, id);
        bool waits = q && q->recall && q->recall->state == RECALL_ASKED;
        if (!waits) {
                if (fd >= 0)
                        (void) close(fd);
                return; /* it has ended, or was suspended meanwhile */
        }
        q->recall->fd = fd;
        q->recall->state = RECALL_ANSWERED;
        if (fd < 0)
                recall_end(q);
        s->head_must_wait = false;
}

static void say_spoilt(const struct scheduler *s, const struct sequence *q, int error) {
        s->config.sink.on_spoilt(s->config.sink.context, q->request.id,
                                 error == -EBADMSG || error == -ENOTSUP ? "It is not what was written." : strerror(-error),
                                 error == -EBADMSG);
}

uint32_t recall_open(struct scheduler *s, struct sequence *q, uint32_t known) {
        struct recall *c = q->recall;
        if (!c || c->state != RECALL_ANSWERED)
                return 0;
        const struct token_list *tokens = sequence_tokens(q);
        int r = c->reader.tokens ? 0 : session_read_begin(&c->reader, c->fd, s->config.session_model, s->config.cache, N_CTX_MAX);
        if (r == 0) {
                uint32_t stored = c->reader.stored_count;
                c->wanted = prefix_common(c->reader.tokens, stored, tokens->ids, (uint32_t) tokens->count - 1);
                if (c->wanted > known)
                        return c->wanted;
        } else {
                say_spoilt(s, q, r);
        }
        recall_end(q);
        return 0;
}

void recall_admitted(struct sequence *q) {
        q->recall->state = RECALL_LOADING; /* begun in the next step */
}

static void loaded(struct scheduler *s, struct sequence *q) {
        recall_end(q);
        q->cached_tokens = q->kv.tokens_count;
        requantize_look_again(&s->requantize);
        s->config.sink.on_start(s->config.sink.context, q->request.id, q->prompt_tokens, q->cached_tokens);
}

void recall_cut_short(struct scheduler *s, struct sequence *q) {
        if (!q->recall)
                return;
        if (q->recall->state == RECALL_LOADING)
                loaded(s, q); /* each block was checked by itself */
        else
                recall_end(q);
}

/* Block by block, and none beyond what is wanted: room was promised for no more. */
static void load_some(struct scheduler *s, struct sequence *q) {
        struct recall *c = q->recall;
        uint64_t from = c->reader.offset;
        int r = 1;
        while (r > 0 && q->kv.tokens_count < c->wanted && c->reader.offset - from < SESSION_SLICE_BYTES)
                r = session_read_some(&c->reader, &q->kv, 1);
        if (r < 0) {
                say_spoilt(s, q, r);
                kv_sequence_truncate(s->config.cache, &q->kv, 0);
        }
        if (r < 0 || q->kv.tokens_count >= c->wanted)
                loaded(s, q);
}

static struct sequence *that_loads(const struct scheduler *s) {
        for (uint32_t i = 0; i < s->running_count; i++)
                if (s->running[i]->recall)
                        return s->running[i];
        return NULL;
}

/* ---- both ---- */

bool recall_transfers(const struct scheduler *s) {
        return that_loads(s) || keeps_now(s);
}

void recall_transfer(struct scheduler *s) {
        struct sequence *q = that_loads(s);
        if (q)
                load_some(s, q);
        else if (keeps_now(s))
                keep_some(s);
}
