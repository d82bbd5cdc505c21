/* Reads transforms from standard input, computes them and writes their rows: for `emulate.py`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

struct request {
    int64_t set, n_fft, hop_length, n_mels, power, padding, decibels, peak_reference, weights, samples, item;
    double amin, reference, top_db, offset, scale;
};

static void *read_array(size_t size)
{
    void *array = malloc(size ? size : 1);
    if (!array || fread(array, 1, size, stdin) != size)
        exit(2);
    return array;
}

static void answer(const void *from, size_t size)
{
    if (fwrite(from, 1, size, stdout) != size)
        exit(3);
}

int main(void)
{
    const struct instruction_set *sets;
    int count = usable_instruction_sets(&sets);
    for (int i = 0; i < count; i++)
        printf("%s ", sets[i].name);
    printf("\n");
    fflush(stdout);
    struct request request;
    while (fread(&request, sizeof request, 1, stdin) == 1) {
        struct plan plan = {.n_fft = request.n_fft, .hop_length = request.hop_length, .n_mels = request.n_mels,
                            .power = (int)request.power, .padding = (enum padding)request.padding,
                            .decibels = (int)request.decibels, .peak_reference = (int)request.peak_reference,
                            .amin = (float)request.amin, .reference = (float)request.reference,
                            .top_db = (float)request.top_db, .offset = (float)request.offset,
                            .inverse_scale = (float)(1 / request.scale)};
        const struct instruction_set *set = sets + request.set;
        enum kind kind = request.item == 4 ? KIND_FLOAT32 : request.item == 2 ? KIND_FLOAT16 : KIND_BYTES;
        float *window = read_array(4 * (size_t)plan.n_fft);
        int32_t *starts = read_array(4 * (size_t)plan.n_mels), *counts = read_array(4 * (size_t)plan.n_mels);
        float *weights = read_array(4 * (size_t)request.weights), *wave = read_array(4 * (size_t)request.samples);
        if (make_tables(&plan, window, starts, counts, weights) < 0)
            return 4;
        size_t scratch_bytes = scratch_size(&plan, set->lanes, request.samples, kind);
        size_t row_bytes = (size_t)(request.item * plan.n_mels * count_frames(&plan, request.samples));
        char *scratch = malloc(scratch_bytes), *row = malloc(row_bytes);
        if (!scratch || !row)
            return 4;
        struct range range = set->log_mel(&plan, wave, request.samples, row, kind, scratch);
        answer(&range, sizeof range);
        answer(row, row_bytes);
        fflush(stdout);
        free_plan(&plan);
        void *arrays[] = {window, starts, counts, weights, wave, scratch, row};
        for (int i = 0; i < 7; i++)
            free(arrays[i]);
    }
    return 0;
}
