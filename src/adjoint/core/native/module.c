/* The compiled core: the two hottest paths of the tape, the call of an operator and the straight walk, in C.

   In: what `setup` is told about the tape's classes. Out: `Call`, `PlanData`, `run_straight`, `describe`.
   It is optional: `adjoint build` compiles it, core/native/__init__.py loads it, and without it the Python
   that it repeats does the same, to the last bit. */

#define ADJOINT_MODULE
#include "state.h"

State S;

typedef struct {
    const char *name;
    PyObject **field;
} Given;

typedef struct {
    PyTypeObject **owner;
    const char *slot;
    Py_ssize_t *place;
} Place;

static PyTypeObject *array_type, *counter_type;

#define CLASS(name) {#name, (PyObject **)&S.name}
#define VALUE(name) {#name, &S.name}

static Given GIVEN[] = {
    CLASS(TensorBase), CLASS(Node), CLASS(AccumulateGrad), CLASS(OutEdge),
    CLASS(Descriptor), CLASS(Plan), {"ArrayType", (PyObject **)&array_type},
    {"Counter", (PyObject **)&counter_type}, {"Tensor", (PyObject **)&S.Tensor},
    VALUE(apply), VALUE(describe), VALUE(tie_view), VALUE(numpy),
    VALUE(make_tensor), VALUE(pull_quietly), VALUE(fit), VALUE(own), VALUE(add_in_place),
    VALUE(plus), VALUE(add_to), VALUE(run_large), VALUE(lock), VALUE(release), VALUE(mode), VALUE(sequence),
    VALUE(large), VALUE(forward_steps), VALUE(types), VALUE(warnings), VALUE(ignored), VALUE(born), {NULL, NULL},
};

static Place PLACES[] = {
    {&S.TensorBase, "_array", &S.t_array}, {&S.TensorBase, "_counter", &S.t_counter},
    {&S.TensorBase, "_desc", &S.t_desc}, {&S.TensorBase, "_edge", &S.t_edge},
    {&S.TensorBase, "_side", &S.t_side},
    {&S.Node, "counter", &S.n_counter}, {&S.Node, "desc", &S.n_desc}, {&S.Node, "edges", &S.n_edges},
    {&S.Node, "hooks", &S.n_hooks}, {&S.Node, "plan", &S.n_plan}, {&S.Node, "saved", &S.n_saved},
    {&S.Node, "seq", &S.n_seq}, {&S.Node, "versions", &S.n_versions},
    {&S.AccumulateGrad, "grad", &S.a_grad}, {&S.AccumulateGrad, "memory", &S.a_memory},
    {&S.AccumulateGrad, "_ref", &S.a_ref},
    {&S.OutEdge, "node", &S.o_node}, {&S.OutEdge, "nr", &S.o_nr}, {&S.OutEdge, "desc", &S.o_desc},
    {&S.Descriptor, "fast", &S.d_fast}, {&S.Descriptor, "result", &S.d_result},
    {&S.Descriptor, "type", &S.d_type}, {&S.Descriptor, "shape", &S.d_shape},
    {&S.Descriptor, "storage", &S.d_storage}, {&S.Descriptor, "numpy", &S.d_numpy},
    {&array_type, "pairs", &S.y_pairs}, {&array_type, "zero_d_pairs", &S.y_zero_d_pairs},
    {&array_type, "scalar", &S.y_scalar}, {&array_type, "zero_d", &S.y_zero_d},
    {&array_type, "shapes", &S.y_shapes},
    {&counter_type, "value", &S.c_value},
    {&S.Plan, "native", &S.p_native}, {NULL, NULL, NULL},
};

static int find_places(void) {
    for (Place *p = PLACES; p->place; p++) {
        if (*p->owner == NULL || *p->place) continue;
        PyObject *slot = PyObject_GetAttrString((PyObject *)*p->owner, p->slot);
        if (slot == NULL) return -1;
        if (Py_TYPE(slot) != &PyMemberDescr_Type) {
            PyErr_Format(PyExc_TypeError, "%s.%s is no slot", (*p->owner)->tp_name, p->slot);
            Py_DECREF(slot);
            return -1;
        }
        *p->place = ((PyMemberDescrObject *)slot)->d_member->offset;
        Py_DECREF(slot);
    }
    return 0;
}

/* setup(**what): the tape's classes and functions, in as many calls as suits the modules they are in. */
static PyObject *setup(PyObject *module, PyObject *args, PyObject *kwargs) {
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (kwargs && PyDict_Next(kwargs, &at, &name, &value)) {
        Given *given = GIVEN;
        while (given->name && PyUnicode_CompareWithASCIIString(name, given->name)) given++;
        if (given->name == NULL) {
            PyErr_Format(PyExc_TypeError, "setup() knows no '%U'", name);
            return NULL;
        }
        PyObject *old = *given->field;
        *given->field = Py_NewRef(value);
        Py_XDECREF(old);
    }
    if (find_places() < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *describe_raw(PyObject *module, PyObject *raw) { return describe(raw); }

static PyMethodDef METHODS[] = {
    {"setup", (PyCFunction)(void (*)(void))setup, METH_VARARGS | METH_KEYWORDS, NULL},
    {"run_straight", (PyCFunction)(void (*)(void))run_straight, METH_FASTCALL, NULL},
    {"describe", describe_raw, METH_O, "The descriptor of a raw array of any array library."},
    {NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, .m_name = "adjoint_native",
    .m_doc = "The hottest paths of adjoint's tape.", .m_size = -1, .m_methods = METHODS};

PyMODINIT_FUNC PyInit_adjoint_native(void) {
    import_array();
    if (PyType_Ready(&CallType) < 0 || PyType_Ready(&PlanDataType) < 0) return NULL;
    PyObject *module = PyModule_Create(&MODULE);
    if (module == NULL) return NULL;
    if ((S.empty = PyTuple_New(0)) == NULL ||
        PyModule_AddObjectRef(module, "Call", (PyObject *)&CallType) < 0 ||
        PyModule_AddObjectRef(module, "PlanData", (PyObject *)&PlanDataType) < 0)
        Py_CLEAR(module);
    return module;
}
