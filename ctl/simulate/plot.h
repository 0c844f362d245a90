/*
 * plot.h - a replay as a picture: headroom, forecast, rung and actions, precision of the KV caches, temperature and duty, one
 * below the other over the same time.
 */
#ifndef HEADROOM_CTL_SIMULATE_PLOT_H
#define HEADROOM_CTL_SIMULATE_PLOT_H

#include <stdbool.h>

#include "ctl/simulate/trace.h"

/* Whether PATH ends in .svg or .png. */
bool plot_can_draw(const char *path);

/*
 * Writes the picture to PATH, replacing it as a whole; TITLE is UTF-8. NULL, or what went wrong. Leaves cairo and fontconfig
 * as they were at the start of the program, so the caller holds nothing of theirs.
 */
const char *plot_draw(const struct trace *t, const char *title, const char *path);

#endif
