/* filters.h - the two tables of filters; a row without a name ends each. */
#ifndef HEADROOM_ENGINE_JINJA_FILTERS_H
#define HEADROOM_ENGINE_JINJA_FILTERS_H

#include "engine/jinja/interpreter.h"

extern const struct callable filters_of_values[], filters_of_lists[];

#endif
