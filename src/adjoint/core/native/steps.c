/* Functions of arrays as lists of steps, which C runs: rules, and forwards that are more than one operation.

   In: what core/native/steps.py wrote down of a function. Out: its result for other values, by the same operations
   in the same order, each of them Python's own. */

#include "state.h"

/* ((function or code, a, b, c), ...), constants, place of the result */
int read_steps(Steps *steps, int given, PyObject *written) {
    PyObject *list, *constants;
    steps->count = -1;
    steps->given = given;
    if (written == Py_None) return 0;
    if (!PyArg_ParseTuple(written, "O!O!i", &PyTuple_Type, &list, &PyTuple_Type, &constants, &steps->result))
        return -1;
    Py_ssize_t count = PyTuple_GET_SIZE(list), fixed = PyTuple_GET_SIZE(constants);
    if (given + fixed + count > ROOM) return 0;
    if (steps->result < 0 || steps->result >= given + fixed + count) {
        PyErr_SetString(PyExc_ValueError, "no such value");
        return -1;
    }
    steps->steps = PyMem_Calloc(count + 1, sizeof(Step));
    steps->constants = PyMem_Calloc(fixed + 1, sizeof(PyObject *));
    if (!steps->steps || !steps->constants) {
        PyErr_NoMemory();
        return -1;
    }
    for (; steps->constants_count < fixed; steps->constants_count++)
        steps->constants[steps->constants_count] = Py_NewRef(PyTuple_GET_ITEM(constants, steps->constants_count));
    for (Py_ssize_t i = 0; i < count; i++) {
        Step *step = &steps->steps[i];
        PyObject *parts = PyTuple_GET_ITEM(list, i), *what;
        if (!PyTuple_Check(parts) || PyTuple_GET_SIZE(parts) < 2 || PyTuple_GET_SIZE(parts) > 4) {
            PyErr_SetString(PyExc_ValueError, "a step has one to three operands");
            return -1;
        }
        what = PyTuple_GET_ITEM(parts, 0);
        step->count = (int)PyTuple_GET_SIZE(parts) - 1;
        for (int k = 0; k < step->count; k++) {
            step->a[k] = (int)PyLong_AsLong(PyTuple_GET_ITEM(parts, k + 1));
            if (step->a[k] < 0 || step->a[k] >= given + fixed + i) {
                if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "no such value");
                return -1;
            }
        }
        if (PyLong_Check(what)) {
            step->function_of = (int)PyLong_AsLong(what);
        } else {
            step->function_of = OTHER;
            step->function = Py_NewRef(what);
        }
        steps->count = (int)i + 1;
    }
    steps->count = (int)count;
    return 0;
}

PyObject *run_steps(const Steps *steps, PyObject *const *given) {
    PyObject *values[ROOM], *made = NULL;
    int base = 0, done = 0;
    for (; base < steps->given; base++) values[base] = given[base];
    for (int i = 0; i < steps->constants_count; i++) values[base++] = steps->constants[i];
    for (; done < steps->count; done++) {
        const Step *step = &steps->steps[done];
        PyObject *operands[3] = {NULL, NULL, NULL}, *result;
        for (int k = 0; k < step->count; k++) operands[k] = values[step->a[k]];
        if (step->function_of == OTHER)
            result = PyObject_Vectorcall(step->function, operands, step->count, NULL);
        else
            result = arithmetic(step->function_of, operands[0], operands[1]);
        if (result == NULL) break;
        values[base + done] = result;
    }
    if (done == steps->count) made = Py_NewRef(values[steps->result]);
    for (int i = 0; i < done; i++) Py_DECREF(values[base + i]);
    return made;
}

int visit_steps(const Steps *steps, visitproc visit, void *arg) {
    for (int k = 0; k < steps->count; k++) Py_VISIT(steps->steps[k].function);
    for (int k = 0; k < steps->constants_count; k++) Py_VISIT(steps->constants[k]);
    return 0;
}

void clear_steps(Steps *steps) {
    for (int k = 0; k < steps->count; k++) Py_CLEAR(steps->steps[k].function);
    for (int k = 0; k < steps->constants_count; k++) Py_CLEAR(steps->constants[k]);
    PyMem_Free(steps->steps);
    PyMem_Free(steps->constants);
    steps->steps = NULL;
    steps->constants = NULL;
    steps->count = steps->constants_count = 0;
}
