// SPDX-License-Identifier: MIT
/*
 * How many idle units the page heap keeps, with a clock of the test's own.
 *
 * Guards against a program that goes up and down and maps its units anew each
 * time; and against units kept for ever because they were wanted once.
 */
#include <kselftest_harness.h>

#include "fakebackend.h"
#include "fakemeta.h"
#include "pageheap.h"
#include "pagemap.h"

#define RETAIN_UNITS 4
#define MAX_UNITS 64
#define SECOND UINT64_C(1000000000)

static struct hs_pageheap ph;
static uint64_t now_ns;

static uint64_t fake_now_ns(void)
{
	return now_ns;
}

static void start(bool adapts)
{
	fake_reset(1);
	hs_pageheap_init(&ph, &fake_backend, false);
	ph.limit_bytes = 0;
	ph.retain_bytes = RETAIN_UNITS * FAKE_UNIT_BYTES;
	ph.retain_min_bytes = ph.retain_bytes;
	ph.retain_adapts = adapts;
	ph.now_ns = fake_now_ns;
	now_ns = 100 * SECOND;
}

/* So many units, and all of them back: how often the backend was asked. */
static unsigned int up_and_down(unsigned int nr)
{
	unsigned int maps = fake.nr_maps, i;
	struct hs_run *run[MAX_UNITS];

	for (i = 0; i < nr; i++) {
		run[i] = hs_pageheap_alloc(&ph, FAKE_UNIT_PAGES, HS_PAGE_BYTES,
					   HS_RUN_LARGE, 0);
		if (!run[i])
			return ~0u;
		fake_change(fake_page(hs_run_address(run[i])), FAKE_UNIT_PAGES,
			    PAGE_FREE, PAGE_OWNED);
	}
	for (i = 0; i < nr; i++) {
		fake_change(fake_page(hs_run_address(run[i])), FAKE_UNIT_PAGES,
			    PAGE_OWNED, PAGE_FREE);
		hs_pageheap_free(&ph, run[i]);
	}
	return fake.nr_maps - maps;
}

static uint64_t idle_units(void)
{
	return ph.idle_bytes / FAKE_UNIT_BYTES;
}

/* The second time the heap learns, from the third on it has them. */
TEST(units_that_come_back_are_kept)
{
	start(true);
	EXPECT_EQ(20, up_and_down(20));
	EXPECT_EQ(RETAIN_UNITS, idle_units());
	EXPECT_EQ(20 - RETAIN_UNITS, up_and_down(20));
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(0, up_and_down(20));
		EXPECT_EQ(20, idle_units());
	}
	EXPECT_EQ(NULL, hs_pageheap_check(&ph));
	EXPECT_EQ(NULL, fake.broken);
}

/* What was kept goes by halves, a second each, down to the least. */
TEST(what_is_not_wanted_goes_again)
{
	uint64_t last;

	start(true);
	up_and_down(20);
	up_and_down(20);
	ASSERT_EQ(20, idle_units());
	for (int i = 0; i < 8; i++) {
		last = idle_units();
		now_ns += SECOND - 1;
		EXPECT_EQ(0, up_and_down(1));
		EXPECT_EQ(last, idle_units());
		now_ns += 1;
		EXPECT_EQ(0, up_and_down(1));
		EXPECT_EQ(RETAIN_UNITS + (last - RETAIN_UNITS) / 2,
			  idle_units());
	}
	EXPECT_EQ(RETAIN_UNITS, idle_units());
	EXPECT_EQ(NULL, hs_pageheap_check(&ph));
	EXPECT_EQ(NULL, fake.broken);
}

/* A program that comes back later is another program. */
TEST(units_that_come_late_are_not_kept)
{
	start(true);
	for (int i = 0; i < 5; i++) {
		up_and_down(20);
		EXPECT_EQ(RETAIN_UNITS, idle_units());
		now_ns += SECOND;
	}
}

TEST(there_is_a_bound)
{
	start(true);
	for (int i = 0; i < 5; i++)
		up_and_down(MAX_UNITS);
	EXPECT_EQ(HS_RETAIN_TIMES * RETAIN_UNITS, idle_units());
	EXPECT_EQ(NULL, hs_pageheap_check(&ph));
}

TEST(a_heap_that_was_not_told_to_does_not_adapt)
{
	start(false);
	for (int i = 0; i < 5; i++) {
		up_and_down(20);
		EXPECT_EQ(RETAIN_UNITS, idle_units());
	}
}

/* None is none, however often they come back. */
TEST(nothing_retained_stays_nothing)
{
	start(true);
	ph.retain_bytes = 0;
	ph.retain_min_bytes = 0;
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(20, up_and_down(20));
		EXPECT_EQ(0, idle_units());
	}
}

TEST_HARNESS_MAIN
