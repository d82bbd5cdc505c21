/* The instruction sets that the kernels are compiled for, best first. */
#ifndef AUDIOSPEC_KERNELS_H
#define AUDIOSPEC_KERNELS_H

#include "plan.h"
#include "tabular_plan.h"

#if defined(__x86_64__) || defined(__i386__)
transform log_mel_avx512, log_mel_avx2, log_mel_sse;
extern const struct tabular_set tabular_avx512, tabular_avx2, tabular_sse;
#elif defined(__aarch64__)
transform log_mel_neon;
extern const struct tabular_set tabular_neon;
#else
transform log_mel_plain;
extern const struct tabular_set tabular_plain;
#endif

/* Instruction sets that this processor has, best first; the last is the one that every processor has. */
int usable_instruction_sets(const struct instruction_set **sets);

#endif
