/* Running medians by a network of minima and maxima, over blocks of BLOCK floats that stay in the first cache. */

enum { TOGETHER = BLOCK / LANES };

#if LANES == 16
INLINE vec least(vec a, vec b)
{
    return (vec)_mm512_min_ps((__m512)a, (__m512)b);
}
INLINE vec greatest(vec a, vec b)
{
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
}
/* One bit for each lane that is set in a mask. */
INLINE unsigned bits_of(ivec mask)
{
    return _mm512_movepi32_mask((__m512i)mask);
}
#elif LANES == 8
INLINE vec least(vec a, vec b)
{
    return (vec)_mm256_min_ps((__m256)a, (__m256)b);
}
INLINE vec greatest(vec a, vec b)
{
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
}
INLINE unsigned bits_of(ivec mask)
{
    return (unsigned)_mm256_movemask_ps((__m256)mask);
}
#elif defined(__SSE__)
INLINE vec least(vec a, vec b)
{
    return (vec)_mm_min_ps((__m128)a, (__m128)b);
}
INLINE vec greatest(vec a, vec b)
{
    return (vec)_mm_max_ps((__m128)a, (__m128)b);
}
INLINE unsigned bits_of(ivec mask)
{
    return (unsigned)_mm_movemask_ps((__m128)mask);
}
#else
INLINE vec least(vec a, vec b)
{
    return choose(a < b, a, b);
}
INLINE vec greatest(vec a, vec b)
{
    return choose(a > b, a, b);
}
INLINE unsigned bits_of(ivec mask)
{
    return (mask[0] & 1u) | (mask[1] & 2u) | (mask[2] & 4u) | (mask[3] & 8u);
}
#endif

static void run_network(const struct network *network, vec *places)
{
    const struct step *step = network->steps, *end = step + network->count;
    for (; step < end; step++) {
        const vec *one = places + (ptrdiff_t)step->one * TOGETHER;
        const vec *other = places + (ptrdiff_t)step->other * TOGETHER;
        vec *low = places + (ptrdiff_t)step->low * TOGETHER, *high = places + (ptrdiff_t)step->high * TOGETHER;
        if (step->low < 0) {
#pragma GCC unroll 16
            for (int k = 0; k < TOGETHER; k++)
                high[k] = greatest(one[k], other[k]);
        } else if (step->high < 0) {
#pragma GCC unroll 16
            for (int k = 0; k < TOGETHER; k++)
                low[k] = least(one[k], other[k]);
        } else {
#pragma GCC unroll 16
            for (int k = 0; k < TOGETHER; k++) {
                vec a = one[k], b = other[k];
                low[k] = least(a, b);
                high[k] = greatest(a, b);
            }
        }
    }
}

/* The place that is read at `place`, 0 to count - 1 or beyond: mirrored, with the outermost value repeated. */
INLINE ptrdiff_t mirrored(ptrdiff_t place, ptrdiff_t count)
{
    place %= 2 * count;
    if (place < 0)
        place += 2 * count;
    return place < count ? place : 2 * count - 1 - place;
}

/* Medians of the tile that begins at row `first`, down the first axis of values (count, stride): rows of `out`
 * (tile, stride). The width is rounded up to whole blocks, which both have room for. */
static void medians_of_rows(const struct network *network, const float *values, ptrdiff_t count,
                            ptrdiff_t width, ptrdiff_t stride, ptrdiff_t first, float *out, vec *places)
{
    ptrdiff_t inputs = median_inputs(network), half = network->size / 2;
    for (ptrdiff_t column = 0; column < width; column += BLOCK) {
        for (ptrdiff_t i = 0; i < inputs; i++)
            memcpy(places + i * TOGETHER, values + mirrored(first + i - half, count) * stride + column,
                   sizeof(float) * BLOCK);
        run_network(network, places);
        for (ptrdiff_t i = 0; i < network->tile; i++)
            memcpy(out + i * stride + column, places + (inputs + i) * TOGETHER, sizeof(float) * BLOCK);
    }
}

/* Medians along `count` vectors, which have room for half a window before and for count_tiles behind. */
static void medians_of_vectors(const struct network *network, vec *values, ptrdiff_t count, ptrdiff_t tiles,
                               vec *out, vec *places)
{
    ptrdiff_t inputs = median_inputs(network), half = network->size / 2, tile = network->tile;
    for (ptrdiff_t i = 1; i <= half; i++)
        values[-i] = values[mirrored(-i, count)];
    for (ptrdiff_t i = count; i < tiles * tile + half; i++)
        values[i] = values[mirrored(i, count)];
    for (ptrdiff_t first = 0; first < count; first += TOGETHER * tile) {
        for (ptrdiff_t i = 0; i < inputs; i++)
            for (int k = 0; k < TOGETHER; k++)
                places[i * TOGETHER + k] = values[first + k * tile + i - half];
        run_network(network, places);
        for (int k = 0; k < TOGETHER; k++) {
            vec *to = out + first + k * tile;
            ptrdiff_t some = count - first - k * tile < tile ? count - first - k * tile : tile;
            for (ptrdiff_t i = 0; i < some; i++)
                to[i] = places[(inputs + i) * TOGETHER + k];
        }
    }
}
