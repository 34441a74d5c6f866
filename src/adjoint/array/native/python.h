/* What the C files that touch Python's objects share. */

#ifndef ADJOINT_PYTHON_H
#define ADJOINT_PYTHON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL adjoint_kernels_ARRAY_API
#define PY_UFUNC_UNIQUE_SYMBOL adjoint_kernels_UFUNC_API
#ifndef ADJOINT_MODULE
#define NO_IMPORT_ARRAY
#define NO_IMPORT_UFUNC
#endif
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>
#include <numpy/ufuncobject.h>
#include "kernels.h"

/* module.c: how many threads elementwise work on so many elements is shared among; 0: the caller does it, and keeps
   Python's lock. */
int threads_for(npy_intp count);

/* module.c: `share` among so many, Python's lock given up unless the caller does it. */
void share_out(Work *work, void *argument, long chunks, npy_intp count);

/* An aligned array of the machine's byte order, of exactly NumPy's class; NULL if it is not. */
PyArrayObject *plain(PyObject *o);

/* elementwise.c */
typedef struct {
    PyUFuncGenericFunction function; /* NULL: the ufunc has none for the dtype */
    void *data;
    int result; /* its dtype: the operands' or NPY_BOOL */
} Loop;

extern PyTypeObject ElementwiseType;
PyObject *number_of(int type, const char *memory); /* a number in memory as NumPy's scalar */
/* The loop of an Elementwise of so many operands for NPY_FLOAT32 or NPY_FLOAT64; NULL if there is none. */
const Loop *loop_of(PyObject *function, int type, int operands);

/* reductions.c */
PyObject *python_add_reduce(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *python_extreme(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* programs.c */
PyObject *python_program(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* special.c */
PyObject *python_erf(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *python_threshold_backward(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
