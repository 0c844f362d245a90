/* merge.c - see merge.h. */
#include "engine/tokenizer/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64u

void merger_done(struct merger *m) {
        free(m->symbols);
        free(m->heap);
        text_done(&m->text);
        *m = (struct merger){ 0 };
}

void merger_restart(struct merger *m) {
        m->count = 0;
        m->heap_count = 0;
        text_clear(&m->text);
        m->text.max = TEXT_MAX_NONE; /* TOKENIZER_TEXT_BYTES_MAX bounds what is tokenized */
}

int merger_push_bytes(struct merger *m, const char *bytes, size_t length) {
        return text_add(&m->text, bytes, length) ? 0 : -ENOMEM;
}

int merger_push_symbol(struct merger *m, uint32_t start, uint32_t length, int32_t id) {
        if (m->count == m->symbols_capacity) {
                uint32_t capacity = m->symbols_capacity ? m->symbols_capacity * 2 : FIRST_CAPACITY;
                struct symbol *grown = realloc(m->symbols, capacity * sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                m->symbols = grown;
                m->symbols_capacity = capacity;
        }
        uint32_t index = m->count++;
        m->symbols[index] = (struct symbol){
                .start = start,
                .length = length,
                .prev = index ? index - 1 : SYMBOL_NONE,
                .next = SYMBOL_NONE,
                .id = id,
        };
        if (index)
                m->symbols[index - 1].next = index;
        return 0;
}

/* ---- the heap: least key first, then leftmost ---- */

static bool comes_first(const struct candidate *a, const struct candidate *b) {
        return a->key != b->key ? a->key < b->key : a->left < b->left;
}

static void heap_up(struct candidate *heap, uint32_t i) {
        struct candidate moving = heap[i];
        for (; i > 0 && comes_first(&moving, &heap[(i - 1) / 2]); i = (i - 1) / 2)
                heap[i] = heap[(i - 1) / 2];
        heap[i] = moving;
}

static void heap_down(struct candidate *heap, uint32_t count, uint32_t i) {
        struct candidate moving = heap[i];
        for (;;) {
                uint32_t child = 2 * i + 1;
                if (child >= count)
                        break;
                if (child + 1 < count && comes_first(&heap[child + 1], &heap[child]))
                        child++;
                if (!comes_first(&heap[child], &moving))
                        break;
                heap[i] = heap[child];
                i = child;
        }
        heap[i] = moving;
}

static struct candidate heap_pop(struct merger *m) {
        struct candidate first = m->heap[0];
        m->heap[0] = m->heap[--m->heap_count];
        if (m->heap_count)
                heap_down(m->heap, m->heap_count, 0);
        return first;
}

/*
 * Room for two candidates per symbol is enough: at first there is one for each pair, and each merge takes one away
 * and finds at most two.
 */
static int heap_reserve(struct merger *m) {
        if (m->heap_capacity / 2 >= m->count)
                return 0;
        uint32_t capacity = m->symbols_capacity * 2;
        struct candidate *grown = realloc(m->heap, capacity * sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        m->heap = grown;
        m->heap_capacity = capacity;
        return 0;
}

/* ---- merging ---- */

/* Appends the candidate of LEFT and its neighbour, where they have a rule; the caller puts it in order. */
static bool append_pair(struct merger *m, uint32_t left, merge_rule *rule, const void *context) {
        if (left == SYMBOL_NONE || m->symbols[left].next == SYMBOL_NONE)
                return false;
        const struct symbol *a = &m->symbols[left], *b = &m->symbols[a->next];
        struct candidate *c = &m->heap[m->heap_count];
        if (!rule(context, a, b, &c->key, &c->id))
                return false;
        c->left = left;
        c->length = a->length + b->length;
        m->heap_count++;
        return true;
}

static void push_pair(struct merger *m, uint32_t left, merge_rule *rule, const void *context) {
        if (append_pair(m, left, rule, context))
                heap_up(m->heap, m->heap_count - 1);
}

/* A candidate is stale when its left symbol is gone, or either has grown. */
static bool is_stale(const struct merger *m, const struct candidate *c) {
        const struct symbol *left = &m->symbols[c->left];
        return left->length == 0 || left->next == SYMBOL_NONE || left->length + m->symbols[left->next].length != c->length;
}

int merger_run(struct merger *m, merge_rule *rule, const void *context) {
        int r = heap_reserve(m);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i + 1 < m->count; i++)
                (void) append_pair(m, i, rule, context);
        for (uint32_t i = m->heap_count / 2; i > 0; i--)
                heap_down(m->heap, m->heap_count, i - 1);
        while (m->heap_count) {
                struct candidate c = heap_pop(m);
                if (is_stale(m, &c))
                        continue;
                struct symbol *left = &m->symbols[c.left], *right = &m->symbols[left->next];
                left->length += right->length;
                left->id = c.id;
                left->next = right->next;
                right->length = 0;
                if (left->next != SYMBOL_NONE)
                        m->symbols[left->next].prev = c.left;
                push_pair(m, left->prev, rule, context);
                push_pair(m, c.left, rule, context);
        }
        return 0;
}
