/* template.c - see template.h. */
#include "engine/chat/template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/bounds.h"
#include "engine/chat/generic_tools.h"
#include "engine/jinja/jinja.h"

#define VARIABLES_OWN 6u /* those of a conversation */
#define VARIABLES_MAX (VARIABLES_OWN + THINKING_VARIABLES_MAX + REQUEST_VARIABLES_MAX)
#define SPELLING_MAX  1024u /* of a token that begins or ends a text: the longest published token */

static int refuse(struct gguf_error *reterr, int error, const char *sentence) {
        (void) snprintf(reterr->text, sizeof(reterr->text), "%s", sentence);
        return error;
}

/* ---- running the template ---- */

static void on_output(void *context, const char *bytes, size_t length, bool outside) {
        chat_prompt_append(context, bytes, length, !outside);
}

/* A client's variables come last, so that they have the last word; who asks has seen to it that there is room. */
static size_t add_variables(const cJSON *from, struct jinja_variable *to, size_t count) {
        for (const cJSON *v = from ? from->child : NULL; v && count < VARIABLES_MAX; v = v->next)
                to[count++] = (struct jinja_variable){ .name = v->string, .value = v };
        return count;
}

static int run(const struct chat_template *c, const struct chat_conversation *conversation, const cJSON *messages,
               const char *bos, const char *eos, struct chat_prompt *prompt, struct jinja_error *reterr) {
        cJSON none = { .type = cJSON_NULL }, generation = { .type = conversation->add_generation ? cJSON_True : cJSON_False };
        struct chat_thinking_values thinking;
        struct jinja_variable variables[VARIABLES_MAX] = {
                { .name = "messages", .value = messages },
                { .name = "tools", .value = conversation->tools ? conversation->tools : &none },
                { .name = "documents", .value = &none },
                { .name = "add_generation_prompt", .value = &generation },
                { .name = "bos_token", .own = bos },
                { .name = "eos_token", .own = eos },
        };
        size_t count = VARIABLES_OWN;
        if (!conversation->tools && c->no_tools_undefined)
                variables[1] = variables[--count];
        count += chat_thinking_variables(c->efforts, &conversation->thinking, &thinking, variables + count);
        count = add_variables(conversation->variables, variables, count);
        struct jinja_input input = { variables, count, conversation->now ? conversation->now : (int64_t) time(NULL) };
        return jinja_render(c->jinja, &input, on_output, prompt, reterr);
}

static int shape_and_run(const struct chat_template *c, const struct chat_conversation *conversation,
                         const struct chat_needs *needs, const char *bos, const char *eos, struct chat_prompt *prompt,
                         struct jinja_error *reterr) {
        cJSON *shaped = chat_messages_shape(conversation->messages, needs);
        if (!shaped) {
                *reterr = (struct jinja_error){ .code = -ENOMEM, .text = "there is no memory for the prompt" };
                return -ENOMEM;
        }
        int r = run(c, conversation, shaped, bos, eos, prompt, reterr);
        cJSON_Delete(shaped);
        return r;
}

static bool lacks_content(const cJSON *messages) {
        for (const cJSON *m = messages->child; m; m = m->next) {
                const cJSON *content = cJSON_GetObjectItemCaseSensitive(m, "content");
                if (!content || cJSON_IsNull(content))
                        return true;
        }
        return false;
}

/* A message without content is null to the template, or, where that breaks it, an empty text. */
static int render_template(const struct chat_template *c, const struct chat_conversation *conversation, const char *bos,
                           const char *eos, struct chat_prompt *prompt, struct gguf_error *reterr) {
        struct jinja_error error;
        struct chat_needs needs = c->needs;
        int r = conversation->as_given ? run(c, conversation, conversation->messages, bos, eos, prompt, &error)
                                       : shape_and_run(c, conversation, &needs, bos, eos, prompt, &error);
        if (r == -EINVAL && !error.raised && !conversation->as_given && lacks_content(conversation->messages)) {
                needs.empty_content = true;
                r = shape_and_run(c, conversation, &needs, bos, eos, prompt, &error);
        }
        if (r < 0 && error.raised)
                return refuse(reterr, r, error.text);
        if (r < 0)
                (void) snprintf(reterr->text, sizeof(reterr->text), "the model's chat template failed: %.220s", error.text);
        return r;
}

static bool by_template(const struct chat_template *c, const struct chat_conversation *conversation) {
        return c->jinja && (!c->fails || conversation->as_given);
}

static int render_whole(const struct chat_template *c, const struct chat_conversation *conversation, const char *bos,
                        const char *eos, struct chat_prompt *prompt, struct gguf_error *reterr) {
        int r = 0;
        if (by_template(c, conversation))
                r = render_template(c, conversation, bos, eos, prompt, reterr);
        else
                chat_family_render(&c->family, conversation->messages, conversation->add_generation, prompt);
        if (r == 0 && prompt->error)
                return refuse(reterr, prompt->error, "no memory for the prompt");
        return r;
}

/* ---- a message that goes on ---- */

#define END_MARK "headroom8f2dends" /* behind the content of a message: plain, so that no filter of a template changes it */

/* Where MARK stands last; the prompt's length: nowhere. */
static size_t last_at(const struct chat_prompt *p, const char *mark) {
        size_t length = strlen(mark), at = p->length < length ? 0 : p->length - length + 1;
        while (at > 0 && memcmp(p->text + at - 1, mark, length) != 0)
                at--;
        return at ? at - 1 : p->length;
}

/* Writes the last message with a mark at its end, so that nothing is trimmed off there, and cuts the prompt before it. */
static int render_open(const struct chat_template *c, const struct chat_conversation *conversation, const char *bos,
                       const char *eos, struct chat_prompt *prompt, struct gguf_error *reterr) {
        struct chat_conversation marked = *conversation;
        cJSON *messages = chat_messages_mark_end(conversation->messages, END_MARK);
        if (!messages)
                return refuse(reterr, -ENOMEM, "no memory for the prompt");
        marked.messages = messages;
        int r = render_whole(c, &marked, bos, eos, prompt, reterr);
        cJSON_Delete(messages);
        size_t end = r == 0 ? last_at(prompt, END_MARK) : 0;
        if (r == 0 && end == prompt->length)
                return refuse(reterr, -EINVAL,
                              "the model's chat template leaves the last message out, so it cannot be continued: end with a "
                              "message of role user");
        if (r == 0)
                chat_prompt_cut(prompt, end);
        return r;
}

static int render(const struct chat_template *c, const struct chat_conversation *conversation, const char *bos, const char *eos,
                  struct chat_prompt *prompt, struct gguf_error *reterr) {
        int r = conversation->as_given ? 0 : chat_messages_check(conversation->messages, by_template(c, conversation), reterr);
        if (r < 0)
                return r;
        return conversation->continues ? render_open(c, conversation, bos, eos, prompt, reterr)
                                       : render_whole(c, conversation, bos, eos, prompt, reterr);
}

int chat_template_render(const struct chat_template *c, const struct chat_conversation *conversation, const char *bos,
                         const char *eos, struct chat_prompt *prompt, struct gguf_error *reterr) {
        struct chat_conversation told = *conversation;
        if (!conversation->tools || c->takes_tools || conversation->as_given)
                return render(c, conversation, bos, eos, prompt, reterr);
        int r = chat_messages_check(conversation->messages, c->jinja && !c->fails, reterr);
        if (r < 0)
                return r;
        cJSON *messages = chat_tools_in_words(conversation->messages, conversation->tools);
        if (!messages)
                return refuse(reterr, -ENOMEM, "no memory for the prompt");
        told.messages = messages;
        told.tools = NULL;
        r = render(c, &told, bos, eos, prompt, reterr);
        cJSON_Delete(messages);
        return r;
}

/* ---- features of a template ---- */

#define NEEDLE          "headroomprobe"
#define ARGUMENT_NEEDLE "headroomargument"

/* Renders a conversation that is JSON here; whether it went well, and WANTED stands in it. */
static bool probe(const struct chat_template *c, const char *bos, const char *eos, const char *messages, const char *tools,
                  const char *wanted) {
        struct chat_conversation conversation = { .messages = cJSON_Parse(messages),
                                                  .tools = tools ? cJSON_Parse(tools) : NULL,
                                                  .add_generation = true };
        struct chat_prompt prompt = { .bos = TOKEN_NONE, .eos = TOKEN_NONE };
        struct gguf_error error;
        bool holds = conversation.messages && render_template(c, &conversation, bos, eos, &prompt, &error) == 0 &&
                     !prompt.error &&
                     (prompt.length ? memmem(prompt.text, prompt.length, wanted, strlen(wanted)) != NULL : !*wanted);
        chat_prompt_done(&prompt);
        cJSON_Delete((cJSON *) (uintptr_t) conversation.messages);
        cJSON_Delete((cJSON *) (uintptr_t) conversation.tools);
        return holds;
}

#define USER "{\"role\":\"user\",\"content\":\"a\"}"
#define TOOL                                                                                                 \
        "{\"type\":\"function\",\"function\":{\"name\":\"" NEEDLE "\",\"description\":\"a\",\"parameters\":" \
        "{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"string\",\"description\":\"c\"}},\"required\":[\"b\"]}}}"
#define CALL                                                                                                    \
        "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"aaaaaaaaa\",\"type\":\"function\"," \
        "\"function\":{\"name\":\"d\",\"arguments\":{\"" ARGUMENT_NEEDLE "\":\"e\"}}}]}"
#define TOOL_ANSWER "{\"role\":\"tool\",\"tool_call_id\":\"aaaaaaaaa\",\"name\":\"d\",\"content\":\"f\"}"

/* Whether a call's arguments come out as JSON where they are a mapping; a template of another mind wants them as text. */
static void probe_arguments(struct chat_template *c, const char *bos, const char *eos) {
        static const char conversation[] = "[" USER "," CALL "," TOOL_ANSWER "]";
        if (probe(c, bos, eos, conversation, "[" TOOL "]", ARGUMENT_NEEDLE) &&
            !probe(c, bos, eos, conversation, "[" TOOL "]", "'" ARGUMENT_NEEDLE "'"))
                return;
        c->needs.arguments_as_text = true;
        if (!probe(c, bos, eos, conversation, "[" TOOL "]", ARGUMENT_NEEDLE))
                c->needs.arguments_as_text = false;
}

/* Tries the template: whether it fails on a lone user message already, and what it takes. */
static void probe_all(struct chat_template *c, const char *text, size_t length, const char *bos, const char *eos) {
        c->needs.renames_developer = !memmem(text, length, "developer", strlen("developer"));
        for (int undefined = 0; undefined < 2; undefined++) {
                c->no_tools_undefined = undefined;
                c->fails = !probe(c, bos, eos, "[{\"role\":\"user\",\"content\":\"" NEEDLE "\"}]", NULL, NEEDLE);
                if (!c->fails)
                        break;
        }
        if (c->fails)
                return;
        c->needs.folds_system = !probe(c, bos, eos, "[{\"role\":\"system\",\"content\":\"" NEEDLE "\"}," USER "]", NULL, NEEDLE);
        c->takes_tools = probe(c, bos, eos, "[" USER "]", "[" TOOL "]", NEEDLE);
        if (c->takes_tools)
                probe_arguments(c, bos, eos);
}

int chat_template_init_text(struct chat_template *c, const char *text, size_t length, const char *bos, const char *eos) {
        struct jinja_error error = { .text = "" };
        *c = (struct chat_template){ .family = chat_family_recognise(text ? text : "", text ? length : 0),
                                     .efforts = chat_thinking_efforts(text, length) };
        if (!text || length == 0) {
                (void) snprintf(c->warning, sizeof(c->warning), "the file has no chat template: ChatML is used");
                return 0;
        }
        int r = jinja_parse(text, length, &c->jinja, &error);
        if (r == -ENOMEM)
                return r;
        if (r == 0)
                probe_all(c, text, length, bos, eos);
        if (c->jinja && !c->fails)
                return 0;
        (void) snprintf(c->warning, sizeof(c->warning), "the file's chat template is not used (%s): %s is used instead",
                        r < 0 ? error.text : "it fails on the plainest conversation", chat_family_word(c->family.name));
        return 0;
}

/* How the vocabulary spells token ID; "" for none. */
static const char *spelling(const struct tokenizer *t, int32_t id, char out[SPELLING_MAX]) {
        size_t length = t && id != TOKEN_NONE ? tokenizer_piece(t, id, true, false, out, SPELLING_MAX - 1) : 0;
        out[length < SPELLING_MAX ? length : 0] = '\0';
        return out;
}

int chat_template_init(struct chat_template *c, const struct gguf *g, const struct tokenizer *t) {
        struct gguf_string text = { NULL, 0 };
        char bos[SPELLING_MAX], eos[SPELLING_MAX];
        (void) gguf_get_string(g, "tokenizer.chat_template", &text);
        int r = chat_template_init_text(c, text.bytes, text.length, spelling(t, t ? tokenizer_bos(t) : TOKEN_NONE, bos),
                                        spelling(t, t ? tokenizer_eos(t) : TOKEN_NONE, eos));
        c->output_format = chat_format_recognise(text.bytes, text.length, t);
        if (!c->takes_tools)
                chat_format_use_generic(&c->output_format, t);
        return r;
}

void chat_template_done(struct chat_template *c) {
        jinja_free(c->jinja);
        c->jinja = NULL;
}

const char *chat_template_format(const struct chat_template *c) {
        return c->jinja && !c->fails ? "template" : chat_family_word(c->family.name);
}

/* ---- to tokens ---- */

/* The prompt ends with MARK, white space aside. */
static bool ends_with(const struct chat_prompt *p, const char *mark) {
        size_t bytes = strlen(mark), length = p->length;
        while (bytes && strchr(" \n", mark[bytes - 1]))
                bytes--;
        while (length && strchr(" \n", p->text[length - 1]))
                length--;
        return length >= bytes && !memcmp(p->text + length - bytes, mark, bytes);
}

static enum reasoning reasoning_after(const struct chat_template *c, const struct chat_prompt *p) {
        const struct reasoning_format *f = c->output_format.reasoning;
        if (!f || ends_with(p, f->close))
                return REASONING_OVER;
        return ends_with(p, f->open) ? REASONING_OPEN : REASONING_MAY;
}

/* Of a message that goes on: by the marks in its own text; where there is none yet, as of an answer of its own. */
static int reasoning_within(const struct chat_template *c, const struct chat_conversation *conversation,
                            const struct chat_prompt *p, enum reasoning *ret) {
        const struct reasoning_format *f = c->output_format.reasoning;
        char *text = chat_message_text(conversation->messages->child->prev);
        if (!text)
                return -ENOMEM;
        const char *open = f ? strstr(text, f->open) : NULL;
        *ret = !*text ? reasoning_after(c, p) : open && !strstr(open, f->close) ? REASONING_OPEN : REASONING_OVER;
        free(text);
        return 0;
}

/* An answer that may reason first is left to do so: what it must be then is for its grammar to hold to. */
static void begin_answer(const struct chat_conversation *conversation, struct chat_prompt *prompt) {
        for (size_t i = 0; i < 3 && conversation->begun[i]; i++)
                chat_prompt_append(prompt, conversation->begun[i], strlen(conversation->begun[i]), i != 1);
}

static int encode_prompt(const struct chat_template *c, const struct tokenizer *t, struct chat_prompt *p, const char *bos,
                         struct token_list *list, struct gguf_error *reterr) {
        /* A template that writes the begin token itself writes it first: the encoder begins the text. */
        bool templated = c->jinja && !c->fails, written = templated && chat_prompt_drop_markup(p, bos);
        bool begins = written || (!templated && c->family.begins) || tokenizer_adds_bos(t);
        int r = 0;
        if (begins && tokenizer_bos(t) != TOKEN_NONE)
                r = token_list_push(list, tokenizer_bos(t));
        if (r == 0)
                r = tokenizer_encode_spans(t, p->text, p->spans, p->spans_count, list);
        if (r == -E2BIG)
                return refuse(reterr, -EINVAL, "the messages are longer than any context");
        return r < 0 ? refuse(reterr, r, "no memory for the prompt's tokens") : 0;
}

/* PROMPT has its tokens for the begin and the end of a text; the caller releases it either way. *ret_reasoning may be NULL. */
static int write_prompt(const struct chat_template *c, const char *bos, const char *eos,
                        const struct chat_conversation *conversation, struct chat_prompt *prompt, enum reasoning *ret_reasoning,
                        struct gguf_error *reterr) {
        int r = chat_template_render(c, conversation, bos, eos, prompt, reterr);
        enum reasoning reasoning = r == 0 ? reasoning_after(c, prompt) : REASONING_OVER;
        if (r == 0 && conversation->continues && (r = reasoning_within(c, conversation, prompt, &reasoning)) < 0)
                (void) refuse(reterr, r, "no memory for the prompt");
        if (r == 0 && reasoning == REASONING_OVER)
                begin_answer(conversation, prompt);
        if (r == 0 && prompt->error)
                r = refuse(reterr, prompt->error, "no memory for the prompt");
        if (r == 0 && conversation->bytes_max && prompt->length > conversation->bytes_max)
                r = refuse(reterr, -EFBIG, "the messages are longer than any context");
        if (r == 0 && ret_reasoning)
                *ret_reasoning = reasoning;
        return r;
}

int chat_template_encode(const struct chat_template *c, const struct tokenizer *t, const struct chat_conversation *conversation,
                         struct token_list *list, enum reasoning *ret_reasoning, struct gguf_error *reterr) {
        struct chat_prompt prompt = { .bos = tokenizer_bos(t), .eos = tokenizer_eos(t) };
        char bos[SPELLING_MAX], eos[SPELLING_MAX];
        size_t before = list->count;
        int r = write_prompt(c, spelling(t, prompt.bos, bos), spelling(t, prompt.eos, eos), conversation, &prompt, ret_reasoning,
                             reterr);
        if (r == 0)
                r = encode_prompt(c, t, &prompt, bos, list, reterr);
        if (r < 0)
                list->count = before;
        chat_prompt_done(&prompt);
        return r;
}

int chat_template_write(const struct chat_template *c, const struct tokenizer *t, const struct chat_conversation *conversation,
                        struct text *out, struct gguf_error *reterr) {
        struct chat_prompt prompt = { .bos = tokenizer_bos(t), .eos = tokenizer_eos(t) };
        char bos[SPELLING_MAX], eos[SPELLING_MAX], piece[SPELLING_MAX];
        int r = write_prompt(c, spelling(t, prompt.bos, bos), spelling(t, prompt.eos, eos), conversation, &prompt, NULL, reterr);
        size_t at = 0;
        for (size_t i = 0; r == 0 && i < prompt.spans_count; at += prompt.spans[i++].length) {
                text_puts(out, spelling(t, prompt.spans[i].token, piece));
                text_add(out, prompt.text + at, prompt.spans[i].length);
        }
        chat_prompt_done(&prompt);
        return r;
}
