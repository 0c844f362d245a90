/* names.c - see names.h. */
#include "daemon/state/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t find(const struct names *n, const char *name) {
        uint32_t i = 0;
        while (i < n->count && strcmp(n->all[i].text, name) != 0)
                i++;
        return i;
}

static uint32_t longest_left(const struct names *n) {
        uint32_t found = NAMES_MAX;
        for (uint32_t i = 0; i < n->count; i++)
                if (!n->all[i].is_taken && (found == NAMES_MAX || n->all[i].left < n->all[found].left))
                        found = i;
        return found;
}

int names_take(struct names *n, const char *name, uint32_t *ret) {
        uint32_t at = find(n, name);
        if (at == NAMES_MAX)
                at = longest_left(n);
        if (at == NAMES_MAX)
                return -ENOSPC;
        if (at == n->count || strcmp(n->all[at].text, name) != 0) {
                char *copy = strdup(name);
                if (!copy)
                        return -ENOMEM;
                free(n->all[at].text);
                n->all[at].text = copy;
                n->count += at == n->count;
        }
        n->all[at].is_taken = true;
        *ret = at;
        return 0;
}

void names_leave(struct names *n, uint32_t number) {
        n->all[number].is_taken = false;
        n->all[number].left = ++n->leavings;
}

const char *names_text(const struct names *n, uint32_t number) {
        return number < n->count ? n->all[number].text : "";
}

void names_done(struct names *n) {
        for (uint32_t i = 0; i < n->count; i++)
                free(n->all[i].text);
        *n = (struct names){ 0 };
}
