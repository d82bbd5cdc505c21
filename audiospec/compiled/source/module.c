/* audiospec.compiled.native: the kernels as a Python module, within the limited API of Python 3.11. */
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "python_buffers.h"

typedef struct {
    PyObject_HEAD
    struct plan plan;
    const struct instruction_set *set;
} LogMel;

int get_buffer(PyObject *from, Py_buffer *view, const char *name, const char *formats, Py_ssize_t size,
               int writable)
{
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(from, view, flags) < 0)
        return -1;
    const char *format = view->format ? view->format : "B";
    if (*format == '<' || *format == '=' || *format == '@')
        format++;
    if ((size && view->itemsize != size) || strlen(format) != 1 || !strchr(formats, *format)) {
        PyErr_Format(PyExc_ValueError, "%s: expected an array of format '%s'; got '%s'", name, formats,
                     view->format ? view->format : "B");
        PyBuffer_Release(view);
        return -1;
    }
    return 0;
}

const struct instruction_set *find_set(const char *name)
{
    const struct instruction_set *sets;
    int count = usable_instruction_sets(&sets);
    if (!*name)
        return sets;
    for (int i = 0; i < count; i++)
        if (!strcmp(sets[i].name, name))
            return sets + i;
    PyErr_Format(PyExc_ValueError, "this processor has no instruction set '%s'", name);
    return NULL;
}

/* Check the arrays that describe the filters, and make the plan's tables. */
static int init_tables(LogMel *self, Py_buffer *window, Py_buffer *starts, Py_buffer *counts,
                       Py_buffer *weights)
{
    struct plan *plan = &self->plan;
    plan->n_fft = window->len / 4;
    plan->n_mels = starts->len / 4;
    if (!is_supported_n_fft(plan->n_fft)) {
        PyErr_Format(PyExc_ValueError, "expected a window of a power of 2 from %d to %d samples; got %zd",
                     LEAST_N_FFT, MOST_N_FFT, plan->n_fft);
        return -1;
    }
    const int32_t *start = starts->buf, *count = counts->buf;
    long long total = 0;
    int valid = counts->len == starts->len && plan->n_mels > 0;
    for (Py_ssize_t mel = 0; valid && mel < plan->n_mels; mel++) {
        valid = start[mel] >= 0 && count[mel] >= 0 && (long long)start[mel] + count[mel] <= plan->n_fft / 2 + 1;
        total += count[mel];
    }
    if (!valid || total != weights->len / 4 || total > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "the mel filters do not fit the window or one another");
        return -1;
    }
    if (make_tables(plan, window->buf, start, count, weights->buf) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static PyObject *log_mel_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"window",    "starts",         "counts", "weights", "hop_length", "power",
                            "padding",   "decibels",       "amin",   "reference", "peak_reference",
                            "top_db",    "offset",         "scale",  "instruction_set", NULL};
    PyObject *objects[4];
    Py_ssize_t hop_length;
    int power, padding, decibels, peak_reference;
    double amin, reference, top_db, offset, scale;
    const char *set_name;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOOOniipddpddds", names, objects, objects + 1,
                                     objects + 2, objects + 3, &hop_length, &power, &padding, &decibels, &amin,
                                     &reference, &peak_reference, &top_db, &offset, &scale, &set_name))
        return NULL;
    if (hop_length < 1 || hop_length > (1 << 30) || power < 1 || power > 2 || padding < PAD_NONE
        || padding > PAD_ZEROS) {
        PyErr_SetString(PyExc_ValueError, "expected hop_length of at least 1, power 1 or 2, padding 0, 1 or 2");
        return NULL;
    }
    if (decibels && !(amin >= FLT_MIN && amin <= FLT_MAX)) {
        PyErr_SetString(PyExc_ValueError, "expected amin that is a normal, positive float32");
        return NULL;
    }
    const struct instruction_set *set = find_set(set_name);
    if (!set)
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    LogMel *self = (LogMel *)allocate(type, 0);
    if (!self)
        return NULL;
    self->set = set;
    self->plan.hop_length = hop_length;
    self->plan.power = power;
    self->plan.padding = (enum padding)padding;
    self->plan.decibels = decibels;
    self->plan.peak_reference = peak_reference;
    self->plan.amin = (float)amin;
    self->plan.reference = (float)reference;
    self->plan.top_db = (float)top_db;
    self->plan.offset = (float)offset;
    self->plan.inverse_scale = scale != 0 ? (float)(1 / scale) : 0;
    static const char *buffer_names[] = {"window", "starts", "counts", "weights"};
    static const char *formats[] = {"f", "il", "il", "f"};
    Py_buffer views[4];
    int taken = 0, failed = 0;
    while (taken < 4 && !failed) {
        failed = get_buffer(objects[taken], views + taken, buffer_names[taken], formats[taken], 4, 0) < 0;
        taken += !failed;
        if (!failed && (uintptr_t)views[taken - 1].buf % 4) {
            PyErr_Format(PyExc_ValueError, "%s: expected an aligned array", buffer_names[taken - 1]);
            failed = 1;
        }
    }
    if (!failed)
        failed = init_tables(self, views, views + 1, views + 2, views + 3) < 0;
    while (taken)
        PyBuffer_Release(views + --taken);
    if (failed) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void log_mel_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    free_plan(&((LogMel *)object)->plan);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Return the number of frames of a chunk; -1, with an error set, if its row would be larger than memory. */
static Py_ssize_t checked_frames(const struct plan *plan, Py_ssize_t samples)
{
    Py_ssize_t frames = -1;
    if (samples <= PY_SSIZE_T_MAX / 8 - 2 * MOST_N_FFT)
        frames = count_frames(plan, samples);
    if (frames < 0 || frames > PY_SSIZE_T_MAX / 8 / plan->n_mels) {
        PyErr_Format(PyExc_ValueError, "%zd samples are too many", samples);
        return -1;
    }
    return frames;
}

static PyObject *log_mel_frames(PyObject *object, PyObject *argument)
{
    LogMel *self = (LogMel *)object;
    Py_ssize_t samples = PyLong_AsSsize_t(argument);
    if (samples == -1 && PyErr_Occurred())
        return NULL;
    Py_ssize_t frames = checked_frames(&self->plan, samples);
    return frames < 0 ? NULL : PyLong_FromSsize_t(frames);
}

static PyObject *log_mel_scratch_bytes(PyObject *object, PyObject *argument)
{
    LogMel *self = (LogMel *)object;
    Py_ssize_t samples = PyLong_AsSsize_t(argument);
    if ((samples == -1 && PyErr_Occurred()) || checked_frames(&self->plan, samples) < 0)
        return NULL;
    return PyLong_FromSize_t(scratch_size(&self->plan, self->set->lanes, samples, KIND_BYTES));
}

static PyObject *log_mel_write(PyObject *object, PyObject *arguments)
{
    LogMel *self = (LogMel *)object;
    PyObject *wave_object, *out_object, *scratch_object, *result = NULL;
    Py_buffer wave, out, scratch;
    if (!PyArg_ParseTuple(arguments, "OOO", &wave_object, &out_object, &scratch_object))
        return NULL;
    if (get_buffer(wave_object, &wave, "wave", "f", 4, 0) < 0)
        return NULL;
    if (get_buffer(out_object, &out, "out", "feB", 0, 1) < 0)
        goto free_wave;
    if (get_buffer(scratch_object, &scratch, "scratch", "Bb", 1, 1) < 0)
        goto free_out;
    Py_ssize_t samples = wave.len / 4, frames = checked_frames(&self->plan, samples);
    if (frames < 0)
        goto free_scratch;
    enum kind kind = out.itemsize == 4 ? KIND_FLOAT32 : out.itemsize == 2 ? KIND_FLOAT16 : KIND_BYTES;
    if (!frames || out.len / out.itemsize != self->plan.n_mels * frames) {
        PyErr_Format(PyExc_ValueError, "expected room for %zd frames of %zd mel bins; got %zd numbers",
                     frames, self->plan.n_mels, out.len / out.itemsize);
    } else if (kind == KIND_BYTES && self->plan.inverse_scale == 0) {
        PyErr_SetString(PyExc_ValueError, "bytes need a scale");
    } else if ((size_t)scratch.len < scratch_size(&self->plan, self->set->lanes, samples, kind)) {
        PyErr_SetString(PyExc_ValueError, "scratch is smaller than scratch_bytes(samples)");
    } else {
        struct range range;
        Py_BEGIN_ALLOW_THREADS
        range = self->set->log_mel(&self->plan, wave.buf, samples, out.buf, kind, scratch.buf);
        Py_END_ALLOW_THREADS
        double low = range.has_nan ? NAN : range.low, high = range.has_nan ? NAN : range.high;
        result = Py_BuildValue("dd", low, high);
    }
free_scratch:
    PyBuffer_Release(&scratch);
free_out:
    PyBuffer_Release(&out);
free_wave:
    PyBuffer_Release(&wave);
    return result;
}

static PyMethodDef log_mel_methods[] = {
    {"frames", log_mel_frames, METH_O, "Return the number of frames of a chunk; 0 if it is too short."},
    {"scratch_bytes", log_mel_scratch_bytes, METH_O, "Return the bytes of scratch that `write` needs."},
    {"write", log_mel_write, METH_VARARGS,
     "Compute a chunk's row into `out`; return its smallest and largest value before it is coded."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot log_mel_slots[] = {
    {Py_tp_new, log_mel_new},
    {Py_tp_dealloc, log_mel_dealloc},
    {Py_tp_methods, log_mel_methods},
    {Py_tp_doc, "Log-mel spectrograms of chunks, by one instruction set."},
    {0, NULL},
};

static PyType_Spec log_mel_spec = {"audiospec.compiled.native.LogMel", sizeof(LogMel), 0, Py_TPFLAGS_DEFAULT,
                                   log_mel_slots};

static PyObject *instruction_sets(PyObject *module, PyObject *ignored)
{
    (void)module, (void)ignored;
    const struct instruction_set *sets;
    int count = usable_instruction_sets(&sets);
    PyObject *names = PyTuple_New(count);
    for (int i = 0; names && i < count; i++)
        PyTuple_SetItem(names, i, PyUnicode_FromString(sets[i].name));
    return names;
}

static PyMethodDef methods[] = {
    {"instruction_sets", instruction_sets, METH_NOARGS,
     "Return the names of the instruction sets that this processor has, best first."},
    {"mix_to_mono", mix_to_mono, METH_VARARGS,
     "Write the mean of the channels of interleaved samples, as float32 with full scale at 1."},
    {"frame_levels", frame_levels, METH_VARARGS,
     "Write sums and extremes of frames of interleaved samples, and count their clipped samples."},
    {"moments", moments, METH_VARARGS, "Write the mean and variance of each row of values."},
    {"running_median", running_median, METH_VARARGS,
     "Write the running medians down the first axis of an array, by a network of minima and maxima."},
    {NULL, NULL, 0, NULL},
};

static int add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    int failed = !type || PyModule_AddObjectRef(module, name, type) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static int add_types(PyObject *module)
{
    return add_type(module, "LogMel", &log_mel_spec) < 0 ? -1 : add_type(module, "Tabular", &tabular_spec);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_types}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "native", "What is written in C.", 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_native(void)
{
    return PyModuleDef_Init(&definition);
}
