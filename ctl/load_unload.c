/*
 * load_unload.c - load and unload: an operator's jobs, one model after the other, each waited for.
 *
 * A model that cannot be loaded does not keep the others from it; the exit status tells that one failed.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/daemon/client.h"
#include "ctl/base/bounds.h"
#include "ctl/base/command.h"
#include "ctl/output/units.h"
#include "ctl/output/json.h"
#include "ctl/daemon/report.h"
#include "ctl/output/terminal.h"
#include "engine/base/clock.h"

struct verb {
        const char *path;
        const char *doing; /* "loading" */
};

struct job {
        const struct invocation *in;
        const struct verb *verb;
        const char *model;
        bool is_shown; /* a progress line is on the terminal */
};

static const struct verb verb_load = { "/control/load", "loading" };
static const struct verb verb_unload = { "/control/unload", "unloading" };

/* "loading qwen3-8b: waiting, 3.2 s", over and over on one line. */
static void on_progress(void *user, uint64_t elapsed_ms, const cJSON *models) {
        struct job *e = user;
        const char *state = json_text(client_find_model(models, e->model), "state");
        char *name = terminal_escape(e->model), *shown = terminal_shorten(name, 40);
        fprintf(stderr, "\r\033[K%s %s: %s%s%s", e->verb->doing, shown, state, *state ? ", " : "",
                human_duration_ms(elapsed_ms).text);
        fflush(stderr);
        e->is_shown = true;
        free(shown);
        free(name);
}

static void clear_progress(struct job *e) {
        if (e->is_shown)
                fputs("\r\033[K", stderr);
        e->is_shown = false;
}

/* "warming qwen3-8b: 1.2 GiB of 4.7 GiB" */
static void show_warming(struct job *e, uint64_t read, uint64_t bytes) {
        if (e->in->json || !isatty(STDERR_FILENO))
                return;
        char *name = terminal_escape(e->model), *shown = terminal_shorten(name, 40);
        fprintf(stderr, "\r\033[Kwarming %s: %s of %s", shown, human_bytes(read).text, human_bytes(bytes).text);
        fflush(stderr);
        e->is_shown = true;
        free(shown);
        free(name);
}

/* How much is in memory, with --warm after a piece of them has been read. */
static int ask_for_weights(const struct job *e, uint64_t from, cJSON **ret, struct problem *problem) {
        char path[CLIENT_PATH_MAX], model[CLIENT_PATH_MAX / 2], piece[40] = "";
        if (client_escape(e->model, model, sizeof(model)) < 0)
                return CTL_FAILED; /* no model has so long a name */
        if (e->in->warm)
                snprintf(piece, sizeof(piece), "&warm_from=%llu", (unsigned long long) from);
        snprintf(path, sizeof(path), "/control/weights?model=%s%s", model, piece);
        return client_get(e->in->socket_path, path, ret, problem);
}

static void move_member(cJSON *from, cJSON *to, const char *key) {
        cJSON_DeleteItemFromObjectCaseSensitive(to, key);
        cJSON_AddItemToObject(to, key, cJSON_DetachItemFromObjectCaseSensitive(from, key));
}

/* Piece by piece, so that it ends when the daemon refuses one, since memory is short, or we are told to. */
static int see_weights(struct job *e, cJSON *reply, struct problem *problem) {
        uint64_t read = 0, before, bytes;
        cJSON *seen;
        do {
                int rc = ask_for_weights(e, read, &seen, problem);
                if (rc)
                        return rc;
                before = read;
                read = json_count(seen, "read_to");
                bytes = json_count(seen, "weights_bytes");
                show_warming(e, read, bytes);
                move_member(seen, reply, "weights_bytes");
                move_member(seen, reply, "weights_cached_bytes");
                cJSON_Delete(seen);
        } while (e->in->warm && read > before && read < bytes);
        return CTL_DONE;
}

/* ", 1.2 GiB of 4.7 GiB of its weights in memory"; nothing where the kernel does not tell. */
static void print_weights(const cJSON *reply) {
        uint64_t cached;
        if (json_number(reply, "weights_cached_bytes", &cached))
                printf(", %s of %s of its weights in memory", human_bytes(cached).text,
                       human_bytes(json_count(reply, "weights_bytes")).text);
}

static void print_outcome(const struct job *e, const cJSON *reply, uint64_t elapsed_ms) {
        const char *id = json_text(reply, "model");
        char *name = terminal_escape(*id ? id : e->model), *state = terminal_escape(json_text(reply, "state"));
        printf("%s: %s after %s", name, state, human_duration_ms(elapsed_ms).text);
        print_weights(reply);
        putchar('\n');
        fflush(stdout);
        free(state);
        free(name);
}

/* One model. Adds its outcome to RESULTS. */
static int act(struct job *e, cJSON *results) {
        struct problem problem = { 0 };
        cJSON *body = cJSON_CreateObject(), *reply;
        cJSON_AddStringToObject(body, "model", e->model);
        if (e->in->force)
                cJSON_AddTrueToObject(body, "force");
        bool watched = !e->in->json && isatty(STDERR_FILENO);
        uint64_t start = clock_ms(CLOCK_MONOTONIC);
        int rc = client_post(e->in->socket_path, e->verb->path, body, watched ? on_progress : NULL, e, &reply, &problem);
        clear_progress(e);
        cJSON_Delete(body);
        if (rc) {
                cJSON *result = cJSON_CreateObject();
                cJSON_AddStringToObject(result, "model", e->model);
                cJSON_AddItemToObject(result, "error", report_object(&problem));
                cJSON_AddItemToArray(results, result);
                complain("%s: %s%s%s", e->model, problem.message, *problem.advice ? "; " : "", problem.advice);
                return rc;
        }
        uint64_t elapsed_ms = clock_ms(CLOCK_MONOTONIC) - start;
        if (e->verb == &verb_load)
                rc = see_weights(e, reply, &problem);
        rc = e->in->warm ? rc : CTL_DONE; /* what is only told may be unknown */
        clear_progress(e);
        if (!e->in->json)
                print_outcome(e, reply, elapsed_ms);
        if (rc) {
                cJSON_AddItemToObject(reply, "error", report_object(&problem));
                complain("%s: not all of its weights are in memory: %s", e->model, problem.message);
        }
        cJSON_AddItemToArray(results, reply);
        return rc;
}

/*
 * A verb waits as long as it takes; so first make sure that the daemon is there. (Where systemd holds the socket, anyone
 * may connect while the daemon cannot start.)
 */
static int ask_for_life(const struct invocation *in) {
        struct problem problem;
        cJSON *models;
        if (client_get(in->socket_path, "/control/models", &models, &problem))
                return report(in, &problem);
        cJSON_Delete(models);
        return CTL_DONE;
}

/* The first failure is the exit status; without a daemon the rest would only repeat it. */
static int act_on_all(const struct invocation *in, const struct verb *verb, char *const names[], int count) {
        int rc = ask_for_life(in);
        if (rc)
                return rc;
        cJSON *whole = cJSON_CreateObject(), *results = cJSON_AddArrayToObject(whole, "results");
        for (int i = 0; i < count && rc != CTL_UNREACHABLE; i++) {
                struct job e = { .in = in, .verb = verb, .model = names[i] };
                int one = act(&e, results);
                rc = rc && one != CTL_UNREACHABLE ? rc : one ? one : rc;
        }
        if (in->json)
                json_print(whole, stdout);
        cJSON_Delete(whole);
        return rc;
}

int command_load(const struct invocation *in) {
        return act_on_all(in, &verb_load, in->args, in->args_count);
}

static int unload_everything(const struct invocation *in) {
        struct problem problem;
        cJSON *whole;
        if (client_get(in->socket_path, "/control/models", &whole, &problem))
                return report(in, &problem);
        const cJSON *models = json_array(whole, "models"), *model;
        char **names = calloc((size_t) cJSON_GetArraySize(models) + 1, sizeof(char *));
        int count = 0;
        assert(names);
        cJSON_ArrayForEach(model, models) {
                cJSON *id = cJSON_GetObjectItemCaseSensitive(model, "id");
                if (cJSON_IsString(id) && strcmp(json_text(model, "state"), "absent") != 0)
                        names[count++] = id->valuestring;
        }
        if (count == 0 && !in->json)
                puts("No model is loaded.");
        int rc = act_on_all(in, &verb_unload, names, count);
        free(names);
        cJSON_Delete(whole);
        return rc;
}

int command_unload(const struct invocation *in) {
        if (in->all != (in->args_count == 0)) {
                complain("name the models to unload, or --all; see `headroomctl unload --help`");
                return CTL_USAGE;
        }
        if (in->all)
                return unload_everything(in);
        return act_on_all(in, &verb_unload, in->args, in->args_count);
}
