/* string.c - strings: by length, by pattern, by format. A format is a pattern that we have written. */
#include <string.h>

#include "engine/grammar/pattern.h"
#include "engine/json_schema/internal.h"
#include "engine/base/printable.h"

#define DATE \
        "[1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
#define CLOCK "([01][0-9]|2[0-3]):[0-5][0-9]"
#define TIME  CLOCK ":[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]" CLOCK ")"
#define HEX   "[0-9a-f]"
#define BYTE  "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define LABEL "[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"
#define HOST  LABEL "(\\." LABEL "){1,3}"

/* RFC 3339 (dates; 29 February is left out, since not every year has one), RFC 4122, RFC 1123, RFC 5321 and 3986 in part. */
static const struct {
        const char *name, *pattern;
} formats[] = {
        { "date", "^" DATE "$" },
        { "time", "^" TIME "$" },
        { "date-time", "^" DATE "T" TIME "$" },
        { "uuid", "^" HEX "{8}-" HEX "{4}-" HEX "{4}-" HEX "{4}-" HEX "{12}$" },
        { "ipv4", "^" BYTE "(\\." BYTE "){3}$" },
        { "ipv6", "^(" HEX "{1,4}:){7}" HEX "{1,4}$" },
        { "hostname", "^" LABEL "(\\." LABEL "){0,3}$" },
        { "email", "^[a-z0-9]{1,20}([._+-][a-z0-9]{1,20}){0,3}@" HOST "$" },
        { "uri", "^https?://" HOST "(:[1-9][0-9]{1,3})?(/[A-Za-z0-9._~-]{1,40}){0,8}/?$" },
};

/* The pattern that a string must have; *ret_keyword says where it comes from. NULL: none, or refused. */
static const char *pattern_of(struct schema_compiler *c, const struct facts *f, const cJSON **ret_keyword) {
        char shown[32];
        *ret_keyword = f->pattern ? f->pattern : f->format;
        if (f->pattern && f->format)
                schema_refuse(c, f->pattern, "pattern beside format is not supported");
        if (f->pattern || !f->format)
                return f->pattern ? f->pattern->valuestring : NULL;
        for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
                if (!strcmp(f->format->valuestring, formats[i].name))
                        return formats[i].pattern;
        schema_refuse(c, f->format,
                      "the format %s is not supported (known: date, time, date-time, uuid, ipv4, ipv6, hostname, email, uri)",
                      printable_copy(shown, sizeof(shown), f->format->valuestring, strlen(f->format->valuestring)));
        return NULL;
}

static uint32_t by_pattern(struct schema_compiler *c, const struct facts *f, const char *text, const cJSON *keyword) {
        struct pattern p;
        struct grammar_error error;
        if (pattern_read(&c->json, c->b, text, &p, &error) < 0) {
                schema_refuse(c, keyword, "the pattern is not supported: %s", error.text);
                return 0;
        }
        if (f->length.least > p.least || f->length.most < p.most)
                schema_refuse(c, keyword, "beside %s, minLength and maxLength are supported only where it keeps to them itself",
                              keyword->string);
        return p.expression;
}

static uint32_t by_length(struct schema_compiler *c, const struct facts *f) {
        uint32_t most = f->length.most == UINT64_MAX ? GRAMMAR_UNBOUNDED : (uint32_t) f->length.most;
        if (f->length.least > f->length.most)
                return grammar_builder_choice(c->b);
        return grammar_builder_repeat(c->b, grammar_builder_call(c->b, c->json.character), (uint32_t) f->length.least, most);
}

uint32_t schema_string(struct schema_compiler *c, const struct facts *f) {
        const cJSON *keyword;
        const char *pattern = pattern_of(c, f, &keyword);
        if (c->failed)
                return 0;
        if (!pattern && f->length.least == 0 && f->length.most == UINT64_MAX)
                return grammar_builder_call(c->b, c->json.string);
        uint32_t e = grammar_builder_sequence(c->b);
        grammar_builder_add(c->b, e, grammar_builder_literal(c->b, "\""));
        grammar_builder_add(c->b, e, pattern ? by_pattern(c, f, pattern, keyword) : by_length(c, f));
        grammar_builder_add(c->b, e, grammar_builder_literal(c->b, "\""));
        return e;
}
