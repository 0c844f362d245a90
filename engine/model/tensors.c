/*
 * tensors.c - the names of tensors. The table is the whole truth about what models are made of: a row says to which
 * part of an architecture (arch.h) a tensor belongs, what its lengths are, and which field takes it.
 */
#include "engine/model/tensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/dispatch/dispatch.h"
#include "engine/kernels/kernels.h"
#include "engine/base/printable.h"

/* The lengths that the table refers to. */
enum extent {
        ONE,
        EMBD,
        FF,
        FF_TWICE,
        FF_EXPERT,
        EXPERTS,
        APART, /* one, of a tensor for each expert */
        VOCAB,
        CONTEXT,
        QUERIES,
        KEYS,
        VALUES,
        FUSED,
        ATTENDED,
        HEAD,
        LABELS,
        ROTATED,
        ANY
};

enum use {
        MULTIPLIED, /* any type that has a kernel; a struct matrix */
        ADDED,      /* F32; its floats */
};

struct expected {
        const char *name; /* APART: the expert's number stands at NUMBER */
        uint32_t part;
        size_t field; /* offset in struct model or struct model_layer */
        enum use use;
        enum extent row, rows, planes; /* dims[0], dims[1], dims[2] */
};

#define NUMBER    '#'
#define GLOBAL(f) offsetof(struct model, f)
#define LAYER(f)  offsetof(struct model_layer, f)

/* clang-format off */
static const struct expected globals[] = {
        { "token_embd.weight",         PART_ALWAYS,       GLOBAL(token_embd),         MULTIPLIED, EMBD,    VOCAB,   ONE },
        { "token_types.weight",        PART_TOKEN_TYPES,  GLOBAL(token_types),        MULTIPLIED, EMBD,    ANY,     ONE },
        { "position_embd.weight",      PART_POSITIONS,    GLOBAL(positions),          MULTIPLIED, EMBD,    CONTEXT, ONE },
        { "token_embd_norm.weight",    PART_EMBD_NORM,    GLOBAL(embd_norm),          ADDED,      EMBD,    ONE,     ONE },
        { "token_embd_norm.bias",      PART_EMBD_NORM,    GLOBAL(embd_norm_bias),     ADDED,      EMBD,    ONE,     ONE },
        { "output_norm.weight",        PART_OUTPUT_NORM,  GLOBAL(output_norm),        ADDED,      EMBD,    ONE,     ONE },
        { "output.weight",             PART_OUTPUT,       GLOBAL(output),             MULTIPLIED, EMBD,    VOCAB,   ONE },
        { "cls.weight",                PART_RANK_MAY,     GLOBAL(cls),                MULTIPLIED, EMBD,    EMBD,    ONE },
        { "cls.bias",                  PART_RANK_MAY,     GLOBAL(cls_bias),           ADDED,      EMBD,    ONE,     ONE },
        { "cls.output.weight",         PART_RANK,         GLOBAL(cls_output),         MULTIPLIED, EMBD,    LABELS,  ONE },
        { "cls.output.bias",           PART_RANK_MAY,     GLOBAL(cls_output_bias),    ADDED,      LABELS,  ONE,     ONE },
        { "rope_freqs.weight",         PART_ROPE_FREQS,   GLOBAL(rope_freqs),         ADDED,      ROTATED, ONE,     ONE },
        { "rope_factors_long.weight",  PART_ROPE_FACTORS, GLOBAL(rope_factors_long),  ADDED,      ROTATED, ONE,     ONE },
        { "rope_factors_short.weight", PART_ROPE_FACTORS, GLOBAL(rope_factors_short), ADDED,      ROTATED, ONE,     ONE },
};

/* Fused ones are taken into the field of their first part, and cut then. */
static const struct expected per_layer[] = {
        { "attn_norm.weight",           PART_NORMS_BEFORE,   LAYER(attn_norm),            ADDED,      EMBD,      ONE,       ONE },
        { "attn_q.weight",              PART_QKV,            LAYER(attn_q),               MULTIPLIED, EMBD,      QUERIES,   ONE },
        { "attn_k.weight",              PART_QKV,            LAYER(attn_k),               MULTIPLIED, EMBD,      KEYS,      ONE },
        { "attn_v.weight",              PART_QKV,            LAYER(attn_v),               MULTIPLIED, EMBD,      VALUES,    ONE },
        { "attn_qkv.weight",            PART_QKV_FUSED,      LAYER(attn_q),               MULTIPLIED, EMBD,      FUSED,     ONE },
        { "attn_q.bias",                PART_QKV_BIAS,       LAYER(attn_q_bias),          ADDED,      QUERIES,   ONE,       ONE },
        { "attn_k.bias",                PART_QKV_BIAS,       LAYER(attn_k_bias),          ADDED,      KEYS,      ONE,       ONE },
        { "attn_v.bias",                PART_QKV_BIAS,       LAYER(attn_v_bias),          ADDED,      VALUES,    ONE,       ONE },
        { "attn_qkv.bias",              PART_QKV_FUSED_BIAS, LAYER(attn_q_bias),          ADDED,      FUSED,     ONE,       ONE },
        { "attn_q_norm.weight",         PART_HEAD_NORMS,     LAYER(attn_q_norm),          ADDED,      HEAD,      ONE,       ONE },
        { "attn_k_norm.weight",         PART_HEAD_NORMS,     LAYER(attn_k_norm),          ADDED,      HEAD,      ONE,       ONE },
        { "attn_output.weight",         PART_ALWAYS,         LAYER(attn_output),          MULTIPLIED, ATTENDED,  EMBD,      ONE },
        { "attn_output.bias",           PART_OUT_BIAS,       LAYER(attn_output_bias),     ADDED,      EMBD,      ONE,       ONE },
        { "post_attention_norm.weight", PART_NORMS_POST,     LAYER(attn_post_norm),       ADDED,      EMBD,      ONE,       ONE },
        { "attn_output_norm.weight",    PART_NORMS_AFTER,    LAYER(attn_after_norm),      ADDED,      EMBD,      ONE,       ONE },
        { "attn_output_norm.bias",      PART_NORMS_AFTER,    LAYER(attn_after_norm_bias), ADDED,      EMBD,      ONE,       ONE },
        { "ffn_norm.weight",            PART_NORMS_BEFORE,   LAYER(ffn_norm),             ADDED,      EMBD,      ONE,       ONE },
        { "ffn_gate.weight",            PART_FF_GATED,       LAYER(ffn_gate),             MULTIPLIED, EMBD,      FF,        ONE },
        { "ffn_up.weight",              PART_FF_GATED,       LAYER(ffn_up),               MULTIPLIED, EMBD,      FF,        ONE },
        { "ffn_up.weight",              PART_FF,             LAYER(ffn_up),               MULTIPLIED, EMBD,      FF,        ONE },
        { "ffn_up.weight",              PART_FF_GATED_FUSED, LAYER(ffn_gate),             MULTIPLIED, EMBD,      FF_TWICE,  ONE },
        { "ffn_down.weight",            PART_FF | PART_FF_GATED | PART_FF_GATED_FUSED,
                                                             LAYER(ffn_down),             MULTIPLIED, FF,        EMBD,      ONE },
        { "ffn_gate.bias",              PART_FF_GATED_BIAS,  LAYER(ffn_gate_bias),        ADDED,      FF,        ONE,       ONE },
        { "ffn_up.bias",                PART_FF_BIAS,        LAYER(ffn_up_bias),          ADDED,      FF,        ONE,       ONE },
        { "ffn_down.bias",              PART_FF_BIAS,        LAYER(ffn_down_bias),        ADDED,      EMBD,      ONE,       ONE },
        { "ffn_gate_inp.weight",        PART_EXPERTS | PART_EXPERTS_APART,
                                                             LAYER(ffn_router),           MULTIPLIED, EMBD,      EXPERTS,   ONE },
        { "ffn_gate_exps.weight",       PART_EXPERTS,        LAYER(ffn_gate),             MULTIPLIED, EMBD,      FF_EXPERT, EXPERTS },
        { "ffn_up_exps.weight",         PART_EXPERTS,        LAYER(ffn_up),               MULTIPLIED, EMBD,      FF_EXPERT, EXPERTS },
        { "ffn_down_exps.weight",       PART_EXPERTS,        LAYER(ffn_down),             MULTIPLIED, FF_EXPERT, EMBD,      EXPERTS },
        { "ffn_gate.#.weight",          PART_EXPERTS_APART,  LAYER(ffn_gate),             MULTIPLIED, EMBD,      FF_EXPERT, APART },
        { "ffn_up.#.weight",            PART_EXPERTS_APART,  LAYER(ffn_up),               MULTIPLIED, EMBD,      FF_EXPERT, APART },
        { "ffn_down.#.weight",          PART_EXPERTS_APART,  LAYER(ffn_down),             MULTIPLIED, FF_EXPERT, EMBD,      APART },
        { "post_ffw_norm.weight",       PART_NORMS_POST,     LAYER(ffn_post_norm),        ADDED,      EMBD,      ONE,       ONE },
        { "layer_output_norm.weight",   PART_NORMS_AFTER,    LAYER(ffn_after_norm),       ADDED,      EMBD,      ONE,       ONE },
        { "layer_output_norm.bias",     PART_NORMS_AFTER,    LAYER(ffn_after_norm_bias),  ADDED,      EMBD,      ONE,       ONE },
};
/* clang-format on */

/* Written by some converters and not used: the frequencies follow from the metadata. */
static const char *const ignored_per_layer[] = { "attn_rot_embd", "attn_rot_embd.weight", "attn.rot_embd",
                                                 "attn_rot_embd.inv_freq" };

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* --- one tensor --- */

/* What there may be, of all models of this make. */
static uint32_t parts_known(const struct hparams *s) {
        return s->parts | arch_parts_may(s->arch) | (s->parts & PART_RANK ? PART_RANK_MAY : 0);
}

static uint64_t extent_of(const struct hparams *s, enum extent e, uint32_t layer) {
        uint64_t queries = (uint64_t) s->n_head * s->d_head_k, keys = (uint64_t) s->head_kv[layer] * s->d_head_k;
        uint64_t values = (uint64_t) s->head_kv[layer] * s->d_head_v;
        switch (e) {
        case ONE:
        case APART: return 1;
        case EMBD: return s->n_embd;
        case FF: return s->n_ff;
        case FF_TWICE: return 2 * (uint64_t) s->n_ff;
        case FF_EXPERT: return s->n_ff_expert;
        case EXPERTS: return s->n_expert;
        case VOCAB: return s->n_vocab;
        case CONTEXT: return s->n_ctx_train;
        case QUERIES: return queries;
        case KEYS: return keys;
        case VALUES: return values;
        case FUSED: return queries + keys + values;
        case ATTENDED: return (uint64_t) s->n_head * s->d_head_v;
        case HEAD: return s->d_head_k;
        case LABELS: return s->n_labels;
        case ROTATED: return s->n_rot / 2;
        case ANY: break;
        }
        return 0;
}

static int check_type(const struct gguf_tensor *t, enum use use, const char *name, struct gguf_error *reterr) {
        const char *type = tensor_type_info(t->type)->name;
        if (use == ADDED && t->type != TENSOR_F32) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "tensor '%s' has type %s where only F32 is supported", name,
                                type);
                return -ENOTSUP;
        }
        if (!kernels_get()->types[t->type].multiply) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "tensor '%s' has type %s, which this engine cannot compute with", name, type);
                return -ENOTSUP;
        }
        return 0;
}

/* "256 x 8", or with planes "256 x 8 x 4". */
static void print_dims(char out[72], uint64_t row, uint64_t rows, uint64_t planes, bool with_planes) {
        int used = snprintf(out, 72, "%" PRIu64 " x %" PRIu64, row, rows);
        if (with_planes)
                (void) snprintf(out + used, 72 - (size_t) used, " x %" PRIu64, planes);
}

static int check_tensor(const struct hparams *s, const struct gguf_tensor *t, const struct expected *e, uint32_t layer,
                        const char *name, struct gguf_error *reterr) {
        uint64_t row = extent_of(s, e->row, layer), planes = extent_of(s, e->planes, layer);
        uint64_t rows = e->rows == ANY ? t->dims[1] : extent_of(s, e->rows, layer);
        if (t->dims[0] != row || t->dims[1] != rows || t->dims[2] != planes || t->dims[3] != 1 || rows > UINT32_MAX) {
                bool with_planes = planes != 1 || t->dims[2] != 1;
                char is[72], should[72];
                print_dims(is, t->dims[0], t->dims[1], t->dims[2], with_planes);
                print_dims(should, row, rows, planes, with_planes);
                (void) snprintf(reterr->text, sizeof(reterr->text), "tensor '%s' is %s where %s is expected", name, is, should);
                return -EBADMSG;
        }
        return check_type(t, e->use, name, reterr);
}

static void put(void *owner, const struct expected *e, const struct gguf_tensor *t) {
        struct matrix m = matrix_of(t);
        if (e->use == MULTIPLIED)
                memcpy((uint8_t *) owner + e->field, &m, sizeof(m));
        else
                memcpy((uint8_t *) owner + e->field, &t->data, sizeof(t->data));
}

/* "blk.3.ffn_norm.weight"; with the number of an expert where the name of E has a place for it. */
static void print_name(char out[64], const char *prefix, const struct expected *e, uint32_t expert) {
        const char *number = strchr(e->name, NUMBER);
        if (number)
                (void) snprintf(out, 64, "%s%.*s%" PRIu32 "%s", prefix, (int) (number - e->name), e->name, expert, number + 1);
        else
                (void) snprintf(out, 64, "%s%s", prefix, e->name);
}

/* The tensor NAME as E has it: *ret, NULL where there is none and none must be. */
static int find(const struct model *m, const struct expected *e, const char *name, uint32_t layer, const struct gguf_tensor **ret,
                struct gguf_error *reterr) {
        *ret = gguf_find_tensor(m->gguf, name);
        if (*ret)
                return check_tensor(&m->hparams, *ret, e, layer, name, reterr);
        if (!(e->part & m->hparams.parts))
                return 0;
        (void) snprintf(reterr->text, sizeof(reterr->text), "tensor '%s' is missing", name);
        return -EBADMSG;
}

/* Looks up E, if the architecture has it, and puts it into its field of OWNER. PREFIX: "" or "blk.3.". */
static int take_tensor(const struct model *m, const struct expected *e, const char *prefix, uint32_t layer, void *owner,
                       struct gguf_error *reterr) {
        if (!(e->part & parts_known(&m->hparams)))
                return 0;
        char name[64];
        const struct gguf_tensor *t;
        print_name(name, prefix, e, 0);
        int r = find(m, e, name, layer, &t, reterr);
        if (r == 0 && t)
                put(owner, e, t);
        return r;
}

/* The other experts of E, whose first has been taken: PLANES says where the rows of each begin. */
static int take_experts(const struct model *m, const struct expected *e, const char *prefix, uint32_t layer, struct matrix *first,
                        const uint8_t **planes, struct gguf_error *reterr) {
        for (uint32_t i = 0; i < m->hparams.n_expert; i++) {
                char name[64];
                const struct gguf_tensor *t;
                print_name(name, prefix, e, i);
                int r = find(m, e, name, layer, &t, reterr);
                if (r < 0)
                        return r;
                if (t->type != first->type) {
                        (void) snprintf(reterr->text, sizeof(reterr->text),
                                        "tensor '%s' has type %s where the first expert has %s: all of a layer must be alike",
                                        name, tensor_type_info(t->type)->name, tensor_type_info(first->type)->name);
                        return -ENOTSUP;
                }
                planes[i] = t->data;
        }
        first->planes = planes;
        return 0;
}

/* --- all tensors --- */

static void cut_fused(const struct hparams *s, uint32_t layer, struct model_layer *w) {
        uint32_t queries = s->n_head * s->d_head_k, keys = s->head_kv[layer] * s->d_head_k,
                 values = s->head_kv[layer] * s->d_head_v;
        if (s->parts & PART_QKV_FUSED) {
                w->attn_v = matrix_rows(w->attn_q, queries + keys, values);
                w->attn_k = matrix_rows(w->attn_q, queries, keys);
                w->attn_q = matrix_rows(w->attn_q, 0, queries);
        }
        if ((arch_parts_may(s->arch) & PART_QKV_FUSED_BIAS) && w->attn_q_bias) {
                w->attn_k_bias = w->attn_q_bias + queries * sizeof(float);
                w->attn_v_bias = w->attn_k_bias + keys * sizeof(float);
        }
        if (s->parts & PART_FF_GATED_FUSED) {
                w->ffn_up = matrix_rows(w->ffn_gate, s->n_ff, s->n_ff);
                w->ffn_gate = matrix_rows(w->ffn_gate, 0, s->n_ff);
        }
}

/* How many matrices the experts of one layer have, where each has a tensor of its own. */
static size_t planes_of_layer(const struct hparams *s) {
        size_t count = 0;
        for (size_t i = 0; i < COUNT(per_layer); i++)
                count += per_layer[i].planes == APART && (per_layer[i].part & s->parts) ? s->n_expert : 0;
        return count;
}

/* Experts with a tensor each. */
static int take_apart(struct model *m, const char *prefix, uint32_t layer, struct gguf_error *reterr) {
        const uint8_t **planes = m->planes + layer * planes_of_layer(&m->hparams);
        for (size_t i = 0; i < COUNT(per_layer); i++) {
                const struct expected *e = &per_layer[i];
                if (e->planes != APART)
                        continue;
                struct matrix *first = (struct matrix *) ((uint8_t *) &m->layers[layer] + e->field);
                int r = take_experts(m, e, prefix, layer, first, planes, reterr);
                if (r < 0)
                        return r;
                planes += m->hparams.n_expert;
        }
        return 0;
}

static int take_layer(struct model *m, uint32_t layer, struct gguf_error *reterr) {
        char prefix[24];
        (void) snprintf(prefix, sizeof(prefix), "blk.%" PRIu32 ".", layer);
        for (size_t i = 0; i < COUNT(per_layer); i++) {
                int r = take_tensor(m, &per_layer[i], prefix, layer, &m->layers[layer], reterr);
                if (r < 0)
                        return r;
        }
        cut_fused(&m->hparams, layer, &m->layers[layer]);
        return m->planes ? take_apart(m, prefix, layer, reterr) : 0;
}

static bool is_usable_divisor(float x) {
        return x >= 1e-6f && x <= 1e6f; /* NaN is not */
}

/* Divisors of frequencies: what they turn must stay a number. */
static int check_factors(const uint8_t *factors, uint32_t count, const char *name, struct gguf_error *reterr) {
        for (uint32_t i = 0; factors && i < count; i++) {
                float factor;
                memcpy(&factor, factors + i * sizeof(factor), sizeof(factor));
                if (is_usable_divisor(factor))
                        continue;
                (void) snprintf(reterr->text, sizeof(reterr->text), "tensor '%s' holds %g, by which no frequency can be divided",
                                name, (double) factor);
                return -EBADMSG;
        }
        return 0;
}

static int take_globals(struct model *m, struct gguf_error *reterr) {
        for (size_t i = 0; i < COUNT(globals); i++) {
                int r = take_tensor(m, &globals[i], "", 0, m, reterr);
                if (r < 0)
                        return r;
        }
        if (!m->output.data && m->hparams.causal)
                m->output = m->token_embd;
        if (!m->rope_factors_long != !m->rope_factors_short) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "tensor 'rope_factors_%s.weight' is missing beside its twin",
                                m->rope_factors_long ? "short" : "long");
                return -EBADMSG;
        }
        uint32_t pairs = m->hparams.n_rot / 2;
        int r = check_factors(m->rope_freqs, pairs, "rope_freqs.weight", reterr);
        r = r ? r : check_factors(m->rope_factors_long, pairs, "rope_factors_long.weight", reterr);
        return r ? r : check_factors(m->rope_factors_short, pairs, "rope_factors_short.weight", reterr);
}

/* --- unknown tensors --- */

/* The name within its layer, or the whole name when it has no layer prefix. */
static struct gguf_string name_within_layer(struct gguf_string name, bool *ret_in_layer) {
        uint64_t at = 4;
        *ret_in_layer = false;
        if (name.length < 4 || memcmp(name.bytes, "blk.", 4))
                return name;
        while (at < name.length && name.bytes[at] >= '0' && name.bytes[at] <= '9')
                at++;
        if (at == 4 || at >= name.length || name.bytes[at] != '.')
                return name;
        *ret_in_layer = true;
        return (struct gguf_string){ name.bytes + at + 1, name.length - at - 1 };
}

/* Whether NAME is that of E, for one of N_EXPERT experts where it has a number. */
static bool is_name_of(const struct expected *e, struct gguf_string name, uint32_t n_expert) {
        const char *number = strchr(e->name, NUMBER);
        if (!number)
                return gguf_string_equals(name, e->name);
        uint32_t expert = 0;
        char exact[64];
        for (uint64_t at = (uint64_t) (number - e->name); at < name.length && expert < n_expert; at++) {
                if (name.bytes[at] < '0' || name.bytes[at] > '9')
                        break;
                expert = 10 * expert + (uint32_t) (name.bytes[at] - '0');
        }
        print_name(exact, "", e, expert);
        return expert < n_expert && gguf_string_equals(name, exact);
}

static bool is_in(const struct expected table[], size_t count, const struct hparams *s, struct gguf_string name) {
        uint32_t parts = parts_known(s);
        for (size_t i = 0; i < count; i++)
                if ((table[i].part & parts) && is_name_of(&table[i], name, s->n_expert))
                        return true;
        return false;
}

static bool is_known(const struct hparams *s, struct gguf_string whole) {
        bool in_layer;
        struct gguf_string name = name_within_layer(whole, &in_layer);
        for (size_t i = 0; in_layer && i < COUNT(ignored_per_layer); i++)
                if (gguf_string_equals(name, ignored_per_layer[i]))
                        return true;
        return in_layer ? is_in(per_layer, COUNT(per_layer), s, name) : is_in(globals, COUNT(globals), s, name);
}

static int refuse_unknown(const struct model *m, struct gguf_error *reterr) {
        for (size_t i = 0; i < gguf_tensors_count(m->gguf); i++) {
                struct gguf_string name = gguf_tensor_at(m->gguf, i)->name;
                char shown[80];
                if (is_known(&m->hparams, name))
                        continue;
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "tensor '%s' has no part in this architecture as far as this engine knows",
                                printable_copy(shown, sizeof(shown), name.bytes, name.length));
                return -ENOTSUP;
        }
        return 0;
}

int model_take_tensors(struct model *m, struct gguf_error *reterr) {
        size_t planes = m->hparams.n_layer * planes_of_layer(&m->hparams);
        m->layers = calloc(m->hparams.n_layer, sizeof(*m->layers));
        m->planes = planes ? calloc(planes, sizeof(*m->planes)) : NULL;
        if (!m->layers || (planes && !m->planes)) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "out of memory for %" PRIu32 " layers", m->hparams.n_layer);
                return -ENOMEM;
        }
        int r = take_globals(m, reterr);
        for (uint32_t layer = 0; r == 0 && layer < m->hparams.n_layer; layer++)
                r = take_layer(m, layer, reterr);
        return r ? r : refuse_unknown(m, reterr);
}
