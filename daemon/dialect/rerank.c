/* rerank.c - see rerank.h. The best come first; of equals the one that was named first. */
#include "daemon/dialect/rerank.h"

#include <stdlib.h>

#include "engine/base/cleanup.h"

struct place {
        float score;
        uint32_t index;
        struct json_value document; /* where it is repeated */
};

static int by_score(const void *left, const void *right) {
        const struct place *a = left, *b = right;

        return a->score != b->score ? (a->score < b->score) - (a->score > b->score)
                                    : (a->index > b->index) - (a->index < b->index);
}

static void take_documents(struct place places[], uint32_t count, struct json_value documents) {
        struct json_walk r;

        items_begin(&r, documents);
        for (uint32_t i = 0; i < count && items_next(&r, &places[i].document); i++)
                ;
}

static void put_document(struct text *out, struct json_value document) {
        if (document.kind == JSON_NONE)
                return;
        text_puts(out, document.kind == JSON_STRING ? ",\"document\":{\"text\":" : ",\"document\":");
        put_line(out, document.at, document.length);
        text_puts(out, document.kind == JSON_STRING ? "}" : "");
}

static void rank(struct text *out, const float scores[], uint32_t count, const struct vectors_asked *asked,
                 const struct vectors_answer *all) {
        auto_free struct place *places = calloc(count ? count : 1, sizeof *places);
        uint32_t most = asked->top_n && asked->top_n < count ? asked->top_n : count;

        out->failed |= !places;
        if (!places)
                return;
        for (uint32_t i = 0; i < count; i++)
                places[i] = (struct place){ .score = scores[i], .index = i };
        take_documents(places, count, asked->repeated);
        qsort(places, count, sizeof *places, by_score);
        text_puts(out, "{\"model\":");
        text_json(out, all->model);
        text_printf(out, ",\"object\":\"list\",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u},\"results\":[",
                    all->prompt_tokens, all->prompt_tokens);
        for (uint32_t i = 0; i < most; i++) {
                text_printf(out, "%s{\"index\":%u,\"relevance_score\":%.9g", i ? "," : "", places[i].index,
                            (double) places[i].score);
                put_document(out, places[i].document);
                text_puts(out, "}");
        }
        text_puts(out, "]}\n");
}

const struct vectors_dialect vectors_rerank = { .refusals = &dialect_openai_chat, .rank = rank };
