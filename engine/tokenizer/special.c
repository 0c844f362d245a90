/* special.c - see special.h. */
#include "engine/tokenizer/special.h"

static bool is_written_out(const struct vocab *v, int32_t id) {
        enum token_class class = vocab_class(v, id);
        return class == TOKEN_CONTROL || class == TOKEN_UNKNOWN || class == TOKEN_USER_DEFINED;
}

int special_init(struct special *s, const struct vocab *v) {
        return trie_init(&s->trie, v, is_written_out);
}

void special_done(struct special *s) {
        trie_done(&s->trie);
}

int32_t special_at(const struct special *s, const char *text, size_t length, size_t guarded_length, size_t *ret_length) {
        const struct trie *t = &s->trie;
        int32_t found = TOKEN_NONE;
        struct trie_walk w;
        bool more = length > 0 && trie_begin(t, &w, (uint8_t) text[0]);
        while (more) {
                int32_t id = trie_token(t, &w);
                if (id != TOKEN_NONE && (!(t->vocab->marks[id] & MARK_GUARDED) || w.depth <= guarded_length)) {
                        found = id;
                        *ret_length = w.depth;
                }
                more = w.depth < length && trie_step(t, &w, (uint8_t) text[w.depth]);
        }
        return found;
}
