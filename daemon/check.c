/* check.c - see check.h. */
#include "daemon/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "daemon/state/model.h"
#include "daemon/worker/inspection.h"

struct check {
        const struct config *config;
        const struct config_model *model; /* that is looked into */
        config_report *report;
        void *user;
        int result;
};

static void tell(struct check *c, bool is_no_model, const char *sentence) {
        const struct config_model *m = c->model;
        char text[1024];

        (void) snprintf(text, sizeof text, "%s: %s: %s", m->path,
                        m->discovered && is_no_model ? "is left out" : "the model cannot be used", sentence);
        c->report(c->user, m->discovered, text);
        c->result = m->discovered ? c->result : -EINVAL;
}

static void on_inspected(void *user, enum inspection_end end, const struct inspected *result, const char *sentence) {
        (void) result;
        if (end != INSPECTION_WELL)
                tell(user, end == INSPECTION_NO_MODEL, sentence);
}

static void look_into(struct check *c, uv_loop_t *loop) {
        const struct model m = { .config = c->model };
        struct inspection *inspection;
        struct open_files files;
        char sentence[400];
        int r = model_open_files(&m, &files, sentence, sizeof sentence);

        if (r == 0) {
                const struct inspection_request request = { .engine_path = c->config->engine_path,
                                                            .fds = files.fds,
                                                            .fds_count = files.count,
                                                            .threads = c->model->threads,
                                                            .parallel = c->model->parallel };
                r = inspection_start(loop, &request, on_inspected, c, &inspection);
                model_files_close(&files);
                if (r < 0)
                        (void) snprintf(sentence, sizeof sentence, "the engine cannot be started: %s", strerror(-r));
        }
        if (r < 0)
                tell(c, false, sentence);
        (void) uv_run(loop, UV_RUN_DEFAULT);
}

int check_models(const struct config *config, config_report *report, void *user) {
        struct check c = { .config = config, .report = report, .user = user };
        uv_loop_t loop;
        int r = uv_loop_init(&loop);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < config->models_count; i++) {
                c.model = &config->models[i];
                look_into(&c, &loop);
        }
        (void) uv_loop_close(&loop);
        return c.result;
}
