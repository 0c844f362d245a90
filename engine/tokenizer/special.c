/* special.c - see special.h. The sorted ids are walked as a trie: each further byte narrows the range. */
#include "engine/tokenizer/special.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_written_out(const struct vocab *v, uint32_t id) {
        enum token_class class = vocab_class(v, (int32_t) id);
        return v->tokens[id].length > 0 && (class == TOKEN_CONTROL || class == TOKEN_UNKNOWN || class == TOKEN_USER_DEFINED);
}

static int compare_texts(const void *a, const void *b, void *context) {
        const struct vocab *v = context;
        int32_t left = *(const int32_t *) a, right = *(const int32_t *) b;
        struct gguf_string l = v->tokens[left], r = v->tokens[right];
        int order = memcmp(l.bytes, r.bytes, l.length < r.length ? l.length : r.length);
        if (order == 0)
                order = (l.length > r.length) - (l.length < r.length);
        return order ? order : (left > right) - (left < right);
}

int special_init(struct special *s, const struct vocab *v) {
        *s = (struct special){ 0 };
        for (uint32_t id = 0; id < v->count; id++)
                s->count += is_written_out(v, id);
        s->ids = malloc((s->count + 1) * sizeof(*s->ids));
        if (!s->ids)
                return -ENOMEM;
        uint32_t count = 0;
        for (uint32_t id = 0; id < v->count; id++)
                if (is_written_out(v, id))
                        s->ids[count++] = (int32_t) id;
        qsort_r(s->ids, count, sizeof(*s->ids), compare_texts, (void *) (uintptr_t) v);
        for (uint32_t i = 0; i < count; i++)
                s->first[(uint8_t) v->tokens[s->ids[i]].bytes[0] + 1]++;
        for (uint32_t b = 0; b < 256; b++)
                s->first[b + 1] += s->first[b];
        return 0;
}

void special_done(struct special *s) {
        free(s->ids);
        *s = (struct special){ 0 };
}

/* The first index in [low, high) whose text has a byte greater than or equal to BYTE at DEPTH; all are longer than DEPTH or come first. */
static uint32_t lower_bound(const struct special *s, const struct vocab *v, uint32_t low, uint32_t high, size_t depth,
                            unsigned byte) {
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                struct gguf_string text = v->tokens[s->ids[middle]];
                if (text.length <= depth || (uint8_t) text.bytes[depth] < byte)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

int32_t special_at(const struct special *s, const struct vocab *v, const char *text, size_t length, size_t guarded_length,
                   size_t *ret_length) {
        if (length == 0)
                return TOKEN_NONE;
        int32_t found = TOKEN_NONE;
        uint32_t low = s->first[(uint8_t) text[0]], high = s->first[(uint8_t) text[0] + 1];
        for (size_t depth = 1; low < high; depth++) {
                int32_t id = s->ids[low]; /* a text that ends here comes first of those that begin like it */
                if (v->tokens[id].length == depth && (!(v->marks[id] & MARK_GUARDED) || depth <= guarded_length)) {
                        found = id;
                        *ret_length = depth;
                }
                if (depth == length)
                        break;
                uint8_t next = (uint8_t) text[depth];
                low = lower_bound(s, v, low, high, depth, next);
                high = lower_bound(s, v, low, high, depth, next + 1u);
        }
        return found;
}
