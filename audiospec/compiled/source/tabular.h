/* First pass over a chunk's frames, for one instruction set: spectra, and all columns that need one frame alone.
 *
 * A vector holds one value of LANES consecutive frames, so that no step moves values between lanes. Only their
 * samples are transposed, and what other code reads row by row. The spectrum is computed in double.
 */

#include "vector.h"
#include "transforms.h"
#include "tabular_medians.h"
#include "frame_levels.h"

struct frames {
    const struct tabular *plan;
    const float *wave;
    ptrdiff_t samples;
    struct layout layout;
    ptrdiff_t first; /* of LANES frames */
    int count;       /* how many of them the chunk has */
    vec *spectrum, *percussive, *power, *magnitude, *places, *masked;
    dvec *input, *between, *output;
    float *rows, *harmonic, *padded_wave;
};

static struct frames begin_frames(const struct tabular *plan, const float *wave, ptrdiff_t samples, char *scratch)
{
    char *base = (char *)(((uintptr_t)scratch + 63) / 64 * 64);
    struct layout at = lay_out(plan, LANES, samples);
    return (struct frames){
        .plan = plan,
        .wave = wave,
        .samples = samples,
        .layout = at,
        .spectrum = (vec *)(base + at.spectrum),
        .percussive = (vec *)(base + at.percussive),
        .power = (vec *)(base + at.power),
        .magnitude = (vec *)(base + at.magnitude) + plan->network.size / 2,
        .places = (vec *)(base + at.places),
        .masked = (vec *)(base + at.masked),
        .input = (dvec *)(base + at.input),
        .between = (dvec *)(base + at.between),
        .output = (dvec *)(base + at.output),
        .rows = (float *)(base + at.rows),
        .harmonic = (float *)(base + at.harmonic),
        .padded_wave = (float *)(base + at.wave),
    };
}

/* Go to block `block` of LANES frames. */
INLINE void go_to(struct frames *frames, ptrdiff_t block)
{
    ptrdiff_t left = frames->layout.frames - block * LANES;
    frames->first = block * LANES;
    frames->count = left < LANES ? (int)left : LANES;
}

INLINE void write_lanes(const struct frames *frames, float *to, vec value)
{
    memcpy(to + frames->first, &value, sizeof(float) * (size_t)frames->count);
}

/* Transpose the frames' samples into the transforms' inputs, times the window; return their mean squares. */
static vec fill_input(struct frames *frames, dvec *inputs[2])
{
    const struct tabular *plan = frames->plan;
    int shift = plan->forward.row_shift;
    vec squares = {0};
    for (ptrdiff_t begin = 0; begin < plan->n_fft; begin += LANES) {
        vec rows[LANES], sum = {0};
        for (int lane = 0; lane < LANES; lane++) {
            ptrdiff_t sample = (frames->first + lane) * plan->hop_length - plan->n_fft / 2 + begin;
            if (lane >= frames->count) {
                rows[lane] = (vec){0};
            } else if (sample >= 0 && sample + LANES <= frames->samples) {
                rows[lane] = load(frames->wave + sample);
            } else {
                for (int i = 0; i < LANES; i++)
                    rows[lane][i] = padded_sample(frames->wave, frames->samples, plan->padding, sample + i);
            }
        }
        transpose(rows);
        for (int i = 0; i < LANES; i++) {
            double weight = plan->window[begin + i];
            ptrdiff_t place = PLACE((begin + i) / 2, shift) + (i & 1);
            half_vec halves[2];
            memcpy(halves, rows + i, sizeof halves);
            sum += rows[i] * rows[i];
            inputs[0][place] = __builtin_convertvector(halves[0], dvec) * weight;
            inputs[1][place] = __builtin_convertvector(halves[1], dvec) * weight;
        }
        squares += sum;
    }
    return squares / (float)plan->n_fft;
}

INLINE void write_bin(vec *spectrum, int half, ptrdiff_t bin, dvec re, dvec im)
{
    half_vec *to = (half_vec *)(spectrum + 2 * bin);
    to[half] = __builtin_convertvector(re, half_vec);
    to[2 + half] = __builtin_convertvector(im, half_vec);
}

/* Bins k and n_fft / 2 - k of the real signals, from the packed transform's same two bins. */
static void split_bins(const struct tabular *plan, const dvec *packed, vec *spectrum, int half)
{
    ptrdiff_t size = plan->forward.size;
    int shift = plan->forward.column_shift;
    for (ptrdiff_t bin = 0; bin <= size / 2; bin++) {
        const dvec *one = packed + PLACE(bin, shift), *other = packed + PLACE(bin ? size - bin : 0, shift);
        dvec a = one[0], b = one[1], c = other[0], d = other[1];
        dvec even_re = a + c, even_im = b - d, odd_re = a - c, odd_im = b + d;
        double cosine = plan->split[2 * bin], sine = plan->split[2 * bin + 1];
        dvec turned_re = odd_im * cosine - odd_re * sine, turned_im = odd_re * cosine + odd_im * sine;
        write_bin(spectrum, half, bin, even_re + turned_re, even_im - turned_im);
        write_bin(spectrum, half, size - bin, even_re - turned_re, -(even_im + turned_im));
    }
}

static vec compute_spectrum(struct frames *frames, vec *spectrum)
{
    const struct tabular *plan = frames->plan;
    ptrdiff_t room = 2 * (plan->forward.size + plan->forward.columns + plan->forward.rows);
    dvec *inputs[2] = {frames->input, frames->input + room};
    vec squares = fill_input(frames, inputs);
    for (int half = 0; half < 2; half++) {
        transform_double(&plan->forward, inputs[half], frames->between, frames->output);
        split_bins(plan, frames->output, spectrum, half);
    }
    return squares;
}

/* Sums over many bins are added up in parts of this many, which keeps rounding errors small. */
enum { PART = 32 };

/* Power and magnitude of all bins, and what follows from them for each frame. */
static vec measure_bins(struct frames *frames, const vec *spectrum, float *values)
{
    const struct tabular *plan = frames->plan;
    ptrdiff_t bins = plan->bins, count = frames->layout.frames;
    vec total = {0}, weighted = {0}, highest = {0};
    for (ptrdiff_t begin = 0; begin < bins; begin += PART) {
        vec sum = {0}, moment = {0};
        for (ptrdiff_t bin = begin; bin < bins && bin < begin + PART; bin++) {
            vec re = spectrum[2 * bin], im = spectrum[2 * bin + 1], power = re * re + im * im;
            vec magnitude = root(power);
            frames->power[bin] = power;
            frames->magnitude[bin] = magnitude;
            highest = greatest(power, highest);
            sum += magnitude;
            moment += magnitude * plan->hertz[bin];
        }
        total += sum;
        weighted += moment;
    }
    vec divisor = choose(total < 1.17549435e-38f, spread(1), total);
    vec centroid = weighted / divisor, threshold = total * plan->roll_percent, before = {0}, spreads = {0};
    ivec below = {0};
    for (ptrdiff_t begin = 0; begin < bins; begin += PART) {
        vec sum = {0}, moment = {0};
        for (ptrdiff_t bin = begin; bin < bins && bin < begin + PART; bin++) {
            vec magnitude = frames->magnitude[bin], away = plan->hertz[bin] - centroid;
            moment += magnitude * (away * away);
            sum += magnitude;
            below -= before + sum < threshold;
        }
        before += sum;
        spreads += moment;
    }
    vec rolloff;
    for (int lane = 0; lane < LANES; lane++)
        rolloff[lane] = plan->hertz[below[lane] < bins ? below[lane] : bins - 1];
    write_lanes(frames, values + CENTROID * count, centroid);
    write_lanes(frames, values + BANDWIDTH * count, root(spreads / divisor));
    write_lanes(frames, values + ROLLOFF * count, rolloff);
    return highest;
}

static void measure_flatness(struct frames *frames, float *values)
{
    const struct tabular *plan = frames->plan;
    vec decibels = {0}, powers = {0}, flatness;
    for (ptrdiff_t begin = 0; begin < plan->bins; begin += PART) {
        vec sum = {0}, other = {0};
        for (ptrdiff_t bin = begin; bin < plan->bins && bin < begin + PART; bin++) {
            vec power = choose(frames->power[bin] < plan->amin, spread(plan->amin), frames->power[bin]);
            sum += to_decibels(power);
            other += power;
        }
        decibels += sum;
        powers += other;
    }
    for (int lane = 0; lane < LANES; lane++) {
        double mean = (double)decibels[lane] / (double)plan->bins;
        flatness[lane] = (float)(pow(10, mean / 10) / ((double)powers[lane] / (double)plan->bins));
    }
    write_lanes(frames, values + FLATNESS * frames->layout.frames, flatness);
}

/* Means of the strongest and of the weakest bins of each band. */
static void measure_contrast(struct frames *frames, float *values)
{
    const struct tabular *plan = frames->plan;
    ptrdiff_t count = frames->layout.frames;
    for (int number = 0; number < plan->bands; number++) {
        struct band band = plan->band[number];
        vec strongest[MOST_CONTRAST], weakest[MOST_CONTRAST], high = {0}, low = {0};
        for (int i = 0; i < band.count; i++) {
            strongest[i] = spread(-INFINITY);
            weakest[i] = spread(INFINITY);
        }
        for (ptrdiff_t bin = band.first; bin < band.end; bin++) {
            vec value = frames->magnitude[bin];
            if (bits_of(value > strongest[band.count - 1])) {
                vec rest = value;
                for (int i = 0; i < band.count; i++) {
                    vec kept = greatest(rest, strongest[i]);
                    rest = least(rest, strongest[i]);
                    strongest[i] = kept;
                }
            }
            if (bits_of(value < weakest[band.count - 1])) {
                vec rest = value;
                for (int i = 0; i < band.count; i++) {
                    vec kept = least(rest, weakest[i]);
                    rest = greatest(rest, weakest[i]);
                    weakest[i] = kept;
                }
            }
        }
        for (int i = 0; i < band.count; i++) {
            high += strongest[i];
            low += weakest[i];
        }
        write_lanes(frames, values + (CONTRAST + number) * count, high / (float)band.count);
        write_lanes(frames, values + (CONTRAST + plan->bands + number) * count, low / (float)band.count);
    }
}

/* Append the spectral peaks of the frames: their heights and pitches. */
static ptrdiff_t find_peaks(const struct frames *frames, vec highest, float *heights, float *pitches,
                            ptrdiff_t found)
{
    const struct tabular *plan = frames->plan;
    const vec *power = frames->power;
    vec least_height = highest * plan->peak_threshold;
    unsigned wanted = frames->count == 32 ? ~0u : (1u << frames->count) - 1;
    for (ptrdiff_t bin = plan->low; bin < plan->high; bin++) {
        vec centre = power[bin], before = power[bin - 1], after = power[bin + 1];
        /* A plateau's first bin is its peak. Neighbours below the threshold are kept: peaks are higher. */
        unsigned peaks = wanted & bits_of((centre > least_height) & (centre > before) & (centre >= after));
        for (; peaks; peaks &= peaks - 1) {
            int lane = __builtin_ctz(peaks);
            /* The vertex of the parabola through a peak and its neighbours, if it is between them. */
            float curve = after[lane] + before[lane] - 2 * centre[lane], slope = (after[lane] - before[lane]) / 2;
            float shift = fabsf(slope) < fabsf(curve) ? -slope / curve : 0;
            heights[found] = centre[lane] + slope * shift / 2;
            pitches[found++] = (float)(((double)bin + (double)shift) * plan->spacing);
        }
    }
    return found;
}

/* Transpose LANES vectors, and write the rows of the frames there are: `count` values at `to`. */
INLINE void write_rows(const struct frames *frames, vec *values, float *to, ptrdiff_t stride, ptrdiff_t count)
{
    transpose(values);
    for (int lane = 0; lane < frames->count; lane++)
        memcpy(to + lane * stride, values + lane, sizeof(float) * (size_t)(count < LANES ? count : LANES));
}

static void write_mel(const struct frames *frames, float *mel)
{
    const struct tabular *plan = frames->plan;
    for (ptrdiff_t begin = 0; begin < plan->n_mels; begin += LANES) {
        vec values[LANES];
        for (int i = 0; i < LANES; i++) {
            vec one = {0}, other = {0};
            if (begin + i < plan->n_mels) {
                const float *weights = plan->mel_weights + plan->firsts[begin + i];
                const vec *power = frames->power + plan->starts[begin + i];
                int count = plan->counts[begin + i], k = 0;
                for (; k + 1 < count; k += 2) {
                    one += power[k] * weights[k];
                    other += power[k + 1] * weights[k + 1];
                }
                if (k < count)
                    one += power[k] * weights[k];
            }
            vec value = one + other;
            values[i] = to_decibels(choose(value < plan->amin, spread(plan->amin), value));
        }
        write_rows(frames, values, mel + frames->first * plan->n_mels + begin, plan->n_mels, plan->n_mels - begin);
    }
}

/* Keep the magnitudes for the harmonic medians, and compute the percussive ones. */
static void keep_magnitudes(struct frames *frames, ptrdiff_t block)
{
    const struct tabular *plan = frames->plan;
    ptrdiff_t stride = row_stride(plan);
    float *rows = frames->rows + frames->first * stride;
    for (ptrdiff_t begin = 0; begin < stride; begin += LANES) {
        vec values[LANES];
        for (int i = 0; i < LANES; i++)
            values[i] = begin + i < plan->bins ? frames->magnitude[begin + i] : (vec){0};
        write_rows(frames, values, rows + begin, stride, LANES);
    }
    medians_of_vectors(&plan->network, frames->magnitude, plan->bins, count_tiles(plan, LANES),
                       frames->percussive + block * plan->bins, frames->places);
}

#include "tabular_tempo.h"

static ptrdiff_t analyse(const struct tabular *plan, const float *wave, ptrdiff_t samples, float *values,
                         float *mel, float *heights, float *pitches, char *scratch)
{
    struct frames frames = begin_frames(plan, wave, samples, scratch);
    ptrdiff_t found = 0;
    measure_crossings(&frames, values);
    for (ptrdiff_t block = 0; block < frames.layout.blocks; block++) {
        vec *spectrum = frames.spectrum + block * 2 * plan->bins;
        go_to(&frames, block);
        vec squares = compute_spectrum(&frames, spectrum);
        write_lanes(&frames, values + RMS * frames.layout.frames, root(squares));
        vec highest = measure_bins(&frames, spectrum, values);
        if (plan->parts & WITH_FLATNESS)
            measure_flatness(&frames, values);
        if (plan->parts & WITH_CONTRAST)
            measure_contrast(&frames, values);
        if (plan->parts & WITH_PEAKS)
            found = find_peaks(&frames, highest, heights, pitches, found);
        if (plan->parts & WITH_MEL)
            write_mel(&frames, mel);
        if (plan->parts & WITH_MEDIANS)
            keep_magnitudes(&frames, block);
    }
    return found;
}

#include "tabular_harmonic.h"

const struct tabular_set NAME = {analyse,       filter_powers,   compute_harmonic, find_onsets,
                                 mean_spectrum, measure_moments, running_medians, measure_levels};
