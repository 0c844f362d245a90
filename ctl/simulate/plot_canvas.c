/* plot_canvas.c - axes, lines and bands of a plot, on cairo. */
#include "ctl/simulate/plot_canvas.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const struct colour ink = { 0.20, 0.22, 0.25 }, faint = { 0.55, 0.58, 0.62 }, grid = { 0.90, 0.91, 0.93 };

double canvas_x(const struct canvas *v, uint64_t time_ms) {
        return CANVAS_LEFT + CANVAS_INSIDE * (double) (time_ms - v->begin_ms) / (double) (v->end_ms - v->begin_ms);
}

double canvas_y(const struct canvas *v, double value) {
        double part = (value - v->low) / (v->high - v->low);
        part = part < 0 ? 0 : part > 1 ? 1 : part;
        return v->top + v->height * (1 - part);
}

void canvas_colour(const struct canvas *v, struct colour colour, double alpha) {
        cairo_set_source_rgba(v->c, colour.red, colour.green, colour.blue, alpha);
}

void canvas_text(const struct canvas *v, double x, double y, enum anchor anchor, double size, const char *format, ...) {
        char text[256];
        cairo_text_extents_t extents;
        va_list args;
        va_start(args, format);
        (void) vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        cairo_set_font_size(v->c, size);
        cairo_text_extents(v->c, text, &extents);
        double shift = anchor == ANCHOR_START ? 0 : anchor == ANCHOR_MIDDLE ? extents.x_advance / 2 : extents.x_advance;
        cairo_move_to(v->c, x - shift, y + size * 0.36);
        cairo_show_text(v->c, text);
}

static void horizontal(const struct canvas *v, double value) {
        double y = floor(canvas_y(v, value)) + 0.5;
        cairo_move_to(v->c, CANVAS_LEFT, y);
        cairo_line_to(v->c, CANVAS_LEFT + CANVAS_INSIDE, y);
        cairo_stroke(v->c);
}

void canvas_tick(const struct canvas *v, double value, const char *label) {
        canvas_colour(v, grid, 1);
        cairo_set_line_width(v->c, 1);
        horizontal(v, value);
        canvas_colour(v, faint, 1);
        canvas_text(v, CANVAS_LEFT - 8, canvas_y(v, value), ANCHOR_END, 11, "%s", label);
}

void canvas_mark(const struct canvas *v, double value, struct colour colour, const char *label) {
        const double dashes[] = { 5, 4 };
        canvas_colour(v, colour, 0.9);
        cairo_set_line_width(v->c, 1.2);
        cairo_set_dash(v->c, dashes, 2, 0);
        horizontal(v, value);
        cairo_set_dash(v->c, NULL, 0, 0);
        canvas_text(v, CANVAS_LEFT + CANVAS_INSIDE + 8, canvas_y(v, value), ANCHOR_START, 11, "%s", label);
}

void canvas_band(const struct canvas *v, uint64_t from_ms, uint64_t to_ms, double low, double high, struct colour colour,
                 double alpha) {
        double x = canvas_x(v, from_ms), width = canvas_x(v, to_ms) - x, y = canvas_y(v, high);
        canvas_colour(v, colour, alpha);
        cairo_rectangle(v->c, x, y, width < 0.5 ? 0.5 : width, canvas_y(v, low) - y);
        cairo_fill(v->c);
}

double canvas_step(double range, unsigned count, bool binary) {
        double rough = range / count;
        if (binary)
                return exp2(ceil(log2(rough)));
        double power = pow(10, floor(log10(rough)));
        return rough <= power ? power : rough <= 2 * power ? 2 * power : rough <= 5 * power ? 5 * power : 10 * power;
}

/* Steps of time that people count in. */
static double time_step(double range_s) {
        static const double steps[] = { 0.1, 0.2, 0.5, 1,    2,    5,    10,   20,    30,   60,
                                        120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200 };
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
                if (range_s / steps[i] <= 12)
                        return steps[i];
        return 86400 * ceil(range_s / 86400 / 12);
}

static double first_time(const struct canvas *v, double step) {
        return ceil((double) v->begin_ms / 1000 / step) * step;
}

static double range_s(const struct canvas *v) {
        return (double) (v->end_ms - v->begin_ms) / 1000;
}

void canvas_panel(const struct canvas *v, const char *title, const char *unit) {
        double step = time_step(range_s(v));
        canvas_colour(v, grid, 1);
        cairo_set_line_width(v->c, 1);
        for (double s = first_time(v, step); s <= (double) v->end_ms / 1000; s += step) {
                double x = floor(canvas_x(v, (uint64_t) llround(s * 1000))) + 0.5;
                cairo_move_to(v->c, x, v->top);
                cairo_line_to(v->c, x, v->top + v->height);
        }
        cairo_stroke(v->c);
        cairo_select_font_face(v->c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
        canvas_colour(v, ink, 1);
        canvas_text(v, CANVAS_LEFT, v->top - 11, ANCHOR_START, 12, "%s", title);
        cairo_text_extents_t extents;
        cairo_text_extents(v->c, title, &extents);
        cairo_select_font_face(v->c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
        canvas_colour(v, faint, 1);
        canvas_text(v, CANVAS_LEFT + extents.x_advance + 8, v->top - 11, ANCHOR_START, 11, "%s", unit);
}

void canvas_time_axis(const struct canvas *v) {
        double step = time_step(range_s(v)), unit = step < 60 ? 1 : step < 3600 ? 60 : 3600;
        canvas_colour(v, faint, 1);
        for (double s = first_time(v, step); s <= (double) v->end_ms / 1000; s += step)
                canvas_text(v, canvas_x(v, (uint64_t) llround(s * 1000)), v->top + v->height + 12, ANCHOR_MIDDLE, 11, "%g",
                            s / unit);
        canvas_text(v, CANVAS_LEFT + CANVAS_INSIDE + 8, v->top + v->height + 12, ANCHOR_START, 11, "%s",
                    unit == 1    ? "seconds"
                    : unit == 60 ? "minutes"
                                 : "hours");
}

bool canvas_range(const struct trace *t, canvas_value *value, double *ret_low, double *ret_high) {
        double low = 0, high = 0, y;
        bool any = false;
        for (size_t i = 0; i < t->looks_count; i++) {
                if (!value(&t->looks[i], &y))
                        continue;
                low = !any || y < low ? y : low;
                high = !any || y > high ? y : high;
                any = true;
        }
        if (any) {
                *ret_low = low;
                *ret_high = high;
        }
        return any;
}

/* All looks whose line lies in one half pixel. */
struct column {
        double x, first, least, largest, last;
};

static void path_column(const struct canvas *v, const struct column *k, bool *drawing) {
        if (*drawing)
                cairo_line_to(v->c, k->x, canvas_y(v, k->first));
        else
                cairo_move_to(v->c, k->x, canvas_y(v, k->first));
        if (k->least < k->largest) {
                cairo_line_to(v->c, k->x, canvas_y(v, k->least));
                cairo_line_to(v->c, k->x, canvas_y(v, k->largest));
                cairo_line_to(v->c, k->x, canvas_y(v, k->last));
        }
        *drawing = true;
}

/* Ends one stroke; with BASE also the area below it, from BEGAN_X. */
static void finish(const struct canvas *v, double began_x, double x, const double *base, struct colour colour) {
        if (base) {
                cairo_path_t *line = cairo_copy_path(v->c);
                cairo_line_to(v->c, x, canvas_y(v, *base));
                cairo_line_to(v->c, began_x, canvas_y(v, *base));
                cairo_close_path(v->c);
                canvas_colour(v, colour, 0.16);
                cairo_fill(v->c);
                cairo_append_path(v->c, line);
                cairo_path_destroy(line);
        }
        canvas_colour(v, colour, 1);
        cairo_set_line_width(v->c, 1.6);
        cairo_set_line_join(v->c, CAIRO_LINE_JOIN_ROUND);
        cairo_stroke(v->c);
}

static void series(const struct canvas *v, const struct trace *t, canvas_value *value, bool steps, const double *base,
                   struct colour colour) {
        struct column k = { 0 };
        bool open = false, drawing = false; /* K holds something; the path has begun */
        double began_x = 0, y;
        for (size_t i = 0; i <= t->looks_count; i++) {
                bool here = i < t->looks_count && value(&t->looks[i], &y);
                double x = i < t->looks_count ? canvas_x(v, t->looks[i].time_ms) : CANVAS_LEFT + CANVAS_INSIDE;
                if (open && here && x < k.x + 0.5) {
                        k.least = y < k.least ? y : k.least;
                        k.largest = y > k.largest ? y : k.largest;
                        k.last = y;
                        continue;
                }
                if (open) {
                        began_x = drawing ? began_x : k.x;
                        path_column(v, &k, &drawing);
                        if (steps || !here)
                                cairo_line_to(v->c, steps ? x : k.x + 0.5, canvas_y(v, k.last));
                }
                if (open && !here) {
                        finish(v, began_x, steps ? x : k.x, base, colour);
                        drawing = false;
                }
                open = here;
                k = (struct column){ x, y, y, y, y };
        }
}

void canvas_line(const struct canvas *v, const struct trace *t, canvas_value *value, bool steps, struct colour colour) {
        series(v, t, value, steps, NULL, colour);
}

void canvas_area(const struct canvas *v, const struct trace *t, canvas_value *value, bool steps, double base,
                 struct colour colour) {
        series(v, t, value, steps, &base, colour);
}
