/* file.c - the file of keys: {"version":1,"keys":[...]}, which only we read, and never with a secret in it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/keys/internal.h"
#include "engine/base/cleanup.h"
#include "engine/base/file_io.h"
#include "engine/base/json_get.h"
#include "engine/base/json_read.h"

/* *RET NULL: there is no such file. */
static int read_text(const char *path, char **ret) {
        struct stat st;
        auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        *ret = NULL;
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        int r = file_status(fd, &st);
        if (r < 0)
                return r;
        if (!S_ISREG(st.st_mode) || st.st_size > (off_t) KEYS_FILE_MAX)
                return -EFBIG;
        char *text = calloc(1, (size_t) st.st_size + 1);
        r = text ? pread_all(fd, text, (size_t) st.st_size, 0) : -ENOMEM;
        if (r < 0)
                free(text);
        else
                *ret = text;
        return r;
}

static bool take_all(struct keys *k, const cJSON *json, bool is_fixed, char *wrong, size_t size) {
        const cJSON *list = json_get(json, "keys"), *one;

        if (!cJSON_IsArray(list) || !json_is_whole(json_get(json, "version"), 1, 1)) {
                (void) snprintf(wrong, size, "it is no list of keys of version 1");
                return false;
        }
        cJSON_ArrayForEach(one, list)
                if (!keys_put_stored(k, one, is_fixed, wrong, size))
                        return false;
        return true;
}

static int read_file(struct keys *k, const char *path, bool is_fixed, char *wrong, size_t size) {
        char *text, why[160] = "";
        int r = read_text(path, &text);

        if (r < 0 || !text)
                return r;
        cJSON *json = json_read(text, strlen(text), NULL);
        free(text);
        if (!json)
                (void) snprintf(why, sizeof why, "it is no JSON");
        if (!json || !take_all(k, json, is_fixed, why, sizeof why)) {
                (void) snprintf(wrong, size, "%s: %s", path, why);
                r = -EINVAL;
        }
        cJSON_Delete(json);
        return r;
}

int keys_open(const char *path, const char *credential, struct keys **ret, char *wrong, size_t wrong_size) {
        struct keys *k = calloc(1, sizeof *k);

        if (!k)
                return -ENOMEM;
        int r = credential ? read_file(k, credential, true, wrong, wrong_size) : 0;
        if (r == 0 && path)
                r = read_file(k, path, false, wrong, wrong_size);
        if (r < 0)
                keys_free(k);
        else
                *ret = k;
        return r;
}

/* --- what is written, and shown --- */

static void add_limits(cJSON *json, const struct key *key) {
        cJSON *allow = key->allow_count ? cJSON_AddArrayToObject(json, "allow") : NULL;

        for (uint32_t i = 0; allow && i < key->allow_count; i++)
                cJSON_AddItemToArray(allow, cJSON_CreateString(key->allow[i]));
        if (key->class != REQUEST_CLASS_OF_MODEL)
                cJSON_AddStringToObject(json, "class", key->class == REQUEST_BATCH ? "batch" : "interactive");
        if (*key->rate)
                cJSON_AddStringToObject(json, "rate", key->rate);
        if (*key->token_rate)
                cJSON_AddStringToObject(json, "tokens", key->token_rate);
        if (key->concurrent_max)
                cJSON_AddNumberToObject(json, "concurrent", key->concurrent_max);
}

static cJSON *describe(const struct key *key) {
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "name", key->name);
        cJSON_AddNumberToObject(json, "created", (double) key->created_s);
        add_limits(json, key);
        return json;
}

char *keys_text(const struct keys *k) {
        cJSON *json = cJSON_CreateObject(), *list;
        char hex[2 * KEY_HASH_BYTES + 1];

        cJSON_AddNumberToObject(json, "version", 1);
        list = cJSON_AddArrayToObject(json, "keys");
        for (uint32_t i = 0; i < k->count; i++) {
                const struct key *key = k->all[i];
                if (!key->is_listed || key->is_fixed)
                        continue;
                for (unsigned b = 0; b < KEY_HASH_BYTES; b++)
                        (void) snprintf(hex + 2 * b, 3, "%02x", key->hash[b]);
                cJSON *one = describe(key);
                cJSON_AddStringToObject(one, "hash", hex);
                cJSON_AddItemToArray(list, one);
        }
        char *text = cJSON_Print(json);
        cJSON_Delete(json);
        return text;
}

cJSON *keys_json(const struct keys *k) {
        cJSON *list = cJSON_CreateArray();

        for (uint32_t i = 0; i < k->count; i++) {
                const struct key *key = k->all[i];
                if (!key->is_listed)
                        continue;
                cJSON *one = describe(key);
                cJSON_AddNumberToObject(one, "running", key->running);
                cJSON_AddNumberToObject(one, "requests", (double) key->requests_taken);
                cJSON_AddNumberToObject(one, "tokens_used", (double) key->tokens_taken);
                if (key->used_s)
                        cJSON_AddNumberToObject(one, "used", (double) key->used_s);
                cJSON_AddItemToArray(list, one);
        }
        return list;
}

int keys_write(const char *path, const char *text) {
        char temporary[4096];

        if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int) sizeof temporary)
                return -ENAMETOOLONG;
        auto_close int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        int r = pwrite_all(fd, text, strlen(text), 0);
        if (r == 0 && (fsync(fd) < 0 || rename(temporary, path) < 0))
                r = -errno;
        if (r < 0)
                (void) unlink(temporary);
        return r;
}
