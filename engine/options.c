/* options.c - see options.h. */
#include "engine/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/commands.h"

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

int option_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret) {
        unsigned long value;
        if (take_number(&text, max, &value) < 0 || *text || value < min)
                return -EINVAL;
        *ret = (uint32_t) value;
        return 0;
}

int option_tokens(const char *text, struct token_list *list) {
        for (;;) {
                unsigned long id;
                int r = take_number(&text, INT32_MAX, &id);
                if (r == 0)
                        r = token_list_push(list, (int32_t) id);
                if (r < 0)
                        return r;
                if (!*text)
                        return 0;
                if (*text++ != ',')
                        return -EINVAL;
        }
}

int options_read(const struct command_options *o, void *arguments, int argc, char **argv, bool *ret_helped) {
        optind = 1;
        for (int option, index = -1; (option = getopt_long(argc, argv, o->letters, o->names, &index)) != -1; index = -1) {
                if (option == 'h') {
                        fputs(o->help, stdout);
                        *ret_helped = true;
                        return EXIT_DONE;
                }
                int r = o->take(arguments, option, optarg);
                if (r == -ENOENT)
                        return EXIT_USAGE;
                if (r < 0) {
                        const char letter[] = { (char) option, '\0' };
                        fprintf(stderr, "headroom-engine %s: %s%s: '%.100s' is not a possible value; see --help\n", o->command,
                                index < 0 ? "-" : "--", index < 0 ? letter : o->names[index].name, optarg);
                        return EXIT_USAGE;
                }
        }
        return EXIT_DONE;
}
