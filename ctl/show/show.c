/*
 * show.c - status, ps and models: what the daemon says of itself and its models, as tables or as it came.
 *
 * Absent and null members print as "-": an older daemon is shown as far as it tells.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/daemon/client.h"
#include "ctl/base/command.h"
#include "ctl/output/units.h"
#include "ctl/output/json.h"
#include "ctl/daemon/report.h"
#include "ctl/show/internal.h"
#include "ctl/output/table.h"
#include "ctl/output/terminal.h"

static bool is_absent(const cJSON *model) {
        return !strcmp(json_text(model, "state"), "absent");
}

/* As people should read it: of an engine that others have stopped, that says more than its place in the life of a model. */
static const char *state_of(const cJSON *model) {
        return json_is_true(model, "stopped") ? "stopped" : json_text(model, "state");
}

static enum tint state_tint(const char *state) {
        if (!strcmp(state, "ready"))
                return TINT_GOOD;
        return strcmp(state, "absent") != 0 ? TINT_WARN : TINT_DIM;
}

static struct human bytes_of(const cJSON *object, const char *key) {
        uint64_t bytes;
        return json_number(object, key, &bytes) && bytes > 0 ? human_bytes(bytes) : (struct human){ "-" };
}

static struct human duration_of(const cJSON *object, const char *key) {
        uint64_t ms;
        return json_number(object, key, &ms) ? human_duration_ms(ms) : (struct human){ "-" };
}

/* Until one that came now would begin: "-" for at once. */
static struct human expected_of(const cJSON *object) {
        return json_count(object, "expected_ms") > 0 ? duration_of(object, "expected_ms") : (struct human){ "-" };
}

static void print_names(const cJSON *models) {
        const cJSON *model;
        cJSON_ArrayForEach(model, models) {
                char *name = terminal_escape(json_text(model, "id"));
                puts(name);
                free(name);
        }
}

/* Kept less precise than it was loaded. */
static bool is_lowered(const cJSON *model) {
        const char *now = json_text(model, "kv_now");
        return *now && strcmp(now, json_text(model, "kv_type")) != 0;
}

static void print_loaded(const cJSON *models) {
        static const struct column columns[] = {
                { "MODEL", ALIGN_NAME },     { "STATE", ALIGN_LEFT }, { "PID", ALIGN_RIGHT },     { "MEASURED", ALIGN_RIGHT },
                { "RESERVED", ALIGN_RIGHT }, { "KV", ALIGN_LEFT },    { "RUNNING", ALIGN_RIGHT }, { "WAITING", ALIGN_RIGHT },
                { "NEXT", ALIGN_RIGHT },     { "IDLE", ALIGN_RIGHT }, { "EXPIRES", ALIGN_RIGHT },
        };
        struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
        const cJSON *model;
        cJSON_ArrayForEach(model, models) {
                const char *state = state_of(model);
                uint64_t ms;
                bool expires = json_number(model, "expires_in_ms", &ms);
                table_cell(t, TINT_NONE, "%s", json_text(model, "id"));
                table_cell(t, state_tint(state), "%s", state);
                table_cell(t, TINT_NONE, "%s", show_count(model, "pid").text);
                table_cell(t, TINT_NONE, "%s", bytes_of(model, "measured_bytes").text);
                table_cell(t, TINT_NONE, "%s", bytes_of(model, "predicted_bytes").text);
                table_cell(t, is_lowered(model) ? TINT_WARN : TINT_NONE, "%s",
                           *json_text(model, "kv_now") ? json_text(model, "kv_now") : "-");
                table_cell(t, TINT_NONE, "%llu", (unsigned long long) json_count(model, "running"));
                table_cell(t, TINT_NONE, "%llu", (unsigned long long) json_count(model, "waiting"));
                table_cell(t, TINT_NONE, "%s", expected_of(model).text);
                table_cell(t, TINT_NONE, "%s", duration_of(model, "idle_ms").text);
                table_cell(t, TINT_NONE, "%s",
                           json_is_true(model, "pinned") ? "pinned"
                           : expires                     ? human_duration_ms(ms).text
                                                         : "-");
        }
        table_print(t, stdout);
        table_free(t);
}

/* The last error without what the row says already. */
static const char *reason_of_failure(const cJSON *model) {
        const char *text = json_text(model, "last_error"), *says = strstr(text, "' cannot be loaded: ");
        return !strncmp(text, "model '", 7) && says ? says + strlen("' cannot be loaded: ") : text;
}

static bool ranks(const cJSON *model) {
        const cJSON *word;
        cJSON_ArrayForEach(word, json_array(model, "capabilities")) {
                if (cJSON_IsString(word) && !strcmp(word->valuestring, "rerank"))
                        return true;
        }
        return false;
}

/* Remarks for a person who wants to use the model; "" when there are none. */
static void describe_notes(const cJSON *model, char *out, size_t size) {
        uint64_t cooldown = json_count(model, "cooldown_ms");
        const char *failed = reason_of_failure(model);
        bool pinned = json_is_true(model, "pinned");
        int used = snprintf(out, size, "%s%s%s", pinned ? "pinned" : "", pinned && ranks(model) ? ", " : "",
                            ranks(model) ? "ranks" : "");
        const char *separator = used > 0 ? ", " : "";
        if (cooldown > 0)
                snprintf(out + used, size - (size_t) used, "%sfailed, next try in %s: %s", separator,
                         human_duration_ms(cooldown).text, failed);
        else if (*failed)
                snprintf(out + used, size - (size_t) used, "%sfailed: %s", separator, failed);
}

static void print_known(const cJSON *models) {
        static const struct column columns[] = {
                { "MODEL", ALIGN_NAME },     { "STATE", ALIGN_LEFT },     { "WEIGHTS", ALIGN_RIGHT },
                { "NEEDS", ALIGN_RIGHT },    { "CONTEXT", ALIGN_RIGHT },  { "KV", ALIGN_LEFT },
                { "PRIORITY", ALIGN_RIGHT }, { "REQUESTS", ALIGN_RIGHT }, { "NOTES", ALIGN_LEFT },
        };
        struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
        const cJSON *model;
        cJSON_ArrayForEach(model, models) {
                const char *state = state_of(model), *kv = json_text(model, "kv_type");
                const cJSON *priority = cJSON_GetObjectItemCaseSensitive(model, "priority");
                char notes[256];
                describe_notes(model, notes, sizeof(notes));
                table_cell(t, TINT_NONE, "%s", json_text(model, "id"));
                table_cell(t, state_tint(state), "%s", is_absent(model) ? "not loaded" : state);
                table_cell(t, TINT_NONE, "%s", bytes_of(model, "weights_bytes").text);
                table_cell(t, TINT_NONE, "%s", bytes_of(model, "predicted_bytes").text);
                table_cell(t, TINT_NONE, "%s", show_count(model, "n_ctx").text);
                table_cell(t, TINT_NONE, "%s", *kv ? kv : "-");
                table_cell(t, TINT_NONE, "%.0f", cJSON_IsNumber(priority) ? priority->valuedouble : 0.0);
                table_cell(t, TINT_NONE, "%llu", (unsigned long long) json_count(model, "requests"));
                table_cell(t, strstr(notes, "failed") ? TINT_BAD : TINT_NONE, "%s", notes);
        }
        table_print(t, stdout);
        table_free(t);
}

static void print_lines(const char *text) {
        while (*text) {
                size_t length = strcspn(text, "\n");
                char *line = strndup(text, length);
                assert(line);
                char *escaped = terminal_escape(line);
                printf("  | %s\n", escaped);
                free(escaped);
                free(line);
                text += length + (text[length] == '\n');
        }
}

static void print_aliases(const cJSON *model) {
        const cJSON *alias;
        char joined[512] = "";
        size_t used = 0;
        cJSON_ArrayForEach(alias, json_array(model, "aliases")) {
                if (cJSON_IsString(alias) && used < sizeof(joined))
                        used += (size_t) snprintf(joined + used, sizeof(joined) - used, "%s%s", used ? ", " : "",
                                                  alias->valuestring);
        }
        if (used)
                show_field("aliases", TINT_NONE, "%s", joined);
}

static void print_model_memory(const cJSON *model) {
        show_field("memory", TINT_NONE, "%s in use (most so far %s), %s promised", bytes_of(model, "measured_bytes").text,
                   bytes_of(model, "peak_bytes").text, bytes_of(model, "predicted_bytes").text);
        show_field("  weights", TINT_NONE, "%s", bytes_of(model, "weights_bytes").text);
        show_field("  KV cache", is_lowered(model) ? TINT_WARN : TINT_NONE, "%s for %s tokens in %s%s%s",
                   bytes_of(model, "kv_bytes").text, show_count(model, "kv_tokens").text,
                   is_lowered(model) ? json_text(model, "kv_now") : json_text(model, "kv_type"),
                   is_lowered(model) ? ", loaded with " : "", is_lowered(model) ? json_text(model, "kv_type") : "");
        show_field("  scratch", TINT_NONE, "%s", bytes_of(model, "scratch_bytes").text);
        show_field("  overhead", TINT_NONE, "%s", bytes_of(model, "overhead_bytes").text);
        uint64_t now = json_count(model, "context_now");
        if (now > 0 && now < json_count(model, "n_ctx"))
                show_field("context", TINT_WARN, "%llu tokens a request, %s when there is room again", (unsigned long long) now,
                           show_count(model, "n_ctx").text);
        else
                show_field("context", TINT_NONE, "%s tokens a request", show_count(model, "n_ctx").text);
}

static void print_model_process(const cJSON *model) {
        uint64_t ms;
        show_field("process", TINT_NONE, "pid %s, loaded %s ago", show_count(model, "pid").text,
                   duration_of(model, "loaded_ms_ago").text);
        if (json_number(model, "idle_ms", &ms))
                show_field("idle", TINT_NONE, "for %s", human_duration_ms(ms).text);
        if (json_number(model, "expires_in_ms", &ms))
                show_field("expires", TINT_NONE, "in %s", human_duration_ms(ms).text);
}

static void print_model_failures(const cJSON *model) {
        uint64_t cooldown = json_count(model, "cooldown_ms");
        if (*json_text(model, "last_error"))
                show_field("last error", TINT_BAD, "%s", json_text(model, "last_error"));
        if (*json_text(model, "last_exit"))
                show_field("last exit", TINT_NONE, "%s", json_text(model, "last_exit"));
        if (cooldown > 0)
                show_field("next try", TINT_WARN, "in %s", human_duration_ms(cooldown).text);
        if (*json_text(model, "last_stderr")) {
                puts("last stderr");
                print_lines(json_text(model, "last_stderr"));
        }
}

/* Those whose turns come first. */
static void print_queue(const cJSON *model) {
        const cJSON *request;
        cJSON_ArrayForEach(request, json_array(model, "queue"))
                show_field("  waits", TINT_WARN, "%llu. %s, for %s, expected in %s: %s",
                           (unsigned long long) json_count(request, "position"), json_text(request, "class"),
                           duration_of(request, "waited_ms").text, duration_of(request, "expected_ms").text,
                           json_text(request, "why"));
}

static void print_model(const cJSON *model) {
        const char *state = state_of(model);
        const cJSON *priority = cJSON_GetObjectItemCaseSensitive(model, "priority");
        show_field("model", TINT_NONE, "%s", json_text(model, "id"));
        print_aliases(model);
        show_field("file", TINT_NONE, "%s", json_text(model, "path"));
        show_field("state", state_tint(state), "%s", state);
        show_field("priority", TINT_NONE, "%.0f%s", cJSON_IsNumber(priority) ? priority->valuedouble : 0.0,
                   json_is_true(model, "pinned") ? ", pinned" : "");
        if (json_count(model, "pid") > 0)
                print_model_process(model);
        print_model_memory(model);
        show_field("requests", TINT_NONE, "%llu running, %llu waiting, %llu on disk, %llu in all",
                   (unsigned long long) json_count(model, "running"), (unsigned long long) json_count(model, "waiting"),
                   (unsigned long long) json_count(model, "suspended"), (unsigned long long) json_count(model, "requests"));
        if (json_count(model, "protected_ms") > 0)
                show_field("protected", TINT_NONE, "from other models, for %s", duration_of(model, "protected_ms").text);
        print_queue(model);
        show_field("usual", TINT_NONE, "%s a request, %s a load; one that came now would begin in %s",
                   duration_of(model, "service_ms").text, duration_of(model, "load_ms").text, expected_of(model).text);
        show_field("loads", TINT_NONE, "%llu, of which %llu ended unasked", (unsigned long long) json_count(model, "loads"),
                   (unsigned long long) json_count(model, "deaths"));
        show_trace(model, false);
        print_model_failures(model);
}

static int show_one(const struct invocation *in, const cJSON *models, const char *name) {
        const cJSON *model = client_find_model(models, name);
        if (!model) {
                struct problem p = { .exit_code = CTL_FAILED, .code = "model_not_found" };
                snprintf(p.message, sizeof(p.message), "no model is called '%.200s': `headroomctl models` lists them", name);
                return report(in, &p);
        }
        if (in->json)
                json_print(model, stdout);
        else
                print_model(model);
        return CTL_DONE;
}

/* A copy of MODELS without those that are absent. */
static cJSON *loaded_of(const cJSON *models) {
        cJSON *loaded = cJSON_CreateArray();
        const cJSON *model;
        cJSON_ArrayForEach(model, models) {
                if (!is_absent(model))
                        cJSON_AddItemReferenceToArray(loaded, (cJSON *) (uintptr_t) model);
        }
        return loaded;
}

int command_status(const struct invocation *in) {
        struct problem problem;
        cJSON *status;
        if (client_get(in->socket_path, "/control/status", &status, &problem))
                return report(in, &problem);
        const cJSON *models = json_array(status, "models");
        int rc = CTL_DONE;
        if (in->args_count > 0) {
                rc = show_one(in, models, in->args[0]);
        } else if (in->json) {
                json_print(status, stdout);
        } else {
                cJSON *loaded = loaded_of(models);
                show_overview(status);
                if (cJSON_GetArraySize(loaded) > 0) {
                        putchar('\n');
                        print_loaded(loaded);
                }
                cJSON_Delete(loaded);
        }
        cJSON_Delete(status);
        return rc;
}

/* One list, in the form asked for. NONE is said to a person when it is empty. */
static void print_list(const struct invocation *in, cJSON *models, void (*print)(const cJSON *models), const char *none) {
        if (in->json) {
                cJSON *whole = cJSON_CreateObject();
                cJSON_AddItemReferenceToObject(whole, "models", models);
                json_print(whole, stdout);
                cJSON_Delete(whole);
        } else if (in->quiet) {
                print_names(models);
        } else if (cJSON_GetArraySize(models) == 0) {
                puts(none);
        } else {
                print(models);
        }
}

int command_ps(const struct invocation *in) {
        struct problem problem;
        cJSON *whole;
        if (client_get(in->socket_path, "/control/models", &whole, &problem))
                return report(in, &problem);
        cJSON *loaded = loaded_of(json_array(whole, "models"));
        print_list(in, loaded, print_loaded, "No model is loaded: `headroomctl models` lists what could be.");
        cJSON_Delete(loaded);
        cJSON_Delete(whole);
        return CTL_DONE;
}

/* What lies in the models directory and gives no model. */
static void print_left_out(const cJSON *left_out) {
        const cJSON *one;
        if (cJSON_GetArraySize(left_out) > 0)
                puts("\nleft out");
        cJSON_ArrayForEach(one, left_out) {
                char *path = terminal_escape(json_text(one, "path")), *why = terminal_escape(json_text(one, "why"));
                printf("  %s: %s\n", path, why);
                free(path);
                free(why);
        }
}

int command_models(const struct invocation *in) {
        struct problem problem;
        cJSON *whole;
        if (client_get(in->socket_path, "/control/models", &whole, &problem))
                return report(in, &problem);
        if (in->json && in->all) {
                json_print(whole, stdout);
                cJSON_Delete(whole);
                return CTL_DONE;
        }
        cJSON *models = cJSON_GetObjectItemCaseSensitive(whole, "models");
        print_list(in, models, print_known, "No model is known: put a .gguf file into the models directory of headroom.conf(5).");
        if (in->all && !in->quiet)
                print_left_out(json_array(whole, "left_out"));
        cJSON_Delete(whole);
        return CTL_DONE;
}
