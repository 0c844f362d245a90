/* json.h - reading the daemon's answers without trusting their types, and printing JSON that any terminal survives. */
#ifndef HEADROOM_CTL_OUTPUT_JSON_H
#define HEADROOM_CTL_OUTPUT_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Text of KEY; "" when it is absent or no string. */
const char *json_text(const cJSON *object, const char *key);
/* Number of KEY; false when it is absent, null, negative or no number. */
bool json_number(const cJSON *object, const char *key, uint64_t *ret);
/* The same, 0 when it does not apply. */
uint64_t json_count(const cJSON *object, const char *key);
bool json_is_true(const cJSON *object, const char *key);
/* Array of KEY; an empty one (NULL, which cJSON_ArrayForEach accepts) when it is absent. */
const cJSON *json_array(const cJSON *object, const char *key);

/* Indented, pure ASCII (everything else as \uNNNN), with a final newline. */
void json_print(const cJSON *value, FILE *out);
/* The same on one line, and no newline after it. */
void json_print_compact(const cJSON *value, FILE *out);

#endif
