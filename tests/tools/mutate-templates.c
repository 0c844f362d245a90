/*
 * mutate-templates.c - changes chat templates in thousands of ways and watches the engine run them.
 *
 * Each case is a template with some of its parts cut, doubled, swapped with parts of another, or overwritten, given to the
 * interpreter with a conversation. Most still parse, which random bytes would not. A case must end within the time limit, in text or in
 * one printable sentence that names a line; the process must not grow beyond the memory limit; and no byte of a message may come out as
 * the template's own. The same seed makes the same cases (--first repeats one):
 *     build/tools/mutate-templates --cases 10000 [--seed N] [--first N] TEMPLATE...
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/jinja/jinja.h"
#include "engine/base/text_file.h"
#include "tests/random_bits.h"

#define TEMPLATES_MAX  256u
#define CASE_MS_MAX    10000u         /* a sanitized build takes its time for the ten million steps */
#define MEMORY_MAX_KIB (1200l << 10)  /* a sanitizer's shadow and its freed memory included */
#define LETTER         "\xe2\x96\x93" /* U+2593: stands in the messages alone */

static struct text templates[TEMPLATES_MAX];
static size_t templates_count;
static unsigned long now_case;

static size_t below(size_t limit) {
        return limit ? (size_t) (random_bits() % limit) : 0;
}

_Noreturn static void fail(const char *what, const char *text, size_t length) {
        fprintf(stderr, "mutate-templates: case %lu: %s; the template:\n%.*s\n", now_case, what, (int) length, text);
        exit(1);
}

/* ---- changing ---- */

struct draft {
        char *text;
        size_t length;
};

/* Puts COUNT bytes in the place of REMOVED ones. */
static void replace(struct draft *d, size_t at, size_t removed, const char *bytes, size_t count) {
        char *made = malloc(d->length - removed + count + 1);
        if (!made)
                exit(2);
        memcpy(made, d->text, at);
        memcpy(made + at, bytes, count);
        memcpy(made + at + count, d->text + at + removed, d->length - at - removed);
        free(d->text);
        d->text = made;
        d->length += count - removed;
        made[d->length] = '\0';
}

/* A place where something begins: a tag, a word, a sign; anywhere where none is found. */
static size_t boundary(const struct draft *d) {
        size_t at = below(d->length + 1);
        if (random_bits() % 4)
                while (at < d->length && !strchr("{}%|()[]'\"., \n", d->text[at]))
                        at++;
        return at;
}

static void from_to(const struct draft *d, size_t *from, size_t *to) {
        size_t a = boundary(d), b = random_bits() % 3 ? a + below(d->length - a < 60 ? d->length - a : 60) : boundary(d);
        *from = a < b ? a : b;
        *to = a < b ? b : a;
}

/* Most of what a template can say, and what asks for much. */
/* clang-format off */
static const char *const inserted[] = {
        "{{ ", " }}", "{% ", " %}", "{%- ", " -%}", "{#", "#}", "{% for x in messages %}", "{% endfor %}", "{% if x %}",
        "{% endif %}", "{% else %}", "{% set x %}", "{% endset %}", "{% macro f(x) %}", "{% endmacro %}", "{{ f(f) }}",
        "{% call f(1) %}", "{% endcall %}", "{% break %}", "{% raw %}", " recursive", "loop(messages)", "| tojson",
        "| tojson(indent=9999)", "| join", "| list", "| sort", "| map('upper')", "| map(attribute='role')", "| groupby('role')",
        "| selectattr('x')", "| int", "| indent(9999)", "| replace('', 'xy')", "| unique", "| sum", "is defined", "is none",
        "not ", "* 999999", "** 63", "// 0", "% 0", "% (1, 2)", "~ messages", "+ messages", "[::-1]", "[1:2:3]", "[-1]", ".x",
        ".items()", ".split('')", ".append(messages)", ".format(1)", "'%99d'", "'{:>9999}'", "range(99999)", "namespace(x=1)",
        "9223372036854775807", "-1", "1e308", "'", "\"", "\\", "(", ")", "[", "]", "{", "}", ",", "\xff", "\r\n",
        "raise_exception('x')", "strftime_now('%c')", "messages", "tools", "none", "true", "{{ messages.append(messages) }}",
};

/* Words that can stand where a word stood: what is left mostly parses. */
static const char *const swapped[] = {
        "messages", "tools", "none", "true", "0", "-1", "99999", "1.5", "''", "'x'", "[]", "{}", "loop", "loop.index",
        "range(99999)", "messages[0]", "messages[::-1]", "namespace()", "content", "role", "upper", "list", "tojson", "join",
        "sort", "unique", "string", "length", "first", "int", "items", "split", "replace", "format", "append", "pop", "strip",
        "get", "keys", "mapping", "iterable", "defined", "dictsort", "trim", "title", "indent", "default", "(1, 2)",
        "[messages]", "{1: tools}", "('' ~ messages)",
};

/* Text that begins like a word of a statement stays: a template without its statements is none. */
static const char *const kept[] = {
        "if", "for", "set", "end", "el", "macro", "in", "is", "and", "or", "not", "call", "filter",
};
/* clang-format on */

#define ANY_OF(words) (words)[below(sizeof(words) / sizeof((words)[0]))]

static void insert_word(struct draft *d) {
        const char *word = ANY_OF(inserted);
        replace(d, boundary(d), 0, word, strlen(word));
}

/* The length of the word at AT, behind an opening brace and not that of a statement; else 0. */
static size_t word_at(const struct draft *d, size_t at) {
        size_t length = strspn(d->text + at, "abcdefghijklmnopqrstuvwxyz_0123456789");
        if (at == 0 || !strchr(" .|([,=", d->text[at - 1]))
                return 0;
        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
                if (!strncmp(d->text + at, kept[i], strlen(kept[i])))
                        return 0;
        return length;
}

static void swap_word(struct draft *d) {
        for (size_t tries = 0; tries < 200; tries++) {
                size_t at = below(d->length + 1), length = word_at(d, at);
                if (!length)
                        continue;
                const char *word = ANY_OF(swapped);
                replace(d, at, length, word, strlen(word));
                return;
        }
}

static void insert_other(struct draft *d) {
        const struct text *t = &templates[below(templates_count)];
        struct draft other = { t->bytes, t->used };
        size_t from, to;
        from_to(&other, &from, &to);
        replace(d, boundary(d), 0, t->bytes + from, to - from);
}

static void change(struct draft *d) {
        size_t from, to;
        from_to(d, &from, &to);
        switch (random_bits() % 16) {
        case 0: replace(d, from, to - from, "", 0); break;
        case 1: {
                char *copy = strndup(d->text + from, to - from);
                replace(d, boundary(d), 0, copy ? copy : "", copy ? strlen(copy) : 0);
                free(copy);
                break;
        }
        case 2: insert_other(d); break;
        case 3: {
                char byte = (char) random_bits();
                if (from < d->length)
                        replace(d, from, 1, &byte, 1);
                break;
        }
        case 4: replace(d, from, d->length - from, "", 0); break;
        case 5: insert_word(d); break;
        default: swap_word(d); break;
        }
}

/* ---- running ---- */

static const char messages_json[] =
        "[{\"role\":\"system\",\"content\":\"" LETTER " s\"},{\"role\":\"user\",\"content\":\"a" LETTER "\\n\\\"'b\"},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"aaaaaaaaa\",\"type\":\"function\","
        "\"function\":{\"name\":\"f\",\"arguments\":{\"" LETTER "\":[1,2.5,true,null,{}]}}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"aaaaaaaaa\",\"content\":\"" LETTER "\"},{\"role\":\"user\",\"content\":\"c\"}]";
static const char tools_json[] =
        "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"" LETTER "\",\"parameters\":{\"type\":\"object\","
        "\"properties\":{\"x\":{\"type\":\"string\",\"description\":\"y\",\"enum\":[\"p\",\"q\"]}},\"required\":[\"x\"]}}}]";

struct tally {
        unsigned long parsed, rendered, raised;
        uint64_t slowest_us;
};

static void on_output(void *context, const char *bytes, size_t length, bool outside) {
        if (!outside && memmem(bytes, length, LETTER, strlen(LETTER)))
                *(bool *) context = true;
}

static void check_sentence(const struct draft *d, const struct jinja_error *e) {
        if (!e->code || strlen(e->text) < 1 || (!e->raised && strncmp(e->text, "line ", 5)))
                fail(e->text[0] ? e->text : "an error without a sentence", d->text, d->length);
        for (const char *c = e->text; *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        fail("a sentence that is not printable", d->text, d->length);
}

static void run(const struct draft *d, const cJSON *messages, const cJSON *tools, struct tally *tally) {
        struct jinja_template *t;
        struct jinja_error error = { .text = "" };
        bool forged = false;
        char *exact = malloc(d->length ? d->length : 1); /* a sanitizer sees each byte too far */
        memcpy(exact, d->text, d->length);
        int r = jinja_parse(exact, d->length, &t, &error);
        free(exact);
        if (r < 0) {
                check_sentence(d, &error);
                return;
        }
        tally->parsed++;
        const struct jinja_variable variables[] = {
                { .name = "messages", .value = messages },
                { .name = "tools", .value = tools },
                { .name = "bos_token", .own = "<s>" },
                { .name = "eos_token", .own = "</s>" },
        };
        struct jinja_input input = { variables, 4, 1700000000 };
        r = jinja_render(t, &input, on_output, &forged, &error);
        jinja_free(t);
        if (r < 0)
                check_sentence(d, &error);
        tally->rendered += r == 0;
        tally->raised += error.raised;
        if (forged && !memmem(d->text, d->length, "\xe2", 1) && !memmem(d->text, d->length, "\\", 1))
                fail("text of a message came out as the template's own", d->text, d->length);
}

static uint64_t now_us(void) {
        return clock_us(CLOCK_MONOTONIC);
}

static void run_case(uint64_t seed, const cJSON *messages, const cJSON *tools, struct tally *tally) {
        random_state = (seed << 32) + now_case + 1;
        const struct text *t = &templates[now_case % templates_count];
        struct draft d = { strndup(t->bytes, t->used), t->used };
        d.length = strlen(d.text);
        for (unsigned i = 0; i < 8; i++) /* neighbouring seeds part after a few steps */
                (void) random_bits();
        for (size_t i = 1 + below(6); i > 0; i--)
                change(&d);
        uint64_t begun = now_us();
        (void) alarm(60);
        run(&d, messages, tools, tally);
        uint64_t took = now_us() - begun;
        if (took > tally->slowest_us)
                tally->slowest_us = took;
        if (took > CASE_MS_MAX * 1000ull)
                fail("it took too long", d.text, d.length);
        free(d.text);
}

int main(int argc, char **argv) {
        static const struct option known[] = {
                { "cases", 1, NULL, 'c' }, { "seed", 1, NULL, 's' }, { "first", 1, NULL, 'f' }, { NULL, 0, NULL, 0 }
        };
        unsigned long cases = 1000, first = 0, seed = 1;
        for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
                if (option == '?')
                        return 2;
                *(option == 'c' ? &cases : option == 's' ? &seed : &first) = strtoul(optarg, NULL, 10);
        }
        for (; optind < argc && templates_count < TEMPLATES_MAX; optind++)
                if (text_file_read(argv[optind], 1 << 20, &templates[templates_count++]) < 0) {
                        fprintf(stderr, "mutate-templates: cannot read %s\n", argv[optind]);
                        return 2;
                }
        if (!templates_count) {
                fputs("usage: mutate-templates [--cases N] [--seed N] [--first N] TEMPLATE...\n", stderr);
                return 2;
        }
        cJSON *messages = cJSON_Parse(messages_json), *tools = cJSON_Parse(tools_json);
        struct tally tally = { .parsed = 0 };
        for (now_case = first; now_case < first + cases; now_case++)
                run_case(seed, messages, tools, &tally);
        struct rusage used;
        (void) getrusage(RUSAGE_SELF, &used);
        printf("%lu cases of %zu templates: %lu parsed, %lu rendered, %lu raised; the slowest took %.1f ms; at most %ld MiB\n",
               cases, templates_count, tally.parsed, tally.rendered, tally.raised, (double) tally.slowest_us / 1000,
               used.ru_maxrss >> 10);
        cJSON_Delete(messages);
        cJSON_Delete(tools);
        for (size_t i = 0; i < templates_count; i++)
                free(templates[i].bytes);
        return used.ru_maxrss > MEMORY_MAX_KIB;
}
