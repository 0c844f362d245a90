/*
 * chat_parser.h - the text of a chat answer, taken apart as it comes: reasoning, content, calls of tools.
 *
 * Text goes in in arbitrary pieces; parts come out as soon as it is certain what they are. Text that looks like a mark is
 * held back until it is certain, so the parts are the same however the text was cut. A call's arguments flow as they come,
 * once its name is known. Text that is marked as a call and is none goes out as content, mark included: no output of the
 * model is lost.
 */
#ifndef HEADROOM_ENGINE_OUTPUT_CHAT_PARSER_H
#define HEADROOM_ENGINE_OUTPUT_CHAT_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/bounds.h"
#include "engine/base/strbuf.h"
#include "engine/chat/format.h"
#include "engine/json/literal.h"
#include "engine/output/tool_list.h"

enum chunk_kind { CHUNK_CONTENT, CHUNK_REASONING, CHUNK_CALL };

struct chat_chunk {
        enum chunk_kind kind;
        const char *text; /* not terminated; of a call: a piece of its arguments, which are JSON. Good until the next call */
        size_t length;
        uint32_t index; /* of the call, from 0 */
        const char *id; /* its first part alone has these two, and an empty text; else NULL */
        const char *name;
};

/* The parts that an answer may have, as set up by its request. */
struct chat_parser_setup {
        const struct chat_format *format; /* NULL: all of it is content */
        bool calls;                       /* tools were offered */
        bool calls_once;                  /* one of them may be called, and no more: for who hands the parts on */
        enum reasoning reasoning;         /* before the rest of it */
        uint64_t seed;                    /* of the ids of calls */
        bool continues;                   /* the answer goes on with a text of the prompt */
        char *begun;                      /* the part of the answer that the prompt has begun: of a call that must be; or NULL */
        char *tools;                      /* the offered tools, see tool_list.h; or NULL */
};
void chat_parser_setup_done(struct chat_parser_setup *s);

struct chat_parser {
        const struct chat_parser_setup *setup;
        struct text text; /* text that has come and is not out yet, from FROM on */
        size_t from;
        size_t handed; /* bytes at FROM that the last part showed */
        int state;
        bool ended;
        bool thinks; /* of a message in channels: it is reasoning */
        uint32_t calls_count;
        size_t seen; /* how far the state has come, 0 at its beginning */
        /* of the call that is coming in: */
        char id[12], name[REQUEST_TOOL_NAME_BYTES_MAX + 1];
        struct literal arguments;
        bool arguments_handed;       /* they were the last part */
        bool quoted;                 /* they are a text of JSON */
        bool within_object;          /* they are a member of the call's own object */
        bool in_text, escaped;       /* within that object, behind them */
        uint32_t nesting;            /* brackets that are open there */
        uint32_t members;            /* of arguments between marks: how many there were */
        enum tool_argument argument; /* the one whose value comes */
};

/* SETUP must outlive it. 0 or -ENOMEM; released with chat_parser_done either way. */
int chat_parser_init(struct chat_parser *r, const struct chat_parser_setup *setup);
/* True when the answer has to be taken apart; otherwise all text is content. */
bool chat_parser_splits(const struct chat_parser_setup *setup);
void chat_parser_done(struct chat_parser *r);
int chat_parser_push(struct chat_parser *r, const char *text, size_t length); /* 0 or -ENOMEM */
void chat_parser_end(struct chat_parser *r);                                  /* no more text comes */
/* What was said last, of all that has come out, is reasoning, and it is not over. */
bool chat_parser_reasons(const struct chat_parser *r);
/* The next part; false: there is none for now. */
bool chat_parser_next(struct chat_parser *r, struct chat_chunk *ret);

#endif
