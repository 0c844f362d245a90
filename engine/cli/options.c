/*
 * options.c - see options.h.
 *
 * getopt_long finds the options; its lists are made of the table. It returns FIRST_NAME and the row's index for a name,
 * and the letter for a letter.
 */
#include "engine/cli/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/cli/commands.h"
#include "engine/base/cpu_list.h"
#include "policy/base/kv_type.h"
#include "policy/base/speculate.h"
#include "engine/tokenizer/tokenizer.h"

#define FIRST_NAME 256

/* --- values --- */

/* The number at *AT, which is moved past it. */
static int take_number(const char **at, unsigned long max, unsigned long *ret) {
        char *end;
        if (!isdigit((unsigned char) **at))
                return -EINVAL;
        errno = 0;
        unsigned long value = strtoul(*at, &end, 10);
        if (errno || value > max)
                return -EINVAL;
        *at = end;
        *ret = value;
        return 0;
}

int option_flag(const struct option_row *o, void *at, const char *value) {
        (void) o, (void) value;
        *(bool *) at = true;
        return 0;
}

int option_text(const struct option_row *o, void *at, const char *value) {
        (void) o;
        *(const char **) at = value;
        return 0;
}

int option_number(const struct option_row *o, void *at, const char *value) {
        unsigned long number;
        if (take_number(&value, o->max ? o->max : UINT32_MAX, &number) < 0 || *value || number < o->min)
                return -EINVAL;
        *(uint32_t *) at = (uint32_t) number;
        return 0;
}

int option_kv(const struct option_row *o, void *at, const char *value) {
        (void) o;
        return kv_type_by_name(value, at);
}

int option_speculate(const struct option_row *o, void *at, const char *value) {
        (void) o;
        return speculate_by_name(value, at);
}

int option_cpus(const struct option_row *o, void *at, const char *value) {
        (void) o;
        return cpu_list_read(value, at);
}

int option_tokens(const struct option_row *o, void *at, const char *value) {
        (void) o;
        for (;;) {
                unsigned long id;
                int r = take_number(&value, INT32_MAX, &id);
                if (r == 0)
                        r = token_list_push(at, (int32_t) id);
                if (r < 0)
                        return r;
                if (!*value)
                        return 0;
                if (*value++ != ',')
                        return -EINVAL;
        }
}

int option_descriptor(const struct option_row *o, void *at, const char *value) {
        struct descriptors *list = at;
        unsigned long fd;
        (void) o;
        if (list->count == MODEL_FILES_MAX || take_number(&value, INT32_MAX, &fd) < 0 || *value)
                return -EINVAL;
        list->fds[list->count++] = (int) fd;
        return 0;
}

/* --- help --- */

static const struct option_row help_row = { "help", 'h', .help = "show this" };

/* "-t, --threads N" */
static int print_left(const struct option_row *o) {
        const char *value = o->value ? o->value : "", *space = o->value ? " " : "";
        if (!o->name)
                return printf("  -%c%s%s", o->letter, space, value);
        if (!o->letter)
                return printf("      --%s%s%s", o->name, space, value);
        return printf("  -%c, --%s%s%s", o->letter, o->name, space, value);
}

static int width_left(const struct option_row *o) {
        size_t name = o->name ? strlen("  -h, --") + strlen(o->name) : strlen("  -h");
        return (int) (name + (o->value ? 1 + strlen(o->value) : 0));
}

static void print_row(const struct option_row *o, int width) {
        int column = print_left(o);
        for (const char *line = o->help, *end; *line; line = end + (*end == '\n')) {
                end = line + strcspn(line, "\n");
                printf("%*s  %.*s\n", width - column, "", (int) (end - line), line);
                column = 0;
        }
}

static void print_help(const struct command_line *c) {
        for (size_t i = 0; i < sizeof(c->usage) / sizeof(c->usage[0]) && c->usage[i]; i++)
                printf("%s %s %s\n", i ? "      " : "usage:", c->name, c->usage[i]);
        printf("\n%s\n", c->about);
        int width = width_left(&help_row);
        for (const struct option_row *o = c->options; o->take; o++)
                width = width_left(o) > width ? width_left(o) : width;
        for (const struct option_row *o = c->options; o->take; o++)
                print_row(o, width);
        print_row(&help_row, width);
}

/* --- reading --- */

struct getopt_lists {
        char letters[2 * (COMMAND_OPTIONS_MAX + 1) + 1];
        struct option names[COMMAND_OPTIONS_MAX + 2];
        size_t letters_count, names_count;
};

static void lists_add(struct getopt_lists *l, const struct option_row *o, int index) {
        if (o->letter)
                l->letters[l->letters_count++] = o->letter;
        if (o->letter && o->value)
                l->letters[l->letters_count++] = ':';
        if (o->name)
                l->names[l->names_count++] =
                        (struct option){ o->name, o->value ? required_argument : no_argument, NULL, FIRST_NAME + index };
}

static struct getopt_lists lists_of(const struct option_row *rows) {
        struct getopt_lists l = { .letters_count = 0 };
        int index = 0;
        for (; rows[index].take; index++) {
                assert(index < (int) COMMAND_OPTIONS_MAX);
                lists_add(&l, &rows[index], index);
        }
        lists_add(&l, &help_row, index);
        return l;
}

/* NULL: the help is asked for. */
static const struct option_row *find_row(const struct option_row *rows, int option) {
        for (int i = 0; rows[i].take; i++)
                if (option == FIRST_NAME + i || option == rows[i].letter)
                        return &rows[i];
        return NULL;
}

static int refuse_value(const struct command_line *c, const struct option_row *o, bool by_name, const char *value) {
        const char letter[] = { o->letter, '\0' };
        fprintf(stderr, "%s: %s%s: '%.100s' is not a possible value", c->name, by_name ? "--" : "-", by_name ? o->name : letter,
                value);
        if (o->max)
                fprintf(stderr, " (%u to %u are)", o->min, o->max);
        fputs("; see --help\n", stderr);
        return EXIT_USAGE;
}

static int read_options(const struct command_line *c, void *arguments, int argc, char **argv) {
        struct getopt_lists l = lists_of(c->options);
        optind = 1;
        for (int option; (option = getopt_long(argc, argv, l.letters, l.names, NULL)) != -1;) {
                if (option == '?')
                        return EXIT_USAGE; /* getopt_long has said why */
                const struct option_row *o = find_row(c->options, option);
                if (!o) {
                        print_help(c);
                        return EXIT_DONE;
                }
                if (o->take(o, (char *) arguments + o->offset, optarg) < 0)
                        return refuse_value(c, o, option >= FIRST_NAME, optarg);
        }
        return OPTIONS_READ;
}

int options_read(const struct command_line *c, void *arguments, int argc, char **argv) {
        int code = read_options(c, arguments, argc, argv);
        if (code != OPTIONS_READ)
                return code;
        bool fits = argc - optind <= c->operands_count;
        for (int i = 0; fits && optind + i < argc; i++)
                *(const char **) (void *) ((char *) arguments + c->operands[i]) = argv[optind + i];
        if (fits && c->complete(arguments))
                return OPTIONS_READ;
        fprintf(stderr, "%s: %s; see --help\n", c->name, c->needs);
        return EXIT_USAGE;
}
