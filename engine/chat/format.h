/*
 * format.h - how a model marks its reasoning and its calls of tools, recognised by its chat template's text.
 *
 * A row of a table is a way to write calls, as the makers of the models publish it: as JSON (Hermes and Qwen 3, Llama 3, Granite,
 * Nemotron, Phi 4, Cohere, MiniMax M1), as a name and its arguments in JSON (Mistral, DeepSeek, Kimi K2, gpt-oss), as arguments between
 * marks of their own (Qwen3-Coder, GLM 4, MiniMax M2, DeepSeek V3.2), or as Python writes a call (LFM2, Llama 4). A model that has none
 * of them has its calls left in the text.
 */
#ifndef HEADROOM_ENGINE_CHAT_FORMAT_H
#define HEADROOM_ENGINE_CHAT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/tokenizer/tokenizer.h"

struct reasoning_format {
        const char *mark; /* the template's text has it; NULL: it has `close` */
        const char *open, *close;
        const char *next;        /* what stands between it and the rest of the answer; NULL: line ends */
        const char *content;     /* the mark of content; NULL: it has none */
        const char *specials[8]; /* tokens among the marks */
        bool channels;           /* an answer is one message or more, each with a head that says what it is (gpt-oss) */
};

/* The marks of one argument. VALUE NULL: the value begins behind KEY_END. */
struct argument_marks {
        const char *key, *key_end, *value, *value_end;
        /* As they are written: what stands between a key and its value; where that is a text, if it is another; what stands before VALUE_END
         * (or NULL), where the value is none. */
        const char *behind_key, *behind_text_key, *before_end;
};

enum call_notation {
        CALL_JSON,   /* an object with name and arguments, or, where `behind_name` is given, a name and an object */
        CALL_MARKED, /* a name, and arguments between marks */
        CALL_PYTHON, /* name(argument=value, ...), perhaps in a list; or JSON */
};

struct call_format {
        const char *marks[2]; /* the template's text has both, where given */
        enum call_notation notation;
        const char *section[2]; /* stand around all calls, where the model does not forget them; or NULL */
        const char *open;       /* the beginning of a call */
        const char *close;      /* text that may stand behind it, or NULL */
        bool bare;              /* a whole answer may be a call without the mark */
        const char *prefix;     /* text that may stand before a name and is none of it */
        const char *
                behind_name; /* CALL_JSON: the characters that may follow a name; CALL_MARKED: what follows it, "" where it ends by itself */
        struct argument_marks argument;
        const char *specials[2]; /* tokens that are among the marks of a call and are none of the above */
        /* A call in full: before the tool's name, between it and the arguments (white space may follow), behind them. The mark that
         * closes it is not among it: the call is known to be whole by then. */
        const char *writes[3];
};

/* The part of an answer, reasoning or content, in which its text begins. */
enum reasoning {
        REASONING_OVER, /* the model marks none, or the prompt has closed it */
        REASONING_MAY,  /* the answer may begin with it */
        REASONING_OPEN, /* the prompt has opened it */
};

#define CHAT_FORMAT_SHOWN_MAX 24u

struct chat_format {
        const struct reasoning_format *reasoning; /* NULL: none */
        const struct call_format *calls;          /* NULL: none that is known */
        int32_t shown[CHAT_FORMAT_SHOWN_MAX];  /* special tokens among the marks: their text counts, though no client sees it */
        uint32_t shown_count, shown_reasoning; /* all of them; the first so many mark reasoning */
};

/* T may be NULL: nothing is shown. */
struct chat_format chat_format_recognise(const char *template, size_t length, const struct tokenizer *t);
/* Calls as those are asked for who know of none: in words (generic_tools.h). */
void chat_format_use_generic(struct chat_format *f, const struct tokenizer *t);
/* CALLS: the marks of calls count too. */
uint32_t chat_format_shown(const struct chat_format *f, bool calls); /* how many of `shown` */
bool chat_format_shows(const struct chat_format *f, bool calls, int32_t id);

#endif
