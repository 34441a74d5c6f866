/* Functions of single numbers that NumPy has not: the rule of relu, the error function.

   In: arrays in C order. Out: what the Python beside them makes of them (kernels/ufuncs.py, array/special.py), the same
   operations in the same order, in one pass instead of many; None where it is not their business. */

#include "python.h"

enum { CHUNK = 1 << 14, PIECE = 512, COEFFICIENTS = 7 };

/* ---- relu -------------------------------------------------------------------------------------- */

#define THRESHOLD(NAME, TYPE, BITS, ATTRIBUTE)                                                                      \
    ATTRIBUTE static void NAME(const BITS *g, const TYPE *out, BITS *made, long n) {                                \
        for (long i = 0; i < n; i++) made[i] = out[i] != 0 ? g[i] : 0;                                              \
    }

/* ---- erf --------------------------------------------------------------------------------------- */

typedef struct {
    const float *from, *below, *beyond; /* the coefficients of two polynomials, the constant first */
    float *to, rest;
    Loop exp;
    long count;
} Erf;

/* A polynomial with the coefficients k[0], ..., k[6]; written out, so that the loop around it is one of vectors. */
#define POLYNOMIAL(K, X)                                                                                            \
    ((((((((X) * K[6] + K[5]) * (X) + K[4]) * (X) + K[3]) * (X) + K[2]) * (X) + K[1]) * (X)) + K[0])

/* Note [erf in single precision] of array/special.py tells the way. Minimum and maximum keep nan, as NumPy's. */
#define ERF(BEFORE, AFTER, ATTRIBUTE)                                                                               \
    ATTRIBUTE static void BEFORE(const Erf *e, const float *x, float *restrict grown, long n) {                     \
        float k[COEFFICIENTS];                                                                                      \
        for (int c = 0; c < COEFFICIENTS; c++) k[c] = e->beyond[c];                                                 \
        for (long i = 0; i < n; i++) {                                                                              \
            float size = __builtin_fabsf(x[i]);                                                                     \
            float above = size < 1.0f ? 1.0f : size, s = above > 4.0f ? 4.0f : above;                               \
            grown[i] = POLYNOMIAL(k, s);                                                                            \
        }                                                                                                           \
    }                                                                                                               \
    ATTRIBUTE static void AFTER(const Erf *e, const float *x, const float *grown, float *restrict to, long n) {     \
        float k[COEFFICIENTS], rest = e->rest;                                                                      \
        for (int c = 0; c < COEFFICIENTS; c++) k[c] = e->below[c];                                                  \
        for (long i = 0; i < n; i++) {                                                                              \
            float size = __builtin_fabsf(x[i]), near = size > 1.0f ? 1.0f : size, q = near * near;                  \
            float r = POLYNOMIAL(k, q) * near + near + (rest - grown[i]);                                           \
            to[i] = __builtin_copysignf(r, x[i]);                                                                   \
        }                                                                                                           \
    }

THRESHOLD(threshold_single, float, npy_int32, )
THRESHOLD(threshold_double, double, npy_int64, )
ERF(before, after, )
#ifdef ADJOINT_X86
THRESHOLD(threshold_single_wide, float, npy_int32, WIDE)
THRESHOLD(threshold_double_wide, double, npy_int64, WIDE)
ERF(before_wide, after_wide, WIDE)
#endif

static void erf_chunk(void *argument, long chunk, int who) {
    const Erf *e = argument;
    float grown[PIECE];
    long last = (chunk + 1) * CHUNK < e->count ? (chunk + 1) * CHUNK : e->count;
    for (long i = chunk * CHUNK; i < last; i += PIECE) {
        npy_intp n = last - i < PIECE ? last - i : PIECE, steps[2] = {sizeof(float), sizeof(float)};
        char *at[2] = {(char *)grown, (char *)grown};
        CHOOSE(before)(e, e->from + i, grown, n);
        e->exp.function(at, &n, steps, e->exp.data);
        CHOOSE(after)(e, e->from + i, grown, e->to + i, n);
    }
}

static const float *coefficients(PyObject *o) {
    PyArrayObject *array = plain(o);
    int fits = array && PyArray_TYPE(array) == NPY_FLOAT32 && PyArray_IS_C_CONTIGUOUS(array) &&
               PyArray_SIZE(array) == COEFFICIENTS;
    return fits ? PyArray_DATA(array) : NULL;
}

/* erf(x, below, beyond, rest, exp): the error function in single precision; None: Python has to do it. */
PyObject *python_erf(PyObject *module, PyObject *const *args, Py_ssize_t given) {
    if (given != 5) return PyErr_Format(PyExc_TypeError, "erf() takes 5 arguments");
    PyArrayObject *x = plain(args[0]);
    if (x == NULL || !PyArray_IS_C_CONTIGUOUS(x) || PyArray_TYPE(x) != NPY_FLOAT32 || !PyArray_NDIM(x)) Py_RETURN_NONE;
    const Loop *exp = loop_of(args[4], NPY_FLOAT32, 1);
    Erf e = {PyArray_DATA(x), coefficients(args[1]), coefficients(args[2])};
    double rest = PyFloat_AsDouble(args[3]);
    if (rest == -1 && PyErr_Occurred()) return NULL;
    if (exp == NULL || !e.below || !e.beyond) Py_RETURN_NONE;
    PyObject *made = PyArray_SimpleNew(PyArray_NDIM(x), PyArray_DIMS(x), NPY_FLOAT32);
    if (made == NULL) return NULL;
    e.rest = (float)rest;
    e.exp = *exp;
    e.to = PyArray_DATA((PyArrayObject *)made);
    e.count = PyArray_SIZE(x);
    share_out(erf_chunk, &e, (e.count + CHUNK - 1) / CHUNK, e.count);
    return made;
}

/* ---- relu, for Python -------------------------------------------------------------------------- */

typedef struct {
    int wide;
    const char *g, *out;
    char *made;
    long count;
} Threshold;

static void pass_chunk(void *argument, long chunk, int who) {
    const Threshold *t = argument;
    long first = chunk * CHUNK, n = t->count - first < CHUNK ? t->count - first : CHUNK;
    if (t->wide)
        CHOOSE(threshold_double)((const npy_int64 *)t->g + first, (const double *)t->out + first,
                                 (npy_int64 *)t->made + first, n);
    else
        CHOOSE(threshold_single)((const npy_int32 *)t->g + first, (const float *)t->out + first,
                                 (npy_int32 *)t->made + first, n);
}

/* threshold_backward(g, out): g where out is not 0, else 0; None: NumPy has to do it. */
PyObject *python_threshold_backward(PyObject *module, PyObject *const *args, Py_ssize_t given) {
    if (given != 2) return PyErr_Format(PyExc_TypeError, "threshold_backward() takes 2 arguments");
    PyArrayObject *g = plain(args[0]), *out = plain(args[1]);
    if (g == NULL || out == NULL || !PyArray_IS_C_CONTIGUOUS(g) || !PyArray_IS_C_CONTIGUOUS(out)) Py_RETURN_NONE;
    int type = PyArray_TYPE(g);
    if ((type != NPY_FLOAT32 && type != NPY_FLOAT64) || PyArray_TYPE(out) != type || !PyArray_NDIM(g) ||
        !PyArray_SAMESHAPE(g, out))
        Py_RETURN_NONE;
    PyObject *made = PyArray_SimpleNew(PyArray_NDIM(g), PyArray_DIMS(g), type);
    if (made == NULL) return NULL;
    Threshold t = {type == NPY_FLOAT64, PyArray_DATA(g), PyArray_DATA(out), PyArray_DATA((PyArrayObject *)made),
                   PyArray_SIZE(g)};
    share_out(pass_chunk, &t, (t.count + CHUNK - 1) / CHUNK, t.count);
    return made;
}
