/*
 * options.h - how a command of the engine (or a tool of its tests) reads its command line: by a table, of which its help is made too.
 *
 * Options may stand before, between and after the operands; "--" ends them. A value is taken strictly: nothing but the value
 * may stand there.
 */
#ifndef HEADROOM_ENGINE_CLI_OPTIONS_H
#define HEADROOM_ENGINE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf/files.h"

struct option_row;

/* Puts VALUE (NULL where the option has none) to AT. 0, or -errno for a value that it cannot have. */
typedef int option_take(const struct option_row *o, void *at, const char *value);

struct option_row {
        const char *name;  /* without the dashes; NULL: the letter alone */
        char letter;       /* 0: none */
        const char *value; /* what the help calls that which follows it; NULL: nothing does */
        option_take *take; /* NULL ends a table of at most COMMAND_OPTIONS_MAX */
        size_t offset;     /* of what TAKE writes, in the arguments of the command */
        uint32_t min, max; /* of a number; 0, 0: any */
        const char *key;   /* further data for TAKE */
        const char *help;  /* lines; the later ones are put below the first */
};

/* Functions for TAKE; a command may have others of its own. */
option_take option_flag;       /* a bool, to true */
option_take option_text;       /* a const char *, borrowed from argv */
option_take option_number;     /* a uint32_t, MIN .. MAX */
option_take option_kv;         /* an enum kv_type */
option_take option_speculate;  /* an enum speculate */
option_take option_cpus;       /* a struct cpu_list */
option_take option_tokens;     /* appends a list such as "1,2,3", none negative, to a struct token_list */
option_take option_descriptor; /* appends to a struct descriptors */

struct descriptors {
        int fds[MODEL_FILES_MAX];
        uint32_t count;
};

#define OPERANDS_MAX 2

struct command_line {
        const char *name;     /* as it is typed: "headroom-engine embed" */
        const char *usage[3]; /* forms of the operands; NULL ends them */
        const char *about;    /* lines */
        const struct option_row *options;
        size_t operands[OPERANDS_MAX]; /* offsets of the const char * that they go to, in order */
        int operands_count;
        bool (*complete)(const void *arguments); /* whether all is there that must be, and no more */
        const char *needs;                       /* what is said when not, or when there are more operands */
};

/* Beside the exit codes of commands.h. */
enum { OPTIONS_READ = -1 };

/* Fills ARGUMENTS: OPTIONS_READ; or the command ends with this exit code, its help or one line on stderr having been printed. */
int options_read(const struct command_line *c, void *arguments, int argc, char **argv);

#endif
