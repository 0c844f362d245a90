/* tools.c - see tools.h. */
#include "engine/request/tools.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/chat/template.h"
#include "engine/base/printable.h"
#include "engine/json_schema/schema.h"
#include "engine/request/error.h"
#include "engine/request/tool_choice.h"

const char *request_tool_name(const cJSON *tool) {
        return cJSON_GetStringValue(json_get(json_get(tool, "function"), "name"));
}

bool request_tool_is_strict(const cJSON *tool) {
        return cJSON_IsTrue(json_get(json_get(tool, "function"), "strict"));
}

const cJSON *request_tool_arguments(const cJSON *tool) {
        /* {"additionalProperties": false} */
        static char others[] = "additionalProperties";
        static cJSON no_others = { .type = cJSON_False, .string = others };
        static const cJSON nothing = { .type = cJSON_Object, .child = &no_others };
        const cJSON *parameters = json_get(json_get(tool, "function"), "parameters");
        return parameters ? parameters : &nothing;
}

#define LOOKED_DEPTH_MAX 8u    /* to which it is looked for whether a value may be a text */
#define LOOKED_MAX       1024u /* members and items, for one value: choices that point at each other would take for ever */

struct look {
        const cJSON *root;
        uint32_t left; /* of LOOKED_MAX */
};

/* ONE, as long as there may be more of them. */
static const cJSON *look_at(struct look *l, const cJSON *one) {
        if (!one || l->left == 0)
                return NULL;
        l->left--;
        return one;
}

static const cJSON *first_of(struct look *l, const cJSON *list) {
        return look_at(l, list ? list->child : NULL);
}

/* Whether the members of OBJECT are few enough to be looked through. */
static bool can_look_into(struct look *l, const cJSON *object) {
        for (const cJSON *one = first_of(l, object); one; one = look_at(l, one->next))
                ;
        return look_at(l, object) != NULL;
}

/* Where "#/a/b" points to, or NULL. */
static const cJSON *referred(struct look *l, const char *path) {
        const cJSON *at = *path++ == '#' ? l->root : NULL;
        while (at && *path == '/')
                at = can_look_into(l, at) ? schema_step_down(at, &path) : NULL;
        return at;
}

static bool may_be_text(struct look *l, const cJSON *schema, uint32_t depth) {
        static const char *const several[] = { "anyOf", "oneOf", "allOf" };
        if (depth > LOOKED_DEPTH_MAX || !can_look_into(l, schema))
                return false;
        const cJSON *type = json_get(schema, "type"), *one;
        const char *word = cJSON_GetStringValue(type), *path = cJSON_GetStringValue(json_get(schema, "$ref"));
        if (type && !cJSON_IsArray(type))
                return word && !strcmp(word, "string");
        for (one = first_of(l, type); one; one = look_at(l, one->next))
                if (cJSON_IsString(one) && !strcmp(one->valuestring, "string"))
                        return true;
        if (cJSON_IsString(json_get(schema, "const")) || (path && may_be_text(l, referred(l, path), depth + 1)))
                return true;
        for (one = first_of(l, json_get(schema, "enum")); one; one = look_at(l, one->next))
                if (cJSON_IsString(one))
                        return true;
        for (size_t i = 0; i < sizeof(several) / sizeof(several[0]); i++)
                for (one = first_of(l, json_get(schema, several[i])); one; one = look_at(l, one->next))
                        if (may_be_text(l, one, depth + 1))
                                return true;
        return false;
}

bool request_may_be_text(const cJSON *arguments, const cJSON *value) {
        return may_be_text(&(struct look){ arguments, LOOKED_MAX }, value, 0);
}

/* TOOL as tool_list.h has it. */
static bool list_tool(struct text *list, const cJSON *tool) {
        const cJSON *parameters = json_get(json_get(tool, "function"), "parameters"), *p;
        const char *name = request_tool_name(tool);
        (void) text_add(list, name, strlen(name) + 1);
        cJSON_ArrayForEach(p, json_get(parameters, "properties")) {
                const char kind = request_may_be_text(parameters, p) ? ARGUMENT_TEXT : ARGUMENT_ANY;
                if (!p->string || !text_add(list, &kind, 1))
                        continue;
                (void) text_add(list, p->string, strlen(p->string) + 1);
        }
        return text_add(list, "", 1);
}

/* TOOLS as tool_list.h has them; the caller frees the list. */
static int read_list(const cJSON *tools, char **ret, struct request_error *reterr) {
        struct text list = { .max = TEXT_MAX_NONE }; /* the tools have been counted already */
        size_t count = 0;
        const cJSON *tool;
        cJSON_ArrayForEach(tool, tools) {
                const char *name = request_tool_name(tool);
                const char *type = cJSON_GetStringValue(json_get(tool, "type"));
                char shown[64];
                if (type && strcmp(type, "function") != 0)
                        return request_refuse(reterr, "tools", "tools[%zu] is of type %s: only functions are offered.", count,
                                              printable_copy(shown, sizeof(shown), type, strlen(type)));
                if (!name || !*name || strlen(name) > REQUEST_TOOL_NAME_BYTES_MAX)
                        return request_refuse(reterr, "tools", "tools[%zu] must have a function with a name of 1 to %u bytes.",
                                              count, REQUEST_TOOL_NAME_BYTES_MAX);
                if (++count > REQUEST_TOOLS_MAX)
                        return request_refuse(reterr, "tools", "tools must not hold more than %u of them.", REQUEST_TOOLS_MAX);
        }
        cJSON_ArrayForEach(tool, tools)
                (void) list_tool(&list, tool);
        if (!text_add(&list, "", 1)) {
                text_done(&list);
                return request_no_memory(reterr);
        }
        *ret = list.bytes;
        return 0;
}

/* ---- a call that must be ---- */

/* NAME can be written into a call as it is: into a JSON text, or where NAKED between marks, as output/chat_parser.c reads it there. */
static bool is_writable(const char *name, bool naked) {
        for (; *name; name++) {
                unsigned char c = (unsigned char) *name;
                if (naked ? !isalnum(c) && !strchr("_-.", c) : c < ' ' || c == '"' || c == '\\')
                        return false;
        }
        return true;
}

static bool is_called(const cJSON *tool, const char *only) {
        return !only || !strcmp(request_tool_name(tool), only);
}

/* Whether this model can be made to call each of those it may choose from. */
static int check_call(const struct request_rules *rules, const struct request_tools *tools, struct request_error *reterr) {
        const struct call_format *calls = rules->chat->output_format.calls;
        bool found = false;
        const cJSON *tool;
        if (!calls || !calls->writes[0])
                return request_refuse(reterr, "tool_choice",
                                      "This model cannot be made to call a tool: tool_choice must be \"auto\" or \"none\".");
        bool naked = calls->behind_name && !strchr(calls->writes[0], '{');
        cJSON_ArrayForEach(tool, tools->offered) {
                char shown[64];
                const char *name = request_tool_name(tool);
                if (!is_called(tool, tools->only))
                        continue;
                found = true;
                if (!is_writable(name, naked))
                        return request_refuse(
                                reterr, "tool_choice",
                                "This model cannot be made to call a tool of the name %s: rename it, or let tool_choice "
                                "be \"auto\" or \"none\".",
                                printable_copy(shown, sizeof(shown), name, strlen(name)));
        }
        if (!found)
                return request_refuse(reterr, "tool_choice", "tool_choice names a function that is not among the tools.");
        return 0;
}

int request_read_tools(const struct request_rules *rules, const cJSON *body, struct chat_parser_setup *parser_setup,
                       struct request_tools *ret, struct request_error *reterr) {
        const cJSON *tools = json_get(body, "tools");
        struct tool_choice choice;
        *ret = (struct request_tools){ .offered = NULL };
        if (tools && !cJSON_IsArray(tools))
                return request_refuse(reterr, "tools", "tools must be a list.");
        int r = tool_choice_read(body, tools, &choice, reterr);
        if (r == 0 && choice.must && !(tools && tools->child))
                return request_refuse(reterr, "tool_choice", "tool_choice wants a call, and there are no tools.");
        if (r < 0 || !tools || !tools->child || choice.none)
                return r;
        ret->picked = choice.allowed;
        if (choice.allowed)
                tools = choice.allowed;
        r = read_list(tools, &parser_setup->tools, reterr);
        if (r < 0)
                return r;
        parser_setup->calls = true;
        ret->offered = tools;
        ret->must = choice.must;
        if (choice.must)
                ret->only = choice.only ? choice.only : tools->child->next ? NULL : request_tool_name(tools->child);
        return choice.must ? check_call(rules, ret, reterr) : 0;
}

void request_tools_done(struct request_tools *tools) {
        cJSON_Delete(tools->picked);
        *tools = (struct request_tools){ .offered = NULL };
}
