/*
 * command_inspect.c - headroom-engine inspect: what is in a model file and what it would need, from its headers.
 *
 * The files are opened, or come as inherited descriptors; then the process locks itself in, and only then reads
 * the first byte of them. A model that is whole but cannot be run here is told about all the same, with the reason.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/bounds.h"
#include "engine/commands.h"
#include "engine/engine.h"
#include "engine/inspect.h"
#include "engine/model.h"
#include "engine/model_files.h"
#include "engine/options.h"
#include "engine/printable.h"
#include "engine/sandbox.h"
#include "engine/solo.h"
#include "engine/wire.h"

#define NAME "headroom-engine inspect: "
struct options {
        const char *path;
        int fds[MODEL_FILES_MAX];
        uint32_t fds_count;
        bool json, summary;
        struct inspect_load load; /* 0: the default */
};

static void print_help(FILE *out) {
        fputs("usage: headroom-engine inspect FILE [--json [--summary]] [--ctx N] [--kv-tokens N] [--parallel N] [--threads N]\n"
              "       headroom-engine inspect --fd N [--fd N ...] [...]\n\n"
              "Tells what a GGUF file holds, and how much memory it would need. Any part of a split model names all of it.\n\n"
              "  --json         one JSON object instead of text\n"
              "  --summary      with --json: leave metadata and tensors out\n"
              "  --fd N         read the open descriptor N; once per part, in order\n"
              "  --ctx N        tokens of one conversation (default: 4096, or what the model was trained on if less)\n"
              "  --kv-tokens N  tokens of all conversations together (default: twice --ctx)\n"
              "  --parallel N   conversations served at once (default: 4)\n"
              "  --threads N    threads (default: as many as there are processors)\n"
              "  --help         show this\n",
              out);
}

/* ---- options ---- */

static bool take_number(const char *name, uint32_t min, uint32_t max, uint32_t *ret) {
        if (option_u32(optarg, min, max, ret) == 0)
                return true;
        fprintf(stderr, NAME "%s must be a number from %" PRIu32 " to %" PRIu32 "\n", name, min, max);
        return false;
}

static bool take_fd(struct options *o) {
        uint32_t fd;
        if (o->fds_count == MODEL_FILES_MAX) {
                fprintf(stderr, NAME "--fd can be given at most %u times\n", MODEL_FILES_MAX);
                return false;
        }
        if (!take_number("--fd", 0, INT32_MAX, &fd))
                return false;
        o->fds[o->fds_count++] = (int) fd;
        return true;
}

static bool take_option(struct options *o, int option) {
        switch (option) {
        case 'j': return o->json = true;
        case 's': return o->summary = true;
        case 'f': return take_fd(o);
        case 'c': return take_number("--ctx", 1, SHAPE_CTX_MAX, &o->load.ctx);
        case 'k': return take_number("--kv-tokens", 1, SHAPE_CTX_MAX, &o->load.kv_tokens);
        case 'p': return take_number("--parallel", 1, WIRE_PARALLEL_MAX, &o->load.parallel);
        case 't': return take_number("--threads", 1, THREADS_MAX, &o->load.threads);
        }
        return false;
}

/* EXIT_DONE: go on. *ret_help: it was all that was asked for. */
static int parse(int argc, char **argv, struct options *o, bool *ret_help) {
        static const struct option known[] = {
                { "json", no_argument, NULL, 'j' },
                { "summary", no_argument, NULL, 's' },
                { "fd", required_argument, NULL, 'f' },
                { "ctx", required_argument, NULL, 'c' },
                { "kv-tokens", required_argument, NULL, 'k' },
                { "parallel", required_argument, NULL, 'p' },
                { "threads", required_argument, NULL, 't' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        opterr = 0;
        for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
                if (option == 'h') {
                        print_help(stdout);
                        *ret_help = true;
                        return EXIT_DONE;
                }
                if (option == '?') {
                        char shown[64];
                        fprintf(stderr, NAME "option '%s' is unknown or lacks its value; see headroom-engine inspect --help\n",
                                printable_copy(shown, sizeof(shown), argv[optind - 1], strlen(argv[optind - 1])));
                        return EXIT_USAGE;
                }
                if (!take_option(o, option))
                        return EXIT_USAGE;
        }
        if (argc - optind + (o->fds_count > 0) != 1) {
                fprintf(stderr, NAME "name one file, or give it with --fd\n");
                return EXIT_USAGE;
        }
        o->path = optind < argc ? argv[optind] : NULL;
        return EXIT_DONE;
}

static int open_path(struct options *o) {
        struct model_files files;
        char shown[256];
        uint32_t failed = 0;
        int r = model_files_list(o->path, &files);
        if (r < 0) {
                fprintf(stderr, NAME "%s: %s\n", printable_copy(shown, sizeof(shown), o->path, strlen(o->path)),
                        r == -EINVAL ? "no split model has a part of this name" : strerror(-r));
                return r;
        }
        r = model_files_open(&files, o->fds, &failed);
        if (r < 0)
                fprintf(stderr, NAME "cannot open %s: %s\n",
                        printable_copy(shown, sizeof(shown), files.paths[failed], strlen(files.paths[failed])), strerror(-r));
        else
                o->fds_count = files.count;
        model_files_done(&files);
        return r;
}

/* ---- looking ---- */

/* As a worker that is told nothing would choose: engine_open is the other place. */
static void fill_defaults(struct inspect_load *load, const struct shape *s) {
        uint32_t trained = s && s->n_ctx_train < ENGINE_CTX_DEFAULT ? s->n_ctx_train : ENGINE_CTX_DEFAULT;
        load->ctx = load->ctx ? load->ctx : trained;
        load->kv_tokens = load->kv_tokens ? load->kv_tokens : 2 * load->ctx;
        load->parallel = load->parallel ? load->parallel : ENGINE_PARALLEL_DEFAULT;
        load->threads = load->threads ? load->threads : processors_available();
        load->batch = ENGINE_PREFILL_CHUNK_DEFAULT > load->parallel ? ENGINE_PREFILL_CHUNK_DEFAULT : load->parallel;
}

static int print(const struct options *o, struct inspection *i) {
        struct chat_template chat = chat_template_of(i->gguf);
        i->chat_format = gguf_find(i->gguf, "tokenizer.chat_template") ? chat_family_name(chat.family) : NULL;
        i->files_count = o->fds_count;
        i->load = o->load;
        fill_defaults(&i->load, i->shape);
        int r = 0;
        if (o->json)
                r = inspect_print_json(i, o->summary);
        else
                inspect_print_text(i);
        if (r == 0 && (fflush(stdout) || ferror(stdout)))
                r = -errno;
        if (r < 0)
                fprintf(stderr, NAME "cannot print: %s\n", strerror(-r));
        return r;
}

/* A file that is no model for this engine: as much of it as can be read, and the reason. */
static int look_at_unsupported(const struct options *o, const struct gguf_error *reason, struct gguf_error *reterr) {
        struct gguf *g;
        struct shape s = { 0 };
        int r = gguf_open(o->fds, o->fds_count, &g, reterr);
        if (r < 0)
                return r;
        struct inspection i = { .gguf = g, .unsupported = reason->text };
        if (shape_read(g, &s, reterr) == 0)
                i.shape = &s;
        reterr->text[0] = '\0';
        r = print(o, &i);
        shape_done(&s);
        gguf_close(g);
        return r;
}

/* 0, or -errno and a sentence, which is empty when it has been printed. */
static int look(const struct options *o, struct gguf_error *reterr) {
        struct model *m;
        struct gguf_error reason = { "" };
        int r = model_open(o->fds, o->fds_count, &m, &reason);
        if (r == -ENOTSUP)
                return look_at_unsupported(o, &reason, reterr);
        *reterr = reason;
        if (r < 0)
                return r;
        struct inspection i = { .gguf = m->gguf, .shape = &m->shape };
        r = print(o, &i);
        model_close(m);
        return r;
}

int command_inspect(int argc, char **argv) {
        struct options o = { 0 };
        struct sandbox_report locked;
        char shown[256];
        struct gguf_error error = { "" };
        bool help = false;
        int code = parse(argc, argv, &o, &help);
        if (code != EXIT_DONE || help)
                return code;
        if (o.path && open_path(&o) < 0)
                return EXIT_FAILED;
        int r = sandbox_enter(&locked);
        if (r < 0) {
                fprintf(stderr, NAME "cannot lock itself in: %s\n", strerror(-r));
                return EXIT_FAILED;
        }
        r = look(&o, &error);
        if (r < 0 && error.text[0])
                fprintf(stderr, NAME "%s%s%s\n", o.path ? printable_copy(shown, sizeof(shown), o.path, strlen(o.path)) : "",
                        o.path ? ": " : "", error.text);
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
