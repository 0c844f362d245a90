/*
 * json_walk.c - see json_walk.h.
 *
 * Values are walked over with a bit for each level that is open, so that no depth of nesting costs stack. Strings are where
 * large texts have their bytes: they are looked at eight at a time until one of them means something.
 */
#include "engine/base/json_walk.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/strbuf.h"

static bool fail(struct json_walk *r, enum json_error error) {
        if (r->error == JSON_FINE)
                r->error = error;
        return false;
}

static void skip_blank(struct json_walk *r) {
        while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
                r->at++;
}

/* The next character that is not blank, 0 at the end. */
static char next_character(struct json_walk *r) {
        if (r->error != JSON_FINE)
                return 0;
        skip_blank(r);
        return r->at < r->end ? *r->at : 0;
}

static bool count_value(struct json_walk *r) {
        return ++r->values <= r->values_max || fail(r, JSON_TOO_MANY);
}

void json_walk_begin(struct json_walk *r, const char *text, size_t size, uint32_t depth_max, uint32_t values_max) {
        assert(depth_max <= JSON_DEPTH_MAX);
        *r = (struct json_walk){
                .begin = text, .at = text, .end = text + size, .depth_max = depth_max, .values = 1, .values_max = values_max
        };
}

/* --- strings --- */

/* Bytes, from the first, that are plain ASCII within a string: no quote, backslash or control character. */
static size_t plain_length(const char *bytes, size_t count) {
        const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
        size_t at = 0;
        for (uint64_t w; at + sizeof(w) <= count; at += sizeof(w)) {
                memcpy(&w, bytes + at, sizeof(w));
                uint64_t quote = w ^ ones * '"', backslash = w ^ ones * '\\';
                /* A byte below N borrows from its high bit; one above 0x7f has it already. */
                if (((w - ones * 0x20) | (quote - ones) | (backslash - ones) | w) & highs)
                        break;
        }
        return at;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int json_code_unit(const char *at, const char *end) {
        int unit = 0;
        if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
                return -1;
        for (int i = 2; i < 6; i++) {
                int digit = hex_digit(at[i]);
                if (digit < 0)
                        return -1;
                unit = unit * 16 + digit;
        }
        return unit;
}

bool json_is_high(int unit) {
        return unit >= 0xd800 && unit < 0xdc00;
}

bool json_is_low(int unit) {
        return unit >= 0xdc00 && unit < 0xe000;
}

static bool skip_escape(struct json_walk *r) {
        if (r->end - r->at < 2)
                return fail(r, JSON_SYNTAX);
        bool is_unit = r->at[1] == 'u';
        if (is_unit ? json_code_unit(r->at, r->end) < 0 : !r->at[1] || !strchr("\"\\/bfnrt", r->at[1]))
                return fail(r, JSON_SYNTAX);
        r->at += is_unit ? 6 : 2;
        return true;
}

/* At a character that may mean something. */
static bool skip_character(struct json_walk *r) {
        unsigned char c = (unsigned char) *r->at;
        if (c == '\\')
                return skip_escape(r);
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
                return fail(r, JSON_CONTROL);
        size_t length = c < 0x80 ? 1 : text_character_length(r->at, (size_t) (r->end - r->at));
        if (!length)
                return fail(r, JSON_UTF8);
        r->at += length;
        return true;
}

/* At the opening quote. */
static bool skip_string(struct json_walk *r) {
        for (r->at++; r->at < r->end;) {
                r->at += plain_length(r->at, (size_t) (r->end - r->at));
                if (r->at == r->end)
                        break;
                if (*r->at == '"') {
                        r->at++;
                        return true;
                }
                if (!skip_character(r))
                        return false;
        }
        return fail(r, JSON_SYNTAX);
}

/* --- numbers and words --- */

static size_t digits_at(const char *at, const char *end) {
        const char *from = at;
        while (at < end && *at >= '0' && *at <= '9')
                at++;
        return (size_t) (at - from);
}

size_t json_number_length(const char *from, const char *end) {
        const char *at = from + (from < end && *from == '-');
        size_t whole = digits_at(at, end);
        bool good = whole == 1 || (whole > 1 && *at != '0');
        at += whole;
        if (at < end && *at == '.') {
                size_t fraction = digits_at(++at, end);
                good = good && fraction;
                at += fraction;
        }
        if (at < end && (*at == 'e' || *at == 'E')) {
                at++;
                at += at < end && (*at == '+' || *at == '-');
                size_t exponent = digits_at(at, end);
                good = good && exponent;
                at += exponent;
        }
        return good ? (size_t) (at - from) : 0;
}

static bool skip_number(struct json_walk *r) {
        size_t length = json_number_length(r->at, r->end);
        if (!length || length > JSON_NUMBER_MAX)
                return fail(r, JSON_SYNTAX);
        r->at += length;
        return true;
}

static bool skip_word(struct json_walk *r, const char *word) {
        size_t length = strlen(word);
        if ((size_t) (r->end - r->at) < length || memcmp(r->at, word, length) != 0)
                return fail(r, JSON_SYNTAX);
        r->at += length;
        return true;
}

/* --- values --- */

static enum json_kind kind_of(char c) {
        switch (c) {
        case '{': return JSON_OBJECT;
        case '[': return JSON_ARRAY;
        case '"': return JSON_STRING;
        case 't': return JSON_TRUE;
        case 'f': return JSON_FALSE;
        case 'n': return JSON_NULL;
        default: return c == '-' || (c >= '0' && c <= '9') ? JSON_NUMBER : JSON_NONE;
        }
}

enum json_kind json_walk_kind(struct json_walk *r) {
        return kind_of(next_character(r));
}

static bool skip_scalar(struct json_walk *r, enum json_kind kind) {
        switch (kind) {
        case JSON_STRING: return skip_string(r);
        case JSON_NUMBER: return skip_number(r);
        case JSON_TRUE: return skip_word(r, "true");
        case JSON_FALSE: return skip_word(r, "false");
        case JSON_NULL: return skip_word(r, "null");
        default: return fail(r, r->at < r->end || r->depth ? JSON_SYNTAX : JSON_EMPTY);
        }
}

static bool open_container(struct json_walk *r) {
        if (r->depth == r->depth_max)
                return fail(r, JSON_TOO_DEEP);
        r->depth++;
        r->at++;
        r->is_fresh = true;
        return count_value(r);
}

static void close_container(struct json_walk *r) {
        r->depth--;
        r->at++;
        r->is_fresh = false;
}

/* Whether another entry comes; END closes the container, and is passed. */
static bool next_entry(struct json_walk *r, char end) {
        char c = next_character(r);
        if (c == end) {
                close_container(r);
                return false;
        }
        if (r->is_fresh) {
                r->is_fresh = false;
                return r->error == JSON_FINE;
        }
        if (c != ',')
                return fail(r, JSON_SYNTAX);
        r->at++;
        return count_value(r);
}

bool json_walk_item(struct json_walk *r) {
        return next_entry(r, ']');
}

bool json_walk_member(struct json_walk *r, struct json_value *ret_key) {
        if (!next_entry(r, '}'))
                return false;
        if (next_character(r) != '"')
                return fail(r, JSON_SYNTAX);
        *ret_key = (struct json_value){ .kind = JSON_STRING, .at = r->at };
        if (!skip_string(r))
                return false;
        ret_key->length = (size_t) (r->at - ret_key->at);
        if (next_character(r) != ':')
                return fail(r, JSON_SYNTAX);
        r->at++;
        return true;
}

/* The levels that are open in one value: set, an object. */
struct levels {
        uint64_t bits[JSON_DEPTH_MAX / 64];
};

static bool is_object(const struct levels *l, uint32_t depth) {
        return l->bits[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
}

static void note_level(struct levels *l, uint32_t depth, bool object) {
        uint64_t bit = (uint64_t) 1 << (depth - 1) % 64, *word = &l->bits[(depth - 1) / 64];
        *word = object ? *word | bit : *word & ~bit;
}

/* One step: into a container, or past a scalar. */
static bool step_into(struct json_walk *r, struct levels *l) {
        enum json_kind kind = json_walk_kind(r);
        if (kind != JSON_OBJECT && kind != JSON_ARRAY)
                return skip_scalar(r, kind);
        if (!open_container(r))
                return false;
        note_level(l, r->depth, kind == JSON_OBJECT);
        return true;
}

bool json_walk_value(struct json_walk *r, struct json_value *ret) {
        struct levels levels;
        struct json_value key;
        uint32_t outside = r->depth;
        enum json_kind kind = json_walk_kind(r);
        const char *from = r->at;

        *ret = (struct json_value){ JSON_NONE, NULL, 0 };
        if (r->error != JSON_FINE || !step_into(r, &levels))
                return false;
        while (r->depth > outside)
                if (is_object(&levels, r->depth) ? json_walk_member(r, &key) : json_walk_item(r)) {
                        if (!step_into(r, &levels))
                                return false;
                } else if (r->error != JSON_FINE) {
                        return false;
                }
        *ret = (struct json_value){ kind, from, (size_t) (r->at - from) };
        return true;
}

bool json_walk_into(struct json_walk *r, enum json_kind kind) {
        struct json_value other;
        if (json_walk_kind(r) == kind)
                return open_container(r);
        (void) json_walk_value(r, &other);
        return false;
}

bool json_walk_end(struct json_walk *r) {
        return next_character(r) || r->at < r->end ? fail(r, JSON_SYNTAX) : r->error == JSON_FINE;
}

/* --- what a value says --- */

static size_t put_character(char ret[4], uint32_t code) {
        if (code < 0x80) {
                ret[0] = (char) code;
                return 1;
        }
        size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        for (size_t i = length; --i > 0; code >>= 6)
                ret[i] = (char) (0x80 | (code & 0x3f));
        ret[0] = (char) (0xf00 >> length | code);
        return length;
}

/* One character of a string's inside, without its escape. Returns the bytes that it takes there. */
static size_t decode(const char *at, const char *end, char ret[4], size_t *ret_length) {
        static const char meanings[] = { ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t' };
        size_t taken = 2;
        *ret_length = 1;
        if (*at != '\\') {
                taken = *ret_length = (unsigned char) *at < 0x80 ? 1 : text_character_length(at, (size_t) (end - at));
                memcpy(ret, at, taken);
                return taken;
        }
        if (at[1] != 'u') {
                ret[0] = at[1] >= 'b' && at[1] <= 't' ? meanings[(unsigned char) at[1]] : at[1];
                return taken;
        }
        int unit = json_code_unit(at, end), low = json_is_high(unit) ? json_code_unit(at + 6, end) : -1;
        bool is_pair = json_is_low(low), is_none = unit == 0 || json_is_high(unit) || json_is_low(unit);
        *ret_length = put_character(ret, is_pair   ? 0x10000 + ((uint32_t) (unit - 0xd800) << 10) + (uint32_t) (low - 0xdc00)
                                         : is_none ? 0xfffd
                                                   : (uint32_t) unit);
        return is_pair ? 12 : 6;
}

size_t json_string_copy(struct json_value v, char *ret, size_t size) {
        size_t total = 0, length;
        bool fits = true;
        char character[4];
        if (size)
                *ret = '\0';
        if (v.kind != JSON_STRING)
                return 0;
        for (const char *at = v.at + 1, *end = v.at + v.length - 1; at < end; total += length) {
                at += decode(at, end, character, &length);
                fits = fits && total + length < size;
                if (!fits)
                        continue;
                memcpy(ret + total, character, length);
                ret[total + length] = '\0';
        }
        return total;
}

bool json_string_is(struct json_value v, const char *word) {
        size_t length = strlen(word), total = 0, count;
        char character[4];
        if (v.kind != JSON_STRING)
                return false;
        if (v.length == length + 2 && !memcmp(v.at + 1, word, length))
                return true;
        /* Else it can only be written with escapes, of six characters each. */
        if (v.length <= length + 2 || v.length > 6 * length + 2)
                return false;
        for (const char *at = v.at + 1, *end = v.at + v.length - 1; at < end; total += count) {
                at += decode(at, end, character, &count);
                if (total + count > length || memcmp(word + total, character, count) != 0)
                        return false;
        }
        return total == length;
}

double json_double(struct json_value v) {
        char text[JSON_NUMBER_MAX + 1];
        if (v.kind != JSON_NUMBER)
                return (double) NAN;
        memcpy(text, v.at, v.length);
        text[v.length] = '\0';
        return strtod(text, NULL);
}

bool json_whole(struct json_value v, double least, double most) {
        double number = json_double(v);
        return number >= least && number <= most && floor(number) == number;
}
