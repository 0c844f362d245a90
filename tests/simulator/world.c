/* world.c - a world by its seed, its clock, and what can be seen of it. */
#include <math.h>
#include <string.h>

#include "tests/simulator/parts.h"

#define SMALL_PART 4u

double dice_spread(struct dice *d, double low, double high) {
        return low >= high ? low : exp(dice_between(d, log(low), log(high)));
}

static uint64_t part_of(uint64_t bytes, double part) {
        return (uint64_t) ((double) bytes * part);
}

static void limits_init(struct world *w) {
        uint64_t ram = w->memory.ram_bytes, reserve = part_of(ram, 0.04);
        if (reserve < 1ull << 30)
                reserve = 1ull << 30;
        w->limits = (struct limits){ .budget_bytes = part_of(ram, dice_between(&w->dice, 0.5, 0.85)),
                                     .weights_permille = 600,
                                     .reserve_bytes = reserve,
                                     .min_residency_ms = (uint64_t) dice_between(&w->dice, 0, 30000),
                                     .margin_target_millidegrees = 15000,
                                     .critical_default_millidegrees = 100000 };
}

/*
 * Quiet: others hold what they hold, up to nine tenths of the box and more, and breathe a little; the caches of the models
 * are small; nothing fails. Whatever is done here is one action too many.
 */
static void make_quiet(struct world *w) {
        struct dice *d = &w->dice;
        uint64_t ram = w->memory.ram_bytes;
        double material = least((double) ram / DECLINE_MATERIAL_PART, DECLINE_MATERIAL_BYTES);
        double pools = material * 0.5 / w->models_count, fits = 0;
        for (uint32_t i = 0; i < w->models_count; i++) {
                struct model *m = &w->models[i];
                while ((double) m->pool_tokens * m->token_bytes > pools)
                        m->token_bytes /= 2;
                m->blown_bytes_per_s = m->livelock_ms = 0;
                fits += (double) m->weights_bytes + (double) m->overhead_bytes + (double) m->pool_tokens * m->token_bytes;
        }
        /* Room for all models that may be loaded together, for the reserve, and a little more. */
        double together = least(fits, (double) w->limits.budget_bytes);
        double rest = (double) ram - (double) w->memory.system_bytes - together - (double) w->limits.reserve_bytes -
                      material * 3 - 0x1p28;
        w->hogs_count = 2;
        w->hogs[0] = (struct hog){ .kind = HOG_STEADY,
                                   .end_ms = UINT64_MAX,
                                   .most = largest(rest, 0) * (dice_percent(d, 40) ? 1 : dice_between(d, 0.5, 1)) };
        w->hogs[1] = (struct hog){ .kind = HOG_SAWTOOTH,
                                   .end_ms = UINT64_MAX,
                                   .period_ms = (uint64_t) dice_spread(d, 500, 60000),
                                   .most = rest > 0 ? material * dice_between(d, 0.05, 0.35) : 0 };
}

/* A small box with a small reserve, so that there is little between the first sign and the cliff. */
static void make_small(struct world *w) {
        w->memory.ram_bytes /= SMALL_PART;
        w->memory.system_bytes = part_of(w->memory.ram_bytes, dice_between(&w->dice, 0.05, 0.25));
        w->memory.swap_bytes /= SMALL_PART;
}

static void make_growth(struct world *w, uint32_t mib_per_s) {
        w->mood = MOOD_GROWTH;
        w->blind_begin_ms = w->blind_end_ms = UINT64_MAX;
        w->limits.reserve_bytes = (uint64_t) ((double) w->memory.ram_bytes * dice_spread(&w->dice, 0.04, 0.25));
        for (uint32_t i = 0; i < w->models_count; i++)
                w->models[i].blown_bytes_per_s = w->models[i].livelock_ms = 0;
        hogs_init_growth(w, mib_per_s);
}

void world_init(struct world *w, uint64_t seed, uint32_t growth_mib_s) {
        *w = (struct world){ .mood = MOOD_QUIET };
        dice_init(&w->dice, seed);
        uint32_t mood = dice_below(&w->dice, 10);
        w->mood = mood < 2 ? MOOD_QUIET : mood < 5 ? MOOD_BUSY : MOOD_HOSTILE;
        w->noisy_pressure = dice_percent(&w->dice, 40);
        w->blind_begin_ms = w->blind_end_ms = UINT64_MAX;
        if (w->mood == MOOD_HOSTILE && dice_percent(&w->dice, 15)) {
                w->blind_begin_ms = (uint64_t) dice_between(&w->dice, 5000, 200000);
                w->blind_end_ms = w->blind_begin_ms + (uint64_t) dice_between(&w->dice, 100, 8000);
        }
        memory_init(w);
        if (growth_mib_s > 0)
                make_small(w);
        limits_init(w);
        fleet_init(w);
        if (growth_mib_s > 0)
                make_growth(w, growth_mib_s);
        else if (w->mood == MOOD_QUIET)
                make_quiet(w);
        else {
                hogs_init(w);
                pools_crowd(w, seed);
        }
        heat_init(w);
        w->now_ms = 1000;
        hogs_step(w);
        memory_step(w);
}

void world_step(struct world *w) {
        w->now_ms += STEP_MS;
        hogs_step(w);
        fleet_step(w);
        memory_step(w);
        heat_step(w);
}

/* --- seeing --- */

static void view_kv(const struct model *m, struct model_view *v) {
        double suspendable = 0, on_disk = 0;
        for (unsigned l = 0; l < KV_TYPE_COUNT; l++) {
                double token = m->token_bytes * kv_type_block_bytes((enum kv_type) l) / 64.0;
                v->kv_bytes[l] = (uint64_t) model_kv_bytes(m, (enum kv_type) l);
                for (uint32_t i = 0; i < RUNNING_PLACES; i++) {
                        const struct request *r = &m->running[i];
                        suspendable += r->state == REQUEST_RUNNING && r->batch ? r->stored[l] * token : 0;
                        on_disk += r->state == REQUEST_SUSPENDED ? r->stored[l] * token : 0;
                }
        }
        v->prefix_bytes = (uint64_t) model_prefix_bytes(m);
        v->suspendable_bytes = (uint64_t) suspendable;
        v->suspended = model_suspended(m);
        v->suspended_bytes = (uint64_t) on_disk;
}

static bool is_batch(const struct model *m) {
        bool batch = true;
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                batch = batch && ((m->running[i].state != REQUEST_RUNNING && m->running[i].state != REQUEST_QUEUED) ||
                                  m->running[i].batch);
        for (uint32_t i = 0; i < m->waiting_count; i++)
                batch = batch && m->waiting[i].batch;
        return batch;
}

static struct model_view view(const struct world *w, const struct model *m, uint32_t id) {
        static const enum account_state states[] = { [LIFE_LOADING] = ACCOUNT_LOADING,
                                                     [LIFE_READY] = ACCOUNT_IDLE,
                                                     [LIFE_DRAINING] = ACCOUNT_DRAINING,
                                                     [LIFE_STOPPING] = ACCOUNT_STOPPING };
        bool busy = model_running(m) > 0 || m->waiting_count > 0;
        struct model_view v = { .id = id,
                                .generation = m->generation,
                                .state = m->life == LIFE_READY && busy ? ACCOUNT_BUSY : states[m->life],
                                .pinned = m->pinned,
                                .batch = is_batch(m),
                                .obeys = !m->external && (m->life == LIFE_READY || m->life == LIFE_DRAINING),
                                .lacks = m->lacks,
                                .priority = m->priority,
                                .running = model_running(m),
                                .waiting = m->waiting_count,
                                .loaded_ms = m->loaded_ms,
                                .last_end_ms = m->last_end_ms,
                                .load_ms = m->load_ms,
                                .bytes = model_bytes(m),
                                .account_bytes = model_account(m),
                                .taken_bytes = model_bytes(m) - model_mapped(m),
                                .weights_bytes = m->weights_bytes,
                                .weights_resident_bytes = (uint64_t) m->resident_bytes,
                                .level = m->level,
                                .floor = m->floor,
                                .ceiling = m->ceiling,
                                .context = m->context,
                                .context_full = m->context_full,
                                .context_floor = m->context_floor,
                                .chunk = m->chunk,
                                .chunk_full = m->chunk_full,
                                .rate = (uint32_t) m->rate,
                                .usual_rate = (uint32_t) m->usual_rate,
                                .stall_us = (uint64_t) m->stall_us,
                                .refaults = (uint64_t) m->refaults,
                                .high_events = m->high_events,
                                .oom_kills = m->oom_kills };
        view_kv(m, &v);
        pool_view(w, m, &v);
        return v;
}

static void observe_sensors(struct world *w, struct snapshot *ret) {
        ret->sensors_count = w->heat.sensors_count;
        for (uint32_t i = 0; i < w->heat.sensors_count; i++) {
                struct sensor *s = &w->heat.sensors[i];
                ret->sensors[i] = (struct sensor_view){ .key = s->key,
                                                        .state = s->state,
                                                        .control = s->control,
                                                        .millidegrees = s->millidegrees,
                                                        .critical_millidegrees =
                                                                s->tells_critical ? (int32_t) (w->heat.critical * 1000) : 0 };
                if (s->state == SENSOR_READ || s->state == SENSOR_MISSED)
                        s->state = SENSOR_OLD; /* told once */
        }
}

void world_observe(struct world *w, struct snapshot *ret) {
        const struct memory *mem = &w->memory;
        uint64_t last_known = ret->available_bytes;
        bool blind = w->now_ms >= w->blind_begin_ms && w->now_ms < w->blind_end_ms;
        double noise = dice_between(&w->dice, -2.0, 2.0) * 1024 * 1024;
        *ret = (struct snapshot){ .now_ms = w->now_ms,
                                  .ram_bytes = mem->ram_bytes,
                                  .available_bytes =
                                          blind ? last_known : (uint64_t) largest(0, (double) mem->available_bytes + noise),
                                  .loading_bytes = world_loading_bytes(w),
                                  .idle_file_bytes = mem->idle_file_bytes,
                                  .swap_total_bytes = mem->swap_bytes,
                                  .swap_free_bytes = mem->swap_bytes - (uint64_t) mem->swapped_bytes,
                                  .zram_bytes = mem->zram ? (uint64_t) (mem->swapped_bytes / mem->zram_ratio) : 0,
                                  .swapins = (uint64_t) mem->swapins,
                                  .swapouts = (uint64_t) mem->swapouts,
                                  .refaults = (uint64_t) mem->refaults,
                                  .stall_us = (uint64_t) mem->stall_us,
                                  .own_stall_us = (uint64_t) mem->own_stall_us,
                                  .memory_blind = blind,
                                  .pressure_event = mem->stalls,
                                  .throttles = w->heat.throttles,
                                  .load_permille = (uint64_t) (20 + 980 * w->heat.busy * w->heat.duty) };
        for (uint32_t i = 0; i < w->models_count; i++)
                if (model_is_loaded(&w->models[i]))
                        ret->models[ret->models_count++] = view(w, &w->models[i], i);
        for (uint32_t i = 0; i < w->models_count; i++)
                if (model_wants(w, &w->models[i]))
                        ret->wants[ret->wants_count++] = model_want(&w->models[i], i);
        observe_sensors(w, ret);
}

bool world_waits(const struct world *w) {
        for (uint32_t i = 0; i < w->models_count; i++)
                if (model_wants(w, &w->models[i]) || pool_lacks(&w->models[i]))
                        return true;
        return false;
}

double world_mild_bytes(const struct world *w) {
        double sum = 0;
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                if (!model_is_loaded(m) || m->pinned)
                        continue;
                bool idle = m->life == LIFE_READY && model_running(m) == 0 && m->waiting_count == 0;
                sum += idle ? (double) model_bytes(m) : model_prefix_bytes(m);
                for (unsigned l = 0; l < m->floor && !idle; l++)
                        sum += model_kv_bytes(m, (enum kv_type) l) *
                               (1 - (double) kv_type_block_bytes(m->floor) / kv_type_block_bytes((enum kv_type) l));
        }
        return sum;
}

int64_t world_headroom(const struct world *w) {
        int64_t h = (int64_t) w->memory.available_bytes - (int64_t) world_loading_bytes(w) - (int64_t) w->limits.reserve_bytes;
        for (uint32_t i = 0; i < w->models_count; i++)
                if (model_is_loaded(&w->models[i]) && w->models[i].life != LIFE_LOADING)
                        h -= (int64_t) w->models[i].weights_bytes;
        return h;
}
