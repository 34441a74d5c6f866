/* Plans (core/plan.py) as the compiled walk needs them: which values a node saved, and the rules.

   A rule whose text is plain arithmetic on values is known as a list of steps (core/native/steps.py finds
   them); any other rule is called as the Python function that it is. */

#include "state.h"

static int int_of(PyObject *object, const char *name, int *out) {
    PyObject *found = PyObject_GetAttrString(object, name);
    if (found == NULL) return -1;
    *out = (int)PyLong_AsLong(found);
    Py_DECREF(found);
    return PyErr_Occurred() ? -1 : 0;
}

static int read_rule(RuleData *rule, PyObject *function, PyObject *position, PyObject *indices,
                     PyObject *steps) {
    rule->function = Py_NewRef(function);
    rule->position = (int)PyLong_AsLong(position);
    rule->count = (int)PyTuple_GET_SIZE(indices);
    rule->index = PyMem_Calloc(rule->count + 1, sizeof(int));
    if (rule->index == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int k = 0; k < rule->count; k++)
        rule->index[k] = (int)PyLong_AsLong(PyTuple_GET_ITEM(indices, k));
    return PyErr_Occurred() ? -1 : read_steps(&rule->steps, 1 + rule->count, steps);
}

/* PlanData(plan, places, names, steps) */
static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *plan, *places, *names, *steps;
    if (!PyArg_ParseTuple(args, "OO!O!O!", &plan, &PyTuple_Type, &places, &PyTuple_Type, &names,
                          &PyTuple_Type, &steps))
        return NULL;
    PlanData *self = (PlanData *)type->tp_alloc(type, 0);
    PyObject *kinds = PyObject_GetAttrString(plan, "kinds");
    PyObject *rules = PyObject_GetAttrString(plan, "rules");
    PyObject *positions = PyObject_GetAttrString(plan, "positions");
    PyObject *indices = PyObject_GetAttrString(plan, "indices");
    PyObject *operator= PyObject_GetAttrString(plan, "op");
    int joint = 0, outputs = 1, exact = 0, failed = 1;
    if (!self || !kinds || !rules || !positions || !indices || !operator) goto end;
    self->needs = PyObject_GetAttrString(plan, "needs");
    if (self->needs == NULL) goto end;
    self->operands = (int)PyTuple_GET_SIZE(self->needs);
    self->count = (int)PyTuple_GET_SIZE(kinds);
    if (int_of(plan, "bare", &self->bare) || int_of(plan, "fitting", &self->fitting) ||
        int_of(plan, "frees", &self->frees) || int_of(plan, "exact", &exact) ||
        int_of(operator, "joint", &joint) || int_of(operator, "outputs", &outputs))
        goto end;
    self->plain = exact && !joint && outputs == 1;
    self->kinds = PyMem_Calloc(self->count + 1, sizeof(int));
    self->places = PyMem_Calloc(self->count + 1, sizeof(int));
    self->names = PyMem_Calloc(self->count + 1, sizeof(PyObject *));
    self->rules = PyMem_Calloc(PyTuple_GET_SIZE(rules) + 1, sizeof(RuleData));
    if (!self->kinds || !self->places || !self->names || !self->rules) {
        PyErr_NoMemory();
        goto end;
    }
    for (int i = 0; i < self->count; i++) {
        self->kinds[i] = (int)PyLong_AsLong(PyTuple_GET_ITEM(kinds, i));
        self->places[i] = (int)PyLong_AsLong(PyTuple_GET_ITEM(places, i));
        self->names[i] = Py_NewRef(PyTuple_GET_ITEM(names, i));
        if (self->kinds[i] == OUT) self->output = 1;
    }
    if (PyErr_Occurred()) goto end;
    if (self->plain) /* the others' rules are applied by Python */
        for (; self->rules_count < PyTuple_GET_SIZE(rules); self->rules_count++) {
            int i = self->rules_count;
            if (read_rule(&self->rules[i], PyTuple_GET_ITEM(rules, i), PyTuple_GET_ITEM(positions, i),
                          PyTuple_GET_ITEM(indices, i), PyTuple_GET_ITEM(steps, i)) < 0) {
                self->rules_count++;
                goto end;
            }
        }
    failed = 0;
end:
    Py_XDECREF(kinds);
    Py_XDECREF(rules);
    Py_XDECREF(positions);
    Py_XDECREF(indices);
    Py_XDECREF(operator);
    if (failed) Py_CLEAR(self);
    return (PyObject *)self;
}

static int plan_traverse(PlanData *self, visitproc visit, void *arg) {
    Py_VISIT(self->needs);
    for (int i = 0; i < self->rules_count; i++) {
        RuleData *rule = &self->rules[i];
        Py_VISIT(rule->function);
        int stopped = visit_steps(&rule->steps, visit, arg);
        if (stopped) return stopped;
    }
    return 0;
}

static void plan_dealloc(PlanData *self) {
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->needs);
    for (int i = 0; i < self->rules_count; i++) {
        RuleData *rule = &self->rules[i];
        Py_CLEAR(rule->function);
        clear_steps(&rule->steps);
        PyMem_Free(rule->index);
    }
    for (int i = 0; self->names && i < self->count; i++) Py_CLEAR(self->names[i]);
    PyMem_Free(self->kinds);
    PyMem_Free(self->places);
    PyMem_Free(self->names);
    PyMem_Free(self->rules);
    Py_TYPE(self)->tp_free(self);
}

PyTypeObject PlanDataType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "adjoint.core.native.PlanData",
    .tp_basicsize = sizeof(PlanData),
    .tp_doc = "A plan, read once.",
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = plan_new,
    .tp_dealloc = (destructor)plan_dealloc,
    .tp_traverse = (traverseproc)plan_traverse,
};

/* ---- applying the rules ------------------------------------------------------------------------- */

/* The saved values as raw arrays, new references (of `data->count`, NULL behind a failure). 1 done, 0: Python has to look at them, -1 error. */
static int raw_values(PlanData *data, PyObject *node, PyObject *saved, PyObject **values, int *absent) {
    PyObject *versions = SLOT(node, S.n_versions);
    if (data->output && SLOT(node, S.n_counter) != Py_None) return 0; /* its version is checked */
    for (int i = 0; i < data->count; i++) {
        PyObject *value = PyTuple_GET_ITEM(saved, i);
        if (data->kinds[i] == OPERAND) {
            if (is_tensor(value)) {
                PyObject *counter = SLOT(value, S.t_counter);
                if (counter != Py_None) {
                    PyObject *count = SLOT(counter, S.c_value);
                    long now = PyLong_AsLong(count), then = 0;
                    if (versions != Py_None) then = PyLong_AsLong(PyTuple_GET_ITEM(versions, i));
                    if (PyErr_Occurred()) return -1;
                    if (now != then) return 0; /* raises */
                }
                value = SLOT(value, S.t_array);
            } else if (value == Py_None) { /* an operand that was not given: rules ask for it */
                *absent = 1;
            } else if (!PyArray_CheckExact(value) && !PyArray_CheckScalar(value)) {
                return 0; /* packed by hooks */
            }
        }
        values[i] = Py_NewRef(value);
    }
    return 1;
}

static void let_go(PyObject **values, int count) {
    for (int i = 0; i < count; i++) Py_CLEAR(values[i]);
}

int pull_plan(PlanData *data, PyObject *node, PyObject *g, PyObject **found) {
    PyObject *values[ROOM] = {NULL}, *saved = SLOT(node, S.n_saved);
    if (!data->plain || data->count > ROOM - 4 || !PyTuple_CheckExact(saved) ||
        PyTuple_GET_SIZE(saved) != data->count)
        return 0;
    int absent = 0, known = raw_values(data, node, saved, values, &absent);
    if (known <= 0) {
        let_go(values, data->count);
        return known;
    }
    for (int i = 0; i < data->rules_count; i++) {
        RuleData *rule = &data->rules[i];
        PyObject *result, *stack[ROOM];
        stack[0] = S.numpy;
        stack[1] = g;
        for (int k = 0; k < rule->count; k++) stack[2 + k] = values[rule->index[k]];
        if (rule->steps.count >= 0 && !absent)
            result = run_steps(&rule->steps, stack + 1);
        else
            result = PyObject_Vectorcall(rule->function, stack, 2 + rule->count, NULL);
        if (result == NULL) {
            let_go(found, data->operands);
            let_go(values, data->count);
            return -1;
        }
        if (result == Py_None)
            Py_DECREF(result);
        else
            found[rule->position] = result;
    }
    let_go(values, data->count);
    return 1;
}
