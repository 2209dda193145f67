// SPDX-License-Identifier: MIT
/*
 * A program that is linked with libhugespan.a and calls nothing but malloc and
 * free has the fork handlers all the same.
 *
 * Guards against an archive from which the linker leaves out what nobody
 * names: without the handlers a heap on the device is gone in every child, and
 * any heap may be found half-way through a change. So this test must not call
 * anything else of the library.
 */
#include <string.h>

#include <hugespan.h>
#include <kselftest_harness.h>

#include "child.h"
#include "pattern.h"

/* Weak: found if it is there, and no reason for the linker to fetch it. */
extern void hs_fork_prepare(void) __attribute__((weak));

TEST(fork_handlers_are_linked)
{
	EXPECT_TRUE(hs_fork_prepare != NULL);
}

TEST(heap_survives_a_fork)
{
	enum { BYTES = 300000 };
	char *large = hs_malloc(BYTES), *small = hs_malloc(100);
	pid_t pid;

	ASSERT_NE(NULL, large);
	ASSERT_NE(NULL, small);
	pattern_fill(large, BYTES, 1);
	memset(small, 1, 100);
	pid = child_fork();
	if (pid == 0) {
		char *mine;

		CHILD_CHECK(pattern_differs(large, BYTES, 1) < 0);
		CHILD_CHECK(small[99] == 1);
		pattern_fill(large, BYTES, 2);
		hs_free(large);
		mine = hs_malloc(BYTES);
		CHILD_CHECK(mine);
		pattern_fill(mine, BYTES, 3);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(large, BYTES, 1));
	hs_free(large);
	hs_free(small);
}

TEST_HARNESS_MAIN
