/* What the C files of the compiled kernels share: the pool of threads, the product, the updates.

   Each computes what NumPy, BLAS and the Python around them compute, in the same order of roundings: the
   results are the same to the last bit. None of them touches a Python object but module.c. */

#ifndef ADJOINT_KERNELS_H
#define ADJOINT_KERNELS_H

/* Instructions that only some processors have are used in functions of their own, chosen at run time: a
   home directory, and the library in it, may be shared between machines. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define ADJOINT_X86
#include <immintrin.h>
#define WIDE __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma")))
#define FUSED __attribute__((target("avx2,fma")))
#else
#define FUSED
#endif

/* Of two functions the one for this processor: `name_wide`, which is WIDE, or `name`. */
#ifdef ADJOINT_X86
#define CHOOSE(name) (can_multiply() ? name##_wide : name)
#else
#define CHOOSE(name) name
#endif

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* pool.c */
enum { MOST_THREADS = 64 };

typedef void Work(void *argument, long chunk, int who);

/* Call `work` for the chunks 0, 1, ... of `chunks`, on up to `threads` threads, the caller's among them. They
   are begun in this order. `who` is a number below `threads`, another for each thread at work. */
void share(Work *work, void *argument, long chunks, int threads);

/* What a thread does while it waits for another one that is at work. */
void wait_a_little(int *turns);

/* products.c */
typedef struct {
    const float *at;
    long down, along; /* elements from a row to the next one, from a column to the next one */
} Operand;

int can_multiply(void);

/* c = a b, plus `row` (or NULL) in each row; c is in C order. 0, or -1 if there is no memory. */
int multiply(Operand a, Operand b, float *c, const float *row, long rows, long columns, long inner, int threads);

/* updates.c */
typedef struct {
    int wide; /* double? */
    long count;
    void *param, *mean, *square;
    const void *grad;
    double part, kept, new_, correction, factor, eps; /* as in optim/adam.py */
} AdamStep;

typedef struct {
    int wide;
    long count;
    void *param, *buffer;
    const void *grad;
    double momentum, down; /* as in optim/sgd.py */
} MomentumStep;

int can_update(void);
void adam(const AdamStep *step, int threads);
void momentum(const MomentumStep *step, int threads);

#endif
