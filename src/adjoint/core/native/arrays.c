/* Arithmetic on small arrays and scalars, without the ufunc machinery around it.

   In: float32 or float64 arrays of at most SMALL elements that lie in memory in C order, NumPy's
   scalars, Python's numbers beside them. Out: what NumPy computes for them, to the last bit (these
   are IEEE's basic operations). Whatever else comes is left to NumPy. */

#include "state.h"

#define SMALL 4096

typedef enum { NOTHING, SCALAR32, SCALAR64, NUMBER, ARRAY32, ARRAY64 } Kind;

typedef struct {
    Kind kind;
    double number;
    PyArrayObject *array; /* with dimensions; NULL where `number` is all */
} Operand;

static Operand look(PyObject *o) {
    Operand found = {NOTHING, 0, NULL};
    PyTypeObject *type = Py_TYPE(o);
    if (type == &PyArray_Type) {
        PyArrayObject *array = (PyArrayObject *)o;
        int code = PyArray_DESCR(array)->type_num;
        if ((code != NPY_FLOAT && code != NPY_DOUBLE) || !PyArray_ISCARRAY_RO(array)) return found;
        found.kind = code == NPY_FLOAT ? ARRAY32 : ARRAY64;
        if (PyArray_NDIM(array))
            found.array = array;
        else
            found.number = code == NPY_FLOAT ? *(float *)PyArray_DATA(array)
                                             : *(double *)PyArray_DATA(array);
    } else if (type == &PyFloatArrType_Type) {
        found.kind = SCALAR32;
        found.number = PyArrayScalar_VAL(o, Float);
    } else if (type == &PyDoubleArrType_Type) {
        found.kind = SCALAR64;
        found.number = PyArrayScalar_VAL(o, Double);
    } else if (type == &PyFloat_Type) {
        found.kind = NUMBER;
        found.number = PyFloat_AS_DOUBLE(o);
        if (!(found.number < 1e30 && found.number > -1e30)) found.kind = NOTHING; /* may overflow */
    } else if (type == &PyLong_Type) {
        int overflow;
        long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (overflow || value > (1LL << 53) || value < -(1LL << 53)) return found;
        found.kind = NUMBER;
        found.number = (double)value;
    }
    return found;
}

static inline int is_single(Kind kind) { return kind == SCALAR32 || kind == ARRAY32; }

#define LOOP(EXPRESSION)                                                                           \
    for (npy_intp i = 0; i < n; i++) r[i] = (EXPRESSION);                                          \
    break;

#define FILL_ARRAY(NAME, TYPE)                                                                     \
    static void NAME(int code, npy_intp n, const TYPE *a, TYPE s, const TYPE *b, TYPE t,           \
                     TYPE *restrict r) {                                                           \
        if (a && b) switch (code) {                                                                \
            case ADD: LOOP(a[i] + b[i])                                                            \
            case SUB: LOOP(a[i] - b[i])                                                            \
            case MUL: LOOP(a[i] * b[i])                                                            \
            case DIV: LOOP(a[i] / b[i])                                                            \
            }                                                                                      \
        else if (a) switch (code) {                                                                \
            case ADD: LOOP(a[i] + t)                                                               \
            case SUB: LOOP(a[i] - t)                                                               \
            case MUL: LOOP(a[i] * t)                                                               \
            case DIV: LOOP(a[i] / t)                                                               \
            case NEG: LOOP(-a[i])                                                                  \
            }                                                                                      \
        else switch (code) {                                                                       \
            case ADD: LOOP(s + b[i])                                                               \
            case SUB: LOOP(s - b[i])                                                               \
            case MUL: LOOP(s * b[i])                                                               \
            case DIV: LOOP(s / b[i])                                                               \
            }                                                                                      \
    }
FILL_ARRAY(fill_single, float)
FILL_ARRAY(fill_double, double)

static PyObject *scalar_result(int code, int single, double x, double y) {
    if (single) {
        float a = (float)x, b = (float)y, r = 0;
        switch (code) {
        case ADD: r = a + b; break;
        case SUB: r = a - b; break;
        case MUL: r = a * b; break;
        case DIV: r = a / b; break;
        case NEG: r = -a; break;
        }
        PyObject *made = PyArrayScalar_New(Float);
        if (made) PyArrayScalar_ASSIGN(made, Float, r);
        return made;
    }
    double r = 0;
    switch (code) {
    case ADD: r = x + y; break;
    case SUB: r = x - y; break;
    case MUL: r = x * y; break;
    case DIV: r = x / y; break;
    case NEG: r = -x; break;
    }
    PyObject *made = PyArrayScalar_New(Double);
    if (made) PyArrayScalar_ASSIGN(made, Double, r);
    return made;
}

PyObject *compute(int code, PyObject *first, PyObject *second) {
    Operand a = look(first), b;
    if (a.kind == NOTHING) return NULL;
    if (code == NEG) {
        b.kind = NUMBER;
        b.number = 0;
        b.array = NULL;
    } else {
        b = look(second);
        if (b.kind == NOTHING || (a.kind == NUMBER && b.kind == NUMBER)) return NULL;
    }
    int single = a.kind == NUMBER ? is_single(b.kind) : is_single(a.kind);
    if (a.kind != NUMBER && b.kind != NUMBER && is_single(a.kind) != is_single(b.kind)) return NULL;
    if (!a.array && !b.array) {
        if (code == NEG && a.kind == NUMBER) return NULL;
        return scalar_result(code, single, a.number, b.number);
    }
    /* equal shapes, or one that repeats along the other's leading dims: a row on a matrix */
    PyArrayObject *model = a.array ? a.array : b.array;
    npy_intp x_step = 0, y_step = 0, rows = 1;
    if (a.array && b.array) {
        int more = PyArray_NDIM(a.array) - PyArray_NDIM(b.array);
        PyArrayObject *row = more < 0 ? a.array : b.array;
        if (more < 0) model = b.array;
        int lead = more < 0 ? -more : more;
        if (!PyArray_CompareLists(PyArray_DIMS(model) + lead, PyArray_DIMS(row), PyArray_NDIM(row)))
            return NULL;
        for (int i = 0; i < lead; i++) rows *= PyArray_DIM(model, i);
        if (more > 0) x_step = PyArray_SIZE(row);
        if (more < 0) y_step = PyArray_SIZE(row);
    }
    npy_intp n = PyArray_SIZE(model), item = single ? sizeof(float) : sizeof(double);
    if (n > SMALL) return NULL;
    PyArray_Descr *descr = PyArray_DescrFromType(single ? NPY_FLOAT : NPY_DOUBLE);
    PyObject *made = PyArray_NewFromDescr(&PyArray_Type, descr, PyArray_NDIM(model),
                                          PyArray_DIMS(model), NULL, NULL, 0, NULL);
    if (made == NULL || !n) return made;
    char *out = PyArray_DATA((PyArrayObject *)made);
    char *x = a.array ? PyArray_DATA(a.array) : NULL, *y = b.array ? PyArray_DATA(b.array) : NULL;
    npy_intp part = n / rows;
    for (npy_intp i = 0; i < rows; i++) {
        if (single)
            fill_single(code, part, (float *)x, (float)a.number, (float *)y, (float)b.number,
                        (float *)out);
        else
            fill_double(code, part, (double *)x, a.number, (double *)y, b.number, (double *)out);
        out += part * item;
        if (x) x += x_step * item;
        if (y) y += y_step * item;
    }
    return made;
}

static int is_number(PyObject *o) {
    return PyFloat_CheckExact(o) || PyLong_CheckExact(o) || Py_IS_TYPE(o, &PyFloatArrType_Type) ||
           Py_IS_TYPE(o, &PyDoubleArrType_Type);
}

PyObject *arithmetic(int code, PyObject *a, PyObject *b) {
    PyObject *made = compute(code, a, b);
    if (made != NULL || PyErr_Occurred()) return made;
    if (S.large != NULL && S.large != Py_None) { /* the compiled kernels' functions, for NumPy's own arrays */
        int first = Py_TYPE(a) == &PyArray_Type, second = b && Py_TYPE(b) == &PyArray_Type;
        if (first ? b == NULL || second || is_number(b) : second && is_number(a)) {
            PyObject *pair[2] = {a, b};
            return PyObject_Vectorcall(PyTuple_GET_ITEM(S.large, code), pair, code == NEG ? 1 : 2, NULL);
        }
    }
    switch (code) {
    case ADD: return PyNumber_Add(a, b);
    case SUB: return PyNumber_Subtract(a, b);
    case MUL: return PyNumber_Multiply(a, b);
    case DIV: return PyNumber_TrueDivide(a, b);
    default: return PyNumber_Negative(a);
    }
}

/* `describe` of array/descriptor.py for NumPy's arrays; Python's for all else. */
PyObject *describe(PyObject *raw) {
    int code = Py_TYPE(raw) == &PyFloatArrType_Type    ? NPY_FLOAT
               : Py_TYPE(raw) == &PyDoubleArrType_Type ? NPY_DOUBLE
                                                       : -1;
    if (code >= 0) {
        PyObject *descr = (PyObject *)PyArray_DescrFromType(code);
        PyObject *type = PyDict_GetItemWithError(S.types, descr);
        Py_DECREF(descr);
        if (type) return Py_NewRef(SLOT(type, S.y_scalar));
        if (PyErr_Occurred()) return NULL;
    }
    if (Py_TYPE(raw) != &PyArray_Type) return PyObject_CallOneArg(S.describe, raw);
    PyArrayObject *array = (PyArrayObject *)raw;
    PyObject *type = PyDict_GetItemWithError(S.types, (PyObject *)PyArray_DESCR(array));
    if (type == NULL) return PyErr_Occurred() ? NULL : PyObject_CallOneArg(S.describe, raw);
    int ndim = PyArray_NDIM(array);
    if (!ndim) return Py_NewRef(SLOT(type, S.y_zero_d));
    PyObject *shape = PyTuple_New(ndim);
    if (shape == NULL) return NULL;
    for (int i = 0; i < ndim; i++) {
        PyObject *size = PyLong_FromSsize_t(PyArray_DIM(array, i));
        if (size == NULL) {
            Py_DECREF(shape);
            return NULL;
        }
        PyTuple_SET_ITEM(shape, i, size);
    }
    PyObject *found = PyDict_GetItemWithError(SLOT(type, S.y_shapes), shape);
    Py_DECREF(shape);
    if (found) return Py_NewRef(found);
    return PyErr_Occurred() ? NULL : PyObject_CallOneArg(S.describe, raw);
}

int alike(PyObject *raw, PyObject *desc) {
    PyObject *shape = SLOT(desc, S.d_shape);
    if (Py_TYPE(raw) == &PyArray_Type) {
        PyArrayObject *array = (PyArrayObject *)raw;
        Py_ssize_t ndim = PyArray_NDIM(array);
        if ((PyObject *)PyArray_DESCR(array) != SLOT(desc, S.d_numpy)) return 0;
        if (!PyTuple_Check(shape) || PyTuple_GET_SIZE(shape) != ndim) return 0;
        for (Py_ssize_t i = 0; i < ndim; i++)
            if (PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i)) != PyArray_DIM(array, i)) return 0;
        return 1;
    }
    int code = Py_TYPE(raw) == &PyFloatArrType_Type    ? NPY_FLOAT
               : Py_TYPE(raw) == &PyDoubleArrType_Type ? NPY_DOUBLE
                                                       : -1;
    if (code < 0) return -1;
    PyObject *numpy = SLOT(desc, S.d_numpy);
    return PyArray_DescrCheck(numpy) && ((PyArray_Descr *)numpy)->type_num == code &&
           PyTuple_Check(shape) && !PyTuple_GET_SIZE(shape);
}

#define ADD_ROWS(TYPE)                                                                             \
    {                                                                                              \
        const TYPE *row = PyArray_DATA(array);                                                     \
        TYPE *sum = PyArray_DATA((PyArrayObject *)made);                                           \
        for (npy_intp k = 0; k < columns; k++) sum[k] = 0 + row[k]; /* no -0, as in NumPy's */      \
        for (npy_intp i = 1; i < rows; i++)                                                        \
            for (npy_intp k = 0; k < columns; k++) sum[k] += row[i * columns + k];                 \
    }

/* The rows of a matrix added up, in NumPy's order: what arrives at a bias. */
PyObject *add_rows(PyObject *raw, PyObject *desc) {
    PyArrayObject *array = (PyArrayObject *)raw;
    PyObject *shape = SLOT(desc, S.d_shape);
    if (Py_TYPE(raw) != &PyArray_Type || PyArray_NDIM(array) != 2 || !PyArray_ISCARRAY_RO(array))
        return NULL;
    npy_intp rows = PyArray_DIM(array, 0), columns = PyArray_DIM(array, 1);
    int code = PyArray_DESCR(array)->type_num;
    if ((code != NPY_FLOAT && code != NPY_DOUBLE) || rows * columns > SMALL || rows < 1 ||
        columns < 2 || (PyObject *)PyArray_DESCR(array) != SLOT(desc, S.d_numpy) ||
        !PyTuple_Check(shape) || PyTuple_GET_SIZE(shape) != 1 ||
        PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, 0)) != columns)
        return NULL;
    PyObject *made = PyArray_NewFromDescr(&PyArray_Type, PyArray_DescrFromType(code), 1, &columns,
                                          NULL, NULL, 0, NULL);
    if (made == NULL) return NULL;
    if (code == NPY_FLOAT)
        ADD_ROWS(float)
    else
        ADD_ROWS(double)
    return made;
}

int restore(PyObject *token) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    int failed = PyContextVar_Reset(S.warnings, token);
    Py_DECREF(token);
    if (type) {
        PyErr_Clear();
        PyErr_Restore(type, value, trace);
        return -1;
    }
    return failed;
}
