/*
 * value.h - the values of templates: Python's, as far as templates meet them.
 *
 * A value is small and copied; what it points to lies in the job's arena. Lists and mappings are shared by reference, as in
 * Python. Mappings keep the order of insertion.
 */
#ifndef HEADROOM_ENGINE_JINJA_VALUE_VALUE_H
#define HEADROOM_ENGINE_JINJA_VALUE_VALUE_H

#include <cjson/cJSON.h>

#include "engine/jinja_value/tainted.h"

enum value_kind {
        VALUE_UNDEFINED,
        VALUE_NONE,
        VALUE_BOOL,
        VALUE_INTEGER,
        VALUE_FLOAT,
        VALUE_TEXT,
        VALUE_LIST,
        VALUE_TUPLE,
        VALUE_MAP,
        VALUE_NAMESPACE, /* a mapping whose members are set and read by a dot */
        VALUE_CALLABLE,
        VALUE_LOOP,
        VALUE_KINDS_COUNT,
};

struct value {
        enum value_kind kind;
        union {
                bool truth;
                int64_t integer;
                double number;
                const struct tainted *text;
                struct value_list *list; /* of a tuple too */
                struct value_map *map;   /* of a namespace too */
                const struct callable *callable;
                struct loop *loop;
                const char *missing; /* undefined: a sentence on what is, or NULL */
        };
};

struct value_list {
        struct value *items;
        size_t count, capacity;
};

struct value_pair {
        struct value key, value;
};

struct value_map {
        struct value_pair *pairs;
        size_t count, capacity;
        uint32_t *index; /* hashed places of pairs, plus one; NULL while there are few */
        size_t index_count;
};

/* The arguments of a call. A name whose bytes are NULL: a positional one. */
struct arguments {
        struct value *values;
        struct tainted *names;
        size_t count;
};

struct interpreter;
/* SELF: what the filter, test or method is applied to; of a function nothing. */
typedef struct value builtin(struct interpreter *in, struct value self, const struct arguments *a);

struct callable {
        const char *name;
        const char
                *parameters; /* names apart by spaces: arguments come in this order, undefined where not given; "*": as written */
        builtin *call;
        struct value self;
        const void *macro; /* of a macro: what it is */
};

struct value value_of_none(void);
struct value value_of_bool(bool truth);
struct value value_of_integer(int64_t integer);
struct value value_of_float(double number);
struct value value_of_text(struct jinja_job *job, struct tainted text);
struct value value_new_list(struct jinja_job *job);
struct value value_new_tuple(struct jinja_job *job);
struct value value_new_map(struct jinja_job *job);
struct value value_of_json(struct jinja_job *job, const cJSON *json); /* texts in it are from outside, and point into it */

void value_append(struct jinja_job *job, struct value list, struct value item);
/* A key that is there already gets the value. Fails for a key that cannot be one. */
void value_set(struct jinja_job *job, struct value map, struct value key, struct value item);
/* NULL: not there. Fails for a KEY that cannot be one. */
const struct value *value_get(struct jinja_job *job, struct value map, struct value key);
bool value_can_be_key(struct jinja_job *job, struct value v);
const struct value *value_member(struct jinja_job *job, struct value map, const char *key);
bool value_remove(struct jinja_job *job, struct value map, struct value key);

const char *value_kind_name(struct value v); /* as Python calls it */
bool value_is_number(struct value v);        /* True and False are numbers too */
bool value_true(struct value v);
bool value_equals(struct jinja_job *job, struct value a, struct value b);
int value_compare(struct jinja_job *job, struct value a, struct value b); /* fails where Python does */
double value_number(struct value v);                                      /* of one that is_number */
bool value_contains(struct jinja_job *job, struct value container, struct value item);
size_t value_length(struct jinja_job *job, struct value v);
/* The items of a list or tuple, characters of a text, keys of a mapping: a list that may be shared, not to be changed. */
const struct value_list *value_items(struct jinja_job *job, struct value v);

#endif
