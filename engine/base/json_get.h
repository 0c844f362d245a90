/*
 * json_get.h - fields of objects that others wrote: of any type, out of any range, or not there. An object that is NULL,
 * or none, has no fields. Readers of JSON take a number that is too large for infinity.
 */
#ifndef HEADROOM_ENGINE_BASE_JSON_GET_H
#define HEADROOM_ENGINE_BASE_JSON_GET_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

/* NULL where the field is absent or null: client libraries send both for the same. */
const cJSON *json_get(const cJSON *object, const char *name);
/* False and *ret as it was: it is no number in 0 .. most. A fraction is cut off. MOST is at most 2^63. */
bool json_get_count(const cJSON *object, const char *name, double most, uint64_t *ret);
/* A number below LEAST, or none, counts as LEAST, one above MOST as MOST. A fraction is cut off. */
uint32_t json_get_clamped(const cJSON *object, const char *name, uint32_t least, uint32_t most);
/* 0 where it is no finite number, or below LEAST. */
double json_get_finite(const cJSON *object, const char *name, double least);
/* Whether it is a number in least .. most without a fraction; infinity is one, where MOST allows it. */
bool json_is_whole(const cJSON *item, double least, double most);

#endif
