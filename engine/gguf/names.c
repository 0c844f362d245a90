/* names.c - directories that are sorted by name, as pointers to their rows. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gguf/internal.h"

static int string_compare(struct gguf_string a, struct gguf_string b) {
        int order = memcmp(a.bytes, b.bytes, a.length < b.length ? a.length : b.length);
        return order ? order : (a.length > b.length) - (a.length < b.length);
}

/* Rows of both directories begin with their name. */
static_assert(offsetof(struct gguf_entry, key) == 0 && offsetof(struct gguf_tensor, name) == 0, "names come first");

static int row_compare(const void *a, const void *b) {
        return string_compare(**(const struct gguf_string *const *) a, **(const struct gguf_string *const *) b);
}

const void *gguf_names_find(const void *sorted, size_t count, const char *name) {
        const struct gguf_string wanted = { name, strlen(name) };
        const struct gguf_string *key = &wanted;
        const void *const *found = bsearch(&key, sorted, count, sizeof(void *), row_compare);
        return found ? *found : NULL;
}

void gguf_names_sort(struct cursor *c, const void *rows, size_t count, const char *kind) {
        const struct gguf_string *const *sorted = rows;
        if (c->broken || count == 0)
                return;
        qsort((void *) (uintptr_t) rows, count, sizeof(void *), row_compare);
        for (size_t i = 1; i < count && !c->broken; i++)
                if (string_compare(*sorted[i - 1], *sorted[i]) == 0) {
                        c->kind = kind;
                        c->row = *sorted[i];
                        cursor_fail(c, -EBADMSG, "is there twice");
                }
        c->kind = NULL;
}
