/*
 * json_walk.h - a JSON text gone through once, from its beginning to its end, without memory of its own.
 *
 * The caller walks: into an object or array whose contents it wants to know, past every other value whole. Either way each byte
 * is checked once. What is read without an error is a text that json_read (json_read.h) takes, and every value means the same
 * there: strict JSON in valid UTF-8, but for tabs and line ends within strings, which people write. The first error sticks, and
 * all that is asked afterwards answers as if the text had ended.
 *
 *      json_walk_begin(&r, text, size, limits);
 *      if (json_walk_into(&r, JSON_OBJECT))
 *              while (json_walk_member(&r, &key))
 *                      json_walk_value(&r, &value);          each value is read, or entered and gone through to its end
 *      json_walk_end(&r);
 */
#ifndef HEADROOM_ENGINE_BASE_JSON_WALK_H
#define HEADROOM_ENGINE_BASE_JSON_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX  256u /* of objects and arrays in each other */
#define JSON_NUMBER_MAX 63u  /* characters of a number: cJSON takes no more */

enum json_kind { JSON_NONE, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* A value as it stands in the text: a string with its quotes and escapes. */
struct json_value {
        enum json_kind kind; /* JSON_NONE: there is none */
        const char *at;
        size_t length;
};

enum json_error {
        JSON_FINE,
        JSON_SYNTAX,
        JSON_EMPTY,   /* nothing but white space */
        JSON_UTF8,    /* bytes that are no UTF-8 */
        JSON_CONTROL, /* a control character that is not escaped */
        JSON_TOO_DEEP,
        JSON_TOO_MANY, /* values */
};

struct json_walk {
        const char *begin, *at, *end;
        uint32_t depth, depth_max;
        uint32_t values, values_max; /* counted as wire_json_check does: containers, and what stands behind a comma */
        bool is_fresh;               /* nothing has been read of what was entered last */
        enum json_error error;       /* AT is where */
};

/* DEPTH_MAX is at most JSON_DEPTH_MAX. */
void json_walk_begin(struct json_walk *r, const char *text, size_t size, uint32_t depth_max, uint32_t values_max);
/* What comes next, JSON_NONE where no value does. */
enum json_kind json_walk_kind(struct json_walk *r);
/* Past one value, however deep. False: an error. */
bool json_walk_value(struct json_walk *r, struct json_value *ret);
/* Into an object or array, if one comes next; else it is read whole and the answer is false, as after an error. */
bool json_walk_into(struct json_walk *r, enum json_kind kind);
/* In an object: the next key, and its value comes next. False: the object has ended. */
bool json_walk_member(struct json_walk *r, struct json_value *ret_key);
/* In an array: whether another item comes next. False: the array has ended. */
bool json_walk_item(struct json_walk *r);
/* After the outermost value: that nothing follows. False: an error, now or before. */
bool json_walk_end(struct json_walk *r);

/* Of a value that was read: a string's text without escapes is WORD; false for what is no string. */
bool json_string_is(struct json_value v, const char *word);
/*
 * A string's text, cut at a whole character where it does not fit; "" for what is no string. Returns the length of all of it. A NUL,
 * or half of a surrogate pair, becomes U+FFFD.
 */
size_t json_string_copy(struct json_value v, char *ret, size_t size);
/* A number's value, infinite where it is too large; NAN for what is no number. */
double json_double(struct json_value v);
/* Whether it is a number in LEAST .. MOST without a fraction. */
bool json_whole(struct json_value v, double least, double most);

/* ---- pieces of JSON's syntax, for other readers of it ---- */

/* The UTF-16 unit that is written AT, "\uXXXX", or -1: it is none. */
int json_code_unit(const char *at, const char *end);
/* Halves of a surrogate pair: the first, the second. */
bool json_is_high(int unit);
bool json_is_low(int unit);
/* Of the number that begins at FROM (RFC 8259: no leading zero, digits on both sides of the point); 0: there is none. */
size_t json_number_length(const char *from, const char *end);

#endif
