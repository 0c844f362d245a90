/*
 * internal.h - the parts of the schema compiler, for its own files alone.
 *
 *      schema.c          rules of schemas that hold together, in the order in which they are asked for
 *      keywords.c    what such schemas say, keyword by keyword
 *      disjoint.c    whether two schemas can hold for the same value
 *      calls.c       calls of tools; marked.c: those whose arguments are no object
 *      string.c, number.c, array.c, object.c     one type each
 *      relaxed.c     what is not held to, with its places
 *
 * Everything is about schemas that must hold together: allOf and $ref add to them, and so does a property that several of
 * them name. Equal ones share a rule, so recursion ends; choosing from a list of alternatives makes one more that must
 * hold, and the list is then marked as chosen from.
 */
#ifndef HEADROOM_ENGINE_JSON_SCHEMA_INTERNAL_H
#define HEADROOM_ENGINE_JSON_SCHEMA_INTERNAL_H

#include "engine/json_schema/json_number.h"
#include "engine/grammar/json_text.h"
#include "engine/json_schema/schema.h"

struct together {
        const cJSON *schemas[SCHEMA_TOGETHER_MAX];
        const cJSON *chosen[SCHEMA_CHOICES_MAX]; /* lists of alternatives, one of which is among the schemas */
        uint32_t count, chosen_count;
        bool impossible; /* `false` is among them */
};

enum schema_type {
        TYPE_NULL = 1,
        TYPE_BOOLEAN = 2,
        TYPE_INTEGER = 4,
        TYPE_DECIMAL = 8, /* numbers that are not whole */
        TYPE_STRING = 16,
        TYPE_ARRAY = 32,
        TYPE_OBJECT = 64,
        TYPE_NUMBER = TYPE_INTEGER | TYPE_DECIMAL,
        TYPE_ANY = 127,
};

struct counts {
        uint64_t least, most; /* UINT64_MAX: no bound */
};

struct facts {
        struct together all;                     /* references and allOf followed */
        unsigned types;                          /* enum schema_type: those it may have, said or implied */
        const cJSON *choice;                     /* the first list of alternatives that is not chosen from yet */
        bool one_of;                             /* and exactly one of it must hold */
        const char *discriminator;               /* a property that each of them has; NULL: none is told */
        const cJSON *reading;                    /* the schema whose keywords are read */
        const cJSON *values[SCHEMA_CHOICES_MAX]; /* lists of enum, and single values of const */
        uint32_t values_count;
        const cJSON *limiting;                /* the first keyword that could exclude one of such values */
        const cJSON *texts[SCHEMA_TEXTS_MAX]; /* each a pattern or a format */
        uint32_t texts_count;
        struct counts length, items, members;
        const cJSON *length_by, *members_by; /* the last keywords that set them */
        double least, most;                  /* of numbers */
        bool least_excluded, most_excluded;
        const cJSON *range; /* the last keyword that set them */
        uint32_t divisor;   /* of numbers, which are whole then; 0: none */
};

struct pending {
        uint32_t rule, first; /* in `kept` */
        uint16_t count, chosen_count;
};

/* Rules of texts that have cost work: a schema says the same of many. */
struct text_rule {
        char *key;
        uint32_t rule;
};

struct schema_compiler {
        struct grammar_builder *b;
        struct json_text json;
        struct json_digits digits;
        const cJSON *root;  /* the schema being read: its references point into it */
        const cJSON **kept; /* the schemas of all rules */
        uint32_t kept_count, kept_capacity;
        struct pending *pending;
        uint32_t pending_count, pending_capacity, written; /* of them, those whose bodies are written */
        uint32_t *slots;                                   /* pending + 1 by what it holds */
        struct text_rule texts[SCHEMA_TEXT_RULES_MAX];
        uint32_t texts_count;
        uint64_t work;                  /* comparisons so far */
        struct schema_relaxed *relaxed; /* NULL: all is held, or refused */
        int failed;                     /* 0 or -errno; then *reterr */
        struct grammar_error *reterr;
};

/* Says what is wrong with PLACE, a keyword or schema: "minLength at #/properties/a: ...". Once. */
__attribute__((format(printf, 3, 4))) void schema_refuse(struct schema_compiler *c, const cJSON *place, const char *format, ...);
/* The same of what is too large. */
__attribute__((format(printf, 3, 4))) void schema_exceed(struct schema_compiler *c, const cJSON *place, const char *format, ...);
/* The same where nothing may be relaxed; else PLACE is told, and the caller goes on without it. */
__attribute__((format(printf, 3, 4))) void schema_relax(struct schema_compiler *c, const cJSON *place, const char *format, ...);
void schema_no_memory(struct schema_compiler *c);
/* Counts COUNT comparisons; false, and refused, when there have been too many. */
bool schema_works(struct schema_compiler *c, uint32_t count);

/* ---- schema.c ---- */

/* Adds S, true and false included. */
void together_add(struct schema_compiler *c, struct together *t, const cJSON *s);
/* A call of the rule for T. */
uint32_t schema_call(struct schema_compiler *c, const struct together *t);
/* The bodies of all rules that were called. */
void schema_write_bodies(struct schema_compiler *c);
/* A call of the rule for SCHEMA and, where there is one, ANOTHER beside it: whole with all it needs, so that others may follow. */
uint32_t schema_call_of_whole(struct schema_compiler *c, const cJSON *schema, const cJSON *another);
/* Whether VALUE is one of all lists of values, and of a type that there may be. */
bool schema_allows(struct schema_compiler *c, const struct facts *f, const cJSON *value);
/* Around all of it; the end, whose answer is 0 or -errno, always follows. BODY becomes that of the rule *ret_rule. */
void schema_begin(struct schema_compiler *c);
int schema_end(struct schema_compiler *c, uint32_t body, uint32_t *ret_rule);

/* ---- marked.c ---- */

/* ARGUMENTS between marks: an expression. */
uint32_t schema_marked(struct schema_compiler *c, const struct schema_marks *marks, const cJSON *arguments);

/* ---- relaxed.c ---- */

/* Appends the way from AT down to PLACE, as the fragment of an address: /properties/a%20b. False when it is not below. */
bool schema_write_place(const cJSON *at, const cJSON *place, char *out, size_t size);

/* ---- keywords.c ---- */

/* The property that tells the alternatives of SCHEMA's oneOf apart, which so all of them have; NULL: none is told. */
const char *schema_discriminator(const cJSON *schema);
void facts_read(struct schema_compiler *c, const struct together *t, struct facts *f);
/* The schema that a "#/..." points to; NULL, and refused, when there is none. REF is the keyword. */
const cJSON *schema_resolve(struct schema_compiler *c, const cJSON *ref);
/* The types that the value V can be said to have; a whole number is an integer. */
unsigned type_of_value(const cJSON *v);
/* The types that a `type` names; 0 when one of the names is no type. */
unsigned types_of_keyword(const cJSON *type);
/* The types that the keywords of a schema apply to, which stand in for its `type` where it has none. */
unsigned types_implied(const cJSON *schema);
bool values_equal(const cJSON *a, const cJSON *b);

/* ---- disjoint.c ---- */

/* True when it is sure that no value generated for one satisfies the other. DISCRIMINATOR: a property that both have; NULL: none. */
bool schemas_apart(struct schema_compiler *c, const cJSON *a, const cJSON *b, const char *discriminator);

/* ---- one type each: an expression ---- */

uint32_t schema_string(struct schema_compiler *c, const struct facts *f);
void schema_texts_done(struct schema_compiler *c);
/* The same for the texts in which the PATTERN that names KEYWORD is found. */
uint32_t schema_text_of(struct schema_compiler *c, const char *pattern, const cJSON *keyword);
uint32_t schema_number(struct schema_compiler *c, const struct facts *f);
uint32_t schema_array(struct schema_compiler *c, const struct facts *f);
uint32_t schema_object(struct schema_compiler *c, const struct facts *f);

#endif
