/*
 * fuzz_grammar.c - libFuzzer's door to the reader of GBNF and to the matcher: a grammar, a zero byte, a text.
 *
 * Whatever they are, both are read within the limits, and a text that was tried and taken back changes nothing; behind a mark, before which
 * anything may stand, too. `make fuzz` builds and runs it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/grammar/gbnf.h"
#include "engine/grammar/matcher.h"

#define TEXT_MAX 300u
#define MARK     "<a<ab>"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void follow(const struct grammar *g, const uint8_t *text, size_t length) {
        struct matcher *m;
        if (matcher_new(g, &m) < 0)
                abort();
        for (size_t i = 0; i < length && i < TEXT_MAX; i++) {
                matcher_allow_work(m, MATCHER_WORK_MAX / 20);
                bool may_end = matcher_may_end(m), ahead = matcher_push(m, text[i]);
                if (ahead && i + 1 < length)
                        (void) matcher_push(m, text[i + 1]);
                matcher_cut(m, 0);
                if (matcher_may_end(m) && !may_end)
                        abort();
                if (!matcher_push(m, text[i]))
                        break;
                matcher_commit(m);
        }
        matcher_free(m);
}

static int compile_behind_mark(const char *text, size_t length, struct grammar **ret, struct grammar_error *reterr) {
        struct grammar_builder b = { 0 };
        uint32_t root;
        int r = gbnf_read_whole(&b, text, length, &root, reterr);
        if (r == 0) {
                uint32_t whole = grammar_builder_rule(&b, "whole", 5), e = grammar_builder_sequence(&b);
                grammar_builder_add(&b, e, grammar_builder_until(&b, MARK));
                grammar_builder_add(&b, e, grammar_builder_call(&b, root));
                grammar_builder_set_body(&b, whole, e);
                r = grammar_builder_compile(&b, whole, ret, reterr);
        }
        grammar_builder_done(&b);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const uint8_t *end = memchr(data, 0, size);
        size_t length = end ? (size_t) (end - data) : size;
        char *text = malloc(length ? length : 1); /* exactly its size: a sanitizer sees each byte too far */
        memcpy(text, data, length);
        struct grammar *g;
        for (unsigned behind = 0; behind < 2; behind++) {
                struct grammar_error error = { .text = "" };
                if ((behind ? compile_behind_mark : gbnf_compile)(text, length, &g, &error) == 0) {
                        if (end)
                                follow(g, end + 1, size - length - 1);
                        grammar_free(g);
                } else if (!error.text[0]) {
                        abort();
                }
        }
        free(text);
        return 0;
}
