/*
 * moe.c - the feed-forward block of a mixture of experts (Shazeer et al. 2017; Jiang et al. 2024): each token goes
 * through the few experts that score highest for it, and takes their outputs by the share of their scores.
 *
 * Tokens are put in the order of their experts, so that each expert's weights are read once for all tokens that want it. A
 * token's own sums do not depend on that: its experts are chosen from its scores alone, equal scores by the lower number,
 * and added up in the order of the choice.
 */
#include <math.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/compute/transformer_internal.h"

static struct choice *choices_of(const struct transformer *f, uint32_t row) {
        return f->choices + row * (size_t) f->hparams->n_expert_used;
}

/* The best of SCORES that is not taken, the first of equals. Values that are no numbers come last. */
static uint32_t best_of(const float *scores, const bool *taken, uint32_t n) {
        uint32_t best = n;
        for (uint32_t i = 0; i < n; i++)
                if (!taken[i] && (best == n || scores[i] > scores[best] || (isnan(scores[best]) && !isnan(scores[i]))))
                        best = i;
        return best;
}

/* A softmax over the chosen alone is that over all, scaled to a sum of one. */
static void softmax_chosen(struct choice *chosen, const float *scores, uint32_t count) {
        float largest = scores[chosen[0].expert], sum = 0;
        for (uint32_t i = 0; i < count; i++) {
                chosen[i].weight = expf(scores[chosen[i].expert] - largest);
                sum += chosen[i].weight;
        }
        for (uint32_t i = 0; i < count; i++)
                chosen[i].weight /= sum;
}

static void choose_unit(struct transformer *f, uint32_t row, uint32_t thread) {
        (void) thread;
        const float *scores = f->scores + row * (size_t) f->hparams->n_expert;
        struct choice *chosen = choices_of(f, row);
        bool taken[HPARAMS_EXPERTS_MAX] = { false };
        for (uint32_t i = 0; i < f->hparams->n_expert_used; i++) {
                chosen[i].expert = best_of(scores, taken, f->hparams->n_expert);
                taken[chosen[i].expert] = true;
        }
        softmax_chosen(chosen, scores, f->hparams->n_expert_used);
}

/* Gives each choice its place, by expert and then by token: a sort by counting. Experts_at[e] .. [e + 1] are those of e. */
static void order_choices(struct transformer *f) {
        uint32_t n = f->hparams->n_expert, used = f->hparams->n_expert_used, at = 0;
        memset(f->experts_at, 0, (n + 1) * sizeof(*f->experts_at));
        for (uint32_t i = 0; i < f->rows_count * used; i++)
                f->experts_at[f->choices[i].expert]++;
        for (uint32_t e = 0; e <= n; e++) {
                uint32_t count = f->experts_at[e];
                f->experts_at[e] = at;
                at += count;
        }
        for (uint32_t i = 0; i < f->rows_count * used; i++) {
                f->choices[i].place = f->experts_at[f->choices[i].expert]++;
                f->sources[f->choices[i].place] = i / used;
        }
        memmove(f->experts_at + 1, f->experts_at, n * sizeof(*f->experts_at)); /* each stands where the next begins */
        f->experts_at[0] = 0;
}

static void route_unit(struct transformer *f, uint32_t place, uint32_t thread) {
        (void) thread;
        size_t n = f->hparams->n_embd;
        memcpy(f->routed + place * n, f->normed + f->sources[place] * n, n * sizeof(float));
        matmul_prepare_row(f, place);
}

static void activate_unit(struct transformer *f, uint32_t place, uint32_t thread) {
        (void) thread;
        transformer_activate(f, place, f->hparams->n_ff_expert);
}

/* Each expert's own matrix of WEIGHTS meets the tokens that want it. Appends to MEETINGS. */
static uint32_t meet(const struct transformer *f, struct matrix weights, float *out, struct matmul matmuls[], uint32_t count) {
        for (uint32_t e = 0; e < f->hparams->n_expert; e++) {
                uint32_t first = f->experts_at[e], matmuls_wanted = f->experts_at[e + 1] - first;
                if (matmuls_wanted)
                        matmuls[count++] = (struct matmul){ matrix_plane(weights, e), out, first, matmuls_wanted };
        }
        return count;
}

/* Sums the outputs of the experts, weighted by the router. */
static void gather_unit(struct transformer *f, uint32_t row, uint32_t thread) {
        (void) thread;
        uint32_t n = f->hparams->n_embd;
        float *out = f->normed + row * (size_t) n;
        const struct choice *chosen = choices_of(f, row);
        memset(out, 0, n * sizeof(float));
        for (uint32_t i = 0; i < f->hparams->n_expert_used; i++) {
                float *part = f->routed + chosen[i].place * (size_t) n;
                f->kernels->scale(part, chosen[i].weight, n);
                f->kernels->add(out, part, n);
        }
}

void moe_run(struct transformer *f) {
        const struct model_layer *w = f->weights;
        uint32_t places = f->rows_count * f->hparams->n_expert_used;
        struct matmul *matmuls = f->matmuls_wanted;

        transformer_begin_block(f, w->ffn_norm, &w->ffn_router);
        matmuls[0] = matmul_all_rows(f, w->ffn_router, f->scores);
        matmul_run(f, matmuls, 1);
        matmul_share_tokens(f, choose_unit, f->rows_count);
        order_choices(f);

        matmul_set_input(f, f->routed, f->hparams->n_embd, places, &w->ffn_gate);
        matmul_share_tokens(f, route_unit, places);
        uint32_t count = meet(f, w->ffn_gate, f->gate, matmuls, 0);
        matmul_run(f, matmuls, meet(f, w->ffn_up, f->up, matmuls, count));

        matmul_set_input(f, f->gate, f->hparams->n_ff_expert, places, &w->ffn_down);
        matmul_share_tokens(f, activate_unit, places);
        matmul_run(f, matmuls, meet(f, w->ffn_down, f->routed, matmuls, 0));
        matmul_share_tokens(f, gather_unit, f->rows_count);
}
