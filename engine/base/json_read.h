/*
 * json_read.h - JSON that others wrote, to a tree and back. Two escapes that JSON allows and cJSON does not take are taken: half of a
 * surrogate pair, as a text has that was cut by UTF-16 units, counts as U+FFFD; a NUL, which would end cJSON's texts, stands in
 * them as JSON_NUL, two bytes that are in no UTF-8.
 */
#ifndef HEADROOM_ENGINE_BASE_JSON_READ_H
#define HEADROOM_ENGINE_BASE_JSON_READ_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_NUL "\xc0\x80"

/* NULL: no JSON, or no memory. *ret_at, where wanted: how far TEXT was read; what stands behind a value is not looked at. */
cJSON *json_read(const char *text, size_t length, size_t *ret_at);

/* Without white space; the caller frees it. NULL: no memory. */
char *json_write(const cJSON *json);

/* Puts the NULs of a tree's text back, in place; returns its length. */
bool json_has_nul(const char *text);
size_t json_restore_nuls(char *text, size_t length);

#endif
