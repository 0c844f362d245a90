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
#include "engine/parts.h"
#include "engine/printable.h"
#include "engine/sandbox.h"
#include "engine/wire.h"

#define NAME "headroom-engine inspect: "

struct options {
        const char *path;
        int fds[MODEL_FILES_MAX];
        uint32_t fds_count;
        bool json, summary;
        struct engine_config load;
};

static const char help[] =
        "usage: headroom-engine inspect FILE [--json [--summary]] [--ctx N] [--kv-tokens N] [--parallel N] [--threads N]\n"
        "       headroom-engine inspect --fd N [--fd N ...] [...]\n\n"
        "Tells what a GGUF file holds, and how much memory it would need. Any part of a split model names all of it.\n\n"
        "  --json         one JSON object instead of text\n"
        "  --summary      with --json: leave metadata and tensors out\n"
        "  --fd N         read the open descriptor N; once per part, in order\n"
        "  --ctx N        tokens of one conversation (default: 4096, or what the model was trained on if less)\n"
        "  --kv-tokens N  tokens of all conversations together (default: twice --ctx)\n"
        "  --parallel N   conversations served at once (default: 4)\n"
        "  --threads N    threads (default: as many as there are processors)\n"
        "  --help         show this\n";

/* ---- options ---- */

enum { OPTION_JSON = 256, OPTION_SUMMARY, OPTION_FD, OPTION_CTX, OPTION_KV_TOKENS, OPTION_PARALLEL, OPTION_THREADS };

static const struct option names[] = {
        { "json", no_argument, NULL, OPTION_JSON },
        { "summary", no_argument, NULL, OPTION_SUMMARY },
        { "fd", required_argument, NULL, OPTION_FD },
        { "ctx", required_argument, NULL, OPTION_CTX },
        { "kv-tokens", required_argument, NULL, OPTION_KV_TOKENS },
        { "parallel", required_argument, NULL, OPTION_PARALLEL },
        { "threads", required_argument, NULL, OPTION_THREADS },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int add_fd(struct options *o, const char *value) {
        uint32_t fd;
        if (o->fds_count == MODEL_FILES_MAX || option_u32(value, 0, INT32_MAX, &fd) < 0)
                return -EINVAL;
        o->fds[o->fds_count++] = (int) fd;
        return 0;
}

static int take_option(void *arguments, int option, const char *value) {
        struct options *o = arguments;
        switch (option) {
        case OPTION_JSON: o->json = true; return 0;
        case OPTION_SUMMARY: o->summary = true; return 0;
        case OPTION_FD: return add_fd(o, value);
        case OPTION_CTX: return option_u32(value, 1, SHAPE_CTX_MAX, &o->load.ctx);
        case OPTION_KV_TOKENS: return option_u32(value, 1, SHAPE_CTX_MAX, &o->load.kv_tokens);
        case OPTION_PARALLEL: return option_u32(value, 1, WIRE_PARALLEL_MAX, &o->load.parallel);
        case OPTION_THREADS: return option_u32(value, 1, THREADS_MAX, &o->load.threads);
        default: return -ENOENT;
        }
}

/* As options_read. */
static int parse(struct options *o, int argc, char **argv, bool *ret_helped) {
        static const struct command_options known = { "inspect", help, "h", names, take_option };
        int code = options_read(&known, o, argc, argv, ret_helped);
        if (code != EXIT_DONE || *ret_helped)
                return code;
        if (argc - optind + (o->fds_count > 0) != 1) {
                fputs(NAME "one FILE, or its descriptors by --fd, are needed; see --help\n", stderr);
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

static int print(const struct options *o, struct inspection *i) {
        i->chat_format = gguf_find(i->gguf, "tokenizer.chat_template") ? chat_template_format(i->chat) : NULL;
        i->files_count = o->fds_count;
        i->load = i->shape ? engine_config_resolve(o->load, i->shape) : o->load;
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
        struct chat_template chat;
        r = chat_template_init(&chat, g, NULL);
        if (r < 0) {
                gguf_close(g);
                return parts_failed(reterr, r, "chat template");
        }
        struct inspection i = { .gguf = g, .unsupported = reason->text, .chat = &chat };
        if (shape_read(g, &s, reterr) == 0)
                i.shape = &s;
        reterr->text[0] = '\0';
        r = print(o, &i);
        shape_done(&s);
        chat_template_done(&chat);
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
        struct inspection i = { .gguf = m->gguf, .shape = &m->shape, .chat = &m->chat };
        r = print(o, &i);
        model_close(m);
        return r;
}

int command_inspect(int argc, char **argv) {
        struct options o = { .load = engine_config_default() };
        struct sandbox_report locked;
        char shown[256];
        struct gguf_error error = { "" };
        bool helped = false;
        int code = parse(&o, argc, argv, &helped);
        if (code != EXIT_DONE || helped)
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
