/* What the C files of the core share: where the slots of the tape's Python classes lie, and the
   Python functions that take over whenever something is not plain.

   The classes themselves stay Python's (core/node.py, core/tensor_base.py, ...). A slot of a Python
   class lies at a fixed place in each of its objects; `setup` asks the classes for these places.
   What every function here does is told, line for line, by the Python function it stands for. */

#ifndef ADJOINT_STATE_H
#define ADJOINT_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL adjoint_native_ARRAY_API
#ifndef ADJOINT_MODULE
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

typedef struct {
    /* the tape's classes */
    PyTypeObject *TensorBase, *Tensor, *Node, *AccumulateGrad, *OutEdge;
    PyTypeObject *Descriptor, *Plan;
    /* Python's side of the same work */
    PyObject *apply, *describe, *tie_view, *numpy, *forward_steps; /* calls */
    PyObject *make_tensor, *pull_quietly, *fit, *own, *add_in_place, *plus, *add_to, *run_large; /* walks */
    PyObject *lock, *release;
    /* values */
    PyObject *mode, *sequence, *types, *warnings, *ignored, *born;
    PyObject *large; /* arithmetic on large arrays, by its codes; None: Python's operators */
    PyObject *empty;
    /* places of slots */
    Py_ssize_t t_array, t_counter, t_desc, t_edge, t_side;
    Py_ssize_t n_counter, n_desc, n_edges, n_hooks, n_plan, n_saved, n_seq, n_versions;
    Py_ssize_t a_grad, a_memory, a_ref;
    Py_ssize_t o_node, o_nr, o_desc;
    Py_ssize_t d_fast, d_result, d_type, d_shape, d_storage, d_numpy;
    Py_ssize_t y_pairs, y_zero_d_pairs, y_scalar, y_zero_d, y_shapes;
    Py_ssize_t c_value;
    Py_ssize_t p_native;
} State;

extern State S;

#define SLOT(object, place) (*(PyObject **)((char *)(object) + (place)))

/* Fill an empty slot of a new object with a reference that becomes the object's. */
#define FILL(object, place, value) (SLOT(object, place) = (value))

static inline int is_tensor(PyObject *o) { return PyObject_TypeCheck(o, S.TensorBase); }

/* A descriptor's level: how far the straight path may go with it; -1 if it is no descriptor. */
static inline long level_of(PyObject *desc) {
    if (desc == NULL || Py_TYPE(desc) != S.Descriptor) return -1;
    return PyLong_AsLong(SLOT(desc, S.d_fast));
}

/* The mode's bits (core/mode.py); -1 with an error. */
static inline long current_mode(void) {
    PyObject *found;
    if (PyContextVar_Get(S.mode, NULL, &found) < 0) return -1;
    long bits = PyLong_AsLong(found);
    Py_DECREF(found);
    return bits;
}

/* NumPy's warnings off (array/silence.py); NULL with an error. */
static inline PyObject *silence(void) { return PyContextVar_Set(S.warnings, S.ignored); }
int restore(PyObject *token); /* keeps an error that is on its way */

/* arrays.c */
enum { ADD, SUB, MUL, DIV, NEG, OTHER, POWER }; /* POWER: of calls, which know squares */
PyObject *compute(int code, PyObject *a, PyObject *b); /* small plain arrays only; NULL without an
                                                          error if it is not its business */
PyObject *arithmetic(int code, PyObject *a, PyObject *b); /* whatever Python does for the operator */
PyObject *describe(PyObject *raw);
int alike(PyObject *raw, PyObject *desc); /* same shape and dtype; -1: not NumPy's */
PyObject *add_rows(PyObject *raw, PyObject *desc); /* of a small matrix; NULL without an error: not its business */

/* calls.c */
extern PyTypeObject CallType;
PyObject *make_tensor(PyObject *raw, PyObject *desc, PyObject *edge);

/* steps.c */
#define ROOM 32 /* values at once: those given, constants, what the steps made */

typedef struct {
    int function_of; /* OTHER: a callable at `function`; else an arithmetic code */
    PyObject *function;
    int count, a[3];
} Step;

typedef struct {
    int given; /* how many values it begins with */
    int count, result, constants_count; /* count -1: not known as steps */
    Step *steps;
    PyObject **constants;
} Steps;

/* What core/native/steps.py wrote down (or None) of a function of so many values. 0, or -1 with an error. */
int read_steps(Steps *steps, int given, PyObject *written);
PyObject *run_steps(const Steps *steps, PyObject *const *given);
int visit_steps(const Steps *steps, visitproc visit, void *arg);
void clear_steps(Steps *steps);

/* plans.c */
typedef struct {
    PyObject *function; /* the rule in Python */
    int position;       /* of the operand it is for */
    int count, *index;  /* the saved values it names */
    Steps steps;        /* of the cotangent and these values */
} RuleData;

typedef struct {
    PyObject_HEAD
    int count, *kinds, *places; /* of the values that the rules name */
    PyObject **names;
    int rules_count, operands;
    RuleData *rules;
    int bare, fitting, frees, plain, output;
    PyObject *needs;
} PlanData;

extern PyTypeObject PlanDataType;
enum { OPERAND, SHAPE, OUT, NEEDS, PARAM, SHAPES, INDICES }; /* as in core/plan.py */
/* Pull one cotangent back. `found` has room for a new reference per operand, NULL for None. Returns 1 when
   done, 0 when Python has to do it, -1 with an error. */
int pull_plan(PlanData *data, PyObject *node, PyObject *g, PyObject **found);

/* leaves.c */
int flush(PyObject *leaves); /* accumulate all of them, the last one that was reached first */

/* walk.c */
PyObject *run_straight(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
