/* tool_choice.c - see tool_choice.h. */
#include "engine/request/tool_choice.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/base/printable.h"
#include "engine/request/error.h"
#include "engine/request/tools.h"

#define SHOWN_BYTES 64u /* of a client's word in a sentence */

/* Of a reference to a function, in both of its forms. */
static const char *name_in(const cJSON *reference) {
        const char *name = request_tool_name(reference), *type = cJSON_GetStringValue(json_get(reference, "type"));
        return name ? name : type && !strcmp(type, "function") ? cJSON_GetStringValue(json_get(reference, "name")) : NULL;
}

static bool is_word(const cJSON *value, const char *word) {
        return cJSON_IsString(value) && !strcmp(value->valuestring, word);
}

static const cJSON *find_tool(const cJSON *tools, const char *name) {
        const cJSON *tool;
        cJSON_ArrayForEach(tool, tools) {
                const char *called = request_tool_name(tool);
                if (called && !strcmp(called, name))
                        return tool;
        }
        return NULL;
}

/* ALLOWED are all in TOOLS, and there is one. */
static int check_allowed(const cJSON *tools, const cJSON *allowed, struct request_error *reterr) {
        const cJSON *item;
        size_t i = 0;
        char shown[SHOWN_BYTES];
        cJSON_ArrayForEach(item, allowed) {
                const char *name = name_in(item);
                if (!name)
                        return request_refuse(reterr, "tool_choice",
                                              "tool_choice allows something, tools[%zu], that is no function.", i);
                if (!find_tool(tools, name))
                        return request_refuse(reterr, "tool_choice", "tool_choice allows %s, which is not among the tools.",
                                              printable_copy(shown, sizeof(shown), name, strlen(name)));
                i++;
        }
        return i > 0 ? 0 : request_refuse(reterr, "tool_choice", "tool_choice of type allowed_tools must name tools.");
}

static bool is_allowed(const cJSON *allowed, const cJSON *tool) {
        const char *name = request_tool_name(tool);
        const cJSON *item;
        cJSON_ArrayForEach(item, allowed)
                if (name && !strcmp(name_in(item), name))
                        return true;
        return false;
}

/* A list that refers to those of TOOLS. NULL: no memory. */
static cJSON *pick_allowed(const cJSON *tools, const cJSON *allowed) {
        cJSON *picked = cJSON_CreateArray();
        const cJSON *tool;
        cJSON_ArrayForEach(tool, tools) {
                if (!picked || !is_allowed(allowed, tool))
                        continue;
                if (!cJSON_AddItemReferenceToArray(picked, (cJSON *) (uintptr_t) tool)) { /* which it does not change */
                        cJSON_Delete(picked);
                        picked = NULL;
                }
        }
        return picked;
}

/* In chats the mode and the tools stand in an object of their own, in responses beside the type. */
static int read_allowed(const cJSON *tools, const cJSON *choice, struct tool_choice *ret, struct request_error *reterr) {
        const cJSON *within = json_get(choice, "allowed_tools"), *at = within ? within : choice;
        const cJSON *mode = json_get(at, "mode"), *allowed = json_get(at, "tools");
        ret->must = is_word(mode, "required");
        if (!ret->must && !is_word(mode, "auto"))
                return request_refuse(reterr, "tool_choice",
                                      "tool_choice of type allowed_tools must have the mode \"auto\" or \"required\".");
        int r = check_allowed(tools, allowed, reterr);
        if (r < 0)
                return r;
        ret->allowed = pick_allowed(tools, allowed);
        return ret->allowed ? 0 : request_no_memory(reterr);
}

static int refuse_functions(const cJSON *body, struct request_error *reterr) {
        static const char *const old[][2] = { { "functions", "tools" }, { "function_call", "tool_choice" } };
        for (size_t i = 0; i < 2; i++)
                if (json_get(body, old[i][0]))
                        return request_refuse(reterr, old[i][0], "%s is not offered: say it as %s.", old[i][0], old[i][1]);
        return 0;
}

int tool_choice_read(const cJSON *body, const cJSON *tools, struct tool_choice *ret, struct request_error *reterr) {
        const cJSON *choice = json_get(body, "tool_choice");
        *ret = (struct tool_choice){ .none = is_word(choice, "none") };
        int r = refuse_functions(body, reterr);
        if (r < 0)
                return r;
        if (is_word(json_get(choice, "type"), "allowed_tools"))
                return read_allowed(tools, choice, ret, reterr);
        ret->only = name_in(choice);
        ret->must = ret->only || is_word(choice, "required");
        if (choice && !ret->none && !ret->must && !is_word(choice, "auto"))
                return request_refuse(reterr, "tool_choice",
                                      "tool_choice must be \"auto\", \"none\", \"required\", name a function, or be of type "
                                      "allowed_tools.");
        return 0;
}
