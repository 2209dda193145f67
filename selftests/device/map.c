// SPDX-License-Identifier: MIT
/*
 * mmap of a span: which mappings are refused and why, that those granted are
 * huge where alignment allows, cost one fault a unit, and mean what MAP_SHARED
 * and MAP_PRIVATE mean.
 */
#include <kselftest_harness.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"
#include "procfs.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define TAG 0x3a9
#define NR_UNITS 4

FIXTURE(map) {
	struct pool_watch watch;
	struct span span;	/* NR_UNITS units */
	size_t unit;
	void *mem;
	int fd;
};

FIXTURE_VARIANT(map) {
	int map;
};

FIXTURE_VARIANT_ADD(map, shared) { .map = MAP_SHARED };
FIXTURE_VARIANT_ADD(map, private) { .map = MAP_PRIVATE };

FIXTURE_SETUP(map)
{
	void *shared;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc(self->fd, 2, &self->span));
	ASSERT_EQ(NR_UNITS * self->unit, self->span.bytes);
	ASSERT_EQ(0, span_map(self->fd, &self->span, variant->map,
			      &self->mem));
	/* What both kinds of mapping find in the span. */
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &shared));
	pattern_fill(shared, self->span.bytes, TAG);
	munmap(shared, self->span.bytes);
	/* What the test itself uses from here on must not count as its faults. */
	minor_faults();
}

FIXTURE_TEARDOWN(map)
{
	if (self->mem)
		munmap(self->mem, self->span.bytes);
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* Faults that reading (or writing) one word of every page takes. */
static long touch(void *mem, size_t len, bool write)
{
	long before = minor_faults();
	volatile uint64_t *w;
	size_t i;

	for (i = 0; i < len; i += PAGE_STEP) {
		w = (volatile uint64_t *)((char *)mem + i);
		if (write)
			*w = i;
		else
			(void)*w;
	}
	return minor_faults() - before;
}

/* ---- what a mapping is ------------------------------------------------- */

/* 512 small entries in place of a huge one would cost what the pool saves. */
TEST_F(map, reading_maps_whole_units)
{
	long long huge;

	touch(self->mem, self->span.bytes, false);
	huge = smaps_bytes(self->mem, "FilePmdMapped");
	if (huge < 0)
		SKIP(return, "smaps has no FilePmdMapped line");
	EXPECT_EQ(self->span.bytes, huge);
	EXPECT_EQ(self->span.bytes, smaps_bytes(self->mem, "Rss"));
	EXPECT_EQ(0, smaps_bytes(self->mem, "Anonymous"));
	EXPECT_EQ(0, smaps_bytes(self->mem, "Swap"));
}

TEST_F(map, reading_takes_a_fault_a_unit)
{
	EXPECT_GE(NR_UNITS + 2, touch(self->mem, self->span.bytes, false));
	EXPECT_GE(1, touch(self->mem, self->span.bytes, false));
}

/* Shared, writing takes no more than reading; private, it copies each page. */
TEST_F(map, writing_takes_a_fault_a_unit_or_a_page)
{
	bool shared = variant->map == MAP_SHARED;
	long faults = touch(self->mem, self->span.bytes, true);

	EXPECT_GE((shared ? NR_UNITS : self->span.bytes / 4096) + 2, faults);
	EXPECT_EQ(shared ? self->span.bytes : 0,
		  smaps_bytes(self->mem, "FilePmdMapped"));
	EXPECT_EQ(shared ? 0 : self->span.bytes,
		  smaps_bytes(self->mem, "Anonymous"));
}

/* The library maps large blocks populated: no fault may be left for later. */
TEST_F(map, map_populate_leaves_no_fault)
{
	void *p;

	ASSERT_EQ(0, try_mmap(NULL, self->span.bytes, PROT_READ | PROT_WRITE,
			      variant->map | MAP_POPULATE, self->fd,
			      self->span.offset, &p));
	EXPECT_GE(1, touch(p, self->span.bytes, true));
	munmap(p, self->span.bytes);
}

/* A private mapping populated for reading keeps its huge entries. */
TEST_F(map, populate_read_leaves_no_read_fault)
{
	ASSERT_EQ(0, madvise(self->mem, self->span.bytes, MADV_POPULATE_READ));
	EXPECT_EQ(self->span.bytes, smaps_bytes(self->mem, "FilePmdMapped"));
	EXPECT_EQ(0, smaps_bytes(self->mem, "Anonymous"));
	EXPECT_GE(1, touch(self->mem, self->span.bytes, false));
}

TEST_F(map, populate_write_leaves_no_write_fault)
{
	ASSERT_EQ(0, madvise(self->mem, self->span.bytes,
			     MADV_POPULATE_WRITE));
	EXPECT_GE(1, touch(self->mem, self->span.bytes, true));
	EXPECT_EQ(variant->map == MAP_SHARED ? 0 : self->span.bytes,
		  smaps_bytes(self->mem, "Anonymous"));
}

/*
 * "Ordinary memory" is what these flags are not: io and pf would shut out
 * O_DIRECT; and pages nobody asked for must not fill core dumps.
 */
TEST_F(map, the_mapping_has_the_flags_of_ordinary_memory)
{
	EXPECT_FALSE(smaps_has_flag(self->mem, "io"));
	EXPECT_FALSE(smaps_has_flag(self->mem, "pf"));
	EXPECT_FALSE(smaps_has_flag(self->mem, "mm"));
	EXPECT_TRUE(smaps_has_flag(self->mem, "de"));
	EXPECT_TRUE(smaps_has_flag(self->mem, "dd"));
}

/*
 * An address that is not congruent with the offset cannot be mapped huge. It
 * must get small entries and the right data, not the neighbour's.
 */
TEST_F(map, a_misaligned_address_has_the_right_data)
{
	char *room = mmap(NULL, self->span.bytes + 2 * self->unit, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = (char *)(((uintptr_t)room + self->unit - 1) &
			    ~(self->unit - 1)) + 5 * PAGE_STEP;
	void *p;

	ASSERT_NE(MAP_FAILED, (void *)room);
	ASSERT_EQ(0, try_mmap(at, self->span.bytes, PROT_READ | PROT_WRITE,
			      variant->map | MAP_FIXED, self->fd,
			      self->span.offset, &p));
	EXPECT_EQ(-1, pattern_differs(p, self->span.bytes, TAG));
	EXPECT_EQ(0, smaps_bytes(p, "FilePmdMapped"));
	munmap(room, self->span.bytes + 2 * self->unit);
}

/* Each unit of a span can be mapped alone, at its own offset. */
TEST_F(map, a_part_has_the_right_data)
{
	size_t i;
	void *p;

	for (i = 0; i < NR_UNITS; i++) {
		ASSERT_EQ(0, try_mmap(NULL, self->unit, PROT_READ,
				      variant->map, self->fd,
				      self->span.offset + i * self->unit, &p));
		EXPECT_EQ(pattern_word(TAG, i * self->unit),
			  *(uint64_t *)p);
		EXPECT_EQ(0, memcmp(p, (char *)self->mem + i * self->unit,
				    self->unit));
		munmap(p, self->unit);
	}
}

/* ---- shared and private ------------------------------------------------ */

/* What one shared mapping writes the next one reads, in any process. */
TEST_F(map, writes_reach_the_span_only_if_shared)
{
	pid_t pid = child_fork();
	uint64_t want = pattern_word(TAG, 0);
	void *p;

	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(!span_map(self->fd, &self->span, variant->map, &p));
		*(volatile uint64_t *)p = 4711;
		CHILD_CHECK(*(volatile uint64_t *)p == 4711);
		_exit(0);
	}
	ASSERT_EQ(0, child_wait(pid));
	if (variant->map == MAP_SHARED)
		want = 4711;
	EXPECT_EQ(want, *(uint64_t *)self->mem);
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	EXPECT_EQ(want, *(uint64_t *)p);
	munmap(p, self->span.bytes);
}

/*
 * A private write costs one small page and leaves the rest of the unit alone;
 * a shared one costs nothing.
 */
TEST_F(map, a_write_copies_4_kib_at_most)
{
	volatile char *byte = (char *)self->mem + self->unit + 100;
	long long copied = variant->map == MAP_PRIVATE ? 4096 : 0;
	void *p;

	touch(self->mem, self->span.bytes, false);
	*byte ^= 1;
	EXPECT_EQ(copied, smaps_bytes(self->mem, "Anonymous"));
	*byte ^= 1;
	EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes, TAG));
	EXPECT_EQ(copied, smaps_bytes(self->mem, "Anonymous"));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	EXPECT_EQ(-1, pattern_differs(p, self->span.bytes, TAG));
	munmap(p, self->span.bytes);
}

/* ---- what mmap refuses ------------------------------------------------- */

TEST_F(map, a_misaligned_offset_is_refused)
{
	void *p;

	EXPECT_EQ(-EINVAL, try_mmap(NULL, self->unit, PROT_READ, variant->map,
				    self->fd, self->span.offset + PAGE_STEP,
				    &p));
	EXPECT_EQ(-EINVAL, try_mmap(NULL, self->unit, PROT_READ, variant->map,
				    self->fd,
				    self->span.offset + self->unit / 2, &p));
}

TEST_F(map, a_misaligned_length_is_refused)
{
	void *p;

	EXPECT_EQ(-EINVAL, try_mmap(NULL, PAGE_STEP, PROT_READ, variant->map,
				    self->fd, self->span.offset, &p));
	EXPECT_EQ(-EINVAL, try_mmap(NULL, self->unit + PAGE_STEP, PROT_READ,
				    variant->map, self->fd, self->span.offset,
				    &p));
}

/* One unit more than the span, from each of its units. */
TEST_F(map, crossing_the_end_of_the_span_is_refused)
{
	size_t i;
	void *p;

	for (i = 0; i < NR_UNITS; i++) {
		EXPECT_EQ(-EINVAL,
			  try_mmap(NULL, self->span.bytes - i * self->unit +
				   self->unit, PROT_READ, variant->map,
				   self->fd,
				   self->span.offset + i * self->unit, &p));
	}
}

/* Not even over two spans of one owner, side by side. */
TEST_F(map, two_spans_in_one_mapping_are_refused)
{
	uint64_t first = self->span.offset;
	struct span s = { 0, 0 };
	int tries;
	void *p;

	for (tries = 0; tries < 64; tries++) {
		if (span_alloc(self->fd, 2, &s))
			break;
		if (s.offset == first + self->span.bytes ||
		    s.offset + s.bytes == first)
			break;
	}
	if (s.offset < first)
		first = s.offset;
	EXPECT_EQ(-EINVAL, try_mmap(NULL, 2 * self->span.bytes, PROT_READ,
				    variant->map, self->fd, first, &p));
}

TEST_F(map, beyond_the_device_is_refused)
{
	struct hugespan_info info;
	uint64_t beyond[3];
	size_t i;
	void *p;

	ASSERT_EQ(0, dev_info(self->fd, &info));
	beyond[0] = info.out_device_bytes;
	beyond[1] = info.out_device_bytes + (1ull << 40);
	beyond[2] = (1ull << 62);
	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		EXPECT_EQ(-ENXIO, try_mmap(NULL, self->unit, PROT_READ,
					   variant->map, self->fd, beyond[i],
					   &p))
			TH_LOG("offset %#llx", (unsigned long long)beyond[i]);
	}
}

/* Units that belong to nobody are nobody's to map. */
TEST_F(map, free_units_are_refused)
{
	struct span s;
	void *p;

	ASSERT_EQ(0, span_alloc(self->fd, 0, &s));
	ASSERT_EQ(0, span_free(self->fd, s.offset));
	EXPECT_EQ(-EACCES, try_mmap(NULL, self->unit, PROT_READ, variant->map,
				    self->fd, s.offset, &p));
}

/* ---- descriptors opened for less --------------------------------------- */

FIXTURE(read_only) {
	struct pool_watch watch;
	struct span span;
	size_t unit;
	int fd;
};

FIXTURE_SETUP(read_only)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc(self->fd, 0, &self->span));
}

FIXTURE_TEARDOWN(read_only)
{
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* A descriptor for reading cannot be the way to a writable mapping. */
TEST_F(read_only, shared_writing_is_refused)
{
	void *p;

	EXPECT_EQ(-EACCES, span_map(self->fd, &self->span, MAP_SHARED, &p));
}

TEST_F(read_only, mprotect_does_not_lift_it)
{
	void *p;

	ASSERT_EQ(0, try_mmap(NULL, self->unit, PROT_READ, MAP_SHARED,
			      self->fd, self->span.offset, &p));
	EXPECT_EQ(-1, nonzero_at(p, self->unit));
	EXPECT_EQ(-1, mprotect(p, self->unit, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(SIGSEGV, fault_write(p, 1));
	munmap(p, self->unit);
}

/* A private copy may be written: it never reaches the span. */
TEST_F(read_only, private_writing_stays_private)
{
	void *p, *q;

	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_PRIVATE, &p));
	EXPECT_EQ(0, fault_write(p, 1));
	ASSERT_EQ(0, try_mmap(NULL, self->unit, PROT_READ, MAP_SHARED,
			      self->fd, self->span.offset, &q));
	EXPECT_EQ(-1, nonzero_at(q, self->unit));
	munmap(p, self->unit);
	munmap(q, self->unit);
}

/* And one for writing alone can be mapped by nobody: mmap reads. */
TEST(a_write_only_descriptor_cannot_map)
{
	int fd = dev_open(O_WRONLY | O_CLOEXEC);
	struct span s;
	void *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, span_alloc(fd, 0, &s));
	EXPECT_EQ(-EACCES, span_map(fd, &s, MAP_SHARED, &p));
	EXPECT_EQ(-EACCES, span_map(fd, &s, MAP_PRIVATE, &p));
	close(fd);
}

DEVICE_TEST_MAIN
