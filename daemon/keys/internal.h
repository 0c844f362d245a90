/* internal.h - the list of keys, for the files of this room alone. */
#ifndef HEADROOM_DAEMON_KEYS_INTERNAL_H
#define HEADROOM_DAEMON_KEYS_INTERNAL_H

#include "daemon/keys/keys.h"

struct keys {
        uint32_t count;
        struct key *all[KEYS_MAX];
};

/* One of a file: a wish with "hash" and "created". False and a sentence. */
bool keys_put_stored(struct keys *k, const cJSON *json, bool is_fixed, char *wrong, size_t size);

#endif
