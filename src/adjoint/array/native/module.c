/* The compiled kernels as Python sees them.

   In: NumPy arrays and numbers. Out: `Elementwise`; `add_reduce`, `extreme`, `erf`, `product`, `adam` and others, which
   do the work or say that it is not their business (None, False): then NumPy and BLAS do it. `can_multiply`,
   `can_update`: whether this processor has what they need. Optional: `adjoint build` compiles it,
   array/native/__init__.py loads it. */

#define ADJOINT_MODULE
#include "python.h"

/* ---- threads ----------------------------------------------------------------------------------- */

enum { LARGE = 1 << 16, LOCKED = 1 << 13 }; /* elements: from which threads pay; up to which Python's lock is kept */

static PyObject *ask; /* a function without arguments: how many threads there may be */
static int most;      /* what it said; 0: not asked yet */

int threads_for(npy_intp count) {
    if (count <= LOCKED) return 0;
    if (count < LARGE) return 1;
    if (!most) {
        PyObject *said = ask ? PyObject_CallNoArgs(ask) : NULL;
        long threads = said ? PyLong_AsLong(said) : 1;
        Py_XDECREF(said);
        if (PyErr_Occurred()) PyErr_Clear();
        most = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : (int)threads;
    }
    return most;
}

void share_out(Work *work, void *argument, long chunks, npy_intp count) {
    int threads = threads_for(count);
    if (!threads) {
        share(work, argument, chunks, 1);
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    share(work, argument, chunks, threads);
    Py_END_ALLOW_THREADS
}

static PyObject *ask_threads(PyObject *module, PyObject *function) {
    Py_XSETREF(ask, Py_NewRef(function));
    most = 0;
    Py_RETURN_NONE;
}

/* ---- arrays ------------------------------------------------------------------------------------ */

PyArrayObject *plain(PyObject *o) {
    if (!PyArray_CheckExact(o)) return NULL;
    PyArrayObject *array = (PyArrayObject *)o;
    return PyArray_ISBEHAVED_RO(array) ? array : NULL;
}

/* A float32 matrix; 0 if it is not. */
static int read_operand(PyObject *o, Operand *operand) {
    PyArrayObject *array = plain(o);
    if (array == NULL || PyArray_NDIM(array) != 2 || PyArray_TYPE(array) != NPY_FLOAT32) return 0;
    npy_intp rows = PyArray_DIM(array, 0), columns = PyArray_DIM(array, 1);
    npy_intp down = PyArray_STRIDE(array, 0), along = PyArray_STRIDE(array, 1), size = sizeof(float);
    if (down % size || along % size) return 0;
    operand->at = PyArray_DATA(array);
    operand->down = down / size;
    operand->along = along / size;
    return rows > 1 && columns > 1;
}

/* product(a, b, row, threads): a @ b + row, row a vector or None; None if BLAS has to do it. */
static PyObject *product(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    Operand a, b;
    if (count != 4) return PyErr_Format(PyExc_TypeError, "product() takes 4 arguments");
    long threads = PyLong_AsLong(args[3]);
    if (threads == -1 && PyErr_Occurred()) return NULL;
    if (!read_operand(args[0], &a) || !read_operand(args[1], &b)) Py_RETURN_NONE;
    npy_intp shape[2], inner = PyArray_DIM((PyArrayObject *)args[0], 1);
    shape[0] = PyArray_DIM((PyArrayObject *)args[0], 0);
    shape[1] = PyArray_DIM((PyArrayObject *)args[1], 1);
    if (inner != PyArray_DIM((PyArrayObject *)args[1], 0)) Py_RETURN_NONE;
    const float *row = NULL;
    if (args[2] != Py_None) {
        PyArrayObject *array = plain(args[2]);
        if (array == NULL || PyArray_NDIM(array) != 1 || PyArray_TYPE(array) != NPY_FLOAT32 ||
            PyArray_DIM(array, 0) != shape[1] || !PyArray_IS_C_CONTIGUOUS(array))
            Py_RETURN_NONE;
        row = PyArray_DATA(array);
    }
    PyObject *made = PyArray_SimpleNew(2, shape, NPY_FLOAT32);
    if (made == NULL) return NULL;
    float *c = PyArray_DATA((PyArrayObject *)made);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = multiply(a, b, c, row, shape[0], shape[1], inner, threads < 1 ? 1 : (int)threads);
    Py_END_ALLOW_THREADS
    if (failed) {
        Py_DECREF(made);
        return PyErr_NoMemory();
    }
    return made;
}

/* The memory of arrays in C order, of one floating dtype and shape, all but the first to be written to, none of
   which overlaps another; 0 if they are not. */
static int read_alike(PyObject *const *args, int arrays, void **memory, int *wide, long *size) {
    PyArrayObject *first = plain(args[0]);
    if (first == NULL) return 0;
    int type = PyArray_TYPE(first);
    *size = PyArray_SIZE(first);
    for (int i = 0; i < arrays; i++) {
        PyArrayObject *array = plain(args[i]);
        if (array == NULL || !PyArray_IS_C_CONTIGUOUS(array) || PyArray_TYPE(array) != type) return 0;
        if (i && !(PyArray_ISWRITEABLE(array) && PyArray_SAMESHAPE(array, first))) return 0;
        memory[i] = PyArray_DATA(array);
    }
    if (type != NPY_FLOAT32 && type != NPY_FLOAT64) return 0;
    *wide = type == NPY_FLOAT64;
    size_t bytes = *size * (*wide ? sizeof(double) : sizeof(float));
    for (int i = 0; i < arrays; i++)
        for (int j = 0; j < i; j++)
            if ((char *)memory[i] < (char *)memory[j] + bytes && (char *)memory[j] < (char *)memory[i] + bytes)
                return 0;
    return 1;
}

static int read_numbers(PyObject *const *args, int numbers, double *found) {
    for (int i = 0; i < numbers; i++) {
        found[i] = PyFloat_AsDouble(args[i]);
        if (found[i] == -1 && PyErr_Occurred()) return -1;
    }
    return 0;
}

/* BLAS leaves y as it is in `y += 0 x`, whatever x is. */
static int is_zero(double number, int wide) { return wide ? number == 0 : (float)number == 0; }

/* adam(grad, param, mean, square, part, kept, new, correction, factor, eps, threads): whether it was done. */
static PyObject *adam_step(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    void *memory[4];
    double n[7];
    AdamStep s;
    if (count != 11) return PyErr_Format(PyExc_TypeError, "adam() takes 11 arguments");
    if (!read_alike(args, 4, memory, &s.wide, &s.count)) Py_RETURN_FALSE;
    if (read_numbers(args + 4, 7, n) < 0) return NULL;
    if (is_zero(n[0] < 0.5 ? n[0] : n[0] - 1, s.wide)) Py_RETURN_FALSE;
    s.grad = memory[0], s.param = memory[1], s.mean = memory[2], s.square = memory[3];
    s.part = n[0], s.kept = n[1], s.new_ = n[2], s.correction = n[3], s.factor = n[4], s.eps = n[5];
    if (n[6] < 2) {
        adam(&s, 1);
        Py_RETURN_TRUE;
    }
    Py_BEGIN_ALLOW_THREADS
    adam(&s, (int)n[6]);
    Py_END_ALLOW_THREADS
    Py_RETURN_TRUE;
}

/* momentum(grad, param, buffer, momentum, down, threads): whether it was done. */
static PyObject *momentum_step(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    void *memory[3];
    double n[3];
    MomentumStep s;
    if (count != 6) return PyErr_Format(PyExc_TypeError, "momentum() takes 6 arguments");
    if (!read_alike(args, 3, memory, &s.wide, &s.count)) Py_RETURN_FALSE;
    if (read_numbers(args + 3, 3, n) < 0) return NULL;
    if (is_zero(n[1], s.wide)) Py_RETURN_FALSE;
    s.grad = memory[0], s.param = memory[1], s.buffer = memory[2];
    s.momentum = n[0], s.down = n[1];
    if (n[2] < 2) {
        momentum(&s, 1);
        Py_RETURN_TRUE;
    }
    Py_BEGIN_ALLOW_THREADS
    momentum(&s, (int)n[2]);
    Py_END_ALLOW_THREADS
    Py_RETURN_TRUE;
}

static PyObject *python_can_multiply(PyObject *module, PyObject *nothing) { return PyBool_FromLong(can_multiply()); }

static PyObject *python_can_update(PyObject *module, PyObject *nothing) { return PyBool_FromLong(can_update()); }

#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL

static PyMethodDef METHODS[] = {
    {"product", FAST(product), "product(a, b, row, threads): a @ b, plus a vector or None; None: left to BLAS."},
    {"adam", FAST(adam_step), "One step of Adam over flat arrays; False: left to Python."},
    {"momentum", FAST(momentum_step), "One step of SGD with momentum over flat arrays; False: left to Python."},
    {"add_reduce", FAST(python_add_reduce), "add_reduce(array, axis, keepdims): a sum; None: left to NumPy."},
    {"extreme", FAST(python_extreme), "extreme(array, axis, keepdims, sign): a maximum or minimum; None: left to NumPy."},
    {"erf", FAST(python_erf), "erf(x, below, beyond, rest, exp): the error function; None: left to Python."},
    {"threshold_backward", FAST(python_threshold_backward), "The rule of relu; None: left to NumPy."},
    {"program", FAST(python_program), "program(inputs, steps, results, size, wide): a chain of elementwise functions."},
    {"ask_threads", ask_threads, METH_O, "Ask this function how many threads elementwise work may use."},
    {"can_multiply", python_can_multiply, METH_NOARGS, "Whether this processor has what `product` needs."},
    {"can_update", python_can_update, METH_NOARGS, "Whether it has what `adam` and `momentum` need."},
    {NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, .m_name = "adjoint_kernels", .m_doc = "Kernels over large arrays.", .m_size = -1,
    .m_methods = METHODS};

PyMODINIT_FUNC PyInit_adjoint_kernels(void) {
    import_array();
    import_umath();
    if (PyType_Ready(&ElementwiseType) < 0) return NULL;
    PyObject *module = PyModule_Create(&MODULE);
    if (module && PyModule_AddObjectRef(module, "Elementwise", (PyObject *)&ElementwiseType) < 0) Py_CLEAR(module);
    return module;
}
