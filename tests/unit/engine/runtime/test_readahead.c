/* test_readahead.c - weights are read in the order of their use, all of them, and not while the machine is short of memory. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/bounds.h"
#include "engine/runtime/readahead.h"
#include "tests/tiny_model.h"

/* Of several windows, in a file of its own on a disk. */
static struct gguf *open_model(bool cold, int *ret_fd) {
        struct gguf_writer w =
                tiny_model_bytes((struct tiny_model){ .layers = 12, .embd = 256, .ff = 1024, .vocab = 512, .untied = true });
        char path[] = "readahead-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        (void) unlink(path);
        assert_int_equal(write(fd, w.bytes, w.length), w.length);
        gguf_write_done(&w);
        if (cold) {
                assert_int_equal(fdatasync(fd), 0);
                assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        }
        struct gguf *g;
        struct gguf_error error;
        assert_int_equal(gguf_open(&fd, 1, &g, &error), 0);
        *ret_fd = fd;
        return g;
}

static const struct readahead_range *range_of(const struct readahead_range *ranges, size_t count, const void *bytes) {
        for (size_t i = 0; i < count; i++)
                if ((const uint8_t *) bytes >= ranges[i].bytes && (const uint8_t *) bytes < ranges[i].bytes + ranges[i].count)
                        return &ranges[i];
        return NULL;
}

static void every_tensor_is_read_where_it_is_used(void **state) {
        (void) state;
        int fd;
        size_t count;
        struct gguf *g = open_model(false, &fd);
        struct readahead_range *ranges = readahead_ranges(g, &count);
        assert_non_null(ranges);
        for (size_t i = 0; i < gguf_tensors_count(g); i++) {
                const struct gguf_tensor *t = gguf_tensor_at(g, i);
                const struct readahead_range *r = range_of(ranges, count, t->data);
                assert_non_null(r);
                assert_true(t->data + t->bytes <= r->bytes + r->count);
        }
        const uint8_t *first = gguf_find_tensor(g, "blk.0.ffn_up.weight")->data,
                      *tenth = gguf_find_tensor(g, "blk.10.ffn_up.weight")->data,
                      *second = gguf_find_tensor(g, "blk.2.ffn_up.weight")->data,
                      *output = gguf_find_tensor(g, "output.weight")->data;
        assert_true(range_of(ranges, count, first) <= range_of(ranges, count, second));
        assert_true(range_of(ranges, count, second) <= range_of(ranges, count, tenth));
        assert_true(range_of(ranges, count, tenth) <= range_of(ranges, count, output));
        assert_true(range_of(ranges, count, output) < range_of(ranges, count, gguf_find_tensor(g, "token_embd.weight")->data));
        free(ranges);
        gguf_close(g);
        (void) close(fd);
}

static void wait_until_over(const struct readahead *r) {
        for (int i = 0; i < 3000 && !readahead_is_over(r); i++)
                (void) nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
        assert_true(readahead_is_over(r));
}

/* Pages of the tensor that are in memory. */
static size_t pages_here(const struct gguf_tensor *t, size_t *ret_of) {
        uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE), from = (uintptr_t) t->data & ~(page - 1);
        size_t count = ((uintptr_t) t->data + t->bytes - from + page - 1) / page, here = 0;
        unsigned char *pages = malloc(count);
        assert_int_equal(mincore((void *) from, count * page, pages), 0);
        for (size_t i = 0; i < count; i++)
                here += pages[i] & 1;
        free(pages);
        *ret_of = count;
        return here;
}

static void nothing_is_left_out(void **state) {
        (void) state;
        int fd;
        struct gguf *g = open_model(true, &fd);
        struct readahead *r;
        assert_int_equal(readahead_start(g, -1, &r), 0);
        wait_until_over(r);
        for (size_t i = 0; i < gguf_tensors_count(g); i++) {
                size_t count, here = pages_here(gguf_tensor_at(g, i), &count);
                assert_int_equal(here, count);
        }
        readahead_stop(r);
        gguf_close(g);
        (void) close(fd);
}

/* Kilobytes of this process's memory that are mapped from files. */
static long mapped_kib(void) {
        char line[128];
        long kib = -1;
        FILE *f = fopen("/proc/self/status", "re");
        while (f && fgets(line, sizeof(line), f))
                (void) sscanf(line, "RssFile: %ld", &kib);
        if (f)
                (void) fclose(f);
        return kib;
}

static void told(int fd, uint64_t total) {
        assert_int_equal(ftruncate(fd, 0), 0);
        char text[128];
        int length = snprintf(text, sizeof(text), "some avg10=0.00 avg60=0.00 avg300=0.00 total=%llu\nfull total=0\n",
                              (unsigned long long) total);
        assert_int_equal(pwrite(fd, text, (size_t) length, 0), length);
}

static void a_machine_that_stalls_is_left_alone(void **state) {
        (void) state;
        int fd, pressure = memfd_create("pressure", MFD_CLOEXEC);
        static const struct {
                uint64_t before, after;
                bool reads;
        } cases[] = { { 7, 7, true },
                      { 500000, 500000 + READAHEAD_STALL_US_MAX, true },
                      { 500000, 500000 + READAHEAD_STALL_US_MAX + 1, false } };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct gguf *g = open_model(false, &fd);
                long before = mapped_kib();
                told(pressure, cases[i].before);
                uint64_t from = readahead_stalled_us(pressure);
                told(pressure, cases[i].after);
                struct readahead *r;
                assert_int_equal(readahead_start_since(g, pressure, from, &r), 0);
                wait_until_over(r);
                assert_int_equal(mapped_kib() - before > (long) (gguf_tensor_bytes(g) / 1024 / 2), cases[i].reads);
                readahead_stop(r);
                gguf_close(g);
                (void) close(fd);
        }
        (void) close(pressure);
}

static void it_can_be_stopped_at_once(void **state) {
        (void) state;
        int fd;
        struct gguf *g = open_model(true, &fd);
        struct readahead *r;
        for (int i = 0; i < 20; i++) {
                assert_int_equal(readahead_start(g, -1, &r), 0);
                readahead_stop(r);
        }
        readahead_stop(NULL);
        gguf_close(g);
        (void) close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_tensor_is_read_where_it_is_used),
                cmocka_unit_test(nothing_is_left_out),
                cmocka_unit_test(a_machine_that_stalls_is_left_alone),
                cmocka_unit_test(it_can_be_stopped_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
