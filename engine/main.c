/* main.c - headroom-engine: finds the command and runs it. Each command owns its options and its help. */
#include <stdio.h>
#include <string.h>

#include "engine/commands.h"

struct command_row {
        const char *name;
        command *run;
        const char *summary;
};

static const struct command_row commands[] = {
        { "inspect",  command_inspect,  "what is in a model file, and how much memory it would need" },
        { "tokenize", command_tokenize, "token ids of a text, and back" },
        { "logits",   command_logits,   "the numbers a model gives for given tokens, as JSON" },
        { "bench",    command_bench,    "tokens per second of prefill and decode" },
        { "run",      command_run,      "one prompt to one answer" },
        { "worker",   command_worker,   "serve one model to headroomd over an inherited socket" },
        { NULL, NULL, NULL },
};

static void print_help(FILE *out) {
        fputs("usage: headroom-engine COMMAND [OPTIONS]\n\n"
              "Runs one language model from a GGUF file on the CPU.\n\ncommands:\n",
              out);
        for (const struct command_row *c = commands; c->name; c++)
                fprintf(out, "  %-10s %s\n", c->name, c->summary);
        fputs("\n`headroom-engine COMMAND --help` tells more.\n", out);
}

int main(int argc, char **argv) {
        if (argc < 2) {
                print_help(stderr);
                return EXIT_USAGE;
        }
        if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
                print_help(stdout);
                return EXIT_DONE;
        }
        if (!strcmp(argv[1], "--version")) {
                puts("headroom-engine " HEADROOM_VERSION);
                return EXIT_DONE;
        }
        for (const struct command_row *c = commands; c->name; c++)
                if (!strcmp(argv[1], c->name))
                        return c->run(argc - 1, argv + 1);
        fprintf(stderr, "headroom-engine: unknown command '%s'; see headroom-engine --help\n", argv[1]);
        return EXIT_USAGE;
}
