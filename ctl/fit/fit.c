/*
 * fit.c - the memory that a GGUF file needs, and whether this machine can hold it. Needs no daemon.
 *
 * The file is read by the engine's own reader, the bytes are those the engine will allocate, the verdict is that of
 * the policy the daemon follows; only the machine is looked at from here, and with it the engines that run on it.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/fit/bandwidth.h"
#include "ctl/base/bounds.h"
#include "engine/base/bounds.h"
#include "ctl/base/command.h"
#include "ctl/fit/print.h"
#include "ctl/fit/rows.h"
#include "ctl/daemon/client.h"
#include "ctl/output/json.h"
#include "ctl/output/units.h"
#include "ctl/daemon/report.h"
#include "ctl/output/terminal.h"
#include "engine/gguf/gguf.h"
#include "engine/gguf/files.h"
#include "engine/model/fingerprint.h"
#include "engine/model/hparams.h"

/* The options, understood as far as that goes without the file and the machine. */
struct wish {
        uint32_t contexts[CONTEXTS_MAX];
        uint32_t contexts_count; /* 0: those of fit_contexts */
        bool kv_types[KV_TYPE_COUNT];
        uint32_t parallel;
        uint32_t threads; /* 0: one per core */
        double bandwidth; /* bytes per second; negative: to be measured */
};

static int refuse_value(const char *option, const char *value, const char *expected) {
        complain("fit: --%s %s: %s", option, value, expected);
        return CTL_USAGE;
}

/* Calls TAKE for each word of a list separated by commas; stops at the first that is refused. */
static int each_word(const char *list, int (*take)(struct wish *w, const char *word), struct wish *w) {
        char *copy = strdup(list), *rest = copy;
        assert(copy);
        int rc = 0;
        while (rest && rc == 0)
                rc = take(w, strsep(&rest, ","));
        free(copy);
        return rc;
}

static int take_context(struct wish *w, const char *word) {
        uint64_t context;
        if (w->contexts_count == CONTEXTS_MAX || human_parse_number(word, 1, CONTEXT_TOKENS_MAX, &context) < 0)
                return -EINVAL;
        w->contexts[w->contexts_count++] = (uint32_t) context;
        return 0;
}

static int take_kv_type(struct wish *w, const char *word) {
        enum kv_type type;
        if (kv_type_by_name(word, &type) < 0)
                return -EINVAL;
        w->kv_types[type] = true;
        return 0;
}

static int parse_bandwidth(const char *text, double *ret) {
        char *end;
        double gigabytes = strtod(text, &end);
        if (end == text || *end || !(gigabytes >= 0) || !(gigabytes < 1e6))
                return -EINVAL;
        *ret = gigabytes * 1e9;
        return 0;
}

static int parse_wish(const struct invocation *in, struct wish *ret) {
        struct wish w = { .parallel = PARALLEL_DEFAULT, .bandwidth = -1 };
        uint64_t number;
        if (in->context && each_word(in->context, take_context, &w) < 0)
                return refuse_value("context", in->context, "give token counts separated by commas, such as 4096,8192");
        if (each_word(in->kv ? in->kv : "f16,q8_0,q4_0", take_kv_type, &w) < 0)
                return refuse_value("kv", in->kv, "give f16, q8_0, q4_0 or several of them separated by commas");
        if (in->parallel) {
                if (human_parse_number(in->parallel, 1, PARALLEL_MAX, &number) < 0)
                        return refuse_value("parallel", in->parallel, "give a number from 1 to 1024");
                w.parallel = (uint32_t) number;
        }
        if (in->threads) {
                if (human_parse_number(in->threads, 1, THREADS_MAX, &number) < 0)
                        return refuse_value("threads", in->threads, "give a number from 1 to 512");
                w.threads = (uint32_t) number;
        }
        if (in->bandwidth && parse_bandwidth(in->bandwidth, &w.bandwidth) < 0)
                return refuse_value("bandwidth", in->bandwidth, "give GB/s, such as 45.2");
        *ret = w;
        return 0;
}

static int parse_limit(const char *option, const char *value, uint64_t ram_bytes, uint64_t *ret) {
        if (!value || human_parse_bytes(value, ram_bytes, ret) == 0)
                return 0;
        return refuse_value(option, value, "give a size such as 12G, 800M or 70%");
}

static int parse_fraction(const char *value, uint64_t ram_bytes, uint64_t *ret) {
        double fraction = 0.60;
        if (value) {
                char *end;
                fraction = strtod(value, &end);
                fraction = end > value && !strcmp(end, "%") ? fraction / 100 : fraction;
                if (end == value || (*end && strcmp(end, "%") != 0) || !(fraction > 0 && fraction <= 1))
                        return refuse_value("weights-fraction", value, "give a number above 0 up to 1, or a percentage");
        }
        *ret = (uint64_t) ((double) ram_bytes * fraction);
        return 0;
}

/* The daemon's own defaults, unless told otherwise. */
static int set_limits(const struct invocation *in, uint64_t ram_bytes, struct admission_limits *ret) {
        struct admission_limits limits = {
                .budget_bytes = ram_bytes / 100 * 80,
                .reserve_bytes = ram_bytes / 100 * 4,
                .ram_bytes = ram_bytes,
        };
        if (limits.reserve_bytes < 1ull << 30)
                limits.reserve_bytes = 1ull << 30;
        int rc = parse_limit("budget", in->budget, ram_bytes, &limits.budget_bytes);
        rc = rc ? rc : parse_fraction(in->weights_fraction, ram_bytes, &limits.weights_max_bytes);
        rc = rc ? rc : parse_limit("reserve", in->reserve, ram_bytes, &limits.reserve_bytes);
        if (rc == 0)
                *ret = limits;
        return rc;
}

static int fail(struct problem *reterr, const char *path, const char *why) {
        reterr->exit_code = CTL_FAILED;
        snprintf(reterr->code, sizeof(reterr->code), "bad_model_file");
        snprintf(reterr->message, sizeof(reterr->message), "%.600s: %.300s", path, why);
        return -1;
}

static int open_gguf(const char *path, struct gguf **ret, struct problem *reterr) {
        struct model_files files;
        int rc = model_files_list(path, &files);
        if (rc < 0)
                return fail(reterr, path,
                            rc == -EINVAL ? "the part number in this name cannot be: expected NAME-00001-of-0000N.gguf"
                                          : strerror(-rc));
        int *fds = calloc(files.count, sizeof(fds[0]));
        uint32_t failed = 0;
        assert(fds);
        rc = model_files_open(&files, fds, &failed);
        if (rc < 0) {
                fail(reterr, files.paths[failed], strerror(-rc));
        } else {
                struct gguf_error error;
                rc = gguf_open(fds, files.count, ret, &error);
                if (rc < 0)
                        fail(reterr, path, error.text);
                for (uint32_t i = 0; i < files.count; i++)
                        (void) close(fds[i]);
        }
        free(fds);
        model_files_done(&files);
        return rc;
}

/* 0, and *ret is the caller's to hparams_done. */
static int read_hparams(const char *path, struct hparams *ret, struct problem *reterr) {
        struct gguf *g;
        struct gguf_error error;
        if (open_gguf(path, &g, reterr) < 0)
                return -1;
        int rc = hparams_read(g, ret, &error);
        if (rc < 0)
                fail(reterr, path, error.text);
        gguf_close(g);
        return rc;
}

static struct fit_model model_of(const struct hparams *s, uint32_t parallel, uint32_t threads) {
        uint32_t requests = parallel < PASS_REQUESTS       ? PASS_REQUESTS
                            : parallel < PASS_REQUESTS_MAX ? parallel
                                                           : PASS_REQUESTS_MAX;
        struct fit_model m = {
                .weights_bytes = s->weights_bytes,
                .scratch_bytes = hparams_buffer_bytes(s, hparams_pass_tokens(s, PASS_TOKENS, s->n_ctx_train),
                                                      requests + SPECULATION_TOKENS_MAX, threads),
                .overhead_bytes = hparams_overhead_bytes(s),
                .decode_bytes = s->decode_bytes,
                .context_trained = s->n_ctx_train,
        };
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++)
                m.kv_bytes_per_token[type] = hparams_kv_bytes_per_token(s, type);
        return m;
}

static void set_bandwidth(const struct wish *w, uint32_t threads, const struct machine *m, struct fit_report *report) {
        struct bandwidth measured;
        if (w->bandwidth >= 0) {
                report->question.bandwidth = w->bandwidth;
        } else if (bandwidth_measure(threads, report->question.cache_bytes, m->available_bytes, &measured) == 0) {
                report->question.bandwidth = measured.bytes_per_second;
                report->bandwidth_threads = measured.threads;
        }
}

static void fill_rows(struct fit_report *report, const struct wish *w) {
        uint32_t contexts[CONTEXTS_MAX], count = w->contexts_count;
        memcpy(contexts, w->contexts, sizeof(contexts));
        if (count == 0)
                count = fit_contexts(report->model.context_trained, contexts);
        for (uint32_t c = 0; c < count; c++)
                for (unsigned type = 0; type < KV_TYPE_COUNT; type++)
                        if (w->kv_types[type] && report->model.kv_bytes_per_token[type] > 0)
                                report->rows[report->rows_count++] =
                                        fit_row(&report->model, &report->question, contexts[c], type);
}

static int report_fit(const struct invocation *in, const struct wish *w, const struct hparams *hparams, const struct machine *m,
                      const struct admission_limits *limits) {
        uint32_t threads = w->threads ? w->threads : m->cores;
        struct fit_report report = {
                .path = in->args[0],
                .hparams = hparams,
                .model = model_of(hparams, w->parallel, threads),
                .question = { .parallel = w->parallel,
                              .limits = *limits,
                              .machine = m,
                              .cache_bytes = machine_cache_bytes("/sys") },
                .threads = threads,
        };
        uint64_t identity;
        report.is_measured =
                model_identity_of_path(report.path, &identity) == 0 && perplexity_record_load(identity, &report.quality) == 0;
        set_bandwidth(w, threads, m, &report);
        fill_rows(&report, w);
        if (report.rows_count == 0) {
                complain("%s: a quantised KV cache holds heads of 32, 64, ... values; those of this model have %u: give --kv f16",
                         report.path, hparams->d_head_k);
                return CTL_FAILED;
        }
        if (in->json)
                fit_print_json(&report, stdout);
        else
                fit_print(&report, stdout);
        return fit_report_fits(&report) ? CTL_DONE : CTL_NO_FIT;
}

/* What is no file here may be the id of a model: the daemon knows where that is. NULL: it does not, or there is none. */
static char *path_from_daemon(const struct invocation *in) {
        struct problem problem;
        cJSON *whole;
        char *path = NULL;
        if (access(in->args[0], F_OK) == 0 || client_get(in->socket_path, "/control/models", &whole, &problem))
                return NULL;
        const cJSON *model;
        cJSON_ArrayForEach(model, json_array(whole, "models"))
                if (!path && !strcmp(json_text(model, "id"), in->args[0]))
                        path = strdup(json_text(model, "path"));
        cJSON_Delete(whole);
        return path;
}

int command_fit(const struct invocation *in) {
        struct wish wish;
        struct problem problem;
        struct hparams hparams;
        struct machine machine;
        struct admission_limits limits;
        if (machine_read("/proc", "/sys", &machine) < 0) {
                fail(&problem, "/proc/meminfo", "cannot tell how much memory there is");
                return report(in, &problem);
        }
        int rc = parse_wish(in, &wish);
        rc = rc ? rc : set_limits(in, machine.ram_bytes, &limits);
        if (rc)
                return rc;
        char *path = path_from_daemon(in);
        rc = read_hparams(path ? path : in->args[0], &hparams, &problem);
        free(path);
        if (rc < 0)
                return report(in, &problem);
        rc = report_fit(in, &wish, &hparams, &machine, &limits);
        hparams_done(&hparams);
        return rc;
}
