/* keys.c - see keys.h. */
#include "engine/gguf/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void metadata_fail(struct metadata *m, int error, const char *format, ...) {
        if (m->error)
                return;
        m->error = error;
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(m->reterr->text, sizeof(m->reterr->text), format, arguments);
        va_end(arguments);
}

struct metadata_key metadata_key(const struct metadata *m, const char *suffix) {
        struct metadata_key key;
        (void) snprintf(key.text, sizeof(key.text), "%s.%s", m->arch, suffix);
        return key;
}

bool metadata_has(const struct metadata *m, const char *suffix) {
        return gguf_find(m->g, metadata_key(m, suffix).text) != NULL;
}

uint32_t metadata_u32_or(struct metadata *m, const char *suffix, uint32_t min, uint32_t max, uint32_t default_value) {
        struct metadata_key key = metadata_key(m, suffix);
        uint32_t value = default_value;
        int found = gguf_get_u32(m->g, key.text, &value);
        if (found == -EBADMSG)
                metadata_fail(m, -EBADMSG, "key '%s' is no unsigned 32-bit integer", key.text);
        else if (value < min || value > max)
                metadata_fail(m, -EBADMSG, "key '%s' is %" PRIu32 " (%" PRIu32 " to %" PRIu32 " are possible)", key.text, value,
                              min, max);
        return value;
}

uint32_t metadata_u32(struct metadata *m, const char *suffix, uint32_t min, uint32_t max) {
        if (!metadata_has(m, suffix)) {
                metadata_fail(m, -EBADMSG, "key '%s' is missing", metadata_key(m, suffix).text);
                return min;
        }
        return metadata_u32_or(m, suffix, min, max, min);
}

float metadata_f32_or(struct metadata *m, const char *suffix, float min, float max, float default_value) {
        struct metadata_key key = metadata_key(m, suffix);
        float value = default_value;
        int found = gguf_get_f32(m->g, key.text, &value);
        if (found == -EBADMSG)
                metadata_fail(m, -EBADMSG, "key '%s' is no floating-point number", key.text);
        else if (found == 0 && !(value >= min && value <= max)) /* written so that NaN fails */
                metadata_fail(m, -EBADMSG, "key '%s' is %g (%g to %g are possible)", key.text, (double) value, (double) min,
                              (double) max);
        return value;
}

bool metadata_bool_or(struct metadata *m, const char *suffix, bool default_value) {
        struct metadata_key key = metadata_key(m, suffix);
        bool value = default_value;
        if (gguf_get_bool(m->g, key.text, &value) == -EBADMSG)
                metadata_fail(m, -EBADMSG, "key '%s' is no truth value", key.text);
        return value;
}

struct gguf_string metadata_string_or(struct metadata *m, const char *suffix, const char *default_value) {
        struct metadata_key key = metadata_key(m, suffix);
        struct gguf_string value = { default_value, strlen(default_value) };
        if (gguf_get_string(m->g, key.text, &value) == -EBADMSG)
                metadata_fail(m, -EBADMSG, "key '%s' is no string", key.text);
        return value;
}
