/* turn.c - see turn.h. Time that the loop sleeps is none that its thread computes, so a turn may be counted from sleep to sleep. */
#include "daemon/system/turn.h"

#include <time.h>

static uint64_t computed_us(void) {
        struct timespec t;
        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static void on_prepare(uv_prepare_t *prepare) {
        struct turn_watch *w = prepare->data;
        uint64_t now_us = computed_us(), took_us = w->computed_us ? now_us - w->computed_us : 0, now_ms = uv_now(prepare->loop);
        if (now_ms - w->since_ms >= TURN_WATCH_MS) {
                w->longest_us[1] = w->longest_us[0];
                w->longest_us[0] = 0;
                w->since_ms = now_ms;
        }
        w->computed_us = now_us;
        if (took_us > w->longest_us[0])
                w->longest_us[0] = took_us;
}

void turn_watch_open(uv_loop_t *loop, struct turn_watch *w) {
        (void) uv_prepare_init(loop, &w->prepare);
        w->prepare.data = w;
        w->since_ms = uv_now(loop);
        (void) uv_prepare_start(&w->prepare, on_prepare);
        uv_unref((uv_handle_t *) &w->prepare);
}

uint64_t turn_watch_longest_us(const struct turn_watch *w) {
        return w->longest_us[0] > w->longest_us[1] ? w->longest_us[0] : w->longest_us[1];
}

void turn_watch_close(struct turn_watch *w) {
        uv_close((uv_handle_t *) &w->prepare, NULL);
}
