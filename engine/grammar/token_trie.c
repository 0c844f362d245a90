/* token_trie.c - see token_trie.h. All texts in one block, sorted; then one pass makes the nodes. */
#include "engine/grammar/token_trie.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct text {
        const uint8_t *bytes;
        uint32_t length;
        int32_t id;
};

struct maker {
        struct text *texts;
        uint8_t *bytes;
        uint32_t count;
        size_t bytes_count;
};

static size_t text_of(const struct tokenizer *t, uint32_t id, uint8_t *out) {
        if (tokenizer_is_special(t, (int32_t) id))
                return 0;
        size_t length = tokenizer_piece(t, (int32_t) id, false, false, (char *) out, out ? GRAMMAR_PIECE_MAX : 0);
        return length <= GRAMMAR_PIECE_MAX ? length : 0;
}

static int gather(struct maker *m, const struct tokenizer *t, uint32_t n_vocab) {
        size_t bytes = 0;
        for (uint32_t id = 0; id < n_vocab; id++)
                bytes += text_of(t, id, NULL);
        m->texts = malloc((n_vocab + 1) * sizeof(*m->texts));
        m->bytes = malloc(bytes + GRAMMAR_PIECE_MAX);
        if (!m->texts || !m->bytes)
                return -ENOMEM;
        for (uint32_t id = 0; id < n_vocab; id++) {
                size_t length = text_of(t, id, m->bytes + m->bytes_count);
                if (!length)
                        continue;
                m->texts[m->count++] = (struct text){ m->bytes + m->bytes_count, (uint32_t) length, (int32_t) id };
                m->bytes_count += length;
        }
        return 0;
}

static int in_order(const void *left, const void *right) {
        const struct text *a = left, *b = right;
        uint32_t least = a->length < b->length ? a->length : b->length;
        int r = memcmp(a->bytes, b->bytes, least);
        if (r)
                return r;
        return a->length != b->length ? (a->length < b->length ? -1 : 1) : (a->id < b->id ? -1 : a->id > b->id);
}

static uint32_t shared(const struct text *a, const struct text *b) {
        uint32_t i = 0;
        while (i < a->length && i < b->length && a->bytes[i] == b->bytes[i])
                i++;
        return i;
}

/* The root, and one for each byte that a text does not share with the one before it. */
static uint32_t count_nodes(const struct maker *m) {
        uint32_t count = 1;
        for (uint32_t i = 0; i < m->count; i++)
                count += m->texts[i].length - (i ? shared(&m->texts[i - 1], &m->texts[i]) : 0);
        return count;
}

static void make_nodes(struct token_trie *trie, const struct maker *m) {
        uint32_t open[GRAMMAR_PIECE_MAX + 1], depth = 0; /* the nodes of the last text, by depth */
        open[0] = 0;
        trie->nodes[trie->nodes_count++] = (struct trie_node){ 0 };
        for (uint32_t i = 0; i < m->count; i++) {
                const struct text *text = &m->texts[i];
                uint32_t same = i ? shared(&m->texts[i - 1], text) : 0;
                for (; depth > same; depth--)
                        trie->nodes[open[depth]].skip = trie->nodes_count;
                for (; depth < text->length; open[++depth] = trie->nodes_count++)
                        trie->nodes[trie->nodes_count] =
                                (struct trie_node){ .tokens = i, .depth = (uint16_t) (depth + 1), .byte = text->bytes[depth] };
                trie->ids[trie->ids_count++] = text->id;
        }
        for (uint32_t d = 0; d <= depth; d++)
                trie->nodes[open[d]].skip = trie->nodes_count;
        trie->nodes[trie->nodes_count].tokens = trie->ids_count;
}

/* Whether some token that begins with a space is shorter as the first of a text. */
static bool drops_space(const struct tokenizer *t, const struct maker *m) {
        for (uint32_t i = 0; i < m->count; i++)
                if (m->texts[i].bytes[0] == ' ' && tokenizer_piece(t, m->texts[i].id, false, true, NULL, 0) < m->texts[i].length)
                        return true;
        return false;
}

static int make(struct token_trie *trie, struct maker *m, const struct tokenizer *t, uint32_t n_vocab) {
        int r = gather(m, t, n_vocab);
        if (r < 0)
                return r;
        if (m->count)
                qsort(m->texts, m->count, sizeof(*m->texts), in_order);
        trie->drops_space = drops_space(t, m);
        trie->nodes = malloc(((size_t) count_nodes(m) + 1) * sizeof(*trie->nodes));
        trie->ids = malloc((m->count + 1) * sizeof(*trie->ids));
        if (!trie->nodes || !trie->ids)
                return -ENOMEM;
        make_nodes(trie, m);
        return 0;
}

int token_trie_new(const struct tokenizer *t, uint32_t n_vocab, struct token_trie **ret) {
        struct token_trie *trie = calloc(1, sizeof(*trie));
        struct maker m = { 0 };
        int r = trie ? make(trie, &m, t, n_vocab) : -ENOMEM;
        free(m.texts);
        free(m.bytes);
        if (r < 0)
                token_trie_free(trie);
        else
                *ret = trie;
        return r;
}

void token_trie_free(struct token_trie *trie) {
        if (!trie)
                return;
        free(trie->nodes);
        free(trie->ids);
        free(trie);
}
