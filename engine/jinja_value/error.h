/* error.h - why a template could not be parsed or rendered. */
#ifndef HEADROOM_ENGINE_JINJA_VALUE_ERROR_H
#define HEADROOM_ENGINE_JINJA_VALUE_ERROR_H

#include <stdbool.h>

struct jinja_error {
        int code;       /* -EINVAL; -ENOMEM: not the template's fault */
        bool raised;    /* the template's own raise_exception: TEXT is its message */
        char text[240]; /* one sentence, printable: "line 3: ..." */
};

#endif
