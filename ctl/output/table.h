/*
 * table.h - rows under headings, aligned. On a terminal that is too narrow columns are left out, the last ones first; names stay whole.
 *
 *      struct table *t = table_new(columns, 3);
 *      table_cell(t, TINT_NONE, "%s", id);     ... one call per column, row after row
 *      table_print(t, stdout);
 *      table_free(t);
 */
#ifndef HEADROOM_CTL_OUTPUT_TABLE_H
#define HEADROOM_CTL_OUTPUT_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "ctl/output/terminal.h"

enum align { ALIGN_LEFT, ALIGN_RIGHT, ALIGN_NAME /* left, and never left out */ };

struct column {
        const char *title;
        enum align align;
};

struct table;

/* COLUMNS (COUNT of them, at most TABLE_COLUMNS_MAX) must outlive the table. */
struct table *table_new(const struct column *columns, size_t count);
void table_free(struct table *t);

/* The next cell, from left to right; the text is escaped. */
void table_cell(struct table *t, enum tint tint, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Whole rows only (asserted). WIDTH 0: as wide as it needs. */
void table_print_within(const struct table *t, FILE *out, size_t width, bool colours);
/* As OUT is. */
void table_print(const struct table *t, FILE *out);

#endif
