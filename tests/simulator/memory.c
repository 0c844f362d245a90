/*
 * memory.c - what the kernel makes of all that programs want: MemAvailable, swap, pages that come back, pressure, and the
 * out-of-memory killer.
 *
 * Measured on Linux 6.12 (a guest of 512 MiB) and scaled: nothing at all is to be seen in the counters of pressure until memory
 * is gone. With mapped weights that is while MemAvailable still reads all of their size.
 */
#include <stddef.h>

#include "tests/simulator/parts.h"

#define KEPT_BYTES      (64.0 * 1024 * 1024) /* the watermarks, never given out; and libraries and logs, which want to stay as well: */
#define KEPT_PART       32.0                 /* ... so much each, on a small box this part of it */
#define SWAP_DISK_PER_S (300.0 * 1024 * 1024)
#define SWAP_ZRAM_PER_S (800.0 * 1024 * 1024)
#define PAGE            4096.0
#define SECONDS         (STEP_MS / 1000.0)

static double kept_bytes(const struct world *w) {
        return least(KEPT_BYTES, (double) w->memory.ram_bytes / KEPT_PART);
}

struct demand {
        double anonymous; /* of engines and of everybody else */
        double weights;   /* mapped, wanted in the page cache */
        bool reading;     /* somebody reads its weights all the time */
};

static struct demand demand_of(const struct world *w) {
        struct demand d = { .anonymous = (double) w->memory.system_bytes + hogs_bytes(w) };
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                if (!model_is_loaded(m))
                        continue;
                d.anonymous += (double) model_bytes(m) - (double) model_mapped(m);
                d.weights += (double) model_mapped(m);
                d.reading = d.reading || model_computing(m) > 0;
        }
        return d;
}

/* Cold pages of other programs go out so that everything else fits; engines have no swap. */
static void swap(struct world *w, const struct demand *d) {
        struct memory *mem = &w->memory;
        double room = (double) mem->ram_bytes - 2 * kept_bytes(w);
        double cold = 0.7 * ((double) mem->system_bytes + hogs_bytes(w));
        double want = least(least(d->anonymous + d->weights - room, (double) mem->swap_bytes), cold);
        if (mem->zram)
                want = want / (1 - 1 / largest(mem->zram_ratio, 1.01)); /* what goes out stays in, only smaller */
        want = least(largest(want, 0), least((double) mem->swap_bytes, cold));
        double pace = (mem->zram ? SWAP_ZRAM_PER_S : SWAP_DISK_PER_S) * SECONDS;
        double move = largest(-pace, least(pace, want - mem->swapped_bytes));
        if (move > 0)
                mem->swapouts += move / PAGE;
        else
                mem->swapins -= move / PAGE;
        mem->swapped_bytes += move;
}

/* Kills a process as the kernel would. Engines are first: the daemon has asked for it (oom_score_adj). */
static void kill_somebody(struct world *w) {
        struct model *most = NULL;
        for (uint32_t i = 0; i < w->models_count; i++) {
                struct model *m = &w->models[i];
                if (model_is_loaded(m) && m->life != LIFE_STOPPING && (!most || model_bytes(m) > model_bytes(most)))
                        most = m;
        }
        w->memory.oom_kills++;
        if (most)
                fleet_kill(w, most);
        else
                hogs_end_largest(w);
}

static void press(struct world *w, const struct demand *d, bool thrashes) {
        struct memory *mem = &w->memory;
        double us = STEP_MS * 1000.0, part = 0, pages = 0;
        if (mem->squeeze > 0.005 && d->reading) {
                part = dice_between(&w->dice, 0.4, 0.8);
                pages = dice_between(&w->dice, 9000, 15000) * least(1, mem->squeeze * 20) * SECONDS;
        }
        if (thrashes) {
                part = 0.97;
                mem->swapins += 10000 * SECONDS;
        }
        mem->stalls = part > 0;
        mem->refaults += pages;
        mem->own_stall_us += part * us;
        for (uint32_t i = 0; i < w->models_count; i++) {
                struct model *m = &w->models[i];
                if (!model_is_loaded(m) || model_computing(m) == 0 || part == 0)
                        continue;
                m->stall_us += part * us;
                m->refaults += pages * (double) model_mapped(m) / largest(d->weights, 1);
        }
        /* Others' sins: a backup reads its files again and again, and waits for them. */
        if (w->noisy_pressure && w->now_ms / 7000 % 3 == 0) {
                part = largest(part, dice_between(&w->dice, 0.3, 0.9));
                mem->refaults += dice_percent(&w->dice, 50) ? 2000 * SECONDS : 0;
        }
        mem->stall_us += part * us;
}

void memory_step(struct world *w) {
        struct memory *mem = &w->memory;
        struct demand d = demand_of(w);
        swap(w, &d);
        double taken = d.anonymous - mem->swapped_bytes + (mem->zram ? mem->swapped_bytes / mem->zram_ratio : 0);
        double cache = (double) mem->ram_bytes - kept_bytes(w) - taken;
        mem->available_bytes = cache > 0 ? (uint64_t) cache : 0;
        mem->room_for_weights = largest(cache - kept_bytes(w), 0);
        mem->squeeze = d.weights > 0 ? largest(0, least(1, 1 - mem->room_for_weights / d.weights)) : 0;
        for (uint32_t i = 0; i < w->models_count; i++)
                w->models[i].resident_bytes = (double) model_mapped(&w->models[i]) * (1 - mem->squeeze);
        double spare = largest(mem->room_for_weights - d.weights, 0);
        if ((double) mem->idle_file_bytes > spare)
                mem->idle_file_bytes = (uint64_t) spare;
        press(w, &d, cache < 0 && mem->swap_bytes > 0);
        if (cache < -kept_bytes(w) / 2)
                kill_somebody(w);
}

void memory_init(struct world *w) {
        static const uint64_t sizes[] = { 4, 8, 12, 16, 24, 32, 64, 128 };
        struct memory *mem = &w->memory;
        mem->ram_bytes = (sizes[dice_below(&w->dice, 8)] << 30) - ((uint64_t) dice_below(&w->dice, 512) << 20);
        mem->system_bytes = (uint64_t) (dice_between(&w->dice, 0.03, 0.12) * (double) mem->ram_bytes) + (400ull << 20);
        if (dice_percent(&w->dice, 50)) {
                mem->zram = dice_percent(&w->dice, 50);
                mem->zram_ratio = dice_percent(&w->dice, 30) ? 1.02 : dice_between(&w->dice, 1.5, 3.5);
                mem->swap_bytes = (uint64_t) (dice_between(&w->dice, 0.05, 0.5) * (double) mem->ram_bytes);
        }
}
