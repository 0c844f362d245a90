/* field_text.c - members of a snapshot as text and back; by hand, since policy calls no printf. */
#include "policy/record/field_text.h"

#include <assert.h>
#include <string.h>

struct unit {
        const char *name;
        int64_t size;
};

/* Largest first; the last one is the number itself. */
static const struct unit byte_units[] = {
        { "TiB", INT64_C(1) << 40 },
        { "GiB", INT64_C(1) << 30 },
        { "MiB", INT64_C(1) << 20 },
        { "KiB", INT64_C(1) << 10 },
        { "B", 1 },
        { NULL, 0 },
};
static const struct unit time_units[] = {
        { "h", 3600000 }, { "min", 60000 }, { "s", 1000 }, { "ms", 1 }, { NULL, 0 },
};

static const struct unit *units_of(enum field_kind kind) {
        return kind == FIELD_BYTES ? byte_units : kind == FIELD_MS ? time_units : NULL;
}

/* --- printing --- */

struct text {
        char *start;
        size_t used;
};

static void put(struct text *t, const char *word) {
        size_t length = strlen(word);
        assert(t->used + length < FIELD_TEXT_MAX);
        memcpy(t->start + t->used, word, length + 1);
        t->used += length;
}

static void put_number(struct text *t, int64_t value) {
        char digits[24];
        size_t at = sizeof(digits);
        uint64_t rest = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;
        digits[--at] = '\0';
        do
                digits[--at] = (char) ('0' + rest % 10);
        while ((rest /= 10) > 0);
        if (value < 0)
                digits[--at] = '-';
        put(t, digits + at);
}

static void put_actions(struct text *t, uint32_t actions) {
        if (actions == 0)
                put(t, "none");
        for (uint32_t kind = 0; kind < ACTION_COUNT; kind++)
                if (actions & ACTION_BIT(kind)) {
                        actions &= ~ACTION_BIT(kind);
                        put(t, policy_action_word((enum action_kind) kind));
                        put(t, actions ? "," : "");
                }
}

size_t policy_field_print(const struct field *f, const void *object, char ret[FIELD_TEXT_MAX]) {
        struct text t = { ret, 0 };
        int64_t value = policy_field_get(f, object);
        const char *word = value >= 0 && value <= UINT32_MAX ? policy_field_word(f->kind, (uint32_t) value) : NULL;
        put(&t, f->name);
        put(&t, "=");
        if (f->kind == FIELD_BOOL) {
                put(&t, value ? "yes" : "no");
        } else if (f->kind == FIELD_ACTIONS) {
                put_actions(&t, (uint32_t) value);
        } else if (word) {
                put(&t, word);
        } else {
                const struct unit *u = value == 0 ? NULL : units_of(f->kind);
                while (u && value % u->size != 0)
                        u++;
                put_number(&t, u ? value / u->size : value);
                put(&t, u ? u->name : "");
        }
        return t.used;
}

/* --- parsing --- */

static bool is_word(const char *text, size_t length, const char *word) {
        return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* Digits at the start of TEXT: how many there are; *ret is their number. 0 when there are none, or too many. */
static size_t take_digits(const char *text, size_t length, uint64_t *ret) {
        uint64_t value = 0;
        size_t used = 0;
        for (; used < length && text[used] >= '0' && text[used] <= '9'; used++)
                if (__builtin_mul_overflow(value, 10u, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (text[used] - '0'), &value))
                        return 0;
        *ret = value;
        return used;
}

/* "12", "11.5" (not ".5" nor "5."): whole part, and fraction in millionths. */
static size_t take_decimal(const char *text, size_t length, uint64_t *ret_whole, uint64_t *ret_millionths) {
        size_t used = take_digits(text, length, ret_whole);
        *ret_millionths = 0;
        if (used == 0 || used == length || text[used] != '.')
                return used;
        uint64_t fraction;
        size_t digits = take_digits(text + used + 1, length - used - 1, &fraction);
        if (digits == 0 || digits > 6)
                return 0;
        for (size_t i = digits; i < 6; i++)
                fraction *= 10;
        *ret_millionths = fraction;
        return used + 1 + digits;
}

static const struct unit *unit_named(const struct unit *units, const char *name, size_t length) {
        for (; units->name; units++)
                if (is_word(name, length, units->name))
                        return units;
        return NULL;
}

static const struct unit plain = { "", 1 };

static bool parse_with_unit(enum field_kind kind, const char *text, size_t length, int64_t *ret) {
        uint64_t whole, millionths;
        int64_t value;
        size_t used = take_decimal(text, length, &whole, &millionths);
        if (used == 0 || whole > INT64_MAX)
                return false;
        const struct unit *u = unit_named(units_of(kind), text + used, length - used);
        if (used == length && (kind == FIELD_BYTES || whole == 0) && millionths == 0)
                u = &plain;
        if (!u || __builtin_mul_overflow((int64_t) whole, u->size, &value))
                return false;
        /* The largest unit is 2^40 and millionths are under 2^20: no overflow. */
        return !__builtin_add_overflow(value, (int64_t) millionths * u->size / 1000000, ret);
}

static bool parse_whole(const char *text, size_t length, int64_t *ret) {
        bool negative = length > 0 && text[0] == '-';
        uint64_t value;
        if (take_digits(text + negative, length - negative, &value) != length - negative || length == negative ||
            value > INT64_MAX)
                return false;
        *ret = negative ? -(int64_t) value : (int64_t) value;
        return true;
}

bool policy_number_parse(enum field_kind kind, const char *text, size_t length, int64_t *ret) {
        int64_t value = 0;
        if (units_of(kind) ? !parse_with_unit(kind, text, length, &value) : !parse_whole(text, length, &value))
                return false;
        *ret = value;
        return true;
}

static bool parse_word(enum field_kind kind, const char *text, size_t length, int64_t *ret) {
        const char *word;
        for (uint32_t i = 0; (word = policy_field_word(kind, i)) != NULL; i++)
                if (is_word(text, length, word)) {
                        *ret = i;
                        return true;
                }
        return false;
}

static bool parse_action(const char *text, size_t length, int64_t *ret) {
        for (uint32_t kind = 0; kind < ACTION_COUNT; kind++)
                if (is_word(text, length, policy_action_word((enum action_kind) kind))) {
                        *ret |= ACTION_BIT(kind);
                        return true;
                }
        return false;
}

/* "none", or actions with commas between them. */
static bool parse_actions(const char *text, size_t length, int64_t *ret) {
        if (is_word(text, length, "none"))
                return true;
        size_t begin = 0;
        for (size_t end = 0; end <= length; end++)
                if (end == length || text[end] == ',') {
                        if (!parse_action(text + begin, end - begin, ret))
                                return false;
                        begin = end + 1;
                }
        return true;
}

bool policy_field_parse(const struct field *f, const char *value, size_t length, void *object) {
        int64_t number = 0;
        if (f->kind == FIELD_BOOL) {
                number = is_word(value, length, "yes");
                if (!number && !is_word(value, length, "no"))
                        return false;
        } else if (f->kind == FIELD_ACTIONS) {
                if (!parse_actions(value, length, &number))
                        return false;
        } else if (policy_field_word(f->kind, 0) ? !parse_word(f->kind, value, length, &number)
                                                 : !policy_number_parse(f->kind, value, length, &number)) {
                return false;
        }
        return policy_field_set(f, object, number);
}

const struct field *policy_field_find(const struct field *fields, const char *name, size_t length) {
        for (; fields->name; fields++)
                if (is_word(name, length, fields->name))
                        return fields;
        return NULL;
}
