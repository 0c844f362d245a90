/* trie.c - see trie.h. */
#include "engine/tokenizer/trie.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tokenizer/bounds.h"

static int compare_texts(const void *a, const void *b, void *context) {
        const struct vocab *v = context;
        int32_t left = *(const int32_t *) a, right = *(const int32_t *) b;
        struct gguf_string l = v->tokens[left], r = v->tokens[right];
        int order = memcmp(l.bytes, r.bytes, l.length < r.length ? l.length : r.length);
        if (order == 0)
                order = (l.length > r.length) - (l.length < r.length);
        return order ? order : (left > right) - (left < right);
}

static bool fits(const struct vocab *v, int32_t id) {
        return v->tokens[id].length > 0 && v->tokens[id].length <= TRIE_DEPTH_MAX;
}

int trie_init(struct trie *t, const struct vocab *v, bool (*wanted)(const struct vocab *v, int32_t id)) {
        *t = (struct trie){ .vocab = v };
        for (int32_t id = 0; id < (int32_t) v->count; id++)
                t->count += fits(v, id) && wanted(v, id);
        t->ids = malloc((t->count + 1) * sizeof(*t->ids));
        if (!t->ids)
                return -ENOMEM;
        uint32_t count = 0;
        for (int32_t id = 0; id < (int32_t) v->count; id++)
                if (fits(v, id) && wanted(v, id))
                        t->ids[count++] = id;
        qsort_r(t->ids, count, sizeof(*t->ids), compare_texts, (void *) (uintptr_t) v);
        for (uint32_t i = 0; i < count; i++)
                t->first[(uint8_t) v->tokens[t->ids[i]].bytes[0] + 1]++;
        for (uint32_t b = 0; b < 256; b++)
                t->first[b + 1] += t->first[b];
        return 0;
}

void trie_done(struct trie *t) {
        free(t->ids);
        *t = (struct trie){ 0 };
}

bool trie_begin(const struct trie *t, struct trie_walk *w, uint8_t byte) {
        *w = (struct trie_walk){ .low = t->first[byte], .high = t->first[byte + 1], .depth = 1 };
        return w->low < w->high;
}

/* The first index in the walk's range whose text has a byte of at least BYTE at its depth; shorter texts come first. */
static uint32_t lower_bound(const struct trie *t, const struct trie_walk *w, unsigned byte) {
        uint32_t low = w->low, high = w->high;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                struct gguf_string text = t->vocab->tokens[t->ids[middle]];
                if (text.length <= w->depth || (uint8_t) text.bytes[w->depth] < byte)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool trie_step(const struct trie *t, struct trie_walk *w, uint8_t byte) {
        w->low = lower_bound(t, w, byte);
        w->high = lower_bound(t, w, byte + 1u);
        w->depth++;
        return w->low < w->high;
}

int32_t trie_token(const struct trie *t, const struct trie_walk *w) {
        int32_t id = t->ids[w->low]; /* a text that ends here comes first of those that begin like it */
        return t->vocab->tokens[id].length == w->depth ? id : TOKEN_NONE;
}

int32_t trie_longest(const struct trie *t, const char *bytes, size_t length, size_t *ret_length) {
        int32_t found = TOKEN_NONE;
        struct trie_walk w;
        bool more = length > 0 && trie_begin(t, &w, (uint8_t) bytes[0]);
        while (more) {
                int32_t id = trie_token(t, &w);
                if (id != TOKEN_NONE) {
                        found = id;
                        *ret_length = w.depth;
                }
                more = w.depth < length && trie_step(t, &w, (uint8_t) bytes[w.depth]);
        }
        return found;
}
