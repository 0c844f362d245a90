/*
 * speculate.c - guesses (engine/speculation/guesses.h) in the passes of answers.
 *
 * A pass of answers alone checks guesses of all of them together, SPECULATION_TOKENS_MAX at most. They take room in the KV for that pass only,
 * and only such as is free: nothing that is remembered goes for it, nobody makes room. Beside prompts, and while the engine is paced,
 * there are none: the step is as long as it may be.
 */
#include "engine/scheduler/internal.h"

static uint32_t least(uint32_t a, uint32_t b) {
        return a < b ? a : b;
}

/* Up to MOST at what Q says next, cut where its grammar forbids them; NULL: there are none. */
static struct guesses *make_guesses(struct sequence *q, uint32_t most) {
        const struct token_list *tokens = sequence_tokens(q);
        if (!q->guesses && !(q->guesses = guesses_new(request_tokens_max(&q->request))))
                return NULL;
        struct guesses *g = q->guesses;
        (void) guesses_make(g, tokens->ids, (uint32_t) tokens->count, most);
        if (g->count && q->constraint)
                g->count = constraint_follow(q->constraint, g->tokens + 1, g->count);
        return g->count ? g : NULL;
}

static void guess(struct scheduler *s, struct sequence *q, struct transformer_item *item, struct worth_pass *pass,
                  uint32_t most) {
        most = least(most, q->request.max_tokens - q->tokens_made - 1); /* the pass makes one token more than was guessed */
        struct guesses *g = most && item->want == WANT_LOGITS ? make_guesses(q, most) : NULL;
        if (!g)
                return;
        struct worth_pass with = { pass->sequences, pass->guesses + g->count, pass->tokens + g->count };
        if (s->config.speculate == SPECULATE_AUTO) {
                with = *pass;
                g->count = worth_guesses(&s->costs, &g->belief, g->support, g->count, &with);
        }
        if (!g->count || kv_sequence_grow(s->config.cache, &q->kv, 1 + g->count) < 0) {
                g->count = 0;
                return;
        }
        *pass = with;
        item->tokens = g->tokens;
        item->count = item->logits = 1 + g->count;
        s->tokens_proposed += g->count;
}

uint32_t speculate(struct scheduler *s, struct sequence *const owners[], struct transformer_item items[], uint32_t count) {
        bool paced = s->step_us_max < PREFILL_ALONE_US && s->config.speculate == SPECULATE_AUTO;
        if (s->config.speculate == SPECULATE_OFF || paced)
                return 0;
        struct worth_pass pass = { .sequences = count, .tokens = count };
        uint32_t most = least(SPECULATION_TOKENS_MAX, WIRE_PARALLEL_MAX - count);
        for (uint32_t i = 0; i < count && pass.guesses < most; i++)
                guess(s, owners[i], &items[i], &pass, most - pass.guesses);
        return pass.guesses;
}

void speculate_begin(struct sequence *q) {
        if (q->guesses)
                q->kv.tokens_count -= q->guesses->count;
}

bool speculate_meets(struct scheduler *s, struct sequence *q, struct transformer_item *item) {
        const struct token_list *tokens = sequence_tokens(q);
        if (!q->guesses || !guesses_meet(q->guesses, tokens->ids[tokens->count - 1]))
                return false;
        s->tokens_accepted++;
        q->kv.tokens_count++;
        item->result += s->config.rules->n_vocab;
        return true;
}

void speculate_end(struct scheduler *s, struct sequence *q) {
        if (!q->guesses || !q->guesses->count)
                return;
        kv_sequence_truncate(s->config.cache, &q->kv, q->kv.tokens_count);
        guesses_settle(q->guesses);
}
