/* tool_list.c - see tool_list.h. */
#include "engine/output/tool_list.h"

#include <stddef.h>
#include <string.h>

static const char *behind(const char *string) {
        return string + strlen(string) + 1;
}

const char *tool_list_find(const char *list, const char *name) {
        while (list && *list) {
                const char *arguments = behind(list);
                if (!strcmp(list, name))
                        return arguments;
                for (list = arguments; *list; list = behind(list))
                        ;
                list++;
        }
        return NULL;
}

enum tool_argument tool_list_argument(const char *list, const char *tool, const char *argument) {
        for (const char *a = tool_list_find(list, tool); a && *a; a = behind(a))
                if (!strcmp(a + 1, argument))
                        return (enum tool_argument) * a;
        return ARGUMENT_ANY;
}
