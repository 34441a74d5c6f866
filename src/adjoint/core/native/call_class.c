/* The class of what users call: arguments sorted out, the object's own affairs.

   In: arguments as Python passes them. Out: a call of the kind that the operator is (calls.c), or Python's own error
   for wrong ones. */

#include "calls.h"

/* ---- the object ------------------------------------------------------------------------------- */

static PyObject *wrong_arguments(Call *self, Py_ssize_t given) {
    PyObject *name = PyObject_GetAttrString((PyObject *)self, "__name__");
    if (name)
        PyErr_Format(PyExc_TypeError, "%U() takes %d positional argument%s but %zd %s given", name,
                     self->operands, self->operands == 1 ? "" : "s", given,
                     given == 1 ? "was" : "were");
    Py_XDECREF(name);
    return NULL;
}

/* Operands that were given by their names, put where they belong; the rest are parameters. */
static PyObject *call_by_name(Call *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *operands = PyObject_GetAttrString(self->op, "operands"), *made = NULL;
    PyObject *given[3] = {NULL, NULL, NULL}, *values[16], *rest = PyList_New(0), *left = NULL;
    Py_ssize_t named = PyTuple_GET_SIZE(names);
    int kept = 0, positional = (int)count;
    if (operands == NULL || rest == NULL || named > 16) goto end;
    for (Py_ssize_t i = 0; i < count; i++) given[i] = args[i];
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        int place = -1;
        for (int k = 0; self->kind != THREE && k < self->operands; k++)
            if (PyUnicode_Compare(PyTuple_GET_ITEM(operands, k), name) == 0) place = k;
        if (place >= 0 && given[place] == NULL) {
            given[place] = args[count + i];
            positional++;
        } else if (place < 0 && self->kind >= NUMBER) {
            if (PyList_Append(rest, name) < 0) goto end;
            values[kept++] = args[count + i];
        } else {
            PyObject *shown = PyObject_GetAttrString((PyObject *)self, "__name__");
            if (shown)
                PyErr_Format(PyExc_TypeError, "%U() got %s argument '%U'", shown,
                             place < 0 ? "an unexpected keyword" : "multiple values for", name);
            Py_XDECREF(shown);
            goto end;
        }
    }
    for (int k = 0; k < self->operands; k++)
        if (given[k] == NULL) {
            if (self->kind == THREE && k == 2 && positional == 2) {
                given[k] = Py_None;
                continue;
            }
            wrong_arguments(self, positional);
            goto end;
        }
    left = PyList_AsTuple(rest);
    if (left == NULL) goto end;
    if (self->kind == NUMBER) {
        if (kept == 1 && PyUnicode_Compare(PyTuple_GET_ITEM(left, 0),
                                           PyTuple_GET_ITEM(self->parameters, 0)) == 0)
            made = call_number(self, given[0], values[0]);
        else
            made = general_named(self, given, 1, values, kept ? left : NULL);
    } else if (self->kind == BINARY)
        made = call_binary(self, given[0], given[1]);
    else if (self->kind == PREDICATE)
        made = call_predicate(self, given[0], given[1]);
    else if (self->kind == UNARY || self->kind == WHOLE)
        made = call_unary(self, given[0]);
    else
        made = call_several(self, given, values, kept ? left : NULL);
end:
    Py_XDECREF(operands);
    Py_XDECREF(rest);
    Py_XDECREF(left);
    return made;
}

static PyObject *call(PyObject *object, PyObject *const *args, size_t flagged, PyObject *names) {
    Call *self = (Call *)object;
    Py_ssize_t count = PyVectorcall_NARGS(flagged);
    if (self->kind == NUMBER && count == 2 && !names) return call_number(self, args[0], args[1]);
    if (count > self->operands) return wrong_arguments(self, count);
    if (names && !PyTuple_GET_SIZE(names)) names = NULL;
    if (self->kind == THREE && self->operands == 3 && count == 2) {
        PyObject *given[3] = {args[0], args[1], Py_None};
        return call_several(self, given, args + 2, names);
    }
    if (count == self->operands) switch (self->kind) {
        case BINARY:
            if (!names) return call_binary(self, args[0], args[1]);
            break;
        case UNARY:
        case WHOLE:
            if (!names) return call_unary(self, args[0]);
            break;
        case PREDICATE:
            if (!names) return call_predicate(self, args[0], args[1]);
            break;
        case NUMBER: break;
        default: return call_several(self, args, args + count, names);
        }
    if (names) return call_by_name(self, args, count, names);
    return wrong_arguments(self, count);
}

static PyObject *call_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *words[] = {"op",       "function",       "kind",  "code",  "quiet", "level",
                            "operands", "differentiable", "wants", "alike", "view",  "direct",
                            "parameters", NULL};
    PyObject *op, *function, *parameters;
    int kind, code, quiet, operands, differentiable, wants, alike, view, direct;
    long level;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOiiplipiippO!", words, &op, &function, &kind,
                                     &code, &quiet, &level, &operands, &differentiable, &wants,
                                     &alike, &view, &direct, &PyTuple_Type, &parameters))
        return NULL;
    int least = kind == BINARY || kind == PREDICATE ? 2 : kind == THREE ? 2 : 1;
    if (kind < UNARY || kind > THREE || code < ADD || code > POWER || operands < least ||
        operands > (kind == THREE ? 3 : least) || (kind == NUMBER && PyTuple_GET_SIZE(parameters) != 1) ||
        (kind == NUMBER ? code == NEG || code == OTHER : code == POWER)) {
        PyErr_SetString(PyExc_ValueError, "no such kind of call");
        return NULL;
    }
    Call *self = (Call *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->vectorcall = call;
    self->op = Py_NewRef(op);
    self->function = Py_NewRef(function);
    self->kind = kind;
    self->code = code;
    self->quiet = quiet;
    self->level = level;
    self->operands = operands;
    self->differentiable = differentiable;
    self->wants = wants;
    self->alike = alike;
    self->view = view;
    self->direct = direct;
    self->parameters = Py_NewRef(parameters);
    self->steps.count = -1;
    self->looked = code != OTHER || kind > BINARY;
    return (PyObject *)self;
}

static int call_traverse(Call *self, visitproc visit, void *arg) {
    Py_VISIT(self->dict);
    Py_VISIT(self->op);
    Py_VISIT(self->function);
    Py_VISIT(self->parameters);
    Py_VISIT(self->node_class);
    int stopped = visit_steps(&self->steps, visit, arg);
    if (stopped) return stopped;
    for (int i = 0; i < 8; i++) {
        Py_VISIT(self->plans[i].plan);
        Py_VISIT(self->plans[i].data);
    }
    for (int i = 0; i < 4; i++) {
        Py_VISIT(self->fitting[i].plan);
        Py_VISIT(self->fitting[i].data);
    }
    return 0;
}

static int call_clear(Call *self) {
    Py_CLEAR(self->dict);
    Py_CLEAR(self->op);
    Py_CLEAR(self->function);
    Py_CLEAR(self->parameters);
    Py_CLEAR(self->node_class);
    clear_steps(&self->steps);
    for (int i = 0; i < 8; i++) {
        Py_CLEAR(self->plans[i].plan);
        Py_CLEAR(self->plans[i].data);
    }
    for (int i = 0; i < 4; i++) {
        Py_CLEAR(self->fitting[i].plan);
        Py_CLEAR(self->fitting[i].data);
    }
    return 0;
}

static void call_dealloc(Call *self) {
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) PyObject_ClearWeakRefs((PyObject *)self);
    call_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *call_get(PyObject *self, PyObject *instance, PyObject *owner) {
    if (instance == NULL || instance == Py_None) return Py_NewRef(self);
    return PyMethod_New(self, instance);
}

static PyObject *call_repr(Call *self) {
    PyObject *name = PyObject_GetAttrString((PyObject *)self, "__name__"), *made = NULL;
    if (name) made = PyUnicode_FromFormat("<function %U at %p>", name, self);
    Py_XDECREF(name);
    return made;
}

/* Pickled and copied by name, as functions are. */
static PyObject *call_reduce(PyObject *self, PyObject *unused) {
    return PyObject_GetAttrString(self, "__qualname__");
}

static PyMethodDef call_methods[] = {{"__reduce__", call_reduce, METH_NOARGS, NULL}, {NULL}};
static PyGetSetDef call_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL}, {NULL}};

PyTypeObject CallType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "adjoint.core.native.Call",
    .tp_basicsize = sizeof(Call),
    .tp_doc = "The function that users call for an operator.",
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_new = call_new,
    .tp_dealloc = (destructor)call_dealloc,
    .tp_traverse = (traverseproc)call_traverse,
    .tp_clear = (inquiry)call_clear,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Call, vectorcall),
    .tp_dictoffset = offsetof(Call, dict),
    .tp_weaklistoffset = offsetof(Call, weakrefs),
    .tp_descr_get = call_get,
    .tp_repr = (reprfunc)call_repr,
    .tp_methods = call_methods,
    .tp_getset = call_getset,
};
