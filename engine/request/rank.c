/*
 * rank.c - a query and documents as pairs to be scored.
 *
 * A model that was made for it may say by `tokenizer.chat_template.rerank` how a pair is put to it: a text with {query} and {document} in
 * it. What a client says is put there as text, whatever it holds, and only the model's own words can be special tokens. Without such a
 * text the two stand one after the other, as the vocabulary separates pairs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/base/json_read.h"
#include "engine/base/strbuf.h"
#include "engine/request/error.h"
#include "engine/request/request.h"

#define SPANS_MAX 9u /* four places in a template, and what stands around them: one has two */

/* Of an entry of `documents`, which is a text or an object with one; maybe no text at all. */
static const cJSON *text_of(const cJSON *json) {
        return cJSON_IsObject(json) ? json_get(json, "text") : json;
}

/* A text of a client, NULs and all. */
static bool take_text(struct text *out, const cJSON *json) {
        text_clear(out);
        if (text_puts(out, json->valuestring) && json_has_nul(json->valuestring))
                out->used = json_restore_nuls(out->bytes, out->used);
        return !out->failed;
}

/* --- by the model's own text --- */

struct put {
        struct text text;
        struct token_span spans[SPANS_MAX];
        size_t count;
};

static void put(struct put *p, const char *bytes, size_t length, bool markup) {
        text_add(&p->text, bytes, length);
        p->spans[p->count++] = (struct token_span){ .length = length, .token = TOKEN_NONE, .markup = markup };
}

/* The next place in TEMPLATE, of *ret_length bytes; its end where there is none. */
static const char *next_place(const char *at, const char *end, size_t *ret_length, bool *ret_is_query) {
        static const char query[] = "{query}", document[] = "{document}";
        const char *q = memmem(at, (size_t) (end - at), query, sizeof(query) - 1),
                   *d = memmem(at, (size_t) (end - at), document, sizeof(document) - 1);
        *ret_is_query = q && (!d || q < d);
        *ret_length = *ret_is_query ? sizeof(query) - 1 : d ? sizeof(document) - 1 : 0;
        return *ret_is_query ? q : d ? d : end;
}

static int encode_by_template(const struct tokenizer *t, struct gguf_string template, const struct text *query,
                              const struct text *document, struct token_list *list) {
        const char *at = template.bytes, *end = at + template.length, *place;
        struct put p = { .count = 0 };
        size_t length;
        bool is_query;
        while (p.count + 2 < SPANS_MAX && (place = next_place(at, end, &length, &is_query)) < end) {
                put(&p, at, (size_t) (place - at), true);
                put(&p, text_string(is_query ? query : document), (is_query ? query : document)->used, false);
                at = place + length;
        }
        put(&p, at, (size_t) (end - at), true);
        int r = p.text.failed ? -ENOMEM : tokenizer_encode_spans(t, text_string(&p.text), p.spans, p.count, list);
        text_done(&p.text);
        return r;
}

/* --- the request --- */

static int encode_pair(const struct request_rules *rules, const struct text *query, const struct text *document,
                       struct token_list *list, uint32_t *ret_second_at) {
        const struct gguf_string template = rules->ranker->rank_prompt;
        size_t second_at = 0;
        int r;
        if (template.length > 0)
                r = encode_by_template(rules->tokenizer, template, query, document, list);
        else
                r = tokenizer_encode_pair(rules->tokenizer, (struct token_text){ text_string(query), query->used },
                                          (struct token_text){ text_string(document), document->used }, list, &second_at);
        *ret_second_at = (uint32_t) second_at;
        return r;
}

static int read_document(const struct request_rules *rules, const struct text *query, const cJSON *json, struct text *document,
                         struct request *r, struct request_error *reterr) {
        const cJSON *text = text_of(json);
        uint32_t at = r->inputs_count++;
        if (!cJSON_IsString(text))
                return request_refuse(reterr, "documents", "documents[%u] must be a text, or an object with one.", at);
        if (!take_text(document, text))
                return request_no_memory(reterr);
        size_t least = (query->used + document->used) / tokenizer_longest(rules->tokenizer);
        if (least > rules->n_ctx)
                return request_refuse_length(reterr, "documents", least, true, rules->n_ctx);
        if (encode_pair(rules, query, document, &r->inputs[at], &r->seconds[at]) < 0)
                return request_no_memory(reterr);
        if (r->inputs[at].count == 0)
                return request_refuse(reterr, "documents", "documents[%u] and the query must not both be empty.", at);
        if (r->inputs[at].count > rules->n_ctx)
                return request_refuse_length(reterr, "documents", r->inputs[at].count, false, rules->n_ctx);
        return r->inputs[at].count > rules->n_ctx_now
                       ? request_refuse_lowered(reterr, "documents", r->inputs[at].count, rules->n_ctx_now, rules->n_ctx)
                       : 0;
}

static size_t bytes_of(const cJSON *json) {
        const cJSON *text = text_of(json);
        return cJSON_IsString(text) ? strlen(text->valuestring) : 0;
}

/* The query is read with each document anew, and so is what stands around them. */
static int check_bytes(const struct request_rules *rules, const cJSON *query, const cJSON *documents,
                       struct request_error *reterr) {
        size_t total = 0;
        const cJSON *item;
        cJSON_ArrayForEach(item, documents)
                total += rules->ranker->rank_prompt.length + bytes_of(query) + bytes_of(item);
        if (total <= REQUEST_RANK_BYTES_MAX)
                return 0;
        return request_refuse(reterr, "documents", "The query with each document comes to more than %u MiB: send fewer at once.",
                              REQUEST_RANK_BYTES_MAX >> 20);
}

static int read_documents(const struct request_rules *rules, const cJSON *body, struct request *r, struct request_error *reterr) {
        const cJSON *query = json_get(body, "query"), *documents = json_get(body, "documents"), *item;
        struct text asked = { .max = TEXT_MAX_NONE }, document = { .max = TEXT_MAX_NONE };
        int count = cJSON_IsArray(documents) ? cJSON_GetArraySize(documents) : 0, result = 0;
        if (!cJSON_IsString(query))
                return request_refuse(reterr, "query", "query must be a text.");
        if (count < 1 || (uint32_t) count > REQUEST_INPUTS_MAX)
                return request_refuse(reterr, "documents", "documents must be a list of 1 to %u texts.", REQUEST_INPUTS_MAX);
        if (check_bytes(rules, query, documents, reterr) < 0)
                return -EINVAL;
        r->inputs = calloc((size_t) count, sizeof(*r->inputs));
        r->seconds = calloc((size_t) count, sizeof(*r->seconds));
        if (!r->inputs || !r->seconds || !take_text(&asked, query))
                result = request_no_memory(reterr);
        for (item = documents->child; item && result == 0; item = item->next)
                result = read_document(rules, &asked, item, &document, r, reterr);
        text_done(&asked);
        text_done(&document);
        return result;
}

int request_read_rank(struct request_rules *rules, uint64_t id, const cJSON *body, struct request *ret,
                      struct request_error *reterr) {
        struct request r = { .id = id, .kind = REQUEST_EMBED, .dimensions = 1, .sampling = sampling_default() };
        if (!rules->ranker)
                return request_refuse(reterr, "model", "This model has no head that ranks: name one made for it (a reranker).");
        int result = read_documents(rules, body, &r, reterr);
        if (result < 0)
                request_done(&r);
        else
                *ret = r;
        return result;
}
