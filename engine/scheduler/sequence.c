/* sequence.c - see sequence.h. */
#include "engine/scheduler/sequence.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "engine/compute/pooling.h"
#include "engine/compute/rank.h"

static int prepare_embedding(struct sequence *q, const struct request_rules *rules) {
        q->sum = calloc(rules->n_embd, sizeof(*q->sum));
        q->vectors = calloc((size_t) q->request.inputs_count * q->request.dimensions, sizeof(*q->vectors));
        if (q->request.seconds)
                q->scratch = calloc(rules->n_embd + RANK_SCRATCH(rules->n_embd), sizeof(*q->scratch));
        return q->sum && q->vectors && (q->scratch || !q->request.seconds) ? 0 : -ENOMEM;
}

static int prepare_answer(struct sequence *q, const struct request_rules *rules) {
        int r = sampler_new(&q->request.sampling, rules->n_vocab, &q->sampler);
        if (r < 0)
                return r;
        for (size_t i = 0; i < q->request.inputs[0].count; i++)
                sampler_note(q->sampler, q->request.inputs[0].ids[i], false);
        return output_stream_init(&q->output, rules->tokenizer, &q->request.stops, &q->request.parser_setup,
                                  q->request.kind == REQUEST_CHAT);
}

/* Not before the first token: what waits needs no room for it. */
static int begin_constraint(struct sequence *q, const struct request_rules *rules) {
        if (!q->request.grammar || q->constraint)
                return 0;
        const struct chat_parser_setup *parser_setup = &q->request.parser_setup;
        struct constraint_config config = {
                .grammar = q->request.grammar,
                .tokenizer = rules->tokenizer,
                .trie = rules->trie,
                .n_vocab = rules->n_vocab,
                .first = q->request.kind == REQUEST_CHAT && !parser_setup->begun &&
                         !parser_setup->continues, /* as for the answer */
        };
        if (parser_setup->reasoning != REASONING_OVER) { /* the form has marks, which the answer shows */
                config.literal_tokens = parser_setup->format->shown;
                config.literal_tokens_count = chat_format_shown(parser_setup->format, parser_setup->calls);
        }
        return constraint_new(&config, &q->constraint);
}

int sequence_new(const struct request_rules *rules, struct request *r, struct sequence **ret) {
        struct sequence *q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->request = *r;
        for (uint32_t i = 0; i < r->inputs_count; i++)
                q->prompt_tokens += (uint32_t) r->inputs[i].count;
        int result = r->kind == REQUEST_EMBED ? prepare_embedding(q, rules) : prepare_answer(q, rules);
        if (result < 0) {
                q->request = (struct request){ 0 }; /* stays the caller's */
                sequence_free(q);
                return result;
        }
        *r = (struct request){ 0 };
        *ret = q;
        return 0;
}

void sequence_free(struct sequence *q) {
        assert(!q->kv.blocks_count);
        output_stream_done(&q->output);
        sampler_free(q->sampler);
        constraint_free(q->constraint);
        guesses_free(q->guesses);
        request_done(&q->request);
        free(q->sum);
        free(q->scratch);
        free(q->vectors);
        free(q);
}

const struct token_list *sequence_tokens(const struct sequence *q) {
        return &q->request.inputs[q->input];
}

uint32_t sequence_pending(const struct sequence *q) {
        return (uint32_t) sequence_tokens(q)->count - q->kv.tokens_count;
}

bool sequence_decodes(const struct sequence *q) {
        return q->tokens_made > 0 && sequence_pending(q) == 1;
}

bool sequence_tells_prompt(const struct sequence *q) {
        return q->request.echo && q->request.logprobs && q->echoed < q->prompt_tokens;
}

void sequence_begin_again(struct sequence *q, const struct request_rules *rules) {
        assert(q->kv.tokens_count == 0);
        for (uint32_t d = 0; q->sum && d < rules->n_embd; d++)
                q->sum[d] = 0;
}

static enum transformer_want want_of(const struct sequence *q, uint32_t count) {
        if (q->request.kind == REQUEST_EMBED || sequence_tells_prompt(q))
                return WANT_HIDDEN;
        return count == sequence_pending(q) && q->request.max_tokens > 0 ? WANT_LOGITS : WANT_NOTHING;
}

struct transformer_item sequence_item(struct sequence *q, uint32_t count) {
        assert(count >= 1 && count <= sequence_pending(q));
        return (struct transformer_item){
                .sequence = &q->kv,
                .tokens = sequence_tokens(q)->ids + q->kv.tokens_count,
                .count = count,
                .want = want_of(q, count),
                .second_at = q->request.seconds ? q->request.seconds[q->input] : 0,
        };
}

static int end_answer(struct sequence *q, enum finish finish, enum sequence_state *ret_state) {
        q->finish = finish;
        *ret_state = SEQUENCE_ENDED;
        return output_stream_end(&q->output);
}

/* Takes TOKEN into the answer; *ret_state tells whether it was the last. */
static int take_token(struct sequence *q, const struct request_rules *rules, int32_t token, const struct token_logprob *logprob,
                      enum sequence_state *ret_state) {
        bool is_end = request_is_end(rules, &q->request, token);
        q->tokens_made++;
        if (is_end)
                output_stream_count(&q->output);
        else if (output_stream_add(&q->output, token, logprob) < 0)
                return -ENOMEM;
        bool is_whole = is_end || output_stream_is_whole(&q->output) || (q->constraint && constraint_is_over(q->constraint));
        if (!is_whole && q->tokens_made < q->request.max_tokens) {
                *ret_state = SEQUENCE_GOES_ON;
                return token_list_push(&q->request.inputs[0], token);
        }
        return end_answer(q, is_whole ? FINISH_STOP : FINISH_LENGTH, ret_state);
}

/* The token that closes the reasoning, where its time has come and the grammar lets it; else TOKEN_NONE. */
static int32_t closing(struct sequence *q) {
        int32_t token = thinking_next(&q->thinking, &q->request, &q->output);
        if (token == TOKEN_NONE || !q->constraint || constraint_allows(q->constraint, token))
                return token;
        thinking_give_up(&q->thinking);
        return TOKEN_NONE;
}

/*
 * The token that the sampler picks, if the grammar allows it; else its pick among those allowed. TOKEN_NONE where nothing is
 * left.
 */
static int32_t pick(struct sequence *q, struct sampler_scratch *scratch, const float *logits) {
        int32_t token = closing(q);
        if (token != TOKEN_NONE)
                return token;
        token = sampler_pick(q->sampler, scratch, logits);
        if (!q->constraint || constraint_allows(q->constraint, token))
                return token;
        return sampler_pick_among(q->sampler, scratch, logits, constraint_mask(q->constraint));
}

static int advance_output(struct sequence *q, const struct request_rules *rules, struct sampler_scratch *scratch,
                          const float *logits, uint64_t now_us, enum sequence_state *ret_state) {
        if (q->tokens_made == 0)
                q->decoding_us = now_us;
        if (q->request.max_tokens == 0) {
                q->finish = FINISH_LENGTH;
                *ret_state = SEQUENCE_ENDED;
                return 0;
        }
        if (!sampler_logits_are_numbers(logits, rules->n_vocab))
                return -EDOM;
        int r = begin_constraint(q, rules);
        if (r < 0)
                return r;
        int32_t token = pick(q, scratch, logits);
        if (token == TOKEN_NONE) /* no token of this vocabulary goes on as the grammar must: it is cut off here */
                return end_answer(q, FINISH_LENGTH, ret_state);
        sampler_note(q->sampler, token, true);
        if (q->constraint)
                constraint_take(q->constraint, token);
        struct token_logprob logprob = { .id = token, .top_count = q->request.top_logprobs };
        if (q->request.logprobs || q->request.is_scored)
                logprob.value = sampler_logprobs(logits, rules->n_vocab, token, logprob.top, logprob.top_count);
        q->logprobs_sum += (double) logprob.value;
        return take_token(q, rules, token, q->request.logprobs ? &logprob : NULL, ret_state);
}

/* The KV has grown by the item already. */
static void add_hidden(struct sequence *q, const struct request_rules *rules, const struct transformer_item *item) {
        struct pooled_rows rows = {
                .hidden = item->result,
                .n = rules->n_embd,
                .first = q->kv.tokens_count - item->count,
                .count = item->count,
                .total = (uint32_t) sequence_tokens(q)->count,
        };
        pooling_add(rules->pooling, q->sum, &rows);
}

/* The one number that is told of two texts. What was pooled is the state of one token. */
static int finish_score(struct sequence *q, const struct request_rules *rules) {
        float *hidden = q->scratch, *score = q->vectors + q->input;
        for (uint32_t d = 0; d < rules->n_embd; d++) {
                hidden[d] = (float) q->sum[d];
                q->sum[d] = 0;
        }
        *score = rank_score(rules->ranker, hidden, hidden + rules->n_embd);
        return isfinite(*score) ? 0 : -EDOM;
}

static int finish_vector(struct sequence *q, const struct request_rules *rules) {
        if (q->request.seconds)
                return finish_score(q, rules);
        uint32_t n = q->request.dimensions;
        bool good = pooling_finish(q->sum, n, q->vectors + (size_t) q->input * n);
        for (uint32_t d = n; d < rules->n_embd; d++)
                q->sum[d] = 0;
        return good ? 0 : -EDOM;
}

int sequence_advance(struct sequence *q, const struct request_rules *rules, struct kv_cache *cache,
                     struct sampler_scratch *scratch, const struct transformer_item *item, uint64_t now_us,
                     enum sequence_state *ret_state) {
        bool embeds = q->request.kind == REQUEST_EMBED;
        if (embeds)
                add_hidden(q, rules, item);
        *ret_state = SEQUENCE_GOES_ON;
        if (sequence_pending(q) > 0)
                return 0;
        if (!embeds)
                return advance_output(q, rules, scratch, item->result, now_us, ret_state);
        int r = finish_vector(q, rules);
        kv_sequence_truncate(cache, &q->kv, 0);
        if (q->input + 1 == q->request.inputs_count)
                *ret_state = SEQUENCE_ENDED;
        else
                q->input++;
        return r;
}
