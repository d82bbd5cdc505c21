/* Which instruction sets this processor has. */
#include "kernels.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

static int has_half_conversion(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
}
#endif

int usable_instruction_sets(const struct instruction_set **sets)
{
#if defined(__x86_64__) || defined(__i386__)
    static const struct instruction_set all[] = {
        {"avx512", 16, log_mel_avx512, &tabular_avx512},
        {"avx2", 8, log_mel_avx2, &tabular_avx2},
        {"sse", 4, log_mel_sse, &tabular_sse}};
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_half_conversion();
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
                 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    int first = avx512 ? 0 : avx2 ? 1 : 2;
    *sets = all + first;
    return 3 - first;
#elif defined(__aarch64__)
    static const struct instruction_set all[] = {{"neon", 4, log_mel_neon, &tabular_neon}};
    *sets = all;
    return 1;
#else
    static const struct instruction_set all[] = {{"plain", 4, log_mel_plain, &tabular_plain}};
    *sets = all;
    return 1;
#endif
}
