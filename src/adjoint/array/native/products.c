/* The product of two float32 matrices, with the bits of OpenBLAS's kernels for AVX-512.

   In: two matrices, best in C or Fortran order, a row to add or NULL. Out: their product in C order, on one thread or
   several. Whether NumPy's BLAS has these bits here is found out once (array/kernels/compiled.py).

   Note [The same bits]
       OpenBLAS cuts the inner index into blocks (`next_block`). Of each element of the result the terms of a block
       are a chain of fused multiply-adds that starts with 0, and the chains are added to the element, which is 0 at
       first, in the order of the blocks. This order is all that the bits depend on: how rows and columns are cut,
       and who computes which, is free.

   Note [Blocks]
       The second matrix is packed, in panels of 64 columns (`pack_b`): a block of the inner index by a block of
       columns at a time, which stays in the second-level cache while all rows are multiplied with it. Rows of the
       first matrix are packed 6 at a time, or, where they are contiguous downwards, some panels of 6 at a time
       (`pack_a_...`). A tile of 6 x 64 sums is in registers: 24 chains.

   Note [Steps]
       A step is one such block of the second matrix: first pieces to pack, then ranges of rows to compute, a chunk
       each. A range waits until its block is packed, and, if it adds to what is there, until the same range of the
       step before is done; a piece, until the step whose memory it overwrites is done. The chunks are begun in
       order, so that whatever one waits for is at work.

   Note [Lanes]
       The blocks of columns are dealt to lanes, and each lane is a sequence of chunks of its own. A thread begins
       with a lane of its own, as far as there are enough: what it packs it finds in its own cache. Who is through
       takes the next chunks of the other lanes, so that a thread whose core was taken away is not waited for. */

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
    BROAD = 8 * WIDTH,      /* columns of a block, at most */
    SLOTS = 2,              /* packed blocks of a lane that are in memory, where several threads share it */
    SPLIT = 256,            /* columns from which a thread gets a lane of its own */
    MOST_RANGES = 64,
    MOST_LANES = 16,
    GROUP = 16,             /* panels of six rows that are packed together */
    LINE = DEPTH + LANES,   /* of a packed row: rows do not meet in one set of the cache */
    PRIVATE = GROUP * ROWS * LINE, /* floats for each thread to pack rows in */
    FEWEST = 48, MOST = 192, /* rows of a range, in multiples of 6; half as few for many threads */
};

typedef struct {
    atomic_long next;                      /* chunk */
    long steps;                            /* in all */
    float *packed;
    atomic_long ready[SLOTS], done[SLOTS]; /* pieces packed into a slot, ranges computed from it */
    atomic_int past[2][MOST_RANGES];       /* steps of a range that are done, over the even and the odd sides */
} Lane;

typedef struct {
    Operand a, b;
    float *c;
    const float *row;
    long rows, columns, inner;
    long blocks, width, height;  /* blocks of the inner index; columns of a block; rows of a range */
    long sides, pieces, ranges, slots; /* blocks of columns; chunks of a step: to pack, to compute */
    float *private;
    long count;
    Lane lanes[MOST_LANES];
} Product;

int can_multiply(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("fma");
}

static inline long least(long a, long b) { return a < b ? a : b; }

static inline long round_up(long n, long unit) { return (n + unit - 1) / unit * unit; }

/* Where a block of the inner index begins. OpenBLAS takes DEPTH as long as there are two of them, halves what is
   more than one, and takes the rest. */
static long block_at(long inner, long block) {
    long whole = inner < 2 * DEPTH ? 0 : inner / DEPTH - 1, left = inner - whole * DEPTH;
    if (block <= whole) return block * DEPTH;
    if (block == whole + 1 && left > DEPTH) return whole * DEPTH + round_up(left / 2, GRAIN);
    return inner;
}

static long count_blocks(long inner) {
    long count = 0;
    while (block_at(inner, count) < inner) count++;
    return count;
}

static inline int in_fortran_order(Operand o) { return o.down == 1 && o.along != 1; }

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
    if (b.along == 0) { /* one number per row */
        for (long p = 0; p < depth; p++, out += step)
            for (long j = 0; j < step; j += LANES) _mm512_storeu_ps(out + j, _mm512_set1_ps(b.at[p * b.down]));
        return;
    }
    if (b.along != 1 && b.down != 1) { /* with gaps */
        for (long p = 0; p < depth; p++, out += step)
            for (long j = 0; j < step; j++) out[j] = j < columns ? b.at[p * b.down + j * b.along] : 0;
        return;
    }
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

/* Six rows, LINE floats apart, of a matrix that is not in Fortran order; zeros for rows that are not there. */
WIDE static void pack_a_rows(Operand a, long depth, long rows, float *out) {
    for (long i = 0; i < ROWS; i++, out += LINE) {
        if (i >= rows)
            memset(out, 0, depth * sizeof(float));
        else if (a.along == 0)
            for (long p = 0; p < depth; p += LANES) _mm512_storeu_ps(out + p, _mm512_set1_ps(a.at[i * a.down]));
        else if (a.along != 1)
            for (long p = 0; p < depth; p++) out[p] = a.at[i * a.down + p * a.along];
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

/* A block of the second matrix: what of it, and where it is packed. */
typedef struct {
    long top, depth, left, columns, panels;
    float *packed;
} Block;

static Block block_of(const Product *job, const Lane *lane, long step) {
    long block = step % job->blocks, side = step / job->blocks * job->count + (lane - job->lanes);
    Block b = {.top = block_at(job->inner, block), .left = side * job->width};
    b.depth = block_at(job->inner, block + 1) - b.top;
    b.columns = least(job->width, job->columns - b.left);
    b.panels = (b.columns + WIDTH - 1) / WIDTH;
    b.packed = lane->packed + step % job->slots * DEPTH * job->width;
    return b;
}

static void wait_for(atomic_long *counter, long wanted) {
    int turns = 0;
    while (atomic_load(counter) < wanted) wait_a_little(&turns);
}

/* Pack one of as many pieces of a block as it has panels: a panel, or, of a matrix in C order, some rows of all of
   them, which are read as they lie in memory. */
static void pack_piece(Product *job, Lane *lane, long step, long nr) {
    long slot = step % job->slots;
    wait_for(&lane->done[slot], step / job->slots * job->ranges);
    Block block = block_of(job, lane, step);
    int by_rows = !in_fortran_order(job->b);
    long top = by_rows ? nr * block.depth / job->pieces : 0;
    long end = by_rows ? (nr + 1) * block.depth / job->pieces : block.depth;
    for (long panel = by_rows ? 0 : nr; panel < least(by_rows ? block.panels : nr + 1, block.panels); panel++) {
        long first = panel * WIDTH, here = least(block.columns - first, WIDTH);
        Operand b = job->b;
        b.at += (block.top + top) * b.down + (block.left + first) * b.along;
        pack_b(b, end - top, here, block.packed + first * block.depth + top * round_up(here, LANES));
    }
    atomic_fetch_add(&lane->ready[slot], 1);
}

/* A panel of six rows times all columns of a block. */
static void multiply_panel(const Product *job, const Block *block, const float *a, int in_rows, long first, long rows) {
    Target to = {NULL, job->columns, rows, 0, block->top == 0, NULL};
    int last = block->top + block->depth == job->inner;
    for (long j = 0; j < block->columns; j += WIDTH) {
        long here = least(block->columns - j, WIDTH), at = block->left + j;
        unsigned vectors = (unsigned)(here + LANES - 1) / LANES;
        to.c = job->c + first * job->columns + at;
        to.last = lanes(here - (vectors - 1) * LANES);
        to.row = job->row && last ? job->row + at : NULL;
        (in_rows ? FROM_ROWS : FROM_COLUMNS)[(vectors - 1) & 3](block->depth, a, block->packed + j * block->depth, &to);
    }
}

/* Ask for some columns of a matrix in Fortran order that are to be packed next: the cache cannot foresee them. */
static void fetch_columns(const float *at, long along, long first, long last) {
    for (long p = first; p < last; p++)
        for (long i = 0; i < GROUP * ROWS; i += LANES) _mm_prefetch((const char *)(at + p * along + i), _MM_HINT_T1);
}

static void multiply_range(Product *job, Lane *lane, long step, long range, float *packed) {
    long slot = step % job->slots, first = range * job->height, end = least(first + job->height, job->rows);
    wait_for(&lane->ready[slot], (step / job->slots + 1) * job->pieces);
    long side = step / job->blocks, nr = step % job->blocks;
    atomic_int *past = &lane->past[side & 1][range];
    int turns = 0;
    while (nr && atomic_load(past) < side / 2 * job->blocks + nr) wait_a_little(&turns);
    Block block = block_of(job, lane, step);
    for (long i = first; i < end;) {
        Operand a = job->a;
        a.at += i * a.down + block.top * a.along;
        if (!in_fortran_order(a)) {
            long rows = least(end - i, ROWS);
            pack_a_rows(a, block.depth, rows, packed);
            multiply_panel(job, &block, packed, 1, i, rows);
            i += rows;
            continue;
        }
        long together = least(end - i, GROUP * ROWS);
        pack_a_columns(a, block.depth, together, packed);
        for (long at = 0, here; at < together; at += here) {
            here = least(together - at, ROWS);
            if (i + together < end) {
                long from = at * block.depth / together, to = (at + here) * block.depth / together;
                fetch_columns(a.at + together, a.along, from, to);
            }
            multiply_panel(job, &block, packed + at * block.depth, 0, i + at, here);
        }
        i += together;
    }
    atomic_fetch_add(past, 1);
    atomic_fetch_add(&lane->done[slot], 1);
}

/* What one thread does: its lane, then what is left of the others. */
static void work(void *argument, long nr, int who) {
    Product *job = argument;
    float *packed = job->private + who * PRIVATE;
    for (long l = 0; l < job->count; l++) {
        Lane *lane = &job->lanes[(nr + l) % job->count];
        long of_a_step = job->pieces + job->ranges, chunk;
        while ((chunk = atomic_fetch_add(&lane->next, 1)) < lane->steps * of_a_step) {
            long step = chunk / of_a_step, at = chunk % of_a_step;
            if (at < job->pieces)
                pack_piece(job, lane, step, at);
            else
                multiply_range(job, lane, step, at - job->pieces, packed);
        }
    }
}

/* Memory to pack in is kept for the next product; who finds it taken gets other memory. */
typedef struct {
    long size;
    float at[];
} Memory;

static Memory *_Atomic kept;

static Memory *take_memory(long size) {
    Memory *memory = atomic_exchange(&kept, NULL);
    if (memory && memory->size >= size) return memory;
    free(memory);
    memory = malloc(sizeof(Memory) + size * sizeof(float) + 64);
    if (memory) memory->size = size;
    return memory;
}

int multiply(Operand a, Operand b, float *c, const float *row, long rows, long columns, long inner, int threads) {
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    Product job;
    job.a = a, job.b = b, job.c = c, job.row = row;
    job.rows = rows, job.columns = columns, job.inner = inner;
    long sides = (columns + BROAD - 1) / BROAD;
    if (sides < threads && columns >= threads * SPLIT) sides = threads;
    job.width = round_up((columns + sides - 1) / sides, WIDTH);
    job.sides = (columns + job.width - 1) / job.width;
    job.count = least(least(job.sides, threads), MOST_LANES);
    job.blocks = count_blocks(inner);
    job.pieces = job.width / WIDTH;
    job.slots = threads > job.count ? SLOTS : 1; /* one thread needs no more, and its cache holds one */
    long wanted = threads > 1 ? 4 * threads : 1; /* some ranges for each thread, so that who is late does less */
    long height = round_up((rows + wanted - 1) / wanted, ROWS);
    long lowest = round_up(rows / MOST_RANGES + 1, ROWS); /* for no more ranges than there is room for */
    long fewest = threads > 4 ? FEWEST / 2 : FEWEST;
    height = height < fewest ? fewest : least(height, MOST);
    job.height = height < lowest ? lowest : height;
    job.ranges = (rows + job.height - 1) / job.height;
    long room = job.slots * DEPTH * job.width;
    Memory *memory = take_memory(job.count * room + threads * (long)PRIVATE);
    if (memory == NULL) return -1;
    job.private = (float *)(((uintptr_t)memory->at + 63) & ~(uintptr_t)63);
    for (long l = 0; l < job.count; l++) {
        Lane *lane = &job.lanes[l];
        lane->packed = job.private + threads * (long)PRIVATE + l * room;
        lane->steps = (job.sides - l + job.count - 1) / job.count * job.blocks;
        atomic_store(&lane->next, 0);
        for (int s = 0; s < SLOTS; s++) atomic_store(&lane->ready[s], 0), atomic_store(&lane->done[s], 0);
        for (int r = 0; r < job.ranges; r++) atomic_store(&lane->past[0][r], 0), atomic_store(&lane->past[1][r], 0);
    }
    share(work, &job, threads, threads);
    free(atomic_exchange(&kept, memory));
    return 0;
}

#endif
