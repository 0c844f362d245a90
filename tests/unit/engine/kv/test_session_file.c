/*
 * test_session_file.c - a sequence's KV through a file and back: the same bits, block types included; and every way in which a
 * file can be wrong, which must be found and leave nothing behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/kv/session_file.h"
#include "engine/model/model.h"
#include "engine/base/crc32c.h"
#include "policy/base/random.h"

#define TOKENS 150u /* two whole blocks, and a part of one */
#define KNOWN  160u
#define MODEL  0x1122334455667788u

static uint32_t heads[] = { 1, 2 };
static const struct hparams hparams = { .n_layer = 2, .head_kv = heads, .d_head_k = 32, .d_head_v = 64 };
static int32_t tokens[KNOWN];

struct fixture {
        struct kv_cache *cache;
        struct kv_sequence kv;
        int fd;
        uint32_t blocks_used;
};

static uint32_t blocks_used(const struct kv_cache *c) {
        struct kv_usage usage;
        kv_cache_usage(c, &usage);
        return usage.blocks_used;
}

/* TOKENS tokens of noise; the first block q4_0, the second q8_0, the last as it was stored. */
static int build(void **state) {
        static struct fixture f;
        f = (struct fixture){ .fd = memfd_create("session", MFD_CLOEXEC) };
        struct kv_config config = { &hparams, 1024, KV_F16, KV_F16 };
        struct random r = random_seeded(1);
        assert_int_equal(kv_cache_new(&config, &f.cache), 0);
        assert_int_equal(kv_sequence_grow(f.cache, &f.kv, TOKENS), 0);
        f.kv.tokens_count = TOKENS;
        for (uint32_t i = 0; i < f.kv.blocks_count; i++) {
                struct kv_block_view b = kv_cache_block(f.cache, f.kv.blocks[i]);
                uint8_t *bytes = (uint8_t *) (uintptr_t) b.bytes;
                for (size_t n = 0; n < b.bytes_count; n++)
                        bytes[n] = n % 2 ? 0x3c : (uint8_t) random_u32(&r); /* as f16: about 1 */
        }
        (void) kv_sequence_convert(f.cache, &f.kv, 0, KV_Q4_0);
        (void) kv_sequence_convert(f.cache, &f.kv, 1, KV_Q8_0);
        for (uint32_t i = 0; i < KNOWN; i++)
                tokens[i] = (int32_t) (i * 7 - 3);
        struct session_writer w;
        assert_int_equal(session_write_begin(&w, f.fd, MODEL, f.cache, &f.kv, tokens, KNOWN), 0);
        int result;
        unsigned pieces = 1;
        while ((result = session_write_some(&w, 1)) == 1)
                pieces++;
        assert_int_equal(result, 0);
        assert_int_equal(pieces, 3);
        f.blocks_used = blocks_used(f.cache);
        *state = &f;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;
        assert_int_equal(blocks_used(f->cache), f->blocks_used); /* nothing that failed has kept a block */
        kv_sequence_done(f->cache, &f->kv);
        kv_cache_free(f->cache);
        (void) close(f->fd);
        return 0;
}

/* All of the file: 0 and KV, or the error. */
static int read_back(const struct fixture *f, int fd, struct kv_sequence *kv, uint64_t piece) {
        struct session_reader r;
        int result = session_read_begin(&r, fd, MODEL, f->cache, KNOWN);
        if (result < 0)
                return result;
        assert_int_equal(r.tokens_count, KNOWN);
        assert_int_equal(r.stored_count, TOKENS);
        assert_memory_equal(r.tokens, tokens, sizeof(tokens));
        while ((result = session_read_some(&r, kv, piece)) == 1)
                ;
        session_reader_done(&r);
        return result;
}

static void check_same(const struct fixture *f, const struct kv_sequence *kv) {
        assert_int_equal(kv->tokens_count, TOKENS);
        assert_int_equal(kv->blocks_count, f->kv.blocks_count);
        for (uint32_t i = 0; i < kv->blocks_count; i++) {
                struct kv_block_view a = kv_cache_block(f->cache, f->kv.blocks[i]), b = kv_cache_block(f->cache, kv->blocks[i]);
                assert_int_equal(a.type_k, b.type_k);
                assert_int_equal(a.type_v, b.type_v);
                assert_int_equal(a.bytes_count, b.bytes_count);
                assert_memory_equal(a.bytes, b.bytes, a.bytes_count);
        }
}

static void test_round_trip(void **state) {
        struct fixture *f = *state;
        static const uint64_t pieces[] = { 1, 10000, 1u << 30 };
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
                struct kv_sequence kv = { 0 };
                assert_int_equal(read_back(f, f->fd, &kv, pieces[i]), 0);
                check_same(f, &kv);
                kv_sequence_done(f->cache, &kv);
        }
}

/* A prompt that is served from a file needs the prefix they have in common, and no more. */
static void test_a_prefix_alone(void **state) {
        struct fixture *f = *state;
        struct kv_sequence kv = { 0 };
        struct session_reader r;
        assert_int_equal(session_read_begin(&r, f->fd, MODEL, f->cache, 100000), 0);
        assert_int_equal(session_read_some(&r, &kv, 1), 1);
        assert_int_equal(kv.tokens_count, KV_BLOCK_TOKENS);
        session_reader_done(&r);
        kv_sequence_done(f->cache, &kv);
}

static void test_nothing_stored(void **state) {
        struct fixture *f = *state;
        struct kv_sequence empty = { 0 };
        struct session_writer w;
        struct session_reader r;
        int fd = memfd_create("empty", MFD_CLOEXEC);
        assert_int_equal(session_write_begin(&w, fd, MODEL, f->cache, &empty, tokens, 5), 0);
        assert_int_equal(session_write_some(&w, 1), 0);
        assert_int_equal(session_read_begin(&r, fd, MODEL, f->cache, 5), 0);
        assert_int_equal(r.tokens_count, 5);
        assert_int_equal(session_read_some(&r, &empty, 1), 0);
        assert_int_equal(empty.blocks_count, 0);
        session_reader_done(&r);
        (void) close(fd);
}

static void test_of_another(void **state) {
        struct fixture *f = *state;
        struct session_reader r;
        assert_int_equal(session_read_begin(&r, f->fd, MODEL + 1, f->cache, KNOWN), -ESTALE);
        assert_int_equal(session_read_begin(&r, f->fd, MODEL, f->cache, KNOWN - 1), -E2BIG);
        struct hparams wider = hparams;
        wider.d_head_v = 96;
        struct kv_cache *other;
        assert_int_equal(kv_cache_new(&(struct kv_config){ &wider, 1024, KV_F16, KV_F16 }, &other), 0);
        assert_int_equal(session_read_begin(&r, f->fd, MODEL, other, KNOWN), -ESTALE);
        kv_cache_free(other);
        int full = memfd_create("none", MFD_CLOEXEC);
        assert_int_equal(session_read_begin(&r, full, MODEL, f->cache, KNOWN), -EBADMSG);
        (void) close(full);
        assert_int_equal(session_read_begin(&r, -1, MODEL, f->cache, KNOWN), -EBADF);
}

static void test_no_room(void **state) {
        struct fixture *f = *state;
        struct kv_sequence rest = { 0 }, kv = { 0 };
        assert_int_equal(kv_sequence_grow(f->cache, &rest, 1024 - 3 * 64 - 2 * 64), 0); /* two blocks are left */
        assert_int_equal(read_back(f, f->fd, &kv, 1u << 30), -ENOSPC);
        assert_int_equal(kv.tokens_count, 2 * KV_BLOCK_TOKENS); /* and good so far */
        kv_sequence_done(f->cache, &kv);
        kv_sequence_done(f->cache, &rest);
}

static uint8_t *whole_file(int fd, size_t *ret_size) {
        struct stat s;
        assert_int_equal(fstat(fd, &s), 0);
        uint8_t *bytes = malloc((size_t) s.st_size);
        assert_non_null(bytes);
        assert_int_equal(pread(fd, bytes, (size_t) s.st_size, 0), s.st_size);
        *ret_size = (size_t) s.st_size;
        return bytes;
}

static int read_bytes(const struct fixture *f, int fd, const uint8_t *bytes, size_t size) {
        struct kv_sequence kv = { 0 };
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, bytes, size, 0), size);
        int r = read_back(f, fd, &kv, 1u << 30);
        kv_sequence_done(f->cache, &kv);
        return r;
}

/* A bit of each byte is wrong; or all from there on is missing. */
static void test_all_damage_is_found(void **state) {
        struct fixture *f = *state;
        size_t size;
        uint8_t *bytes = whole_file(f->fd, &size);
        int fd = memfd_create("damaged", MFD_CLOEXEC);
        for (size_t at = 0; at < size; at += at < 1200 || at > size - 50 ? 1 : 37) {
                uint8_t bit = (uint8_t) (1u << at % 8);
                bytes[at] ^= bit;
                int r = read_bytes(f, fd, bytes, size);
                if (r != -EBADMSG)
                        fail_msg("byte %zu: %d", at, r);
                bytes[at] ^= bit;
                assert_int_equal(read_bytes(f, fd, bytes, at), -EBADMSG);
        }
        assert_int_equal(read_bytes(f, fd, bytes, size), 0);
        free(bytes);
        (void) close(fd);
}

/* Files by an attacker who can compute checksums. Places as in session_file.h. */
/* clang-format off */
#define BLOCK0 (128 + 4 * KNOWN)
static const struct { const char *what; size_t place; uint32_t value; size_t header, length; int wanted; } lies[] = {
        { "another version",               8, 2,          0, 128, -ENOTSUP },
        { "another header length",        12, 64,         0, 128, -EBADMSG },
        { "another layout of blocks",     24, 2,          0, 128, -ESTALE },
        { "another block length",         28, 32,         0, 128, -ESTALE },
        { "more layers",                  32, 3,          0, 128, -ESTALE },
        { "fewer heads",                  36, 2,          0, 128, -ESTALE },
        { "absurdly many tokens",         48, 0xffffffff, 0, 128, -E2BIG },
        { "fewer tokens than stored",     48, 10,         0, 128, -EBADMSG },
        { "more stored than blocks",      52, 193,        0, 128, -EBADMSG },
        { "absurdly many blocks",         56, 0xffffffff, 0, 128, -EBADMSG },
        { "another block first",          BLOCK0 + 4,  1,          BLOCK0, 32, -EBADMSG },
        { "a type that is none",          BLOCK0 + 8,  3,          BLOCK0, 32, -EBADMSG },
        { "a type that is huge",          BLOCK0 + 12, 0x80000000, BLOCK0, 32, -EBADMSG },
        { "a type with other bytes",      BLOCK0 + 8,  0,          BLOCK0, 32, -EBADMSG },
        { "absurdly many bytes",          BLOCK0 + 20, 0xffffffff, BLOCK0, 32, -EBADMSG },
};
/* clang-format on */

static void put(uint8_t *p, uint32_t value) {
        for (unsigned i = 0; i < 4; i++)
                p[i] = (uint8_t) (value >> 8 * i);
}

static void test_lies_with_a_good_checksum(void **state) {
        struct fixture *f = *state;
        int fd = memfd_create("lies", MFD_CLOEXEC);
        for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
                size_t size;
                uint8_t *bytes = whole_file(f->fd, &size);
                put(bytes + lies[i].place, lies[i].value);
                uint8_t *end = bytes + lies[i].header + lies[i].length - 4;
                put(end, crc32c(0, bytes + lies[i].header, lies[i].length - 4));
                int r = read_bytes(f, fd, bytes, size);
                if (r != lies[i].wanted)
                        fail_msg("%s: %d", lies[i].what, r);
                free(bytes);
        }
        (void) close(fd);
}

/* A type that this model's heads cannot have: 80 values are no whole groups of 32. */
static void test_a_type_that_does_not_fit(void **state) {
        (void) state;
        struct hparams odd = { .n_layer = 1, .head_kv = heads, .d_head_k = 80, .d_head_v = 80 };
        struct kv_cache *cache;
        struct kv_sequence kv = { 0 }, back = { 0 };
        struct session_writer w;
        struct session_reader r;
        int fd = memfd_create("odd", MFD_CLOEXEC);
        assert_int_equal(kv_cache_new(&(struct kv_config){ &odd, 128, KV_F16, KV_F16 }, &cache), 0);
        assert_int_equal(kv_sequence_grow(cache, &kv, 64), 0);
        kv.tokens_count = 64;
        assert_int_equal(session_write_begin(&w, fd, MODEL, cache, &kv, tokens, 64), 0);
        assert_int_equal(session_write_some(&w, 1), 0);
        uint8_t header[32];
        assert_int_equal(pread(fd, header, 32, 128 + 4 * 64), 32);
        put(header + 8, KV_Q8_0);
        put(header + 28, crc32c(0, header, 28));
        assert_int_equal(pwrite(fd, header, 32, 128 + 4 * 64), 32);
        assert_int_equal(session_read_begin(&r, fd, MODEL, cache, 64), 0);
        assert_int_equal(session_read_some(&r, &back, 1), -EBADMSG);
        session_reader_done(&r);
        assert_int_equal(blocks_used(cache), 1);
        kv_sequence_done(cache, &back);
        kv_sequence_done(cache, &kv);
        kv_cache_free(cache);
        (void) close(fd);
}

/* The two demo models differ, and so does one whose positions turn at another speed; the same file is the same. */
static void test_identity(void **state) {
        (void) state;
        struct model *a, *b, *again;
        struct gguf_error error;
        assert_int_equal(model_open_path("tests/demo_model/headroom-demo-small.gguf", &a, &error), 0);
        assert_int_equal(model_open_path("tests/demo_model/headroom-demo-small.gguf", &again, &error), 0);
        assert_int_equal(model_open_path("tests/demo_model/headroom-demo.gguf", &b, &error), 0);
        assert_true(session_model(a) == session_model(again));
        assert_true(session_model(a) != session_model(b));
        again->hparams.rope.freq_base += 1;
        assert_true(session_model(a) != session_model(again));
        model_close(a);
        model_close(b);
        model_close(again);
}

/* RFC 3720, appendix B.4; and the usual check value. */
static void test_checksum(void **state) {
        (void) state;
        uint8_t bytes[4 * 32];
        for (unsigned i = 0; i < 32; i++) {
                bytes[i] = 0;
                bytes[32 + i] = 0xff;
                bytes[64 + i] = (uint8_t) i;
                bytes[96 + i] = (uint8_t) (31 - i);
        }
        static const uint32_t wanted[] = { 0x8a9136aa, 0x62a8ab43, 0x46dd794e, 0x113fdb5c };
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(crc32c(0, bytes + i * 32, 32), wanted[i]);
                assert_int_equal(crc32c_portable(0, bytes + i * 32, 32), wanted[i]);
        }
        assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
        for (unsigned cut = 0; cut <= 9; cut++) { /* in two pieces, by either */
                assert_int_equal(crc32c(crc32c_portable(0, "123456789", cut), &"123456789"[cut], 9 - cut), 0xe3069283);
                assert_int_equal(crc32c_portable(crc32c(0, "123456789", cut), &"123456789"[cut], 9 - cut), 0xe3069283);
        }
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, build, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                ROW(test_round_trip),
                ROW(test_a_prefix_alone),
                ROW(test_nothing_stored),
                ROW(test_of_another),
                ROW(test_no_room),
                ROW(test_all_damage_is_found),
                ROW(test_lies_with_a_good_checksum),
                cmocka_unit_test(test_a_type_that_does_not_fit),
                cmocka_unit_test(test_identity),
                cmocka_unit_test(test_checksum),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
