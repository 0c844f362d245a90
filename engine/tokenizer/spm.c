/* spm.c - see spm.h. */
#include "engine/tokenizer/spm.h"

#include <errno.h>
#include <string.h>

#include "engine/printable.h"
#include "engine/tokenizer/space_mark.h"

/* ---- opening ---- */

int spm_init(struct spm *s, const struct gguf *g, const struct vocab *v, struct gguf_error *reterr) {
        *s = (struct spm){ .vocab = v, .adds_space = true };
        int r = vocab_read_scores(v, g, &s->scores, reterr);
        if (r == 0)
                r = vocab_read_flag(g, "tokenizer.ggml.add_space_prefix", &s->adds_space, reterr);
        if (r < 0)
                return r;
        vocab_byte_tokens(v, g, s->byte_ids);
        for (uint32_t id = 0; id < v->count && !s->crosses_words; id++)
                s->crosses_words = has_inner_space_mark(v->tokens[id]);
        return 0;
}

/* ---- text to tokens ---- */

/* Order of floats as order of integers, the highest score first; both zeros alike. */
static uint32_t key_of_score(float score) {
        uint32_t bits;
        score += 0.0f;
        memcpy(&bits, &score, sizeof(bits));
        return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

struct word {
        const struct spm *spm;
        const char *bytes;
};

static bool rule_by_score(const void *context, const struct symbol *left, const struct symbol *right, uint32_t *ret_key,
                          int32_t *ret_id) {
        const struct word *w = context;
        int32_t id = vocab_find(w->spm->vocab, w->bytes + left->start, (size_t) left->length + right->length);
        if (id == TOKEN_NONE)
                return false;
        *ret_key = key_of_score(gguf_array_f32(w->spm->scores, (uint64_t) id));
        *ret_id = id;
        return true;
}

static int emit_bytes(const struct spm *s, const char *bytes, size_t length, struct token_list *list) {
        for (size_t i = 0; i < length; i++)
                if (s->byte_ids[(uint8_t) bytes[i]] == TOKEN_NONE)
                        return s->vocab->unknown == TOKEN_NONE ? 0 : token_list_push(list, s->vocab->unknown);
        for (size_t i = 0; i < length; i++) {
                int r = token_list_push(list, s->byte_ids[(uint8_t) bytes[i]]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int finish_word(const struct spm *s, struct merger *m, struct token_list *list) {
        if (m->count == 0)
                return 0;
        int r = merger_run(m, rule_by_score, &(struct word){ s, m->bytes });
        for (uint32_t i = 0; i != SYMBOL_NONE && r == 0; i = m->symbols[i].next) {
                const struct symbol *symbol = &m->symbols[i];
                r = symbol->id != TOKEN_NONE ? token_list_push(list, symbol->id)
                                             : emit_bytes(s, m->bytes + symbol->start, symbol->length, list);
        }
        merger_restart(m);
        return r;
}

static int push_character(const struct spm *s, struct merger *m, const char *bytes, size_t length) {
        uint32_t start = (uint32_t) m->bytes_count;
        int r = merger_push_bytes(m, bytes, length);
        return r < 0 ? r : merger_push_symbol(m, start, (uint32_t) length, vocab_find(s->vocab, bytes, length));
}

int spm_encode(const struct spm *s, struct merger *m, const char *text, size_t length, bool after_special,
               struct token_list *list) {
        bool in_spaces = s->adds_space && after_special;
        merger_restart(m);
        int r = in_spaces && length > 0 ? push_character(s, m, SPACE_MARK, SPACE_MARK_BYTES) : 0;
        for (size_t at = 0; at < length && r == 0;) {
                size_t count = printable_utf8(text + at, length - at, NULL);
                if (count == 0)
                        count = 1;
                bool spaces = text[at] == ' ' || is_space_mark(text + at, count);
                if (spaces && !in_spaces && !s->crosses_words)
                        r = finish_word(s, m, list);
                if (r == 0)
                        r = spaces ? push_character(s, m, SPACE_MARK, SPACE_MARK_BYTES) : push_character(s, m, text + at, count);
                in_spaces = spaces;
                at += count;
        }
        return r < 0 ? r : finish_word(s, m, list);
}

/* ---- token to text ---- */

void spm_piece(const struct spm *s, int32_t id, bool first, struct piece *out) {
        struct gguf_string text = s->vocab->tokens[id];
        int value = vocab_byte_value(text);
        if (value >= 0 && s->byte_ids[value] == id) {
                piece_put(out, (char) value);
                return;
        }
        size_t at = first && s->adds_space && is_space_mark(text.bytes, text.length) ? SPACE_MARK_BYTES : 0;
        piece_put_marked(out, text, at);
}
