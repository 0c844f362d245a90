/*
 * hog.c - takes anonymous memory at a steady rate up to a size, holds it, and goes: hog MIB_PER_S MAX_MIB [HOLD_S]
 *
 * The pages are random, so that compressed swap gains nothing. It sleeps nearly all the time: what is to be seen is its
 * memory, not its use of a processor. It says "hog: 64 MiB" every 64 MiB, and "hog: holds" when it is full.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/random_bits.h"

#define STEPS_PER_S 20u
#define MIB         (UINT64_C(1) << 20)

static void fill(uint64_t *words, uint64_t bytes) {
        for (uint64_t i = 0; i < bytes / sizeof(*words); i++)
                words[i] = random_bits();
}

int main(int argc, char **argv) {
        uint64_t rate = argc > 1 ? strtoull(argv[1], NULL, 10) * MIB : 0;
        uint64_t size = argc > 2 ? strtoull(argv[2], NULL, 10) * MIB : 0;
        time_t hold_s = argc > 3 ? (time_t) strtoul(argv[3], NULL, 10) : 3600;
        if (!rate || !size) {
                fputs("usage: hog MIB_PER_S MAX_MIB [HOLD_S]\n", stderr);
                return 2;
        }
        random_state = 0x9e3779b97f4a7c15;
        setvbuf(stdout, NULL, _IOLBF, 0);
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
                perror("hog: mmap");
                return 1;
        }
        struct timespec next;
        clock_gettime(CLOCK_MONOTONIC, &next);
        uint64_t step = rate / STEPS_PER_S & ~(uint64_t) 4095;
        if (step == 0)
                step = 4096;
        for (uint64_t taken = 0; taken < size;) {
                uint64_t part = step < size - taken ? step : size - taken;
                fill((uint64_t *) (void *) (memory + taken), part);
                if ((taken + part) / (64 * MIB) != taken / (64 * MIB))
                        printf("hog: %" PRIu64 " MiB\n", (taken + part) / MIB);
                taken += part;
                next.tv_nsec += 1000000000L / STEPS_PER_S;
                if (next.tv_nsec >= 1000000000L) {
                        next.tv_nsec -= 1000000000L;
                        next.tv_sec++;
                }
                clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        }
        puts("hog: holds");
        nanosleep(&(struct timespec){ .tv_sec = hold_s }, NULL);
        return 0;
}
