// SPDX-License-Identifier: MIT
/*
 * ALLOC: what a grant is made of, what it refuses and why, and that the pool
 * can be handed out to its last unit and comes together again afterwards.
 */
#include <kselftest_harness.h>

#include "device.h"
#include "fault.h"
#include "pattern.h"

FIXTURE(grant) {
	struct pool_watch watch;
	struct hugespan_info info;
	size_t unit;
	size_t nr_free;
	struct span *spans;	/* room for every free unit as a span */
	int fd;
};

FIXTURE_SETUP(grant)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, dev_info(self->fd, &self->info));
	self->unit = self->info.out_unit_bytes;
	self->nr_free = self->watch.before.out_nr_free;
	ASSERT_LE(8, self->nr_free);
	self->spans = calloc(self->nr_free + 1, sizeof(*self->spans));
	ASSERT_NE(NULL, self->spans);
}

FIXTURE_TEARDOWN(grant)
{
	close(self->fd);
	free(self->spans);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* Take every free unit as a span of its own; how many there were. */
static size_t take_all(int fd, struct span *spans, size_t room)
{
	size_t n = 0;

	while (n < room && !span_alloc(fd, 0, &spans[n]))
		n++;
	return n;
}

static struct hugespan_alloc good_alloc(void)
{
	return (struct hugespan_alloc){
		.size = sizeof(struct hugespan_alloc),
		.node = HUGESPAN_NODE_ANY,
	};
}

/* The request is refused with @want and the pool stays as it is. */
static bool refuses(int fd, struct hugespan_alloc a, int want)
{
	struct hugespan_stat before, after;
	int got;

	if (pool_stat(fd, HUGESPAN_NODE_ANY, &before))
		return false;
	a.out_offset = a.out_bytes = 0xa5a5a5a5;
	got = dev_ioctl(fd, HUGESPAN_IOC_ALLOC, &a);
	if (pool_stat(fd, HUGESPAN_NODE_ANY, &after))
		return false;
	if (got != want)
		diag("answered %d, not %d", got, want);
	else if (a.out_offset != 0xa5a5a5a5 || a.out_bytes != 0xa5a5a5a5)
		diag("wrote an answer although it refused");
	else if (after.out_nr_refused - before.out_nr_refused !=
		 (want == -EINVAL ? 0 : 1))
		diag("refused %llu -> %llu after %d",
		     (unsigned long long)before.out_nr_refused,
		     (unsigned long long)after.out_nr_refused, want);
	else
		return pool_unchanged(&before, &after);
	return false;
}

/* A grant of an order is 2^order units, at a multiple of the unit, inside. */
TEST_F(grant, an_order_is_two_to_the_order_units)
{
	struct hugespan_query q;
	struct span s;
	int order;

	for (order = 0; order <= self->watch.before.out_largest_free_order;
	     order++) {
		ASSERT_EQ(0, span_alloc(self->fd, order, &s));
		EXPECT_EQ(self->unit << order, s.bytes);
		EXPECT_EQ(0, s.offset % self->unit);
		EXPECT_GE(self->info.out_device_bytes, s.offset + s.bytes);
		ASSERT_EQ(0, span_query(self->fd, s.offset, &q));
		EXPECT_EQ(s.offset, q.out_offset);
		EXPECT_EQ(s.bytes, q.out_bytes);
		EXPECT_EQ(0, q.out_nr_mappings);
		EXPECT_EQ(0, q.out_alloc_flags);
		ASSERT_EQ(0, span_free(self->fd, s.offset));
	}
}

/* A size is rounded up to a power of two of units, never down. */
TEST_F(grant, bytes_are_rounded_up)
{
	const struct {
		uint64_t bytes;
		uint64_t nr_units;
	} cases[] = {
		{ 1, 1 }, { 4096, 1 },
		{ self->unit - 1, 1 }, { self->unit, 1 },
		{ self->unit + 1, 2 }, { 2 * self->unit, 2 },
		{ 2 * self->unit + 1, 4 }, { 3 * self->unit, 4 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct hugespan_alloc a = good_alloc();

		a.flags = HUGESPAN_ALLOC_BYTES;
		a.bytes = cases[i].bytes;
		ASSERT_EQ(0, dev_ioctl(self->fd, HUGESPAN_IOC_ALLOC, &a));
		EXPECT_EQ(cases[i].nr_units * self->unit, a.out_bytes);
		ASSERT_EQ(0, span_free(self->fd, a.out_offset));
	}
}

/* Two ways to say how much, and only one at a time: else one is ignored. */
TEST_F(grant, contradicting_sizes_are_refused)
{
	struct hugespan_alloc a = good_alloc();

	a.flags = HUGESPAN_ALLOC_BYTES;
	EXPECT_TRUE(refuses(self->fd, a, -EINVAL)) TH_LOG("no bytes");
	a.bytes = self->unit;
	a.order = 1;
	EXPECT_TRUE(refuses(self->fd, a, -EINVAL)) TH_LOG("bytes and order");
	a.flags = 0;
	a.order = 0;
	EXPECT_TRUE(refuses(self->fd, a, -EINVAL)) TH_LOG("bytes unasked");
}

/* Rounding the largest sizes up wraps to nothing: a grant of 0 units. */
TEST_F(grant, impossible_bytes_are_refused)
{
	uint64_t bytes[] = { UINT64_MAX, UINT64_MAX - self->unit + 2,
			     1ull << 63, (1ull << 63) + 1,
			     UINT32_MAX * self->unit + 1, 1ull << 60 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		struct hugespan_alloc a = good_alloc();

		a.flags = HUGESPAN_ALLOC_BYTES;
		a.bytes = bytes[i];
		EXPECT_TRUE(refuses(self->fd, a, -EINVAL))
			TH_LOG("bytes %#llx", (unsigned long long)bytes[i]);
	}
}

/* Shifting by an order from the caller is undefined past the word's width. */
TEST_F(grant, impossible_orders_are_refused)
{
	uint32_t orders[] = { 43, 63, 64, 65, 255, 256, 1U << 31, UINT32_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		struct hugespan_alloc a = good_alloc();

		a.order = orders[i];
		EXPECT_TRUE(refuses(self->fd, a, -EINVAL))
			TH_LOG("order %u", orders[i]);
	}
}

/*
 * Too much for this pool, if not for any: that is a want of memory. Nothing
 * smaller is granted in its place.
 */
TEST_F(grant, orders_beyond_the_pool_are_refused)
{
	struct hugespan_alloc a = good_alloc();

	for (a.order = self->info.out_max_order + 1; a.order < 20; a.order++) {
		EXPECT_TRUE(refuses(self->fd, a, -ENOMEM))
			TH_LOG("order %u", a.order);
	}
	a.flags = HUGESPAN_ALLOC_BYTES;
	a.order = 0;
	a.bytes = (self->unit << self->info.out_max_order) + 1;
	EXPECT_TRUE(refuses(self->fd, a, -ENOMEM));
}

/* A node is an index into the module's arrays; and -2 is not "any". */
TEST_F(grant, impossible_nodes_are_refused)
{
	int32_t nodes[] = { -2, -100, INT32_MIN, INT32_MAX, 1023, 1024, 4096,
			    65536 };
	size_t i, strict;

	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		for (strict = 0; strict < 2; strict++) {
			struct hugespan_alloc a = good_alloc();

			a.node = nodes[i];
			a.flags = strict ? HUGESPAN_ALLOC_STRICT : 0;
			EXPECT_TRUE(refuses(self->fd, a, -EINVAL))
				TH_LOG("node %d", nodes[i]);
		}
	}
}

TEST_F(grant, unknown_fork_modes_are_refused)
{
	uint32_t modes[] = { HUGESPAN_FORK_WIPE + 1, 255, 256, 1U << 31,
			     UINT32_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		struct hugespan_alloc a = good_alloc();

		a.fork_mode = modes[i];
		EXPECT_TRUE(refuses(self->fd, a, -EINVAL))
			TH_LOG("mode %u", modes[i]);
	}
}

/* What was asked for is what QUERY tells later, whoever asks. */
TEST_F(grant, fork_mode_and_flags_are_remembered)
{
	struct hugespan_query q;
	struct span s;
	unsigned int mode;

	/* The tests before have left all of the pool dirty. */
	pool_wait_clean(self->fd);
	for (mode = HUGESPAN_FORK_SHARE; mode <= HUGESPAN_FORK_WIPE; mode++) {
		ASSERT_EQ(0, span_alloc_with(self->fd, 1,
					     HUGESPAN_ALLOC_FREE_ON_UNMAP |
					     HUGESPAN_ALLOC_NOWAIT,
					     mode, &s));
		ASSERT_EQ(0, span_query(self->fd, s.offset, &q));
		EXPECT_EQ(mode, q.out_fork_mode);
		EXPECT_EQ(HUGESPAN_ALLOC_FREE_ON_UNMAP, q.out_alloc_flags);
		ASSERT_EQ(0, span_free(self->fd, s.offset));
	}
}

/*
 * Two owners of one unit is the worst that an allocator can do. Orders are
 * mixed at random until nothing is left.
 */
TEST_F(grant, the_whole_pool_without_overlap)
{
	uint64_t seed = test_seed();
	size_t nr_slots = self->info.out_device_bytes / self->unit;
	char *taken = calloc(nr_slots, 1);
	size_t units = 0, tries;
	struct span s;

	ASSERT_NE(NULL, taken);
	for (tries = 0; units < self->nr_free; tries++) {
		unsigned int order = tries < 64 ? rnd_below(&seed, 4) : 0;
		size_t at, n;

		if (span_alloc(self->fd, order, &s)) {
			ASSERT_NE(0, order);
			continue;
		}
		at = s.offset / self->unit;
		n = s.bytes / self->unit;
		ASSERT_GE(nr_slots, at + n);
		ASSERT_EQ(-1, nonzero_at(taken + at, n));
		memset(taken + at, 1, n);
		units += n;
	}
	free(taken);
	EXPECT_EQ(-ENOMEM, span_alloc(self->fd, 0, &s));
}

/* ENOMEM names one thing: no run is long enough. It is counted, and harmless. */
TEST_F(grant, an_empty_pool_refuses)
{
	struct hugespan_alloc a = good_alloc();
	struct hugespan_stat st;

	ASSERT_EQ(self->nr_free,
		  take_all(self->fd, self->spans, self->nr_free + 1));
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
	EXPECT_EQ(0, st.out_nr_free);
	EXPECT_EQ(-1, st.out_largest_free_order);
	EXPECT_EQ(self->nr_free, st.out_owner_spans);
	EXPECT_EQ(self->nr_free, st.out_owner_units);
	EXPECT_TRUE(refuses(self->fd, a, -ENOMEM));
	a.flags = HUGESPAN_ALLOC_NOWAIT;
	EXPECT_TRUE(refuses(self->fd, a, -ENOMEM)) TH_LOG("nowait");
	a.flags = HUGESPAN_ALLOC_BYTES;
	a.bytes = 1;
	EXPECT_TRUE(refuses(self->fd, a, -ENOMEM)) TH_LOG("bytes");
}

/* Backed in full: no access to any page of a grant may fail, even the last. */
TEST_F(grant, every_page_of_the_pool_is_there)
{
	size_t i, n;
	void *p;

	n = take_all(self->fd, self->spans, self->nr_free);
	ASSERT_EQ(self->nr_free, n);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, span_map(self->fd, &self->spans[i], MAP_SHARED,
				      &p));
		ASSERT_EQ(0, fault_write(p, i));
		pattern_dot(p, self->unit, i);
		ASSERT_EQ(0, munmap(p, self->unit));
	}
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, span_map(self->fd, &self->spans[i], MAP_SHARED,
				      &p));
		ASSERT_EQ(-1, pattern_dots_differ(p, self->unit, i));
		ASSERT_EQ(0, munmap(p, self->unit));
	}
}

/*
 * Freeing neighbours must join them again. Every other unit free leaves only
 * order 0; the rest freed must give back the largest order there was, or the
 * pool is fragmented for good.
 */
TEST_F(grant, freed_neighbours_join)
{
	struct hugespan_stat st;
	struct span s;
	size_t i, n;

	n = take_all(self->fd, self->spans, self->nr_free);
	ASSERT_EQ(self->nr_free, n);
	for (i = 0; i < n; i++) {
		if (self->spans[i].offset / self->unit % 2 == 0) {
			ASSERT_EQ(0, span_free(self->fd,
					       self->spans[i].offset));
		}
	}
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
	EXPECT_EQ(0, st.out_largest_free_order);
	EXPECT_EQ(-ENOMEM, span_alloc(self->fd, 1, &s));
	for (i = 0; i < n; i++) {
		if (self->spans[i].offset / self->unit % 2) {
			ASSERT_EQ(0, span_free(self->fd,
					       self->spans[i].offset));
		}
	}
	ASSERT_EQ(0, pool_settle(&self->watch, 0));
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
	EXPECT_EQ(self->watch.before.out_largest_free_order,
		  st.out_largest_free_order);
	EXPECT_EQ(0, span_alloc(self->fd,
				self->watch.before.out_largest_free_order, &s));
}

/* And so in whatever order they are freed. */
TEST_F(grant, freed_in_any_order_they_join)
{
	uint64_t seed = test_seed();
	size_t i, n;

	n = take_all(self->fd, self->spans, self->nr_free);
	ASSERT_EQ(self->nr_free, n);
	for (i = n; i; i--) {
		size_t pick = rnd_below(&seed, i);

		ASSERT_EQ(0, span_free(self->fd, self->spans[pick].offset));
		self->spans[pick] = self->spans[i - 1];
	}
	EXPECT_EQ(0, pool_settle(&self->watch, 0));
	/* The teardown compares the largest free order. */
}

/* Nothing granted, nothing split: else the first to come finds fragments. */
TEST_F(grant, an_idle_pool_is_in_one_piece)
{
	struct hugespan_stat st;
	struct span s;

	if (self->watch.before.out_nr_granted)
		SKIP(return, "somebody else holds units");
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
	EXPECT_EQ(self->info.out_max_order, st.out_largest_free_order);
	EXPECT_LT(st.out_nr_units >> (self->info.out_max_order + 1),
		  self->info.out_nr_nodes);
	EXPECT_EQ(0, span_alloc(self->fd, self->info.out_max_order, &s));
}

/* STAT's largest free order is a promise as long as nobody else allocates. */
TEST_F(grant, the_largest_free_order_is_true)
{
	int order = self->watch.before.out_largest_free_order;
	struct span s;

	while (order >= 0) {
		struct hugespan_stat st;

		if (order < (int)self->info.out_max_order) {
			EXPECT_EQ(-ENOMEM, span_alloc(self->fd, order + 1, &s));
		}
		ASSERT_EQ(0, span_alloc(self->fd, order, &s));
		ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
		EXPECT_GE(order, st.out_largest_free_order);
		order = st.out_largest_free_order;
	}
}

/* EDQUOT is reserved: a quota has to be settable before it can be exceeded. */
TEST_F(grant, a_quota_is_kept)
{
	SKIP(return, "API version %u has no way to set a quota",
	     self->info.out_api_version);
}

DEVICE_TEST_MAIN
