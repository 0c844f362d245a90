/* print.c - the answer of `fit`, for people and as JSON. */
#include "ctl/fit/print.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

#include "ctl/output/units.h"
#include "ctl/output/json.h"
#include "ctl/output/table.h"

bool fit_report_fits(const struct fit_report *r) {
        for (uint32_t i = 0; i < r->rows_count; i++)
                if (fit_is_possible(r->rows[i].fit))
                        return true;
        return false;
}

static uint64_t engines_bytes(const struct machine *m) {
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < m->engines_count; i++)
                bytes += m->engines[i].file_bytes + m->engines[i].taken_bytes;
        return bytes;
}

/* ---- for people ---- */

static void print_model(const struct fit_report *r, FILE *out) {
        const struct hparams *s = r->hparams;
        char *name = terminal_escape(*s->name ? s->name : r->path), *quantization = terminal_escape(s->quantization);
        fprintf(out, "model      %s: %s, %s, %s parameters, %u layers, trained for %u tokens%s\n", name, arch_name(s->arch),
                quantization, human_count(s->parameters).text, s->n_layer, s->n_ctx_train,
                s->pooling == POOLING_RANK ? ", ranks documents" : "");
        fprintf(out, "needs      weights %s, scratch %s (%u threads), overhead %s\n", human_bytes(r->model.weights_bytes).text,
                human_bytes(r->model.scratch_bytes).text, r->threads, human_bytes(r->model.overhead_bytes).text);
        free(quantization);
        free(name);

        fputs("           and for each token of context", out);
        const char *separator = " ";
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++)
                if (r->model.kv_bytes_per_token[type] > 0) {
                        fprintf(out, "%s%s in %s", separator, human_bytes(r->model.kv_bytes_per_token[type]).text,
                                kv_type_name(type));
                        separator = ", ";
                }
        fputc('\n', out);
}

/* "quality    perplexity 6.03 +- 0.43 in f16, +0.1 % in q8_0; wiki.txt, 512 tokens of context, 2026-01-31" */
static void print_quality(const struct fit_report *r, FILE *out) {
        const struct perplexity_record *q = &r->quality;
        const char *separator = "quality    perplexity ";
        if (!r->is_measured)
                return;
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                const struct perplexity_of_kv *k = &q->kv[type];
                if (!k->known)
                        continue;
                if (k->compared)
                        fprintf(out, "%s%+.2f %% in %s", separator, 100 * expm1(k->difference), kv_type_name(type));
                else
                        fprintf(out, "%s%.3f +- %.3f in %s", separator, k->perplexity, k->error, kv_type_name(type));
                separator = ", ";
        }
        char *text = terminal_escape(q->text), *measured = terminal_escape(q->measured);
        fprintf(out, "; %s, %u tokens of context, %.10s\n", text, q->context, measured);
        free(measured);
        free(text);
}

static void print_machine(const struct fit_report *r, FILE *out) {
        const struct machine *m = r->question.machine;
        const struct admission_limits *l = &r->question.limits;
        fprintf(out, "machine    %s of memory, %s available", human_bytes(m->ram_bytes).text,
                human_bytes(m->available_bytes).text);
        if (*m->limit_path) {
                char *path = terminal_escape(m->limit_path);
                fprintf(out, " (limited by %s)", path);
                free(path);
        }
        if (m->engines_count > 0)
                fprintf(out, ", %u engines running with %s", m->engines_count, human_bytes(engines_bytes(m)).text);
        fprintf(out, "\nlimits     budget %s, weights %s, %s stay free\n\n", human_bytes(l->budget_bytes).text,
                human_bytes(l->weights_max_bytes).text, human_bytes(l->reserve_bytes).text);
}

static enum tint fit_tint(enum fit fit) {
        static const enum tint tints[FIT_COUNT] = {
                [FIT_NOW] = TINT_GOOD,
                [FIT_AFTER_UNLOADING] = TINT_WARN,
                [FIT_NOT_NOW] = TINT_BAD,
                [FIT_NEVER] = TINT_BAD,
        };
        return tints[fit];
}

/* "never here: 3.2 GiB over the budget" */
static void describe(const struct fit_row *row, char *out, size_t size) {
        static const char *const over[RULE_COUNT] = {
                [RULE_NONE] = "",
                [RULE_BUDGET] = "over the budget",
                [RULE_WEIGHTS] = "over the limit of weights",
                [RULE_AVAILABLE] = "more than the machine has",
                [RULE_PLACES] = "",
        };
        struct human by = human_bytes(row->short_bytes);
        if (row->fit == FIT_NOW)
                snprintf(out, size, "fits now");
        else if (row->fit == FIT_AFTER_UNLOADING)
                snprintf(out, size, "fits when others are unloaded");
        else if (row->fit == FIT_NOT_NOW)
                snprintf(out, size, "not now: other programs leave %s too little", by.text);
        else
                snprintf(out, size, "never here: %s %s", by.text, over[row->rule]);
}

static void print_rows(const struct fit_report *r, FILE *out) {
        static const struct column columns[] = {
                { "CONTEXT", ALIGN_RIGHT }, { "KV", ALIGN_LEFT },        { "KV CACHE", ALIGN_RIGHT },
                { "TOTAL", ALIGN_RIGHT },   { "TOKENS/S", ALIGN_RIGHT }, { "VERDICT", ALIGN_LEFT },
        };
        struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
        for (uint32_t i = 0; i < r->rows_count; i++) {
                const struct fit_row *row = &r->rows[i];
                char verdict[96];
                describe(row, verdict, sizeof(verdict));
                table_cell(t, TINT_NONE, "%u", row->context);
                table_cell(t, TINT_NONE, "%s", kv_type_name(row->kv_type));
                table_cell(t, TINT_NONE, "%s", human_bytes(row->kv_bytes).text);
                table_cell(t, TINT_NONE, "%s", human_bytes(row->total_bytes).text);
                if (row->tokens_per_second > 0)
                        table_cell(t, TINT_NONE, "< %s", human_rate(row->tokens_per_second).text);
                else
                        table_cell(t, TINT_NONE, "-");
                table_cell(t, fit_tint(row->fit), "%s", verdict);
        }
        table_print(t, out);
        table_free(t);
}

/* Prints the assumption behind the column TOKENS/S. */
static void print_speed_note(const struct fit_report *r, FILE *out) {
        const struct fit_question *q = &r->question;
        if (r->model.decode_bytes <= q->cache_bytes)
                fprintf(out, "\nThe weights fit into the processor's cache of %s: memory does not bound the speed.\n",
                        human_bytes(q->cache_bytes).text);
        else if (!(q->bandwidth > 0))
                fputs("\nThe memory bandwidth is not known: no speeds.\n", out);
        else
                fprintf(out,
                        "\nTokens/s of one request at the end of its context, at most: %.0f %% of %.1f GB/s (%s), the most that "
                        "decoding\n"
                        "on processors has been seen to use. A context not yet filled is faster.\n",
                        DECODE_EFFICIENCY_MAX * 100, q->bandwidth / 1e9, r->bandwidth_threads ? "measured just now" : "as told");
        if (r->rows_count > 0 && r->rows[r->rows_count - 1].context > r->hparams->n_ctx_train)
                fputs("Beyond the length it was trained for, a model of this kind loses the thread.\n", out);
        fprintf(out, "With context = auto headroomd would load it now with %u of the %u tokens that it was trained for.\n",
                fit_context_auto(&r->model, q), r->hparams->n_ctx_train);
        fprintf(out, "KV CACHE: for %u %s of that context.\n", q->parallel, q->parallel == 1 ? "request" : "requests");
}

void fit_print(const struct fit_report *r, FILE *out) {
        print_model(r, out);
        print_quality(r, out);
        print_machine(r, out);
        print_rows(r, out);
        print_speed_note(r, out);
}

/* ---- as JSON ---- */

static void add_number(cJSON *object, const char *key, uint64_t value) {
        cJSON_AddNumberToObject(object, key, (double) value);
}

static void add_text_or_null(cJSON *object, const char *key, const char *text) {
        if (text && *text)
                cJSON_AddStringToObject(object, key, text);
        else
                cJSON_AddNullToObject(object, key);
}

static cJSON *model_object(const struct fit_report *r) {
        const struct hparams *s = r->hparams;
        cJSON *model = cJSON_CreateObject(), *kv;
        cJSON_AddStringToObject(model, "name", s->name);
        cJSON_AddStringToObject(model, "architecture", arch_name(s->arch));
        cJSON_AddStringToObject(model, "quantization", s->quantization);
        cJSON_AddBoolToObject(model, "ranks", s->pooling == POOLING_RANK);
        add_number(model, "parameters", s->parameters);
        add_number(model, "layers", s->n_layer);
        add_number(model, "context_trained", s->n_ctx_train);
        add_number(model, "weights_bytes", r->model.weights_bytes);
        add_number(model, "decode_bytes", r->model.decode_bytes);
        add_number(model, "scratch_bytes", r->model.scratch_bytes);
        add_number(model, "overhead_bytes", r->model.overhead_bytes);
        kv = cJSON_AddObjectToObject(model, "kv_bytes_per_token");
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                if (r->model.kv_bytes_per_token[type] > 0)
                        add_number(kv, kv_type_name(type), r->model.kv_bytes_per_token[type]);
                else
                        cJSON_AddNullToObject(kv, kv_type_name(type));
        }
        return model;
}

static cJSON *quality_object(const struct fit_report *r) {
        if (!r->is_measured)
                return cJSON_CreateNull();
        const struct perplexity_record *q = &r->quality;
        cJSON *quality = cJSON_CreateObject(), *kv;
        cJSON_AddStringToObject(quality, "text", q->text);
        cJSON_AddStringToObject(quality, "measured", q->measured);
        add_number(quality, "context", q->context);
        add_number(quality, "counted", q->counted);
        kv = cJSON_AddObjectToObject(quality, "kv");
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                const struct perplexity_of_kv *k = &q->kv[type];
                if (!k->known)
                        continue;
                cJSON *one = cJSON_AddObjectToObject(kv, kv_type_name(type));
                cJSON_AddNumberToObject(one, "perplexity", k->perplexity);
                cJSON_AddNumberToObject(one, "perplexity_error", k->error);
                if (k->compared)
                        cJSON_AddNumberToObject(one, "difference", k->difference);
        }
        return quality;
}

static cJSON *machine_object(const struct fit_report *r) {
        const struct machine *m = r->question.machine;
        cJSON *machine = cJSON_CreateObject();
        add_number(machine, "host_bytes", m->host_bytes);
        add_number(machine, "memory_bytes", m->ram_bytes);
        add_number(machine, "available_bytes", m->available_bytes);
        add_text_or_null(machine, "limit_path", m->limit_path);
        add_number(machine, "engines", m->engines_count);
        add_number(machine, "engines_bytes", engines_bytes(m));
        add_number(machine, "threads", r->threads);
        return machine;
}

static cJSON *limits_object(const struct admission_limits *l) {
        cJSON *limits = cJSON_CreateObject();
        add_number(limits, "budget_bytes", l->budget_bytes);
        add_number(limits, "weights_bytes", l->weights_max_bytes);
        add_number(limits, "reserve_bytes", l->reserve_bytes);
        return limits;
}

static cJSON *bandwidth_object(const struct fit_report *r) {
        if (!(r->question.bandwidth > 0))
                return cJSON_CreateNull();
        cJSON *bandwidth = cJSON_CreateObject();
        cJSON_AddNumberToObject(bandwidth, "bytes_per_second", round(r->question.bandwidth));
        cJSON_AddBoolToObject(bandwidth, "measured", r->bandwidth_threads > 0);
        cJSON_AddNumberToObject(bandwidth, "efficiency_max", DECODE_EFFICIENCY_MAX);
        return bandwidth;
}

static cJSON *row_object(const struct fit_row *row, uint32_t parallel) {
        cJSON *object = cJSON_CreateObject();
        add_number(object, "context", row->context);
        cJSON_AddStringToObject(object, "kv_type", kv_type_name(row->kv_type));
        add_number(object, "parallel", parallel);
        add_number(object, "kv_bytes", row->kv_bytes);
        add_number(object, "total_bytes", row->total_bytes);
        cJSON_AddStringToObject(object, "verdict", fit_word(row->fit));
        add_text_or_null(object, "rule", row->rule == RULE_NONE ? NULL : policy_rule_word(row->rule));
        add_number(object, "short_bytes", row->short_bytes);
        if (row->tokens_per_second > 0)
                cJSON_AddNumberToObject(object, "tokens_per_second_max", row->tokens_per_second);
        else
                cJSON_AddNullToObject(object, "tokens_per_second_max");
        return object;
}

void fit_print_json(const struct fit_report *r, FILE *out) {
        cJSON *whole = cJSON_CreateObject(), *rows;
        cJSON_AddStringToObject(whole, "file", r->path);
        cJSON_AddItemToObject(whole, "model", model_object(r));
        cJSON_AddItemToObject(whole, "quality", quality_object(r));
        cJSON_AddItemToObject(whole, "machine", machine_object(r));
        cJSON_AddItemToObject(whole, "limits", limits_object(&r->question.limits));
        cJSON_AddItemToObject(whole, "bandwidth", bandwidth_object(r));
        rows = cJSON_AddArrayToObject(whole, "rows");
        for (uint32_t i = 0; i < r->rows_count; i++)
                cJSON_AddItemToArray(rows, row_object(&r->rows[i], r->question.parallel));
        cJSON_AddBoolToObject(whole, "fits", fit_report_fits(r));
        add_number(whole, "context_auto", fit_context_auto(&r->model, &r->question));
        json_print(whole, out);
        cJSON_Delete(whole);
}
