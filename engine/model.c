/*
 * model.c - turns an opened file into a model, or says in one sentence why not.
 *
 * Shape first, then tensors (model_tensors.c), then what turns text into tokens.
 */
#include "engine/model.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/model_files.h"
#include "engine/model_tensors.h"

enum use { WHOLE, FOR_IDS };

static int open_text(struct model *m, struct gguf_error *reterr) {
        int r = tokenizer_new(m->gguf, &m->tokenizer, reterr);
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

static int model_init(struct model *m, enum use use, struct gguf_error *reterr) {
        int r = shape_read(m->gguf, &m->shape, reterr);
        if (r < 0)
                return r;
        r = model_take_tensors(m, reterr);
        return r < 0 || use == FOR_IDS ? r : open_text(m, reterr);
}

static int open_as(const int fds[], uint32_t fds_count, enum use use, struct model **ret, struct gguf_error *reterr) {
        struct model *m = calloc(1, sizeof(*m));
        if (!m) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "out of memory");
                return -ENOMEM;
        }
        int r = gguf_open(fds, fds_count, &m->gguf, reterr);
        if (r == 0)
                r = model_init(m, use, reterr);
        if (r < 0) {
                model_close(m);
                return r;
        }
        *ret = m;
        return 0;
}

int model_open(const int fds[], uint32_t fds_count, struct model **ret, struct gguf_error *reterr) {
        return open_as(fds, fds_count, WHOLE, ret, reterr);
}

static int open_files(const struct model_files *files, enum use use, struct model **ret, struct gguf_error *reterr) {
        int fds[MODEL_FILES_MAX];
        uint32_t failed;
        int r = model_files_open(files, fds, &failed);
        if (r < 0) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "%.160s: %s", files->paths[failed], strerror(-r));
                return r;
        }
        struct gguf_error why = { .text = "" };
        r = open_as(fds, files->count, use, ret, &why);
        if (r < 0)
                (void) snprintf(reterr->text, sizeof(reterr->text), "%.90s: %.160s", files->paths[0], why.text);
        for (uint32_t i = 0; i < files->count; i++)
                (void) close(fds[i]);
        return r;
}

static int open_path(const char *path, enum use use, struct model **ret, struct gguf_error *reterr) {
        struct model_files files;
        int r = model_files_list(path, &files);
        if (r < 0) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                r == -EINVAL ? "'%.160s' is named like a part that cannot be" : "out of memory for '%.160s'",
                                path);
                return r;
        }
        r = open_files(&files, use, ret, reterr);
        model_files_done(&files);
        return r;
}

int model_open_path(const char *path, struct model **ret, struct gguf_error *reterr) {
        return open_path(path, WHOLE, ret, reterr);
}

int model_open_for_ids(const char *path, struct model **ret, struct gguf_error *reterr) {
        return open_path(path, FOR_IDS, ret, reterr);
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

void model_set_context(struct model *m, uint32_t tokens) {
        m->context_is_long = m->rope_factors_long && tokens > m->shape.rope.n_ctx_original;
}
