// SPDX-License-Identifier: MIT
/*
 * The oracle itself: each invariant that buddy_check() claims to walk, broken
 * by hand. Guards against an oracle that cannot fail.
 */
#include <kselftest_harness.h>

#include "buddymodel.h"

/*
 * 16 units: [0, 4) allocated, [4, 8) free and zeroed, [8, 16) free and mixed,
 * 8 and 9 of them dirty.
 */
FIXTURE(broken) {
	struct buddy_model model;
	struct buddy *b;
	const char *reason;
};

FIXTURE_SETUP(broken)
{
	ASSERT_EQ(NULL, model_init(&self->model, 16, true));
	self->b = &self->model.b;
	ASSERT_EQ(NULL, model_alloc(&self->model, BUDDY_FREE, 4));
	ASSERT_EQ(NULL, model_cut(&self->model, 0, 4));
	ASSERT_EQ(NULL, model_cut(&self->model, 8, 2));
	ASSERT_EQ(NULL, model_free(&self->model, 4, 4, true));
	ASSERT_EQ(NULL, model_free(&self->model, 8, 2, false));
	ASSERT_EQ(NULL, model_free(&self->model, 10, 6, true));
	ASSERT_EQ(NULL, model_compare(&self->model));
	self->reason = NULL;
}

/* Every test must have made the oracle name this reason. */
FIXTURE_TEARDOWN(broken)
{
	uint32_t unit;
	const char *said = buddy_check(self->b, &unit);

	ASSERT_NE(NULL, said);
	EXPECT_STREQ(self->reason, said);
	model_exit(&self->model);
}

TEST_F(broken, number_of_free_units)
{
	self->b->nr_free++;
	self->reason = "nr_free is not the number of free units";
}

TEST_F(broken, number_of_zeroed_units)
{
	self->b->nr_zeroed--;
	self->reason = "nr_zeroed is not the number of zeroed free units";
}

TEST_F(broken, number_of_runs)
{
	self->b->nr_blocks[2]--;
	self->reason = "nr_blocks is not the number of free runs";
}

TEST_F(broken, a_head_in_an_allocated_block)
{
	self->b->heads[1] = 0;
	self->reason = "a head lies inside another block";
}

TEST_F(broken, a_head_in_a_free_run)
{
	self->b->heads[6] = 1;
	self->reason = "a head lies inside another block";
}

TEST_F(broken, a_lost_head)
{
	self->b->heads[0] = BUDDY_NOT_HEAD;
	self->reason = "a unit is neither free nor allocated";
}

TEST_F(broken, an_allocated_block_with_runs)
{
	/* Node 4 is [0, 4): of 16 units, level 2, the first. */
	self->b->nodes[4].runs[BUDDY_FREE] = 1;
	self->b->nodes[2].runs[BUDDY_FREE] |= 1;
	self->b->nodes[1].runs[BUDDY_FREE] |= 1;
	self->reason = "units that are not free have free runs";
}

TEST_F(broken, a_mask_that_the_children_do_not_have)
{
	self->b->nodes[1].runs[BUDDY_ZEROED] |= 1;
	self->reason = "a node disagrees with its children";
}

TEST_F(broken, buddies_left_unmerged)
{
	/* [0, 4) becomes free without telling anybody. */
	self->b->nodes[4] = self->b->nodes[5];
	self->b->heads[0] = BUDDY_NOT_HEAD;
	self->reason = "two free buddies are not merged";
}

TEST_F(broken, a_zeroed_bit_of_a_uniform_run)
{
	unsigned int u;

	for (u = 4; u < 8; u++)
		bitmap_clear(self->b->zeroed, u, 1);
	self->reason = "a uniform run has the wrong zeroed mask";
}

TEST_F(broken, a_dirty_mask_of_a_uniform_run)
{
	self->b->nodes[5].runs[BUDDY_DIRTY] = 1;
	self->b->nodes[2].runs[BUDDY_DIRTY] = 1;
	self->b->nodes[1].runs[BUDDY_DIRTY] |= 1;
	self->reason = "a uniform run has the wrong dirty mask";
}

TEST_F(broken, a_mask_of_a_mixed_run)
{
	self->b->nodes[3].runs[BUDDY_DIRTY] |= 1;
	self->b->nodes[1].runs[BUDDY_DIRTY] |= 1;
	self->reason = "a mixed run disagrees with its halves";
}

/* A run that reaches over the end of a pool that is no power of two. */
TEST(a_run_beyond_the_end)
{
	struct buddy_model m;
	uint32_t unit;

	ASSERT_EQ(NULL, model_init(&m, 5, true));
	m.b.nodes[1].runs[BUDDY_FREE] = 8;
	EXPECT_STREQ("a free run lies beyond the last unit",
		     buddy_check(&m.b, &unit));
	model_exit(&m);
}

TEST_HARNESS_MAIN
