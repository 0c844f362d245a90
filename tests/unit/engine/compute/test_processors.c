/* test_processors.c - lists of processors as they are written, and cores counted in made-up trees of sysfs. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/compute/processors.h"
#include "tests/unit/scratch.h"

static struct cpu_list list_of(const char *text) {
        struct cpu_list l = { { 0 } };
        assert_int_equal(cpu_list_read(text, &l), 0);
        return l;
}

static void lists_are_read_and_written(void **state) {
        (void) state;
        static const struct {
                const char *text, *again; /* NULL: refused with ERROR */
                int error;
        } cases[] = {
                { "0", "0", 0 },         { "0-3,8", "0-3,8", 0 },   { "3, 1 ,2\n", "1-3", 0 },
                { "5-5", "5", 0 },       { "63-64", "63-64", 0 },   { "0-1023", "0-1023", 0 },
                { "2,0-1", "0-2", 0 },   { "1024", NULL, -ERANGE }, { "0-99999999999999999999", NULL, -ERANGE },
                { "", NULL, -EINVAL },   { "all", NULL, -EINVAL },  { "1,", NULL, -EINVAL },
                { ",1", NULL, -EINVAL }, { "3-1", NULL, -EINVAL },  { "1-", NULL, -EINVAL },
                { "-1", NULL, -EINVAL }, { "1 2", NULL, -EINVAL },  { "1-2-3", NULL, -EINVAL },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct cpu_list l = { { 0 } };
                char text[CPU_LIST_TEXT_BYTES];
                assert_int_equal(cpu_list_read(cases[i].text, &l), cases[i].error);
                assert_int_equal(cpu_list_is_empty(&l), !cases[i].again);
                assert_string_equal(cpu_list_text(&l, text), cases[i].again ? cases[i].again : "");
        }
}

static void the_longest_list_has_room(void **state) {
        (void) state;
        struct cpu_list l, again;
        char text[CPU_LIST_TEXT_BYTES];
        memset(&l, 0xAA, sizeof(l));
        again = list_of(cpu_list_text(&l, text));
        assert_memory_equal(&l, &again, sizeof(l));
}

/* A tree in which the processors of TOPOLOGY have these siblings. */
static void cores_are_counted_once(void **state) {
        static const struct {
                const char *siblings[9]; /* of processor 0, 1, ...; "": its file is missing */
                const char *allowed;
                uint32_t cores;
        } cases[] = {
                { { "0", "1", "2", "3" }, "0-3", 4 },
                { { "0,4", "1,5", "2,6", "3,7", "0,4", "1,5", "2,6", "3,7" }, "0-7", 4 },
                { { "0-1", "0-1", "2-3", "2-3" }, "0-3", 2 },
                { { "0-1", "0-1", "2-3", "2-3" }, "1,3", 2 },           /* the first of a core is not ours */
                { { "0-1", "0-1", "2-3", "2-3", "4", "5" }, "0-5", 4 }, /* large cores with two threads, and small ones */
                { { "0,4", "1,5", "2,6", "3,7", "0,4", "1,5", "2,6", "3,7" }, "0,4", 1 },
                { { "", "", "" }, "0-2", 3 },
                { { "nonsense", "1" }, "0-1", 2 },
                { { "0" }, "7", 1 },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char path[64];
                assert_int_equal(make_root(state), 0);
                for (unsigned cpu = 0; cases[i].siblings[cpu]; cpu++) {
                        (void) snprintf(path, sizeof(path), "cpu%u/topology/thread_siblings_list", cpu);
                        if (*cases[i].siblings[cpu])
                                put(path, cases[i].siblings[cpu]);
                }
                struct cpu_list allowed = list_of(cases[i].allowed);
                uint32_t cores = processors_cores(&allowed, root);
                assert_int_equal(remove_root(state), 0);
                assert_int_equal(cores, cases[i].cores);
        }
}

static void a_process_keeps_to_those_named(void **state) {
        (void) state;
        cpu_set_t before, now;
        char text[16];
        assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
        int here = sched_getcpu();
        assert_true(here >= 0);
        (void) snprintf(text, sizeof(text), "%d", here);
        struct cpu_list l = list_of(text), none = list_of("1023");
        assert_int_equal(processors_use(&none), -EINVAL);
        assert_int_equal(processors_use(&l), 0);
        assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
        assert_int_equal(CPU_COUNT(&now), 1);
        assert_true(CPU_ISSET((size_t) here, &now));
        assert_int_equal(processors_available(), 1);
        assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
        assert_in_range(processors_available(), 1, CPU_COUNT(&before));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lists_are_read_and_written),
                cmocka_unit_test(the_longest_list_has_room),
                cmocka_unit_test(cores_are_counted_once),
                cmocka_unit_test(a_process_keeps_to_those_named),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
