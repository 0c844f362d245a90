/*
 * explain.c - events and explain: what the governor did, with its reasons and numbers, and one model's story in sentences.
 *
 * An action's outcome comes seconds after the action. With --follow the action is printed as it happens, and what it freed on a
 * line of its own when that is known.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/base/bounds.h"
#include "ctl/daemon/client.h"
#include "ctl/base/command.h"
#include "ctl/output/units.h"
#include "ctl/output/json.h"
#include "ctl/daemon/report.h"
#include "ctl/output/terminal.h"

/* --- one event as a line --- */

static struct human signed_bytes(const cJSON *object, const char *key) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
        struct human h = { "-" };
        if (!cJSON_IsNumber(item))
                return h;
        bool negative = item->valuedouble < 0;
        struct human size = human_bytes((uint64_t) (negative ? -item->valuedouble : item->valuedouble));
        snprintf(h.text, sizeof(h.text), "%s%.24s", negative ? "-" : "", size.text);
        return h;
}

static void add(char *line, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add(char *line, size_t size, const char *format, ...) {
        size_t used = strlen(line);
        va_list args;
        va_start(args, format);
        vsnprintf(line + used, size - used, format, args);
        va_end(args);
}

/* "because memory will soon be gone": words of the daemon, which are stable. */
static void add_action(char *line, size_t size, const cJSON *event) {
        uint64_t bytes, ms;
        const char *to = json_text(event, "to"), *model = json_text(event, "model");
        if (*model)
                add(line, size, " %s", model);
        if (*to)
                add(line, size, " to %s", to);
        else if (json_number(event, "to", &bytes))
                add(line, size, " to %llu tokens", (unsigned long long) bytes);
        add(line, size, " (%s): headroom %s", json_text(event, "reason"), signed_bytes(event, "headroom_bytes").text);
        if (json_number(event, "exhaustion_ms", &ms) && ms < FORECAST_SHOWN_MS)
                add(line, size, ", gone in %s", human_duration_ms(ms).text);
        if (json_number(event, "expected_bytes", &bytes) && bytes > 0)
                add(line, size, ", %s expected", human_bytes(bytes).text);
        if (json_number(event, "freed_bytes", &bytes))
                add(line, size, ", %s freed", human_bytes(bytes).text);
        if (!strcmp(json_text(event, "result"), "failed"))
                add(line, size, ", failed: %s", json_text(event, "error"));
        if (json_is_true(event, "emergency"))
                add(line, size, ", emergency");
}

static void add_change(char *line, size_t size, const cJSON *event) {
        const char *what = json_text(event, "what"), *sensor = json_text(event, "sensor");
        uint64_t number;
        const cJSON *degrees = cJSON_GetObjectItemCaseSensitive(event, "millidegrees");
        if (!strcmp(what, "heat")) {
                json_number(event, "duty_permille", &number);
                add(line, size, " level %llu, engines compute %llu %% of the time (%s)",
                    (unsigned long long) json_count(event, "heat_level"),
                    (unsigned long long) json_count(event, "duty_permille") / 10, json_text(event, "reason"));
                if (cJSON_IsNumber(degrees))
                        add(line, size, ": %.1f degrees", degrees->valuedouble / 1000);
                if (*sensor)
                        add(line, size, "%s %s", cJSON_IsNumber(degrees) ? "," : ":", sensor);
                return;
        }
        if (!strcmp(what, "sensor")) {
                add(line, size, " %s (%s): %.1f degrees; %s", sensor, json_text(event, "reason"),
                    cJSON_IsNumber(degrees) ? degrees->valuedouble / 1000 : 0, json_text(event, "sentence"));
                return;
        }
        if (!strncmp(what, "trace", strlen("trace"))) {
                add(line, size, " %s (%s)", json_text(event, "model"), json_text(event, "reason"));
                return;
        }
        add(line, size, " %s (%s): headroom %s", json_text(event, "rung"), json_text(event, "reason"),
            signed_bytes(event, "headroom_bytes").text);
        if (json_number(event, "exhaustion_ms", &number) && number < FORECAST_SHOWN_MS)
                add(line, size, ", gone in %s", human_duration_ms(number).text);
}

static void add_candidates(char *line, size_t size, const cJSON *event) {
        const cJSON *c, *list = json_array(event, "considered");
        uint64_t ms, bytes;
        cJSON_ArrayForEach(c, list) {
                add(line, size, "%s %s", c == list->child ? "; considered:" : ",", json_text(c, "model"));
                if (json_number(c, "idle_ms", &ms) && ms > 0)
                        add(line, size, " idle %s", human_duration_ms(ms).text);
                if (json_number(c, "bytes", &bytes))
                        add(line, size, " %s", human_bytes(bytes).text);
                add(line, size, " %s", json_text(c, "fate"));
        }
}

/* A load, an unload, a refusal, a death. */
static void add_life(char *line, size_t size, const cJSON *event) {
        const char *for_model = json_text(event, "for"), *rule = json_text(event, "rule");
        uint64_t bytes;
        add(line, size, " %s (%s%s%s)", json_text(event, "model"), json_text(event, "reason"), *for_model ? " for " : "",
            for_model);
        if (*rule)
                add(line, size, ": %s needed, %s of %s in use (%s)", human_bytes(json_count(event, "needed_bytes")).text,
                    human_bytes(json_count(event, "used_bytes")).text, human_bytes(json_count(event, "limit_bytes")).text, rule);
        else if (json_number(event, "bytes", &bytes) && bytes > 0)
                add(line, size, ": %s", human_bytes(bytes).text);
}

static void print_event(const cJSON *event) {
        char line[1024] = "";
        const char *what = json_text(event, "what");
        add(line, sizeof(line), "%5llu  %s  %s", (unsigned long long) json_count(event, "number"),
            human_clock(json_count(event, "unix_ms")).text, what);
        if (cJSON_GetObjectItemCaseSensitive(event, "result"))
                add_action(line, sizeof(line), event);
        else if (cJSON_GetObjectItemCaseSensitive(event, "bytes"))
                add_life(line, sizeof(line), event);
        else
                add_change(line, sizeof(line), event);
        add_candidates(line, sizeof(line), event);
        char *escaped = terminal_escape(line);
        puts(escaped);
        free(escaped);
}

/* --- following --- */

/* Actions whose outcome is not known yet. */
struct pending {
        uint32_t count;
        uint64_t numbers[EVENTS_PENDING_MAX];
};

static bool is_open(const cJSON *event) {
        return json_count(event, "expected_bytes") > 0 && cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(event, "freed_bytes")) &&
               strcmp(json_text(event, "result"), "failed") != 0;
}

static void wait_for(struct pending *p, const cJSON *event) {
        if (is_open(event) && p->count < EVENTS_PENDING_MAX)
                p->numbers[p->count++] = json_count(event, "number");
}

/* Prints the outcome of EVENT if it was awaited and is known. */
static void print_outcome(struct pending *p, const cJSON *event, bool json) {
        uint64_t number = json_count(event, "number");
        for (uint32_t i = 0; i < p->count; i++) {
                if (p->numbers[i] != number || is_open(event))
                        continue;
                p->numbers[i] = p->numbers[--p->count];
                if (json)
                        json_print(event, stdout);
                else
                        print_event(event);
                return;
        }
}

static int get_events(const struct invocation *in, uint64_t after, cJSON **ret, struct problem *problem) {
        char path[CLIENT_PATH_MAX], model[CLIENT_PATH_MAX / 2] = "";
        if (in->args_count > 0 && client_escape(in->args[0], model, sizeof(model)) < 0) {
                *problem = (struct problem){ .exit_code = CTL_FAILED, .code = "model_not_found" };
                snprintf(problem->message, sizeof(problem->message), "no model has so long a name");
                return CTL_FAILED;
        }
        snprintf(path, sizeof(path), "/control/events?after=%llu%s%s", (unsigned long long) after, *model ? "&model=" : "",
                 model);
        return client_get(in->socket_path, path, ret, problem);
}

static int follow(const struct invocation *in, uint64_t last, struct pending *pending) {
        for (;;) {
                struct problem problem;
                cJSON *whole;
                uint64_t after = last;
                for (uint32_t i = 0; i < pending->count; i++)
                        after = pending->numbers[i] - 1 < after ? pending->numbers[i] - 1 : after;
                fflush(stdout);
                usleep(FOLLOW_PERIOD_MS * 1000);
                if (get_events(in, after, &whole, &problem))
                        return report(in, &problem);
                const cJSON *event;
                cJSON_ArrayForEach(event, json_array(whole, "events")) {
                        if (json_count(event, "number") <= last) {
                                print_outcome(pending, event, in->json);
                                continue;
                        }
                        if (in->json)
                                json_print(event, stdout);
                        else
                                print_event(event);
                        wait_for(pending, event);
                }
                last = json_count(whole, "last") > last ? json_count(whole, "last") : last;
                cJSON_Delete(whole);
        }
}

int command_events(const struct invocation *in) {
        struct problem problem;
        struct pending pending = { 0 };
        cJSON *whole;
        if (get_events(in, 0, &whole, &problem))
                return report(in, &problem);
        const cJSON *events = json_array(whole, "events"), *event;
        if (in->json && !in->follow)
                json_print(whole, stdout);
        else if (!in->follow && cJSON_GetArraySize(events) == 0)
                puts("Nothing has been done yet.");
        cJSON_ArrayForEach(event, events) {
                if (in->json && in->follow)
                        json_print(event, stdout);
                else if (!in->json)
                        print_event(event);
                wait_for(&pending, event);
        }
        uint64_t last = json_count(whole, "last");
        cJSON_Delete(whole);
        return in->follow ? follow(in, last, &pending) : CTL_DONE;
}

/* --- explain --- */

static void print_sentences(const cJSON *story) {
        const cJSON *sentence;
        cJSON_ArrayForEach(sentence, json_array(story, "sentences")) {
                char *text = terminal_escape(cJSON_IsString(sentence) ? sentence->valuestring : "");
                puts(text);
                free(text);
        }
}

int command_explain(const struct invocation *in) {
        char path[CLIENT_PATH_MAX], model[CLIENT_PATH_MAX / 2];
        struct problem problem = { .exit_code = CTL_FAILED, .code = "model_not_found", .message = "no model has so long a name" };
        cJSON *story;
        if (client_escape(in->args[0], model, sizeof(model)) < 0)
                return report(in, &problem);
        snprintf(path, sizeof(path), "/control/explain?model=%s", model);
        if (client_get(in->socket_path, path, &story, &problem))
                return report(in, &problem);
        if (in->json)
                json_print(story, stdout);
        else
                print_sentences(story);
        cJSON_Delete(story);
        return CTL_DONE;
}

/* --- record --- */

static int write_file(const char *path, const char *text) {
        FILE *out = fopen(path, "we");
        bool good = out && fputs(text, out) >= 0;
        if (out && fclose(out) != 0)
                good = false;
        if (!good)
                complain("cannot write %s: %m", path);
        return good ? CTL_DONE : CTL_FAILED;
}

int command_record(const struct invocation *in) {
        struct problem problem;
        char *text;
        int rc = client_get_text(in->socket_path, "/control/record", &text, &problem);
        if (rc)
                return report(in, &problem);
        if (in->args_count > 0 && strcmp(in->args[0], "-") != 0)
                rc = write_file(in->args[0], text);
        else
                fputs(text, stdout);
        free(text);
        return rc;
}
