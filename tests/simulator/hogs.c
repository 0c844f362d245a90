/* hogs.c - other programs on the box: some leak, some take all at once, some breathe, some just live there, one grows beyond all. */
#include <stddef.h>

#include "tests/simulator/parts.h"

double hogs_bytes(const struct world *w) {
        double sum = 0;
        for (uint32_t i = 0; i < w->hogs_count; i++)
                sum += w->hogs[i].bytes;
        return sum;
}

double hogs_to_come(const struct world *w) {
        double sum = 0;
        for (uint32_t i = 0; i < w->hogs_count; i++) {
                const struct hog *h = &w->hogs[i];
                bool grows = h->kind == HOG_LEAK || h->kind == HOG_RAMP || h->kind == HOG_GROWTH;
                if (grows && w->now_ms >= h->begin_ms && w->now_ms < h->end_ms)
                        sum += h->most - h->bytes;
        }
        return sum;
}

void hogs_end_largest(struct world *w) {
        struct hog *most = NULL;
        for (uint32_t i = 0; i < w->hogs_count; i++)
                if (!most || w->hogs[i].bytes > most->bytes)
                        most = &w->hogs[i];
        if (most) {
                most->end_ms = w->now_ms;
                most->bytes = 0;
        }
}

void hogs_step(struct world *w) {
        for (uint32_t i = 0; i < w->hogs_count; i++) {
                struct hog *h = &w->hogs[i];
                if (w->now_ms < h->begin_ms)
                        continue;
                if (w->now_ms >= h->end_ms) {
                        h->bytes = 0;
                        continue;
                }
                switch (h->kind) {
                case HOG_GROWTH:
                        if (h->most == 0)
                                h->most = largest(1, (double) world_headroom(w) + (double) w->limits.reserve_bytes +
                                                             h->beyond * world_mild_bytes(w));
                        h->bytes = least(h->most, h->bytes + h->bytes_per_s * STEP_MS / 1000);
                        break;
                case HOG_LEAK:
                case HOG_RAMP: h->bytes = least(h->most, h->bytes + h->bytes_per_s * STEP_MS / 1000); break;
                case HOG_JUMP:
                case HOG_STEADY: h->bytes = h->most; break;
                case HOG_SAWTOOTH:
                        h->bytes = h->most * (double) ((w->now_ms - h->begin_ms) % h->period_ms) / (double) h->period_ms;
                        break;
                }
        }
}

static void hog_init(struct world *w, struct hog *h) {
        struct dice *d = &w->dice;
        double ram = (double) w->memory.ram_bytes;
        h->kind = (enum hog_kind) dice_below(d, 5);
        h->begin_ms = h->kind == HOG_STEADY ? 0 : (uint64_t) dice_between(d, 5000, 120000);
        h->end_ms = dice_percent(d, 30) ? UINT64_MAX : h->begin_ms + (uint64_t) dice_spread(d, 5000, 200000);
        h->period_ms = (uint64_t) dice_spread(d, 1000, 60000);
        /* Half of those on a hostile box take what there is, within seconds or minutes. */
        bool greedy = w->mood == MOOD_HOSTILE && h->kind != HOG_STEADY && dice_percent(d, 50);
        h->most = (greedy ? dice_between(d, 0.4, 0.95) : dice_between(d, 0.05, 0.5)) * ram;
        h->bytes_per_s = h->kind == HOG_LEAK ? dice_spread(d, 1e6, 3e7) : dice_spread(d, 3e7, 1.5e9);
        if (greedy && h->kind != HOG_LEAK)
                h->bytes_per_s = h->most / dice_spread(d, 4, 150);
        if (h->kind == HOG_JUMP)
                h->most = dice_between(d, 0.02, 0.25) * ram;
        else if (h->kind == HOG_SAWTOOTH)
                h->most = dice_between(d, 0.01, 0.15) * ram;
}

/* Once the box is warm; where it ends is known when it begins. */
void hogs_init_growth(struct world *w, uint32_t mib_per_s) {
        struct dice *d = &w->dice;
        uint64_t begin_ms = (uint64_t) dice_between(d, 40000, 90000);
        w->hogs_count = 1;
        w->hogs[0] = (struct hog){ .kind = HOG_GROWTH,
                                   .begin_ms = begin_ms,
                                   .end_ms = begin_ms + (uint64_t) dice_between(d, 60000, 240000),
                                   .bytes_per_s = mib_per_s * 1048576.0,
                                   .beyond = dice_between(d, -0.2, 0.8) };
}

void hogs_init(struct world *w) {
        if (w->mood == MOOD_QUIET)
                return; /* see make_quiet in world.c */
        w->hogs_count = 1 + dice_below(&w->dice, w->mood == MOOD_HOSTILE ? WORLD_HOGS : 1);
        for (uint32_t i = 0; i < w->hogs_count; i++)
                hog_init(w, &w->hogs[i]);
}
