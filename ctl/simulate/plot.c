/* plot.c - the panels of a replay's picture. */
#include "ctl/simulate/plot.h"

#include <cairo/cairo-svg.h>
#include <fontconfig/fontconfig.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/output/units.h"
#include "ctl/simulate/plot_canvas.h"
#include "policy/record/field_text.h"

#define GAP        42.0 /* between panels: the title of the next one */
#define MARGIN_TOP 62.0
#define LANE       20.0
#define LABEL      14.0  /* two labels nearer than this would touch */
#define GONE_MAX_S 120.0 /* a forecast further away is drawn as this far: nothing is done about it */

/* A palette that people with any colour vision can tell apart (Okabe and Ito, 2008). */
static const struct colour blue = { 0.00, 0.45, 0.70 }, orange = { 0.90, 0.60, 0.00 }, green = { 0.00, 0.62, 0.45 },
                           red = { 0.84, 0.37, 0.00 }, purple = { 0.80, 0.47, 0.65 }, sky = { 0.34, 0.71, 0.91 },
                           black = { 0.13, 0.15, 0.18 }, grey = { 0.55, 0.58, 0.62 };

/* --- headroom --- */

static bool value_headroom(const struct trace_look *look, double *ret) {
        *ret = (double) look->headroom_bytes;
        return true;
}

static double height_headroom(const struct trace *t) {
        (void) t;
        return 210;
}

static void draw_headroom(struct canvas *v, const struct trace *t) {
        double low = 0, high = 0;
        (void) canvas_range(t, value_headroom, &low, &high);
        low = fmin(low, -(double) t->reserve_bytes) - 1;
        high = fmax(high, 0) + 1;
        double step = canvas_step(high - low, 6, true);
        v->low = low - (high - low) * 0.06;
        v->high = high + (high - low) * 0.06;
        canvas_panel(v, "headroom", "what may still be used; below zero the reserve is being eaten");
        for (double at = ceil(v->low / step) * step; at <= v->high; at += step)
                canvas_tick(v, at, human_signed_bytes((int64_t) at).text);
        canvas_area(v, t, value_headroom, false, 0, blue);
        canvas_mark(v, 0, grey, "reserve begins");
        double apart = canvas_y(v, -(double) t->reserve_bytes) - canvas_y(v, 0);
        if (t->reserve_bytes > 0)
                canvas_mark(v, -(double) t->reserve_bytes, red, apart >= LABEL ? "the cliff" : "");
        if (t->reserve_bytes > 0 && apart < LABEL) {
                canvas_colour(v, red, 0.9);
                canvas_text(v, CANVAS_LEFT + CANVAS_INSIDE + 8, canvas_y(v, 0) + LABEL, ANCHOR_START, 11, "the cliff");
        }
}

/* --- forecast --- */

static bool value_gone(const struct trace_look *look, double *ret) {
        double s = look->exhaustion_ms == UINT64_MAX ? INFINITY : (double) look->exhaustion_ms / 1000;
        *ret = log10(fmin(fmax(s, 1), GONE_MAX_S));
        return s < GONE_MAX_S;
}

static double height_forecast(const struct trace *t) {
        (void) t;
        return 110;
}

static void draw_forecast(struct canvas *v, const struct trace *t) {
        static const struct {
                double s;
                const char *tick, *mark;
        } marks[] = { { 1, "1 s", NULL },
                      { EXHAUSTION_LAST_MS / 1e3, "3 s", "last resort" },
                      { EXHAUSTION_DOWNSHIFT_MS / 1e3, "10 s", "downshift" },
                      { EXHAUSTION_EVICT_MS / 1e3, "20 s", "evict" },
                      { EXHAUSTION_HOLD_MS / 1e3, "60 s", "hold" } };
        v->low = 0;
        v->high = log10(GONE_MAX_S);
        canvas_panel(v, "forecast", "seconds until headroom is gone at this pace; no line: not within two minutes");
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
                canvas_tick(v, log10(marks[i].s), marks[i].tick);
                if (marks[i].mark)
                        canvas_mark(v, log10(marks[i].s), grey, marks[i].mark);
        }
        canvas_line(v, t, value_gone, false, red);
}

/* --- rung --- */

static bool value_rung(const struct trace_look *look, double *ret) {
        *ret = look->rung;
        return true;
}

static double height_rung(const struct trace *t) {
        (void) t;
        return 130;
}

static void draw_rung(struct canvas *v, const struct trace *t) {
        v->low = -0.3;
        v->high = RUNG_COUNT - 1 + 0.3;
        canvas_panel(v, "rung", "");
        for (unsigned r = 0; r < RUNG_COUNT; r++)
                canvas_tick(v, r, policy_rung_word((enum rung) r));
        canvas_area(v, t, value_rung, true, 0, orange);
}

/* --- actions --- */

static const struct colour *action_colour(enum action_kind kind) {
        static const struct colour *const colours[ACTION_COUNT] = {
                [ACTION_TRIM] = &sky,         [ACTION_CHUNK] = &grey,    [ACTION_DROP_FILES] = &sky,  [ACTION_EVICT] = &red,
                [ACTION_DOWNSHIFT] = &orange, [ACTION_UPSHIFT] = &green, [ACTION_CONTEXT] = &purple,  [ACTION_SUSPEND] = &blue,
                [ACTION_RESUME] = &green,     [ACTION_POOL] = &green,    [ACTION_TURN_OUT] = &purple, [ACTION_END] = &black,
        };
        return colours[kind] ? colours[kind] : &grey;
}

/* Kinds that occur, in their order; returns how many. */
static unsigned action_lanes(const struct trace *t, unsigned ret_lane[ACTION_COUNT]) {
        bool met[ACTION_COUNT] = { false };
        unsigned lanes = 0;
        for (size_t i = 0; i < t->actions_count; i++)
                met[t->actions[i].kind] = true;
        for (unsigned k = 0; k < ACTION_COUNT; k++)
                if (met[k])
                        ret_lane[k] = lanes++;
        return lanes;
}

static double height_actions(const struct trace *t) {
        unsigned lane[ACTION_COUNT];
        return LANE * action_lanes(t, lane);
}

static void draw_actions(struct canvas *v, const struct trace *t) {
        unsigned lane[ACTION_COUNT] = { 0 };
        double said_x[ACTION_COUNT] = { 0 };
        bool ticked[ACTION_COUNT] = { false };
        char unit[64] = "the number is the model";
        unsigned lanes = action_lanes(t, lane);
        v->low = lanes;
        v->high = 0;
        if (t->actions_left_out > 0)
                snprintf(unit, sizeof(unit), "the number is the model; %zu more are left out", t->actions_left_out);
        canvas_panel(v, "acts", unit);
        for (size_t i = 0; i < t->actions_count; i++)
                ticked[t->actions[i].kind] = true;
        for (unsigned k = 0; k < ACTION_COUNT; k++)
                if (ticked[k])
                        canvas_tick(v, lane[k] + 0.5, policy_action_word((enum action_kind) k));
        for (size_t i = 0; i < t->actions_count; i++) {
                const struct trace_action *a = &t->actions[i];
                double x = canvas_x(v, a->time_ms), y = canvas_y(v, lane[a->kind] + 0.5);
                canvas_colour(v, *action_colour(a->kind), 0.95);
                cairo_arc(v->c, x, y, 4, 0, 2 * M_PI);
                cairo_fill(v->c);
                if (a->model != UINT32_MAX && x > said_x[a->kind] + 22) {
                        canvas_colour(v, black, 1);
                        canvas_text(v, x + 6, y, ANCHOR_START, 10, "%u", a->model);
                        said_x[a->kind] = x;
                }
        }
}

/* --- precision --- */

struct models {
        uint32_t count, left_out;
        uint32_t ids[PLOT_MODELS_MAX];
};

static struct models models_of(const struct trace *t) {
        struct models m = { 0 };
        for (size_t i = 0; i < t->levels_count; i++) {
                uint32_t k = 0;
                while (k < m.count && m.ids[k] != t->levels[i].model)
                        k++;
                if (k < m.count)
                        continue;
                if (m.count < PLOT_MODELS_MAX)
                        m.ids[m.count++] = t->levels[i].model;
                else
                        m.left_out++; /* counts changes, so only "more" is said */
        }
        return m;
}

static double height_levels(const struct trace *t) {
        return LANE * models_of(t).count;
}

static const struct colour *level_colour(enum kv_type level) {
        static const struct colour *const colours[KV_TYPE_COUNT] = { [KV_F16] = &green, [KV_Q8_0] = &sky, [KV_Q4_0] = &orange };
        return colours[level];
}

static void level_legend(const struct canvas *v) {
        double y = v->top - 11, x = CANVAS_LEFT + CANVAS_INSIDE - 190;
        for (uint32_t l = 0; l < KV_TYPE_COUNT; l++, x += 66) {
                canvas_colour(v, *level_colour((enum kv_type) l), 0.85);
                cairo_rectangle(v->c, x, y - 5, 14, 10);
                cairo_fill(v->c);
                canvas_colour(v, grey, 1);
                canvas_text(v, x + 19, y, ANCHOR_START, 11, "%s", policy_field_word(FIELD_LEVEL, l));
        }
}

static void draw_model_levels(const struct canvas *v, const struct trace *t, uint32_t id, uint32_t row) {
        const struct trace_level *open = NULL;
        for (size_t i = 0; i <= t->levels_count; i++) {
                const struct trace_level *next = i < t->levels_count ? &t->levels[i] : NULL;
                if (next && next->model != id)
                        continue;
                if (open && !open->gone)
                        canvas_band(v, open->time_ms, next ? next->time_ms : v->end_ms, row + 0.82, row + 0.18,
                                    *level_colour(open->level), 0.85);
                open = next;
        }
}

static void draw_levels(struct canvas *v, const struct trace *t) {
        struct models m = models_of(t);
        char label[32];
        v->low = m.count;
        v->high = 0;
        canvas_panel(v, "KV precision",
                     m.left_out > 0 ? "of each model that is loaded; there are more" : "of each model that is loaded");
        level_legend(v);
        for (uint32_t row = 0; row < m.count; row++) {
                snprintf(label, sizeof(label), "model %u", m.ids[row]);
                canvas_tick(v, row + 0.5, label);
                draw_model_levels(v, t, m.ids[row], row);
        }
}

/* --- heat --- */

static bool value_temperature(const struct trace_look *look, double *ret) {
        *ret = look->millidegrees / 1000.0;
        return look->millidegrees != INT32_MAX;
}

static bool value_critical(const struct trace_look *look, double *ret) {
        *ret = look->critical_millidegrees / 1000.0;
        return look->critical_millidegrees != INT32_MAX;
}

static bool value_duty(const struct trace_look *look, double *ret) {
        *ret = look->duty_permille / 10.0;
        return true;
}

static bool has_heat(const struct trace *t) {
        for (size_t i = 0; i < t->looks_count; i++)
                if (t->looks[i].millidegrees != INT32_MAX || t->looks[i].duty_permille < 1000)
                        return true;
        return false;
}

static double height_temperature(const struct trace *t) {
        double low, high;
        return canvas_range(t, value_temperature, &low, &high) ? 130 : 0;
}

static void draw_temperature(struct canvas *v, const struct trace *t) {
        double low = 0, high = 0, critical = 0, least;
        char label[32];
        (void) canvas_range(t, value_temperature, &low, &high);
        (void) canvas_range(t, value_critical, &least, &critical);
        v->low = fmin(low, least - (double) t->margin_target_millidegrees / 1000) - 3;
        v->high = fmax(high, critical) + 3;
        double step = canvas_step(v->high - v->low, 5, false);
        canvas_panel(v, "temperature", "of the control sensor that is closest to its critical one, filtered");
        for (double at = ceil(v->low / step) * step; at <= v->high; at += step) {
                snprintf(label, sizeof(label),
                         "%g \xc2\xb0"
                         "C",
                         at);
                canvas_tick(v, at, label);
        }
        canvas_mark(v, critical, red, "critical");
        canvas_mark(v, critical - (double) t->margin_target_millidegrees / 1000, grey, "target");
        canvas_line(v, t, value_temperature, false, red);
}

static double height_duty(const struct trace *t) {
        return has_heat(t) ? 80 : 0;
}

static void draw_duty(struct canvas *v, const struct trace *t) {
        v->low = 0;
        v->high = 105;
        canvas_panel(v, "duty", "of the time that engines may compute");
        canvas_tick(v, 0, "0 %");
        canvas_tick(v, 50, "50 %");
        canvas_tick(v, 100, "100 %");
        canvas_area(v, t, value_duty, true, 0, purple);
}

/* --- the whole --- */

static const struct panel {
        double (*height)(const struct trace *t); /* 0: there is nothing to show */
        void (*draw)(struct canvas *v, const struct trace *t);
} panels[] = {
        { height_headroom, draw_headroom }, { height_forecast, draw_forecast }, { height_rung, draw_rung },
        { height_actions, draw_actions },   { height_levels, draw_levels },     { height_temperature, draw_temperature },
        { height_duty, draw_duty },
};
#define PANELS_COUNT (sizeof(panels) / sizeof(panels[0]))

static double height_of_all(const struct trace *t) {
        double height = MARGIN_TOP + 34;
        for (size_t i = 0; i < PANELS_COUNT; i++)
                height += panels[i].height(t) > 0 ? panels[i].height(t) + GAP : 0;
        return height - GAP;
}

static void draw_title(const struct canvas *v, const struct trace *t, const char *title) {
        canvas_colour(v, black, 1);
        cairo_select_font_face(v->c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
        canvas_text(v, CANVAS_LEFT, 22, ANCHOR_START, 15, "%s", *title ? title : "headroom");
        cairo_select_font_face(v->c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
        canvas_colour(v, grey, 1);
        canvas_text(v, CANVAS_WIDTH - 14, 22, ANCHOR_END, 11, "%zu looks, %s", t->looks_count,
                    human_duration_ms(v->end_ms - v->begin_ms).text);
}

static void draw_all(cairo_t *c, const struct trace *t, const char *title, double height) {
        uint64_t begin = t->looks[0].time_ms, end = t->looks[t->looks_count - 1].time_ms;
        struct canvas v = { .c = c, .begin_ms = begin, .end_ms = end > begin ? end : begin + 1, .top = MARGIN_TOP };
        cairo_set_source_rgb(c, 1, 1, 1);
        cairo_rectangle(c, 0, 0, CANVAS_WIDTH, height);
        cairo_fill(c);
        draw_title(&v, t, title);
        for (size_t i = 0; i < PANELS_COUNT; i++) {
                v.height = panels[i].height(t);
                if (v.height <= 0)
                        continue;
                panels[i].draw(&v, t);
                v.top += v.height + GAP;
        }
        v.top -= v.height > 0 ? v.height + GAP : GAP;
        v.height = v.height > 0 ? v.height : 0;
        canvas_time_axis(&v);
}

static bool ends_with(const char *text, const char *end) {
        size_t length = strlen(text), of_end = strlen(end);
        return length > of_end && !strcmp(text + length - of_end, end);
}

bool plot_can_draw(const char *path) {
        return ends_with(path, ".svg") || ends_with(path, ".png");
}

/* PNG at twice the size: text stays sharp on the screens of today. */
static cairo_surface_t *surface_for(const char *path, const char *temporary, double height) {
        if (ends_with(path, ".svg"))
                return cairo_svg_surface_create(temporary, CANVAS_WIDTH, height);
        cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int) CANVAS_WIDTH * 2, (int) ceil(height * 2));
        cairo_surface_set_device_scale(s, 2, 2);
        return s;
}

static cairo_status_t write_picture(const struct trace *t, const char *title, const char *path, const char *temporary) {
        double height = height_of_all(t);
        cairo_surface_t *surface = surface_for(path, temporary, height);
        cairo_t *c = cairo_create(surface);
        draw_all(c, t, title, height);
        cairo_status_t status = cairo_status(c);
        cairo_destroy(c);
        if (status == CAIRO_STATUS_SUCCESS && ends_with(path, ".png"))
                status = cairo_surface_write_to_png(surface, temporary);
        cairo_surface_finish(surface);
        if (status == CAIRO_STATUS_SUCCESS)
                status = cairo_surface_status(surface);
        cairo_surface_destroy(surface);
        return status;
}

/*
 * Gives back the fonts that cairo and fontconfig keep for a next picture. At the exit this would not be necessary; but
 * fontconfig refers to the parts of a pattern by their offset from it, so LeakSanitizer sees no pointer to them and takes
 * what is merely kept for lost. Cairo goes first: it holds patterns of fontconfig's.
 */
static void release_fonts(void) {
        cairo_debug_reset_static_data();
        FcFini();
}

const char *plot_draw(const struct trace *t, const char *title, const char *path) {
        char temporary[4096];
        if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int) sizeof(temporary))
                return "the path is too long";
        cairo_status_t status = write_picture(t, title, path, temporary);
        release_fonts();
        if (status == CAIRO_STATUS_SUCCESS && rename(temporary, path) == 0)
                return NULL;
        (void) unlink(temporary);
        return status == CAIRO_STATUS_SUCCESS ? "the picture cannot be put there" : cairo_status_to_string(status);
}
