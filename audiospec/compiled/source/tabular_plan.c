/* Compute the constants of a tabular plan. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tabular_plan.h"

static const double TWO_PI = 6.283185307179586476925286766559;

int make_fourier_double(struct fourier_double *tables, ptrdiff_t size)
{
    tables->size = size;
    tables->columns = 1;
    while ((ptrdiff_t)tables->columns * tables->columns * 4 <= size)
        tables->columns *= 2;
    tables->rows = (int)(size / tables->columns);
    tables->column_shift = __builtin_ctz((unsigned)tables->columns);
    tables->row_shift = __builtin_ctz((unsigned)tables->rows);
    tables->twiddles = malloc(2 * sizeof(double) * (size_t)size);
    if (!tables->twiddles)
        return -1;
    for (ptrdiff_t column = 0; column < tables->columns; column++)
        for (ptrdiff_t row = 0; row < tables->rows; row++) {
            double angle = TWO_PI * (double)(column * row) / (double)size;
            double *to = tables->twiddles + 2 * (column * tables->rows + row);
            to[0] = cos(angle);
            to[1] = -sin(angle);
        }
    for (int k = 0; k < TURNS; k++) {
        tables->turns[2 * k] = cos(TWO_PI * k / TURNS);
        tables->turns[2 * k + 1] = -sin(TWO_PI * k / TURNS);
    }
    return 0;
}

int make_fourier_float(struct fourier_float *tables, ptrdiff_t size)
{
    struct fourier_double exact;
    if (make_fourier_double(&exact, size) < 0)
        return -1;
    tables->size = size;
    tables->columns = exact.columns;
    tables->rows = exact.rows;
    tables->column_shift = exact.column_shift;
    tables->row_shift = exact.row_shift;
    tables->twiddles = malloc(2 * sizeof(float) * (size_t)size);
    for (ptrdiff_t i = 0; tables->twiddles && i < 2 * size; i++)
        tables->twiddles[i] = (float)exact.twiddles[i];
    for (int i = 0; i < 2 * TURNS; i++)
        tables->turns[i] = (float)exact.turns[i];
    free(exact.twiddles);
    return tables->twiddles ? 0 : -1;
}

/* Allocate a copy of an array of the caller. */
static void *copy_of(const void *from, size_t size)
{
    void *copy = malloc(size ? size : 1);
    if (copy && size)
        memcpy(copy, from, size);
    return copy;
}

int make_tabular(struct tabular *plan, const double *window, const int32_t *starts, const int32_t *counts,
                 const float *mel_weights, const int32_t *steps, const double *lag_window)
{
    ptrdiff_t n_fft = plan->n_fft, hop = plan->hop_length, total = 0;
    size_t mels = sizeof(int32_t) * (size_t)plan->n_mels;
    for (ptrdiff_t mel = 0; mel < plan->n_mels; mel++)
        total += counts[mel];
    plan->window = malloc(sizeof(double) * (size_t)n_fft);
    plan->synthesis = malloc(sizeof(float) * (size_t)n_fft);
    plan->weights_of_hop = calloc((size_t)hop, sizeof(float));
    plan->hertz = malloc(sizeof(float) * (size_t)plan->bins);
    plan->split = malloc(2 * sizeof(double) * (size_t)(n_fft / 4 + 1));
    plan->starts = copy_of(starts, mels);
    plan->counts = copy_of(counts, mels);
    plan->firsts = malloc(mels ? mels : 1);
    plan->mel_weights = copy_of(mel_weights, sizeof(float) * (size_t)total);
    plan->network.steps = copy_of(steps, sizeof(struct step) * (size_t)plan->network.count);
    plan->lag_window = copy_of(lag_window, sizeof(double) * (size_t)plan->lags);
    ptrdiff_t lag_size = 32;
    while (lag_size < 2 * plan->lags)
        lag_size *= 2;
    if (!plan->window || !plan->synthesis || !plan->weights_of_hop || !plan->hertz || !plan->split || !plan->starts
        || !plan->counts || !plan->firsts || !plan->mel_weights || !plan->network.steps
        || !plan->lag_window || make_fourier_double(&plan->lag_fourier, lag_size) < 0
        || make_fourier_double(&plan->forward, n_fft / 2) < 0
        || make_fourier_float(&plan->inverse, n_fft / 2) < 0)
        return -1;
    for (ptrdiff_t i = 0; i < n_fft; i++) {
        float weight = (float)window[i];
        plan->window[i] = window[i] / 2;
        plan->synthesis[i] = weight / (float)n_fft; /* exact: n_fft is a power of 2 */
        plan->weights_of_hop[i % hop] += weight * weight;
    }
    for (ptrdiff_t bin = 0; bin < plan->bins; bin++)
        plan->hertz[bin] = (float)((double)bin * plan->spacing);
    for (ptrdiff_t bin = 0; bin <= n_fft / 4; bin++) {
        double angle = TWO_PI * (double)bin / (double)n_fft;
        plan->split[2 * bin] = cos(angle);
        plan->split[2 * bin + 1] = sin(angle);
    }
    total = 0;
    for (ptrdiff_t mel = 0; mel < plan->n_mels; mel++) {
        plan->firsts[mel] = (int32_t)total;
        total += counts[mel];
    }
    return 0;
}

void free_tabular(struct tabular *plan)
{
    free(plan->window);
    free(plan->synthesis);
    free(plan->weights_of_hop);
    free(plan->hertz);
    free(plan->split);
    free(plan->starts);
    free(plan->counts);
    free(plan->firsts);
    free(plan->mel_weights);
    free(plan->network.steps);
    free(plan->lag_window);
    free(plan->lag_fourier.twiddles);
    free(plan->forward.twiddles);
    free(plan->inverse.twiddles);
    memset(plan, 0, sizeof *plan);
}
