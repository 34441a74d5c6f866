/* The steps of optimizers over one parameter, in one pass over memory.

   In: flat arrays of float32 or float64 and the numbers of the step. Out: the parameter and its state, changed in
   place, with the roundings of optim/raw.py, optim/adam.py and optim/sgd.py in their order: `y += a x` is one
   rounding (a fused multiply-add, as in BLAS), everything else is rounded one by one. Large parameters are shared
   by several threads. */

#include "kernels.h"

enum { PIECE = 1 << 14 /* elements of a chunk */ };

#if defined(ADJOINT_X86) || defined(__aarch64__)

int can_update(void) {
#if defined(ADJOINT_X86)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 1;
#endif
}

#define STEPS(real, name, fused, root)                                                                        \
    FUSED static void adam_##name(const AdamStep *s, long first, long last) {                                  \
        real *restrict param = s->param, *restrict mean = s->mean, *restrict square = s->square;               \
        const real *restrict grad = s->grad;                                                                   \
        const int near = s->part < 0.5; /* move from the nearer end */                                         \
        const real part = (real)(near ? s->part : s->part - 1);                                                \
        const real kept = (real)s->kept, new_ = (real)s->new_, correction = (real)s->correction;               \
        const real factor = (real)s->factor, eps = (real)s->eps;                                               \
        for (long i = first; i < last; i++) {                                                                  \
            real g = grad[i], m = mean[i];                                                                     \
            m = fused(part, g - m, near ? m : g);                                                              \
            real v = square[i] * kept + g * new_ * g;                                                          \
            mean[i] = m;                                                                                       \
            square[i] = v;                                                                                     \
            param[i] = param[i] + m * factor / (root(v) / correction + eps);                                   \
        }                                                                                                      \
    }                                                                                                          \
    FUSED static void momentum_##name(const MomentumStep *s, long first, long last) {                          \
        real *restrict param = s->param, *restrict buffer = s->buffer;                                         \
        const real *restrict grad = s->grad;                                                                   \
        const real momentum = (real)s->momentum, down = (real)s->down;                                         \
        for (long i = first; i < last; i++) {                                                                  \
            real b = buffer[i] * momentum + grad[i];                                                           \
            buffer[i] = b;                                                                                     \
            param[i] = fused(down, b, param[i]);                                                               \
        }                                                                                                      \
    }

STEPS(float, single, __builtin_fmaf, __builtin_sqrtf)
STEPS(double, double, __builtin_fma, __builtin_sqrt)

static long end_of(long chunk, long count) { return (chunk + 1) * PIECE < count ? (chunk + 1) * PIECE : count; }

static void adam_piece(void *argument, long chunk, int who) {
    const AdamStep *s = argument;
    (s->wide ? adam_double : adam_single)(s, chunk * PIECE, end_of(chunk, s->count));
}

static void momentum_piece(void *argument, long chunk, int who) {
    const MomentumStep *s = argument;
    (s->wide ? momentum_double : momentum_single)(s, chunk * PIECE, end_of(chunk, s->count));
}

void adam(const AdamStep *step, int threads) {
    share(adam_piece, (void *)step, (step->count + PIECE - 1) / PIECE, threads);
}

void momentum(const MomentumStep *step, int threads) {
    share(momentum_piece, (void *)step, (step->count + PIECE - 1) / PIECE, threads);
}

#else /* a fused multiply-add may be slow here, or not what BLAS does */

int can_update(void) { return 0; }
void adam(const AdamStep *step, int threads) {}
void momentum(const MomentumStep *step, int threads) {}

#endif
