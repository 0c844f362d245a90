/*
 * command.h - the command line of headroomctl: one row per command, one function per row.
 *
 * A command prints its result on stdout (as JSON with --json), what went wrong as one line on stderr, and returns
 * one of the exit codes below.
 */
#ifndef HEADROOM_CTL_BASE_COMMAND_H
#define HEADROOM_CTL_BASE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CONTROL_SOCKET_DEFAULT "/run/headroom/control.sock"

enum exit_code {
        CTL_DONE = 0,
        CTL_FAILED = 1, /* the daemon said no, there is no such model, the file is damaged, an expectation does not hold */
        CTL_USAGE = 2,
        CTL_UNREACHABLE = 3, /* no daemon answers */
        CTL_NO_FIT = 4,      /* `fit`: not on this machine */
};

struct command;

/* The command line, taken apart. Texts are borrowed from argv. */
struct invocation {
        const struct command *command; /* NULL when none was named */
        const char *socket_path;
        bool json, help, version;
        bool quiet, force, all, follow, stop, dry_run, warm;
        const char *context, *kv, *parallel, *threads, *budget, *weights_fraction, *reserve, *bandwidth;
        const char *plot;
        const char *minutes;
        const char *allow, *class, *rate, *tokens, *concurrent;
        char **args; /* operands, ARGS_COUNT of them; owned */
        int args_count;
};

struct flag {
        const char *name;  /* without the dashes; NULL ends a list */
        char letter;       /* 0: none */
        const char *value; /* name of its value, for the help; NULL: it has none */
        size_t offset;     /* in struct invocation: of a const char * when a value follows, else of a bool */
        const char *summary;
};

struct command {
        const char *name; /* NULL ends the table */
        int (*run)(const struct invocation *in);
        const char *operands;   /* "MODEL..." */
        int args_min, args_max; /* args_max < 0: any number */
        const char *summary;
        const char *details;      /* further lines of its help; may be NULL */
        const struct flag *flags; /* its own; may be NULL */
};

extern const struct command commands_table[];
extern const struct flag commands_global_flags[];

/* 0 and *ret (release with invocation_done), or CTL_USAGE after one line on stderr. */
int invocation_parse(int argc, char **argv, struct invocation *ret);
void invocation_done(struct invocation *in);

void help_print(FILE *out);
void help_print_command(FILE *out, const struct command *command);

int command_status(const struct invocation *in);
int command_ps(const struct invocation *in);
int command_models(const struct invocation *in);
int command_load(const struct invocation *in);
int command_unload(const struct invocation *in);
int command_protect(const struct invocation *in);
int command_reload(const struct invocation *in);
int command_key(const struct invocation *in);
int command_trace(const struct invocation *in);
int command_events(const struct invocation *in);
int command_explain(const struct invocation *in);
int command_record(const struct invocation *in);
int command_fit(const struct invocation *in);
int command_simulate(const struct invocation *in);

#endif
