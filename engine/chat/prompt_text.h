/*
 * prompt_text.h - a prompt in the making: one text, and spans that say which of it may name special tokens.
 *
 * A failure sticks: after it nothing more is appended, and ERROR says what it was.
 */
#ifndef HEADROOM_ENGINE_CHAT_PROMPT_TEXT_H
#define HEADROOM_ENGINE_CHAT_PROMPT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/tokenizer/tokenizer.h"

struct chat_prompt {
        int32_t bos, eos; /* the caller's: what chat_prompt_markup puts for PROMPT_BOS and PROMPT_EOS, or TOKEN_NONE */
        char *text;
        size_t length, capacity;
        struct token_span *spans;
        size_t spans_count, spans_capacity;
        int error; /* 0, or the -errno of the first failure */
};
void chat_prompt_done(struct chat_prompt *p);

/* Inside of markup these stand for the tokens themselves, however the vocabulary spells them. */
#define PROMPT_BOS "\1" /* nothing at the very beginning: the encoder begins the text */
#define PROMPT_EOS "\2"

void chat_prompt_markup(struct chat_prompt *p, const char *markup);

/* Text whose length is known, and whether it is MARKUP or from outside. */
void chat_prompt_append(struct chat_prompt *p, const char *text, size_t length, bool markup);
/* Only the first LENGTH bytes stay, and the tokens among them. */
void chat_prompt_cut(struct chat_prompt *p, size_t length);
/* Takes SPELLING (not empty) off the front where it stands there as markup; whether it did. */
bool chat_prompt_drop_markup(struct chat_prompt *p, const char *spelling);

/* Text from outside. Pieces appended between begin and end are one content, and are trimmed as one. */
struct chat_content {
        size_t start;
};
struct chat_content chat_prompt_begin_content(struct chat_prompt *p);
void chat_prompt_add_content(struct chat_prompt *p, const char *text, size_t length);
void chat_prompt_end_content(struct chat_prompt *p, struct chat_content content, bool trim);

#endif
