/* engine.c - see engine.h. */
#include "daemon/engines/engine.h"

#include "daemon/state/model.h"

uint32_t engine_lacks(const struct model *m) {
        const struct engine_capabilities *can = &m->ops->can;
        return (can->trims ? 0 : ACTION_BIT(ACTION_TRIM)) | (can->changes_chunk ? 0 : ACTION_BIT(ACTION_CHUNK)) |
               (can->changes_context ? 0 : ACTION_BIT(ACTION_CONTEXT)) |
               (can->changes_pool ? 0 : ACTION_BIT(ACTION_POOL) | ACTION_BIT(ACTION_TURN_OUT)) |
               (can->lowers_kv ? 0 : ACTION_BIT(ACTION_DOWNSHIFT) | ACTION_BIT(ACTION_UPSHIFT)) |
               (can->suspends ? 0 : ACTION_BIT(ACTION_SUSPEND) | ACTION_BIT(ACTION_RESUME));
}

void engine_measure(struct model *m) {
        if (m->ops->can.reports)
                m->ops->measure(m);
}
