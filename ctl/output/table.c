/* table.c - rows under headings. Cells are kept escaped, so that their width is known before the first line. */
#include "ctl/output/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/bounds.h"

#define GAP 2u

struct cell {
        const char *text; /* of the heading, or owned */
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
                free((char *) t->cells[i].text);
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

#define LEFT_OUT SIZE_MAX /* in place of a width */

/* Where all is too wide, columns are left out from the right, and never that of the names: two of those could look the same if cut. */
static void measure(const struct table *t, size_t width, size_t widths[]) {
        size_t total = (t->columns_count - 1) * GAP;
        for (size_t c = 0; c < t->columns_count; c++) {
                widths[c] = terminal_columns(t->columns[c].title);
                for (size_t i = c; i < t->cells_count; i += t->columns_count) {
                        size_t columns = terminal_columns(t->cells[i].text);
                        widths[c] = columns > widths[c] ? columns : widths[c];
                }
                total += widths[c];
        }
        for (size_t c = t->columns_count; c-- > 0 && width > 0 && total > width;) {
                if (t->columns[c].align == ALIGN_NAME)
                        continue;
                total -= widths[c] + GAP;
                widths[c] = LEFT_OUT;
        }
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
        size_t columns = terminal_columns(text);
        size_t padding = columns < place.width ? place.width - columns : 0;
        if (place.align == ALIGN_RIGHT)
                print_padding(out, padding);
        fprintf(out, "%s%s%s", terminal_tint(colours, tint), text, terminal_plain(colours, tint));
        if (!place.is_last)
                print_padding(out, GAP + (place.align == ALIGN_RIGHT ? 0 : padding));
}

static void print_row(const struct table *t, FILE *out, const struct cell cells[], const size_t widths[], bool colours) {
        size_t count = t->columns_count;
        while (count > 1 && (widths[count - 1] == LEFT_OUT || !*cells[count - 1].text))
                count--;
        for (size_t c = 0; c < count; c++)
                if (widths[c] != LEFT_OUT)
                        print_cell(out, cells[c].text, (struct place){ t->columns[c].align, widths[c], c + 1 == count }, colours,
                                   cells[c].tint);
        fputc('\n', out);
}

void table_print_within(const struct table *t, FILE *out, size_t width, bool colours) {
        assert(t->cells_count % t->columns_count == 0);
        size_t widths[TABLE_COLUMNS_MAX];
        measure(t, width, widths);
        struct cell titles[TABLE_COLUMNS_MAX];
        for (size_t c = 0; c < t->columns_count; c++)
                titles[c] = (struct cell){ t->columns[c].title, TINT_DIM };
        print_row(t, out, titles, widths, colours);
        for (size_t i = 0; i < t->cells_count; i += t->columns_count)
                print_row(t, out, &t->cells[i], widths, colours);
}

void table_print(const struct table *t, FILE *out) {
        table_print_within(t, out, terminal_width(out), terminal_has_colours(out));
}
