/* report.c - how a command says that it failed. */
#include "ctl/daemon/report.h"

#include "ctl/output/json.h"
#include "ctl/output/terminal.h"

cJSON *report_object(const struct problem *p) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "message", p->message);
        cJSON_AddStringToObject(object, "code", p->code);
        if (*p->advice)
                cJSON_AddStringToObject(object, "advice", p->advice);
        return object;
}

int report(const struct invocation *in, const struct problem *p) {
        complain("%s%s%s", p->message, *p->advice ? "; " : "", p->advice);
        if (in->json) {
                cJSON *whole = cJSON_CreateObject();
                cJSON_AddItemToObject(whole, "error", report_object(p));
                json_print(whole, stdout);
                cJSON_Delete(whole);
        }
        return p->exit_code;
}
