/* json.c - reading the daemon's answers, printing JSON. */
#include "ctl/output/json.h"

#include <assert.h>
#include <stdlib.h>

#include "ctl/output/utf8.h"
#include "engine/base/json_get.h"

const char *json_text(const cJSON *object, const char *key) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
        return cJSON_IsString(value) ? value->valuestring : "";
}

bool json_number(const cJSON *object, const char *key, uint64_t *ret) {
        return json_get_count(object, key, 0x1.fffffffffffffp62, ret);
}

uint64_t json_count(const cJSON *object, const char *key) {
        uint64_t value = 0;
        (void) json_number(object, key, &value);
        return value;
}

bool json_is_true(const cJSON *object, const char *key) {
        return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

const cJSON *json_array(const cJSON *object, const char *key) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
        return cJSON_IsArray(value) ? value : NULL;
}

/* Outside of strings the printer writes tabs, one after each colon and one per level of indentation; inside it writes \\t. */
static void print_tab(const char *printed, const char *tab, FILE *out) {
        fputs(tab > printed && tab[-1] == ':' ? " " : "  ", out);
}

/* Prints the output of cJSON as ASCII, and frees it. */
static void print_ascii(char *printed, FILE *out) {
        assert(printed);
        for (const char *s = printed; *s;) {
                uint32_t point;
                size_t length = utf8_decode(s, &point);
                if (length == 0)
                        point = 0xfffd; /* one byte that belongs to no character */
                if (point == '\t')
                        print_tab(printed, s, out);
                else if (point < 0x7f)
                        fputc((int) point, out);
                else if (point < 0x10000)
                        fprintf(out, "\\u%04x", point);
                else
                        fprintf(out, "\\u%04x\\u%04x", 0xd7c0 + (point >> 10), 0xdc00 + (point & 0x3ff));
                s += length ? length : 1;
        }
        free(printed);
}

void json_print(const cJSON *value, FILE *out) {
        print_ascii(cJSON_Print(value), out);
        fputc('\n', out);
}

void json_print_compact(const cJSON *value, FILE *out) {
        print_ascii(cJSON_PrintUnformatted(value), out);
}
