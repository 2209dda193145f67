/* SPDX-License-Identifier: MIT */
/*
 * Patterns that say whose memory this is: every word holds a tag mixed with
 * its own position, so that neither a stranger's page nor a page of one's own
 * in the wrong place passes for the right one. And random numbers that can be
 * had again: HUGESPAN_TEST_SEED repeats a run, HUGESPAN_TEST_OPS sizes it.
 */
#ifndef SELFTEST_PATTERN_H
#define SELFTEST_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef HELPER
#define HELPER static inline __attribute__((unused))
#endif

#define PAGE_STEP 4096

/* A bijection of 64-bit words in which every input bit stirs every output bit. */
HELPER uint64_t mix64(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 29;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	return x;
}

HELPER uint64_t pattern_word(uint64_t tag, size_t byte)
{
	return mix64(tag * 0x9e3779b97f4a7c15ull + byte + 1);
}

/* Every word of [0, @len). */
HELPER void pattern_fill(void *mem, size_t len, uint64_t tag)
{
	uint64_t *w = mem;
	size_t i;

	for (i = 0; i < len / sizeof(*w); i++)
		w[i] = pattern_word(tag, i * sizeof(*w));
}

/* The first byte that is not the pattern's, or -1 when all are. */
HELPER long pattern_differs(const void *mem, size_t len, uint64_t tag)
{
	const uint64_t *w = mem;
	size_t i;

	for (i = 0; i < len / sizeof(*w); i++)
		if (w[i] != pattern_word(tag, i * sizeof(*w)))
			return (long)(i * sizeof(*w));
	return -1;
}

/* One word in each 4 KiB: enough to tell pages apart, and quick. */
HELPER void pattern_dot(void *mem, size_t len, uint64_t tag)
{
	size_t i;

	for (i = 0; i < len; i += PAGE_STEP)
		*(uint64_t *)((char *)mem + i) = pattern_word(tag, i);
}

HELPER long pattern_dots_differ(const void *mem, size_t len, uint64_t tag)
{
	size_t i;

	for (i = 0; i < len; i += PAGE_STEP)
		if (*(const uint64_t *)((const char *)mem + i) !=
		    pattern_word(tag, i))
			return (long)i;
	return -1;
}

/* The first byte that is not zero, or -1. */
HELPER long nonzero_at(const void *mem, size_t len)
{
	const char *p = mem;
	size_t i = 0;

	if (!len || (p[0] == 0 && !memcmp(p, p + 1, len - 1)))
		return -1;
	while (!p[i])
		i++;
	return (long)i;
}

/* ---- random ------------------------------------------------------------ */

/* The seed of this run, printed so that a failure can be had again. */
HELPER uint64_t test_seed(void)
{
	const char *given = getenv("HUGESPAN_TEST_SEED");
	struct timespec ts;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &ts);
	seed = given ? strtoull(given, NULL, 0) :
		mix64((uint64_t)ts.tv_sec * 1000000007 + (uint64_t)ts.tv_nsec +
		      (uint64_t)getpid());
	fprintf(stderr, "# HUGESPAN_TEST_SEED=0x%llx\n",
		(unsigned long long)seed);
	return seed;
}

HELPER uint64_t rnd(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ull;
	return mix64(*state);
}

/* In [0, @n). */
HELPER uint64_t rnd_below(uint64_t *state, uint64_t n)
{
	return rnd(state) % n;
}

HELPER uint64_t test_ops(uint64_t fallback)
{
	const char *given = getenv("HUGESPAN_TEST_OPS");

	return given ? strtoull(given, NULL, 0) : fallback;
}

#endif /* SELFTEST_PATTERN_H */
