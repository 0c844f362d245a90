/*
 * test_suspend.c - requests that give their KV back and take it again, at any moment, with good files and bad ones: the answer
 * is the one they give alone, bit for bit, and nothing is left behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/engine/scheduler/scheduler_fixture.h"

static int new_file(void) {
        int fd = memfd_create("kv", MFD_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

/* The scheduler takes descriptors over: it gets one of its own, and we keep ours to look at the file. */
static void suspend(struct fixture *f, uint64_t id, int fd) {
        scheduler_suspend(f->engine.scheduler, id, fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

static void restore(struct fixture *f, uint64_t id) {
        scheduler_restore(f->engine.scheduler, id);
}

static void steps(struct fixture *f, unsigned count) {
        while (count-- > 0)
                step(f);
}

/* Steps until the suspension of ID has been told. */
static void await_suspended(struct fixture *f, uint64_t id, uint32_t wanted) {
        for (unsigned i = 0; f->told[id].suspensions < wanted; i++) {
                assert_true(i < 1000 && f->told[id].refusals == 0);
                step(f);
        }
}

static unsigned fds_open(void) {
        unsigned count = 0;
        DIR *d = opendir("/proc/self/fd");
        assert_non_null(d);
        while (readdir(d))
                count++;
        (void) closedir(d);
        return count;
}

static uint32_t blocks_used(const struct fixture *f) {
        struct kv_usage usage;
        kv_cache_usage(f->engine.cache, &usage);
        return usage.blocks_used;
}

/* Before it runs, amid its prompt, amid its answer: any step; with a file and without. */
static void test_at_any_moment(void **state) {
        (void) state;
        for (uint32_t body = 0; body < BODIES; body++)
                for (unsigned at = 0; at < 40; at += at < 12 ? 1 : 7)
                        for (unsigned with_file = 0; with_file < 2; with_file++) {
                                struct fixture *f = open_fixture(1024, 2, 64);
                                int fd = with_file ? new_file() : -1;
                                assert_int_equal(submit(f, 0, bodies[body]), 0);
                                steps(f, at);
                                bool over = f->told[0].ends > 0, ran = f->told[0].starts > 0;
                                suspend(f, 0, fd);
                                if (!over) {
                                        await_suspended(f, 0, 1);
                                        assert_int_equal(blocks_used(f), 0);
                                        uint32_t pieces = f->told[0].pieces;
                                        steps(f, 3);
                                        assert_int_equal(f->told[0].pieces, pieces);
                                        assert_false(scheduler_has_work(f->engine.scheduler));
                                        restore(f, 0);
                                } else {
                                        assert_int_equal(f->told[0].refusals, 1);
                                }
                                run_dry(f);
                                check_as_alone(&f->told[0], body);
                                assert_int_equal(f->told[0].restorations, !over);
                                assert_int_equal(f->told[0].recomputations, !over && !(with_file && ran));
                                assert_int_equal(f->told[0].end.cached_tokens, 0);
                                close_fixture(f);
                                if (fd >= 0)
                                        (void) close(fd);
                        }
}

static void test_memory_comes_back(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 4, 256);
        assert_int_equal(submit(f, 0, bodies[1]), 0);
        steps(f, 2);
        assert_int_equal(submit(f, 1, bodies[6]), 0); /* shares a prefix with the first */
        steps(f, 2);
        struct scheduler_statistics s = scheduler_statistics(f->engine.scheduler);
        assert_int_equal(s.requests_running, 2);
        assert_true(s.running[0].bytes < s.kv_bytes[KV_F16] && s.running[0].bytes > 0);
        int fd = new_file();
        uint64_t before = s.kv_bytes[KV_F16];
        suspend(f, 0, fd);
        await_suspended(f, 0, 1);
        s = scheduler_statistics(f->engine.scheduler);
        assert_int_equal(s.suspended_count, 1);
        assert_int_equal(s.suspended[0].id, 0);
        assert_true(s.suspended[0].bytes > f->told[0].given_back); /* what is shared stays, and yet it is needed again */
        assert_true(f->told[0].given_back > 0 && s.kv_bytes[KV_F16] < before + 1);
        assert_int_equal(s.requests_running, 1);
        struct stat file;
        assert_int_equal(fstat(fd, &file), 0);
        assert_true((uint64_t) file.st_size > s.suspended[0].bytes);
        restore(f, 0);
        run_dry(f);
        check_as_alone(&f->told[0], 1);
        check_as_alone(&f->told[1], 6);
        assert_int_equal(f->told[0].recomputations, 0);
        (void) close(fd);
        close_fixture(f);
}

/* A request whose descriptor cannot be written to goes on and is as good as ever. */
static void check_goes_on(struct fixture *f, int fd, const char *because) {
        assert_true(fd >= 0);
        unsigned before = fds_open();
        assert_int_equal(submit(f, 0, bodies[1]), 0);
        steps(f, 3);
        suspend(f, 0, fd);
        run_dry(f);
        assert_int_equal(f->told[0].suspensions, 0);
        assert_int_equal(f->told[0].refusals, 1);
        if (!strstr(f->told[0].refusal, because))
                fail_msg("%s", f->told[0].refusal);
        check_as_alone(&f->told[0], 1);
        assert_int_equal(fds_open(), before);
        (void) close(fd);
        close_fixture(f);
}

static void test_files_that_cannot_be_written(void **state) {
        (void) state;
        check_goes_on(open_fixture(1024, 1, 64), open("/dev/full", O_RDWR | O_CLOEXEC), "No space left");
        check_goes_on(open_fixture(1024, 1, 64), open("/dev/null", O_RDONLY | O_CLOEXEC), "Bad file descriptor");
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        check_goes_on(open_fixture(1024, 1, 64), ends[1], "Illegal seek");
        (void) close(ends[0]);
}

/* The limit is reached amid the first block, or the last. */
static void test_a_file_that_may_not_grow(void **state) {
        (void) state;
        struct rlimit old, low;
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        (void) signal(SIGXFSZ, SIG_IGN);
        for (rlim_t limit = 100; limit < 60000; limit = limit * 3 + 7) {
                struct fixture *f = open_fixture(1024, 1, 64);
                char name[] = "/tmp/headroom-suspend-XXXXXX";
                int fd = mkostemp(name, O_CLOEXEC);
                assert_true(fd >= 0 && unlink(name) == 0);
                low = (struct rlimit){ limit, old.rlim_max };
                assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
                check_goes_on(f, fd, "File too large");
                assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        }
}

/* Any damage: some bit of header, tokens, block headers or blocks; the end missing; everything missing. */
static void test_damaged_files(void **state) {
        (void) state;
        for (unsigned kind = 0; kind < 40; kind++) {
                struct fixture *f = open_fixture(1024, 1, 64);
                struct random r = random_seeded(kind);
                int fd = new_file();
                assert_int_equal(submit(f, 0, bodies[1]), 0);
                steps(f, 6);
                suspend(f, 0, fd);
                await_suspended(f, 0, 1);
                struct stat file;
                assert_int_equal(fstat(fd, &file), 0);
                uint32_t size = (uint32_t) file.st_size;
                uint32_t at = kind < 10 ? random_u32(&r) % 128 : kind < 20 ? 128 + random_u32(&r) % 1024 : random_u32(&r) % size;
                uint8_t byte;
                if (kind % 8 == 7) {
                        assert_int_equal(ftruncate(fd, kind == 7 ? 0 : (off_t) at), 0);
                } else {
                        assert_int_equal(pread(fd, &byte, 1, (off_t) at), 1);
                        byte ^= (uint8_t) (1u << random_u32(&r) % 8);
                        assert_int_equal(pwrite(fd, &byte, 1, (off_t) at), 1);
                }
                restore(f, 0);
                run_dry(f);
                assert_int_equal(f->told[0].recomputations, 1);
                check_as_alone(&f->told[0], 1);
                (void) close(fd);
                close_fixture(f);
        }
}

/* A whole file of another moment of the same request is not the one that was written. */
static void test_a_file_of_another(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 2, 64);
        int fds[2] = { new_file(), new_file() };
        assert_int_equal(submit(f, 0, bodies[1]), 0);
        assert_int_equal(submit(f, 1, bodies[4]), 0);
        steps(f, 8);
        for (uint64_t id = 0; id < 2; id++) {
                suspend(f, id, fds[id]);
                await_suspended(f, id, 1);
        }
        char bytes[4096];
        off_t at = 0;
        for (ssize_t n; (n = pread(fds[1], bytes, sizeof(bytes), at)) > 0; at += n)
                assert_int_equal(pwrite(fds[0], bytes, (size_t) n, at), n);
        assert_int_equal(ftruncate(fds[0], at), 0);
        restore(f, 0);
        restore(f, 1);
        run_dry(f);
        assert_int_equal(f->told[0].recomputations, 1);
        assert_int_equal(f->told[1].recomputations, 0);
        check_as_alone(&f->told[0], 1);
        check_as_alone(&f->told[1], 4);
        (void) close(fds[0]);
        (void) close(fds[1]);
        close_fixture(f);
}

static void submit_hungry(struct fixture *f, uint64_t id, char letter) {
        char body[200];
        (void) snprintf(body, sizeof(body), "{\"prompt\":\"%c\",\"temperature\":0,\"max_tokens\":300,\"ignore_eos\":true}",
                        letter);
        assert_int_equal(submit(f, id, body), 0);
}

/* RETURNING FIRST: what waits for a suspended one's room gets it; what comes later does not pass it when it returns. */
static void test_the_account(void **state) {
        (void) state;
        struct fixture *f = open_fixture(512, 4, 256); /* each wants 5 blocks of 8 */
        submit_hungry(f, 0, 'a');
        submit_hungry(f, 1, 'b');
        steps(f, 5);
        assert_int_equal(f->told[1].starts, 0);
        int fd = new_file();
        suspend(f, 0, fd);
        await_suspended(f, 0, 1);
        step(f);
        assert_int_equal(f->told[1].starts, 1); /* nothing is promised to who is away */
        for (uint64_t id = 2; id < 6; id++)
                submit_hungry(f, id, (char) ('a' + id));
        restore(f, 0);
        steps(f, 5);
        assert_int_equal(f->told[0].restorations, 0); /* no room yet */
        struct scheduler_statistics s = scheduler_statistics(f->engine.scheduler);
        assert_int_equal(s.suspended_count, 1);
        assert_int_equal(s.requests_waiting, 5);
        run_dry(f);
        for (uint64_t id = 0; id < 6; id++) {
                assert_int_equal(f->told[id].ends, 1);
                assert_int_equal(f->told[id].end.completion_tokens, 300);
                assert_int_equal(f->told[id].order, id == 0 ? 1 : id == 1 ? 0 : id);
        }
        (void) close(fd);
        close_fixture(f);
}

static void test_in_the_order_of_restoring(void **state) {
        (void) state;
        struct fixture *f = open_fixture(512, 1, 256);
        for (uint64_t id = 0; id < 4; id++) {
                submit_hungry(f, id, (char) ('a' + id));
                steps(f, 2);
                suspend(f, id, -1);
        }
        submit_hungry(f, 4, 'x');
        static const uint64_t order[] = { 2, 0, 3, 1 };
        for (unsigned i = 0; i < 4; i++)
                restore(f, order[i]);
        run_dry(f);
        for (uint32_t i = 0; i < 4; i++)
                assert_int_equal(f->told[order[i]].order, i);
        assert_int_equal(f->told[4].order, 4);
        close_fixture(f);
}

static void test_cancel_wherever_it_is(void **state) {
        (void) state;
        unsigned before = fds_open();
        for (unsigned at = 0; at < 5; at++) {
                struct fixture *f = open_fixture(1024, 1, 64);
                int fd = new_file();
                assert_int_equal(submit(f, 0, bodies[1]), 0);
                steps(f, 4);
                suspend(f, 0, fd);
                if (at == 1)
                        step(f); /* amid the writing */
                if (at >= 2)
                        await_suspended(f, 0, 1);
                if (at >= 3)
                        restore(f, 0);
                if (at == 4)
                        step(f); /* amid the reading */
                scheduler_cancel(f->engine.scheduler, 0);
                assert_false(scheduler_knows(f->engine.scheduler, 0));
                assert_int_equal(submit(f, 1, bodies[0]), 0);
                run_dry(f);
                assert_int_equal(f->told[0].ends + f->told[0].restorations, 0);
                check_as_alone(&f->told[1], 0);
                (void) close(fd);
                close_fixture(f);
        }
        assert_int_equal(fds_open(), before);
}

static void test_untimely(void **state) {
        (void) state;
        unsigned before = fds_open();
        struct fixture *f = open_fixture(1024, 2, 64);
        int fd = new_file();
        suspend(f, 9, fd); /* never known */
        assert_string_equal(f->told[9].refusal, "It has ended already.");
        restore(f, 9);
        assert_int_equal(f->told[9].restorations, 0);
        assert_int_equal(submit(f, 0, bodies[1]), 0);
        steps(f, 4);
        restore(f, 0); /* it runs */
        assert_int_equal(f->told[0].restorations, 1);
        suspend(f, 0, fd);
        suspend(f, 0, fd); /* while it is being written */
        assert_string_equal(f->told[0].refusal, "It is suspended already.");
        restore(f, 0); /* before it is written: it goes on */
        assert_int_equal(f->told[0].suspensions, 0);
        assert_int_equal(f->told[0].refusals, 2);
        assert_int_equal(f->told[0].restorations, 2);
        assert_int_equal(f->told[0].recomputations, 0);
        f->told[0].refusals = 0;
        suspend(f, 0, fd);
        await_suspended(f, 0, 1);
        suspend(f, 0, -1);
        assert_int_equal(f->told[0].refusals, 1);
        restore(f, 0);
        restore(f, 0);     /* again: it is answered once */
        suspend(f, 0, -1); /* while it waits for room: it stays away, and its file stays good */
        assert_int_equal(f->told[0].suspensions, 2);
        restore(f, 0);
        step(f);
        suspend(f, 0, fd); /* while it is being read */
        assert_int_equal(f->told[0].suspensions, 3);
        assert_int_equal(blocks_used(f), 0);
        restore(f, 0);
        run_dry(f);
        assert_int_equal(f->told[0].restorations, 3);
        assert_int_equal(f->told[0].recomputations, 0);
        check_as_alone(&f->told[0], 1);
        close_fixture(f);
        (void) close(fd);
        assert_int_equal(fds_open(), before);
}

static void test_paused_too(void **state) {
        (void) state;
        struct fixture *f = open_fixture(1024, 2, 64);
        int fd = new_file();
        assert_int_equal(submit(f, 0, bodies[4]), 0);
        steps(f, 6);
        scheduler_pause(f->engine.scheduler, 0, true);
        suspend(f, 0, fd);
        await_suspended(f, 0, 1);
        restore(f, 0);
        run_dry(f);
        assert_int_equal(f->told[0].restorations, 1);
        assert_int_equal(f->told[0].ends, 0); /* back, and still paused */
        suspend(f, 0, fd);
        await_suspended(f, 0, 2);
        scheduler_pause(f->engine.scheduler, 0, false); /* while away */
        assert_false(scheduler_has_work(f->engine.scheduler));
        restore(f, 0);
        run_dry(f);
        check_as_alone(&f->told[0], 4);
        (void) close(fd);
        close_fixture(f);
}

static void test_as_many_as_can_be(void **state) {
        (void) state;
        struct fixture *f = open_fixture(512, 1, 256);
        for (uint64_t id = 0; id <= WIRE_SUSPENDED_MAX; id++) {
                assert_int_equal(submit(f, id, bodies[7]), 0);
                suspend(f, id, -1);
        }
        assert_int_equal(f->told[WIRE_SUSPENDED_MAX - 1].suspensions, 1);
        assert_string_equal(f->told[WIRE_SUSPENDED_MAX].refusal, "As many are suspended as can be.");
        for (uint64_t id = 0; id < WIRE_SUSPENDED_MAX; id++)
                restore(f, id);
        run_dry(f);
        for (uint64_t id = 0; id <= WIRE_SUSPENDED_MAX; id++)
                check_as_alone(&f->told[id], 7);
        close_fixture(f);
}

static void test_embeddings(void **state) {
        (void) state;
        float first[VECTOR_MAX];
        for (unsigned at = 0; at < 14; at++) {
                struct fixture *f = open_fixture(2048, 1, 32);
                int fd = new_file();
                submit_embed(f, 0, "[\"" LONG "\", \"memory budget\"]");
                steps(f, at);
                bool over = f->told[0].embeddings;
                if (!over) {
                        suspend(f, 0, fd);
                        assert_int_equal(f->told[0].suspensions, 1); /* at once: there is nothing to write */
                        assert_int_equal(blocks_used(f), 0);
                        restore(f, 0);
                }
                run_dry(f);
                assert_int_equal(f->told[0].embeddings, 1);
                if (at == 0)
                        memcpy(first, f->told[0].vectors[0], sizeof(first));
                assert_memory_equal(f->told[0].vectors[0], first, f->engine.rules.n_embd * sizeof(float));
                (void) close(fd);
                close_fixture(f);
                if (over)
                        break;
        }
}

static void test_trim(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 2, 256);
        assert_int_equal(submit(f, 0, bodies[1]), 0);
        run_dry(f);
        struct scheduler_statistics s = scheduler_statistics(f->engine.scheduler);
        assert_true(s.prefix_bytes > 0);
        assert_int_equal(s.kv_bytes[KV_F16], 0);
        scheduler_trim(f->engine.scheduler);
        assert_int_equal(scheduler_statistics(f->engine.scheduler).prefix_bytes, 0);
        assert_int_equal(blocks_used(f), 0);
        assert_int_equal(submit(f, 1, bodies[2]), 0);
        run_dry(f);
        assert_int_equal(f->told[1].cached_tokens, 0);
        check_as_alone(&f->told[1], 2);
        close_fixture(f);
}

static void test_downshift_now(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 2, 256);
        assert_int_equal(f->engine.kv_floor, KV_Q4_0);
        assert_int_equal(submit(f, 0, bodies[7]), 0);
        assert_int_equal(submit(f, 1, bodies[1]), 0);
        steps(f, 8);
        int fd = new_file();
        suspend(f, 1, fd);
        step(f); /* amid the writing: blocks change their type between two pieces */
        engine_downshift_now(&f->engine);
        struct scheduler_statistics s = scheduler_statistics(f->engine.scheduler);
        assert_int_equal(s.prefix_bytes, 0);
        assert_int_equal(s.kv_bytes[KV_F16], 0);
        assert_true(s.kv_bytes[KV_Q4_0] > 0);
        assert_int_equal(scheduler_prefill_chunk(f->engine.scheduler), PREFILL_CHUNK_LEAST);
        await_suspended(f, 1, 1);
        restore(f, 1);
        run_dry(f);
        assert_int_equal(f->told[1].ends, 1);
        assert_int_equal(f->told[1].recomputations, 0);
        (void) close(fd);
        close_fixture(f);
}

/* All levers at once, in a pool that is too small for all. */
static void test_storm(void **state) {
        (void) state;
        unsigned before = fds_open();
        for (uint64_t seed = 0; seed < 6; seed++) {
                struct storm s = { .f = open_fixture(768 + 128 * (uint32_t) seed, 1 + (uint32_t) seed, 8u << seed % 4),
                                   .rng = random_seeded(seed) };
                while (s.next < 50) {
                        uint64_t any = s.next ? random_u32(&s.rng) % s.next : 0;
                        uint32_t rng = random_u32(&s.rng) % 24;
                        if (rng < 3) {
                                storm_submit(&s);
                        } else if (rng == 3 && s.next) {
                                storm_cancel(&s, any);
                        } else if (rng < 6 && s.next) {
                                int fd = rng == 4 ? new_file() : -1;
                                suspend(s.f, any, fd);
                                if (fd >= 0 && random_u32(&s.rng) % 8 == 0)
                                        (void) !ftruncate(fd, 100);
                                if (fd >= 0)
                                        (void) close(fd);
                        } else if (rng < 9 && s.next && s.f->told[any].ends == 0 && !s.cancelled[any]) {
                                restore(s.f, any);
                        } else {
                                step(s.f);
                        }
                }
                for (uint64_t id = 0; id < s.next; id++)
                        if (s.f->told[id].ends == 0 && !s.cancelled[id])
                                restore(s.f, id);
                storm_end(&s);
        }
        assert_int_equal(fds_open(), before);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_at_any_moment),
                cmocka_unit_test(test_memory_comes_back),
                cmocka_unit_test(test_files_that_cannot_be_written),
                cmocka_unit_test(test_a_file_that_may_not_grow),
                cmocka_unit_test(test_damaged_files),
                cmocka_unit_test(test_a_file_of_another),
                cmocka_unit_test(test_the_account),
                cmocka_unit_test(test_in_the_order_of_restoring),
                cmocka_unit_test(test_cancel_wherever_it_is),
                cmocka_unit_test(test_untimely),
                cmocka_unit_test(test_paused_too),
                cmocka_unit_test(test_as_many_as_can_be),
                cmocka_unit_test(test_embeddings),
                cmocka_unit_test(test_trim),
                cmocka_unit_test(test_downshift_now),
                cmocka_unit_test(test_storm),
        };
        return cmocka_run_group_tests(tests, answer_alone, NULL);
}
