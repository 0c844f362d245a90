/* dispatch.c - the choice of the set of kernels, by the processor and the environment. */
#include <assert.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels/kernels.h"

static bool always(void) {
        return true;
}

#if defined(__x86_64__)
/* F16C by cpuid: clang 14's __builtin_cpu_supports does not know the word. */
static bool has_avx2(void) {
        unsigned eax, ebx, ecx, edx;
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) &&
               (ecx & bit_F16C);
}

static bool has_avx512(void) {
        return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#endif

/* Best first. */
static const struct {
        const struct kernels *kernels;
        bool (*can_run)(void);
} sets[] = {
#if defined(__x86_64__)
        { &kernels_avx512, has_avx512 },
        { &kernels_avx2, has_avx2 },
#endif
        { &kernels_portable, always },
};

#define SETS_COUNT (sizeof(sets) / sizeof(*sets))

const struct kernels *kernels_named(const char *name) {
        for (size_t i = 0; i < SETS_COUNT; i++)
                if (!strcmp(name, sets[i].kernels->name) && sets[i].can_run())
                        return sets[i].kernels;
        return NULL;
}

const struct kernels *kernels_get(void) {
        const char *wanted = getenv("HEADROOM_KERNELS");
        const struct kernels *k = wanted ? kernels_named(wanted) : NULL;
        for (size_t i = 0; !k && i < SETS_COUNT; i++)
                if (sets[i].can_run())
                        k = sets[i].kernels;
        assert(k);
        return k;
}

enum tensor_type kv_tensor_type(enum kv_type type) {
        static const enum tensor_type types[KV_TYPE_COUNT] = {
                [KV_F16] = TENSOR_F16,
                [KV_Q8_0] = TENSOR_Q8_0,
                [KV_Q4_0] = TENSOR_Q4_0,
        };
        assert(type < KV_TYPE_COUNT);
        return types[type];
}
