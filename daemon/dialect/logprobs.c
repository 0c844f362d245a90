/* logprobs.c - see logprobs.h. Written as text, since a stream writes hundreds of them a second. */
#include "daemon/dialect/logprobs.h"

void logprobs_done(struct logprobs *l) {
        text_done(&l->tokens);
        text_done(&l->values);
        text_done(&l->tops);
        text_done(&l->offsets);
}

void logprobs_clear(struct logprobs *l) {
        text_clear(&l->tokens);
        text_clear(&l->values);
        text_clear(&l->tops);
        text_clear(&l->offsets);
        l->count = 0;
}

static const char *token_of(const cJSON *entry) {
        const cJSON *token = cJSON_GetObjectItemCaseSensitive(entry, "token");

        return cJSON_IsString(token) ? token->valuestring : "";
}

/* JSON has no minus infinity; clients know this number for "as good as never". */
static void write_logprob(struct text *out, const cJSON *entry) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(entry, "logprob");

        text_printf(out, "%.9g", cJSON_IsNumber(value) && value->valuedouble > -9999 ? value->valuedouble : -9999.0);
}

static void write_bytes(struct text *out, const cJSON *entry) {
        const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(entry, "bytes"), *byte;
        const char *separator = "";

        if (!cJSON_IsArray(bytes)) {
                text_puts(out, "null");
                return;
        }
        text_puts(out, "[");
        cJSON_ArrayForEach(byte, bytes) {
                text_printf(out, "%s%d", separator, byte->valueint & 255);
                separator = ",";
        }
        text_puts(out, "]");
}

/* {"token","logprob","bytes" - and the caller closes it, or adds to it. */
static void write_entry(struct text *out, const cJSON *entry) {
        text_puts(out, "{\"token\":");
        text_json(out, token_of(entry));
        text_puts(out, ",\"logprob\":");
        write_logprob(out, entry);
        text_puts(out, ",\"bytes\":");
        write_bytes(out, entry);
}

static void add_for_chat(struct logprobs *l, const cJSON *entry) {
        const cJSON *top;
        const char *separator = "";

        write_entry(&l->tokens, entry);
        text_puts(&l->tokens, ",\"top_logprobs\":[");
        cJSON_ArrayForEach(top, cJSON_GetObjectItemCaseSensitive(entry, "top")) {
                text_puts(&l->tokens, separator);
                write_entry(&l->tokens, top);
                text_puts(&l->tokens, "}");
                separator = ",";
        }
        text_puts(&l->tokens, "]}");
}

static uint64_t count_characters(const char *text) {
        uint64_t count = 0;

        for (; *text; text++)
                count += ((unsigned char) *text & 0xc0) != 0x80;
        return count;
}

static void add_for_completion(struct logprobs *l, const cJSON *entry) {
        const cJSON *top;
        const char *separator = "";

        text_json(&l->tokens, token_of(entry));
        text_printf(&l->offsets, "%llu", (unsigned long long) l->offset);
        l->offset += count_characters(token_of(entry));
        /* Of a prompt's first token nothing can be said. */
        if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(entry, "logprob"))) {
                text_puts(&l->values, "null");
                text_puts(&l->tops, "null");
                return;
        }
        write_logprob(&l->values, entry);
        text_puts(&l->tops, "{");
        cJSON_ArrayForEach(top, cJSON_GetObjectItemCaseSensitive(entry, "top")) {
                text_puts(&l->tops, separator);
                text_json(&l->tops, token_of(top));
                text_puts(&l->tops, ":");
                write_logprob(&l->tops, top);
                separator = ",";
        }
        text_puts(&l->tops, "}");
}

void logprobs_add(struct logprobs *l, bool is_chat, const cJSON *frame) {
        struct text *lists[] = { &l->tokens, &l->values, &l->tops, &l->offsets };
        const cJSON *entry;

        cJSON_ArrayForEach(entry, frame) {
                for (unsigned i = 0; i < 4 && l->count; i++)
                        text_puts(lists[i], ",");
                if (is_chat)
                        add_for_chat(l, entry);
                else
                        add_for_completion(l, entry);
                l->count++;
        }
}

bool logprobs_failed(const struct logprobs *l) {
        return l->tokens.failed || l->values.failed || l->tops.failed || l->offsets.failed;
}

void logprobs_write(struct text *out, const struct logprobs *l, bool is_chat) {
        if (is_chat) {
                text_printf(out, "{\"content\":[%s]}", text_string(&l->tokens));
                return;
        }
        text_printf(out, "{\"tokens\":[%s],\"token_logprobs\":[%s],", text_string(&l->tokens), text_string(&l->values));
        text_printf(out, "\"top_logprobs\":[%s],\"text_offset\":[%s]}", text_string(&l->tops), text_string(&l->offsets));
}
