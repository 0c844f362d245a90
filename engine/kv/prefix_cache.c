/* prefix_cache.c - see prefix_cache.h. Entries are few, so all are looked at. */
#include "engine/kv/prefix_cache.h"

#include <stdlib.h>
#include <string.h>

static void drop(struct prefix_store *s, uint32_t index) {
        kv_sequence_done(s->cache, &s->entries[index].kv);
        free(s->entries[index].tokens);
        s->entries[index] = s->entries[--s->count];
}

void prefix_store_done(struct prefix_store *s) {
        while (s->count)
                drop(s, s->count - 1);
}

uint32_t prefix_common(const int32_t *a, uint32_t a_count, const int32_t *b, uint32_t b_count) {
        uint32_t blocks = (a_count < b_count ? a_count : b_count) / KV_BLOCK_TOKENS, same = 0;
        while (same < blocks && !memcmp(a + same * KV_BLOCK_TOKENS, b + same * KV_BLOCK_TOKENS, KV_BLOCK_TOKENS * sizeof(*a)))
                same++;
        return same * KV_BLOCK_TOKENS;
}

const struct kv_sequence *prefix_find(struct prefix_store *s, uint64_t tenant, const int32_t *tokens, uint32_t count,
                                      uint32_t *ret_common) {
        struct prefix *best = NULL;
        uint32_t longest = 0;
        for (uint32_t i = 0; i < s->count; i++) {
                struct prefix *p = &s->entries[i];
                if (p->tenant != tenant)
                        continue;
                uint32_t common = prefix_common(p->tokens, p->kv.tokens_count, tokens, count);
                if (common > longest) {
                        longest = common;
                        best = p;
                }
        }
        *ret_common = longest;
        if (!best)
                return NULL;
        best->used = ++s->uses;
        return &best->kv;
}

/* Whether one of the two begins with all of the other. */
static bool same_as_far(const struct prefix *p, const int32_t *tokens, uint32_t count) {
        uint32_t shorter = p->kv.tokens_count < count ? p->kv.tokens_count : count;
        return prefix_common(p->tokens, shorter, tokens, shorter) == shorter;
}

void prefix_keep(struct prefix_store *s, uint64_t tenant, struct kv_sequence *kv, const int32_t *tokens) {
        uint32_t count = kv->tokens_count / KV_BLOCK_TOKENS * KV_BLOCK_TOKENS;
        kv_sequence_truncate(s->cache, kv, count);
        for (uint32_t i = s->count; count && i-- > 0;) {
                if (s->entries[i].tenant != tenant || !same_as_far(&s->entries[i], tokens, count))
                        continue;
                if (s->entries[i].kv.tokens_count >= count) {
                        s->entries[i].used = ++s->uses;
                        count = 0; /* known already */
                } else {
                        drop(s, i); /* the new one says more */
                }
        }
        int32_t *copy = count ? malloc(count * sizeof(*copy)) : NULL;
        if (!copy) {
                kv_sequence_done(s->cache, kv);
                return;
        }
        memcpy(copy, tokens, count * sizeof(*copy));
        if (s->count == PREFIXES_MAX)
                (void) prefix_drop_oldest(s);
        s->entries[s->count++] = (struct prefix){ .kv = *kv, .tokens = copy, .tenant = tenant, .used = ++s->uses };
        *kv = (struct kv_sequence){ 0 };
}

bool prefix_drop_oldest(struct prefix_store *s) {
        uint32_t oldest = 0;
        for (uint32_t i = 1; i < s->count; i++)
                if (s->entries[i].used < s->entries[oldest].used)
                        oldest = i;
        if (s->count == 0)
                return false;
        drop(s, oldest);
        return true;
}
