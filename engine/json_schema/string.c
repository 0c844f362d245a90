/* string.c - strings: by length, by pattern, by format. A format is a pattern that we have written. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/strbuf.h"
#include "engine/json_schema/internal.h"
#include "engine/pattern/pattern.h"

#define DATE \
        "[1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
#define CLOCK "([01][0-9]|2[0-3]):[0-5][0-9]"
#define TIME  CLOCK ":[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]" CLOCK ")"
#define HEX   "[0-9a-f]"
#define BYTE  "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
/* Hosts that every reader takes: no label with "--", which promises Punycode, and none at the end that could be part of an IPv4 address. */
#define LABEL "[a-z0-9]{1,20}(-[a-z0-9]{1,20}){0,2}"
#define HOST  "(" LABEL "\\.){1,3}[a-z]{2,12}"
#define SPAN  "T(([0-9]{1,4}H)([0-9]{1,4}M)?([0-9]{1,4}S)?|([0-9]{1,4}M)([0-9]{1,4}S)?|[0-9]{1,4}S)"
#define DAYS  "(([0-9]{1,4}Y)([0-9]{1,4}M)?([0-9]{1,4}D)?|([0-9]{1,4}M)([0-9]{1,4}D)?|[0-9]{1,4}D)"

/* RFC 3339 (dates; 29 February is left out, since not every year has one; durations), RFC 4122, RFC 1123, RFC 5321 and 3986 in part. */
static const struct {
        const char *name, *pattern;
} formats[] = {
        { "date", "^" DATE "$" },
        { "time", "^" TIME "$" },
        { "date-time", "^" DATE "T" TIME "$" },
        { "duration", "^P(" DAYS "(" SPAN ")?|" SPAN "|[0-9]{1,4}W)$" },
        { "uuid", "^" HEX "{8}-" HEX "{4}-" HEX "{4}-" HEX "{4}-" HEX "{12}$" },
        { "uuid4", "^" HEX "{8}-" HEX "{4}-4" HEX "{3}-[89ab]" HEX "{3}-" HEX "{12}$" }, /* as pydantic calls it */
        { "ipv4", "^" BYTE "(\\." BYTE "){3}$" },
        { "ipv6", "^(" HEX "{1,4}:){7}" HEX "{1,4}$" },
        { "hostname", "^" LABEL "(\\." LABEL "){0,3}$" },
        { "email", "^[a-z0-9]{1,20}([._+-][a-z0-9]{1,20}){0,3}@" HOST "$" },
        { "uri", "^https?://" HOST "(:[1-9][0-9]{1,3})?(/[A-Za-z0-9._~-]{1,40}){0,8}/?$" },
};

/* What a text must be. */
struct condition {
        const char *pattern;
        const cJSON *keyword;
};

/* Of a format that nobody knows nothing is known: it is an annotation. */
static const char *pattern_of_format(const char *name) {
        for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
                if (!strcmp(name, formats[i].name))
                        return formats[i].pattern;
        return NULL;
}

/* The texts of COUNT conditions that can be held, and how many these are. LOOKS: what looks ahead in them counts. */
static uint32_t meet(struct schema_compiler *c, struct regular *r, const struct condition list[], uint32_t count, bool looks,
                     uint32_t *ret) {
        struct grammar_error error;
        uint32_t held = 0;
        *ret = regular_of_length(r, REGULAR_ANY, 0, UINT64_MAX);
        for (uint32_t i = 0; i < count && !c->failed; i++) {
                uint32_t one;
                int result = pattern_read(r, list[i].pattern, looks, &one, &error);
                if (result != 0 && !r->broken)
                        schema_relax(c, list[i].keyword, "the pattern is not supported: %s", error.text);
                if (result < 0)
                        continue;
                *ret = regular_both(r, *ret, one);
                held++;
        }
        return held;
}

/* What F says of texts as conditions: its patterns or, where it has none, its formats. */
static uint32_t list_conditions(const struct facts *f, bool patterns, struct condition list[]) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < f->texts_count; i++) {
                bool is_pattern = !strcmp(f->texts[i]->string, "pattern");
                const char *text = f->texts[i]->valuestring, *pattern = is_pattern ? text : pattern_of_format(text);
                if (is_pattern == patterns && pattern)
                        list[count++] = (struct condition){ pattern, f->texts[i] };
        }
        return count;
}

static uint32_t by_length(struct schema_compiler *c, const struct counts *length) {
        uint32_t most = length->most == UINT64_MAX ? GRAMMAR_UNBOUNDED : (uint32_t) length->most;
        if (length->least > length->most)
                return grammar_builder_choice(c->b);
        return grammar_builder_repeat(c->b, grammar_builder_call(c->b, c->json.character), (uint32_t) length->least, most);
}

/*
 * What is held where all of it has too many states: all but the length, then the first condition alone, then that without what it
 * looks ahead at. Each is nearer to nothing, and told.
 */
enum effort { EFFORT_ALL, EFFORT_NO_LENGTH, EFFORT_ONE, EFFORT_PLAIN, EFFORT_COUNT };

struct wanted {
        struct condition list[SCHEMA_TEXTS_MAX];
        uint32_t count;
        struct counts length;
        const cJSON *length_by;
};

/* Whether EFFORT leaves out more than the one before it. */
static bool is_less(const struct wanted *w, enum effort effort) {
        bool counted = w->length.least > 0 || w->length.most != UINT64_MAX;
        return effort == EFFORT_NO_LENGTH ? counted : effort == EFFORT_ONE ? w->count > 1 : true;
}

static void tell_effort(struct schema_compiler *c, const struct wanted *w, enum effort effort) {
        if (effort == EFFORT_NO_LENGTH)
                schema_relax(c, w->length_by, "together with its pattern it is too large");
        for (uint32_t i = 1; effort == EFFORT_ONE && i < w->count; i++)
                schema_relax(c, w->list[i].keyword, "together with another pattern it is too large");
        if (effort == EFFORT_PLAIN)
                schema_relax(c, w->list[0].keyword, "the pattern is too large");
}

/* An expression; *ret_held: of how many conditions. -E2BIG, -ENOMEM. */
static int try_texts(struct schema_compiler *c, const struct wanted *w, enum effort effort, uint32_t *ret, uint32_t *ret_held) {
        struct regular r = { 0 };
        uint32_t all;
        *ret_held = meet(c, &r, w->list, effort < EFFORT_ONE ? w->count : 1, effort < EFFORT_PLAIN, &all);
        if (effort == EFFORT_ALL)
                all = regular_of_length(&r, all, w->length.least, w->length.most);
        int result = c->failed || *ret_held == 0 ? 0 : regular_write(&r, &c->json, c->b, all, ret);
        result = r.broken ? r.broken : result;
        (void) schema_works(c, 4 * (uint32_t) r.work); /* a term costs as much as so many comparisons */
        regular_done(&r);
        return result;
}

/* What W says as a text, so that what says the same is found again; NULL: no memory, and nothing is remembered. */
static char *key_of(const struct wanted *w) {
        struct text key = { .max = TEXT_MAX_NONE };
        (void) text_printf(&key, "%" PRIu64 " %" PRIu64, w->length.least, w->length.most);
        for (uint32_t i = 0; i < w->count; i++)
                (void) text_printf(&key, "\n%s", w->list[i].pattern);
        if (!key.failed)
                return key.bytes;
        text_done(&key);
        return NULL;
}

static uint32_t remember(struct schema_compiler *c, char *key, uint32_t text) {
        uint32_t rule = grammar_builder_rule(c->b, "text", 4);
        grammar_builder_set_body(c->b, rule, text);
        if (key && c->texts_count < SCHEMA_TEXT_RULES_MAX)
                c->texts[c->texts_count++] = (struct text_rule){ key, rule };
        else
                free(key);
        return grammar_builder_call(c->b, rule);
}

void schema_texts_done(struct schema_compiler *c) {
        for (uint32_t i = 0; i < c->texts_count; i++)
                free(c->texts[i].key);
}

/* What stands between quotation marks, whatever it takes; false: none of the conditions can be held. *ret_whole: all are, and the length. */
static bool make_texts(struct schema_compiler *c, const struct wanted *w, uint32_t *ret, bool *ret_whole) {
        uint32_t held = 0, told = c->relaxed ? c->relaxed->count + c->relaxed->more : 0;
        int result = -E2BIG;
        for (enum effort effort = EFFORT_ALL; w->count && result == -E2BIG && effort < EFFORT_COUNT && !c->failed; effort++) {
                if (!is_less(w, effort))
                        continue;
                tell_effort(c, w, effort);
                if (!c->failed)
                        result = try_texts(c, w, effort, ret, &held);
        }
        if (result == -ENOMEM)
                schema_no_memory(c);
        *ret_whole = !c->relaxed || c->relaxed->count + c->relaxed->more == told;
        return result == 0 && held > 0 && !c->failed;
}

/* The same, or the rule that there is for it already. */
static bool by_texts(struct schema_compiler *c, const struct wanted *w, uint32_t *ret) {
        bool whole;
        char *key = w->count ? key_of(w) : NULL;
        for (uint32_t i = 0; key && i < c->texts_count; i++)
                if (!strcmp(c->texts[i].key, key)) {
                        free(key);
                        *ret = grammar_builder_call(c->b, c->texts[i].rule);
                        return true;
                }
        bool made = make_texts(c, w, ret, &whole);
        if (made && whole)
                *ret = remember(c, key, *ret);
        else
                free(key);
        return made;
}

static uint32_t quoted(struct schema_compiler *c, uint32_t text) {
        uint32_t e = grammar_builder_sequence(c->b);
        grammar_builder_add(c->b, e, grammar_builder_literal(c->b, "\""));
        grammar_builder_add(c->b, e, text);
        grammar_builder_add(c->b, e, grammar_builder_literal(c->b, "\""));
        return e;
}

uint32_t schema_string(struct schema_compiler *c, const struct facts *f) {
        struct wanted w = { .length = f->length, .length_by = f->length_by };
        uint32_t text;
        for (unsigned formats_too = 0; formats_too < 2; formats_too++) {
                w.count = list_conditions(f, !formats_too, w.list);
                if (by_texts(c, &w, &text))
                        return quoted(c, text);
        }
        if (f->length.least == 0 && f->length.most == UINT64_MAX)
                return grammar_builder_call(c->b, c->json.string);
        return quoted(c, by_length(c, &f->length));
}

uint32_t schema_text_of(struct schema_compiler *c, const char *pattern, const cJSON *keyword) {
        const struct wanted w = { .list = { { pattern, keyword } }, .count = 1, .length.most = UINT64_MAX };
        uint32_t text;
        return by_texts(c, &w, &text) ? quoted(c, text) : grammar_builder_call(c->b, c->json.string);
}
