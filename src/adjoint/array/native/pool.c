/* A small pool of threads for kernels in C.

   In: a function of a chunk's number, how many chunks there are, how many threads may work. Out: all chunks
   done. The threads never touch Python, so that callers give up its lock meanwhile.

   Note [Busy machines]
       Caller and workers take the next chunk from one counter: who is late does less. The caller waits for
       workers that have begun, never for one that has not: when another program takes a core away, the rest is
       done by the others. A worker that finds nothing to do looks out for work for some microseconds, then
       sleeps: training asks again soon, and waking costs tens of microseconds.

   Note [One at a time]
       The pool does one thing at a time. Who comes meanwhile works alone: all cores are busy then.

   Note [Forks]
       A child process inherits the pool's memory, but none of its threads: it begins with an empty one. */

#include "kernels.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum { LOOK_OUT = 50000 /* ns */, TURNS = 100 };

/* `gate` tells in one word whether a worker may join: OPEN, seats for workers, and how many have joined. */
enum { OPEN = 1 << 16, SEATS = 8, COUNT = 0xff };

static struct {
    Work *work;
    void *argument;
    long chunks;
    unsigned rounding; /* the caller's way with numbers that are hardly any, and the like */
} job;
static atomic_long next_chunk;
static atomic_int gate, left, generation, sleeping;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static pthread_mutex_t bedroom = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bell = PTHREAD_COND_INITIALIZER;
static int workers; /* only who holds `busy` looks at it */

static inline void pause_a_moment(void) {
#if defined(ADJOINT_X86)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void wait_a_little(int *turns) {
    if (++*turns < TURNS)
        pause_a_moment();
    else
        sched_yield();
}

static long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void serve(int who) {
    long chunk;
    while ((chunk = atomic_fetch_add(&next_chunk, 1)) < job.chunks) job.work(job.argument, chunk, who);
}

/* Whether denormals are flushed, say, is a thread's own affair; here all are to do as the caller does. */
static inline unsigned rounding_here(void) {
#ifdef ADJOINT_X86
    return _mm_getcsr();
#else
    return 0;
#endif
}

static inline void round_like(unsigned rounding) {
#ifdef ADJOINT_X86
    _mm_setcsr(rounding);
#endif
}

/* Join what is being done, if there is a seat. */
static void join_in(void) {
    int seen = atomic_load(&gate);
    do {
        if (!(seen & OPEN) || (seen & COUNT) >= (seen >> SEATS & COUNT)) return;
    } while (!atomic_compare_exchange_weak(&gate, &seen, seen + 1));
    round_like(job.rounding);
    serve((seen & COUNT) + 1);
    atomic_fetch_add(&left, 1);
}

static void wait_for_work(int seen) {
    long long until = now() + LOOK_OUT;
    do {
        for (int turn = 0; turn < 64; turn++) {
            if (atomic_load(&generation) != seen) return;
            pause_a_moment();
        }
    } while (now() < until);
    pthread_mutex_lock(&bedroom);
    atomic_fetch_add(&sleeping, 1); /* `share` looks at it after it has changed `generation` */
    while (atomic_load(&generation) == seen) pthread_cond_wait(&bell, &bedroom);
    atomic_fetch_sub(&sleeping, 1);
    pthread_mutex_unlock(&bedroom);
}

static void *live(void *nothing) {
    for (;;) {
        int seen = atomic_load(&generation);
        join_in();
        wait_for_work(seen);
    }
    return nothing;
}

static void begin_anew(void) {
    static const pthread_mutex_t new_mutex = PTHREAD_MUTEX_INITIALIZER;
    static const pthread_cond_t new_bell = PTHREAD_COND_INITIALIZER;
    bedroom = new_mutex;
    bell = new_bell;
    workers = 0;
    atomic_store(&gate, 0);
    atomic_store(&sleeping, 0);
    atomic_flag_clear(&busy);
}

/* See to it that there are so many workers, or as many as the system gives. */
static void hire(int wanted) {
    static int told;
    if (!told) told = !pthread_atfork(NULL, NULL, begin_anew);
    if (!told) return;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for Python's threads; the new ones inherit this */
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_t made;
    while (workers < wanted && !pthread_create(&made, &detached, live, NULL)) workers++;
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void share(Work *work, void *argument, long chunks, int threads) {
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    if (threads > chunks) threads = (int)chunks;
    if (threads < 2 || atomic_flag_test_and_set(&busy)) {
        for (long chunk = 0; chunk < chunks; chunk++) work(argument, chunk, 0);
        return;
    }
    if (workers < threads - 1) hire(threads - 1);
    job.work = work;
    job.argument = argument;
    job.chunks = chunks;
    job.rounding = rounding_here();
    atomic_store(&next_chunk, 0);
    atomic_store(&left, 0);
    atomic_store(&gate, OPEN | (threads - 1) << SEATS);
    atomic_fetch_add(&generation, 1);
    if (atomic_load(&sleeping)) {
        pthread_mutex_lock(&bedroom);
        pthread_cond_broadcast(&bell);
        pthread_mutex_unlock(&bedroom);
    }
    serve(0);
    int joined = atomic_fetch_and(&gate, ~OPEN) & COUNT, turns = 0;
    while (atomic_load(&left) < joined) wait_a_little(&turns);
    atomic_flag_clear(&busy);
}
