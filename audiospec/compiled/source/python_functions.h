/* Functions of the Python module that are not in module.c. */
#ifndef AUDIOSPEC_PYTHON_FUNCTIONS_H
#define AUDIOSPEC_PYTHON_FUNCTIONS_H

PyObject *mix_to_mono(PyObject *module, PyObject *arguments);

#endif
