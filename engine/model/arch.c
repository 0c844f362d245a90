/*
 * arch.c - the architectures, a row each. Facts are those of the models' own papers and reference programs: Touvron et al.
 * 2023 (llama), Jiang et al. 2023 and 2024 (mistral, mixtral), Qwen2 2024, Qwen3 2025, Gemma 2 2024, Gemma 3 2025, Phi-3 2024,
 * Devlin et al. 2019 (BERT), Nussbaum et al. 2024 (Nomic Embed).
 */
#include "engine/model/arch.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define GEMMA_ATTENTION 50.0f
#define GEMMA_LOGITS    30.0f

static const struct arch_kind text = {
        .parts = PART_ALWAYS | PART_OUTPUT_NORM | PART_NORMS_BEFORE,
        .parts_may = PART_OUTPUT | PART_ROPE_FREQS,
        .causal = true,
        .epsilon = "attention.layer_norm_rms_epsilon",
};

static const struct arch_kind vectors = {
        .parts = PART_ALWAYS | PART_NORMS_AFTER | PART_EMBD_NORM,
        .epsilon = "attention.layer_norm_epsilon",
};

static const struct arch_info archs[ARCH_COUNT] = {
        [ARCH_LLAMA] = {
                .name = "llama",
                .kind = &text,
                .parts = PART_QKV | PART_FF_GATED,
                .parts_may = PART_QKV_BIAS | PART_OUT_BIAS,
                .experts_may = true,
                .rope = ROPE_NEIGHBOURS,
        },
        [ARCH_MISTRAL] = {
                .name = "mistral",
                .kind = &text,
                .parts = PART_QKV | PART_FF_GATED,
                .experts_may = true,
                .rope = ROPE_NEIGHBOURS,
                .window = WINDOW_WHERE_GIVEN,
        },
        [ARCH_QWEN2] = {
                .name = "qwen2",
                .kind = &text,
                .parts = PART_QKV | PART_QKV_BIAS | PART_FF_GATED,
                .rope = ROPE_HALVES,
        },
        [ARCH_QWEN3] = {
                .name = "qwen3",
                .kind = &text,
                .parts = PART_QKV | PART_HEAD_NORMS | PART_FF_GATED,
                .rope = ROPE_HALVES,
        },
        [ARCH_QWEN3MOE] = {
                .name = "qwen3moe",
                .kind = &text,
                .parts = PART_QKV | PART_HEAD_NORMS | PART_EXPERTS,
                .rope = ROPE_HALVES,
        },
        [ARCH_GEMMA2] = {
                .name = "gemma2",
                .kind = &text,
                .parts = PART_NORMS_POST | PART_QKV | PART_FF_GATED,
                .embd_scaled = true,
                .rope = ROPE_HALVES,
                .gate = GATE_GELU,
                .window = WINDOW_PATTERN,
                .window_pattern = 2,
                .window_default = 4096,
                .attention_cap = GEMMA_ATTENTION,
                .logits_cap = GEMMA_LOGITS,
                .layers_scaled_by_width = 46, /* the one of 27B */
        },
        [ARCH_GEMMA3] = {
                .name = "gemma3",
                .kind = &text,
                .parts = PART_NORMS_POST | PART_QKV | PART_HEAD_NORMS | PART_FF_GATED,
                .embd_scaled = true,
                .rope = ROPE_HALVES,
                .gate = GATE_GELU,
                .window = WINDOW_PATTERN,
                .window_pattern = 6,
                .rope_base_local = 10000.0f,
                .layers_scaled_by_width = 62, /* the one of 27B */
        },
        [ARCH_PHI3] = {
                .name = "phi3",
                .kind = &text,
                .parts = PART_QKV_FUSED | PART_FF_GATED_FUSED,
                .parts_may = PART_ROPE_FACTORS,
                .rope = ROPE_HALVES,
                .window = WINDOW_WHERE_GIVEN,
        },
        [ARCH_BERT] = {
                .name = "bert",
                .kind = &vectors,
                .parts = PART_POSITIONS | PART_TOKEN_TYPES | PART_QKV | PART_QKV_BIAS |
                         PART_OUT_BIAS | PART_FF | PART_FF_BIAS,
                .gate = GATE_GELU,
        },
        [ARCH_NOMIC_BERT] = {
                .name = "nomic-bert",
                .kind = &vectors,
                .parts = PART_TOKEN_TYPES | PART_QKV_FUSED | PART_FF_GATED,
                .parts_may = PART_QKV_FUSED_BIAS | PART_OUT_BIAS | PART_FF_BIAS | PART_FF_GATED_BIAS,
                .rope = ROPE_HALVES,
        },
};

const struct arch_info *arch_info(enum arch arch) {
        assert(arch < ARCH_COUNT);
        return &archs[arch];
}

uint32_t arch_parts(enum arch arch) {
        return arch_info(arch)->parts | arch_info(arch)->kind->parts;
}

uint32_t arch_parts_may(enum arch arch) {
        return arch_info(arch)->parts_may | arch_info(arch)->kind->parts_may;
}

const char *arch_name(enum arch arch) {
        return arch_info(arch)->name;
}

int arch_by_name(const char *name, uint64_t length, enum arch *ret) {
        for (unsigned i = 0; i < ARCH_COUNT; i++)
                if (strlen(archs[i].name) == length && !memcmp(archs[i].name, name, length)) {
                        *ret = (enum arch) i;
                        return 0;
                }
        return -ENOENT;
}

void arch_names(char *out, uint32_t size) {
        uint32_t used = 0;
        for (unsigned i = 0; i < ARCH_COUNT && used < size; i++)
                used += (uint32_t) snprintf(out + used, size - used, "%s%s", i ? ", " : "", archs[i].name);
}
