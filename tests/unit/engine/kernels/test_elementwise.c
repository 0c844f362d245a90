/* test_elementwise.c - steps of single architectures against their formulas in double precision, for all instruction sets. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/dispatch/dispatch.h"
#include "engine/kernels/elementwise.h"

#define N 203u /* no multiple of any vector */

static const char *const sets[] = { "portable", "avx2", "avx-vnni", "avx512", "neon", "dotprod", "i8mm" };

static const struct kernels *set_at(size_t i) {
        return kernels_named(sets[i]);
}

/* From -RANGE to RANGE, 0 among them. */
static void make_values(float *x, float range) {
        for (uint32_t i = 0; i < N; i++)
                x[i] = range * ((float) i - (N - 1) / 2.0f) / ((N - 1) / 2.0f);
}

static void caps_follow_tanh(void **state) {
        (void) state;
        static const struct {
                float range, cap;
        } rows[] = { { 1e-3f, 50 }, { 40, 30 }, { 1000, 50 }, { 1e30f, 1 }, { 5, 1e6f }, { 0.1f, 1e-3f } };
        for (size_t s = 0; s < sizeof(sets) / sizeof(*sets); s++) {
                for (size_t r = 0; set_at(s) && r < sizeof(rows) / sizeof(*rows); r++) {
                        float x[N], y[N];
                        make_values(x, rows[r].range);
                        memcpy(y, x, sizeof(y));
                        soft_cap(set_at(s), y, rows[r].cap, N);
                        for (uint32_t i = 0; i < N; i++) {
                                double exact = (double) rows[r].cap * tanh((double) x[i] / (double) rows[r].cap);
                                if (fabs((double) y[i] - exact) > 2e-7 * (double) rows[r].cap)
                                        fail_msg("%s: %g capped at %g is %g", sets[s], (double) x[i], (double) rows[r].cap,
                                                 (double) y[i]);
                        }
                }
        }
}

static void gates_follow_gelu(void **state) {
        (void) state;
        for (size_t s = 0; s < sizeof(sets) / sizeof(*sets); s++) {
                for (float range = 0.01f; set_at(s) && range < 1e4f; range *= 10) {
                        float x[N], gate[N], up[N];
                        make_values(x, range);
                        memcpy(gate, x, sizeof(gate));
                        for (uint32_t i = 0; i < N; i++)
                                up[i] = 3 - 0.01f * (float) i;
                        gelu_as_swiglu(gate, up, N);
                        set_at(s)->swiglu(gate, up, N);
                        for (uint32_t i = 0; i < N; i++) {
                                double z = (double) x[i],
                                       exact = 0.5 * z * (1 + tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
                                exact *= 3 - 0.01 * i;
                                if (fabs((double) gate[i] - exact) > 2e-6 * (fabs(exact) + 0.1))
                                        fail_msg("%s: gelu(%g) is %g, not %g", sets[s], z, (double) gate[i], exact);
                        }
                }
        }
}

static void layers_are_normed_about_their_mean(void **state) {
        (void) state;
        float x[N], weight[N], bias[N], out[N];
        make_values(x, 3);
        double mean = 0, variance = 0;
        for (uint32_t i = 0; i < N; i++) {
                x[i] += 100; /* the mean is far from 0 */
                weight[i] = 1 + 0.001f * (float) i;
                bias[i] = 0.5f - 0.01f * (float) i;
                mean += (double) x[i] / N;
        }
        for (uint32_t i = 0; i < N; i++)
                variance += ((double) x[i] - mean) * ((double) x[i] - mean) / N;
        layer_norm(x, (const uint8_t *) weight, (const uint8_t *) bias, N, 1e-5f, out);
        for (uint32_t i = 0; i < N; i++) {
                double exact = ((double) x[i] - mean) / sqrt(variance + 1e-5) * (double) weight[i] + (double) bias[i];
                assert_true(fabs((double) out[i] - exact) < 1e-5);
        }
        layer_norm(x, (const uint8_t *) weight, (const uint8_t *) bias, N, 1e-5f, x);
        assert_memory_equal(x, out, sizeof(out));
        for (uint32_t i = 0; i < N; i++)
                x[i] = 7; /* nothing about its mean: the bias is left */
        layer_norm(x, (const uint8_t *) weight, (const uint8_t *) bias, N, 1e-5f, x);
        assert_memory_equal(x, bias, sizeof(bias));
}

static void a_bias_may_be_missing(void **state) {
        (void) state;
        float x[N], kept[N];
        make_values(x, 1);
        memcpy(kept, x, sizeof(x));
        add_bias(x, NULL, N);
        assert_memory_equal(x, kept, sizeof(x));
        add_bias(x, (const uint8_t *) kept, N);
        for (uint32_t i = 0; i < N; i++)
                assert_true(x[i] == 2 * kept[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(caps_follow_tanh),
                cmocka_unit_test(gates_follow_gelu),
                cmocka_unit_test(layers_are_normed_about_their_mean),
                cmocka_unit_test(a_bias_may_be_missing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
