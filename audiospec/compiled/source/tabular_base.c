/* Spectral columns for every processor of the kind that this is compiled for. */
#include "includes.h"

#define LANES 4
#if defined(__x86_64__) || defined(__i386__)
#define NAME tabular_sse
#elif defined(__aarch64__)
#define NAME tabular_neon
#else
#define NAME tabular_plain
#endif
#include "tabular.h"
