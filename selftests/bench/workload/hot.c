// SPDX-License-Identifier: MIT
/* One object at a time: malloc or calloc, one byte written, free. */
#include <stdlib.h>

#include "workload.h"

static size_t hot_bytes;

void pair_setup(char **args)
{
	hot_bytes = number(args, 0);
}

/* Not inlined: callgrind knows the two calls by who makes them. */
__attribute__((noinline)) uint64_t pair_run(uint64_t n)
{
	size_t bytes = hot_bytes;

	for (uint64_t i = 0; i < n; i++)
		free(use(malloc(bytes)));
	return n;
}

void calloc_pair_setup(char **args)
{
	hot_bytes = number(args, 0);
}

uint64_t calloc_pair_run(uint64_t n)
{
	size_t bytes = hot_bytes;

	for (uint64_t i = 0; i < n; i++)
		free(use(calloc(1, bytes)));
	return n;
}

/*
 * For counting instructions: the difference of two runs is that of the pairs.
 * What a first call does (slow start, say) is behind us after some thousands.
 */
void count_run(char **args)
{
	hot_bytes = number(args, 0);
	pair_run(5000);
	pair_run(number(args, 1));
}
