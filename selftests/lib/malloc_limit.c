// SPDX-License-Identifier: MIT
/*
 * The malloc family when memory is out (HUGESPAN_LIMIT).
 *
 * Guards against a failure that loses what the caller still has, that leaves
 * errno unset, that lasts longer than the shortage, or that befalls calls
 * which need no memory: a program does not expect a shrinking realloc to fail.
 */
#include <stdlib.h>

#include "hugespan.h"
#include "pattern.h"
#include "scenario.h"

#define LIMIT_BYTES (32ul << 20)
#define LARGE_BYTES (3ul << 20)

FIXTURE(limit) {
	int unused;
};

FIXTURE_VARIANT(limit) {
	const char *env[4];
};

FIXTURE_VARIANT_ADD(limit, default) {
	.env = { "HUGESPAN_LIMIT=32M", "HUGESPAN_CHECK=0" },
};

FIXTURE_VARIANT_ADD(limit, locked) {
	.env = { "HUGESPAN_LIMIT=32M", "HUGESPAN_CHECK=0", "HUGESPAN_RSEQ=0" },
};

FIXTURE_VARIANT_ADD(limit, check) {
	.env = { "HUGESPAN_LIMIT=32M", "HUGESPAN_CHECK=1" },
};

FIXTURE_SETUP(limit)
{
}

FIXTURE_TEARDOWN(limit)
{
}

static void **held;
static size_t nr_held;

static struct hs_stats stats(void)
{
	struct hs_stats st = { .struct_size = sizeof(st) };

	CHILD_CHECK(!hs_stats(&st));
	CHILD_CHECK(st.mapped_bytes <= LIMIT_BYTES);
	return st;
}

static void start(void)
{
	struct hs_status st = { .struct_size = sizeof(st) };

	CHILD_CHECK(!hs_status(&st));
	if (!st.unit_bytes)
		scenario_skip("the backend asked for is not to be had here");
	if (st.unit_bytes > LIMIT_BYTES / 16)
		scenario_skip("units of %zu bytes", st.unit_bytes);
	held = calloc(LIMIT_BYTES / 16 + 1, sizeof(*held));
	CHILD_CHECK(held);
}

/* Until there is no more. */
static void exhaust(size_t size)
{
	void *ptr;

	errno = 0;
	while ((ptr = hs_malloc(size)))
		held[nr_held++] = ptr;
	CHILD_CHECK(errno == ENOMEM);
}

static void free_all(void)
{
	while (nr_held)
		hs_free(held[--nr_held]);
}

/* Every way to ask is told so; what is held stays as it is. */
SCENARIO_TEST(limit, every_function_says_enomem)
{
	char *large, *small;
	void *out = (void *)16;

	start();
	large = hs_malloc(LARGE_BYTES);
	small = hs_malloc(1000);
	CHILD_CHECK(large && small);
	pattern_dot(large, LARGE_BYTES, 1);
	pattern_fill(small, 1000, 2);
	exhaust(1000000);
	exhaust(300000);

	errno = 0;
	CHILD_CHECK(!hs_malloc(LARGE_BYTES) && errno == ENOMEM);
	errno = 0;
	CHILD_CHECK(!hs_calloc(1, LARGE_BYTES) && errno == ENOMEM);
	errno = 0;
	CHILD_CHECK(!hs_realloc(large, 2 * LARGE_BYTES) && errno == ENOMEM);
	errno = 0;
	CHILD_CHECK(!hs_realloc(small, LARGE_BYTES) && errno == ENOMEM);
	errno = 0;
	CHILD_CHECK(!hs_reallocarray(small, 3, LARGE_BYTES) &&
		    errno == ENOMEM);
	errno = 0;
	CHILD_CHECK(!hs_memalign(4096, LARGE_BYTES) && errno == ENOMEM);
	errno = 0;
	CHILD_CHECK(!hs_aligned_alloc(1 << 22, 1) && errno == ENOMEM);
	CHILD_CHECK(hs_posix_memalign(&out, 4096, LARGE_BYTES) == ENOMEM);
	CHILD_CHECK(out == (void *)16);

	CHILD_CHECK(pattern_dots_differ(large, LARGE_BYTES, 1) < 0);
	CHILD_CHECK(pattern_differs(small, 1000, 2) < 0);
	stats();
}

/* After the shortage all is as before, and all of it goes back. */
SCENARIO_TEST(limit, what_is_freed_can_be_had_again)
{
	static const size_t sizes[] = { 300000, 40000, 3000, 200, 16 };
	size_t i, first;
	int round;

	start();
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (round = 0, first = 0; round < 2; round++) {
			exhaust(sizes[i]);
			CHILD_CHECK(nr_held * sizes[i] > LIMIT_BYTES / 4 * 3);
			if (!first)
				first = nr_held;
			CHILD_CHECK(nr_held + nr_held / 20 >= first);
			free_all();
		}
	}
	CHILD_CHECK(stats().in_use_bytes == 0);
	hs_release(0);
	if (stats().cpu_cached_bytes == 0)
		CHILD_CHECK(stats().mapped_bytes == 0);
}

/* A realloc to less needs no memory, so it must not fail for lack of any. */
SCENARIO_TEST(limit, shrinking_never_fails)
{
	static const size_t sizes[] = { 2000000, 300000, 262145, 262144, 200000,
					131073, 50000, 9000, 5000, 600, 100, 1 };
	char *ptr;
	size_t i;

	start();
	ptr = hs_malloc(LARGE_BYTES);
	CHILD_CHECK(ptr);
	exhaust(1000000);
	exhaust(100000);
	exhaust(3000);
	exhaust(500);
	exhaust(16);
	pattern_fill(ptr, LARGE_BYTES, 3);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ptr = hs_realloc(ptr, sizes[i]);
		CHILD_CHECK(ptr);
		CHILD_CHECK(pattern_differs(ptr, sizes[i] & ~7ul, 3) < 0);
		exhaust(16);	/* what it gave back */
	}
	hs_free(ptr);
}

SCENARIO_MAIN
