/*
 * request.h - a client's body, read into checked values or refused with a sentence.
 *
 * The daemon hands the body over as the client sent it, so every field is hostile: its type, range and size are
 * checked here and nowhere else. null counts as absent, unknown fields are ignored. A refusal names the field, in the
 * terms of the OpenAI API. After request_read nothing refers to the JSON any more.
 */
#ifndef HEADROOM_ENGINE_REQUEST_REQUEST_H
#define HEADROOM_ENGINE_REQUEST_REQUEST_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/bounds.h"
#include "engine/compute/pooling.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/token_trie.h"
#include "engine/model/model.h"
#include "engine/output/chat_parser.h"
#include "engine/output/stop_strings.h"
#include "engine/sampling/sampler.h"
#include "engine/tokenizer/tokenizer.h"
#include "policy/base/random.h"
#include "policy/base/reason.h"

/* The rules that requests are checked against, worked out once per model. */
struct request_rules {
        const struct tokenizer *tokenizer;
        const struct chat_template *chat;
        const struct infill_tokens *infill;
        uint32_t n_vocab;   /* token ids that have both a text and a logit */
        uint32_t n_ctx;     /* prompt and answer of one request together */
        uint32_t n_ctx_now; /* the same for the time being: at most n_ctx */
        uint32_t n_embd;
        bool makes_text;                /* else it makes vectors alone, or ranks */
        enum pooling pooling;           /* of vectors; each text has one. Not POOLING_RANK */
        const struct model *ranker;     /* NULL: it does not rank */
        int32_t ends[REQUEST_ENDS_MAX]; /* the tokens that end an answer */
        uint32_t ends_count;
        struct random seeds;     /* for requests that name none */
        struct token_trie *trie; /* of the vocabulary; made when the first request comes with a grammar */
};
void request_rules_init(struct request_rules *rules, const struct model *model, uint32_t n_ctx, uint64_t seed);
void request_rules_done(struct request_rules *rules);

struct request_error {
        enum reason reason;              /* its row tells status, type and code */
        const char *param;               /* a field's name, or NULL */
        char message[320];               /* one sentence */
        uint32_t n_prompt_tokens, n_ctx; /* set where the prompt was too long; else 0 */
};
/* The error for an engine out of memory, which is not the client's fault. */
struct request_error request_error_memory(void);

#define REASONING_UNLIMITED (-1)

enum request_kind { REQUEST_CHAT, REQUEST_COMPLETION, REQUEST_EMBED };

struct request {
        uint64_t id;
        enum request_kind kind;
        bool batch;                /* it can wait: of those that run it makes room first */
        uint64_t group;            /* requests of one group have one prompt, which is computed once; 0: of none */
        uint64_t tenant;           /* whose it is: the KV of its text serves requests of the same one alone; 0: nobody's */
        bool is_scored;            /* its end tells how likely the answer is */
        struct token_list *inputs; /* one prompt; or the texts to embed, inputs_count of them; none is empty */
        uint32_t inputs_count;
        uint32_t *seconds;        /* of each input that is a pair of texts: where the second begins; NULL: they are texts */
        uint32_t dimensions;      /* of the vectors of texts to embed; 1 .. n_embd */
        uint32_t max_tokens;      /* at most what the context leaves, and that where none is named; 0: the prompt alone */
        struct sampling sampling; /* its biases are the request's */
        struct stop_set stops;
        char note[96];           /* a sentence for the log on what was left out; "" for none */
        struct grammar *grammar; /* the grammar that the answer must keep to, or NULL */
        char *relaxed;           /* what of the client's schemas it does not hold to (docs/wire-protocol.md), or NULL */
        bool fills_gap;          /* the answer stands between two texts, and ends where another would follow */
        bool ignore_end;         /* end tokens are banned and do not end the answer */
        bool logprobs;
        uint32_t top_logprobs;
        bool echo;            /* the prompt is told before the answer */
        uint32_t begins_with; /* tokens of it that are not the client's: they have no text */
        struct chat_parser_setup parser_setup; /* the parts that the answer is taken apart into */
        int64_t reasoning_budget;              /* tokens of reasoning, REASONING_UNLIMITED, or 0: it is closed where it begins */
        struct token_list closing;             /* what closes it then; empty: the model's format has no marks */
        uint32_t closing_alone;                /* of it, without the mark of content that a model in channels needs */
};

/* What is read of a body. */
struct request_asked {
        uint64_t id;
        enum request_kind kind; /* REQUEST_CHAT or REQUEST_COMPLETION */
        uint32_t item;          /* which of a list of prompts, from 0 */
};
/* 0; -EINVAL, -ENOMEM and *reterr. *RET is written only on success. */
int request_read(struct request_rules *rules, const struct request_asked *asked, const cJSON *body, struct request *ret,
                 struct request_error *reterr);
/*
 * BODY: an object with `input`, a string, an array of token ids, or an array of strings and of such arrays, and maybe `dimensions`
 * and `truncate` (true: the beginning of a text that is longer than the context is taken).
 */
int request_read_embed(struct request_rules *rules, uint64_t id, const cJSON *body, struct request *ret,
                       struct request_error *reterr);
/*
 * BODY: an object with `query`, a text, and `documents`, an array of texts or of objects with a `text`, each of which is paired with the
 * query. What is told of one is its score, a vector of one number.
 */
int request_read_rank(struct request_rules *rules, uint64_t id, const cJSON *body, struct request *ret,
                      struct request_error *reterr);
void request_done(struct request *r);

/* Whether TOKEN ends the answer to R. */
bool request_is_end(const struct request_rules *rules, const struct request *r, int32_t token);

/* The tokens the request may come to: of its prompt and its answer, or of its longest text to embed. */
uint32_t request_tokens_max(const struct request *r);

#endif
