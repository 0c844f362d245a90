/* test_weights.c - how much of a model's files is in memory, and reading them in: parts, pieces, and files that are none. */
#include "daemon/cache/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "tests/unit/scratch.h"

#define PART_BYTES 100000 /* no whole number of pages */

static char first[600];

static void put_part(const char *name, bool on_disk) {
        char bytes[PART_BYTES] = "";
        int fd = open(whole_path(name), O_CREAT | O_WRONLY, 0644);
        assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
        if (on_disk)
                assert_int_equal(fsync(fd), 0);
        (void) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        (void) close(fd);
}

static int make_parts(void **state) {
        (void) make_root(state);
        put_part("m-00001-of-00002.gguf", true);
        put_part("m-00002-of-00002.gguf", true);
        (void) snprintf(first, sizeof first, "%s", whole_path("m-00001-of-00002.gguf"));
        return 0;
}

static uint64_t cached(void) {
        struct weights w;
        assert_int_equal(weights_look(first, &w), 0);
        assert_true(w.is_known); /* the files are ours */
        assert_int_equal(w.bytes, 2 * PART_BYTES);
        return w.cached_bytes;
}

static void test_pieces_over_parts(void **state) {
        (void) state;
        uint64_t to, bytes;
        if (cached() != 0) {
                print_message("SKIP: the file system keeps what it is told to drop\n");
                skip();
        }
        assert_int_equal(weights_read(first, 0, 4096, &to, &bytes), 0);
        assert_int_equal(to, 4096);
        assert_int_equal(bytes, 2 * PART_BYTES);
        assert_in_range(cached(), 4096, 2 * PART_BYTES - 1);
        assert_int_equal(weights_read(first, 4096, PART_BYTES, &to, &bytes), 0); /* into the second */
        assert_int_equal(to, 4096 + PART_BYTES);
        assert_int_equal(weights_read(first, to, UINT64_MAX, &to, &bytes), 0);
        assert_int_equal(to, 2 * PART_BYTES);
        assert_int_equal(cached(), 2 * PART_BYTES);
}

static void test_beyond_the_end(void **state) {
        (void) state;
        uint64_t to, bytes;
        assert_int_equal(weights_read(first, UINT64_MAX, 4096, &to, &bytes), 0);
        assert_int_equal(to, 2 * PART_BYTES);
}

static void test_the_thread_keeps_its_class(void **state) {
        (void) state;
        uint64_t to, bytes;
        long before = syscall(SYS_ioprio_get, 1, 0);
        assert_int_equal(weights_read(first, 0, 4096, &to, &bytes), 0);
        assert_int_equal(syscall(SYS_ioprio_get, 1, 0) >> 13, before >> 13);
}

static void test_what_is_no_file(void **state) {
        (void) state;
        struct weights w;
        uint64_t to, bytes;
        assert_int_equal(unlink(whole_path("m-00002-of-00002.gguf")), 0);
        assert_int_equal(weights_look(first, &w), -ENOENT);
        assert_int_equal(weights_read(first, 0, 4096, &to, &bytes), -ENOENT);
        assert_int_equal(mkfifo(whole_path("pipe.gguf"), 0644), 0);
        assert_true(weights_look(whole_path("pipe.gguf"), &w) < 0);
        assert_true(weights_read(whole_path("pipe.gguf"), 0, 4096, &to, &bytes) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_pieces_over_parts, make_parts, remove_root),
                cmocka_unit_test_setup_teardown(test_beyond_the_end, make_parts, remove_root),
                cmocka_unit_test_setup_teardown(test_the_thread_keeps_its_class, make_parts, remove_root),
                cmocka_unit_test_setup_teardown(test_what_is_no_file, make_parts, remove_root),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
