/* methods.h - the table of the methods of texts; a row without a name ends it. The other types' are in methods.c. */
#ifndef HEADROOM_ENGINE_JINJA_METHODS_H
#define HEADROOM_ENGINE_JINJA_METHODS_H

#include "engine/jinja/interpreter.h"

extern const struct callable methods_of_texts[];

#endif
