/* bpe.c - see bpe.h. */
#include "engine/tokenizer/bpe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/printable.h"
#include "engine/tokenizer/bounds.h"
#include "engine/tokenizer/space_mark.h"
#include "engine/unicode/unicode.h"
#include "policy/base/hash.h"

/* ---- how bytes are spelt ---- */

/* Bytes that are printable Latin-1 stand for themselves; the 68 others are U+0100 and following, in order. */
static bool stands_for_itself(unsigned byte) {
        return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
}

static uint32_t byte_to_codepoint(unsigned byte) {
        if (stands_for_itself(byte))
                return byte;
        if (byte <= 0x20)
                return 0x100 + byte;
        return byte == 0xad ? 0x143 : 0x121 + (byte - 0x7f);
}

/* -1 where the code point spells no byte. */
static int codepoint_to_byte(uint32_t codepoint) {
        if (codepoint < 0x100)
                return stands_for_itself(codepoint) ? (int) codepoint : -1;
        if (codepoint <= 0x120)
                return (int) (codepoint - 0x100);
        if (codepoint <= 0x142)
                return (int) (codepoint - 0x121 + 0x7f);
        return codepoint == 0x143 ? 0xad : -1;
}

/* One or two bytes of UTF-8. */
static size_t spell_byte(unsigned byte, char out[2]) {
        uint32_t codepoint = byte_to_codepoint(byte);
        if (codepoint < 0x80) {
                out[0] = (char) codepoint;
                return 1;
        }
        out[0] = (char) (0xc0 | codepoint >> 6);
        out[1] = (char) (0x80 | (codepoint & 0x3f));
        return 2;
}

/* ---- opening ---- */

/*
 * An unknown one is refused: words cut in another way still give tokens, but not those that the model has learned, and
 * nothing would show it but worse answers.
 */
static int choose_pretokenizer(struct bpe *b, const struct gguf *g, const char *usual, struct gguf_error *reterr) {
        struct gguf_string name = { usual, strlen(usual) };
        if (gguf_get_string(g, "tokenizer.ggml.pre", &name) == -EBADMSG)
                return vocab_fail(reterr, -EBADMSG, "key 'tokenizer.ggml.pre' is not a string");
        b->pre = pretokenizer_find(gguf_string_equals(name, "default") ? (struct gguf_string){ usual, strlen(usual) } : name);
        char shown[48];
        if (!b->pre)
                return vocab_fail(reterr, -ENOTSUP,
                                  "the pre-tokenizer '%s' is not supported, and another would quietly spoil the answers: take a "
                                  "model with one that 'headroom-engine tokenize --pre-tokenizers' lists",
                                  printable_copy(shown, sizeof(shown), name.bytes, name.length));
        b->stages_count = pretokenizer_stages_count(b->pre);
        return 0;
}

static uint32_t *slot_of(const struct bpe *b, int32_t left, int32_t right) {
        uint64_t hash = ((uint64_t) (uint32_t) left << 32 | (uint32_t) right) * HASH_SPREAD;
        for (uint32_t i = (uint32_t) (hash >> 32) & b->slots_mask;; i = (i + 1) & b->slots_mask) {
                uint32_t slot = b->slots[i];
                if (slot == 0 || (b->merges[slot - 1].left == left && b->merges[slot - 1].right == right))
                        return &b->slots[i];
        }
}

/* False where the merge can never be used. JOINED has room for the longest token. */
static bool resolve_merge(const struct bpe *b, struct gguf_string text, size_t left_length, char *joined, struct bpe_merge *ret) {
        const char *right = text.bytes + left_length + 1;
        size_t right_length = text.length - left_length - 1;
        if (text.length - 1 > b->vocab->longest)
                return false;
        memcpy(joined, text.bytes, left_length);
        memcpy(joined + left_length, right, right_length);
        struct bpe_merge merge = {
                .left = vocab_find(b->vocab, text.bytes, left_length),
                .right = vocab_find(b->vocab, right, right_length),
                .result = vocab_find(b->vocab, joined, left_length + right_length),
        };
        *ret = merge;
        return merge.left != TOKEN_NONE && merge.right != TOKEN_NONE && merge.result != TOKEN_NONE;
}

static int read_merges(struct bpe *b, const struct gguf_array *texts, char *joined, struct gguf_error *reterr) {
        for (uint32_t i = 0; i < texts->count; i++) {
                struct gguf_string text = texts->strings[i];
                /* From the second byte on: a token may begin with a space. */
                const char *gap = text.length > 2 ? memchr(text.bytes + 1, ' ', text.length - 2) : NULL;
                if (!gap)
                        return vocab_fail(reterr, -EBADMSG, "merge %" PRIu32 " is not two tokens with a space between them", i);
                struct bpe_merge *merge = &b->merges[b->merges_count];
                if (!resolve_merge(b, text, (size_t) (gap - text.bytes), joined, merge))
                        continue;
                uint32_t *slot = slot_of(b, merge->left, merge->right);
                if (*slot == 0) /* of two alike the first counts */
                        *slot = ++b->merges_count;
        }
        return 0;
}

static int index_merges(struct bpe *b, const struct gguf *g, struct gguf_error *reterr) {
        const struct gguf_array *texts;
        int r = gguf_get_array(g, "tokenizer.ggml.merges", GGUF_STRING, &texts);
        if (r < 0)
                return vocab_fail(reterr, -EBADMSG,
                                  r == -ENOENT ? "key 'tokenizer.ggml.merges' is missing, which this tokenizer needs"
                                               : "key 'tokenizer.ggml.merges' is not an array of strings");
        if (texts->count > VOCAB_MERGES_MAX)
                return vocab_fail(reterr, -EBADMSG, "key 'tokenizer.ggml.merges' has %" PRIu64 " merges (%u are possible)",
                                  texts->count, VOCAB_MERGES_MAX);
        uint32_t count = (uint32_t) texts->count, slots = vocab_slots_for(count);
        b->merges = malloc((count + 1) * sizeof(*b->merges));
        b->slots = calloc(slots, sizeof(*b->slots));
        b->slots_mask = slots - 1;
        char *joined = malloc(b->vocab->longest + 1);
        if (b->merges && b->slots && joined)
                r = read_merges(b, texts, joined, reterr);
        else
                r = vocab_fail(reterr, -ENOMEM, "no memory for %" PRIu32 " merges", count);
        free(joined);
        return r;
}

int bpe_init(struct bpe *b, const struct gguf *g, const struct vocab *v, const char *usual_pre, struct gguf_error *reterr) {
        *b = (struct bpe){ .vocab = v };
        int r = choose_pretokenizer(b, g, usual_pre, reterr);
        if (r == 0)
                r = index_merges(b, g, reterr);
        if (r < 0)
                return r;
        if (b->pre->plain) {
                vocab_byte_tokens(v, g, b->byte_ids);
                return vocab_read_flag(g, "tokenizer.ggml.normalizer.lowercase", &b->lowers, reterr);
        }
        for (unsigned byte = 0; byte < 256; byte++) {
                char spelt[2];
                size_t length = spell_byte(byte, spelt);
                b->byte_ids[byte] = vocab_find(v, spelt, length);
        }
        return 0;
}

void bpe_done(struct bpe *b) {
        free(b->merges);
        free(b->slots);
        *b = (struct bpe){ 0 };
}

/* ---- text to tokens ---- */

static bool rule_by_rank(const void *context, const struct symbol *left, const struct symbol *right, uint32_t *ret_key,
                         int32_t *ret_id) {
        const struct bpe *b = context;
        uint32_t slot = *slot_of(b, left->id, right->id);
        if (slot == 0)
                return false;
        *ret_key = slot - 1;
        *ret_id = b->merges[slot - 1].result;
        return true;
}

/* TOKEN_NONE, or the token that spells the whole word. */
static int find_whole_word(const struct bpe *b, struct merger *m, const char *word, size_t length, int32_t *ret) {
        *ret = TOKEN_NONE;
        if (length > b->vocab->longest)
                return 0;
        for (size_t i = 0; i < length; i++) {
                char spelt[2] = { word[i] };
                int r = merger_push_bytes(m, spelt, b->pre->plain ? 1 : spell_byte((uint8_t) word[i], spelt));
                if (r < 0)
                        return r;
        }
        *ret = vocab_find(b->vocab, m->text.bytes, m->text.used);
        return 0;
}

static int push_symbols_of_bytes(const struct bpe *b, struct merger *m, const char *word, size_t length) {
        int r = 0;
        for (size_t i = 0; i < length && r == 0; i++) {
                int32_t id = b->byte_ids[(uint8_t) word[i]];
                if (id == TOKEN_NONE)
                        id = b->vocab->unknown;
                if (id != TOKEN_NONE)
                        r = merger_push_symbol(m, (uint32_t) i, 1, id);
        }
        return r;
}

/* As the vocabulary spells it: 1..4 bytes. */
static size_t spell_character(const struct bpe *b, const struct unicode_char *c, const char *text, char out[4]) {
        if (b->pre->marks_spaces && c->codepoint == ' ') {
                memcpy(out, SPACE_MARK, SPACE_MARK_BYTES);
                return SPACE_MARK_BYTES;
        }
        if (b->lowers && c->codepoint != UNICODE_INVALID)
                return unicode_put(unicode_lower(c->codepoint), out);
        memcpy(out, text, c->length);
        return c->length;
}

static int push_symbols_of_characters(const struct bpe *b, struct merger *m, const char *word, size_t length) {
        int r = 0;
        for (size_t at = 0; at < length && r == 0;) {
                struct unicode_char c = unicode_char_at(word + at, length - at);
                char bytes[4];
                uint32_t count = (uint32_t) spell_character(b, &c, word + at, bytes), start = (uint32_t) m->text.used;
                r = merger_push_bytes(m, bytes, count);
                if (r == 0)
                        r = merger_push_symbol(m, start, count, vocab_find(b->vocab, bytes, count));
                at += c.length;
        }
        return r;
}

/* A character without a token, in a plain vocabulary: its bytes, or the unknown token; white space may be dropped. */
static int emit_character(const struct bpe *b, const char *bytes, size_t length, struct token_list *list) {
        int r = 0;
        for (size_t i = 0; i < length && r == 0; i++) {
                int32_t id = b->byte_ids[(uint8_t) bytes[i]];
                if (id != TOKEN_NONE)
                        r = token_list_push(list, id);
                else if (b->vocab->unknown != TOKEN_NONE && unicode_char_at(bytes, length).kind != UNICODE_SPACE)
                        return token_list_push(list, b->vocab->unknown);
        }
        return r;
}

static int merge_word(const struct bpe *b, struct merger *m, const char *word, size_t length, struct token_list *list) {
        merger_restart(m);
        int r = b->pre->plain ? push_symbols_of_characters(b, m, word, length) : push_symbols_of_bytes(b, m, word, length);
        if (r == 0 && m->count > 0)
                r = merger_run(m, rule_by_rank, b);
        for (uint32_t i = m->count ? 0 : SYMBOL_NONE; i != SYMBOL_NONE && r == 0; i = m->symbols[i].next) {
                const struct symbol *symbol = &m->symbols[i];
                r = symbol->id != TOKEN_NONE ? token_list_push(list, symbol->id)
                                             : emit_character(b, m->text.bytes + symbol->start, symbol->length, list);
        }
        return r;
}

/* In vocabularies that mark spaces, a run of line breaks is a token of its own that no merges lead to. */
static bool is_taken_whole(const struct bpe *b, const char *word) {
        return b->pre->whole_words_first || (b->pre->marks_spaces && word[0] == '\n');
}

int bpe_encode(const struct bpe *b, struct merger *m, const char *text, size_t length, struct token_list *list) {
        struct cutter cutter;
        size_t start, count;
        int r = 0;
        cut_begin(&cutter, b->pre->stages, b->stages_count, text, length);
        while (r == 0 && cut_next(&cutter, &start, &count)) {
                int32_t whole = TOKEN_NONE;
                merger_restart(m);
                if (is_taken_whole(b, text + start))
                        r = find_whole_word(b, m, text + start, count, &whole);
                if (r == 0)
                        r = whole != TOKEN_NONE ? token_list_push(list, whole) : merge_word(b, m, text + start, count, list);
        }
        return r;
}

/* ---- token to text ---- */

static void plain_piece(const struct bpe *b, int32_t id, struct piece *out) {
        struct gguf_string text = b->vocab->tokens[id];
        int value = vocab_byte_value(text);
        if (value >= 0 && b->byte_ids[value] == id)
                piece_put(out, (char) value);
        else if (b->pre->marks_spaces)
                piece_put_marked(out, text, 0);
        else
                for (size_t i = 0; i < text.length; i++)
                        piece_put(out, text.bytes[i]);
}

void bpe_piece(const struct bpe *b, int32_t id, struct piece *out) {
        if (b->pre->plain) {
                plain_piece(b, id, out);
                return;
        }
        struct gguf_string text = b->vocab->tokens[id];
        bool spelt = vocab_class(b->vocab, id) != TOKEN_CONTROL && vocab_class(b->vocab, id) != TOKEN_USER_DEFINED;
        for (size_t at = 0; at < text.length;) {
                uint32_t codepoint;
                size_t count = printable_utf8(text.bytes + at, text.length - at, &codepoint);
                int byte = spelt && count > 0 ? codepoint_to_byte(codepoint) : -1;
                if (byte >= 0)
                        piece_put(out, (char) byte);
                for (size_t i = 0; byte < 0 && i < (count ? count : 1); i++)
                        piece_put(out, text.bytes[at + i]);
                at += count ? count : 1;
        }
}
