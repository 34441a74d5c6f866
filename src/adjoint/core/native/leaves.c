/* Accumulation at the leaves: the end of core/straight.py, with core/fitting.py's `own` and `add_in_place`.

   In: the cotangents that arrived at leaves nobody watches. Out: their gradients, new or added to. */

#include "state.h"

/* Whether nobody but the walk can see `g`, and it lies in memory as the leaf does (fitting.own). */
static int owned(PyObject *g, PyObject *leaf) {
    PyObject *memory = SLOT(leaf, S.a_memory);
    if (alike(g, SLOT(leaf, S.n_desc)) != 1) return 0;
    if (Py_TYPE(g) != &PyArray_Type) return 1;
    PyArrayObject *array = (PyArrayObject *)g;
    PyObject *base = PyArray_BASE(array);
    if (base && (Py_TYPE(base) != &PyArray_Type || Py_REFCNT(base) > 1)) return 0;
    return Py_REFCNT(g) == 1 && PyArray_IS_C_CONTIGUOUS(array) &&
           PyArray_ISWRITEABLE(array) && Py_TYPE(memory) == &PyArray_Type &&
           PyArray_IS_C_CONTIGUOUS((PyArrayObject *)memory);
}

/* A gradient as a tensor (tensor_base.make_tensor); inside transforms Python notes where it was born. */
static PyObject *gradient(PyObject *g, PyObject *desc) {
    PyObject *born, *made = NULL;
    if (PyContextVar_Get(S.born, NULL, &born) < 0) return NULL;
    long number = PyLong_AsLong(born);
    Py_DECREF(born);
    if (number) return PyObject_CallFunctionObjArgs(S.make_tensor, g, Py_None, desc, NULL);
    PyObject *described = desc == Py_None ? describe(g) : Py_NewRef(desc);
    if (described) made = make_tensor(g, described, NULL);
    Py_XDECREF(described);
    return made;
}

/* Set the gradient of a leaf; of kinds that hide it (ViewSink), by Python's attribute. */
static int set_gradient(PyObject *leaf, PyObject *made) {
    if (Py_TYPE(leaf) != S.AccumulateGrad) return PyObject_SetAttrString(leaf, "grad", made);
    PyObject *old = SLOT(leaf, S.a_grad);
    SLOT(leaf, S.a_grad) = Py_NewRef(made);
    Py_XDECREF(old);
    return 0;
}

static int accumulate(PyObject *leaf, PyObject *g) { /* steals `g` */
    PyObject *desc = SLOT(leaf, S.n_desc), *made = NULL;
    PyObject *old = Py_TYPE(leaf) == S.AccumulateGrad ? Py_NewRef(SLOT(leaf, S.a_grad))
                                                      : PyObject_GetAttrString(leaf, "grad");
    int failed = -1;
    if (old == Py_None && !owned(g, leaf)) {
        PyObject *two = PyLong_FromLong(2), *copy = NULL;
        if (two) copy = PyObject_CallFunctionObjArgs(S.own, g, leaf, two, NULL);
        Py_XDECREF(two);
        Py_DECREF(g);
        g = copy;
    }
    if (old == Py_None && g) {
        long storage = PyLong_AsLong(SLOT(desc, S.d_storage));
        made = gradient(g, storage == 0 ? desc : Py_None);
        if (made) failed = set_gradient(leaf, made);
    } else if (old && g) {
        made = PyObject_CallFunctionObjArgs(S.add_in_place, old, g, NULL);
        failed = made ? 0 : -1;
    }
    Py_XDECREF(made);
    Py_XDECREF(old);
    Py_XDECREF(g);
    return failed;
}

static int wanted(PyObject *leaf) { /* leaf.variable_requires_grad() */
    if (Py_TYPE(leaf) == S.AccumulateGrad) {
#if PY_VERSION_HEX >= 0x030D0000
        PyObject *tensor;
        int alive = PyWeakref_GetRef(SLOT(leaf, S.a_ref), &tensor);
        int same = alive <= 0 || SLOT(tensor, S.t_edge) == leaf;
        Py_XDECREF(tensor);
        return alive < 0 ? -1 : same;
#else
        PyObject *tensor = PyWeakref_GET_OBJECT(SLOT(leaf, S.a_ref));
        return tensor == Py_None || SLOT(tensor, S.t_edge) == leaf;
#endif
    }
    PyObject *found = PyObject_CallMethod(leaf, "variable_requires_grad", NULL);
    int truth = found ? PyObject_IsTrue(found) : -1;
    Py_XDECREF(found);
    return truth;
}

/* Accumulate at leaves that nobody watches, the last one that was reached first. */
int flush(PyObject *leaves) {
    PyObject *done = PyObject_CallNoArgs(S.lock);
    if (done == NULL) return -1;
    Py_DECREF(done);
    int failed = 0;
    PyObject *pairs = PyDict_Items(leaves);
    PyDict_Clear(leaves);
    if (pairs == NULL) failed = -1;
    for (Py_ssize_t i = pairs ? PyList_GET_SIZE(pairs) - 1 : -1; i >= 0 && !failed; i--) {
        PyObject *pair = Py_NewRef(PyList_GET_ITEM(pairs, i));
        if (PyList_SetSlice(pairs, i, i + 1, NULL) < 0) failed = -1;
        PyObject *leaf = Py_NewRef(PyTuple_GET_ITEM(pair, 0)), *g = Py_NewRef(PyTuple_GET_ITEM(pair, 1));
        Py_DECREF(pair);
        int want = failed ? 0 : wanted(leaf);
        if (want > 0) {
            failed = accumulate(leaf, g);
        } else {
            failed = want;
            Py_DECREF(g);
        }
        Py_DECREF(leaf);
    }
    Py_XDECREF(pairs);
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    done = PyObject_CallNoArgs(S.release);
    Py_XDECREF(done);
    if (type) PyErr_Restore(type, value, trace);
    return failed || done == NULL ? -1 : 0;
}
