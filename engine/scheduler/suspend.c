/*
 * suspend.c - sequences that give their KV back for a while: to a file, or to be computed again.
 *
 * All that an answer depends on beside the KV stays in memory: its tokens, the state of its sampler, text held back. So what
 * comes back goes on as if nothing had been. A file is written and read in pieces between steps; until all of it is
 * safe the sequence keeps its blocks, so an error costs nothing: it goes on. A file that is not what was written, in one
 * bit, is given up as a whole and the tokens are computed again.
 */
#include "engine/scheduler/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/bounds.h"

void suspension_end(struct sequence *q) {
        if (!q->suspension)
                return;
        if (q->suspension->fd >= 0)
                (void) close(q->suspension->fd);
        session_reader_done(&q->suspension->reader);
        free(q->suspension);
        q->suspension = NULL;
}

static void say_suspended(const struct scheduler *s, uint64_t id, uint64_t bytes, const char *error) {
        s->config.sink.on_suspended(s->config.sink.context, id, bytes, error);
}

static void say_restored(const struct scheduler *s, uint64_t id, bool recomputed) {
        s->config.sink.on_restored(s->config.sink.context, id, recomputed);
}

/* ---- going ---- */

/* Bytes that fall free with Q's blocks are the difference: others may have some of them too. */
static uint64_t drop_kv(struct scheduler *s, struct sequence *q) {
        struct kv_usage before, after;
        kv_cache_usage(s->config.cache, &before);
        kv_sequence_done(s->config.cache, &q->kv);
        kv_cache_usage(s->config.cache, &after);
        s->head_must_wait = false;
        requantize_look_again(&s->requantize);
        return before.bytes_used - after.bytes_used;
}

/* To `suspended`, from wherever it is. Returns the bytes that were given back. */
static uint64_t put_away(struct scheduler *s, struct sequence *q) {
        uint64_t bytes = drop_kv(s, q);
        scheduler_take_out(s, q);
        sequence_begin_again(q, s->config.rules);
        q->suspension->state = SUSPENSION_AWAY;
        s->suspended[s->suspended_count++] = q; /* scheduler_suspend has checked that there is room */
        return bytes;
}

static struct suspension *suspension_new(const struct scheduler *s, const struct sequence *q, int fd) {
        struct suspension *u = calloc(1, sizeof(*u));
        if (!u)
                return NULL;
        *u = (struct suspension){ .fd = fd, .stored = q->kv.tokens_count };
        for (uint32_t i = 0; i < q->kv.blocks_count; i++)
                u->bytes += kv_block_bytes(s->config.cache, q->kv.blocks[i]);
        return u;
}

static uint32_t suspensions_count(const struct scheduler *s) {
        uint32_t count = s->suspended_count;
        for (uint32_t i = 0; i < s->running_count; i++)
                count += s->running[i]->suspension != NULL;
        return count;
}

/* Why Q cannot be suspended now; NULL when it can. */
static const char *hindrance(const struct scheduler *s, const struct sequence *q) {
        if (!q)
                return "It has ended already.";
        if (q->suspension && q->suspension->state <= SUSPENSION_AWAY)
                return "It is suspended already.";
        bool counted = q->suspension && q->suspension->state == SUSPENSION_LOADING;
        if (!counted && suspensions_count(s) >= WIRE_SUSPENDED_MAX)
                return "As many are suspended as can be.";
        return NULL;
}

/* The request was on its way back: it stays away, and the file that it has serves again. */
static void turn_back(struct scheduler *s, struct sequence *q, int fd) {
        q->suspension->by_itself = false;
        if (fd >= 0)
                (void) close(fd);
        session_reader_done(&q->suspension->reader);
        say_suspended(s, q->request.id, put_away(s, q), NULL);
}

/* Saves the KV if there is anything to save: an embedding's sums are not in its KV. Else the descriptor is not needed. */
static void begin(struct scheduler *s, struct sequence *q, int fd) {
        lookup_cut_short(s, q);
        if (fd >= 0 && (q->kv.tokens_count == 0 || q->request.kind == REQUEST_EMBED)) {
                (void) close(fd);
                fd = -1;
        }
        q->suspension = suspension_new(s, q, fd);
        if (!q->suspension) {
                if (fd >= 0)
                        (void) close(fd);
                say_suspended(s, q->request.id, 0, "The engine is out of memory.");
                return;
        }
        if (fd < 0) {
                say_suspended(s, q->request.id, put_away(s, q), NULL);
                return;
        }
        q->suspension->state = SUSPENSION_SAVING; /* begun in the next step */
}

void scheduler_suspend(struct scheduler *s, uint64_t id, int fd) {
        struct sequence *q = scheduler_find(s, id);
        const char *error = hindrance(s, q);
        if (error) {
                if (fd >= 0)
                        (void) close(fd);
                say_suspended(s, id, 0, error);
        } else if (q->suspension) {
                turn_back(s, q, fd);
        } else {
                begin(s, q, fd);
        }
}

static int write_piece(const struct scheduler *s, const struct sequence *q) {
        struct suspension *u = q->suspension;
        const struct token_list *tokens = sequence_tokens(q);
        if (u->writer.offset == 0) {
                int r = session_write_begin(&u->writer, u->fd, s->config.session_model, s->config.cache, &q->kv, tokens->ids,
                                            (uint32_t) tokens->count);
                return r < 0 ? r : 1;
        }
        return session_write_some(&u->writer, SESSION_SLICE_BYTES);
}

static void save_some(struct scheduler *s, struct sequence *q) {
        int r = write_piece(s, q);
        if (r > 0)
                return;
        uint64_t id = q->request.id;
        if (r == 0) {
                q->suspension->saved = true;
                say_suspended(s, id, put_away(s, q), NULL);
                return;
        }
        char error[160];
        (void) snprintf(error, sizeof(error), "Its KV cache cannot be written: %s.", strerror(-r));
        suspension_end(q);
        say_suspended(s, id, 0, error);
}

/* ---- coming back ---- */

/* Of two that made room the one that did so later. */
static bool goes_before(const struct sequence *q, const struct sequence *other) {
        return q->suspension->by_itself && other->suspension->by_itself && scheduler_goes_sooner(other, q);
}

/* Behind those that came back before it. */
static void enqueue_returning(struct scheduler *s, struct sequence *q) {
        struct sequence **link = &s->waiting;
        while (*link && (*link)->suspension && !goes_before(q, *link))
                link = &(*link)->next;
        q->next = *link;
        *link = q;
        if (!q->next)
                s->waiting_end = &q->next;
        s->waiting_count++;
        s->head_must_wait = false;
}

bool suspension_by_itself(struct scheduler *s, struct sequence *q) {
        q->suspension = suspension_new(s, q, -1);
        if (!q->suspension)
                return false;
        q->suspension->by_itself = true;
        (void) drop_kv(s, q);
        scheduler_take_out(s, q);
        sequence_begin_again(q, s->config.rules);
        q->suspension->state = SUSPENSION_RETURNING;
        enqueue_returning(s, q);
        return true;
}

void scheduler_restore(struct scheduler *s, uint64_t id) {
        struct sequence *q = scheduler_find(s, id);
        if (!q)
                return;
        if (!q->suspension || q->suspension->by_itself) {
                say_restored(s, id, false);
        } else if (q->suspension->state == SUSPENSION_SAVING) {
                suspension_end(q);
                say_suspended(s, id, 0, "It was restored before it was saved.");
                say_restored(s, id, false);
        } else if (q->suspension->state == SUSPENSION_AWAY) {
                scheduler_take_out(s, q);
                q->suspension->state = SUSPENSION_RETURNING;
                enqueue_returning(s, q);
        }
}

static void come_back(struct scheduler *s, struct sequence *q, bool recomputed) {
        bool by_itself = q->suspension->by_itself;
        suspension_end(q);
        if (!by_itself)
                say_restored(s, q->request.id, recomputed);
}

void suspension_admitted(struct scheduler *s, struct sequence *q) {
        if (q->suspension->saved)
                q->suspension->state = SUSPENSION_LOADING; /* begun in the next step */
        else
                come_back(s, q, true);
}

/* Whether the file is the one that was written for Q. */
static bool is_of(const struct session_reader *r, const struct sequence *q) {
        const struct token_list *tokens = sequence_tokens(q);
        return r->tokens_count == tokens->count && r->stored_count == q->suspension->stored &&
               !memcmp(r->tokens, tokens->ids, tokens->count * sizeof(*tokens->ids));
}

static int read_piece(const struct scheduler *s, struct sequence *q) {
        struct suspension *u = q->suspension;
        if (!u->reader.tokens) {
                int r = session_read_begin(&u->reader, u->fd, s->config.session_model, s->config.cache,
                                           (uint32_t) sequence_tokens(q)->count);
                return r < 0 ? r : is_of(&u->reader, q) ? 1 : -EBADMSG;
        }
        return session_read_some(&u->reader, &q->kv, SESSION_SLICE_BYTES);
}

static void load_some(struct scheduler *s, struct sequence *q) {
        int r = read_piece(s, q);
        if (r > 0)
                return;
        if (r < 0)
                kv_sequence_truncate(s->config.cache, &q->kv, 0);
        come_back(s, q, r < 0);
}

/* ---- both ---- */

static struct sequence *in_transfer(const struct scheduler *s) {
        for (uint32_t i = 0; i < s->running_count; i++)
                if (s->running[i]->suspension)
                        return s->running[i];
        return NULL;
}

bool scheduler_transfers(const struct scheduler *s) {
        return in_transfer(s) != NULL;
}

void scheduler_transfer(struct scheduler *s) {
        struct sequence *q = in_transfer(s);
        if (!q)
                return;
        if (q->suspension->state == SUSPENSION_SAVING)
                save_some(s, q);
        else
                load_some(s, q);
}
