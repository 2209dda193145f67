/* SPDX-License-Identifier: MIT */
/*
 * The page heap: cuts the backend's extents into runs of pages and joins them
 * again.
 *
 * A chunk is one extent and the runs in it. Free runs of a chunk are joined
 * with their free neighbours at once, so that no two lie side by side, and
 * they are found by best fit (pagebins.h). A chunk that is free from end to end goes back
 * to the backend, but for what retain_bytes says to keep.
 *
 * One lock. It is not held while a backend maps memory.
 */
#ifndef HS_PAGEHEAP_H
#define HS_PAGEHEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"
#include "lock.h"
#include "pagebins.h"
#include "run.h"

#pragma GCC visibility push(hidden)

#define HS_RETAIN_TIMES 8
#define HS_RETAIN_PERIOD_NS UINT64_C(1000000000)

struct hs_chunk {
	struct hs_extent extent;
	size_t used_pages;	/* in LARGE and SMALL runs */
	struct hs_list link;	/* in pageheap->chunks */
};

/*
 * Invariants, checked by hs_pageheap_check():
 *   the runs of a chunk tile it; no two FREE runs touch;
 *   used_pages of a chunk = pages of its LARGE and SMALL runs;
 *   free_pages = pages of all FREE runs, which are in the bin of their length;
 *   mapped_bytes = bytes of all chunks; idle_bytes = bytes of chunks with
 *   used_pages 0; large_pages = pages of LARGE runs.
 */
struct hs_pageheap {
	struct hs_lock lock;	/* guards all below, runs' state, page map */
	struct hs_backend *backend;
	bool may_fall_back;	/* on -ENOMEM try the next backend */
	int node;
	uint8_t fork_mode;
	size_t retain_bytes;	/* now; at least retain_min_bytes */
	size_t retain_min_bytes;	/* what hs_opt says */
	/*
	 * Set by the heap: units that are taken again within a second of their
	 * return raise retain_bytes by as much, to HS_RETAIN_TIMES the least;
	 * each second without any halves what was added.
	 */
	bool retain_adapts;
	uint64_t gone_bytes;	/* returned, and not yet taken again */
	uint64_t gone_ns;	/* when the last of them went */
	uint64_t raised_ns;	/* when retain_bytes was last raised or halved */
	uint64_t (*now_ns)(void);
	size_t limit_bytes;	/* 0: none */
	struct hs_list chunks;
	struct hs_pagebins bins;
	size_t free_pages;
	size_t large_pages;
	uint64_t mapped_bytes;
	uint64_t mapped_peak_bytes;
	uint64_t idle_bytes;
	uint64_t returned_bytes;	/* to the backends, since the start */
	uint64_t fallback_bytes;	/* of mapped: from a lesser backend */
	bool ready;
};

extern struct hs_pageheap hs_pageheap;	/* of the process's default heap */

/* Sets it up empty. Not thread-safe; before anything else here. */
void hs_pageheap_init(struct hs_pageheap *ph, struct hs_backend *backend,
		      bool may_fall_back);

/*
 * A run of nr_pages whose address is a multiple of align bytes (a power of
 * two, at least a page). state is LARGE or SMALL; size_class counts for SMALL.
 * The caller owns it until hs_pageheap_free. NULL: no memory, or the limit.
 */
struct hs_run *hs_pageheap_alloc(struct hs_pageheap *ph, size_t nr_pages,
				 size_t align, enum hs_run_state state,
				 unsigned int size_class);
void hs_pageheap_free(struct hs_pageheap *ph, struct hs_run *run);

/* The LARGE run whose first byte is at addr, or NULL. */
struct hs_run *hs_pageheap_find_large(uintptr_t addr);

/*
 * Change a LARGE run to nr_pages where it lies: shrinking frees the tail,
 * growing takes from the free run behind it. False: not possible in place.
 */
bool hs_pageheap_resize(struct hs_pageheap *ph, struct hs_run *run,
			size_t nr_pages);

/* Return idle chunks, keeping at most keep_bytes. Bytes that went back. */
size_t hs_pageheap_release(struct hs_pageheap *ph, size_t keep_bytes);

/* In a forked child: its lock is free, its counters are of this process. */
void hs_pageheap_fork_child(struct hs_pageheap *ph);

/* Walk every invariant: NULL, or a sentence about the one that is broken. */
const char *hs_pageheap_check(struct hs_pageheap *ph);

#pragma GCC visibility pop

#endif /* HS_PAGEHEAP_H */
