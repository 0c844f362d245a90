/*
 * hog.c - takes anonymous memory at a steady rate up to a size, and holds it: hog MIB_PER_S MAX_MIB [SWEEP_MIB_PER_S]
 *
 * The pages are copies of a few random ones, each with a number of its own: compressed swap gains nothing, and filling them
 * costs little. It sleeps nearly all the time: what is to be seen is its memory, not its use of a processor. At FAST_MIB_PER_S and
 * more a copy would cost what matters, so a page gets its number alone, and the kernel is asked for large ones. When full it
 * says "hog: holds", and then goes through its pages again and again at the second rate, if there is one, as a
 * program does that needs what it holds.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/random_bits.h"

#define STEPS_PER_S    20u
#define MIB            (UINT64_C(1) << 20)
#define PAGE           UINT64_C(4096)
#define PATTERN_PAGES  64u
#define FAST_MIB_PER_S 100u

static uint64_t pattern[PATTERN_PAGES][PAGE / sizeof(uint64_t)];

static void fill(char *memory, uint64_t first, uint64_t end) {
        for (uint64_t at = first; at < end; at += PAGE) {
                memcpy(memory + at, pattern[at / PAGE % PATTERN_PAGES], PAGE);
                memcpy(memory + at, &at, sizeof(at));
        }
}

static void number(char *memory, uint64_t first, uint64_t end) {
        for (uint64_t at = first; at < end; at += PAGE)
                memcpy(memory + at, &at, sizeof(at));
}

static void touch(char *memory, uint64_t first, uint64_t end) {
        for (uint64_t at = first; at < end; at += PAGE)
                memory[at + PAGE / 2]++;
}

/* Over all SIZE bytes of MEMORY at so many MiB a second, a step at a time. */
static void go_through(char *memory, uint64_t size, uint64_t rate_mib, void (*step)(char *memory, uint64_t first, uint64_t end)) {
        uint64_t bytes = rate_mib * MIB / STEPS_PER_S & ~(PAGE - 1);
        struct timespec next;
        clock_gettime(CLOCK_MONOTONIC, &next);
        for (uint64_t at = 0; at < size; at += bytes) {
                step(memory, at, at + bytes < size ? at + bytes : size);
                next.tv_nsec += 1000000000L / STEPS_PER_S;
                if (next.tv_nsec >= 1000000000L) {
                        next.tv_nsec -= 1000000000L;
                        next.tv_sec++;
                }
                clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        }
}

int main(int argc, char **argv) {
        uint64_t rate = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
        uint64_t size = argc > 2 ? strtoull(argv[2], NULL, 10) * MIB : 0;
        uint64_t sweep = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
        if (!rate || !size || argc > 4) {
                fputs("usage: hog MIB_PER_S MAX_MIB [SWEEP_MIB_PER_S]\n", stderr);
                return 2;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
                perror("hog: mmap");
                return 1;
        }
        random_state = 0x9e3779b97f4a7c15;
        for (unsigned page = 0; page < PATTERN_PAGES; page++)
                for (unsigned i = 0; i < PAGE / sizeof(uint64_t); i++)
                        pattern[page][i] = random_bits();
        bool fast = rate >= FAST_MIB_PER_S;
        if (fast)
                (void) madvise(memory, size, MADV_HUGEPAGE); /* refused where the kernel has none */
        go_through(memory, size, rate, fast ? number : fill);
        puts("hog: holds");
        for (;;) {
                if (sweep)
                        go_through(memory, size, sweep, touch);
                else
                        nanosleep(&(struct timespec){ .tv_sec = 60 }, NULL);
        }
}
