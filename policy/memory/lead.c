/* lead.c - sums over the models of what could be given back without harm, at assumed paces. */
#include "policy/memory/lead.h"

#include "policy/base/sat.h"

/* Until an engine reads an order: a step of decode, or of prefill that shows no rate. */
static uint64_t ear_ms(const struct model_view *m) {
        if (m->running == 0)
                return 0;
        return m->rate == 0 ? LEAD_EAR_MAX_MS : u64_min(1000000 / m->rate + 1, LEAD_EAR_MAX_MS);
}

static bool could_leave(const struct model_view *m) {
        return m->state == ACCOUNT_IDLE && !m->pinned && m->running == 0 && m->waiting == 0;
}

/* Bytes of KV that a downshift to the floor has to read. */
static uint64_t to_convert(const struct model_view *m) {
        uint64_t sum = 0;
        for (unsigned level = 0; level < (unsigned) m->floor && level < KV_TYPE_COUNT; level++)
                sum = sat_add(sum, m->kv_bytes[level]);
        return m->lacks & ACTION_BIT(ACTION_DOWNSHIFT) ? 0 : sum;
}

struct lead policy_lead(const struct snapshot *snapshot) {
        uint64_t released = 0, converted = 0, ear = 0;
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                if (!m->obeys && !could_leave(m))
                        continue;
                ear = u64_max(ear, ear_ms(m));
                released = sat_add(released, could_leave(m) ? m->bytes : m->prefix_bytes);
                converted = sat_add(converted, could_leave(m) ? 0 : to_convert(m));
        }
        uint64_t heard = ear + LEAD_SEEN_MS + released / LEAD_RELEASED_PER_MS;
        uint64_t converting = converted / LEAD_CONVERTED_PER_MS;
        return (struct lead){ .at_once_ms = sat_add(heard, converting),
                              .gently_ms = sat_add(heard, sat_mul(converting, LEAD_SLICES)) };
}
