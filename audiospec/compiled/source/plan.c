/* Compute the constants of a plan. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

static const double TWO_PI = 6.283185307179586476925286766559;

int is_supported_n_fft(ptrdiff_t n_fft)
{
    return n_fft >= LEAST_N_FFT && n_fft <= MOST_N_FFT && (n_fft & (n_fft - 1)) == 0;
}

/* Write cos and -sin of 2 pi numerator / denominator. */
static void write_turn(float *to, ptrdiff_t numerator, ptrdiff_t denominator)
{
    double angle = TWO_PI * (double)(numerator % denominator) / (double)denominator;
    to[0] = (float)cos(angle);
    to[1] = (float)-sin(angle);
}

/* Allocate a copy of an array of the caller. */
static void *copy_of(const void *from, size_t size)
{
    void *copy = malloc(size ? size : 1);
    if (copy)
        memcpy(copy, from, size);
    return copy;
}

int make_tables(struct plan *plan, const float *window, const int32_t *starts, const int32_t *counts,
                const float *weights)
{
    ptrdiff_t n_fft = plan->n_fft, packed = n_fft / 2, total = 0;
    plan->columns = 1;
    while ((ptrdiff_t)plan->columns * plan->columns * 4 <= packed)
        plan->columns *= 2;
    plan->rows = (int)(packed / plan->columns);
    for (ptrdiff_t mel = 0; mel < plan->n_mels; mel++)
        total += counts[mel];
    plan->window = malloc(sizeof(float) * (size_t)n_fft);
    plan->starts = copy_of(starts, sizeof(int32_t) * (size_t)plan->n_mels);
    plan->counts = copy_of(counts, sizeof(int32_t) * (size_t)plan->n_mels);
    plan->firsts = malloc(sizeof(int32_t) * (size_t)plan->n_mels);
    plan->weights = copy_of(weights, sizeof(float) * (size_t)total);
    plan->twiddles = malloc(sizeof(float) * 2 * (size_t)packed);
    plan->split = malloc(sizeof(float) * 2 * (size_t)(packed / 2 + 1));
    if (!plan->window || !plan->starts || !plan->counts || !plan->firsts || !plan->weights || !plan->twiddles
        || !plan->split)
        return -1;
    for (ptrdiff_t i = 0; i < n_fft; i++)
        plan->window[i] = window[i] / 2;
    total = 0;
    for (ptrdiff_t mel = 0; mel < plan->n_mels; mel++) {
        plan->firsts[mel] = (int32_t)total;
        total += counts[mel];
        if (counts[mel] && starts[mel] + counts[mel] - 1 > plan->last_bin)
            plan->last_bin = starts[mel] + counts[mel] - 1;
    }
    for (int column = 0; column < plan->columns; column++)
        for (int row = 0; row < plan->rows; row++)
            write_turn(plan->twiddles + 2 * ((ptrdiff_t)column * plan->rows + row), (ptrdiff_t)column * row,
                       packed);
    for (ptrdiff_t bin = 0; bin <= packed / 2; bin++) {
        double angle = TWO_PI * (double)bin / (double)n_fft;
        plan->split[2 * bin] = (float)cos(angle);
        plan->split[2 * bin + 1] = (float)sin(angle);
    }
    for (int k = 0; k < TURNS; k++)
        write_turn(plan->turns + 2 * k, k, TURNS);
    return 0;
}

void free_plan(struct plan *plan)
{
    free(plan->window);
    free(plan->starts);
    free(plan->counts);
    free(plan->firsts);
    free(plan->weights);
    free(plan->twiddles);
    free(plan->split);
    memset(plan, 0, sizeof *plan);
}
