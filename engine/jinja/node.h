/*
 * node.h - the tree of a template. One struct for all: which members a kind uses is said at the kind.
 *
 * "a, b, c" are members; "items" is a list of nodes linked by next, "body" and "other" are lists of statements.
 */
#ifndef HEADROOM_ENGINE_JINJA_NODE_H
#define HEADROOM_ENGINE_JINJA_NODE_H

#include "engine/jinja_value/value.h"

enum node_kind {
        /* expressions */
        NODE_CONSTANT,  /* value */
        NODE_NAME,      /* text */
        NODE_LIST,      /* items */
        NODE_TUPLE,     /* items */
        NODE_MAP,       /* items: NODE_PAIR */
        NODE_PAIR,      /* a: key, b: value */
        NODE_ATTRIBUTE, /* a . text */
        NODE_SUBSCRIPT, /* a [ b ] */
        NODE_SLICE,     /* a : b : c, each may be NULL; only as b of NODE_SUBSCRIPT */
        NODE_CALL,      /* a ( items ) */
        NODE_ARGUMENT,  /* a; text: its name, or bytes NULL; flag: a list of them ("*a"), or with a name "**" a mapping */
        NODE_FILTER,    /* a | text ( items ) */
        NODE_TEST,      /* a is text ( items ) */
        NODE_PIPED,     /* the rendered text of a filter block or block set */
        NODE_NOT,       /* a */
        NODE_AND,       /* a, b */
        NODE_OR,        /* a, b */
        NODE_NEGATE,    /* a */
        NODE_PLUS,      /* a */
        NODE_ADD,       /* a, b; so are those that follow */
        NODE_SUBTRACT,
        NODE_MULTIPLY,
        NODE_DIVIDE,
        NODE_FLOOR_DIVIDE,
        NODE_MODULO,
        NODE_POWER,
        NODE_CONCAT,     /* items */
        NODE_COMPARE,    /* a, items: NODE_COMPARISON */
        NODE_COMPARISON, /* text: the operator, a */
        NODE_CHOICE,     /* a if b else c, which may be NULL */
        /* statements */
        NODE_DATA,         /* text */
        NODE_PRINT,        /* a */
        NODE_SET,          /* a = b */
        NODE_SET_BLOCK,    /* a, body; b: filters over NODE_PIPED, or NULL */
        NODE_FOR,          /* a in b, c: its "if", or NULL; body, other; flag: recursive */
        NODE_IF,           /* items: NODE_BRANCH */
        NODE_BRANCH,       /* a: the condition, NULL for "else"; body */
        NODE_MACRO,        /* text, items: NODE_PARAMETER, body */
        NODE_PARAMETER,    /* text; a: the default, or NULL */
        NODE_CALL_BLOCK,   /* a: NODE_CALL, items: NODE_PARAMETER, body */
        NODE_FILTER_BLOCK, /* a: filters over NODE_PIPED, body */
        NODE_WITH,         /* items: NODE_PAIR, body */
        NODE_SCOPE,        /* body */
        NODE_BREAK,
        NODE_CONTINUE,
};

struct node {
        enum node_kind kind;
        uint32_t line;
        bool flag;
        struct tainted text;
        struct value value;
        struct node *a, *b, *c;
        struct node *items, *body, *other;
        struct node *next;
};

#endif
