/* infill.c - see infill.h. */
#include "engine/request/infill.h"

#include <errno.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/request/error.h"
#include "engine/request/prompt.h"

#define PROJECT     "project\n"               /* nobody tells us its name */
#define SNIPPET     "\n\n--- snippet ---\n\n" /* between texts, for models that have no token for that */
#define MARKS       4u                        /* three tokens around the gap, and that which begins a text */
#define ANSWER_PART 4u                        /* an answer without a limit has at least this part of the context */
#define PREFIX_PART 3u /* of four parts of the room that belong to what stands before the gap, where both are long */

/* The texts around the gap, as tokens. */
struct gap {
        struct token_list prefix, suffix, extra;
};

static void gap_done(struct gap *gap) {
        token_list_done(&gap->prefix);
        token_list_done(&gap->suffix);
        token_list_done(&gap->extra);
}

static bool trims(const cJSON *body) {
        return cJSON_IsArray(json_get(body, "input_extra"));
}

bool infill_is_asked(const cJSON *body) {
        const cJSON *suffix = json_get(body, "suffix");
        return trims(body) ||
               (suffix && !(cJSON_IsString(suffix) && !suffix->valuestring[0])); /* some front ends send their empty field */
}

static bool is_inside(const char *text, size_t at) {
        return ((unsigned char) text[at] & 0xc0) == 0x80;
}

/* The MOST bytes of TEXT that are next to the gap, whole characters. */
static void cut(const char **text, size_t *length, size_t most, bool keeps_end) {
        size_t from = keeps_end && *length > most ? *length - most : 0, to = !keeps_end && *length > most ? most : *length;
        while (from > 0 && from < *length && is_inside(*text, from))
                from++;
        while (to > 0 && to < *length && is_inside(*text, to))
                to--;
        *length = to - from;
        *text += from;
}

/* NAME of BODY, a text or absent, to tokens. */
static int encode(const struct request_rules *rules, const cJSON *body, const char *name, uint32_t tokens_max,
                  struct token_list *list, struct request_error *reterr) {
        const cJSON *value = json_get(body, name);
        size_t most = ((size_t) tokens_max + 1) * tokenizer_longest(rules->tokenizer);
        if (!value)
                return 0;
        if (!cJSON_IsString(value))
                return request_refuse(reterr, name, "%s must be a text where a gap is to be filled.", name);
        const char *text = value->valuestring;
        size_t length = strlen(text);
        if (length > most && !trims(body))
                return request_refuse_length(reterr, name, length / tokenizer_longest(rules->tokenizer), true, rules->n_ctx);
        cut(&text, &length, most, !strcmp(name, "prompt"));
        return prompt_encode_text(rules->tokenizer, text, length, false, false, list) < 0 ? request_no_memory(reterr) : 0;
}

/* ---- other texts ---- */

static int push_text(const struct request_rules *rules, struct token_list *list, const char *text) {
        return prompt_encode_text(rules->tokenizer, text, strlen(text), false, false, list);
}

static bool push(struct token_list *list, int32_t id) {
        return id == TOKEN_NONE || token_list_push(list, id) == 0;
}

/* What goes before a text of the file NAME. */
static bool push_head(const struct request_rules *rules, struct token_list *list, const char *name) {
        int32_t file = rules->infill->ids[INFILL_FILE];
        if (file == TOKEN_NONE)
                return push_text(rules, list, SNIPPET) == 0;
        return push(list, file) && push_text(rules, list, name) == 0 && push_text(rules, list, "\n") == 0;
}

static int read_extra(const struct request_rules *rules, const cJSON *extra, struct token_list *list,
                      struct request_error *reterr) {
        const cJSON *item;
        bool is_well = true;
        size_t most = ((size_t) rules->n_ctx_now + 1) * tokenizer_longest(rules->tokenizer);
        if (!extra || !extra->child)
                return 0;
        if (rules->infill->ids[INFILL_REPOSITORY] != TOKEN_NONE)
                is_well = push(list, rules->infill->ids[INFILL_REPOSITORY]) && push_text(rules, list, PROJECT) == 0;
        cJSON_ArrayForEach(item, extra) {
                const char *text = cJSON_GetStringValue(json_get(item, "text")),
                           *name = cJSON_GetStringValue(json_get(item, "filename"));
                if (!text)
                        return request_refuse(reterr, "input_extra",
                                              "input_extra must be a list of objects with a filename and a text.");
                size_t length = strlen(text);
                cut(&text, &length, most, true);
                is_well = is_well && push_head(rules, list, name ? name : "file") &&
                          prompt_encode_text(rules->tokenizer, text, length, false, false, list) == 0;
        }
        if (rules->infill->ids[INFILL_FILE] != TOKEN_NONE)
                is_well = is_well && push_head(rules, list, "this file");
        return is_well ? 0 : request_no_memory(reterr);
}

/* ---- all of it ---- */

static uint32_t least(size_t a, size_t b) {
        return (uint32_t) (a < b ? a : b);
}

static void keep_last(struct token_list *list, uint32_t count) {
        if (count < list->count)
                memmove(list->ids, list->ids + list->count - count, count * sizeof(*list->ids));
        list->count = count;
}

/* The tokens that are next to the gap, as many as ROOM takes; of what stands before it most. */
static void trim(struct gap *gap, uint32_t room) {
        uint32_t suffix = least(gap->suffix.count, room / (PREFIX_PART + 1)), prefix = least(gap->prefix.count, room - suffix);
        gap->suffix.count = least(gap->suffix.count, room - prefix);
        keep_last(&gap->prefix, prefix);
        keep_last(&gap->extra, least(gap->extra.count, room - prefix - (uint32_t) gap->suffix.count));
}

static bool append(struct token_list *list, const struct token_list *more) {
        for (size_t i = 0; i < more->count; i++)
                if (token_list_push(list, more->ids[i]) < 0)
                        return false;
        return true;
}

static bool put_together(const struct request_rules *rules, const struct gap *gap, struct token_list *list) {
        const int32_t *ids = rules->infill->ids;
        return (!tokenizer_adds_bos(rules->tokenizer) || push(list, tokenizer_bos(rules->tokenizer))) &&
               append(list, &gap->extra) && push(list, ids[INFILL_PREFIX]) && append(list, &gap->prefix) &&
               push(list, ids[INFILL_SUFFIX]) && append(list, &gap->suffix) && push(list, ids[INFILL_MIDDLE]);
}

static int read_gap(const struct request_rules *rules, const cJSON *body, uint32_t tokens_max, struct gap *gap,
                    struct request_error *reterr) {
        int r = encode(rules, body, "prompt", tokens_max, &gap->prefix, reterr);
        if (r == 0)
                r = encode(rules, body, "suffix", tokens_max, &gap->suffix, reterr);
        if (r == 0)
                r = read_extra(rules, json_get(body, "input_extra"), &gap->extra, reterr);
        return r;
}

int infill_read(const struct request_rules *rules, const cJSON *body, uint32_t max_tokens, uint32_t tokens_max,
                struct token_list *list, struct request_error *reterr) {
        struct gap gap = { 0 };
        if (!infill_tokens_are_there(rules->infill))
                return request_refuse(
                        reterr, "suffix",
                        "This model was not taught to fill a gap: its vocabulary has no tokens for what stands before "
                        "and behind one. Ask a model for code that was, or leave the suffix out.");
        int r = read_gap(rules, body, tokens_max, &gap, reterr);
        uint32_t answer = least(max_tokens, rules->n_ctx_now / ANSWER_PART), marks = least(MARKS + answer, rules->n_ctx_now);
        if (r == 0 && trims(body))
                trim(&gap, rules->n_ctx_now - marks);
        if (r == 0 && !put_together(rules, &gap, list))
                r = request_no_memory(reterr);
        if (r == 0 && list->count > tokens_max)
                r = request_refuse_length(reterr, "prompt", list->count, false, rules->n_ctx);
        gap_done(&gap);
        return r;
}
