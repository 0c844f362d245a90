/*
 * vocabulary.c - learning byte pairs by their frequency, and splitting text with them.
 */
#include "tests/demo_model/vocabulary.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/hash.h"

const char *const vocabulary_control_names[VOCABULARY_CONTROLS_COUNT] = {
        [VOCABULARY_END_OF_TEXT] = "<|endoftext|>",
        [VOCABULARY_IM_START] = "<|im_start|>",
        [VOCABULARY_IM_END] = "<|im_end|>",
};

/* One distinct pre-token of the text, as the ids it is made of so far. */
struct word {
        uint16_t ids[VOCABULARY_PIECE_BYTES_MAX];
        size_t length;
        uint32_t count;
};

struct learner {
        struct word words[VOCABULARY_WORDS_MAX];
        size_t words_count;
        uint32_t slots[2 * VOCABULARY_WORDS_MAX]; /* open hashing; index + 1 */
};

enum kind { KIND_SPACE, KIND_LETTER, KIND_DIGIT, KIND_OTHER };

static enum kind kind_of(char c) {
        unsigned char u = (unsigned char) c;

        if (u == ' ' || (u >= '\t' && u <= '\r'))
                return KIND_SPACE;
        if ((u | 32) >= 'a' && (u | 32) <= 'z')
                return KIND_LETTER;
        if (u >= '0' && u <= '9')
                return KIND_DIGIT;
        return u >= 0x80 ? KIND_LETTER : KIND_OTHER;
}

static size_t run_length(const char *text, enum kind kind) {
        size_t n = 0;

        while (text[n] && kind_of(text[n]) == kind)
                n++;
        return n;
}

static size_t contraction_length(const char *text) {
        static const char *const endings[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };

        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
                if (!strncmp(text, endings[i], strlen(endings[i])))
                        return strlen(endings[i]);
        return 0;
}

/* Bytes of the first pre-token: a contraction, or a run of one kind with one space before it, or blanks,
 * of which the last stays with what follows. */
static size_t pretoken_length(const char *text) {
        size_t contraction = contraction_length(text);
        size_t lead = text[0] == ' ' && text[1] && kind_of(text[1]) != KIND_SPACE;

        if (contraction)
                return contraction;
        if (kind_of(text[lead]) != KIND_SPACE)
                return lead + run_length(text + lead, kind_of(text[lead]));
        size_t blanks = run_length(text, KIND_SPACE);

        return blanks > 1 && text[blanks] ? blanks - 1 : blanks;
}

int learner_new(struct learner **ret) {
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

void learner_free(struct learner *l) {
        free(l);
}

/* Until merges are learnt a word's ids are its bytes. */
static int count_word(struct learner *l, const char *bytes, size_t length) {
        struct word word = { .length = length, .count = 1 };
        uint32_t hash = HASH_START_32;

        if (length > VOCABULARY_PIECE_BYTES_MAX)
                return 0; /* too rare to learn from */
        for (size_t i = 0; i < length; i++)
                word.ids[i] = (unsigned char) bytes[i];
        hash = hash_bytes_32(hash, bytes, length);
        for (;; hash++) {
                uint32_t *slot = &l->slots[hash % (2 * VOCABULARY_WORDS_MAX)];

                if (*slot == 0 && l->words_count == VOCABULARY_WORDS_MAX)
                        return -ENOSPC;
                if (*slot == 0) {
                        l->words[l->words_count++] = word;
                        *slot = (uint32_t) l->words_count;
                        return 0;
                }
                struct word *seen = &l->words[*slot - 1];

                if (seen->length == length && !memcmp(seen->ids, word.ids, length * sizeof(word.ids[0]))) {
                        seen->count++;
                        return 0;
                }
        }
}

int learner_add(struct learner *l, const char *text) {
        int result = 0;

        while (*text && result == 0) {
                size_t length = pretoken_length(text);

                result = count_word(l, text, length);
                text += length;
        }
        return result;
}

/* Bytes that print stand for themselves in the file; the others follow in order. */
static bool byte_prints(unsigned byte) {
        return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

static void add_bytes(struct vocabulary *v) {
        for (int printing = 1; printing >= 0; printing--)
                for (unsigned byte = 0; byte < 256; byte++)
                        if (byte_prints(byte) == printing) {
                                v->byte_ids[byte] = (uint16_t) v->size;
                                v->pieces[v->size++] = (struct vocabulary_piece){ { (uint8_t) byte }, 1 };
                        }
}

/* The most frequent pair whose token would not be too long; of equals the one with the lower ids. */
static uint32_t best_pair(const struct vocabulary *v, const struct learner *l, uint32_t *counts, size_t *ret_pair) {
        uint32_t best = 0;
        size_t best_at = 0;

        for (size_t w = 0; w < l->words_count; w++)
                for (size_t i = 1; i < l->words[w].length; i++)
                        counts[(size_t) l->words[w].ids[i - 1] * VOCABULARY_MAX + l->words[w].ids[i]] += l->words[w].count;
        for (size_t w = 0; w < l->words_count; w++)
                for (size_t i = 1; i < l->words[w].length; i++) {
                        uint16_t left = l->words[w].ids[i - 1], right = l->words[w].ids[i];
                        size_t at = (size_t) left * VOCABULARY_MAX + right;
                        bool fits = v->pieces[left].length + v->pieces[right].length <= VOCABULARY_PIECE_BYTES_MAX;

                        if (fits && (counts[at] > best || (counts[at] == best && best > 0 && at < best_at))) {
                                best = counts[at];
                                best_at = at;
                        }
                        if (!fits)
                                counts[at] = 0;
                }
        for (size_t w = 0; w < l->words_count; w++)
                for (size_t i = 1; i < l->words[w].length; i++)
                        counts[(size_t) l->words[w].ids[i - 1] * VOCABULARY_MAX + l->words[w].ids[i]] = 0;
        *ret_pair = best_at;
        return best;
}

static void merge_in_word(struct word *word, struct vocabulary_merge merge, uint16_t id) {
        size_t to = 0;

        for (size_t from = 0; from < word->length; from++) {
                bool pair = from + 1 < word->length && word->ids[from] == merge.left && word->ids[from + 1] == merge.right;

                word->ids[to++] = pair ? id : word->ids[from];
                from += pair;
        }
        word->length = to;
}

static void add_merge(struct vocabulary *v, struct learner *l, size_t pair) {
        struct vocabulary_merge merge = { (uint16_t) (pair / VOCABULARY_MAX), (uint16_t) (pair % VOCABULARY_MAX) };
        const struct vocabulary_piece *left = &v->pieces[merge.left], *right = &v->pieces[merge.right];
        struct vocabulary_piece *piece = &v->pieces[v->size];

        memcpy(piece->bytes, left->bytes, left->length);
        memcpy(piece->bytes + left->length, right->bytes, right->length);
        piece->length = (uint8_t) (left->length + right->length);
        v->merges[v->merges_count++] = merge;
        v->merged[pair] = (uint16_t) v->size;
        for (size_t w = 0; w < l->words_count; w++)
                merge_in_word(&l->words[w], merge, (uint16_t) v->size);
        v->size++;
}

int vocabulary_learn(struct learner *l, size_t size, struct vocabulary **ret) {
        struct vocabulary *v = calloc(1, sizeof(*v));
        uint32_t *counts = calloc((size_t) VOCABULARY_MAX * VOCABULARY_MAX, sizeof(*counts));

        assert(size <= VOCABULARY_MAX && size > 256 + VOCABULARY_CONTROLS_COUNT);
        if (v)
                v->merged = calloc((size_t) VOCABULARY_MAX * VOCABULARY_MAX, sizeof(*v->merged));
        if (!v || !v->merged || !counts) {
                vocabulary_free(v);
                free(counts);
                return -ENOMEM;
        }
        add_bytes(v);
        for (size_t w = 0; w < l->words_count; w++)
                for (size_t i = 0; i < l->words[w].length; i++)
                        l->words[w].ids[i] = v->byte_ids[l->words[w].ids[i]];
        while (v->size < size - VOCABULARY_CONTROLS_COUNT) {
                size_t pair;

                if (best_pair(v, l, counts, &pair) < 2)
                        break;
                add_merge(v, l, pair);
        }
        v->size += VOCABULARY_CONTROLS_COUNT;
        free(counts);
        *ret = v;
        return 0;
}

void vocabulary_free(struct vocabulary *v) {
        if (v)
                free(v->merged);
        free(v);
}

uint32_t vocabulary_control_id(const struct vocabulary *v, enum vocabulary_control control) {
        return (uint32_t) (v->size - VOCABULARY_CONTROLS_COUNT + control);
}

/* Merges the earliest learnt pair until none is left; returns how many ids remain. */
static size_t merge_all(const struct vocabulary *v, uint32_t *ids, size_t count) {
        for (;;) {
                uint32_t best = 0;
                size_t best_at = 0;

                for (size_t i = 1; i < count; i++) {
                        uint32_t id = v->merged[(size_t) ids[i - 1] * VOCABULARY_MAX + ids[i]];

                        if (id && (!best || id < best)) {
                                best = id;
                                best_at = i;
                        }
                }
                if (!best)
                        return count;
                ids[best_at - 1] = best;
                memmove(ids + best_at, ids + best_at + 1, (count - best_at - 1) * sizeof(*ids));
                count--;
        }
}

long vocabulary_encode(const struct vocabulary *v, const char *text, uint32_t *ids, size_t ids_max) {
        size_t count = 0;

        while (*text) {
                size_t length = pretoken_length(text);

                if (length > ids_max - count)
                        return -ENOSPC;
                for (size_t i = 0; i < length; i++)
                        ids[count + i] = v->byte_ids[(unsigned char) text[i]];
                count += merge_all(v, ids + count, length);
                text += length;
        }
        return (long) count;
}

void vocabulary_spell(const struct vocabulary *v, uint32_t id, char spelling[VOCABULARY_SPELLING_BYTES_MAX]) {
        const struct vocabulary_piece *piece = &v->pieces[id];
        char *to = spelling;

        assert(id < v->size - VOCABULARY_CONTROLS_COUNT);
        for (size_t i = 0; i < piece->length; i++) {
                unsigned byte = piece->bytes[i], character = byte;

                if (!byte_prints(byte)) {
                        character = 256;
                        for (unsigned before = 0; before < byte; before++)
                                character += !byte_prints(before);
                }
                if (character < 0x80) {
                        *to++ = (char) character;
                } else {
                        *to++ = (char) (0xc0 | (character >> 6));
                        *to++ = (char) (0x80 | (character & 0x3f));
                }
        }
        *to = '\0';
}
