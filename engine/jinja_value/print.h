/* print.h - values as text: Python's str() and repr(), and JSON. */
#ifndef HEADROOM_ENGINE_JINJA_VALUE_PRINT_H
#define HEADROOM_ENGINE_JINJA_VALUE_PRINT_H

#include "engine/jinja_value/value.h"

/* Prints V as {{ v }} does. */
void print_string(struct builder *b, struct value v);
void print_repr(struct builder *b, struct value v);
struct tainted print_to_text(struct jinja_job *job, struct value v); /* of a text, the text itself */
void print_float(struct builder *b, double number);                  /* the shortest that reads back as the same */

struct print_json {
        bool ascii, sorted;
        struct tainted indent;    /* of a level; bytes NULL: all on one line */
        struct tainted item, key; /* separators */
};
void print_json(struct builder *b, struct value v, const struct print_json *how);

#endif
