/*
 * chat_template.h - a conversation to a prompt, in the model's own turn format.
 *
 * The format is recognised by marks in `tokenizer.chat_template` (ChatML, Llama 2 [INST], Llama 3, Mistral in its five
 * spellings, Zephyr, Gemma, Phi 3, Phi 4); a model without a template, or with one that is not recognised, gets ChatML
 * and `guessed`. The text around the messages may name special tokens, the messages may not: the prompt is a list of
 * spans that says which is which.
 */
#ifndef HEADROOM_ENGINE_CHAT_TEMPLATE_H
#define HEADROOM_ENGINE_CHAT_TEMPLATE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "engine/chat_prompt.h"
#include "engine/gguf.h"
#include "engine/tokenizer/tokenizer.h"

enum chat_family {
        CHAT_CHATML,
        CHAT_LLAMA2,
        CHAT_LLAMA3,
        CHAT_MISTRAL,
        CHAT_ZEPHYR,
        CHAT_GEMMA,
        CHAT_PHI3,
        CHAT_PHI4,
        CHAT_FAMILY_COUNT,
};

struct chat_template {
        enum chat_family family;
        bool guessed;                     /* the file has no template, or one that is not recognised */
        bool begins;                      /* the template writes the token that begins a text itself */
        const struct chat_format *format; /* the spelling within the family; NULL: the first of the family */
};

struct chat_template chat_template_of(const struct gguf *g);
struct chat_template chat_template_recognise(const char *text, size_t length);
const char *chat_family_name(enum chat_family family);

/*
 * Appends the tokens of MESSAGES (an OpenAI `messages` array; content is a string, null, or an array of text
 * parts) and, with ADD_GENERATION, the opening of the assistant's turn. The token that begins a text comes once, first.
 * 0, -EINVAL with a sentence (what is wrong with which message), or -ENOMEM; LIST is as before then.
 */
int chat_template_encode(const struct chat_template *c, const struct tokenizer *t, const cJSON *messages, bool add_generation,
                         struct token_list *list, struct gguf_error *reterr);

/* The same as text and spans, without the token that begins a text; chat_prompt_done afterwards in any case. */
int chat_template_render(const struct chat_template *c, const cJSON *messages, bool add_generation, struct chat_prompt *prompt,
                         struct gguf_error *reterr);

#endif
