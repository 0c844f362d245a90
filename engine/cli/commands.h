/*
 * commands.h - the engine's command line: one function per command, one row each in main.c.
 *
 * A command parses its own options (argv[0] is its name), prints results on stdout, errors as one line
 * "headroom-engine NAME: ..." on stderr, and returns the exit code: 0 done, 1 failed, 2 wrong usage.
 */
#ifndef HEADROOM_ENGINE_CLI_COMMANDS_H
#define HEADROOM_ENGINE_CLI_COMMANDS_H

#include "engine/base/exit_codes.h"

typedef int command(int argc, char **argv);

command command_inspect; /* headers only: metadata, tensors, sizes */
command command_tokenize;
command command_template;
command command_run;
command command_logits;
command command_embed;
command command_bench;
command command_perplexity;
command command_worker; /* the process that headroomd starts */

#endif
