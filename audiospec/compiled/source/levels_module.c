/* Sums, extremes and clipped samples of frames, as a Python function. */
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "python_buffers.h"

PyObject *frame_levels(PyObject *module, PyObject *arguments)
{
    static const char *const names[] = {"frames", "out", "clipping"};
    static const char *const formats[] = {"f", "d", "d"};
    static const int sizes[] = {4, 8, 8};
    PyObject *objects[3], *result = NULL;
    Py_buffer views[3];
    Py_ssize_t samples, channels;
    const char *set_name;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OnnOOs", objects, &samples, &channels, objects + 1, objects + 2, &set_name))
        return NULL;
    const struct instruction_set *set = find_set(set_name);
    if (!set || get_buffers(3, objects, views, names, formats, sizes, 1) < 0)
        return NULL;
    Py_ssize_t count = views[0].len / 4, frames = 0;
    int valid = samples > 0 && channels > 0 && samples <= PY_SSIZE_T_MAX / channels;
    if (valid)
        frames = count / (samples * channels);
    if (!valid || count != frames * samples * channels || views[1].len / 40 != frames * channels
        || views[1].len % 40 || views[2].len / 40 != channels || views[2].len % 40) {
        PyErr_SetString(PyExc_ValueError, "expected whole frames, and five numbers for each frame and channel, "
                                          "and for each channel");
    } else {
        Py_BEGIN_ALLOW_THREADS
        set->tabular->levels(views[0].buf, frames, samples, channels, views[1].buf, views[2].buf);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release_buffers(3, views);
    return result;
}
