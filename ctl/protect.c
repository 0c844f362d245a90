/* protect.c - has the daemon turn one model out for no other, for a time. */
#include <stdlib.h>

#include "ctl/base/command.h"
#include "ctl/daemon/client.h"
#include "ctl/daemon/report.h"
#include "ctl/output/json.h"
#include "ctl/output/terminal.h"
#include "ctl/output/units.h"

static void print_protected(const cJSON *reply) {
        char *model = terminal_escape(json_text(reply, "model"));
        uint64_t ms = json_count(reply, "protected_ms");
        if (ms > 0)
                printf("%s: protected from other models for %s\n", model, human_duration_ms(ms).text);
        else
                printf("%s: not protected\n", model);
        free(model);
}

int command_protect(const struct invocation *in) {
        struct problem problem;
        cJSON *body = cJSON_CreateObject(), *reply;
        cJSON_AddStringToObject(body, "model", in->args[0]);
        cJSON_AddStringToObject(body, "time", in->args[1]);
        int rc = client_post(in->socket_path, "/control/protect", body, NULL, NULL, &reply, &problem);
        cJSON_Delete(body);
        if (rc)
                return report(in, &problem);
        if (in->json)
                json_print(reply, stdout);
        else
                print_protected(reply);
        cJSON_Delete(reply);
        return CTL_DONE;
}
