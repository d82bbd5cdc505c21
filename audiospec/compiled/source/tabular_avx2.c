/* Spectral columns for processors with AVX2. */
#include "includes.h"

#if defined(__x86_64__) || defined(__i386__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif
#define LANES 8
#define NAME tabular_avx2
#include "tabular.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
