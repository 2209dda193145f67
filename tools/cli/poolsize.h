/* SPDX-License-Identifier: MIT */
/* hugespan pool grow and shrink: the size of a pool that is loaded. */
#ifndef CLI_POOLSIZE_H
#define CLI_POOLSIZE_H

#include <stdbool.h>

struct pool_change {
	bool is_growth;
	const char *size;	/* by how much, as it was typed */
	const char *node;	/* --node N; NULL: all of them, evenly */
	bool want_print;	/* print what would be done, and do nothing */
};

/*
 * Do it, in steps that are shown, until it is done or the kernel or a signal
 * ends it; then say how far it got, and why. Returns an exit code.
 */
int pool_change_run(const struct pool_change *change);

#endif /* CLI_POOLSIZE_H */
