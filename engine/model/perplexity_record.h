/*
 * perplexity_record.h - the result of `perplexity --save` for a model, shown by `headroomctl fit`.
 *
 * One small JSON file for each model, of its last measurement: $XDG_STATE_HOME/headroom/perplexity/IDENTITY.json
 * (~/.local/state where that is not set), by fingerprint.h. It is the user's who measured; the daemon does not read it.
 */
#ifndef HEADROOM_ENGINE_MODEL_PERPLEXITY_RECORD_H
#define HEADROOM_ENGINE_MODEL_PERPLEXITY_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/kv_type.h"

struct perplexity_record {
        char text[96];     /* the base name of the text's file, printable */
        char measured[24]; /* when: 2026-01-31T12:00:00Z */
        uint64_t tokens;   /* of the text */
        uint64_t counted;
        uint32_t context;
        struct perplexity_of_kv {
                bool known;
                double perplexity, error;
                bool compared; /* with f16, on the same tokens: how much more a token costs in the mean, in nats */
                double difference, difference_error;
        } kv[KV_TYPE_COUNT];
};

/* The path, malloc'ed; NULL when neither XDG_STATE_HOME nor HOME says where, or there is no memory. */
char *perplexity_record_path(uint64_t identity);
/* Replaces what was there, at once or not at all; folders are made. 0 or -errno. */
int perplexity_record_save(uint64_t identity, const struct perplexity_record *r);
/* 0 and *ret; -ENOENT; -EBADMSG when it is no such file; another -errno. */
int perplexity_record_load(uint64_t identity, struct perplexity_record *ret);

#endif
