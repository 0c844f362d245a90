/*
 * kernels.h - the arithmetic of the forward pass, as tables of functions: one table per instruction set.
 *
 * `portable` is plain C, slow and meant to be obviously right; the others are tested against it. Which table
 * runs is decided by engine/dispatch. A table has a row per tensor type; a type without `multiply` cannot be computed with.
 *
 * Invariant: each output is computed by the same operations in the same order, wherever it lies in a tile and
 * whatever is computed beside it. Splitting the rows or the columns of a product differently changes no bit.
 * Nothing needs alignment but columns (ACTIVATION_ALIGN); weights are read from the mapped file as they lie.
 */
#ifndef HEADROOM_ENGINE_KERNELS_KERNELS_H
#define HEADROOM_ENGINE_KERNELS_KERNELS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/kernels/activation.h"
#include "policy/base/kv_type.h"
#include "engine/gguf/tensor_type.h"

/* Rows times columns: out[c * out_stride + r] = row r . column c, each of N values. */
struct product {
        const uint8_t *rows; /* as the tensor type stores them */
        size_t row_bytes;    /* from one row to the next */
        uint32_t rows_count;
        const uint8_t *columns; /* prepared as the tensor type's activation says */
        size_t column_bytes;
        uint32_t columns_count;
        uint32_t n;
        float *out;
        size_t out_stride;
};

/* Weighted rows: out[c * out_stride + i] += sum over r of weights[c * weights_stride + r] * row r [i]. */
struct mixture {
        const uint8_t *rows;
        size_t row_bytes;
        uint32_t rows_count;
        const float *weights;
        size_t weights_stride;
        uint32_t columns_count;
        uint32_t n; /* values of a row */
        float *out;
        size_t out_stride;
};

typedef void kernel_dequantize(const uint8_t *row, uint32_t n, float *out);
typedef void kernel_multiply(const struct product *p);
typedef void kernel_prepare(const float *x, uint32_t n, uint8_t *column);
typedef void kernel_store(const float *x, uint32_t n, uint8_t *row);
typedef void kernel_mix(const struct mixture *m);
struct kernels {
        const char *name;
        struct {
                enum activation activation;
                kernel_dequantize *dequantize;
                kernel_multiply *multiply;
        } types[TENSOR_TYPE_COUNT];
        kernel_prepare *prepare[ACTIVATION_COUNT];
        struct {
                kernel_dequantize *load;
                kernel_store *store; /* out-of-range values are clamped to the type's largest */
                kernel_mix *mix;
                kernel_multiply *score; /* queries as columns times keys; NULL: the tensor type's `multiply` */
        } kv[KV_TYPE_COUNT];

        /* out = x / sqrt(mean(x^2) + epsilon) * weight; WEIGHT is N floats as stored. May work in place. */
        void (*rms_norm)(const float *x, const uint8_t *weight, uint32_t n, float epsilon, float *out);
        /*
         * x = H x / sqrt(n'), for each stretch of n' values, the largest power of two in N (hadamard_width): H is the Hadamard matrix
         * of Sylvester's construction, so doing it twice changes nothing but roundings. N is a multiple of 8.
         */
        void (*hadamard)(float *x, uint32_t n);
        void (*add)(float *x, const float *y, uint32_t n);           /* x += y */
        void (*scale)(float *x, float factor, uint32_t n);           /* x *= factor */
        void (*swiglu)(float *gate, const float *up, uint32_t n);    /* gate = gate * sigmoid(gate) * up */
        float (*maximum)(const float *x, uint32_t n);                /* n >= 1 */
        float (*exponential_sum)(float *x, uint32_t n, float shift); /* x = exp(x - shift) for x <= shift; returns the sum */
};

/* Values that `hadamard` mixes with each other, among N. */
static inline uint32_t hadamard_width(uint32_t n) {
        return n & -n;
}

/* The tensor type whose rows a KV type's rows are: queries meet keys in the form that its products want. */
static inline enum tensor_type kv_tensor_type(enum kv_type type) {
        static const enum tensor_type types[KV_TYPE_COUNT] = {
                [KV_F16] = TENSOR_F16,
                [KV_Q8_0] = TENSOR_Q8_0,
                [KV_Q4_0] = TENSOR_Q4_0,
        };
        assert(type < KV_TYPE_COUNT);
        return types[type];
}

/* What multiplies queries with keys of this type. */
static inline kernel_multiply *kv_score(const struct kernels *k, enum kv_type type) {
        return k->kv[type].score ? k->kv[type].score : k->types[kv_tensor_type(type)].multiply;
}

extern const struct kernels kernels_portable; /* those of vectors: kernels_x86/sets.h, kernels_arm/sets.h */

#endif
