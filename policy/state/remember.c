/* remember.c - one place per id; of those not in sight, the one that was seen longest ago makes room. */
#include "policy/state/remember.h"

#include <assert.h>
#include <stddef.h>

static struct model_past *place_of(struct past *past, uint32_t id, uint64_t now_ms) {
        struct model_past *oldest = NULL;
        for (uint32_t k = 0; k < ACCOUNTS_MAX; k++) {
                struct model_past *p = &past->models[k];
                if (p->used && p->id == id)
                        return p;
                bool in_sight = p->used && p->seen_ms == now_ms;
                if (!in_sight && (oldest == NULL || (oldest->used && (!p->used || p->seen_ms < oldest->seen_ms))))
                        oldest = p;
        }
        return oldest;
}

void policy_remember(struct past *past, const struct snapshot *snapshot, struct model_past *pasts[ACCOUNTS_MAX]) {
        assert(snapshot->models_count <= ACCOUNTS_MAX);
        /* First mark the models in sight, so that none is pushed out by another of the same snapshot. */
        for (uint32_t k = 0; k < ACCOUNTS_MAX; k++) {
                for (uint32_t i = 0; i < snapshot->models_count; i++) {
                        if (past->models[k].used && past->models[k].id == snapshot->models[i].id)
                                past->models[k].seen_ms = snapshot->now_ms;
                }
        }
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                struct model_past *p = place_of(past, m->id, snapshot->now_ms);
                assert(p != NULL);
                if (!p->used || p->id != m->id || p->generation != m->generation)
                        *p = (struct model_past){
                                .used = true, .id = m->id, .generation = m->generation, .leaving_since_ms = snapshot->now_ms
                        };
                p->seen_ms = snapshot->now_ms;
                if (m->state != ACCOUNT_STOPPING)
                        p->leaving_since_ms = snapshot->now_ms;
                pasts[i] = p;
        }
}
