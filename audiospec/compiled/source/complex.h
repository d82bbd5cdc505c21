/* Complex Fourier transforms of powers of two from 32 to 4096, of as many signals at once as `vec` has lanes.
 *
 * The includer defines REAL, `vec` of it, `struct FOURIER` with its tables, and NAMED, which makes names unique.
 * A transform of columns x rows values takes two passes: down the columns, with a twiddle, and along the rows.
 * Value k of the input is in vectors PLACE(k, row_shift) (real) and the next (imaginary); of the output, in
 * PLACE(k, column_shift): a gap after each row keeps its columns out of one another's cache lines.
 */

INLINE void NAMED(pass_down)(const struct FOURIER *tables, const vec *in, vec *between, const int few,
                             const int many, const int rows)
{
    for (int row = 0; row < rows; row++) {
        vec re[64], im[64];
#pragma GCC unroll 8
        for (int number = 0; number < many; number++) {
            vec a[8], b[8];
#pragma GCC unroll 8
            for (int k = 0; k < few; k++) {
                const vec *from = in + 2 * ((rows + 1) * (many * k + number) + row);
                a[k] = from[0];
                b[k] = from[1];
            }
            begin_transform(tables->turns, few, many, number, a, b);
#pragma GCC unroll 8
            for (int k = 0; k < few; k++) {
                re[k * many + number] = a[k];
                im[k * many + number] = b[k];
            }
        }
        finish_column(tables->twiddles, re, im, between, few, many, rows, row);
    }
}

INLINE void NAMED(pass_along)(const struct FOURIER *tables, const vec *between, vec *out, const int few,
                              const int many, const int columns)
{
    const int stride = 2 * few * many + 2;
    for (int column = 0; column < columns; column++) {
        const vec *row = between + (ptrdiff_t)stride * column;
        vec re[64], im[64];
        begin_row(tables->turns, row, re, im, few, many);
#pragma GCC unroll 8
        for (int k = 0; k < few; k++) {
            vec *a = re + k * many, *b = im + k * many;
            transform_few(many, a, b);
#pragma GCC unroll 8
            for (int j = 0; j < many; j++) {
                vec *to = out + 2 * (column + (columns + 1) * (k + few * j));
                to[0] = a[j];
                to[1] = b[j];
            }
        }
    }
}

#define SIZE(size, column_few, column_many, row_few, row_many)                                               \
    __attribute__((noinline)) static void NAMED(complex_##size)(const struct FOURIER *tables, const vec *in, \
                                                                vec *between, vec *out)                      \
    {                                                                                                        \
        NAMED(pass_down)(tables, in, between, column_few, column_many, row_few *row_many);                   \
        NAMED(pass_along)(tables, between, out, row_few, row_many, column_few *column_many);                 \
    }
SIZE(32, 4, 1, 8, 1)
SIZE(64, 8, 1, 8, 1)
SIZE(128, 8, 1, 4, 4)
SIZE(256, 4, 4, 4, 4)
SIZE(512, 4, 4, 8, 4)
SIZE(1024, 8, 4, 8, 4)
SIZE(2048, 8, 4, 8, 8)
SIZE(4096, 8, 8, 8, 8)
#undef SIZE

static void NAMED(transform)(const struct FOURIER *tables, const vec *in, vec *between, vec *out)
{
    switch (tables->size) {
    case 32: NAMED(complex_32)(tables, in, between, out); break;
    case 64: NAMED(complex_64)(tables, in, between, out); break;
    case 128: NAMED(complex_128)(tables, in, between, out); break;
    case 256: NAMED(complex_256)(tables, in, between, out); break;
    case 512: NAMED(complex_512)(tables, in, between, out); break;
    case 1024: NAMED(complex_1024)(tables, in, between, out); break;
    case 2048: NAMED(complex_2048)(tables, in, between, out); break;
    default: NAMED(complex_4096)(tables, in, between, out); break;
    }
}
