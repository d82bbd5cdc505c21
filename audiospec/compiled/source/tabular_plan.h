/* The plan of a chunk's spectral columns: what every instruction set needs to know, computed once. */
#ifndef AUDIOSPEC_TABULAR_PLAN_H
#define AUDIOSPEC_TABULAR_PLAN_H

#include "plan.h"

/* Tables of a complex transform of size = columns x rows values; see complex.h. */
#define FOURIER_TABLES(name, real)                                                                           \
    struct name {                                                                                            \
        ptrdiff_t size;                                                                                      \
        int columns, rows, column_shift, row_shift;                                                          \
        real *twiddles; /* (columns, rows, 2) */                                                             \
        real turns[2 * TURNS];                                                                               \
    };
FOURIER_TABLES(fourier_float, float)
FOURIER_TABLES(fourier_double, double)

/* Sort two values: the smaller to `low`, the larger to `high`; -1 where it is not needed. */
struct step {
    int32_t one, other, low, high;
};

/* A network of minima and maxima that computes the medians of `tile` windows of `size` values. Its places
 * are, in this order: size + tile - 1 inputs, `tile` medians, and room for intermediate values. */
struct network {
    ptrdiff_t size, tile, places, count;
    struct step *steps;
};

/* What `analyse` computes beside the centroid, bandwidth, rolloff, root mean square and zero crossings. */
enum { WITH_MEL = 1, WITH_PEAKS = 2, WITH_FLATNESS = 4, WITH_CONTRAST = 8, WITH_MEDIANS = 16 };

/* Rows of `analyse`'s values; the peaks of all bands follow, then the valleys. */
enum { CENTROID, BANDWIDTH, ROLLOFF, RMS, CROSSINGS, FLATNESS, CONTRAST };

enum { MOST_BANDS = 17, MOST_CONTRAST = 128, BLOCK = 64 /* floats of a network's place */ };

/* A band of the spectral contrast: its bins, and how many of them are its peak and its valley. */
struct band {
    int32_t first, end, count;
};

struct tabular {
    ptrdiff_t n_fft, bins, hop_length, n_mels;
    enum padding padding;
    int parts; /* WITH_... */
    float roll_percent, amin;
    double *window;   /* half of it: the real transform of two packed halves needs no other factor then */
    float *synthesis; /* the window, divided by n_fft */
    float *weights_of_hop; /* sum of the squared windows over a sample, for each place in a hop */
    float *hertz;
    int32_t *starts, *counts, *firsts;
    float *mel_weights;
    double *split; /* cos and sin of 2 pi k / n_fft for k up to n_fft / 4 */
    struct fourier_double forward;
    struct fourier_float inverse;
    struct network network;
    ptrdiff_t low, high; /* bins whose peaks determine the tuning */
    float peak_threshold;
    double spacing;
    int bands;
    struct band band[MOST_BANDS];
    ptrdiff_t lags; /* length of the windows that onsets are correlated in; 0: none */
    double *lag_window;
    struct fourier_double lag_fourier;
};

/* Make the tables of a transform of `size` values; return 0, or -1 without memory. */
int make_fourier_double(struct fourier_double *tables, ptrdiff_t size);
int make_fourier_float(struct fourier_float *tables, ptrdiff_t size);

/* Make a plan's tables, given its sizes and the caller's arrays; return 0, or -1 without memory. */
int make_tabular(struct tabular *plan, const double *window, const int32_t *starts, const int32_t *counts,
                 const float *mel_weights, const int32_t *steps, const double *lag_window);
void free_tabular(struct tabular *plan);

static inline ptrdiff_t count_tabular_frames(const struct tabular *plan, ptrdiff_t samples)
{
    if (samples < 1 || (plan->padding == PAD_REFLECT && samples <= plan->n_fft / 2))
        return 0;
    return 1 + samples / plan->hop_length;
}

static inline ptrdiff_t count_peaks(const struct tabular *plan, ptrdiff_t frames)
{
    return plan->high > plan->low ? frames * ((plan->high - plan->low + 1) / 2) : 0;
}

static inline ptrdiff_t count_values(const struct tabular *plan)
{
    return CONTRAST + 2 * plan->bands;
}

/* Floats from one frame's magnitudes to the next: whole blocks, and never a multiple of a page. */
static inline ptrdiff_t row_stride(const struct tabular *plan)
{
    return (plan->bins + BLOCK - 1) / BLOCK * BLOCK + (plan->bins % 1024 == 0 ? BLOCK : 0);
}

static inline ptrdiff_t median_inputs(const struct network *network)
{
    return network->size + network->tile - 1;
}

/* Tiles of running medians over the bins: whole blocks. */
static inline ptrdiff_t count_tiles(const struct tabular *plan, int lanes)
{
    ptrdiff_t tiles = (plan->bins + plan->network.tile - 1) / plan->network.tile, together = BLOCK / lanes;
    return (tiles + together - 1) / together * together;
}

/* Where the parts of the scratch begin, in bytes; `total` includes what alignment may take. */
struct layout {
    ptrdiff_t frames, blocks, span; /* span: frames whose harmonic medians are computed together */
    size_t spectrum, percussive, rows, input, between, output, power, magnitude, places, harmonic, masked, wave,
        total;
};

static inline struct layout lay_out(const struct tabular *plan, int lanes, ptrdiff_t samples)
{
    const struct network *network = &plan->network;
    int medians = plan->parts & WITH_MEDIANS;
    struct layout layout = {.frames = count_tabular_frames(plan, samples)};
    layout.blocks = (layout.frames + lanes - 1) / lanes;
    layout.span = network->tile > lanes ? network->tile : lanes;
    size_t vector = 4 * (size_t)lanes, bins = (size_t)plan->bins, stride = 4 * (size_t)row_stride(plan);
    size_t transform = 2 * vector * (size_t)(plan->forward.size + plan->forward.columns + plan->forward.rows);
    size_t at = 64;
#define PART(name, size)                                                                                     \
    layout.name = at - 64;                                                                                   \
    at += ((size) + 63) / 64 * 64;
    PART(spectrum, 2 * vector * bins * (size_t)layout.blocks)
    PART(percussive, medians ? vector * bins * (size_t)layout.blocks : 0)
    PART(rows, medians ? stride * (size_t)(layout.blocks * lanes) : 0)
    PART(input, 2 * transform)
    PART(between, transform)
    PART(output, transform)
    PART(power, vector * bins)
    PART(magnitude, vector * (size_t)(count_tiles(plan, lanes) * network->tile + network->size - 1 + lanes))
    PART(places, 4 * BLOCK * (size_t)network->places)
    PART(harmonic, medians ? stride * (size_t)layout.span : 0)
    PART(masked, 2 * vector * bins)
    PART(wave, 4 * (size_t)((layout.frames - 1) * plan->hop_length + plan->n_fft))
#undef PART
    layout.total = at;
    return layout;
}

/* Bytes of scratch for `onsets` and `correlate`. */
static inline size_t tempo_scratch_size(const struct tabular *plan, int lanes)
{
    const struct fourier_double *fourier = &plan->lag_fourier;
    ptrdiff_t onsets = plan->n_mels + lanes;
    ptrdiff_t spectra = 3 * 2 * (fourier->size + fourier->columns + fourier->rows) + fourier->size;
    return 4 * (size_t)lanes * (size_t)(onsets > spectra ? onsets : spectra) + 64;
}

/* The functions of one instruction set. */
/* Samples from here to 1 are at full scale, and the fewest samples of a clipped run. */
#define FULL_SCALE (32767 / 32768.f)
#define LEAST_RUN 3

struct tabular_set {
    /* First pass: values (count_values, frames), mel decibels (frames, n_mels), and the peaks' heights and
     * pitches, whose number is returned. Fills the scratch for the other two. */
    ptrdiff_t (*analyse)(const struct tabular *, const float *wave, ptrdiff_t samples, float *values,
                         float *mel, float *heights, float *pitches, char *scratch);
    /* Products of a frame's powers with filters (count, bins): out (count, frames). */
    void (*filter)(const struct tabular *, ptrdiff_t samples, const float *filters, ptrdiff_t count, float *out,
                   char *scratch);
    /* The wave of the harmonic part: out (samples). */
    void (*harmonic)(const struct tabular *, ptrdiff_t samples, float *out, char *scratch);
    /* Median rise of mel decibels (frames, n_mels): out (frames - 1). */
    void (*onsets)(const float *mel, ptrdiff_t frames, ptrdiff_t n_mels, float *out, char *scratch);
    /* Mean power spectrum of windows of values, each divided by its energy: out (lag_fourier.size / 2 + 1). */
    void (*correlate)(const struct tabular *, const double *values, ptrdiff_t windows, double *out, char *scratch);
    void (*moments)(const float *values, ptrdiff_t count, double *mean, double *variance);
    /* Running medians down the first axis of values (count, width), mirrored at the ends. */
    void (*medians)(const struct network *, const float *values, ptrdiff_t count, ptrdiff_t width, float *out,
                    float *places);
    /* Sums, extremes and clipped samples of frames (frames, samples, channels): out (frames, channels, 5), and
     * clipping (channels, 5), which goes on from frame to frame. */
    void (*levels)(const float *values, ptrdiff_t frames, ptrdiff_t samples, ptrdiff_t channels, double *out,
                   double *clipping);
};

#endif
