/* main.c - headroom-engine: finds the command and runs it. Each command owns its options and its help. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/cli/commands.h"

struct command_row {
        const char *name;
        command *run;
        const char *summary;
};

/* clang-format off */
static const struct command_row commands[] = {
        { "inspect",    command_inspect,    "the contents of a model file, and how much memory it would need" },
        { "tokenize",   command_tokenize,   "token ids of a text, and back" },
        { "template",   command_template,   "a conversation as the model's chat template writes it" },
        { "logits",     command_logits,     "the logits after given tokens, as JSON" },
        { "embed",      command_embed,      "the vector of a text, as JSON" },
        { "bench",      command_bench,      "tokens per second of prefill and decode" },
        { "perplexity", command_perplexity, "how well a model predicts a text, and what a less precise KV cache costs" },
        { "run",        command_run,        "one prompt to one answer" },
        { "worker",     command_worker,     "serve one model to headroomd over an inherited socket" },
        { NULL, NULL, NULL },
};
/* clang-format on */

static void print_help(FILE *out) {
        fputs("usage: headroom-engine COMMAND [OPTIONS]\n\n"
              "Runs one language model from a GGUF file on the CPU.\n\ncommands:\n",
              out);
        for (const struct command_row *c = commands; c->name; c++)
                fprintf(out, "  %-11s %s\n", c->name, c->summary);
        fputs("\n`headroom-engine COMMAND --help` tells more.\n", out);
}

/* Output of a command may wait in the stream until now: to lose it is a failure, however late it shows. */
static int flushed(const char *name, int code) {
        bool lost = ferror(stdout);
        if (!fflush(stdout) && !lost)
                return code;
        if (code == EXIT_DONE)
                fprintf(stderr, "%s: cannot write: %s\n", name, errno ? strerror(errno) : "an earlier write failed");
        return code == EXIT_DONE ? EXIT_FAILED : code;
}

/* ARGV begins with the command, whose messages and those of getopt shall bear the whole name. */
static int run(const struct command_row *c, int argc, char **argv) {
        char name[64];
        (void) snprintf(name, sizeof(name), "headroom-engine %s", c->name);
        argv[0] = name;
        int code = c->run(argc, argv);
        return flushed(name, code);
}

int main(int argc, char **argv) {
        if (argc < 2) {
                print_help(stderr);
                return EXIT_USAGE;
        }
        if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
                print_help(stdout);
                return flushed("headroom-engine", EXIT_DONE);
        }
        if (!strcmp(argv[1], "--version")) {
                puts("headroom-engine " HEADROOM_VERSION);
                return flushed("headroom-engine", EXIT_DONE);
        }
        for (const struct command_row *c = commands; c->name; c++)
                if (!strcmp(argv[1], c->name))
                        return run(c, argc - 1, argv + 1);
        fprintf(stderr, "headroom-engine: unknown command '%s'; see headroom-engine --help\n", argv[1]);
        return EXIT_USAGE;
}
