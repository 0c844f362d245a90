/*
 * cmocka.h - as much of cmocka as the tests of kernels use, for a processor that this machine emulates: Debian has cmocka for that one
 * only as a foreign architecture, which would be much to ask of a machine that builds. A failed assertion ends the program.
 */
#ifndef HEADROOM_TESTS_AARCH64_CMOCKA_H
#define HEADROOM_TESTS_AARCH64_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define fail_msg(...)                   (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(1))
#define assert_true(what)               ((what) ? (void) 0 : (void) fail_msg("not so: %s", #what))
#define assert_int_equal(a, b)          assert_true((a) == (b))
#define assert_ptr_equal(a, b)          assert_true((a) == (b))
#define assert_null(a)                  assert_true(!(a))
#define assert_non_null(a)              assert_true(a)
#define assert_memory_equal(a, b, size) assert_true(!memcmp(a, b, size))

struct CMUnitTest {
        const char *name;
        void (*test)(void **state);
        int (*setup)(void **state), (*teardown)(void **state);
        void *initial_state;
};

#define cmocka_unit_test(test) \
        { #test, test, NULL, NULL, NULL }
#define cmocka_run_group_tests(tests, setup, teardown) run_all(tests, sizeof(tests) / sizeof(*(tests)))

static inline int run_all(const struct CMUnitTest *tests, size_t count) {
        for (size_t i = 0; i < count; i++) {
                void *state = tests[i].initial_state;
                printf("%s\n", tests[i].name);
                fflush(stdout);
                tests[i].test(&state);
        }
        return 0;
}

#endif
