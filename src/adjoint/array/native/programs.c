/* A chain of elementwise functions over large arrays, piece by piece: what one leaves in the cache the next finds.

   In: arrays of one floating dtype and size, and numbers; steps, each an `Elementwise` of values that are there; which
   values are wanted, and the memory for them. Out: they are there, the same bits as step after step. */

#include "python.h"

enum { PIECE = 1 << 14, MOST_STEPS = 256, MOST_VALUES = 512 };

typedef struct {
    char *memory; /* of the whole array, of one number, or NULL: of a piece in the thread's scratch */
    npy_intp step; /* bytes from an element to the next */
    int scratch;   /* which part of the scratch; -1: none */
    int last;      /* the last step that reads it; MOST_STEPS: it is wanted */
    double room;   /* for a number */
} Value;

typedef struct {
    Loop loop;
    int count, operands[2];
} ProgramStep;

typedef struct {
    Value values[MOST_VALUES];
    ProgramStep steps[MOST_STEPS];
    int inputs, count, type;
    npy_intp size, item;
    char *scratch; /* `parts` pieces for each thread */
    int parts;
} Program;

static void run_piece(void *argument, long chunk, int who) {
    const Program *p = argument;
    npy_intp first = chunk * PIECE, n = p->size - first < PIECE ? p->size - first : PIECE;
    char *scratch = p->scratch + (size_t)who * p->parts * PIECE * p->item;
    for (int i = 0; i < p->count; i++) {
        const ProgramStep *step = &p->steps[i];
        char *at[3];
        npy_intp steps[3];
        for (int k = 0; k <= step->count; k++) {
            const Value *v = &p->values[k < step->count ? step->operands[k] : p->inputs + i];
            at[k] = v->scratch < 0 ? v->memory + first * v->step : scratch + (size_t)v->scratch * PIECE * p->item;
            steps[k] = v->step;
        }
        step->loop.function(at, &n, steps, step->loop.data);
    }
}

/* ---- reading ----------------------------------------------------------------------------------- */

static int read_inputs(Program *p, PyObject *inputs) {
    Py_ssize_t count = PyTuple_GET_SIZE(inputs);
    if (count > MOST_VALUES - MOST_STEPS) return 0;
    p->inputs = (int)count;
    for (int i = 0; i < count; i++) {
        PyObject *o = PyTuple_GET_ITEM(inputs, i);
        Value *v = &p->values[i];
        *v = (Value){NULL, 0, -1, -1, 0};
        PyArrayObject *array = plain(o);
        if (array && PyArray_NDIM(array)) {
            if (PyArray_TYPE(array) != p->type || !PyArray_IS_C_CONTIGUOUS(array) || PyArray_SIZE(array) != p->size)
                return 0;
            v->memory = PyArray_DATA(array);
            v->step = p->item;
            continue;
        }
        double number;
        int single = PyArray_IsScalar(o, Float);
        if (array || single || PyArray_IsScalar(o, Double)) {
            if ((array ? PyArray_TYPE(array) : single ? NPY_FLOAT32 : NPY_FLOAT64) != p->type) return 0;
            number = !array                    ? PyFloat_AsDouble(o)
                     : p->type == NPY_FLOAT32 ? *(float *)PyArray_DATA(array)
                                              : *(double *)PyArray_DATA(array);
        } else if (PyFloat_CheckExact(o) || PyLong_CheckExact(o)) {
            number = PyFloat_AsDouble(o);
            if (number == -1 && PyErr_Occurred()) PyErr_Clear();
            if (!(number < 1e30 && number > -1e30) || (PyLong_CheckExact(o) && (number > 1 << 24 || number < -(1 << 24))))
                return 0;
        } else {
            return 0;
        }
        if (p->type == NPY_FLOAT32)
            *(float *)&v->room = (float)number;
        else
            v->room = number;
        v->memory = (char *)&v->room;
    }
    return 1;
}

static int read_steps(Program *p, PyObject *steps) {
    Py_ssize_t count = PyTuple_GET_SIZE(steps);
    if (!count || count > MOST_STEPS) return 0;
    p->count = (int)count;
    for (int i = 0; i < count; i++) {
        PyObject *parts = PyTuple_GET_ITEM(steps, i);
        ProgramStep *step = &p->steps[i];
        if (!PyTuple_CheckExact(parts) || PyTuple_GET_SIZE(parts) < 2) return 0;
        const Loop *loop = loop_of(PyTuple_GET_ITEM(parts, 0), p->type, (int)PyTuple_GET_SIZE(parts) - 1);
        if (loop == NULL || loop->result != p->type) return 0;
        step->loop = *loop;
        step->count = (int)PyTuple_GET_SIZE(parts) - 1;
        for (int k = 0; k < step->count; k++) {
            long at = PyLong_AsLong(PyTuple_GET_ITEM(parts, k + 1));
            if (at < 0 || at >= p->inputs + i) {
                PyErr_Clear();
                return 0;
            }
            step->operands[k] = (int)at;
            if (p->values[at].last < MOST_STEPS) p->values[at].last = i;
        }
        p->values[p->inputs + i] = (Value){NULL, p->item, 0, -1, 0};
    }
    return 1;
}

/* ((place, array), ...): the values that are wanted; a wanted input is none of our business. */
static int read_results(Program *p, PyObject *results) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(results); i++) {
        PyObject *pair = PyTuple_GET_ITEM(results, i);
        if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2) return 0;
        long at = PyLong_AsLong(PyTuple_GET_ITEM(pair, 0));
        PyArrayObject *array = plain(PyTuple_GET_ITEM(pair, 1));
        if (at < p->inputs || at >= p->inputs + p->count || array == NULL || PyArray_TYPE(array) != p->type ||
            !PyArray_ISCARRAY(array) || PyArray_SIZE(array) != p->size || p->values[at].memory) {
            PyErr_Clear();
            return 0;
        }
        p->values[at].memory = PyArray_DATA(array);
        p->values[at].scratch = -1;
        p->values[at].last = MOST_STEPS;
    }
    return 1;
}

/* Give the values in between their parts of the scratch, again and again the same few. */
static void assign_parts(Program *p) {
    int free_parts[MOST_STEPS], frees = 0;
    for (int i = 0; i < p->count; i++) {
        Value *made = &p->values[p->inputs + i];
        if (made->scratch >= 0) made->scratch = frees ? free_parts[--frees] : p->parts++;
        for (int k = 0; k < p->steps[i].count; k++) { /* only now: a result must not lie on its operands */
            int at = p->steps[i].operands[k];
            Value *v = &p->values[at];
            if (at < p->inputs || v->scratch < 0 || v->last != i || (k && at == p->steps[i].operands[0])) continue;
            free_parts[frees++] = v->scratch;
        }
        if (made->scratch >= 0 && made->last < 0) free_parts[frees++] = made->scratch; /* nobody asks for it */
    }
}

/* program(inputs, steps, results, size, wide): whether it was done.

   `inputs`: arrays and numbers, the values 0, 1, ...; `steps`: tuples of an Elementwise and the numbers of its operands,
   each of which makes the next value; `results`: pairs of a value's number and an array for it. */
PyObject *python_program(PyObject *module, PyObject *const *args, Py_ssize_t given) {
    if (given != 5 || !PyTuple_CheckExact(args[0]) || !PyTuple_CheckExact(args[1]) || !PyTuple_CheckExact(args[2]))
        return PyErr_Format(PyExc_TypeError, "program() takes three tuples, a size, and whether it is double");
    Py_ssize_t size = PyLong_AsSsize_t(args[3]);
    int wide = PyObject_IsTrue(args[4]);
    if (wide < 0 || (size == -1 && PyErr_Occurred())) return NULL;
    Program *p = PyMem_Calloc(1, sizeof(Program));
    if (p == NULL) return PyErr_NoMemory();
    p->type = wide ? NPY_FLOAT64 : NPY_FLOAT32;
    p->item = wide ? sizeof(double) : sizeof(float);
    p->size = size;
    int done = size > 0 && read_inputs(p, args[0]) && read_steps(p, args[1]) && read_results(p, args[2]);
    if (done) {
        assign_parts(p);
        int threads = threads_for(size), most = threads < 1 ? 1 : threads;
        long chunks = (size + PIECE - 1) / PIECE;
        p->scratch = malloc((size_t)(p->parts ? p->parts : 1) * most * PIECE * p->item);
        if (p->scratch == NULL) {
            PyMem_Free(p);
            return PyErr_NoMemory();
        }
        Py_BEGIN_ALLOW_THREADS
        share(run_piece, p, chunks, most);
        Py_END_ALLOW_THREADS
        free(p->scratch);
    }
    PyMem_Free(p);
    return PyBool_FromLong(done);
}
