/* error.c - see error.h. */
#include "engine/request/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int request_refuse(struct request_error *reterr, const char *param, const char *format, ...) {
        *reterr = (struct request_error){ .reason = REASON_INVALID_REQUEST, .param = param };
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(reterr->message, sizeof(reterr->message), format, arguments);
        va_end(arguments);
        return -EINVAL;
}

struct request_error request_error_memory(void) {
        return (struct request_error){ .reason = REASON_OUT_OF_MEMORY, .message = "The engine is out of memory." };
}

int request_refuse_without_text(const struct request_rules *rules, struct request_error *reterr) {
        if (rules->makes_text)
                return 0;
        if (rules->ranker)
                return request_refuse_without_vectors(reterr);
        return request_refuse(reterr, "model", "This model makes embeddings alone: ask it at /v1/embeddings, or name another.");
}

int request_refuse_without_vectors(struct request_error *reterr) {
        return request_refuse(reterr, "model", "This model ranks documents alone: ask it at /v1/rerank, or name another.");
}

struct request_error request_error_no_numbers(bool embeds) {
        struct request_error error = { .reason = REASON_NO_NUMBERS };
        (void) snprintf(error.message, sizeof(error.message), "The model computes no numbers: its %s hold NaN or infinity.",
                        embeds ? "vectors" : "logits");
        return error;
}

int request_no_memory(struct request_error *reterr) {
        *reterr = request_error_memory();
        return -ENOMEM;
}

int request_refuse_length(struct request_error *reterr, const char *param, size_t n_prompt_tokens, bool at_least,
                          uint32_t n_ctx) {
        (void) request_refuse(
                reterr, param,
                "The prompt is too long: it has %s%zu tokens, and this model's maximum context length is %u tokens, an answer included. "
                "Shorten the prompt, or load the model with a larger context.",
                at_least ? "at least " : "", n_prompt_tokens, n_ctx);
        reterr->reason = REASON_CONTEXT_EXCEEDED;
        reterr->n_prompt_tokens = n_prompt_tokens < UINT32_MAX ? (uint32_t) n_prompt_tokens : UINT32_MAX;
        reterr->n_ctx = n_ctx;
        return -EINVAL;
}

int request_refuse_lowered(struct request_error *reterr, const char *param, size_t n_prompt_tokens, uint32_t n_ctx_now,
                           uint32_t n_ctx) {
        (void) request_refuse(reterr, param,
                              "The prompt has %zu tokens, and while memory is short the context of new requests is %u tokens "
                              "instead of %u: shorten the prompt or try again later.",
                              n_prompt_tokens, n_ctx_now, n_ctx);
        reterr->reason = REASON_CONTEXT_LOWERED;
        reterr->n_prompt_tokens = (uint32_t) n_prompt_tokens;
        reterr->n_ctx = n_ctx_now;
        return -EINVAL;
}
