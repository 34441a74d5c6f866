/* The straight walk: core/straight.py, statement by statement.

   In: roots, whether to keep saved values, where the cotangents of leaves are to go. Out: None when all is
   done, or the state in which core/engine.py goes on. */

#include "state.h"

#define BIG (1 << 16) /* elements from which a sum may be worth making in place */
#define LARGE (1 << 21) /* elements from which several nodes may be run at once, in Python (tiles.LARGE) */
#define MOST 64       /* operands of a node that are pulled without Python */

typedef struct {
    long long *items;
    Py_ssize_t count, room;
} Heap; /* the youngest node first */

typedef struct {
    Heap heap;
    PyObject *entries, *leaves, *needed; /* needed: a set of numbers, or NULL for all */
} Walk;

static int push(Heap *heap, long long item) {
    if (heap->count == heap->room) {
        Py_ssize_t room = heap->room ? 2 * heap->room : 64;
        long long *items = PyMem_Realloc(heap->items, room * sizeof(long long));
        if (items == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        heap->items = items;
        heap->room = room;
    }
    Py_ssize_t i = heap->count++;
    while (i && heap->items[(i - 1) / 2] < item) {
        heap->items[i] = heap->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->items[i] = item;
    return 0;
}

static long long pop(Heap *heap) {
    long long top = heap->items[0], last = heap->items[--heap->count];
    Py_ssize_t i = 0;
    for (;;) {
        Py_ssize_t child = 2 * i + 1;
        if (child >= heap->count) break;
        if (child + 1 < heap->count && heap->items[child + 1] > heap->items[child]) child++;
        if (heap->items[child] <= last) break;
        heap->items[i] = heap->items[child];
        i = child;
    }
    heap->items[i] = last;
    return top;
}

/* The heap as Python's has it: negated, smallest first. A sorted list is one. */
static PyObject *heap_list(Heap *heap) {
    PyObject *made = PyList_New(0);
    while (made && heap->count) {
        PyObject *item = PyLong_FromLongLong(-pop(heap));
        if (item == NULL || PyList_Append(made, item) < 0) Py_CLEAR(made);
        Py_XDECREF(item);
    }
    return made;
}

/* ---- edges ------------------------------------------------------------------------------------- */

/* Whether an edge ends at a leaf; -1 with an error (an edge of a view without a future). */
static int is_leaf(PyObject *edge) {
    PyTypeObject *type = Py_TYPE(edge);
    if (type == S.AccumulateGrad) return 1;
    if (type == S.OutEdge || type->tp_base == S.Node) return 0;
    PyObject *leaf = PyObject_GetAttrString(edge, "leaf");
    if (leaf == NULL) return -1;
    if (!PyType_IsSubtype(type, S.Node)) {
        PyErr_Format(PyExc_SystemError, "an edge of type %s", type->tp_name);
        Py_DECREF(leaf);
        return -1;
    }
    int truth = PyObject_IsTrue(leaf);
    Py_DECREF(leaf);
    return truth;
}

static PyObject *desc_of(PyObject *edge) { /* borrowed; of an edge that `is_leaf` knows */
    return SLOT(edge, Py_TYPE(edge) == S.OutEdge ? S.o_desc : S.n_desc);
}

/* Whether the walk is to reach the node or leaf that an edge leads to. */
static int is_needed(Walk *walk, PyObject *edge) {
    if (walk->needed == NULL) return 1;
    PyObject *node = Py_TYPE(edge) == S.OutEdge ? SLOT(edge, S.o_node) : edge;
    return PySet_Contains(walk->needed, SLOT(node, S.n_seq));
}

/* Add two cotangents. `alone`: nobody but the walk holds the first one. Steals the first. */
static PyObject *plus(PyObject *old, PyObject *h, int alone) {
    if (Py_TYPE(old) == &PyArray_Type && PyArray_SIZE((PyArrayObject *)old) >= BIG) {
        if (alone && Py_REFCNT(old) == 1) {
            PyObject *done = PyObject_CallFunctionObjArgs(S.add_to, old, h, NULL);
            if (done == NULL) {
                Py_DECREF(old);
                return NULL;
            }
            Py_DECREF(done);
            if (done == Py_True) return old;
        }
        PyObject *made = PyObject_CallFunctionObjArgs(S.plus, old, h, NULL);
        Py_DECREF(old);
        return made;
    }
    PyObject *made = arithmetic(ADD, old, h);
    if (made == NULL && (PyErr_ExceptionMatches(PyExc_RuntimeWarning) ||
                         PyErr_ExceptionMatches(PyExc_FloatingPointError))) {
        PyErr_Clear();
        made = PyObject_CallFunctionObjArgs(S.plus, old, h, NULL);
    }
    Py_DECREF(old);
    return made;
}

static int arrive_at_leaf(Walk *walk, PyObject *edge, PyObject *h) {
    PyObject *old = PyDict_GetItemWithError(walk->leaves, edge);
    if (old == NULL) return PyErr_Occurred() ? -1 : PyDict_SetItem(walk->leaves, edge, h);
    Py_INCREF(old);
    if (PyDict_SetItem(walk->leaves, edge, Py_None) < 0) { /* so that ours is the only reference */
        Py_DECREF(old);
        return -1;
    }
    PyObject *made = plus(old, h, 1);
    if (made == NULL) return -1;
    int failed = PyDict_SetItem(walk->leaves, edge, made);
    Py_DECREF(made);
    return failed;
}

/* Put `old + h`, or `h`, at a place of a list. */
static int add_at(PyObject *list, Py_ssize_t i, PyObject *h, int alone) {
    PyObject *old = PyList_GET_ITEM(list, i), *made;
    if (old == Py_None) {
        made = Py_NewRef(h);
    } else {
        PyList_SET_ITEM(list, i, Py_NewRef(Py_None));
        made = plus(old, h, alone);
        if (made == NULL) return -1;
        Py_DECREF(PyList_GET_ITEM(list, i));
        PyList_SET_ITEM(list, i, made);
        return 0;
    }
    PyList_SET_ITEM(list, i, made);
    Py_DECREF(old);
    return 0;
}

static int enter(Walk *walk, PyObject *node, PyObject *what) { /* steals `what` */
    PyObject *entry = PyList_New(2), *seq = SLOT(node, S.n_seq);
    int failed = -1;
    if (entry == NULL) {
        Py_XDECREF(what);
        return -1;
    }
    PyList_SET_ITEM(entry, 0, Py_NewRef(node));
    PyList_SET_ITEM(entry, 1, what);
    if (what && PyDict_SetItem(walk->entries, seq, entry) == 0)
        failed = push(&walk->heap, PyLong_AsLongLong(seq));
    Py_DECREF(entry);
    return failed;
}

static int arrive(Walk *walk, PyObject *edge, PyObject *h, int leaf) {
    if (leaf) return arrive_at_leaf(walk, edge, h);
    int several = Py_TYPE(edge) == S.OutEdge;
    PyObject *node = several ? SLOT(edge, S.o_node) : edge;
    PyObject *entry = PyDict_GetItemWithError(walk->entries, SLOT(node, S.n_seq));
    if (entry == NULL && PyErr_Occurred()) return -1;
    if (!several) {
        if (entry == NULL) return enter(walk, node, Py_NewRef(h));
        return add_at(entry, 1, h, 1);
    }
    if (entry == NULL) {
        Py_ssize_t count = PyTuple_GET_SIZE(SLOT(node, S.n_desc));
        PyObject *slots = PyList_New(count);
        for (Py_ssize_t i = 0; slots && i < count; i++)
            PyList_SET_ITEM(slots, i, Py_NewRef(Py_None));
        if (enter(walk, node, slots) < 0) return -1;
        entry = PyDict_GetItemWithError(walk->entries, SLOT(node, S.n_seq));
        if (entry == NULL) return -1;
    }
    Py_ssize_t nr = PyLong_AsSsize_t(SLOT(edge, S.o_nr));
    PyObject *slots = PyList_GET_ITEM(entry, 1);
    if (nr < 0 || nr >= PyList_GET_SIZE(slots)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_SystemError, "an edge to no output");
        return -1;
    }
    return add_at(slots, nr, h, 0);
}

/* ---- one node ---------------------------------------------------------------------------------- */

typedef struct {
    int bare, fitting, frees;
} Facts;

/* Whether an error is NumPy's complaint about a number, which PyTorch does not make; forgotten then. */
static int only_numeric(void) {
    if (!PyErr_ExceptionMatches(PyExc_RuntimeWarning) &&
        !PyErr_ExceptionMatches(PyExc_FloatingPointError))
        return 0;
    PyErr_Clear();
    return 1;
}

static int number_at(PyObject *plan, const char *name) {
    PyObject *found = PyObject_GetAttrString(plan, name);
    if (found == NULL) return -2;
    int value = (int)PyLong_AsLong(found);
    Py_DECREF(found);
    return value;
}

/* Pull `g` through a node: cotangents of its operands in `found`, NULL for None. 0, or -1 with an error. */
static int pull(PyObject *node, PyObject *g, PyObject **found, Py_ssize_t operands, Facts *facts) {
    PyObject *plan = SLOT(node, S.n_plan), *data = NULL, *r;
    if (Py_TYPE(plan) == S.Plan) data = SLOT(plan, S.p_native);
    if (data && Py_TYPE(data) == &PlanDataType) {
        PlanData *known = (PlanData *)data;
        *facts = (Facts){known->bare, known->fitting, known->frees};
        if (known->operands == operands) {
            int done = pull_plan(known, node, g, found);
            if (done > 0) return 0;
            if (done < 0 && !only_numeric()) return -1;
        }
    } else {
        *facts = (Facts){number_at(plan, "bare"), number_at(plan, "fitting"),
                         number_at(plan, "frees")};
        if (PyErr_Occurred()) return -1;
    }
    r = PyObject_CallMethod(plan, "pull", "OO", node, g);
    if (r == NULL) {
        if (!only_numeric()) return -1;
        r = PyObject_CallFunctionObjArgs(S.pull_quietly, plan, node, g, NULL);
        if (r == NULL) return -1;
    }
    if (facts->bare >= 0) {
        if (facts->bare >= operands) {
            PyErr_SetString(PyExc_SystemError, "a plan for another node");
            Py_DECREF(r);
            return -1;
        }
        if (r != Py_None) found[facts->bare] = Py_NewRef(r);
        Py_DECREF(r);
        return 0;
    }
    PyObject *several = PySequence_Fast(r, "a rule returned no sequence of cotangents");
    Py_DECREF(r);
    if (several == NULL) return -1;
    for (Py_ssize_t i = 0; i < operands && i < PySequence_Fast_GET_SIZE(several); i++) {
        PyObject *h = PySequence_Fast_GET_ITEM(several, i);
        if (h != Py_None) found[i] = Py_NewRef(h);
    }
    Py_DECREF(several);
    return 0;
}

/* A cotangent as the edge wants it; steals and returns a reference. */
static PyObject *fitted(PyObject *h, PyObject *edge, PyObject *node) {
    PyObject *desc = desc_of(edge);
    PyObject *made = NULL;
    if (Py_TYPE(desc) == S.Descriptor) {
        if (alike(h, desc) == 1) return h;
        made = add_rows(h, desc);
    }
    if (made == NULL && !PyErr_Occurred())
        made = PyObject_CallFunctionObjArgs(S.fit, h, desc, node, Py_True, NULL);
    Py_DECREF(h);
    return made;
}

/* Send the cotangents on. In `*next`, `*g`: the node to go on with and what arrives there, or NULL.
   Takes over what is in `found`. */
static int send(Walk *walk, PyObject *node, PyObject *edges, PyObject **found, Py_ssize_t count,
                int fitting, PyObject **next, PyObject **g) {
    PyObject *follow = NULL, *carried = NULL;
    Py_ssize_t i = 0;
    for (; i < count; i++) {
        PyObject *edge = PyTuple_GET_ITEM(edges, i), *h = found[i];
        found[i] = NULL;
        if (edge == Py_None || h == NULL) {
            Py_XDECREF(h);
            continue;
        }
        int leaf = is_leaf(edge), wanted = leaf < 0 ? leaf : is_needed(walk, edge);
        if (wanted <= 0) {
            Py_DECREF(h);
            if (wanted < 0) goto failed;
            continue;
        }
        if (!fitting && (h = fitted(h, edge, node)) == NULL) goto failed;
        if (edge == follow) { /* x * x: both cotangents go to one place, one after the other */
            int waits = PyDict_Contains(walk->entries, SLOT(edge, S.n_seq));
            if (waits > 0) {
                waits = arrive(walk, edge, carried, 0);
                Py_DECREF(carried);
                carried = h;
            } else if (waits == 0) {
                carried = plus(carried, h, 0);
                Py_DECREF(h);
                if (carried == NULL) goto failed;
            } else {
                Py_DECREF(h);
            }
            if (waits < 0) goto failed;
        } else if (follow == NULL && !leaf && Py_TYPE(edge) != S.OutEdge) {
            follow = edge;
            carried = h;
        } else {
            int failed = arrive(walk, edge, h, leaf);
            Py_DECREF(h);
            if (failed < 0) goto failed;
        }
    }
    if (follow && walk->heap.count &&
        walk->heap.items[0] >= PyLong_AsLongLong(SLOT(follow, S.n_seq))) {
        int failed = arrive(walk, follow, carried, 0);
        Py_DECREF(carried);
        follow = carried = NULL;
        if (failed < 0) goto failed;
    }
    *next = Py_XNewRef(follow);
    *g = carried;
    return 0;
failed:
    Py_XDECREF(carried);
    for (i++; i < count; i++) Py_CLEAR(found[i]);
    return -1;
}

/* Run a node and those after it tile by tile, if Python finds that it pays (core/tiled.py): 1, 0 or -1. */
static int run_large(Walk *walk, PyObject *node, PyObject *g, int keep) {
    if (Py_TYPE(g) != &PyArray_Type || PyArray_SIZE((PyArrayObject *)g) < LARGE) return 0;
    Heap *heap = &walk->heap;
    PyObject *youngest = PyLong_FromLongLong(heap->count ? heap->items[0] : 0), *waiting = NULL;
    if (youngest == NULL) return -1;
    waiting = PyObject_CallFunctionObjArgs(
        S.run_large, node, g, keep ? Py_True : Py_False, walk->entries, walk->leaves,
        walk->needed ? walk->needed : Py_None, youngest, NULL);
    Py_DECREF(youngest);
    if (waiting == NULL) return -1;
    int done = waiting != Py_None;
    for (Py_ssize_t i = 0; done > 0 && i < PyList_GET_SIZE(waiting); i++) /* numbers, negated */
        if (push(heap, -PyLong_AsLongLong(PyList_GET_ITEM(waiting, i))) < 0) done = -1;
    Py_DECREF(waiting);
    return done;
}

/* Run one node with its cotangent; both references are taken over. */
static int run_node(Walk *walk, PyObject *node, PyObject *g, int keep, PyObject **next,
                    PyObject **carried) {
    PyObject *found[MOST] = {NULL}, **room = found, *edges = Py_NewRef(SLOT(node, S.n_edges));
    Py_ssize_t count = PyTuple_GET_SIZE(edges);
    Facts facts;
    int failed = run_large(walk, node, g, keep);
    if (failed) {
        failed = failed < 0 ? failed : 0;
        goto end;
    }
    failed = -1;
    if (count > MOST && (room = PyMem_Calloc(count, sizeof(PyObject *))) == NULL) {
        PyErr_NoMemory();
        goto end;
    }
    if (pull(node, g, room, count, &facts) < 0) goto end;
    Py_CLEAR(g);
    if (!keep && facts.frees) {
        PyObject *old = SLOT(node, S.n_saved);
        SLOT(node, S.n_saved) = Py_NewRef(Py_None);
        Py_XDECREF(old);
    }
    failed = send(walk, node, edges, room, count, facts.fitting, next, carried);
end:
    if (room != found) PyMem_Free(room);
    Py_DECREF(edges);
    Py_XDECREF(g);
    Py_DECREF(node);
    return failed;
}

/* ---- the walk ----------------------------------------------------------------------------------- */

/* Take the youngest node that waits. */
static int take(Walk *walk, PyObject **node, PyObject **g) {
    PyObject *seq = PyLong_FromLongLong(pop(&walk->heap));
    PyObject *entry = seq ? PyDict_GetItemWithError(walk->entries, seq) : NULL;
    int failed = -1;
    if (entry) {
        Py_INCREF(entry);
        *node = Py_NewRef(PyList_GET_ITEM(entry, 0));
        *g = Py_NewRef(PyList_GET_ITEM(entry, 1));
        failed = PyDict_DelItem(walk->entries, seq);
        Py_DECREF(entry);
    }
    Py_XDECREF(seq);
    return failed;
}

static int start(Walk *walk, PyObject *roots, PyObject **node, PyObject **g) {
    Py_ssize_t count = PyList_GET_SIZE(roots);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyList_GET_ITEM(roots, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "roots are pairs");
            return -1;
        }
        PyObject *edge = PyTuple_GET_ITEM(pair, 0), *h = PyTuple_GET_ITEM(pair, 1);
        int leaf = is_leaf(edge);
        if (leaf < 0) return -1;
        if (count == 1 && !leaf && Py_TYPE(edge) != S.OutEdge) { /* it need not wait among others */
            *node = Py_NewRef(edge);
            *g = Py_NewRef(h);
        } else if (arrive(walk, edge, h, leaf) < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *run_straight(PyObject *module, PyObject *const *args, Py_ssize_t given) {
    if (given < 2 || given > 4 || !PyList_Check(args[0]) ||
        (given > 2 && args[2] != Py_None && !PyDict_Check(args[2])) ||
        (given > 3 && args[3] != Py_None && !PySet_Check(args[3]))) {
        PyErr_SetString(PyExc_TypeError, "run_straight(roots, keep, found=None, needed=None)");
        return NULL;
    }
    PyObject *kept = given > 2 && args[2] != Py_None ? args[2] : NULL, *result = NULL;
    PyObject *node = NULL, *g = NULL;
    int keep = PyObject_IsTrue(args[1]), steps = 0;
    Walk walk = {{NULL, 0, 0}, PyDict_New(), kept ? Py_NewRef(kept) : PyDict_New(),
                 given > 3 && args[3] != Py_None ? args[3] : NULL};
    PyObject *token = silence();
    if (token == NULL || walk.entries == NULL || walk.leaves == NULL || keep < 0) goto end;
    if (start(&walk, args[0], &node, &g) < 0) goto end;
    while (node || walk.heap.count) {
        if (node == NULL && take(&walk, &node, &g) < 0) goto end;
        if (SLOT(node, S.n_hooks) != Py_None) { /* the engine goes on from here */
            PyObject *list = NULL;
            if (enter(&walk, node, Py_NewRef(g)) == 0 && (list = heap_list(&walk.heap)))
                result = PyTuple_Pack(3, walk.entries, list, walk.leaves);
            Py_XDECREF(list);
            goto end;
        }
        PyObject *next = NULL, *carried = NULL;
        int failed = run_node(&walk, node, g, keep, &next, &carried);
        node = next;
        g = carried;
        if (failed < 0 || (++steps % 64 == 0 && PyErr_CheckSignals() < 0)) goto end;
    }
    if (kept == NULL && flush(walk.leaves) < 0) goto end;
    result = Py_NewRef(Py_None);
end:
    Py_XDECREF(node);
    Py_XDECREF(g);
    Py_XDECREF(walk.entries);
    Py_XDECREF(walk.leaves);
    PyMem_Free(walk.heap.items);
    if (token && restore(token) < 0) Py_CLEAR(result);
    return result;
}
