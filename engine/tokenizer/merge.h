/*
 * merge.h - greedy pair merging, the step that SentencePiece and byte-level BPE share.
 *
 * A text is a row of symbols. The neighbouring pair with the least key is merged first, the leftmost among equals, until
 * no pair has a rule. A heap of candidate pairs makes this n log n; a candidate whose symbols have changed since it was
 * found is dropped when it comes up, recognised by its length.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_MERGE_H
#define HEADROOM_ENGINE_TOKENIZER_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/strbuf.h"

#define SYMBOL_NONE UINT32_MAX

struct symbol {
        uint32_t start, length; /* bytes; 0: merged into another */
        uint32_t prev, next;    /* or SYMBOL_NONE */
        int32_t id;             /* token, or TOKEN_NONE */
};

struct candidate {
        uint32_t key, left, length; /* LENGTH of both symbols together */
        int32_t id;                 /* the token that the two become */
};

/* The rule for a pair of neighbours: true, its key (less comes first) and the token it makes; false where none. */
typedef bool merge_rule(const void *context, const struct symbol *left, const struct symbol *right, uint32_t *ret_key,
                        int32_t *ret_id);

/* The working memory of one text, reused from word to word. All zero at first. */
struct merger {
        struct symbol *symbols;
        uint32_t count;
        uint32_t symbols_capacity;
        struct candidate *heap;
        uint32_t heap_count, heap_capacity;
        struct text text; /* as the vocabulary spells it */
};
void merger_done(struct merger *m);

void merger_restart(struct merger *m);
int merger_push_bytes(struct merger *m, const char *bytes, size_t length);             /* 0 or -ENOMEM */
int merger_push_symbol(struct merger *m, uint32_t start, uint32_t length, int32_t id); /* 0 or -ENOMEM */

/* Afterwards the symbols are read from 0 along NEXT. 0 or -ENOMEM. */
int merger_run(struct merger *m, merge_rule *rule, const void *context);

#endif
