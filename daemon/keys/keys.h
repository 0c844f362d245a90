/*
 * keys.h - who may use the models, and how much: access keys.
 *
 * A key has a name, which people know, and a secret, which is shown once, when it is made. Of the secret only the SHA-256 is kept: it
 * has 256 random bits, so that no slow hash is needed. A secret that is presented is hashed and compared with all of them in a time that
 * tells nothing.
 */
#ifndef HEADROOM_DAEMON_KEYS_KEYS_H
#define HEADROOM_DAEMON_KEYS_KEYS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/bounds.h"
#include "daemon/state/request_events.h"
#include "policy/admission/bucket.h"

#define KEY_HASH_BYTES   32u
#define KEY_SECRET_BYTES 64u /* "headroom_", 43 letters and digits, and a NUL: room to spare */

struct key {
        char name[KEY_NAME_MAX + 1];
        uint8_t hash[KEY_HASH_BYTES];
        int64_t created_s;
        char **allow;                                        /* ids of models */
        uint32_t allow_count;                                /* 0: all of them */
        enum request_class class;                            /* of its requests; REQUEST_CLASS_OF_MODEL: what they ask for */
        char rate[KEY_LIMIT_MAX], token_rate[KEY_LIMIT_MAX]; /* as it was written, "60/m"; "": no limit */
        struct bucket requests, tokens;
        uint32_t concurrent_max; /* 0: no limit */
        uint32_t running;
        uint64_t requests_taken, tokens_taken; /* since the start */
        int64_t used_s;                        /* last; 0: not since the start */
        bool is_listed;                        /* else it has been removed, and goes with its last request */
        bool is_fixed;                         /* from the system's credential: it cannot be removed here */
};

struct keys;

/* Of PATH, our own file, and of CREDENTIAL, which is only read; either may be absent. 0, -EINVAL and a sentence in *WRONG, -errno. */
int keys_open(const char *path, const char *credential, struct keys **ret, char *wrong, size_t wrong_size);
void keys_free(struct keys *k);
uint32_t keys_count(const struct keys *k);

/* The key with this secret, or NULL. */
struct key *keys_find(struct keys *k, const char *secret);

/*
 * WISH: {"name","allow","class","rate","tokens","concurrent"}. 0 and its secret; -EINVAL and a sentence. It counts at once, and is safe when
 * keys_text has been written to the file.
 */
int keys_add(struct keys *k, const cJSON *wish, char ret_secret[KEY_SECRET_BYTES], char *wrong, size_t wrong_size);
/* 0; -ENOENT; -EPERM: it is in the credential. */
int keys_remove(struct keys *k, const char *name);
/* What the file of them is to hold; the caller's to free. NULL: no memory. */
char *keys_text(const struct keys *k);
/* [{"name","created","allow",...,"running","requests","tokens_used","used"}], without hashes. */
cJSON *keys_json(const struct keys *k);
/* Writes TEXT to a temporary file, syncs it and renames it to PATH. 0 or -errno. On any thread. */
int keys_write(const char *path, const char *text);

/* A number below 2^53 that is this key's alone, but for chance, and the same after a restart; never 0. */
uint64_t key_tenant(const struct key *key);

/* ---- what one may ---- */

/* REASON_NONE: a request is counted, and key_release follows; else why not, and *ret_after_ms when again, 0 where that is not known. */
enum reason key_admit(struct key *key, uint64_t now_ms, uint64_t *ret_after_ms);
/* TOKENS: of its prompt and its answer. */
void key_release(struct keys *k, struct key *key, uint64_t tokens, uint64_t now_ms);

#endif
