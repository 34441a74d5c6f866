/* Sums, in NumPy's order of additions, and extremes.

   In: float32 or float64 arrays in C order. Out: what `numpy.add.reduce` makes of them over all axes, the last ones or
   the first ones, and `numpy.maximum.reduce` over all or the last ones, to the last bit, on several threads where they are large; None where it is not their business.

   Note [NumPy's order]
       Numbers that lie side by side are added pairwise: up to 128 of them in eight interleaved sums, more in two
       halves, the first of which is a multiple of eight (Higham 1993, "The accuracy of floating point summation").
       Rows are added one after the other. Both begin with 0, so that no sum is -0. */

#include "python.h"

enum { BLOCK = 128, SEGMENT = 1 << 14, COLUMNS = 64 };

#include <math.h>

/* ---- numbers side by side ---------------------------------------------------------------------- */

#define PAIRWISE(NAME, TYPE, ATTRIBUTE)                                                                             \
    ATTRIBUTE static TYPE NAME(const TYPE *a, long n) {                                                              \
        if (n < 8) {                                                                                                 \
            TYPE sum = (TYPE)-0.0;                                                                                   \
            for (long i = 0; i < n; i++) sum += a[i];                                                                \
            return sum;                                                                                              \
        }                                                                                                            \
        if (n <= BLOCK) {                                                                                            \
            TYPE r[8];                                                                                               \
            for (int k = 0; k < 8; k++) r[k] = a[k];                                                                 \
            long i = 8;                                                                                              \
            for (; i < n - n % 8; i += 8)                                                                            \
                for (int k = 0; k < 8; k++) r[k] += a[i + k];                                                        \
            TYPE sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));                            \
            for (; i < n; i++) sum += a[i];                                                                          \
            return sum;                                                                                              \
        }                                                                                                            \
        long half = n / 2;                                                                                           \
        half -= half % 8;                                                                                            \
        return NAME(a, half) + NAME(a + half, n - half);                                                             \
    }

/* ---- rows -------------------------------------------------------------------------------------- */

/* sum[k] = 0 + a[0][k] + a[1][k] + ..., for some of the columns. */
#define ROWS(NAME, TYPE, ATTRIBUTE)                                                                                 \
    ATTRIBUTE static void NAME(const TYPE *a, long rows, long columns, TYPE *sum, long width) {                      \
        TYPE r[COLUMNS];                                                                                             \
        if (width == COLUMNS) {                                                                                      \
            for (int k = 0; k < COLUMNS; k++) r[k] = 0;                                                              \
            for (long i = 0; i < rows; i++, a += columns)                                                            \
                for (int k = 0; k < COLUMNS; k++) r[k] += a[k];                                                      \
        } else {                                                                                                     \
            for (long k = 0; k < width; k++) r[k] = 0;                                                               \
            for (long i = 0; i < rows; i++, a += columns)                                                            \
                for (long k = 0; k < width; k++) r[k] += a[k];                                                       \
        }                                                                                                            \
        for (long k = 0; k < width; k++) sum[k] = r[k];                                                              \
    }

/* ---- extremes ---------------------------------------------------------------------------------- */

/* The largest of the numbers, with `turn` -1 the smallest; a nan if there is one. Bits that are read as integers are
   in the order of the numbers, once those of negative ones are turned round. */
#define EXTREME(NAME, TYPE, BITS, INFINITE, ATTRIBUTE)                                                              \
    ATTRIBUTE static TYPE NAME(const TYPE *numbers, long n, BITS turn) {                                             \
        const BITS *a = (const BITS *)numbers, sign = (BITS)1 << (8 * sizeof(BITS) - 1);                             \
        BITS best = sign, nan = 0;                                                                                   \
        for (long i = 0; i < n; i++) {                                                                               \
            BITS place = (a[i] ^ (a[i] >> (8 * sizeof(BITS) - 1) & ~sign)) ^ turn;                                   \
            best = place > best ? place : best;                                                                      \
            nan |= (a[i] & ~sign) > INFINITE ? 1 : 0;                                                                \
        }                                                                                                            \
        best ^= turn;                                                                                                \
        best ^= best >> (8 * sizeof(BITS) - 1) & ~sign;                                                              \
        TYPE made;                                                                                                   \
        memcpy(&made, &best, sizeof(TYPE));                                                                          \
        return nan ? (TYPE)NAN : made;                                                                               \
    }

PAIRWISE(pairwise_single, float, )
PAIRWISE(pairwise_double, double, )
ROWS(rows_single, float, )
ROWS(rows_double, double, )
EXTREME(extreme_single, float, npy_int32, 0x7f800000, )
EXTREME(extreme_double, double, npy_int64, 0x7ff0000000000000, )
#ifdef ADJOINT_X86
PAIRWISE(pairwise_single_wide, float, WIDE)
PAIRWISE(pairwise_double_wide, double, WIDE)
ROWS(rows_single_wide, float, WIDE)
ROWS(rows_double_wide, double, WIDE)
EXTREME(extreme_single_wide, float, npy_int32, 0x7f800000, WIDE)
EXTREME(extreme_double_wide, double, npy_int64, 0x7ff0000000000000, WIDE)
#endif

/* ---- shared work ------------------------------------------------------------------------------- */

typedef struct {
    int wide; /* double? */
    const char *from;
    char *to;
    long rows, columns;
} Sums;

static void sum_segment(const Sums *s, long first, long count, char *to) {
    if (s->wide)
        *(double *)to = CHOOSE(pairwise_double)((const double *)s->from + first, count);
    else
        *(float *)to = CHOOSE(pairwise_single)((const float *)s->from + first, count);
}

/* The sums of the rows numbered from `chunk * lot`. */
typedef struct {
    Sums sums;
    long lot;
} Lots;

static void sum_lot(void *argument, long chunk, int who) {
    const Lots *l = argument;
    const Sums *s = &l->sums;
    long last = (chunk + 1) * l->lot < s->rows ? (chunk + 1) * l->lot : s->rows;
    for (long i = chunk * l->lot; i < last; i++) {
        if (s->wide) {
            double sum;
            sum_segment(s, i * s->columns, s->columns, (char *)&sum);
            ((double *)s->to)[i] = 0.0 + sum;
        } else {
            float sum;
            sum_segment(s, i * s->columns, s->columns, (char *)&sum);
            ((float *)s->to)[i] = 0.0f + sum;
        }
    }
}

static void sum_columns(void *argument, long chunk, int who) {
    const Sums *s = argument;
    long first = chunk * COLUMNS, width = s->columns - first < COLUMNS ? s->columns - first : COLUMNS;
    if (s->wide)
        CHOOSE(rows_double)((const double *)s->from + first, s->rows, s->columns, (double *)s->to + first, width);
    else
        CHOOSE(rows_single)((const float *)s->from + first, s->rows, s->columns, (float *)s->to + first, width);
}

/* All numbers, cut as the pairwise order cuts them anyway. */
typedef struct {
    Sums sums;
    long *first, *count;
    char *found;
} Segments;

static long cut(Segments *s, long first, long count, long made) {
    if (count <= SEGMENT) {
        s->first[made] = first;
        s->count[made] = count;
        return made + 1;
    }
    long half = count / 2;
    half -= half % 8;
    made = cut(s, first, half, made);
    return cut(s, first + half, count - half, made);
}

static void sum_one(void *argument, long chunk, int who) {
    const Segments *s = argument;
    sum_segment(&s->sums, s->first[chunk], s->count[chunk], s->found + 8 * chunk);
}

/* The sum of what `cut` made of so many numbers; `*next`: the first segment of these. */
static double join(const Segments *s, long count, long *next) {
    if (count <= SEGMENT) {
        const char *at = s->found + 8 * (*next)++;
        return s->sums.wide ? *(const double *)at : *(const float *)at;
    }
    long half = count / 2;
    half -= half % 8;
    double a = join(s, half, next), b = join(s, count - half, next);
    return s->sums.wide ? a + b : (float)a + (float)b;
}

static int sum_all(const Sums *sums, double *sum) {
    long n = sums->rows * sums->columns, most = n / (SEGMENT / 4) + 2, next = 0;
    Segments s = {*sums, malloc(most * sizeof(long)), malloc(most * sizeof(long)), malloc(most * 8)};
    int failed = !s.first || !s.count || !s.found;
    if (!failed) {
        share_out(sum_one, &s, cut(&s, 0, n, 0), n);
        *sum = join(&s, n, &next);
    }
    free(s.first);
    free(s.count);
    free(s.found);
    return failed;
}

/* ---- for Python -------------------------------------------------------------------------------- */

/* Which axes are summed: a bit each; -1: not to be had. */
static long read_axes(PyObject *axis, int ndim) {
    if (axis == Py_None) return (1L << ndim) - 1;
    PyObject *one[1] = {axis}, **given = one;
    Py_ssize_t count = 1;
    if (PyTuple_CheckExact(axis)) {
        given = &PyTuple_GET_ITEM(axis, 0);
        count = PyTuple_GET_SIZE(axis);
    }
    long found = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!PyLong_CheckExact(given[i])) return -1;
        long a = PyLong_AsLong(given[i]);
        if (a == -1 && PyErr_Occurred()) {
            PyErr_Clear();
            return -1;
        }
        if (a < 0) a += ndim;
        if (a < 0 || a >= ndim || found >> a & 1) return -1;
        found |= 1L << a;
    }
    return found;
}

/* add_reduce(array, axis, keepdims): the sum over the axes (None: all); None: NumPy has to do it. */
PyObject *python_add_reduce(PyObject *module, PyObject *const *args, Py_ssize_t given) {
    if (given != 3) return PyErr_Format(PyExc_TypeError, "add_reduce() takes 3 arguments");
    PyArrayObject *array = plain(args[0]);
    if (array == NULL || !PyArray_IS_C_CONTIGUOUS(array)) Py_RETURN_NONE;
    int type = PyArray_TYPE(array), ndim = PyArray_NDIM(array);
    npy_intp size = PyArray_SIZE(array), *shape = PyArray_DIMS(array);
    if ((type != NPY_FLOAT32 && type != NPY_FLOAT64) || !ndim || ndim > 30 || !size) Py_RETURN_NONE;
    long axes = read_axes(args[1], ndim), all = (1L << ndim) - 1;
    int keep = PyObject_IsTrue(args[2]), last = 0, first = 0;
    if (keep < 0) return NULL;
    if (axes <= 0) Py_RETURN_NONE;
    while (last < ndim && axes >> (ndim - 1 - last) & 1) last++;
    while (first < ndim && axes >> first & 1) first++;
    if (axes != all && axes != ((1L << last) - 1) << (ndim - last) && axes != (1L << first) - 1) Py_RETURN_NONE;
    Sums s = {type == NPY_FLOAT64, PyArray_DATA(array), NULL, 1, 1};
    if (axes == all && !keep) {
        double sum = 0;
        s.columns = size;
        if (sum_all(&s, &sum)) return PyErr_NoMemory();
        float single = 0.0f + (float)sum;
        sum = 0.0 + sum;
        return number_of(type, s.wide ? (char *)&sum : (char *)&single);
    }
    npy_intp left[32];
    int count = 0, lasting = axes == all || last;
    for (int i = 0; i < ndim; i++) {
        int summed = axes >> i & 1;
        if (!summed || keep) left[count++] = summed ? 1 : shape[i];
        if (summed == lasting)
            s.columns *= shape[i];
        else
            s.rows *= shape[i];
    }
    if (!lasting && s.columns == 1) Py_RETURN_NONE; /* NumPy sees numbers side by side */
    PyObject *made = PyArray_SimpleNew(count, left, type);
    if (made == NULL) return NULL;
    s.to = PyArray_DATA((PyArrayObject *)made);
    Lots lots = {s, s.columns < SEGMENT ? SEGMENT / s.columns : 1};
    Work *work = lasting ? sum_lot : sum_columns;
    void *argument = lasting ? (void *)&lots : (void *)&s;
    long chunks = lasting ? (s.rows + lots.lot - 1) / lots.lot : (s.columns + COLUMNS - 1) / COLUMNS;
    share_out(work, argument, chunks, size);
    return made;
}

typedef struct {
    int wide, turn; /* turn: 0 for the largest, -1 for the smallest */
    const char *from;
    char *to;
    long rows, columns, lot;
} Extremes;

static void find_lot(void *argument, long chunk, int who) {
    const Extremes *e = argument;
    long last = (chunk + 1) * e->lot < e->rows ? (chunk + 1) * e->lot : e->rows;
    for (long i = chunk * e->lot; i < last; i++)
        if (e->wide)
            ((double *)e->to)[i] = CHOOSE(extreme_double)((const double *)e->from + i * e->columns, e->columns, e->turn);
        else
            ((float *)e->to)[i] = CHOOSE(extreme_single)((const float *)e->from + i * e->columns, e->columns, e->turn);
}

/* extreme(array, axis, keepdims, sign): the largest number along the axes (sign 1), or the smallest (-1); None: NumPy
   has to do it - also where one is 0, since which of 0 and -0 comes out is its own affair. */
PyObject *python_extreme(PyObject *module, PyObject *const *args, Py_ssize_t given) {
    if (given != 4) return PyErr_Format(PyExc_TypeError, "extreme() takes 4 arguments");
    PyArrayObject *array = plain(args[0]);
    if (array == NULL || !PyArray_IS_C_CONTIGUOUS(array)) Py_RETURN_NONE;
    int type = PyArray_TYPE(array), ndim = PyArray_NDIM(array);
    npy_intp size = PyArray_SIZE(array), *shape = PyArray_DIMS(array), left[32];
    if ((type != NPY_FLOAT32 && type != NPY_FLOAT64) || !ndim || ndim > 30 || !size) Py_RETURN_NONE;
    long axes = read_axes(args[1], ndim), sign = PyLong_AsLong(args[3]);
    int keep = PyObject_IsTrue(args[2]), last = 0, count = 0;
    if (keep < 0 || (sign == -1 && PyErr_Occurred())) return NULL;
    while (last < ndim && axes > 0 && axes >> (ndim - 1 - last) & 1) last++;
    if (!last || axes != ((1L << last) - 1) << (ndim - last) || (axes == (1L << ndim) - 1 && !keep)) Py_RETURN_NONE;
    Extremes e = {type == NPY_FLOAT64, sign < 0 ? -1 : 0, PyArray_DATA(array), NULL, 1, 1, 1};
    for (int i = 0; i < ndim; i++) {
        int inner = i >= ndim - last;
        if (!inner || keep) left[count++] = inner ? 1 : shape[i];
        *(inner ? &e.columns : &e.rows) *= shape[i];
    }
    PyObject *made = PyArray_SimpleNew(count, left, type);
    if (made == NULL) return NULL;
    e.to = PyArray_DATA((PyArrayObject *)made);
    if (e.columns < SEGMENT) e.lot = SEGMENT / e.columns;
    int zero = 0;
    long chunks = (e.rows + e.lot - 1) / e.lot;
    share_out(find_lot, &e, chunks, size);
    for (long i = 0; i < e.rows; i++) zero |= e.wide ? ((double *)e.to)[i] == 0 : ((float *)e.to)[i] == 0;
    if (!zero) return made;
    Py_DECREF(made);
    Py_RETURN_NONE;
}
