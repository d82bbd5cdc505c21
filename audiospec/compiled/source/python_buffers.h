/* What the parts of the Python module share. */
#ifndef AUDIOSPEC_PYTHON_BUFFERS_H
#define AUDIOSPEC_PYTHON_BUFFERS_H

#include "kernels.h"

/* Get a contiguous buffer of items of a size (0: any) whose format is one of `formats`. */
int get_buffer(PyObject *from, Py_buffer *view, const char *name, const char *formats, Py_ssize_t size,
               int writable);

/* Return the instruction set of a name, the best one for "", or NULL with an error. */
const struct instruction_set *find_set(const char *name);

extern PyType_Spec tabular_spec;

/* Get an aligned buffer for each object, of formats and item sizes; release them all if one fails. */
int get_buffers(int count, PyObject **objects, Py_buffer *views, const char *const *names,
                const char *const *formats, const int *sizes, int first_writable);
void release_buffers(int count, Py_buffer *views);

/* Check a network's steps, (count, 4), and take its size; its steps are left NULL. */
int check_network(struct network *network, Py_ssize_t size, Py_ssize_t tile, Py_ssize_t places,
                  const Py_buffer *steps);

PyObject *mix_to_mono(PyObject *module, PyObject *arguments);
PyObject *running_median(PyObject *module, PyObject *arguments);
PyObject *frame_levels(PyObject *module, PyObject *arguments);
PyObject *moments(PyObject *module, PyObject *arguments);

#endif
