/* hparams_rope.c - reads the rotary positions from the metadata. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "engine/base/bounds.h"
#include "engine/base/printable.h"
#include "engine/model/hparams_internal.h"

#define FREQ_BASE_DEFAULT 10000.0f /* Su et al. 2021, RoFormer */
#define FREQ_BASE_MAX     1e12f
#define FACTOR_MAX        1e6f
#define BETA_FAST_DEFAULT 32.0f /* Peng et al. 2023, YaRN, for the llama family */
#define BETA_SLOW_DEFAULT 1.0f
#define BETA_MAX          1e6f
#define MAGNITUDE_MAX     1e3f

static void read_dimensions(struct metadata *m, struct hparams *s) {
        s->n_rot = metadata_u32_or(m, "rope.dimension_count", 2, HPARAMS_HEAD_VALUES_MAX, s->d_head_k);
        if (s->n_rot > s->d_head_k || s->n_rot % 2)
                metadata_fail(m, -EBADMSG,
                              "key '%s.rope.dimension_count' is %" PRIu32 ", which is odd or more than a head's %" PRIu32
                              " values",
                              m->arch, s->n_rot, s->d_head_k);
}

/* "longrope" is given by its tensors, and scales nothing beside them. */
static enum rope_scaling read_scaling(struct metadata *m, const struct hparams *s) {
        struct gguf_string type = metadata_string_or(m, "rope.scaling.type", "linear");
        char shown[40];
        if (gguf_string_equals(type, "linear"))
                return ROPE_LINEAR;
        if (gguf_string_equals(type, "yarn"))
                return ROPE_YARN;
        bool long_factors = arch_parts_may(s->arch) & PART_ROPE_FACTORS;
        if (!gguf_string_equals(type, "none") && !(long_factors && gguf_string_equals(type, "longrope")))
                metadata_fail(m, -ENOTSUP, "key '%s.rope.scaling.type' is '%s': only 'none', 'linear' and 'yarn' are supported",
                              m->arch, printable_copy(shown, sizeof(shown), type.bytes, type.length));
        return ROPE_UNSCALED;
}

/* Older files call it scale_linear. 1 where none is given: absent, or 0. */
static float read_factor(struct metadata *m) {
        float factor = metadata_f32_or(m, "rope.scale_linear", 0, FACTOR_MAX, 0);
        factor = metadata_f32_or(m, "rope.scaling.factor", 0, FACTOR_MAX, factor);
        if (factor != 0 && factor < 1 / FACTOR_MAX)
                metadata_fail(m, -EBADMSG, "key '%s.rope.scaling.factor' is %g, which is too small", m->arch, (double) factor);
        return factor != 0 ? factor : 1;
}

static void refuse_log_multiplier(struct metadata *m) {
        float multiplier = metadata_f32_or(m, "rope.scaling.yarn_log_multiplier", -FACTOR_MAX, FACTOR_MAX, 0);
        if (multiplier != 0)
                metadata_fail(m, -ENOTSUP, "key '%s.rope.scaling.yarn_log_multiplier' is %g: only 0 is supported", m->arch,
                              (double) multiplier);
}

static void read_yarn(struct metadata *m, struct rope_hparams *r, float factor) {
        r->beta_fast = metadata_f32_or(m, "rope.scaling.yarn_beta_fast", 1e-3f, BETA_MAX, BETA_FAST_DEFAULT);
        r->beta_slow = metadata_f32_or(m, "rope.scaling.yarn_beta_slow", 1e-3f, BETA_MAX, BETA_SLOW_DEFAULT);
        r->magnitude *= factor > 1 ? 1 + 0.1f * logf(factor) : 1; /* section 3.4: so that scores keep their temperature */
        refuse_log_multiplier(m);
        if (r->freq_base <= 1)
                metadata_fail(m, -EBADMSG, "key '%s.rope.freq_base' is %g, with which YaRN has no meaning", m->arch,
                              (double) r->freq_base);
}

void hparams_read_rope(struct metadata *m, struct hparams *s) {
        const struct arch_info *info = arch_info(s->arch);
        if (info->rope == ROPE_NONE)
                return;
        read_dimensions(m, s);
        s->has_rope_freqs = gguf_find_tensor(m->g, "rope_freqs.weight") != NULL;
        s->rope.freq_base = metadata_f32_or(m, "rope.freq_base", 1.0f, FREQ_BASE_MAX, FREQ_BASE_DEFAULT);
        s->rope.n_ctx_original = metadata_u32_or(m, "rope.scaling.original_context_length", 1, HPARAMS_CTX_MAX, s->n_ctx_train);
        s->rope.magnitude = metadata_f32_or(m, "rope.scaling.attn_factor", 1 / MAGNITUDE_MAX, MAGNITUDE_MAX, 1);
        s->rope.scaling = read_scaling(m, s);
        float factor = read_factor(m);
        s->rope.freq_scale = s->rope.scaling == ROPE_UNSCALED ? 1 : 1 / factor;
        if (s->rope.scaling == ROPE_YARN)
                read_yarn(m, &s->rope, factor);
        s->has_rope_local = info->rope_base_local > 0 && s->window > 0;
        if (s->has_rope_local)
                s->rope_local = (struct rope_hparams){
                        .freq_base = metadata_f32_or(m, "rope.freq_base_swa", 1.0f, FREQ_BASE_MAX, info->rope_base_local),
                        .freq_scale = 1,
                        .magnitude = 1,
                };
}
