/*
 * arch.h - the differences between the architectures: one description each, and nothing else in the engine asks for a
 * name.
 *
 * All of them are the transformer of compute/transformer.c with steps left out. A description says which tensors there are
 * (tensors.c has their names and extents by these parts), in what order values are rotated, and the numbers that
 * files do not write because the architecture fixes them. A new architecture is a row of arch.c, and a part where it
 * has tensors that none had before.
 */
#ifndef HEADROOM_ENGINE_MODEL_ARCH_H
#define HEADROOM_ENGINE_MODEL_ARCH_H

#include <stdbool.h>
#include <stdint.h>

enum arch {
        ARCH_LLAMA,
        ARCH_MISTRAL, /* llama under its own name; most files of it say llama */
        ARCH_QWEN2,
        ARCH_QWEN3,
        ARCH_QWEN3MOE,
        ARCH_GEMMA2,
        ARCH_GEMMA3,
        ARCH_PHI3,
        ARCH_BERT,
        ARCH_NOMIC_BERT,
        ARCH_COUNT,
};

/* Groups of tensors that come together. A set of them is these bits. */
enum arch_part {
        PART_ALWAYS = 1u << 0,       /* token embeddings, the projection of what was attended to */
        PART_OUTPUT = 1u << 1,       /* a matrix of the logits that is not that of the embeddings */
        PART_OUTPUT_NORM = 1u << 2,  /* RMS norm behind the last layer */
        PART_NORMS_BEFORE = 1u << 3, /* RMS norms of what attention and feed-forward take in */
        PART_NORMS_POST = 1u << 4,   /* RMS norms of what they put out, before it is added */
        PART_NORMS_AFTER = 1u << 5,  /* layer norms with bias of the sum, instead of those before */
        PART_EMBD_NORM = 1u << 6,    /* layer norm with bias of the embeddings */
        PART_POSITIONS = 1u << 7,    /* learned positions, a row each */
        PART_TOKEN_TYPES = 1u << 8,  /* token types, of which the first is added: one text is all of type 0 */
        PART_QKV = 1u << 9,          /* query, key, value in three matrices */
        PART_QKV_FUSED = 1u << 10,   /* in one, rows in this order */
        PART_QKV_BIAS = 1u << 11,
        PART_QKV_FUSED_BIAS = 1u << 12,
        PART_HEAD_NORMS = 1u << 13,     /* RMS norms of each query and key head */
        PART_OUT_BIAS = 1u << 14,       /* of what was attended to */
        PART_FF = 1u << 15,             /* up and down alone */
        PART_FF_GATED = 1u << 16,       /* gate, up and down */
        PART_FF_GATED_FUSED = 1u << 17, /* gate and up in one matrix, rows in this order */
        PART_FF_BIAS = 1u << 18,        /* of up and down */
        PART_FF_GATED_BIAS = 1u << 19,  /* of gate */
        PART_EXPERTS = 1u << 20,        /* gate, up and down of many experts, and what chooses among them: a tensor for all */
        PART_EXPERTS_APART = 1u << 21,  /* the same with a tensor for each expert: the first files of Mixtral */
        PART_ROPE_FREQS = 1u << 22,     /* divisors of the frequencies */
        PART_ROPE_FACTORS = 1u << 23,   /* the same for short and for long contexts (LongRoPE) */
        PART_RANK = 1u << 24,           /* the head that scores two texts */
        PART_RANK_MAY = 1u << 25,       /* a dense layer before it, and biases */
};

enum rope_pairs {
        ROPE_NONE,
        ROPE_NEIGHBOURS, /* (0,1), (2,3) ...: the order in which GGUF stores llama's heads */
        ROPE_HALVES,     /* (0,n/2), (1,n/2+1) ... */
};

enum gate {
        GATE_SILU,
        GATE_GELU, /* with or without a gate; by its tanh form: Gemma's own, and within 5e-4 of BERT's by erf */
};

enum window_use {
        WINDOW_NONE,
        WINDOW_WHERE_GIVEN, /* in all layers when the file says how long; 0 says that there is none */
        WINDOW_PATTERN,     /* in all layers but each last of a pattern */
};

/* Traits shared by the architectures that make text, and by those that make vectors. */
struct arch_kind {
        uint32_t parts, parts_may; /* besides the architecture's own */
        bool causal;               /* makes text; else it looks both ways, and a text goes through as a whole */
        const char *epsilon;       /* the key of the norms' epsilon */
};

struct arch_info {
        const char *name; /* as general.architecture says it, and before each key */
        const struct arch_kind *kind;
        uint32_t parts, parts_may; /* besides those of its kind: arch_parts and arch_parts_may have all */
        bool experts_may;          /* with expert_count: PART_EXPERTS in the place of PART_FF_GATED */
        bool embd_scaled;          /* embeddings times the root of their length */
        enum rope_pairs rope;
        enum gate gate;
        enum window_use window;
        uint32_t window_pattern, window_default; /* WINDOW_PATTERN: where the file does not say; window_default 0: it must */
        float rope_base_local;                   /* of layers with a window; 0: as the others */
        float attention_cap, logits_cap;         /* the default where the file does not say; 0: none */
        uint32_t layers_scaled_by_width;         /* the model of so many layers divides scores by the root of n_embd / n_head */
};

/* The row of ARCH. */
const struct arch_info *arch_info(enum arch arch);
/* The parts that are always there, and those of which each tensor may be there. */
uint32_t arch_parts(enum arch arch);
uint32_t arch_parts_may(enum arch arch);
/* As `general.architecture` names it: "llama". */
const char *arch_name(enum arch arch);
/* 0 and *ret, or -ENOENT. NAME is not terminated. */
int arch_by_name(const char *name, uint64_t length, enum arch *ret);
/* All names, separated by commas; OUT is terminated, cut where it is too small. */
void arch_names(char *out, uint32_t size);

#endif
