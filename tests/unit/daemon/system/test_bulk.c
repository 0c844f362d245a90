/* test_bulk.c - bytes of others: counted before they are taken, and the kernel's again as soon as nobody holds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/system/bulk.h"
#include "tests/own_memory.h"

static size_t resident_bytes(void) {
        unsigned long size = 0, pages = 0;
        FILE *f = fopen("/proc/self/statm", "re");

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%lu %lu", &size, &pages), 2);
        (void) fclose(f);
        return pages * (size_t) sysconf(_SC_PAGESIZE);
}

static void test_pages_are_counted(void **state) {
        struct bulk_account account = { .max = 3 * 4096 };
        char page[4096];
        struct bulk *b = bulk_new(&account);

        (void) state;
        memset(page, 'x', sizeof page);
        assert_int_equal(account.used, 0);
        assert_string_equal(bulk_bytes(b), "");
        assert_int_equal(bulk_add(b, page, 4095), 0);
        assert_int_equal(account.used, 4096); /* the NUL fits */
        assert_int_equal(bulk_add(b, page, 1), 0);
        assert_int_equal(account.used, 2 * 4096); /* and here it does not */
        assert_int_equal(bulk_add(b, page, 4096), 0);
        assert_int_equal(bulk_add(b, page, 4096), -EDQUOT);
        assert_int_equal(account.used, 3 * 4096);
        assert_int_equal(bulk_size(b), 2 * 4096);
        assert_int_equal(strlen(bulk_bytes(b)), 2 * 4096);
        struct bulk *other = bulk_new(&account);
        assert_int_equal(bulk_add(other, page, 1), -EDQUOT);
        bulk_drop(other);
        assert_ptr_equal(bulk_hold(b), b);
        bulk_drop(b);
        assert_int_equal(account.used, 3 * 4096); /* somebody holds it still */
        bulk_drop(b);
        assert_int_equal(account.used, 0);
        bulk_drop(NULL);
}

/* The daemon locks its memory, where freed heap would stay for ever. */
static void test_memory_comes_back(void **state) {
        struct bulk_account account = { .max = 64 << 20 };
        static char part[1 << 20];
        size_t before;

        (void) state;
        (void) mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT); /* where we may */
        memset(part, 'x', sizeof part);
        before = resident_bytes();
        size_t spare = (1 << 20) + own_memory_shadow(20 << 20);
        struct bulk *b = bulk_new(&account);
        for (unsigned i = 0; i < 20; i++)
                assert_int_equal(bulk_add(b, part, sizeof part), 0);
        size_t grown = resident_bytes() - before;
        assert_in_range(grown, 20 << 20, account.used + spare); /* no page beside those that were counted */
        bulk_drop(b);
        assert_true(resident_bytes() < before + spare);
}

/* Short ones are kept for the next, but a few, and nothing of what was in them. */
static void test_short_ones_are_kept(void **state) {
        struct bulk_account account = { .max = 64 << 20 };
        struct bulk *many[2 * BULK_SPARES];
        char text[BULK_SPARE_BYTES], last = 0;

        (void) state;
        memset(text, 'x', sizeof text);
        for (unsigned i = 0; i < 2 * BULK_SPARES; i++) {
                many[i] = bulk_new(&account);
                assert_int_equal(bulk_add(many[i], text, i == 0 ? sizeof text : sizeof text - 1), 0);
        }
        for (unsigned i = 0; i < 2 * BULK_SPARES; i++) {
                bulk_drop(many[i]);
                assert_int_equal(account.spares_count, i < BULK_SPARES ? i : BULK_SPARES); /* the first is too long by its NUL */
        }
        assert_int_equal(account.used, 0);
        for (unsigned i = 0; i < BULK_SPARES; i++) {
                many[i] = bulk_new(&account);
                assert_int_equal(bulk_add(many[i], "a", 1), 0);
                assert_string_equal(bulk_bytes(many[i]), "a");
                for (size_t k = 1; k < sizeof text; k++)
                        last |= bulk_bytes(many[i])[k];
        }
        assert_int_equal(last, 0);
        assert_int_equal(account.spares_count, 0);
        assert_int_equal(account.used, BULK_SPARES * 4096);
        for (unsigned i = 0; i < BULK_SPARES; i++)
                bulk_drop(many[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_pages_are_counted), cmocka_unit_test(test_memory_comes_back),
                                            cmocka_unit_test(test_short_ones_are_kept) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
