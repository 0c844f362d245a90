/* sentencepiece.c - see sentencepiece.h. */
#include "engine/tokenizer/sentencepiece.h"

#include <errno.h>
#include <inttypes.h>

#include "engine/base/printable.h"
#include "engine/tokenizer/space_mark.h"

#define REPLACEMENT_CHARACTER "\xef\xbf\xbd" /* U+FFFD */

/* ---- opening ---- */

static int read_charsmap(struct sentencepiece *s, const struct gguf *g, struct gguf_error *reterr) {
        const struct gguf_entry *e = gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
        if (!e)
                return charsmap_init(&s->charsmap, NULL, 0);
        if (e->type != GGUF_ARRAY || (e->array.type != GGUF_U8 && e->array.type != GGUF_I8))
                return vocab_fail(reterr, -EBADMSG, "key 'tokenizer.ggml.precompiled_charsmap' is not an array of bytes");
        if (charsmap_init(&s->charsmap, e->array.bytes, e->array.count) < 0)
                return vocab_fail(reterr, -EBADMSG,
                                  "key 'tokenizer.ggml.precompiled_charsmap' says that it is longer than it is");
        return 0;
}

static bool is_kept(const struct vocab *v, int32_t id) {
        return vocab_class(v, id) == TOKEN_USER_DEFINED && vocab_is_text(v, id);
}

int sentencepiece_init(struct sentencepiece *s, const struct gguf *g, const struct vocab *v, struct gguf_error *reterr) {
        *s = (struct sentencepiece){ .vocab = v, .adds_space = true, .has_bytes = true };
        int r = vocab_read_scores(v, g, &s->scores, reterr);
        if (r == 0)
                r = read_charsmap(s, g, reterr);
        if (r == 0)
                r = vocab_read_flag(g, "tokenizer.ggml.add_space_prefix", &s->adds_space, reterr);
        if (r == 0)
                r = vocab_read_flag(g, "tokenizer.ggml.remove_extra_whitespaces", &s->joins_spaces, reterr);
        if (r == 0 && trie_init(&s->kept, v, is_kept) < 0)
                r = vocab_fail(reterr, -ENOMEM, "no memory for %" PRIu32 " tokens", v->count);
        if (r < 0)
                return r;
        vocab_byte_tokens(v, g, s->byte_ids);
        for (int byte = 0; byte < 256; byte++)
                s->has_bytes = s->has_bytes && s->byte_ids[byte] != TOKEN_NONE;
        for (uint32_t id = 0; id < v->count && !s->crosses_words; id++)
                s->crosses_words = has_inner_space_mark(v->tokens[id]);
        return 0;
}

void sentencepiece_done(struct sentencepiece *s) {
        trie_done(&s->kept);
}

bool sentencepiece_drops_text(const struct sentencepiece *s) {
        return s->joins_spaces || s->charsmap.units_count > 0 || !s->has_bytes;
}

/* ---- spelling ---- */

struct passage passage_begin(const struct sentencepiece *s, const char *text, size_t length, size_t most,
                             struct token_list *list) {
        return (struct passage){
                .model = s,
                .list = list,
                .text = text,
                .length = length,
                .spaces = s->adds_space && length > 0,
                .most = most,
                .after_space = s->joins_spaces,
        };
}

/* A user-defined token, else what the table replaces, else a character; the whole text where there is neither. */
static void read_part(struct passage *p) {
        const struct sentencepiece *s = p->model;
        const char *text = p->text + p->at;
        size_t left = p->length - p->at, taken = 0;
        p->part = text;
        p->part_at = 0;
        if (s->kept.count == 0 && s->charsmap.units_count == 0 && s->has_bytes) {
                p->part_length = left;
                p->at = p->length;
                return;
        }
        if (trie_longest(&s->kept, text, left, &p->part_length) != TOKEN_NONE) {
                p->at += p->part_length;
                return;
        }
        taken = charsmap_find(&s->charsmap, text, left, &p->part, &p->part_length);
        if (taken == 0)
                taken = p->part_length = printable_utf8(text, left, NULL);
        if (taken == 0) { /* a byte that is no character: it is kept where there is a token for it */
                taken = 1;
                p->part = s->has_bytes ? text : REPLACEMENT_CHARACTER;
                p->part_length = s->has_bytes ? 1 : sizeof(REPLACEMENT_CHARACTER) - 1;
        }
        p->at += taken;
}

/* The next character as it is to be spelt, which is not taken yet. False at the end. */
static bool look(struct passage *p, const char **ret, size_t *ret_length) {
        while (p->part_at == p->part_length) { /* as often as something is replaced by nothing */
                if (p->at == p->length)
                        return false;
                read_part(p);
        }
        *ret = p->part + p->part_at;
        *ret_length = sentencepiece_character(*ret, p->part_length - p->part_at);
        return true;
}

static int spell_spaces(struct passage *p, struct merger *m) {
        int r = 0;
        for (; p->spaces > 0 && m->text.used < p->most && r == 0; p->spaces--)
                r = merger_push_bytes(m, SPACE_MARK, SPACE_MARK_BYTES);
        return r;
}

/* Whether the word in M ends before the spaces that have been read. */
static bool is_whole(const struct passage *p, const struct merger *m) {
        return p->spaces > 0 && m->text.used > 0 && !p->model->crosses_words;
}

int passage_word(struct passage *p, struct merger *m) {
        const char *next;
        size_t count;
        int r = 0;
        merger_restart(m);
        while (r == 0 && look(p, &next, &count)) {
                bool space = *next == ' ';
                if (space || is_space_mark(next, count)) {
                        p->spaces += !(space && p->after_space);
                        p->after_space = space && p->model->joins_spaces;
                        p->part_at += count;
                        continue;
                }
                if (is_whole(p, m))
                        return 1;
                r = spell_spaces(p, m);
                if (m->text.used >= p->most)
                        return r < 0 ? r : 1;
                if (r == 0)
                        r = merger_push_bytes(m, next, count);
                p->after_space = false;
                p->part_at += count;
        }
        if (p->model->joins_spaces)
                p->spaces = 0;
        if (r == 0 && !is_whole(p, m))
                r = spell_spaces(p, m);
        return r < 0 ? r : m->text.used > 0;
}

/* ---- tokens ---- */

int passage_put(struct passage *p, int32_t id) {
        p->after_unknown = false;
        return token_list_push(p->list, id);
}

int passage_put_unknown(struct passage *p, const char *bytes, size_t length) {
        const struct sentencepiece *s = p->model;
        int r = 0;
        for (size_t i = 0; s->has_bytes && i < length && r == 0; i++)
                r = token_list_push(p->list, s->byte_ids[(uint8_t) bytes[i]]);
        if (s->has_bytes || p->after_unknown || s->vocab->unknown == TOKEN_NONE)
                return r;
        p->after_unknown = true;
        return token_list_push(p->list, s->vocab->unknown);
}

/* ---- token to text ---- */

void sentencepiece_piece(const struct sentencepiece *s, int32_t id, bool first, struct piece *out) {
        struct gguf_string text = s->vocab->tokens[id];
        int value = vocab_byte_value(text);
        bool added = first && (s->adds_space || s->joins_spaces) && is_space_mark(text.bytes, text.length);
        if (value >= 0 && s->byte_ids[value] == id)
                piece_put(out, (char) value);
        else
                piece_put_marked(out, text, added ? SPACE_MARK_BYTES : 0);
}
