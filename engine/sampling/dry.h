/*
 * dry.h - makes tokens less likely that would go on with a repetition: "don't repeat yourself" (p-e-w,
 * github.com/oobabooga/text-generation-webui/pull/5677).
 *
 * Where the last L tokens have come before, the token that followed them then loses multiplier x base^(L - allowed_length), L
 * being the greatest there is, if it is at least allowed_length. A repetition does not reach over a breaker, and none is held against it.
 */
#ifndef HEADROOM_ENGINE_SAMPLING_DRY_H
#define HEADROOM_ENGINE_SAMPLING_DRY_H

#include "engine/sampling/candidates.h"

struct dry_setting {
        float multiplier, base; /* multiplier 0: off */
        uint32_t allowed_length;
        uint32_t last_n;    /* tokens that are looked at */
        uint32_t *breakers; /* a bit for each token, 32 in a word; NULL: none */
};

struct dry;
/* SETTING must outlive it. 0 or -ENOMEM. */
int dry_new(const struct dry_setting *setting, struct dry **ret);
void dry_free(struct dry *d);
void dry_note(struct dry *d, int32_t id);
void dry_apply(struct dry *d, struct candidates *c);

#endif
