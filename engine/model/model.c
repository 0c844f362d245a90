/*
 * model.c - turns an opened file into a model, or says in one sentence why not.
 *
 * Shape first, then tensors (tensors.c), then what turns text into tokens.
 */
#include "engine/model/model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/gguf/path.h"
#include "engine/model/tensors.h"

enum use { WHOLE, FOR_IDS };

static int open_text(struct model *m, struct gguf_error *reterr) {
        int r = tokenizer_new(m->gguf, &m->tokenizer, reterr);
        if (r < 0)
                return r;
        if (tokenizer_vocab_count(m->tokenizer) > m->hparams.n_vocab) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "the tokenizer has %" PRIu32 " tokens but the model only %" PRIu32,
                                tokenizer_vocab_count(m->tokenizer), m->hparams.n_vocab);
                return -EBADMSG;
        }
        (void) gguf_get_string(m->gguf, "tokenizer.chat_template.rerank", &m->rank_prompt);
        if (m->rank_prompt.length > RANK_PROMPT_BYTES_MAX) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "key 'tokenizer.chat_template.rerank' has %" PRIu64 " bytes: at most %u are supported",
                                m->rank_prompt.length, RANK_PROMPT_BYTES_MAX);
                return -ENOTSUP;
        }
        infill_tokens_find(m->gguf, &m->infill);
        r = chat_template_init(&m->chat, m->gguf, m->tokenizer);
        if (r < 0)
                (void) snprintf(reterr->text, sizeof(reterr->text), "out of memory");
        return r;
}

static int model_init(struct model *m, enum use use, struct gguf_error *reterr) {
        int r = hparams_read(m->gguf, &m->hparams, reterr);
        if (r < 0)
                return r;
        r = model_take_tensors(m, reterr);
        return r < 0 || use == FOR_IDS ? r : open_text(m, reterr);
}

void model_close(struct model *m) {
        if (!m)
                return;
        chat_template_done(&m->chat);
        tokenizer_free(m->tokenizer);
        hparams_done(&m->hparams);
        free(m->layers);
        free(m->planes);
        gguf_close(m->gguf);
        free(m);
}

/* Takes over G. */
static int model_new(struct gguf *g, enum use use, struct model **ret, struct gguf_error *reterr) {
        struct model *m = calloc(1, sizeof(*m));
        if (!m) {
                gguf_close(g);
                (void) snprintf(reterr->text, sizeof(reterr->text), "out of memory");
                return -ENOMEM;
        }
        m->gguf = g;
        int r = model_init(m, use, reterr);
        if (r < 0)
                model_close(m);
        else
                *ret = m;
        return r;
}

int model_open(const int fds[], uint32_t fds_count, struct model **ret, struct gguf_error *reterr) {
        struct gguf *g;
        int r = gguf_open(fds, fds_count, &g, reterr);
        return r < 0 ? r : model_new(g, WHOLE, ret, reterr);
}

static int open_path(const char *path, enum use use, struct model **ret, struct gguf_error *reterr) {
        struct gguf *g;
        struct gguf_error why = { .text = "" };
        int r = gguf_open_path(path, &g, reterr);
        if (r < 0)
                return r;
        r = model_new(g, use, ret, &why);
        if (r < 0)
                (void) snprintf(reterr->text, sizeof(reterr->text), "%.90s: %.160s", path, why.text);
        return r;
}

int model_open_path(const char *path, struct model **ret, struct gguf_error *reterr) {
        return open_path(path, WHOLE, ret, reterr);
}

int model_open_for_ids(const char *path, struct model **ret, struct gguf_error *reterr) {
        return open_path(path, FOR_IDS, ret, reterr);
}

void model_set_context(struct model *m, uint32_t tokens) {
        m->context_is_long = m->rope_factors_long && tokens > m->hparams.rope.n_ctx_original;
}
