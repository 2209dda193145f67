// SPDX-License-Identifier: MIT
/*
 * The buddy allocator, one rule at a time; buddy_model.c has the histories.
 *
 * Guards against what a reader of buddy.h would rely on: which run is taken,
 * that everything merges back, that a refused call changes nothing, that any
 * number of units works.
 */
#include <kselftest_harness.h>

#include "buddymodel.h"

FIXTURE(buddy) {
	struct buddy_model model;
	struct buddy *b;
};

FIXTURE_VARIANT(buddy) {
	uint32_t nr;
};

FIXTURE_VARIANT_ADD(buddy, one_unit) { .nr = 1 };
FIXTURE_VARIANT_ADD(buddy, two_units) { .nr = 2 };
FIXTURE_VARIANT_ADD(buddy, a_power_of_two) { .nr = 64 };
FIXTURE_VARIANT_ADD(buddy, one_more) { .nr = 65 };
FIXTURE_VARIANT_ADD(buddy, one_less) { .nr = 63 };
FIXTURE_VARIANT_ADD(buddy, every_second_bit) { .nr = 0xaa };

FIXTURE_SETUP(buddy)
{
	ASSERT_EQ(NULL, model_init(&self->model, variant->nr, true));
	self->b = &self->model.b;
}

FIXTURE_TEARDOWN(buddy)
{
	EXPECT_EQ(NULL, model_compare(&self->model));
	model_exit(&self->model);
}

/* A pool of any size begins as one run per bit of its size. */
TEST_F(buddy, begins_with_the_largest_runs)
{
	uint32_t order;

	for (order = 0; order <= MODEL_MAX_ORDER; order++)
		EXPECT_EQ(variant->nr >> order & 1, self->b->nr_blocks[order]);
	EXPECT_EQ(buddy_max_order(self->b),
		  buddy_largest_order(self->b, BUDDY_FREE));
	EXPECT_EQ(variant->nr, self->b->nr_free);
	EXPECT_EQ(variant->nr, self->b->nr_zeroed);
}

/* Every unit can be had, once, lowest first; and then no more. */
TEST_F(buddy, hands_out_every_unit_once)
{
	uint32_t start;
	uint32_t u;

	for (u = 0; u < variant->nr; u++)
		ASSERT_EQ(NULL, model_alloc(&self->model, BUDDY_FREE, 0));
	EXPECT_EQ(-ENOMEM, buddy_alloc(self->b, BUDDY_FREE, 0, &start));
	EXPECT_EQ(-1, buddy_largest_order(self->b, BUDDY_FREE));
	EXPECT_EQ(0, self->b->nr_free);
}

/* In whatever order they come back: first to last, last to first, odd, even. */
TEST_F(buddy, merges_whatever_the_order)
{
	uint32_t round, i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < variant->nr; i++)
			ASSERT_EQ(NULL, model_alloc(&self->model, BUDDY_FREE,
						    0));
		for (i = 0; i < variant->nr; i++) {
			uint32_t half = (variant->nr + 1) / 2;
			uint32_t u = round == 0 ? i :
				     round == 1 ? variant->nr - 1 - i :
				     i < half ? 2 * i : 2 * (i - half) + 1;

			ASSERT_EQ(NULL, model_free(&self->model, u, 1, true));
		}
		for (i = 0; i <= MODEL_MAX_ORDER; i++)
			EXPECT_EQ(variant->nr >> i & 1, self->b->nr_blocks[i]);
	}
}

/* No order is too large to be asked for. */
TEST_F(buddy, no_order_is_too_large_to_refuse)
{
	uint32_t orders[] = { buddy_max_order(self->b) + 1, 29, 30, 31, 32, 33,
			      63, 64, 255, UINT32_MAX };
	uint32_t start = 77;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		EXPECT_EQ(-ENOMEM, buddy_alloc(self->b, BUDDY_FREE, orders[i],
					       &start))
			TH_LOG("order %u", orders[i]);
	}
	EXPECT_EQ(77, start);
}

/* Starts and lengths beyond the end, also where start + length wraps. */
TEST_F(buddy, ranges_out_of_bounds_are_refused)
{
	uint32_t far[] = { variant->nr, variant->nr + 1, 1u << 30, 1u << 31,
			   UINT32_MAX - 1, UINT32_MAX };
	size_t i;

	ASSERT_EQ(NULL, model_alloc(&self->model, BUDDY_FREE, 0));
	for (i = 0; i < ARRAY_SIZE(far); i++) {
		EXPECT_EQ(-EINVAL, buddy_free(self->b, far[i], 1, false));
		EXPECT_EQ(-EINVAL, buddy_free(self->b, far[i], far[i], false));
		EXPECT_EQ(-EINVAL, buddy_cut(self->b, far[i], 1));
		EXPECT_EQ(-EINVAL, buddy_shatter(self->b, far[i]));
		EXPECT_EQ(-EINVAL, buddy_set_zeroed(self->b, far[i]));
		if (far[i] == variant->nr)
			continue;
		EXPECT_EQ(-EINVAL, buddy_free(self->b, 0, far[i], false));
		EXPECT_EQ(-EINVAL, buddy_cut(self->b, 0, far[i]));
		EXPECT_EQ(-EINVAL, buddy_free(self->b, variant->nr - 1, far[i],
					      false));
		EXPECT_EQ(-EINVAL, buddy_cut(self->b, variant->nr - 1, far[i]));
	}
	EXPECT_EQ(-EINVAL, buddy_free(self->b, 0, 0, false));
	EXPECT_EQ(-EINVAL, buddy_cut(self->b, 0, 0));
}

/* What is free cannot be freed, cut or shattered. */
TEST_F(buddy, free_units_are_refused)
{
	uint32_t u;

	for (u = 0; u < variant->nr; u++) {
		EXPECT_EQ(-ENOENT, buddy_free(self->b, u, 1, false));
		EXPECT_EQ(-ENOENT, buddy_cut(self->b, u, 1));
		EXPECT_EQ(-ENOENT, buddy_shatter(self->b, u));
	}
}

/* The second free of a block is refused, also if it has merged meanwhile. */
TEST_F(buddy, a_double_free_is_refused)
{
	uint32_t start, order;

	for (order = 0; order <= buddy_max_order(self->b); order++) {
		ASSERT_EQ(0, buddy_alloc(self->b, BUDDY_FREE, order, &start));
		ASSERT_EQ(0, buddy_free(self->b, start, 1u << order, true));
		EXPECT_EQ(-ENOENT, buddy_free(self->b, start, 1u << order,
					      true));
		EXPECT_EQ(-ENOENT, buddy_free(self->b, start, 1, true));
	}
}

/* A block is freed as a whole: not from its middle, not in half, not more. */
TEST_F(buddy, parts_of_blocks_are_refused)
{
	uint32_t nr = 1u << buddy_max_order(self->b), u;

	ASSERT_EQ(NULL, model_alloc(&self->model, BUDDY_FREE,
				    buddy_max_order(self->b)));
	for (u = 1; u < nr; u++) {
		EXPECT_EQ(-ENOENT, buddy_free(self->b, 0, u, false));
		EXPECT_EQ(-ENOENT, buddy_free(self->b, u, nr - u, false));
		EXPECT_EQ(-ENOENT, buddy_cut(self->b, u, 1));
		EXPECT_EQ(-ENOENT, buddy_shatter(self->b, u));
	}
	if (nr < variant->nr) {
		EXPECT_EQ(-ENOENT, buddy_free(self->b, 0, nr + 1, false));
		EXPECT_EQ(-ENOENT, buddy_cut(self->b, 0, nr + 1));
	}
	EXPECT_EQ(NULL, model_free(&self->model, 0, nr, true));
}

/* Wherever it is cut, the two sides come back apart and merge again. */
TEST_F(buddy, a_cut_separates)
{
	uint32_t order = buddy_max_order(self->b), nr = 1u << order, keep;

	for (keep = 1; keep < nr; keep++) {
		ASSERT_EQ(NULL, model_alloc(&self->model, BUDDY_FREE, order));
		ASSERT_EQ(NULL, model_cut(&self->model, 0, keep));
		ASSERT_EQ(NULL, model_free(&self->model, keep, nr - keep,
					   true));
		ASSERT_EQ(NULL, model_compare(&self->model));
		/* Once more in what is left, as a second TRIM does. */
		if (keep > 1) {
			ASSERT_EQ(NULL, model_cut(&self->model, 0, keep / 2));
			ASSERT_EQ(NULL, model_free(&self->model, keep / 2,
						   keep - keep / 2, true));
		}
		ASSERT_EQ(NULL, model_free(&self->model, 0,
					   keep > 1 ? keep / 2 : 1, true));
		EXPECT_EQ(order, buddy_largest_order(self->b, BUDDY_FREE));
	}
}

/* After shattering, each unit is a block of its own. */
TEST_F(buddy, shattered_units_come_back_one_by_one)
{
	uint32_t order = buddy_max_order(self->b), u;

	ASSERT_EQ(NULL, model_alloc(&self->model, BUDDY_FREE, order));
	ASSERT_EQ(NULL, model_shatter(&self->model, 0));
	for (u = 1u << order; u--;)
		ASSERT_EQ(NULL, model_free(&self->model, u, 1, false));
}

/* Sizes that cannot be: none, and more than 2^30. */
TEST(impossible_sizes_are_refused)
{
	uint32_t sizes[] = { 0, BUDDY_MAX_UNITS + 1, 1u << 31, UINT32_MAX };
	struct buddy b;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		EXPECT_EQ(0, buddy_metadata_bytes(sizes[i]));
		EXPECT_EQ(-EINVAL, buddy_init(&b, sizes[i], NULL, true));
	}
	EXPECT_LT(0, buddy_metadata_bytes(BUDDY_MAX_UNITS));
}

/* A small block comes out of the smallest run, of two equal ones the left. */
TEST(the_best_run_is_taken)
{
	struct buddy_model m;
	uint32_t start;

	ASSERT_EQ(NULL, model_init(&m, 32, true));
	ASSERT_EQ(NULL, model_alloc(&m, BUDDY_FREE, 5));
	ASSERT_EQ(NULL, model_shatter(&m, 0));
	/* Runs of order 3 at 0, of order 1 at 12 and at 22, of order 0 at 31. */
	ASSERT_EQ(NULL, model_free(&m, 0, 8, true));
	ASSERT_EQ(NULL, model_free(&m, 12, 2, true));
	ASSERT_EQ(NULL, model_free(&m, 22, 2, true));
	ASSERT_EQ(NULL, model_free(&m, 31, 1, true));

	ASSERT_EQ(0, buddy_alloc(&m.b, BUDDY_FREE, 0, &start));
	EXPECT_EQ(31, start);
	ASSERT_EQ(0, buddy_alloc(&m.b, BUDDY_FREE, 1, &start));
	EXPECT_EQ(12, start);
	ASSERT_EQ(0, buddy_alloc(&m.b, BUDDY_FREE, 0, &start));
	EXPECT_EQ(22, start);
	ASSERT_EQ(0, buddy_alloc(&m.b, BUDDY_FREE, 2, &start));
	EXPECT_EQ(0, start);
	model_exit(&m);
}

/* From the other end: the smallest run, of two equal ones the right. */
TEST(the_last_of_the_best_runs_is_taken)
{
	struct buddy_model m;
	uint32_t start;

	ASSERT_EQ(NULL, model_init(&m, 32, true));
	ASSERT_EQ(NULL, model_alloc(&m, BUDDY_FREE, 5));
	ASSERT_EQ(NULL, model_shatter(&m, 0));
	/* Runs of order 0 at 3, of order 1 at 12 and 22, of order 3 at 24. */
	ASSERT_EQ(NULL, model_free(&m, 3, 1, true));
	ASSERT_EQ(NULL, model_free(&m, 12, 2, true));
	ASSERT_EQ(NULL, model_free(&m, 22, 10, true));

	ASSERT_EQ(0, buddy_alloc_last(&m.b, BUDDY_FREE, 0, &start));
	EXPECT_EQ(3, start);
	ASSERT_EQ(0, buddy_alloc_last(&m.b, BUDDY_FREE, 0, &start));
	EXPECT_EQ(23, start);
	ASSERT_EQ(0, buddy_alloc_last(&m.b, BUDDY_FREE, 0, &start));
	EXPECT_EQ(22, start);
	ASSERT_EQ(0, buddy_alloc_last(&m.b, BUDDY_FREE, 1, &start));
	EXPECT_EQ(12, start);
	ASSERT_EQ(0, buddy_alloc_last(&m.b, BUDDY_FREE, 1, &start));
	EXPECT_EQ(30, start);
	model_exit(&m);
}

/*
 * What a pool does when it shrinks: of 64 units, every second of the lower half
 * in use, the single ones go first and the large run stays whole until then.
 */
TEST(taking_from_the_end_spares_large_runs)
{
	struct buddy_model m;
	uint32_t u;

	ASSERT_EQ(NULL, model_init(&m, 64, true));
	ASSERT_EQ(NULL, model_alloc(&m, BUDDY_FREE, 6));
	ASSERT_EQ(NULL, model_shatter(&m, 0));
	for (u = 0; u < 32; u += 2)
		ASSERT_EQ(NULL, model_free(&m, u, 1, false));
	ASSERT_EQ(NULL, model_free(&m, 32, 32, true));
	for (u = 0; u < 16; u++) {
		ASSERT_EQ(NULL, model_alloc_last(&m, BUDDY_FREE, 0));
		EXPECT_EQ(5, buddy_largest_order(&m.b, BUDDY_FREE));
	}
	ASSERT_EQ(NULL, model_alloc_last(&m, BUDDY_FREE, 0));
	EXPECT_EQ(UNIT_TAKEN, m.state[63]);
	EXPECT_EQ(4, buddy_largest_order(&m.b, BUDDY_FREE));
	ASSERT_EQ(NULL, model_compare(&m));
	model_exit(&m);
}

/*
 * Zeroed and dirty neighbours merge into one free run, and yet each kind is
 * found by itself.
 */
TEST(kinds_are_found_inside_a_mixed_run)
{
	struct buddy_model m;
	uint32_t start, unit;

	ASSERT_EQ(NULL, model_init(&m, 16, true));
	ASSERT_EQ(NULL, model_alloc(&m, BUDDY_FREE, 4));
	ASSERT_EQ(NULL, model_cut(&m, 0, 6));
	ASSERT_EQ(NULL, model_free(&m, 0, 6, false));
	ASSERT_EQ(NULL, model_free(&m, 6, 10, true));
	EXPECT_EQ(1, m.b.nr_blocks[4]);
	EXPECT_EQ(3, buddy_largest_order(&m.b, BUDDY_ZEROED));
	EXPECT_EQ(2, buddy_largest_order(&m.b, BUDDY_DIRTY));

	/* All of it is had in one piece, mixed as it is. */
	ASSERT_EQ(NULL, model_alloc(&m, BUDDY_FREE, 4));
	EXPECT_FALSE(buddy_was_zeroed(&m.b, 5));
	EXPECT_TRUE(buddy_was_zeroed(&m.b, 6));
	ASSERT_EQ(NULL, model_cut(&m, 0, 6));
	ASSERT_EQ(NULL, model_free(&m, 0, 6, false));
	ASSERT_EQ(NULL, model_free(&m, 6, 10, true));

	ASSERT_EQ(0, buddy_alloc(&m.b, BUDDY_ZEROED, 1, &start));
	EXPECT_EQ(6, start);
	ASSERT_EQ(0, buddy_alloc(&m.b, BUDDY_DIRTY, 1, &start));
	EXPECT_EQ(4, start);
	ASSERT_EQ(0, buddy_find_dirty(&m.b, &unit));
	EXPECT_EQ(0, unit);
	EXPECT_EQ(-ENOMEM, buddy_alloc(&m.b, BUDDY_DIRTY, 3, &start));
	model_exit(&m);
}

/*
 * A million units (2 TiB), taken and given back one by one: a step that looks
 * at all of them, or at a list of free ones, would not end in time.
 */
TEST(a_large_pool_costs_no_more)
{
	uint32_t nr = 1000003, u, start;
	void *metadata = malloc(buddy_metadata_bytes(nr));
	struct buddy b;

	ASSERT_NE(NULL, metadata);
	ASSERT_EQ(0, buddy_init(&b, nr, metadata, false));
	for (u = 0; u < nr; u++)
		ASSERT_EQ(0, buddy_alloc(&b, BUDDY_FREE, 0, &start));
	/* Multiples of a prime, to come by all in a wild order. */
	for (u = 0; u < nr; u++)
		ASSERT_EQ(0, buddy_free(&b, (uint32_t)(u * 7919ull % nr), 1,
					false));
	for (u = 0; u < nr; u++) {
		ASSERT_EQ(0, buddy_find_dirty(&b, &start));
		ASSERT_EQ(0, buddy_set_zeroed(&b, start));
	}
	EXPECT_EQ(NULL, buddy_check(&b, &u));
	EXPECT_EQ(nr, b.nr_zeroed);
	EXPECT_EQ(19, buddy_largest_order(&b, BUDDY_ZEROED));
	free(metadata);
}

/* The worker's way: find, zero, tell; until nothing is dirty. */
TEST(zeroing_one_by_one_makes_one_zeroed_run)
{
	struct buddy_model m;
	uint32_t unit, i;

	ASSERT_EQ(NULL, model_init(&m, 100, false));
	EXPECT_EQ(-1, buddy_largest_order(&m.b, BUDDY_ZEROED));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(NULL, model_find_dirty(&m));
		ASSERT_EQ(0, buddy_find_dirty(&m.b, &unit));
		ASSERT_EQ(NULL, model_set_zeroed(&m, unit));
		ASSERT_EQ(NULL, model_compare(&m));
	}
	EXPECT_EQ(-ENOENT, buddy_find_dirty(&m.b, &unit));
	EXPECT_EQ(6, buddy_largest_order(&m.b, BUDDY_ZEROED));
	/* Twice does no harm. */
	EXPECT_EQ(NULL, model_set_zeroed(&m, 0));
	EXPECT_EQ(NULL, model_compare(&m));
	model_exit(&m);
}

TEST_HARNESS_MAIN
