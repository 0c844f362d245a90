/*
 * compile.c - expressions to nodes; grammar_builder_compile of builder.h.
 *
 * Only rules that the root reaches are written out, in the order in which they are first called, each once. Calls are
 * aimed when all rules stand.
 */
#include "engine/grammar/compile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/grammar/builder.h"
#include "engine/base/printable.h"

#define RULE_NOT_WRITTEN UINT32_MAX
#define NESTING_MAX      (4 * GRAMMAR_NESTING_MAX + 16) /* of expressions: each bracket that is read makes a few */

int grammar_fail(struct grammar_error *reterr, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(reterr->text, sizeof(reterr->text), format, arguments);
        va_end(arguments);
        reterr->limit = false;
        return -EINVAL;
}

void grammar_free(struct grammar *g) {
        if (!g)
                return;
        free(g->nodes);
        free(g->classes);
        free(g->ranges);
        free(g);
}

struct compiler {
        struct grammar_builder *b;
        struct grammar *g;
        uint32_t capacity;
        uint32_t *queue; /* rules to be written, in order */
        uint32_t queued, written;
        uint32_t nesting;
        int broken; /* 0, or -errno */
};

static uint32_t put(struct compiler *c, struct grammar_node n) {
        struct grammar *g = c->g;
        if (g->nodes_count == c->capacity) {
                uint32_t capacity = c->capacity ? 2 * c->capacity : 256;
                struct grammar_node *grown = capacity <= GRAMMAR_NODES_MAX ? realloc(g->nodes, capacity * sizeof(*grown)) : NULL;
                if (!grown) {
                        c->broken = capacity <= GRAMMAR_NODES_MAX ? -ENOMEM : -E2BIG;
                        return 0;
                }
                g->nodes = grown;
                c->capacity = capacity;
        }
        g->nodes[g->nodes_count] = n;
        return g->nodes_count++;
}

static uint32_t put_op(struct compiler *c, enum grammar_op op) {
        return put(c, (struct grammar_node){ .op = (uint8_t) op });
}

/* The node AT goes on at whatever is put next. */
static void aim(struct compiler *c, uint32_t at) {
        if (!c->broken)
                c->g->nodes[at].target = c->g->nodes_count;
}

static void put_text(struct compiler *c, const char *text, size_t length) {
        uint32_t code;
        for (size_t at = 0, step; at < length && !c->broken; at += step) {
                step = printable_utf8(text + at, length - at, &code);
                if (!step) {
                        c->broken = -EILSEQ;
                        return;
                }
                (void) put(c, (struct grammar_node){ .op = GRAMMAR_RANGE, .first = code, .last = code });
        }
}

static void put_expression(struct compiler *c, uint32_t number);

static void put_sequence(struct compiler *c, uint32_t child) {
        for (; child && !c->broken; child = c->b->expressions[child].next)
                put_expression(c, child);
}

/* Each but the last behind a SPLIT, with a JUMP to the end: the jumps are chained through their targets until it is known. */
static void put_choice(struct compiler *c, uint32_t child) {
        if (!child)
                (void) put_op(c, GRAMMAR_FAIL);
        uint32_t jumps = 0; /* node + 1 of the last one */
        for (; child && !c->broken; child = c->b->expressions[child].next) {
                if (!c->b->expressions[child].next) {
                        put_expression(c, child);
                        break;
                }
                uint32_t split = put_op(c, GRAMMAR_SPLIT);
                put_expression(c, child);
                uint32_t jump = put_op(c, GRAMMAR_JUMP);
                if (c->broken)
                        return;
                c->g->nodes[jump].target = jumps;
                jumps = jump + 1;
                aim(c, split);
        }
        while (jumps && !c->broken) {
                uint32_t jump = jumps - 1;
                jumps = c->g->nodes[jump].target;
                aim(c, jump);
        }
}

static void put_repeat(struct compiler *c, const struct expression *e) {
        uint32_t at = put(c, (struct grammar_node){ .op = GRAMMAR_REPEAT, .first = e->a, .last = e->b });
        put_expression(c, e->first);
        (void) put_op(c, GRAMMAR_END);
        aim(c, at);
}

/* The call is aimed at the rule's number until the rules stand. */
static void put_call(struct compiler *c, uint32_t rule) {
        struct grammar_builder_rule *r = &c->b->rules[rule];
        if (r->node == RULE_NOT_WRITTEN) {
                r->node = 0;
                c->queue[c->queued++] = rule;
        }
        (void) put(c, (struct grammar_node){ .op = GRAMMAR_CALL, .target = rule });
}

static void put_expression(struct compiler *c, uint32_t number) {
        const struct expression *e = &c->b->expressions[number];
        if (++c->nesting > NESTING_MAX)
                c->broken = -E2BIG;
        if (c->broken)
                return;
        switch (e->kind) {
        case EXPRESSION_SEQUENCE: put_sequence(c, e->first); break;
        case EXPRESSION_CHOICE: put_choice(c, e->first); break;
        case EXPRESSION_RANGE: (void) put(c, (struct grammar_node){ .op = GRAMMAR_RANGE, .first = e->a, .last = e->b }); break;
        case EXPRESSION_CLASS: (void) put(c, (struct grammar_node){ .op = GRAMMAR_CLASS, .first = e->a }); break;
        case EXPRESSION_TEXT: put_text(c, c->b->text.bytes + e->a, e->b); break;
        case EXPRESSION_RULE: put_call(c, e->a); break;
        case EXPRESSION_REPEAT: put_repeat(c, e); break;
        }
        c->nesting--;
}

static int write_rules(struct compiler *c, uint32_t root, struct grammar_error *reterr) {
        for (uint32_t i = 0; i < c->b->rules_count; i++)
                c->b->rules[i].node = RULE_NOT_WRITTEN;
        c->b->rules[root].node = 0;
        c->queue[c->queued++] = root;
        while (c->written < c->queued && !c->broken) {
                struct grammar_builder_rule *r = &c->b->rules[c->queue[c->written++]];
                if (!r->body)
                        return grammar_fail(reterr, "rule '%.60s' is used but not defined", r->name);
                r->node = c->g->nodes_count;
                put_expression(c, r->body);
                (void) put_op(c, GRAMMAR_END);
        }
        for (uint32_t i = 0; i < c->g->nodes_count && !c->broken; i++)
                if (c->g->nodes[i].op == GRAMMAR_CALL)
                        c->g->nodes[i].target = c->b->rules[c->g->nodes[i].target].node;
        return c->broken;
}

/* The rule that node AT belongs to. */
static const char *rule_name(const struct compiler *c, uint32_t at) {
        const struct grammar_builder_rule *found = &c->b->rules[c->queue[0]];
        for (uint32_t i = 0; i < c->written; i++)
                if (c->b->rules[c->queue[i]].node <= at)
                        found = &c->b->rules[c->queue[i]];
        return found->name;
}

static int check(const struct compiler *c, struct grammar_error *reterr) {
        uint32_t node;
        int r = analyse_left_recursion(c->g, &node);
        if (r == 1)
                return grammar_fail(reterr, "rule '%.60s' begins with itself (left recursion): put what it must consume first",
                                    rule_name(c, node));
        if (r == 0 && c->g->nodes[c->g->start].need > MATCHER_DEPTH_MAX)
                return grammar_fail(reterr, "no finite text can satisfy it, or only one nested more than %u rules deep",
                                    MATCHER_DEPTH_MAX);
        return r;
}

static int explain(int error, struct grammar_error *reterr) {
        if (error == -ENOMEM)
                (void) grammar_fail(reterr, "there is no memory for it");
        else if (error == -EILSEQ)
                return grammar_fail(reterr, "it holds a text that is not valid UTF-8");
        else if (error == -E2BIG) {
                error = grammar_fail(reterr, "it is too large (limits: %u rules, %u steps, %u KiB of text)", GRAMMAR_RULES_MAX,
                                     GRAMMAR_NODES_MAX, GRAMMAR_TEXT_BYTES_MAX >> 10);
                reterr->limit = true;
        }
        return error;
}

static int compile(struct compiler *c, uint32_t root, struct grammar_error *reterr) {
        struct grammar_builder *b = c->b;
        if (b->broken || !b->rules_count)
                return explain(b->broken ? b->broken : -ENOMEM, reterr);
        c->g = calloc(1, sizeof(*c->g));
        c->queue = malloc(b->rules_count * sizeof(*c->queue));
        if (!c->g || !c->queue)
                return explain(-ENOMEM, reterr);
        int r = write_rules(c, root, reterr);
        if (r < 0)
                return explain(r, reterr);
        c->g->classes = b->classes;
        c->g->classes_count = b->classes_count;
        c->g->ranges = b->ranges;
        b->classes = NULL;
        b->ranges = NULL;
        b->classes_count = b->classes_capacity = b->ranges_count = b->ranges_capacity = 0;
        analyse_nodes(c->g);
        return explain(check(c, reterr), reterr);
}

int grammar_builder_compile(struct grammar_builder *b, uint32_t root, struct grammar **ret, struct grammar_error *reterr) {
        struct compiler c = { .b = b };
        int r = compile(&c, root, reterr);
        free(c.queue);
        if (r < 0)
                grammar_free(c.g);
        else
                *ret = c.g;
        return r;
}
