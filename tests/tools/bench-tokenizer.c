/*
 * bench-tokenizer.c - how fast a vocabulary takes a text apart, and whether any text comes back from its tokens.
 *
 * usage: bench-tokenizer MODEL [--text FILE] [--round-trips COUNT] [--seed N]
 *
 * Prints MB and tokens a second for FILE, best of three in processor time. Then makes COUNT random texts, half of them
 * with bytes that are no UTF-8, and stops with 1 at the first that does not come back as it was. Bytes that a vocabulary
 * lacks are left out of them (and counted); one that takes capitals or accents away cannot pass.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/gguf/gguf.h"
#include "engine/base/text_file.h"
#include "engine/tokenizer/bounds.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/unicode/unicode.h"

#define TEXT_BYTES  240u
#define REPEATS     3
#define MISSING_MAX 128 /* falcon lacks 28 */

static uint64_t seed = 1;

static uint32_t random_below(uint32_t limit) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t) (seed >> 33) % limit;
}

static double processor_s(void) {
        return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

static int time_text(const struct tokenizer *t, const char *path) {
        struct text text;
        double best = 1e9;
        size_t tokens = 0;
        int r = text_file_read(path, TOKENIZER_TEXT_BYTES_MAX, &text);
        for (int i = 0; i < REPEATS && r == 0; i++) {
                struct token_list list = { 0 };
                double started = processor_s();
                r = tokenizer_encode(t, text.bytes, text.used, false, false, &list);
                double took = processor_s() - started;
                best = took < best ? took : best;
                tokens = list.count;
                token_list_done(&list);
        }
        if (r < 0) {
                fprintf(stderr, "bench-tokenizer: %s: %s\n", path, strerror(-r));
                return r;
        }
        printf("%zu bytes, %zu tokens: %.1f MB/s, %.0f tokens/s\n", text.used, tokens, (double) text.used / best * 1e-6,
               (double) tokens / best);
        text_done(&text);
        return 0;
}

/* Likely characters, any character, and where BYTES anything. U+2581 is left out: it reads like a space. */
static size_t put_random(char *out, bool bytes) {
        static const char likely[] = "the quick  brown\nfox's 12345 (,.!?) \t<|im_end|>ABC";
        static const uint32_t limits[] = { 0x80, 0x250, 0x800, 0x3100, 0xa000, 0x10000, 0x110000 };
        if (bytes && random_below(4) == 0) {
                out[0] = (char) (0x80 + random_below(0x62)); /* below 0xe2, with which U+2581 begins */
                return 1;
        }
        if (random_below(2))
                return unicode_put((unsigned char) likely[random_below(sizeof(likely) - 1)], out);
        uint32_t c = random_below(limits[random_below(sizeof(limits) / sizeof(limits[0]))]);
        return unicode_put((c >= 0xd800 && c < 0xe000) || c == 0x2581 ? '?' : c, out);
}

static bool has_all(const bool known[256], const char *bytes, size_t length) {
        for (size_t i = 0; i < length; i++)
                if (!known[(unsigned char) bytes[i]])
                        return false;
        return true;
}

static bool comes_back(const struct tokenizer *t, const char *text, size_t length) {
        struct token_list list = { 0 };
        char *back = NULL;
        size_t back_length = 0;
        bool same = tokenizer_encode(t, text, length, false, false, &list) == 0 &&
                    tokenizer_decode(t, list.ids, list.count, true, &back, &back_length) == 0 && back_length == length &&
                    !memcmp(back, text, length);
        free(back);
        token_list_done(&list);
        return same;
}

/* Finds the bytes that there are tokens for. Returns how many are missing. */
static int look_for_bytes(const struct tokenizer *t, bool ret_known[256]) {
        int missing = 0;
        for (int byte = 0; byte < 256; byte++) {
                ret_known[byte] = comes_back(t, (const char[]){ (char) byte }, 1);
                missing += !ret_known[byte];
        }
        return missing;
}

static int check_round_trips(const struct tokenizer *t, long count) {
        bool known[256];
        int missing = look_for_bytes(t, known);
        if (missing > MISSING_MAX) {
                fprintf(stderr, "bench-tokenizer: %d bytes do not come back by themselves\n", missing);
                return -1;
        }
        for (long i = 0; i < count; i++) {
                char text[TEXT_BYTES + 4];
                size_t length = 0, wanted = random_below(TEXT_BYTES);
                while (length < wanted) {
                        size_t added = put_random(text + length, i % 2);
                        length += has_all(known, text + length, added) ? added : 0;
                }
                if (!comes_back(t, text, length)) {
                        fprintf(stderr, "bench-tokenizer: text %ld does not come back:\n", i);
                        (void) fwrite(text, 1, length, stderr);
                        return -1;
                }
        }
        printf("%ld random texts came back; %d bytes have no token\n", count, missing);
        return 0;
}

int main(int argc, char **argv) {
        const char *text = NULL;
        long round_trips = 0;
        for (int i = 2; i + 1 < argc; i += 2) {
                if (!strcmp(argv[i], "--text"))
                        text = argv[i + 1];
                else if (!strcmp(argv[i], "--round-trips"))
                        round_trips = strtol(argv[i + 1], NULL, 10);
                else if (!strcmp(argv[i], "--seed"))
                        seed = strtoull(argv[i + 1], NULL, 10);
        }
        struct gguf_error error = { "usage: bench-tokenizer MODEL [--text FILE] [--round-trips COUNT] [--seed N]" };
        struct gguf *g;
        struct tokenizer *t;
        int fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0 || gguf_open(&fd, 1, &g, &error) < 0 || tokenizer_new(g, &t, &error) < 0) {
                fprintf(stderr, "bench-tokenizer: %s\n", error.text);
                return 1;
        }
        int r = text ? time_text(t, text) : 0;
        if (r == 0 && round_trips > 0)
                r = check_round_trips(t, round_trips);
        tokenizer_free(t);
        gguf_close(g);
        return r < 0;
}
