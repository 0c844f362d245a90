/*
 * vocab.c - see vocab.h.
 *
 * A file may call a token by an id (tokenizer.ggml.eos_token_id ...), give it a class, or neither: converters differ.
 * So a token is an end when an id says so or when it carries a well-known end text and any class but normal; and what
 * begins or ends a text is a control token whatever the file's class says.
 */
#include "engine/tokenizer/vocab.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tokenizer/bounds.h"
#include "policy/base/hash.h"

#define SLOT_ID_BITS 22u
#define SLOT_ID_MASK ((1u << SLOT_ID_BITS) - 1)
_Static_assert(VOCAB_TOKENS_MAX < SLOT_ID_MASK, "an id fits into a slot");

static const char *const end_texts[] = {
        "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "</s>", "<end_of_turn>", "<|end|>",
};

int vocab_fail(struct gguf_error *reterr, int error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(reterr->text, sizeof(reterr->text), format, arguments);
        va_end(arguments);
        return error;
}

/* ---- from text to id ---- */

static uint64_t mix(uint64_t h) {
        h *= HASH_SPREAD;
        return h ^ h >> 29;
}

static uint64_t bytes_hash(const char *bytes, size_t length) {
        uint64_t h = length, word = 0;
        for (; length >= sizeof(word); bytes += sizeof(word), length -= sizeof(word)) {
                memcpy(&word, bytes, sizeof(word));
                h = mix(h ^ word);
        }
        word = 0;
        memcpy(&word, bytes, length);
        return mix(mix(h ^ word));
}

static uint32_t slot_tag(uint64_t hash) {
        return (uint32_t) (hash >> 54) << SLOT_ID_BITS;
}

/* The slot that holds this text, or the free one where it belongs. */
static uint32_t *slot_of(const struct vocab *v, const char *bytes, size_t length, uint64_t hash) {
        for (uint32_t i = (uint32_t) hash & v->slots_mask;; i = (i + 1) & v->slots_mask) {
                uint32_t slot = v->slots[i];
                if (slot == 0)
                        return &v->slots[i];
                if ((slot & ~SLOT_ID_MASK) != slot_tag(hash))
                        continue;
                struct gguf_string text = v->tokens[(slot & SLOT_ID_MASK) - 1];
                if (text.length == length && !memcmp(text.bytes, bytes, length))
                        return &v->slots[i];
        }
}

int32_t vocab_find(const struct vocab *v, const char *bytes, size_t length) {
        if (length > v->longest)
                return TOKEN_NONE;
        uint32_t slot = *slot_of(v, bytes, length, bytes_hash(bytes, length));
        return (int32_t) (slot & SLOT_ID_MASK) - 1;
}

uint32_t vocab_slots_for(uint32_t count) {
        uint64_t wanted = (uint64_t) count + count / 3 + 2;
        uint32_t slots = 16;
        while (slots < wanted)
                slots *= 2;
        return slots;
}

bool vocab_is_text(const struct vocab *v, int32_t id) {
        enum token_class class = vocab_class(v, id);
        return v->tokens[id].length > 0 && class != TOKEN_CONTROL && class != TOKEN_UNKNOWN && class != TOKEN_BYTE &&
               !(v->marks[id] & (MARK_GUARDED | MARK_ADDED));
}

static int index_by_text(struct vocab *v, struct gguf_error *reterr) {
        uint32_t slots = vocab_slots_for(v->count);
        v->slots = calloc(slots, sizeof(*v->slots));
        if (!v->slots)
                return vocab_fail(reterr, -ENOMEM, "no memory for a vocabulary of %" PRIu32 " tokens", v->count);
        v->slots_mask = slots - 1;
        for (uint32_t id = 0; id < v->count; id++) {
                if (!vocab_is_text(v, (int32_t) id))
                        continue;
                uint64_t hash = bytes_hash(v->tokens[id].bytes, v->tokens[id].length);
                uint32_t *slot = slot_of(v, v->tokens[id].bytes, v->tokens[id].length, hash);
                if (*slot == 0)
                        *slot = slot_tag(hash) | (id + 1);
        }
        return 0;
}

/* ---- metadata of the file ---- */

int vocab_byte_value(struct gguf_string text) {
        static const char digits[] = "0123456789ABCDEF";
        if (text.length != 6 || memcmp(text.bytes, "<0x", 3) || text.bytes[5] != '>')
                return -1;
        const char *high = memchr(digits, text.bytes[3], 16), *low = memchr(digits, text.bytes[4], 16);
        return high && low ? (int) (high - digits) * 16 + (int) (low - digits) : -1;
}

void vocab_byte_tokens(const struct vocab *v, const struct gguf *g, int32_t ret_ids[256]) {
        bool typed = gguf_find(g, "tokenizer.ggml.token_type") != NULL;
        for (int byte = 0; byte < 256; byte++)
                ret_ids[byte] = TOKEN_NONE;
        for (int32_t id = (int32_t) v->count; id-- > 0;) { /* backwards: of two, the lower id stays */
                int value = vocab_byte_value(v->tokens[id]);
                if (value >= 0 && (!typed || vocab_class(v, id) == TOKEN_BYTE))
                        ret_ids[value] = id;
        }
}

int vocab_read_scores(const struct vocab *v, const struct gguf *g, const struct gguf_array **ret, struct gguf_error *reterr) {
        const struct gguf_array *scores;
        int r = gguf_get_array(g, "tokenizer.ggml.scores", GGUF_F32, &scores);
        if (r < 0)
                return vocab_fail(reterr, -EBADMSG,
                                  r == -ENOENT ? "key 'tokenizer.ggml.scores' is missing, which this tokenizer needs"
                                               : "key 'tokenizer.ggml.scores' is not an array of floats");
        if (scores->count != v->count)
                return vocab_fail(reterr, -EBADMSG, "key 'tokenizer.ggml.scores' has %" PRIu64 " entries for %" PRIu32 " tokens",
                                  scores->count, v->count);
        for (uint32_t i = 0; i < v->count; i++)
                if (isnan(gguf_array_f32(scores, i)))
                        return vocab_fail(reterr, -EBADMSG, "the score of token %" PRIu32 " is not a number", i);
        *ret = scores;
        return 0;
}

int vocab_read_flag(const struct gguf *g, const char *key, bool *ret, struct gguf_error *reterr) {
        if (gguf_get_bool(g, key, ret) == -EBADMSG)
                return vocab_fail(reterr, -EBADMSG, "key '%s' is neither true nor false", key);
        return 0;
}

static int read_tokens(struct vocab *v, const struct gguf *g, struct gguf_error *reterr) {
        const struct gguf_array *tokens;
        int r = gguf_get_array(g, "tokenizer.ggml.tokens", GGUF_STRING, &tokens);
        if (r < 0)
                return vocab_fail(reterr, -EBADMSG,
                                  r == -ENOENT ? "the file has no vocabulary: key 'tokenizer.ggml.tokens' is missing"
                                               : "key 'tokenizer.ggml.tokens' is not an array of strings");
        if (tokens->count == 0 || tokens->count > VOCAB_TOKENS_MAX)
                return vocab_fail(reterr, -EBADMSG, "key 'tokenizer.ggml.tokens' has %" PRIu64 " tokens (1 to %u are possible)",
                                  tokens->count, VOCAB_TOKENS_MAX);
        v->tokens = tokens->strings;
        v->count = (uint32_t) tokens->count;
        for (uint32_t i = 0; i < v->count; i++) {
                uint64_t length = v->tokens[i].length;
                if (length > VOCAB_TOKEN_BYTES_MAX)
                        return vocab_fail(reterr, -EBADMSG, "token %" PRIu32 " is %" PRIu64 " bytes long (%u are possible)", i,
                                          length, VOCAB_TOKEN_BYTES_MAX);
                if (length > v->longest)
                        v->longest = (uint32_t) length;
        }
        return 0;
}

static bool is_integer(enum gguf_value_type type) {
        return type == GGUF_U8 || type == GGUF_I8 || type == GGUF_U16 || type == GGUF_I16 || type == GGUF_U32 ||
               type == GGUF_I32 || type == GGUF_U64 || type == GGUF_I64;
}

/* A user-defined token such as <|im_start|> frames turns, whatever the converter called it. */
static bool frames_turns(struct gguf_string text) {
        return text.length > 4 && !memcmp(text.bytes, "<|", 2) && !memcmp(text.bytes + text.length - 2, "|>", 2);
}

static int read_classes(struct vocab *v, const struct gguf *g, struct gguf_error *reterr) {
        v->marks = malloc(v->count);
        if (!v->marks)
                return vocab_fail(reterr, -ENOMEM, "no memory for a vocabulary of %" PRIu32 " tokens", v->count);
        memset(v->marks, TOKEN_NORMAL, v->count);
        const struct gguf_entry *e = gguf_find(g, "tokenizer.ggml.token_type");
        if (!e)
                return 0;
        if (e->type != GGUF_ARRAY || !is_integer(e->array.type))
                return vocab_fail(reterr, -EBADMSG, "key 'tokenizer.ggml.token_type' is not an array of integers");
        if (e->array.count != v->count)
                return vocab_fail(reterr, -EBADMSG,
                                  "key 'tokenizer.ggml.token_type' has %" PRIu64 " entries for %" PRIu32 " tokens",
                                  e->array.count, v->count);
        for (uint32_t i = 0; i < v->count; i++) {
                uint64_t class = gguf_array_u64(&e->array, i);
                if (class >= TOKEN_CLASS_COUNT)
                        return vocab_fail(reterr, -EBADMSG, "token %" PRIu32 " has the type %" PRIu64 " (0 to %d are known)", i,
                                          class, TOKEN_CLASS_COUNT - 1);
                v->marks[i] = (uint8_t) class;
                if (class == TOKEN_CONTROL || class == TOKEN_UNKNOWN ||
                    (class == TOKEN_USER_DEFINED && frames_turns(v->tokens[i])))
                        v->marks[i] |= MARK_GUARDED;
        }
        return 0;
}

/* Converters give this score to tokens that were added to a SentencePiece vocabulary, which has 0 for user-defined ones. */
#define ADDED_SCORE (-1000.0f)

static void mark_added(struct vocab *v, const struct gguf *g) {
        const struct gguf_array *scores;
        if (gguf_get_array(g, "tokenizer.ggml.scores", GGUF_F32, &scores) < 0)
                return;
        for (uint32_t id = 0; id < v->count && id < scores->count; id++)
                if (vocab_class(v, (int32_t) id) == TOKEN_USER_DEFINED && gguf_array_f32(scores, id) == ADDED_SCORE)
                        v->marks[id] |= MARK_ADDED;
}

static void make_control(struct vocab *v, uint32_t id, unsigned marks) {
        v->marks[id] = (uint8_t) ((v->marks[id] & MARK_END) | TOKEN_CONTROL | MARK_GUARDED | marks);
}

/* The token that KEY names, made a control token; *ret stays as it is when the key is absent. */
static int read_named(struct vocab *v, const struct gguf *g, const char *key, unsigned marks, int32_t *ret,
                      struct gguf_error *reterr) {
        uint32_t id;
        int r = gguf_get_u32(g, key, &id);
        if (r == -ENOENT)
                return 0;
        if (r < 0 || id >= v->count)
                return vocab_fail(reterr, -EBADMSG, "key '%s' is not the id of one of the %" PRIu32 " tokens", key, v->count);
        make_control(v, id, marks);
        *ret = (int32_t) id;
        return 0;
}

static void use_sentencepiece_defaults(struct vocab *v) {
        v->unknown = 0;
        if (v->count > 1 && vocab_class(v, 1) == TOKEN_CONTROL)
                v->bos = 1;
        if (v->count > 2 && vocab_class(v, 2) == TOKEN_CONTROL)
                v->eos = 2;
}

/* *RET becomes ID where that token is called TEXT. */
static void use_if_called(struct vocab *v, uint32_t id, const char *text, int32_t *ret) {
        if (id >= v->count || !gguf_string_equals(v->tokens[id], text))
                return;
        make_control(v, id, 0);
        *ret = (int32_t) id;
}

static void use_defaults(struct vocab *v, enum vocab_defaults defaults) {
        if (defaults == VOCAB_SENTENCEPIECE_DEFAULTS)
                use_sentencepiece_defaults(v);
        if (defaults == VOCAB_WORDPIECE_DEFAULTS) {
                use_if_called(v, 100, "[UNK]", &v->unknown);
                use_if_called(v, 101, "[CLS]", &v->bos);
                use_if_called(v, 102, "[SEP]", &v->separator);
                use_if_called(v, 103, "[MASK]", &v->mask);
        }
        if (defaults == VOCAB_UNIGRAM_DEFAULTS) {
                use_if_called(v, 1, "</s>", &v->eos);
                use_if_called(v, 2, "<unk>", &v->unknown);
        }
}

static int read_named_tokens(struct vocab *v, const struct gguf *g, struct gguf_error *reterr) {
        static const char *const more_ends[] = { "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id" };
        uint32_t unknown;
        int r = gguf_get_u32(g, "tokenizer.ggml.unknown_token_id", &unknown);
        if (r != -ENOENT) { /* not made control: some files name an ordinary token here */
                if (r < 0 || unknown >= v->count)
                        return vocab_fail(reterr, -EBADMSG,
                                          "key 'tokenizer.ggml.unknown_token_id' is not the id of one of the %" PRIu32 " tokens",
                                          v->count);
                v->unknown = (int32_t) unknown;
        }
        const struct {
                const char *key;
                unsigned marks;
                int32_t *id;
        } named[] = {
                { "tokenizer.ggml.cls_token_id", 0, &v->bos }, /* where both are given, the next one counts */
                { "tokenizer.ggml.bos_token_id", 0, &v->bos },
                { "tokenizer.ggml.eos_token_id", MARK_END, &v->eos },
                { "tokenizer.ggml.seperator_token_id", 0, &v->separator }, /* spelt like this in files */
                { "tokenizer.ggml.mask_token_id", 0, &v->mask },
        };
        r = 0;
        for (size_t i = 0; i < sizeof(named) / sizeof(named[0]) && r == 0; i++)
                r = read_named(v, g, named[i].key, named[i].marks, named[i].id, reterr);
        for (size_t i = 0; i < 2 && r == 0; i++) {
                int32_t id;
                r = read_named(v, g, more_ends[i], MARK_END, &id, reterr);
        }
        return r;
}

/* The tokens that are called by one of NAMES and are no ordinary text become ends, where MARK; returns how many there are. */
static uint32_t find_ends(struct vocab *v, const char *const names[], size_t names_count, bool mark) {
        uint32_t found = 0;
        for (uint32_t id = 0; id < v->count; id++) {
                enum token_class class = vocab_class(v, (int32_t) id);
                if (class != TOKEN_CONTROL && class != TOKEN_USER_DEFINED)
                        continue;
                for (size_t i = 0; i < names_count; i++)
                        if (gguf_string_equals(v->tokens[id], names[i])) {
                                found++;
                                if (mark)
                                        make_control(v, id, MARK_END);
                        }
        }
        return found;
}

/* Where an answer is several messages (gpt-oss), "<|end|>" ends one of them, and these two the answer. */
static void mark_known_ends(struct vocab *v) {
        static const char *const of_channels[] = { "<|return|>", "<|call|>" };
        bool channels = find_ends(v, of_channels, 2, false) == 2;
        (void) (channels ? find_ends(v, of_channels, 2, true)
                         : find_ends(v, end_texts, sizeof(end_texts) / sizeof(end_texts[0]), true));
}

int vocab_init(struct vocab *v, const struct gguf *g, enum vocab_defaults defaults, struct gguf_error *reterr) {
        *v = (struct vocab){ .bos = TOKEN_NONE, .eos = TOKEN_NONE };
        v->unknown = v->separator = v->mask = TOKEN_NONE;
        int r = read_tokens(v, g, reterr);
        if (r == 0)
                r = read_classes(v, g, reterr);
        if (r < 0)
                return r;
        mark_added(v, g);
        use_defaults(v, defaults);
        r = read_named_tokens(v, g, reterr);
        if (r < 0)
                return r;
        if (v->eos != TOKEN_NONE)
                v->marks[v->eos] |= MARK_END;
        mark_known_ends(v);
        return index_by_text(v, reterr);
}

void vocab_done(struct vocab *v) {
        free(v->marks);
        free(v->slots);
        *v = (struct vocab){ 0 };
}
