// SPDX-License-Identifier: MIT
/*
 * Memory for records (meta.h): a bump pointer through chunks that are never
 * given back, and one list of freed blocks for each size.
 */
#include "meta.h"

#include <string.h>

#include "lock.h"
#include "sys.h"

/* Blocks come in multiples of this: two records never share a cache line. */
#define META_STEP_BYTES 64u
#define META_NR_SIZES (HS_META_MAX / META_STEP_BYTES)
/* Asked of the system at once; pages of it cost nothing until touched. */
#define META_CHUNK_BYTES ((size_t)256 << 10)

_Static_assert(HS_META_MAX % META_STEP_BYTES == 0, "whole steps");
_Static_assert(META_CHUNK_BYTES % HS_META_MAX == 0, "whole blocks");

struct free_block {
	struct free_block *next;
};

/* Leaf lock: nothing else is taken under it. Guards all below. */
static struct hs_lock meta_lock = HS_LOCK_INIT;
static struct free_block *free_blocks[META_NR_SIZES];
static char *chunk_next;
static size_t chunk_left_bytes;
static uint64_t mapped_bytes;

static size_t size_index(size_t bytes)
{
	return (bytes - 1) / META_STEP_BYTES;
}

static void push_free(void *addr, size_t index)
{
	struct free_block *block = addr;

	block->next = free_blocks[index];
	free_blocks[index] = block;
}

/* A new chunk; the tail of the old one becomes a free block of its size. */
static bool refill(void)
{
	char *chunk = hs_sys_map(META_CHUNK_BYTES, 0);

	if (!chunk)
		return false;
	if (chunk_left_bytes)
		push_free(chunk_next, size_index(chunk_left_bytes));
	chunk_next = chunk;
	chunk_left_bytes = META_CHUNK_BYTES;
	mapped_bytes += META_CHUNK_BYTES;
	return true;
}

void *hs_meta_alloc(size_t bytes)
{
	struct free_block *block;
	size_t index;

	if (!bytes || bytes > HS_META_MAX)
		return NULL;
	index = size_index(bytes);
	bytes = (index + 1) * META_STEP_BYTES;

	HS_GUARD(&meta_lock);
	block = free_blocks[index];
	if (block) {
		free_blocks[index] = block->next;
		return memset(block, 0, bytes);
	}
	if (chunk_left_bytes < bytes && !refill())
		return NULL;
	block = (void *)chunk_next;
	chunk_next += bytes;
	chunk_left_bytes -= bytes;
	return block;
}

void hs_meta_free(void *block, size_t bytes)
{
	if (!block)
		return;
	HS_GUARD(&meta_lock);
	push_free(block, size_index(bytes));
}

void *hs_meta_map(size_t bytes)
{
	void *addr = hs_sys_map(bytes, 0);

	if (addr) {
		HS_GUARD(&meta_lock);
		mapped_bytes += hs_align_up(bytes, hs_sys_page_bytes());
	}
	return addr;
}

uint64_t hs_meta_mapped_bytes(void)
{
	HS_GUARD(&meta_lock);
	return mapped_bytes;
}

void hs_meta_fork_prepare(void)
{
	hs_lock(&meta_lock);
}

void hs_meta_fork_parent(void)
{
	hs_unlock(&meta_lock);
}

void hs_meta_fork_child(void)
{
	hs_lock_reset(&meta_lock);
}
