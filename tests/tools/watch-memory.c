/*
 * watch-memory.c - an unswayed witness: writes down the machine's memory every 100 ms until SIGTERM, then prints it all.
 *
 * It is locked in memory, has its files open and its room for samples from the start, since a watcher that may be
 * swapped out goes blind for just the seconds that matter. Prints one line of names and one line for each sample; ms is
 * CLOCK_MONOTONIC, everything else as the kernel counts it (KiB for memory, microseconds for stall, pages for the rest).
 * It is what the daemon's own sensors are compared with, so it shares no code with them.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_MS   100u
#define SAMPLES_MAX (30u * 60 * 1000 / PERIOD_MS) /* half an hour */
#define TEXT_BYTES  32768u                        /* /proc/vmstat has 5 KiB */

enum source { MEMINFO, VMSTAT, PRESSURE, SOURCE_COUNT };
static const char *const paths[SOURCE_COUNT] = { "/proc/meminfo", "/proc/vmstat", "/proc/pressure/memory" };

static const struct column {
        const char *name;
        enum source source;
        const char *before; /* the number comes after this text, which begins a line */
} columns[] = {
        { "available_kib", MEMINFO, "MemAvailable:" },
        { "swap_free_kib", MEMINFO, "SwapFree:" },
        { "refault_file", VMSTAT, "workingset_refault_file " },
        { "refault_anon", VMSTAT, "workingset_refault_anon " },
        { "pswpin", VMSTAT, "pswpin " },
        { "pswpout", VMSTAT, "pswpout " },
        { "oom_kill", VMSTAT, "oom_kill " },
        { "some_us", PRESSURE, "some " },
        { "full_us", PRESSURE, "full " },
};
#define COLUMNS_COUNT (sizeof(columns) / sizeof(columns[0]))

static uint64_t samples[SAMPLES_MAX][COLUMNS_COUNT + 1];
static char texts[SOURCE_COUNT][TEXT_BYTES];
static volatile sig_atomic_t ended;

static void on_signal(int signal) {
        (void) signal;
        ended = 1;
}

/* The number of COLUMN; of pressure, which has several on its line, the total. 0 where there is none. */
static uint64_t number(const struct column *column) {
        size_t length = strlen(column->before);
        for (const char *line = texts[column->source]; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, column->before, length))
                        continue;
                const char *total = column->source == PRESSURE ? strstr(line, "total=") : NULL;
                return strtoull(total ? total + 6 : line + length, NULL, 10);
        }
        return 0;
}

static uint64_t now_ms(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

int main(void) {
        int fds[SOURCE_COUNT];
        for (unsigned i = 0; i < SOURCE_COUNT; i++)
                fds[i] = open(paths[i], O_RDONLY | O_CLOEXEC);
        if (fds[MEMINFO] < 0 || fds[VMSTAT] < 0 || mlockall(MCL_CURRENT | MCL_FUTURE)) {
                perror("watch-memory");
                return 1;
        }
        sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_signal }, NULL);
        sigaction(SIGINT, &(struct sigaction){ .sa_handler = on_signal }, NULL);
        uint32_t count = 0;
        while (!ended && count < SAMPLES_MAX) {
                for (unsigned i = 0; i < SOURCE_COUNT; i++) {
                        ssize_t n = fds[i] < 0 ? 0 : pread(fds[i], texts[i], TEXT_BYTES - 1, 0);
                        texts[i][n > 0 ? n : 0] = '\0';
                }
                samples[count][0] = now_ms();
                for (unsigned i = 0; i < COLUMNS_COUNT; i++)
                        samples[count][i + 1] = number(&columns[i]);
                count++;
                nanosleep(&(struct timespec){ .tv_nsec = PERIOD_MS * 1000000L }, NULL);
        }
        fputs("ms", stdout);
        for (unsigned i = 0; i < COLUMNS_COUNT; i++)
                printf(" %s", columns[i].name);
        putchar('\n');
        for (uint32_t n = 0; n < count; n++) {
                for (unsigned i = 0; i <= COLUMNS_COUNT; i++)
                        printf("%s%" PRIu64, i ? " " : "", samples[n][i]);
                putchar('\n');
        }
        return 0;
}
