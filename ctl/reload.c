/* reload.c - has the daemon read its configuration again, and prints what is different. */
#include <stdlib.h>
#include <string.h>

#include "ctl/base/command.h"
#include "ctl/daemon/client.h"
#include "ctl/daemon/report.h"
#include "ctl/output/json.h"
#include "ctl/output/terminal.h"

static void print_text(FILE *out, const char *text) {
        char *escaped = terminal_escape(text);
        fprintf(out, "%s\n", escaped);
        free(escaped);
}

static void print_changes(const struct invocation *in, const cJSON *reply) {
        const cJSON *change, *changes = json_array(reply, "changes");
        cJSON_ArrayForEach(change, changes) {
                if (cJSON_IsString(change))
                        print_text(stdout, change->valuestring);
        }
        if (cJSON_GetArraySize(changes) == 0)
                puts(in->dry_run ? "Nothing would change." : "Nothing has changed.");
}

/* One problem a line, with its file and line. */
static void print_problems(const char *problems) {
        fputs("headroomctl: nothing was changed, since there are mistakes:\n", stderr);
        while (*problems) {
                size_t length = strcspn(problems, "\n");
                char *line = strndup(problems, length);
                if (line)
                        print_text(stderr, line);
                free(line);
                problems += length + (problems[length] == '\n');
        }
}

int command_reload(const struct invocation *in) {
        struct problem problem;
        cJSON *reply, *body = cJSON_CreateObject();
        int rc = client_post(in->socket_path, in->dry_run ? "/control/reload?dry_run=true" : "/control/reload", body, NULL, NULL,
                             &reply, &problem);
        cJSON_Delete(body);
        if (rc)
                return report(in, &problem);
        const char *problems = json_text(reply, "problems");
        bool failed = *problems;
        if (in->json)
                json_print(reply, stdout);
        else if (failed)
                print_problems(problems);
        else
                print_changes(in, reply);
        cJSON_Delete(reply);
        return failed ? CTL_FAILED : CTL_DONE;
}
