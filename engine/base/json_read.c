/* json_read.c - see json_read.h. What has to be changed is changed in a copy: most texts need none. */
#include "engine/base/json_read.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/json_walk.h"

#define ESCAPE_BYTES 6u /* \u and four digits */
#define REPLACEMENT  "\\ufffd"

/* How the escape at P, of *ret_count bytes, is to be written instead; NULL: as it is. */
static const char *mended_escape(const char *p, const char *end, size_t *ret_count) {
        int unit = json_code_unit(p, end);
        bool is_pair = json_is_high(unit) && json_is_low(json_code_unit(p + ESCAPE_BYTES, end));
        *ret_count = unit >= 0 ? ESCAPE_BYTES * (is_pair ? 2 : 1) : end - p > 1 ? 2 : 1;
        if (unit == 0)
                return JSON_NUL;
        return !is_pair && (json_is_high(unit) || json_is_low(unit)) ? REPLACEMENT : NULL;
}

/* The first escape from P on that is to be written otherwise, or END. */
static const char *find_mended(const char *p, const char *end, const char **ret_mended, size_t *ret_count) {
        while (p < end && (p = memchr(p, '\\', (size_t) (end - p)))) {
                if ((*ret_mended = mended_escape(p, end, ret_count)))
                        return p;
                p += *ret_count;
        }
        return end;
}

/* A copy of TEXT without what cJSON does not take; *length becomes its own. NULL: no memory. */
static char *mend(const char *text, size_t *length) {
        char *copy = malloc(*length + 1), *out = copy; /* nothing becomes longer */
        const char *end = text + *length, *mended;
        while (copy && text < end) {
                size_t count = 0;
                const char *stop = find_mended(text, end, &mended, &count);
                out = mempcpy(out, text, (size_t) (stop - text));
                if (stop < end)
                        out = stpcpy(out, mended);
                text = stop + count;
        }
        *length = (size_t) (out - copy);
        return copy;
}

/* Where byte AT of the mended text stood. */
static size_t place_before(const char *mended, size_t at) {
        size_t before = at;
        for (size_t i = 0; i + 1 < at; i++)
                before += memcmp(mended + i, JSON_NUL, 2) ? 0 : ESCAPE_BYTES - 2;
        return before;
}

cJSON *json_read(const char *text, size_t length, size_t *ret_at) {
        const char *unused, *end = NULL;
        size_t count;
        char *copy = NULL;
        if (find_mended(text, text + length, &unused, &count) < text + length && !(copy = mend(text, &length)))
                return NULL;
        const char *read = copy ? copy : text;
        cJSON *json = cJSON_ParseWithLengthOpts(read, length, &end, false);
        if (ret_at)
                *ret_at = !end ? 0 : copy ? place_before(copy, (size_t) (end - copy)) : (size_t) (end - text);
        free(copy);
        return json;
}

/* TEXT, which is freed, with NULs escaped. */
static char *escape_nuls(char *text) {
        size_t nuls = 0;
        for (const char *p = text; (p = strstr(p, JSON_NUL)); p += strlen(JSON_NUL))
                nuls++;
        char *escaped = malloc(strlen(text) + nuls * ESCAPE_BYTES + 1), *out = escaped;
        for (char *p = text, *nul; escaped && p; p = nul ? nul + strlen(JSON_NUL) : NULL) {
                nul = strstr(p, JSON_NUL);
                if (nul)
                        *nul = '\0';
                out = stpcpy(stpcpy(out, p), nul ? "\\u0000" : "");
        }
        free(text);
        return escaped;
}

char *json_write(const cJSON *json) {
        char *text = cJSON_PrintUnformatted(json);
        return text && json_has_nul(text) ? escape_nuls(text) : text;
}

bool json_has_nul(const char *text) {
        return strstr(text, JSON_NUL) != NULL;
}

size_t json_restore_nuls(char *text, size_t length) {
        size_t used = 0;
        for (size_t i = 0; i < length; used++) {
                bool is_nul = length - i > 1 && !memcmp(text + i, JSON_NUL, 2);
                text[used] = is_nul ? '\0' : text[i];
                i += is_nul ? 2 : 1;
        }
        return used;
}
