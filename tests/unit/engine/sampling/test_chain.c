/*
 * test_chain.c - samplers beyond the usual, each against its formula on a few candidates, worked out here in the plainest way, and the order
 * in which they run.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/sampling/cuts.h"
#include "engine/sampling/mirostat.h"
#include "engine/sampling/sampler.h"
#include "engine/sampling/temperature.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MOST         64u

struct made {
        struct candidate list[MOST];
        float p[MOST];
        struct candidates c;
};

/* Candidates of these probabilities, not in order: the token's id is its place here. */
static void make(struct made *m, const float p[], uint32_t count) {
        m->c = (struct candidates){ .list = m->list, .p = m->p, .count = count };
        for (uint32_t i = 0; i < count; i++)
                m->list[i] = (struct candidate){ logf(p[i]) + 3, (int32_t) i };
}

/* The ids that are left, the lowest first. */
static const char *left(const struct made *m) {
        static char text[4 * MOST];
        size_t used = 0;
        text[0] = '\0';
        for (int32_t id = 0; id < (int32_t) MOST; id++)
                for (uint32_t i = 0; i < m->c.count; i++)
                        if (m->list[i].id == id)
                                used += (size_t) snprintf(text + used, sizeof(text) - used, "%s%d", used ? " " : "", id);
        return text;
}

static const float five[] = { 0.1f, 0.4f, 0.05f, 0.3f, 0.15f };
/* H = 1.3911 nats; |-ln p - H| is 0.91, 0.47, 1.60, 0.19, 0.51: typical are 3, 1, 4, 0, 2, in this order. */

static void typical(struct candidates *c, float value, uint32_t keep) {
        cut_typical(c, value, keep);
}
static void top_k(struct candidates *c, float value, uint32_t keep) {
        cut_top_k(c, (uint32_t) value, keep);
}

static void test_cuts(void **state) {
        (void) state;
        static const struct {
                const char *what;
                void (*cut)(struct candidates *c, float value, uint32_t min_keep);
                float value;
                uint32_t min_keep;
                const char *left;
        } rows[] = {
                { "top-k", top_k, 2, 0, "1 3" },
                { "top-k off", top_k, 0, 0, "0 1 2 3 4" },
                { "top-k keeps", top_k, 1, 3, "1 3 4" },
                { "top-p", cut_top_p, 0.6f, 0, "1 3" },
                { "top-p of nothing", cut_top_p, 0, 0, "1" },
                { "top-p keeps", cut_top_p, 0.1f, 4, "0 1 3 4" },
                { "min-p", cut_min_p, 0.3f, 0, "1 3 4" },
                { "min-p keeps", cut_min_p, 1, 2, "1 3" },
                { "typical: the nearest is not the likeliest", typical, 0.2f, 0, "3" },
                { "typical: must be more than", typical, 0.69f, 0, "1 3" },
                { "typical", typical, 0.71f, 0, "1 3 4" },
                { "typical keeps", typical, 0.1f, 4, "0 1 3 4" },
                { "typical off", typical, 1, 0, "0 1 2 3 4" },
                /* ln p: mean -1.8651, deviation 0.7400, greatest -0.9163 */
                { "top-n-sigma", cut_top_n_sigma, 1, 0, "1 3" },
                { "top-n-sigma 1.4", cut_top_n_sigma, 1.4f, 0, "1 3 4" },
                { "top-n-sigma keeps", cut_top_n_sigma, 0.01f, 2, "1 3" },
                { "top-n-sigma off", cut_top_n_sigma, -1, 0, "0 1 2 3 4" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct made m;
                make(&m, five, COUNT(five));
                rows[i].cut(&m.c, rows[i].value, rows[i].min_keep);
                if (strcmp(left(&m), rows[i].left))
                        fail_msg("%s: %s", rows[i].what, left(&m));
        }
}

static void test_xtc(void **state) {
        (void) state;
        static const struct {
                float probability, threshold;
                uint32_t min_keep;
                const char *left;
        } rows[] = {
                { 1, 0.12f, 0, "0 2 4" }, /* 1, 3 and 4 are likely enough: the last of them stays */
                { 1, 0.3f, 0, "0 2 3 4" },    { 1, 0.35f, 0, "0 1 2 3 4" }, { 1, 0.01f, 0, "2" },
                { 1, 0.12f, 4, "0 1 2 3 4" }, { 1, 0.51f, 0, "0 1 2 3 4" }, { 0, 0.1f, 0, "0 1 2 3 4" },
        };
        struct random random = random_seeded(1);
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct made m;
                make(&m, five, COUNT(five));
                cut_xtc(&m.c, rows[i].probability, rows[i].threshold, rows[i].min_keep, &random);
                if (strcmp(left(&m), rows[i].left))
                        fail_msg("row %zu: %s", i, left(&m));
        }
        unsigned times = 0;
        for (unsigned i = 0; i < 1000; i++) {
                struct made m;
                make(&m, five, COUNT(five));
                cut_xtc(&m.c, 0.3f, 0.12f, 0, &random);
                times += m.c.count == 3;
        }
        assert_in_range(times, 230, 370);
}

static void test_temperature(void **state) {
        (void) state;
        static const struct {
                float temperature, range, exponent;
        } rows[] = { { 0.5f, 0, 1 }, { 1, 0.5f, 1 }, { 0.3f, 0.8f, 2 }, { 1, 1, 0 } };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct made m;
                double entropy = 0, wanted = rows[i].temperature;
                make(&m, five, COUNT(five));
                for (size_t t = 0; t < COUNT(five); t++)
                        entropy -= five[t] * log(five[t]);
                if (rows[i].range > 0) {
                        double least = fmax(0, (double) rows[i].temperature - rows[i].range),
                               most = (double) rows[i].temperature + rows[i].range;
                        wanted = least + (most - least) * pow(entropy / log(COUNT(five)), rows[i].exponent);
                }
                temperature_apply(&m.c, rows[i].temperature, rows[i].range, rows[i].exponent);
                for (size_t t = 0; t < COUNT(five); t++)
                        assert_true(fabs(m.list[t].logit - (log(five[t]) + 3) / wanted) < 1e-4);
        }
        struct made m;
        make(&m, five, COUNT(five));
        temperature_apply(&m.c, 0, 0, 1);
        assert_string_equal(left(&m), "1");
}

/* ---- mirostat ---- */

static void test_mirostat(void **state) {
        (void) state;
        struct made m;
        static const struct {
                float mu;
                const char *left;
        } rows[] = {
                { 0.5f, "1" }, { 1.4f, "1" }, { 2, "1 3" }, { 3, "1 3 4" }, { 9, "0 1 2 3 4" }
        }; /* -log2: 3.3 1.3 4.3 1.7 2.7 */
        for (size_t i = 0; i < COUNT(rows); i++) {
                make(&m, five, COUNT(five));
                mirostat_cut(&m.c, 2, rows[i].mu, 1000);
                if (strcmp(left(&m), rows[i].left))
                        fail_msg("mu %g: %s", (double) rows[i].mu, left(&m));
        }
        /* Probabilities by Zipf's law of exponent 1.5: that is what is found, and k by the formula. */
        float zipf[MOST];
        for (unsigned i = 0; i < MOST; i++)
                zipf[i] = powf((float) (i + 1), -1.5f);
        for (float mu = 1; mu < 8; mu += 1) {
                double k = pow(0.5 * exp2((double) mu) / (1 - pow(1000, -0.5)), 1 / 1.5);
                make(&m, zipf, MOST);
                mirostat_cut(&m.c, 1, mu, 1000);
                assert_int_equal(m.c.count, k < 1 ? 1 : (uint32_t) k);
        }
        assert_true(fabsf(mirostat_learn(10, 0.25f, 5, 0.1f) - 10.3f) < 1e-5f);
        assert_true(fabsf(mirostat_learn(10, 1.0f / 256, 5, 0.1f) - 9.7f) < 1e-5f);
}

/* Each version comes down to the 3 bits a token that are asked for. */
static void test_mirostat_reaches_its_target(void **state) {
        (void) state;
        enum { N = 1024 };
        static float logits[N];
        struct sampler_scratch *scratch;
        struct random random = random_seeded(5);
        for (unsigned i = 0; i < N; i++)
                logits[i] = (float) log(1 / random_unit(&random)); /* by Zipf: some 7 bits a token, were none cut */
        assert_int_equal(sampler_scratch_new(N, &scratch), 0);
        for (uint32_t version = 1; version <= 2; version++) {
                struct sampling p = sampling_default();
                struct sampler *s;
                double sum = 0, greatest = 0;
                p.temperature = 1;
                p.chain.on = true;
                p.chain.mirostat = version;
                p.chain.mirostat_tau = 3;
                assert_int_equal(sampler_new(&p, N, &s), 0);
                double total = 0;
                for (unsigned i = 0; i < N; i++)
                        greatest = fmax(greatest, logits[i]);
                for (unsigned i = 0; i < 400; i++)
                        (void) sampler_pick(s, scratch, logits);
                uint32_t seen[N] = { 0 };
                for (unsigned i = 0; i < 4000; i++)
                        seen[sampler_pick(s, scratch, logits)]++;
                for (unsigned i = 0; i < N; i++)
                        if (seen[i])
                                total += exp(logits[i] - greatest);
                for (unsigned i = 0; i < N; i++)
                        if (seen[i])
                                sum -= seen[i] / 4000.0 * log2(exp(logits[i] - greatest) / total);
                if (!(sum > 2.3 && sum < 4.2))
                        fail_msg("version %u: %g bits a token", version, sum);
                sampler_free(s);
        }
        sampler_scratch_free(scratch);
}

/* ---- dry ---- */

/* What TOKEN, a letter, loses behind TEXT: as the paper's author wrote it, place by place. */
static double plain_dry(const char *text, char token, const struct dry_setting *d, const char *breakers) {
        int n = (int) strlen(text), best = 0, from = n - (int) d->last_n > 0 ? n - (int) d->last_n : 0;
        for (int i = from; i < n - 1; i++) {
                int length = 0;
                while (i - length >= from && text[i - length] == text[n - 1 - length] && !strchr(breakers, text[i - length]))
                        length++;
                if (text[i + 1] == token && !strchr(breakers, token) && length > best)
                        best = length;
        }
        return best && best >= (int) d->allowed_length ? d->multiplier * pow(d->base, best - (int) d->allowed_length) : 0;
}

static void expect_dry(const char *text, const struct dry_setting *setting, const char *breakers) {
        struct dry *d;
        struct made m = { .c = { .list = m.list, .p = m.p, .count = 26, .sorted = true } };
        assert_int_equal(dry_new(setting, &d), 0);
        for (int i = 0; i < 26; i++)
                m.list[i] = (struct candidate){ 5, i };
        for (const char *c = text; *c; c++)
                dry_note(d, *c - 'a');
        dry_apply(d, &m.c);
        for (int i = 0; i < 26; i++) {
                double wanted = 5 - plain_dry(text, (char) ('a' + i), setting, breakers);
                if (fabs(m.list[i].logit - wanted) > 1e-4 * fabs(wanted) + 1e-4)
                        fail_msg("%s: %c has %g, not %g", text, 'a' + i, (double) m.list[i].logit, wanted);
        }
        dry_free(d);
}

static void test_dry(void **state) {
        (void) state;
        uint32_t bits = 1u << ('x' - 'a') | 1u << ('y' - 'a');
        static const char *const texts[] = { "",         "a",       "ab",   "abcab",       "abcabcab", "aaaaaaa",
                                             "abxcabxc", "abcxabc", "xxxx", "abcdabceabc", "abyaby" };
        struct dry_setting setting = { .multiplier = 0.8f, .base = 1.75f, .allowed_length = 2, .last_n = 40, .breakers = &bits };
        for (size_t i = 0; i < COUNT(texts); i++)
                expect_dry(texts[i], &setting, "xy");
        struct random random = random_seeded(9);
        for (unsigned round = 0; round < 3000; round++) { /* also longer than what is looked at, and than the room for it */
                char text[200];
                unsigned length = random_u32(&random) % 190, letters = 1 + random_u32(&random) % 3;
                for (unsigned i = 0; i < length; i++)
                        text[i] = (char) (random_u32(&random) % 20 ? 'a' + random_u32(&random) % letters : 'x');
                text[length] = '\0';
                setting.allowed_length = random_u32(&random) % 5;
                setting.last_n = 1 + random_u32(&random) % 60;
                expect_dry(text, &setting, "xy");
        }
}

/* ---- the order ---- */

static int32_t pick_with(struct sampling *p, const float *logits, uint32_t n) {
        struct sampler_scratch *scratch;
        struct sampler *s;
        assert_int_equal(sampler_scratch_new(n, &scratch), 0);
        assert_int_equal(sampler_new(p, n, &s), 0);
        sampler_note(s, 0, true);
        int32_t id = sampler_pick(s, scratch, logits);
        uint32_t allowed = 1u << 2;
        assert_int_equal(sampler_pick_among(s, scratch, logits, &allowed),
                         2); /* whatever is cut: what is allowed alone remains */
        sampler_free(s);
        sampler_scratch_free(scratch);
        return id;
}

static void test_order(void **state) {
        (void) state;
        static const float logits[] = { 5, 4, 1 };
        static const struct {
                const char *what;
                enum sampler_stage order[3];
                uint32_t count;
                int32_t expect;
        } rows[] = {
                { "the penalty first: another is the best", { STAGE_PENALTIES, STAGE_TOP_K }, 2, 1 },
                { "the cut first: there is no other", { STAGE_TOP_K, STAGE_PENALTIES }, 2, 0 },
                { "no penalty at all", { STAGE_TOP_K }, 1, 0 },
                { "xtc before the cut", { STAGE_XTC, STAGE_TOP_K }, 2, 1 },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct sampling p = sampling_default();
                p.top_k = 1;
                p.repeat_penalty = 2;
                p.chain.on = true;
                p.chain.xtc_probability = 1;
                memcpy(p.chain.order, rows[i].order, sizeof(rows[i].order));
                p.chain.count = rows[i].count;
                if (pick_with(&p, logits, COUNT(logits)) != rows[i].expect)
                        fail_msg("%s", rows[i].what);
        }
        struct sampling p = sampling_default(); /* the usual order, and greedy: temperature comes last and decides */
        p.temperature = 0;
        p.chain.on = true;
        assert_int_equal(pick_with(&p, logits, COUNT(logits)), 0);
}

static void test_names(void **state) {
        (void) state;
        static const struct {
                const char *name;
                enum sampler_stage stage;
        } rows[] = { { "top_k", STAGE_TOP_K },
                     { "typ_p", STAGE_TYPICAL },
                     { "typical_p", STAGE_TYPICAL },
                     { "temp", STAGE_TEMPERATURE },
                     { "x", STAGE_XTC },
                     { "infill", STAGE_COUNT },
                     { "", STAGE_COUNT },
                     { "penalties", STAGE_PENALTIES } };
        for (size_t i = 0; i < COUNT(rows); i++)
                assert_int_equal(sampler_stage_named(rows[i].name), rows[i].stage);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cuts),
                cmocka_unit_test(test_xtc),
                cmocka_unit_test(test_temperature),
                cmocka_unit_test(test_mirostat),
                cmocka_unit_test(test_mirostat_reaches_its_target),
                cmocka_unit_test(test_dry),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
