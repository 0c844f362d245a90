/* test_text_file.c - whole files: texts within a limit, and places in a file that are read and written to the last byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/base/file_io.h"
#include "engine/base/text_file.h"

static char path[64];
static int file;

static int make_file(void **state) {
        (void) state;
        (void) strcpy(path, "/tmp/headroom-text-XXXXXX");
        file = mkstemp(path);
        return file < 0;
}

static int remove_file(void **state) {
        (void) state;
        (void) close(file);
        return unlink(path);
}

static void a_text_up_to_its_limit(void **state) {
        (void) state;
        struct text text;
        assert_int_equal(text_file_read(path, 10, &text), 0);
        assert_int_equal(text.used, 0);
        assert_string_equal(text.bytes, "");
        text_done(&text);
        assert_int_equal(pwrite_all(file,
                                    "01234\0"
                                    "678\n",
                                    10, 0),
                         0);
        assert_int_equal(text_file_read(path, 10, &text), 0);
        assert_int_equal(text.used, 10);
        assert_memory_equal(text.bytes,
                            "01234\0"
                            "678\n",
                            11);
        text_done(&text);
        assert_int_equal(text_file_read(path, 9, &text), -EFBIG);
        assert_null(text.bytes);
        assert_int_equal(text_file_read("/tmp", 10, &text), -EISDIR);
        assert_int_equal(text_file_read("/none", 10, &text), -ENOENT);
        assert_null(text.bytes);
}

static void a_text_of_many_pieces(void **state) {
        (void) state;
        static char many[100000];
        struct text text;
        memset(many, 'x', sizeof(many));
        assert_int_equal(pwrite_all(file, many, sizeof(many), 0), 0);
        assert_int_equal(text_file_read(path, sizeof(many), &text), 0);
        assert_int_equal(text.used, sizeof(many));
        assert_memory_equal(text.bytes, many, sizeof(many));
        text_done(&text);
        assert_int_equal(text_file_read(path, sizeof(many) - 1, &text), -EFBIG);
}

static void a_pipe_that_gives_little_at_a_time(void **state) {
        (void) state;
        struct text text;
        FILE *writer = popen("for i in 1 2 3; do printf $i; sleep 0.05; done", "r");
        assert_non_null(writer);
        char name[64];
        (void) snprintf(name, sizeof(name), "/proc/self/fd/%d", fileno(writer));
        assert_int_equal(text_file_read(name, 10, &text), 0);
        assert_string_equal(text.bytes, "123");
        text_done(&text);
        assert_int_equal(pclose(writer), 0);
}

static void places_in_a_file(void **state) {
        (void) state;
        char bytes[4] = "";
        assert_int_equal(pwrite_all(file, "abcd", 4, 100), 0);
        assert_int_equal(pread_all(file, bytes, 4, 100), 0);
        assert_memory_equal(bytes, "abcd", 4);
        assert_int_equal(pread_all(file, bytes, 0, 500), 0);
        assert_int_equal(pread_all(file, bytes, 4, 101), -EBADMSG);
        assert_int_equal(pread_all(-1, bytes, 4, 0), -EBADF);
        assert_int_equal(pwrite_all(-1, bytes, 4, 0), -EBADF);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_text_up_to_its_limit, make_file, remove_file),
                cmocka_unit_test_setup_teardown(a_text_of_many_pieces, make_file, remove_file),
                cmocka_unit_test(a_pipe_that_gives_little_at_a_time),
                cmocka_unit_test_setup_teardown(places_in_a_file, make_file, remove_file),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
