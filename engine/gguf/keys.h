/*
 * keys.h - reading a model's keys one after the other: the first failure sticks, every value has a range, and the
 * sentence of a refusal names the key and the value. Who reads looks at `error` when done.
 */
#ifndef HEADROOM_ENGINE_GGUF_KEYS_H
#define HEADROOM_ENGINE_GGUF_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/gguf/gguf.h"

struct metadata {
        const struct gguf *g;
        const char *arch; /* prefix of the keys */
        int error;        /* first failure, 0 while all is well */
        struct gguf_error *reterr;
};

struct metadata_key {
        char text[96];
};

/* "llama." and SUFFIX. */
struct metadata_key metadata_key(const struct metadata *m, const char *suffix);
bool metadata_has(const struct metadata *m, const char *suffix);
/* Keeps ERROR (-errno) and the sentence, unless something failed before. */
void metadata_fail(struct metadata *m, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* In MIN .. MAX; the key must be there. */
uint32_t metadata_u32(struct metadata *m, const char *suffix, uint32_t min, uint32_t max);
/* DEFAULT_VALUE, which must be in the range too, when the key is absent. */
uint32_t metadata_u32_or(struct metadata *m, const char *suffix, uint32_t min, uint32_t max, uint32_t default_value);
/* DEFAULT_VALUE, whatever it is, when the key is absent. NaN is in no range. */
float metadata_f32_or(struct metadata *m, const char *suffix, float min, float max, float default_value);
bool metadata_bool_or(struct metadata *m, const char *suffix, bool default_value);
/* DEFAULT_VALUE must outlive what comes back. */
struct gguf_string metadata_string_or(struct metadata *m, const char *suffix, const char *default_value);

#endif
