/* options.h - how a command of the engine reads its command line; values strictly: nothing but the value may stand there. */
#ifndef HEADROOM_ENGINE_OPTIONS_H
#define HEADROOM_ENGINE_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/tokenizer/tokenizer.h"

/* 0; -ENOENT for an option that is none; another -errno for a VALUE that it cannot have. */
typedef int option_take(void *arguments, int option, const char *value);

struct command_options {
        const char *command, *help; /* printed for -h */
        const char *letters;        /* as getopt_long takes them, 'h' among them */
        const struct option *names;
        option_take *take;
};

/*
 * Gives each option of ARGV to TAKE with ARGUMENTS; optind is the first operand then. EXIT_DONE, with *ret_helped set when
 * the help was printed and nothing more is to be done; or EXIT_USAGE, the reason said on stderr.
 */
int options_read(const struct command_options *o, void *arguments, int argc, char **argv, bool *ret_helped);

/* 0 and *ret, or -EINVAL when TEXT is no decimal number in MIN .. MAX. */
int option_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret);

/* Appends the ids of a list such as "1,2,3", none negative. 0, -EINVAL or -ENOMEM. */
int option_tokens(const char *text, struct token_list *list);

#endif
