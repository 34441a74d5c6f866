/* What the files of the call of an operator share. */

#ifndef ADJOINT_CALLS_H
#define ADJOINT_CALLS_H

#include "state.h"

enum { UNARY, BINARY, PREDICATE, WHOLE, NUMBER, ONE, THREE }; /* as in core/native/calls.py */

typedef struct {
    PyObject *plan; /* core/plan.py's, NULL until an operator is first recorded */
    PlanData *data;
} PlanPair;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *dict, *weakrefs;
    PyObject *op, *function; /* the forward, as a function of raw arrays */
    int kind, code, quiet;   /* quiet: it warns in nobody's name, so NumPy's warnings go off */
    long level;
    int operands, view, differentiable, wants, alike;
    int direct; /* the function is one of a raw array and the dictionary of parameters */
    PyObject *parameters; /* their names */
    Steps steps; /* the forward, where it is more than one operation; not known before it is needed */
    int looked;  /* whether that was asked for */
    PlanPair plans[8], fitting[4];
    PyTypeObject *node_class;
} Call;

/* records.c */
PyObject *general(Call *self, PyObject *const *operands, int count, PyObject *params);
int may_retry(void);
PyObject *dict_of(PyObject *const *values, PyObject *names);
PlanPair *plan_for(Call *self, int needs, int fitting);
PyObject *gather(Call *self, PlanPair *pair, PyObject *const *operands, PyObject *raw,
                 PyObject *const *values, PyObject *names);
PyObject *versions_of(PyObject *saved);
PyObject *make_node(Call *self, PlanPair *pair, PyObject *const *edges, PyObject *saved, int counted,
                    PyObject *desc);
PyObject *forward(Call *self, int code, PyObject *a, PyObject *b);
PyObject *finish(Call *self, PyObject *raw, PyObject *desc, PlanPair *pair, PyObject *const *edges,
                 PyObject *saved, int counted);

static inline int bit(PyObject *edge) { return edge != Py_None; }

/* calls.c */
PyObject *call_unary(Call *self, PyObject *input);
PyObject *call_binary(Call *self, PyObject *input, PyObject *other);
PyObject *call_predicate(Call *self, PyObject *input, PyObject *other);
PyObject *call_several(Call *self, PyObject *const *operands, PyObject *const *values,
                       PyObject *names);
PyObject *call_number(Call *self, PyObject *input, PyObject *number);
PyObject *general_named(Call *self, PyObject *const *operands, int count, PyObject *const *values,
                        PyObject *names);

#endif
