/* unroll.h - how kernels are written out at length by the compiler. */
#ifndef HEADROOM_ENGINE_KERNELS_UNROLL_H
#define HEADROOM_ENGINE_KERNELS_UNROLL_H

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16") /* before each loop over a tile: its sums must become registers */
#endif

#endif
