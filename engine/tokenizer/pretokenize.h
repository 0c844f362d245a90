/*
 * pretokenize.h - cuts a text into the words within which byte-level BPE merges.
 *
 * Each vocabulary names the way of cutting it was trained with (tokenizer.ggml.pre); the published way is a regular
 * expression, here it is a scanner written by hand for it. One row of a table each: name, scanner, habits.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_PRETOKENIZE_H
#define HEADROOM_ENGINE_TOKENIZER_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/gguf.h"

/* Bytes of the first word of TEXT; at least 1 where LENGTH is. */
typedef size_t pretokenizer_scan(const char *text, size_t length);

struct pretokenizer {
        const char *name;
        pretokenizer_scan *next_word;
        bool whole_words_first; /* a word that is a token is taken as it is, unmerged */
        bool adds_bos;          /* unless tokenizer.ggml.add_bos_token says otherwise */
};

const struct pretokenizer *pretokenizer_find(struct gguf_string name); /* NULL: unknown */

/* Every name, "a, b, c", for the sentence about an unknown one. Returns OUT. */
char *pretokenizer_names(char *out, size_t size);

#endif
