/*
 * test_scheduler.c - continuous batching with a real small model: whatever happens around a request, its answer
 * is the one it gets alone.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/engine/scheduler/scheduler_fixture.h"

static void test_alone(void **state) {
        (void) state;
        assert_true(strlen(alone[0]) > 20);
        assert_int_equal(alone_end[7].finish, FINISH_LENGTH);
        assert_int_equal(alone_end[7].completion_tokens, 1);
        /* Body 5 is body 0 with a stop string. */
        char *cut = strstr(alone[0], "tokens");
        assert_non_null(cut);
        assert_int_equal(strlen(alone[5]), (size_t) (cut - alone[0]));
        assert_memory_equal(alone[5], alone[0], strlen(alone[5]));
        assert_int_equal(alone_end[5].finish, FINISH_STOP);
        assert_int_equal(alone_end[4].completion_tokens, 64);
}

static void test_batched_as_alone(void **state) {
        (void) state;
        struct fixture *f = open_fixture(8192, BODIES, 64);
        for (uint32_t i = 0; i < BODIES; i++)
                assert_int_equal(submit(f, i, bodies[i]), 0);
        run_dry(f);
        assert_true(f->running_max >= BODIES - 1); /* the answer of one token ends in its first step */
        for (uint32_t i = 0; i < BODIES; i++)
                check_as_alone(&f->told[i], i);
        assert_int_equal(f->told[2].logprobs, f->told[2].end.completion_tokens - (f->told[2].end.finish == FINISH_STOP));
        close_fixture(f);
}

/* Answers keep to their form, and end as it says. */
static void test_answers_keep_to_their_form(void **state) {
        (void) state;
        static const struct {
                const char *wish, *text; /* TEXT: NULL where the model decides */
                enum finish finish;
                uint32_t tokens_max;
        } rows[] = {
                { "\"grammar\":\"root ::= \\\"yes!\\\"\"", "yes!", FINISH_STOP, 50 },
                { "\"grammar\":\"root ::= \\\"yes!\\\"\",\"ignore_eos\":true", "yes!", FINISH_STOP, 50 },
                { "\"grammar\":\"root ::= \\\"yes!\\\" | \\\"\\\"\",\"ignore_eos\":true", "yes!", FINISH_STOP, 50 },
                { "\"grammar\":\"root ::= \\\"\\\"\"", "", FINISH_STOP, 50 },
                { "\"grammar\":\"root ::= \\\"\\\"\",\"ignore_eos\":true", "", FINISH_LENGTH, 50 }, /* nothing is left to say */
                { "\"grammar\":\"root ::= \\\"<|im_end|>\\\"\"", "<|im_end|>", FINISH_STOP, 50 },
                { "\"grammar\":\"root ::= \\\"aaa\\\"\",\"stop\":\"aa\"", "", FINISH_STOP, 50 },
                { "\"grammar\":\"root ::= [a-z]{900}\"", NULL, FINISH_LENGTH, 3 },
                { "\"json_schema\":{\"const\":{\"a\":[1,\"\u00fc\"]}}", "{\"a\":[1,\"\xc3\xbc\"]}", FINISH_STOP, 50 },
                { "\"response_format\":{\"type\":\"text\"},\"temperature\":0", NULL, FINISH_LENGTH, 2 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct fixture *f = open_fixture(512, 1, 256);
                char body[400];
                (void) snprintf(body, sizeof(body), "{\"prompt\":\"A\",\"temperature\":1,\"seed\":1,\"max_tokens\":%u,%s}",
                                rows[i].tokens_max, rows[i].wish);
                assert_int_equal(submit(f, 0, body), 0);
                run_dry(f);
                if (f->told[0].end.finish != rows[i].finish || (rows[i].text && strcmp(f->told[0].text, rows[i].text)))
                        fail_msg("%s: '%s'", rows[i].wish, f->told[0].text);
                close_fixture(f);
        }
}

static void test_any_chunk_gives_the_same(void **state) {
        (void) state;
        static const uint32_t chunks[] = { 1, 7, 64, 65, 300 };
        for (size_t c = 0; c < sizeof(chunks) / sizeof(chunks[0]); c++) {
                struct fixture *f = open_fixture(2048, 2, chunks[c]);
                assert_int_equal(submit(f, 1, bodies[1]), 0);
                assert_int_equal(submit(f, 6, bodies[6]), 0);
                run_dry(f);
                check_as_alone(&f->told[1], 1);
                check_as_alone(&f->told[6], 6);
                close_fixture(f);
        }
}

static void test_prefix_is_reused(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 1, 256);
        assert_int_equal(submit(f, 0, bodies[1]), 0);
        assert_int_equal(submit(f, 1, bodies[2]), 0); /* the same prefix, another end */
        assert_int_equal(submit(f, 2, bodies[1]), 0); /* the same again */
        assert_int_equal(submit(f, 3, bodies[6]), 0);
        run_dry(f);
        check_as_alone(&f->told[0], 1);
        check_as_alone(&f->told[1], 2);
        check_as_alone(&f->told[2], 1);
        check_as_alone(&f->told[3], 6);
        assert_int_equal(f->told[0].cached_tokens, 0);
        assert_true(f->told[1].cached_tokens >= 64 && f->told[1].cached_tokens % 64 == 0);
        assert_true(f->told[2].cached_tokens >= f->told[1].cached_tokens);
        assert_true(f->told[2].cached_tokens < f->told[2].prompt_tokens);
        assert_int_equal(f->told[2].end.cached_tokens, f->told[2].cached_tokens);
        close_fixture(f);
}

/* What another tenant asked, or asks at this moment, makes nobody's answer come sooner. */
static void test_prefixes_are_a_tenants_own(void **state) {
        static const struct {
                uint64_t tenant;
                bool is_known;
        } rows[] = { { 1, false }, { 2, false }, { 0, false }, { 1, true }, { 2, true }, { 0, true } };

        (void) state;
        for (int is_running = 0; is_running < 2; is_running++) {
                struct fixture *f = open_fixture(8192, 8, 256);
                for (uint64_t id = 0; id < sizeof(rows) / sizeof(rows[0]); id++) {
                        f->tenant = rows[id].tenant;
                        assert_int_equal(submit(f, id, bodies[1]), 0);
                        step(f);
                        step(f);
                        if (!is_running)
                                run_dry(f);
                }
                run_dry(f);
                for (uint64_t id = 0; id < sizeof(rows) / sizeof(rows[0]); id++) {
                        check_as_alone(&f->told[id], 1);
                        if (rows[id].is_known != (f->told[id].cached_tokens > 0))
                                fail_msg("request %d of tenant %d: %u tokens", (int) id, (int) rows[id].tenant,
                                         f->told[id].cached_tokens);
                }
                close_fixture(f);
        }
}

/* A prompt of exactly one block, known from before: its last token is computed again, for the logits. */
static void test_prefix_leaves_the_last_token(void **state) {
        (void) state;
        char body[1000] = "{\"temperature\":0,\"max_tokens\":8,\"prompt\":[5";
        for (int i = 1; i < 64; i++)
                (void) snprintf(body + strlen(body), 10, ",%d", 5 + i % 7);
        strcat(body, "]}");
        struct fixture *f = open_fixture(1024, 1, 256);
        for (uint64_t id = 0; id < 2; id++) {
                assert_int_equal(submit(f, id, body), 0);
                run_dry(f);
                assert_int_equal(f->told[id].prompt_tokens, 64);
                assert_int_equal(f->told[id].cached_tokens, 0);
        }
        assert_string_equal(f->told[0].text, f->told[1].text);
        close_fixture(f);
}

static void test_running_sequences_are_shared_from(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 2, 256);
        assert_int_equal(submit(f, 0, bodies[1]), 0);
        step(f);
        step(f);
        assert_int_equal(f->told[0].ends, 0);
        assert_int_equal(submit(f, 1, bodies[2]), 0);
        run_dry(f);
        assert_true(f->told[1].cached_tokens >= 64);
        check_as_alone(&f->told[0], 1);
        check_as_alone(&f->told[1], 2);
        close_fixture(f);
}

static void test_full_pool_queues(void **state) {
        (void) state;
        /* Each wants 4 to 5 blocks of the 8, and no two have a prefix in common. */
        struct fixture *f = open_fixture(512, 4, 256);
        char body[400];
        for (uint64_t id = 0; id < 6; id++) {
                (void) snprintf(body, sizeof(body),
                                "{\"prompt\":\"%c\",\"temperature\":0,\"max_tokens\":300,\"ignore_eos\":true}",
                                (char) ('a' + id));
                assert_int_equal(submit(f, id, body), 0);
        }
        step(f);
        assert_int_equal(scheduler_statistics(f->engine.scheduler).requests_running, 1);
        assert_int_equal(scheduler_statistics(f->engine.scheduler).requests_waiting, 5);
        run_dry(f);
        assert_int_equal(f->running_max, 1);
        for (uint64_t id = 0; id < 6; id++) {
                assert_int_equal(f->told[id].ends, 1);
                assert_int_equal(f->told[id].order, id);
                assert_int_equal(f->told[id].end.completion_tokens, 300);
        }
        close_fixture(f);
}

/* Three are let in by what answers usually come to, of which one could come to its end: the younger make room, and lose nothing. */
static void test_the_youngest_makes_room(void **state) {
        (void) state;
        static char texts[4][4096];
        char body[400];
        for (unsigned pass = 0; pass < 2; pass++) {
                struct fixture *f = open_fixture(1024, pass ? 4 : 1, 256);
                for (uint64_t id = 0; id < 4; id++) {
                        (void) snprintf(body, sizeof(body), "{\"prompt\":\"%c\",\"temperature\":1,\"seed\":5,\"ignore_eos\":true%s}",
                                        (char) ('a' + id), id ? "" : ",\"max_tokens\":500");
                        assert_int_equal(submit(f, id, body), 0);
                }
                run_dry(f);
                struct scheduler_statistics s = scheduler_statistics(f->engine.scheduler);
                assert_int_equal(f->running_max, pass ? 3 : 1);
                assert_true(pass ? s.made_room > 0 && s.made_room < 20 : s.made_room == 0);
                for (uint64_t id = 0; id < 4; id++) {
                        assert_int_equal(f->told[id].order, id);
                        assert_int_equal(f->told[id].suspensions + f->told[id].restorations, 0);
                        if (pass)
                                assert_string_equal(f->told[id].text, texts[id]);
                        else
                                memcpy(texts[id], f->told[id].text, sizeof(texts[id]));
                }
                close_fixture(f);
        }
}

static void test_never_fits(void **state) {
        (void) state;
        struct fixture *f = open_fixture(128, 2, 256);
        assert_int_equal(f->engine.rules.n_ctx, 128);
        f->engine.rules.n_ctx = f->engine.rules.n_ctx_now = 512; /* let it through to the scheduler */
        assert_int_equal(submit(f, 0, "{\"prompt\":\"a\",\"max_tokens\":500}"), -E2BIG);
        assert_int_equal(submit(f, 0, "{\"prompt\":\"a\",\"max_tokens\":5}"), 0);
        run_dry(f);
        assert_int_equal(f->told[0].ends, 1);
        close_fixture(f);
}

static void test_queue_is_bounded(void **state) {
        (void) state;
        struct fixture *f = open_fixture(512, 1, 256);
        for (uint64_t id = 0; id < REQUESTS_WAITING_MAX; id++)
                assert_int_equal(submit(f, id, bodies[7]), 0);
        assert_int_equal(submit(f, 300, bodies[7]), -EAGAIN);
        run_dry(f);
        for (uint64_t id = 0; id < REQUESTS_WAITING_MAX; id++)
                check_as_alone(&f->told[id], 7);
        close_fixture(f);
}

static void test_cancel(void **state) {
        (void) state;
        struct fixture *f = open_fixture(512, 1, 256);
        assert_int_equal(submit(f, 0, bodies[4]), 0);
        assert_int_equal(submit(f, 1, bodies[0]), 0);
        assert_int_equal(submit(f, 2, bodies[1]), 0);
        for (int i = 0; i < 5; i++)
                step(f);
        uint32_t pieces = f->told[0].pieces;
        assert_true(pieces >= 3);
        scheduler_cancel(f->engine.scheduler, 0);  /* running */
        scheduler_cancel(f->engine.scheduler, 1);  /* waiting, in the middle */
        scheduler_cancel(f->engine.scheduler, 77); /* unknown */
        assert_false(scheduler_knows(f->engine.scheduler, 0));
        assert_int_equal(submit(f, 3, bodies[0]), 0);
        scheduler_cancel(f->engine.scheduler, 3); /* waiting, the last: the queue's end moves back */
        assert_int_equal(submit(f, 4, bodies[0]), 0);
        run_dry(f);
        assert_int_equal(f->told[0].pieces, pieces);
        assert_int_equal(f->told[0].ends + f->told[1].starts + f->told[3].starts, 0);
        check_as_alone(&f->told[2], 1);
        check_as_alone(&f->told[4], 0);
        close_fixture(f);
}

static void test_pause(void **state) {
        (void) state;
        struct fixture *f = open_fixture(1024, 2, 256);
        assert_int_equal(submit(f, 0, bodies[0]), 0);
        assert_int_equal(submit(f, 1, bodies[3]), 0);
        scheduler_pause(f->engine.scheduler, 1, true); /* while it waits */
        for (int i = 0; i < 4; i++)
                step(f);
        scheduler_pause(f->engine.scheduler, 0, true);
        uint32_t pieces = f->told[0].pieces;
        assert_true(pieces > 0);
        assert_false(scheduler_has_work(f->engine.scheduler));
        step(f);
        assert_int_equal(f->told[0].pieces, pieces);
        assert_int_equal(f->told[1].pieces, 0);
        scheduler_pause(f->engine.scheduler, 1, false);
        run_dry(f);
        check_as_alone(&f->told[1], 3);
        assert_int_equal(f->told[0].pieces, pieces);
        scheduler_pause(f->engine.scheduler, 0, false);
        run_dry(f);
        check_as_alone(&f->told[0], 0);
        close_fixture(f);
}

static void test_a_long_prompt_does_not_stall_answers(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 2, 16);
        assert_int_equal(submit(f, 0, bodies[4]), 0);
        step(f);
        step(f);
        assert_int_equal(submit(f, 1, bodies[6]), 0);
        while (!f->told[1].pieces) {
                uint64_t before = scheduler_statistics(f->engine.scheduler).tokens_decoded;
                step(f);
                assert_true(f->told[0].ends || scheduler_statistics(f->engine.scheduler).tokens_decoded > before);
        }
        run_dry(f);
        check_as_alone(&f->told[0], 4);
        check_as_alone(&f->told[1], 6);
        close_fixture(f);
}

static void test_prompt_alone(void **state) {
        (void) state;
        struct fixture *f = open_fixture(512, 1, 256);
        assert_int_equal(submit(f, 0, "{\"prompt\":\"" LONG "\",\"max_tokens\":0}"), 0);
        run_dry(f);
        assert_int_equal(f->told[0].ends, 1);
        assert_int_equal(f->told[0].end.finish, FINISH_LENGTH);
        assert_int_equal(f->told[0].end.completion_tokens, 0);
        assert_int_equal(f->told[0].pieces, 0);
        /* ... and it is known now. */
        assert_int_equal(submit(f, 1, bodies[1]), 0);
        run_dry(f);
        assert_true(f->told[1].cached_tokens >= 64);
        close_fixture(f);
}

static void test_embeddings(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 4, 32);
        submit_embed(f, 0, "[\"memory budget\", \"" LONG "\"]");
        run_dry(f);
        assert_int_equal(submit(f, 1, bodies[6]), 0);
        submit_embed(f, 2, "[\"" LONG "\", \"memory budget\"]");
        submit_embed(f, 3, "[\"budget of memory\"]");
        run_dry(f);
        uint32_t n = f->engine.rules.n_embd;
        assert_memory_equal(f->told[0].vectors[0], f->told[2].vectors[1], n * sizeof(float));
        assert_memory_equal(f->told[0].vectors[1], f->told[2].vectors[0], n * sizeof(float));
        double squares = 0, near = 0, far = 0;
        for (uint32_t i = 0; i < n; i++) {
                squares += (double) f->told[0].vectors[0][i] * (double) f->told[0].vectors[0][i];
                near += (double) f->told[0].vectors[0][i] * (double) f->told[3].vectors[0][i];
                far += (double) f->told[0].vectors[0][i] * (double) f->told[0].vectors[1][i];
        }
        assert_true(fabs(squares - 1) < 1e-5);
        assert_true(near < 0.999 && far < 0.999); /* other texts, other vectors; what is near what is the model's affair */
        check_as_alone(&f->told[1], 6);
        close_fixture(f);
}

/* Requests come, go, stop and go on in a random order, in a pool that is too small for all: each answer is its own. */
static void test_storm(void **state) {
        (void) state;
        for (uint64_t seed = 0; seed < 4; seed++) {
                struct storm s = { .f = open_fixture(768 + 128 * (uint32_t) seed, 1 + (uint32_t) seed * 2, 8u << seed),
                                   .rng = random_seeded(seed) };
                while (s.next < 60) {
                        uint64_t any = s.next ? random_u32(&s.rng) % s.next : 0;
                        uint32_t rng = random_u32(&s.rng) % 20;
                        if (rng < 3) {
                                storm_submit(&s);
                        } else if (rng == 3 && s.next) {
                                storm_cancel(&s, any);
                        } else if (rng == 4) {
                                scheduler_pause(s.f->engine.scheduler, any, true);
                        } else if (rng < 8) {
                                scheduler_pause(s.f->engine.scheduler, any, false);
                        } else {
                                step(s.f);
                        }
                }
                for (uint64_t id = 0; id < s.next; id++)
                        scheduler_pause(s.f->engine.scheduler, id, false);
                storm_end(&s);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_alone),
                cmocka_unit_test(test_batched_as_alone),
                cmocka_unit_test(test_answers_keep_to_their_form),
                cmocka_unit_test(test_any_chunk_gives_the_same),
                cmocka_unit_test(test_prefix_is_reused),
                cmocka_unit_test(test_prefixes_are_a_tenants_own),
                cmocka_unit_test(test_prefix_leaves_the_last_token),
                cmocka_unit_test(test_running_sequences_are_shared_from),
                cmocka_unit_test(test_full_pool_queues),
                cmocka_unit_test(test_the_youngest_makes_room),
                cmocka_unit_test(test_never_fits),
                cmocka_unit_test(test_queue_is_bounded),
                cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_pause),
                cmocka_unit_test(test_a_long_prompt_does_not_stall_answers),
                cmocka_unit_test(test_prompt_alone),
                cmocka_unit_test(test_embeddings),
                cmocka_unit_test(test_storm),
        };
        return cmocka_run_group_tests(tests, answer_alone, NULL);
}
