/* The spectral columns of a chunk as a Python type, within the limited API of Python 3.11. */
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <float.h>
#include <string.h>

#include "python_buffers.h"

typedef struct {
    PyObject_HEAD
    struct tabular plan;
    const struct instruction_set *set;
} Tabular;

static int check_filters(const struct tabular *plan, const Py_buffer *views)
{
    const int32_t *start = views[1].buf, *count = views[2].buf;
    long long total = 0;
    int valid = views[2].len == views[1].len;
    for (Py_ssize_t mel = 0; valid && mel < plan->n_mels; mel++) {
        valid = start[mel] >= 0 && count[mel] >= 0 && (long long)start[mel] + count[mel] <= plan->bins;
        total += count[mel];
    }
    if (!valid || total != views[3].len / 4 || total > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "the mel filters do not fit the window or one another");
        return -1;
    }
    return 0;
}

static int set_bands(struct tabular *plan, const Py_buffer *view)
{
    const int32_t *band = view->buf;
    Py_ssize_t count = view->len / (Py_ssize_t)sizeof(struct band);
    int valid = count <= MOST_BANDS && view->len % (Py_ssize_t)sizeof(struct band) == 0;
    for (Py_ssize_t i = 0; valid && i < count; i++) {
        plan->band[i] = (struct band){band[3 * i], band[3 * i + 1], band[3 * i + 2]};
        valid = band[3 * i] >= 0 && band[3 * i] < band[3 * i + 1] && band[3 * i + 1] <= plan->bins
                && band[3 * i + 2] >= 1 && band[3 * i + 2] <= MOST_CONTRAST
                && band[3 * i + 2] <= band[3 * i + 1] - band[3 * i];
    }
    if (!valid) {
        PyErr_SetString(PyExc_ValueError, "the bands do not fit the window");
        return -1;
    }
    plan->bands = (int)count;
    return 0;
}

static int init_plan(Tabular *self, Py_buffer *views, Py_ssize_t size, Py_ssize_t tile, Py_ssize_t places)
{
    struct tabular *plan = &self->plan;
    plan->n_fft = views[0].len / 8;
    if (!is_supported_n_fft(plan->n_fft)) {
        PyErr_Format(PyExc_ValueError, "expected a window of a power of 2 from %d to %d samples; got %zd",
                     LEAST_N_FFT, MOST_N_FFT, plan->n_fft);
        return -1;
    }
    plan->bins = plan->n_fft / 2 + 1;
    plan->n_mels = views[1].len / 4;
    if (plan->hop_length < 1 || plan->hop_length > plan->n_fft || plan->padding < PAD_REFLECT
        || plan->padding > PAD_ZEROS || plan->low < 1 || plan->high > plan->bins - 1
        || !(plan->amin >= FLT_MIN && plan->amin < 1)
        || ((plan->parts & WITH_MEDIANS) && plan->hop_length > plan->n_fft / 2)) {
        PyErr_SetString(PyExc_ValueError, "expected a hop_length from 1 to n_fft (half of it for medians), "
                                          "padding 1 or 2, amin below 1, and peaks within the bins");
        return -1;
    }
    if (check_network(&plan->network, size, tile, places, views + 4) < 0 || check_filters(plan, views) < 0
        || set_bands(plan, views + 5) < 0)
        return -1;
    plan->lags = views[6].len / 8;
    if (plan->lags > MOST_N_FFT / 4) {
        PyErr_Format(PyExc_ValueError, "expected at most %d lags; got %zd", MOST_N_FFT / 4, plan->lags);
        return -1;
    }
    if (make_tabular(plan, views[0].buf, views[1].buf, views[2].buf, views[3].buf, views[4].buf, views[6].buf) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static PyObject *tabular_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"window",  "starts",  "counts",       "weights",        "steps",
                            "bands",   "lag_window", "size",    "tile",         "places",         "hop_length",
                            "padding", "parts",   "roll_percent", "amin",           "low",
                            "high",    "peak_threshold", "spacing", "instruction_set", NULL};
    static const char *const formats[] = {"d", "il", "il", "f", "il", "il", "d"};
    static const int sizes[] = {8, 4, 4, 4, 4, 4, 8};
    PyObject *objects[7];
    Py_buffer views[7];
    Py_ssize_t size, tile, places, hop_length, low, high;
    int padding, parts;
    double roll_percent, amin, peak_threshold, spacing;
    const char *set_name;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOOOOOOnnnniiddnndds", names, objects, objects + 1,
                                     objects + 2, objects + 3, objects + 4, objects + 5, objects + 6, &size, &tile, &places,
                                     &hop_length, &padding, &parts, &roll_percent, &amin, &low, &high,
                                     &peak_threshold, &spacing, &set_name))
        return NULL;
    const struct instruction_set *set = find_set(set_name);
    if (!set || get_buffers(7, objects, views, (const char *const *)names, formats, sizes, 7) < 0)
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Tabular *self = (Tabular *)allocate(type, 0);
    if (self) {
        struct tabular *plan = &self->plan;
        self->set = set;
        plan->hop_length = hop_length;
        plan->padding = (enum padding)padding;
        plan->parts = parts;
        plan->roll_percent = (float)roll_percent;
        plan->amin = (float)amin;
        plan->low = low;
        plan->high = high;
        plan->peak_threshold = (float)peak_threshold;
        plan->spacing = spacing;
        if (init_plan(self, views, size, tile, places) < 0) {
            Py_DECREF(self);
            self = NULL;
        }
    }
    release_buffers(7, views);
    return (PyObject *)self;
}

static void tabular_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    free_tabular(&((Tabular *)object)->plan);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static int as_samples(PyObject *argument, Py_ssize_t *samples)
{
    *samples = PyLong_AsSsize_t(argument);
    if (*samples == -1 && PyErr_Occurred())
        return -1;
    if (*samples > (Py_ssize_t)1 << 40) {
        PyErr_SetString(PyExc_ValueError, "too many samples");
        return -1;
    }
    return 0;
}

static PyObject *tabular_frames(PyObject *self, PyObject *argument)
{
    Py_ssize_t samples;
    if (as_samples(argument, &samples) < 0)
        return NULL;
    return PyLong_FromSsize_t(count_tabular_frames(&((Tabular *)self)->plan, samples));
}

static PyObject *tabular_most_peaks(PyObject *self, PyObject *argument)
{
    Py_ssize_t samples;
    if (as_samples(argument, &samples) < 0)
        return NULL;
    const struct tabular *plan = &((Tabular *)self)->plan;
    return PyLong_FromSsize_t(count_peaks(plan, count_tabular_frames(plan, samples)));
}

static PyObject *tabular_scratch_bytes(PyObject *object, PyObject *argument)
{
    Tabular *self = (Tabular *)object;
    Py_ssize_t samples;
    if (as_samples(argument, &samples) < 0)
        return NULL;
    return PyLong_FromSize_t(lay_out(&self->plan, self->set->lanes, samples).total);
}

/* Whether a chunk has frames, and the scratch is large enough for it. */
static int fits(const Tabular *self, Py_ssize_t samples, const Py_buffer *scratch)
{
    struct layout layout = lay_out(&self->plan, self->set->lanes, samples);
    if (layout.frames && (size_t)scratch->len >= layout.total)
        return 1;
    PyErr_SetString(PyExc_ValueError, layout.frames ? "scratch is smaller than scratch_bytes(samples)"
                                                    : "the chunk is too short");
    return 0;
}

static PyObject *tabular_analyse(PyObject *object, PyObject *arguments)
{
    static const char *const names[] = {"wave", "values", "mel", "heights", "pitches", "scratch"};
    static const char *const formats[] = {"f", "f", "f", "f", "f", "Bb"};
    static const int sizes[] = {4, 4, 4, 4, 4, 1};
    Tabular *self = (Tabular *)object;
    const struct tabular *plan = &self->plan;
    PyObject *objects[6], *result = NULL;
    Py_buffer views[6];
    if (!PyArg_ParseTuple(arguments, "OOOOOO", objects, objects + 1, objects + 2, objects + 3, objects + 4,
                          objects + 5)
        || get_buffers(6, objects, views, names, formats, sizes, 1) < 0)
        return NULL;
    Py_ssize_t samples = views[0].len / 4, frames = count_tabular_frames(plan, samples);
    Py_ssize_t mels = plan->parts & WITH_MEL ? frames * plan->n_mels : 0;
    Py_ssize_t peaks = plan->parts & WITH_PEAKS ? count_peaks(plan, frames) : 0;
    if (!fits(self, samples, views + 5)) {
        /* the error is set */
    } else if (views[1].len / 4 != frames * count_values(plan) || views[2].len / 4 < mels
               || views[3].len / 4 < peaks || views[4].len / 4 < peaks) {
        PyErr_Format(PyExc_ValueError, "expected room for %zd values, %zd mel bins and %zd peaks",
                     frames * count_values(plan), mels, peaks);
    } else {
        Py_ssize_t found;
        Py_BEGIN_ALLOW_THREADS
        found = self->set->tabular->analyse(plan, views[0].buf, samples, views[1].buf, views[2].buf, views[3].buf,
                                            views[4].buf, views[5].buf);
        Py_END_ALLOW_THREADS
        result = PyLong_FromSsize_t(found);
    }
    release_buffers(6, views);
    return result;
}

static PyObject *tabular_filter(PyObject *object, PyObject *arguments)
{
    static const char *const names[] = {"filters", "out", "scratch"};
    static const char *const formats[] = {"f", "f", "Bb"};
    static const int sizes[] = {4, 4, 1};
    Tabular *self = (Tabular *)object;
    const struct tabular *plan = &self->plan;
    PyObject *objects[3], *result = NULL;
    Py_buffer views[3];
    Py_ssize_t samples;
    if (!PyArg_ParseTuple(arguments, "nOOO", &samples, objects, objects + 1, objects + 2)
        || get_buffers(3, objects, views, names, formats, sizes, 1) < 0)
        return NULL;
    Py_ssize_t count = views[0].len / 4 / plan->bins;
    if (!fits(self, samples, views + 2)) {
        /* the error is set */
    } else if (views[0].len / 4 != count * plan->bins
               || views[1].len / 4 != count * count_tabular_frames(plan, samples)) {
        PyErr_SetString(PyExc_ValueError, "the filters or their products do not fit the frames");
    } else {
        Py_BEGIN_ALLOW_THREADS
        self->set->tabular->filter(plan, samples, views[0].buf, count, views[1].buf, views[2].buf);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release_buffers(3, views);
    return result;
}

static PyObject *tabular_harmonic(PyObject *object, PyObject *arguments)
{
    static const char *const names[] = {"out", "scratch"};
    static const char *const formats[] = {"f", "Bb"};
    static const int sizes[] = {4, 1};
    Tabular *self = (Tabular *)object;
    PyObject *objects[2], *result = NULL;
    Py_buffer views[2];
    if (!PyArg_ParseTuple(arguments, "OO", objects, objects + 1)
        || get_buffers(2, objects, views, names, formats, sizes, 0) < 0)
        return NULL;
    Py_ssize_t samples = views[0].len / 4;
    if (!(self->plan.parts & WITH_MEDIANS)) {
        PyErr_SetString(PyExc_ValueError, "the parts do not include medians");
    } else if (fits(self, samples, views + 1)) {
        Py_BEGIN_ALLOW_THREADS
        self->set->tabular->harmonic(&self->plan, samples, views[0].buf, views[1].buf);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release_buffers(2, views);
    return result;
}

static PyObject *tabular_tempo_scratch_bytes(PyObject *object, PyObject *ignored)
{
    Tabular *self = (Tabular *)object;
    (void)ignored;
    return PyLong_FromSize_t(tempo_scratch_size(&self->plan, self->set->lanes));
}

static PyObject *tabular_onsets(PyObject *object, PyObject *arguments)
{
    static const char *const names[] = {"mel", "out", "scratch"};
    static const char *const formats[] = {"f", "f", "Bb"};
    static const int sizes[] = {4, 4, 1};
    Tabular *self = (Tabular *)object;
    Py_ssize_t n_mels = self->plan.n_mels;
    PyObject *objects[3], *result = NULL;
    Py_buffer views[3];
    if (!PyArg_ParseTuple(arguments, "OOO", objects, objects + 1, objects + 2)
        || get_buffers(3, objects, views, names, formats, sizes, 1) < 0)
        return NULL;
    Py_ssize_t frames = n_mels > 0 ? views[0].len / 4 / n_mels : 0;
    if (frames < 1 || views[0].len != 4 * frames * n_mels || views[1].len != 4 * (frames - 1)
        || (size_t)views[2].len < tempo_scratch_size(&self->plan, self->set->lanes)) {
        PyErr_SetString(PyExc_ValueError, "the mel bins, the onsets and the scratch do not fit one another");
    } else {
        Py_BEGIN_ALLOW_THREADS
        self->set->tabular->onsets(views[0].buf, frames, n_mels, views[1].buf, views[2].buf);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release_buffers(3, views);
    return result;
}

static PyObject *tabular_correlate(PyObject *object, PyObject *arguments)
{
    static const char *const names[] = {"values", "out", "scratch"};
    static const char *const formats[] = {"d", "d", "Bb"};
    static const int sizes[] = {8, 8, 1};
    Tabular *self = (Tabular *)object;
    const struct tabular *plan = &self->plan;
    PyObject *objects[3], *result = NULL;
    Py_buffer views[3];
    Py_ssize_t windows;
    if (!PyArg_ParseTuple(arguments, "OnOO", objects, &windows, objects + 1, objects + 2)
        || get_buffers(3, objects, views, names, formats, sizes, 1) < 0)
        return NULL;
    Py_ssize_t count = views[0].len / 8, needed = plan->lags + 2 * self->set->lanes;
    if (plan->lags < 1 || windows < 1 || windows > count || count - windows < needed
        || views[1].len != 8 * (plan->lag_fourier.size / 2 + 1)
        || (size_t)views[2].len < tempo_scratch_size(plan, self->set->lanes)) {
        PyErr_Format(PyExc_ValueError, "expected %zd values more than windows, room for %zd, and scratch", needed,
                     plan->lag_fourier.size / 2 + 1);
    } else {
        Py_BEGIN_ALLOW_THREADS
        self->set->tabular->correlate(plan, views[0].buf, windows, views[1].buf, views[2].buf);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release_buffers(3, views);
    return result;
}

static PyMethodDef methods[] = {
    {"frames", tabular_frames, METH_O, "Return the number of frames of a chunk; 0 if it is too short."},
    {"most_peaks", tabular_most_peaks, METH_O, "Return the most spectral peaks that a chunk can have."},
    {"scratch_bytes", tabular_scratch_bytes, METH_O, "Return the bytes of scratch that a chunk needs."},
    {"analyse", tabular_analyse, METH_VARARGS,
     "Compute what each frame gives alone; return the number of spectral peaks."},
    {"filter", tabular_filter, METH_VARARGS, "Write the products of filters with the analysed chunk's powers."},
    {"tempo_scratch_bytes", tabular_tempo_scratch_bytes, METH_NOARGS,
     "Return the bytes of scratch that `onsets` and `correlate` need."},
    {"onsets", tabular_onsets, METH_VARARGS, "Write the median rise of mel decibels since the frame before."},
    {"correlate", tabular_correlate, METH_VARARGS,
     "Write the mean power spectrum of windows of values, each divided by its energy."},
    {"harmonic", tabular_harmonic, METH_VARARGS, "Write the analysed chunk's harmonic part."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, tabular_new},
    {Py_tp_dealloc, tabular_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Spectral columns of chunks, by one instruction set."},
    {0, NULL},
};

PyType_Spec tabular_spec = {"audiospec.compiled.native.Tabular", sizeof(Tabular), 0, Py_TPFLAGS_DEFAULT, slots};
