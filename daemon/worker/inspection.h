/*
 * inspection.h - how large is the model in these files? Asked of `headroom-engine inspect` in a child, since the daemon
 * never reads a model file itself. The child's output is bounded, timed and checked like any stranger's.
 */
#ifndef HEADROOM_DAEMON_WORKER_INSPECTION_H
#define HEADROOM_DAEMON_WORKER_INSPECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "policy/base/kv_type.h"
#include "policy/base/speculate.h"

struct inspected {
        char name[128];
        char architecture[64];
        uint64_t weights_bytes, scratch_bytes, overhead_bytes;
        uint64_t kv_bytes_per_token[KV_TYPE_COUNT]; /* 0: this precision cannot hold the model's heads */
        uint32_t n_ctx_train;
        /* For those who ask what it is; nothing depends on it. */
        char quantization[32];
        uint64_t parameters;
        uint32_t n_vocab, n_layer, n_embd, n_head, n_head_kv;
        bool makes_text, embeds, ranks, takes_tools, reasons, fills_gaps;
};

struct inspection;

struct inspection_request {
        const char *engine_path;
        const int *fds; /* stay the caller's */
        uint32_t fds_count;
        uint32_t threads; /* 0: the engine decides; scratch depends on it */
        enum speculate speculate;
        uint32_t parallel;
};

enum inspection_end {
        INSPECTION_WELL,
        INSPECTION_NO_MODEL, /* the file is whole, and something else: a projector, an adapter */
        INSPECTION_BAD_FILE, /* asking again will not help before the file changes */
        INSPECTION_FAILED,   /* the asking itself went wrong */
};

/* Once, last: RESULT, or NULL and the sentence that says why the model cannot be used. */
typedef void inspection_done(void *user, enum inspection_end end, const struct inspected *result, const char *sentence);

/* 0 and *ret, or -errno. */
int inspection_start(uv_loop_t *loop, const struct inspection_request *request, inspection_done *on_done, void *user,
                     struct inspection **ret);
/* Ends it; on_done follows with a sentence all the same. */
void inspection_end(struct inspection *i);

/* Checks and takes in the output of the child. 0; or -EBADMSG, or -ENOEXEC for no model, and a sentence. Public for tests. */
int inspection_parse(const char *text, size_t length, struct inspected *ret, char *reterr, size_t reterr_size);

#endif
