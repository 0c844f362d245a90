/* constraint.c - see constraint.h. */
#include "engine/grammar/constraint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/grammar/matcher.h"

struct mask {
        uint64_t generation; /* 0: empty */
        uint32_t state;
        uint64_t used; /* when last */
        uint32_t *bits;
};

struct constraint {
        struct constraint_config config;
        struct matcher *matcher;
        struct mask masks[GRAMMAR_MASKS_MAX];
        uint64_t now;
        struct constraint_figures figures;
};

static size_t words_of(uint32_t n_vocab) {
        return (n_vocab + 31) / 32;
}

int constraint_new(const struct constraint_config *config, struct constraint **ret) {
        struct constraint *g = calloc(1, sizeof(*g));
        if (!g)
                return -ENOMEM;
        g->config = *config;
        int r = matcher_new(config->grammar, &g->matcher);
        /* One block; the kernel gives a page of it when a mask is first written. */
        uint32_t *bits = malloc(GRAMMAR_MASKS_MAX * words_of(config->n_vocab) * sizeof(*bits));
        g->masks[0].bits = bits;
        if (r < 0 || !bits) {
                constraint_free(g);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < GRAMMAR_MASKS_MAX; i++)
                g->masks[i].bits = bits + i * words_of(config->n_vocab);
        *ret = g;
        return 0;
}

void constraint_free(struct constraint *g) {
        if (!g)
                return;
        matcher_free(g->matcher);
        free(g->masks[0].bits);
        free(g);
}

static bool is_literal(const struct constraint *g, int32_t id) {
        for (uint32_t i = 0; i < g->config.literal_tokens_count; i++)
                if (g->config.literal_tokens[i] == id)
                        return true;
        return false;
}

/* Puts the bytes of token ID on the matcher's path; false when they may not follow: then some of them are there. */
static bool try_token(struct constraint *g, int32_t id) {
        char text[GRAMMAR_PIECE_MAX];
        size_t length = tokenizer_piece(g->config.tokenizer, id, is_literal(g, id), g->config.first, text, sizeof(text));
        if (length == 0 || length > sizeof(text))
                return false;
        for (size_t i = 0; i < length; i++)
                if (!matcher_push(g->matcher, (uint8_t) text[i]))
                        return false;
        return true;
}

bool constraint_allows(struct constraint *g, int32_t id) {
        if (tokenizer_is_end(g->config.tokenizer, id))
                return matcher_may_end(g->matcher);
        if (tokenizer_is_special(g->config.tokenizer, id) && !is_literal(g, id))
                return false;
        g->figures.tokens_asked++;
        matcher_allow_work(g->matcher, MATCHER_WORK_MAX);
        bool allowed = try_token(g, id);
        matcher_cut(g->matcher, 0);
        return allowed;
}

enum followed { FOLLOWED, FORBIDDEN, UNKNOWN };

/* Token ID behind what is on the path, of which *TRIED bytes are not final. */
static enum followed follow(struct constraint *g, int32_t id, bool first, size_t *tried) {
        char text[GRAMMAR_PIECE_MAX];
        if (tokenizer_is_end(g->config.tokenizer, id))
                return matcher_may_end(g->matcher) ? UNKNOWN : FORBIDDEN;
        bool shown = is_literal(g, id);
        if (tokenizer_is_special(g->config.tokenizer, id) && !shown)
                return FORBIDDEN;
        size_t length = tokenizer_piece(g->config.tokenizer, id, shown, first, text, sizeof(text));
        if (length == 0 || length > sizeof(text))
                return FORBIDDEN;
        if ((*tried += length) > GRAMMAR_PIECE_MAX)
                return UNKNOWN;
        for (size_t i = 0; i < length; i++) {
                if (!matcher_knows(g->matcher, (uint8_t) text[i]))
                        return UNKNOWN;
                if (!matcher_push(g->matcher, (uint8_t) text[i]))
                        return FORBIDDEN;
        }
        return FOLLOWED;
}

uint32_t constraint_follow(struct constraint *g, const int32_t *ids, uint32_t count) {
        enum followed how = FOLLOWED;
        size_t tried = 0;
        uint32_t followed = 0;
        while (followed < count && (how = follow(g, ids[followed], g->config.first && !followed, &tried)) == FOLLOWED)
                followed++;
        matcher_cut(g->matcher, 0);
        return how == UNKNOWN ? count : followed;
}

void constraint_take(struct constraint *g, int32_t id) {
        if (tokenizer_is_end(g->config.tokenizer, id))
                return;
        matcher_allow_work(g->matcher, MATCHER_WORK_MAX);
        /* A token that the mask allowed may follow, unless ways had to be dropped since: then this answer has come to its end. */
        if (try_token(g, id))
                matcher_commit(g->matcher);
        else
                matcher_lose(g->matcher);
        g->config.first = false;
}

/* ---- masks ---- */

static void allow(uint32_t *bits, int32_t id) {
        bits[id / 32] |= 1u << (id % 32);
}

/* Some first tokens lose the space that they begin with: those with one are asked one by one. */
static bool may_lose_space(const struct constraint *g, const struct trie_node *n) {
        return g->config.first && g->config.trie->drops_space && n->depth == 1 && n->byte == ' ';
}

static void ask(struct constraint *g, int32_t id, uint32_t *bits) {
        if (try_token(g, id))
                allow(bits, id);
        matcher_cut(g->matcher, 0);
}

static void ask_each(struct constraint *g, const struct trie_node *n, uint32_t *bits) {
        const struct token_trie *trie = g->config.trie;
        for (uint32_t t = n->tokens; t < trie->nodes[n->skip].tokens; t++)
                ask(g, trie->ids[t], bits);
}

static void walk(struct constraint *g, uint32_t *bits) {
        const struct token_trie *trie = g->config.trie;
        for (uint32_t i = 1; i < trie->nodes_count;) {
                const struct trie_node *n = &trie->nodes[i];
                matcher_cut(g->matcher, n->depth - 1u);
                if (may_lose_space(g, n)) {
                        ask_each(g, n, bits);
                        i = n->skip;
                        continue;
                }
                if (!matcher_push(g->matcher, n->byte)) {
                        i = n->skip;
                        continue;
                }
                for (uint32_t t = n->tokens; t < n[1].tokens; t++)
                        allow(bits, trie->ids[t]);
                i++;
        }
        matcher_cut(g->matcher, 0);
}

static void make_mask(struct constraint *g, uint32_t *bits) {
        memset(bits, 0, words_of(g->config.n_vocab) * sizeof(*bits));
        matcher_allow_work(g->matcher, MATCHER_WORK_MAX);
        walk(g, bits);
        for (uint32_t i = 0; i < g->config.literal_tokens_count; i++)
                if ((uint32_t) g->config.literal_tokens[i] < g->config.n_vocab)
                        ask(g, g->config.literal_tokens[i], bits);
        for (uint32_t id = 0; matcher_may_end(g->matcher) && id < g->config.n_vocab; id++)
                if (tokenizer_is_end(g->config.tokenizer, (int32_t) id))
                        allow(bits, (int32_t) id);
        g->figures.masks_made++;
}

const uint32_t *constraint_mask(struct constraint *g) {
        struct mask *oldest = &g->masks[0];
        uint64_t generation = matcher_generation(g->matcher);
        uint32_t state = matcher_state(g->matcher);
        g->now++;
        for (uint32_t i = 0; i < GRAMMAR_MASKS_MAX; i++) {
                struct mask *m = &g->masks[i];
                if (m->generation == generation && m->state == state && !g->config.first) {
                        m->used = g->now;
                        g->figures.masks_found++;
                        return m->bits;
                }
                if (m->used < oldest->used)
                        oldest = m;
        }
        make_mask(g, oldest->bits);
        /* Making a mask may have begun a new generation. The mask of a first token is not for any other. */
        oldest->generation = g->config.first ? 0 : matcher_generation(g->matcher);
        oldest->state = matcher_state(g->matcher);
        oldest->used = g->now;
        return oldest->bits;
}

bool constraint_is_over(const struct constraint *g) {
        return matcher_may_end(g->matcher) && matcher_is_over(g->matcher);
}

bool constraint_may_end(const struct constraint *g) {
        return matcher_may_end(g->matcher);
}

struct constraint_figures constraint_figures(const struct constraint *g) {
        return g->figures;
}
