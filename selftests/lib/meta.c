// SPDX-License-Identifier: MIT
/*
 * Memory for records.
 *
 * Guards against a block that is handed out twice, that overlaps another, that
 * still holds what its last user left, or that shares a cache line with its
 * neighbour: records of the heap live here, and corruption of them is
 * corruption of the heap.
 */
#include <pthread.h>

#include <kselftest_harness.h>

#include "child.h"
#include "meta.h"
#include "pattern.h"

#define LINE_BYTES 64

TEST(sizes_that_are_none)
{
	EXPECT_EQ(NULL, hs_meta_alloc(0));
	EXPECT_EQ(NULL, hs_meta_alloc(HS_META_MAX + 1));
	EXPECT_EQ(NULL, hs_meta_alloc(SIZE_MAX));
	hs_meta_free(NULL, 64);
}

/* Zero and aligned, fresh and used again. */
TEST(blocks_are_zero_and_aligned)
{
	for (int round = 0; round < 3; round++) {
		for (size_t bytes = 1; bytes <= HS_META_MAX; bytes++) {
			char *p = hs_meta_alloc(bytes);

			ASSERT_NE(NULL, p);
			ASSERT_EQ(0, (uintptr_t)p % LINE_BYTES);
			ASSERT_EQ(-1, nonzero_at(p, bytes));
			memset(p, 0xff, bytes);
			hs_meta_free(p, bytes);
		}
	}
}

/* What is freed is used again: records come and go without end. */
TEST(blocks_are_used_again)
{
	uint64_t mapped;
	void *p;

	p = hs_meta_alloc(4000);
	mapped = hs_meta_mapped_bytes();
	EXPECT_LT(0, mapped);
	for (int i = 0; i < 100000; i++) {
		hs_meta_free(p, 4000);
		p = hs_meta_alloc(4000);
	}
	EXPECT_EQ(mapped, hs_meta_mapped_bytes());
}

TEST(large_arrays_are_counted)
{
	uint64_t mapped = hs_meta_mapped_bytes();
	char *p = hs_meta_map(3 << 20);

	ASSERT_NE(NULL, p);
	EXPECT_EQ(-1, nonzero_at(p, 3 << 20));
	EXPECT_EQ(mapped + (3 << 20), hs_meta_mapped_bytes());
	EXPECT_EQ(NULL, hs_meta_map(SIZE_MAX / 4));
	EXPECT_EQ(mapped + (3 << 20), hs_meta_mapped_bytes());
}

#define NR_BLOCKS 512

struct block {
	void *at;
	size_t bytes;
	uint64_t tag;
};

/*
 * Random blocks, each filled with a pattern of its own: one that overlaps
 * another, or that is given to two, shows as a pattern that changed.
 */
static const char *churn(uint64_t seed, uint64_t ops)
{
	struct block blocks[NR_BLOCKS] = { 0 };
	uint64_t state = seed;

	for (uint64_t i = 0; i < ops; i++) {
		struct block *b = &blocks[rnd_below(&state, NR_BLOCKS)];

		if (b->at) {
			if (pattern_differs(b->at, b->bytes, b->tag) >= 0)
				return "a block changed while it was in use";
			hs_meta_free(b->at, b->bytes);
			b->at = NULL;
			continue;
		}
		b->bytes = 8 * (1 + rnd_below(&state, HS_META_MAX / 8));
		b->tag = rnd(&state);
		b->at = hs_meta_alloc(b->bytes);
		if (!b->at)
			return "no memory";
		if (nonzero_at(b->at, b->bytes) >= 0)
			return "a block was not zero";
		pattern_fill(b->at, b->bytes, b->tag);
	}
	for (size_t i = 0; i < NR_BLOCKS; i++) {
		if (blocks[i].at)
			hs_meta_free(blocks[i].at, blocks[i].bytes);
	}
	return NULL;
}

TEST(random_blocks_do_not_overlap)
{
	const char *fault = churn(test_seed(), test_ops(200000));

	EXPECT_EQ(NULL, fault) {
		TH_LOG("%s", fault);
	}
}

static void *churn_thread(void *arg)
{
	return (void *)churn((uint64_t)(uintptr_t)arg, test_ops(200000) / 4);
}

TEST(random_blocks_in_threads)
{
	uint64_t seed = test_seed();
	pthread_t threads[4];

	for (uintptr_t i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, churn_thread,
					    (void *)(uintptr_t)(seed + i)));
	for (int i = 0; i < 4; i++) {
		void *fault;

		ASSERT_EQ(0, pthread_join(threads[i], &fault));
		EXPECT_EQ(NULL, fault) {
			TH_LOG("%s", (const char *)fault);
		}
	}
}

/* A child forked while the lock was held by the handler can go on. */
TEST(fork_handlers)
{
	void *p = hs_meta_alloc(128);
	pid_t pid;

	hs_meta_fork_prepare();
	pid = child_fork();
	if (pid == 0) {
		hs_meta_fork_child();
		hs_meta_free(p, 128);
		CHILD_CHECK(hs_meta_alloc(128) == p);
		_exit(0);
	}
	hs_meta_fork_parent();
	hs_meta_free(p, 128);
	EXPECT_EQ(p, hs_meta_alloc(128));
	EXPECT_EQ(0, child_wait(pid));
}

TEST_HARNESS_MAIN
