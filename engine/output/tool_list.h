/*
 * tool_list.h - the tools that were offered, in one piece of text: a name, then each of its arguments, a letter that says what its value is
 * (enum tool_argument) before its own name; each of them terminated, and an empty one behind the last argument and behind the last tool.
 */
#ifndef HEADROOM_ENGINE_OUTPUT_TOOL_LIST_H
#define HEADROOM_ENGINE_OUTPUT_TOOL_LIST_H

enum tool_argument {
        ARGUMENT_ANY = 'a', /* JSON where it can be read as such, else a text */
        ARGUMENT_TEXT = 't',
};

/* The arguments of tool NAME in LIST (may be NULL); NULL: it is not offered. */
const char *tool_list_find(const char *list, const char *name);
enum tool_argument tool_list_argument(const char *list, const char *tool, const char *argument);

#endif
