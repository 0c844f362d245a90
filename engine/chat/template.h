/*
 * template.h - a conversation to a prompt, as the model's own template writes it.
 *
 * `tokenizer.chat_template` is parsed once and run for each conversation (engine/jinja/). A model without one gets ChatML;
 * one whose template cannot be parsed, or fails on the plainest conversation, gets the format that its text is recognised by
 * (builtin_formats.h): `warning` says so. Features that a template does not support are found by trying it when the model is
 * opened.
 *
 * No byte of a message, of a tool or of a client's variable can become a special token, whatever the template does with it: the
 * prompt is a list of spans that says which bytes are the template's own.
 */
#ifndef HEADROOM_ENGINE_CHAT_TEMPLATE_H
#define HEADROOM_ENGINE_CHAT_TEMPLATE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "engine/base/strbuf.h"
#include "engine/chat/builtin_formats.h"
#include "engine/chat/messages.h"
#include "engine/gguf/gguf.h"
#include "engine/chat/format.h"
#include "engine/chat/thinking.h"
#include "engine/tokenizer/tokenizer.h"

struct jinja_template;

struct chat_template {
        struct jinja_template *jinja; /* NULL: there is none that can be parsed */
        bool fails;                   /* it does, on the plainest conversation: the family's format is written instead */
        struct chat_family family;
        bool no_tools_undefined; /* where no tools are given it wants them undefined, not none */
        struct chat_needs needs;
        bool takes_tools;
        uint32_t efforts;                 /* thinking.h: the words for them that it knows */
        struct chat_format output_format; /* how its answers mark reasoning and calls */
        char warning[340];                /* a sentence on why the model's own template is not used; "" when it is */
};

/* The conversation to render. */
struct chat_conversation {
        const cJSON *messages;  /* an OpenAI `messages` array, not checked yet */
        const cJSON *tools;     /* an array, or NULL */
        const cJSON *variables; /* further ones by name, an object, or NULL */
        struct chat_thinking thinking;
        bool add_generation;  /* the opening of the assistant's turn */
        bool continues;       /* instead of that the last message goes on: the prompt ends where its content does */
        const char *begun[3]; /* of an answer without reasoning: our own text, a client's, our own; each may be NULL */
        bool as_given;        /* nothing is shaped to what the template takes */
        int64_t now;          /* seconds since 1970; 0: the clock's */
        size_t bytes_max;     /* a longer prompt is not tokenized; 0: no limit */
};

/* 0, or -ENOMEM. Released with chat_template_done either way. T may be NULL: no token begins or ends a text. */
int chat_template_init(struct chat_template *c, const struct gguf *g, const struct tokenizer *t);
/* From a template's TEXT alone; NULL: none. BOS and EOS as the template shall see them. */
int chat_template_init_text(struct chat_template *c, const char *text, size_t length, const char *bos, const char *eos);
void chat_template_done(struct chat_template *c);
const char *chat_template_format(const struct chat_template *c); /* "template", or the family's word */

/*
 * Appends the tokens of the conversation; the token that begins a text comes once, first. *ret_reasoning, where wanted:
 * by the mark that the prompt ends with. 0, -EINVAL with a sentence (what is wrong with which message; or the template's own complaint),
 * -EFBIG beyond bytes_max, or -ENOMEM; LIST is as before then.
 */
int chat_template_encode(const struct chat_template *c, const struct tokenizer *t, const struct chat_conversation *conversation,
                         struct token_list *list, enum reasoning *ret_reasoning, struct gguf_error *reterr);

/* What would be encoded, as one text with its special tokens spelled out. Whether OUT could hold it is the caller's to ask. */
int chat_template_write(const struct chat_template *c, const struct tokenizer *t, const struct chat_conversation *conversation,
                        struct text *out, struct gguf_error *reterr);

/* The same as text and spans, without what is begun; chat_prompt_done afterwards in any case. */
int chat_template_render(const struct chat_template *c, const struct chat_conversation *conversation, const char *bos,
                         const char *eos, struct chat_prompt *prompt, struct gguf_error *reterr);

#endif
