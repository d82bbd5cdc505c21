/* Vectors of LANES floats by the compiler's own vector types: one source for every instruction set. */

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif

INLINE vec load(const float *from)
{
    vec value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* A sample of a padded chunk, whose first has number 0; the audio may be at an odd place in memory. */
INLINE float padded_sample(const float *wave, ptrdiff_t samples, enum padding padding, ptrdiff_t sample)
{
    float value = 0;
    if (padding == PAD_REFLECT && sample < 0)
        sample = -sample;
    else if (padding == PAD_REFLECT && sample >= samples)
        sample = 2 * (samples - 1) - sample;
    if (sample >= 0 && sample < samples)
        memcpy(&value, wave + sample, sizeof value);
    return value;
}

INLINE vec choose(ivec mask, vec yes, vec no)
{
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

INLINE vec spread(float value)
{
    return value - (vec){0};
}

INLINE vec root(vec value)
{
    for (int lane = 0; lane < LANES; lane++)
        value[lane] = __builtin_sqrtf(value[lane]);
    return value;
}

/* Transpose LANES vectors in place: log2(LANES) rounds, each of which exchanges halves of pairs. */
INLINE void transpose(vec *rows)
{
#if LANES == 16
#define ROUND(distance, low, high)                                                                           \
    for (int i = 0; i < LANES; i++)                                                                          \
        if (!(i & distance)) {                                                                               \
            vec a = rows[i], b = rows[i + distance];                                                         \
            rows[i] = SHUFFLE(a, b, low);                                                                    \
            rows[i + distance] = SHUFFLE(a, b, high);                                                        \
        }
#define L(...) __VA_ARGS__
    _Pragma("GCC unroll 16") ROUND(8, L(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
                                   L(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
    _Pragma("GCC unroll 16") ROUND(4, L(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
                                   L(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
    _Pragma("GCC unroll 16") ROUND(2, L(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
                                   L(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
    _Pragma("GCC unroll 16") ROUND(1, L(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
                                   L(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
#elif LANES == 8
#define ROUND(distance, low, high)                                                                           \
    for (int i = 0; i < LANES; i++)                                                                          \
        if (!(i & distance)) {                                                                               \
            vec a = rows[i], b = rows[i + distance];                                                         \
            rows[i] = SHUFFLE(a, b, low);                                                                    \
            rows[i + distance] = SHUFFLE(a, b, high);                                                        \
        }
#define L(...) __VA_ARGS__
    _Pragma("GCC unroll 8") ROUND(4, L(0, 1, 2, 3, 8, 9, 10, 11), L(4, 5, 6, 7, 12, 13, 14, 15))
    _Pragma("GCC unroll 8") ROUND(2, L(0, 1, 8, 9, 4, 5, 12, 13), L(2, 3, 10, 11, 6, 7, 14, 15))
    _Pragma("GCC unroll 8") ROUND(1, L(0, 8, 2, 10, 4, 12, 6, 14), L(1, 9, 3, 11, 5, 13, 7, 15))
#else
    vec a = SHUFFLE(rows[0], rows[1], 0, 4, 1, 5), b = SHUFFLE(rows[0], rows[1], 2, 6, 3, 7);
    vec c = SHUFFLE(rows[2], rows[3], 0, 4, 1, 5), d = SHUFFLE(rows[2], rows[3], 2, 6, 3, 7);
    rows[0] = SHUFFLE(a, c, 0, 1, 4, 5);
    rows[1] = SHUFFLE(a, c, 2, 3, 6, 7);
    rows[2] = SHUFFLE(b, d, 0, 1, 4, 5);
    rows[3] = SHUFFLE(b, d, 2, 3, 6, 7);
#endif
}

/* 10 log10 of positive numbers: exponent from the bits, an atanh series for the mantissa in [sqrt(1/2),
 * sqrt(2)). The first term left out is below 3e-9 dB. Infinity and NaN are returned as they are. */
INLINE vec to_decibels(vec value)
{
    const float tens = 3.01029995663981195f, nepers = 8.68588963806503655f;
    ivec bits = (ivec)value;
    ivec shifted = bits - 0x3f3504f3; /* sqrt(1/2) */
    ivec exponent = shifted >> 23;
    vec mantissa = (vec)(bits - (exponent << 23));
    vec ratio = (mantissa - 1) / (mantissa + 1), square = ratio * ratio;
    vec series = ratio + ratio * square * (1 / 3.f + square * (1 / 5.f + square * (1 / 7.f + square / 9)));
    vec decibels = __builtin_convertvector(exponent, vec) * tens + series * nepers;
    return choose((bits & 0x7fffffff) >= 0x7f800000, value, decibels); /* a NaN may have a sign */
}

/* Round to the nearest whole number, ties to even. Unlike the sum with a large number, no compiler can fuse
 * it with a product before it, whose own rounding is a part of the byte code. */
INLINE ivec to_integers(vec value)
{
#if LANES == 16
    return (ivec)_mm512_cvtps_epi32((__m512)value);
#elif LANES == 8
    return (ivec)_mm256_cvtps_epi32((__m256)value);
#elif defined(__SSE2__)
    return (ivec)_mm_cvtps_epi32((__m128)value);
#elif defined(__aarch64__)
    return (ivec)vcvtnq_s32_f32((float32x4_t)value);
#else
    ivec integers;
    for (int lane = 0; lane < LANES; lane++)
        integers[lane] = (int32_t)lrintf(value[lane]);
    return integers;
#endif
}

#if LANES == 16
INLINE void store_halves(void *to, vec value)
{
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph((__m512)value, _MM_FROUND_TO_NEAREST_INT));
}
#elif LANES == 8
INLINE void store_halves(void *to, vec value)
{
    _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__aarch64__)
INLINE void store_halves(void *to, vec value)
{
    float16x4_t halves = vcvt_f16_f32((float32x4_t)value);
    memcpy(to, &halves, sizeof halves);
}
#else
/* Round to nearest, ties to even, as the hardware of other instruction sets does. */
INLINE void store_halves(void *to, vec value)
{
    ivec bits = (ivec)value, sign = (bits >> 16) & 0x8000, positive = bits & 0x7fffffff;
    /* Below 2^-14 the float itself shifts the fraction into place; the sum is rounded as it should be. */
    vec small = (vec)positive + 0.5f;
    ivec subnormal = (ivec)small - 0x3f000000;
    ivec normal = (positive - 0x38000000 + 0xfff + ((positive >> 13) & 1)) >> 13;
    ivec half = (ivec)choose(positive < 0x38800000, (vec)subnormal, (vec)normal);
    half = (ivec)choose(positive >= 0x477ff000, (vec)(half * 0 + 0x7c00), (vec)half);
    half = (ivec)choose(positive > 0x7f800000, (vec)(half * 0 + 0x7e00), (vec)half);
    half |= sign;
    uint16_t halves[LANES];
    for (int lane = 0; lane < LANES; lane++)
        halves[lane] = (uint16_t)half[lane];
    memcpy(to, halves, sizeof halves);
}
#endif
