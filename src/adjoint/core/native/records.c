/* What every call of an operator makes: the raw result, its tensor, the node with what it saves.

   In: the operator (a `Call`), raw arrays, which operands have edges. Out: new tensors and nodes, as core/call.py and
   core/record.py make them. */

#include "calls.h"

PyObject *make_tensor(PyObject *raw, PyObject *desc, PyObject *edge) {
    PyObject *made = S.Tensor->tp_alloc(S.Tensor, 0);
    if (made == NULL) return NULL;
    FILL(made, S.t_array, Py_NewRef(raw));
    FILL(made, S.t_desc, Py_NewRef(desc));
    FILL(made, S.t_edge, Py_NewRef(edge ? edge : Py_None));
    FILL(made, S.t_counter, Py_NewRef(Py_None));
    FILL(made, S.t_side, Py_NewRef(Py_None));
    return made;
}

PyObject *general(Call *self, PyObject *const *operands, int count, PyObject *params) {
    PyObject *tuple = PyTuple_New(count);
    if (tuple == NULL) return NULL;
    for (int i = 0; i < count; i++) PyTuple_SET_ITEM(tuple, i, Py_NewRef(operands[i]));
    PyObject *given = params ? Py_NewRef(params) : PyDict_New();
    PyObject *made = NULL;
    if (given) made = PyObject_CallFunctionObjArgs(S.apply, self->op, tuple, given, NULL);
    Py_XDECREF(given);
    Py_DECREF(tuple);
    return made;
}

/* Whether the error on its way is one after which the general path has its say; it is forgotten then. */
int may_retry(void) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError) || PyErr_ExceptionMatches(PyExc_ValueError) ||
        PyErr_ExceptionMatches(PyExc_OverflowError) ||
        PyErr_ExceptionMatches(PyExc_RuntimeWarning) ||
        PyErr_ExceptionMatches(PyExc_FloatingPointError)) {
        PyErr_Clear();
        return 1;
    }
    return 0;
}

PyObject *dict_of(PyObject *const *values, PyObject *names) {
    PyObject *made = PyDict_New();
    Py_ssize_t count = names ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; made && i < count; i++)
        if (PyDict_SetItem(made, PyTuple_GET_ITEM(names, i), values[i]) < 0) Py_CLEAR(made);
    return made;
}

/* The plan for the wanted operands (a bit each), made when it is first needed. */
PlanPair *plan_for(Call *self, int needs, int fitting) {
    PlanPair *pair = fitting ? &self->fitting[needs] : &self->plans[needs];
    if (pair->plan) return pair;
    PyObject *which = PyTuple_New(self->operands);
    if (which == NULL) return NULL;
    for (int i = 0; i < self->operands; i++)
        PyTuple_SET_ITEM(which, i, Py_NewRef(needs >> i & 1 ? Py_True : Py_False));
    PyObject *plan =
        PyObject_CallMethod(self->op, "plan", "OOO", which, Py_True, fitting ? Py_True : Py_False);
    Py_DECREF(which);
    if (plan == NULL) return NULL;
    PyObject *data = SLOT(plan, S.p_native);
    if (data == NULL || Py_TYPE(data) != &PlanDataType) {
        Py_DECREF(plan);
        PyErr_SetString(PyExc_SystemError, "a plan without data of the compiled core");
        return NULL;
    }
    if (self->node_class == NULL) {
        PyObject *found = PyObject_GetAttrString(self->op, "node_class");
        if (found == NULL) {
            Py_DECREF(plan);
            return NULL;
        }
        self->node_class = (PyTypeObject *)found;
    }
    pair->data = (PlanData *)Py_NewRef(data);
    pair->plan = plan;
    return pair;
}

/* What the rules named, for one call: Plan.gather. */
PyObject *gather(Call *self, PlanPair *pair, PyObject *const *operands, PyObject *raw,
                        PyObject *const *values, PyObject *names) {
    PlanData *data = pair->data;
    if (!data->count) return Py_NewRef(S.empty);
    PyObject *saved = PyTuple_New(data->count);
    if (saved == NULL) return NULL;
    for (int i = 0; i < data->count; i++) {
        PyObject *value = NULL;
        switch (data->kinds[i]) {
        case OPERAND: value = operands[data->places[i]]; break;
        case OUT: value = raw; break;
        case NEEDS: value = data->needs; break;
        case SHAPE:
            if (is_tensor(operands[data->places[i]]))
                value = SLOT(SLOT(operands[data->places[i]], S.t_desc), S.d_shape);
            break;
        case PARAM:
            for (Py_ssize_t k = 0; names && k < PyTuple_GET_SIZE(names); k++)
                if (PyTuple_GET_ITEM(names, k) == data->names[i]) value = values[k];
            break;
        }
        if (value == NULL) break;
        PyTuple_SET_ITEM(saved, i, Py_NewRef(value));
        if (i == data->count - 1) return saved;
    }
    Py_DECREF(saved);
    PyObject *params = dict_of(values, names), *given = PyTuple_New(self->operands);
    if (params && given) {
        for (int i = 0; i < self->operands; i++)
            PyTuple_SET_ITEM(given, i, Py_NewRef(operands[i]));
        saved = PyObject_CallMethod(pair->plan, "gather", "OOO", given, raw, params);
    } else {
        saved = NULL;
    }
    Py_XDECREF(params);
    Py_XDECREF(given);
    return saved;
}

/* The versions of saved tensors, None when all are 0 (plan.versions_of). */
PyObject *versions_of(PyObject *saved) {
    Py_ssize_t count = PyTuple_GET_SIZE(saved);
    PyObject *made = NULL, *zero = PyLong_FromLong(0);
    if (zero == NULL) return NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PyTuple_GET_ITEM(saved, i), *counter;
        if (!is_tensor(value) || (counter = SLOT(value, S.t_counter)) == Py_None) continue;
        PyObject *version = SLOT(counter, S.c_value);
        if (PyObject_RichCompareBool(version, zero, Py_EQ)) continue;
        if (made == NULL) {
            if ((made = PyTuple_New(count)) == NULL) break;
            for (Py_ssize_t k = 0; k < count; k++) PyTuple_SET_ITEM(made, k, Py_NewRef(zero));
        }
        Py_DECREF(zero); /* what stood at this place */
        PyTuple_SET_ITEM(made, i, Py_NewRef(version));
    }
    Py_DECREF(zero);
    return made || PyErr_Occurred() ? made : Py_NewRef(Py_None);
}

/* A node; takes over the reference to `saved` (NULL: an error happened before). */
PyObject *make_node(Call *self, PlanPair *pair, PyObject *const *edges, PyObject *saved,
                           int counted, PyObject *desc) {
    if (saved == NULL) return NULL;
    PyObject *versions = counted ? versions_of(saved) : Py_NewRef(Py_None);
    PyObject *tuple = PyTuple_New(self->operands);
    PyObject *number = Py_TYPE(S.sequence)->tp_iternext(S.sequence);
    PyObject *node = NULL;
    if (versions && tuple && number) node = self->node_class->tp_alloc(self->node_class, 0);
    if (node == NULL) {
        Py_XDECREF(versions);
        Py_XDECREF(tuple);
        Py_XDECREF(number);
        Py_DECREF(saved);
        return NULL;
    }
    for (int i = 0; i < self->operands; i++) PyTuple_SET_ITEM(tuple, i, Py_NewRef(edges[i]));
    FILL(node, S.n_edges, tuple);
    FILL(node, S.n_saved, saved);
    FILL(node, S.n_versions, versions);
    FILL(node, S.n_plan, Py_NewRef(pair->plan));
    FILL(node, S.n_seq, number);
    FILL(node, S.n_desc, Py_NewRef(desc));
    FILL(node, S.n_hooks, Py_NewRef(Py_None));
    FILL(node, S.n_counter, Py_NewRef(Py_None));
    return node;
}

/* Look whether the forward is known as steps: when it is first called, since few operators ever are. */
static int look_for_steps(Call *self) {
    self->looked = 1;
    PyObject *written = PyObject_CallOneArg(S.forward_steps, self->op);
    if (written == NULL) return -1;
    int failed = read_steps(&self->steps, self->operands, written);
    Py_DECREF(written);
    if (self->steps.count > 0) self->quiet = 1;
    return failed;
}

/* The raw result of the operator's function on one or two raw arrays. */
PyObject *forward(Call *self, int code, PyObject *a, PyObject *b) {
    if (code != OTHER) {
        PyObject *made = compute(code, a, b);
        if (made || PyErr_Occurred()) return made;
    }
    if (!self->looked && look_for_steps(self) < 0) return NULL;
    PyObject *token = self->quiet ? silence() : NULL;
    if (self->quiet && token == NULL) return NULL;
    PyObject *raw, *pair[2] = {a, b};
    Py_INCREF(a); /* the tensors hold them; what runs now might give the tensors others */
    Py_XINCREF(b);
    if (code != OTHER)
        raw = arithmetic(code, a, b);
    else if (self->steps.count > 0)
        raw = run_steps(&self->steps, pair);
    else
        raw = PyObject_Vectorcall(self->function, pair, b ? 2 : 1, NULL);
    Py_DECREF(a);
    Py_XDECREF(b);
    if (token && restore(token) < 0) Py_CLEAR(raw);
    return raw;
}

/* A result and, where `needs` has bits, its node; takes over `raw`. */
PyObject *finish(Call *self, PyObject *raw, PyObject *desc, PlanPair *pair,
                        PyObject *const *edges, PyObject *saved, int counted) {
    PyObject *node = NULL, *made = NULL;
    if (pair) node = make_node(self, pair, edges, saved, counted, desc);
    if (!pair || node) made = make_tensor(raw, desc, node);
    Py_XDECREF(node);
    Py_DECREF(raw);
    return made;
}
