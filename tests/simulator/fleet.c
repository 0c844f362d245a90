/* fleet.c - the lives of the models. */
#include <string.h>

#include "tests/simulator/parts.h"

#define IDLE_MAX_MS 300000u /* nobody asks: it leaves */

static void suspended_come_back(struct model *m) {
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                if (m->running[i].state == REQUEST_SUSPENDED)
                        request_come_back(m, &m->running[i]);
}

static void live(struct world *w, struct model *m) {
        switch (m->life) {
        case LIFE_ABSENT:
                if (m->waiting_count > 0)
                        m->life = LIFE_WAITING;
                break;
        case LIFE_WAITING:
                if (m->waiting_count == 0)
                        m->life = LIFE_ABSENT;
                break;
        case LIFE_LOADING:
                m->loaded_bytes =
                        (uint64_t) ((double) m->weights_bytes * (double) (w->now_ms - m->since_ms) / (double) m->load_ms);
                if (m->loaded_bytes > m->weights_bytes)
                        m->loaded_bytes = m->weights_bytes;
                if (w->now_ms >= m->until_ms) {
                        m->life = LIFE_READY;
                        m->loaded_ms = w->now_ms;
                }
                break;
        case LIFE_READY:
                m->blown_bytes += m->blown_bytes_per_s * STEP_MS / 1000;
                if (m->blown_bytes > m->weights_bytes / 3)
                        m->blown_bytes_per_s = 0;
                levers_step(w, m);
                clients_send(w, m);
                pool_step(w, m);
                clients_compute(w, m);
                if (model_unfinished(m) == 0 && !m->pinned && w->now_ms >= m->last_end_ms + IDLE_MAX_MS &&
                    w->now_ms >= m->loaded_ms + IDLE_MAX_MS)
                        model_stop(w, m);
                break;
        case LIFE_DRAINING:
                levers_step(w, m);
                pool_step(w, m);
                clients_compute(w, m);
                if (model_running(m) == 0 && model_suspended(m) > 0)
                        suspended_come_back(m);
                else if (model_running(m) == 0)
                        model_stop(w, m);
                break;
        case LIFE_STOPPING:
                if (w->now_ms < m->until_ms)
                        break;
                w->memory.idle_file_bytes += m->weights_bytes;
                memset(m->prefix, 0, sizeof(m->prefix));
                m->life = LIFE_ABSENT;
                break;
        }
}

void fleet_step(struct world *w) {
        for (uint32_t i = 0; i < w->models_count; i++) {
                struct model *m = &w->models[i];
                clients_ask(w, m);
                clients_give_up(w, m);
                live(w, m);
        }
}

/* Some kinds of engines have all verbs, some have few. Dice of its own: the rest of the world is what it is without them. */
static uint32_t lacks_init(uint64_t seed) {
        static const uint32_t verbs[] = { ACTION_BIT(ACTION_TRIM),
                                          ACTION_BIT(ACTION_CHUNK),
                                          ACTION_BIT(ACTION_CONTEXT),
                                          ACTION_BIT(ACTION_DOWNSHIFT) | ACTION_BIT(ACTION_UPSHIFT),
                                          ACTION_BIT(ACTION_SUSPEND) | ACTION_BIT(ACTION_RESUME),
                                          ACTION_BIT(ACTION_POOL) | ACTION_BIT(ACTION_TURN_OUT) };
        struct dice own;
        uint32_t lacks = 0;
        dice_init(&own, seed);
        bool has_all = dice_percent(&own, 70);
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && !has_all; i++)
                lacks |= dice_percent(&own, 50) ? verbs[i] : 0;
        return lacks;
}

/* A small model computes as fast as memory lets it: 20 GB/s over its weights. */
static void model_init(struct world *w, struct model *m) {
        struct dice *d = &w->dice;
        double ram = (double) w->memory.ram_bytes;
        m->weights_bytes = (uint64_t) (dice_spread(d, 0.02, 0.45) * ram);
        m->overhead_bytes = (uint64_t) (dice_between(d, 0.01, 0.06) * (double) m->weights_bytes) + (50ull << 20);
        m->context_full = 1024u << dice_below(d, 6);
        m->context_floor = 512;
        m->token_bytes = (double) m->weights_bytes * dice_spread(d, 4e-6, 3e-5);
        m->parallel = 1 + dice_below(d, RUNNING_PLACES);
        m->pool_tokens = m->context_full * (1 + dice_below(d, 2));
        /* The pool stays below what the weights take, as it does for whom it should fit. */
        while ((double) m->pool_tokens * m->token_bytes > 0.5 * (double) m->weights_bytes)
                m->token_bytes /= 2;
        m->chunk_full = 256;
        m->ceiling = dice_percent(d, 80) ? KV_F16 : KV_Q8_0;
        m->floor = dice_percent(d, 60) ? KV_Q4_0 : dice_percent(d, 60) ? KV_Q8_0 : m->ceiling;
        if (m->floor < m->ceiling)
                m->floor = m->ceiling;
        m->priority = (int) dice_below(d, 3);
        m->pinned = dice_percent(d, 15);
        m->external = dice_percent(d, 10);
        m->lacks = lacks_init(m->weights_bytes);
        m->temper = dice_percent(d, 75) ? TEMPER_PROMPT : dice_percent(d, 70) ? TEMPER_LATE : TEMPER_DEAF;
        m->load_ms = 300 + (uint64_t) ((double) m->weights_bytes / dice_spread(d, 0.4e9, 4e9) * 1000);
        m->stop_ms = 50 + (uint64_t) dice_spread(d, 20, 1500);
        m->decode_per_s = least(150, 20e9 / (double) m->weights_bytes);
        m->prefill_per_s = m->decode_per_s * dice_between(d, 5, 30);
        clients_init(w, m);
        pool_init(w, m);
        if (w->mood == MOOD_HOSTILE && dice_percent(d, 8))
                m->blown_bytes_per_s = m->weights_bytes / (20 + dice_below(d, 200));
        if (w->mood == MOOD_HOSTILE && dice_percent(d, 5))
                m->livelock_ms = 20000 + dice_below(d, 300000);
}

void fleet_init(struct world *w) {
        w->models_count = 1 + dice_below(&w->dice, WORLD_MODELS);
        for (uint32_t i = 0; i < w->models_count; i++)
                model_init(w, &w->models[i]);
}
