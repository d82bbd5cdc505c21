/* Complex transforms of float (`transform_float`, of `vec`) and of double (`transform_double`, of `dvec`). */

typedef double dvec __attribute__((vector_size(4 * LANES))); /* LANES / 2 numbers */
typedef float half_vec __attribute__((vector_size(2 * LANES)));

/* Where value k of a transform's input (with row_shift) or output (with column_shift) is. */
#define PLACE(k, shift) (2 * ((k) + ((k) >> (shift))))

#define FOURIER fourier_float
#define NAMED(name) name##_float
#include "fourier.h"
#include "complex.h"
#undef FOURIER
#undef NAMED
#undef REAL
#undef TURN

#define REAL double
#define vec dvec
#define FOURIER fourier_double
#define NAMED(name) name##_double
#define transform2 transform2_double
#define transform4 transform4_double
#define transform8 transform8_double
#define transform_few transform_few_double
#define finish_transform finish_transform_double
#define begin_transform begin_transform_double
#define begin_row begin_row_double
#define finish_column finish_column_double
#include "fourier.h"
#include "complex.h"
#undef vec
#undef transform2
#undef transform4
#undef transform8
#undef transform_few
#undef finish_transform
#undef begin_transform
#undef begin_row
#undef finish_column
#undef FOURIER
#undef NAMED
#undef REAL
