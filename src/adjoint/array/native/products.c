/* The product of two float32 matrices, with the bits of OpenBLAS's kernels for AVX-512.

   In: two matrices in C or Fortran order, a row to add or NULL. Out: their product in C order, on one thread or
   several. Whether NumPy's BLAS has these bits here is found out once (array/kernels/compiled.py).

   Note [The same bits]
       OpenBLAS cuts the inner index into blocks (`next_block`). Of each element of the result the terms of a block
       are a chain of fused multiply-adds that starts with 0, and the chains are added to the element, which is 0 at
       first, in the order of the blocks. This order is all that the bits depend on: how rows and columns are cut,
       and who computes which, is free.

   Note [Blocks]
       The second matrix is packed, in panels of 64 columns (`pack_b`), a block of columns at a time that stays in
       the second-level cache together with all of its inner index (at most DEEP). Rows of the first matrix are
       packed 6 at a time, or, where they are contiguous downwards, some panels of 6 at a time (`pack_a`). A tile
       of 6 x 64 sums is in registers: 24 chains.

   Note [Chunks]
       For each block of columns come first pieces to pack, then ranges of rows to compute, in one sequence that the
       threads take their next chunk from. A range waits until the pieces of its block are packed; who packs them
       is at work already, since chunks are begun in order. */

#include "kernels.h"
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef ADJOINT_X86

int can_multiply(void) { return 0; }

int multiply(Operand a, Operand b, float *c, const float *row, long rows, long columns, long inner, int threads) {
    return -1;
}

#else

enum {
    LANES = 16,             /* floats of a vector */
    ROWS = 6,               /* of a tile */
    WIDTH = 4 * LANES,      /* of a tile */
    DEPTH = 448,            /* of a block of the inner index: OpenBLAS's GEMM_Q */
    GRAIN = 16,             /* what OpenBLAS rounds halves up to: its GEMM_UNROLL_M */
    DEEP = 1024,            /* inner index of one part of the work, in whole blocks */
    MOST_BLOCKS = 4,        /* of it */
    SIDE = 1 << 18,         /* elements of a packed block of columns */
    MOST_COLUMNS = 8,       /* blocks of columns in one part of the work */
    GROUP = 16,             /* panels of six rows that are packed together */
    LINE = DEPTH + LANES,   /* of a packed row: rows do not meet in one set of the cache */
    PRIVATE = GROUP * ROWS * LINE, /* floats for each thread to pack rows in */
    FEWEST = 48, MOST = 192, /* rows of a chunk, in multiples of 6 */
};

typedef struct {
    Operand a, b;
    float *c;
    const float *row;
    long rows, columns, stride;  /* of this part; of a row of c */
    int fresh;                   /* nothing has been added up yet */
    int blocks;                  /* of the inner index */
    long from[MOST_BLOCKS + 1];  /* where each begins */
    long width, panels, height;  /* columns of a block and their panels; rows of a chunk */
    long pieces, ranges;         /* chunks of a block of columns: to pack, to compute */
    float *packed, *private;
    atomic_long ready[MOST_COLUMNS]; /* pieces packed */
} Part;

int can_multiply(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("fma");
}

static long next_block(long left) {
    if (left >= 2 * DEPTH) return DEPTH;
    if (left > DEPTH) return (left / 2 + GRAIN - 1) / GRAIN * GRAIN;
    return left;
}

static inline long least(long a, long b) { return a < b ? a : b; }

static inline long round_up(long n, long unit) { return (n + unit - 1) / unit * unit; }

/* The first `count` of 16 lanes. */
static inline __mmask16 lanes(long count) { return count >= LANES ? 0xffff : (__mmask16)((1 << count) - 1); }

/* ---- packing ------------------------------------------------------------------------------------------------ */

WIDE static inline __attribute__((always_inline)) void transpose(__m512 *r) {
    __m512 t[LANES];
    UNROLL for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#define PAIR(how, x, y) _mm512_castpd_ps(how(_mm512_castps_pd(x), _mm512_castps_pd(y)))
    UNROLL for (int i = 0; i < LANES; i += 4) {
        r[i] = PAIR(_mm512_unpacklo_pd, t[i], t[i + 2]);
        r[i + 1] = PAIR(_mm512_unpackhi_pd, t[i], t[i + 2]);
        r[i + 2] = PAIR(_mm512_unpacklo_pd, t[i + 1], t[i + 3]);
        r[i + 3] = PAIR(_mm512_unpackhi_pd, t[i + 1], t[i + 3]);
    }
#undef PAIR
    UNROLL for (int j = 0; j < 4; j++) { /* now each quarter of r[4 i + j] is a column of rows 4 i to 4 i + 3 */
        __m512 even = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x88), odd = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xdd);
        __m512 even2 = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x88);
        __m512 odd2 = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xdd);
        r[j] = _mm512_shuffle_f32x4(even, even2, 0x88);
        r[8 + j] = _mm512_shuffle_f32x4(even, even2, 0xdd);
        r[4 + j] = _mm512_shuffle_f32x4(odd, odd2, 0x88);
        r[12 + j] = _mm512_shuffle_f32x4(odd, odd2, 0xdd);
    }
}

/* A panel: `depth` rows of up to 64 columns, in whole vectors, with zeros beyond `columns`. */
WIDE static void pack_b(Operand b, long depth, long columns, float *out) {
    long step = round_up(columns, LANES);
    if (b.along == 1) {
        for (long p = 0; p < depth; p++, out += step)
            for (long j = 0; j < columns; j += LANES)
                _mm512_storeu_ps(out + j, _mm512_maskz_loadu_ps(lanes(columns - j), b.at + p * b.down + j));
        return;
    }
    for (long j = 0; j < columns; j += LANES) {
        const float *from = b.at + j * b.along;
        long here = least(columns - j, LANES);
        for (long p = 0; p < depth; p += LANES) {
            __m512 block[LANES];
            __mmask16 mask = lanes(depth - p);
            if (here == LANES) {
                UNROLL for (int i = 0; i < LANES; i++) block[i] = _mm512_maskz_loadu_ps(mask, from + i * b.along + p);
            } else {
                UNROLL for (int i = 0; i < LANES; i++)
                    block[i] = i < here ? _mm512_maskz_loadu_ps(mask, from + i * b.along + p) : _mm512_setzero_ps();
            }
            transpose(block);
            float *to = out + p * step + j;
            if (depth - p >= LANES) {
                UNROLL for (int i = 0; i < LANES; i++) _mm512_storeu_ps(to + i * step, block[i]);
            } else {
                UNROLL for (int i = 0; i < LANES; i++)
                    if (i < depth - p) _mm512_storeu_ps(to + i * step, block[i]);
            }
        }
    }
}

/* Six rows, LINE floats apart, of a matrix in C order; zeros for rows that are not there. */
WIDE static void pack_a_rows(Operand a, long depth, long rows, float *out) {
    for (long i = 0; i < ROWS; i++, out += LINE) {
        if (i >= rows)
            memset(out, 0, depth * sizeof(float));
        else
            for (long p = 0; p < depth; p += LANES)
                _mm512_storeu_ps(out + p, _mm512_maskz_loadu_ps(lanes(depth - p), a.at + i * a.down + p));
    }
}

/* Panels of six rows, one number of each side by side, of a matrix in Fortran order. */
WIDE static void pack_a_columns(Operand a, long depth, long rows, float *out) {
    long whole = rows / ROWS, rest = rows % ROWS;
    for (long p = 0; p < depth; p++) {
        const float *from = a.at + p * a.along;
        float *to = out + p * ROWS;
        for (long i = 0; i < whole; i++, from += ROWS, to += depth * ROWS)
            _mm256_mask_storeu_ps(to, 0x3f, _mm256_maskz_loadu_ps(0x3f, from));
        if (rest) _mm256_mask_storeu_ps(to, 0x3f, _mm256_maskz_loadu_ps((1 << rest) - 1, from));
    }
}

/* ---- tiles -------------------------------------------------------------------------------------------------- */

typedef struct {
    float *c;
    long stride, rows;
    __mmask16 last; /* lanes of the last vector of each row */
    int fresh;
    const float *row;
} Target;

/* One tile: 6 rows by `vectors` vectors, which is a constant wherever this is inlined; `down` and `along`: of a. */
WIDE static inline __attribute__((always_inline)) void tile(
    const int vectors, long depth, const float *a, const long down, const long along, const float *b, const Target *to) {
    __m512 sums[ROWS][4];
    UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < vectors; j++) sums[i][j] = _mm512_setzero_ps();
    UNROLL for (int i = 0; i < ROWS; i++)
        if (i < to->rows) UNROLL for (int j = 0; j < vectors; j++)
            _mm_prefetch((const char *)(to->c + i * to->stride + j * LANES), _MM_HINT_T0);
    for (long p = 0; p < depth; p++, a += along, b += vectors * LANES) {
        __m512 row[4];
        UNROLL for (int j = 0; j < vectors; j++) row[j] = _mm512_loadu_ps(b + j * LANES);
        UNROLL for (int i = 0; i < ROWS; i++) {
            __m512 factor = _mm512_set1_ps(a[i * down]);
            UNROLL for (int j = 0; j < vectors; j++) sums[i][j] = _mm512_fmadd_ps(factor, row[j], sums[i][j]);
        }
    }
    UNROLL for (int i = 0; i < ROWS; i++) {
        if (i < to->rows) UNROLL for (int j = 0; j < vectors; j++) {
            __mmask16 mask = j == vectors - 1 ? to->last : 0xffff;
            float *at = to->c + i * to->stride + j * LANES;
            /* 0 + sum where it is the first: a sum of -0 becomes 0 */
            __m512 before = to->fresh ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, at);
            __m512 sum = _mm512_add_ps(before, sums[i][j]);
            if (to->row) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, to->row + j * LANES));
            _mm512_mask_storeu_ps(at, mask, sum);
        }
    }
}

#define TILE(name, vectors, down, along)                                                                       \
    WIDE static __attribute__((noinline)) void name(long depth, const float *a, const float *b, const Target *to) { \
        tile(vectors, depth, a, down, along, b, to);                                                           \
    }
TILE(rows_1, 1, LINE, 1)
TILE(rows_2, 2, LINE, 1)
TILE(rows_3, 3, LINE, 1)
TILE(rows_4, 4, LINE, 1)
TILE(columns_1, 1, 1, ROWS)
TILE(columns_2, 2, 1, ROWS)
TILE(columns_3, 3, 1, ROWS)
TILE(columns_4, 4, 1, ROWS)

typedef void Tile(long, const float *, const float *, const Target *);

static Tile *const FROM_ROWS[] = {rows_1, rows_2, rows_3, rows_4};
static Tile *const FROM_COLUMNS[] = {columns_1, columns_2, columns_3, columns_4};

/* ---- chunks ------------------------------------------------------------------------------------------------- */

/* Where the panel of a block of columns lies for one block of the inner index. */
static float *panel_at(const Part *part, long side, int block, long panel) {
    long first = side * part->width, here = round_up(least(part->width, part->columns - first), LANES);
    long depth = part->from[block + 1] - part->from[block];
    return part->packed + first * part->from[part->blocks] + part->from[block] * here + panel * WIDTH * depth;
}

static void pack_piece(Part *part, long side, long piece) {
    int block = (int)(piece / part->panels);
    long panel = piece % part->panels, first = panel * WIDTH;
    long here = least(part->width, part->columns - side * part->width) - first;
    if (here > 0) {
        Operand b = part->b;
        b.at += part->from[block] * b.down + (side * part->width + first) * b.along;
        pack_b(b, part->from[block + 1] - part->from[block], least(here, WIDTH), panel_at(part, side, block, panel));
    }
    atomic_fetch_add(&part->ready[side], 1);
}

/* A panel of six rows times all columns of a block. */
static void multiply_panel(
    const Part *part, long side, int block, const float *a, int in_rows, long first, long rows) {
    long columns = least(part->width, part->columns - side * part->width);
    long depth = part->from[block + 1] - part->from[block];
    Target to = {NULL, part->stride, rows, 0, part->fresh && block == 0, NULL};
    for (long j = 0; j < columns; j += WIDTH) {
        long here = least(columns - j, WIDTH), vectors = (here + LANES - 1) / LANES, at = side * part->width + j;
        to.c = part->c + first * part->stride + at;
        to.last = lanes(here - (vectors - 1) * LANES);
        to.row = part->row && block == part->blocks - 1 ? part->row + at : NULL;
        const float *b = panel_at(part, side, block, j / WIDTH);
        (in_rows ? FROM_ROWS : FROM_COLUMNS)[vectors - 1](depth, a, b, &to);
    }
}

static void multiply_range(Part *part, long side, long range, float *packed) {
    long first = range * part->height, end = least(first + part->height, part->rows);
    int turns = 0;
    while (atomic_load(&part->ready[side]) < part->pieces) wait_a_little(&turns);
    for (int block = 0; block < part->blocks; block++) {
        long depth = part->from[block + 1] - part->from[block];
        for (long i = first; i < end;) {
            Operand a = part->a;
            a.at += i * a.down + part->from[block] * a.along;
            if (a.along == 1) {
                long rows = least(end - i, ROWS);
                pack_a_rows(a, depth, rows, packed);
                multiply_panel(part, side, block, packed, 1, i, rows);
                i += rows;
                continue;
            }
            long together = least(end - i, GROUP * ROWS);
            pack_a_columns(a, depth, together, packed);
            for (long at = 0; at < together; at += ROWS)
                multiply_panel(part, side, block, packed + at * depth, 0, i + at, least(together - at, ROWS));
            i += together;
        }
    }
}

static void work(void *argument, long chunk, int who) {
    Part *part = argument;
    long side = chunk / (part->pieces + part->ranges), at = chunk % (part->pieces + part->ranges);
    if (at < part->pieces)
        pack_piece(part, side, at);
    else
        multiply_range(part, side, at - part->pieces, part->private + who * PRIVATE);
}

/* Multiply one part of the second matrix: up to DEEP of the inner index, up to MOST_COLUMNS blocks of columns. */
static void multiply_part(Part *part, long sides, int threads) {
    part->panels = (part->width + WIDTH - 1) / WIDTH;
    part->pieces = part->panels * part->blocks;
    long ranges = 4 * threads / sides + (threads > 1); /* some for each thread, so that who is late does less */
    long height = round_up(part->rows / (ranges ? ranges : 1) + 1, ROWS);
    part->height = height < FEWEST ? FEWEST : least(height, MOST);
    part->ranges = (part->rows + part->height - 1) / part->height;
    for (int i = 0; i < MOST_COLUMNS; i++) atomic_store(&part->ready[i], 0);
    share(work, part, sides * (part->pieces + part->ranges), threads);
}

/* Memory to pack in is kept for the next product; who finds it taken gets other memory. */
typedef struct {
    size_t size;
    float at[];
} Memory;

static Memory *_Atomic kept;

static Memory *take_memory(size_t size) {
    Memory *memory = atomic_exchange(&kept, NULL);
    if (memory && memory->size >= size) return memory;
    free(memory);
    memory = malloc(sizeof(Memory) + size * sizeof(float) + 64);
    if (memory) memory->size = size;
    return memory;
}

int multiply(Operand a, Operand b, float *c, const float *row, long rows, long columns, long inner, int threads) {
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    Part part = {.stride = columns, .rows = rows};
    long deep = least(inner, DEEP), width = SIDE / deep / WIDTH * WIDTH;
    width = width < 2 * WIDTH ? 2 * WIDTH : least(width, 8 * WIDTH);
    long most = MOST_COLUMNS * width;
    Memory *memory = take_memory(deep * round_up(least(columns, most), WIDTH) + threads * (long)PRIVATE);
    if (memory == NULL) return -1;
    part.private = (float *)(((uintptr_t)memory->at + 63) & ~(uintptr_t)63);
    part.packed = part.private + threads * (long)PRIVATE;
    for (long j = 0; j < columns; j += most) {
        part.columns = least(columns - j, most);
        long sides = (part.columns + width - 1) / width;
        part.width = round_up((part.columns + sides - 1) / sides, WIDTH);
        sides = (part.columns + part.width - 1) / part.width;
        part.c = c + j;
        for (long p = 0, depth; p < inner; p += part.from[part.blocks]) {
            part.a = a, part.b = b;
            part.a.at += p * a.along;
            part.b.at += p * b.down + j * b.along;
            part.fresh = p == 0;
            part.blocks = 0;
            part.from[0] = 0;
            long end = 0;
            while (p + end < inner && (depth = next_block(inner - p - end)) + end <= DEEP) {
                end += depth;
                part.from[++part.blocks] = end;
            }
            part.row = row && p + end == inner ? row + j : NULL;
            multiply_part(&part, sides, threads);
        }
    }
    free(atomic_exchange(&kept, memory));
    return 0;
}

#endif
