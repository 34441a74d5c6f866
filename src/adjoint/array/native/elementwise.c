/* NumPy's elementwise functions without the machinery around them, large arrays on several threads.

   In: a ufunc of one or two operands. Out: `Elementwise`, a callable that gives for float32 and float64 arrays in C
   order, and NumPy's scalars, what the ufunc gives, to the last bit: it runs the ufunc's own inner loop. For all
   else - other dtypes, other orders, subclasses, keywords - it calls the ufunc. NumPy's warnings are not given.

   Note [Chunks]
       Each element is computed from those at its place, so that an array may be cut anywhere. It is cut at multiples
       of CHUNK elements: the loops' vectors do not straddle a cut. */

#include "python.h"
#include <structmember.h>

enum { CHUNK = 1 << 14, MANY = 1 << 20, MOST_OPERANDS = 2 };

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyUFuncObject *ufunc;
    Loop loops[2]; /* for float32, for float64 */
} Elementwise;

/* ---- work over memory -------------------------------------------------------------------------- */

typedef struct {
    Loop loop;
    int operands;
    char *memory[MOST_OPERANDS + 1];
    npy_intp step[MOST_OPERANDS + 1]; /* bytes from an element to the next; 0: one number for all */
    npy_intp around[MOST_OPERANDS];   /* elements after which an operand begins anew; 0: never */
    npy_intp count, chunk;
} Job;

static void run_part(const Job *job, npy_intp first, npy_intp last) {
    char *at[MOST_OPERANDS + 1];
    npy_intp row = job->around[0] ? job->around[0] : job->around[1], steps[MOST_OPERANDS + 1];
    int all = job->operands + 1;
    for (int i = 0; i < all; i++) steps[i] = job->step[i];
    while (first < last) {
        npy_intp end = row && first / row * row + row < last ? first / row * row + row : last, n = end - first;
        for (int i = 0; i < all; i++) {
            npy_intp place = i < job->operands && job->around[i] ? first % job->around[i] : first;
            at[i] = job->memory[i] + place * steps[i];
        }
        job->loop.function(at, &n, steps, job->loop.data);
        first = end;
    }
}

static void run_chunk(void *argument, long chunk, int who) {
    const Job *job = argument;
    npy_intp first = chunk * job->chunk, last = first + job->chunk;
    run_part(job, first, last < job->count ? last : job->count);
}

static void run(Job *job) {
    job->chunk = job->count < MANY ? CHUNK : 4 * CHUNK;
    share_out(run_chunk, job, (job->count + job->chunk - 1) / job->chunk, job->count);
}

/* ---- operands ---------------------------------------------------------------------------------- */

typedef struct {
    int type;             /* NPY_FLOAT32, NPY_FLOAT64; NPY_NOTYPE: not our business; NPY_OBJECT: a Python number */
    PyArrayObject *array; /* with dimensions; NULL: a number */
    float single;
    double number;
} Argument;

static Argument look(PyObject *o) {
    Argument found = {NPY_NOTYPE, NULL, 0, 0};
    PyTypeObject *type = Py_TYPE(o);
    if (type == &PyArray_Type) {
        PyArrayObject *array = (PyArrayObject *)o;
        int code = PyArray_TYPE(array);
        if ((code != NPY_FLOAT32 && code != NPY_FLOAT64) || !PyArray_ISCARRAY_RO(array)) return found;
        found.type = code;
        if (PyArray_NDIM(array))
            found.array = array;
        else
            found.number = code == NPY_FLOAT32 ? *(float *)PyArray_DATA(array) : *(double *)PyArray_DATA(array);
    } else if (type == &PyFloatArrType_Type) {
        found.type = NPY_FLOAT32;
        found.number = PyArrayScalar_VAL(o, Float);
    } else if (type == &PyDoubleArrType_Type) {
        found.type = NPY_FLOAT64;
        found.number = PyArrayScalar_VAL(o, Double);
    } else if (type == &PyFloat_Type) {
        found.number = PyFloat_AS_DOUBLE(o);
        if (found.number < 1e30 && found.number > -1e30) found.type = NPY_OBJECT; /* beyond that float32 overflows */
    } else if (type == &PyLong_Type) {
        int overflow;
        long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (!overflow && value <= 1LL << 24 && value >= -(1LL << 24)) found.type = NPY_OBJECT;
        found.number = (double)value;
    }
    return found;
}

/* Put an operand where the job finds it. */
static void place(Job *job, int i, Argument *o, int type, npy_intp count) {
    npy_intp item = type == NPY_FLOAT32 ? sizeof(float) : sizeof(double);
    job->around[i] = 0;
    if (o->array) {
        npy_intp size = PyArray_SIZE(o->array);
        job->memory[i] = PyArray_DATA(o->array);
        job->step[i] = item;
        if (size != count) job->around[i] = size;
    } else {
        o->single = (float)o->number;
        job->memory[i] = type == NPY_FLOAT32 ? (char *)&o->single : (char *)&o->number;
        job->step[i] = 0;
    }
}

/* Whether the shorter shape is the end of the longer one: a row on a matrix. */
static PyArrayObject *longer(PyArrayObject *a, PyArrayObject *b) {
    if (a == NULL || b == NULL) return a ? a : b;
    int more = PyArray_NDIM(a) - PyArray_NDIM(b);
    PyArrayObject *model = more < 0 ? b : a, *row = more < 0 ? a : b;
    int lead = more < 0 ? -more : more;
    return PyArray_CompareLists(PyArray_DIMS(model) + lead, PyArray_DIMS(row), PyArray_NDIM(row)) ? model : NULL;
}

PyObject *number_of(int type, const char *memory) {
    PyObject *made;
    if (type == NPY_BOOL) return Py_NewRef(PyArrayScalar_FromLong(*(npy_bool *)memory));
    if (type == NPY_FLOAT32) {
        if ((made = PyArrayScalar_New(Float))) PyArrayScalar_ASSIGN(made, Float, *(float *)memory);
    } else if ((made = PyArrayScalar_New(Double))) {
        PyArrayScalar_ASSIGN(made, Double, *(double *)memory);
    }
    return made;
}

/* Whether a result may be written where it is to go: the operands lie elsewhere, or element for element there. */
static int may_hold(PyArrayObject *out, const Job *job, PyArrayObject *model) {
    if (PyArray_TYPE(out) != job->loop.result || !PyArray_ISCARRAY(out) || !PyArray_SAMESHAPE(out, model)) return 0;
    char *memory = PyArray_DATA(out), *end = memory + PyArray_NBYTES(out);
    for (int i = 0; i < job->operands; i++) {
        npy_intp elements = job->around[i] ? job->around[i] : job->step[i] ? job->count : 0;
        char *first = job->memory[i], *last = first + elements * job->step[i];
        int same = first == memory && last == end && job->step[i] == PyArray_ITEMSIZE(out);
        if (first < end && memory < last && !same) return 0;
    }
    return 1;
}

/* What the ufunc makes of the operands, in `out` if there is one; NULL without an error where it has to do it. */
static PyObject *compute(Elementwise *self, PyObject *const *args, int operands, PyObject *out) {
    Argument o[MOST_OPERANDS] = {{NPY_NOTYPE}, {NPY_NOTYPE}};
    int type = NPY_OBJECT;
    for (int i = 0; i < operands; i++) {
        o[i] = look(args[i]);
        if (o[i].type == NPY_NOTYPE) return NULL;
        if (o[i].type == NPY_OBJECT) continue;
        if (type != NPY_OBJECT && type != o[i].type) return NULL;
        type = o[i].type;
    }
    if (type == NPY_OBJECT) return NULL;
    Job job = {self->loops[type == NPY_FLOAT64], operands};
    if (job.loop.function == NULL) return NULL;
    PyArrayObject *model = NULL;
    if (o[0].array || o[1].array) {
        model = longer(o[0].array, o[1].array);
        if (model == NULL || PyArray_SIZE(model) == 0) return NULL;
    }
    job.count = model ? PyArray_SIZE(model) : 1;
    for (int i = 0; i < operands; i++) place(&job, i, &o[i], type, job.count);
    double room; /* of one number */
    PyObject *made = NULL;
    job.memory[operands] = (char *)&room;
    if (out) {
        if (model == NULL || !PyArray_CheckExact(out) || !may_hold((PyArrayObject *)out, &job, model)) return NULL;
        made = Py_NewRef(out);
        job.memory[operands] = PyArray_DATA((PyArrayObject *)out);
        job.step[operands] = PyArray_ITEMSIZE((PyArrayObject *)out);
    } else if (model) {
        PyArray_Descr *descr = PyArray_DescrFromType(job.loop.result);
        made = PyArray_NewFromDescr(&PyArray_Type, descr, PyArray_NDIM(model), PyArray_DIMS(model), NULL, NULL, 0, NULL);
        if (made == NULL) return NULL;
        job.memory[operands] = PyArray_DATA((PyArrayObject *)made);
        job.step[operands] = PyArray_ITEMSIZE((PyArrayObject *)made);
    }
    run(&job);
    return made ? made : number_of(job.loop.result, (char *)&room);
}

static PyObject *call(PyObject *object, PyObject *const *args, size_t flags, PyObject *names) {
    Elementwise *self = (Elementwise *)object;
    Py_ssize_t given = PyVectorcall_NARGS(flags);
    int operands = self->ufunc->nin;
    if (names == NULL && (given == operands || given == operands + 1)) {
        PyObject *made = compute(self, args, operands, given > operands ? args[operands] : NULL);
        if (made || PyErr_Occurred()) return made;
    }
    return PyObject_Vectorcall((PyObject *)self->ufunc, args, flags, names);
}

const Loop *loop_of(PyObject *function, int type, int operands) {
    if (!Py_IS_TYPE(function, &ElementwiseType)) return NULL;
    const Elementwise *self = (Elementwise *)function;
    const Loop *loop = &self->loops[type == NPY_FLOAT64];
    return loop->function && self->ufunc->nin == operands ? loop : NULL;
}

/* ---- the class --------------------------------------------------------------------------------- */

static void find_loops(Elementwise *self) {
    PyUFuncObject *ufunc = self->ufunc;
    const int types[2] = {NPY_FLOAT32, NPY_FLOAT64};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < ufunc->ntypes && self->loops[k].function == NULL; i++) {
            const char *row = ufunc->types + i * ufunc->nargs;
            int fits = 1, result = row[ufunc->nin];
            for (int j = 0; j < ufunc->nin; j++) fits &= row[j] == types[k];
            if (!fits || (result != types[k] && result != NPY_BOOL)) continue;
            self->loops[k].function = ufunc->functions[i];
            self->loops[k].data = ufunc->data ? ((void **)ufunc->data)[i] : NULL;
            self->loops[k].result = result;
        }
}

static PyObject *make(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *ufunc;
    if (!PyArg_ParseTuple(args, "O:Elementwise", &ufunc)) return NULL;
    if (!PyObject_TypeCheck(ufunc, &PyUFunc_Type) || ((PyUFuncObject *)ufunc)->nin > MOST_OPERANDS ||
        ((PyUFuncObject *)ufunc)->nout != 1 || ((PyUFuncObject *)ufunc)->core_enabled) {
        PyErr_SetString(PyExc_TypeError, "Elementwise() takes a ufunc of one or two operands, with one result");
        return NULL;
    }
    Elementwise *self = (Elementwise *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->ufunc = (PyUFuncObject *)Py_NewRef(ufunc);
    self->call = call;
    find_loops(self);
    return (PyObject *)self;
}

static int visit(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(((Elementwise *)object)->ufunc);
    return 0;
}

static int clear(PyObject *object) {
    Py_CLEAR(((Elementwise *)object)->ufunc);
    return 0;
}

static void end(PyObject *object) {
    PyObject_GC_UnTrack(object);
    clear(object);
    Py_TYPE(object)->tp_free(object);
}

static PyObject *show(PyObject *object) {
    return PyUnicode_FromFormat("Elementwise(%R)", ((Elementwise *)object)->ufunc);
}

/* What else is asked of it, the ufunc answers. */
static PyObject *get(PyObject *object, PyObject *name) {
    PyObject *found = PyObject_GenericGetAttr(object, name);
    if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
    PyErr_Clear();
    return PyObject_GetAttr((PyObject *)((Elementwise *)object)->ufunc, name);
}

static PyMemberDef MEMBERS[] = {
    {"ufunc", T_OBJECT, offsetof(Elementwise, ufunc), READONLY, "NumPy's function."},
    {NULL},
};

PyTypeObject ElementwiseType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "adjoint_kernels.Elementwise",
    .tp_doc = "A ufunc of floating-point arrays, on several threads where they are large.",
    .tp_basicsize = sizeof(Elementwise),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Elementwise, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = make,
    .tp_traverse = visit,
    .tp_clear = clear,
    .tp_dealloc = end,
    .tp_repr = show,
    .tp_getattro = get,
    .tp_members = MEMBERS,
};
