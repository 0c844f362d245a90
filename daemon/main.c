/* main.c - headroomd: options, configuration, and the daemon. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/base/peers.h"
#include "daemon/check.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/system/log.h"
#include "daemon/system/state_lock.h"
#include "engine/base/printable.h"

enum exit_status { EXIT_STOPPED = 0, EXIT_FAILED = 1, EXIT_WRONG_USE = 2 };

/* An option with a section and a key is a line of the configuration that has the last word. */
static const struct option {
        const char *name, *argument, *section, *key, *help;
} options[] = {
        { "--config", "FILE", NULL, NULL, "read FILE, FILE.d/ and models.d/ beside it (default /etc/headroom/headroom.conf)" },
        { "--check-config", NULL, NULL, NULL, "report every problem of the configuration and exit" },
        { "--listen", "ADDRESS:PORT", "server", "listen",
          "serve clients there (default " CONFIG_ADDRESS_PORT "; port 0: any free one)" },
        { "--models", "DIR", "models", "directory", "each GGUF file below DIR is a model (default /var/lib/headroom/models)" },
        { "--control", "PATH", "server", "control", "serve headroomctl there (default /run/headroom/control.sock)" },
        { "--budget", "SIZE", "memory", "budget", "memory of all models together, e.g. 12GiB or 80% (the default)" },
        { "--state", "DIR", "server", "state", "keep measurements and traces there (default /var/lib/headroom)" },
        { "--engine", "PATH", "engine", "path", "the engine to run (default: headroom-engine beside this program)" },
        { "--proc-root", "DIR", "governor", "proc_root", "for tests: read the files of /proc there (default /proc)" },
        { "--sys-root", "DIR", "governor", "sys_root", "for tests: read the files of /sys there (default /sys)" },
        { "--version", NULL, NULL, NULL, "print the version and exit" },
        { "--help", NULL, NULL, NULL, "print this and exit" },
};
#define OPTIONS_COUNT (sizeof options / sizeof *options)

struct invocation {
        const char *config_path;
        bool is_check;
        struct config_override overrides[16];
        uint32_t overrides_count;
};

static void print_help(void) {
        puts("usage: headroomd [OPTIONS]\n\nServes the language models of this machine under one memory budget.\n");
        for (size_t i = 0; i < OPTIONS_COUNT; i++) {
                char left[64];
                (void) snprintf(left, sizeof left, "%s%s%s", options[i].name, options[i].argument ? " " : "",
                                options[i].argument ? options[i].argument : "");
                printf("  %-24s %s\n", left, options[i].help);
        }
        puts("\nDefaults are those of the service; an ordinary user's files lie in the user's own directories, see headroomd(8).\n"
             "See headroom.conf for all settings, headroomctl for talking to a running daemon.");
}

static const struct option *find_option(const char *name, size_t length) {
        for (size_t i = 0; i < OPTIONS_COUNT; i++)
                if (strlen(options[i].name) == length && !strncmp(options[i].name, name, length))
                        return &options[i];
        return NULL;
}

static void take_value(struct invocation *in, const struct option *o, const char *value) {
        if (!o->section)
                in->config_path = value;
        else if (in->overrides_count < sizeof in->overrides / sizeof *in->overrides)
                in->overrides[in->overrides_count++] = (struct config_override){ o->name, o->section, o->key, value };
}

/* Both `--name value` and `--name=value`. False: wrong, and told. Help and version end here. */
static bool read_arguments(int argc, char **argv, struct invocation *in) {
        for (int i = 1; i < argc; i++) {
                size_t length = strcspn(argv[i], "=");
                const char *value = argv[i][length] ? argv[i] + length + 1 : NULL;
                const struct option *o = !strcmp(argv[i], "-h") ? find_option("--help", 6) : find_option(argv[i], length);
                if (!o) {
                        fprintf(stderr, "headroomd: unknown option '%s'; see headroomd --help\n", argv[i]);
                        return false;
                }
                if (o->argument && !value && i + 1 < argc)
                        value = argv[++i];
                if (!o->argument != !value) {
                        fprintf(stderr, o->argument ? "headroomd: %s needs a value: %s\n" : "headroomd: %s takes no value\n",
                                o->name, o->argument);
                        return false;
                }
                if (o->argument) {
                        take_value(in, o, value);
                } else if (!strcmp(o->name, "--check-config")) {
                        in->is_check = true;
                } else {
                        if (!strcmp(o->name, "--version"))
                                puts("headroomd " HEADROOM_VERSION);
                        else
                                print_help();
                        exit(EXIT_STOPPED);
                }
        }
        return true;
}

/* Values and names of files are anybody's: nothing of them may steer a terminal. */
static const char *shown(const char *text) {
        static char copies[2][CONFIG_LINE_MAX + 1200];
        static unsigned turn;

        turn = !turn;
        return printable_copy(copies[turn], sizeof copies[turn], text, strlen(text));
}

static void print_problem(void *user, bool is_warning, const char *text) {
        (void) user;
        fprintf(stdout, "%s%s\n", is_warning ? "warning: " : "", shown(text));
}

static void log_problem(void *user, bool is_warning, const char *text) {
        (void) user;
        log_event(is_warning ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "config", LOG_TEXT("problem", text));
}

static void print_summary(const struct config *c) {
        puts("configuration is fine");
        printf("  listens on %s:%u, control socket %s\n", c->listen_address, c->listen_port, shown(c->control_path));
        if (*c->ollama_address)
                printf("  serves clients of Ollama on %s:%u\n", c->ollama_address, c->ollama_port);
        printf("  budget %llu MiB of %llu MiB RAM, at most %.0f%% of RAM for weights, reserve %llu MiB\n",
               (unsigned long long) (c->budget_bytes >> 20), (unsigned long long) (c->ram_bytes >> 20), c->weights_fraction * 100,
               (unsigned long long) (c->reserve_bytes >> 20));
        printf("  engine %s, log level %s\n  %u models%s\n", shown(c->engine_path), log_level_name(c->log_level), c->models_count,
               c->models_count ? ":" : "");
        for (uint32_t i = 0; i < c->models_count; i++)
                printf("    %-32s %s%s%s\n", shown(c->models[i].id), shown(c->models[i].path),
                       c->models[i].pinned ? ", pinned" : "", c->models[i].preload ? ", preloaded" : "");
}

/* The one that runs by this very configuration is not another. */
static void print_peers(const struct config *c) {
        pid_t ours = state_lock_holder(c->state_dir);
        struct peers peers;
        char sentence[256];

        peers_look(PEERS_DIRECTORY, ours, &peers);
        for (uint32_t i = 0; i < peers.count; i++) {
                peers_sentence(&peers, i, c->budget_bytes, c->ram_bytes, sentence, sizeof sentence);
                print_problem(NULL, peers_exceed(&peers, c->budget_bytes, c->ram_bytes), sentence);
        }
}

static int check(const struct invocation *in) {
        struct config *config;

        if (config_load(in->config_path, in->overrides, in->overrides_count, print_problem, NULL, &config))
                return EXIT_FAILED;
        int result = check_models(config, print_problem, NULL);
        if (!result) {
                print_summary(config);
                print_peers(config);
        }
        config_free(config);
        return result ? EXIT_FAILED : EXIT_STOPPED;
}

/* The standard streams may come closed; a socket that took such a number would be written to by the log, or not be inherited. */
static bool fill_standard_streams(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR); /* inherited, as those that it stands in for */
        while (fd >= 0 && fd <= STDERR_FILENO);
        return fd >= 0 && close(fd) == 0;
}

int main(int argc, char **argv) {
        struct invocation in = { 0 };
        struct config *config;

        if (!fill_standard_streams())
                return EXIT_FAILED;
        if (!read_arguments(argc, argv, &in))
                return EXIT_WRONG_USE;
        if (in.is_check)
                return check(&in);
        log_open(LOG_LEVEL_INFO);
        const struct config_source source = { .path = in.config_path,
                                              .overrides = in.overrides,
                                              .overrides_count = in.overrides_count,
                                              .is_start = true,
                                              .report = log_problem };
        if (config_read(&source, &config)) {
                log_error("start_failed", LOG_TEXT("step", "configuration"),
                          LOG_TEXT("hint", "headroomd --check-config lists every problem"));
                return EXIT_WRONG_USE;
        }
        log_open(config->log_level);
        int result = daemon_run(config, &source);
        config_free(config);
        return result ? EXIT_FAILED : EXIT_STOPPED;
}
