/* json_get.c - see json_get.h. */
#include "engine/base/json_get.h"

#include <math.h>

const cJSON *json_get(const cJSON *object, const char *name) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        return cJSON_IsNull(item) ? NULL : item;
}

bool json_get_count(const cJSON *object, const char *name, double most, uint64_t *ret) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= most))
                return false;
        *ret = (uint64_t) item->valuedouble;
        return true;
}

uint32_t json_get_clamped(const cJSON *object, const char *name, uint32_t least, uint32_t most) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= least))
                return least;
        return item->valuedouble > most ? most : (uint32_t) item->valuedouble;
}

double json_get_finite(const cJSON *object, const char *name, double least) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        return cJSON_IsNumber(item) && isfinite(item->valuedouble) && item->valuedouble >= least ? item->valuedouble : 0;
}

bool json_is_whole(const cJSON *item, double least, double most) {
        return cJSON_IsNumber(item) && item->valuedouble >= least && item->valuedouble <= most &&
               floor(item->valuedouble) == item->valuedouble;
}
