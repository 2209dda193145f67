// SPDX-License-Identifier: MIT
/*
 * HUGESPAN_ALLOC_FREE_ON_UNMAP: the span goes with its last mapping, not with
 * an earlier one, not twice, and not when it was never mapped. The library's
 * direct path for large blocks leans on every word of that.
 */
#include <kselftest_harness.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"

#define TAG 0xf0

FIXTURE(free_on_unmap) {
	struct pool_watch watch;
	struct span span;	/* four units, granted FREE_ON_UNMAP */
	uint64_t base;
	size_t unit;
	void *mem;
	int fd;
};

FIXTURE_VARIANT(free_on_unmap) {
	int map;
};

FIXTURE_VARIANT_ADD(free_on_unmap, shared) { .map = MAP_SHARED };
FIXTURE_VARIANT_ADD(free_on_unmap, private) { .map = MAP_PRIVATE };

FIXTURE_SETUP(free_on_unmap)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->base = self->watch.before.out_nr_granted;
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc_with(self->fd, 2, HUGESPAN_ALLOC_FREE_ON_UNMAP,
				     HUGESPAN_FORK_SHARE, &self->span));
	ASSERT_EQ(0, span_map(self->fd, &self->span, variant->map,
			      &self->mem));
	pattern_dot(self->mem, self->span.bytes, TAG);
}

FIXTURE_TEARDOWN(free_on_unmap)
{
	munmap(self->mem, self->span.bytes);
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* Still granted, and still what it was, in [from, from + len) of mem. */
static bool alive(FIXTURE_DATA(free_on_unmap) *self, size_t from, size_t len)
{
	size_t i;

	sleep_ms(20);
	if (pool_granted(&self->watch) != (long)self->base + 4)
		return false;
	for (i = from; i < from + len; i += PAGE_STEP) {
		uint64_t word;

		if (fault_read((char *)self->mem + i, &word) ||
		    word != pattern_word(TAG, i))
			return false;
	}
	return true;
}

/* Freed, and QUERY knows nothing of it. */
static bool gone(FIXTURE_DATA(free_on_unmap) *self)
{
	struct hugespan_query q;

	return !pool_settle(&self->watch, self->base) &&
	       span_query(self->fd, self->span.offset, &q) == -ENOENT;
}

TEST_F(free_on_unmap, the_munmap_frees)
{
	munmap(self->mem, self->span.bytes);
	EXPECT_TRUE(gone(self));
}

/* Two mappings: the first munmap must not pull it from under the second. */
TEST_F(free_on_unmap, a_second_mapping_keeps_it)
{
	void *second;

	ASSERT_EQ(0, span_map(self->fd, &self->span, variant->map, &second));
	EXPECT_EQ(2, span_nr_mappings(self->fd, self->span.offset));
	munmap(second, self->span.bytes);
	EXPECT_TRUE(alive(self, 0, self->span.bytes));
	EXPECT_EQ(1, span_nr_mappings(self->fd, self->span.offset));
	munmap(self->mem, self->span.bytes);
	EXPECT_TRUE(gone(self));
}

/* Trimming a block's tail is a munmap of a part. */
TEST_F(free_on_unmap, unmapping_the_tail_keeps_it)
{
	munmap((char *)self->mem + 2 * self->unit, 2 * self->unit);
	EXPECT_TRUE(alive(self, 0, 2 * self->unit));
	munmap(self->mem, 2 * self->unit);
	EXPECT_TRUE(gone(self));
}

TEST_F(free_on_unmap, unmapping_the_head_keeps_it)
{
	munmap(self->mem, self->unit);
	EXPECT_TRUE(alive(self, self->unit, 3 * self->unit));
	munmap((char *)self->mem + self->unit, 3 * self->unit);
	EXPECT_TRUE(gone(self));
}

/* A hole makes two mappings of one: both must be gone before the span goes. */
TEST_F(free_on_unmap, a_hole_keeps_it)
{
	munmap((char *)self->mem + self->unit, self->unit);
	EXPECT_EQ(2, span_nr_mappings(self->fd, self->span.offset));
	EXPECT_TRUE(alive(self, 0, self->unit));
	munmap(self->mem, self->unit);
	EXPECT_TRUE(alive(self, 2 * self->unit, 2 * self->unit));
	munmap((char *)self->mem + 2 * self->unit, 2 * self->unit);
	EXPECT_TRUE(gone(self));
}

/* A hole smaller than a unit splits the huge mapping; same rules. */
TEST_F(free_on_unmap, a_page_left_keeps_it)
{
	munmap(self->mem, self->unit);
	munmap((char *)self->mem + self->unit + PAGE_STEP,
	       3 * self->unit - PAGE_STEP);
	EXPECT_TRUE(alive(self, self->unit, PAGE_STEP));
	munmap((char *)self->mem + self->unit, PAGE_STEP);
	EXPECT_TRUE(gone(self));
}

/* mprotect splits and joins mappings without anything being unmapped. */
TEST_F(free_on_unmap, mprotect_keeps_it)
{
	char *mid = (char *)self->mem + self->unit;

	ASSERT_EQ(0, mprotect(mid, self->unit, PROT_NONE));
	ASSERT_EQ(0, mprotect(mid, self->unit, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(alive(self, 0, self->span.bytes));
	munmap(self->mem, self->span.bytes);
	EXPECT_TRUE(gone(self));
}

/* A move is a new mapping and the end of an old one, in this order. */
TEST_F(free_on_unmap, mremap_keeps_it)
{
	void *new = mremap(self->mem, self->span.bytes, self->span.bytes,
			   MREMAP_MAYMOVE | MREMAP_FIXED,
			   (char *)self->mem + 64 * self->unit);

	ASSERT_NE(MAP_FAILED, new);
	self->mem = new;
	EXPECT_TRUE(alive(self, 0, self->span.bytes));
	EXPECT_EQ(1, span_nr_mappings(self->fd, self->span.offset));
	munmap(self->mem, self->span.bytes);
	EXPECT_TRUE(gone(self));
}

/* Something else mapped over it is an unmapping too. */
TEST_F(free_on_unmap, mapping_over_it_frees)
{
	void *p = mmap(self->mem, self->span.bytes, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	ASSERT_EQ(self->mem, p);
	EXPECT_TRUE(gone(self));
	EXPECT_EQ(-1, nonzero_at(p, self->span.bytes));
}

/*
 * MAP_FIXED unmaps what is there before it maps: over the only mapping that is
 * the end of the span, and nothing is left to be mapped.
 */
TEST_F(free_on_unmap, mapping_it_over_itself_frees)
{
	void *p;

	EXPECT_EQ(-EACCES, try_mmap(self->mem, self->span.bytes,
				    PROT_READ | PROT_WRITE,
				    variant->map | MAP_FIXED, self->fd,
				    self->span.offset, &p));
	EXPECT_TRUE(gone(self));
}

/* How it is done instead, before a fork for one: a twin moved over it. */
TEST_F(free_on_unmap, moving_a_twin_over_it_keeps_it)
{
	void *twin;

	if (variant->map == MAP_PRIVATE) {
		/* The private copies go; what the span has is seen again. */
		void *shared;

		ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED,
				      &shared));
		pattern_dot(shared, self->span.bytes, TAG);
		munmap(shared, self->span.bytes);
	}
	ASSERT_EQ(0, span_map(self->fd, &self->span, variant->map, &twin));
	ASSERT_EQ(self->mem, mremap(twin, self->span.bytes, self->span.bytes,
				    MREMAP_MAYMOVE | MREMAP_FIXED, self->mem));
	EXPECT_TRUE(alive(self, 0, self->span.bytes));
	EXPECT_EQ(1, span_nr_mappings(self->fd, self->span.offset));
	munmap(self->mem, self->span.bytes);
	EXPECT_TRUE(gone(self));
}

/*
 * An mmap(MAP_FIXED) that fails half-way leaves nothing behind by which the
 * munmap that follows could be taken for something else.
 */
TEST_F(free_on_unmap, a_failed_map_fixed_does_not_keep_it)
{
	char *room = mmap(NULL, 8 * self->unit, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *p;

	ASSERT_NE(MAP_FAILED, (void *)room);
	ASSERT_EQ(-EINVAL, try_mmap(room, 5 * self->unit, PROT_READ,
				    variant->map | MAP_FIXED, self->fd,
				    self->span.offset, &p));
	EXPECT_TRUE(alive(self, 0, self->span.bytes));
	munmap(self->mem, self->span.bytes);
	EXPECT_TRUE(gone(self));
	munmap(room, 8 * self->unit);
}

/* A child's copy of the mapping is a mapping: the parent's end is not the end. */
TEST_F(free_on_unmap, a_child_keeps_it)
{
	struct line line;
	uint64_t word = 0;
	pid_t pid;

	ASSERT_EQ(0, line_open(&line));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(!line_hear(&line, 1, NULL));
		CHILD_CHECK(alive(self, 0, self->span.bytes));
		CHILD_CHECK(!line_say(&line, 1, 1));
		CHILD_CHECK(!line_hear(&line, 1, NULL));
		munmap(self->mem, self->span.bytes);
		CHILD_CHECK(gone(self));
		_exit(0);
	}
	EXPECT_EQ(2, span_nr_mappings(self->fd, self->span.offset));
	munmap(self->mem, self->span.bytes);
	ASSERT_EQ(0, line_say(&line, 0, 1));
	ASSERT_EQ(0, line_hear(&line, 0, &word));
	ASSERT_EQ(0, line_say(&line, 0, 1));
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_TRUE(gone(self));
	line_close(&line);
}

/* Killed, the last holder runs no munmap; the kernel does. */
TEST_F(free_on_unmap, kill_9_of_the_last_holder_frees)
{
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		pause();
		_exit(1);
	}
	munmap(self->mem, self->span.bytes);
	EXPECT_EQ(self->base + 4, pool_granted(&self->watch));
	ASSERT_EQ(0, child_kill(pid));
	EXPECT_TRUE(gone(self));
}

/* FREE works on it as on any span; the munmap that follows frees nothing. */
TEST_F(free_on_unmap, free_comes_first)
{
	struct span other;

	ASSERT_EQ(0, span_free(self->fd, self->span.offset));
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
	/* Whoever has the units now must not lose them by our munmap. */
	ASSERT_EQ(0, span_alloc(self->watch.fd, 2, &other));
	munmap(self->mem, self->span.bytes);
	sleep_ms(20);
	EXPECT_EQ(self->base + 4, pool_granted(&self->watch));
	EXPECT_EQ(0, span_free(self->watch.fd, other.offset));
}

/* The same, and the very same units granted again to the same file. */
TEST_F(free_on_unmap, a_stale_munmap_does_not_free_the_next_span)
{
	struct hugespan_query q;
	struct span s;
	int tries;

	ASSERT_EQ(0, span_free(self->fd, self->span.offset));
	for (tries = 0; tries < 4096; tries++) {
		if (span_alloc_with(self->fd, 2, HUGESPAN_ALLOC_FREE_ON_UNMAP,
				    HUGESPAN_FORK_SHARE, &s) ||
		    s.offset == self->span.offset)
			break;
	}
	if (s.offset != self->span.offset)
		SKIP(return, "the units were not granted again");
	munmap(self->mem, self->span.bytes);
	sleep_ms(20);
	EXPECT_EQ(0, span_query(self->fd, s.offset, &q));
}

/* With the descriptor closed before, the munmap ends span and file at once. */
TEST_F(free_on_unmap, the_descriptor_may_be_closed_before)
{
	close(self->fd);
	sleep_ms(20);
	EXPECT_EQ(self->base + 4, pool_granted(&self->watch));
	munmap(self->mem, self->span.bytes);
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
}

/* TRIM and FREE_ON_UNMAP together: the tail goes now, the rest with munmap. */
TEST_F(free_on_unmap, after_a_trim_the_rest_is_freed)
{
	ASSERT_EQ(0, span_trim(self->fd, self->span.offset, self->unit, NULL));
	EXPECT_EQ(self->base + 1, pool_granted(&self->watch));
	munmap(self->mem, self->span.bytes);
	EXPECT_TRUE(gone(self));
}

/* ---- spans that were never mapped -------------------------------------- */

/* "When its last mapping is gone" is not "while it has none". */
TEST_F(free_on_unmap, unmapped_it_waits_for_its_first_mapping)
{
	struct hugespan_query q;
	struct span s;
	void *p;

	ASSERT_EQ(0, span_alloc_with(self->fd, 0, HUGESPAN_ALLOC_FREE_ON_UNMAP,
				     HUGESPAN_FORK_SHARE, &s));
	sleep_ms(50);
	ASSERT_EQ(0, span_query(self->fd, s.offset, &q));
	ASSERT_EQ(0, span_map(self->fd, &s, variant->map, &p));
	munmap(p, s.bytes);
	EXPECT_EQ(0, pool_settle(&self->watch, self->base + 4));
}

/* An mmap that fails has mapped nothing: the caller still has the span. */
TEST_F(free_on_unmap, a_failed_mmap_does_not_free)
{
	struct hugespan_query q;
	struct span s;
	void *p;

	ASSERT_EQ(0, span_alloc_with(self->fd, 0, HUGESPAN_ALLOC_FREE_ON_UNMAP,
				     HUGESPAN_FORK_SHARE, &s));
	/* Refused by the device, */
	ASSERT_EQ(-EINVAL, try_mmap(NULL, 2 * s.bytes, PROT_READ, variant->map,
				    self->fd, s.offset, &p));
	/* by the kernel before the device is asked, */
	ASSERT_EQ(-EEXIST, try_mmap(self->mem, s.bytes, PROT_READ,
				    variant->map | MAP_FIXED_NOREPLACE,
				    self->fd, s.offset, &p));
	/* and for want of address space. */
	ASSERT_NE(0, try_mmap((void *)(UINTPTR_MAX / 2 + 1 - 4096), s.bytes,
			      PROT_READ, variant->map | MAP_FIXED, self->fd,
			      s.offset, &p));
	sleep_ms(20);
	ASSERT_EQ(0, span_query(self->fd, s.offset, &q));
	EXPECT_EQ(0, q.out_nr_mappings);
	EXPECT_EQ(0, span_free(self->fd, s.offset));
}

DEVICE_TEST_MAIN
