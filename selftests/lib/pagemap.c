// SPDX-License-Identifier: MIT
/*
 * The page map against a naive model: an array with an entry per page.
 *
 * Guards against an entry that stays behind when its run is gone (free() would
 * follow it), a run whose last page does not find it (no joining), a class byte
 * that outlives its run (free() would take a large run for a small object),
 * mistakes where a run crosses from one leaf to the next, and addresses no leaf
 * can hold.
 *
 * Nothing is mapped at these addresses: the page map never touches them.
 * Metadata is this file's own, so that it can be made to run out.
 */
#include <pthread.h>

#include <kselftest_harness.h>

#include "fakemeta.h"
#include "pagemap.h"
#include "pattern.h"

/* The model's window: some pages on both sides of a leaf's border. */
#define NR_PAGES 4096
#define MAX_RUNS 64

struct window {
	uintptr_t base;		/* address of its first page */
	struct hs_run *run[NR_PAGES];
	uint8_t size_class[NR_PAGES];
	bool taken[NR_PAGES];	/* by some run, also in its middle */
	struct hs_run runs[MAX_RUNS];
	bool used[MAX_RUNS];
};

static struct window window;

static uintptr_t address(size_t page)
{
	return window.base + (page << HS_PAGE_SHIFT);
}

static void model_enter(struct hs_run *run, bool enter)
{
	size_t first = (hs_run_address(run) - window.base) >> HS_PAGE_SHIFT;
	bool small = run->state == HS_RUN_SMALL;
	size_t i;

	for (i = first; i < first + run->nr_pages; i++) {
		window.taken[i] = enter;
		if (!small && i != first && i != first + run->nr_pages - 1)
			continue;
		window.run[i] = enter ? run : NULL;
		window.size_class[i] = enter && small ? run->size_class : 0;
	}
}

static bool is_free(size_t first, size_t nr)
{
	size_t i;

	for (i = first; i < first + nr; i++)
		if (window.taken[i])
			return false;
	return true;
}

/* A page at random: its first, last or some byte, against the model. */
static const char *compare(size_t page, uint64_t *state)
{
	uintptr_t in_page[] = { 0, HS_PAGE_BYTES - 1,
				rnd_below(state, HS_PAGE_BYTES) };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(in_page); i++) {
		if (hs_pagemap_run(address(page) + in_page[i]) !=
		    window.run[page])
			return "a page points to the wrong run";
		if (hs_pagemap_class(address(page) + in_page[i]) !=
		    window.size_class[page])
			return "a page has the wrong class";
	}
	return NULL;
}

static const char *step(uint64_t *state)
{
	size_t i = rnd_below(state, MAX_RUNS);
	struct hs_run *run = &window.runs[i];
	size_t first, nr;

	if (window.used[i]) {
		hs_pagemap_clear(run);
		model_enter(run, false);
		window.used[i] = false;
		return NULL;
	}
	run->state = rnd_below(state, 3);
	nr = 1 + rnd_below(state, run->state == HS_RUN_SMALL ?
			   HS_RUN_PAGES_MAX : 300);
	first = rnd_below(state, NR_PAGES - nr);
	if (!is_free(first, nr))
		return NULL;
	run->page = address(first) >> HS_PAGE_SHIFT;
	run->nr_pages = (uint32_t)nr;
	run->size_class = run->state == HS_RUN_SMALL ?
		(uint8_t)(1 + rnd_below(state, HS_NR_CLASSES - 1)) : 0;
	hs_pagemap_set(run);
	model_enter(run, true);
	window.used[i] = true;
	return NULL;
}

FIXTURE(window) {
	int unused;
};

FIXTURE_VARIANT(window) {
	uintptr_t border;	/* the window lies on both sides of it */
};

FIXTURE_VARIANT_ADD(window, between_leaves) {
	.border = 5ul << HS_ROOT_SHIFT,
};

FIXTURE_VARIANT_ADD(window, inside_a_leaf) {
	.border = (77ul << HS_ROOT_SHIFT) + (1ul << 30),
};

FIXTURE_VARIANT_ADD(window, at_the_top) {
	.border = (1ul << HS_ADDRESS_BITS) - NR_PAGES / 2 * HS_PAGE_BYTES,
};

FIXTURE_VARIANT_ADD(window, at_the_bottom) {
	.border = NR_PAGES / 2 * HS_PAGE_BYTES,
};

FIXTURE_SETUP(window)
{
	memset(&window, 0, sizeof(window));
	window.base = variant->border - NR_PAGES / 2 * HS_PAGE_BYTES;
	ASSERT_EQ(0, hs_pagemap_ensure(window.base, NR_PAGES * HS_PAGE_BYTES));
}

FIXTURE_TEARDOWN(window)
{
}

TEST_F(window, agrees_with_the_model)
{
	uint64_t state = test_seed(), ops = test_ops(300000), i;
	size_t page;

	for (i = 0; i < ops; i++) {
		const char *broken;

		step(&state);
		broken = compare(rnd_below(&state, NR_PAGES), &state);
		ASSERT_EQ(NULL, broken) {
			TH_LOG("step %lu: %s", i, broken);
		}
		if (i % 1024)
			continue;
		for (page = 0; page < NR_PAGES; page++)
			ASSERT_EQ(NULL, compare(page, &state));
	}
}

/* What has been cleared leaves nothing: not in the middle, not at the ends. */
TEST_F(window, clearing_leaves_nothing)
{
	enum hs_run_state states[] = { HS_RUN_FREE, HS_RUN_LARGE, HS_RUN_SMALL };
	uint64_t state = 1;
	size_t i, page, nr;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		for (nr = 1; nr <= HS_RUN_PAGES_MAX; nr++) {
			struct hs_run run = {
				.page = address(NR_PAGES / 2 - nr / 2) >>
					HS_PAGE_SHIFT,
				.nr_pages = (uint32_t)nr,
				.state = states[i],
				.size_class = states[i] == HS_RUN_SMALL ? 7 : 0,
			};

			hs_pagemap_set(&run);
			EXPECT_EQ(&run, hs_pagemap_run(hs_run_address(&run)));
			EXPECT_EQ(&run, hs_pagemap_run(hs_run_address(&run) +
						       hs_run_bytes(&run) - 1));
			hs_pagemap_clear(&run);
			for (page = 0; page < NR_PAGES; page++)
				ASSERT_EQ(NULL, compare(page, &state));
		}
	}
}

/* Twice is as good as once: what was entered in between stays. */
TEST_F(window, ensure_is_idempotent)
{
	struct hs_run run = {
		.page = window.base >> HS_PAGE_SHIFT, .nr_pages = NR_PAGES,
		.state = HS_RUN_LARGE,
	};

	hs_pagemap_set(&run);
	ASSERT_EQ(0, hs_pagemap_ensure(window.base, NR_PAGES * HS_PAGE_BYTES));
	ASSERT_EQ(0, hs_pagemap_ensure(window.base, 1));
	EXPECT_EQ(&run, hs_pagemap_run(window.base));
	EXPECT_EQ(&run, hs_pagemap_run(address(NR_PAGES - 1)));
}

/* A pointer that is no pointer: free() asks about it before it complains. */
TEST(addresses_out_of_range)
{
	static const uintptr_t none[] = {
		0, 1, HS_PAGE_BYTES, 1ul << 47, (1ul << 48) - 1, 1ul << 48,
		(1ul << 48) + 4096, 1ul << 63, UINTPTR_MAX, UINTPTR_MAX - 4096,
		0xffff800000000000ul, 0xdeadbeefdeadbeeful,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		EXPECT_EQ(NULL, hs_pagemap_run(none[i]));
		EXPECT_EQ(0, hs_pagemap_class(none[i]));
	}
}

/* No leaf for what no address space has, however the sum comes out. */
TEST(ensure_refuses_what_is_out_of_range)
{
	const uintptr_t top = 1ul << HS_ADDRESS_BITS;

	EXPECT_EQ(-ENOMEM, hs_pagemap_ensure(top, HS_PAGE_BYTES));
	EXPECT_EQ(-ENOMEM, hs_pagemap_ensure(top - HS_PAGE_BYTES,
					     2 * HS_PAGE_BYTES));
	EXPECT_EQ(-ENOMEM, hs_pagemap_ensure(UINTPTR_MAX - 1, 1));
	EXPECT_EQ(-ENOMEM, hs_pagemap_ensure(UINTPTR_MAX, HS_PAGE_BYTES));
	EXPECT_EQ(-ENOMEM, hs_pagemap_ensure(HS_PAGE_BYTES, UINTPTR_MAX));
	EXPECT_EQ(0, hs_pagemap_ensure(top - HS_PAGE_BYTES, HS_PAGE_BYTES));
}

/* Out of memory half-way: the leaves that came stay, the call can be made
 * again, and nothing is entered. */
TEST(no_memory_for_a_leaf)
{
	const uintptr_t base = 1000ul << HS_ROOT_SHIFT;
	const size_t bytes = 3ul << HS_ROOT_SHIFT;
	unsigned int fail;

	for (fail = 1; fail <= 3; fail++) {
		meta_fail_map = 1 + (fail > 1);	/* one leaf more each time */
		EXPECT_EQ(-ENOMEM, hs_pagemap_ensure(base, bytes));
		EXPECT_EQ(0, meta_fail_map);
	}
	EXPECT_EQ(NULL, hs_pagemap_run(base + (2ul << HS_ROOT_SHIFT)));
	EXPECT_EQ(0, hs_pagemap_ensure(base, bytes));
	EXPECT_NE(NULL, hs_pagemap_leaf(base));
	EXPECT_NE(NULL, hs_pagemap_leaf(base + bytes - 1));
	EXPECT_EQ(NULL, hs_pagemap_leaf(base + bytes));
	EXPECT_EQ(NULL, hs_pagemap_leaf(base - 1));
}

TEST_HARNESS_MAIN
