/* test_gguf_files.c - the reader on files as they lie on disk: models in several parts, what is no file, holes, and real ones. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/engine/gguf/gguf_fixture.h"

/* ---- split files ---- */

static void write_part(struct gguf_writer *w, uint16_t no, uint16_t count, const char *tensor) {
        gguf_write_begin(w, 3);
        if (no == 0)
                gguf_write_string(w, "general.name", "in parts");
        gguf_write_u16(w, "split.no", no);
        gguf_write_u16(w, "split.count", count);
        gguf_write_key(w, "split.tensors.count", GGUF_I32);
        gguf_write_number(w, count, 4);
        gguf_write_tensor(w, tensor, TENSOR_F32, 2, 0, 0, 0);
        gguf_write_end(w);
        gguf_write_number(w, 0x3f800000u + no, 4);
        gguf_write_number(w, 0, 4);
}

static int open_parts(const struct gguf_writer w[], const unsigned order[], uint32_t count, struct gguf **ret,
                      struct gguf_error *reterr) {
        struct gguf_memory memory[4];
        for (uint32_t i = 0; i < count; i++)
                memory[i] = (struct gguf_memory){ w[order[i]].bytes, w[order[i]].length };
        return gguf_open_memory(memory, count, ret, reterr);
}

static void expect_parts_refused(const struct gguf_writer w[], const unsigned order[], uint32_t count, const char *says) {
        struct gguf *g = NULL;
        struct gguf_error error;
        assert_int_equal(open_parts(w, order, count, &g, &error), -EBADMSG);
        assert_null(g);
        if (!strstr(error.text, says))
                fail_msg("\"%s\", expected \"%s\"", error.text, says);
}

static void test_split_files(void **state) {
        (void) state;
        static const unsigned in_order[] = { 0, 1, 2 }, swapped[] = { 0, 2, 1 }, twice[] = { 0, 1, 1 };
        static const char *const tensors[] = { "b", "a", "c" };
        struct gguf_writer w[4] = { 0 };
        struct gguf *g;
        struct gguf_error error;
        for (uint16_t i = 0; i < 3; i++)
                write_part(&w[i], i, 3, tensors[i]);
        assert_int_equal(open_parts(w, in_order, 3, &g, &error), 0);
        assert_int_equal(gguf_tensors_count(g), 3);
        assert_int_equal(gguf_tensor_bytes(g), 24);
        assert_int_equal(gguf_file_bytes(g), w[0].length + w[1].length + w[2].length);
        assert_non_null(gguf_find(g, "general.name"));
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(gguf_find_tensor(g, tensors[i])->data[0], i);
        gguf_close(g);

        expect_parts_refused(w, in_order, 2, "part 1 of 2: key 'split.count' says that the model has 3 parts, but 2 were given");
        expect_parts_refused(w, swapped, 3, "part 2 of 3: key 'split.no' is 2 where part 1 is expected");
        expect_parts_refused(w, twice, 3, "part 3 of 3: key 'split.no' is 1 where part 2 is expected");
        write_part(&w[2], 2, 3, "b");
        expect_parts_refused(w, in_order, 3, "tensor 'b': is there twice");
        write_part(&w[2], 2, 3, "c");
        w[2].length -= 4;
        expect_parts_refused(w, in_order, 3, "part 3 of 3: it is cut off: 164 of 168 bytes");
        gguf_write_begin(&w[2], 3);
        gguf_write_end(&w[2]);
        expect_parts_refused(w, in_order, 3, "part 3 of 3: key 'split.count' is missing");
        gguf_write_begin(&w[2], 3);
        gguf_write_u16(&w[2], "split.no", 2);
        gguf_write_u16(&w[2], "split.count", 3);
        gguf_write_end(&w[2]);
        expect_parts_refused(w, in_order, 3, "'split.tensors.count' is 3, but all parts together hold 2 tensors");
        for (unsigned i = 0; i < 4; i++)
                gguf_write_done(&w[i]);
}

/* ---- files ---- */

static void expect_file_refused(int fd, int expect, const char *says) {
        struct gguf *g = NULL;
        struct gguf_error error;
        assert_int_equal(gguf_open(&fd, 1, &g, &error), expect);
        assert_null(g);
        if (!strstr(error.text, says))
                fail_msg("\"%s\", expected \"%s\"", error.text, says);
}

static void test_files(void **state) {
        (void) state;
        struct gguf_writer w = { 0 };
        struct gguf *g;
        struct gguf_error error;
        int ends[2], fd = memfd_create("empty", 0), directory = open(".", O_RDONLY | O_DIRECTORY);
        assert_int_equal(pipe(ends), 0);
        expect_file_refused(fd, -EBADMSG, "the file is empty");
        expect_file_refused(directory, -EBADMSG, "a directory");
        expect_file_refused(ends[0], -EBADMSG, "no regular file");
        expect_file_refused(-1, -EBADF, "cannot look at the file");
        write_sample(&w, 3);
        assert_int_equal(write(fd, w.bytes, w.length), w.length);
        assert_int_equal(gguf_open(&fd, 1, &g, &error), 0);
        close(fd); /* the mapping stays */
        check_numbers(g);
        check_tensors(g);
        for (size_t i = 0; i < gguf_tensors_count(g); i++)
                assert_int_equal((uintptr_t) gguf_tensor_at(g, i)->data % 32, 0);
        gguf_close(g);
        gguf_write_done(&w);
        close(directory);
        close(ends[0]);
        close(ends[1]);
}

/* A file of 3 GiB, nearly all hole: the reader must not wander through it. */
static void test_a_large_hole(void **state) {
        (void) state;
        struct gguf_writer w = { 0 };
        int fd = memfd_create("hole", 0);
        gguf_write_begin(&w, 3);
        gguf_write_array(&w, "k", GGUF_STRING, UINT64_C(300) << 20);
        gguf_write_end(&w);
        assert_int_equal(write(fd, w.bytes, w.length), w.length);
        assert_int_equal(ftruncate(fd, 3ll << 30), 0);
        expect_file_refused(fd, -EBADMSG, "key 'k': the array's length 314572800 exceeds");
        close(fd);
        gguf_write_done(&w);
}

/* Each file of the reference data is read, or refused as valid but unknown. */
static void test_reference_files(void **state) {
        (void) state;
        static const char *const folders[] = { "tiny", "real", "vocab" };
        const char *root = getenv("HEADROOM_REFDATA");
        unsigned read_count = 0, unknown = 0;
        for (unsigned i = 0; i < 3; i++) {
                char path[512];
                snprintf(path, sizeof(path), "%s/%s", root ? root : "../shared/refdata", folders[i]);
                DIR *directory = opendir(path);
                for (struct dirent *d; directory && (d = readdir(directory));) {
                        struct gguf *g;
                        struct gguf_error error;
                        size_t length = strlen(d->d_name);
                        if (length < 5 || strcmp(d->d_name + length - 5, ".gguf") != 0)
                                continue;
                        int fd = openat(dirfd(directory), d->d_name, O_RDONLY);
                        int r = gguf_open(&fd, 1, &g, &error);
                        close(fd);
                        if (r != 0 && r != -ENOTSUP)
                                fail_msg("%s: %s", d->d_name, error.text);
                        read_count += r == 0;
                        unknown += r != 0;
                        if (r == 0) {
                                touch(g);
                                gguf_close(g);
                        }
                }
                if (directory)
                        closedir(directory);
        }
        if (read_count + unknown == 0) {
                print_message("SKIP: no reference models here\n");
                skip();
        }
        print_message("%u reference files read, %u refused as unknown\n", read_count, unknown);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_split_files),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_a_large_hole),
                cmocka_unit_test(test_reference_files),
        };
        return cmocka_run_group_tests(tests, make_fence, NULL);
}
