/*
 * schema.h - a JSON Schema to a grammar whose texts are JSON that satisfies it.
 *
 * What the grammar lets through is valid; it does not let through all that is. Properties come in the order in which the schema
 * names them, each optional one or not at all, and others only where `additionalProperties` asks for some. A schema
 * that names properties but no type means an object, and so on. Keywords that say nothing about a text (title, description,
 * default ...) and those beginning with x- are ignored; a keyword that cannot be held to is refused by name, with its place.
 */
#ifndef HEADROOM_ENGINE_JSON_SCHEMA_SCHEMA_H
#define HEADROOM_ENGINE_JSON_SCHEMA_SCHEMA_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "engine/grammar/builder.h"
#include "engine/grammar/grammar.h"

/* SCHEMA is not kept. All: 0 and *ret; -EINVAL or -ENOMEM and one sentence. Adds the rules of a schema, with the one that begins it, to B. */
int schema_read(struct grammar_builder *b, const cJSON *schema, uint32_t *ret_rule, struct grammar_error *reterr);
/* Any JSON object. */
int schema_read_any_object(struct grammar_builder *b, uint32_t *ret_rule, struct grammar_error *reterr);

/* One alternative of several: BEFORE, its name, BETWEEN, maybe white space, an object that satisfies its schema, BEHIND. */
struct schema_call {
        const char *name; /* written as it stands here */
        const cJSON *arguments;
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
};
/* *ret_wrong: which of them it is that the sentence is about; `count` where it is none. */
int schema_read_calls(struct grammar_builder *b, const struct schema_calls *calls, uint32_t *ret_rule, uint32_t *ret_wrong,
                      struct grammar_error *reterr);

/* What *PATH, "/a/b" of a reference "#/a/b", takes its first step to from AT, with its escapes undone; NULL: nothing. *PATH is behind it. */
const cJSON *schema_step_down(const cJSON *at, const char **path);

/* A whole grammar of a schema alone. */
int schema_compile(const cJSON *schema, struct grammar **ret, struct grammar_error *reterr);

#endif
