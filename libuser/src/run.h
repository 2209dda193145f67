/* SPDX-License-Identifier: MIT */
/*
 * struct hs_run: consecutive pages of one chunk, all in one state. The record
 * lives in metadata memory; the pages carry nothing of ours.
 */
#ifndef HS_RUN_H
#define HS_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "list.h"
#include "sizeclass.h"

enum hs_run_state {
	HS_RUN_FREE,	/* in a bin of the page heap; never beside another free
			 * run of its chunk */
	HS_RUN_LARGE,	/* one allocation of whole pages */
	HS_RUN_SMALL,	/* objects of one class */
};

/*
 * Two cache lines. A SMALL run keeps one bit per object: set = free and here,
 * clear = with the program or in a cache above. Invariant: nr_free equals the
 * set bits, and bits from nr_objs on are clear.
 */
struct hs_run {
	uintptr_t page;		/* address >> HS_PAGE_SHIFT */
	uint32_t nr_pages;
	uint8_t state;		/* enum hs_run_state, guarded by the page heap */
	uint8_t size_class;	/* SMALL only */
	bool zeroed;		/* all its bytes are zero: straight from the backend */
	uint16_t nr_free;	/* SMALL only, guarded by the class's central list */
	struct hs_chunk *chunk;	/* where the pages come from */
	struct hs_list link;	/* FREE: a bin; SMALL: an occupancy list */
	uint64_t free_bits[HS_RUN_OBJECTS_MAX / 64]; /* guarded as nr_free */
};

static inline uintptr_t hs_run_address(const struct hs_run *run)
{
	return run->page << HS_PAGE_SHIFT;
}

static inline size_t hs_run_bytes(const struct hs_run *run)
{
	return (size_t)run->nr_pages << HS_PAGE_SHIFT;
}

/* Pages to skip at its front to come to a multiple of align bytes. */
static inline size_t hs_run_front_pages(const struct hs_run *run, size_t align)
{
	uintptr_t addr = hs_run_address(run);

	return (((addr + align - 1) & ~(align - 1)) - addr) >> HS_PAGE_SHIFT;
}

#endif /* HS_RUN_H */
