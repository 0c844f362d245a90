/* hparams_traits.c - reads experts, windows, the scale of scores and pooling from the metadata. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/model/hparams_internal.h"

#define SCALE_MAX 1e6f
#define CAP_MIN   1e-3f
#define CAP_MAX   1e6f

void hparams_read_experts(struct metadata *m, struct hparams *s) {
        const struct arch_info *info = arch_info(s->arch);
        bool must = arch_parts(s->arch) & PART_EXPERTS;
        uint32_t count = must ? metadata_u32(m, "expert_count", 1, HPARAMS_EXPERTS_MAX)
                              : metadata_u32_or(m, "expert_count", 0, HPARAMS_EXPERTS_MAX, 0);
        if (count == 0)
                return;
        if (!must && !info->experts_may) {
                metadata_fail(m, -ENOTSUP,
                              "key '%s.expert_count' is %" PRIu32 ": mixtures of experts of this architecture are "
                              "not supported",
                              m->arch, count);
                return;
        }
        s->n_expert = count;
        s->n_expert_used = metadata_u32(m, "expert_used_count", 1, count);
        s->n_ff_expert = metadata_u32_or(m, "expert_feed_forward_length", 1, HPARAMS_FF_MAX, s->n_ff);
        if ((uint64_t) s->n_expert_used * s->n_ff_expert > HPARAMS_FF_MAX)
                metadata_fail(m, -EBADMSG,
                              "%" PRIu32 " experts of %" PRIu32 " values at once are more than the %u that are possible",
                              s->n_expert_used, s->n_ff_expert, HPARAMS_FF_MAX);
        bool apart = !must && gguf_find_tensor(m->g, "blk.0.ffn_gate.0.weight");
        s->parts = (s->parts & ~(uint32_t) PART_FF_GATED) | (apart ? PART_EXPERTS_APART : PART_EXPERTS);
}

void hparams_read_windows(struct metadata *m, struct hparams *s) {
        const struct arch_info *info = arch_info(s->arch);
        if (info->window == WINDOW_NONE)
                return;
        if (info->window == WINDOW_WHERE_GIVEN) {
                s->window = metadata_u32_or(m, "attention.sliding_window", 0, HPARAMS_CTX_MAX, 0);
                return;
        }
        s->window = info->window_default
                            ? metadata_u32_or(m, "attention.sliding_window", 1, HPARAMS_CTX_MAX, info->window_default)
                            : metadata_u32(m, "attention.sliding_window", 1, HPARAMS_CTX_MAX);
        s->window_pattern = metadata_u32_or(m, "attention.sliding_window_pattern", 1, HPARAMS_LAYERS_MAX, info->window_pattern);
}

uint32_t hparams_window(const struct hparams *s, uint32_t layer) {
        bool looks_far = s->window_pattern && layer % s->window_pattern == s->window_pattern - 1;
        return looks_far ? 0 : s->window;
}

void hparams_read_scores(struct metadata *m, struct hparams *s) {
        const struct arch_info *info = arch_info(s->arch);
        bool by_width = info->layers_scaled_by_width && s->n_layer == info->layers_scaled_by_width;
        float divisor = by_width ? (float) s->n_embd / (float) s->n_head : (float) s->d_head_k;
        s->attention_scale = metadata_f32_or(m, "attention.scale", 1 / SCALE_MAX, SCALE_MAX, 1.0f / sqrtf(divisor));
        s->attention_cap = metadata_f32_or(m, "attn_logit_softcapping", CAP_MIN, CAP_MAX, info->attention_cap);
        s->logits_cap = metadata_f32_or(m, "final_logit_softcapping", CAP_MIN, CAP_MAX, info->logits_cap);
}

static const char *const poolings[POOLING_COUNT] = {
        [POOLING_NONE] = "none", [POOLING_MEAN] = "mean", [POOLING_CLS] = "cls", [POOLING_LAST] = "last", [POOLING_RANK] = "rank",
};

const char *pooling_name(enum pooling pooling) {
        assert(pooling < POOLING_COUNT);
        return poolings[pooling];
}

int pooling_by_name(const char *name, enum pooling *ret) {
        for (unsigned i = 0; i < POOLING_COUNT; i++)
                if (!strcmp(poolings[i], name)) {
                        *ret = (enum pooling) i;
                        return 0;
                }
        return -EINVAL;
}

/* The head of a model that ranks: a row for each label. */
static void read_labels(struct metadata *m, struct hparams *s) {
        const struct gguf_tensor *head = gguf_find_tensor(m->g, "cls.output.weight");
        s->parts |= PART_RANK;
        s->n_labels = head && head->dims[1] <= RANK_LABELS_MAX ? (uint32_t) head->dims[1] : 1;
}

void hparams_read_pooling(struct metadata *m, struct hparams *s) {
        uint32_t pooling = metadata_u32_or(m, "pooling_type", 0, UINT32_MAX, POOLING_MEAN);
        if (pooling >= POOLING_COUNT) {
                metadata_fail(m, -ENOTSUP,
                              "key '%s.pooling_type' is %" PRIu32
                              ": only none (0), mean (1), cls (2), last (3) and rank (4) are supported",
                              m->arch, pooling);
                return;
        }
        s->pooling = (enum pooling) pooling;
        if (s->pooling == POOLING_RANK)
                read_labels(m, s);
}

bool hparams_makes_text(const struct hparams *s) {
        return s->causal && s->pooling != POOLING_RANK;
}
