/*
 * command_worker.c - the command line of the worker, and how it ties its life to the daemon's.
 *
 * The kernel kills the process when its parent dies, should it be too busy to see the socket close. Only
 * then does it lock itself in, and only then is the model's file looked at.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "engine/base/bounds.h"
#include "engine/cli/commands.h"
#include "engine/cli/options.h"
#include "engine/compute/processors.h"
#include "engine/worker/sandbox.h"
#include "engine/wire/wire.h"
#include "engine/worker/worker.h"

struct arguments {
        struct engine_config config;
        struct descriptors socket, model, files;
        struct cpu_list cpus;
};

#define AT(field) offsetof(struct arguments, field)

static const struct option_row options[] = {
        { "socket", 0, "FD", option_descriptor, AT(socket), .help = "a connected stream socket" },
        { "model-fd", 0, "FD", option_descriptor, AT(model),
          .help = "the model's file, open for reading; all parts in order when it is split" },
        { "ctx", 0, "N", option_number, AT(config.ctx), 1, N_CTX_MAX,
          .help = "tokens of one sequence at most (default 4096, or what the model was trained on)" },
        { "kv-tokens", 0, "N", option_number, AT(config.kv_tokens), 1, N_CTX_MAX,
          .help = "tokens in the KV cache over all sequences (default twice --ctx)" },
        { "kv-tokens-max", 0, "N", option_number, AT(config.kv_tokens_max), 1, N_CTX_MAX,
          .help = "... that the cache can grow to, when it is told to (default --kv-tokens)" },
        { "kv", 0, "TYPE", option_kv, AT(config.kv), .help = "precision of the KV cache: f16 (default), q8_0, q4_0" },
        { "kv-floor", 0, "TYPE", option_kv, AT(config.kv_floor),
          .help = "the least precision it may be taken down to while it runs (default q4_0); one that the\n"
                  "heads cannot have is raised" },
        { "files", 0, "FD", option_descriptor, AT(files),
          .help = "a connected SOCK_SEQPACKET socket on which descriptors arrive, for suspend" },
        { "recall", 0, NULL, option_flag, AT(config.lookups),
          .help = "ask for files with the prefixes of prompts (needs --files)" },
        { "speculate", 0, "HOW", option_speculate, AT(config.speculate),
          .help = "guess the tokens to come: auto (default: while it pays), off, lookup (wherever the text\n"
                  "repeats itself)" },
        { "threads", 't', "N", option_number, AT(config.threads), 1, THREADS_MAX, .help = "threads (default: one per core)" },
        { "cpus", 0, "LIST", option_cpus, AT(cpus), .help = "run on these processors alone: 0-3,8 (default: wherever it may)" },
        { "parallel", 0, "N", option_number, AT(config.parallel), 1, WIRE_PARALLEL_MAX,
          .help = "requests computed together, 1 to 64 (default 4)" },
        { "prefill-chunk", 0, "N", option_number, AT(config.prefill_chunk), 1, PREFILL_CHUNK_MAX,
          .help = "tokens of a step (default 256)" },
        { 0 },
};

static bool complete(const void *arguments) {
        const struct arguments *a = arguments;
        return a->socket.count == 1 && a->model.count && a->files.count <= 1;
}

static const struct command_line line = {
        .name = "headroom-engine worker",
        .usage = { "--socket FD --model-fd FD [--model-fd FD ...] [OPTIONS]" },
        .about = "Serves one model to headroomd over an inherited socket (docs/wire-protocol.md), locked in:\n"
                 "no files, no network, no other processes. Ends when the other side closes.\n",
        .options = options,
        .complete = complete,
        .needs = "one --socket and --model-fd are needed, and no operands",
};

/* True when this process ends with its parent. The parent may have died before we asked: then we have another one now. */
static bool tie_to_parent(pid_t parent) {
        return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

/* Here and not later: which of them are cores is not to be seen from inside the sandbox. */
static int use_processors(struct arguments *a) {
        int r = cpu_list_is_empty(&a->cpus) ? 0 : processors_use(&a->cpus);
        if (r < 0)
                fprintf(stderr, "headroom-engine worker: cannot run on the processors of --cpus: %s\n", strerror(-r));
        if (a->config.threads == 0)
                a->config.threads = processors_available();
        return r;
}

int command_worker(int argc, char **argv) {
        pid_t parent = getppid();
        struct arguments a = { .config = engine_config_default() };
        int code = options_read(&line, &a, argc, argv);
        if (code != OPTIONS_READ)
                return code;
        a.config.model_fds = a.model.fds;
        a.config.model_fds_count = a.model.count;
        /* A file that may not grow must give an error (EFBIG), not a signal that ends us. */
        (void) signal(SIGXFSZ, SIG_IGN);
        if (!tie_to_parent(parent))
                return EXIT_DONE;
        a.config.pressure_fd = readahead_open_pressure();
        int r = use_processors(&a);
        if (r < 0)
                return EXIT_FAILED;
        struct sandbox_report report;
        r = sandbox_enter(&report);
        if (r < 0) {
                fprintf(stderr, "headroom-engine worker: cannot lock itself in: %s\n", strerror(-r));
                return EXIT_FAILED;
        }
        if (report.degraded[0])
                fprintf(stderr, "headroom-engine worker: sandbox incomplete: %s\n", report.degraded);
        return worker_run(a.socket.fds[0], a.files.count ? a.files.fds[0] : -1, &a.config);
}
