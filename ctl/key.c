/* key.c - key add, list, remove: the access keys of clients. A key is printed once, alone on standard output, so that a script can keep it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/command.h"
#include "ctl/daemon/client.h"
#include "ctl/daemon/report.h"
#include "ctl/output/json.h"
#include "ctl/output/table.h"
#include "ctl/output/terminal.h"

static int usage(const char *sentence) {
        fprintf(stderr, "headroomctl: %s; see headroomctl key --help\n", sentence);
        return CTL_USAGE;
}

/* "a,b" */
static void add_names(cJSON *wish, const char *list) {
        cJSON *allow = cJSON_AddArrayToObject(wish, "allow");
        for (const char *at = list; *at; at += *at == ',') {
                size_t length = strcspn(at, ",");
                char *name = strndup(at, length);
                if (name && *name)
                        cJSON_AddItemToArray(allow, cJSON_CreateString(name));
                free(name);
                at += length;
        }
}

static int ask(const struct invocation *in, const char *path, cJSON *wish, cJSON **ret) {
        struct problem problem;
        int rc = client_post(in->socket_path, path, wish, NULL, NULL, ret, &problem);
        return rc ? report(in, &problem) : CTL_DONE;
}

static int add(const struct invocation *in, cJSON *wish) {
        cJSON *reply;
        if (in->allow)
                add_names(wish, in->allow);
        if (in->class)
                cJSON_AddStringToObject(wish, "class", in->class);
        if (in->rate)
                cJSON_AddStringToObject(wish, "rate", in->rate);
        if (in->tokens)
                cJSON_AddStringToObject(wish, "tokens", in->tokens);
        if (in->concurrent) {
                char *end;
                double number = strtod(in->concurrent, &end);
                if (*end || end == in->concurrent)
                        return usage("--concurrent is a number of requests");
                cJSON_AddNumberToObject(wish, "concurrent", number);
        }
        int rc = ask(in, "/control/keys/add", wish, &reply);
        if (rc)
                return rc;
        if (in->json) {
                json_print(reply, stdout);
        } else {
                puts(json_text(reply, "key"));
                fputs("This key is not shown again.\n", stderr);
        }
        cJSON_Delete(reply);
        return CTL_DONE;
}

static int remove_key(const struct invocation *in, cJSON *wish) {
        cJSON *reply;
        int rc = ask(in, "/control/keys/remove", wish, &reply);
        if (rc)
                return rc;
        if (in->json)
                json_print(reply, stdout);
        cJSON_Delete(reply);
        return CTL_DONE;
}

static void add_row(struct table *t, const cJSON *key) {
        const cJSON *one, *allow = json_array(key, "allow");
        char models[256] = "all";
        size_t used = 0;
        cJSON_ArrayForEach(one, allow) {
                int added = snprintf(models + used, sizeof(models) - used, "%s%s", used ? "," : "",
                                     cJSON_IsString(one) ? one->valuestring : "");
                used = used + (size_t) added < sizeof(models) ? used + (size_t) added : sizeof(models) - 1;
        }
        uint64_t most = json_count(key, "concurrent");
        table_cell(t, TINT_NONE, "%s", json_text(key, "name"));
        table_cell(t, TINT_NONE, "%s", models);
        table_cell(t, TINT_NONE, "%s", json_text(key, "class"));
        table_cell(t, TINT_NONE, "%s", json_text(key, "rate"));
        table_cell(t, TINT_NONE, "%s", json_text(key, "tokens"));
        if (most)
                table_cell(t, TINT_NONE, "%llu of %llu", (unsigned long long) json_count(key, "running"),
                           (unsigned long long) most);
        else
                table_cell(t, TINT_NONE, "%llu", (unsigned long long) json_count(key, "running"));
        table_cell(t, TINT_NONE, "%llu", (unsigned long long) json_count(key, "requests"));
        table_cell(t, TINT_NONE, "%llu", (unsigned long long) json_count(key, "tokens_used"));
}

static void print_keys(const cJSON *reply) {
        static const struct column columns[] = { { "NAME", ALIGN_NAME },      { "MODELS", ALIGN_LEFT },
                                                 { "CLASS", ALIGN_LEFT },     { "RATE", ALIGN_LEFT },
                                                 { "TOKENS", ALIGN_LEFT },    { "RUNNING", ALIGN_RIGHT },
                                                 { "REQUESTS", ALIGN_RIGHT }, { "USED", ALIGN_RIGHT } };
        const cJSON *key, *keys = json_array(reply, "keys");
        struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
        cJSON_ArrayForEach(key, keys)
                add_row(t, key);
        if (cJSON_GetArraySize(keys))
                table_print(t, stdout);
        else
                puts("There are no keys: headroomctl key add NAME makes one.");
        table_free(t);
}

static int list(const struct invocation *in) {
        struct problem problem;
        cJSON *reply;
        int rc = client_get(in->socket_path, "/control/keys", &reply, &problem);
        if (rc)
                return report(in, &problem);
        if (in->json)
                json_print(reply, stdout);
        else
                print_keys(reply);
        cJSON_Delete(reply);
        return CTL_DONE;
}

int command_key(const struct invocation *in) {
        const char *verb = in->args[0];
        bool is_add = !strcmp(verb, "add"), is_remove = !strcmp(verb, "remove");
        if (!strcmp(verb, "list"))
                return in->args_count == 1 ? list(in) : usage("key list takes no name");
        if (!is_add && !is_remove)
                return usage("key is followed by add, list or remove");
        if (in->args_count != 2)
                return usage("key add and key remove take one name");
        cJSON *wish = cJSON_CreateObject();
        cJSON_AddStringToObject(wish, "name", in->args[1]);
        int rc = is_add ? add(in, wish) : remove_key(in, wish);
        cJSON_Delete(wish);
        return rc;
}
