/* Calling an operator: the straight path of core/call.py, core/call_one.py and core/call_several.py.

   In: operands whose descriptors are the same object, or of one type. Out: a tensor, and a node if
   recording is on and an operand has an edge. Everything else goes to `apply` (core/record.py). */

#include "calls.h"

/* ---- one operand, two operands ---------------------------------------------------------------- */

PyObject *call_unary(Call *self, PyObject *input) {
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

PyObject *call_binary(Call *self, PyObject *input, PyObject *other) {
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

PyObject *call_predicate(Call *self, PyObject *input, PyObject *other) {
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

PyObject *general_named(Call *self, PyObject *const *operands, int count, PyObject *const *values,
                        PyObject *names) {
    PyObject *params = dict_of(values, names);
    PyObject *made = params ? general(self, operands, count, params) : NULL;
    Py_XDECREF(params);
    return made;
}

PyObject *call_several(Call *self, PyObject *const *operands, PyObject *const *values,
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

PyObject *call_number(Call *self, PyObject *input, PyObject *number) {
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
