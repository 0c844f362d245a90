/*
 * model.c - turns an opened file into a model, or says in one sentence why not.
 *
 * The table of tensors below is the whole truth about what a layer is made of: each is looked up, and its type and
 * dimensions are compared with the shape. A tensor that the table does not know (a bias, an expert) would be left
 * out of the arithmetic in silence, so it is refused too.
 */
#include "engine/model.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/kernels/kernels.h"
#include "engine/model_files.h"
#include "engine/printable.h"

/* What a length in the table stands for. */
enum extent { ONE, EMBD, FF, VOCAB, QUERIES, KEYS, VALUES, ATTENDED, ROTATED };

enum use {
        MULTIPLIED,  /* any type that has a kernel */
        READ_AS_F32, /* norms and factors */
};

struct expected {
        const char *name;
        size_t field; /* offset in struct model or struct model_layer */
        enum use use;
        enum extent row, rows; /* dims[0], dims[1] */
        bool optional;
};

#define GLOBAL(f) offsetof(struct model, f)
#define LAYER(f)  offsetof(struct model_layer, f)

static const struct expected globals[] = {
        { "token_embd.weight", GLOBAL(token_embd), MULTIPLIED, EMBD, VOCAB, false },
        { "output_norm.weight", GLOBAL(output_norm), READ_AS_F32, EMBD, ONE, false },
        { "output.weight", GLOBAL(output), MULTIPLIED, EMBD, VOCAB, true },
        { "rope_freqs.weight", GLOBAL(rope_freqs), READ_AS_F32, ROTATED, ONE, true },
};

/* clang-format off */
static const struct expected per_layer[] = {
        { "attn_norm.weight",   LAYER(attn_norm),   READ_AS_F32, EMBD,     ONE,     false },
        { "attn_q.weight",      LAYER(attn_q),      MULTIPLIED,  EMBD,     QUERIES, false },
        { "attn_k.weight",      LAYER(attn_k),      MULTIPLIED,  EMBD,     KEYS,    false },
        { "attn_v.weight",      LAYER(attn_v),      MULTIPLIED,  EMBD,     VALUES,  false },
        { "attn_output.weight", LAYER(attn_output), MULTIPLIED,  ATTENDED, EMBD,    false },
        { "ffn_norm.weight",    LAYER(ffn_norm),    READ_AS_F32, EMBD,     ONE,     false },
        { "ffn_gate.weight",    LAYER(ffn_gate),    MULTIPLIED,  EMBD,     FF,      false },
        { "ffn_up.weight",      LAYER(ffn_up),      MULTIPLIED,  EMBD,     FF,      false },
        { "ffn_down.weight",    LAYER(ffn_down),    MULTIPLIED,  FF,       EMBD,    false },
};
/* clang-format on */

/* Written by some converters and used by nobody: the frequencies follow from the metadata. */
static const char *const ignored_per_layer[] = { "attn_rot_embd", "attn_rot_embd.weight", "attn.rot_embd",
                                                 "attn_rot_embd.inv_freq" };

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* --- one tensor --- */

static uint64_t extent_of(const struct shape *s, enum extent e, uint32_t layer) {
        switch (e) {
        case ONE: return 1;
        case EMBD: return s->n_embd;
        case FF: return s->n_ff;
        case VOCAB: return s->n_vocab;
        case QUERIES: return (uint64_t) s->n_head * s->d_head_k;
        case KEYS: return (uint64_t) s->head_kv[layer] * s->d_head_k;
        case VALUES: return (uint64_t) s->head_kv[layer] * s->d_head_v;
        case ATTENDED: return (uint64_t) s->n_head * s->d_head_v;
        case ROTATED: return s->n_rot / 2;
        }
        return 0;
}

static int check_type(const struct gguf_tensor *t, enum use use, const char *name, struct gguf_error *reterr) {
        const char *type = tensor_type_info(t->type)->name;
        if (use == READ_AS_F32 && t->type != TENSOR_F32) {
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

static int check_tensor(const struct shape *s, const struct gguf_tensor *t, const struct expected *e, uint32_t layer,
                        const char *name, struct gguf_error *reterr) {
        uint64_t row = extent_of(s, e->row, layer), rows = extent_of(s, e->rows, layer);
        if (t->dims[0] != row || t->dims[1] != rows || t->dims[2] != 1 || t->dims[3] != 1) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "tensor '%s' is %" PRIu64 " x %" PRIu64 " where %" PRIu64 " x %" PRIu64 " is expected", name,
                                t->dims[0], t->dims[1], row, rows);
                return -EBADMSG;
        }
        return check_type(t, e->use, name, reterr);
}

/* Looks up E and puts it into its field of OWNER. PREFIX: "" or "blk.3.". */
static int take_tensor(const struct model *m, const struct expected *e, const char *prefix, uint32_t layer, void *owner,
                       struct gguf_error *reterr) {
        char name[64];
        (void) snprintf(name, sizeof(name), "%s%s", prefix, e->name);
        const struct gguf_tensor *t = gguf_find_tensor(m->gguf, name);
        if (!t && e->optional)
                return 0;
        if (!t) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "tensor '%s' is missing", name);
                return -EBADMSG;
        }
        int r = check_tensor(&m->shape, t, e, layer, name, reterr);
        if (r < 0)
                return r;
        memcpy((uint8_t *) owner + e->field, &t, sizeof(t));
        return 0;
}

/* --- all tensors --- */

static int take_layer(struct model *m, uint32_t layer, struct gguf_error *reterr) {
        char prefix[24];
        (void) snprintf(prefix, sizeof(prefix), "blk.%" PRIu32 ".", layer);
        for (size_t i = 0; i < COUNT(per_layer); i++) {
                int r = take_tensor(m, &per_layer[i], prefix, layer, &m->layers[layer], reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_tensors(struct model *m, struct gguf_error *reterr) {
        m->layers = calloc(m->shape.n_layer, sizeof(*m->layers));
        if (!m->layers) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "out of memory for %" PRIu32 " layers", m->shape.n_layer);
                return -ENOMEM;
        }
        for (size_t i = 0; i < COUNT(globals); i++) {
                int r = take_tensor(m, &globals[i], "", 0, m, reterr);
                if (r < 0)
                        return r;
        }
        if (!m->output)
                m->output = m->token_embd;
        for (uint32_t layer = 0; layer < m->shape.n_layer; layer++) {
                int r = take_layer(m, layer, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

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

static bool is_known(struct gguf_string whole) {
        bool in_layer;
        struct gguf_string name = name_within_layer(whole, &in_layer);
        for (size_t i = 0; !in_layer && i < COUNT(globals); i++)
                if (gguf_string_equals(name, globals[i].name))
                        return true;
        for (size_t i = 0; in_layer && i < COUNT(per_layer); i++)
                if (gguf_string_equals(name, per_layer[i].name))
                        return true;
        for (size_t i = 0; in_layer && i < COUNT(ignored_per_layer); i++)
                if (gguf_string_equals(name, ignored_per_layer[i]))
                        return true;
        return false;
}

static int refuse_unknown(const struct gguf *g, struct gguf_error *reterr) {
        for (size_t i = 0; i < gguf_tensors_count(g); i++) {
                struct gguf_string name = gguf_tensor_at(g, i)->name;
                char shown[80];
                if (is_known(name))
                        continue;
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "tensor '%s' has no part in this architecture as far as this engine knows",
                                printable_copy(shown, sizeof(shown), name.bytes, name.length));
                return -ENOTSUP;
        }
        return 0;
}

/* --- life --- */

static int model_init(struct model *m, struct gguf_error *reterr) {
        int r = shape_read(m->gguf, &m->shape, reterr);
        if (r < 0)
                return r;
        r = take_tensors(m, reterr);
        if (r < 0)
                return r;
        r = refuse_unknown(m->gguf, reterr);
        if (r < 0)
                return r;
        r = tokenizer_new(m->gguf, &m->tokenizer, reterr);
        if (r < 0)
                return r;
        if (tokenizer_vocab_count(m->tokenizer) > m->shape.n_vocab) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "the tokenizer has %" PRIu32 " tokens but the model only %" PRIu32,
                                tokenizer_vocab_count(m->tokenizer), m->shape.n_vocab);
                return -EBADMSG;
        }
        r = chat_template_init(&m->chat, m->gguf, m->tokenizer);
        if (r < 0)
                (void) snprintf(reterr->text, sizeof(reterr->text), "out of memory");
        return r;
}

int model_open(const int fds[], uint32_t fds_count, struct model **ret, struct gguf_error *reterr) {
        struct model *m = calloc(1, sizeof(*m));
        if (!m) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "out of memory");
                return -ENOMEM;
        }
        int r = gguf_open(fds, fds_count, &m->gguf, reterr);
        if (r == 0)
                r = model_init(m, reterr);
        if (r < 0) {
                model_close(m);
                return r;
        }
        *ret = m;
        return 0;
}

static int open_files(const struct model_files *files, struct model **ret, struct gguf_error *reterr) {
        int fds[MODEL_FILES_MAX];
        uint32_t failed;
        int r = model_files_open(files, fds, &failed);
        if (r < 0) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "%.160s: %s", files->paths[failed], strerror(-r));
                return r;
        }
        struct gguf_error why = { .text = "" };
        r = model_open(fds, files->count, ret, &why);
        if (r < 0)
                (void) snprintf(reterr->text, sizeof(reterr->text), "%.90s: %.160s", files->paths[0], why.text);
        for (uint32_t i = 0; i < files->count; i++)
                (void) close(fds[i]);
        return r;
}

int model_open_path(const char *path, struct model **ret, struct gguf_error *reterr) {
        struct model_files files;
        int r = model_files_list(path, &files);
        if (r < 0) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                r == -EINVAL ? "'%.160s' is named like a part that cannot be" : "out of memory for '%.160s'",
                                path);
                return r;
        }
        r = open_files(&files, ret, reterr);
        model_files_done(&files);
        return r;
}

void model_close(struct model *m) {
        if (!m)
                return;
        chat_template_done(&m->chat);
        tokenizer_free(m->tokenizer);
        shape_done(&m->shape);
        free(m->layers);
        gguf_close(m->gguf);
        free(m);
}
