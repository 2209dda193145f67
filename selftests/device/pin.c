// SPDX-License-Identifier: MIT
/*
 * Units that the kernel still holds when their span goes: nobody may get them
 * as long as somebody can read or write them, everybody may afterwards, and
 * nothing has to be done for it. In between they are in quarantine, and the
 * books say so.
 *
 * Two holders that a test can take and drop at will: a page in a pipe
 * (vmsplice) and a buffer registered with io_uring.
 */
#include <kselftest_harness.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"
#include "ring.h"

#define OLD 0x919
#define NEW 0x91a

enum pin_kind { PIPE, RING };

/* How the span goes while it is pinned. */
enum pin_end { BY_FREE, BY_TRIM, BY_CLOSE, BY_UNMAP };

FIXTURE(pin) {
	struct pool_watch watch;
	struct span span;	/* four units, OLD; a page of the last is held */
	struct ring ring;
	uint64_t base;
	size_t unit;
	char *mem;
	char *page;	/* the page that is held */
	int pipe[2];
	int fd;
	bool gone;	/* mem and fd are no more */
};

FIXTURE_VARIANT(pin) {
	enum pin_kind kind;
	enum pin_end end;
	int map;
};

FIXTURE_VARIANT_ADD(pin, pipe_free) { PIPE, BY_FREE, MAP_SHARED };
FIXTURE_VARIANT_ADD(pin, pipe_free_private) { PIPE, BY_FREE, MAP_PRIVATE };
FIXTURE_VARIANT_ADD(pin, pipe_trim) { PIPE, BY_TRIM, MAP_SHARED };
FIXTURE_VARIANT_ADD(pin, pipe_close) { PIPE, BY_CLOSE, MAP_SHARED };
FIXTURE_VARIANT_ADD(pin, pipe_unmap) { PIPE, BY_UNMAP, MAP_SHARED };
FIXTURE_VARIANT_ADD(pin, ring_free) { RING, BY_FREE, MAP_SHARED };
FIXTURE_VARIANT_ADD(pin, ring_trim) { RING, BY_TRIM, MAP_SHARED };
FIXTURE_VARIANT_ADD(pin, ring_close) { RING, BY_CLOSE, MAP_SHARED };
FIXTURE_VARIANT_ADD(pin, ring_unmap) { RING, BY_UNMAP, MAP_SHARED };

FIXTURE_SETUP(pin)
{
	unsigned int flags = variant->end == BY_UNMAP ?
		HUGESPAN_ALLOC_FREE_ON_UNMAP : 0;
	struct iovec iov;
	void *p, *shared;
	int err;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->base = self->watch.before.out_nr_granted;
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc_with(self->fd, 2, flags, HUGESPAN_FORK_SHARE,
				     &self->span));
	ASSERT_EQ(0, span_map(self->fd, &self->span, variant->map, &p));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &shared));
	pattern_fill(shared, self->span.bytes, OLD);
	munmap(shared, self->span.bytes);
	self->mem = p;
	self->page = self->mem + 3 * self->unit + 9 * PAGE_STEP;

	if (variant->kind == PIPE) {
		ASSERT_EQ(0, pipe2(self->pipe, O_CLOEXEC));
		iov = (struct iovec){ self->page, PAGE_STEP };
		ASSERT_EQ(PAGE_STEP, vmsplice(self->pipe[1], &iov, 1, 0));
		return;
	}
	err = ring_open(&self->ring);
	if (err) {
		SKIP_IN_SETUP("no io_uring here: %s", strerror(-err));
	}
	err = ring_register(&self->ring, self->page, PAGE_STEP);
	if (err == -EOPNOTSUPP) {
		SKIP_IN_SETUP("this kernel registers no file-backed buffers but shmem's and hugetlb's (as 6.1)");
	}
	ASSERT_EQ(0, err);
}

/* Let go of the page: the last thing that keeps the unit. */
static void drop(FIXTURE_DATA(pin) *self, const FIXTURE_VARIANT(pin) *variant)
{
	if (variant->kind == PIPE) {
		close(self->pipe[0]);
		close(self->pipe[1]);
		return;
	}
	ring_unregister(&self->ring);
	ring_close(&self->ring);
}

FIXTURE_TEARDOWN(pin)
{
	drop(self, variant);
	if (!self->gone) {
		munmap(self->mem, self->span.bytes);
		close(self->fd);
	}
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* The span goes, in the variant's way: 0 or -errno. */
static int end_span(FIXTURE_DATA(pin) *self,
		    const FIXTURE_VARIANT(pin) *variant)
{
	switch (variant->end) {
	case BY_FREE:
		return span_free(self->fd, self->span.offset);
	case BY_TRIM:
		return span_trim(self->fd, self->span.offset, self->unit,
				 NULL);
	case BY_UNMAP:
		return munmap(self->mem, self->span.bytes) ? -errno : 0;
	case BY_CLOSE:
		munmap(self->mem, self->span.bytes);
		close(self->fd);
		self->gone = true;
		return 0;
	}
	return -EINVAL;
}

/* Wait until the pool shows that a unit is held back: how many, or -1. */
static long wait_quarantined(FIXTURE_DATA(pin) *self)
{
	uint64_t end = now_ms() + SETTLE_MS;
	struct hugespan_stat st;

	do {
		if (pool_stat(self->watch.fd, HUGESPAN_NODE_ANY, &st) ||
		    !pool_adds_up(&st))
			return -1;
		if (st.out_nr_quarantined)
			return (long)st.out_nr_quarantined;
		sleep_ms(2);
	} while (now_ms() < end);
	return 0;
}

/* Does the holder still see the old data? A pipe can be asked only once. */
static bool holder_sees_old(FIXTURE_DATA(pin) *self,
			    const FIXTURE_VARIANT(pin) *variant)
{
	size_t at = (size_t)(self->page - self->mem), i;
	uint64_t got[PAGE_STEP / 8];
	int pipefd[2];

	if (variant->kind == PIPE) {
		if (read(self->pipe[0], got, PAGE_STEP) != PAGE_STEP)
			return false;
	} else {
		if (pipe(pipefd))
			return false;
		if (ring_do(&self->ring, IORING_OP_WRITE_FIXED, pipefd[1],
			    self->page, PAGE_STEP, 0) != PAGE_STEP ||
		    read(pipefd[0], got, PAGE_STEP) != PAGE_STEP)
			return false;
		close(pipefd[0]);
		close(pipefd[1]);
	}
	for (i = 0; i < PAGE_STEP / 8; i++)
		if (got[i] != pattern_word(OLD, at + i * 8))
			return false;
	return true;
}

/* The command does not fail, nor wait: the unit is held back and counted. */
TEST_F(pin, the_unit_goes_into_quarantine)
{
	uint64_t start = now_ms();

	ASSERT_EQ(0, end_span(self, variant));
	EXPECT_GT(5000, now_ms() - start);
	EXPECT_LE(1, wait_quarantined(self));
	EXPECT_EQ(self->base + (variant->end == BY_TRIM ? 1 : 0),
		  pool_granted(&self->watch));
}

/* It comes back by itself when the holder lets go, without a command. */
TEST_F(pin, it_comes_back_by_itself)
{
	ASSERT_EQ(0, end_span(self, variant));
	ASSERT_LE(1, wait_quarantined(self));
	drop(self, variant);
	EXPECT_EQ(0, pool_settle(&self->watch, self->base +
				 (variant->end == BY_TRIM ? 1 : 0)));
}

/*
 * A unit granted while it is pinned is shared by two owners. Another file
 * takes all there is and writes to it; the holder must see none of that, and
 * none of it may be the held unit.
 */
TEST_F(pin, nobody_gets_the_unit_meanwhile)
{
	uint64_t held = self->span.offset + 3 * self->unit;
	long nr_free, n = 0, quarantined;
	struct hugespan_stat st;
	struct span s;
	int other = dev_open(O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, end_span(self, variant));
	quarantined = wait_quarantined(self);
	ASSERT_LE(1, quarantined);
	/* What else belonged to the span may still be on its way. */
	sleep_ms(200);
	ASSERT_EQ(0, pool_stat(other, HUGESPAN_NODE_ANY, &st));
	nr_free = (long)st.out_nr_free;
	while (!span_alloc(other, 0, &s)) {
		void *p;

		n++;
		ASSERT_NE(held, s.offset);
		ASSERT_EQ(0, span_map(other, &s, MAP_SHARED, &p));
		pattern_dot(p, s.bytes, NEW);
		munmap(p, s.bytes);
	}
	EXPECT_LE(nr_free, n);
	EXPECT_TRUE(holder_sees_old(self, variant));
	close(other);
}

/* Dirty when it was pinned, it is zero when it is granted again. */
TEST_F(pin, it_is_zero_afterwards)
{
	int other = dev_open(O_RDWR | O_CLOEXEC);
	struct span s;
	void *p;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, end_span(self, variant));
	ASSERT_LE(1, wait_quarantined(self));
	drop(self, variant);
	ASSERT_EQ(0, pool_settle(&self->watch, self->base +
				 (variant->end == BY_TRIM ? 1 : 0)));
	ASSERT_EQ(0, span_alloc_at(other, 0,
				   self->span.offset + 3 * self->unit, &s));
	ASSERT_EQ(0, span_map(other, &s, MAP_SHARED, &p));
	EXPECT_EQ(-1, nonzero_at(p, s.bytes));
	munmap(p, s.bytes);
	close(other);
}

/*
 * What the quarantine holds back is the unit: the head of a trimmed span stays
 * usable, and a mapping that FREE has left is as stale as any.
 */
TEST_F(pin, mappings_end_where_the_span_ends)
{
	bool mapped = variant->end == BY_FREE || variant->end == BY_TRIM;

	ASSERT_EQ(0, end_span(self, variant));
	EXPECT_EQ(mapped ? SIGBUS : SIGSEGV, fault_read(self->page, NULL));
	EXPECT_EQ(mapped ? SIGBUS : SIGSEGV, fault_write(self->page, 1));
	EXPECT_TRUE(holder_sees_old(self, variant));
	if (variant->end == BY_TRIM) {
		EXPECT_EQ(-1, pattern_differs(self->mem, self->unit, OLD));
		EXPECT_EQ(0, span_free(self->fd, self->span.offset));
		EXPECT_EQ(self->base, pool_granted(&self->watch));
	}
}

/* ---- holders that die -------------------------------------------------- */

FIXTURE(pin_killed) {
	struct pool_watch watch;
	struct line line;
};

FIXTURE_VARIANT(pin_killed) {
	enum pin_kind kind;
};

FIXTURE_VARIANT_ADD(pin_killed, pipe) { PIPE };
FIXTURE_VARIANT_ADD(pin_killed, ring) { RING };

FIXTURE_SETUP(pin_killed)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	ASSERT_EQ(0, line_open(&self->line));
}

FIXTURE_TEARDOWN(pin_killed)
{
	line_close(&self->line);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* Take a span, pin half of its units, say so, and wait to be killed. */
static void pin_and_wait(struct line *line, enum pin_kind kind)
{
	int fd = dev_open(O_RDWR | O_CLOEXEC), pipefd[2], err = 0;
	struct iovec iov;
	struct ring ring;
	struct span s;
	void *p;

	CHILD_CHECK(fd >= 0 && !span_alloc(fd, 2, &s));
	CHILD_CHECK(!span_map(fd, &s, MAP_SHARED, &p));
	pattern_dot(p, s.bytes, OLD);
	if (kind == PIPE) {
		iov = (struct iovec){ p, 8 * PAGE_STEP };
		CHILD_CHECK(!pipe(pipefd));
		CHILD_CHECK(vmsplice(pipefd[1], &iov, 1, 0) > 0);
	} else {
		err = ring_open(&ring);
		if (!err)
			err = ring_register(&ring, p, s.bytes / 2);
	}
	CHILD_CHECK(!line_say(line, 1, (uint64_t)err));
	pause();
	_exit(1);
}

/* kill -9 ends mapping, descriptor and pin in an order of its own. */
TEST_F(pin_killed, all_comes_back)
{
	pid_t pid = child_fork();
	uint64_t err = 0;

	ASSERT_LE(0, pid);
	if (!pid)
		pin_and_wait(&self->line, variant->kind);
	ASSERT_EQ(0, line_hear(&self->line, 0, &err));
	ASSERT_EQ(0, child_kill(pid));
	if (err)
		SKIP(return, "this kernel does not register the buffer: %s",
		     strerror(-(int)err));
	EXPECT_EQ(0, pool_settle(&self->watch,
				 self->watch.before.out_nr_granted));
}

/* The holder outlives the owner: a pipe between two processes. */
TEST(a_pipe_that_outlives_the_owner)
{
	struct pool_watch watch;
	uint64_t got[PAGE_STEP / 8];
	int pipefd[2], i;
	pid_t pid;

	ASSERT_EQ(0, pool_watch_begin(&watch));
	ASSERT_EQ(0, pipe2(pipefd, O_CLOEXEC));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct iovec iov;
		struct span s;
		int fd = dev_open(O_RDWR | O_CLOEXEC);
		void *p;

		CHILD_CHECK(fd >= 0 && !span_alloc(fd, 0, &s));
		CHILD_CHECK(!span_map(fd, &s, MAP_SHARED, &p));
		pattern_fill(p, PAGE_STEP, OLD);
		iov = (struct iovec){ p, PAGE_STEP };
		CHILD_CHECK(vmsplice(pipefd[1], &iov, 1, 0) == PAGE_STEP);
		_exit(0);
	}
	ASSERT_EQ(0, child_wait(pid));
	EXPECT_EQ(1, pool_quarantined(&watch));
	ASSERT_EQ(PAGE_STEP, read(pipefd[0], got, PAGE_STEP));
	for (i = 0; i < PAGE_STEP / 8; i++) {
		ASSERT_EQ(pattern_word(OLD, i * 8), got[i]);
	}
	EXPECT_EQ(0, pool_watch_end(&watch));
	close(pipefd[0]);
	close(pipefd[1]);
}

DEVICE_TEST_MAIN
