/* Mean of the channels of interleaved samples, as float32 with full scale at 1. */
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

#include "python_buffers.h"

/* Each sum is of floats, channel by channel, and is divided at the end: the order that numpy's loop has, so that
 * the bits are the same. The compiler makes vectors of the first two cases, which nearly all files are. */
#define MIX(name, sample, scale)                                                                             \
    static void name(const sample *restrict in, Py_ssize_t frames, Py_ssize_t channels, float *restrict out) \
    {                                                                                                        \
        if (channels == 1) {                                                                                 \
            for (Py_ssize_t i = 0; i < frames; i++)                                                          \
                out[i] = (float)in[i] * (scale);                                                             \
        } else if (channels == 2) {                                                                          \
            for (Py_ssize_t i = 0; i < frames; i++)                                                          \
                out[i] = ((float)in[2 * i] + (float)in[2 * i + 1]) * 0.5f * (scale);                         \
        } else {                                                                                             \
            for (Py_ssize_t i = 0; i < frames; i++) {                                                        \
                float sum = (float)in[i * channels];                                                         \
                for (Py_ssize_t channel = 1; channel < channels; channel++)                                  \
                    sum += (float)in[i * channels + channel];                                                \
                out[i] = sum / (float)channels * (scale);                                                    \
            }                                                                                                \
        }                                                                                                    \
    }
MIX(mix_int16, int16_t, (1 / 32768.f))
MIX(mix_float, float, 1.f)

PyObject *mix_to_mono(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *in_object, *out_object, *result = NULL;
    Py_ssize_t channels;
    Py_buffer in, out;
    if (!PyArg_ParseTuple(arguments, "OnO", &in_object, &channels, &out_object))
        return NULL;
    if (PyObject_GetBuffer(in_object, &in, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return NULL;
    if (PyObject_GetBuffer(out_object, &out, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | PyBUF_WRITABLE) < 0) {
        PyBuffer_Release(&in);
        return NULL;
    }
    int is_int16 = !strcmp(in.format, "h"), is_float = !strcmp(in.format, "f");
    Py_ssize_t frames = out.len / 4;
    if ((!is_int16 && !is_float) || strcmp(out.format, "f") || channels < 1
        || in.len / in.itemsize / channels != frames || in.len != frames * channels * in.itemsize) {
        PyErr_SetString(PyExc_ValueError,
                        "expected samples (n, channels) as int16 or float32, and room for n floats");
    } else {
        Py_BEGIN_ALLOW_THREADS
        if (is_int16)
            mix_int16(in.buf, frames, channels, out.buf);
        else
            mix_float(in.buf, frames, channels, out.buf);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&in);
    return result;
}
