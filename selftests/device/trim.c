// SPDX-License-Identifier: MIT
/*
 * TRIM: the tail of a span goes back, its head stays what it was. Mappings of
 * the tail are stale from then on, those of the head never notice.
 */
#include <kselftest_harness.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"

#define OLD 0x7210
#define NEW 0x7211
#define NR_UNITS 4

FIXTURE(trim) {
	struct pool_watch watch;
	struct span span;	/* NR_UNITS units, filled with OLD */
	uint64_t base;
	size_t unit;
	char *mem;
	int fd;
	int other;
};

FIXTURE_VARIANT(trim) {
	unsigned int keep;	/* units */
};

FIXTURE_VARIANT_ADD(trim, to_one) { .keep = 1 };
FIXTURE_VARIANT_ADD(trim, to_half) { .keep = 2 };
FIXTURE_VARIANT_ADD(trim, to_three) { .keep = 3 };

FIXTURE_SETUP(trim)
{
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->base = self->watch.before.out_nr_granted;
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->other = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->other);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc(self->fd, 2, &self->span));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	self->mem = p;
	pattern_fill(p, self->span.bytes, OLD);
}

FIXTURE_TEARDOWN(trim)
{
	munmap(self->mem, self->span.bytes);
	close(self->other);
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* Offset of the first unit that goes, from the span's beginning. */
static size_t tail_at(FIXTURE_DATA(trim) *self,
		      const FIXTURE_VARIANT(trim) *variant)
{
	return variant->keep * self->unit;
}

static int trim(FIXTURE_DATA(trim) *self, const FIXTURE_VARIANT(trim) *variant)
{
	uint64_t bytes = 0;
	int err = span_trim(self->fd, self->span.offset,
			    tail_at(self, variant), &bytes);

	return err ? err : bytes == tail_at(self, variant) ? 0 : -EPROTO;
}

/* The books: what was cut is free, what was kept is granted, and QUERY agrees. */
TEST_F(trim, the_tail_is_free)
{
	struct hugespan_stat st;
	struct hugespan_query q;

	ASSERT_EQ(0, trim(self, variant));
	EXPECT_EQ(0, pool_settle(&self->watch, self->base + variant->keep));
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
	EXPECT_EQ(1, st.out_owner_spans);
	EXPECT_EQ(variant->keep, st.out_owner_units);
	ASSERT_EQ(0, span_query(self->fd, self->span.offset, &q));
	EXPECT_EQ(tail_at(self, variant), q.out_bytes);
	EXPECT_EQ(-ENOENT, span_query(self->fd, self->span.offset +
				      tail_at(self, variant), &q));
}

/* No page of the head may be lost or even refault into something else. */
TEST_F(trim, the_head_keeps_its_data)
{
	ASSERT_EQ(0, trim(self, variant));
	EXPECT_EQ(-1, pattern_differs(self->mem, tail_at(self, variant), OLD));
	EXPECT_EQ(0, fault_write(self->mem + tail_at(self, variant) - 8,
				 pattern_word(OLD, tail_at(self, variant) - 8)));
}

TEST_F(trim, the_tail_raises_sigbus)
{
	size_t at;

	ASSERT_EQ(0, trim(self, variant));
	for (at = tail_at(self, variant); at < self->span.bytes;
	     at += 37 * PAGE_STEP) {
		ASSERT_EQ(SIGBUS, fault_read(self->mem + at, NULL));
		ASSERT_EQ(SIGBUS, fault_write(self->mem + at, 1));
	}
}

/* One mapping, half of it alive and half somebody else's units. */
TEST_F(trim, the_tail_granted_again_is_out_of_reach)
{
	size_t at = tail_at(self, variant);
	struct span s;
	void *p;

	ASSERT_EQ(0, trim(self, variant));
	ASSERT_EQ(0, span_alloc_at(self->other, 0, self->span.offset + at,
				   &s));
	ASSERT_EQ(0, span_map(self->other, &s, MAP_SHARED, &p));
	EXPECT_EQ(-1, nonzero_at(p, s.bytes));
	pattern_fill(p, s.bytes, NEW);
	EXPECT_EQ(SIGBUS, fault_read(self->mem + at, NULL));
	EXPECT_EQ(SIGBUS, fault_write(self->mem + at + 8 * PAGE_STEP, 1));
	EXPECT_EQ(-1, pattern_differs(self->mem, at, OLD));
	EXPECT_EQ(-1, pattern_differs(p, s.bytes, NEW));
	munmap(p, s.bytes);
}

/* The same to the same file: a new span, an old mapping. */
TEST_F(trim, the_tail_granted_to_the_same_file_is_out_of_reach)
{
	size_t at = tail_at(self, variant);
	struct span s;

	ASSERT_EQ(0, trim(self, variant));
	ASSERT_EQ(0, span_alloc_at(self->fd, 0, self->span.offset + at, &s));
	EXPECT_EQ(SIGBUS, fault_read(self->mem + at, NULL));
}

/* Whatever was kept, a number that is no power of two too, is freed whole. */
TEST_F(trim, the_rest_can_be_freed)
{
	ASSERT_EQ(0, trim(self, variant));
	ASSERT_EQ(0, span_free(self->fd, self->span.offset));
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
	EXPECT_EQ(-ENOENT, span_free(self->fd, self->span.offset));
	EXPECT_EQ(SIGBUS, fault_read(self->mem, NULL));
}

/* The cut-off piece is no span: nobody can free it once more. */
TEST_F(trim, the_tail_cannot_be_freed)
{
	size_t at;

	ASSERT_EQ(0, trim(self, variant));
	for (at = tail_at(self, variant); at < self->span.bytes;
	     at += self->unit) {
		EXPECT_EQ(-ENOENT, span_free(self->fd,
					     self->span.offset + at));
	}
	EXPECT_EQ(0, pool_settle(&self->watch, self->base + variant->keep));
}

/* A mapping made afterwards ends where the span ends now. */
TEST_F(trim, new_mappings_see_the_new_end)
{
	size_t end = tail_at(self, variant);
	void *p;

	ASSERT_EQ(0, trim(self, variant));
	EXPECT_EQ(-EINVAL, span_map(self->fd, &self->span, MAP_SHARED, &p));
	EXPECT_EQ(-EACCES, try_mmap(NULL, self->unit, PROT_READ, MAP_SHARED,
				    self->fd, self->span.offset + end, &p));
	ASSERT_EQ(0, try_mmap(NULL, end, PROT_READ, MAP_SHARED, self->fd,
			      self->span.offset, &p));
	EXPECT_EQ(-1, pattern_differs(p, end, OLD));
	munmap(p, end);
}

/* A trim can be trimmed again, down to its last unit. */
TEST_F(trim, it_can_be_repeated)
{
	unsigned int keep;

	ASSERT_EQ(0, trim(self, variant));
	for (keep = variant->keep; keep; keep--) {
		uint64_t bytes = 0;

		ASSERT_EQ(0, span_trim(self->fd, self->span.offset,
				       keep * self->unit, &bytes));
		EXPECT_EQ(keep * self->unit, bytes);
		EXPECT_EQ(0, pool_settle(&self->watch, self->base + keep));
	}
	EXPECT_EQ(-1, pattern_differs(self->mem, self->unit, OLD));
}

/* A trimmed span that ends with its file leaves nothing behind. */
TEST_F(trim, close_frees_the_rest)
{
	ASSERT_EQ(0, trim(self, variant));
	munmap(self->mem, self->span.bytes);
	close(self->fd);
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
}

/* A child that maps the span loses the tail with everybody else. */
TEST_F(trim, a_child_loses_the_tail_too)
{
	struct line line;
	pid_t pid;

	ASSERT_EQ(0, line_open(&line));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		char *tail = self->mem + tail_at(self, variant);

		CHILD_CHECK(!fault_read(tail, NULL));
		CHILD_CHECK(!line_say(&line, 1, 1));
		CHILD_CHECK(!line_hear(&line, 1, NULL));
		CHILD_CHECK(fault_read(tail, NULL) == SIGBUS);
		CHILD_CHECK(!fault_read(tail - 8, NULL));
		_exit(0);
	}
	ASSERT_EQ(0, line_hear(&line, 0, NULL));
	ASSERT_EQ(0, trim(self, variant));
	ASSERT_EQ(0, line_say(&line, 0, 1));
	EXPECT_EQ(0, child_wait(pid));
	line_close(&line);
}

/* ---- refusals ---------------------------------------------------------- */

FIXTURE(trim_refusal) {
	struct pool_watch watch;
	struct span span;
	size_t unit;
	int fd;
};

FIXTURE_SETUP(trim_refusal)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc(self->fd, 2, &self->span));
}

FIXTURE_TEARDOWN(trim_refusal)
{
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* The command refuses with @want, writes no answer, and changes nothing. */
static bool refuses(int fd, uint64_t offset, uint64_t keep, int want)
{
	struct hugespan_trim t = {
		.size = sizeof(t), .offset = offset, .keep_bytes = keep,
		.out_bytes = 0xa5,
	};
	struct hugespan_stat before, after;
	int got;

	if (pool_stat(fd, HUGESPAN_NODE_ANY, &before))
		return false;
	got = dev_ioctl(fd, HUGESPAN_IOC_TRIM, &t);
	if (pool_stat(fd, HUGESPAN_NODE_ANY, &after))
		return false;
	if (got != want)
		diag("answered %d, not %d", got, want);
	return got == want && t.out_bytes == 0xa5 &&
	       pool_unchanged(&before, &after);
}

/* To keep nothing is FREE's business. */
TEST_F(trim_refusal, to_nothing)
{
	EXPECT_TRUE(refuses(self->fd, self->span.offset, 0, -EINVAL));
}

TEST_F(trim_refusal, to_a_part_of_a_unit)
{
	uint64_t keep[] = { 1, 4096, self->unit - 1, self->unit + 4096,
			    2 * self->unit - 1, UINT64_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keep); i++) {
		EXPECT_TRUE(refuses(self->fd, self->span.offset, keep[i],
				    -EINVAL))
			TH_LOG("keep %#llx", (unsigned long long)keep[i]);
	}
}

/* A trim cannot make a span longer, however large a number is asked for. */
TEST_F(trim_refusal, to_more_than_there_is)
{
	uint64_t keep[] = { 5 * self->unit, 8 * self->unit, 1ull << 40,
			    1ull << 63, UINT64_MAX - self->unit + 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keep); i++) {
		EXPECT_TRUE(refuses(self->fd, self->span.offset, keep[i],
				    -EINVAL))
			TH_LOG("keep %#llx", (unsigned long long)keep[i]);
	}
}

/* To its own length: allowed, and nothing happens. */
TEST_F(trim_refusal, to_all_of_it_changes_nothing)
{
	struct hugespan_stat before, after;
	uint64_t bytes = 0;

	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &before));
	EXPECT_EQ(0, span_trim(self->fd, self->span.offset, self->span.bytes,
			       &bytes));
	EXPECT_EQ(self->span.bytes, bytes);
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &after));
	EXPECT_TRUE(pool_unchanged(&before, &after));
}

TEST_F(trim_refusal, of_what_begins_no_span)
{
	EXPECT_TRUE(refuses(self->fd, self->span.offset + self->unit,
			    self->unit, -ENOENT));
	EXPECT_TRUE(refuses(self->fd, self->span.offset + 4096, self->unit,
			    -EINVAL));
	EXPECT_TRUE(refuses(self->fd, 1ull << 62, self->unit, -ENOENT));
}

DEVICE_TEST_MAIN
