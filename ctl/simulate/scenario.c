/*
 * scenario.c - one line is one fact, and each kind of line one function. A look is complete when the next one begins, so
 * the reader stops in front of each `at`.
 */
#include "ctl/simulate/scenario.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/record/field_text.h"
#include "policy/record/snapshot_lists.h"

#define WORD_SHOWN_MAX 40 /* of a wrong word in an error */

static int wrong(struct scenario *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct scenario *s, const char *format, ...) {
        va_list args;
        va_start(args, format);
        (void) vsnprintf(s->error, sizeof(s->error), format, args);
        va_end(args);
        return -EINVAL;
}

#define SHOWN(w) (int) ((w).length < WORD_SHOWN_MAX ? (w).length : WORD_SHOWN_MAX), (w).text

/* --- words --- */

struct line {
        uint32_t count;
        struct word words[SCENARIO_WORDS_MAX];
};

/* Splits LENGTH bytes at TEXT, without the comment. */
static int split(struct scenario *s, const char *text, size_t length, struct line *ret) {
        const char *comment = memchr(text, '#', length);
        ret->count = 0;
        if (length > SCENARIO_LINE_MAX)
                return wrong(s, "the line is longer than %u bytes", SCENARIO_LINE_MAX);
        for (size_t i = 0; i < length; i++)
                if (((unsigned char) text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
                        return wrong(s, "there is a control character (byte %u) in the line", (unsigned char) text[i]);
        size_t end = comment ? (size_t) (comment - text) : length, at = 0;
        for (;;) {
                while (at < end && (text[at] == ' ' || text[at] == '\t'))
                        at++;
                if (at == end)
                        return 0;
                if (ret->count == SCENARIO_WORDS_MAX)
                        return wrong(s, "there are more than %u words in the line", SCENARIO_WORDS_MAX);
                struct word *w = &ret->words[ret->count++];
                w->text = text + at;
                while (at < end && text[at] != ' ' && text[at] != '\t')
                        at++;
                w->length = (size_t) (text + at - w->text);
        }
}

/* key=value words from FIRST on, into OBJECT. Sets *ret_said where the key SAID was among them. */
static int take_fields(struct scenario *s, const struct line *l, uint32_t first, const struct field *fields, void *object,
                       const char *said, bool *ret_said) {
        uint64_t met = 0;
        for (uint32_t i = first; i < l->count; i++) {
                struct word w = l->words[i];
                const char *equals = memchr(w.text, '=', w.length);
                if (!equals)
                        return wrong(s, "'%.*s' is no KEY=VALUE", SHOWN(w));
                size_t name = (size_t) (equals - w.text);
                const struct field *f = policy_field_find(fields, w.text, name);
                if (!f)
                        return wrong(s, "there is no key '%.*s' in such a line", SHOWN(((struct word){ w.text, name })));
                if (met & UINT64_C(1) << (f - fields))
                        return wrong(s, "'%s' is there twice", f->name);
                met |= UINT64_C(1) << (f - fields);
                struct word value = { equals + 1, w.length - name - 1 };
                if (!policy_field_parse(f, value.text, value.length, object))
                        return wrong(s, "'%.*s' is no value of '%s'", SHOWN(value), f->name);
                if (said && !strcmp(f->name, said))
                        *ret_said = true;
        }
        return 0;
}

/* The number that names a model or a sensor: the second word of its line, the third after "gone". */
static int take_id(struct scenario *s, const struct line *l, uint32_t at, uint32_t *ret) {
        int64_t value;
        if (l->count <= at)
                return wrong(s, "the number of the %.*s is missing", SHOWN(l->words[at - 1]));
        struct word w = l->words[at];
        if (!policy_number_parse(FIELD_COUNT_U32, w.text, w.length, &value) || value < 0 || value >= UINT32_MAX)
                return wrong(s, "'%.*s' is no number from 0 to %u", SHOWN(w), UINT32_MAX - 1);
        *ret = (uint32_t) value;
        return 0;
}

/* --- lines --- */

static int line_limits(struct scenario *s, const struct line *l) {
        if (s->in_look || s->looks > 0)
                return wrong(s, "limits stand before the first look");
        return take_fields(s, l, 1, policy_limits_fields, &s->limits, NULL, NULL);
}

static int line_at(struct scenario *s, const struct line *l) {
        int64_t time_ms;
        if (l->count < 2 || !policy_number_parse(FIELD_MS, l->words[1].text, l->words[1].length, &time_ms))
                return wrong(s, "after 'at' stands a time, such as 250ms or 1.5s");
        if ((uint64_t) time_ms < s->snapshot.now_ms)
                return wrong(s, "this look is before the one above it");
        if (s->looks == SCENARIO_LOOKS_MAX)
                return wrong(s, "there are more than %u looks", SCENARIO_LOOKS_MAX);
        s->snapshot.now_ms = (uint64_t) time_ms;
        s->in_look = true;
        s->looks++;
        s->look_line = s->line;
        s->expectations_count = 0;
        return take_fields(s, l, 2, policy_snapshot_fields, &s->snapshot, NULL, NULL);
}

/* The element that the second word of the line names, which is new or not. */
static int take_item(struct scenario *s, const struct line *l, unsigned list, void **ret, uint32_t *ret_place, bool *ret_is_new) {
        const struct snapshot_list *of = &policy_lists[list];
        uint32_t id;
        int rc = take_id(s, l, 1, &id);
        if (rc < 0)
                return rc;
        *ret = policy_list_insert(of, &s->snapshot, id, ret_place, ret_is_new);
        return *ret ? 0 : wrong(s, "there are more than %u %ss at a time", of->max, of->word);
}

static int line_model(struct scenario *s, const struct line *l) {
        uint32_t i;
        bool is_new;
        void *item;
        int rc = take_item(s, l, LIST_MODELS, &item, &i, &is_new);
        if (rc < 0)
                return rc;
        if (is_new) {
                memmove(&s->resident_said[i + 1], &s->resident_said[i], s->snapshot.models_count - 1 - i);
                s->resident_said[i] = false;
        }
        struct model_view *m = item;
        rc = take_fields(s, l, 2, policy_model_fields, m, "weights_resident", &s->resident_said[i]);
        if (!s->resident_said[i])
                m->weights_resident_bytes = m->weights_bytes;
        return rc;
}

static int line_want(struct scenario *s, const struct line *l) {
        uint32_t i;
        bool is_new;
        void *item;
        int rc = take_item(s, l, LIST_WANTS, &item, &i, &is_new);
        if (rc < 0)
                return rc;
        struct want *w = item;
        w->forms_count = is_new ? 1 : w->forms_count;
        rc = take_fields(s, l, 2, policy_want_fields, w, NULL, NULL);
        if (rc == 0 && (w->forms_count < 1 || w->forms_count > FORMS_MAX))
                return wrong(s, "a model can be loaded in 1 to %u forms, not %u", FORMS_MAX, w->forms_count);
        return rc;
}

static int line_sensor(struct scenario *s, const struct line *l) {
        uint32_t i;
        bool is_new;
        void *item;
        int rc = take_item(s, l, LIST_SENSORS, &item, &i, &is_new);
        return rc < 0 ? rc : take_fields(s, l, 2, policy_sensor_fields, item, NULL, NULL);
}

static int line_gone(struct scenario *s, const struct line *l) {
        uint32_t id, place;
        unsigned list = 0;
        while (list < LIST_COUNT && !(l->count > 1 && word_is(l->words[1], policy_lists[list].word)))
                list++;
        if (list == LIST_COUNT)
                return wrong(s, "after 'gone' stands 'model', 'want' or 'sensor'");
        int rc = take_id(s, l, 2, &id);
        if (rc < 0)
                return rc;
        if (l->count > 3)
                return wrong(s, "there is more than belongs to it");
        if (!policy_list_remove(&policy_lists[list], &s->snapshot, id, &place))
                return wrong(s, "there is no %s %u that could go", policy_lists[list].word, id);
        if (list == LIST_MODELS)
                memmove(&s->resident_said[place], &s->resident_said[place + 1], s->snapshot.models_count - place);
        return 0;
}

static int line_expect(struct scenario *s, const struct line *l) {
        if (s->expectations_count == SCENARIO_EXPECTATIONS_MAX)
                return wrong(s, "there are more than %u expectations of one look", SCENARIO_EXPECTATIONS_MAX);
        struct expectation *e = &s->expectations[s->expectations_count];
        const char *sentence = expectation_parse(l->words + 1, l->count - 1, e);
        if (sentence)
                return wrong(s, "%s", sentence);
        struct word last = l->words[l->count - 1];
        e->text = (struct word){ l->words[1].text, (size_t) (last.text + last.length - l->words[1].text) };
        e->line = s->line;
        s->expectations_count++;
        return 0;
}

static const struct line_kind {
        const char *word;
        bool of_a_look; /* only after an `at` */
        int (*read)(struct scenario *s, const struct line *l);
} line_kinds[] = {
        { "limits", false, line_limits }, { "at", false, line_at },        { "model", true, line_model },
        { "want", true, line_want },      { "sensor", true, line_sensor }, { "gone", true, line_gone },
        { "expect", true, line_expect },
};

static int read_line(struct scenario *s, const struct line *l) {
        for (size_t i = 0; i < sizeof(line_kinds) / sizeof(line_kinds[0]); i++) {
                if (!word_is(l->words[0], line_kinds[i].word))
                        continue;
                if (line_kinds[i].of_a_look && !s->in_look)
                        return wrong(s, "'%s' belongs to a look: an 'at' must come first", line_kinds[i].word);
                return line_kinds[i].read(s, l);
        }
        return wrong(s, "no line begins with '%.*s'", SHOWN(l->words[0]));
}

/* --- looks --- */

void scenario_init(struct scenario *s, const char *text, size_t size) {
        *s = (struct scenario){
                .next = text,
                .end = text + size,
                .limits = { .reserve_bytes = SCENARIO_RESERVE_BYTES,
                            .min_residency_ms = SCENARIO_MIN_RESIDENCY_MS,
                            .margin_target_millidegrees = SCENARIO_MARGIN_TARGET_MILLIDEGREES,
                            .critical_default_millidegrees = SCENARIO_CRITICAL_DEFAULT_MILLIDEGREES },
        };
}

int scenario_next(struct scenario *s) {
        struct line line;
        s->in_look = false;
        while (s->next < s->end) {
                const char *newline = memchr(s->next, '\n', (size_t) (s->end - s->next));
                const char *end = newline ? newline : s->end, *begin = s->next;
                s->line++;
                int rc = split(s, begin, (size_t) (end - begin), &line);
                if (rc == 0 && line.count > 0 && s->in_look && word_is(line.words[0], "at")) {
                        s->line--; /* the line is read again with the next look */
                        return 1;
                }
                s->next = newline ? newline + 1 : s->end;
                if (rc == 0 && line.count > 0)
                        rc = read_line(s, &line);
                if (rc < 0)
                        return rc;
        }
        return s->in_look;
}

int scenario_check(struct scenario *s, const char *text, size_t size, uint32_t *ret_looks) {
        int rc;
        scenario_init(s, text, size);
        if (size > SCENARIO_BYTES_MAX)
                return wrong(s, "the scenario is larger than %u MiB", SCENARIO_BYTES_MAX >> 20);
        while ((rc = scenario_next(s)) > 0)
                continue;
        if (rc == 0 && s->looks == 0)
                return wrong(s, "there is no look in it");
        if (rc == 0)
                *ret_looks = s->looks;
        return rc;
}
