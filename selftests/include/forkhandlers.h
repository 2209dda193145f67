/* SPDX-License-Identifier: MIT */
/*
 * Forks below the heap: the backends' handlers called as fork.c calls them, in
 * the two halves between which a test can look, around _Fork(), which calls
 * none.
 */
#ifndef SELFTEST_FORKHANDLERS_H
#define SELFTEST_FORKHANDLERS_H

#include <hugespan.h>

#include "backend.h"
#include "child.h"

HELPER void prepare(void)
{
	hs_backends_fork_prepare();
	hs_lock_fork_begin();
}

/* The second half of a fork that prepare() began. */
HELPER pid_t fork_prepared(void)
{
	pid_t parent = getpid();
	pid_t pid = _Fork();

	if (pid == 0) {
		hs_backends_fork_child();
		hs_lock_fork_end();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		return 0;
	}
	hs_lock_fork_end();
	hs_backends_fork_parent();
	return pid;
}

HELPER pid_t fork_with_handlers(void)
{
	prepare();
	return fork_prepared();
}

HELPER int map(struct hs_backend *b, size_t bytes, int fork_mode,
	       struct hs_extent *x)
{
	const struct hs_map_request req = {
		.bytes = bytes, .node = -1, .fork_mode = (uint8_t)fork_mode,
	};

	return hs_backend_map(b, &req, x);
}

#endif /* SELFTEST_FORKHANDLERS_H */
