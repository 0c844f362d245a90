/*
 * footprints.h - what each model's loads have taught, kept in STATE_DIR/footprints.json over restarts.
 *
 * A lost or damaged file costs only what was learned: it is set aside, said so, and learning begins anew. Saving
 * happens on a thread of libuv's pool (fsync may take long): a temporary file, synced, renamed over the old one.
 */
#ifndef HEADROOM_DAEMON_MODELS_FOOTPRINTS_H
#define HEADROOM_DAEMON_MODELS_FOOTPRINTS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct footprints;

/* STATE_DIR may not exist: then nothing is remembered, and one line says so. 0 or -ENOMEM. */
int footprints_new(uv_loop_t *loop, const char *state_dir, struct footprints **ret);
/* While footprints_busy the object must live on. */
void footprints_free(struct footprints *f);
bool footprints_busy(const struct footprints *f);

/* Drops what was learned about models that are no longer known. */
void footprints_prune(struct footprints *f, bool (*is_known)(const void *user, const char *id), const void *user);

struct footprint_record {
        uint32_t learned;                     /* the factor of policy_footprint_learn */
        uint64_t load_ms, service_ms;         /* of its last load, and the usual one of a request; 0: not known */
        uint64_t predicted_bytes, peak_bytes; /* written for people, not read again */
};

/* What was learned about this model while its file stays the same (FILE_KEY: from size and time), else LEARNED_NEUTRAL and zeros. */
struct footprint_record footprints_learned(const struct footprints *f, const char *model, uint64_t file_key);
/* Remembers, and saves soon. ON_SAVED (may be NULL) is called from the loop when a save has ended. */
void footprints_learn(struct footprints *f, const char *model, uint64_t file_key, const struct footprint_record *record);
void footprints_on_saved(struct footprints *f, void (*on_saved)(void *user), void *user);

#endif
