/*
 * translate.h - what a client asks in a dialect of its own (a file NAME_body.c each), as the one body that engines know: the object that
 * POST /v1/chat/completions and its neighbours take.
 *
 * Pure, for any thread. Strings go over as they stand in the source, escapes and all. Members that nobody knows are left out.
 */
#ifndef HEADROOM_DAEMON_TRANSLATE_TRANSLATE_H
#define HEADROOM_DAEMON_TRANSLATE_TRANSLATE_H

#include "daemon/state/request_events.h"
#include "engine/base/json_walk.h"
#include "engine/base/strbuf.h"

/* Bytes that a translation may come to, of a source of SIZE: names of members and brackets are all that becomes longer. */
#define TRANSLATION_BYTES(size) (3 * (size) + 4096)

#define ASKED_REPEATED          12u /* as many as a dialect's answers repeat of a request */

/* What is asked beside an answer, and what is not for engines. */
struct asked {
        bool is_load; /* no answer: the model is to be loaded, or to leave where keep_alive_ms is 0 */
        bool has_keep_alive;
        int64_t keep_alive_ms;                      /* negative: for ever */
        struct json_value repeated[ASKED_REPEATED]; /* in SOURCE, which is kept as long as they may be asked for */
};

/*
 * SOURCE, a JSON object without an error, into OUT. False and *reterr where it asks for what cannot be; where OUT has failed
 * the translation did not fit.
 */
typedef bool translator(const char *source, size_t size, struct text *out, struct asked *asked, struct failure *reterr);

extern translator translate_anthropic, translate_responses, translate_infill;
extern translator translate_ollama_chat;
extern translator translate_ollama_generate; /* to `messages`, or where it is raw or has a suffix to `prompt` */
extern translator translate_ollama_embed, translate_ollama_embeddings;
extern translator translate_ollama_name; /* of requests about a model: `model` or `name`, and `stream` */

/* A 400 about PARAM (NULL: about none). */
struct failure bad_request(const char *param, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- for translators ---- */

/* What the steps of one share. */
struct translation {
        struct text *out;
        struct failure *reterr;
};

/* Those members of OBJECT that are called NAMES, each at its place in RET: of equal names the first, and JSON_NONE for null. */
void find_members(struct json_value object, const char *const names[], size_t count, struct json_value ret[]);
/* Goes through the items of ARRAY, which are none where it is no array. */
void items_begin(struct json_walk *r, struct json_value array);
bool items_next(struct json_walk *r, struct json_value *ret);

/* A comma, but for behind an opening bracket. */
void put_comma(struct text *out);
/* ,"NAME": */
void put_key(struct text *out, const char *name);
/* The same, and VALUE as it stands; nothing where there is none, or it is null. */
void put_member(struct text *out, const char *name, struct json_value value);
/* {"type":"text","text":TEXT}, the next part of a message's content. */
void put_text_part(struct text *out, struct json_value text);
/* The value in one line: what readers take within a string is escaped, line ends between members go. */
void put_line(struct text *out, const char *json, size_t length);

/* ,"NAME":[...] of the items of LIST, an array, each by PUT_ITEM. False: one of them said so. */
bool put_list(const struct translation *t, const char *name, struct json_value list,
              bool (*put_item)(const struct translation *t, uint32_t index, struct json_value item));

#endif
