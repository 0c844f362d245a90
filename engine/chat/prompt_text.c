/* prompt_text.c - see prompt_text.h. */
#include "engine/chat/prompt_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_read.h"
#include "engine/unicode/unicode.h"

void chat_prompt_done(struct chat_prompt *p) {
        free(p->text);
        free(p->spans);
        *p = (struct chat_prompt){ 0 };
}

/* Makes *array hold at least WANTED elements of SIZE bytes. */
static bool reserve(struct chat_prompt *p, void *array, size_t *capacity, size_t wanted, size_t size) {
        void *old, *grown;
        if (p->error)
                return false;
        if (wanted <= *capacity)
                return true;
        size_t larger = *capacity * 2 > wanted ? *capacity * 2 : wanted + 64;
        memcpy(&old, array, sizeof(old));
        grown = reallocarray(old, larger, size);
        if (!grown) {
                p->error = -ENOMEM;
                return false;
        }
        memcpy(array, &grown, sizeof(grown));
        *capacity = larger;
        return true;
}

static void append_text(struct chat_prompt *p, const char *text, size_t length) {
        if (!reserve(p, &p->text, &p->capacity, p->length + length, 1) || length == 0)
                return;
        memcpy(p->text + p->length, text, length);
        p->length += length;
}

/* Spans of one kind that follow each other become one. */
static void append_span(struct chat_prompt *p, size_t length, bool markup) {
        struct token_span *last = p->spans_count ? &p->spans[p->spans_count - 1] : NULL;
        if (p->error || length == 0)
                return;
        if (last && last->token == TOKEN_NONE && last->markup == markup)
                last->length += length;
        else if (reserve(p, &p->spans, &p->spans_capacity, p->spans_count + 1, sizeof(*p->spans)))
                p->spans[p->spans_count++] = (struct token_span){ .length = length, .token = TOKEN_NONE, .markup = markup };
}

static void append_token(struct chat_prompt *p, int32_t id) {
        if (id != TOKEN_NONE && reserve(p, &p->spans, &p->spans_capacity, p->spans_count + 1, sizeof(*p->spans)))
                p->spans[p->spans_count++] = (struct token_span){ .token = id };
}

void chat_prompt_markup(struct chat_prompt *p, const char *markup) {
        while (*markup) {
                size_t plain = strcspn(markup, PROMPT_BOS PROMPT_EOS);
                append_text(p, markup, plain);
                append_span(p, plain, true);
                markup += plain;
                if (*markup == *PROMPT_EOS)
                        append_token(p, p->eos);
                else if (*markup == *PROMPT_BOS && p->spans_count > 0)
                        append_token(p, p->bos);
                markup += *markup != '\0';
        }
}

void chat_prompt_append(struct chat_prompt *p, const char *text, size_t length, bool markup) {
        append_text(p, text, length);
        append_span(p, length, markup);
}

void chat_prompt_cut(struct chat_prompt *p, size_t length) {
        size_t at = 0, kept = 0;
        for (; kept < p->spans_count && at < length; kept++) {
                struct token_span *span = &p->spans[kept];
                if (span->length > length - at)
                        span->length = length - at;
                at += span->length;
        }
        p->spans_count = kept;
        p->length = length;
}

bool chat_prompt_drop_markup(struct chat_prompt *p, const char *spelling) {
        size_t length = strlen(spelling);
        struct token_span *first = p->spans;
        if (length == 0 || p->spans_count == 0 || !first->markup || first->length < length || memcmp(p->text, spelling, length))
                return false;
        memmove(p->text, p->text + length, p->length - length);
        p->length -= length;
        first->length -= length;
        if (first->length == 0)
                memmove(first, first + 1, --p->spans_count * sizeof(*first));
        return true;
}

struct chat_content chat_prompt_begin_content(struct chat_prompt *p) {
        return (struct chat_content){ .start = p->length };
}

void chat_prompt_add_content(struct chat_prompt *p, const char *text, size_t length) {
        size_t before = p->length;
        append_text(p, text, length);
        if (!p->error)
                p->length = before + json_restore_nuls(p->text + before, length);
}

/* Cuts white space off both ends of the text behind START. */
static void trim_behind(struct chat_prompt *p, size_t start) {
        size_t first = p->length, end = start;
        for (size_t at = start; at < p->length;) {
                struct unicode_char c = unicode_char_at(p->text + at, p->length - at);
                if (c.kind != UNICODE_SPACE && first == p->length)
                        first = at;
                at += c.length;
                if (c.kind != UNICODE_SPACE)
                        end = at;
        }
        if (end > first)
                memmove(p->text + start, p->text + first, end - first);
        p->length = end > first ? start + (end - first) : start;
}

void chat_prompt_end_content(struct chat_prompt *p, struct chat_content content, bool trim) {
        if (p->error)
                return;
        if (trim)
                trim_behind(p, content.start);
        append_span(p, p->length - content.start, false);
}
