/* dispatch.c - see dispatch.h. */
#include "engine/dispatch/dispatch.h"

#include <assert.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels_arm/sets.h"
#include "engine/kernels_x86/sets.h"

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

/* By cpuid as well: gcc 12 does not ask for that leaf. */
static bool has_avx_vnni(void) {
        enum { BIT_AVX_VNNI = 1 << 4 };
        unsigned eax, ebx, ecx, edx;
        return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & BIT_AVX_VNNI);
}

static bool has_avx512(void) {
        return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#elif defined(__aarch64__)
static bool has_dotprod(void) {
        return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
}

static bool has_i8mm(void) {
        return has_dotprod() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM);
}
#endif

/* Best first. */
static const struct {
        const struct kernels *kernels;
        bool (*can_run)(void);
} sets[] = {
#if defined(__x86_64__)
        { &kernels_avx512, has_avx512 },
        { &kernels_avx_vnni, has_avx_vnni },
        { &kernels_avx2, has_avx2 },
#elif defined(__aarch64__)
        { &kernels_i8mm, has_i8mm },
        { &kernels_dotprod, has_dotprod },
        { &kernels_neon, always },
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
