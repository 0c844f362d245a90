/* echo.c - see echo.h. */
#include "engine/scheduler/echo.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TOGETHER 16u /* tokens of one piece */

/* Adds the text of token ID, whole characters. 0 or -ENOMEM. */
static int add_text(const struct scheduler *s, struct sequence *q, int32_t id, struct text *out) {
        const struct tokenizer *t = s->config.rules->tokenizer;
        bool first = q->echoed == q->request.begins_with;
        size_t count = q->echoed < q->request.begins_with ? 0 : tokenizer_piece(t, id, true, first, (char[1]){ 0 }, 0);
        char *piece = malloc(count + 1), *whole = malloc(UTF8_STREAM_ROOM(count) + UTF8_STREAM_ROOM(0));
        bool is_well = piece && whole;
        if (is_well && count)
                (void) tokenizer_piece(t, id, true, first, piece, count);
        if (is_well) {
                size_t written = utf8_stream_push(&q->echo_characters, piece, count, whole);
                if (q->echoed + 1 == q->prompt_tokens)
                        written += utf8_stream_end(&q->echo_characters, whole + written);
                for (size_t i = 0; i < written; i++) /* a text holds no NUL */
                        is_well = is_well && (!whole[i] || text_add(out, whole + i, 1));
        }
        free(piece);
        free(whole);
        return is_well ? 0 : -ENOMEM;
}

static void tell(const struct scheduler *s, const struct sequence *q, const struct text *text,
                 const struct token_logprob logprobs[], uint32_t count) {
        const struct output_chunk chunk = {
                .parsed = { .kind = CHUNK_CONTENT, .text = text->used ? text->bytes : "", .length = text->used },
                .logprobs = logprobs,
                .logprobs_count = q->request.logprobs ? count : 0
        };
        if (chunk.parsed.length || chunk.logprobs_count)
                s->config.sink.on_text(s->config.sink.context, q->request.id, &chunk);
}

/* What the hidden state at HIDDEN, of the token before it, says of the next one to be told. */
static struct token_logprob logprob_of(struct scheduler *s, const struct sequence *q, int32_t id, const float *hidden) {
        const struct request_rules *rules = s->config.rules;
        struct token_logprob l = { .id = q->echoed < q->request.begins_with ? TOKEN_NONE : id,
                                   .value = NAN,
                                   .first = q->echoed == q->request.begins_with };
        if (!hidden)
                return l;
        l.top_count = q->request.top_logprobs;
        l.value = sampler_logprobs(transformer_logits(s->config.transformer, hidden, 1), rules->n_vocab, id, l.top, l.top_count);
        return l;
}

/* HIDDEN: of the tokens from number FROM on; NULL: log-probabilities are not asked for. */
static int tell_up_to(struct scheduler *s, struct sequence *q, uint32_t end, uint32_t from, const float *hidden) {
        const int32_t *ids = q->request.inputs[0].ids;
        size_t n = s->config.rules->n_embd;
        while (q->echoed < end) {
                struct token_logprob logprobs[TOGETHER];
                struct text text = { .max = TEXT_MAX_NONE };
                uint32_t count = 0;
                int r = 0;
                for (; r == 0 && count < TOGETHER && q->echoed < end; q->echoed++, count++) {
                        const float *before = q->echoed && hidden ? hidden + (q->echoed - 1 - from) * n : NULL;
                        logprobs[count] = logprob_of(s, q, ids[q->echoed], before);
                        r = add_text(s, q, ids[q->echoed], &text);
                }
                if (r == 0)
                        tell(s, q, &text, logprobs, count);
                text_done(&text);
                if (r < 0)
                        return r;
        }
        return 0;
}

int echo_tell(struct scheduler *s, struct sequence *q, struct transformer_item *item) {
        uint32_t stored = q->kv.tokens_count, from = stored - item->count;
        bool is_hidden = item->want == WANT_HIDDEN;
        uint32_t end = !q->request.logprobs ? (stored >= q->prompt_tokens ? q->prompt_tokens : 0)
                                            : (stored + 1 < q->prompt_tokens ? stored + 1 : q->prompt_tokens);
        int r = tell_up_to(s, q, end, from, is_hidden ? item->result : NULL);
        if (is_hidden)
                item->result = transformer_logits(s->config.transformer,
                                                  item->result + (item->count - 1) * (size_t) s->config.rules->n_embd, 1);
        return r;
}
