/*
 * dry.c - see dry.h. How far the end of the text agrees with each earlier place is the Z function of the text read backwards
 * (Gusfield, 1997): one pass, however much is repeated.
 */
#include "engine/sampling/dry.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PENALTY_MAX 1e30f /* beyond any logit, and still a number */

struct match {
        int32_t id; /* the token that followed */
        uint32_t length;
};

struct dry {
        const struct dry_setting *setting;
        int32_t *history; /* the last tokens, the newest at the end; room for twice as many, so that they are rarely moved */
        uint32_t count;
        struct match *matches; /* last_n */
};

int dry_new(const struct dry_setting *setting, struct dry **ret) {
        struct dry *d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->setting = setting;
        d->history = calloc(2 * (size_t) setting->last_n, sizeof(*d->history));
        d->matches = calloc(setting->last_n, sizeof(*d->matches));
        if (!d->history || !d->matches) {
                dry_free(d);
                return -ENOMEM;
        }
        *ret = d;
        return 0;
}

void dry_free(struct dry *d) {
        if (!d)
                return;
        free(d->history);
        free(d->matches);
        free(d);
}

void dry_note(struct dry *d, int32_t id) {
        uint32_t n = d->setting->last_n;
        if (d->count == 2 * n) {
                memmove(d->history, d->history + n, n * sizeof(*d->history));
                d->count = n;
        }
        d->history[d->count++] = id;
}

static bool breaks(const struct dry *d, int32_t id) {
        const uint32_t *b = d->setting->breakers;
        return b && b[id / 32] >> (id % 32) & 1;
}

/* Of the last N tokens, read backwards from END: matches[i].length is how many agree from 0 and from I on. */
static void find_matches(struct dry *d, const int32_t *end, uint32_t n) {
        struct match *m = d->matches;
        for (uint32_t i = 1, left = 0, right = 0; i < n; i++) {
                uint32_t length = 0;
                if (i < right)
                        length = m[i - left].length < right - i ? m[i - left].length : right - i;
                while (i + length < n && end[-1 - (int64_t) length] == end[-1 - (int64_t) (i + length)])
                        length++;
                if (i + length > right) {
                        left = i;
                        right = i + length;
                }
                m[i] = (struct match){ end[-(int64_t) i], length };
        }
}

static int by_id(const void *a, const void *b) {
        const struct match *x = a, *y = b;
        return x->id != y->id ? (x->id < y->id ? -1 : 1) : x->length < y->length ? 1 : x->length > y->length ? -1 : 0;
}

/* Those that count, by id, the longest of each first. Returns their number. */
static uint32_t list_matches(struct dry *d, uint32_t n, uint32_t longest) {
        uint32_t count = 0;
        for (uint32_t i = 1; i < n; i++) {
                struct match m = d->matches[i];
                if (m.length > longest)
                        m.length = longest;
                if (m.length && m.length >= d->setting->allowed_length && !breaks(d, m.id))
                        d->matches[count++] = m;
        }
        qsort(d->matches, count, sizeof(*d->matches), by_id);
        uint32_t kept = 0;
        for (uint32_t i = 0; i < count; i++)
                if (kept == 0 || d->matches[kept - 1].id != d->matches[i].id)
                        d->matches[kept++] = d->matches[i];
        return kept;
}

static int holds_id(const void *key, const void *element) {
        int32_t id = *(const int32_t *) key, at = ((const struct match *) element)->id;
        return id < at ? -1 : id > at;
}

static float penalty(const struct dry_setting *s, uint32_t length) {
        float p = s->multiplier * powf(s->base, (float) (length - s->allowed_length));
        return p < PENALTY_MAX ? p : PENALTY_MAX;
}

void dry_apply(struct dry *d, struct candidates *c) {
        uint32_t n = d->count < d->setting->last_n ? d->count : d->setting->last_n, longest = 0;
        const int32_t *end = d->history + d->count;
        while (longest < n && !breaks(d, end[-1 - (int64_t) longest]))
                longest++;
        if (longest == 0)
                return;
        find_matches(d, end, n);
        uint32_t count = list_matches(d, n, longest);
        for (uint32_t i = 0; i < c->count && count; i++) {
                const struct match *m = bsearch(&c->list[i].id, d->matches, count, sizeof(*d->matches), holds_id);
                if (!m)
                        continue;
                c->list[i].logit -= penalty(d->setting, m->length);
                c->sorted = false;
        }
}
