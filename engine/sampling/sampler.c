/*
 * sampler.c - see sampler.h. One pass copies the logits with bias, penalties and temperature applied; then
 * the few best are selected with a bounded heap, so that the vocabulary is never sorted as a whole.
 */
#include "engine/sampling/sampler.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sampling/candidates.h"
#include "policy/base/random.h"

#define FLOAT_EXPONENT 0x7f800000u
#define TOP_P_FIRST    64u /* candidates looked at first where only top-p limits them; then 8 times as many */

struct token_seen {
        uint32_t recent; /* times in the repetition window */
        uint32_t of_answer;
};

struct sampler_scratch {
        struct candidate *candidates;
        float *logits;
};

struct sampler {
        const struct sampling *sampling;
        uint32_t n_vocab;
        struct random random;
        struct token_seen *seen; /* n_vocab, only where a penalty is on */
        int32_t *window;         /* ring of the last repeat_last_n ids */
        uint32_t window_next, window_count;
        struct chain_state chain; /* where sampling->chain is on */
};

struct sampling sampling_default(void) {
        return (struct sampling){
                .temperature = 0.8f,
                .top_k = 40,
                .top_p = 0.95f,
                .min_p = 0.05f,
                .repeat_penalty = 1.0f,
                .repeat_last_n = 64,
                .chain = sampler_chain_default(),
        };
}

int sampler_scratch_new(uint32_t n_vocab, struct sampler_scratch **ret) {
        struct sampler_scratch *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->candidates = malloc(n_vocab * sizeof(*s->candidates));
        s->logits = malloc(n_vocab * sizeof(*s->logits));
        if (!s->candidates || !s->logits) {
                sampler_scratch_free(s);
                return -ENOMEM;
        }
        *ret = s;
        return 0;
}

void sampler_scratch_free(struct sampler_scratch *s) {
        if (!s)
                return;
        free(s->candidates);
        free(s->logits);
        free(s);
}

static bool repeats_matter(const struct sampling *p) {
        return p->repeat_penalty != 1.0f && p->repeat_last_n > 0;
}

static bool seen_matters(const struct sampling *p) {
        return repeats_matter(p) || p->presence_penalty != 0.0f || p->frequency_penalty != 0.0f;
}

/* A repeated token is made less likely whichever sign its logit has (Keskar et al., CTRL, 2019). */
static float penalised(float logit, struct token_seen seen, const struct sampling *p) {
        if (seen.recent)
                logit = logit > 0 ? logit / p->repeat_penalty : logit * p->repeat_penalty;
        if (seen.of_answer)
                logit -= p->presence_penalty + p->frequency_penalty * (float) seen.of_answer;
        return logit;
}

static float penalised_candidate(const void *context, struct candidate c) {
        const struct sampler *s = context;
        return s->seen ? penalised(c.logit, s->seen[c.id], s->sampling) : c.logit;
}

static int new_chain(struct sampler *s) {
        const struct sampler_chain *chain = &s->sampling->chain;
        s->chain = (struct chain_state){
                .mu = 2 * chain->mirostat_tau,
                .mu_before = 2 * chain->mirostat_tau,
                .random = &s->random,
                .n_vocab = s->n_vocab,
                .penalise = penalised_candidate,
                .context = s,
        };
        return chain->dry.multiplier > 0 && chain->dry.last_n > 0 ? dry_new(&chain->dry, &s->chain.dry) : 0;
}

int sampler_new(const struct sampling *sampling, uint32_t n_vocab, struct sampler **ret) {
        struct sampler *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->sampling = sampling;
        s->n_vocab = n_vocab;
        s->random = random_seeded(sampling->seed);
        if (seen_matters(sampling) && !(s->seen = calloc(n_vocab, sizeof(*s->seen))))
                goto no_memory;
        if (repeats_matter(sampling) && !(s->window = malloc(sampling->repeat_last_n * sizeof(*s->window))))
                goto no_memory;
        if (sampling->chain.on && new_chain(s) < 0)
                goto no_memory;
        *ret = s;
        return 0;
no_memory:
        sampler_free(s);
        return -ENOMEM;
}

void sampler_free(struct sampler *s) {
        if (!s)
                return;
        free(s->seen);
        free(s->window);
        dry_free(s->chain.dry);
        free(s);
}

void sampler_note(struct sampler *s, int32_t id, bool of_answer) {
        assert(id >= 0 && (uint32_t) id < s->n_vocab);
        if (s->chain.dry)
                dry_note(s->chain.dry, id);
        if (s->seen && of_answer)
                s->seen[id].of_answer++;
        if (!s->window)
                return;
        if (s->window_count == s->sampling->repeat_last_n)
                s->seen[s->window[s->window_next]].recent--;
        else
                s->window_count++;
        s->window[s->window_next] = id;
        s->window_next = (s->window_next + 1) % s->sampling->repeat_last_n;
        s->seen[id].recent++;
}

/* LOGITS with biases and penalties, in scratch where there are any. In a chain penalties have their place. */
static const float *adjusted(const struct sampler *s, struct sampler_scratch *scratch, const float *logits) {
        const struct sampling *p = s->sampling;
        bool penalises = s->seen && !p->chain.on;
        if (!penalises && !p->biases_count)
                return logits;
        float *out = scratch->logits;
        memcpy(out, logits, s->n_vocab * sizeof(*out));
        for (uint32_t i = 0; i < p->biases_count; i++)
                out[p->biases[i].id] += p->biases[i].bias;
        for (uint32_t id = 0; penalises && id < s->n_vocab; id++)
                out[id] = penalised(out[id], s->seen[id], p);
        return out;
}

/* The greatest, the first of equals; 0 when all are NaN or -INFINITY. */
static int32_t argmax(const float *logits, uint32_t n) {
        uint32_t best = 0;
        float greatest = -INFINITY;
        for (uint32_t i = 0; i < n; i++) {
                if (logits[i] > greatest) {
                        greatest = logits[i];
                        best = i;
                }
        }
        return (int32_t) best;
}

/* The first COUNT of all N in order, into OUT. Returns how many there are: NaN takes no part. */
static uint32_t select_best(const float *logits, uint32_t n, uint32_t count, struct candidate *out) {
        uint32_t used = 0;
        for (uint32_t id = 0; id < n; id++) {
                struct candidate c = { logits[id], (int32_t) id };
                if (isnan(c.logit))
                        continue;
                if (used < count) {
                        out[used] = c;
                        candidate_sift_up(out, used++);
                } else if (c.logit > out[0].logit) { /* an equal one has the higher id: it comes later */
                        out[0] = c;
                        candidate_sift_down(out, used);
                }
        }
        candidate_sort_heap(out, used);
        return used;
}

static double weight(float logit, float greatest, float temperature) {
        return exp(((double) logit - greatest) / temperature);
}

static double weight_sum(const float *logits, uint32_t n, float greatest, float temperature) {
        double sum = 0;
        for (uint32_t i = 0; i < n; i++)
                if (!isnan(logits[i]))
                        sum += weight(logits[i], greatest, temperature);
        return sum;
}

/* How many of C, in order, it takes to reach SHARE of TOTAL; COUNT + 1 when all of them do not. */
static uint32_t top_p_count(const struct candidate *c, uint32_t count, double share, float temperature) {
        double sum = 0;
        for (uint32_t i = 0; i < count; i++) {
                sum += weight(c[i].logit, c[0].logit, temperature);
                if (sum >= share)
                        return i + 1;
        }
        return count + 1;
}

static uint32_t min_u32(uint32_t a, uint32_t b) {
        return a < b ? a : b;
}

/* The tokens that top-k and top-p leave, in order. */
static uint32_t keep_top(const struct sampling *p, const float *logits, uint32_t n, float greatest, struct candidate *out) {
        if (p->top_k > 0 && p->top_k < n) {
                uint32_t count = select_best(logits, n, p->top_k, out);
                if (p->top_p >= 1.0f)
                        return count;
                double sum = 0;
                for (uint32_t i = 0; i < count; i++)
                        sum += weight(out[i].logit, greatest, p->temperature);
                return min_u32(count, top_p_count(out, count, sum * p->top_p, p->temperature));
        }
        double share = p->top_p * weight_sum(logits, n, greatest, p->temperature);
        for (uint32_t count = p->top_p < 1.0f ? min_u32(TOP_P_FIRST, n) : n;; count = count > n / 8 ? n : count * 8) {
                uint32_t found = select_best(logits, n, count, out);
                uint32_t kept = top_p_count(out, found, share, p->temperature);
                if (kept <= found || count == n)
                        return min_u32(kept, found);
        }
}

/* Every token from logit CUT on, by id: where nothing else cuts, no order is needed. */
static uint32_t keep_all(const float *logits, uint32_t n, float cut, struct candidate *out) {
        uint32_t count = 0;
        for (uint32_t id = 0; id < n; id++)
                if (logits[id] >= cut) /* never true for NaN */
                        out[count++] = (struct candidate){ logits[id], (int32_t) id };
        return count;
}

/* A token without any probability (banned) is never drawn, not even where rounding leaves something over. */
static int32_t draw(struct random *random, struct candidate *c, uint32_t count, float greatest, float temperature) {
        double sum = 0;
        uint32_t last = 0;
        for (uint32_t i = 0; i < count; i++) {
                c[i].logit = (float) weight(c[i].logit, greatest, temperature);
                sum += c[i].logit;
                if (c[i].logit > 0)
                        last = i;
        }
        double left = random_unit(random) * sum;
        for (uint32_t i = 0; i < last; i++) {
                left -= c[i].logit;
                if (left < 0)
                        return c[i].id;
        }
        return c[last].id;
}

/* L: adjusted. It may be the scratch's own, which holds the probabilities once all candidates are listed. */
static int32_t pick_by_chain(struct sampler *s, struct sampler_scratch *scratch, const float *l) {
        struct candidates c = { .list = scratch->candidates, .p = scratch->logits };
        for (uint32_t id = 0; id < s->n_vocab; id++)
                if (l[id] > -INFINITY) /* never true for NaN */
                        c.list[c.count++] = (struct candidate){ l[id], (int32_t) id };
        return c.count ? chain_pick(s->sampling, &s->chain, &c) : argmax(l, s->n_vocab);
}

/* L: adjusted. */
static int32_t pick(struct sampler *s, struct sampler_scratch *scratch, const float *l) {
        const struct sampling *p = s->sampling;
        if (p->chain.on)
                return pick_by_chain(s, scratch, l);
        int32_t best = argmax(l, s->n_vocab);
        float greatest = l[best];
        if (p->temperature <= 0.0f || !isfinite(greatest))
                return best;

        struct candidate *c = scratch->candidates;
        uint32_t count;
        float cut = p->min_p > 0.0f ? greatest + p->temperature * logf(p->min_p) : -INFINITY;
        if ((p->top_k > 0 && p->top_k < s->n_vocab) || p->top_p < 1.0f) {
                count = keep_top(p, l, s->n_vocab, greatest, c);
                while (c[count - 1].logit < cut)
                        count--;
        } else {
                count = keep_all(l, s->n_vocab, cut, c);
        }
        return draw(&s->random, c, count, greatest, p->temperature);
}

/* All bits of the exponent are set in NaN and infinity alone. Without a branch: this looks at each logit of each token. */
bool sampler_logits_are_numbers(const float *logits, uint32_t n_vocab) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < n_vocab; i++) {
                uint32_t bits;
                memcpy(&bits, &logits[i], sizeof(bits));
                found |= (bits & FLOAT_EXPONENT) == FLOAT_EXPONENT;
        }
        return !found;
}

int32_t sampler_pick(struct sampler *s, struct sampler_scratch *scratch, const float *logits) {
        s->chain.mu_before = s->chain.mu;
        return pick(s, scratch, adjusted(s, scratch, logits));
}

int32_t sampler_pick_among(struct sampler *s, struct sampler_scratch *scratch, const float *logits, const uint32_t *allowed) {
        const float *from = adjusted(s, scratch, logits);
        float *l = scratch->logits, greatest = -INFINITY;
        for (uint32_t id = 0; id < s->n_vocab; id++) {
                l[id] = allowed[id / 32] >> (id % 32) & 1 ? from[id] : -INFINITY;
                if (l[id] > greatest)
                        greatest = l[id];
        }
        s->chain.mu = s->chain.mu_before; /* nothing is learnt of what was not allowed */
        return greatest > -INFINITY ? pick(s, scratch, l) : -1;
}

float sampler_logprobs(const float *logits, uint32_t n_vocab, int32_t chosen, struct logprob top[], uint32_t top_count) {
        assert(top_count <= LOGPROBS_TOP_MAX && top_count <= n_vocab);
        float greatest = logits[argmax(logits, n_vocab)];
        double log_sum = log(weight_sum(logits, n_vocab, greatest, 1.0f));
        struct candidate best[LOGPROBS_TOP_MAX];
        uint32_t found = top_count ? select_best(logits, n_vocab, top_count, best) : 0;
        for (uint32_t i = 0; i < top_count; i++) {
                if (i < found)
                        top[i] = (struct logprob){ best[i].id, (float) ((double) best[i].logit - greatest - log_sum) };
                else
                        top[i] = (struct logprob){ 0, -INFINITY };
        }
        return (float) ((double) logits[chosen] - greatest - log_sum);
}
