/* interpreter.c - see interpreter.h: scopes, statements, macros and loops. */
#include "engine/jinja/interpreter.h"

#include <string.h>

#include "engine/jinja_value/bounds.h"
#include "engine/jinja_value/print.h"

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

static enum flow run_body(struct interpreter *in, const struct node *body);

/* ---- scopes ---- */

static struct scope *new_scope(struct interpreter *in, struct scope *outer) {
        struct scope *s = jinja_take(in->job, 1, sizeof(*s));
        s->outer = outer;
        return s;
}

void scope_set(struct interpreter *in, struct tainted name, struct value value) {
        struct scope *s = in->scope;
        for (size_t i = 0; i < s->count; i++)
                if (tainted_equals(s->bindings[i].name, name)) {
                        s->bindings[i].value = value;
                        return;
                }
        if (s->count == s->capacity) {
                size_t capacity = s->capacity ? 2 * s->capacity : 4;
                struct binding *bindings = jinja_take(in->job, capacity, sizeof(*bindings));
                if (s->count)
                        memcpy(bindings, s->bindings, s->count * sizeof(*bindings));
                s->bindings = bindings;
                s->capacity = capacity;
        }
        s->bindings[s->count++] = (struct binding){ name, value };
}

static void set_member(struct interpreter *in, const struct node *target, struct value value) {
        struct value of = evaluate(in, target->a);
        in->job->line = target->line;
        if (of.kind != VALUE_NAMESPACE)
                jinja_fail(in->job, "'%.*s' is of type '%s': only members of a namespace can be set",
                           (int) target->a->text.length, target->a->text.bytes, value_kind_name(of));
        value_set(in->job, of, value_of_text(in->job, target->text), value);
}

static void assign(struct interpreter *in, const struct node *target, struct value value) {
        if (target->kind == NODE_NAME) {
                scope_set(in, target->text, value);
                return;
        }
        if (target->kind == NODE_ATTRIBUTE) {
                set_member(in, target, value);
                return;
        }
        const struct value_list *items = value_items(in->job, value);
        size_t wanted = 0;
        for (const struct node *t = target->items; t; t = t->next)
                wanted++;
        if (items->count != wanted)
                jinja_fail(in->job, "%zu values cannot be unpacked into %zu names", items->count, wanted);
        size_t i = 0;
        jinja_enter(in->job);
        for (const struct node *t = target->items; t; t = t->next)
                assign(in, t, items->items[i++]);
        jinja_leave(in->job);
}

/* The output of BODY, as a text; it has a scope of its own. */
static struct value capture(struct interpreter *in, const struct node *body, struct scope *outer) {
        struct builder made = { .job = in->job }, *out = in->out;
        struct scope *scope = in->scope;
        in->out = &made;
        in->scope = outer;
        (void) run_body(in, body);
        in->out = out;
        in->scope = scope;
        return value_of_text(in->job, builder_text(&made));
}

/* ---- macros ---- */

struct macro {
        const struct node *node; /* its items are the parameters */
        struct scope *scope;
};

static struct value new_macro(struct interpreter *in, const struct node *node, const char *name) {
        struct macro *m = jinja_take(in->job, 1, sizeof(*m));
        struct callable *c = jinja_take(in->job, 1, sizeof(*c));
        *m = (struct macro){ node, in->scope };
        *c = (struct callable){ .name = name, .parameters = "*", .macro = m };
        return (struct value){ .kind = VALUE_CALLABLE, .callable = c };
}

static const char *terminated(struct interpreter *in, struct tainted m) {
        char *name = jinja_take(in->job, m.length + 1, 1);
        memcpy(name, m.bytes, m.length);
        return name;
}

/* The argument for PARAMETER, the INDEX-th; taken ones are marked in TAKEN. */
static bool find_argument(const struct arguments *a, const struct node *parameter, size_t index, bool taken[],
                          struct value *ret) {
        for (size_t i = 0; i < a->count; i++) {
                bool fits = a->names[i].bytes ? tainted_equals(a->names[i], parameter->text) : i == index;
                if (!fits || taken[i])
                        continue;
                taken[i] = true;
                *ret = a->values[i];
                return true;
        }
        return false;
}

/* Binds the arguments that no parameter took: "caller" of a call block, the rest as varargs and kwargs. */
static void bind_rest(struct interpreter *in, const struct arguments *a, const bool taken[]) {
        struct value rest = value_new_tuple(in->job), named = value_new_map(in->job);
        for (size_t i = 0; i < a->count; i++) {
                if (taken[i])
                        continue;
                if (!a->names[i].bytes)
                        value_append(in->job, rest, a->values[i]);
                else if (tainted_is(a->names[i], "caller"))
                        scope_set(in, a->names[i], a->values[i]);
                else
                        value_set(in->job, named, value_of_text(in->job, a->names[i]), a->values[i]);
        }
        scope_set(in, TAINTED("varargs"), rest);
        scope_set(in, TAINTED("kwargs"), named);
}

struct value call_macro(struct interpreter *in, const struct callable *c, const struct arguments *a) {
        const struct macro *m = c->macro;
        struct scope *scope = in->scope, *inner = new_scope(in, m->scope);
        bool *taken = jinja_take(in->job, a->count + 1, sizeof(*taken));
        size_t index = 0;
        in->scope = inner;
        for (const struct node *p = m->node->items; p; p = p->next, index++) {
                struct value value = { .kind = VALUE_UNDEFINED };
                if (!find_argument(a, p, index, taken, &value) && p->a)
                        value = evaluate(in, p->a);
                scope_set(in, p->text, value);
        }
        bind_rest(in, a, taken);
        in->scope = scope;
        return capture(in, m->node->body, inner);
}

/* ---- loops ---- */

/* The items for which the loop's "if" holds. */
static struct value_list *choose(struct interpreter *in, const struct node *n, const struct value_list *items) {
        struct value chosen = value_new_list(in->job);
        struct scope *scope = in->scope;
        in->scope = new_scope(in, scope);
        for (size_t i = 0; i < items->count; i++) {
                in->scope->count = 0;
                assign(in, n->a, items->items[i]);
                if (value_true(evaluate(in, n->c)))
                        value_append(in->job, chosen, items->items[i]);
        }
        in->scope = scope;
        return chosen.list;
}

static void run_loop(struct interpreter *in, const struct node *n, struct value over, uint32_t depth) {
        const struct value_list *items = value_items(in->job, over);
        if (n->c)
                items = choose(in, n, items);
        struct loop *l = jinja_take(in->job, 1, sizeof(*l));
        *l = (struct loop){ .node = n, .scope = in->scope, .items = items->items, .count = items->count, .depth = depth };
        struct scope *scope = in->scope;
        if (l->count == 0) {
                in->scope = new_scope(in, scope);
                (void) run_body(in, n->other);
                in->scope = scope;
                return;
        }
        in->scope = new_scope(in, scope);
        for (; l->index < l->count; l->index++) {
                jinja_spend(in->job, 1);
                in->scope->count = 0;
                scope_set(in, TAINTED("loop"), (struct value){ .kind = VALUE_LOOP, .loop = l });
                assign(in, n->a, l->items[l->index]);
                if (run_body(in, n->body) == FLOW_BREAK)
                        break;
        }
        in->scope = scope;
}

struct value call_loop(struct interpreter *in, struct loop *l, const struct arguments *a) {
        if (!l->node->flag || a->count != 1)
                jinja_fail(in->job, "a loop is called with one argument, and only where it is marked 'recursive'");
        struct builder made = { .job = in->job }, *out = in->out;
        struct scope *scope = in->scope;
        in->out = &made;
        in->scope = l->scope;
        run_loop(in, l->node, a->values[0], l->depth + 1);
        in->out = out;
        in->scope = scope;
        return value_of_text(in->job, builder_text(&made));
}

/* ---- statements ---- */

static void print(struct interpreter *in, const struct node *n) {
        print_string(in->out, evaluate(in, n->a));
        if (in->out->used > JINJA_OUTPUT_MAX)
                jinja_fail(in->job, "the template writes more than %u MiB", JINJA_OUTPUT_MAX >> 20);
}

static struct value piped(struct interpreter *in, const struct node *filters, struct value through) {
        struct value before = in->piped;
        in->piped = through;
        struct value result = evaluate(in, filters);
        in->piped = before;
        return result;
}

static void run_set_block(struct interpreter *in, const struct node *n) {
        struct value text = capture(in, n->body, new_scope(in, in->scope));
        assign(in, n->a, n->b ? piped(in, n->b, text) : text);
}

static void run_call_block(struct interpreter *in, const struct node *n) {
        struct arguments a = evaluate_arguments(in, n->a->items), with = a;
        with.values = jinja_take(in->job, a.count + 1, sizeof(*with.values));
        with.names = jinja_take(in->job, a.count + 1, sizeof(*with.names));
        for (size_t i = 0; i < a.count; i++) {
                with.values[i] = a.values[i];
                with.names[i] = a.names[i];
        }
        with.values[a.count] = new_macro(in, n, "caller");
        with.names[a.count] = TAINTED("caller");
        with.count++;
        struct value callee = evaluate(in, n->a->a);
        in->job->line = n->line;
        print_string(in->out, call_value(in, callee, &with));
}

static void run_with(struct interpreter *in, const struct node *n) {
        struct scope *scope = in->scope, *inner = new_scope(in, scope);
        for (const struct node *pair = n->items; pair; pair = pair->next) {
                in->scope = scope;
                struct value value = evaluate(in, pair->b);
                in->scope = inner;
                assign(in, pair->a, value);
        }
        in->scope = inner;
        (void) run_body(in, n->body);
        in->scope = scope;
}

static enum flow run_if(struct interpreter *in, const struct node *n) {
        for (const struct node *branch = n->items; branch; branch = branch->next)
                if (!branch->a || value_true(evaluate(in, branch->a)))
                        return run_body(in, branch->body);
        return FLOW_ON;
}

static enum flow run_statement(struct interpreter *in, const struct node *n) {
        switch (n->kind) {
        case NODE_DATA: builder_add(in->out, n->text); break;
        case NODE_PRINT: print(in, n); break;
        case NODE_SET: assign(in, n->a, evaluate(in, n->b)); break;
        case NODE_SET_BLOCK: run_set_block(in, n); break;
        case NODE_FOR: run_loop(in, n, evaluate(in, n->b), 1); break;
        case NODE_IF: return run_if(in, n);
        case NODE_MACRO: scope_set(in, n->text, new_macro(in, n, terminated(in, n->text))); break;
        case NODE_CALL_BLOCK: run_call_block(in, n); break;
        case NODE_FILTER_BLOCK: print_string(in->out, piped(in, n->a, capture(in, n->body, new_scope(in, in->scope)))); break;
        case NODE_WITH: run_with(in, n); break;
        case NODE_SCOPE: return run_body(in, n->body);
        case NODE_BREAK: return FLOW_BREAK;
        case NODE_CONTINUE: return FLOW_CONTINUE;
        default: jinja_fail(in->job, "an expression stands where a statement should");
        }
        return FLOW_ON;
}

static enum flow run_body(struct interpreter *in, const struct node *body) {
        enum flow flow = FLOW_ON;
        jinja_enter(in->job);
        for (const struct node *n = body; n && flow == FLOW_ON; n = n->next) {
                jinja_spend(in->job, 1);
                in->job->line = n->line;
                flow = run_statement(in, n);
        }
        jinja_leave(in->job);
        return flow;
}

void interpreter_run(struct interpreter *in, const struct node *body) {
        (void) run_body(in, body);
}
