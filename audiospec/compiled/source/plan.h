/* The plan of a log-mel transform: what every instruction set needs to know, computed once. */
#ifndef AUDIOSPEC_PLAN_H
#define AUDIOSPEC_PLAN_H

#include <stddef.h>
#include <stdint.h>

/* How a chunk is padded at its ends; NONE also means that frames are not centred. */
enum padding { PAD_NONE = 0, PAD_REFLECT = 1, PAD_ZEROS = 2 };

/* What a row is written as. */
enum kind { KIND_FLOAT32, KIND_FLOAT16, KIND_BYTES };

enum { LEAST_N_FFT = 64, MOST_N_FFT = 8192, TURNS = 64 };

struct plan {
    ptrdiff_t n_fft, hop_length, n_mels;
    int power; /* 1 or 2 */
    enum padding padding;
    /* Half of the window: the real transform of two packed halves needs no other factor then. */
    float *window;
    /* For each mel filter: its first Fourier bin, its number of bins, and where its weights begin. */
    int32_t *starts, *counts, *firsts;
    float *weights;
    ptrdiff_t last_bin; /* the highest bin with a weight */
    /* The complex transform of n_fft / 2 = columns x rows; its twiddle factors, (columns, rows, 2). */
    int columns, rows;
    float *twiddles;
    /* cos and sin of 2 pi k / n_fft for k up to n_fft / 4, to split the packed transform. */
    float *split;
    /* cos and -sin of 2 pi k / TURNS. */
    float turns[2 * TURNS];
    int decibels, peak_reference;
    float amin, reference, top_db; /* top_db is negative if there is none */
    float offset, inverse_scale;   /* of the byte code */
};

int is_supported_n_fft(ptrdiff_t n_fft);

/* Make the tables of a plan whose sizes are set; return 0, or -1 without memory. `free_plan` frees them. */
int make_tables(struct plan *plan, const float *window, const int32_t *starts, const int32_t *counts,
                const float *weights);

void free_plan(struct plan *plan);

/* Smallest and largest value of a row before it is coded, and whether any is NaN. */
struct range {
    float low, high;
    int has_nan;
};

typedef struct range transform(const struct plan *plan, const float *wave, ptrdiff_t samples, void *out,
                               enum kind kind, char *scratch);

struct tabular_set;

struct instruction_set {
    const char *name;
    int lanes;
    transform *log_mel;
    const struct tabular_set *tabular;
};

static inline ptrdiff_t half_padding(const struct plan *plan)
{
    return plan->padding == PAD_NONE ? 0 : plan->n_fft / 2;
}

/* Number of frames of a chunk; 0 if it is too short. */
static inline ptrdiff_t count_frames(const struct plan *plan, ptrdiff_t samples)
{
    ptrdiff_t half = half_padding(plan);
    if (samples < 1 || (plan->padding == PAD_REFLECT && samples <= half) || samples + 2 * half < plan->n_fft)
        return 0;
    return 1 + (samples + 2 * half - plan->n_fft) / plan->hop_length;
}

/* Whether decibels depend on the chunk's peak, so that they are written in a second pass. */
static inline int needs_peak(const struct plan *plan)
{
    return plan->decibels && (plan->peak_reference || plan->top_db >= 0);
}

/* Frames that a lane keeps before the next block of its samples is transposed. */
enum { KEPT_FRAMES = 16 };

/* Rows of the buffer of transposed samples. */
static inline ptrdiff_t sliding_rows(const struct plan *plan, int lanes)
{
    ptrdiff_t hop = plan->hop_length < plan->n_fft ? plan->hop_length : plan->n_fft;
    return plan->n_fft + KEPT_FRAMES * hop + lanes;
}

/* Vectors of scratch: samples, spectrum, power, and the results of as many frames as there are lanes. */
static inline ptrdiff_t scratch_vectors(const struct plan *plan, int lanes)
{
    return sliding_rows(plan, lanes) + plan->columns * (2 * (ptrdiff_t)plan->rows + 2) + plan->n_fft / 2 + 1
           + plan->n_mels * lanes;
}

static inline size_t scratch_size(const struct plan *plan, int lanes, ptrdiff_t samples, enum kind kind)
{
    size_t size = sizeof(float) * lanes * (size_t)scratch_vectors(plan, lanes) + 64;
    if (needs_peak(plan) && kind != KIND_FLOAT32)
        size += sizeof(float) * (size_t)(plan->n_mels * count_frames(plan, samples));
    return size;
}

#endif
