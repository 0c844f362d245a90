/* test_ctl_invocation.c - reading the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ctl/base/command.h"

/* Words separated by blanks, "headroomctl" put before them. */
static int parse(const char *line, struct invocation *ret) {
        static char copy[512];
        static char *argv[32];
        int argc = 1;
        snprintf(copy, sizeof(copy), "%s", line);
        argv[0] = "headroomctl";
        for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
                argv[argc++] = word;
        argv[argc] = NULL;
        return invocation_parse(argc, argv, ret);
}

static void test_good_lines(void **state) {
        struct invocation in;
        (void) state;

        assert_int_equal(parse("status", &in), 0);
        assert_string_equal(in.command->name, "status");
        assert_string_equal(in.socket_path, CONTROL_SOCKET_DEFAULT);
        assert_false(in.json);
        invocation_done(&in);

        assert_int_equal(parse("--socket /s --json unload a --force b", &in), 0);
        assert_string_equal(in.command->name, "unload");
        assert_string_equal(in.socket_path, "/s");
        assert_true(in.json && in.force && !in.all);
        assert_int_equal(in.args_count, 2);
        assert_string_equal(in.args[0], "a");
        assert_string_equal(in.args[1], "b");
        invocation_done(&in);

        assert_int_equal(parse("fit --context=4096,8192 --kv q8_0 -- --odd-name.gguf", &in), 0);
        assert_string_equal(in.context, "4096,8192");
        assert_string_equal(in.kv, "q8_0");
        assert_string_equal(in.args[0], "--odd-name.gguf");
        invocation_done(&in);

        assert_int_equal(parse("ps -q", &in), 0);
        assert_true(in.quiet);
        invocation_done(&in);

        /* Help asks for nothing else to be right. */
        assert_int_equal(parse("load --help", &in), 0);
        assert_true(in.help);
        invocation_done(&in);
        assert_int_equal(parse("help load", &in), 0);
        assert_string_equal(in.command->name, "load");
        invocation_done(&in);
        assert_int_equal(parse("--version", &in), 0);
        assert_true(in.version);
        invocation_done(&in);
}

static void test_bad_lines(void **state) {
        static const char *const lines[] = {
                "",
                "frobnicate",
                "--frobnicate status",
                "-x status",
                "-qq ps",
                "status a b",
                "ps a",
                "load",
                "fit",
                "fit a b",
                "status --force",   /* not its option */
                "--force unload a", /* before the command only the global ones are known */
                "status --socket",
                "status --json=yes",
        };
        struct invocation in;
        (void) state;
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                if (parse(lines[i], &in) != CTL_USAGE)
                        fail_msg("accepted: %s", lines[i]);
}

static void test_environment(void **state) {
        struct invocation in;
        (void) state;
        assert_int_equal(setenv("HEADROOM_SOCKET", "/from/environment", 1), 0);
        assert_int_equal(parse("ps", &in), 0);
        assert_string_equal(in.socket_path, "/from/environment");
        invocation_done(&in);
        assert_int_equal(parse("ps --socket /from/option", &in), 0);
        assert_string_equal(in.socket_path, "/from/option");
        invocation_done(&in);
        assert_int_equal(setenv("HEADROOM_SOCKET", "", 1), 0);
        assert_int_equal(parse("ps", &in), 0);
        assert_string_equal(in.socket_path, CONTROL_SOCKET_DEFAULT);
        invocation_done(&in);
        unsetenv("HEADROOM_SOCKET");
}

/* Every command has a help that names each of its options. */
static void test_help(void **state) {
        (void) state;
        for (const struct command *c = commands_table; c->name; c++) {
                char *text = NULL;
                size_t size = 0;
                FILE *out = open_memstream(&text, &size);
                help_print_command(out, c);
                fclose(out);
                assert_non_null(strstr(text, c->name));
                for (const struct flag *f = c->flags; f && f->name; f++)
                        assert_non_null(strstr(text, f->name));
                assert_non_null(strstr(text, "--json"));
                free(text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good_lines),
                cmocka_unit_test(test_bad_lines),
                cmocka_unit_test(test_environment),
                cmocka_unit_test(test_help),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
