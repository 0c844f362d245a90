/*
 * pretokenize.h - how each vocabulary of the BPE family wants a text cut into the words within which it merges.
 *
 * A file names its way in tokenizer.ggml.pre. The names and their regular expressions are those that published files
 * use; where an expression has been simplified by other programs, the one that the model was trained with counts.
 */
#ifndef HEADROOM_ENGINE_PRETOKENIZER_PRETOKENIZE_H
#define HEADROOM_ENGINE_PRETOKENIZER_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/gguf/gguf.h"
#include "engine/pretokenizer/cut.h"

struct pretokenizer {
        const char *name;
        const struct cut_stage *stages; /* ended by one without rules, or CUT_STAGES_MAX of them */
        bool whole_words_first;         /* a word that is a token is taken as it is, unmerged */
        bool adds_bos;                  /* unless tokenizer.ggml.add_bos_token says otherwise */
        bool plain;                     /* the vocabulary spells characters as they are, not byte by byte */
        bool marks_spaces;              /* and spaces as U+2581 */
        const char *mask;               /* NULL, or the token that takes the white space before it with it */
};

const struct pretokenizer *pretokenizer_find(struct gguf_string name); /* NULL: unknown */
size_t pretokenizer_stages_count(const struct pretokenizer *p);

/* The I-th, for tests and lists; NULL behind the last. */
const struct pretokenizer *pretokenizer_at(size_t i);

#endif
