/* spm.c - see spm.h. */
#include "engine/tokenizer/spm.h"

#include <string.h>

/* Order of floats as order of integers, the highest score first; both zeros alike. */
static uint32_t key_of_score(float score) {
        uint32_t bits;
        score += 0.0f;
        memcpy(&bits, &score, sizeof(bits));
        return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

struct word {
        const struct sentencepiece *model;
        const char *bytes;
};

static bool is_user_defined(const struct vocab *v, int32_t id) {
        return id != TOKEN_NONE && vocab_class(v, id) == TOKEN_USER_DEFINED;
}

static bool rule_by_score(const void *context, const struct symbol *left, const struct symbol *right, uint32_t *ret_key,
                          int32_t *ret_id) {
        const struct word *w = context;
        const struct vocab *v = w->model->vocab;
        if (w->model->kept.count > 0 && (is_user_defined(v, left->id) || is_user_defined(v, right->id)))
                return false;
        int32_t id = vocab_find(v, w->bytes + left->start, (size_t) left->length + right->length);
        if (id == TOKEN_NONE)
                return false;
        *ret_key = key_of_score(gguf_array_f32(w->model->scores, (uint64_t) id));
        *ret_id = id;
        return true;
}

/* The user-defined token or the character at AT. */
static int push_symbol(const struct sentencepiece *s, struct merger *m, size_t at, size_t *ret_length) {
        const char *bytes = m->text.bytes + at;
        size_t left = m->text.used - at, length = 0;
        int32_t id = s->kept.count > 0 ? trie_longest(&s->kept, bytes, left, &length) : TOKEN_NONE;
        if (id == TOKEN_NONE) {
                length = sentencepiece_character(bytes, left);
                id = vocab_find(s->vocab, bytes, length);
        }
        *ret_length = length;
        return merger_push_symbol(m, (uint32_t) at, (uint32_t) length, id);
}

static int merge_word(const struct sentencepiece *s, struct merger *m, struct passage *p) {
        int r = 0;
        for (size_t at = 0, length = 0; at < m->text.used && r == 0; at += length)
                r = push_symbol(s, m, at, &length);
        if (r == 0)
                r = merger_run(m, rule_by_score, &(struct word){ s, m->text.bytes });
        for (uint32_t i = 0; i != SYMBOL_NONE && r == 0; i = m->symbols[i].next) {
                const struct symbol *symbol = &m->symbols[i];
                r = symbol->id != TOKEN_NONE ? passage_put(p, symbol->id)
                                             : passage_put_unknown(p, m->text.bytes + symbol->start, symbol->length);
        }
        return r;
}

int spm_encode(const struct sentencepiece *s, struct merger *m, const char *text, size_t length, struct token_list *list) {
        struct passage p = passage_begin(s, text, length, SIZE_MAX, list);
        int r = passage_word(&p, m);
        while (r > 0) {
                r = merge_word(s, m, &p);
                if (r == 0)
                        r = passage_word(&p, m);
        }
        return r;
}
