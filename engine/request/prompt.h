/*
 * prompt.h - the prompt of a request: a conversation, a text, or token ids, to tokens that fit the context.
 *
 * A text that cannot fit is refused by its length alone, before any tokenizing, so that one client's huge
 * prompt does not hold up the answers of the others.
 */
#ifndef HEADROOM_ENGINE_REQUEST_PROMPT_H
#define HEADROOM_ENGINE_REQUEST_PROMPT_H

#include "engine/request/request.h"
#include "engine/request/tools.h"

/* All: 0, -EINVAL or -ENOMEM and *reterr. LIST is the caller's to release either way. TOKENS_MAX: how many may come out. */
/*
 * A chat: BODY's messages and chat_template_kwargs, with TOOLS and THINKING. REPLY, the caller's to release, gets the way to take the answer
 * apart, and the part of it that the prompt has begun: a call that must be, unless the answer may reason before it.
 */
int prompt_read_chat(const struct request_rules *rules, const cJSON *body, const struct request_tools *tools,
                     const struct chat_thinking *thinking, uint32_t tokens_max, struct token_list *list,
                     struct chat_parser_setup *parser_setup, struct request_error *reterr);
/* What prompt_read_chat would make tokens of, as a text (chat/template.h). Whether OUT could hold it is the caller's to ask. */
int prompt_write_chat(const struct request_rules *rules, const cJSON *body, const struct request_tools *tools,
                      const struct chat_thinking *thinking, struct text *out, struct request_error *reterr);
/* A string, an array of token ids, or an array of such, of which ITEM is taken. */
int prompt_read(const struct request_rules *rules, const cJSON *prompt, uint32_t item, uint32_t tokens_max, struct token_list *list,
                struct request_error *reterr);
/*
 * A string or an array of token ids to embed. TRUNCATE: of one that is too long the beginning is taken, and the token that ends a text
 * where this vocabulary has one.
 */
int prompt_read_input(const struct request_rules *rules, const cJSON *input, bool truncate, struct token_list *list,
                      struct request_error *reterr);

/* ARRAY, a list of token ids that is called PARAM, however long. */
int prompt_read_ids(const struct request_rules *rules, const char *param, const cJSON *array, struct token_list *list,
                    struct request_error *reterr);
/* The first LENGTH bytes of a client's text, NULs and all. 0 or -ENOMEM. */
int prompt_encode_text(const struct tokenizer *t, const char *text, size_t length, bool add_special, bool parse_special,
                       struct token_list *list);

#endif
