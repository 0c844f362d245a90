/*
 * sentencepiece.h - shared by the two kinds of SentencePiece models (spm.h, ugm.h): how a text is spelt before it is taken
 * apart, what becomes of what has no token, and tokens back to text.
 *
 * Spelling: the file's own table replaces characters (unicode/charsmap.h), spaces become U+2581, and one is set before a text
 * where the file asks for it (add_space_prefix). Where it asks for that (remove_extra_whitespaces), runs of spaces are one,
 * and those at both ends go. User-defined tokens are kept as they are written. A word is a run of spaces and what follows
 * it up to the next space; where no token reaches over the end of a word, words are taken apart one by one.
 *
 * What has no token becomes byte tokens <0xNN> where the vocabulary has all of them, else one unknown token for a whole run.
 * Source: Kudo and Richardson, SentencePiece (2018), and its documents normalization.md and special_symbols.md; its ids are
 * compared with ours in tests/conformance/sentencepiece.py.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_SENTENCEPIECE_H
#define HEADROOM_ENGINE_TOKENIZER_SENTENCEPIECE_H

#include "engine/base/printable.h"
#include "engine/tokenizer/charsmap.h"
#include "engine/tokenizer/merge.h"
#include "engine/tokenizer/piece.h"
#include "engine/tokenizer/trie.h"

struct sentencepiece {
        const struct vocab *vocab;
        const struct gguf_array *scores; /* floats, the gguf's */
        struct charsmap charsmap;
        struct trie kept; /* user-defined tokens */
        int32_t byte_ids[256];
        bool has_bytes; /* all of them */
        bool adds_space, joins_spaces;
        bool crosses_words; /* some token has a space behind something else: words cannot be taken one by one */
};

/* 0, or -EBADMSG / -ENOMEM and one sentence; sentencepiece_done afterwards in either case. */
int sentencepiece_init(struct sentencepiece *s, const struct gguf *g, const struct vocab *v, struct gguf_error *reterr);
void sentencepiece_done(struct sentencepiece *s);

/* Whether some text leaves fewer tokens than its length asks for: nothing at all, or one for any number of characters. */
bool sentencepiece_drops_text(const struct sentencepiece *s);

void sentencepiece_piece(const struct sentencepiece *s, int32_t id, bool first, struct piece *out);

/* Bytes of the character at BYTES, of which LENGTH > 0 are left; of what is none, 1. */
static inline size_t sentencepiece_character(const char *bytes, size_t length) {
        size_t count = (signed char) bytes[0] >= 0 ? 1 : printable_utf8(bytes, length, NULL);
        return count ? count : 1;
}

/* A text that begins behind a control token, or behind nothing, on its way to tokens. */
struct passage {
        const struct sentencepiece *model;
        struct token_list *list;
        const char *text;
        size_t length, at;           /* bytes; TEXT is read up to AT */
        const char *part;            /* the text read last, as it is to be spelt */
        size_t part_length, part_at; /* spelt up to PART_AT */
        size_t spaces;               /* in front of what is spelt next; not spelt yet */
        size_t most;                 /* bytes that are spelt at a time */
        bool after_space;            /* further ones are left out */
        bool after_unknown;          /* the last token of LIST is the unknown one, and more would be it again */
};

/* MOST: about how many bytes of a word are spelt at a time, and the rest as if it were the next; all of it for SIZE_MAX. */
struct passage passage_begin(const struct sentencepiece *s, const char *text, size_t length, size_t most,
                             struct token_list *list);

/* Spells the next word in the bytes of M, which it empties first. 1, 0 at the end, or -ENOMEM. */
int passage_word(struct passage *p, struct merger *m);

int passage_put(struct passage *p, int32_t id);                               /* 0 or -ENOMEM */
int passage_put_unknown(struct passage *p, const char *bytes, size_t length); /* 0 or -ENOMEM */

#endif
