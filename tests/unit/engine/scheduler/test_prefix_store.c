/*
 * test_prefix_store.c - prefixes in files: what a finished sequence leaves is a candidate and saved once, a fresh engine takes
 * it from there and gives the same answer, bit for bit; files that are damaged, of others or never come change nothing but the
 * time.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/base/bounds.h"
#include "engine/kv/prefix_hash.h"
#include "tests/unit/engine/scheduler/scheduler_fixture.h"

static int new_file(void) {
        int fd = memfd_create("kv", MFD_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static int another(int fd) {
        return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* A prompt of COUNT token ids, the last of which is LAST. */
static void submit_ids(struct fixture *f, uint64_t id, uint32_t count, uint32_t last) {
        char body[8192], *p = body;
        p += sprintf(p, "{\"temperature\":0,\"max_tokens\":24,\"ignore_eos\":true,\"prompt\":[");
        for (uint32_t i = 0; i + 1 < count; i++)
                p += sprintf(p, "%u,", 300 + (i * 37 + i / 5) % 1000);
        (void) sprintf(p, "%u]}", last);
        assert_int_equal(submit(f, id, body), 0);
}

static struct fixture *open_store_fixture(bool lookups, uint32_t kv_tokens) {
        return open_fixture_with(kv_tokens, 2, 64, lookups);
}

/* The answer to the prompt where there are no files. */
static struct told without_files(uint32_t count, uint32_t last) {
        struct fixture *f = open_store_fixture(false, 2048);
        submit_ids(f, 0, count, last);
        run_dry(f);
        assert_int_equal(f->told[0].ends, 1);
        struct told told = f->told[0];
        close_fixture(f);
        return told;
}

static void check_same(const struct told *a, const struct told *b) {
        assert_int_equal(a->length, b->length);
        assert_memory_equal(a->text, b->text, a->length);
        assert_int_equal(a->end.completion_tokens, b->end.completion_tokens);
}

static void step_until_saved(struct fixture *f) {
        for (unsigned i = 0; !f->saved && !f->save_errors; i++) {
                assert_true(i < 100);
                step(f);
        }
}

/* Saves the KV of the first prompt of 300 tokens in a file. */
static int save_one(uint32_t *ret_tokens) {
        struct fixture *f = open_store_fixture(true, 2048);
        struct scheduler_save_candidate o;
        assert_int_equal(scheduler_save_candidate(f->engine.scheduler, &o), 0);
        assert_int_equal(o.tokens, 0); /* nothing has ended yet */
        submit_ids(f, 0, 300, 5);
        step(f);
        assert_int_equal(f->lookups, 1);
        assert_int_equal(f->lookup_blocks, 299 / KV_BLOCK_TOKENS);
        assert_false(scheduler_has_work(f->engine.scheduler)); /* it waits for the answer */
        scheduler_found(f->engine.scheduler, 0, -1);
        run_dry(f);
        assert_int_equal(f->lookups, 1);

        assert_int_equal(scheduler_save_candidate(f->engine.scheduler, &o), 0);
        assert_true(o.tokens >= 300 && o.tokens % KV_BLOCK_TOKENS == 0 && o.blocks == o.tokens / KV_BLOCK_TOKENS);
        assert_memory_equal(o.hashes, f->lookup_hashes, f->lookup_blocks * sizeof(*o.hashes));
        *ret_tokens = o.tokens;
        free(o.hashes);
        int fd = new_file();
        scheduler_save(f->engine.scheduler, 77, another(fd));
        step_until_saved(f);
        assert_int_equal(f->saved, 1);
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        assert_true((uint64_t) st.st_size == o.bytes && f->saved_bytes == o.bytes);
        assert_int_equal(scheduler_save_candidate(f->engine.scheduler, &o), 0);
        assert_int_equal(o.tokens, 0); /* once is enough */
        scheduler_save(f->engine.scheduler, 78, another(fd));
        assert_int_equal(f->save_errors, 1); /* nothing is offered */
        close_fixture(f);
        return fd;
}

static void test_another_engine_goes_on(void **state) {
        (void) state;
        uint32_t tokens;
        int fd = save_one(&tokens);
        static const struct {
                uint32_t count, last, cached;
        } rows[] = {
                { 300, 5, 256 }, /* the same prompt: all whole blocks before its last token */
                { 320, 9, 256 }, /* another end: what they have in common, the 300th token is not */
                { 257, 9, 256 }, /* exactly as long as the blocks, and one */
                { 256, 9, 192 }, /* no block is taken that would leave nothing to compute */
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct told want = without_files(rows[i].count, rows[i].last);
                struct fixture *f = open_store_fixture(true, 2048);
                submit_ids(f, 0, rows[i].count, rows[i].last);
                step(f);
                assert_int_equal(f->lookups, 1);
                assert_int_equal(f->told[0].starts, 0);
                scheduler_found(f->engine.scheduler, 0, another(fd));
                run_dry(f);
                check_same(&f->told[0], &want);
                assert_int_equal(f->told[0].cached_tokens, rows[i].cached);
                assert_int_equal(f->told[0].end.cached_tokens, rows[i].cached);
                assert_int_equal(f->corrupt, 0);
                struct scheduler_statistics s = scheduler_statistics(f->engine.scheduler);
                assert_int_equal(s.tokens_prefilled, rows[i].count - rows[i].cached);
                close_fixture(f);
        }
        (void) close(fd);
}

/* Any byte of it, and any length: noticed, told, and the answer is what it is without. */
static void test_damage(void **state) {
        (void) state;
        uint32_t tokens;
        int fd = save_one(&tokens);
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        struct told want = without_files(300, 5);
        for (unsigned i = 0; i < 24; i++) {
                bool cut = i % 3 == 2;
                off_t at = st.st_size / 24 * i;
                uint8_t byte = 0;
                int bad = new_file();
                off_t from = 0;
                assert_int_equal(sendfile(bad, fd, &from, (size_t) st.st_size), st.st_size);
                assert_int_equal(pread(bad, &byte, 1, at), 1);
                byte ^= 0x40;
                assert_int_equal(pwrite(bad, &byte, 1, at), 1);
                if (cut)
                        assert_int_equal(ftruncate(bad, at), 0);
                struct fixture *f = open_store_fixture(true, 2048);
                submit_ids(f, 0, 300, 5);
                step(f);
                scheduler_found(f->engine.scheduler, 0, bad);
                run_dry(f);
                check_same(&f->told[0], &want);
                bool behind = f->told[0].cached_tokens == 256; /* what is not read is not missed */
                assert_int_equal(f->corrupt, !behind);
                assert_int_equal(f->damaged, !behind);
                assert_true(behind || f->told[0].cached_tokens == 0);
                assert_true(!behind || at > st.st_size * 3 / 5);
                close_fixture(f);
        }
        (void) close(fd);
}

static void test_cancelled_suspended_and_late(void **state) {
        (void) state;
        uint32_t tokens;
        int fd = save_one(&tokens);
        struct told want = without_files(300, 5);
        struct fixture *f = open_store_fixture(true, 2048);
        submit_ids(f, 0, 300, 5);
        step(f);
        scheduler_cancel(f->engine.scheduler, 0);
        scheduler_found(f->engine.scheduler, 0, another(fd)); /* nobody waits for it any more */
        submit_ids(f, 1, 300, 5);
        step(f);
        scheduler_suspend(f->engine.scheduler, 1, -1); /* while it waits for the answer */
        scheduler_found(f->engine.scheduler, 1, another(fd));
        scheduler_restore(f->engine.scheduler, 1);
        run_dry(f);
        check_same(&f->told[1], &want);
        assert_int_equal(f->lookups, 2);
        close_fixture(f);

        f = open_store_fixture(true, 2048); /* suspended when it has room and is about to read */
        submit_ids(f, 0, 300, 5);
        step(f);
        scheduler_found(f->engine.scheduler, 0, another(fd));
        scheduler_upkeep(f->engine.scheduler);
        int away = new_file();
        step(f);
        scheduler_suspend(f->engine.scheduler, 0, away);
        for (unsigned i = 0; i < 8; i++)
                step(f);
        scheduler_restore(f->engine.scheduler, 0);
        run_dry(f);
        check_same(&f->told[0], &want);
        close_fixture(f);
        (void) close(fd);
}

/* The pool is just large enough for the requests: what is being saved is given up, and nothing waits for it. */
static void test_saving_is_in_nobodys_way(void **state) {
        (void) state;
        struct fixture *f = open_store_fixture(true, 448);
        submit_ids(f, 0, 300, 5);
        step(f);
        scheduler_found(f->engine.scheduler, 0, -1);
        run_dry(f);
        struct scheduler_save_candidate o;
        assert_int_equal(scheduler_save_candidate(f->engine.scheduler, &o), 0);
        free(o.hashes);
        scheduler_save(f->engine.scheduler, 77, new_file());
        char body[8192], *p = body; /* nothing in common with the first */
        p += sprintf(p, "{\"temperature\":0,\"max_tokens\":20,\"prompt\":[");
        for (uint32_t i = 0; i < 400; i++)
                p += sprintf(p, "%s%u", i ? "," : "", 400 + i);
        (void) strcpy(p, "]}");
        assert_int_equal(submit(f, 1, body), 0);
        scheduler_found(f->engine.scheduler, 1, -1); /* not asked yet: of no consequence */
        for (unsigned i = 0; i < 200 && !f->told[1].ends; i++) {
                step(f);
                if (f->lookups == 2 && !f->told[1].starts)
                        scheduler_found(f->engine.scheduler, 1, -1);
        }
        assert_int_equal(f->told[1].ends, 1);
        assert_int_equal(f->saved + f->save_errors, 1);
        scheduler_trim(f->engine.scheduler);
        struct kv_usage usage;
        kv_cache_usage(f->engine.cache, &usage);
        assert_int_equal(usage.blocks_used, 0);
        close_fixture(f);
}

/* KV that was made less precise is not saved: another prompt's answer would depend on it. */
static void test_less_precise_is_not_saved(void **state) {
        (void) state;
        struct fixture *f = open_store_fixture(false, 2048);
        submit_ids(f, 0, 300, 5);
        run_dry(f);
        assert_int_equal(scheduler_downshift_now(f->engine.scheduler, KV_Q4_0), 0);
        struct scheduler_save_candidate o;
        assert_int_equal(scheduler_save_candidate(f->engine.scheduler, &o), 0);
        assert_int_equal(o.tokens, 0);
        close_fixture(f);
}

static void test_prefix_hashes(void **state) {
        (void) state;
        int32_t a[3 * KV_BLOCK_TOKENS + 5], b[3 * KV_BLOCK_TOKENS + 5];
        for (unsigned i = 0; i < sizeof(a) / sizeof(a[0]); i++)
                a[i] = b[i] = (int32_t) i * 7;
        b[2 * KV_BLOCK_TOKENS] ^= 1;
        uint64_t x[3], y[3], z[3], seed = prefix_hash_seed(1, KV_F16, 0);
        assert_int_equal(prefix_hash_blocks(seed, a, 3 * KV_BLOCK_TOKENS + 5, x), 3);
        assert_int_equal(prefix_hash_blocks(seed, b, 3 * KV_BLOCK_TOKENS + 4, y), 3);
        assert_true(x[0] == y[0] && x[1] == y[1] && x[2] != y[2]);
        assert_int_equal(prefix_hash_blocks(prefix_hash_seed(1, KV_Q8_0, 0), a, KV_BLOCK_TOKENS, z), 1);
        assert_true(z[0] != x[0]);
        assert_int_equal(prefix_hash_blocks(prefix_hash_seed(2, KV_F16, 0), a, KV_BLOCK_TOKENS, z), 1);
        assert_true(z[0] != x[0]);
        assert_int_equal(prefix_hash_blocks(prefix_hash_seed(1, KV_F16, 3), a, KV_BLOCK_TOKENS, z), 1);
        assert_true(z[0] != x[0]);
        assert_int_equal(prefix_hash_blocks(seed, a, KV_BLOCK_TOKENS - 1, z), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_prefix_hashes),
                cmocka_unit_test(test_another_engine_goes_on),
                cmocka_unit_test(test_damage),
                cmocka_unit_test(test_cancelled_suspended_and_late),
                cmocka_unit_test(test_saving_is_in_nobodys_way),
                cmocka_unit_test(test_less_precise_is_not_saved),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
