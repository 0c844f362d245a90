/* keys.c - see keys.h. */
#include "daemon/keys/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <nettle/memops.h>
#include <nettle/sha2.h>

#include "daemon/keys/internal.h"
#include "daemon/keys/limit.h"
#include "engine/base/clock.h"
#include "engine/base/json_get.h"
#include "policy/base/hash.h"

uint32_t keys_count(const struct keys *k) {
        uint32_t count = 0;

        for (uint32_t i = 0; i < k->count; i++)
                count += k->all[i]->is_listed;
        return count;
}

static void key_free(struct key *key) {
        for (uint32_t i = 0; i < key->allow_count; i++)
                free(key->allow[i]);
        free(key->allow);
        free(key);
}

void keys_free(struct keys *k) {
        if (!k)
                return;
        for (uint32_t i = 0; i < k->count; i++)
                key_free(k->all[i]);
        free(k);
}

/* --- secrets --- */

static void hash_secret(const char *secret, uint8_t ret[KEY_HASH_BYTES]) {
        struct sha256_ctx sha;

        sha256_init(&sha);
        sha256_update(&sha, strlen(secret), (const uint8_t *) secret);
        sha256_digest(&sha, KEY_HASH_BYTES, ret);
}

/* 43 of 62 letters and digits: 256 bits. A byte beyond four times 62 would make some of them likelier. */
static int make_secret(char ret[KEY_SECRET_BYTES]) {
        static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        uint8_t random[256];
        size_t used = (size_t) snprintf(ret, KEY_SECRET_BYTES, "headroom_"), end = used + 43;

        while (used < end) {
                if (getrandom(random, sizeof random, 0) != sizeof random)
                        return -EIO;
                for (size_t i = 0; i < sizeof random && used < end; i++)
                        if (random[i] < 4 * 62)
                                ret[used++] = letters[random[i] % 62];
        }
        ret[used] = '\0';
        return 0;
}

struct key *keys_find(struct keys *k, const char *secret) {
        uint8_t hash[KEY_HASH_BYTES];
        struct key *found = NULL;

        hash_secret(secret, hash);
        for (uint32_t i = 0; i < k->count; i++)
                if (memeql_sec(hash, k->all[i]->hash, KEY_HASH_BYTES) && k->all[i]->is_listed)
                        found = k->all[i];
        return found;
}

uint64_t key_tenant(const struct key *key) {
        return hash_bytes(HASH_START, key->hash, KEY_HASH_BYTES) >> 11 | 1;
}

static struct key *find_name(const struct keys *k, const char *name) {
        for (uint32_t i = 0; i < k->count; i++)
                if (k->all[i]->is_listed && !strcmp(k->all[i]->name, name))
                        return k->all[i];
        return NULL;
}

/* --- what a key may --- */

static bool refuse(char *wrong, size_t size, const char *sentence) {
        (void) snprintf(wrong, size, "%s", sentence);
        return false;
}

static bool take_name(struct key *key, const cJSON *json, char *wrong, size_t size) {
        static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
        const char *name = cJSON_GetStringValue(json_get(json, "name"));

        if (!name || !*name || strlen(name) > KEY_NAME_MAX || name[strspn(name, good)])
                return refuse(wrong, size, "a key's name has 1 to 64 letters, digits, '-', '_' and '.'");
        strcpy(key->name, name);
        return true;
}

static bool take_allow(struct key *key, const cJSON *json, char *wrong, size_t size) {
        const cJSON *list = json_get(json, "allow"), *one;
        int count = cJSON_GetArraySize(list);

        if (list && (!cJSON_IsArray(list) || count > (int) KEY_ALLOW_MAX))
                return refuse(wrong, size, "'allow' is a list of at most 64 ids of models");
        key->allow = calloc((size_t) count + 1, sizeof *key->allow);
        cJSON_ArrayForEach(one, list) {
                if (!key->allow || !cJSON_IsString(one) || !*one->valuestring || strlen(one->valuestring) > API_NAME_MAX)
                        return refuse(wrong, size, "'allow' is a list of ids of models");
                key->allow[key->allow_count] = strdup(one->valuestring);
                if (!key->allow[key->allow_count++])
                        return refuse(wrong, size, "out of memory");
        }
        return key->allow || refuse(wrong, size, "out of memory");
}

static bool take_class(struct key *key, const cJSON *json, char *wrong, size_t size) {
        const char *class = cJSON_GetStringValue(json_get(json, "class"));

        if (class && strcmp(class, "batch") != 0 && strcmp(class, "interactive") != 0)
                return refuse(wrong, size, "'class' is interactive or batch");
        key->class = !class ? REQUEST_CLASS_OF_MODEL : strcmp(class, "batch") ? REQUEST_INTERACTIVE : REQUEST_BATCH;
        return true;
}

static bool take_limit(const cJSON *json, const char *name, char ret_text[KEY_LIMIT_MAX], struct bucket *ret, char *wrong,
                       size_t size) {
        const char *text = cJSON_GetStringValue(json_get(json, name));
        uint64_t amount, period_ms;

        if (!json_get(json, name))
                return true;
        if (!text || strlen(text) >= KEY_LIMIT_MAX || !limit_read(text, &amount, &period_ms)) {
                (void) snprintf(wrong, size, "'%s' is so much in so long, such as 60/m or 1M/day", name);
                return false;
        }
        strcpy(ret_text, text);
        *ret = bucket_new(amount, period_ms, clock_ms(CLOCK_MONOTONIC));
        return true;
}

static bool take_concurrent(struct key *key, const cJSON *json, char *wrong, size_t size) {
        const cJSON *value = json_get(json, "concurrent");

        if (value && !json_is_whole(value, 1, 1000000))
                return refuse(wrong, size, "'concurrent' is a number of requests, 1 at the least");
        key->concurrent_max = value ? (uint32_t) value->valuedouble : 0;
        return true;
}

static struct key *read_key(const cJSON *json, char *wrong, size_t size) {
        struct key *key = calloc(1, sizeof *key);

        if (!key) {
                (void) refuse(wrong, size, "out of memory");
                return NULL;
        }
        key->is_listed = true;
        if (take_name(key, json, wrong, size) && take_allow(key, json, wrong, size) && take_class(key, json, wrong, size) &&
            take_limit(json, "rate", key->rate, &key->requests, wrong, size) &&
            take_limit(json, "tokens", key->token_rate, &key->tokens, wrong, size) && take_concurrent(key, json, wrong, size))
                return key;
        key_free(key);
        return NULL;
}

/* --- the list --- */

static bool put(struct keys *k, struct key *key, char *wrong, size_t size) {
        if (k->count == KEYS_MAX)
                return refuse(wrong, size, "there are as many keys as there can be");
        if (find_name(k, key->name)) {
                (void) snprintf(wrong, size, "there is a key '%s' already", key->name);
                return false;
        }
        k->all[k->count++] = key;
        return true;
}

bool keys_put_stored(struct keys *k, const cJSON *json, bool is_fixed, char *wrong, size_t size) {
        const char *hash = cJSON_GetStringValue(json_get(json, "hash"));
        const cJSON *created = json_get(json, "created");
        struct key *key = read_key(json, wrong, size);

        if (!key)
                return false;
        key->is_fixed = is_fixed;
        key->created_s = json_is_whole(created, 0, 1e12) ? (int64_t) created->valuedouble : 0;
        for (unsigned i = 0; i < KEY_HASH_BYTES; i++)
                if (!hash || strlen(hash) != 2 * KEY_HASH_BYTES || sscanf(hash + 2 * i, "%2hhx", &key->hash[i]) != 1) {
                        (void) snprintf(wrong, size, "the hash of key '%s' is no SHA-256", key->name);
                        key_free(key);
                        return false;
                }
        if (put(k, key, wrong, size))
                return true;
        key_free(key);
        return false;
}

int keys_add(struct keys *k, const cJSON *wish, char ret_secret[KEY_SECRET_BYTES], char *wrong, size_t wrong_size) {
        struct key *key = read_key(wish, wrong, wrong_size);

        if (!key)
                return -EINVAL;
        int r = make_secret(ret_secret);
        if (r == 0) {
                hash_secret(ret_secret, key->hash);
                key->created_s = time(NULL);
                r = put(k, key, wrong, wrong_size) ? 0 : -EINVAL;
        } else {
                (void) refuse(wrong, wrong_size, "the kernel gives no random bytes");
        }
        if (r < 0)
                key_free(key);
        return r;
}

/* One with requests under way stays until the last of them has ended. */
static void forget_unlisted(struct keys *k) {
        uint32_t kept = 0;

        for (uint32_t i = 0; i < k->count; i++)
                if (k->all[i]->is_listed || k->all[i]->running)
                        k->all[kept++] = k->all[i];
                else
                        key_free(k->all[i]);
        k->count = kept;
}

int keys_remove(struct keys *k, const char *name) {
        struct key *key = find_name(k, name);

        if (!key)
                return -ENOENT;
        if (key->is_fixed)
                return -EPERM;
        key->is_listed = false;
        forget_unlisted(k);
        return 0;
}

/* --- use --- */

enum reason key_admit(struct key *key, uint64_t now_ms, uint64_t *ret_after_ms) {
        *ret_after_ms = 0;
        if (key->concurrent_max && key->running >= key->concurrent_max)
                return REASON_KEY_CONCURRENT;
        if ((*ret_after_ms = bucket_wait_ms(&key->tokens, 1, now_ms)) > 0)
                return REASON_KEY_TOKENS;
        if ((*ret_after_ms = bucket_wait_ms(&key->requests, 1, now_ms)) > 0)
                return REASON_KEY_RATE;
        bucket_take(&key->requests, 1, now_ms);
        key->running++;
        key->requests_taken++;
        key->used_s = time(NULL);
        return REASON_NONE;
}

void key_release(struct keys *k, struct key *key, uint64_t tokens, uint64_t now_ms) {
        bucket_take(&key->tokens, (double) tokens, now_ms);
        key->tokens_taken += tokens;
        key->running--;
        if (!key->is_listed)
                forget_unlisted(k);
}
