/* check.c - how near the end really is, and what could still be done that costs less. */
#include <stdarg.h>
#include <stdio.h>

#include "tests/simulator/check_internal.h"

#define MEANS_PART  4096.0      /* what frees less of the memory than this is no means: 4 MiB of 16 GiB */
#define MEANS_LEAST (0.5 * MIB) /* nor is this on a small one */
#define TRIED_MS    65000u      /* an action that failed rests for a minute, once that is known */

void check_fire(struct check *c, const char *who, const char *format, ...) {
        if (c->who)
                return;
        va_list args;
        va_start(args, format);
        vsnprintf(c->what, sizeof(c->what), format, args);
        va_end(args);
        c->who = who;
}

/* --- how near is the end, really? --- */

int64_t check_headroom_ago(const struct check *c, uint64_t steps) {
        return c->history[(c->history_count - 1 - steps) % HISTORY_STEPS];
}

double check_seconds_left(const struct check *c, double beyond_bytes) {
        static const uint32_t windows[] = { 1, 2, 5, 10, 20, 60, 99 };
        double seconds = 1e9;
        if (c->history_count == 0)
                return seconds;
        double now = (double) check_headroom_ago(c, 0);
        for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]) && windows[i] < c->history_count; i++) {
                double lost = (double) check_headroom_ago(c, windows[i]) - now;
                if (lost > 0)
                        seconds = least(seconds, largest(now + beyond_bytes, 0) / lost * windows[i] * STEP_MS / 1000);
        }
        return seconds;
}

double check_pace(const struct check *c) {
        static const uint32_t windows[] = { 10, 20, 60 };
        double pace = 1e18;
        for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
                if (windows[i] >= c->history_count)
                        return 0;
                double lost = (double) (check_headroom_ago(c, windows[i]) - check_headroom_ago(c, 0));
                pace = least(pace, lost / windows[i] * 1000 / STEP_MS);
        }
        return pace;
}

/* --- what is left that costs less --- */

static bool tried(const struct check *c, const struct world *w, uint32_t i, enum action_kind kind) {
        return c->tried_ms[i][kind] > 0 && w->now_ms - c->tried_ms[i][kind] < TRIED_MS;
}

double check_to_convert_bytes(const struct model *m, enum kv_type level) {
        double bytes = 0;
        for (unsigned l = 0; l < level; l++)
                bytes += model_kv_bytes(m, (enum kv_type) l) *
                         (1 - (double) kv_type_block_bytes(level) / kv_type_block_bytes((enum kv_type) l));
        return bytes;
}

const char *check_milder_means(const struct check *c, const struct world *w, bool suspend_counts, uint32_t *ret_model) {
        double worth = largest((double) w->memory.ram_bytes / MEANS_PART, MEANS_LEAST);
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                *ret_model = i;
                if (m->life == LIFE_READY && !m->pinned && model_unfinished(m) == 0 && !tried(c, w, i, ACTION_EVICT))
                        return "an idle model could leave";
                bool obeys = !m->external && !pool_is_silent(w, m) && (m->life == LIFE_READY || m->life == LIFE_DRAINING);
                if (!obeys)
                        continue;
                if (!(m->lacks & ACTION_BIT(ACTION_TRIM)) && model_prefix_bytes(m) > worth && !tried(c, w, i, ACTION_TRIM))
                        return "a prefix cache could be dropped";
                enum kv_type next = m->level + 1 < KV_TYPE_COUNT ? (enum kv_type)(m->level + 1) : m->level;
                bool shifted = c->shifted_ms[i][next] > 0 && w->now_ms - c->shifted_ms[i][next] < TRIED_MS;
                bool shifts = !(m->lacks & ACTION_BIT(ACTION_DOWNSHIFT)) && m->level < m->floor;
                if (shifts && check_to_convert_bytes(m, next) > worth && !shifted)
                        return "a KV cache could be stored less precisely";
                if (suspend_counts && !(m->lacks & ACTION_BIT(ACTION_SUSPEND)) && !tried(c, w, i, ACTION_SUSPEND))
                        for (uint32_t k = 0; k < RUNNING_PLACES; k++)
                                if (m->running[k].state == REQUEST_RUNNING && m->running[k].batch &&
                                    request_tokens(&m->running[k]) * m->token_bytes > 2 * worth)
                                        return "a batch request could go to disk";
        }
        return NULL;
}

bool check_stands_still(const struct world *w, const struct model *m) {
        return m->livelock_ms > 0 && w->now_ms >= m->livelock_ms + 1000;
}
