/* Calling an operator: the straight path of core/call.py, core/call_one.py and core/call_several.py.

   In: operands whose descriptors are the same object, or of one type. Out: a tensor, and a node if
   recording is on and an operand has an edge. Everything else goes to `apply` (core/record.py). */

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
    PlanPair plans[8], fitting[4];
    PyTypeObject *node_class;
} Call;

/* ---- what every call makes ------------------------------------------------------------------- */

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

static PyObject *general(Call *self, PyObject *const *operands, int count, PyObject *params) {
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
static int may_retry(void) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError) || PyErr_ExceptionMatches(PyExc_ValueError) ||
        PyErr_ExceptionMatches(PyExc_OverflowError) ||
        PyErr_ExceptionMatches(PyExc_RuntimeWarning) ||
        PyErr_ExceptionMatches(PyExc_FloatingPointError)) {
        PyErr_Clear();
        return 1;
    }
    return 0;
}

static PyObject *dict_of(PyObject *const *values, PyObject *names) {
    PyObject *made = PyDict_New();
    Py_ssize_t count = names ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; made && i < count; i++)
        if (PyDict_SetItem(made, PyTuple_GET_ITEM(names, i), values[i]) < 0) Py_CLEAR(made);
    return made;
}

/* The plan for the wanted operands (a bit each), made when it is first needed. */
static PlanPair *plan_for(Call *self, int needs, int fitting) {
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
static PyObject *gather(Call *self, PlanPair *pair, PyObject *const *operands, PyObject *raw,
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
static PyObject *versions_of(PyObject *saved) {
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
static PyObject *make_node(Call *self, PlanPair *pair, PyObject *const *edges, PyObject *saved,
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

/* The raw result of the operator's function on one or two raw arrays. */
static PyObject *forward(Call *self, int code, PyObject *a, PyObject *b) {
    if (code != OTHER) {
        PyObject *made = compute(code, a, b);
        if (made || PyErr_Occurred()) return made;
    }
    PyObject *token = self->quiet ? silence() : NULL;
    if (self->quiet && token == NULL) return NULL;
    PyObject *raw, *pair[2] = {a, b};
    Py_INCREF(a); /* the tensors hold them; what runs now might give the tensors others */
    Py_XINCREF(b);
    if (code != OTHER)
        raw = arithmetic(code, a, b);
    else
        raw = PyObject_Vectorcall(self->function, pair, b ? 2 : 1, NULL);
    Py_DECREF(a);
    Py_XDECREF(b);
    if (token && restore(token) < 0) Py_CLEAR(raw);
    return raw;
}

static inline int bit(PyObject *edge) { return edge != Py_None; }

/* ---- one operand, two operands ---------------------------------------------------------------- */

/* A result and, where `needs` has bits, its node; takes over `raw`. */
static PyObject *finish(Call *self, PyObject *raw, PyObject *desc, PlanPair *pair,
                        PyObject *const *edges, PyObject *saved, int counted) {
    PyObject *node = NULL, *made = NULL;
    if (pair) node = make_node(self, pair, edges, saved, counted, desc);
    if (!pair || node) made = make_tensor(raw, desc, node);
    Py_XDECREF(node);
    Py_DECREF(raw);
    return made;
}

static PyObject *call_unary(Call *self, PyObject *input) {
    if (!is_tensor(input)) return general(self, &input, 1, NULL);
    PyObject *desc = SLOT(input, S.t_desc);
    long level = level_of(desc), mode = current_mode();
    int whole = self->kind == WHOLE;
    if (mode < 0) return NULL;
    if (level < self->level || mode > 1 || SLOT(input, S.t_array) == NULL)
        return general(self, &input, 1, NULL);
    PyObject *raw = forward(self, self->code, SLOT(input, S.t_array), NULL);
    if (raw == NULL) return may_retry() ? general(self, &input, 1, NULL) : NULL;
    PyObject *edge = SLOT(input, S.t_edge); /* as it is now: what ran might have changed it */
    PyObject *result =
        whole ? SLOT(SLOT(desc, S.d_type), S.y_scalar) : SLOT(desc, S.d_result);
    if (edge == Py_None || !mode || !self->differentiable)
        return finish(self, raw, result, NULL, NULL, NULL, 0);
    PlanPair *pair = plan_for(self, 1, !whole);
    if (pair == NULL) {
        Py_DECREF(raw);
        return NULL;
    }
    PyObject *saved = gather(self, pair, &input, raw, NULL, NULL);
    return finish(self, raw, result, pair, &edge, saved, SLOT(input, S.t_counter) != Py_None);
}

/* The constant for a Python number, in a tuple (Descriptor.pair). New reference. */
static PyObject *pair_of(PyObject *desc, PyObject *number) {
    PyObject *type = SLOT(desc, S.d_type);
    long storage = PyLong_AsLong(SLOT(desc, S.d_storage));
    PyObject *kept = SLOT(type, storage == 1 ? S.y_pairs : S.y_zero_d_pairs);
    PyObject *found = PyDict_GetItemWithError(kept, number);
    if (found) return Py_NewRef(found);
    return PyErr_Occurred() ? NULL : PyObject_CallMethod(desc, "pair", "O", number);
}

static PyObject *call_with_number(Call *self, PyObject *input, PyObject *number) {
    PyObject *operands[2] = {input, number};
    PyObject *desc = SLOT(input, S.t_desc);
    long level = level_of(desc), mode = current_mode();
    if (mode < 0) return NULL;
    if (level < self->level || (PyFloat_CheckExact(number) && level != 2) || mode > 1)
        return general(self, operands, 2, NULL);
    PyObject *constant = pair_of(desc, number), *raw = NULL;
    if (constant) raw = forward(self, self->code, SLOT(input, S.t_array), PyTuple_GET_ITEM(constant, 0));
    if (raw == NULL) {
        Py_XDECREF(constant);
        return may_retry() ? general(self, operands, 2, NULL) : NULL;
    }
    PlanPair *pair = NULL;
    PyObject *saved = NULL, *edges[2] = {SLOT(input, S.t_edge), Py_None};
    int counted = 0;
    if (edges[0] != Py_None && mode && self->differentiable) {
        pair = plan_for(self, 1, 1);
        if (pair == NULL) {
            Py_DECREF(raw);
            Py_DECREF(constant);
            return NULL;
        }
        if (pair->data->count == 1 && pair->data->kinds[0] == OPERAND && pair->data->places[0] == 1) {
            saved = Py_NewRef(constant);
        } else {
            operands[1] = PyTuple_GET_ITEM(constant, 0);
            saved = gather(self, pair, operands, raw, NULL, NULL);
            counted = pair->data->count && SLOT(input, S.t_counter) != Py_None;
        }
    }
    Py_DECREF(constant);
    return finish(self, raw, SLOT(desc, S.d_result), pair, edges, saved, counted);
}

static PyObject *call_binary(Call *self, PyObject *input, PyObject *other) {
    PyObject *operands[2] = {input, other};
    if (!is_tensor(input)) return general(self, operands, 2, NULL);
    if (PyFloat_CheckExact(other) || PyLong_CheckExact(other))
        return call_with_number(self, input, other);
    if (!is_tensor(other)) return general(self, operands, 2, NULL);
    PyObject *desc = SLOT(input, S.t_desc), *second = SLOT(other, S.t_desc);
    long level = level_of(desc), mode = current_mode();
    if (mode < 0) return NULL;
    int same = desc == second;
    if (level < self->level || mode > 1 ||
        (!same && (level_of(second) < 1 || SLOT(desc, S.d_type) != SLOT(second, S.d_type))))
        return general(self, operands, 2, NULL);
    PyObject *raw = forward(self, self->code, SLOT(input, S.t_array), SLOT(other, S.t_array));
    if (raw == NULL) return may_retry() ? general(self, operands, 2, NULL) : NULL;
    PyObject *edges[2] = {SLOT(input, S.t_edge), SLOT(other, S.t_edge)};
    PyObject *result = same ? Py_NewRef(SLOT(desc, S.d_result)) : describe(raw);
    int needs = mode && self->differentiable ? bit(edges[0]) + 2 * bit(edges[1]) : 0;
    PlanPair *pair = result && needs ? plan_for(self, needs, same) : NULL;
    if (result == NULL || (needs && pair == NULL)) {
        Py_XDECREF(result);
        Py_DECREF(raw);
        return NULL;
    }
    PyObject *saved = pair ? gather(self, pair, operands, raw, NULL, NULL) : NULL;
    int counted = SLOT(input, S.t_counter) != Py_None || SLOT(other, S.t_counter) != Py_None;
    PyObject *made =
        finish(self, raw, result, pair, edges, saved, counted && pair && pair->data->count);
    Py_DECREF(result);
    return made;
}

static PyObject *call_predicate(Call *self, PyObject *input, PyObject *other) {
    PyObject *operands[2] = {input, other};
    if (!is_tensor(input)) return general(self, operands, 2, NULL);
    PyObject *desc = SLOT(input, S.t_desc), *second = NULL, *constant = NULL;
    long level = level_of(desc), mode = current_mode();
    if (mode < 0) return NULL;
    if (level < 1 || mode > 1) return general(self, operands, 2, NULL);
    if (PyFloat_CheckExact(other) || PyLong_CheckExact(other)) {
        if (PyFloat_CheckExact(other) && level != 2) return general(self, operands, 2, NULL);
        constant = pair_of(desc, other);
        if (constant) second = PyTuple_GET_ITEM(constant, 0);
    } else if (is_tensor(other)) {
        PyObject *described = SLOT(other, S.t_desc);
        if (level_of(described) < 1 || SLOT(described, S.d_type) != SLOT(desc, S.d_type))
            return general(self, operands, 2, NULL);
        second = SLOT(other, S.t_array);
    } else {
        return general(self, operands, 2, NULL);
    }
    PyObject *raw = second ? forward(self, self->code, SLOT(input, S.t_array), second) : NULL;
    Py_XDECREF(constant);
    if (raw == NULL) return may_retry() ? general(self, operands, 2, NULL) : NULL;
    PyObject *result = describe(raw);
    if (result == NULL) {
        Py_DECREF(raw);
        return NULL;
    }
    PyObject *made = finish(self, raw, result, NULL, NULL, NULL, 0);
    Py_DECREF(result);
    return made;
}

/* ---- operands and parameters ------------------------------------------------------------------ */

/* `function(numpy_, *raws, **parameters)`. */
static PyObject *forward_with(Call *self, PyObject *const *raws, int count, PyObject *const *values,
                              PyObject *names) {
    PyObject *stack[24];
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    if (named > 16) {
        PyErr_SetString(PyExc_TypeError, "too many keyword arguments");
        return NULL;
    }
    stack[0] = S.numpy;
    for (int i = 0; i < count; i++) stack[1 + i] = Py_NewRef(raws[i]);
    for (Py_ssize_t i = 0; i < named; i++) stack[1 + count + i] = values[i];
    PyObject *raw = PyObject_Vectorcall(self->function, stack, 1 + count, names);
    for (int i = 0; i < count; i++) Py_DECREF(stack[1 + i]);
    return raw;
}

/* A view of `array`: `function(array, parameters)` or `function(numpy_, array, **parameters)`. */
static PyObject *forward_view(Call *self, PyObject *input, PyObject *array, PyObject *params,
                              PyObject *const *values, PyObject *names) {
    PyObject *raw = NULL, *memory = Py_NewRef(array); /* what runs might give the tensor another */
    if (!PyArray_CheckExact(array)) Py_SETREF(memory, PyObject_CallMethod(input, "_memory", NULL));
    if (memory == NULL) return NULL;
    if (self->direct) {
        PyObject *stack[2] = {memory, params};
        raw = PyObject_Vectorcall(self->function, stack, 2, NULL);
    } else {
        raw = forward_with(self, &memory, 1, values, names);
    }
    Py_DECREF(memory);
    return raw;
}

static PyObject *general_named(Call *self, PyObject *const *operands, int count,
                               PyObject *const *values, PyObject *names) {
    PyObject *params = dict_of(values, names);
    PyObject *made = params ? general(self, operands, count, params) : NULL;
    Py_XDECREF(params);
    return made;
}

static PyObject *call_several(Call *self, PyObject *const *operands, PyObject *const *values,
                              PyObject *names) {
    PyObject *raws[3], *edges[3], *type = NULL;
    int count = self->operands, needs = 0, counted = 0;
    long mode = current_mode();
    if (mode < 0) return NULL;
    if (mode > 1) return general_named(self, operands, count, values, names);
    for (int i = 0; i < count; i++) {
        if (i == 2 && operands[i] == Py_None) { /* no bias, no weight */
            raws[i] = Py_None;
            continue;
        }
        if (!is_tensor(operands[i])) return general_named(self, operands, count, values, names);
        PyObject *desc = SLOT(operands[i], S.t_desc);
        long level = level_of(desc);
        if (level < (i ? 1 : self->level) ||
            (i && self->alike >> i & 1 && SLOT(desc, S.d_type) != type))
            return general_named(self, operands, count, values, names);
        if (!i) type = SLOT(desc, S.d_type);
        raws[i] = SLOT(operands[i], S.t_array);
    }
    PyObject *params = self->view ? dict_of(values, names) : NULL, *raw;
    if (self->view)
        raw = params ? forward_view(self, operands[0], raws[0], params, values, names) : NULL;
    else
        raw = forward_with(self, raws, count, values, names);
    PyObject *desc = raw ? describe(raw) : NULL, *made = NULL;
    if (desc == NULL) {
        Py_XDECREF(raw);
        Py_XDECREF(params);
        if (!may_retry()) return NULL;
        return general_named(self, operands, count, values, names);
    }
    for (int i = 0; i < count; i++) { /* as they are now: what ran might have changed them */
        int given = operands[i] != Py_None;
        edges[i] = given ? SLOT(operands[i], S.t_edge) : Py_None;
        if (edges[i] != Py_None && self->wants >> i & 1) needs |= 1 << i;
        if (given && SLOT(operands[i], S.t_counter) != Py_None) counted = 1;
    }
    PlanPair *pair = NULL;
    PyObject *saved = NULL;
    /* numbers of another type than the first operand's: casts belong to the general path; of one
       operand, only results that can have a derivative are recorded */
    if (needs && mode) {
        int recorded = 1;
        if (count > 1 && SLOT(desc, S.d_type) != type) { /* (no view) */
            Py_DECREF(raw);
            Py_DECREF(desc);
            return general_named(self, operands, count, values, names);
        }
        if (count == 1 && SLOT(desc, S.d_type) != type) {
            PyObject *dtype = PyObject_GetAttrString(desc, "dtype"), *category = NULL;
            if (dtype) category = PyObject_GetAttrString(dtype, "category");
            recorded = category ? PyLong_AsLong(category) > 1 : -1;
            Py_XDECREF(dtype);
            Py_XDECREF(category);
        }
        if (recorded > 0) {
            pair = plan_for(self, needs, 0);
            if (pair) saved = gather(self, pair, operands, raw, values, names);
        }
        if (recorded < 0 || (recorded && !saved)) {
            Py_XDECREF(params);
            Py_DECREF(raw);
            Py_DECREF(desc);
            return NULL;
        }
    }
    made = finish(self, raw, desc, pair, edges, saved, counted);
    Py_DECREF(desc);
    if (made && self->view) {
        PyObject *bits = PyLong_FromLong(mode), *done = NULL;
        if (bits)
            done = PyObject_CallFunctionObjArgs(S.tie_view, self->op, operands[0], made, params,
                                                bits, NULL);
        Py_XDECREF(bits);
        if (done == NULL) Py_CLEAR(made);
        Py_XDECREF(done);
    }
    Py_XDECREF(params);
    return made;
}

/* ---- one operand and a number ----------------------------------------------------------------- */

/* Whether a number becomes the operand's type in one rounding (Note [Numbers] of core/call_one.py). */
static int rounds_once(PyObject *number) {
    double limit = 9007199254740992.0, value;
    if (PyFloat_CheckExact(number)) {
        value = PyFloat_AS_DOUBLE(number);
    } else {
        int overflow;
        long long whole = PyLong_AsLongLongAndOverflow(number, &overflow);
        if (overflow || whole >= 1LL << 53 || whole <= -(1LL << 53)) return 0;
        value = (double)whole;
    }
    return value < limit && value > -limit;
}

static int is_two(PyObject *number) {
    int overflow;
    return PyLong_CheckExact(number) && PyLong_AsLongAndOverflow(number, &overflow) == 2;
}

static PyObject *call_number(Call *self, PyObject *input, PyObject *number) {
    if (!is_tensor(input) || (!PyFloat_CheckExact(number) && !PyLong_CheckExact(number)))
        return general_named(self, &input, 1, &number, self->parameters);
    PyObject *desc = SLOT(input, S.t_desc), *array = SLOT(input, S.t_array), *raw = NULL;
    long level = level_of(desc), mode = current_mode();
    if (mode < 0) return NULL;
    int constant = self->code != POWER; /* arithmetic of the number's constant and the operand */
    if (level < 2 || mode > 1 || array == NULL || (constant && !rounds_once(number)))
        return general_named(self, &input, 1, &number, self->parameters);
    if (constant) {
        PyObject *pair = pair_of(desc, number);
        if (pair) raw = forward(self, self->code, PyTuple_GET_ITEM(pair, 0), array);
        Py_XDECREF(pair);
    } else if (is_two(number)) {
        raw = forward(self, MUL, array, array);
    } else {
        raw = forward(self, OTHER, array, number);
    }
    if (raw == NULL)
        return may_retry() ? general_named(self, &input, 1, &number, self->parameters) : NULL;
    PyObject *edge = SLOT(input, S.t_edge), *result = SLOT(desc, S.d_result), *saved = NULL;
    PlanPair *pair = NULL;
    int counted = 0;
    if (edge != Py_None && mode && self->differentiable) {
        pair = plan_for(self, 1, 1);
        if (pair == NULL) {
            Py_DECREF(raw);
            return NULL;
        }
        saved = gather(self, pair, &input, raw, &number, self->parameters);
        counted = pair->data->count && SLOT(input, S.t_counter) != Py_None;
    }
    return finish(self, raw, result, pair, &edge, saved, counted);
}

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
    } else     if (self->kind == BINARY)
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
    return (PyObject *)self;
}

static int call_traverse(Call *self, visitproc visit, void *arg) {
    Py_VISIT(self->dict);
    Py_VISIT(self->op);
    Py_VISIT(self->function);
    Py_VISIT(self->parameters);
    Py_VISIT(self->node_class);
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
