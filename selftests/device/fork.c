// SPDX-License-Identifier: MIT
/*
 * The fork modes: which mappings a child has, and what of each other's writes
 * parent, child and grandchild see. A shared heap that was meant to be private
 * corrupts both sides; one that is missing crashes the child.
 */
#include <kselftest_harness.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"
#include "procfs.h"

#define TAG 0xf02c

/* A span of two units with its mapping, and a line to a child. */
struct heap {
	struct pool_watch watch;
	struct line line;
	struct span span;
	size_t unit;
	char *mem;
	int fd;
};

/* Filled with TAG, and mapped as @map says: 0 or -errno. */
static int heap_make(struct heap *h, unsigned int mode, int map)
{
	void *p;
	int err;

	err = pool_watch_begin(&h->watch);
	if (!err)
		err = line_open(&h->line);
	if (err)
		return err;
	h->fd = dev_open(O_RDWR | O_CLOEXEC);
	if (h->fd < 0)
		return h->fd;
	h->unit = dev_unit(h->fd);
	err = span_alloc_with(h->fd, 1, 0, mode, &h->span);
	if (!err)
		err = span_map(h->fd, &h->span, MAP_SHARED, &p);
	if (err)
		return err;
	pattern_fill(p, h->span.bytes, TAG);
	munmap(p, h->span.bytes);
	err = span_map(h->fd, &h->span, map, &p);
	if (err)
		return err;
	h->mem = p;
	return pattern_differs(p, h->span.bytes, TAG) == -1 ? 0 : -EIO;
}

static int heap_end(struct heap *h)
{
	munmap(h->mem, h->span.bytes);
	close(h->fd);
	line_close(&h->line);
	return pool_watch_end(&h->watch);
}

static bool is_whole(const struct heap *h)
{
	return pattern_differs(h->mem, h->span.bytes, TAG) == -1;
}

/* ---- in every mode ----------------------------------------------------- */

FIXTURE(fork) {
	struct heap h;
};

FIXTURE_VARIANT(fork) {
	unsigned int mode;
	int map;
	bool inherited;		/* the child has the mapping */
};

#define MODE(name, mode, map, inherited)				\
	FIXTURE_VARIANT_ADD(fork, name) { HUGESPAN_FORK_##mode, map, inherited }

MODE(share_shared, SHARE, MAP_SHARED, true);
MODE(share_private, SHARE, MAP_PRIVATE, true);
MODE(cow_shared, COW, MAP_SHARED, false);
MODE(cow_private, COW, MAP_PRIVATE, true);
MODE(dontfork_shared, DONTFORK, MAP_SHARED, false);
MODE(dontfork_private, DONTFORK, MAP_PRIVATE, false);
MODE(wipe_shared, WIPE, MAP_SHARED, false);
MODE(wipe_private, WIPE, MAP_PRIVATE, false);

FIXTURE_SETUP(fork)
{
	ASSERT_EQ(0, heap_make(&self->h, variant->mode, variant->map));
}

FIXTURE_TEARDOWN(fork)
{
	EXPECT_EQ(0, heap_end(&self->h));
}

/* A child either has the content or has nothing there at all. */
TEST_F(fork, the_child_has_it_or_not)
{
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		if (variant->inherited) {
			CHILD_CHECK(is_whole(&self->h));
		} else {
			CHILD_CHECK(fault_read(self->h.mem, NULL) == SIGSEGV);
			CHILD_CHECK(!is_mapped(self->h.mem));
		}
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_TRUE(is_whole(&self->h));
}

/* A mapping that a child did not get is not counted as its. */
TEST_F(fork, mappings_are_counted)
{
	struct heap *h = &self->h;
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(!line_hear(&h->line, 1, NULL));
		_exit(0);
	}
	EXPECT_EQ(variant->inherited ? 2 : 1,
		  span_nr_mappings(h->fd, h->span.offset));
	ASSERT_EQ(0, line_say(&h->line, 0, 1));
	ASSERT_EQ(0, child_wait(pid));
	EXPECT_EQ(1, span_nr_mappings(h->fd, h->span.offset));
}

/*
 * The descriptor goes to the child in every mode; through it the child may map
 * the span anew, shared even, for it is its owner too.
 */
TEST_F(fork, the_child_may_map_it_itself)
{
	struct heap *h = &self->h;
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		void *p;

		CHILD_CHECK(!span_map(h->fd, &h->span, MAP_SHARED, &p));
		CHILD_CHECK(pattern_differs(p, h->span.bytes, TAG) == -1);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
}

/* FREE in the child is FREE: the parent's mapping is stale as any other. */
TEST_F(fork, the_child_may_free_it)
{
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(span_free(self->h.fd, self->h.span.offset) ? 1 : 0);
	ASSERT_EQ(0, child_wait(pid));
	EXPECT_EQ(SIGBUS, fault_read(self->h.mem, NULL));
}

/* The mode is enforced when the fork comes late, through moves and splits. */
TEST_F(fork, moves_and_splits_keep_the_mode)
{
	struct heap *h = &self->h;
	char *to = h->mem + 64 * h->unit;
	pid_t pid;

	ASSERT_EQ(to, mremap(h->mem, h->span.bytes, h->span.bytes,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	h->mem = to;
	ASSERT_EQ(0, mprotect(to, h->unit, PROT_READ));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int want = variant->inherited ? 0 : SIGSEGV;

		CHILD_CHECK(fault_read(to, NULL) == want);
		CHILD_CHECK(fault_read(to + h->unit, NULL) == want);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
}

/* vfork and threads share the address space itself: no mode applies to them. */
TEST_F(fork, vfork_shares_everything)
{
	int status;
	pid_t pid;

	pid = vfork();
	if (!pid)
		_exit(*(volatile uint64_t *)self->h.mem ==
		      pattern_word(TAG, 0) ? 0 : 1);
	ASSERT_LE(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* ---- modes in which the child has the span ----------------------------- */

FIXTURE(inherited) {
	struct heap h;
};

FIXTURE_VARIANT(inherited) {
	unsigned int mode;
	int map;
	bool one_memory;	/* all see every write */
};

FIXTURE_VARIANT_ADD(inherited, share_shared) {
	HUGESPAN_FORK_SHARE, MAP_SHARED, true,
};
FIXTURE_VARIANT_ADD(inherited, share_private) {
	HUGESPAN_FORK_SHARE, MAP_PRIVATE, false,
};
FIXTURE_VARIANT_ADD(inherited, cow_private) {
	HUGESPAN_FORK_COW, MAP_PRIVATE, false,
};

FIXTURE_SETUP(inherited)
{
	ASSERT_EQ(0, heap_make(&self->h, variant->mode, variant->map));
}

FIXTURE_TEARDOWN(inherited)
{
	EXPECT_EQ(0, heap_end(&self->h));
}

/* The child's writes reach the parent in a shared memory, and only there. */
TEST_F(inherited, the_childs_writes)
{
	uint64_t *word = (uint64_t *)(self->h.mem + self->h.unit);
	uint64_t was = *word;
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		*word = 4711;
		CHILD_CHECK(*(volatile uint64_t *)word == 4711);
		_exit(0);
	}
	ASSERT_EQ(0, child_wait(pid));
	EXPECT_EQ(variant->one_memory ? 4711 : was, *word);
	*word = was;
	EXPECT_TRUE(is_whole(&self->h));
}

/* And the other way round: what the parent writes after the fork. */
TEST_F(inherited, the_parents_writes)
{
	struct heap *h = &self->h;
	volatile uint64_t *mine = (uint64_t *)h->mem;
	volatile uint64_t *pools = (uint64_t *)(h->mem + h->unit);
	uint64_t was[2] = { *mine, *pools };
	pid_t pid;

	/* In a private mapping this page is the parent's own by now. */
	*mine = was[0];
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(!line_hear(&h->line, 1, NULL));
		CHILD_CHECK(*mine == (variant->one_memory ? 4711 : was[0]));
		CHILD_CHECK(*pools == (variant->one_memory ? 4712 : was[1]));
		_exit(0);
	}
	*mine = 4711;
	*pools = 4712;
	ASSERT_EQ(0, line_say(&h->line, 0, 1));
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(4711, *mine);
	EXPECT_EQ(4712, *pools);
}

/* A grandchild stands to its parent as the child does to the first. */
TEST_F(inherited, grandchildren)
{
	volatile uint64_t *word = (uint64_t *)self->h.mem;
	uint64_t was = *word;
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		pid_t grandchild;

		*word = 1;
		grandchild = child_fork();
		CHILD_CHECK(grandchild >= 0);
		if (!grandchild) {
			CHILD_CHECK(*word == 1);
			*word = 2;
			_exit(0);
		}
		CHILD_CHECK(!child_wait(grandchild));
		CHILD_CHECK(*word == (variant->one_memory ? 2 : 1));
		_exit(0);
	}
	ASSERT_EQ(0, child_wait(pid));
	EXPECT_EQ(variant->one_memory ? 2 : was, *word);
}

/* ---- modes in which it has not ----------------------------------------- */

FIXTURE(missing) {
	struct heap h;
};

FIXTURE_VARIANT(missing) {
	unsigned int mode;
	int map;
};

FIXTURE_VARIANT_ADD(missing, cow_shared) { HUGESPAN_FORK_COW, MAP_SHARED };
FIXTURE_VARIANT_ADD(missing, dontfork_shared) {
	HUGESPAN_FORK_DONTFORK, MAP_SHARED,
};
FIXTURE_VARIANT_ADD(missing, dontfork_private) {
	HUGESPAN_FORK_DONTFORK, MAP_PRIVATE,
};
FIXTURE_VARIANT_ADD(missing, wipe_shared) { HUGESPAN_FORK_WIPE, MAP_SHARED };
FIXTURE_VARIANT_ADD(missing, wipe_private) { HUGESPAN_FORK_WIPE, MAP_PRIVATE };

FIXTURE_SETUP(missing)
{
	ASSERT_EQ(0, heap_make(&self->h, variant->mode, variant->map));
}

FIXTURE_TEARDOWN(missing)
{
	EXPECT_EQ(0, heap_end(&self->h));
}

/* The place is the child's to use: the library puts zeroes there for WIPE. */
TEST_F(missing, the_child_may_map_something_else_there)
{
	struct heap *h = &self->h;
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		void *p;

		CHILD_CHECK(!try_mmap(h->mem, h->span.bytes,
				      PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS |
				      MAP_FIXED_NOREPLACE, -1, 0, &p));
		CHILD_CHECK(nonzero_at(p, h->span.bytes) == -1);
		*(volatile char *)p = 1;
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_TRUE(is_whole(h));
}

/*
 * MADV_DOFORK takes a mapping's "do not inherit" back. A child must still see
 * nothing of a span that was granted for copying or for nobody.
 */
TEST_F(missing, madvise_does_not_lift_the_mode)
{
	struct heap *h = &self->h;
	pid_t pid;

	if (madvise(h->mem, h->span.bytes, MADV_DOFORK)) {
		/* Refused outright: as good. */
		EXPECT_EQ(EINVAL, errno);
	}
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(fault_read(h->mem, NULL));
		CHILD_CHECK(fault_write(h->mem, 1));
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_TRUE(is_whole(h));
}

/* ---- SET_FORK ---------------------------------------------------------- */

/* A mapping's fate is fixed when it is made; changing it later is a lie. */
TEST(set_fork_waits_for_no_mapping)
{
	struct pool_watch watch;
	struct hugespan_query q;
	unsigned int mode;
	struct span s;
	void *p;
	int fd;

	ASSERT_EQ(0, pool_watch_begin(&watch));
	fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, span_alloc(fd, 0, &s));
	for (mode = HUGESPAN_FORK_SHARE; mode <= HUGESPAN_FORK_WIPE; mode++) {
		ASSERT_EQ(0, span_set_fork(fd, s.offset, mode));
		ASSERT_EQ(0, span_query(fd, s.offset, &q));
		EXPECT_EQ(mode, q.out_fork_mode);
	}
	ASSERT_EQ(0, span_map(fd, &s, MAP_SHARED, &p));
	EXPECT_EQ(-EBUSY, span_set_fork(fd, s.offset, HUGESPAN_FORK_SHARE));
	ASSERT_EQ(0, span_query(fd, s.offset, &q));
	EXPECT_EQ(HUGESPAN_FORK_WIPE, q.out_fork_mode);
	munmap(p, s.bytes);
	EXPECT_EQ(0, span_set_fork(fd, s.offset, HUGESPAN_FORK_SHARE));
	EXPECT_EQ(-EINVAL, span_set_fork(fd, s.offset, 4));
	EXPECT_EQ(-EINVAL, span_set_fork(fd, s.offset, UINT32_MAX));
	EXPECT_EQ(-EINVAL, span_set_fork(fd, s.offset + 1, 0));
	EXPECT_EQ(-ENOENT, span_set_fork(fd, 1ull << 62, 0));
	ASSERT_EQ(0, span_query(fd, s.offset, &q));
	EXPECT_EQ(HUGESPAN_FORK_SHARE, q.out_fork_mode);
	close(fd);
	EXPECT_EQ(0, pool_watch_end(&watch));
}

DEVICE_TEST_MAIN
