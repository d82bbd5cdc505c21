/* Functions of arrays as Python functions, and what they share with the Python types. */
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "python_buffers.h"

void release_buffers(int count, Py_buffer *views)
{
    while (count)
        PyBuffer_Release(views + --count);
}

int get_buffers(int count, PyObject **objects, Py_buffer *views, const char *const *names,
                const char *const *formats, const int *sizes, int first_writable)
{
    for (int i = 0; i < count; i++) {
        if (get_buffer(objects[i], views + i, names[i], formats[i], sizes[i], i >= first_writable) < 0) {
            release_buffers(i, views);
            return -1;
        }
        if ((uintptr_t)views[i].buf % (uintptr_t)sizes[i]) {
            PyErr_Format(PyExc_ValueError, "%s: expected an aligned array", names[i]);
            release_buffers(i + 1, views);
            return -1;
        }
    }
    return 0;
}

int check_network(struct network *network, Py_ssize_t size, Py_ssize_t tile, Py_ssize_t places,
                  const Py_buffer *steps)
{
    const int32_t *step = steps->buf;
    Py_ssize_t count = steps->len / (Py_ssize_t)sizeof(struct step);
    int valid = size > 0 && size % 2 && size < 1 << 16 && tile > 0 && tile <= size && (tile & (tile - 1)) == 0
                && places >= size + 2 * tile - 1 && places < 1 << 20
                && steps->len % (Py_ssize_t)sizeof(struct step) == 0;
    for (Py_ssize_t i = 0; valid && i < 4 * count; i++)
        valid = step[i] < places && step[i] >= (i % 4 < 2 ? 0 : -1);
    for (Py_ssize_t i = 0; valid && i < count; i++)
        valid = step[4 * i + 2] >= 0 || step[4 * i + 3] >= 0;
    if (!valid) {
        PyErr_SetString(PyExc_ValueError, "the steps of the running medians do not fit their sizes");
        return -1;
    }
    *network = (struct network){size, tile, places, count, NULL};
    return 0;
}

PyObject *running_median(PyObject *module, PyObject *arguments)
{
    static const char *const names[] = {"values", "steps", "out", "places"};
    static const char *const formats[] = {"f", "il", "f", "f"};
    static const int sizes[] = {4, 4, 4, 4};
    PyObject *objects[4], *result = NULL;
    Py_buffer views[4];
    Py_ssize_t width, size, tile, places;
    const char *set_name;
    struct network network;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OnOnnnOOs", objects, &width, objects + 1, &size, &tile, &places, objects + 2,
                          objects + 3, &set_name))
        return NULL;
    const struct instruction_set *set = find_set(set_name);
    if (!set || get_buffers(4, objects, views, names, formats, sizes, 2) < 0)
        return NULL;
    if (check_network(&network, size, tile, places, views + 1) == 0) {
        Py_ssize_t count = width > 0 ? views[0].len / 4 / width : 0;
        network.steps = views[1].buf;
        if (count < 1 || width % BLOCK || views[0].len / 4 != count * width
            || views[2].len / 4 < (count + tile - 1) / tile * tile * width
            || views[3].len / 4 < places * BLOCK + 16) {
            PyErr_Format(PyExc_ValueError, "expected rows of a multiple of %d values, and room for whole tiles",
                         BLOCK);
        } else {
            Py_BEGIN_ALLOW_THREADS
            set->tabular->medians(&network, views[0].buf, count, width, views[2].buf, views[3].buf);
            Py_END_ALLOW_THREADS
            result = Py_NewRef(Py_None);
        }
    }
    release_buffers(4, views);
    return result;
}

PyObject *moments(PyObject *module, PyObject *arguments)
{
    static const char *const names[] = {"values", "out"};
    static const char *const formats[] = {"f", "d"};
    static const int sizes[] = {4, 8};
    PyObject *objects[2], *result = NULL;
    Py_buffer views[2];
    const char *set_name;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OOs", objects, objects + 1, &set_name))
        return NULL;
    const struct instruction_set *set = find_set(set_name);
    if (!set || get_buffers(2, objects, views, names, formats, sizes, 1) < 0)
        return NULL;
    Py_ssize_t rows = views[1].len / 16, count = rows ? views[0].len / 4 / rows : 0;
    if (count < 1 || views[0].len != 4 * rows * count || views[1].len != 16 * rows) {
        PyErr_SetString(PyExc_ValueError, "expected rows of values, and room for the mean and variance of each");
    } else {
        const float *values = views[0].buf;
        double *out = views[1].buf;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t row = 0; row < rows; row++)
            set->tabular->moments(values + row * count, count, out + 2 * row, out + 2 * row + 1);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    release_buffers(2, views);
    return result;
}
