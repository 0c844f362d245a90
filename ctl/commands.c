/* commands.c - the table of commands and its help. The man page and the completion say the same: a test compares. */
#include "ctl/base/command.h"

#define AT(field) offsetof(struct invocation, field)

const struct flag commands_global_flags[] = {
        { "socket", 0, "PATH", AT(socket_path),
          "control socket of the daemon (default $HEADROOM_SOCKET, else " CONTROL_SOCKET_DEFAULT ")" },
        { "json", 0, NULL, AT(json), "print JSON" },
        { "help", 'h', NULL, AT(help), "print this help" },
        { "version", 0, NULL, AT(version), "print the version" },
        { NULL, 0, NULL, 0, NULL },
};

static const struct flag list_flags[] = {
        { "quiet", 'q', NULL, AT(quiet), "print names alone, one a line" },
        { NULL, 0, NULL, 0, NULL },
};

static const struct flag models_flags[] = {
        { "all", 'a', NULL, AT(all), "also list what lies in the models directory and is left out, with why" },
        { "quiet", 'q', NULL, AT(quiet), "print names alone, one a line" },
        { NULL, 0, NULL, 0, NULL },
};

static const struct flag events_flags[] = {
        { "follow", 'f', NULL, AT(follow), "keep running and print new events as they happen" },
        { NULL, 0, NULL, 0, NULL },
};

static const struct flag trace_flags[] = {
        { "minutes", 0, "N", AT(minutes), "for so long, 1 to 60 (default 10)" },
        { "stop", 0, NULL, AT(stop), "end the trace of this model" },
        { NULL, 0, NULL, 0, NULL },
};

static const struct flag reload_flags[] = {
        { "dry-run", 'n', NULL, AT(dry_run), "print what would change, and change nothing" },
        { NULL, 0, NULL, 0, NULL },
};

static const struct flag key_flags[] = {
        { "allow", 0, "MODEL,...", AT(allow), "only for these models (default all)" },
        { "class", 0, "CLASS", AT(class), "its requests are interactive or batch (default what they ask for)" },
        { "rate", 0, "N/TIME", AT(rate), "so many requests in so long: 60/m, 1000/day" },
        { "tokens", 0, "N/TIME", AT(tokens), "so many tokens, of prompts and answers: 1M/day" },
        { "concurrent", 0, "N", AT(concurrent), "so many requests at once" },
        { NULL, 0, NULL, 0, NULL },
};

static const struct flag load_flags[] = {
        { "warm", 0, NULL, AT(warm), "read all weights into memory, when the disk has nothing else to do" },
        { NULL, 0, NULL, 0, NULL },
};

static const struct flag unload_flags[] = {
        { "all", 0, NULL, AT(all), "unload every loaded model, pinned ones too" },
        { "force", 0, NULL, AT(force), "do not wait for running requests: they end with an error" },
        { NULL, 0, NULL, 0, NULL },
};

static const struct flag fit_flags[] = {
        { "context", 0, "N,...", AT(context), "context lengths (default 2048 and its doubles up to the trained length)" },
        { "kv", 0, "TYPE,...", AT(kv), "KV cache precisions (default f16,q8_0,q4_0)" },
        { "parallel", 0, "N", AT(parallel), "requests that fill their whole context at once (default 2, as headroomd reserves)" },
        { "threads", 0, "N", AT(threads), "threads of the engine (default: processors)" },
        { "budget", 0, "SIZE", AT(budget), "for all engines together (default 80%)" },
        { "weights-fraction", 0, "F", AT(weights_fraction), "of the memory that weights may fill (default 0.60)" },
        { "reserve", 0, "SIZE", AT(reserve), "to stay free (default 4%, at least 1G)" },
        { "bandwidth", 0, "GB/S", AT(bandwidth), "memory bandwidth, instead of measuring it for 0.3 s; 0: no speeds" },
        { NULL, 0, NULL, 0, NULL },
};

static const struct flag simulate_flags[] = {
        { "plot", 0, "OUT", AT(plot), "also draw it, into a file that ends in .svg or .png" },
        { "quiet", 'q', NULL, AT(quiet), "print only expectations that do not hold" },
        { NULL, 0, NULL, 0, NULL },
};

const struct command commands_table[] = {
        { "status", command_status, "[MODEL]", 0, 1, "show the daemon and its memory account, or all about one model", NULL,
          NULL },
        { "ps", command_ps, "", 0, 0, "list the models that are loaded or on their way", NULL, list_flags },
        { "models", command_models, "", 0, 0, "list every model the daemon knows", NULL, models_flags },
        { "load", command_load, "MODEL...", 1, -1, "load models and wait until they are ready",
          "Models that are idle are unloaded where room must be made.\n", load_flags },
        { "unload", command_unload, "MODEL... | --all", 0, -1, "unload models and wait until their memory is free",
          "A busy model first finishes its requests.\n", unload_flags },
        { "protect", command_protect, "MODEL TIME", 2, 2, "have no other model turn this one out for a time",
          "TIME is such as 10m or 2h, 24h at the most; 0 ends a protection. Who would need its room waits, or is refused at once.\n",
          NULL },
        { "reload", command_reload, "", 0, 0, "have the daemon read its configuration and its models directory again",
          "What has not changed keeps running. A mistake is told with file and line, and everything stays as it was.\n",
          reload_flags },
        { "key", command_key, "add NAME | list | remove NAME", 1, 2, "make, list and remove the access keys of clients",
          "The options are those of add. As soon as there is a key, clients need one (see keys in headroom.conf(5)).\n",
          key_flags },
        { "events", command_events, "[MODEL]", 0, 1, "list actions, loads, unloads and refusals, with reasons and numbers", NULL,
          events_flags },
        { "explain", command_explain, "MODEL", 1, 1,
          "explain a model's state in sentences, with the actions that led to it and what will undo them", NULL, NULL },
        { "trace", command_trace, "MODEL", 1, 1,
          "write the traffic between the daemon and a model's engine to a file, for a while",
          "The file, in the daemon's state directory and for its user alone, holds prompts and answers.\n", trace_flags },
        { "record", command_record, "[FILE]", 0, 1, "print the flight recorder, or write it to a file, for `simulate`", NULL,
          NULL },
        { "fit", command_fit, "FILE", 1, 1, "show the memory that a GGUF file needs, and if this machine has it; needs no daemon",
          "SIZE takes K, M, G, T (powers of 1024) or % of this machine's memory; the defaults are those of headroomd.\n"
          "Exit status 0 when a row of the table fits (now, or when others are unloaded), 4 when none does.\n",
          fit_flags },
        { "simulate", command_simulate, "FILE", 1, 1,
          "replay a scenario or a recorded flight against the policy; needs no daemon",
          "FILE is described in headroom.scenario(5); - is standard input.\n"
          "Exit status 0 when all that it expects holds, 1 when not.\n",
          simulate_flags },
        { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL },
};

static void print_flags(FILE *out, const struct flag *flags) {
        for (const struct flag *f = flags; f && f->name; f++) {
                char left[48];
                snprintf(left, sizeof(left), "--%s%s%s", f->name, f->value ? " " : "", f->value ? f->value : "");
                if (f->letter)
                        fprintf(out, "  -%c, %-20s %s\n", f->letter, left, f->summary);
                else
                        fprintf(out, "      %-20s %s\n", left, f->summary);
        }
}

void help_print(FILE *out) {
        fputs("usage: headroomctl [OPTIONS] COMMAND [ARGUMENTS]\n\n"
              "Talks to headroomd, which runs many language models under one memory budget.\n\ncommands:\n",
              out);
        for (const struct command *c = commands_table; c->name; c++)
                fprintf(out, "  %-8s %s\n", c->name, c->summary);
        fputs("\noptions:\n", out);
        print_flags(out, commands_global_flags);
        fputs("\nexit status:\n"
              "  0  done\n"
              "  1  failed: the daemon said no, there is no such model, the file is damaged, an expectation\n"
              "     of a scenario does not hold\n"
              "  2  wrong usage\n"
              "  3  no daemon answers\n"
              "  4  fit: the model does not fit on this machine\n"
              "\n`headroomctl COMMAND --help` tells more.\n",
              out);
}

void help_print_command(FILE *out, const struct command *c) {
        fprintf(out, "usage: headroomctl %s [OPTIONS]%s%s\n\n", c->name, *c->operands ? " " : "", c->operands);
        fprintf(out, "%s: %s.\n%s\noptions:\n", c->name, c->summary, c->details ? c->details : "");
        print_flags(out, c->flags);
        print_flags(out, commands_global_flags);
}
