// SPDX-License-Identifier: MIT
/*
 * How long single calls of malloc take, in a histogram. The twin draws the same
 * numbers and takes its objects from memory that is there: what it measures is
 * the machine, the clock and the histogram, and no allocator.
 */
#include <stdlib.h>

#include "workload.h"

#define LARGEST_BYTES 32768
/* Buckets of a histogram: 64 in each doubling, so an error of at most 1.6%. */
#define STEP_BITS 6
#define BUCKETS_NR ((64 - STEP_BITS + 1) << STEP_BITS)

static uint64_t *histogram;
static char *arena;
static bool twin;
static struct sizes sizes;
static struct rng rng;

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int shift;

	if (ns < 1 << STEP_BITS)
		return ns;
	shift = 63 - __builtin_clzll(ns) - STEP_BITS;
	return ((shift + 1) << STEP_BITS) + ((ns >> shift) & ((1 << STEP_BITS) - 1));
}

static uint64_t bucket_ns(unsigned int bucket)
{
	unsigned int shift = bucket >> STEP_BITS;

	if (!shift)
		return bucket;
	return (uint64_t)((1 << STEP_BITS) + (bucket & ((1 << STEP_BITS) - 1))) << (shift - 1);
}

static uint64_t quantile(uint64_t samples, double q)
{
	uint64_t wanted = samples * q, seen = 0;

	for (unsigned int i = 0; i < BUCKETS_NR; i++) {
		seen += histogram[i];
		if (seen > wanted)
			return bucket_ns(i);
	}
	return 0;
}

static void *take(size_t bytes)
{
	if (!twin)
		return malloc(bytes);
	return arena + (rng.state & LARGEST_BYTES);
}

static void replace(void **slot, bool touched, bool timed)
{
	size_t bytes = sizes_draw(&sizes, &rng);
	uint64_t begun;

	if (!twin)
		free(*slot);
	begun = monotonic_ns();
	*slot = take(bytes);
	if (touched)
		touch(*slot, bytes);
	if (timed)
		histogram[bucket_of(monotonic_ns() - begun)]++;
	/* Outside of the measured time; a steady heap has all its pages. */
	if (!touched)
		touch(*slot, bytes);
}

void latency_run(char **args)
{
	bool steady = word_is(args, 0, "steady"), touched = word_is(args, 1, "touch");
	uint64_t samples = number(args, 3), live = number(args, 4), faults;
	void **slots = map_table(live * sizeof(*slots));

	twin = word_is(args, 2, "twin");
	histogram = map_table(BUCKETS_NR * sizeof(*histogram));
	arena = map_table(2 * LARGEST_BYTES + 4096);
	rng = rng_seeded(11);
	sizes_fill(&sizes, &rng, 16, LARGEST_BYTES);
	for (uint64_t i = 0; steady && i < 5 * live; i++)
		replace(&slots[i < live ? i : rng_below(&rng, live)], touched, false);
	faults = minor_faults();
	for (uint64_t i = 0; i < samples; i++)
		replace(&slots[!steady && i < live ? i : rng_below(&rng, live)], touched, true);
	print_number("faults", minor_faults() - faults);
	print_number("p50_ns", quantile(samples, 0.5));
	print_number("p99_ns", quantile(samples, 0.99));
	print_number("p99_9_ns", quantile(samples, 0.999));
	print_number("p99_99_ns", quantile(samples, 0.9999));
}
