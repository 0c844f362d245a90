/* rerank.c - POST /v1/rerank and its other names: a query and documents in, their scores out. The engine reads what the documents are. */
#include "daemon/api/api_internal.h"
#include "daemon/base/bounds.h"
#include "daemon/dialect/rerank.h"

static bool check(const struct body_facts *f, struct failure *reterr) {
        const struct json_value *m = f->members, top_n = m[MEMBER_TOP_N], returns = m[MEMBER_RETURN_DOCUMENTS];

        if (m[MEMBER_QUERY].kind != JSON_STRING)
                *reterr = bad_request("query", "'query' must be a text");
        else if (f->documents.count == 0)
                *reterr = bad_request("documents", "'documents' must be a list of texts, and not be empty");
        else if (f->documents.count > API_EMBED_INPUTS_MAX)
                *reterr = bad_request("documents", "'documents' must not hold more than %u texts; send several requests",
                                      API_EMBED_INPUTS_MAX);
        else if (top_n.kind != JSON_NONE && !json_whole(top_n, 1, INT32_MAX))
                *reterr = bad_request("top_n", "'top_n' must be a whole number from 1");
        else if (returns.kind != JSON_NONE && returns.kind != JSON_TRUE && returns.kind != JSON_FALSE)
                *reterr = bad_request("return_documents", "'return_documents' must be true or false");
        else if (m[MEMBER_MODEL].kind != JSON_NONE && m[MEMBER_MODEL].kind != JSON_STRING)
                *reterr = bad_request("model", "'model' must be a string");
        else
                return true;
        return false;
}

static void start(struct api *api, struct http_exchange *x, const struct body *body) {
        const struct body_facts *f = &body->facts;
        struct failure wrong = { 0 };

        if (!check(f, &wrong)) {
                error_answer(x, &wrong);
                return;
        }
        const struct vectors_asked asked = {
                .count = f->documents.count,
                .top_n = f->members[MEMBER_TOP_N].kind != JSON_NONE ? (uint32_t) json_double(f->members[MEMBER_TOP_N]) : 0,
                .repeated = body_is_true(f, MEMBER_RETURN_DOCUMENTS) ? f->members[MEMBER_DOCUMENTS]
                                                                     : (struct json_value){ .kind = JSON_NONE },
        };
        api_ask_vectors(api, x, body, &vectors_rerank, &asked);
}

void handle_rerank(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, start);
}
