/*
 * interpreter.h - a tree at work: scopes, statements, expressions, calls.
 *
 * Names are found by walking outwards from the innermost scope; a loop's turn, a macro's call, a block that is captured have a
 * scope each, an "if" has none. A macro sees the scope it was defined in, as it is when the macro runs.
 */
#ifndef HEADROOM_ENGINE_JINJA_INTERPRETER_H
#define HEADROOM_ENGINE_JINJA_INTERPRETER_H

#include "engine/jinja/node.h"

struct binding {
        struct tainted name;
        struct value value;
};

struct scope {
        struct scope *outer;
        struct binding *bindings;
        size_t count, capacity;
};

struct loop {
        const struct node *node; /* NODE_FOR */
        struct scope *scope;     /* around it */
        const struct value *items;
        size_t index, count;
        uint32_t depth;
        struct value changed; /* the last value given to loop.changed */
};

struct interpreter {
        struct jinja_job *job;
        struct scope *scope;
        struct builder *out; /* the output goes here */
        struct value piped;  /* of NODE_PIPED */
        int64_t now;
};

/* ---- interpreter.c ---- */

void interpreter_run(struct interpreter *in, const struct node *body);
void scope_set(struct interpreter *in, struct tainted name, struct value value); /* in the innermost scope */
struct value call_macro(struct interpreter *in, const struct callable *c, const struct arguments *a);
struct value call_loop(struct interpreter *in, struct loop *l, const struct arguments *a);

/* ---- evaluate.c ---- */

struct value evaluate(struct interpreter *in, const struct node *n);
struct arguments evaluate_arguments(struct interpreter *in, const struct node *items);
struct value call_value(struct interpreter *in, struct value callee, const struct arguments *a);
/* WHAT and C's name are named when it fails. */
struct value call_builtin(struct interpreter *in, const char *what, const struct callable *c, struct value self,
                          const struct arguments *a);
struct value attribute_of(struct interpreter *in, struct value of, struct tainted name);
struct value subscript_of(struct interpreter *in, struct value of, struct value index);
/* "a.b.0": as the filters' attribute= means it. PATH may be an integer too. */
struct value path_of(struct interpreter *in, struct value of, struct value path);

/* ---- jinja_value/arithmetic.c ---- */

struct value arithmetic(struct jinja_job *job, enum node_kind operator, struct value a, struct value b);
struct value arithmetic_negate(struct jinja_job *job, struct value a);

/* ---- builtins: each finds a row, or gives NULL ---- */

const struct callable *find_filter(struct tainted name);
const struct callable *find_test(struct tainted name);
const struct callable *find_function(struct tainted name);
const struct callable *find_method(enum value_kind kind, struct tainted name);

/* ---- format.c ---- */

struct value format_percent(struct interpreter *in, struct tainted format, struct value values);
struct value format_braces(struct interpreter *in, struct tainted format, const struct arguments *a);

/* ---- for builtins: reading their arguments ---- */

struct value text_value(struct interpreter *in, struct tainted m);
struct tainted text_argument(struct interpreter *in, struct value v, const char *name); /* fails if it is no text */
int64_t integer_argument(struct interpreter *in, struct value v, const char *name, int64_t otherwise); /* where it is not given */
size_t width_argument(struct interpreter *in, struct value v, const char *name, size_t otherwise);     /* 0 to JINJA_WIDTH_MAX */

#endif
