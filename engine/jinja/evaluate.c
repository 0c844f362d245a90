/* evaluate.c - see interpreter.h: expressions, and calls of what is built in. */
#include <stdio.h>
#include <string.h>

#include "engine/jinja_value/bounds.h"
#include "engine/jinja/interpreter.h"
#include "engine/jinja_value/print.h"

static struct value undefined(struct interpreter *in, const char *format, struct tainted name) {
        char *sentence = jinja_take(in->job, 96, 1);
        (void) snprintf(sentence, 96, format, (int) (name.length < 48 ? name.length : 48), name.bytes);
        return (struct value){ .kind = VALUE_UNDEFINED, .missing = sentence };
}

_Noreturn static void fail_undefined(struct interpreter *in, struct value v) {
        jinja_fail(in->job, "%s", v.missing ? v.missing : "a value is undefined");
}

struct value text_value(struct interpreter *in, struct tainted m) {
        return value_of_text(in->job, m);
}

struct tainted text_argument(struct interpreter *in, struct value v, const char *name) {
        if (v.kind == VALUE_UNDEFINED && v.missing)
                fail_undefined(in, v);
        if (v.kind != VALUE_TEXT)
                jinja_fail(in->job, "'%s' is no text but of type '%s'", name, value_kind_name(v));
        return *v.text;
}

int64_t integer_argument(struct interpreter *in, struct value v, const char *name, int64_t otherwise) {
        if (v.kind == VALUE_UNDEFINED)
                return otherwise;
        if (v.kind != VALUE_INTEGER && v.kind != VALUE_BOOL)
                jinja_fail(in->job, "'%s' is no whole number but of type '%s'", name, value_kind_name(v));
        return v.kind == VALUE_BOOL ? v.truth : v.integer;
}

size_t width_argument(struct interpreter *in, struct value v, const char *name, size_t otherwise) {
        int64_t width = integer_argument(in, v, name, (int64_t) otherwise);
        if (width > (int64_t) JINJA_WIDTH_MAX)
                jinja_fail(in->job, "'%s' is more than %u", name, JINJA_WIDTH_MAX);
        return width > 0 ? (size_t) width : 0;
}

/* ---- names, members, items ---- */

static struct value look_up(struct interpreter *in, const struct node *n) {
        for (const struct scope *s = in->scope; s; s = s->outer)
                for (size_t i = 0; i < s->count; i++)
                        if (tainted_equals(s->bindings[i].name, n->text))
                                return s->bindings[i].value;
        const struct callable *known = find_function(n->text);
        if (known)
                return (struct value){ .kind = VALUE_CALLABLE, .callable = known };
        return undefined(in, "'%.*s' is undefined", n->text);
}

static struct value bind_method(struct interpreter *in, const struct callable *method, struct value self) {
        struct callable *bound = jinja_take(in->job, 1, sizeof(*bound));
        *bound = *method;
        bound->self = self;
        return (struct value){ .kind = VALUE_CALLABLE, .callable = bound };
}

struct value attribute_of(struct interpreter *in, struct value of, struct tainted name) {
        if (of.kind == VALUE_UNDEFINED)
                fail_undefined(in, of);
        const struct callable *method = find_method(of.kind, name);
        if (method)
                return method->parameters ? bind_method(in, method, of) : method->call(in, of, NULL);
        if (of.kind == VALUE_MAP || of.kind == VALUE_NAMESPACE) {
                const struct value *member = value_get(in->job, of, (struct value){ .kind = VALUE_TEXT, .text = &name });
                if (member)
                        return *member;
        }
        return undefined(in, "there is no member '%.*s'", name);
}

/* INDEX counted from the end where it is negative; false: outside. */
static bool place_of(int64_t index, size_t count, size_t *ret) {
        if (index < 0)
                index += (int64_t) count;
        *ret = (size_t) index;
        return index >= 0 && (size_t) index < count;
}

static struct tainted character_at(struct interpreter *in, struct tainted m, size_t place) {
        size_t at = 0;
        jinja_spend_chars(in->job, place);
        while (place--)
                at += tainted_step(m, at);
        return tainted_slice(m, at, at + tainted_step(m, at));
}

struct value subscript_of(struct interpreter *in, struct value of, struct value index) {
        size_t place;
        bool integer = index.kind == VALUE_INTEGER || index.kind == VALUE_BOOL;
        int64_t number = index.kind == VALUE_BOOL ? index.truth : index.integer;
        if (of.kind == VALUE_UNDEFINED)
                fail_undefined(in, of);
        if (of.kind == VALUE_MAP || of.kind == VALUE_NAMESPACE) {
                const struct value *item = value_can_be_key(in->job, index) ? value_get(in->job, of, index) : NULL;
                if (item)
                        return *item;
        } else if ((of.kind == VALUE_LIST || of.kind == VALUE_TUPLE) && integer) {
                if (place_of(number, of.list->count, &place))
                        return of.list->items[place];
                return undefined(in, "there is no item of that number%.*s", TAINTED(""));
        } else if (of.kind == VALUE_TEXT && integer) {
                if (place_of(number, tainted_characters(in->job, *of.text), &place))
                        return text_value(in, character_at(in, *of.text, place));
                return undefined(in, "there is no character of that number%.*s", TAINTED(""));
        }
        if (index.kind == VALUE_TEXT)
                return attribute_of(in, of, *index.text);
        return undefined(in, "there is no such item%.*s", TAINTED(""));
}

struct value path_of(struct interpreter *in, struct value of, struct value path) {
        if (path.kind != VALUE_TEXT)
                return subscript_of(in, of, path);
        for (size_t from = 0; from <= path.text->length;) {
                size_t dot = tainted_find(in->job, *path.text, TAINTED("."), from);
                size_t to = dot == SIZE_MAX ? path.text->length : dot;
                struct tainted part = tainted_slice(*path.text, from, to);
                bool digits = part.length > 0 && part.length < 10;
                int64_t number = 0;
                for (size_t i = 0; i < part.length && digits; i++) {
                        digits = part.bytes[i] >= '0' && part.bytes[i] <= '9';
                        number = number * 10 + (part.bytes[i] - '0');
                }
                of = subscript_of(in, of, digits ? value_of_integer(number) : text_value(in, part));
                from = to + 1;
        }
        return of;
}

/* ---- slices ---- */

/* A bound of a slice: OTHERWISE where it is not given; from the end where negative; within LEAST .. MOST. */
static int64_t bound_of(struct interpreter *in, const struct node *n, int64_t count, int64_t least, int64_t most,
                        int64_t otherwise) {
        struct value v = n ? evaluate(in, n) : value_of_none();
        if (v.kind == VALUE_NONE)
                return otherwise;
        if (v.kind != VALUE_INTEGER && v.kind != VALUE_BOOL)
                jinja_fail(in->job, "a slice needs whole numbers, not a value of type '%s'", value_kind_name(v));
        int64_t bound = v.kind == VALUE_BOOL ? v.truth : v.integer;
        if (bound < 0)
                bound = bound < -count ? least : bound + count;
        return bound < least ? least : bound > most ? most : bound;
}

/* A text in pieces of a character each costs much more than one cut out: the usual step is 1. */
static struct value slice_text(struct interpreter *in, struct tainted m, int64_t from, int64_t to, int64_t step) {
        if (step == 1) {
                size_t begin = 0, end;
                for (int64_t i = 0; i < from && i < to; i++)
                        begin += tainted_step(m, begin);
                end = begin;
                for (int64_t i = from; i < to; i++)
                        end += tainted_step(m, end);
                jinja_spend_chars(in->job, end);
                return text_value(in, tainted_slice(m, begin, end));
        }
        const struct value_list *characters = value_items(in->job, text_value(in, m));
        struct builder b = { .job = in->job };
        for (int64_t i = from; step > 0 ? i < to : i > to; i += step)
                builder_add(&b, *characters->items[i].text);
        return text_value(in, builder_text(&b));
}

static struct value slice_of(struct interpreter *in, struct value of, const struct node *n) {
        if (of.kind == VALUE_UNDEFINED)
                fail_undefined(in, of);
        if (of.kind != VALUE_TEXT && of.kind != VALUE_LIST && of.kind != VALUE_TUPLE)
                jinja_fail(in->job, "a value of type '%s' cannot be sliced", value_kind_name(of));
        int64_t count = (int64_t) value_length(in->job, of);
        struct value given = n->c ? evaluate(in, n->c) : value_of_none();
        int64_t step = given.kind == VALUE_NONE ? 1 : integer_argument(in, given, "step", 1);
        if (step == 0 || step > INT32_MAX || step < -INT32_MAX)
                jinja_fail(in->job, "a slice cannot have this step");
        int64_t from = step > 0 ? bound_of(in, n->a, count, 0, count, 0) : bound_of(in, n->a, count, -1, count - 1, count - 1);
        int64_t to = step > 0 ? bound_of(in, n->b, count, 0, count, count) : bound_of(in, n->b, count, -1, count - 1, -1);
        if (of.kind == VALUE_TEXT)
                return slice_text(in, *of.text, from, to, step);
        struct value made = of.kind == VALUE_LIST ? value_new_list(in->job) : value_new_tuple(in->job);
        for (int64_t i = from; step > 0 ? i < to : i > to; i += step)
                value_append(in->job, made, of.list->items[i]);
        return made;
}

/* ---- calls ---- */

static void push_argument(struct interpreter *in, struct arguments *a, struct tainted name, struct value value) {
        if (a->count == JINJA_ARGUMENTS_MAX)
                jinja_fail(in->job, "a call has more than %u arguments", JINJA_ARGUMENTS_MAX);
        a->names[a->count] = name;
        a->values[a->count++] = value;
}

static void push_many(struct interpreter *in, struct arguments *a, const struct node *n) {
        struct value many = evaluate(in, n->a);
        if (!n->text.bytes) {
                const struct value_list *items = value_items(in->job, many);
                for (size_t i = 0; i < items->count; i++)
                        push_argument(in, a, (struct tainted){ .bytes = NULL }, items->items[i]);
                return;
        }
        if (many.kind != VALUE_MAP)
                jinja_fail(in->job, "'**' needs a mapping, not a value of type '%s'", value_kind_name(many));
        for (size_t i = 0; i < many.map->count; i++)
                push_argument(in, a, text_argument(in, many.map->pairs[i].key, "a name"), many.map->pairs[i].value);
}

struct arguments evaluate_arguments(struct interpreter *in, const struct node *items) {
        struct arguments a = { 0 };
        size_t count = 0;
        bool many = false;
        for (const struct node *n = items; n; n = n->next, count++)
                many |= n->flag;
        if (!count)
                return a;
        a.values = jinja_take(in->job, many ? JINJA_ARGUMENTS_MAX : count, sizeof(*a.values));
        a.names = jinja_take(in->job, many ? JINJA_ARGUMENTS_MAX : count, sizeof(*a.names));
        for (const struct node *n = items; n; n = n->next)
                if (n->flag)
                        push_many(in, &a, n);
                else
                        push_argument(in, &a, n->text, evaluate(in, n->a));
        return a;
}

/* The place of NAME in a list of words apart by spaces; COUNT where it is none of them. */
static size_t parameter_place(const char *parameters, struct tainted name) {
        size_t place = 0;
        for (const char *p = parameters; *p; place++) {
                size_t length = strcspn(p, " ");
                if (name.length == length && !memcmp(p, name.bytes, length))
                        return place;
                p += length + (p[length] == ' ');
        }
        return place;
}

#define PARAMETERS_MAX 8u

struct value call_builtin(struct interpreter *in, const char *what, const struct callable *c, struct value self,
                          const struct arguments *a) {
        struct value values[PARAMETERS_MAX] = { { .kind = VALUE_UNDEFINED } };
        struct arguments bound = { .values = values, .count = PARAMETERS_MAX };
        const char *outer_what = in->job->what, *outer_name = in->job->name;
        in->job->what = what;
        in->job->name = c->name;
        jinja_spend(in->job, 1);
        jinja_enter(in->job);
        bool as_written = !strcmp(c->parameters, "*");
        size_t known = as_written ? 0 : parameter_place(c->parameters, TAINTED(" "));
        for (size_t i = 0; !as_written && i < a->count; i++) {
                size_t place = a->names[i].bytes ? parameter_place(c->parameters, a->names[i]) : i;
                if (place >= known && a->names[i].bytes)
                        jinja_fail(in->job, "an argument '%.*s' is not known",
                                   (int) (a->names[i].length < 60 ? a->names[i].length : 60), a->names[i].bytes);
                if (place >= known)
                        jinja_fail(in->job, "there are more than %zu arguments", known);
                values[place] = a->values[i];
        }
        struct value result = c->call(in, self, as_written ? a : &bound);
        jinja_leave(in->job);
        in->job->what = outer_what;
        in->job->name = outer_name;
        return result;
}

struct value call_value(struct interpreter *in, struct value callee, const struct arguments *a) {
        if (callee.kind == VALUE_UNDEFINED)
                fail_undefined(in, callee);
        if (callee.kind == VALUE_LOOP)
                return call_loop(in, callee.loop, a);
        if (callee.kind != VALUE_CALLABLE)
                jinja_fail(in->job, "a value of type '%s' cannot be called", value_kind_name(callee));
        if (callee.callable->macro)
                return call_macro(in, callee.callable, a);
        return call_builtin(in, "function", callee.callable, callee.callable->self, a);
}

static struct value apply(struct interpreter *in, const struct node *n) {
        bool filter = n->kind == NODE_FILTER;
        struct value self = evaluate(in, n->a);
        struct arguments a = evaluate_arguments(in, n->items);
        const struct callable *c = filter ? find_filter(n->text) : find_test(n->text);
        in->job->line = n->line;
        if (!c)
                jinja_fail(in->job, "there is no %s '%.*s'", filter ? "filter" : "test",
                           (int) (n->text.length < 60 ? n->text.length : 60), n->text.bytes);
        return call_builtin(in, filter ? "filter" : "test", c, self, &a);
}

static struct value call(struct interpreter *in, const struct node *n) {
        struct value callee = evaluate(in, n->a);
        struct arguments a = evaluate_arguments(in, n->items);
        in->job->line = n->line;
        return call_value(in, callee, &a);
}

/* ---- operators ---- */

static bool compare(struct interpreter *in, struct tainted operator, struct value a, struct value b) {
        if (operator.bytes[0] == 'i' || operator.bytes[0] == 'n')
                return value_contains(in->job, b, a) == (operator.bytes[0] == 'i');
        if (operator.bytes[0] == '=' || operator.bytes[0] == '!')
                return value_equals(in->job, a, b) == (operator.bytes[0] == '=');
        if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
                fail_undefined(in, a.kind == VALUE_UNDEFINED ? a : b);
        int order = value_compare(in->job, a, b);
        bool equal = operator.length == 2;
        return operator.bytes[0] == '<' ? order < 0 || (equal && order == 0) : order> 0 ||(equal &&order == 0);
}

static struct value compare_all(struct interpreter *in, const struct node *n) {
        struct value left = evaluate(in, n->a);
        for (const struct node *c = n->items; c; c = c->next) {
                struct value right = evaluate(in, c->a);
                in->job->line = c->line;
                if (!compare(in, c->text, left, right))
                        return value_of_bool(false);
                left = right;
        }
        return value_of_bool(true);
}

static struct value collect(struct interpreter *in, const struct node *n) {
        struct value made = n->kind == NODE_LIST    ? value_new_list(in->job)
                            : n->kind == NODE_TUPLE ? value_new_tuple(in->job)
                                                    : value_new_map(in->job);
        for (const struct node *i = n->items; i; i = i->next)
                if (n->kind == NODE_MAP)
                        value_set(in->job, made, evaluate(in, i->a), evaluate(in, i->b));
                else
                        value_append(in->job, made, evaluate(in, i));
        return made;
}

static struct value concatenate(struct interpreter *in, const struct node *n) {
        struct builder b = { .job = in->job };
        for (const struct node *i = n->items; i; i = i->next)
                print_string(&b, evaluate(in, i));
        return text_value(in, builder_text(&b));
}

static struct value subscript(struct interpreter *in, const struct node *n) {
        struct value of = evaluate(in, n->a);
        if (n->b->kind == NODE_SLICE)
                return slice_of(in, of, n->b);
        struct value index = evaluate(in, n->b);
        in->job->line = n->line;
        return subscript_of(in, of, index);
}

static struct value choose(struct interpreter *in, const struct node *n) {
        if (value_true(evaluate(in, n->b)))
                return evaluate(in, n->a);
        return n->c ? evaluate(in, n->c) : undefined(in, "an 'if' without 'else' gave nothing%.*s", TAINTED(""));
}

static struct value binary(struct interpreter *in, const struct node *n) {
        struct value a = evaluate(in, n->a), b = evaluate(in, n->b);
        in->job->line = n->line;
        if (n->kind == NODE_MODULO && a.kind == VALUE_TEXT)
                return format_percent(in, *a.text, b);
        bool texts = n->kind == NODE_ADD && (a.kind == VALUE_TEXT || b.kind == VALUE_TEXT);
        if (!texts && (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED))
                fail_undefined(in, a.kind == VALUE_UNDEFINED ? a : b);
        return arithmetic(in->job, n->kind, a, b);
}

static struct value evaluate_kind(struct interpreter *in, const struct node *n) {
        struct value v;
        switch (n->kind) {
        case NODE_CONSTANT: return n->value;
        case NODE_NAME: return look_up(in, n);
        case NODE_LIST:
        case NODE_TUPLE:
        case NODE_MAP: return collect(in, n);
        case NODE_ATTRIBUTE:
                v = evaluate(in, n->a);
                in->job->line = n->line;
                return attribute_of(in, v, n->text);
        case NODE_SUBSCRIPT: return subscript(in, n);
        case NODE_CALL: return call(in, n);
        case NODE_FILTER:
        case NODE_TEST: return apply(in, n);
        case NODE_PIPED: return in->piped;
        case NODE_NOT: return value_of_bool(!value_true(evaluate(in, n->a)));
        case NODE_AND: v = evaluate(in, n->a); return value_true(v) ? evaluate(in, n->b) : v;
        case NODE_OR: v = evaluate(in, n->a); return value_true(v) ? v : evaluate(in, n->b);
        case NODE_NEGATE: return arithmetic_negate(in->job, evaluate(in, n->a));
        case NODE_PLUS: return arithmetic(in->job, NODE_ADD, value_of_integer(0), evaluate(in, n->a));
        case NODE_CONCAT: return concatenate(in, n);
        case NODE_COMPARE: return compare_all(in, n);
        case NODE_CHOICE: return choose(in, n);
        default: return binary(in, n);
        }
}

struct value evaluate(struct interpreter *in, const struct node *n) {
        jinja_spend(in->job, 1);
        jinja_enter(in->job);
        struct value v = evaluate_kind(in, n);
        jinja_leave(in->job);
        return v;
}
