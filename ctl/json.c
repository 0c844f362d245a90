/* json.c - reading the daemon's answers, printing JSON. */
#include "ctl/json.h"

#include <assert.h>
#include <stdlib.h>

const char *json_text(const cJSON *object, const char *key) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
        return cJSON_IsString(value) ? value->valuestring : "";
}

bool json_number(const cJSON *object, const char *key, uint64_t *ret) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
        if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0) || !(value->valuedouble < 0x1p63))
                return false;
        *ret = (uint64_t) value->valuedouble;
        return true;
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

/* The code point of a UTF-8 sequence of printed JSON; what is malformed becomes U+FFFD, one byte at a time. */
static uint32_t next_point(const unsigned char **text) {
        const unsigned char *s = *text;
        int more = s[0] >= 0xf0 && s[0] < 0xf8 ? 3 : s[0] >= 0xe0 && s[0] < 0xf0 ? 2 : s[0] >= 0xc2 && s[0] < 0xe0 ? 1 : 0;
        uint32_t point = s[0] & (0x3fu >> more);
        *text = s + 1;
        if (more == 0)
                return s[0] < 0x80 ? s[0] : 0xfffd;
        for (int i = 1; i <= more; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0xfffd;
                point = point << 6 | (s[i] & 0x3fu);
        }
        static const uint32_t smallest[] = { 0, 0x80, 0x800, 0x10000 };
        if (point < smallest[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
                return 0xfffd;
        *text = s + more + 1;
        return point;
}

void json_print(const cJSON *value, FILE *out) {
        char *printed = cJSON_Print(value);
        assert(printed);
        const unsigned char *s = (const unsigned char *) printed;
        while (*s) {
                /* Inside a string a tab is written \\t: this one is the printer's own. */
                bool follows_colon = s > (const unsigned char *) printed && s[-1] == ':';
                uint32_t point = next_point(&s);
                if (point == '\t')
                        fputs(follows_colon ? " " : "  ", out);
                else if (point < 0x7f)
                        fputc((int) point, out);
                else if (point < 0x10000)
                        fprintf(out, "\\u%04x", point);
                else
                        fprintf(out, "\\u%04x\\u%04x", 0xd7c0 + (point >> 10), 0xdc00 + (point & 0x3ff));
        }
        fputc('\n', out);
        free(printed);
}
