/*
 * vocabulary.h - a byte-level BPE vocabulary, learnt from text, as `gpt2` tokenizers in GGUF files have it.
 *
 * Ids: the 256 bytes first, ordered by the character that stands for them in such files; then one token
 * per merge, in the order learnt; then the control tokens. Text is split by the rules named `gpt-2` before
 * pairs are merged (for ASCII; other bytes count as letters). Control tokens are never found in text: who
 * builds a conversation adds them by id.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_VOCABULARY_H
#define HEADROOM_TESTS_DEMO_MODEL_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "tests/demo_model/bounds.h"

struct vocabulary_piece {
        uint8_t bytes[VOCABULARY_PIECE_BYTES_MAX];
        uint8_t length;
};

struct vocabulary_merge {
        uint16_t left, right;
};

enum vocabulary_control { VOCABULARY_END_OF_TEXT, VOCABULARY_IM_START, VOCABULARY_IM_END, VOCABULARY_CONTROLS_COUNT };

struct vocabulary {
        size_t size; /* bytes, merges and control tokens */
        size_t merges_count;
        struct vocabulary_piece pieces[VOCABULARY_MAX]; /* of bytes and merges */
        struct vocabulary_merge merges[VOCABULARY_MAX];
        uint16_t byte_ids[256];
        uint16_t *merged; /* [left * VOCABULARY_MAX + right]: the id, or 0 */
};

struct learner; /* collects text before the vocabulary is learnt */

int learner_new(struct learner **ret);
void learner_free(struct learner *l);
int learner_add(struct learner *l, const char *text);

/* SIZE tokens, or fewer when no pair occurs twice any more. */
int vocabulary_learn(struct learner *l, size_t size, struct vocabulary **ret);
void vocabulary_free(struct vocabulary *v);

uint32_t vocabulary_control_id(const struct vocabulary *v, enum vocabulary_control control);
extern const char *const vocabulary_control_names[VOCABULARY_CONTROLS_COUNT];

/* The ids of TEXT, at most IDS_MAX of them; returns their number, or -ENOSPC. */
long vocabulary_encode(const struct vocabulary *v, const char *text, uint32_t *ids, size_t ids_max);

/* A token as the file spells it: one UTF-8 character per byte, so up to two bytes each; terminated. */
enum { VOCABULARY_SPELLING_BYTES_MAX = 2 * VOCABULARY_PIECE_BYTES_MAX + 1 };
void vocabulary_spell(const struct vocabulary *v, uint32_t id, char spelling[VOCABULARY_SPELLING_BYTES_MAX]);

#endif
