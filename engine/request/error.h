/* error.h - ways to refuse a request, for the files that read one. */
#ifndef HEADROOM_ENGINE_REQUEST_ERROR_H
#define HEADROOM_ENGINE_REQUEST_ERROR_H

#include "engine/request/request.h"

/* invalid_request. Returns -EINVAL. */
int request_refuse(struct request_error *reterr, const char *param, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* out_of_memory. Returns -ENOMEM. */
int request_no_memory(struct request_error *reterr);
/* 0, or where the model makes no text -EINVAL, with where to ask it. */
int request_refuse_without_text(const struct request_rules *rules, struct request_error *reterr);
/* The same where it ranks and is asked for vectors. */
int request_refuse_without_vectors(struct request_error *reterr);
/* no_numbers: its logits, or where it EMBEDS its vector, hold NaN or infinity. */
struct request_error request_error_no_numbers(bool embeds);
/* context_length_exceeded. AT_LEAST: the tokens were not counted but bounded from below. Returns -EINVAL. */
int request_refuse_length(struct request_error *reterr, const char *param, size_t n_prompt_tokens, bool at_least, uint32_t n_ctx);
/* context_lowered: it would fit N_CTX, but for now N_CTX_NOW is the ceiling. Returns -EINVAL. */
int request_refuse_lowered(struct request_error *reterr, const char *param, size_t n_prompt_tokens, uint32_t n_ctx_now,
                           uint32_t n_ctx);

#endif
