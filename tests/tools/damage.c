/*
 * damage.c - damages GGUF files in thousands of ways and watches headroom-engine read them.
 *
 * Each case is a damaged copy of a good file in memory and a child process that runs one of the engine's commands on it: the
 * command's own function in a fork of this program (fast, and instrumented when this program is), or with --exec a
 * real process. The child must exit with 0 or 1 within the time limit, and with 1 must have said exactly one printable line on
 * standard error; it must not grow beyond the memory limit. A sanitizer's report is another exit status, so it counts too.
 *
 * One case in four cuts the file at the next boundary of its structure; the others are random, but each the same in
 * every run (--first repeats one):
 *     make BUILD=build/asan SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all' build/asan/tools/damage
 *     build/asan/tools/damage --cases 10000 tests/demo_model/headroom-demo-small.gguf OTHER.gguf ...
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/cli/commands.h"
#include "tests/random_bits.h"

#define FIELDS_MAX     20000u
#define STRINGS_NOTED  40u /* of each array: a vocabulary's other strings are read by the same code */
#define SAID_MAX       4096u
#define BOUNDARY_EVERY 4u /* one case in so many cuts the file at a boundary of its structure */
#define CASE_SECONDS   30u
#define MEMORY_MAX_KIB (1200l << 10) /* of a child, a sanitizer's shadow included */

static void fail(const char *what) {
        fprintf(stderr, "damage: %s: %m\n", what);
        exit(2);
}

/* ---- random numbers ---- */

static size_t random_below(size_t limit) {
        return limit ? (size_t) (random_bits() % limit) : 0;
}

/* ---- the structure of a good file ---- */

struct field {
        size_t at;
        uint8_t width;   /* bytes of the number; 0: text */
        uint32_t length; /* of a text */
};

struct sample {
        const char *path;
        uint8_t *bytes;
        size_t length;
        size_t directory; /* bytes before the tensor data */
        struct field *fields;
        uint32_t fields_count;
};

static uint64_t number_at(const struct sample *s, size_t at, unsigned width) {
        uint64_t value = 0;
        if (at + width > s->length) {
                fprintf(stderr, "damage: %s is no good file to begin with\n", s->path);
                exit(2);
        }
        memcpy(&value, s->bytes + at, width);
        return value;
}

/* Notes a number and returns it; *AT moves on. */
static uint64_t note(struct sample *s, size_t *at, uint8_t width) {
        uint64_t value = number_at(s, *at, width);
        if (s->fields_count < FIELDS_MAX)
                s->fields[s->fields_count++] = (struct field){ .at = *at, .width = width };
        *at += width;
        return value;
}

static void note_string(struct sample *s, size_t *at, bool quietly) {
        uint64_t length = quietly ? number_at(s, *at, 8) : note(s, at, 8);
        if (quietly)
                *at += 8;
        else if (length && s->fields_count < FIELDS_MAX)
                s->fields[s->fields_count++] = (struct field){ .at = *at, .length = (uint32_t) length };
        *at += length;
}

static void note_value(struct sample *s, size_t *at, uint64_t type) {
        static const uint8_t widths[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
        if (type == 8) {
                note_string(s, at, false);
        } else if (type == 9) {
                uint64_t element = note(s, at, 4), count = note(s, at, 8);
                for (uint64_t i = 0; i < count; i++) {
                        if (element == 8)
                                note_string(s, at, i >= STRINGS_NOTED);
                        else if (i < STRINGS_NOTED)
                                note(s, at, widths[element]);
                        else
                                *at += widths[element];
                }
        } else {
                note(s, at, widths[type]);
        }
}

static void sample_read(struct sample *s, const char *path) {
        FILE *file = fopen(path, "rb");
        struct stat status;
        if (!file || fstat(fileno(file), &status))
                fail(path);
        *s = (struct sample){ .path = path, .length = (size_t) status.st_size };
        s->bytes = malloc(s->length + 1);
        s->fields = calloc(FIELDS_MAX, sizeof(*s->fields));
        if (!s->bytes || !s->fields || fread(s->bytes, 1, s->length, file) != s->length)
                fail(path);
        fclose(file);

        size_t at = 0;
        note(s, &at, 4);
        note(s, &at, 4);
        uint64_t tensors = note(s, &at, 8), keys = note(s, &at, 8);
        for (uint64_t i = 0; i < keys; i++) {
                note_string(s, &at, false);
                note_value(s, &at, note(s, &at, 4));
        }
        for (uint64_t i = 0; i < tensors; i++) {
                note_string(s, &at, false);
                for (uint64_t dims = note(s, &at, 4); dims > 0; dims--)
                        note(s, &at, 8);
                note(s, &at, 4);
                note(s, &at, 8);
        }
        s->directory = at;
}

/* ---- damage ---- */

struct victim {
        uint8_t *bytes; /* room for twice the sample */
        size_t length;
        char told[200]; /* what was done to it */
};

static void tell(struct victim *v, const char *what, uint64_t a, uint64_t b) {
        size_t used = strlen(v->told);
        snprintf(v->told + used, sizeof(v->told) - used, "%s%s %llu %llu", used ? "; " : "", what, (unsigned long long) a,
                 (unsigned long long) b);
}

static void damage_cut(struct victim *v, size_t length) {
        v->length = length < v->length ? length : v->length;
        tell(v, "cut to", v->length, 0);
}

static void damage_bits(struct victim *v, size_t limit) {
        for (size_t flips = 1 + random_below(8); flips > 0; flips--) {
                size_t at = random_below(limit < v->length ? limit : v->length);
                unsigned bit = (unsigned) random_below(8);
                if (v->length)
                        v->bytes[at] ^= (uint8_t) (1u << bit);
                tell(v, "bit", at, bit);
        }
}

/* A number that often breaks arithmetic, or one near VALUE. */
static uint64_t nasty_number(uint64_t value, size_t file_length) {
        const uint64_t choices[] = {
                0,
                1,
                2,
                3,
                7,
                31,
                33,
                255,
                256,
                65535,
                UINT64_C(1) << 24,
                INT32_MAX,
                UINT64_C(1) << 31,
                UINT32_MAX,
                UINT64_C(1) << 32,
                UINT64_C(1) << 40,
                INT64_MAX,
                UINT64_C(1) << 63,
                UINT64_MAX,
                UINT64_MAX - 7,
                UINT64_MAX / 8 + 1,
                UINT64_MAX / 34 + 1,
                value + 1,
                value - 1,
                value * 2,
                value / 2,
                value ^ 32,
                -value,
                file_length,
                file_length - 8,
                random_bits(),
                /* as floats: infinity, not a number, a tiny one, a huge one */
                0x7f800000,
                0x7fc00000,
                0x00000001,
                0x7f7fffff,
                0xff800000,
        };
        return choices[random_below(sizeof(choices) / sizeof(choices[0]))];
}

static void damage_text(struct victim *v, const struct field *f) {
        static const char *const words[] = { "llama", "gpt2",      "yarn",   "linear", "\xff\xfe",
                                             "%s%n",  "\033[2J\n", "<0xGG>", "",       "split.count" };
        const char *word = words[random_below(sizeof(words) / sizeof(words[0]))];
        size_t length = strlen(word) < f->length ? strlen(word) : f->length;
        memcpy(v->bytes + f->at, word, length);
        if (random_below(2))
                v->bytes[f->at + random_below(f->length)] = (uint8_t) random_bits();
        tell(v, "text at", f->at, length);
}

static void damage_field(struct victim *v, const struct sample *s) {
        const struct field *f = &s->fields[random_below(s->fields_count)];
        if (f->at + f->width + f->length > v->length)
                return;
        if (f->width == 0) {
                damage_text(v, f);
                return;
        }
        uint64_t value = nasty_number(number_at(s, f->at, f->width), s->length);
        memcpy(v->bytes + f->at, &value, f->width);
        tell(v, "number at", f->at, value);
}

/* Takes bytes out of the directory or puts some in, so that all behind them is read from the wrong place. */
static void damage_requantize(struct victim *v, size_t directory) {
        size_t at = random_below(directory < v->length ? directory : v->length), count = 1 + random_below(40);
        if (random_below(2)) {
                memmove(v->bytes + at + count, v->bytes + at, v->length - at);
                for (size_t i = 0; i < count; i++)
                        v->bytes[at + i] = (uint8_t) random_bits();
                v->length += count;
                tell(v, "put in at", at, count);
        } else if (at + count < v->length) {
                memmove(v->bytes + at, v->bytes + at + count, v->length - at - count);
                v->length -= count;
                tell(v, "taken out at", at, count);
        }
}

static void damage_copy(struct victim *v, size_t directory) {
        size_t limit = directory < v->length ? directory : v->length;
        size_t from = random_below(limit), to = random_below(limit), count = 1 + random_below(200);
        if (from + count <= v->length && to + count <= v->length)
                memmove(v->bytes + to, v->bytes + from, count);
        tell(v, "copied to", to, count);
}

/* The tail becomes zeros, or noise: weights that are no numbers. */
static void damage_tail(struct victim *v, const struct sample *s) {
        size_t at = s->directory + random_below(s->length - s->directory);
        bool noise = random_below(2);
        for (size_t i = at; i < v->length; i++)
                v->bytes[i] = noise ? (uint8_t) random_bits() : 0;
        tell(v, noise ? "noise from" : "zeros from", at, 0);
}

static void damage(struct victim *v, const struct sample *s, uint32_t number) {
        memcpy(v->bytes, s->bytes, s->length);
        v->length = s->length;
        v->told[0] = '\0';
        if (number % BOUNDARY_EVERY == 0) {
                uint32_t cut = number / BOUNDARY_EVERY % (s->fields_count * 2); /* before and after each field in turn */
                const struct field *f = &s->fields[cut / 2];
                damage_cut(v, f->at + (cut % 2 ? f->width + f->length : 0));
                return;
        }
        switch (random_below(12)) {
        case 0: damage_cut(v, random_below(s->length)); break;
        case 1: damage_cut(v, random_below(s->directory)); break;
        case 2: damage_bits(v, 24); break;
        case 3: damage_bits(v, s->directory); break;
        case 4: damage_bits(v, s->length); break;
        case 5: damage_requantize(v, s->directory); break;
        case 6: damage_copy(v, s->directory); break;
        case 7: damage_tail(v, s); break;
        default:
                for (size_t i = 1 + random_below(3); i > 0; i--)
                        damage_field(v, s);
        }
}

/* ---- a case ---- */

static const struct {
        const char *name;
        command *run;
        const char *arguments[12]; /* after the name; "FILE" stands for the damaged file */
} commands[] = {
        { "inspect", command_inspect, { "FILE" } },
        { "inspect", command_inspect, { "--json", "FILE" } },
        { "run",
          command_run,
          { "FILE", "--prompt", "Hello, what is this?", "-n", "3", "--temp", "0", "--threads", "1", "--ctx", "64" } },
};
#define COMMANDS_COUNT (sizeof(commands) / sizeof(commands[0]))

struct verdict {
        int status; /* as wait4 gives it */
        bool slow;
        char said[SAID_MAX]; /* on standard error */
        size_t said_length;
        long memory_kib;
};

static void in_child(size_t which, const char *path, const char *program, int error_fd) {
        char *arguments[16];
        int count = 0;
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(error_fd, 2);
        arguments[count++] = (char *) (uintptr_t) (program ? program : commands[which].name);
        if (program)
                arguments[count++] = (char *) (uintptr_t) commands[which].name;
        for (unsigned i = 0; commands[which].arguments[i]; i++) {
                const char *a = commands[which].arguments[i];
                arguments[count++] = (char *) (uintptr_t) (strcmp(a, "FILE") ? a : path);
        }
        arguments[count] = NULL;
        alarm(CASE_SECONDS);
        if (program) {
                execv(program, arguments);
                _exit(127);
        }
        optind = 0;
        exit(commands[which].run(count, arguments));
}

static struct verdict run_case(size_t which, const char *path, const char *program) {
        struct verdict v = { 0 };
        struct rusage usage;
        int ends[2];
        if (pipe2(ends, O_CLOEXEC))
                fail("pipe");
        fflush(NULL);
        pid_t child = fork();
        if (child < 0)
                fail("fork");
        if (child == 0)
                in_child(which, path, program, ends[1]);
        close(ends[1]);
        for (;;) {
                char more[512];
                ssize_t got = read(ends[0], more, sizeof(more));
                if (got <= 0)
                        break;
                size_t room = sizeof(v.said) - 1 - v.said_length;
                size_t kept = (size_t) got < room ? (size_t) got : room;
                memcpy(v.said + v.said_length, more, kept);
                v.said_length += kept;
        }
        close(ends[0]);
        if (wait4(child, &v.status, 0, &usage) != child)
                fail("wait");
        v.slow = WIFSIGNALED(v.status) && WTERMSIG(v.status) == SIGALRM;
        v.memory_kib = usage.ru_maxrss;
        return v;
}

/* One line, and nothing in it that could steer a terminal. */
static bool is_one_line(const char *text, size_t length) {
        if (length < 10 || text[length - 1] != '\n')
                return false;
        for (size_t i = 0; i + 1 < length; i++)
                if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f)
                        return false;
        return true;
}

static const char *complaint(const struct verdict *v) {
        if (v->slow)
                return "took too long";
        if (WIFSIGNALED(v->status))
                return "died of a signal";
        if (WEXITSTATUS(v->status) > 1)
                return "exit status is neither 0 nor 1";
        if (WEXITSTATUS(v->status) == 1 && !is_one_line(v->said, v->said_length))
                return "failed without exactly one printable line";
        if (v->memory_kib > MEMORY_MAX_KIB)
                return "used too much memory";
        return NULL;
}

/* ---- all cases ---- */

struct tally {
        uint32_t cases, accepted, refused, wrong;
        long memory_kib;
        double slowest_s;
};

static double now_s(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void keep_evidence(const struct victim *v, const char *folder, uint32_t number) {
        char path[4096];
        if (!folder)
                return;
        snprintf(path, sizeof(path), "%s/case-%u.gguf", folder, number);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(v->bytes, 1, v->length, file) != v->length || fclose(file))
                fail(path);
        fprintf(stderr, "kept as %s\n", path);
}

static void judge(struct tally *t, size_t which, const struct victim *v, const struct sample *s, uint32_t number,
                  const char *keep, const char *program, const char *path) {
        double start = now_s();
        struct verdict verdict = run_case(which, path, program);
        double took = now_s() - start;
        const char *wrong = complaint(&verdict);
        t->cases++;
        t->accepted += WIFEXITED(verdict.status) && WEXITSTATUS(verdict.status) == 0;
        t->refused += WIFEXITED(verdict.status) && WEXITSTATUS(verdict.status) == 1;
        t->memory_kib = verdict.memory_kib > t->memory_kib ? verdict.memory_kib : t->memory_kib;
        t->slowest_s = took > t->slowest_s ? took : t->slowest_s;
        if (!wrong)
                return;
        t->wrong++;
        fprintf(stderr, "WRONG: %s, case %u (%s), %s: %s (status %#x, %ld KiB), it said:\n%.*s\n", s->path, number, v->told,
                commands[which].name, wrong, verdict.status, verdict.memory_kib, (int) verdict.said_length, verdict.said);
        keep_evidence(v, keep, number);
}

static uint32_t number_option(const char *text) {
        char *end;
        unsigned long value = strtoul(text, &end, 10);
        if (!*text || *end || value > 100000000) {
                fprintf(stderr, "damage: '%s' is no number\n", text);
                exit(2);
        }
        return (uint32_t) value;
}

struct options {
        uint32_t cases, first;
        const char *keep, *program;
};

static void parse(struct options *o, int argc, char **argv) {
        static const struct option known[] = {
                { "cases", 1, NULL, 'c' }, { "first", 1, NULL, 'f' }, { "keep", 1, NULL, 'k' },
                { "exec", 1, NULL, 'e' },  { "help", 0, NULL, 'h' },  { 0 },
        };
        for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
                switch (option) {
                case 'c': o->cases = number_option(optarg); break;
                case 'f': o->first = number_option(optarg); break;
                case 'k': o->keep = optarg; break;
                case 'e': o->program = optarg; break;
                default:
                        puts("usage: damage [--cases N] [--first N] [--keep FOLDER] [--exec HEADROOM-ENGINE] FILE.gguf ...\n\n"
                             "Makes N damaged copies over all files, has `inspect` and `run` read each, and fails when one "
                             "crashes,\n"
                             "hangs, swells or does not say one line. --first N begins with case N, --keep keeps what was "
                             "wrong.");
                        exit(option == 'h' ? 0 : 2);
                }
        }
}

/* The damaged bytes under a path: a file in memory, replaced for each case. */
static void publish(const struct victim *v, int *fd, char path[64]) {
        if (*fd >= 0)
                close(*fd);
        *fd = memfd_create("damaged.gguf", 0);
        if (*fd < 0)
                fail("memfd_create");
        for (size_t done = 0; done < v->length;) {
                ssize_t wrote = write(*fd, v->bytes + done, v->length - done);
                if (wrote <= 0)
                        fail("write");
                done += (size_t) wrote;
        }
        snprintf(path, 64, "/proc/self/fd/%d", *fd);
}

int main(int argc, char **argv) {
        struct options o = { .cases = 1000 };
        struct tally tally = { 0 };
        parse(&o, argc, argv);
        uint32_t samples_count = (uint32_t) (argc - optind);
        struct sample *samples = calloc(samples_count + 1, sizeof(*samples));
        size_t longest = 0;
        for (uint32_t i = 0; samples && i < samples_count; i++) {
                sample_read(&samples[i], argv[optind + (int) i]);
                longest = samples[i].length > longest ? samples[i].length : longest;
        }
        struct victim victim = { .bytes = malloc(longest + 4096) };
        if (!samples || samples_count == 0 || !victim.bytes) {
                fputs("damage: name at least one GGUF file\n", stderr);
                return 2;
        }
        int fd = -1;
        double start = now_s();
        for (uint32_t number = o.first; number < o.first + o.cases; number++) {
                char path[64];
                const struct sample *s = &samples[number % samples_count];
                random_state = (number + 1) * UINT64_C(0x9e3779b97f4a7c15); /* of the case alone, so that --first repeats it */
                damage(&victim, s, number / samples_count);
                publish(&victim, &fd, path);
                judge(&tally, number / samples_count / BOUNDARY_EVERY % 2, &victim, s, number, o.keep, o.program, path);
                judge(&tally, COMMANDS_COUNT - 1, &victim, s, number, o.keep, o.program, path);
        }
        printf("%u damaged files, %u runs: %u accepted, %u refused, %u wrong; largest %ld MiB, slowest %.2f s, all %.0f s\n",
               o.cases, tally.cases, tally.accepted, tally.refused, tally.wrong, tally.memory_kib >> 10, tally.slowest_s,
               now_s() - start);
        for (uint32_t i = 0; i < samples_count; i++) {
                free(samples[i].bytes);
                free(samples[i].fields);
        }
        free(samples);
        free(victim.bytes);
        return tally.wrong ? 1 : 0;
}
