/*
 * schema.h - a JSON Schema to a grammar whose texts are JSON that satisfies it.
 *
 * What the grammar lets through is valid; it does not let through all that is. Properties come in the order in which the schema
 * names them, each optional one or not at all, and others only where `additionalProperties` asks for some. A schema
 * that names properties but no type means an object, and so on. Keywords that say nothing about a text (title, description,
 * default ...) are ignored, and so are those that no JSON Schema knows. A keyword that cannot be held to is left out and told with its place,
 * or refused, as the caller wants it; one that is wrong is refused.
 */
#ifndef HEADROOM_ENGINE_JSON_SCHEMA_SCHEMA_H
#define HEADROOM_ENGINE_JSON_SCHEMA_SCHEMA_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "engine/grammar/builder.h"
#include "engine/grammar/grammar.h"

/* What a grammar does not hold to. All zero at first. */
struct schema_relaxed {
        /* "within/name#/properties/a/not, ...": each as the fragment of an address, so ASCII without blanks. */
        char places[SCHEMA_RELAXED_BYTES];
        const char *within, *name; /* of what it is a schema; or NULL */
        const cJSON *seen[SCHEMA_RELAXED_MAX];
        uint32_t count, more; /* those that are named; further ones */
};
/* NAME as a whole is not held to. */
void schema_tell_whole(struct schema_relaxed *r, const char *name);

/*
 * SCHEMA is not kept. All: 0 and *ret; -EINVAL, -ENOMEM and one sentence. RELAXED NULL: what cannot be held to is refused. Adds the rules of a schema,
 * with the one that begins it, to B.
 */
int schema_read(struct grammar_builder *b, const cJSON *schema, struct schema_relaxed *relaxed, uint32_t *ret_rule,
                struct grammar_error *reterr);
/* Any JSON object. */
int schema_read_any_object(struct grammar_builder *b, uint32_t *ret_rule, struct grammar_error *reterr);

/* One alternative of several: BEFORE, its name, BETWEEN, maybe white space, an object that satisfies its schema, BEHIND. */
struct schema_call {
        const char *name; /* written as it stands here */
        const cJSON *arguments;
        const char *told_as; /* in what is relaxed */
        bool strict;         /* nothing is */
};
/* Where arguments are no object, but stand between marks: each optional one or not at all, in the order of `properties`. */
struct schema_marks {
        const char *before_key, *behind_key, *behind_text_key; /* the last where the value is a text */
        const char *before_end, *value_end;                    /* before_end: not behind a text */
        /* Whether what satisfies VALUE is written as it is, else it is JSON. */
        bool (*is_text)(const cJSON *arguments, const cJSON *value);
};
struct schema_calls {
        const char *before, *between, *behind;
        const struct schema_marks *marks; /* or NULL */
        const struct schema_call *list;
        uint32_t count;
        struct schema_relaxed *relaxed; /* NULL: all are strict */
};
/* *ret_wrong: which of them it is that the sentence is about; `count` where it is none. */
int schema_read_calls(struct grammar_builder *b, const struct schema_calls *calls, uint32_t *ret_rule, uint32_t *ret_wrong,
                      struct grammar_error *reterr);

/* What *PATH, "/a/b" of a reference "#/a/b", takes its first step to from AT, with its escapes undone; NULL: nothing. *PATH is behind it. */
const cJSON *schema_step_down(const cJSON *at, const char **path);

/* A whole grammar of a schema alone. */
int schema_compile(const cJSON *schema, struct schema_relaxed *relaxed, struct grammar **ret, struct grammar_error *reterr);

#endif
