/* perplexity_record.c - see perplexity_record.h. */
#include "engine/model/perplexity_record.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/json_get.h"
#include "engine/base/printable.h"
#include "engine/base/text_file.h"

#define RECORD_BYTES_MAX 65536u /* a record is under 1 KiB */

char *perplexity_record_path(uint64_t identity) {
        const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
        char *path = NULL;
        int n = -1;
        if (state && *state == '/')
                n = asprintf(&path, "%s/headroom/perplexity/%016" PRIx64 ".json", state, identity);
        else if (home && *home == '/')
                n = asprintf(&path, "%s/.local/state/headroom/perplexity/%016" PRIx64 ".json", home, identity);
        return n < 0 ? NULL : path;
}

/* ---- saving ---- */

static cJSON *kv_object(const struct perplexity_of_kv *k) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "perplexity", k->perplexity);
        cJSON_AddNumberToObject(o, "perplexity_error", k->error);
        if (k->compared) {
                cJSON_AddNumberToObject(o, "difference", k->difference);
                cJSON_AddNumberToObject(o, "difference_error", k->difference_error);
        }
        return o;
}

static char *record_text(const struct perplexity_record *r) {
        cJSON *o = cJSON_CreateObject(), *kv;
        cJSON_AddStringToObject(o, "text", r->text);
        cJSON_AddStringToObject(o, "measured", r->measured);
        cJSON_AddNumberToObject(o, "tokens", (double) r->tokens);
        cJSON_AddNumberToObject(o, "counted", (double) r->counted);
        cJSON_AddNumberToObject(o, "context", r->context);
        kv = cJSON_AddObjectToObject(o, "kv");
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++)
                if (r->kv[type].known)
                        cJSON_AddItemToObject(kv, kv_type_name((enum kv_type) type), kv_object(&r->kv[type]));
        char *text = cJSON_Print(o);
        cJSON_Delete(o);
        return text;
}

/* Each folder above PATH that is not there yet. PATH is given back as it was. */
static int make_folders(char *path) {
        for (char *slash = path + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
                *slash = '\0';
                int r = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
                if (r < 0) {
                        *slash = '/';
                        return r;
                }
        }
        return 0;
}

static int write_file(const char *path, const char *text) {
        FILE *f = fopen(path, "wxe");
        if (!f)
                return -errno;
        bool good = fputs(text, f) >= 0 && fputc('\n', f) != EOF && fflush(f) == 0 && fsync(fileno(f)) == 0;
        int error = errno;
        good = fclose(f) == 0 && good;
        return good ? 0 : -error;
}

int perplexity_record_save(uint64_t identity, const struct perplexity_record *r) {
        char *path = perplexity_record_path(identity), *text = record_text(r), *new = NULL;
        int result = path ? 0 : -ENOTDIR;
        if (result == 0 && (!text || asprintf(&new, "%s.%d", path, (int) getpid()) < 0)) {
                new = NULL;
                result = -ENOMEM;
        }
        if (result == 0)
                result = make_folders(path);
        if (result == 0) {
                result = write_file(new, text);
                if (result == 0 && rename(new, path) < 0)
                        result = -errno;
                if (result < 0)
                        (void) unlink(new);
        }
        free(new);
        free(text);
        free(path);
        return result;
}

/* ---- loading ---- */

static double number_in(const cJSON *o, const char *name) {
        return json_get_finite(o, name, -DBL_MAX);
}

static void copy_text(char *out, size_t size, const cJSON *o, const char *name) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
        (void) printable_copy(out, size, text ? text : "", text ? strlen(text) : 0);
}

static uint64_t count_in(const cJSON *o, const char *name) {
        uint64_t count = 0;
        (void) json_get_count(o, name, 0x1p53, &count);
        return count;
}

static int take_record(const cJSON *o, struct perplexity_record *ret) {
        struct perplexity_record r = { .tokens = count_in(o, "tokens"), .counted = count_in(o, "counted") };
        uint64_t context = count_in(o, "context");
        const cJSON *kv = cJSON_GetObjectItemCaseSensitive(o, "kv");
        bool any = false;
        copy_text(r.text, sizeof(r.text), o, "text");
        copy_text(r.measured, sizeof(r.measured), o, "measured");
        r.context = context <= UINT32_MAX ? (uint32_t) context : 0;
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                const cJSON *one = cJSON_GetObjectItemCaseSensitive(kv, kv_type_name((enum kv_type) type));
                struct perplexity_of_kv *k = &r.kv[type];
                k->perplexity = number_in(one, "perplexity");
                k->error = number_in(one, "perplexity_error");
                k->known = k->perplexity > 0;
                k->compared = cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(one, "difference"));
                k->difference = number_in(one, "difference");
                k->difference_error = number_in(one, "difference_error");
                any |= k->known;
        }
        if (!any || r.counted == 0)
                return -EBADMSG;
        *ret = r;
        return 0;
}

int perplexity_record_load(uint64_t identity, struct perplexity_record *ret) {
        char *path = perplexity_record_path(identity);
        struct text text = { 0 };
        if (!path)
                return -ENOENT;
        int r = text_file_read(path, RECORD_BYTES_MAX, &text);
        free(path);
        if (r < 0)
                return r;
        cJSON *o = cJSON_ParseWithLength(text.bytes, text.used);
        text_done(&text);
        r = take_record(o, ret);
        cJSON_Delete(o);
        return r;
}
