/* SPDX-License-Identifier: MIT */
/*
 * For the tests of forks: their fixture, with a variant for each backend, and
 * objects of all sizes that a process holds, each with a pattern that says
 * whose it is.
 */
#ifndef SELFTEST_HELD_H
#define SELFTEST_HELD_H

#include "scenario.h"

#include "backends.h"
#include "hugespan.h"
#include "pageheap.h"
#include "pattern.h"

FIXTURE(forks) {
	int unused;
};

FIXTURE_VARIANT(forks) {
	const char *env[4];
	int id;
};

#define FORK_VARIANT(name, id_)						\
	FIXTURE_VARIANT_ADD(forks, name) {				\
		.env = { "HUGESPAN_BACKEND=" #name, "HUGESPAN_CHECK=0" }, \
		.id = id_,						\
	}

FORK_VARIANT(device, HS_BACKEND_DEVICE);
FORK_VARIANT(hugetlb, HS_BACKEND_HUGETLB);
FORK_VARIANT(thp, HS_BACKEND_THP);
FORK_VARIANT(plain, HS_BACKEND_PLAIN);

FIXTURE_VARIANT_ADD(forks, plain_locked) {
	.env = { "HUGESPAN_BACKEND=plain", "HUGESPAN_CHECK=0",
		 "HUGESPAN_RSEQ=0" },
	.id = HS_BACKEND_PLAIN,
};

FIXTURE_VARIANT_ADD(forks, plain_check) {
	.env = { "HUGESPAN_BACKEND=plain", "HUGESPAN_CHECK=1" },
	.id = HS_BACKEND_PLAIN,
};

FIXTURE_SETUP(forks)
{
	SKIP_UNLESS_USABLE(variant->id);
}

FIXTURE_TEARDOWN(forks)
{
}

HELPER struct hs_stats stats(void)
{
	struct hs_stats st = { .struct_size = sizeof(st) };

	CHILD_CHECK(hs_stats(&st) == 0);
	return st;
}

HELPER void check_heap(void)
{
	const char *broken = hs_pageheap_check(&hs_pageheap);

	if (broken)
		fprintf(stderr, "# %s\n", broken);
	CHILD_CHECK(!broken);
}

/* ---- what a process holds ------------------------------------------------ */

static const size_t held_sizes[] = { 16, 64, 64, 200, 1024, 3000, 40000, 200000,
				     300000, 1500000 };
#define NR_HELD 60

static char *held[NR_HELD];

HELPER size_t held_size(int i)
{
	return held_sizes[i % ARRAY_SIZE(held_sizes)];
}

HELPER void hold(uint64_t tag)
{
	for (int i = 0; i < NR_HELD; i++) {
		held[i] = hs_malloc(held_size(i));
		CHILD_CHECK(held[i]);
		pattern_fill(held[i], held_size(i), tag + i);
	}
}

HELPER void check_held(uint64_t tag)
{
	for (int i = 0; i < NR_HELD; i++)
		CHILD_CHECK(pattern_differs(held[i], held_size(i), tag + i) < 0);
}

HELPER void change_held(uint64_t tag)
{
	for (int i = 0; i < NR_HELD; i++)
		pattern_fill(held[i], held_size(i), tag + i);
}

HELPER void free_held(void)
{
	for (int i = 0; i < NR_HELD; i++)
		hs_free(held[i]);
}

enum { PARENT = 1000, PARENT_LATER = 2000, CHILD = 3000, LATER = 4000 };

#endif /* SELFTEST_HELD_H */
