// SPDX-License-Identifier: MIT
/*
 * The hugetlb pool and a family of processes that share pages since a fork.
 *
 * Guards against a process that is killed (SIGBUS) because its parent, its
 * children or theirs took the page that its next write needs: two children
 * that were both told that the pool has enough, a mapping that takes what a
 * child will need; and against promises that nobody gives back: of a child
 * that was killed, runs another program, or never came.
 */
#include <errno.h>
#include <string.h>

#include <hugespan.h>
#include <kselftest_harness.h>

#include "backend.h"
#include "backend_promise.h"
#include "backends.h"
#include "child.h"
#include "forkhandlers.h"
#include "pattern.h"

/* What is shared, and what the pool has left for copies of it. */
#define NR_SHARED 4
#define PARENT 1
#define CHILD 100

FIXTURE(promise) {
	struct hs_backend *b;
	size_t unit;
	struct hs_extent x;	/* of NR_SHARED units */
	struct hs_extent rest;
	struct line line[2];	/* the children's ends are 1 */
};

/* Leaves as many pages in the pool as one child may have to copy. */
FIXTURE_SETUP(promise)
{
	long nr_rest;

	SKIP_UNLESS_USABLE(HS_BACKEND_HUGETLB);
	ASSERT_EQ(0, hs_backend_select(HS_BACKEND_HUGETLB, &self->b));
	self->unit = self->b->unit_bytes;
	ASSERT_EQ(0, line_open(&self->line[0]));
	ASSERT_EQ(0, line_open(&self->line[1]));
	ASSERT_EQ(0, map(self->b, NR_SHARED * self->unit, HS_FORK_COW,
			 &self->x));
	pattern_fill(self->x.base, self->x.bytes, PARENT);
	nr_rest = hugetlb_available() - NR_SHARED;
	ASSERT_LT(0, nr_rest);
	ASSERT_EQ(0, map(self->b, nr_rest * self->unit, HS_FORK_DONTFORK,
			 &self->rest));
}

FIXTURE_TEARDOWN(promise)
{
	hs_backend_unmap(&self->rest);
	hs_backend_unmap(&self->x);
	EXPECT_EQ(0, self->b->nr_mapped);
}

/* Its memory is as it was at the fork, and it can write to all of it. */
static void write_all(struct hs_extent *x, uint64_t was, uint64_t tag)
{
	CHILD_CHECK(pattern_differs(x->base, x->bytes, was) < 0);
	pattern_fill(x->base, x->bytes, tag);
	CHILD_CHECK(pattern_differs(x->base, x->bytes, tag) < 0);
}

/* A child that waits for a word on its line, then writes, then waits again. */
static pid_t child_that_writes(struct hs_extent *x, struct line *line,
			       uint64_t tag)
{
	pid_t pid = fork_with_handlers();

	if (pid)
		return pid;
	CHILD_CHECK(!line_say(line, 1, 1));
	CHILD_CHECK(!line_hear(line, 1, NULL));
	write_all(x, PARENT, tag);
	CHILD_CHECK(!line_say(line, 1, 2));
	CHILD_CHECK(!line_hear(line, 1, NULL));
	_exit(0);
}

/* Take its word and answer; it goes on to the next. */
#define ANSWER(i) do {							\
	ASSERT_EQ(0, line_hear(&self->line[i], 0, NULL));		\
	ASSERT_EQ(0, line_say(&self->line[i], 0, 1));			\
} while (0)
#define HEAR(i) ASSERT_EQ(0, line_hear(&self->line[i], 0, NULL))
#define SAY(i) ASSERT_EQ(0, line_say(&self->line[i], 0, 1))

/* Is there room for that many units beside what is promised? */
static int try_map(struct hs_backend *b, size_t nr)
{
	struct hs_extent x;
	int err = map(b, nr * b->unit_bytes, HS_FORK_COW, &x);

	if (!err)
		hs_backend_unmap(&x);
	return err;
}

/* The pool has enough for either of them, not for both. */
TEST_F(promise, two_children_at_once)
{
	pid_t pid[2];

	for (int i = 0; i < 2; i++)
		pid[i] = child_that_writes(&self->x, &self->line[i],
					   CHILD + i);
	HEAR(0);
	HEAR(1);
	pattern_fill(self->x.base, self->x.bytes, PARENT + 1);
	SAY(0);
	SAY(1);
	ANSWER(0);
	ANSWER(1);
	EXPECT_EQ(0, child_wait(pid[0]));
	EXPECT_EQ(0, child_wait(pid[1]));
	EXPECT_EQ(-1, pattern_differs(self->x.base, self->x.bytes,
				      PARENT + 1));
}

TEST_F(promise, grandchildren)
{
	pid_t pid = fork_with_handlers();

	if (pid == 0) {
		pid_t grandchild[2];

		for (int i = 0; i < 2; i++)
			grandchild[i] = child_that_writes(&self->x,
							  &self->line[i],
							  CHILD + i);
		write_all(&self->x, PARENT, CHILD + 2);
		for (int i = 0; i < 2; i++)
			CHILD_CHECK(child_wait(grandchild[i]) == 0);
		_exit(0);
	}
	HEAR(0);
	HEAR(1);
	pattern_fill(self->x.base, self->x.bytes, PARENT + 1);
	SAY(0);
	SAY(1);
	ANSWER(0);
	ANSWER(1);
	EXPECT_EQ(0, child_wait(pid));
}

/* Neither the parent's mappings nor the child's take what it may need. */
TEST_F(promise, mappings_leave_what_is_promised)
{
	pid_t pid = child_that_writes(&self->x, &self->line[0], CHILD);

	HEAR(0);
	EXPECT_EQ(-ENOMEM, try_map(self->b, 1));
	pattern_fill(self->x.base, self->x.bytes, PARENT + 1);
	SAY(0);
	ANSWER(0);
	ASSERT_EQ(0, child_wait(pid));
	EXPECT_EQ(0, try_map(self->b, NR_SHARED));
	EXPECT_EQ(-ENOMEM, try_map(self->b, NR_SHARED + 1));
	pid = fork_with_handlers();
	if (pid == 0) {
		CHILD_CHECK(try_map(self->b, 1) == -ENOMEM);
		write_all(&self->x, PARENT + 1, CHILD);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
}

/* Handlers of others map memory that the child will share, too. */
TEST_F(promise, mapped_while_forking)
{
	struct hs_extent more;
	pid_t pid;

	/* Each unit needs two pages: now, and when the child writes. */
	hs_backend_unmap(&self->x);
	prepare();
	EXPECT_EQ(-ENOMEM, map(self->b, (NR_SHARED + 1) * self->unit,
			       HS_FORK_COW, &more));
	EXPECT_EQ(0, map(self->b, NR_SHARED * self->unit, HS_FORK_COW,
			 &self->x));
	EXPECT_EQ(-ENOMEM, map(self->b, self->unit, HS_FORK_COW, &more));
	pattern_fill(self->x.base, self->x.bytes, PARENT);
	pid = fork_prepared();
	if (pid == 0) {
		write_all(&self->x, PARENT, CHILD);
		_exit(0);
	}
	pattern_fill(self->x.base, self->x.bytes, PARENT + 1);
	EXPECT_EQ(0, child_wait(pid));
}

/* ---- the end of a promise ------------------------------------------------ */

TEST_F(promise, ends_with_the_child)
{
	pid_t pid = child_that_writes(&self->x, &self->line[0], CHILD);

	HEAR(0);
	EXPECT_EQ(-ENOMEM, try_map(self->b, 1));
	ASSERT_EQ(0, child_kill(pid));
	EXPECT_EQ(0, try_map(self->b, NR_SHARED));
}

TEST_F(promise, ends_with_what_was_inherited)
{
	pid_t pid = fork_with_handlers();

	if (pid == 0) {
		CHILD_CHECK(!hs_backend_trim(&self->x, self->unit));
		CHILD_CHECK(try_map(self->b, NR_SHARED) == -ENOMEM);
		CHILD_CHECK(!try_map(self->b, NR_SHARED - 1));
		hs_backend_unmap(&self->x);
		CHILD_CHECK(!try_map(self->b, NR_SHARED));
		CHILD_CHECK(!line_say(&self->line[0], 1, 1));
		CHILD_CHECK(!line_hear(&self->line[0], 1, NULL));
		_exit(0);
	}
	HEAR(0);
	EXPECT_EQ(0, try_map(self->b, NR_SHARED));
	SAY(0);
	EXPECT_EQ(0, child_wait(pid));
}

TEST_F(promise, ends_with_another_program)
{
	char word;
	int ran[2];
	pid_t pid;

	ASSERT_EQ(0, pipe2(ran, O_CLOEXEC));
	pid = fork_with_handlers();
	if (pid == 0) {
		execlp("sleep", "sleep", "1000", NULL);
		_exit(1);
	}
	close(ran[1]);
	/* Its end is closed when the other program runs. */
	EXPECT_EQ(0, read(ran[0], &word, 1));
	EXPECT_EQ(0, try_map(self->b, NR_SHARED));
	EXPECT_EQ(0, child_kill(pid));
	close(ran[0]);
}

/* More often than the table has slots. */
TEST_F(promise, of_a_fork_that_fails)
{
	for (int i = 0; i < 300; i++) {
		prepare();
		hs_lock_fork_end();
		hs_backends_fork_parent();
	}
	EXPECT_EQ(0, hs_promise_sum());
	EXPECT_EQ(0, try_map(self->b, NR_SHARED));
}

/* Killed before it came to our handler. */
TEST_F(promise, of_a_child_that_never_came)
{
	pid_t pid;

	prepare();
	pid = _Fork();
	if (pid == 0) {
		line_hear(&self->line[0], 1, NULL);
		_exit(0);
	}
	hs_lock_fork_end();
	hs_backends_fork_parent();
	/* It may still come. */
	EXPECT_EQ(NR_SHARED, hs_promise_sum());
	EXPECT_EQ(-ENOMEM, try_map(self->b, 1));
	ASSERT_EQ(0, child_kill(pid));
	/* The next fork looks after it. */
	pid = child_that_writes(&self->x, &self->line[0], CHILD);
	HEAR(0);
	EXPECT_EQ(NR_SHARED, hs_promise_sum());
	EXPECT_EQ(0, child_kill(pid));
}

/* ---- the table ----------------------------------------------------------- */

TEST_F(promise, table_is_full)
{
	struct hs_promise *made[64];
	int nr_children, nr_made;
	pid_t pid;

	hs_promises_found();
	/* A child without handlers: others may still come, for all we know. */
	pid = _Fork();
	if (pid == 0) {
		line_hear(&self->line[0], 1, NULL);
		_exit(0);
	}
	for (nr_children = 0; hs_promise_to_child(1); nr_children++) {
		ASSERT_GT(1000, nr_children);
		hs_promise_fork_parent();
	}
	EXPECT_LT(100, nr_children);
	EXPECT_EQ(nr_children, hs_promise_sum());
	/* There is always room for mappings. */
	for (nr_made = 0; nr_made < 64; nr_made++) {
		made[nr_made] = hs_promise_make(10);
		if (!made[nr_made])
			break;
	}
	EXPECT_LT(30, nr_made);
	while (nr_made)
		hs_promise_drop(made[--nr_made]);
	EXPECT_EQ(nr_children, hs_promise_sum());
	ASSERT_EQ(0, child_kill(pid));
	EXPECT_TRUE(hs_promise_to_child(1));
	EXPECT_EQ(1, hs_promise_sum());
	hs_promise_less_to_child(1);
	EXPECT_EQ(0, hs_promise_sum());
}

BACKENDS_MAIN
