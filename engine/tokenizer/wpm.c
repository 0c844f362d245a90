/* wpm.c - see wpm.h. */
#include "engine/tokenizer/wpm.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "engine/tokenizer/bounds.h"
#include "engine/tokenizer/space_mark.h"
#include "engine/unicode/unicode.h"

#define CONTINUATION       "##"
#define CONTINUATION_BYTES 2u

static bool continues(struct gguf_string text) {
        return text.length > CONTINUATION_BYTES && !memcmp(text.bytes, CONTINUATION, CONTINUATION_BYTES);
}

/* ---- opening ---- */

/* Some token is marked with ##, and none with U+2581. */
static bool uses_continuation_marks(const struct vocab *v) {
        bool found = false;
        for (int32_t id = 0; id < (int32_t) v->count; id++) {
                if (vocab_is_text(v, id) && is_space_mark(v->tokens[id].bytes, v->tokens[id].length))
                        return false;
                found = found || (vocab_is_text(v, id) && continues(v->tokens[id]));
        }
        return found;
}

int wpm_init(struct wpm *w, const struct gguf *g, const struct vocab *v, struct gguf_error *reterr) {
        *w = (struct wpm){ .lowers = true, .strips_accents = true, .marks_continuation = uses_continuation_marks(v) };
        int r = vocab_read_flag(g, "tokenizer.ggml.normalizer.lowercase", &w->lowers, reterr);
        if (r == 0)
                r = vocab_read_flag(g, "tokenizer.ggml.normalizer.strip_accents", &w->strips_accents, reterr);
        if (r == 0 && trie_init(&w->trie, v, vocab_is_text) < 0)
                r = vocab_fail(reterr, -ENOMEM, "no memory for %" PRIu32 " tokens", v->count);
        return r;
}

void wpm_done(struct wpm *w) {
        trie_done(&w->trie);
}

/* ---- classes of characters ---- */

enum role { ROLE_PART, ROLE_ALONE, ROLE_GAP, ROLE_NOTHING };

/*
 * The blocks of Unicode called CJK (Unified or Compatibility) Ideographs, up to extension E. That begins at 0x2b820; but the
 * tokenizers library, with which the published models are trained, counts them from 0x2b920 on (measured).
 */
static bool is_ideograph(uint32_t c) {
        static const struct {
                uint32_t first, last;
        } blocks[] = {
                { 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },   { 0xf900, 0xfaff },   { 0x20000, 0x2a6df },
                { 0x2a700, 0x2b73f }, { 0x2b740, 0x2b81f }, { 0x2b920, 0x2ceaf }, { 0x2f800, 0x2fa1f },
        };
        for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
                if (c >= blocks[i].first && c <= blocks[i].last)
                        return true;
        return false;
}

static bool is_gap(uint32_t c, uint32_t properties) {
        return (properties & (UNICODE_ZS | UNICODE_ZL | UNICODE_ZP)) || c == '\t' || c == '\n' || c == '\r';
}

/* Punctuation is what Unicode calls so, and all of ASCII that is printed but no letter, digit or space. */
static enum role role_of(const struct wpm *w, uint32_t c) {
        uint32_t properties = unicode_properties(c), dropped = UNICODE_CC | UNICODE_CF | UNICODE_CO | UNICODE_CS;
        if (is_gap(c, properties))
                return ROLE_GAP;
        if (c == 0xfffd || (properties & (dropped | (w->strips_accents ? UNICODE_MN : 0))))
                return ROLE_NOTHING;
        if ((properties & (c < 0x80 ? UNICODE_P | UNICODE_S : UNICODE_P)) || is_ideograph(c))
                return ROLE_ALONE;
        return ROLE_PART;
}

/* ---- a word, and its tokens ---- */

/* The bytes of MERGER hold room for a mark, and then the word. */
struct words {
        const struct wpm *wpm;
        struct merger *merger;
        struct token_list *list;
        uint32_t characters; /* of the word so far */
};

/* The longest token at byte AT of the word's bytes: its id or TOKEN_NONE, and where it ends. */
static int32_t longest_at(const struct words *s, size_t at, size_t *ret_end) {
        struct merger *m = s->merger;
        size_t from = at, length = 0;
        if (s->wpm->marks_continuation && at > CONTINUATION_BYTES) { /* the bytes already read make room for the mark */
                from = at - CONTINUATION_BYTES;
                memcpy(m->text.bytes + from, CONTINUATION, CONTINUATION_BYTES);
        }
        int32_t id = trie_longest(&s->wpm->trie, m->text.bytes + from, m->text.used - from, &length);
        *ret_end = from + length;
        return *ret_end > at ? id : TOKEN_NONE;
}

static int end_word(struct words *s) {
        struct merger *m = s->merger;
        size_t before = s->list->count, end = 0;
        bool even = s->characters <= WORDPIECE_CHARACTERS_MAX;
        int r = 0;
        for (size_t at = s->wpm->marks_continuation ? CONTINUATION_BYTES : 0; at < m->text.used && even && r == 0; at = end) {
                int32_t id = longest_at(s, at, &end);
                even = id != TOKEN_NONE;
                r = even ? token_list_push(s->list, id) : 0;
        }
        merger_restart(m);
        s->characters = 0;
        if (even || r < 0)
                return r;
        int32_t unknown = s->wpm->trie.vocab->unknown;
        s->list->count = before;
        return unknown == TOKEN_NONE ? 0 : token_list_push(s->list, unknown);
}

static int add_to_word(struct words *s, uint32_t c) {
        char bytes[4];
        int r = 0;
        if (s->characters > WORDPIECE_CHARACTERS_MAX) /* unknown already, however it goes on */
                return 0;
        if (s->characters++ == 0)
                r = s->wpm->marks_continuation ? merger_push_bytes(s->merger, CONTINUATION, CONTINUATION_BYTES)
                                               : merger_push_bytes(s->merger, SPACE_MARK, SPACE_MARK_BYTES);
        return r < 0 ? r : merger_push_bytes(s->merger, bytes, unicode_put(s->wpm->lowers ? unicode_lower(c) : c, bytes));
}

static int take(struct words *s, uint32_t c) {
        enum role role = role_of(s->wpm, c);
        int r = role == ROLE_GAP || role == ROLE_ALONE ? end_word(s) : 0;
        if (r == 0 && (role == ROLE_PART || role == ROLE_ALONE))
                r = add_to_word(s, c);
        return r == 0 && role == ROLE_ALONE ? end_word(s) : r;
}

int wpm_encode(const struct wpm *w, struct merger *m, const char *text, size_t length, struct token_list *list) {
        struct words s = { .wpm = w, .merger = m, .list = list };
        int r = 0;
        merger_restart(m);
        for (size_t at = 0; at < length && r == 0;) {
                struct unicode_char c = unicode_char_at(text + at, length - at);
                uint32_t parts[UNICODE_DECOMPOSED_MAX] = { c.codepoint };
                size_t count = w->strips_accents ? unicode_decompose(c.codepoint, parts) : 1;
                for (size_t i = 0; i < count && r == 0 && c.codepoint != UNICODE_INVALID; i++)
                        r = take(&s, parts[i]);
                at += c.length;
        }
        return r < 0 ? r : end_word(&s);
}

/* ---- tokens to text ---- */

void wpm_piece(const struct wpm *w, int32_t id, struct piece *out) {
        struct gguf_string text = w->trie.vocab->tokens[id];
        if (w->marks_continuation && !continues(text))
                piece_put(out, ' ');
        piece_put_marked(out, text, w->marks_continuation && continues(text) ? CONTINUATION_BYTES : 0);
}

static bool begins_with(const char *text, size_t length, const char *with) {
        return length >= strlen(with) && !memcmp(text, with, strlen(with));
}

size_t wpm_clean(char *text, size_t length) {
        static const struct {
                const char *from, *to; /* TO is no longer */
        } rules[] = {
                { " .", "." },     { " ?", "?" },   { " !", "!" },   { " ,", "," },     { " ' ", "'" },
                { " n't", "n't" }, { " 'm", "'m" }, { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
        };
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
                size_t kept = 0;
                for (size_t at = 0; at < length;) {
                        bool found = begins_with(text + at, length - at, rules[i].from);
                        size_t put = found ? strlen(rules[i].to) : 1;
                        memmove(text + kept, found ? rules[i].to : text + at, put);
                        kept += put;
                        at += found ? strlen(rules[i].from) : 1;
                }
                length = kept;
        }
        return length;
}
