/* parts.c - see parts.h. */
#include "engine/runtime/parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/compute/processors.h"

int parts_failed(struct gguf_error *reterr, int error, const char *what) {
        (void) snprintf(reterr->text, sizeof(reterr->text), "%s: %s", what, strerror(-error));
        return error;
}

int parts_open_threads(uint32_t threads, struct threads **ret, struct gguf_error *reterr) {
        int r = threads_new(threads ? threads : processors_available(), ret);
        return r < 0 ? parts_failed(reterr, r, "cannot start the threads") : 0;
}

int parts_open_cache(const struct hparams *s, uint32_t tokens, enum kv_type type, struct kv_cache **ret,
                     struct gguf_error *reterr) {
        int r = kv_cache_new(&(struct kv_config){ s, tokens, type, type }, ret);
        if (r == -EINVAL) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "heads of %u and %u values cannot be kept as %s: 32 must divide them", s->d_head_k, s->d_head_v,
                                kv_type_name(type));
                return r;
        }
        return r < 0 ? parts_failed(reterr, r, "cannot reserve the KV cache") : 0;
}
