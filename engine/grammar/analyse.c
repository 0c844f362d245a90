/*
 * analyse.c - see compile.h. Each property is the least solution of equations between nodes, found by sweeping over all of them
 * until nothing changes. Where sweeps run out, `need` is too great and `nullable` too seldom, which is safe.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/grammar/compile.h"

static void shorten_jumps(struct grammar *g) {
        for (uint32_t i = g->nodes_count; i-- > 0;) {
                struct grammar_node *n = &g->nodes[i];
                if (n->op == GRAMMAR_JUMP && g->nodes[n->target].op == GRAMMAR_END) /* targets lie behind: settled already */
                        n->op = GRAMMAR_END;
                else if (n->op == GRAMMAR_JUMP && g->nodes[n->target].op == GRAMMAR_JUMP)
                        n->target = g->nodes[n->target].target;
        }
}

static bool nullable_of(const struct grammar *g, uint32_t at) {
        const struct grammar_node *n = &g->nodes[at];
        switch ((enum grammar_op) n->op) {
        case GRAMMAR_END: return true;
        case GRAMMAR_CALL: return g->nodes[n->target].nullable && g->nodes[at + 1].nullable;
        case GRAMMAR_SPLIT: return g->nodes[at + 1].nullable || g->nodes[n->target].nullable;
        case GRAMMAR_JUMP: return g->nodes[n->target].nullable;
        case GRAMMAR_REPEAT: return (n->first == 0 || g->nodes[at + 1].nullable) && g->nodes[n->target].nullable;
        default: return false;
        }
}

static uint32_t least(uint32_t a, uint32_t b) {
        return a < b ? a : b;
}

static uint32_t greatest(uint32_t a, uint32_t b) {
        return a > b ? a : b;
}

/* The need of a called rule, plus one frame for the way back. */
static uint32_t inside(uint32_t need) {
        return least(need + 1, GRAMMAR_NEVER);
}

static uint32_t need_of(const struct grammar *g, uint32_t at) {
        const struct grammar_node *n = &g->nodes[at];
        switch ((enum grammar_op) n->op) {
        case GRAMMAR_END: return 0;
        case GRAMMAR_RANGE:
        case GRAMMAR_CLASS: return g->nodes[at + 1].need;
        case GRAMMAR_CALL:
                if (g->nodes[at + 1].op == GRAMMAR_END) /* the last of its rule: the matcher puts nothing on its stack */
                        return g->nodes[n->target].need;
                return greatest(inside(g->nodes[n->target].need), g->nodes[at + 1].need);
        case GRAMMAR_SPLIT: return least(g->nodes[at + 1].need, g->nodes[n->target].need);
        case GRAMMAR_JUMP: return g->nodes[n->target].need;
        case GRAMMAR_REPEAT:
                return n->first ? greatest(inside(g->nodes[at + 1].need), g->nodes[n->target].need) : g->nodes[n->target].need;
        default: return GRAMMAR_NEVER;
        }
}

/* Backwards, since nodes mostly go on at later ones; every other time forwards, for what goes on at earlier ones. */
static bool sweep(struct grammar *g, bool forwards) {
        bool changed = false;
        for (uint32_t n = g->nodes_count; n-- > 0;) {
                uint32_t i = forwards ? g->nodes_count - 1 - n : n;
                bool nullable = nullable_of(g, i);
                uint16_t need = (uint16_t) need_of(g, i);
                changed |= nullable != g->nodes[i].nullable || need != g->nodes[i].need;
                g->nodes[i].nullable = nullable;
                g->nodes[i].need = need;
        }
        return changed;
}

void analyse_nodes(struct grammar *g) {
        shorten_jumps(g);
        for (uint32_t i = 0; i < g->nodes_count; i++)
                g->nodes[i].need = GRAMMAR_NEVER;
        for (uint32_t i = 0; i < GRAMMAR_SWEEPS_MAX && sweep(g, i % 2); i++)
                ;
        for (uint32_t i = 0; i < g->nodes_count; i++)
                g->nodes[i].body_empty = g->nodes[i].op == GRAMMAR_REPEAT && g->nodes[i + 1].nullable;
}

/* ---- left recursion ---- */

/* The nodes that may come next without a character, other than by coming back from a rule. Returns how many. */
static uint32_t nexts_of(const struct grammar *g, uint32_t at, uint32_t out[2]) {
        const struct grammar_node *n = &g->nodes[at];
        uint32_t count = 0;
        switch ((enum grammar_op) n->op) {
        case GRAMMAR_CALL:
                out[count++] = n->target;
                if (g->nodes[n->target].nullable)
                        out[count++] = at + 1;
                break;
        case GRAMMAR_SPLIT:
                out[count++] = at + 1;
                out[count++] = n->target;
                break;
        case GRAMMAR_JUMP: out[count++] = n->target; break;
        case GRAMMAR_REPEAT:
                if (n->last)
                        out[count++] = at + 1;
                if (n->first == 0 || n->body_empty)
                        out[count++] = n->target;
                break;
        default: break;
        }
        return count;
}

enum mark { MARK_NEW, MARK_ENTERED, MARK_LEFT };

struct visit {
        uint32_t node, taken; /* of its nexts */
};

/* Depth first from START, by a stack of our own. A node met again while it is entered has come back to itself. */
static bool comes_back(const struct grammar *g, uint32_t start, uint8_t *marks, struct visit *stack, uint32_t *ret_node) {
        uint32_t depth = 0;
        stack[depth++] = (struct visit){ start, 0 };
        marks[start] = MARK_ENTERED;
        while (depth) {
                struct visit *v = &stack[depth - 1];
                uint32_t nexts[2], count = nexts_of(g, v->node, nexts);
                if (v->taken == count) {
                        marks[v->node] = MARK_LEFT;
                        depth--;
                        continue;
                }
                uint32_t next = nexts[v->taken++];
                if (marks[next] == MARK_ENTERED) {
                        *ret_node = next;
                        return true;
                }
                if (marks[next] == MARK_NEW) {
                        marks[next] = MARK_ENTERED;
                        stack[depth++] = (struct visit){ next, 0 };
                }
        }
        return false;
}

int analyse_left_recursion(const struct grammar *g, uint32_t *ret_node) {
        uint8_t *marks = calloc(g->nodes_count, 1);
        struct visit *stack = malloc((size_t) g->nodes_count * sizeof(*stack));
        int r = marks && stack ? 0 : -ENOMEM;
        for (uint32_t i = 0; r == 0 && i < g->nodes_count; i++)
                if (marks[i] == MARK_NEW && comes_back(g, i, marks, stack, ret_node))
                        r = 1;
        free(marks);
        free(stack);
        return r;
}
