/* ugm.c - see ugm.h. */
#include "engine/tokenizer/ugm.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tokenizer/bounds.h"
#include "engine/tokenizer/space_mark.h"
#include "engine/tokenizer/unicode.h"

#define UNKNOWN_PENALTY 10.0 /* below the least score of a token, as the SentencePiece library has it */

/* ---- opening ---- */

static int read_charsmap(struct ugm *u, const struct gguf *g, struct gguf_error *reterr) {
        const struct gguf_entry *e = gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
        if (!e)
                return charsmap_init(&u->charsmap, NULL, 0);
        if (e->type != GGUF_ARRAY || (e->array.type != GGUF_U8 && e->array.type != GGUF_I8))
                return vocab_fail(reterr, -EBADMSG, "key 'tokenizer.ggml.precompiled_charsmap' is not an array of bytes");
        if (charsmap_init(&u->charsmap, e->array.bytes, e->array.count) < 0)
                return vocab_fail(reterr, -EBADMSG,
                                  "key 'tokenizer.ggml.precompiled_charsmap' says that it is longer than it is");
        return 0;
}

static bool is_normal(const struct vocab *v, int32_t id) {
        return vocab_class(v, id) == TOKEN_NORMAL;
}

int ugm_init(struct ugm *u, const struct gguf *g, const struct vocab *v, struct gguf_error *reterr) {
        *u = (struct ugm){ .vocab = v, .adds_space = true };
        int r = vocab_read_scores(v, g, &u->scores, reterr);
        if (r == 0)
                r = read_charsmap(u, g, reterr);
        if (r == 0)
                r = vocab_read_flag(g, "tokenizer.ggml.add_space_prefix", &u->adds_space, reterr);
        if (r == 0)
                r = vocab_read_flag(g, "tokenizer.ggml.remove_extra_whitespaces", &u->joins_spaces, reterr);
        if (r == 0 && trie_init(&u->trie, v, vocab_is_text) < 0)
                r = vocab_fail(reterr, -ENOMEM, "no memory for %" PRIu32 " tokens", v->count);
        if (r < 0)
                return r;
        double least = 0;
        for (int32_t id = 0; id < (int32_t) v->count; id++) {
                if (is_normal(v, id) && gguf_array_f32(u->scores, (uint64_t) id) < least)
                        least = gguf_array_f32(u->scores, (uint64_t) id);
                u->crosses_words = u->crosses_words || has_inner_space_mark(v->tokens[id]);
        }
        u->unknown_score = (least < -FLT_MAX ? -FLT_MAX : least) - UNKNOWN_PENALTY;
        return 0;
}

void ugm_done(struct ugm *u) {
        trie_done(&u->trie);
}

/* ---- the best way through a stretch of text ---- */

/* How the best way to a place gets there. */
struct arrival {
        double score;
        uint32_t from;
        int32_t id; /* TOKEN_NONE: by an unknown character; no way has been found yet where FROM is the place itself */
};

struct search {
        const struct ugm *ugm;
        struct arrival *places; /* one for each byte, and the end */
        size_t capacity;
        bool after_unknown;
};

static void arrive(struct search *s, uint32_t from, uint32_t to, int32_t id, double score) {
        struct arrival *a = &s->places[to];
        if (a->from == to || score > a->score)
                *a = (struct arrival){ score, from, id };
}

/* All tokens that begin at AT, and the unknown one where no token is exactly the character there. */
static void leave(struct search *s, const char *bytes, uint32_t at, uint32_t length, uint32_t character) {
        const struct ugm *u = s->ugm;
        double score = s->places[at].score;
        struct trie_walk w;
        bool known = false, more = trie_begin(&u->trie, &w, (uint8_t) bytes[at]);
        while (more) {
                int32_t id = trie_token(&u->trie, &w);
                if (id != TOKEN_NONE) {
                        bool free = vocab_class(u->vocab, id) == TOKEN_USER_DEFINED;
                        arrive(s, at, at + (uint32_t) w.depth, id,
                               score + (free ? 0 : (double) gguf_array_f32(u->scores, (uint64_t) id)));
                        known = known || w.depth == character;
                }
                more = at + w.depth < length && trie_step(&u->trie, &w, (uint8_t) bytes[at + w.depth]);
        }
        if (!known)
                arrive(s, at, at + character, TOKEN_NONE, score + u->unknown_score);
}

static int reserve(struct search *s, size_t count) {
        if (count <= s->capacity)
                return 0;
        struct arrival *grown = realloc(s->places, count * 2 * sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        s->places = grown;
        s->capacity = count * 2;
        return 0;
}

static int emit(struct search *s, int32_t id, struct token_list *list) {
        bool unknown = id == TOKEN_NONE, joined = unknown && s->after_unknown;
        s->after_unknown = unknown;
        if (joined || (unknown && s->ugm->vocab->unknown == TOKEN_NONE))
                return 0;
        return token_list_push(list, unknown ? s->ugm->vocab->unknown : id);
}

/* Turns the way round, so that each place says where it leads to, and follows it. */
static int follow(struct search *s, uint32_t length, struct token_list *list) {
        uint32_t to = length, next = length;
        int32_t id = TOKEN_NONE;
        while (to > 0) {
                struct arrival *a = &s->places[to];
                uint32_t from = a->from;
                int32_t by = a->id;
                a->from = next; /* from here the way goes on to NEXT, by ID */
                a->id = id;
                next = to;
                id = by;
                to = from;
        }
        int r = emit(s, id, list);
        for (uint32_t at = next; at < length && r == 0; at = s->places[at].from)
                r = emit(s, s->places[at].id, list);
        return r;
}

static int finish_stretch(struct search *s, struct merger *m, struct token_list *list) {
        uint32_t length = (uint32_t) m->bytes_count;
        int r = reserve(s, (size_t) length + 1);
        if (r < 0 || length == 0)
                return r;
        for (uint32_t at = 0; at <= length; at++)
                s->places[at] = (struct arrival){ .from = at };
        for (uint32_t at = 0, count; at < length; at += count) {
                count = unicode_char_at(m->bytes + at, length - at).length;
                leave(s, m->bytes, at, length, count);
        }
        r = follow(s, length, list);
        merger_restart(m);
        return r;
}

/* ---- normalising ---- */

struct writer {
        struct search search;
        struct merger *m;
        struct token_list *list;
        bool in_word, began;
};

/* Where no token reaches over the end of a word, the words can be looked at one by one. */
static int put_space(struct writer *w) {
        struct merger *m = w->m;
        bool in_spaces = m->bytes_count >= SPACE_MARK_BYTES &&
                         is_space_mark(m->bytes + m->bytes_count - SPACE_MARK_BYTES, SPACE_MARK_BYTES);
        int r = in_spaces || w->search.ugm->crosses_words ? 0 : finish_stretch(&w->search, m, w->list);
        return r < 0 ? r : merger_push_bytes(m, SPACE_MARK, SPACE_MARK_BYTES);
}

/* One character, or several that replace one. */
static int put_bytes(struct writer *w, const char *bytes, size_t length) {
        const struct ugm *u = w->search.ugm;
        int r = 0;
        for (size_t i = 0; i < length && r == 0; i++) {
                bool space = bytes[i] == ' ', begins = !space && !w->in_word;
                if (space ? !u->joins_spaces : begins && ((u->adds_space && !w->began) || u->joins_spaces))
                        r = put_space(w);
                w->began = w->began || begins;
                w->in_word = !space;
                if (r == 0 && !space)
                        r = merger_push_bytes(w->m, bytes + i, 1);
        }
        if (r == 0 && w->m->bytes_count >= UNIGRAM_STRETCH_BYTES_MAX)
                r = finish_stretch(&w->search, w->m, w->list);
        return r;
}

int ugm_encode(const struct ugm *u, struct merger *m, const char *text, size_t length, struct token_list *list) {
        struct writer w = { .search = { .ugm = u }, .m = m, .list = list };
        int r = 0;
        merger_restart(m);
        for (size_t at = 0; at < length && r == 0;) {
                const char *bytes = text + at;
                size_t bytes_length, taken = charsmap_find(&u->charsmap, text + at, length - at, &bytes, &bytes_length);
                if (taken == 0) {
                        struct unicode_char c = unicode_char_at(text + at, length - at);
                        bool invalid = c.codepoint == UNICODE_INVALID;
                        bytes = invalid ? "\xef\xbf\xbd" : text + at;
                        bytes_length = invalid ? 3 : c.length;
                        taken = c.length;
                }
                r = put_bytes(&w, bytes, bytes_length);
                at += taken;
        }
        if (r == 0)
                r = finish_stretch(&w.search, m, list);
        free(w.search.places);
        return r;
}

/* ---- token to text ---- */

void ugm_piece(const struct ugm *u, int32_t id, bool first, struct piece *out) {
        struct gguf_string text = u->vocab->tokens[id];
        piece_put_marked(out, text, first && u->adds_space && is_space_mark(text.bytes, text.length) ? SPACE_MARK_BYTES : 0);
}
