/*
 * builtin_formats.h - turn formats that are known by heart: for models without a template of their own, or with one that cannot be run.
 *
 * A format is recognised by marks in the template's text (ChatML, Llama 2 [INST], Llama 3, Mistral in its five spellings, Zephyr,
 * Gemma, Phi 3, Phi 4); what is not recognised gets ChatML and `guessed`. The text around the messages may name special tokens,
 * the messages may not: the prompt is a list of spans that says which is which.
 */
#ifndef HEADROOM_ENGINE_CHAT_BUILTIN_FORMATS_H
#define HEADROOM_ENGINE_CHAT_BUILTIN_FORMATS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/chat/prompt_text.h"

enum chat_family_name {
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

struct chat_family {
        enum chat_family_name name;
        bool guessed;                        /* there is no template, or one that is not recognised */
        bool begins;                         /* the template writes the token that begins a text itself */
        const struct builtin_format *format; /* the spelling within the family; NULL: the first of the family */
};

struct chat_family chat_family_recognise(const char *text, size_t length);
const char *chat_family_word(enum chat_family_name name);

/*
 * Appends MESSAGES (checked by chat_messages_check) and, with ADD_GENERATION, the opening of the assistant's turn, without the token
 * that begins a text. PROMPT's own error says how it went; chat_prompt_done afterwards in any case.
 */
void chat_family_render(const struct chat_family *f, const cJSON *messages, bool add_generation, struct chat_prompt *prompt);

#endif
