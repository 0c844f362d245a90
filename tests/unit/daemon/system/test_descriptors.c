/* test_descriptors.c - who gets how many descriptors. A row is one limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/base/bounds.h"
#include "daemon/system/descriptors.h"

static void shares(void **state) {
        static const struct {
                const char *situation;
                uint64_t allowed;
                uint32_t models, clients, operators;
        } rows[] = {
                { "enough for all", 4096, 8, 512, 32 },
                { "exactly enough", 512 + 129 + 32 + 9 + NOFILE_SPARE + 8 * NOFILE_ENGINE, 8, 512, 32 },
                { "one too few", 512 + 129 + 32 + 9 + NOFILE_SPARE + 8 * NOFILE_ENGINE - 1, 8, 511, 32 },
                { "what a login gives, and many models", 1024, 200, 205, 32 },
                { "a small container", 256, 4, 52, 17 },
                { "hardly any", 64, 1, 13, 5 },
                { "none to speak of", 8, 1, 2, 1 },
        };
        const struct descriptor_shares wanted = { 512, 32 };

        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct descriptor_shares got = descriptors_share(rows[i].allowed, wanted, rows[i].models);
                if (got.clients != rows[i].clients || got.operators != rows[i].operators)
                        fail_msg("%s: %u clients, %u operators", rows[i].situation, got.clients, got.operators);
        }
}

/* However few there are, half of a small limit is left to the daemon and its engines. */
static void something_is_left(void **state) {
        const struct descriptor_shares wanted = { 512, 32 };

        (void) state;
        for (uint64_t allowed = 64; allowed < 2048; allowed++) {
                struct descriptor_shares got = descriptors_share(allowed, wanted, 4);
                uint64_t others = descriptors_needed(got, 0) - NOFILE_SPARE;
                assert_true(got.clients && got.operators);
                assert_true(allowed - others >= allowed / 2 || allowed - others >= NOFILE_SPARE + 4 * NOFILE_ENGINE);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(shares),
                cmocka_unit_test(something_is_left),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
