/* internal.h - shared by the files of `status`. */
#ifndef HEADROOM_CTL_SHOW_INTERNAL_H
#define HEADROOM_CTL_SHOW_INTERNAL_H

#include <cjson/cJSON.h>

#include "ctl/output/units.h"
#include "ctl/output/terminal.h"

/* "name          value" */
void show_field(const char *name, enum tint tint, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A number, "-" where it does not apply or is 0. */
struct human show_count(const cJSON *object, const char *key);
/* Until when MODEL is traced and where to; nothing where it is not. NAMES_IT: the line has its name. */
void show_trace(const cJSON *model, bool names_it);
/* All of `status` but the models. */
void show_overview(const cJSON *status);

#endif
