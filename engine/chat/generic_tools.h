/*
 * generic_tools.h - tools for templates that have no place for them, in words: what there is and how to call it stands in the system
 * message, calls and their results in the history as texts. The calls in answers are those of Hermes (format.h).
 */
#ifndef HEADROOM_ENGINE_CHAT_GENERIC_TOOLS_H
#define HEADROOM_ENGINE_CHAT_GENERIC_TOOLS_H

#include <cjson/cJSON.h>

/* MESSAGES (checked) with TOOLS told in the first of them. NULL: no memory. cJSON_Delete. */
cJSON *chat_tools_in_words(const cJSON *messages, const cJSON *tools);

#endif
