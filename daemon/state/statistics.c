/* statistics.c - see statistics.h. Each number is a row: its name, its place, the most it can be. */
#include "daemon/state/statistics.h"

#include <stddef.h>
#include <string.h>

#include "engine/base/json_get.h"

#define WHOLE_MAX 0x1p53 /* JSON numbers are exact up to here */
#define RATE_MAX  1e9    /* tokens a second; no machine makes a millionth of them */

enum width { WIDTH_32, WIDTH_64, WIDTH_RATE };

#define U32(name, member) \
        { name, offsetof(struct engine_report, member), WIDTH_32 }
#define U64(name, member) \
        { name, offsetof(struct engine_report, member), WIDTH_64 }
#define RATE(name, member) \
        { name, offsetof(struct engine_report, member), WIDTH_RATE }

/* clang-format off */
static const struct number {
        const char *name;
        size_t place;
        enum width width;
} numbers[] = {
        U32("requests_running", requests_running),
        U32("requests_waiting", requests_waiting),
        U32("kv_blocks_used", kv_blocks_used),
        U32("kv_blocks_max", kv_blocks_max),
        U64("kv_bytes_used", kv_bytes_used),
        U32("kv_tokens", kv_tokens),
        U32("kv_tokens_held", kv_tokens_held),
        U32("kv_tokens_needed", kv_tokens_needed),
        U32("kv_tokens_wanted", kv_tokens_wanted),
        U64("tokens_prefilled", tokens_prefilled),
        U64("tokens_decoded", tokens_decoded),
        U64("tokens_proposed", tokens_proposed),
        U64("tokens_accepted", tokens_accepted),
        U64("made_room", made_room),
        RATE("decode_tokens_per_second", decode_tokens_per_second),
        RATE("decode_tokens_per_second_usual", decode_tokens_per_second_usual),
        U64("prefix_bytes", prefix_bytes),
        U32("context", context),
        U32("prefill_chunk", prefill_chunk),
        U32("duty", duty_permille),
        U32("threads", threads),
};
/* clang-format on */

/* 0 where it is absent. False: it is no number in 0 .. MAX, or not whole where it must be. */
static bool number_in(const cJSON *object, const char *name, double max, bool whole, double *ret) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        *ret = 0;
        if (!item)
                return true;
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= max) ||
            (whole && !json_is_whole(item, 0, max)))
                return false;
        *ret = item->valuedouble;
        return true;
}

static bool bytes_in(const cJSON *object, const char *name, uint64_t *ret) {
        double value;
        bool good = number_in(object, name, WHOLE_MAX, true, &value);
        *ret = good ? (uint64_t) value : 0;
        return good;
}

static bool take_number(const cJSON *frame, const struct number *n, struct engine_report *r) {
        static const double most[] = { [WIDTH_32] = UINT32_MAX, [WIDTH_64] = WHOLE_MAX, [WIDTH_RATE] = RATE_MAX };
        double value;
        if (!number_in(frame, n->name, most[n->width], n->width != WIDTH_RATE, &value))
                return false;
        char *place = (char *) r + n->place;
        uint32_t narrow = n->width == WIDTH_32 ? (uint32_t) value : 0;
        uint64_t wide = n->width == WIDTH_64 ? (uint64_t) value : 0;
        if (n->width == WIDTH_32)
                memcpy(place, &narrow, sizeof(narrow));
        else if (n->width == WIDTH_64)
                memcpy(place, &wide, sizeof(wide));
        else
                memcpy(place, &value, sizeof(value));
        return true;
}

static bool take_precisions(const cJSON *frame, struct engine_report *r) {
        const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(frame, "kv_bytes");
        const cJSON *kv = cJSON_GetObjectItemCaseSensitive(frame, "kv");
        const cJSON *converting = cJSON_GetObjectItemCaseSensitive(frame, "converting");
        if ((bytes && !cJSON_IsObject(bytes)) || (kv && !cJSON_IsString(kv)) || (converting && !cJSON_IsBool(converting)))
                return false;
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++)
                if (!bytes_in(bytes, kv_type_name((enum kv_type) type), &r->kv_bytes[type]))
                        return false;
        r->converting = cJSON_IsTrue(converting);
        r->kv_told = kv != NULL;
        return !kv || kv_type_by_name(kv->valuestring, &r->kv) == 0;
}

/* An array of objects with an id and SIZE bytes. */
static bool take_list(const cJSON *frame, const char *name, const char *size, uint32_t max, struct engine_request_report list[],
                      uint32_t *ret_count) {
        const cJSON *array = cJSON_GetObjectItemCaseSensitive(frame, name), *item;
        if (array && !cJSON_IsArray(array))
                return false;
        cJSON_ArrayForEach(item, array) {
                struct engine_request_report one;
                if (*ret_count == max || !bytes_in(item, "id", &one.id) || one.id == 0 || !bytes_in(item, size, &one.bytes))
                        return false;
                list[(*ret_count)++] = one;
        }
        return true;
}

bool engine_report_read(const cJSON *frame, struct engine_report *ret) {
        struct engine_report r = { 0 };
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                if (!take_number(frame, &numbers[i], &r))
                        return false;
        if (!take_precisions(frame, &r) ||
            !take_list(frame, "requests", "kv_bytes", WIRE_PARALLEL_MAX, r.requests, &r.requests_count) ||
            !take_list(frame, "suspended", "bytes", WIRE_SUSPENDED_MAX, r.suspended, &r.suspended_count))
                return false;
        *ret = r;
        return true;
}
