// SPDX-License-Identifier: MIT
/*
 * The page heap where it is narrow: memory that runs out at each possible
 * point, sizes that do not fit in its fields, a lesser backend of another unit.
 *
 * Guards against a failure half-way that loses a unit or a record or leaves a
 * list broken, against a length cut off to 32 bits (a run of no pages that
 * spans tebibytes), and against an extent taken from elsewhere that is too
 * small for what was to be cut from it.
 */
#include <kselftest_harness.h>

#include "fakebackend.h"
#include "fakemeta.h"
#include "options.h"
#include "pageheap.h"
#include "pagemap.h"

static struct hs_pageheap ph;

static void start(size_t retain_units)
{
	fake_reset(1);
	hs_pageheap_init(&ph, &fake_backend, false);
	ph.retain_bytes = retain_units * FAKE_UNIT_BYTES;
	ph.limit_bytes = 0;
}

static struct hs_run *alloc(size_t nr_pages, size_t align)
{
	return hs_pageheap_alloc(&ph, nr_pages, align, HS_RUN_LARGE, 0);
}

#define ASSERT_SOUND() do {						\
	const char *broken_ = hs_pageheap_check(&ph);			\
	ASSERT_EQ(NULL, broken_) {					\
		TH_LOG("%s", broken_);					\
	}								\
} while (0)

/* ---- joining ------------------------------------------------------------- */

/* Freed in every order, three neighbours become one unit again, and it goes. */
TEST(neighbours_join_in_every_order)
{
	static const int order[6][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	int i, j;

	for (i = 0; i < 6; i++) {
		struct hs_run *run[3];

		start(0);
		for (j = 0; j < 3; j++)
			run[j] = alloc(j == 2 ? FAKE_UNIT_PAGES - 200 : 100,
				       HS_PAGE_BYTES);
		EXPECT_EQ(1, fake.nr_maps);
		EXPECT_EQ(0, ph.free_pages);
		for (j = 0; j < 3; j++) {
			EXPECT_EQ(0, fake.nr_unmaps);
			hs_pageheap_free(&ph, run[order[i][j]]);
			ASSERT_SOUND();
		}
		EXPECT_EQ(1, fake.nr_unmaps);
		EXPECT_EQ(0, ph.mapped_bytes);
	}
}

/* Two units that lie side by side stay two: each goes back by itself. */
TEST(extents_never_join)
{
	struct hs_run *run[FAKE_UNITS];
	int i;

	start(FAKE_UNITS);
	for (i = 0; i < FAKE_UNITS; i++)
		run[i] = alloc(FAKE_UNIT_PAGES, HS_PAGE_BYTES);
	for (i = 0; i < FAKE_UNITS; i++) {
		ASSERT_NE(NULL, run[i]);
		hs_pageheap_free(&ph, run[i]);
	}
	ASSERT_SOUND();
	EXPECT_EQ(FAKE_UNITS * FAKE_UNIT_BYTES, ph.idle_bytes);
	/* One page more than a unit is not to be had from two. */
	EXPECT_EQ(NULL, hs_pagebins_best_fit(&ph.bins, FAKE_UNIT_PAGES + 1,
					     HS_PAGE_BYTES));
	EXPECT_EQ(3 * FAKE_UNIT_BYTES, hs_pageheap_release(&ph, (FAKE_UNITS - 3) *
							 FAKE_UNIT_BYTES));
	EXPECT_EQ(0, hs_pageheap_release(&ph, SIZE_MAX));
	hs_pageheap_release(&ph, 0);
	EXPECT_EQ(0, ph.mapped_bytes);
}

/* What is freed was dirty; what comes from the backend is zero; and a run
 * that is part one, part the other is not zero. */
TEST(zeroed_is_never_said_of_dirty_pages)
{
	struct hs_run *a, *b;

	start(4);
	a = alloc(100, HS_PAGE_BYTES);
	EXPECT_TRUE(a->zeroed);
	b = alloc(10, HS_PAGE_BYTES);
	EXPECT_TRUE(b->zeroed);
	hs_pageheap_free(&ph, a);
	a = alloc(50, HS_PAGE_BYTES);
	EXPECT_FALSE(a->zeroed);
	hs_pageheap_free(&ph, b);	/* joins the clean pages behind it */
	b = alloc(150, HS_PAGE_BYTES);
	EXPECT_FALSE(b->zeroed);
	/* The tail of a shrunken run was somebody's. */
	hs_pageheap_release(&ph, 0);
	hs_pageheap_free(&ph, a);
	hs_pageheap_free(&ph, b);
	hs_pageheap_release(&ph, 0);
	a = alloc(FAKE_UNIT_PAGES, HS_PAGE_BYTES);
	EXPECT_TRUE(a->zeroed);
	EXPECT_TRUE(hs_pageheap_resize(&ph, a, 1));
	b = alloc(100, HS_PAGE_BYTES);
	EXPECT_FALSE(b->zeroed);
	EXPECT_EQ(1, fake.nr_maps - fake.nr_unmaps);
}

/* ---- out of memory, at each point ---------------------------------------- */

FIXTURE(failing) {
	struct hs_run *hole;	/* free pages with others around them */
};

FIXTURE_VARIANT(failing) {
	size_t nr_pages;
	size_t align;
	bool grows;
};

FIXTURE_VARIANT_ADD(failing, cut_from_the_front) {
	.nr_pages = 10, .align = HS_PAGE_BYTES,
};

FIXTURE_VARIANT_ADD(failing, cut_from_the_middle) {
	.nr_pages = 10, .align = 32 * HS_PAGE_BYTES,
};

FIXTURE_VARIANT_ADD(failing, a_new_unit) {
	.nr_pages = FAKE_UNIT_PAGES - 10, .align = HS_PAGE_BYTES,
	.grows = true,
};

FIXTURE_VARIANT_ADD(failing, several_aligned_units) {
	.nr_pages = 3 * FAKE_UNIT_PAGES, .align = 4 * FAKE_UNIT_BYTES,
	.grows = true,
};

FIXTURE_SETUP(failing)
{
	struct hs_run *before;

	start(0);
	before = alloc(33, HS_PAGE_BYTES);
	self->hole = alloc(100, HS_PAGE_BYTES);
	ASSERT_NE(NULL, alloc(20, HS_PAGE_BYTES));
	ASSERT_NE(NULL, alloc(FAKE_UNIT_PAGES - 153, HS_PAGE_BYTES));
	ASSERT_NE(NULL, before);
	hs_pageheap_free(&ph, self->hole);
	ASSERT_SOUND();
}

FIXTURE_TEARDOWN(failing)
{
}

/* The n-th record is not to be had, for every n that the operation asks for. */
TEST_F(failing, metadata_runs_out)
{
	unsigned long live = meta_live, calls;
	struct hs_run *run = NULL;
	unsigned int n;

	for (n = 1; !run; n++) {
		size_t free_pages = ph.free_pages;

		ASSERT_LT(n, 20);
		calls = meta_calls;
		meta_fail_alloc = n;
		run = alloc(variant->nr_pages, variant->align);
		meta_fail_alloc = 0;
		ASSERT_SOUND();
		if (run && meta_calls - calls < n)
			break;		/* it went through without a failure */
		if (run) {		/* a failure was made good elsewhere */
			hs_pageheap_free(&ph, run);
			run = NULL;
		}
		/* A unit that was mapped for it may stay, as free pages. */
		hs_pageheap_release(&ph, 0);
		ASSERT_SOUND();
		ASSERT_EQ(free_pages, ph.free_pages);
		ASSERT_EQ(live, meta_live);
		ASSERT_EQ(fake.mapped_bytes, ph.mapped_bytes);
	}
	EXPECT_LT(1, n);
	hs_pageheap_free(&ph, run);
	EXPECT_EQ(live, meta_live);
}

/* No leaf of the page map: the unit that was mapped goes back. */
TEST_F(failing, page_map_runs_out)
{
	unsigned long live = meta_live;
	size_t mapped = fake.mapped_bytes;
	struct hs_run *run;
	size_t i;

	if (!variant->grows)
		return;		/* cutting needs no leaf */
	/* As if nothing had ever been mapped there. */
	for (i = 0; i < ARRAY_SIZE(hs_pagemap_root); i++)
		hs_pagemap_root[i] = NULL;
	meta_fail_map = 1;
	run = alloc(variant->nr_pages, variant->align);
	EXPECT_EQ(NULL, run);
	EXPECT_EQ(0, meta_fail_map);
	EXPECT_EQ(1, fake.nr_unmaps);
	EXPECT_EQ(live, meta_live);
	EXPECT_EQ(mapped, fake.mapped_bytes);
	EXPECT_EQ(mapped, ph.mapped_bytes);
	EXPECT_NE(NULL, alloc(variant->nr_pages, variant->align));
}

TEST_F(failing, backend_runs_out)
{
	unsigned long live = meta_live;
	struct hs_run *run;

	fake.fail = 1;
	run = alloc(variant->nr_pages, variant->align);
	EXPECT_EQ(variant->grows, !run);
	ASSERT_SOUND();
	if (run)
		hs_pageheap_free(&ph, run);
	EXPECT_EQ(live, meta_live);
	EXPECT_EQ(fake.mapped_bytes, ph.mapped_bytes);
	fake.fail = 0;
	EXPECT_NE(NULL, alloc(variant->nr_pages, variant->align));
}

/* Shrinking and growing in place need records too: all of it or nothing. */
TEST(resize_without_metadata)
{
	struct hs_run *run;

	start(0);
	run = alloc(100, HS_PAGE_BYTES);
	meta_fail_alloc = 1;
	EXPECT_FALSE(hs_pageheap_resize(&ph, run, 50));
	EXPECT_EQ(100, run->nr_pages);
	ASSERT_SOUND();
	meta_fail_alloc = 1;
	EXPECT_FALSE(hs_pageheap_resize(&ph, run, 150));
	EXPECT_EQ(100, run->nr_pages);
	ASSERT_SOUND();
	/* To the last page of the unit none is needed. */
	meta_fail_alloc = 1;
	EXPECT_TRUE(hs_pageheap_resize(&ph, run, FAKE_UNIT_PAGES));
	meta_fail_alloc = 0;
	ASSERT_SOUND();
	EXPECT_EQ(0, ph.free_pages);
}

/* ---- the limit ----------------------------------------------------------- */

/* At the limit what is idle makes room, what is in use does not. */
TEST(idle_units_make_room_under_the_limit)
{
	struct hs_run *a, *b;

	start(FAKE_UNITS);
	ph.limit_bytes = 4 * FAKE_UNIT_BYTES;
	a = alloc(2 * FAKE_UNIT_PAGES, HS_PAGE_BYTES);
	b = alloc(2 * FAKE_UNIT_PAGES, HS_PAGE_BYTES);
	ASSERT_TRUE(a && b);
	EXPECT_EQ(NULL, alloc(1, HS_PAGE_BYTES));
	EXPECT_EQ(2, fake.nr_maps);	/* refused before it is mapped */
	hs_pageheap_free(&ph, a);
	EXPECT_EQ(2 * FAKE_UNIT_BYTES, ph.idle_bytes);
	EXPECT_EQ(NULL, alloc(3 * FAKE_UNIT_PAGES, HS_PAGE_BYTES));
	EXPECT_NE(NULL, alloc(2 * FAKE_UNIT_PAGES, HS_PAGE_BYTES));
	EXPECT_EQ(NULL, alloc(SIZE_MAX >> HS_PAGE_SHIFT, HS_PAGE_BYTES));
	ASSERT_SOUND();
	EXPECT_EQ(ph.limit_bytes, ph.mapped_peak_bytes);
}

/* ---- an empty pool ------------------------------------------------------- */

/*
 * A heap that keeps idle units must not be refused others for want of them;
 * what is in use stays, and without anything idle there is no second try.
 */
TEST(idle_units_make_room_in_the_backend)
{
	struct hs_run *used, *idle;

	start(FAKE_UNITS);
	used = alloc(1, HS_PAGE_BYTES);
	idle = alloc((FAKE_UNITS - 1) / 2 * FAKE_UNIT_PAGES, HS_PAGE_BYTES);
	ASSERT_TRUE(used && idle);
	hs_pageheap_free(&ph, idle);
	EXPECT_LT(0, ph.idle_bytes);
	/* More than is idle; the backend has too little while we keep that. */
	fake.fail = 1;
	EXPECT_NE(NULL, alloc((FAKE_UNITS - 1) / 2 * FAKE_UNIT_PAGES + 1,
			      HS_PAGE_BYTES));
	EXPECT_EQ(4, fake.nr_maps);
	EXPECT_EQ(1, fake.nr_unmaps);
	ASSERT_SOUND();
	EXPECT_EQ(fake.mapped_bytes, ph.mapped_bytes);
	EXPECT_EQ(NULL, alloc(FAKE_PAGES, HS_PAGE_BYTES));
	EXPECT_EQ(5, fake.nr_maps);
	EXPECT_EQ(1, fake.nr_unmaps);
	ASSERT_SOUND();
}

/* ---- lengths that do not fit --------------------------------------------- */

/*
 * A run counts its pages in 32 bits. With overcommit the kernel grants more
 * than that; the heap must not ask for an extent whose pages it cannot count.
 */
TEST(no_extent_longer_than_a_run_can_be)
{
	static const size_t lengths[] = {
		UINT32_MAX - 1, UINT32_MAX, 1ul << 32, (1ul << 32) + 1,
		1ul << 40, SIZE_MAX >> HS_PAGE_SHIFT,
	};
	size_t i, align;

	start(0);
	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		EXPECT_EQ(NULL, alloc(lengths[i], HS_PAGE_BYTES));
	for (align = HS_PAGE_BYTES; align; align *= 2) {
		struct hs_run *run = alloc(3, align);

		if (!run)
			continue;
		EXPECT_EQ(0, hs_run_address(run) % align);
		hs_pageheap_free(&ph, run);
	}
	EXPECT_LE(fake.max_request_bytes >> HS_PAGE_SHIFT, UINT32_MAX);
	ASSERT_SOUND();
	EXPECT_EQ(0, ph.mapped_bytes);
}

/* ---- a lesser backend ---------------------------------------------------- */

static int refuse(struct hs_backend *b, const struct hs_map_request *req,
		  struct hs_extent *x)
{
	(void)b, (void)req, (void)x;
	return -ENOMEM;
}

static size_t greater_unit_bytes;

static int probe_greater(struct hs_backend *b, char *why, size_t why_size)
{
	(void)why, (void)why_size;
	b->unit_bytes = greater_unit_bytes;
	return 0;
}

static const struct hs_backend_ops refusing_ops = {
	.id = HS_BACKEND_DEVICE, .probe = probe_greater, .map = refuse,
};

/*
 * The first backend is full and its unit is larger (hugetlb of 1 GiB) than
 * that of the one that helps out, whose extents are aligned to less.
 */
TEST(alignment_between_the_units_of_two_backends)
{
	struct hs_backend *first = hs_backend_get(HS_BACKEND_DEVICE);
	struct hs_backend *next = hs_backend_get(HS_BACKEND_HUGETLB);
	size_t align;
	int i;

	start(0);
	greater_unit_bytes = 8 * FAKE_UNIT_BYTES;
	first->ops = &refusing_ops;
	first->usable = true;
	first->unit_bytes = greater_unit_bytes;
	next->ops = &fake_ops;
	next->usable = true;
	next->unit_bytes = FAKE_UNIT_BYTES;
	hs_list_init(&next->extents);
	hs_pageheap_init(&ph, first, true);
	ph.retain_bytes = 0;
	ph.limit_bytes = 0;

	for (align = HS_PAGE_BYTES; align <= 16 * FAKE_UNIT_BYTES; align *= 2) {
		for (i = 0; i < 50; i++) {
			size_t nr = i % 2 ? 3 : 5 * FAKE_UNIT_PAGES;
			struct hs_run *run = alloc(nr, align);

			ASSERT_NE(NULL, run) {
				TH_LOG("%zu pages, align %zu", nr, align);
			}
			ASSERT_SOUND();
			EXPECT_EQ(0, hs_run_address(run) % align);
			EXPECT_EQ(nr, run->nr_pages);
			EXPECT_EQ(PAGE_FREE,
				  fake.page[fake_page(hs_run_address(run) +
						      hs_run_bytes(run) - 1)]);
			EXPECT_EQ(fake.mapped_bytes, ph.fallback_bytes);
			hs_pageheap_free(&ph, run);
			ASSERT_EQ(0, ph.mapped_bytes);
			ASSERT_EQ(0, ph.fallback_bytes);
		}
	}
}

TEST_HARNESS_MAIN
