/*
 * footprints.c - a small table of learned corrections, and its file.
 *
 *      {"version":1,"models":{"qwen3-8b":{"file":"1f00...","learned":1042,"load_ms":4100,"service_ms":9000,"predicted_bytes":...,"peak_bytes":...}}}
 */
#include "daemon/models/footprints.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "engine/base/cleanup.h"
#include "engine/base/file_io.h"
#include "engine/base/text_file.h"
#include "daemon/system/log.h"
#include "policy/base/bounds.h"

struct footprints {
        uv_loop_t *loop;
        char *path;    /* NULL: no state directory */
        cJSON *models; /* object by model id */
        uv_work_t work;
        bool saving, again;
        bool complained; /* one line about a directory that cannot be written, not one per save */
        char *text;      /* being saved */
        int result;      /* of the save */
        void (*on_saved)(void *user);
        void *user;
};

/* The `models` object of the file, or NULL when it is not what we wrote. */
static cJSON *parse(const char *text) {
        cJSON *whole = cJSON_Parse(text);
        const cJSON *version = cJSON_GetObjectItemCaseSensitive(whole, "version");
        cJSON *models = NULL;
        if (cJSON_IsNumber(version) && version->valueint == 1)
                models = cJSON_DetachItemFromObjectCaseSensitive(whole, "models");
        if (!cJSON_IsObject(models)) {
                cJSON_Delete(models);
                models = NULL;
        }
        cJSON_Delete(whole);
        return models;
}

static void load(struct footprints *f) {
        struct text text;
        int error = text_file_read(f->path, FOOTPRINTS_BYTES_MAX, &text);
        if (error == -ENOENT)
                return;
        cJSON *models = error == 0 ? parse(text.bytes) : NULL;
        text_done(&text);
        if (models) {
                cJSON_Delete(f->models);
                f->models = models;
                return;
        }
        if (error < 0 && error != -EFBIG && error != -EISDIR) {
                log_warning("footprints_unreadable", LOG_TEXT("path", f->path), LOG_TEXT("error", strerror(-error)));
                return;
        }
        char aside[PATH_MAX];
        (void) snprintf(aside, sizeof(aside), "%s.damaged", f->path);
        int r = rename(f->path, aside) < 0 ? errno : 0;
        log_warning("footprints_damaged", LOG_TEXT("path", f->path), LOG_TEXT("moved_to", r == 0 ? aside : NULL),
                    LOG_TEXT("error", r == 0 ? "the file is damaged" : strerror(r)),
                    LOG_TEXT("effect", "the learned footprints are lost; learning begins anew"));
}

int footprints_new(uv_loop_t *loop, const char *state_dir, struct footprints **ret) {
        struct footprints *f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        f->loop = loop;
        f->work.data = f;
        f->models = cJSON_CreateObject();
        if (state_dir && *state_dir && asprintf(&f->path, "%s/footprints.json", state_dir) < 0)
                f->path = NULL;
        if (!f->models || (state_dir && *state_dir && !f->path)) {
                footprints_free(f);
                return -ENOMEM;
        }
        if (f->path)
                load(f);
        *ret = f;
        return 0;
}

void footprints_free(struct footprints *f) {
        if (!f)
                return;
        cJSON_Delete(f->models);
        free(f->path);
        free(f->text);
        free(f);
}

bool footprints_busy(const struct footprints *f) {
        return f->saving;
}

void footprints_on_saved(struct footprints *f, void (*on_saved)(void *user), void *user) {
        f->on_saved = on_saved;
        f->user = user;
}

void footprints_prune(struct footprints *f, bool (*is_known)(const void *user, const char *id), const void *user) {
        cJSON *next;
        for (cJSON *entry = f->models->child; entry; entry = next) {
                next = entry->next;
                if (!entry->string || !is_known(user, entry->string))
                        cJSON_Delete(cJSON_DetachItemViaPointer(f->models, entry));
        }
}

static void key_text(uint64_t file_key, char out[24]) {
        (void) snprintf(out, 24, "%016" PRIx64, file_key);
}

/* OTHERWISE where it is missing or damaged. */
static uint64_t number_of(const cJSON *entry, const char *name, double min, double max, uint64_t otherwise) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(entry, name);
        bool is_sane = cJSON_IsNumber(value) && value->valuedouble >= min && value->valuedouble <= max;
        return is_sane ? (uint64_t) value->valuedouble : otherwise;
}

struct footprint_record footprints_learned(const struct footprints *f, const char *model, uint64_t file_key) {
        const cJSON *entry = cJSON_GetObjectItemCaseSensitive(f->models, model);
        const char *file = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "file"));
        char expected[24];
        key_text(file_key, expected);
        if (!file || strcmp(file, expected) != 0)
                return (struct footprint_record){ .learned = LEARNED_NEUTRAL };
        return (struct footprint_record){
                .learned = (uint32_t) number_of(entry, "learned", LEARNED_MIN, LEARNED_MAX, LEARNED_NEUTRAL),
                .load_ms = number_of(entry, "load_ms", 0, FOOTPRINTS_TIME_MAX_MS, 0),
                .service_ms = number_of(entry, "service_ms", 0, FOOTPRINTS_TIME_MAX_MS, 0),
        };
}

/* --- saving, on a thread of the pool: touches f->path, f->text and f->result only --- */

static int sync_directory_of(const char *path) {
        char directory[PATH_MAX];
        (void) snprintf(directory, sizeof(directory), "%s", path);
        char *slash = strrchr(directory, '/');
        if (slash)
                *slash = '\0';
        auto_close int fd = open(slash && directory[0] ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static void save(uv_work_t *work) {
        struct footprints *f = work->data;
        char temporary[PATH_MAX];
        (void) snprintf(temporary, sizeof(temporary), "%s.new", f->path);
        int r;
        {
                auto_close int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
                r = fd < 0 ? -errno : pwrite_all(fd, f->text, strlen(f->text), 0);
                if (r == 0 && fsync(fd) < 0)
                        r = -errno;
        }
        if (r == 0 && rename(temporary, f->path) < 0)
                r = -errno;
        if (r == 0)
                r = sync_directory_of(f->path);
        else
                (void) unlink(temporary);
        f->result = r;
}

static void start_saving(struct footprints *f);

static void on_save_done(uv_work_t *work, int status) {
        struct footprints *f = work->data;
        (void) status;
        f->saving = false;
        free(f->text);
        f->text = NULL;
        if (f->result < 0 && !f->complained) {
                f->complained = true;
                log_warning("footprints_not_saved", LOG_TEXT("path", f->path), LOG_TEXT("error", strerror(-f->result)),
                            LOG_TEXT("effect", "predictions are learned anew after a restart"));
        }
        if (f->again) {
                f->again = false;
                start_saving(f);
        }
        if (!f->saving && f->on_saved)
                f->on_saved(f->user);
}

static void start_saving(struct footprints *f) {
        if (f->saving) {
                f->again = true;
                return;
        }
        cJSON *whole = cJSON_CreateObject();
        if (whole && cJSON_AddNumberToObject(whole, "version", 1) && cJSON_AddItemReferenceToObject(whole, "models", f->models))
                f->text = cJSON_Print(whole);
        cJSON_Delete(whole);
        if (f->text && uv_queue_work(f->loop, &f->work, save, on_save_done) == 0) {
                f->saving = true;
        } else {
                free(f->text);
                f->text = NULL;
        }
}

static cJSON *entry_of(const char *file, const struct footprint_record *record) {
        cJSON *entry = cJSON_CreateObject();
        if (entry && cJSON_AddStringToObject(entry, "file", file) && cJSON_AddNumberToObject(entry, "learned", record->learned) &&
            cJSON_AddNumberToObject(entry, "load_ms", (double) record->load_ms) &&
            cJSON_AddNumberToObject(entry, "service_ms", (double) record->service_ms) &&
            cJSON_AddNumberToObject(entry, "predicted_bytes", (double) record->predicted_bytes) &&
            cJSON_AddNumberToObject(entry, "peak_bytes", (double) record->peak_bytes))
                return entry;
        cJSON_Delete(entry);
        return NULL;
}

void footprints_learn(struct footprints *f, const char *model, uint64_t file_key, const struct footprint_record *record) {
        char file[24];
        key_text(file_key, file);
        cJSON *entry = entry_of(file, record);
        if (!entry)
                return;
        cJSON_DeleteItemFromObjectCaseSensitive(f->models, model);
        (void) cJSON_AddItemToObject(f->models, model, entry);
        if (f->path)
                start_saving(f);
}
