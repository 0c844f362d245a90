/* table.c - rows under headings. Cells are kept escaped, so that their width is known before the first line. */
#include "ctl/output/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/bounds.h"

#define GAP 2u

struct cell {
        char *text;
        enum tint tint;
};

struct table {
        const struct column *columns;
        size_t columns_count;
        struct cell *cells;
        size_t cells_count, cells_capacity;
};

struct table *table_new(const struct column *columns, size_t count) {
        assert(count > 0 && count <= TABLE_COLUMNS_MAX);
        struct table *t = calloc(1, sizeof(*t));
        assert(t);
        t->columns = columns;
        t->columns_count = count;
        return t;
}

void table_free(struct table *t) {
        if (!t)
                return;
        for (size_t i = 0; i < t->cells_count; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t);
}

void table_cell(struct table *t, enum tint tint, const char *format, ...) {
        va_list args;
        va_start(args, format);
        char *text = terminal_format(format, args);
        va_end(args);
        if (t->cells_count == t->cells_capacity) {
                t->cells_capacity = t->cells_capacity ? t->cells_capacity * 2 : 64;
                t->cells = reallocarray(t->cells, t->cells_capacity, sizeof(t->cells[0]));
                assert(t->cells);
        }
        t->cells[t->cells_count++] = (struct cell){ .text = text, .tint = tint };
}

static void measure(const struct table *t, size_t width, size_t widths[]) {
        size_t total = (t->columns_count - 1) * GAP, flexible = t->columns_count;
        for (size_t c = 0; c < t->columns_count; c++) {
                widths[c] = terminal_columns(t->columns[c].title);
                for (size_t i = c; i < t->cells_count; i += t->columns_count) {
                        size_t columns = terminal_columns(t->cells[i].text);
                        widths[c] = columns > widths[c] ? columns : widths[c];
                }
                total += widths[c];
                if (t->columns[c].align == ALIGN_FLEXIBLE)
                        flexible = c;
        }
        if (width == 0 || total <= width || flexible == t->columns_count)
                return;
        size_t too_much = total - width;
        size_t least = widths[flexible] < FLEXIBLE_COLUMNS_MIN ? widths[flexible] : FLEXIBLE_COLUMNS_MIN;
        widths[flexible] = widths[flexible] > too_much + least ? widths[flexible] - too_much : least;
}

static void print_padding(FILE *out, size_t columns) {
        fprintf(out, "%*s", (int) columns, "");
}

struct place {
        enum align align;
        size_t width;
        bool is_last; /* the last cell of its line, which ends without blanks */
};

static void print_cell(FILE *out, const char *text, struct place place, bool colours, enum tint tint) {
        char *shown = terminal_shorten(text, place.width);
        size_t columns = terminal_columns(shown);
        size_t padding = columns < place.width ? place.width - columns : 0;
        if (place.align == ALIGN_RIGHT)
                print_padding(out, padding);
        fprintf(out, "%s%s%s", terminal_tint(colours, tint), shown, terminal_plain(colours, tint));
        if (!place.is_last)
                print_padding(out, GAP + (place.align == ALIGN_RIGHT ? 0 : padding));
        free(shown);
}

static void print_row(const struct table *t, FILE *out, const struct cell cells[], const size_t widths[], bool colours) {
        size_t count = t->columns_count;
        while (count > 1 && !*cells[count - 1].text)
                count--;
        for (size_t c = 0; c < count; c++)
                print_cell(out, cells[c].text, (struct place){ t->columns[c].align, widths[c], c + 1 == count }, colours,
                           cells[c].tint);
        fputc('\n', out);
}

void table_print_within(const struct table *t, FILE *out, size_t width, bool colours) {
        assert(t->cells_count % t->columns_count == 0);
        size_t widths[TABLE_COLUMNS_MAX];
        measure(t, width, widths);
        for (size_t c = 0; c < t->columns_count; c++)
                print_cell(out, t->columns[c].title, (struct place){ t->columns[c].align, widths[c], c + 1 == t->columns_count },
                           colours, TINT_DIM);
        fputc('\n', out);
        for (size_t i = 0; i < t->cells_count; i += t->columns_count)
                print_row(t, out, &t->cells[i], widths, colours);
}

void table_print(const struct table *t, FILE *out) {
        table_print_within(t, out, terminal_width(out), terminal_has_colours(out));
}
