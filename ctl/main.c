/* main.c - headroomctl: reads the command line and runs the command that it names. */
#include <curl/curl.h>
#include <stdio.h>

#include "ctl/base/command.h"
#include "ctl/output/terminal.h"

static int run(const struct invocation *in) {
        if (in->version) {
                puts("headroomctl " HEADROOM_VERSION);
                return CTL_DONE;
        }
        if (in->help) {
                if (in->command)
                        help_print_command(stdout, in->command);
                else
                        help_print(stdout);
                return CTL_DONE;
        }
        return in->command->run(in);
}

int main(int argc, char **argv) {
        struct invocation in;
        terminal_init();
        int rc = invocation_parse(argc, argv, &in);
        if (rc)
                return rc;
        curl_global_init(CURL_GLOBAL_DEFAULT);
        rc = run(&in);
        curl_global_cleanup();
        invocation_done(&in);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                complain("cannot write the result: %m");
                return rc ? rc : CTL_FAILED;
        }
        return rc;
}
