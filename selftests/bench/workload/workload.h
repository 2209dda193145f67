/* SPDX-License-Identifier: MIT */
/*
 * What the workloads of the bench share. They call plain malloc and free and
 * are linked with nothing of ours; their own tables are mapped, so that the
 * allocator that is measured holds the workload's objects and nothing else.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/*
 * A workload that is served: setup once, then run as often as it is asked.
 * run does about n times what it does and returns the operations (pairs of
 * malloc and free) that this was.
 */
struct served {
	const char *name;
	const char *args;
	void (*setup)(char **args);
	uint64_t (*run)(uint64_t n);
};

/* A workload that measures itself, in a process of its own. */
struct once {
	const char *name;
	const char *args;
	void (*run)(char **args);
};

extern const struct served served_table[];
extern const struct once once_table[];

#define DECLARE_SERVED(name)			\
	void name##_setup(char **args);		\
	uint64_t name##_run(uint64_t n)

DECLARE_SERVED(pair);
DECLARE_SERVED(calloc_pair);
DECLARE_SERVED(calloc_batch);
DECLARE_SERVED(batch);
DECLARE_SERVED(grow);
DECLARE_SERVED(mixed);

void threads_run(char **args);
void latency_run(char **args);
void fragment_run(char **args);
void giveback_run(char **args);
void prefork_run(char **args);
void trivial_run(char **args);
void count_run(char **args);
void program_run(char **args);

_Noreturn void die(const char *what);
void *map_table(size_t bytes);
/* "key value" on standard output. */
void print_number(const char *key, double value);

/* args[i] as a number; the end of args is a fault of the caller. */
uint64_t number(char **args, int i);
bool word_is(char **args, int i, const char *word);

uint64_t process_cpu_ns(void);
uint64_t monotonic_ns(void);

struct memory {
	uint64_t rss_kib;	/* with huge pages of hugetlbfs */
	uint64_t private_dirty_kib;
};

/* From smaps_rollup, without allocating. */
struct memory memory_now(void);
uint64_t peak_rss_kib(void);
uint64_t minor_faults(void);

/* One byte written in each page of an object. */
static inline void touch(void *p, size_t bytes)
{
	volatile char *at = p;

	for (size_t i = 0; i < bytes; i += 4096)
		at[i] = 1;
}

/* One byte: what any user of an object does. */
static inline void *use(void *p)
{
	if (!p)
		die("out of memory");
	*(volatile char *)p = 1;
	return p;
}

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state * 0x2545f4914f6cdd1dull;
}

/* Below n, which is below 2^32. */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return ((rng_next(r) >> 32) * n) >> 32;
}

static inline struct rng rng_seeded(uint64_t seed)
{
	return (struct rng){ seed * 0x9e3779b97f4a7c15ull + 1 };
}

/*
 * Sizes from lo to hi whose logarithm is evenly spread, as sizes of real
 * programs roughly are. They come from a table, so that drawing one is cheap.
 */
#define SIZES_NR 8192

struct sizes {
	uint32_t bytes[SIZES_NR];
};

void sizes_fill(struct sizes *s, struct rng *r, uint32_t lo, uint32_t hi);

static inline uint32_t sizes_draw(const struct sizes *s, struct rng *r)
{
	return s->bytes[rng_next(r) >> 32 & (SIZES_NR - 1)];
}

#endif
