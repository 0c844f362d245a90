/*
 * plot_canvas.h - the drawing tools of the panels of a plot: a shared time axis, a scale for each, lines, bands, text.
 *
 * A line of a million looks is drawn by its least and largest value in each half pixel, so that a picture stays small.
 */
#ifndef HEADROOM_CTL_SIMULATE_PLOT_CANVAS_H
#define HEADROOM_CTL_SIMULATE_PLOT_CANVAS_H

#include <cairo/cairo.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/simulate/trace.h"

#define CANVAS_WIDTH  1200.0
#define CANVAS_LEFT   118.0
#define CANVAS_RIGHT  104.0
#define CANVAS_INSIDE (CANVAS_WIDTH - CANVAS_LEFT - CANVAS_RIGHT)

struct colour {
        double red, green, blue;
};

struct canvas {
        cairo_t *c;
        uint64_t begin_ms, end_ms;
        double top, height; /* of the panel that is being drawn */
        double low, high;   /* values at its bottom and top */
};

enum anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END };

double canvas_x(const struct canvas *v, uint64_t time_ms);
double canvas_y(const struct canvas *v, double value);

void canvas_colour(const struct canvas *v, struct colour colour, double alpha);
/* Y is the middle of the letters. */
void canvas_text(const struct canvas *v, double x, double y, enum anchor anchor, double size, const char *format, ...)
        __attribute__((format(printf, 6, 7)));
/* Draws the current panel: title at the left, frame, and a line at each time of the axis. */
void canvas_panel(const struct canvas *v, const char *title, const char *unit);
/* A line over the whole width, and its name: at the left as a tick, or at the right as a mark. */
void canvas_tick(const struct canvas *v, double value, const char *label);
void canvas_mark(const struct canvas *v, double value, struct colour colour, const char *label);
void canvas_band(const struct canvas *v, uint64_t from_ms, uint64_t to_ms, double low, double high, struct colour colour,
                 double alpha);

/* The value that a line shows at a look; false: none, the line has a gap there. */
typedef bool canvas_value(const struct trace_look *look, double *ret);
/* STEPS: a value holds until the next look. */
void canvas_line(const struct canvas *v, const struct trace *t, canvas_value *value, bool steps, struct colour colour);
/* The same, and everything between it and BASE. */
void canvas_area(const struct canvas *v, const struct trace *t, canvas_value *value, bool steps, double base,
                 struct colour colour);

/* Smallest and largest value; false when there is none. */
bool canvas_range(const struct trace *t, canvas_value *value, double *ret_low, double *ret_high);
/* A step of 1, 2 or 5 times a power of ten (BINARY: a power of two) that gives at most COUNT ticks. */
double canvas_step(double range, unsigned count, bool binary);
/* The times of the axis, below the panel. */
void canvas_time_axis(const struct canvas *v);

#endif
