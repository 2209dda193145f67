// SPDX-License-Identifier: MIT
/*
 * What a fork does to extents, on every backend and in every mode.
 *
 * Guards against the worst a huge-page allocator can do: parent and child
 * writing into each other's memory (gperftools#1139), a child that loses pages
 * when the parent frees them or the other way round, units that never come
 * back because a child once saw them, and a fork in one thread that catches
 * another half-way through a map.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <hugespan.h>
#include <kselftest_harness.h>

#include "backend.h"
#include "backends.h"
#include "child.h"
#include "fault.h"
#include "forkhandlers.h"
#include "pattern.h"
#include "procfs.h"

FIXTURE(fork) {
	struct hs_backend *b;
	size_t unit;
	struct line line;	/* the child's end is 1 */
};

BACKEND_VARIANTS(fork);

FIXTURE_SETUP(fork)
{
	SKIP_UNLESS_USABLE(variant->id);
	ASSERT_EQ(0, hs_backend_select(variant->id, &self->b));
	self->unit = self->b->unit_bytes;
	ASSERT_EQ(0, line_open(&self->line));
}

FIXTURE_TEARDOWN(fork)
{
	EXPECT_EQ(0, self->b->nr_mapped);
	line_close(&self->line);
}

enum { PARENT_FIRST = 1, PARENT_SECOND = 2, CHILD = 3, GRANDCHILD = 4 };

/* Wait for the other side's word; a child that says none has failed. */
#define SYNC_PARENT() do {						\
	ASSERT_EQ(0, line_hear(&self->line, 0, NULL));			\
} while (0)
#define GO_CHILD() ASSERT_EQ(0, line_say(&self->line, 0, 1))
#define SYNC_CHILD() CHILD_CHECK(!line_hear(&self->line, 1, NULL))
#define GO_PARENT() CHILD_CHECK(!line_say(&self->line, 1, 1))

/* Each side writes, and neither sees the other's; also a generation on. */
TEST_F(fork, cow)
{
	struct hs_extent x;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, 2 * self->unit, HS_FORK_COW, &x));
	pattern_fill(x.base, x.bytes, PARENT_FIRST);
	pid = fork_with_handlers();
	if (pid == 0) {
		CHILD_CHECK(x.inherited);
		CHILD_CHECK(self->b->nr_mapped == 2);
		CHILD_CHECK(pattern_differs(x.base, x.bytes, PARENT_FIRST) < 0);
		GO_PARENT();
		SYNC_CHILD();	/* the parent has written */
		CHILD_CHECK(pattern_differs(x.base, x.bytes, PARENT_FIRST) < 0);
		pattern_fill(x.base, self->unit, CHILD);
		GO_PARENT();
		SYNC_CHILD();
		pid = fork_with_handlers();
		if (pid == 0) {
			CHILD_CHECK(pattern_differs(x.base, self->unit,
						    CHILD) < 0);
			pattern_fill(x.base, x.bytes, GRANDCHILD);
			hs_backend_unmap(&x);
			_exit(0);
		}
		CHILD_CHECK(child_wait(pid) == 0);
		CHILD_CHECK(pattern_differs(x.base, self->unit, CHILD) < 0);
		CHILD_CHECK(pattern_differs(x.base + self->unit, self->unit,
					    PARENT_FIRST) >= 0);
		hs_backend_unmap(&x);
		CHILD_CHECK(self->b->nr_mapped == 0);
		_exit(0);
	}
	EXPECT_FALSE(x.inherited);
	SYNC_PARENT();
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_FIRST));
	pattern_fill(x.base, x.bytes, PARENT_SECOND);
	GO_CHILD();
	SYNC_PARENT();		/* the child has written */
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_SECOND));
	GO_CHILD();
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_SECOND));
	hs_backend_unmap(&x);
}

TEST_F(fork, share)
{
	struct hs_extent x;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, 2 * self->unit, HS_FORK_SHARE, &x));
	pattern_fill(x.base, x.bytes, PARENT_FIRST);
	pid = fork_with_handlers();
	if (pid == 0) {
		CHILD_CHECK(pattern_differs(x.base, x.bytes, PARENT_FIRST) < 0);
		pattern_fill(x.base, x.bytes, CHILD);
		GO_PARENT();
		SYNC_CHILD();
		CHILD_CHECK(pattern_differs(x.base, x.bytes,
					    PARENT_SECOND) < 0);
		hs_backend_unmap(&x);
		_exit(0);
	}
	SYNC_PARENT();
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, CHILD));
	pattern_fill(x.base, x.bytes, PARENT_SECOND);
	GO_CHILD();
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_SECOND));
	hs_backend_unmap(&x);
}

TEST_F(fork, dontfork)
{
	struct hs_extent x;
	char *base;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, 2 * self->unit, HS_FORK_DONTFORK, &x));
	base = x.base;
	pattern_fill(x.base, x.bytes, PARENT_FIRST);
	pid = fork_with_handlers();
	if (pid == 0) {
		CHILD_CHECK(x.base == NULL && x.bytes == 0);
		CHILD_CHECK(self->b->nr_mapped == 0);
		CHILD_CHECK(hs_list_empty(&self->b->extents));
		CHILD_CHECK(fault_read(base, NULL) == SIGSEGV);
		/* Nothing of ours is there: others may be. */
		hs_backend_unmap(&x);
		CHILD_CHECK(hs_backend_trim(&x, self->unit) == -EINVAL);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_FIRST));
	hs_backend_unmap(&x);
}

TEST_F(fork, wipe)
{
	struct hs_extent x;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, 2 * self->unit, HS_FORK_WIPE, &x));
	pattern_fill(x.base, x.bytes, PARENT_FIRST);
	pid = fork_with_handlers();
	if (pid == 0) {
		char *base = x.base;

		CHILD_CHECK(nonzero_at(x.base, x.bytes) < 0);
		pattern_fill(x.base, x.bytes, CHILD);
		pid = fork_with_handlers();
		if (pid == 0) {
			CHILD_CHECK(nonzero_at(x.base, x.bytes) < 0);
			_exit(0);
		}
		CHILD_CHECK(child_wait(pid) == 0);
		CHILD_CHECK(pattern_differs(x.base, x.bytes, CHILD) < 0);
		CHILD_CHECK(hs_backend_trim(&x, self->unit) == 0);
		CHILD_CHECK(fault_read(base + self->unit, NULL) == SIGSEGV);
		hs_backend_unmap(&x);
		CHILD_CHECK(fault_read(base, NULL) == SIGSEGV);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_FIRST));
	hs_backend_unmap(&x);
}

/* The child's unmap takes nothing from the parent, nor the parent's from it. */
static const int visible_modes[] = { HS_FORK_COW, HS_FORK_SHARE };

TEST_F(fork, child_unmaps_first)
{
	for (int i = 0; i < 2; i++) {
		struct hs_extent x;
		pid_t pid;

		ASSERT_EQ(0, map(self->b, 2 * self->unit, visible_modes[i],
				 &x));
		pattern_fill(x.base, x.bytes, PARENT_FIRST);
		pid = fork_with_handlers();
		if (pid == 0) {
			struct hs_extent mine;

			CHILD_CHECK(hs_backend_trim(&x, self->unit) == 0);
			hs_backend_unmap(&x);
			/* What it gets instead is not the parent's. */
			CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW,
					 &mine));
			CHILD_CHECK(nonzero_at(mine.base, mine.bytes) < 0);
			pattern_fill(mine.base, mine.bytes, CHILD);
			_exit(0);
		}
		EXPECT_EQ(0, child_wait(pid));
		EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_FIRST));
		hs_backend_unmap(&x);
	}
}

TEST_F(fork, parent_unmaps_first)
{
	for (int i = 0; i < 2; i++) {
		struct hs_extent x, others[4];
		pid_t pid;

		ASSERT_EQ(0, map(self->b, 2 * self->unit, visible_modes[i],
				 &x));
		pattern_fill(x.base, x.bytes, PARENT_FIRST);
		pid = fork_with_handlers();
		if (pid == 0) {
			SYNC_CHILD();	/* the parent's is gone */
			CHILD_CHECK(pattern_differs(x.base, x.bytes,
						    PARENT_FIRST) < 0);
			pattern_fill(x.base, x.bytes, CHILD);
			CHILD_CHECK(pattern_differs(x.base, x.bytes,
						    CHILD) < 0);
			hs_backend_unmap(&x);
			_exit(0);
		}
		hs_backend_unmap(&x);
		for (int j = 0; j < 4; j++) {
			ASSERT_EQ(0, map(self->b, self->unit, HS_FORK_COW,
					 &others[j]));
			pattern_fill(others[j].base, others[j].bytes, 100 + j);
		}
		GO_CHILD();
		EXPECT_EQ(0, child_wait(pid));
		for (int j = 0; j < 4; j++) {
			EXPECT_EQ(-1, pattern_differs(others[j].base,
						      others[j].bytes,
						      100 + j));
			hs_backend_unmap(&others[j]);
		}
	}
}

/* A trim in one of them is not felt in the other. */
TEST_F(fork, parent_trims_first)
{
	struct hs_extent x;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, 4 * self->unit, HS_FORK_COW, &x));
	pattern_fill(x.base, x.bytes, PARENT_FIRST);
	pid = fork_with_handlers();
	if (pid == 0) {
		SYNC_CHILD();
		CHILD_CHECK(pattern_differs(x.base, x.bytes, PARENT_FIRST) < 0);
		_exit(0);
	}
	ASSERT_EQ(0, hs_backend_trim(&x, self->unit));
	EXPECT_EQ(1, self->b->nr_mapped);
	GO_CHILD();
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_FIRST));
	hs_backend_unmap(&x);
}

/*
 * Rationale: other libraries' atfork handlers allocate after our prepare
 * handler has made everything copy-on-write. What they get must be too.
 */
TEST_F(fork, mapped_while_forking)
{
	struct hs_extent before, x;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, self->unit, HS_FORK_COW, &before));
	pattern_fill(before.base, before.bytes, PARENT_FIRST);
	prepare();
	ASSERT_EQ(0, map(self->b, self->unit, HS_FORK_COW, &x));
	EXPECT_EQ(-1, nonzero_at(x.base, x.bytes));
	pattern_fill(x.base, x.bytes, PARENT_SECOND);
	pid = fork_prepared();
	if (pid == 0) {
		CHILD_CHECK(pattern_differs(before.base, before.bytes,
					    PARENT_FIRST) < 0);
		CHILD_CHECK(pattern_differs(x.base, x.bytes,
					    PARENT_SECOND) < 0);
		pattern_fill(x.base, x.bytes, CHILD);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_SECOND));
	hs_backend_unmap(&x);
	hs_backend_unmap(&before);
}

/* A fork that fails (the limit on processes) leaves all as it was. */
TEST_F(fork, that_fails)
{
	struct hs_extent x;

	ASSERT_EQ(0, map(self->b, self->unit, HS_FORK_COW, &x));
	pattern_fill(x.base, x.bytes, PARENT_FIRST);
	for (int i = 0; i < 3; i++) {
		prepare();
		hs_lock_fork_end();
		hs_backends_fork_parent();
	}
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_FIRST));
	pattern_fill(x.base, x.bytes, PARENT_SECOND);
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, PARENT_SECOND));
	hs_backend_unmap(&x);
}

/* ---- a storm --------------------------------------------------------------- */

#define STORM_EXTENTS 3
/* An emulated guest does not get through all rounds. */
#define STORM_SECONDS 15

struct storm {
	struct hs_backend *b;
	uint64_t seed;
	bool stop;
	/* Changed only under their lock, which the forking thread takes. */
	struct hs_lock lock;
	struct hs_extent x[STORM_EXTENTS];
	uint64_t tag[STORM_EXTENTS];
};

static bool storm_stopped(struct storm *s)
{
	return __atomic_load_n(&s->stop, __ATOMIC_RELAXED);
}

/* One change: map, write anew, or unmap. */
static const char *storm_step(struct storm *s, uint64_t *state)
{
	size_t i = rnd_below(state, STORM_EXTENTS);
	struct hs_extent *x = &s->x[i];

	if (!x->base) {
		int err = map(s->b, s->b->unit_bytes, HS_FORK_COW, x);

		if (err)
			return err == -ENOMEM ? NULL : "map failed";
	} else if (pattern_dots_differ(x->base, x->bytes, s->tag[i]) >= 0) {
		return "memory changed while in use";
	} else if (rnd_below(state, 3) == 0) {
		hs_backend_unmap(x);
		return NULL;
	}
	s->tag[i] = rnd(state);
	pattern_dot(x->base, x->bytes, s->tag[i]);
	return NULL;
}

static void *storm_thread(void *arg)
{
	struct storm *s = arg;
	uint64_t state = s->seed;
	const char *fault = NULL;

	while (!storm_stopped(s) && !fault) {
		HS_GUARD(&s->lock);
		fault = storm_step(s, &state);
	}
	return (void *)fault;
}

/*
 * The hugetlb pool is empty but for what we hold: a fork that shared pages
 * would kill the child at the first write of either side (SIGBUS), which is
 * what makes people switch huge pages off.
 */
TEST_F(fork, an_empty_pool_kills_no_child)
{
	struct hs_extent x[2], rest[64];
	int nr_rest = 0;
	pid_t pid;

	if (variant->id != HS_BACKEND_HUGETLB)
		SKIP(return, "only hugetlb has a pool that a fork draws on");
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, map(self->b, 2 * self->unit, HS_FORK_COW, &x[i]));
		pattern_fill(x[i].base, x[i].bytes, PARENT_FIRST);
	}
	while (nr_rest < 64 &&
	       !map(self->b, self->unit, HS_FORK_DONTFORK, &rest[nr_rest]))
		nr_rest++;
	pid = fork_with_handlers();
	if (pid == 0) {
		GO_PARENT();
		SYNC_CHILD();	/* the parent has written */
		for (int i = 0; i < 2; i++) {
			CHILD_CHECK(pattern_differs(x[i].base, x[i].bytes,
						    PARENT_FIRST) < 0);
			pattern_fill(x[i].base, x[i].bytes, CHILD);
		}
		pid = fork_with_handlers();
		if (pid == 0) {
			CHILD_CHECK(pattern_differs(x[1].base, x[1].bytes,
						    CHILD) < 0);
			pattern_fill(x[1].base, x[1].bytes, GRANDCHILD);
			_exit(0);
		}
		CHILD_CHECK(child_wait(pid) == 0);
		CHILD_CHECK(pattern_differs(x[1].base, x[1].bytes, CHILD) < 0);
		hs_backend_unmap(&x[0]);
		_exit(0);
	}
	SYNC_PARENT();
	for (int i = 0; i < 2; i++)
		pattern_fill(x[i].base, x[i].bytes, PARENT_SECOND);
	GO_CHILD();
	ASSERT_EQ(0, child_wait(pid));
	for (int i = 0; i < 2; i++) {
		ASSERT_GT(0, pattern_differs(x[i].base, x[i].bytes,
					     PARENT_SECOND));
		hs_backend_unmap(&x[i]);
	}
	while (nr_rest)
		hs_backend_unmap(&rest[--nr_rest]);
}

/* In the child of a storm: what it inherited is whole, and it can go on. */
static void storm_child(struct storm *s, uint64_t seed)
{
	uint64_t state = seed;

	for (int i = 0; i < STORM_EXTENTS; i++)
		CHILD_CHECK(!s->x[i].base ||
			    pattern_dots_differ(s->x[i].base, s->x[i].bytes,
						s->tag[i]) < 0);
	for (int i = 0; i < 10; i++)
		CHILD_CHECK(!storm_step(s, &state));
}

TEST_F(fork, storm)
{
	uint64_t seed = test_seed(), rounds = test_ops(4000) / 100;
	time_t end = time(NULL) + STORM_SECONDS;
	struct storm s[2] = { 0 };
	pthread_t threads[2];
	void *fault;

	for (int i = 0; i < 2; i++) {
		s[i].b = self->b;
		s[i].seed = seed + (uint64_t)i;
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, storm_thread,
					    &s[i]));
	}
	for (uint64_t round = 0; round < rounds && time(NULL) < end; round++) {
		pid_t pid;

		hs_lock(&s[0].lock);
		hs_lock(&s[1].lock);
		pid = fork_with_handlers();
		hs_unlock(&s[1].lock);
		hs_unlock(&s[0].lock);
		if (pid == 0) {
			storm_child(&s[0], seed + round);
			storm_child(&s[1], seed + round);
			_exit(0);
		}
		ASSERT_EQ(0, child_wait(pid));
	}
	for (int i = 0; i < 2; i++)
		__atomic_store_n(&s[i].stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &fault));
		EXPECT_EQ(NULL, fault) {
			TH_LOG("%s", (const char *)fault);
		}
		for (int j = 0; j < STORM_EXTENTS; j++)
			hs_backend_unmap(&s[i].x[j]);
	}
}

BACKENDS_MAIN
