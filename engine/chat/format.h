/*
 * format.h - how a model marks its reasoning and its calls of tools, recognised by its chat template's text.
 *
 * Calls are JSON behind a mark: one object, objects in a list, or a name with its arguments, as the makers of the models publish it
 * (Hermes and Qwen, Llama 3, Mistral, Granite, Phi 4, firefunction). A model whose calls look otherwise (XML, Python) has its calls
 * left in the text.
 */
#ifndef HEADROOM_ENGINE_CHAT_FORMAT_H
#define HEADROOM_ENGINE_CHAT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/tokenizer/tokenizer.h"

struct reasoning_format {
        const char *open, *close;
};

struct call_format {
        const char *marks[2]; /* the template's text has both, where given */
        const char *absent;   /* and not this */
        const char *open;     /* the beginning of a call */
        const char *close;    /* text that may stand behind it, or NULL */
        bool bare;            /* a whole answer may be a call without the mark */
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

#define CHAT_FORMAT_SHOWN_MAX 8u

struct chat_format {
        const struct reasoning_format *reasoning; /* NULL: none */
        const struct call_format *calls;          /* NULL: none that is known */
        int32_t shown[CHAT_FORMAT_SHOWN_MAX];  /* special tokens among the marks: their text counts, though no client sees it */
        uint32_t shown_count, shown_reasoning; /* all of them; the first so many mark reasoning */
};

/* T may be NULL: nothing is shown. */
struct chat_format chat_format_recognise(const char *template, size_t length, const struct tokenizer *t);
/* CALLS: the marks of calls count too. */
uint32_t chat_format_shown(const struct chat_format *f, bool calls); /* how many of `shown` */
bool chat_format_shows(const struct chat_format *f, bool calls, int32_t id);

#endif
