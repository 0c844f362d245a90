/* prefill.c - see prefill.h. */
#include "engine/request/prefill.h"

#include "engine/base/json_get.h"
#include "engine/request/error.h"

enum said { SAID_NOTHING, SAID_NO, SAID_YES };

static int read_said(const cJSON *body, const char *name, enum said *ret, struct request_error *reterr) {
        const cJSON *value = json_get(body, name);
        *ret = !value ? SAID_NOTHING : cJSON_IsTrue(value) ? SAID_YES : SAID_NO;
        if (value && !cJSON_IsBool(value))
                return request_refuse(reterr, name, "%s must be true or false.", name);
        return 0;
}

static bool can_go_on(const cJSON *message) {
        const cJSON *calls = json_get(message, "tool_calls");
        return chat_message_role(message) == ROLE_ASSISTANT && !(cJSON_IsArray(calls) && calls->child);
}

int request_read_prefill(const cJSON *body, const cJSON *messages, struct chat_conversation *conversation,
                         struct request_error *reterr) {
        const cJSON *last = messages->child->prev, *before = last == messages->child ? NULL : last->prev;
        enum said goes_on, opens;
        int r = read_said(body, "continue_final_message", &goes_on, reterr);
        if (r == 0)
                r = read_said(body, "add_generation_prompt", &opens, reterr);
        if (r < 0)
                return r;
        if (goes_on == SAID_NOTHING && cJSON_IsTrue(json_get(last, "prefix")))
                goes_on = SAID_YES;
        if (goes_on == SAID_YES && !can_go_on(last))
                return request_refuse(
                        reterr, "messages",
                        "There is nothing to continue: the last message must be of role assistant and call no tool.");
        conversation->continues = goes_on == SAID_YES || (goes_on == SAID_NOTHING && opens != SAID_YES && can_go_on(last));
        conversation->add_generation = !conversation->continues && opens != SAID_NO;
        if (conversation->continues && before && chat_message_role(before) == ROLE_ASSISTANT)
                return request_refuse(reterr, "messages",
                                      "The last two messages are of role assistant, and the answer goes on with the last: make "
                                      "them one message.");
        return 0;
}
