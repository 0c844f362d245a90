/*
 * prefix_store_io.c - prefixes that outlive the engine: the KV of finished sequences is written to files, and that of a
 * prompt with the same prefix is read from there instead of being computed.
 *
 * The files are another's, who keeps them and finds them by their hashes (kv/prefix_hash.h); here are a descriptor to write to
 * and one to read from. Saving is for idle time: it rests while anything runs, and is given up when its blocks are wanted. A
 * prompt asks once, before it is admitted, if a file could spare it LOOKUP_TOKENS_MIN tokens; nobody passes it meanwhile. What
 * is read is what was written, bit for bit, or is given up as a whole; the tokens are compared, so a hash that lies costs time
 * alone.
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

static uint64_t seed_of(const struct scheduler *s, uint64_t tenant) {
        return prefix_hash_seed(s->config.session_model, s->config.kv, tenant);
}

/* ---- saving ---- */

void saving_end(struct scheduler *s) {
        struct saving *saving = &s->saving;
        kv_sequence_done(s->config.cache, &saving->kv);
        free(saving->tokens);
        if (saving->fd >= 0)
                (void) close(saving->fd);
        *saving = (struct saving){ .fd = -1 };
}

static void say_saved(const struct scheduler *s, uint64_t id, uint64_t bytes, const char *error) {
        s->config.sink.on_saved(s->config.sink.context, id, bytes, error);
}

static void give_up(struct scheduler *s, const char *error) {
        uint64_t id = s->saving.id;
        saving_end(s);
        say_saved(s, id, 0, error);
}

bool saving_abandon(struct scheduler *s) {
        if (!s->saving.tokens)
                return false;
        if (s->saving.fd >= 0)
                give_up(s, "Its memory was wanted.");
        else
                saving_end(s);
        return true;
}

/* Whether all of KV is as precise as on the first day: another prompt's answer shall not depend on what happened to this
 * one. */
static bool is_exact(const struct scheduler *s, const struct kv_sequence *kv) {
        for (uint32_t i = 0; i < kv->blocks_count; i++) {
                struct kv_block_view b = kv_cache_block(s->config.cache, kv->blocks[i]);
                if (b.type_k != s->config.kv || b.type_v != s->config.kv)
                        return false;
        }
        return true;
}

static struct prefix *next_candidate(struct scheduler *s) {
        struct prefix *best = NULL;
        for (uint32_t i = 0; i < s->prefixes.count; i++) {
                struct prefix *p = &s->prefixes.entries[i];
                if (!p->was_candidate && p->kv.tokens_count >= LOOKUP_TOKENS_MIN && is_exact(s, &p->kv) &&
                    (!best || p->used > best->used))
                        best = p;
        }
        return best;
}

/* 0 or -ENOMEM, and nothing is held then. */
static int hold(struct scheduler *s, const struct prefix *p) {
        struct saving *saving = &s->saving;
        uint32_t count = p->kv.tokens_count;
        saving->tokens = malloc(count * sizeof(*saving->tokens));
        if (!saving->tokens || kv_sequence_share(s->config.cache, &saving->kv, &p->kv, count) < 0) {
                saving_end(s);
                return -ENOMEM;
        }
        memcpy(saving->tokens, p->tokens, count * sizeof(*saving->tokens));
        return 0;
}

int scheduler_save_candidate(struct scheduler *s, struct scheduler_save_candidate *ret) {
        *ret = (struct scheduler_save_candidate){ 0 };
        if (s->saving.fd >= 0)
                return 0; /* one at a time */
        saving_end(s);
        struct prefix *p = next_candidate(s);
        if (!p)
                return 0;
        uint32_t count = p->kv.tokens_count;
        struct scheduler_save_candidate o = { .tokens = count, .hashes = malloc(count / KV_BLOCK_TOKENS * sizeof(*o.hashes)) };
        if (!o.hashes || hold(s, p) < 0) {
                free(o.hashes);
                return -ENOMEM;
        }
        p->was_candidate = true;
        o.blocks = prefix_hash_blocks(seed_of(s, p->tenant), p->tokens, count, o.hashes);
        o.bytes = session_bytes(s->config.cache, &s->saving.kv, count);
        *ret = o;
        return 0;
}

void scheduler_save(struct scheduler *s, uint64_t id, int fd) {
        struct saving *saving = &s->saving;
        if (saving->tokens && saving->fd < 0) {
                saving->fd = fd;
                saving->id = id; /* begun when nothing runs */
                return;
        }
        (void) close(fd);
        say_saved(s, id, 0, "The save candidate is no longer there.");
}

static bool keeps_now(const struct scheduler *s) {
        return s->saving.fd >= 0 && s->running_count == 0;
}

static void save_some(struct scheduler *s) {
        struct saving *saving = &s->saving;
        int r = 1;
        if (!is_exact(s, &saving->kv)) {
                give_up(s, "Its precision was lowered.");
                return;
        }
        if (saving->writer.offset == 0)
                r = session_write_begin(&saving->writer, saving->fd, s->config.session_model, s->config.cache, &saving->kv,
                                        saving->tokens, saving->kv.tokens_count);
        if (r >= 0)
                r = session_write_some(&saving->writer, SESSION_SLICE_BYTES);
        if (r > 0)
                return;
        char error[160];
        (void) snprintf(error, sizeof(error), "It cannot be written: %s.", strerror(-r));
        if (r < 0) {
                give_up(s, error);
                return;
        }
        uint64_t id = saving->id, bytes = saving->writer.offset;
        saving_end(s);
        say_saved(s, id, bytes, NULL);
}

/* ---- lookup ---- */

void lookup_end(struct sequence *q) {
        if (!q->lookup)
                return;
        if (q->lookup->fd >= 0)
                (void) close(q->lookup->fd);
        session_reader_done(&q->lookup->reader);
        free(q->lookup);
        q->lookup = NULL;
}

static bool may_ask(const struct scheduler *s, const struct sequence *q, uint32_t known) {
        uint32_t count = (uint32_t) sequence_tokens(q)->count;
        return s->config.lookups && !q->asked && !q->suspension && q->request.kind != REQUEST_EMBED && count > known &&
               count - known > LOOKUP_TOKENS_MIN;
}

bool lookup_ask(struct scheduler *s, struct sequence *q, uint32_t known) {
        if (q->lookup)
                return q->lookup->state == LOOKUP_ASKED;
        if (!may_ask(s, q, known))
                return false;
        q->asked = true;
        const struct token_list *tokens = sequence_tokens(q);
        uint32_t count = (uint32_t) tokens->count - 1; /* one token at least is left to compute, for the logits */
        uint64_t *hashes = malloc((count / KV_BLOCK_TOKENS + 1) * sizeof(*hashes));
        q->lookup = hashes ? calloc(1, sizeof(*q->lookup)) : NULL;
        if (q->lookup) {
                *q->lookup = (struct lookup){ .state = LOOKUP_ASKED, .fd = -1 };
                uint32_t blocks = prefix_hash_blocks(seed_of(s, q->request.tenant), tokens->ids, count, hashes);
                s->config.sink.on_lookup(s->config.sink.context, q->request.id, hashes, blocks);
        }
        free(hashes);
        return q->lookup != NULL; /* without memory it is computed */
}

void scheduler_found(struct scheduler *s, uint64_t id, int fd) {
        struct sequence *q = scheduler_find(s, id);
        bool waits = q && q->lookup && q->lookup->state == LOOKUP_ASKED;
        if (!waits) {
                if (fd >= 0)
                        (void) close(fd);
                return; /* the request has ended, or was suspended meanwhile */
        }
        q->lookup->fd = fd;
        q->lookup->state = LOOKUP_ANSWERED;
        if (fd < 0)
                lookup_end(q);
        s->head_must_wait = false;
}

static void say_corrupt(const struct scheduler *s, const struct sequence *q, int error) {
        s->config.sink.on_corrupt(s->config.sink.context, q->request.id,
                                  error == -EBADMSG || error == -ENOTSUP ? "The file is damaged or of another kind."
                                                                         : strerror(-error),
                                  error == -EBADMSG);
}

uint32_t lookup_open(struct scheduler *s, struct sequence *q, uint32_t known) {
        struct lookup *c = q->lookup;
        if (!c || c->state != LOOKUP_ANSWERED)
                return 0;
        const struct token_list *tokens = sequence_tokens(q);
        int r = c->reader.tokens ? 0 : session_read_begin(&c->reader, c->fd, s->config.session_model, s->config.cache, N_CTX_MAX);
        if (r == 0) {
                uint32_t stored = c->reader.stored_count;
                c->wanted = prefix_common(c->reader.tokens, stored, tokens->ids, (uint32_t) tokens->count - 1);
                if (c->wanted > known)
                        return c->wanted;
        } else {
                say_corrupt(s, q, r);
        }
        lookup_end(q);
        return 0;
}

void lookup_admitted(struct sequence *q) {
        q->lookup->state = LOOKUP_LOADING; /* begun in the next step */
}

static void loaded(struct scheduler *s, struct sequence *q) {
        lookup_end(q);
        q->cached_tokens = q->kv.tokens_count;
        requantize_look_again(&s->requantize);
        s->config.sink.on_start(s->config.sink.context, q->request.id, q->prompt_tokens, q->cached_tokens, q->request.relaxed);
}

void lookup_cut_short(struct scheduler *s, struct sequence *q) {
        if (!q->lookup)
                return;
        if (q->lookup->state == LOOKUP_LOADING)
                loaded(s, q); /* each block was checked by itself */
        else
                lookup_end(q);
}

/* Block by block, and none beyond what is wanted: room was promised for no more. */
static void load_some(struct scheduler *s, struct sequence *q) {
        struct lookup *c = q->lookup;
        uint64_t from = c->reader.offset;
        int r = 1;
        while (r > 0 && q->kv.tokens_count < c->wanted && c->reader.offset - from < SESSION_SLICE_BYTES)
                r = session_read_some(&c->reader, &q->kv, 1);
        if (r < 0) {
                say_corrupt(s, q, r);
                kv_sequence_truncate(s->config.cache, &q->kv, 0);
        }
        if (r < 0 || q->kv.tokens_count >= c->wanted)
                loaded(s, q);
}

static struct sequence *that_loads(const struct scheduler *s) {
        for (uint32_t i = 0; i < s->running_count; i++)
                if (s->running[i]->lookup)
                        return s->running[i];
        return NULL;
}

/* ---- both ---- */

bool lookup_transfers(const struct scheduler *s) {
        return that_loads(s) || keeps_now(s);
}

void lookup_transfer(struct scheduler *s) {
        struct sequence *q = that_loads(s);
        if (q)
                load_some(s, q);
        else if (keeps_now(s))
                save_some(s);
}
