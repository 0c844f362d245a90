/*
 * schema.h - a JSON Schema to a grammar whose texts are JSON that satisfies it.
 *
 * What the grammar lets through is valid; it does not let through all that is. Properties come in the order in which the schema
 * names them, each optional one or not at all, and others only where `additionalProperties` asks for some. A schema
 * that names properties but no type means an object, and so on. Keywords that say nothing about a text (title, description,
 * default ...) and those beginning with x- are ignored; a keyword that cannot be held to is refused by name, with its place.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_SCHEMA_H
#define HEADROOM_ENGINE_GRAMMAR_SCHEMA_H

#include <cjson/cJSON.h>

#include "engine/grammar/grammar.h"

/* SCHEMA is not kept. 0 and *ret; -EINVAL or -ENOMEM and one sentence. */
int schema_compile(const cJSON *schema, struct grammar **ret, struct grammar_error *reterr);
/* Any JSON object. */
int schema_compile_any_object(struct grammar **ret, struct grammar_error *reterr);

#endif
