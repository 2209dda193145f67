// SPDX-License-Identifier: MIT
/*
 * Bytes, units and orders. Guards against being off by one at the edges of a
 * power of two, and against a unit taken to be 2 MiB.
 */
#include <kselftest_harness.h>

#include "units.h"

FIXTURE(units) {
	int unused;
};

FIXTURE_VARIANT(units) {
	uint32_t shift;
};

FIXTURE_VARIANT_ADD(units, x86_2M) { .shift = 21 };
FIXTURE_VARIANT_ADD(units, arm_32M) { .shift = 25 };
FIXTURE_VARIANT_ADD(units, arm_512M) { .shift = 29 };

FIXTURE_SETUP(units)
{
}

FIXTURE_TEARDOWN(units)
{
}

TEST_F(units, bytes_round_up_to_orders)
{
	uint64_t unit = 1ull << variant->shift;
	uint32_t order;

	EXPECT_EQ(0, bytes_to_order(1, variant->shift));
	EXPECT_EQ(0, bytes_to_order(unit, variant->shift));
	EXPECT_EQ(1, bytes_to_order(unit + 1, variant->shift));
	for (order = 1; order <= BUDDY_MAX_ORDER; order++) {
		EXPECT_EQ(order, bytes_to_order(unit << order, variant->shift));
		EXPECT_EQ(order, bytes_to_order((unit << order) - 1,
						variant->shift));
		EXPECT_EQ(order + (order < BUDDY_MAX_ORDER),
			  bytes_to_order((unit << order) +
					 (order < BUDDY_MAX_ORDER),
					 variant->shift));
	}
}

TEST_F(units, multiples)
{
	uint64_t unit = 1ull << variant->shift;

	EXPECT_TRUE(is_unit_multiple(0, variant->shift));
	EXPECT_TRUE(is_unit_multiple(unit, variant->shift));
	EXPECT_TRUE(is_unit_multiple(7 * unit, variant->shift));
	EXPECT_FALSE(is_unit_multiple(1, variant->shift));
	EXPECT_FALSE(is_unit_multiple(unit - 1, variant->shift));
	EXPECT_FALSE(is_unit_multiple(unit / 2, variant->shift));
	EXPECT_FALSE(is_unit_multiple(UINT64_MAX, variant->shift));
}

TEST_F(units, the_limit_is_a_valid_length)
{
	uint64_t limit = units_limit_bytes(variant->shift);

	EXPECT_EQ(limit, units_to_bytes(BUDDY_MAX_UNITS, variant->shift));
	EXPECT_EQ(BUDDY_MAX_ORDER, bytes_to_order(limit, variant->shift));
	/* Twice that still is a number: sums of two offsets cannot wrap. */
	EXPECT_LT(limit, limit * 2);
}

TEST_HARNESS_MAIN
