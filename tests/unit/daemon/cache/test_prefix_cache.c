/*
 * test_prefix_cache.c - the index of prefixes on disk: the longest common one is found, the quota holds, what was used longest
 * ago goes, a restart finds all of it, and any damage of what a file is known by sets it aside.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/base/bounds.h"
#include "daemon/cache/prefix_cache.h"

#define BYTES 10000u /* that an engine writes of each */

static uv_loop_t loop;
static struct prefix_cache *cache;
static char state[64];

static void on_quiet(void *user) {
        (void) user;
}

static void settle(void) {
        while (prefix_cache_busy(cache))
                (void) uv_run(&loop, UV_RUN_ONCE);
}

static void start(uint64_t bytes_max) {
        assert_int_equal(uv_loop_init(&loop), 0);
        assert_int_equal(prefix_cache_new(&loop, state, bytes_max, on_quiet, NULL, &cache), 0);
        settle();
}

static void end(void) {
        settle();
        prefix_cache_free(cache);
        assert_int_equal(uv_loop_close(&loop), 0);
}

static int set_up(void **unused) {
        (void) unused;
        (void) snprintf(state, sizeof(state), "/tmp/test_prefix_cache.XXXXXX");
        return mkdtemp(state) ? 0 : -1;
}

static int tear_down(void **unused) {
        char command[128];
        (void) unused;
        (void) snprintf(command, sizeof(command), "rm -r %s", state);
        return system(command);
}

static struct prefix_cache_figures figures(void) {
        struct prefix_cache_figures f;
        prefix_cache_figures(cache, &f);
        return f;
}

/* The hashes of a text whose blocks are these letters: a number stands for all up to there. */
static uint32_t hashes_of_text(const char *text, uint64_t hashes[64]) {
        uint64_t hash = 17;
        uint32_t n = 0;
        for (; text[n]; n++)
                hashes[n] = hash = hash * 1000003 + (uint64_t) (unsigned char) text[n];
        return n;
}

static struct {
        struct cache_job *job;
        int fd, error;
        uint64_t number, found_size;
        int64_t saved;
} told;

static void on_made(void *user, struct cache_job *job, int fd, int error) {
        (void) user;
        told.job = job;
        told.fd = fd;
        told.error = error;
}

static void on_saved(void *user, int64_t bytes) {
        (void) user;
        told.saved = bytes;
}

static void on_found(void *user, uint64_t number, int fd) {
        struct stat st = { 0 };
        (void) user;
        told.number = number;
        if (fd >= 0 && fstat(fd, &st) == 0)
                told.found_size = (uint64_t) st.st_size;
}

static bool make(uint64_t model, const char *text, uint64_t bytes) {
        uint64_t hashes[64], *copy = malloc(sizeof(hashes));
        uint32_t blocks = hashes_of_text(text, copy);
        told.job = NULL;
        bool wanted = prefix_cache_make(cache, model, copy, blocks, bytes, on_made, NULL);
        settle();
        return wanted;
}

static void save(uint64_t model, const char *text) {
        static const char zeros[BYTES];
        assert_true(make(model, text, BYTES));
        assert_non_null(told.job);
        assert_int_equal(write(told.fd, zeros, BYTES), BYTES);
        prefix_cache_save(told.job, on_saved, NULL);
        settle();
        assert_true(told.saved > BYTES);
}

/* The number of the file that is found; 0: none. */
static uint64_t find(uint64_t model, const char *text) {
        uint64_t hashes[64];
        uint32_t blocks = hashes_of_text(text, hashes);
        told.number = told.found_size = 0;
        if (prefix_cache_find(cache, model, hashes, blocks, on_found, NULL)) {
                settle();
                assert_true(told.found_size > BYTES);
        }
        return told.number;
}

static void test_longest_prefix(void **unused) {
        (void) unused;
        start(1 << 20);
        save(1, "abcde");
        save(1, "abxyz");
        save(2, "abcdefgh");
        for (unsigned again = 0; again < 2; again++) {
                assert_int_equal(find(1, "abcdefgh"), 1);
                assert_int_equal(find(1, "abx"), 2);
                assert_int_equal(find(1, "abxyzzzz"), 2);
                assert_int_equal(find(2, "abcdef"), 3);
                assert_int_equal(find(1, "bcde"), 0);
                assert_int_equal(find(1, ""), 0);
                assert_int_equal(find(3, "abcde"), 0);
                end();
                start(1 << 20); /* all of it is found again */
                assert_int_equal(figures().files, 3);
        }
        assert_false(make(1, "abc", BYTES)); /* on disk already */
        save(1, "abcdeXY");                  /* what it begins with is not kept twice */
        assert_int_equal(figures().files, 3);
        assert_int_equal(find(1, "abcd"), 4); /* and numbers are not used again */
        end();
}

static void test_quota(void **unused) {
        (void) unused;
        start(3 * (BYTES + CACHE_FILE_SPARE));
        save(1, "aaa");
        save(1, "bbb");
        save(1, "ccc");
        assert_int_equal(find(1, "aaa"), 1);
        save(1, "ddd");
        save(1, "eee");
        struct prefix_cache_figures f = figures();
        assert_true(f.bytes <= f.bytes_max && f.evicted >= 1);
        assert_true(find(1, "aaa") && find(1, "eee") && !find(1, "bbb")); /* what was used longest ago went */
        assert_false(make(1, "zzz", f.bytes_max));                        /* larger than all there is */
        assert_int_equal(figures().files, f.files);
        end();
        start(BYTES + CACHE_FILE_SPARE); /* less now */
        assert_int_equal(figures().files, 1);
        assert_true(find(1, "eee"));
        end();
}

static void test_an_engine_that_writes_too_much_or_nothing(void **unused) {
        (void) unused;
        static const char zeros[3 * BYTES];
        start(1 << 20);
        assert_true(make(1, "aaa", BYTES));
        assert_int_equal(write(told.fd, zeros, sizeof(zeros)), sizeof(zeros));
        prefix_cache_save(told.job, on_saved, NULL);
        settle();
        assert_int_equal(told.saved, -EFBIG);
        assert_true(make(1, "aaa", BYTES));
        prefix_cache_save(told.job, on_saved, NULL);
        settle();
        assert_int_equal(told.saved, -EBADMSG);
        assert_true(make(1, "aaa", BYTES));
        prefix_cache_discard(told.job);
        assert_int_equal(figures().files, 0);
        end();
        char path[128];
        (void) snprintf(path, sizeof(path), "%s/prompts", state);
        assert_int_equal(rmdir(path), 0); /* nothing is left of them */
}

/* Each byte of what it is known by, and each length: set aside, and nothing is found. */
static void test_damage(void **unused) {
        (void) unused;
        char path[128], aside[128];
        start(1 << 20);
        save(1, "abc");
        end();
        (void) snprintf(path, sizeof(path), "%s/prompts/1.kv", state);
        (void) snprintf(aside, sizeof(aside), "%s/prompts/damaged-0.kv", state);
        uint8_t good[BYTES + 64], bad[sizeof(good)];
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fread(good, 1, sizeof(good), f), sizeof(good));
        assert_int_equal(fgetc(f), EOF);
        (void) fclose(f);
        for (unsigned i = 0; i < 128; i++) {
                memcpy(bad, good, sizeof(good));
                size_t length = i < 64 ? sizeof(good) : sizeof(good) - (i - 63);
                bad[BYTES + i % 64] ^= i < 64 ? 1 : 0;
                f = fopen(path, "we");
                assert_int_equal(fwrite(bad, 1, length, f), length);
                (void) fclose(f);
                start(1 << 20);
                struct prefix_cache_figures now = figures();
                if (now.files != 0 || now.damaged != 1 || find(1, "abc") != 0)
                        fail_msg("%s %u is not noticed", i < 64 ? "byte" : "length", i);
                end();
                assert_int_equal(unlink(aside), 0);
                assert_int_equal(access(path, F_OK), -1);
        }
}

/* A footer alone, for which the hashes would begin before the file: the lengths add up all the same, modulo 2^64. */
static void test_a_length_that_wraps(void **unused) {
        (void) unused;
        static const char footer[41] = "HRCHAIN\n"
                                       "MMMMMMMM"
                                       "\x01\0\0\0\0\0\0\0"
                                       "\xf8\xff\xff\xff\xff\xff\xff\xff"
                                       "SUMSUMSU";
        char path[128], aside[128];
        (void) snprintf(path, sizeof(path), "%s/prompts/1.kv", state);
        (void) snprintf(aside, sizeof(aside), "%s/prompts/damaged-0.kv", state);
        start(1 << 20);
        end();
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_int_equal(fwrite(footer, 1, 40, f), 40);
        (void) fclose(f);
        start(1 << 20);
        assert_int_equal(figures().damaged, 1);
        end();
        assert_int_equal(access(aside, F_OK), 0);
}

static void test_rejected(void **unused) {
        (void) unused;
        char aside[128];
        start(1 << 20);
        save(1, "abc");
        save(1, "xyz");
        prefix_cache_reject(cache, 1, true, "told by an engine");
        prefix_cache_reject(cache, 1, true, "twice");
        prefix_cache_reject(cache, 2, false, "of another model");
        prefix_cache_reject(cache, 99, true, "never there");
        settle();
        struct prefix_cache_figures f = figures();
        assert_true(f.files == 0 && f.bytes == 0 && f.damaged == 1);
        assert_int_equal(find(1, "abc"), 0);
        end();
        (void) snprintf(aside, sizeof(aside), "%s/prompts/damaged-0.kv", state);
        assert_int_equal(access(aside, F_OK), 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_longest_prefix),
                TEST(test_quota),
                TEST(test_an_engine_that_writes_too_much_or_nothing),
                TEST(test_damage),
                TEST(test_a_length_that_wraps),
                TEST(test_rejected),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
