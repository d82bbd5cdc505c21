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

PyObject *running_median(PyObject *module, PyObject *arguments);

#endif
