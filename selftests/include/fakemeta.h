/* SPDX-License-Identifier: MIT */
/*
 * The library's metadata layer (meta.h), for a test: blocks come from the C
 * library, are counted, and fail when told to. A test that includes this
 * defines all of that layer, so the archive's own is not linked.
 *
 * include it once, from the test program itself.
 */
#ifndef SELFTEST_FAKEMETA_H
#define SELFTEST_FAKEMETA_H

#include <stdint.h>
#include <stdlib.h>

#include "meta.h"

/* The n-th call from now fails, once; 0: none does. */
static unsigned int meta_fail_alloc;
static unsigned int meta_fail_map;
/* Blocks out, calls made. Several threads may come. */
static unsigned long meta_live;
static unsigned long meta_calls;

static inline int meta_fails(unsigned int *countdown)
{
	return *countdown && !--*countdown;
}

void *hs_meta_alloc(size_t bytes)
{
	void *block;

	__atomic_fetch_add(&meta_calls, 1, __ATOMIC_RELAXED);
	if (!bytes || bytes > HS_META_MAX || meta_fails(&meta_fail_alloc))
		return NULL;
	bytes = (bytes + 63) & ~(size_t)63;
	block = aligned_alloc(64, bytes);
	if (!block)
		abort();
	__builtin_memset(block, 0, bytes);
	__atomic_fetch_add(&meta_live, 1, __ATOMIC_RELAXED);
	return block;
}

void hs_meta_free(void *block, size_t bytes)
{
	(void)bytes;
	if (block)
		__atomic_fetch_sub(&meta_live, 1, __ATOMIC_RELAXED);
	free(block);
}

void *hs_meta_map(size_t bytes)
{
	return meta_fails(&meta_fail_map) ? NULL : calloc(1, bytes);
}

uint64_t hs_meta_mapped_bytes(void)
{
	return 0;
}

void hs_meta_fork_prepare(void)
{
}

void hs_meta_fork_parent(void)
{
}

void hs_meta_fork_child(void)
{
}

#endif /* SELFTEST_FAKEMETA_H */
