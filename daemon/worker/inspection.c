/* inspection.c - one `headroom-engine inspect` child: its output gathered, its time limited, its answer checked. */
#include "daemon/worker/inspection.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/system/argv.h"
#include "daemon/base/bounds.h"
#include "daemon/system/child.h"
#include "daemon/base/meminfo.h"
#include "engine/base/json_get.h"
#include "engine/base/strbuf.h"

struct inspection {
        struct child *child;
        uv_timer_t timer;
        inspection_done *on_done;
        void *user;
        bool too_much, too_slow;
        size_t used;
        char output[INSPECT_OUTPUT_MAX];
};

/* Beyond 2^60 nothing is a size of memory any more. */
static bool whole(const cJSON *object, const char *key, uint64_t *ret) {
        return json_get_count(object, key, 0x1p60, ret);
}

static void text_of(const cJSON *object, const char *key, char *out, size_t size) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
        (void) snprintf(out, size, "%s", text ? text : "");
        text_repair(out);
}

static uint32_t number_of(const cJSON *object, const char *key) {
        uint64_t number = 0;
        return whole(object, key, &number) && number < UINT32_MAX ? (uint32_t) number : 0;
}

static bool flag_of(const cJSON *object, const char *key) {
        return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static void parse_facts(const cJSON *object, struct inspected *ret) {
        const char *pooling = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "pooling"));
        text_of(object, "name", ret->name, sizeof(ret->name));
        text_of(object, "architecture", ret->architecture, sizeof(ret->architecture));
        text_of(object, "quantization", ret->quantization, sizeof(ret->quantization));
        (void) whole(object, "parameters", &ret->parameters);
        ret->n_vocab = number_of(object, "n_vocab");
        ret->n_layer = number_of(object, "n_layer");
        ret->n_embd = number_of(object, "n_embd");
        ret->n_head = number_of(object, "n_head");
        ret->n_head_kv = number_of(object, "n_head_kv");
        ret->makes_text = flag_of(object, "makes_text");
        ret->ranks = pooling && !strcmp(pooling, "rank");
        ret->embeds = !ret->ranks && (!ret->makes_text || (pooling && strcmp(pooling, "none") != 0));
        ret->takes_tools = ret->makes_text && flag_of(object, "takes_tools");
        ret->reasons = ret->makes_text && flag_of(object, "reasons");
        ret->fills_gaps = ret->makes_text && flag_of(object, "fills_gaps");
}

static bool parse_sizes(const cJSON *object, struct inspected *ret) {
        uint64_t n_ctx_train;
        if (!whole(object, "weights_bytes", &ret->weights_bytes) || !whole(object, "scratch_bytes", &ret->scratch_bytes) ||
            !whole(object, "overhead_bytes", &ret->overhead_bytes) || !whole(object, "n_ctx_train", &n_ctx_train))
                return false;
        ret->n_ctx_train = n_ctx_train > UINT32_MAX ? UINT32_MAX : (uint32_t) n_ctx_train;
        const cJSON *kv = cJSON_GetObjectItemCaseSensitive(object, "kv_bytes_per_token");
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                const char *name = kv_type_name((enum kv_type) type);
                if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(kv, name)))
                        ret->kv_bytes_per_token[type] = 0; /* this precision cannot hold the model's heads */
                else if (!whole(kv, name, &ret->kv_bytes_per_token[type]))
                        return false;
        }
        return ret->weights_bytes > 0;
}

int inspection_parse(const char *text, size_t length, struct inspected *ret, char *reterr, size_t reterr_size) {
        cJSON *object = cJSON_ParseWithLength(text, length);
        struct inspected result = { 0 };
        int r = -EBADMSG;
        const char *no_model = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "no_model"));
        const char *unsupported = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "unsupported"));
        if (!cJSON_IsObject(object)) {
                (void) snprintf(reterr, reterr_size, "headroom-engine inspect printed something that is not a summary");
        } else if (no_model && *no_model) {
                (void) snprintf(reterr, reterr_size, "it is %s", no_model);
                text_repair(reterr);
                r = -ENOEXEC;
        } else if (unsupported && *unsupported) {
                (void) snprintf(reterr, reterr_size, "%s", unsupported);
        } else if (!parse_sizes(object, &result)) {
                (void) snprintf(reterr, reterr_size, "headroom-engine inspect left out a size, or printed an absurd one");
        } else {
                parse_facts(object, &result);
                *ret = result;
                r = 0;
        }
        cJSON_Delete(object);
        return r;
}

static void on_bytes(void *user, const uint8_t *bytes, size_t count) {
        struct inspection *i = user;
        if (count > sizeof(i->output) - i->used) {
                i->too_much = true;
                child_kill(i->child);
                return;
        }
        memcpy(i->output + i->used, bytes, count);
        i->used += count;
}

static void on_timer(uv_timer_t *timer) {
        struct inspection *i = timer->data;
        i->too_slow = true;
        child_kill(i->child);
}

static void on_timer_closed(uv_handle_t *handle) {
        free(handle->data);
}

/* The last line that a failing program printed is its reason; our own name before it says nothing new. */
static void sentence_from_words(const char *words, char *out, size_t size) {
        size_t end = strlen(words);
        while (end > 0 && words[end - 1] == '\n')
                end--;
        size_t start = end;
        while (start > 0 && words[start - 1] != '\n')
                start--;
        (void) snprintf(out, size, "%.*s", (int) (end - start), words + start);
        static const char prefix[] = "headroom-engine inspect: ";
        if (!strncmp(out, prefix, sizeof(prefix) - 1))
                memmove(out, out + sizeof(prefix) - 1, strlen(out) - (sizeof(prefix) - 1) + 1);
}

static enum inspection_end end_of(int result) {
        return result == 0 ? INSPECTION_WELL : result == -ENOEXEC ? INSPECTION_NO_MODEL : INSPECTION_BAD_FILE;
}

static void on_child_exit(void *user, struct child_exit exit) {
        struct inspection *i = user;
        char sentence[400] = "", words[64];
        struct inspected result;
        enum inspection_end end = INSPECTION_BAD_FILE;
        child_exit_words(exit, words, sizeof(words));
        if (i->too_slow)
                (void) snprintf(sentence, sizeof(sentence), "reading the headers of the model file took longer than %d s",
                                INSPECT_TIMEOUT_MS / 1000);
        else if (i->too_much)
                (void) snprintf(sentence, sizeof(sentence), "headroom-engine inspect printed too much");
        else if (words[0] == '\0')
                end = end_of(inspection_parse(i->output, i->used, &result, sentence, sizeof(sentence)));
        else
                sentence_from_words(child_last_words(i->child), sentence, sizeof(sentence));
        if (end != INSPECTION_WELL && sentence[0] == '\0')
                (void) snprintf(sentence, sizeof(sentence), "headroom-engine inspect ended: %s", words);
        if (exit.signal != 0 || i->too_much || i->too_slow)
                end = INSPECTION_FAILED;
        i->on_done(i->user, end, end == INSPECTION_WELL ? &result : NULL, sentence);
        uv_close((uv_handle_t *) &i->timer, on_timer_closed);
}

/* All words but those for the parts of the model. */
#define ARGUMENTS_FIXED 16

static void fill_arguments(struct arguments *a, const struct inspection_request *request) {
        static const char *const fixed[] = { "headroom-engine", "inspect", "--json", "--summary" };
        for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
                arguments_add(a, fixed[i]);
        if (request->threads > 0)
                arguments_add_number(a, "--threads", request->threads);
        if (request->parallel > 0)
                arguments_add_number(a, "--parallel", request->parallel);
        arguments_add(a, "--speculate");
        arguments_add(a, speculate_name(request->speculate));
        for (uint32_t i = 0; i < request->fds_count; i++)
                arguments_add_number(a, "--fd", CHILD_FDS_FIRST + i);
}

static int start_child(uv_loop_t *loop, const struct inspection_request *request, struct inspection *i) {
        static const struct child_events events = { .on_bytes = on_bytes, .on_exit = on_child_exit };
        struct arguments a;
        int r = arguments_init(&a, ARGUMENTS_FIXED + 2 * (size_t) request->fds_count);
        if (r < 0)
                return r;
        fill_arguments(&a, request);
        struct child_spec spec = {
                .path = request->engine_path,
                .arguments = a.all,
                .channel = CHILD_CHANNEL_STDOUT,
                .fds = request->fds,
                .fds_count = request->fds_count,
                .cgroup_fd = -1, /* the child maps headers only, for a moment */
        };
        r = child_start(loop, &spec, &events, i, &i->child);
        arguments_done(&a);
        return r;
}

int inspection_start(uv_loop_t *loop, const struct inspection_request *request, inspection_done *on_done, void *user,
                     struct inspection **ret) {
        struct inspection *i = calloc(1, sizeof(*i));
        if (!i)
                return -ENOMEM;
        i->on_done = on_done;
        i->user = user;
        int r = start_child(loop, request, i);
        if (r < 0) {
                free(i);
                return r;
        }
        (void) uv_timer_init(loop, &i->timer);
        i->timer.data = i;
        (void) memory_set_oom_score(CHILDREN_PROC, child_pid(i->child), ENGINE_OOM_SCORE);
        (void) uv_timer_start(&i->timer, on_timer, INSPECT_TIMEOUT_MS, 0);
        *ret = i;
        return 0;
}

void inspection_end(struct inspection *i) {
        child_kill(i->child);
}
