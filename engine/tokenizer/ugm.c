/* ugm.c - see ugm.h. */
#include "engine/tokenizer/ugm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "engine/tokenizer/bounds.h"
#include "engine/unicode/unicode.h"

#define UNKNOWN_PENALTY    10.0f
#define USER_DEFINED_SCORE (-0.1)
#define NOWHERE            UINT32_MAX

/* ---- opening ---- */

static bool is_in_use(const struct vocab *v, int32_t id) {
        return vocab_is_text(v, id) && vocab_class(v, id) != TOKEN_UNUSED;
}

static float least_score(const struct sentencepiece *s) {
        float least = 0;
        bool any = false;
        for (int32_t id = 0; id < (int32_t) s->vocab->count; id++) {
                float score = gguf_array_f32(s->scores, (uint64_t) id);
                if (vocab_class(s->vocab, id) == TOKEN_NORMAL && (!any || score < least)) {
                        least = score;
                        any = true;
                }
        }
        return least;
}

int ugm_init(struct ugm *u, const struct sentencepiece *model, struct gguf_error *reterr) {
        *u = (struct ugm){ .model = model, .unknown_score = least_score(model) - UNKNOWN_PENALTY };
        if (trie_init(&u->trie, model->vocab, is_in_use) < 0)
                return vocab_fail(reterr, -ENOMEM, "no memory for %" PRIu32 " tokens", model->vocab->count);
        return 0;
}

void ugm_done(struct ugm *u) {
        trie_done(&u->trie);
}

/* ---- the best way through a word ---- */

/* The last step of the best way to a place between two bytes. */
struct step {
        float sum;     /* of the scores up to here */
        uint32_t from; /* the place before, or NOWHERE: no way leads here yet */
        int32_t id;    /* or TOKEN_NONE: over an unknown character */
};

struct way {
        const struct ugm *ugm;
        struct step *steps; /* to each place; as many as bytes, and one */
        size_t capacity;
        float sum; /* of the words before */
};

static void offer(struct way *w, uint32_t from, uint32_t to, int32_t id, double sum) {
        if (w->steps[to].from == NOWHERE || sum > w->steps[to].sum)
                w->steps[to] = (struct step){ (float) sum, from, id };
}

static double score_of(const struct sentencepiece *s, int32_t id) {
        return vocab_class(s->vocab, id) == TOKEN_USER_DEFINED ? USER_DEFINED_SCORE
                                                               : (double) gguf_array_f32(s->scores, (uint64_t) id);
}

/* All steps from AT, where a character of CHARACTER bytes begins. */
static void offer_all(struct way *w, const char *bytes, uint32_t at, uint32_t length, uint32_t character) {
        const struct trie *trie = &w->ugm->trie;
        struct trie_walk walk;
        float sum = w->steps[at].sum;
        bool known = false;
        for (bool more = trie_begin(trie, &walk, (uint8_t) bytes[at]); more;) {
                uint32_t to = at + (uint32_t) walk.depth;
                int32_t id = trie_token(trie, &walk);
                if (id != TOKEN_NONE) {
                        offer(w, at, to, id, sum + score_of(w->ugm->model, id));
                        known = known || walk.depth == character;
                }
                more = to < length && trie_step(trie, &walk, (uint8_t) bytes[to]);
        }
        if (!known)
                offer(w, at, at + character, TOKEN_NONE, sum + w->ugm->unknown_score); /* of floats, unlike the others */
}

static int reserve(struct way *w, size_t count) {
        if (count <= w->capacity)
                return 0;
        struct step *grown = realloc(w->steps, count * 2 * sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        w->steps = grown;
        w->capacity = count * 2;
        return 0;
}

/*
 * Found backwards, the steps of the way are laid down in a row from the end of the array: a step spans a byte or more, so
 * none is overwritten before it has been read. Returns the first one's index; the last one's is LENGTH.
 */
static uint32_t line_up(struct way *w, uint32_t length) {
        uint32_t first = length + 1;
        for (uint32_t place = length; place > 0;) {
                struct step step = w->steps[place];
                w->steps[--first] = step;
                place = step.from;
        }
        return first;
}

static int take_apart(struct way *w, const struct merger *m, struct passage *p) {
        uint32_t length = (uint32_t) m->text.used;
        int r = reserve(w, (size_t) length + 1);
        if (r < 0)
                return r;
        for (uint32_t at = 0; at <= length; at++)
                w->steps[at].from = NOWHERE;
        w->steps[0].sum = w->sum;
        for (uint32_t at = 0, character; at < length; at += character) {
                character = unicode_char_at(m->text.bytes + at, length - at).length;
                offer_all(w, m->text.bytes, at, length, character);
        }
        w->sum = w->steps[length].sum;
        for (uint32_t i = line_up(w, length); i <= length && r == 0; i++) {
                const struct step *step = &w->steps[i];
                uint32_t to = i < length ? w->steps[i + 1].from : length;
                r = step->id != TOKEN_NONE ? passage_put(p, step->id)
                                           : passage_put_unknown(p, m->text.bytes + step->from, to - step->from);
        }
        return r;
}

int ugm_encode(const struct ugm *u, struct merger *m, const char *text, size_t length, struct token_list *list) {
        struct passage p = passage_begin(u->model, text, length, UNIGRAM_STRETCH_BYTES_MAX, list);
        struct way w = { .ugm = u };
        int r = passage_word(&p, m);
        while (r > 0) {
                r = take_apart(&w, m, &p);
                if (r == 0)
                        r = passage_word(&p, m);
        }
        free(w.steps);
        return r;
}
