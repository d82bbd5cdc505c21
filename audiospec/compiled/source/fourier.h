/* Complex Fourier transforms of LANES signals at once: a value of each signal in one vector `vec` of REAL. */
#ifndef REAL
#define REAL float
#endif

/* Multiply by (cosine, minus sine), which turns clockwise. */
#define TURN(re, im, cosine, sine)                                                                           \
    do {                                                                                                     \
        vec turned = (re) * (cosine) - (im) * (sine);                                                        \
        (im) = (re) * (sine) + (im) * (cosine);                                                              \
        (re) = turned;                                                                                       \
    } while (0)

INLINE void transform2(vec *re, vec *im)
{
    vec a = re[1], b = im[1];
    re[1] = re[0] - a;
    im[1] = im[0] - b;
    re[0] += a;
    im[0] += b;
}

INLINE void transform4(vec *re, vec *im)
{
    vec a = re[0] + re[2], b = im[0] + im[2], c = re[0] - re[2], d = im[0] - im[2];
    vec e = re[1] + re[3], f = im[1] + im[3], g = re[1] - re[3], h = im[1] - im[3];
    re[0] = a + e;
    im[0] = b + f;
    re[2] = a - e;
    im[2] = b - f;
    re[1] = c + h;
    im[1] = d - g;
    re[3] = c - h;
    im[3] = d + g;
}

INLINE void transform8(vec *re, vec *im)
{
    const REAL diagonal = (REAL)0.70710678118654752440;
    vec even_re[4] = {re[0], re[2], re[4], re[6]}, even_im[4] = {im[0], im[2], im[4], im[6]};
    vec odd_re[4] = {re[1], re[3], re[5], re[7]}, odd_im[4] = {im[1], im[3], im[5], im[7]};
    transform4(even_re, even_im);
    transform4(odd_re, odd_im);
    vec a = (odd_re[1] + odd_im[1]) * diagonal, b = (odd_im[1] - odd_re[1]) * diagonal;
    vec c = odd_im[2], d = -odd_re[2];
    vec e = (odd_im[3] - odd_re[3]) * diagonal, f = -(odd_re[3] + odd_im[3]) * diagonal;
    re[0] = even_re[0] + odd_re[0];
    im[0] = even_im[0] + odd_im[0];
    re[4] = even_re[0] - odd_re[0];
    im[4] = even_im[0] - odd_im[0];
    re[1] = even_re[1] + a;
    im[1] = even_im[1] + b;
    re[5] = even_re[1] - a;
    im[5] = even_im[1] - b;
    re[2] = even_re[2] + c;
    im[2] = even_im[2] + d;
    re[6] = even_re[2] - c;
    im[6] = even_im[2] - d;
    re[3] = even_re[3] + e;
    im[3] = even_im[3] + f;
    re[7] = even_re[3] - e;
    im[7] = even_im[3] - f;
}

/* A transform of 1, 4 or 8 values, which stay in registers. */
INLINE void transform_few(const int size, vec *re, vec *im)
{
    if (size == 8)
        transform8(re, im);
    else if (size == 4)
        transform4(re, im);
    else if (size == 2)
        transform2(re, im);
}

/* Second step of a transform of few x many values: `many` short transforms, whose inputs are in `re` and `im`,
 * (few, many). Value k + few * j of the result is in re[k * many + j] afterwards. */
INLINE void finish_transform(const int few, const int many, vec *re, vec *im)
{
#pragma GCC unroll 8
    for (int k = 0; k < few; k++)
        transform_few(many, re + k * many, im + k * many);
}

/* First step of it: a short transform and its turns. `re` and `im` hold values number, number + many, ... */
INLINE void begin_transform(const REAL *turns, const int few, const int many, const int number, vec *re,
                            vec *im)
{
    const int step = TURNS / (few * many);
    transform_few(few, re, im);
    if (number == 0)
        return;
#pragma GCC unroll 8
    for (int k = 1; k < few; k++) {
        const REAL *turn = turns + 2 * step * number * k;
        TURN(re[k], im[k], turn[0], turn[1]);
    }
}

/* The first step for a row of few * many values, whose parts are next to one another in `row`. */
INLINE void begin_row(const REAL *turns, const vec *row, vec *re, vec *im, const int few, const int many)
{
#pragma GCC unroll 8
    for (int number = 0; number < many; number++) {
        vec a[8], b[8];
#pragma GCC unroll 8
        for (int k = 0; k < few; k++) {
            a[k] = row[2 * (many * k + number)];
            b[k] = row[2 * (many * k + number) + 1];
        }
        begin_transform(turns, few, many, number, a, b);
#pragma GCC unroll 8
        for (int k = 0; k < few; k++) {
            re[k * many + number] = a[k];
            im[k * many + number] = b[k];
        }
    }
}

/* The second step down a column of a table with `rows` values in each of few * many rows: the column's values,
 * times their twiddles, go to place `row` of the rows of `to`, which have a gap behind them. */
INLINE void finish_column(const REAL *twiddles, vec *re, vec *im, vec *to, const int few, const int many,
                          const int rows, const int row)
{
#pragma GCC unroll 8
    for (int k = 0; k < few; k++) {
        vec *a = re + k * many, *b = im + k * many;
        transform_few(many, a, b);
#pragma GCC unroll 8
        for (int j = 0; j < many; j++) {
            int column = k + few * j;
            const REAL *turn = twiddles + 2 * row + 2 * rows * column;
            vec *at = to + (ptrdiff_t)(2 * rows + 2) * column + 2 * row;
            TURN(a[j], b[j], turn[0], turn[1]);
            at[0] = a[j];
            at[1] = b[j];
        }
    }
}
