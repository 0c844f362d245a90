/* wait.c - see wait.h. */
#include "policy/admission/wait.h"

#include "policy/base/bounds.h"
#include "policy/base/sat.h"

uint64_t policy_wait_ms(const struct queue_facts *f) {
        uint32_t parallel = f->parallel > 0 ? f->parallel : 1;
        uint32_t free_places = f->running < parallel ? parallel - f->running : 0;
        if (f->ahead < free_places)
                return f->begins_ms;
        uint64_t ends = (uint64_t) f->ahead - free_places + 1; /* of requests, until its own place is free */
        uint64_t service_ms = f->service_ms > 0 ? f->service_ms : SERVICE_UNKNOWN_MS;
        return sat_add(f->begins_ms, sat_mul(ends, service_ms) / parallel);
}

uint64_t policy_place_ms(uint64_t since_ms, bool is_batch, uint64_t batch_age_ms) {
        return is_batch ? u64_min(sat_add(since_ms, batch_age_ms), INT64_MAX) : since_ms;
}

uint64_t policy_service_learn(uint64_t usual_ms, uint64_t took_ms) {
        took_ms = u64_max(u64_min(took_ms, SERVICE_MAX_MS), 1);
        return usual_ms == 0 ? took_ms : (usual_ms * (SERVICE_WEIGHT - 1) + took_ms + SERVICE_WEIGHT / 2) / SERVICE_WEIGHT;
}

uint64_t policy_load_ms(uint64_t loaded_ms, uint64_t bytes) {
        return loaded_ms > 0 ? loaded_ms : RELOAD_FLOOR_MS + bytes / LOAD_BYTES_PER_MS;
}
