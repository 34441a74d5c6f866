/* The cotangent of `max(x, 0)` in one pass over memory, where NumPy takes three.

   In: a cotangent and the result of the function, float32 or float64, flat. Out: the bits of the cotangent where the
   result is not 0, zeros elsewhere, as array/kernels/steps.py has it; large arrays are shared by several threads. */

#include "kernels.h"
#include <stdint.h>

enum { PIECE = 1 << 15 /* elements of a chunk */ };

typedef struct {
    int wide;
    long count;
    const void *grad, *out;
    void *made;
} Choice;

/* Comparisons with 0, nan included, of the bits: all but the sign are 0. */
#define CHOOSE(bits, name)                                                                                     \
    static void name(const Choice *c, long first, long last) {                                                 \
        const bits *restrict grad = c->grad, *restrict out = c->out;                                           \
        bits *restrict made = c->made;                                                                         \
        for (long i = first; i < last; i++) made[i] = grad[i] & -(bits)((bits)(out[i] << 1) != 0);             \
    }

CHOOSE(uint32_t, choose_single)
CHOOSE(uint64_t, choose_double)

static void choose_piece(void *argument, long chunk, int who) {
    const Choice *c = argument;
    long first = chunk * PIECE, last = first + PIECE < c->count ? first + PIECE : c->count;
    (c->wide ? choose_double : choose_single)(c, first, last);
}

void threshold_backward(int wide, long count, const void *grad, const void *out, void *made, int threads) {
    Choice c = {wide, count, grad, out, made};
    share(choose_piece, &c, (count + PIECE - 1) / PIECE, threads);
}
