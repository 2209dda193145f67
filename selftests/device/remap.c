// SPDX-License-Identifier: MIT
/*
 * What a program may do to a mapping once it has it: protect, move, shrink,
 * cut, lock, sync, advise. The data stays right, the huge entries may go, the
 * span's books stay in step.
 */
#include <kselftest_harness.h>

#include "device.h"
#include "fault.h"
#include "pattern.h"
#include "procfs.h"

#define TAG 0x4e3

FIXTURE(remap) {
	struct pool_watch watch;
	struct span span;	/* four units, filled with TAG */
	size_t unit;
	char *mem;
	int fd;
};

FIXTURE_VARIANT(remap) {
	int map;
	bool touched;	/* huge entries are in place when the test begins */
};

FIXTURE_VARIANT_ADD(remap, shared) { .map = MAP_SHARED, .touched = true };
FIXTURE_VARIANT_ADD(remap, private) { .map = MAP_PRIVATE, .touched = true };
FIXTURE_VARIANT_ADD(remap, shared_untouched) { .map = MAP_SHARED };
FIXTURE_VARIANT_ADD(remap, private_untouched) { .map = MAP_PRIVATE };

FIXTURE_SETUP(remap)
{
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc(self->fd, 2, &self->span));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	pattern_fill(p, self->span.bytes, TAG);
	munmap(p, self->span.bytes);
	ASSERT_EQ(0, span_map(self->fd, &self->span, variant->map, &p));
	self->mem = p;
	if (variant->touched) {
		ASSERT_EQ(-1, pattern_differs(p, self->span.bytes, TAG));
	}
}

FIXTURE_TEARDOWN(remap)
{
	void *p;

	/* No test here writes to the span: it is what it was. */
	EXPECT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	EXPECT_EQ(-1, pattern_differs(p, self->span.bytes, TAG));
	munmap(p, self->span.bytes);
	munmap(self->mem, self->span.bytes);
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* ---- mprotect ---------------------------------------------------------- */

TEST_F(remap, mprotect_takes_and_gives_rights)
{
	ASSERT_EQ(0, mprotect(self->mem, self->span.bytes, PROT_READ));
	EXPECT_EQ(SIGSEGV, fault_write(self->mem, 1));
	ASSERT_EQ(0, mprotect(self->mem, self->span.bytes, PROT_NONE));
	EXPECT_EQ(SIGSEGV, fault_read(self->mem, NULL));
	ASSERT_EQ(0, mprotect(self->mem, self->span.bytes,
			      PROT_READ | PROT_WRITE));
	EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes, TAG));
	EXPECT_EQ(0, fault_write(self->mem, pattern_word(TAG, 0)));
}

/* A page in the middle of a unit: its huge entry has to be split for that. */
TEST_F(remap, mprotect_of_a_page_spares_its_neighbours)
{
	char *page = self->mem + self->unit + 7 * PAGE_STEP;

	ASSERT_EQ(0, mprotect(page, PAGE_STEP, PROT_NONE));
	EXPECT_EQ(SIGSEGV, fault_read(page, NULL));
	EXPECT_EQ(0, fault_read(page - 8, NULL));
	EXPECT_EQ(0, fault_read(page + PAGE_STEP, NULL));
	EXPECT_EQ(3, span_nr_mappings(self->fd, self->span.offset));
	ASSERT_EQ(0, mprotect(page, PAGE_STEP, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes, TAG));
}

/* ---- mremap ------------------------------------------------------------ */

TEST_F(remap, a_move_takes_the_data_along)
{
	char *to = self->mem + 64 * self->unit, *new;

	new = mremap(self->mem, self->span.bytes, self->span.bytes,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ASSERT_EQ(to, new);
	EXPECT_EQ(SIGSEGV, fault_read(self->mem, NULL));
	self->mem = new;
	EXPECT_EQ(-1, pattern_differs(new, self->span.bytes, TAG));
	EXPECT_EQ(1, span_nr_mappings(self->fd, self->span.offset));
}

/* To an address where nothing can be huge, and with a part of the mapping. */
TEST_F(remap, a_misaligned_move_takes_the_data_along)
{
	char *from = self->mem + self->unit;
	char *to = self->mem + 64 * self->unit + 3 * PAGE_STEP, *new;

	new = mremap(from, self->unit, self->unit,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ASSERT_EQ(to, new);
	EXPECT_EQ(pattern_word(TAG, self->unit), *(uint64_t *)new);
	EXPECT_EQ(pattern_word(TAG, 2 * self->unit - 8),
		  *(uint64_t *)(new + self->unit - 8));
	EXPECT_EQ(SIGSEGV, fault_read(from, NULL));
	EXPECT_EQ(pattern_word(TAG, 2 * self->unit),
		  *(uint64_t *)(from + self->unit));
	EXPECT_EQ(3, span_nr_mappings(self->fd, self->span.offset));
	munmap(new, self->unit);
}

/* Growing would reach into the units behind the span. */
TEST_F(remap, growing_is_refused)
{
	EXPECT_EQ(MAP_FAILED, mremap(self->mem, self->span.bytes,
				     self->span.bytes + self->unit,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->mem, self->span.bytes,
				     self->span.bytes + PAGE_STEP, 0));
	EXPECT_EQ(1, span_nr_mappings(self->fd, self->span.offset));
}

/* Growing a part back after the rest was cut off is growing all the same. */
TEST_F(remap, growing_a_part_is_refused)
{
	munmap(self->mem + self->unit, self->span.bytes - self->unit);
	EXPECT_EQ(MAP_FAILED, mremap(self->mem, self->unit, 2 * self->unit,
				     MREMAP_MAYMOVE));
}

/* An old size of 0 asks for a second mapping of the same pages. */
TEST_F(remap, duplicating_by_mremap_is_refused)
{
	EXPECT_EQ(MAP_FAILED, mremap(self->mem, 0, self->span.bytes,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(1, span_nr_mappings(self->fd, self->span.offset));
}

TEST_F(remap, shrinking_cuts_the_tail)
{
	ASSERT_EQ(self->mem, mremap(self->mem, self->span.bytes, self->unit,
				    0));
	EXPECT_EQ(-1, pattern_differs(self->mem, self->unit, TAG));
	EXPECT_EQ(SIGSEGV, fault_read(self->mem + self->unit, NULL));
	EXPECT_EQ(1, span_nr_mappings(self->fd, self->span.offset));
}

/* ---- munmap of a piece ------------------------------------------------- */

FIXTURE_VARIANT(cut) {
	size_t at_pages;	/* counted from the second unit */
	size_t nr_pages;	/* 0: a unit */
};

FIXTURE(cut) {
	struct pool_watch watch;
	struct span span;
	size_t unit;
	char *mem;
	int fd;
};

FIXTURE_VARIANT_ADD(cut, a_unit) {};
FIXTURE_VARIANT_ADD(cut, first_page) { .nr_pages = 1 };
FIXTURE_VARIANT_ADD(cut, page_inside) { .at_pages = 300, .nr_pages = 1 };
FIXTURE_VARIANT_ADD(cut, over_a_unit_s_end) { .at_pages = 500, .nr_pages = 60 };

FIXTURE_SETUP(cut)
{
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc(self->fd, 2, &self->span));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	self->mem = p;
	pattern_fill(p, self->span.bytes, TAG);
}

FIXTURE_TEARDOWN(cut)
{
	munmap(self->mem, self->span.bytes);
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* The hole is a hole, and nothing beside it is touched. */
TEST_F(cut, munmap_of_a_piece_makes_a_hole)
{
	size_t at = self->unit + variant->at_pages * PAGE_STEP;
	size_t len = variant->nr_pages ? variant->nr_pages * PAGE_STEP :
			self->unit;
	size_t i;
	void *p;

	ASSERT_EQ(0, munmap(self->mem + at, len));
	for (i = 0; i < self->span.bytes; i += PAGE_STEP) {
		uint64_t word = 0;
		bool hole = i >= at && i < at + len;

		ASSERT_EQ(hole ? SIGSEGV : 0,
			  fault_read(self->mem + i, &word));
		ASSERT_EQ(hole ? 0 : pattern_word(TAG, i), word);
	}
	EXPECT_EQ(2, span_nr_mappings(self->fd, self->span.offset));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	EXPECT_EQ(-1, pattern_differs(p, self->span.bytes, TAG));
	munmap(p, self->span.bytes);
}

/* ---- msync, mlock, madvise --------------------------------------------- */

/* There is nothing to write back, and that is a success. */
TEST_F(remap, msync_succeeds)
{
	EXPECT_EQ(0, msync(self->mem, self->span.bytes, MS_SYNC));
	EXPECT_EQ(0, msync(self->mem, self->span.bytes, MS_ASYNC));
	EXPECT_EQ(0, msync(self->mem, self->span.bytes,
			   MS_SYNC | MS_INVALIDATE));
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_EQ(0, fdatasync(self->fd));
}

/* mlock counts and marks pages; ours are on no list that it could move them from. */
TEST_F(remap, mlock_succeeds)
{
	ASSERT_EQ(0, mlock(self->mem, self->span.bytes));
	EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes, TAG));
	ASSERT_EQ(0, munlock(self->mem + self->unit, PAGE_STEP));
	ASSERT_EQ(0, munlock(self->mem, self->span.bytes));
	ASSERT_EQ(0, mlock2(self->mem, self->span.bytes, MLOCK_ONFAULT));
	EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes, TAG));
	/* It is unmapped locked. */
}

/* A shared page dropped comes back as it was; a private copy is thrown away. */
TEST_F(remap, dontneed_drops_only_private_copies)
{
	uint64_t *word = (uint64_t *)(self->mem + self->unit);
	uint64_t was = *word;

	if (variant->map == MAP_PRIVATE)
		*word = 1;
	ASSERT_EQ(0, madvise(self->mem, self->span.bytes, MADV_DONTNEED));
	EXPECT_EQ(was, *word);
	EXPECT_EQ(0, smaps_bytes(self->mem, "Anonymous"));
	EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes, TAG));
	/* The unit that was copied from has a page table now, and keeps it. */
	EXPECT_LE(self->span.bytes -
		  (variant->map == MAP_PRIVATE ? self->unit : 0),
		  smaps_bytes(self->mem, "FilePmdMapped"));
}

/* A mapping may be replaced by another of the same span, in one step. */
TEST_F(remap, it_may_be_mapped_over_itself)
{
	void *p;

	ASSERT_EQ(0, try_mmap(self->mem, self->span.bytes,
			      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
			      self->fd, self->span.offset, &p));
	EXPECT_EQ(-1, pattern_differs(p, self->span.bytes, TAG));
	ASSERT_EQ(0, try_mmap(self->mem, self->span.bytes,
			      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			      self->fd, self->span.offset, &p));
	EXPECT_EQ(-1, pattern_differs(p, self->span.bytes, TAG));
	EXPECT_EQ(1, span_nr_mappings(self->fd, self->span.offset));
}

/*
 * Advice is for ordinary pages. Whatever the kernel makes of it on ours, on
 * whole units or on a page of one, the data must stay: a page that was split,
 * paged out or merged would be lost to the pool.
 */
TEST_F(remap, no_advice_harms_the_data)
{
	const struct {
		int advice;
		const char *name;
	} advices[] = {
		{ 0, "normal" }, { 1, "random" }, { 2, "sequential" },
		{ 3, "willneed" }, { 4, "dontneed" }, { 8, "free" },
		{ 9, "remove" }, { 12, "mergeable" }, { 13, "unmergeable" },
		{ 14, "hugepage" }, { 15, "nohugepage" }, { 20, "cold" },
		{ 21, "pageout" }, { 22, "populate_read" }, { 25, "collapse" },
		{ 24, "dontneed_locked" },
	};
	size_t i, len;
	void *p;

	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		for (len = PAGE_STEP; len <= 2 * self->unit; len *= 32) {
			madvise(self->mem + self->unit, len,
				advices[i].advice);
			ASSERT_EQ(-1, pattern_differs(self->mem,
						      self->span.bytes, TAG))
				TH_LOG("%s of %zu bytes", advices[i].name,
				       len);
		}
	}
	EXPECT_EQ(0, span_free(self->fd, self->span.offset));
	EXPECT_EQ(0, pool_settle(&self->watch,
				 self->watch.before.out_nr_granted));
	/* The teardown maps the span: give it one that looks the same. */
	ASSERT_EQ(0, span_alloc(self->fd, 2, &self->span));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	pattern_fill(p, self->span.bytes, TAG);
	munmap(p, self->span.bytes);
}

/* Page-table walkers of /proc: soft-dirty, referenced bits, pagemap. */
TEST_F(remap, proc_walkers_leave_the_data_alone)
{
	const char *refs[] = { "1", "3", "4" };
	uint64_t entry;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(refs); i++) {
		fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(1, write(fd, refs[i], 1));
		close(fd);
		EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes,
					      TAG));
	}
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(8, pread(fd, &entry, 8,
			   (off_t)((uintptr_t)self->mem / 4096 * 8)));
	EXPECT_EQ(1, entry >> 63);
	close(fd);
}

DEVICE_TEST_MAIN
