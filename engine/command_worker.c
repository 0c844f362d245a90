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

#include "engine/bounds.h"
#include "engine/commands.h"
#include "engine/options.h"
#include "engine/sandbox.h"
#include "engine/wire.h"
#include "engine/worker.h"

static const char help[] =
        "usage: headroom-engine worker --socket FD --model-fd FD [--model-fd FD ...] [OPTIONS]\n\n"
        "Serves one model to headroomd over an inherited socket (docs/wire-protocol.md), locked in:\n"
        "no files, no network, no other processes. Ends when the other side closes.\n\n"
        "  --socket FD        a connected stream socket\n"
        "  --model-fd FD      the model's file, open for reading; all parts in order when it is split\n"
        "  --ctx N            tokens of one sequence at most (default 4096, or what the model was trained on)\n"
        "  --kv-tokens N      tokens in the KV cache over all sequences (default twice --ctx)\n"
        "  --kv TYPE          precision of the KV cache: f16 (default), q8_0, q4_0\n"
        "  --kv-floor TYPE    the least precision it may be taken down to while it runs (default q4_0); one that the\n"
        "                     heads cannot have is raised\n"
        "  --files FD         a connected SOCK_SEQPACKET socket on which descriptors arrive, for suspend\n"
        "  --recall           ask for files with the beginnings of prompts (needs --files)\n"
        "  --threads N        threads (default: one per processor)\n"
        "  --parallel N       requests computed together, 1 to 16 (default 4)\n"
        "  --prefill-chunk N  tokens of a step (default 256)\n";

struct arguments {
        struct engine_config config;
        uint32_t socket_fd, files_fd;
        bool has_socket, has_files;
        int model_fds[GGUF_PARTS_MAX];
};

enum {
        OPTION_SOCKET = 256,
        OPTION_MODEL,
        OPTION_CTX,
        OPTION_KV_TOKENS,
        OPTION_KV,
        OPTION_KV_FLOOR,
        OPTION_FILES,
        OPTION_RECALL,
        OPTION_THREADS,
        OPTION_PARALLEL,
        OPTION_CHUNK
};

static const struct option names[] = {
        { "socket", required_argument, NULL, OPTION_SOCKET },
        { "model-fd", required_argument, NULL, OPTION_MODEL },
        { "ctx", required_argument, NULL, OPTION_CTX },
        { "kv-tokens", required_argument, NULL, OPTION_KV_TOKENS },
        { "kv", required_argument, NULL, OPTION_KV },
        { "kv-floor", required_argument, NULL, OPTION_KV_FLOOR },
        { "files", required_argument, NULL, OPTION_FILES },
        { "recall", no_argument, NULL, OPTION_RECALL },
        { "threads", required_argument, NULL, OPTION_THREADS },
        { "parallel", required_argument, NULL, OPTION_PARALLEL },
        { "prefill-chunk", required_argument, NULL, OPTION_CHUNK },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int add_model(struct arguments *a, const char *value) {
        uint32_t fd;
        if (a->config.model_fds_count == GGUF_PARTS_MAX || option_u32(value, 0, INT32_MAX, &fd) < 0)
                return -EINVAL;
        a->model_fds[a->config.model_fds_count++] = (int) fd;
        return 0;
}

static int take_option(void *arguments, int option, const char *value) {
        struct arguments *a = arguments;
        struct engine_config *c = &a->config;
        switch (option) {
        case OPTION_SOCKET: a->has_socket = true; return option_u32(value, 0, INT32_MAX, &a->socket_fd);
        case OPTION_MODEL: return add_model(a, value);
        case OPTION_CTX: return option_u32(value, 1, N_CTX_MAX, &c->ctx);
        case OPTION_KV_TOKENS: return option_u32(value, 1, N_CTX_MAX, &c->kv_tokens);
        case OPTION_KV: return kv_type_by_name(value, &c->kv);
        case OPTION_KV_FLOOR: return kv_type_by_name(value, &c->kv_floor);
        case OPTION_FILES: a->has_files = true; return option_u32(value, 0, INT32_MAX, &a->files_fd);
        case OPTION_RECALL: c->recalls = true; return 0;
        case OPTION_THREADS: return option_u32(value, 1, THREADS_MAX, &c->threads);
        case OPTION_PARALLEL: return option_u32(value, 1, WIRE_PARALLEL_MAX, &c->parallel);
        case OPTION_CHUNK: return option_u32(value, 1, PREFILL_CHUNK_MAX, &c->prefill_chunk);
        default: return -ENOENT;
        }
}

/* As options_read. */
static int parse(struct arguments *a, int argc, char **argv, bool *ret_helped) {
        static const struct command_options known = { "worker", help, "h", names, take_option };
        int code = options_read(&known, a, argc, argv, ret_helped);
        if (code != EXIT_DONE || *ret_helped)
                return code;
        if (optind != argc || !a->has_socket || !a->config.model_fds_count) {
                fputs("headroom-engine worker: --socket and --model-fd are needed, and nothing else; see --help\n", stderr);
                return EXIT_USAGE;
        }
        return EXIT_DONE;
}

/* True when this process ends with its parent. The parent may have died before we asked: then we have another one now. */
static bool tie_to_parent(pid_t parent) {
        return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

int command_worker(int argc, char **argv) {
        pid_t parent = getppid();
        struct arguments a = { .config = engine_config_default() };
        bool helped = false;
        int code = parse(&a, argc, argv, &helped);
        if (code != EXIT_DONE || helped)
                return code;
        a.config.model_fds = a.model_fds;
        /* A file that may not become larger is an error that is told, not the end. */
        (void) signal(SIGXFSZ, SIG_IGN);
        if (!tie_to_parent(parent))
                return EXIT_DONE;
        struct sandbox_report report;
        int r = sandbox_enter(&report);
        if (r < 0) {
                fprintf(stderr, "headroom-engine worker: cannot lock itself in: %s\n", strerror(-r));
                return EXIT_FAILED;
        }
        if (report.degraded[0])
                fprintf(stderr, "headroom-engine worker: sandbox incomplete: %s\n", report.degraded);
        return worker_run((int) a.socket_fd, a.has_files ? (int) a.files_fd : -1, &a.config);
}
