/* answer.c - see answer.h. */
#include "daemon/dialect/answer.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/dialect/dialect.h"
#include "engine/base/json_walk.h"

#define PARTS_FIRST 4u

static void part_clear(struct answer_part *p) {
        text_done(&p->id);
        text_done(&p->name);
        text_done(&p->text);
}

struct answer_part *answer_part(const struct answer *a) {
        if (a->parts_count == 0)
                return NULL;
        return &a->parts[a->keeps ? a->parts_count - 1 : 0];
}

/* Room for one more, at its place. */
static struct answer_part *next_part(struct answer *a) {
        uint32_t at = a->keeps ? a->parts_count : 0;
        bool is_full = at == 0 ? !a->parts : at >= PARTS_FIRST && (at & (at - 1)) == 0;

        if (is_full) {
                struct answer_part *parts = realloc(a->parts, (at ? 2 * at : PARTS_FIRST) * sizeof(*parts));
                if (!parts)
                        return NULL;
                a->parts = parts;
        } else if (at == 0 && a->parts_count > 0) {
                part_clear(&a->parts[0]);
        }
        a->parts[at] = (struct answer_part){ 0 };
        return &a->parts[at];
}

/* BYTES more are kept: false where they are too many. */
static bool count_bytes(struct answer *a, size_t bytes) {
        if (a->is_too_long || bytes > a->bytes_max - a->bytes)
                return !(a->is_too_long = true);
        a->bytes += a->keeps ? bytes : 0;
        return true;
}

struct answer_part *answer_begin(struct answer *a, enum part_kind kind, const struct request_call *call) {
        struct answer_part *p = count_bytes(a, sizeof(*p)) ? next_part(a) : NULL;

        if (!p) {
                a->is_too_long = true;
                return NULL;
        }
        p->kind = kind;
        p->text.max = a->keeps ? TEXT_MAX_NONE : a->bytes_max;
        a->parts_count++;
        if (!call)
                return p;
        p->call = a->calls_count++;
        text_puts(&p->id, call->id);
        text_puts(&p->name, call->name);
        if (p->id.failed || p->name.failed)
                a->is_too_long = true;
        return p;
}

void answer_add(struct answer *a, const char *text) {
        struct answer_part *p = answer_part(a);
        bool is_kept = p && (a->keeps || (a->keeps_calls && p->kind == PART_CALL));

        if (is_kept && count_bytes(a, strlen(text)) && !text_puts(&p->text, text))
                a->is_too_long = true;
}

void answer_add_logprobs(struct answer *a, const cJSON *logprobs) {
        struct answer_part *p = answer_part(a);
        size_t begin = a->logprobs.tokens.used + (a->logprobs.count > 0); /* behind a comma */

        if (!p || !a->keeps || !logprobs)
                return;
        logprobs_add(&a->logprobs, !a->dialect->lists_logprobs, logprobs);
        if (p->logprobs_length == 0)
                p->logprobs_at = begin;
        if (a->logprobs.tokens.used > p->logprobs_at)
                p->logprobs_length = a->logprobs.tokens.used - p->logprobs_at;
}

void answer_clear(struct answer *a) {
        uint32_t held = a->keeps ? a->parts_count : a->parts_count > 0;

        for (uint32_t i = 0; i < held; i++)
                part_clear(&a->parts[i]);
        free(a->parts);
        a->parts = NULL;
        a->parts_count = a->calls_count = 0;
        a->bytes = 0;
        a->is_too_long = false;
        logprobs_clear(&a->logprobs);
        a->logprobs.offset = 0;
}

void answer_done(struct answer *a) {
        answer_clear(a);
        logprobs_done(&a->logprobs);
}

bool answer_join(struct text *out, const struct answer *a, enum part_kind kind) {
        struct text all = { .max = TEXT_MAX_NONE };
        bool is_there = false;

        for (uint32_t i = 0; i < a->parts_count; i++) {
                if (a->parts[i].kind != kind)
                        continue;
                is_there = true;
                text_puts(&all, text_string(&a->parts[i].text));
        }
        if (is_there)
                text_json(out, text_string(&all));
        out->failed |= all.failed;
        text_done(&all);
        return is_there;
}

bool answer_arguments(struct text *out, const struct answer_part *call) {
        struct json_walk r;
        struct json_value v = { .kind = JSON_NONE };

        json_walk_begin(&r, text_string(&call->text), call->text.used, JSON_DEPTH_MAX, UINT32_MAX);
        if (!json_walk_value(&r, &v) || v.kind != JSON_OBJECT || !json_walk_end(&r))
                return false;
        put_line(out, v.at, v.length);
        return true;
}
