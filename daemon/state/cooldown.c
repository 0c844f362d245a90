/* cooldown.c - see cooldown.h. */
#include "daemon/state/cooldown.h"

#include <sys/stat.h>

#include "daemon/state/fleet.h"
#include "daemon/system/log.h"
#include "policy/base/hash.h"

static uint64_t mix_file(uint64_t hash, const char *path) {
        struct stat st = { 0 }; /* one that is missing has an identity, too: it may come */
        (void) stat(path, &st);
        const uint64_t parts[] = { st.st_ino, (uint64_t) st.st_size, (uint64_t) st.st_mtim.tv_sec,
                                   (uint64_t) st.st_mtim.tv_nsec };
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                hash = hash_number(hash, parts[i], sizeof(parts[i]));
        return hash;
}

/* What a failure comes from, as far as it can be replaced: the model's file and the program. */
static uint64_t cause_of(const struct model *m) {
        return mix_file(mix_file(HASH_START, m->config->path), m->fleet->config->engine_path);
}

uint64_t cooldown_begin(struct model *m, uint64_t now_ms, const struct engine_life *life) {
        m->backoff = policy_backoff_failed(m->backoff, now_ms, life);
        m->failed_of = cause_of(m);
        return policy_backoff_left(m->backoff, now_ms);
}

uint64_t cooldown_left(struct model *m, uint64_t now_ms) {
        uint64_t left = policy_backoff_left(m->backoff, now_ms);
        if (left == 0 || cause_of(m) == m->failed_of)
                return left;
        log_info("cooldown_over", LOG_TEXT("model", m->config->id), LOG_NUMBER("left_ms", left),
                 LOG_TEXT("because", "its file or the engine's program was replaced"));
        m->backoff = (struct backoff){ 0 };
        return 0;
}
