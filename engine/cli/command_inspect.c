/*
 * command_inspect.c - headroom-engine inspect: the contents of a model file and the memory it would need, from its headers.
 *
 * The files are opened, or come as inherited descriptors; then the process locks itself in, and only then reads the
 * first byte of them. A model that is whole but cannot be run here is shown all the same, with the reason.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/bounds.h"
#include "engine/cli/commands.h"
#include "engine/runtime/engine.h"
#include "engine/cli/inspect.h"
#include "engine/model/kind.h"
#include "engine/model/model.h"
#include "engine/gguf/files.h"
#include "engine/cli/options.h"
#include "engine/compute/processors.h"
#include "engine/runtime/parts.h"
#include "engine/base/printable.h"
#include "engine/worker/sandbox.h"
#include "engine/wire/wire.h"

#define NAME "headroom-engine inspect: "

struct arguments {
        const char *path;
        struct descriptors files;
        bool json, summary;
        struct engine_config load;
};

/* ---- options ---- */

#define AT(field) offsetof(struct arguments, field)

static const struct option_row options[] = {
        { "json", 0, NULL, option_flag, AT(json), .help = "one JSON object instead of text" },
        { "summary", 0, NULL, option_flag, AT(summary), .help = "with --json: leave metadata and tensors out" },
        { "fd", 0, "N", option_descriptor, AT(files), .help = "read the open descriptor N; once per part, in order" },
        { "ctx", 0, "N", option_number, AT(load.ctx), 1, HPARAMS_CTX_MAX,
          .help = "tokens of one conversation (default: 4096, or what the model was trained on if less)" },
        { "kv-tokens", 0, "N", option_number, AT(load.kv_tokens), 1, HPARAMS_CTX_MAX,
          .help = "tokens of all conversations together (default: twice --ctx)" },
        { "parallel", 0, "N", option_number, AT(load.parallel), 1, WIRE_PARALLEL_MAX,
          .help = "conversations served at once (default: 4)" },
        { "speculate", 0, "HOW", option_speculate, AT(load.speculate),
          .help = "guess the tokens to come: auto (default: while it pays), off, lookup (wherever the text\n"
                  "repeats itself)" },
        { "threads", 't', "N", option_number, AT(load.threads), 1, THREADS_MAX,
          .help = "threads (default: one per core)" },
        { 0 },
};

static bool complete(const void *arguments) {
        const struct arguments *a = arguments;
        return !a->path != !a->files.count;
}

static const struct command_line line = {
        .name = "headroom-engine inspect",
        .usage = { "FILE [OPTIONS]", "--fd N [--fd N ...] [OPTIONS]" },
        .about = "Shows the contents of a GGUF file and the memory it would need. Any part of a split model names all of it.\n",
        .options = options,
        .operands = { AT(path) },
        .operands_count = 1,
        .complete = complete,
        .needs = "one FILE, or its descriptors by --fd, are needed",
};

static int open_path(struct arguments *a) {
        struct model_files files;
        char shown[256];
        uint32_t failed = 0;
        int r = model_files_list(a->path, &files);
        if (r < 0) {
                fprintf(stderr, NAME "%s: %s\n", printable_copy(shown, sizeof(shown), a->path, strlen(a->path)),
                        r == -EINVAL ? "no split model has a part of this name" : strerror(-r));
                return r;
        }
        r = model_files_open(&files, a->files.fds, &failed);
        if (r < 0)
                fprintf(stderr, NAME "cannot open %s: %s\n",
                        printable_copy(shown, sizeof(shown), files.paths[failed], strlen(files.paths[failed])), strerror(-r));
        else
                a->files.count = files.count;
        model_files_done(&files);
        return r;
}

/* ---- looking ---- */

static int print(const struct arguments *a, struct inspection *i) {
        i->no_model = model_kind_else(i->gguf);
        i->chat_format = gguf_find(i->gguf, "tokenizer.chat_template") ? chat_template_format(i->chat) : NULL;
        i->files_count = a->files.count;
        i->load = i->hparams ? engine_config_resolve(a->load, i->hparams) : a->load;
        int r = 0;
        if (a->json)
                r = inspect_print_json(i, a->summary);
        else
                inspect_print_text(i);
        if (r == 0 && (fflush(stdout) || ferror(stdout)))
                r = -errno;
        if (r < 0)
                fprintf(stderr, NAME "cannot print: %s\n", strerror(-r));
        return r;
}

/*
 * A file that is no model, or none for this engine: as much of it as can be read, and REASON. Of what should be a model and is
 * damaged (ERROR) the reason is all there is to say.
 */
static int look_at_unsupported(const struct arguments *a, int error, const struct gguf_error *reason, struct gguf_error *reterr) {
        struct gguf *g;
        struct hparams s = { 0 };
        int r = gguf_open(a->files.fds, a->files.count, &g, reterr);
        if (r < 0)
                return r;
        if (error != -ENOTSUP && !model_kind_else(g)) {
                *reterr = *reason;
                gguf_close(g);
                return error;
        }
        struct chat_template chat;
        r = chat_template_init(&chat, g, NULL);
        if (r < 0) {
                gguf_close(g);
                return parts_failed(reterr, r, "chat template");
        }
        struct inspection i = { .gguf = g, .unsupported = reason->text, .chat = &chat };
        if (hparams_read(g, &s, reterr) == 0)
                i.hparams = &s;
        reterr->text[0] = '\0';
        r = print(a, &i);
        hparams_done(&s);
        chat_template_done(&chat);
        gguf_close(g);
        return r;
}

/* 0, or -errno and a sentence, which is empty when it has been printed. */
static int look(const struct arguments *a, struct gguf_error *reterr) {
        struct model *m;
        struct gguf_error reason = { "" };
        int r = model_open(a->files.fds, a->files.count, &m, &reason);
        if (r < 0)
                return look_at_unsupported(a, r, &reason, reterr);
        struct inspection i = { .gguf = m->gguf, .hparams = &m->hparams, .chat = &m->chat };
        r = print(a, &i);
        model_close(m);
        return r;
}

int command_inspect(int argc, char **argv) {
        struct arguments a = { .load = engine_config_default() };
        struct sandbox_report locked;
        char shown[256];
        struct gguf_error error = { "" };
        int code = options_read(&line, &a, argc, argv);
        if (code != OPTIONS_READ)
                return code;
        if (a.path && open_path(&a) < 0)
                return EXIT_FAILED;
        if (a.load.threads == 0)
                a.load.threads = processors_available(); /* sysfs is not to be seen from inside */
        int r = sandbox_enter(&locked);
        if (r < 0) {
                fprintf(stderr, NAME "cannot lock itself in: %s\n", strerror(-r));
                return EXIT_FAILED;
        }
        r = look(&a, &error);
        if (r < 0 && error.text[0])
                fprintf(stderr, NAME "%s%s%s\n", a.path ? printable_copy(shown, sizeof(shown), a.path, strlen(a.path)) : "",
                        a.path ? ": " : "", error.text);
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
