/* scheduler.c - see scheduler.h. Who may run is admit.c's affair, who rests on disk suspend.c's. */
#include "engine/scheduler/scheduler.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/request/error.h"
#include "engine/scheduler/echo.h"
#include "engine/scheduler/internal.h"

#define ANSWER_TOKENS_FIRST 256.0 /* that an answer comes to, as long as none has ended */

int scheduler_new(const struct scheduler_config *config, struct scheduler **ret) {
        assert(config->parallel >= 1 && config->parallel <= WIRE_PARALLEL_MAX && config->prefill_chunk_max >= 1);
        struct kv_usage usage;
        kv_cache_usage(config->cache, &usage);
        struct scheduler *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->config = *config;
        s->prefixes.cache = config->cache;
        s->waiting_end = &s->waiting;
        s->saving.fd = -1;
        s->prefill_chunk = config->prefill_chunk_max;
        s->answer_tokens = ANSWER_TOKENS_FIRST;
        s->step_us_max = PREFILL_ALONE_US;
        s->blocks_max = usage.blocks_max;
        s->marks = calloc(usage.blocks_max, 1);
        if (!s->marks || sampler_scratch_new(config->rules->n_vocab, &s->scratch) < 0 ||
            requantize_init(&s->requantize, config->cache, config->now_us) < 0) {
                scheduler_free(s);
                return -ENOMEM;
        }
        *ret = s;
        return 0;
}

void scheduler_dismiss(struct scheduler *s, struct sequence *q) {
        suspension_end(q);
        lookup_end(q);
        if (q->request.kind == REQUEST_EMBED)
                kv_sequence_done(s->config.cache, &q->kv);
        else
                prefix_keep(&s->prefixes, q->request.tenant, &q->kv, sequence_tokens(q)->ids);
        requantize_look_again(&s->requantize);
        sequence_free(q);
        s->head_must_wait = false;
}

void scheduler_fail(struct scheduler *s, struct sequence *q, const struct request_error *error) {
        uint64_t id = q->request.id;
        scheduler_dismiss(s, q);
        s->config.sink.on_error(s->config.sink.context, id, error);
}

void scheduler_free(struct scheduler *s) {
        if (!s)
                return;
        while (s->running_count)
                scheduler_dismiss(s, s->running[--s->running_count]);
        while (s->suspended_count)
                scheduler_dismiss(s, s->suspended[--s->suspended_count]);
        for (struct sequence *q; (q = s->waiting);) {
                s->waiting = q->next;
                scheduler_dismiss(s, q);
        }
        saving_end(s);
        prefix_store_done(&s->prefixes);
        requantize_done(&s->requantize);
        sampler_scratch_free(s->scratch);
        free(s->marks);
        free(s);
}

/* ---- the queue ---- */

uint32_t scheduler_blocks_of(uint32_t tokens) {
        return tokens / KV_BLOCK_TOKENS + (tokens % KV_BLOCK_TOKENS != 0);
}

int scheduler_submit(struct scheduler *s, struct request *r, struct request_error *reterr) {
        uint32_t tokens = request_tokens_max(r);
        if (scheduler_blocks_of(tokens) > s->blocks_max) {
                (void) request_refuse_length(reterr, NULL, tokens, false, s->blocks_max * KV_BLOCK_TOKENS);
                return -E2BIG;
        }
        if (s->waiting_count == REQUESTS_WAITING_MAX) {
                *reterr = (struct request_error){ .reason = REASON_ENGINE_FULL,
                                                  .message = "The queue of this model is full: try again in a moment." };
                return -EAGAIN;
        }
        struct sequence *q;
        if (sequence_new(s->config.rules, r, &q) < 0)
                return request_no_memory(reterr);
        q->number = s->numbers++;
        *s->waiting_end = q;
        s->waiting_end = &q->next;
        s->waiting_count++;
        return 0;
}

struct sequence *scheduler_waiting_take(struct scheduler *s, struct sequence **link) {
        struct sequence *q = *link;
        *link = q->next;
        if (s->waiting_end == &q->next)
                s->waiting_end = link;
        q->next = NULL;
        s->waiting_count--;
        return q;
}

void scheduler_running_remove(struct scheduler *s, uint32_t index) {
        memmove(&s->running[index], &s->running[index + 1], (s->running_count - index - 1) * sizeof(s->running[0]));
        s->running_count--;
}

struct sequence *scheduler_find(const struct scheduler *s, uint64_t id) {
        for (uint32_t i = 0; i < s->running_count; i++)
                if (s->running[i]->request.id == id)
                        return s->running[i];
        for (struct sequence *q = s->waiting; q; q = q->next)
                if (q->request.id == id)
                        return q;
        for (uint32_t i = 0; i < s->suspended_count; i++)
                if (s->suspended[i]->request.id == id)
                        return s->suspended[i];
        return NULL;
}

uint32_t scheduler_running_index(const struct scheduler *s, const struct sequence *q) {
        uint32_t index = 0;
        while (s->running[index] != q)
                index++;
        return index;
}

/* From wherever it is. */
void scheduler_take_out(struct scheduler *s, const struct sequence *q) {
        for (uint32_t i = 0; i < s->running_count; i++)
                if (s->running[i] == q) {
                        scheduler_running_remove(s, i);
                        return;
                }
        for (uint32_t i = 0; i < s->suspended_count; i++)
                if (s->suspended[i] == q) {
                        s->suspended[i] = s->suspended[--s->suspended_count];
                        return;
                }
        for (struct sequence **link = &s->waiting; *link; link = &(*link)->next)
                if (*link == q) {
                        (void) scheduler_waiting_take(s, link);
                        return;
                }
}

void scheduler_cancel(struct scheduler *s, uint64_t id) {
        struct sequence *q = scheduler_find(s, id);
        if (!q)
                return;
        scheduler_take_out(s, q);
        scheduler_dismiss(s, q);
}

void scheduler_pause(struct scheduler *s, uint64_t id, bool paused) {
        struct sequence *q = scheduler_find(s, id);
        if (q)
                q->paused = paused;
}

bool scheduler_knows(const struct scheduler *s, uint64_t id) {
        return scheduler_find(s, id) != NULL;
}

/* ---- a step ---- */

struct pass {
        struct transformer_item items[WIRE_PARALLEL_MAX];
        struct sequence *owners[WIRE_PARALLEL_MAX];
        uint32_t count;
        uint32_t decoded, prefilled; /* tokens, guesses included */
        uint32_t depth;              /* that stand before those of a prompt, at most */
};

static void pass_add(struct scheduler *s, struct pass *p, struct sequence *q, uint32_t count) {
        int r;
        while ((r = kv_sequence_grow(s->config.cache, &q->kv, count)) == -ENOSPC && scheduler_free_blocks(s))
                ;
        s->is_short = s->is_short || r == -ENOSPC;
        if (r < 0)
                return; /* it is tried again in the next step, as where a table of a few bytes could not grow */
        p->items[p->count] = sequence_item(q, count);
        p->owners[p->count++] = q;
        if (sequence_decodes(q))
                p->decoded += count;
        else
                p->prefilled += count;
}

static bool takes_part(const struct sequence *q) {
        return !q->paused && !q->suspension && !q->lookup;
}

static struct pace_step pace_of(const struct pass *p) {
        return (struct pace_step){ .answers = p->decoded, .prompts = p->prefilled, .depth = p->depth };
}

/* How many prompt tokens this step may take. */
static uint32_t prefill_budget(struct scheduler *s, const struct pass *p) {
        const struct pace_step step = pace_of(p);
        uint32_t allowed = prefill_pace_allows(&s->pace, &step, s->step_us_max);
        uint32_t budget = s->prefill_chunk > p->decoded ? s->prefill_chunk - p->decoded : 1;
        return allowed < budget ? allowed : budget;
}

/* One token of each answer; then prompts, in equal parts, and what one leaves goes to those behind it. */
static void gather(struct scheduler *s, struct pass *p) {
        uint32_t prompts = 0;
        for (uint32_t i = 0; i < s->running_count; i++) {
                struct sequence *q = s->running[i];
                if (!takes_part(q))
                        continue;
                if (sequence_decodes(q)) {
                        pass_add(s, p, q, 1);
                        continue;
                }
                prompts++;
                p->depth = q->kv.tokens_count > p->depth ? q->kv.tokens_count : p->depth;
        }
        if (!prompts)
                p->decoded += speculate(s, p->owners, p->items, p->count);
        uint32_t left = prompts ? prefill_budget(s, p) : 0;
        for (uint32_t i = 0; i < s->running_count && left > 0; i++) {
                struct sequence *q = s->running[i];
                if (!takes_part(q) || sequence_decodes(q))
                        continue;
                uint32_t share = left > prompts ? left / prompts : 1, pending = sequence_pending(q);
                bool whole = !s->config.rules->makes_text; /* the first in any case: a pass has room for the longest */
                uint32_t count = whole || share > pending ? pending : share;
                if (whole && p->prefilled && count > left)
                        continue;
                pass_add(s, p, q, count);
                left -= count < left ? count : left;
                prompts--;
        }
}

static void report_end(const struct scheduler *s, const struct sequence *q, uint64_t now_us) {
        const struct scheduler_sink *sink = &s->config.sink;
        if (q->request.kind == REQUEST_EMBED) {
                struct embedding e = { q->vectors, q->request.inputs_count, q->request.dimensions, q->prompt_tokens };
                sink->on_embedding(sink->context, q->request.id, &e);
                return;
        }
        struct output_stream_end end = {
                .finish = q->finish == FINISH_STOP && output_stream_calls(&q->output) ? FINISH_CALLS : q->finish,
                .stop = output_stream_stopped(&q->output),
                .prompt_tokens = q->prompt_tokens,
                .completion_tokens = q->tokens_made,
                .cached_tokens = q->cached_tokens,
                .reasoning_tokens = q->thinking.tokens,
                .prefill_ms = (double) (q->decoding_us - q->admitted_us) / 1000,
                .decode_ms = (double) (now_us - q->decoding_us) / 1000,
                .is_scored = q->request.is_scored,
                .score = q->tokens_made ? q->logprobs_sum / q->tokens_made : 0,
        };
        sink->on_end(sink->context, q->request.id, &end);
}

/* What came of these tokens is of no use to another request that begins with them. */
static void fail_without_numbers(struct scheduler *s, struct sequence *q) {
        struct request_error error = request_error_no_numbers(q->request.kind == REQUEST_EMBED);
        kv_sequence_truncate(s->config.cache, &q->kv, 0);
        scheduler_fail(s, q, &error);
}

/* The next token of Q from ITEM's result, and out with its text. 0, -ENOMEM or -EDOM. */
static int take_result(struct scheduler *s, struct sequence *q, const struct transformer_item *item, uint64_t now_us,
                       enum sequence_state *ret_state) {
        const struct scheduler_sink *sink = &s->config.sink;
        int r = sequence_advance(q, s->config.rules, s->config.cache, s->scratch, item, now_us, ret_state);
        struct output_chunk chunk;
        while (r == 0 && (r = output_stream_take(&q->output, &chunk)) > 0) {
                sink->on_text(sink->context, q->request.id, &chunk);
                r = 0;
        }
        return r;
}

/* Hands its result to Q, which leaves where it has ended. */
static void settle(struct scheduler *s, struct sequence *q, struct transformer_item *item, uint64_t now_us) {
        enum sequence_state state = SEQUENCE_GOES_ON;
        uint32_t made_before = q->tokens_made;
        speculate_begin(q);
        int r = q->request.echo ? echo_tell(s, q, item) : 0;
        if (r == 0)
                r = take_result(s, q, item, now_us, &state);
        while (r == 0 && state == SEQUENCE_GOES_ON && speculate_meets(s, q, item))
                r = take_result(s, q, item, now_us, &state);
        speculate_end(s, q);
        s->tokens_decoded += q->tokens_made - made_before;
        if (made_before == 0 && q->request.group)
                s->head_must_wait = false; /* its siblings wait for its prompt no more */
        if (r == 0 && state == SEQUENCE_GOES_ON)
                return;
        scheduler_running_remove(s, scheduler_running_index(s, q));
        if (r == -EDOM) {
                fail_without_numbers(s, q);
        } else if (r < 0) {
                struct request_error error = request_error_memory();
                scheduler_fail(s, q, &error);
        } else {
                report_end(s, q, now_us);
                scheduler_note_answer(s, q);
                scheduler_dismiss(s, q);
        }
}

/* Prompts that are told come last: what is said of them takes the place of the other logits. */
static void settle_all(struct scheduler *s, struct pass *p, uint64_t now_us) {
        for (int told = 0; told < 2; told++)
                for (uint32_t i = 0; i < p->count; i++) {
                        bool is_told = p->owners[i] && p->items[i].want == WANT_HIDDEN && p->owners[i]->request.echo;
                        if (p->owners[i] && is_told == told) {
                                settle(s, p->owners[i], &p->items[i], now_us);
                                p->owners[i] = NULL; /* it may be gone */
                        }
                }
}

/* Tokens that those of the pass had before them, all together. */
static uint64_t stored_before(const struct pass *p) {
        uint64_t stored = 0;
        for (uint32_t i = 0; i < p->count; i++)
                stored += (uint64_t) p->items[i].count * p->owners[i]->kv.tokens_count;
        return stored;
}

static void measure(struct scheduler *s, const struct pass *p, uint64_t stored, uint64_t made, uint64_t took_us) {
        s->tokens_prefilled += p->prefilled;
        if (p->decoded && !p->prefilled) {
                const struct throughput_step step = { p->decoded, (uint32_t) made, stored, took_us };
                throughput_note(&s->throughput, &step, s->config.now_us());
                worth_note_pass(&s->costs, p->count, p->decoded - p->count, took_us);
        }
        const struct pace_step step = pace_of(p);
        prefill_pace_note(&s->pace, &step, took_us);
}

/* ---- precision ---- */

/* Finished sequences first: no step reads them now, and none writes to them, so they have no window. */
static uint32_t list_kv_users(const struct scheduler *s, struct requantize_user users[PREFIXES_MAX + WIRE_PARALLEL_MAX]) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < s->prefixes.count; i++)
                users[count++] = (struct requantize_user){ &s->prefixes.entries[i].kv, 0 };
        for (uint32_t i = 0; i < s->running_count; i++)
                users[count++] = (struct requantize_user){ &s->running[i]->kv, REQUANTIZE_WINDOW_TOKENS };
        return count;
}

static void requantize_slice_of(struct scheduler *s) {
        struct requantize_user users[PREFIXES_MAX + WIRE_PARALLEL_MAX];
        requantize_slice(&s->requantize, users, list_kv_users(s, users), requantize_budget_us(s->step_us));
}

int scheduler_set_kv(struct scheduler *s, enum kv_type target) {
        return requantize_begin(&s->requantize, target);
}

int scheduler_downshift_now(struct scheduler *s, enum kv_type target) {
        struct requantize_user users[PREFIXES_MAX + WIRE_PARALLEL_MAX];
        return requantize_now(&s->requantize, users, list_kv_users(s, users), target);
}

const struct requantize *scheduler_requantize(const struct scheduler *s) {
        return &s->requantize;
}

/* ---- the whole ---- */

bool scheduler_has_upkeep(const struct scheduler *s) {
        return s->requantize.under_way || scheduler_transfers(s) || lookup_transfers(s);
}

void scheduler_upkeep(struct scheduler *s) {
        requantize_slice_of(s); /* the output of the last step is on its way already */
        scheduler_transfer(s);
        lookup_transfer(s);
}

bool scheduler_has_work(struct scheduler *s) {
        if (scheduler_has_upkeep(s) || scheduler_next(s))
                return true;
        if (s->is_starved && s->running_count == 1)
                return false; /* nobody can make room for it: the pool must grow */
        for (uint32_t i = 0; i < s->running_count; i++)
                if (takes_part(s->running[i]))
                        return true;
        return false;
}

void scheduler_step(struct scheduler *s) {
        scheduler_upkeep(s);
        scheduler_make_room(s);
        scheduler_admit(s);
        struct pass p = { 0 };
        gather(s, &p);
        s->step_us = 0;
        s->is_starved = !p.count && s->is_short;
        if (!p.count)
                return;
        uint64_t begun_us = s->config.now_us();
        transformer_run(s->config.transformer, p.items, p.count);
        uint64_t now_us = s->config.now_us();
        s->step_us = now_us - begun_us;
        uint64_t stored = stored_before(&p), decoded_before = s->tokens_decoded;
        settle_all(s, &p, now_us);
        measure(s, &p, stored, s->tokens_decoded - decoded_before, s->step_us);
}

/* ---- settings ---- */

void scheduler_set_prefill_chunk(struct scheduler *s, uint32_t tokens) {
        assert(tokens >= 1 && tokens <= s->config.prefill_chunk_max);
        s->prefill_chunk = tokens;
}

uint32_t scheduler_prefill_chunk(const struct scheduler *s) {
        return s->prefill_chunk;
}

uint32_t scheduler_prefill_chunk_max(const struct scheduler *s) {
        return s->config.prefill_chunk_max;
}

void scheduler_set_step_us(struct scheduler *s, double us) {
        s->step_us_max = us > 0 ? us : PREFILL_ALONE_US;
}

void scheduler_set_width(struct scheduler *s, struct threads *t, uint32_t width) {
        uint32_t before = threads_width(t);
        if (width == before)
                return;
        threads_set_width(t, width);
        throughput_forget(&s->throughput);
        s->costs = (struct worth_costs){ 0 };
        prefill_pace_scale(&s->pace, (double) width / before);
}

void scheduler_trim(struct scheduler *s) {
        while (prefix_drop_oldest(&s->prefixes))
                ;
        (void) saving_abandon(s);
}
