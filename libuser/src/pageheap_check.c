// SPDX-License-Identifier: MIT
/* The page heap's oracle: every invariant of pageheap.h, walked. */
#include <string.h>

#include "pageheap.h"
#include "pagemap.h"

struct totals {
	size_t free_pages;
	size_t large_pages;
	size_t used_pages;
	size_t nr_free_runs;
	uint64_t mapped_bytes;
	uint64_t idle_bytes;
};

static const char *check_run(const struct hs_run *run, uintptr_t page)
{
	unsigned int i, nr_free = 0;

	if (run->page != page)
		return "a run does not begin where the one before it ends";
	if (!run->nr_pages)
		return "a run of no pages";
	if (hs_pagemap_run(hs_run_address(run) + hs_run_bytes(run) - 1) != run)
		return "the last page of a run does not point to it";
	if (run->state != HS_RUN_SMALL)
		return hs_pagemap_class(hs_run_address(run)) ?
			"a page outside small runs has a size class" : NULL;
	for (i = 0; i < run->nr_pages; i++) {
		uintptr_t addr = (page + i) << HS_PAGE_SHIFT;

		if (hs_pagemap_run(addr) != run ||
		    hs_pagemap_class(addr) != run->size_class)
			return "a page of a small run is not in the page map";
	}
	for (i = 0; i < HS_RUN_OBJECTS_MAX / 64; i++)
		nr_free += __builtin_popcountll(run->free_bits[i]);
	return nr_free != run->nr_free ?
		"nr_free of a run is not the number of its free bits" : NULL;
}

static const char *check_chunk(const struct hs_chunk *chunk, struct totals *t)
{
	uintptr_t page = (uintptr_t)chunk->extent.base >> HS_PAGE_SHIFT;
	uintptr_t end = page + (chunk->extent.bytes >> HS_PAGE_SHIFT);
	bool last_was_free = false;
	size_t used = 0;

	while (page < end) {
		struct hs_run *run = hs_pagemap_run(page << HS_PAGE_SHIFT);
		const char *broken;

		if (!run || run->chunk != chunk)
			return "a chunk is not tiled by its runs";
		broken = check_run(run, page);
		if (broken)
			return broken;
		if (run->state == HS_RUN_FREE) {
			if (last_was_free)
				return "two free runs lie side by side";
			t->free_pages += run->nr_pages;
			t->nr_free_runs++;
		} else {
			used += run->nr_pages;
		}
		if (run->state == HS_RUN_LARGE)
			t->large_pages += run->nr_pages;
		last_was_free = run->state == HS_RUN_FREE;
		page += run->nr_pages;
	}
	if (page != end)
		return "a run reaches past its chunk";
	if (used != chunk->used_pages)
		return "used_pages of a chunk is not the sum over its runs";
	t->used_pages += used;
	t->mapped_bytes += chunk->extent.bytes;
	if (!used)
		t->idle_bytes += chunk->extent.bytes;
	return NULL;
}

const char *hs_pageheap_check(struct hs_pageheap *ph)
{
	struct totals t = { 0 };
	struct hs_list *pos;
	const char *broken;

	HS_GUARD(&ph->lock);
	hs_list_for_each(pos, &ph->chunks) {
		broken = check_chunk(hs_container(pos, struct hs_chunk, link),
				     &t);
		if (broken)
			return broken;
	}
	if (t.free_pages != ph->free_pages)
		return "free_pages is not the sum over the free runs";
	if (t.large_pages != ph->large_pages)
		return "large_pages is not the sum over the large runs";
	if (t.mapped_bytes != ph->mapped_bytes)
		return "mapped_bytes is not the sum over the chunks";
	if (t.idle_bytes != ph->idle_bytes)
		return "idle_bytes is not the sum over the idle chunks";
	return hs_pagebins_check(&ph->bins, t.nr_free_runs);
}
