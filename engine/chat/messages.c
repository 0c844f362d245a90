/*
 * messages.c - see messages.h. The reshaped messages are a thin tree of references: text is copied only where it
 * changes.
 */
#include "engine/chat/messages.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_read.h"
#include "engine/json/literal.h"
#include "engine/base/printable.h"

#define SHOWN_BYTES 40u /* of a client's word in a sentence */

__attribute__((format(printf, 2, 3))) static int refuse(struct gguf_error *reterr, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(reterr->text, sizeof(reterr->text), format, arguments);
        va_end(arguments);
        return -EINVAL;
}

/* A string made fit for a sentence; "" where ITEM is none. */
static const char *shown(char out[SHOWN_BYTES], const cJSON *item) {
        const char *text = cJSON_IsString(item) ? item->valuestring : "";
        return printable_copy(out, SHOWN_BYTES, text, strlen(text));
}

/* ROLE_COUNT where ITEM is no known role. */
static enum chat_role role_of(const cJSON *item) {
        static const struct {
                const char *name;
                enum chat_role role;
        } roles[] = {
                { "system", ROLE_SYSTEM },       { "developer", ROLE_SYSTEM }, { "user", ROLE_USER },
                { "assistant", ROLE_ASSISTANT }, { "tool", ROLE_TOOL },
        };
        for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]) && cJSON_IsString(item); i++)
                if (!strcmp(item->valuestring, roles[i].name))
                        return roles[i].role;
        return ROLE_COUNT;
}

enum chat_role chat_message_role(const cJSON *message) {
        return role_of(cJSON_GetObjectItemCaseSensitive(message, "role"));
}

static int check_parts(const cJSON *parts, size_t index, struct gguf_error *reterr) {
        char word[SHOWN_BYTES];
        size_t number = 0;
        for (const cJSON *part = parts->child; part; part = part->next, number++) {
                const cJSON *type = cJSON_GetObjectItemCaseSensitive(part, "type");
                if (!cJSON_IsString(type))
                        return refuse(reterr, "messages[%zu].content[%zu] has no \"type\"", index, number);
                if (strcmp(type->valuestring, "text"))
                        return refuse(reterr, "messages[%zu].content[%zu] is of type \"%s\"; this model reads only \"text\"",
                                      index, number, shown(word, type));
                if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(part, "text")))
                        return refuse(reterr, "messages[%zu].content[%zu] has no \"text\"", index, number);
        }
        return 0;
}

static int check_calls(const cJSON *calls, size_t index, struct gguf_error *reterr) {
        size_t number = 0;
        if (!calls || cJSON_IsNull(calls))
                return 0;
        if (!cJSON_IsArray(calls))
                return refuse(reterr, "messages[%zu].tool_calls is not an array", index);
        for (const cJSON *call = calls->child; call; call = call->next, number++) {
                const cJSON *function = cJSON_GetObjectItemCaseSensitive(call, "function");
                if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(function, "name")))
                        return refuse(reterr, "messages[%zu].tool_calls[%zu] has no \"function\" with a \"name\"", index, number);
        }
        return 0;
}

static int check_message(const cJSON *message, size_t index, bool any_role, struct gguf_error *reterr) {
        char word[SHOWN_BYTES];
        if (!cJSON_IsObject(message))
                return refuse(reterr, "messages[%zu] is not an object", index);
        const cJSON *role = cJSON_GetObjectItemCaseSensitive(message, "role");
        if (!cJSON_IsString(role))
                return refuse(reterr, "messages[%zu] has no \"role\"", index);
        if (!any_role && role_of(role) == ROLE_COUNT)
                return refuse(reterr, "messages[%zu] has the role \"%s\"; known are system, developer, user, assistant and tool",
                              index, shown(word, role));
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content");
        if (cJSON_IsArray(content) && check_parts(content, index, reterr) < 0)
                return -EINVAL;
        if (content && !cJSON_IsArray(content) && !cJSON_IsString(content) && !cJSON_IsNull(content))
                return refuse(reterr, "messages[%zu].content is neither a string, nor null, nor an array of parts", index);
        const cJSON *old = cJSON_GetObjectItemCaseSensitive(message, "function_call");
        if (old && !cJSON_IsNull(old))
                return refuse(reterr, "messages[%zu].function_call is not offered: say it as tool_calls", index);
        return check_calls(cJSON_GetObjectItemCaseSensitive(message, "tool_calls"), index, reterr);
}

int chat_messages_check(const cJSON *messages, bool any_role, struct gguf_error *reterr) {
        if (!cJSON_IsArray(messages))
                return refuse(reterr, "\"messages\" is not an array");
        if (!messages->child)
                return refuse(reterr, "\"messages\" is empty");
        size_t index = 0;
        int r = 0;
        for (const cJSON *m = messages->child; m && r == 0; m = m->next)
                r = check_message(m, index++, any_role, reterr);
        return r;
}

/* ---- shaping ---- */

static const cJSON *member(const cJSON *of, const char *name) {
        return cJSON_GetObjectItemCaseSensitive(of, name);
}

/* The library wants to change what it refers to, and does not. */
static cJSON *mutable(const cJSON *item) {
        return (cJSON *) (uintptr_t) item;
}

/* Adds ITEM, which is taken over even on failure. */
static bool add(cJSON *to, const char *name, cJSON *item) {
        if (item && to && cJSON_AddItemToObject(to, name, item))
                return true;
        cJSON_Delete(item);
        return false;
}

static bool append(cJSON *to, cJSON *item) {
        if (item && to && cJSON_AddItemToArray(to, item))
                return true;
        cJSON_Delete(item);
        return false;
}

/* All members of FROM but SKIP. */
static bool refer_all(cJSON *to, const cJSON *from, const char *skip) {
        bool all = to != NULL;
        for (const cJSON *m = from->child; m && all; m = m->next)
                if (strcmp(m->string, skip))
                        all = cJSON_AddItemReferenceToObject(to, m->string, mutable(m));
        return all;
}

static cJSON *all_or_nothing(cJSON *made, bool all) {
        if (all)
                return made;
        cJSON_Delete(made);
        return NULL;
}

/* The texts of PARTS, a line end between them. */
static char *text_of_parts(const cJSON *parts) {
        size_t length = 0;
        for (const cJSON *p = parts->child; p; p = p->next)
                length += strlen(member(p, "text")->valuestring) + 1;
        char *text = malloc(length + 1), *end = text;
        if (!text)
                return NULL;
        *text = '\0';
        for (const cJSON *p = parts->child; p; p = p->next)
                end = stpcpy(stpcpy(end, member(p, "text")->valuestring), p->next ? "\n" : "");
        return text;
}

static cJSON *join_parts(const cJSON *parts) {
        char *text = text_of_parts(parts);
        cJSON *joined = text ? cJSON_CreateString(text) : NULL;
        free(text);
        return joined;
}

char *chat_message_text(const cJSON *message) {
        const cJSON *content = member(message, "content");
        if (cJSON_IsArray(content))
                return text_of_parts(content);
        return strdup(cJSON_IsString(content) ? content->valuestring : "");
}

static cJSON *mark_end(const cJSON *message, const char *mark) {
        cJSON *made = cJSON_CreateObject();
        char *text = chat_message_text(message), *marked = text ? malloc(strlen(text) + strlen(mark) + 1) : NULL;
        if (marked)
                (void) stpcpy(stpcpy(marked, text), mark);
        bool all = refer_all(made, message, "content") && marked && add(made, "content", cJSON_CreateString(marked));
        free(marked);
        free(text);
        return all_or_nothing(made, all);
}

cJSON *chat_messages_mark_end(const cJSON *messages, const char *mark) {
        cJSON *made = cJSON_CreateArray();
        bool all = made != NULL;
        for (const cJSON *m = messages->child; m && all; m = m->next)
                all = m->next ? cJSON_AddItemReferenceToArray(made, mutable(m)) : append(made, mark_end(m, mark));
        return all_or_nothing(made, all);
}

static cJSON *shape_content(const cJSON *content, const struct chat_needs *needs) {
        if (cJSON_IsArray(content))
                return join_parts(content);
        if (cJSON_IsString(content))
                return cJSON_CreateStringReference(content->valuestring);
        return needs->empty_content ? cJSON_CreateString("") : cJSON_CreateNull();
}

/* An object of what a model wrote and is none; where nothing can be made of it, one without members. NULL: no memory. */
static cJSON *mend_arguments(const char *text, size_t length) {
        struct literal l = { .depth = 0 };
        literal_begin(&l, false);
        (void) literal_push(&l, text, length);
        literal_end(&l, true);
        cJSON *mended = l.out.failed ? NULL : json_read(l.out.bytes, l.out.used, NULL);
        literal_done(&l);
        return mended;
}

static cJSON *shape_arguments(const cJSON *arguments, bool as_text) {
        const char *text = cJSON_GetStringValue(arguments);
        cJSON *object = text ? json_read(text, strlen(text), NULL)
                             : cJSON_CreateObjectReference(cJSON_IsObject(arguments) ? arguments->child : NULL);
        if (as_text && text && cJSON_IsObject(object)) {
                cJSON_Delete(object);
                return cJSON_CreateStringReference(text);
        }
        if (text && !cJSON_IsObject(object)) {
                cJSON_Delete(object);
                object = mend_arguments(text, strlen(text));
        }
        if (!as_text || !object)
                return object;
        char *written = json_write(object);
        cJSON *shaped = written ? cJSON_CreateString(written) : NULL;
        free(written);
        cJSON_Delete(object);
        return shaped;
}

static cJSON *shape_call(const cJSON *call, const struct chat_needs *needs) {
        cJSON *made = cJSON_CreateObject(), *function = cJSON_CreateObject();
        const cJSON *from = member(call, "function");
        bool all = refer_all(made, call, "function") &&
                   (member(call, "type") || add(made, "type", cJSON_CreateString("function"))) &&
                   refer_all(function, from, "arguments") &&
                   add(function, "arguments", shape_arguments(member(from, "arguments"), needs->arguments_as_text));
        return all_or_nothing(made, add(made, "function", function) && all);
}

static cJSON *shape_calls(const cJSON *calls, const struct chat_needs *needs) {
        cJSON *made = cJSON_CreateArray();
        bool all = made != NULL;
        for (const cJSON *c = calls->child; c && all; c = c->next)
                all = append(made, shape_call(c, needs));
        return all_or_nothing(made, all);
}

static cJSON *shape_message(const cJSON *message, const struct chat_needs *needs) {
        cJSON *made = cJSON_CreateObject();
        const cJSON *role = member(message, "role"), *calls = member(message, "tool_calls");
        bool developer = needs->renames_developer && !strcmp(role->valuestring, "developer");
        bool all = add(made, "role", cJSON_CreateStringReference(developer ? "system" : role->valuestring)) &&
                   add(made, "content", shape_content(member(message, "content"), needs));
        for (const cJSON *m = message->child; m && all; m = m->next)
                if (strcmp(m->string, "role") && strcmp(m->string, "content") && strcmp(m->string, "tool_calls"))
                        all = cJSON_AddItemReferenceToObject(made, m->string, mutable(m));
        if (all && cJSON_IsArray(calls) && calls->child)
                all = add(made, "tool_calls", shape_calls(calls, needs));
        return all_or_nothing(made, all);
}

static const char *content_text(const cJSON *message) {
        const cJSON *content = member(message, "content");
        return cJSON_IsString(content) ? content->valuestring : "";
}

/* The content of USER behind that of SYSTEM. */
static bool put_before(cJSON *user, const cJSON *system) {
        const char *first = content_text(system), *second = content_text(user);
        char *text = malloc(strlen(first) + strlen(second) + 2);
        if (!text)
                return false;
        (void) stpcpy(stpcpy(stpcpy(text, first), *second ? "\n" : ""), second);
        cJSON *joined = cJSON_CreateString(text);
        free(text);
        if (joined && cJSON_ReplaceItemInObjectCaseSensitive(user, "content", joined))
                return true;
        cJSON_Delete(joined);
        return false;
}

static bool is_role(const cJSON *message, const char *role) {
        return !strcmp(member(message, "role")->valuestring, role);
}

/* From the last to the first, so that several system messages keep their order at the head of the turn that takes them. */
static bool fold_system(cJSON *messages) {
        cJSON *user = NULL, *previous;
        bool all = true;
        for (cJSON *m = messages->child ? messages->child->prev : NULL; m && all; m = previous) {
                previous = m == messages->child ? NULL : m->prev;
                if (is_role(m, "user")) {
                        user = m;
                } else if (!is_role(m, "system")) {
                        continue;
                } else if (user) {
                        all = put_before(user, m);
                        cJSON_Delete(cJSON_DetachItemViaPointer(messages, m));
                } else {
                        all = cJSON_ReplaceItemInObjectCaseSensitive(m, "role", cJSON_CreateStringReference("user"));
                        user = m;
                }
        }
        return all;
}

cJSON *chat_messages_shape(const cJSON *messages, const struct chat_needs *needs) {
        cJSON *made = cJSON_CreateArray();
        bool all = made != NULL;
        for (const cJSON *m = messages->child; m && all; m = m->next)
                all = append(made, shape_message(m, needs));
        return all_or_nothing(made, all && (!needs->folds_system || fold_system(made)));
}
