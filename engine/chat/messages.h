/*
 * messages.h - the messages of a conversation as a client sent them: checked, and shaped as templates expect them.
 */
#ifndef HEADROOM_ENGINE_CHAT_MESSAGES_H
#define HEADROOM_ENGINE_CHAT_MESSAGES_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "engine/gguf/gguf.h"

enum chat_role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL, ROLE_COUNT };

enum chat_role chat_message_role(const cJSON *message); /* ROLE_COUNT: none that is known */

/*
 * An OpenAI `messages` array: each has a role (a known one, unless ANY_ROLE), content is a string, null, or an array of text parts, tool_calls are calls of
 * functions. 0, or -EINVAL with a sentence on what is wrong with which message.
 */
int chat_messages_check(const cJSON *messages, bool any_role, struct gguf_error *reterr);

/* The content of a checked message as one text, parts joined by a line end; "" where it has none. NULL: no memory. The caller frees it. */
char *chat_message_text(const cJSON *message);

/*
 * MESSAGES (checked), the text of the last one followed by MARK: where its content ends in a prompt is where the mark stands.
 * NULL: no memory. The result shares with MESSAGES, which must outlive it; cJSON_Delete.
 */
cJSON *chat_messages_mark_end(const cJSON *messages, const char *mark);

/* Features of chats that a template does not support, so that messages have to be changed for it. */
struct chat_needs {
        bool folds_system;      /* no place for a system message: it goes to the head of the next user turn */
        bool renames_developer; /* the role developer is not known: it counts as system */
        bool arguments_as_text; /* of calls: JSON text, not a mapping */
        bool empty_content;     /* text where there is none */
};

/*
 * MESSAGES (checked) as a template wants them: parts joined by a line end, arguments of calls as mappings (or as text). NULL: no
 * memory. The result shares with MESSAGES, which must outlive it; cJSON_Delete.
 */
cJSON *chat_messages_shape(const cJSON *messages, const struct chat_needs *needs);

#endif
