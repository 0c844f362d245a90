/* parse_expression.c - see parser.h. One function per level of precedence, the loosest last. */
#include "engine/jinja/parser.h"

#include <string.h>

#include "engine/jinja_value/bounds.h"

static struct node *parse_unary(struct parser *p, bool filters);

static struct node *node_at(struct parser *p, enum node_kind kind, struct node *a, struct node *b) {
        struct node *n = parser_node(p, kind);
        n->a = a;
        n->b = b;
        if (a)
                n->line = a->line;
        return n;
}

static struct node *parse_or(struct parser *p);

struct node *parser_expression(struct parser *p) {
        jinja_enter(p->job);
        struct node *n = parse_or(p);
        while (parser_takes_word(p, "if")) {
                struct node *choice = node_at(p, NODE_CHOICE, n, parse_or(p));
                if (parser_takes_word(p, "else"))
                        choice->c = parser_expression(p);
                n = choice;
        }
        jinja_leave(p->job);
        return n;
}

static bool ends_tuple(const struct parser *p, const char *stop) {
        return p->now.kind == TOKEN_PRINT_END || p->now.kind == TOKEN_BLOCK_END || parser_sees(p, ")") ||
               (stop && parser_sees_word(p, stop));
}

struct node *parser_tuple(struct parser *p, bool choice, const char *stop) {
        struct node *tuple = parser_node(p, NODE_TUPLE), **end = &tuple->items;
        bool is_tuple = false;
        while (!ends_tuple(p, stop)) {
                *end = choice ? parser_expression(p) : parse_or(p);
                end = &(*end)->next;
                if (!parser_takes(p, ","))
                        break;
                is_tuple = true;
        }
        if (!tuple->items)
                parser_unexpected(p, "an expression");
        return is_tuple ? tuple : tuple->items;
}

static struct node *parse_one_target(struct parser *p) {
        if (parser_takes(p, "(")) {
                jinja_enter(p->job);
                struct node *n = parser_target(p, NULL);
                jinja_leave(p->job);
                parser_expect(p, ")");
                return n;
        }
        struct node *n = parser_node(p, NODE_NAME);
        n->text = parser_name(p);
        if (!parser_takes(p, "."))
                return n;
        struct node *member = node_at(p, NODE_ATTRIBUTE, n, NULL);
        member->text = parser_name(p);
        return member;
}

struct node *parser_target(struct parser *p, const char *stop) {
        struct node *first = parse_one_target(p);
        if (!parser_sees(p, ","))
                return first;
        struct node *tuple = node_at(p, NODE_TUPLE, NULL, NULL), **end = &first->next;
        tuple->items = first;
        while (parser_takes(p, ",") && !ends_tuple(p, stop)) {
                *end = parse_one_target(p);
                end = &(*end)->next;
        }
        return tuple;
}

/* ---- primary expressions ---- */

static struct node *parse_constant_word(struct parser *p) {
        static const struct {
                const char *words[2];
                struct value value;
        } constants[] = {
                { { "true", "True" }, { .kind = VALUE_BOOL, .truth = true } },
                { { "false", "False" }, { .kind = VALUE_BOOL, .truth = false } },
                { { "none", "None" }, { .kind = VALUE_NONE } },
        };
        for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
                if (parser_sees_word(p, constants[i].words[0]) || parser_sees_word(p, constants[i].words[1])) {
                        struct node *n = parser_node(p, NODE_CONSTANT);
                        n->value = constants[i].value;
                        return n;
                }
        return NULL;
}

static struct node *parse_strings(struct parser *p) {
        struct node *n = parser_node(p, NODE_CONSTANT);
        struct builder b = { .job = p->job };
        for (; p->now.kind == TOKEN_STRING; parser_step(p))
                builder_add(&b, p->now.text);
        n->value = value_of_text(p->job, builder_text(&b));
        return n;
}

static struct node *parse_list(struct parser *p) {
        struct node *n = parser_node(p, NODE_LIST), **end = &n->items;
        parser_expect(p, "[");
        while (!parser_sees(p, "]")) {
                *end = parser_expression(p);
                end = &(*end)->next;
                if (!parser_takes(p, ","))
                        break;
        }
        parser_expect(p, "]");
        return n;
}

static struct node *parse_map(struct parser *p) {
        struct node *n = parser_node(p, NODE_MAP), **end = &n->items;
        parser_expect(p, "{");
        while (!parser_sees(p, "}")) {
                struct node *key = parser_expression(p);
                parser_expect(p, ":");
                *end = node_at(p, NODE_PAIR, key, parser_expression(p));
                end = &(*end)->next;
                if (!parser_takes(p, ","))
                        break;
        }
        parser_expect(p, "}");
        return n;
}

static struct node *parse_brackets(struct parser *p) {
        parser_expect(p, "(");
        struct node *n = parser_sees(p, ")") ? parser_node(p, NODE_TUPLE) : parser_tuple(p, true, NULL);
        parser_expect(p, ")");
        return n;
}

static struct node *parse_primary(struct parser *p) {
        struct node *n = parse_constant_word(p);
        if (n) {
                parser_step(p);
                return n;
        }
        if (p->now.kind == TOKEN_NAME) {
                n = parser_node(p, NODE_NAME);
                n->text = parser_name(p);
                return n;
        }
        if (p->now.kind == TOKEN_STRING)
                return parse_strings(p);
        if (p->now.kind == TOKEN_INTEGER || p->now.kind == TOKEN_FLOAT) {
                n = parser_node(p, NODE_CONSTANT);
                n->value = p->now.kind == TOKEN_INTEGER ? value_of_integer(p->now.integer) : value_of_float(p->now.number);
                parser_step(p);
                return n;
        }
        if (parser_sees(p, "("))
                return parse_brackets(p);
        if (parser_sees(p, "["))
                return parse_list(p);
        if (parser_sees(p, "{"))
                return parse_map(p);
        parser_unexpected(p, "an expression");
}

/* ---- postfix operators ---- */

static struct node *parse_argument(struct parser *p) {
        struct node *n = parser_node(p, NODE_ARGUMENT);
        if (parser_takes(p, "**")) {
                n->flag = true;
                n->text = TAINTED("**");
        } else if (parser_takes(p, "*")) {
                n->flag = true;
        } else if (p->now.kind == TOKEN_NAME && p->then.kind == TOKEN_OPERATOR && tainted_is(p->then.text, "=")) {
                n->text = parser_name(p);
                parser_step(p);
        }
        n->a = parser_expression(p);
        return n;
}

static struct node *parse_arguments(struct parser *p) {
        struct node *first = NULL, **end = &first;
        uint32_t count = 0;
        parser_expect(p, "(");
        while (!parser_sees(p, ")")) {
                if (count++ == JINJA_ARGUMENTS_MAX)
                        jinja_fail(p->job, "a call has more than %u arguments", JINJA_ARGUMENTS_MAX);
                *end = parse_argument(p);
                end = &(*end)->next;
                if (!parser_takes(p, ","))
                        break;
        }
        parser_expect(p, ")");
        return first;
}

static struct node *parse_index(struct parser *p) {
        struct node *n = parser_node(p, NODE_SLICE), **parts[] = { &n->a, &n->b, &n->c };
        unsigned colons = 0;
        for (;;) {
                if (!parser_sees(p, ":") && !parser_sees(p, "]") && !parser_sees(p, ","))
                        *parts[colons] = parser_expression(p);
                if (colons == 2 || !parser_takes(p, ":"))
                        break;
                colons++;
        }
        if (colons == 0 && !n->a)
                parser_unexpected(p, "an index");
        return colons ? n : n->a;
}

static struct node *parse_subscript(struct parser *p, struct node *of) {
        parser_expect(p, "[");
        struct node *index = parse_index(p);
        if (parser_sees(p, ",")) { /* several are one key */
                struct node *tuple = node_at(p, NODE_TUPLE, NULL, NULL), **end = &index->next;
                tuple->items = index;
                while (parser_takes(p, ",") && !parser_sees(p, "]")) {
                        *end = parse_index(p);
                        end = &(*end)->next;
                }
                for (const struct node *n = tuple->items; n; n = n->next)
                        if (n->kind == NODE_SLICE)
                                jinja_fail(p->job, "a slice stands alone between its brackets");
                index = tuple;
        }
        parser_expect(p, "]");
        return node_at(p, NODE_SUBSCRIPT, of, index);
}

static struct node *parse_member(struct parser *p, struct node *of) {
        parser_expect(p, ".");
        if (p->now.kind == TOKEN_INTEGER) {
                struct node *index = parser_node(p, NODE_CONSTANT);
                index->value = value_of_integer(p->now.integer);
                parser_step(p);
                return node_at(p, NODE_SUBSCRIPT, of, index);
        }
        struct node *n = node_at(p, NODE_ATTRIBUTE, of, NULL);
        n->text = parser_name(p);
        return n;
}

static struct node *parse_call(struct parser *p, struct node *of) {
        struct node *n = node_at(p, NODE_CALL, of, NULL);
        n->items = parse_arguments(p);
        return n;
}

/* A chain of these makes a deep tree out of a flat text: it counts as depth where it is evaluated. */
static struct node *parse_postfix(struct parser *p, struct node *n) {
        for (;;) {
                if (parser_sees(p, "."))
                        n = parse_member(p, n);
                else if (parser_sees(p, "["))
                        n = parse_subscript(p, n);
                else if (parser_sees(p, "("))
                        n = parse_call(p, n);
                else
                        return n;
        }
}

static struct tainted dotted_name(struct parser *p) {
        struct builder b = { .job = p->job };
        builder_add(&b, parser_name(p));
        while (parser_takes(p, ".")) {
                builder_puts(&b, ".");
                builder_add(&b, parser_name(p));
        }
        return builder_text(&b);
}

static struct node *parse_filter(struct parser *p, struct node *of) {
        struct node *n = node_at(p, NODE_FILTER, of, NULL);
        n->line = p->now.line;
        n->text = dotted_name(p);
        if (parser_sees(p, "("))
                n->items = parse_arguments(p);
        return n;
}

struct node *parser_filters(struct parser *p, struct node *piped, bool begun) {
        struct node *n = begun ? parse_filter(p, piped) : piped;
        while (parser_takes(p, "|"))
                n = parse_filter(p, n);
        return n;
}

/* "x is divisibleby 3": an argument may stand without brackets. */
static bool sees_bare_argument(const struct parser *p) {
        if (p->now.kind == TOKEN_NAME)
                return !parser_sees_word(p, "else") && !parser_sees_word(p, "or") && !parser_sees_word(p, "and");
        return p->now.kind == TOKEN_STRING || p->now.kind == TOKEN_INTEGER || p->now.kind == TOKEN_FLOAT || parser_sees(p, "[") ||
               parser_sees(p, "{");
}

static struct node *parse_test(struct parser *p, struct node *of) {
        bool negated = parser_takes_word(p, "not");
        struct node *n = node_at(p, NODE_TEST, of, NULL);
        n->line = p->now.line;
        n->text = dotted_name(p);
        if (parser_sees(p, "(")) {
                n->items = parse_arguments(p);
        } else if (sees_bare_argument(p)) {
                if (parser_sees_word(p, "is"))
                        jinja_fail(p->job, "a test cannot be tested: write 'and' between two of them");
                n->items = parser_node(p, NODE_ARGUMENT);
                n->items->a = parse_postfix(p, parse_primary(p));
        }
        return negated ? node_at(p, NODE_NOT, n, NULL) : n;
}

static struct node *parse_applied(struct parser *p, struct node *n) {
        for (;;) {
                if (parser_takes(p, "|"))
                        n = parse_filter(p, n);
                else if (parser_takes_word(p, "is"))
                        n = parse_test(p, n);
                else if (parser_sees(p, "("))
                        n = parse_call(p, n);
                else
                        return n;
        }
}

/* ---- operators ---- */

static struct node *parse_unary(struct parser *p, bool filters) {
        struct node *n;
        jinja_enter(p->job);
        if (parser_takes(p, "-"))
                n = node_at(p, NODE_NEGATE, parse_unary(p, false), NULL);
        else if (parser_takes(p, "+"))
                n = node_at(p, NODE_PLUS, parse_unary(p, false), NULL);
        else
                n = parse_primary(p);
        n = parse_postfix(p, n);
        if (filters)
                n = parse_applied(p, n);
        jinja_leave(p->job);
        return n;
}

static struct node *parse_power(struct parser *p) {
        struct node *n = parse_unary(p, true);
        while (parser_takes(p, "**"))
                n = node_at(p, NODE_POWER, n, parse_unary(p, true));
        return n;
}

static struct node *parse_product(struct parser *p) {
        static const struct {
                const char *operator;
                enum node_kind kind;
        } known[] = { { "*", NODE_MULTIPLY }, { "/", NODE_DIVIDE }, { "//", NODE_FLOOR_DIVIDE }, { "%", NODE_MODULO } };
        struct node *n = parse_power(p);
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]);) {
                if (!parser_takes(p, known[i].operator)) {
                        i++;
                        continue;
                }
                n = node_at(p, known[i].kind, n, parse_power(p));
                i = 0;
        }
        return n;
}

static struct node *parse_concat(struct parser *p) {
        struct node *first = parse_product(p);
        if (!parser_sees(p, "~"))
                return first;
        struct node *n = node_at(p, NODE_CONCAT, NULL, NULL), **end = &first->next;
        n->items = first;
        while (parser_takes(p, "~")) {
                *end = parse_product(p);
                end = &(*end)->next;
        }
        return n;
}

static struct node *parse_sum(struct parser *p) {
        struct node *n = parse_concat(p);
        for (;;) {
                bool adds = parser_takes(p, "+");
                if (!adds && !parser_takes(p, "-"))
                        return n;
                n = node_at(p, adds ? NODE_ADD : NODE_SUBTRACT, n, parse_concat(p));
        }
}

/* The comparison that stands here, or bytes NULL. */
static struct tainted take_comparison(struct parser *p) {
        static const char *const known[] = { "==", "!=", "<=", ">=", "<", ">" };
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (parser_takes(p, known[i]))
                        return tainted_of(known[i]);
        if (parser_takes_word(p, "in"))
                return TAINTED("in");
        if (parser_sees_word(p, "not") && p->then.kind == TOKEN_NAME && tainted_is(p->then.text, "in")) {
                parser_step(p);
                parser_step(p);
                return TAINTED("not in");
        }
        return (struct tainted){ .bytes = NULL };
}

static struct node *parse_compare(struct parser *p) {
        struct node *first = parse_sum(p), *n = NULL, **end = NULL;
        struct tainted operator;
        while ((operator= take_comparison(p)).bytes) {
                if (!n) {
                        n = node_at(p, NODE_COMPARE, first, NULL);
                        end = &n->items;
                }
                *end = node_at(p, NODE_COMPARISON, parse_sum(p), NULL);
                (*end)->text = operator;
                end = &(*end)->next;
        }
        return n ? n : first;
}

static struct node *parse_not(struct parser *p) {
        if (!parser_takes_word(p, "not"))
                return parse_compare(p);
        jinja_enter(p->job);
        struct node *n = node_at(p, NODE_NOT, parse_not(p), NULL);
        jinja_leave(p->job);
        return n;
}

static struct node *parse_and(struct parser *p) {
        struct node *n = parse_not(p);
        while (parser_takes_word(p, "and"))
                n = node_at(p, NODE_AND, n, parse_not(p));
        return n;
}

static struct node *parse_or(struct parser *p) {
        struct node *n = parse_and(p);
        while (parser_takes_word(p, "or"))
                n = node_at(p, NODE_OR, n, parse_and(p));
        return n;
}
