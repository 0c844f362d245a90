/* wpm.c - see wpm.h. */
#include "engine/tokenizer/wpm.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "engine/tokenizer/space_mark.h"
#include "engine/tokenizer/unicode.h"

static const char continuation[] = "##";
#define CONTINUATION_BYTES 2u

static bool continues(struct gguf_string text) {
        return text.length > CONTINUATION_BYTES && !memcmp(text.bytes, continuation, CONTINUATION_BYTES);
}

/* ---- opening ---- */

static bool is_old_spelling(const struct vocab *v) {
        bool found = false;
        for (int32_t id = 0; id < (int32_t) v->count; id++) {
                if (vocab_is_text(v, id) && is_space_mark(v->tokens[id].bytes, v->tokens[id].length))
                        return false;
                found = found || (vocab_is_text(v, id) && continues(v->tokens[id]));
        }
        return found;
}

int wpm_init(struct wpm *w, const struct gguf *g, const struct vocab *v, struct gguf_error *reterr) {
        *w = (struct wpm){ .lowers = true, .strips_accents = true, .marks_continuation = is_old_spelling(v) };
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

/* ---- what becomes of a character ---- */

static bool is_ideograph(uint32_t c) {
        static const uint32_t blocks[][2] = {
                { 0x4e00, 0x9fff },   { 0x3400, 0x4dbf },   { 0x20000, 0x2a6df }, { 0x2a700, 0x2b73f },
                { 0x2b740, 0x2b81f }, { 0x2b920, 0x2ceaf }, { 0xf900, 0xfaff },   { 0x2f800, 0x2fa1f },
        }; /* 0x2b920: the tokenizer that vocabularies were made with says so, for 0x2b820 */
        for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
                if (c >= blocks[i][0] && c <= blocks[i][1])
                        return true;
        return false;
}

static bool stands_alone(uint32_t c, uint32_t properties) {
        return (properties & UNICODE_P) || (c < 0x80 && (properties & UNICODE_S)) || is_ideograph(c);
}

static bool is_dropped(const struct wpm *w, uint32_t c, uint32_t properties) {
        return c == 0 || c == 0xfffd || (properties & (UNICODE_CC | UNICODE_CF | UNICODE_CO | UNICODE_CS)) ||
               (w->strips_accents && (properties & UNICODE_MN));
}

/* ---- text to tokens ---- */

/* The longest token at AT of the word in M. */
static int32_t longest_at(const struct wpm *w, const struct merger *m, size_t at, size_t *ret_length) {
        if (!w->marks_continuation || at == 0)
                return trie_longest(&w->trie, m->bytes + at, m->bytes_count - at, ret_length);
        /* ## and the rest of the word: two bytes of what has been read already make room for the marks */
        int32_t found = TOKEN_NONE;
        struct trie_walk walk;
        bool more = trie_begin(&w->trie, &walk, '#') && trie_step(&w->trie, &walk, '#');
        while (more && at + walk.depth - CONTINUATION_BYTES < m->bytes_count) {
                more = trie_step(&w->trie, &walk, (uint8_t) m->bytes[at + walk.depth - CONTINUATION_BYTES]);
                int32_t id = more ? trie_token(&w->trie, &walk) : TOKEN_NONE;
                if (id != TOKEN_NONE) {
                        found = id;
                        *ret_length = walk.depth - CONTINUATION_BYTES;
                }
        }
        return found;
}

static int finish_word(const struct wpm *w, struct merger *m, struct token_list *list) {
        size_t before = list->count, beginning = w->marks_continuation ? 0 : SPACE_MARK_BYTES;
        int r = 0;
        if (m->bytes_count <= beginning) {
                merger_restart(m);
                return 0;
        }
        for (size_t at = 0, length = 0; at < m->bytes_count && r == 0; at += length) {
                int32_t id = longest_at(w, m, at, &length);
                if (id == TOKEN_NONE) {
                        list->count = before;
                        if (w->trie.vocab->unknown != TOKEN_NONE)
                                r = token_list_push(list, w->trie.vocab->unknown);
                        break;
                }
                r = token_list_push(list, id);
        }
        merger_restart(m);
        return r;
}

static int push_character(const struct wpm *w, struct merger *m, uint32_t c) {
        char bytes[4];
        int r = 0;
        if (m->bytes_count == 0 && !w->marks_continuation)
                r = merger_push_bytes(m, SPACE_MARK, SPACE_MARK_BYTES);
        return r < 0 ? r : merger_push_bytes(m, bytes, unicode_put(w->lowers ? unicode_lower(c) : c, bytes));
}

static int take_character(const struct wpm *w, struct merger *m, uint32_t c, struct token_list *list) {
        uint32_t properties = unicode_properties(c);
        if (properties & UNICODE_WHITE)
                return finish_word(w, m, list);
        if (is_dropped(w, c, properties))
                return 0;
        if (!stands_alone(c, properties))
                return push_character(w, m, c);
        int r = finish_word(w, m, list);
        if (r == 0)
                r = push_character(w, m, c);
        return r < 0 ? r : finish_word(w, m, list);
}

int wpm_encode(const struct wpm *w, struct merger *m, const char *text, size_t length, struct token_list *list) {
        int r = 0;
        merger_restart(m);
        for (size_t at = 0; at < length && r == 0;) {
                struct unicode_char c = unicode_char_at(text + at, length - at);
                uint32_t parts[UNICODE_DECOMPOSED_MAX] = { c.codepoint };
                size_t count = w->strips_accents ? unicode_decompose(c.codepoint, parts) : 1;
                for (size_t i = 0; i < count && r == 0 && c.codepoint != UNICODE_INVALID; i++)
                        r = take_character(w, m, parts[i], list);
                at += c.length;
        }
        return r < 0 ? r : finish_word(w, m, list);
}

/* ---- tokens to text ---- */

void wpm_piece(const struct wpm *w, int32_t id, struct piece *out) {
        struct gguf_string text = w->trie.vocab->tokens[id];
        if (w->marks_continuation && !continues(text))
                piece_put(out, ' ');
        piece_put_marked(out, text, w->marks_continuation && continues(text) ? CONTINUATION_BYTES : 0);
}

/* Whether the space before AT goes: "x ." and the like. */
static bool is_mark_after_space(const char *text, size_t length, size_t at) {
        (void) length;
        return text[at - 1] == ' ' && (text[at] == '.' || text[at] == ',' || text[at] == '!' || text[at] == '?');
}

/* "they 're", "they 've", "it 's", "i 'm". */
static bool is_ending_after_space(const char *text, size_t length, size_t at) {
        static const char *const endings[] = { "'s", "'m", "'re", "'ve" };
        for (size_t i = 0; text[at - 1] == ' ' && i < sizeof(endings) / sizeof(endings[0]); i++)
                if (length - at >= strlen(endings[i]) && !memcmp(text + at, endings[i], strlen(endings[i])))
                        return true;
        return false;
}

static size_t drop_spaces(char *text, size_t length, bool (*follows)(const char *text, size_t length, size_t at)) {
        size_t kept = 0;
        for (size_t at = 0; at < length; at++) {
                bool drop = at + 1 < length && text[at] == ' ' && follows(text, length, at + 1);
                if (!drop)
                        text[kept++] = text[at];
        }
        return kept;
}

/* An apostrophe between two spaces loses both. */
static size_t join_apostrophes(char *text, size_t length) {
        size_t kept = 0;
        for (size_t at = 0; at < length; at++) {
                bool alone = at + 2 < length && text[at] == ' ' && text[at + 1] == '\'' && text[at + 2] == ' ';
                text[kept++] = alone ? '\'' : text[at];
                at += alone ? 2 : 0;
        }
        return kept;
}

size_t wpm_clean(char *text, size_t length) {
        length = drop_spaces(text, length, is_mark_after_space);
        length = join_apostrophes(text, length);
        return drop_spaces(text, length, is_ending_after_space);
}
