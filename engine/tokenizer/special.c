/* special.c - see special.h. */
#include "engine/tokenizer/special.h"

static bool is_set_apart(const struct vocab *v, int32_t id) {
        return v->marks[id] & (MARK_GUARDED | MARK_ADDED | MARK_TAKES_LEFT | MARK_TAKES_RIGHT) ||
               vocab_class(v, id) == TOKEN_CONTROL || vocab_class(v, id) == TOKEN_UNKNOWN;
}

static bool is_set_apart_or_user_defined(const struct vocab *v, int32_t id) {
        return is_set_apart(v, id) || vocab_class(v, id) == TOKEN_USER_DEFINED;
}

int special_init(struct special *s, const struct vocab *v, bool user_defined) {
        return trie_init(&s->trie, v, user_defined ? is_set_apart_or_user_defined : is_set_apart);
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
