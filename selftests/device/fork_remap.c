// SPDX-License-Identifier: MIT
/*
 * A heap on shared mappings that has to be copied at a fork: what the library
 * does before it, and what holds after it.
 */
#include <kselftest_harness.h>

#include <pthread.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"
#include "procfs.h"

#define TAG 0xf02d

FIXTURE(remapped) {
	struct pool_watch watch;
	struct span span;	/* two units, COW, mapped shared: a heap */
	size_t unit;
	char *mem;
	int fd;
};

/* How the private mapping comes into the shared one's place. */
FIXTURE_VARIANT(remapped) {
	bool twin;		/* mapped elsewhere and moved there */
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(remapped, map_fixed) {};
FIXTURE_VARIANT_ADD(remapped, twin) { .twin = true };
FIXTURE_VARIANT_ADD(remapped, twin_free_on_unmap) {
	.twin = true, .flags = HUGESPAN_ALLOC_FREE_ON_UNMAP,
};

FIXTURE_SETUP(remapped)
{
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc_with(self->fd, 1, variant->flags,
				     HUGESPAN_FORK_COW, &self->span));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	self->mem = p;
	pattern_fill(p, self->span.bytes, TAG);
}

FIXTURE_TEARDOWN(remapped)
{
	munmap(self->mem, self->span.bytes);
	if (variant->flags & HUGESPAN_ALLOC_FREE_ON_UNMAP) {
		EXPECT_EQ(0, pool_settle(&self->watch,
					 self->watch.before.out_nr_granted));
	}
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* What the library's prepare handler does: 0 or -errno. */
static int remap(FIXTURE_DATA(remapped) *self,
		 const FIXTURE_VARIANT(remapped) *variant, int map)
{
	void *p;
	int err;

	if (!variant->twin)
		return try_mmap(self->mem, self->span.bytes,
				PROT_READ | PROT_WRITE, map | MAP_FIXED,
				self->fd, self->span.offset, &p);
	err = span_map(self->fd, &self->span, map, &p);
	if (err)
		return err;
	p = mremap(p, self->span.bytes, self->span.bytes,
		   MREMAP_MAYMOVE | MREMAP_FIXED, self->mem);
	return p == MAP_FAILED ? -errno : 0;
}

/* Both go on with the same content and never see each other again. */
TEST_F(remapped, parent_and_child_are_isolated)
{
	volatile uint64_t *a = (uint64_t *)self->mem;
	volatile uint64_t *b = (uint64_t *)(self->mem + self->unit);
	uint64_t was = *a;
	struct line line;
	pid_t pid;

	ASSERT_EQ(0, line_open(&line));
	ASSERT_EQ(0, remap(self, variant, MAP_PRIVATE));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(pattern_differs(self->mem, self->span.bytes,
					    TAG) == -1);
		*b = 2;
		CHILD_CHECK(!line_say(&line, 1, 1));
		CHILD_CHECK(!line_hear(&line, 1, NULL));
		CHILD_CHECK(*a == was);
		CHILD_CHECK(*b == 2);
		_exit(0);
	}
	ASSERT_EQ(0, line_hear(&line, 0, NULL));
	EXPECT_EQ(pattern_word(TAG, self->unit), *b);
	*a = 1;
	ASSERT_EQ(0, line_say(&line, 0, 1));
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(1, *a);
	line_close(&line);
}

/* Each write after the fork costs its page: 4 KiB, and not the unit. */
TEST_F(remapped, a_write_copies_4_kib)
{
	pid_t pid;

	ASSERT_EQ(0, remap(self, variant, MAP_PRIVATE));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(smaps_bytes(self->mem, "Anonymous") == 0);
		self->mem[0]++;
		CHILD_CHECK(smaps_bytes(self->mem, "Anonymous") == 4096);
		self->mem[self->unit + 8 * PAGE_STEP]++;
		CHILD_CHECK(smaps_bytes(self->mem, "Anonymous") == 2 * 4096);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(0, smaps_bytes(self->mem, "Anonymous"));
}

static void *read_without_end(void *arg)
{
	FIXTURE_DATA(remapped) *self = arg;
	uint64_t word, n = 0;

	for (;;) {
		size_t at = n++ * 8 % self->span.bytes;

		pthread_testcancel();
		if (fault_read(self->mem + at, &word) ||
		    word != pattern_word(TAG, at))
			return (void *)-1L;
	}
}

/* Either way swaps in one step: no other thread ever finds a hole. */
TEST_F(remapped, other_threads_do_not_notice)
{
	pthread_t thread;
	void *result;
	int i;

	fault_catch();
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_without_end, self));
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, remap(self, variant, i % 2 ? MAP_SHARED :
				   MAP_PRIVATE));
	}
	pthread_cancel(thread);
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(PTHREAD_CANCELED, result);
}

/* A server that forks for every request must not gather mappings or units. */
TEST_F(remapped, many_forks_leave_nothing)
{
	int i;

	ASSERT_EQ(0, remap(self, variant, MAP_PRIVATE));
	for (i = 0; i < 50; i++) {
		pid_t pid = child_fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			pattern_dot(self->mem, self->unit, i);
			_exit(0);
		}
		ASSERT_EQ(0, child_wait(pid));
	}
	EXPECT_EQ(1, span_nr_mappings(self->fd, self->span.offset));
	EXPECT_EQ(2, pool_granted(&self->watch) -
		     (long)self->watch.before.out_nr_granted);
	EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes, TAG));
}

DEVICE_TEST_MAIN
