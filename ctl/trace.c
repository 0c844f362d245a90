/* trace.c - has the daemon write down what passes between it and the engine of one model, or stop it. */
#include <stdlib.h>
#include <string.h>

#include "ctl/base/bounds.h"
#include "ctl/base/command.h"
#include "ctl/daemon/client.h"
#include "ctl/daemon/report.h"
#include "ctl/output/json.h"
#include "ctl/output/terminal.h"
#include "ctl/output/units.h"

static void print_begun(const char *model, const char *path, const cJSON *trace) {
        printf("%s: traced until %s, into %s\n", model, human_clock(json_count(trace, "until_unix_ms")).text, path);
        printf("The file holds prompts and answers. `headroomctl trace %s --stop` ends it sooner.\n", model);
}

static void print_stopped(const char *model, const char *path, const cJSON *trace) {
        uint64_t dropped = json_count(trace, "dropped");
        printf("%s: %llu lines in %s\n", model, (unsigned long long) json_count(trace, "lines"), path);
        if (dropped > 0)
                printf("%llu more were dropped, because the disk was slower than they came.\n", (unsigned long long) dropped);
}

static void print_trace(const struct invocation *in, const cJSON *trace) {
        char *model = terminal_escape(json_text(trace, "model")), *path = terminal_escape(json_text(trace, "path"));
        if (in->stop)
                print_stopped(model, path, trace);
        else
                print_begun(model, path, trace);
        free(path);
        free(model);
}

int command_trace(const struct invocation *in) {
        struct problem problem;
        uint64_t minutes = 0;
        cJSON *reply;
        if (in->stop && in->minutes) {
                complain("--minutes is for the beginning of a trace, --stop ends it; see `headroomctl trace --help`");
                return CTL_USAGE;
        }
        if (in->minutes && human_parse_number(in->minutes, 1, MINUTES_MAX, &minutes) < 0) {
                complain("--minutes must be a whole number from 1 to %u, not '%s'", MINUTES_MAX, in->minutes);
                return CTL_USAGE;
        }
        cJSON *body = cJSON_CreateObject();
        cJSON_AddStringToObject(body, "model", in->args[0]);
        if (minutes > 0)
                cJSON_AddNumberToObject(body, "minutes", (double) minutes);
        int rc = client_post(in->socket_path, in->stop ? "/control/trace/stop" : "/control/trace", body, NULL, NULL, &reply,
                             &problem);
        cJSON_Delete(body);
        if (rc)
                return report(in, &problem);
        if (in->json)
                json_print(reply, stdout);
        else
                print_trace(in, reply);
        cJSON_Delete(reply);
        return CTL_DONE;
}
