// SPDX-License-Identifier: MIT
/*
 * The page heap; see pageheap.h.
 *
 * Runs change state through the verbs here, which are the only writers of the
 * state, the page map and the counters: run_to_free, run_leave_free, run_to_used,
 * run_leave_used, run_resize_large, run_split, run_join, chunk_attach,
 * chunk_detach.
 *
 * Records are taken before anything is changed, so that splitting cannot fail
 * half-way, and freeing needs none.
 */
#include "pageheap.h"

#include <errno.h>
#include <string.h>

#include "hugespan.h"
#include "meta.h"
#include "options.h"
#include "pagemap.h"
#include "sys.h"

struct hs_pageheap hs_pageheap;

/*
 * Runs of a chunk that is mostly in use come first, those of an emptier one
 * last: new objects fill the dense chunks and let the others drain.
 */
static bool is_dense(const struct hs_chunk *chunk)
{
	return chunk->used_pages * 2 >= chunk->extent.bytes >> HS_PAGE_SHIFT;
}

/* ---- the verbs ----------------------------------------------------------- */

/* From no state: a record has just been made for these free pages. */
static void run_to_free(struct hs_pageheap *ph, struct hs_run *run)
{
	run->state = HS_RUN_FREE;
	run->size_class = 0;
	ph->free_pages += run->nr_pages;
	hs_pagemap_set(run);
	hs_pagebins_insert(&ph->bins, run, is_dense(run->chunk));
}

/* Out of its bin and the page map: between two states. */
static void run_leave_free(struct hs_pageheap *ph, struct hs_run *run)
{
	hs_pagebins_remove(&ph->bins, run);
	hs_pagemap_clear(run);
	ph->free_pages -= run->nr_pages;
}

static void run_to_used(struct hs_pageheap *ph, struct hs_run *run,
			enum hs_run_state state, unsigned int size_class)
{
	struct hs_chunk *chunk = run->chunk;

	if (!chunk->used_pages)
		ph->idle_bytes -= chunk->extent.bytes;
	chunk->used_pages += run->nr_pages;
	if (state == HS_RUN_LARGE)
		ph->large_pages += run->nr_pages;
	run->state = state;
	run->size_class = size_class;
	hs_pagemap_set(run);
}

static void run_leave_used(struct hs_pageheap *ph, struct hs_run *run)
{
	struct hs_chunk *chunk = run->chunk;

	hs_pagemap_clear(run);
	if (run->state == HS_RUN_LARGE)
		ph->large_pages -= run->nr_pages;
	chunk->used_pages -= run->nr_pages;
	if (!chunk->used_pages)
		ph->idle_bytes += chunk->extent.bytes;
}

/* The caller has seen to the pages that come or go at its end. */
static void run_resize_large(struct hs_pageheap *ph, struct hs_run *run,
			     size_t nr_pages)
{
	hs_pagemap_clear(run);
	run->chunk->used_pages += nr_pages - run->nr_pages;
	ph->large_pages += nr_pages - run->nr_pages;
	run->nr_pages = nr_pages;
	hs_pagemap_set(run);
}

/* Cut a run that is between two states; tail is a fresh record. */
static void run_split(struct hs_run *run, size_t nr_pages, struct hs_run *tail)
{
	tail->chunk = run->chunk;
	tail->page = run->page + nr_pages;
	tail->nr_pages = run->nr_pages - nr_pages;
	tail->zeroed = run->zeroed;
	run->nr_pages = nr_pages;
}

/* The free neighbour in the same chunk whose page is at addr, or NULL. */
static struct hs_run *free_neighbour(const struct hs_run *run, uintptr_t addr)
{
	uintptr_t base = (uintptr_t)run->chunk->extent.base;
	struct hs_run *other;

	if (addr < base || addr >= base + run->chunk->extent.bytes)
		return NULL;
	other = hs_pagemap_run(addr);
	return other && other->state == HS_RUN_FREE ? other : NULL;
}

/* Swallow the free runs on both sides of one that is between two states. */
static void run_join(struct hs_pageheap *ph, struct hs_run *run)
{
	struct hs_run *before, *behind;

	before = free_neighbour(run, hs_run_address(run) - 1);
	if (before) {
		run_leave_free(ph, before);
		run->page = before->page;
		run->nr_pages += before->nr_pages;
		run->zeroed &= before->zeroed;
		hs_meta_free(before, sizeof(*before));
	}
	behind = free_neighbour(run, hs_run_address(run) + hs_run_bytes(run));
	if (behind) {
		run_leave_free(ph, behind);
		run->nr_pages += behind->nr_pages;
		run->zeroed &= behind->zeroed;
		hs_meta_free(behind, sizeof(*behind));
	}
}

/* A fresh chunk becomes one free run. */
static void chunk_attach(struct hs_pageheap *ph, struct hs_chunk *chunk,
			 struct hs_run *run)
{
	hs_list_add_tail(&ph->chunks, &chunk->link);
	ph->idle_bytes += chunk->extent.bytes;
	if (chunk->extent.backend != ph->backend)
		ph->fallback_bytes += chunk->extent.bytes;
	run->chunk = chunk;
	run->page = (uintptr_t)chunk->extent.base >> HS_PAGE_SHIFT;
	run->nr_pages = chunk->extent.bytes >> HS_PAGE_SHIFT;
	run->zeroed = true;
	run_to_free(ph, run);
}

/* An idle chunk leaves the heap: the caller owns it and unmaps it. */
static void chunk_detach(struct hs_pageheap *ph, struct hs_chunk *chunk)
{
	struct hs_run *run = hs_pagemap_run((uintptr_t)chunk->extent.base);

	run_leave_free(ph, run);
	hs_meta_free(run, sizeof(*run));
	hs_list_del(&chunk->link);
	ph->idle_bytes -= chunk->extent.bytes;
	ph->mapped_bytes -= chunk->extent.bytes;
	ph->returned_bytes += chunk->extent.bytes;
	if (chunk->extent.backend != ph->backend)
		ph->fallback_bytes -= chunk->extent.bytes;
}

/* Without the lock: the backend may take its time. */
static void chunk_unmap(struct hs_chunk *chunk)
{
	hs_backend_unmap(&chunk->extent);
	hs_meta_free(chunk, sizeof(*chunk));
}

/* ---- how much to keep ---------------------------------------------------- */

static void retain_note_gone(struct hs_pageheap *ph, size_t bytes)
{
	if (!ph->retain_adapts)
		return;
	ph->gone_ns = ph->now_ns();
	ph->gone_bytes += bytes;
}

/* A chunk was mapped. Should one that went lately have been kept for it? */
static void retain_note_mapped(struct hs_pageheap *ph, size_t bytes)
{
	size_t max = HS_RETAIN_TIMES * ph->retain_min_bytes;
	uint64_t now;

	if (!ph->gone_bytes)
		return;
	now = ph->now_ns();
	if (now - ph->gone_ns >= HS_RETAIN_PERIOD_NS) {
		ph->gone_bytes = 0;
		return;
	}
	if (bytes > ph->gone_bytes)
		bytes = ph->gone_bytes;
	ph->gone_bytes -= bytes;
	ph->raised_ns = now;
	if (ph->retain_bytes < max)
		ph->retain_bytes = max - ph->retain_bytes > bytes ?
			ph->retain_bytes + bytes : max;
}

/* Does less need to be kept than before? Then retain_bytes says so. */
static bool retain_has_fallen(struct hs_pageheap *ph)
{
	size_t added = ph->retain_bytes - ph->retain_min_bytes;
	uint64_t now;

	if (!ph->retain_adapts || !added)
		return false;
	now = ph->now_ns();
	if (now - ph->raised_ns < HS_RETAIN_PERIOD_NS)
		return false;
	ph->raised_ns = now;
	added /= 2;
	ph->retain_bytes = ph->retain_min_bytes +
		(added < ph->backend->unit_bytes ? 0 : added);
	return true;
}

/* ---- allocation ---------------------------------------------------------- */

/* Cut nr_pages out of a free run that holds them. NULL: no memory for records. */
static struct hs_run *carve(struct hs_pageheap *ph, struct hs_run *run,
			    size_t nr_pages, size_t align,
			    enum hs_run_state state, unsigned int size_class)
{
	size_t front = hs_run_front_pages(run, align);
	bool has_tail = run->nr_pages > front + nr_pages;
	struct hs_run *head = NULL, *tail = NULL;

	if (front)
		head = hs_meta_alloc(sizeof(*head));
	if (has_tail)
		tail = hs_meta_alloc(sizeof(*tail));
	if ((front && !head) || (has_tail && !tail)) {
		hs_meta_free(head, sizeof(*head));
		hs_meta_free(tail, sizeof(*tail));
		return NULL;
	}
	run_leave_free(ph, run);
	if (front) {	/* the record in hand stays with the front */
		run_split(run, front, head);
		run_to_free(ph, run);
		run = head;
	}
	if (has_tail) {
		run_split(run, nr_pages, tail);
		run_to_free(ph, tail);
	}
	run_to_used(ph, run, state, size_class);
	return run;
}

/* Count bytes before they are mapped, so that threads cannot pass the limit. */
static bool reserve_bytes(struct hs_pageheap *ph, size_t bytes)
{
	HS_GUARD(&ph->lock);
	if (ph->limit_bytes && (bytes > ph->limit_bytes ||
				ph->mapped_bytes > ph->limit_bytes - bytes))
		return false;
	ph->mapped_bytes += bytes;
	return true;
}

static void unreserve_bytes(struct hs_pageheap *ph, size_t bytes)
{
	HS_GUARD(&ph->lock);
	ph->mapped_bytes -= bytes;
}

/* What to ask of the backend for nr_pages so aligned; 0: no run is so long. */
static size_t extent_bytes(const struct hs_backend *b, size_t nr_pages,
			   size_t align)
{
	size_t bytes = nr_pages << HS_PAGE_SHIFT;

	/* An extent is aligned to a unit of its own backend, no more. */
	if (align > b->unit_bytes)
		bytes += align;
	bytes = hs_align_up(bytes, b->unit_bytes);
	return bytes >> HS_PAGE_SHIFT > UINT32_MAX ? 0 : bytes;
}

/* On success its bytes are in mapped_bytes. */
static int map_from(struct hs_pageheap *ph, struct hs_backend *b,
		    size_t nr_pages, size_t align, struct hs_extent *extent)
{
	struct hs_map_request req = {
		.bytes = extent_bytes(b, nr_pages, align),
		.node = ph->node,
		.fork_mode = ph->fork_mode,
		.may_start_small = true,
	};
	int err;

	req.populate = hs_opt.populate_auto ?
		b->ops->id == HS_BACKEND_DEVICE ||
		b->ops->id == HS_BACKEND_HUGETLB : hs_opt.populate;
	if (!req.bytes)
		return -ENOMEM;
	if (!reserve_bytes(ph, req.bytes)) {
		hs_pageheap_release(ph, 0);
		if (!reserve_bytes(ph, req.bytes))
			return -ENOMEM;
	}
	err = hs_backend_map(b, &req, extent);
	/* A pool that is empty may be so because of what we keep for later. */
	if (err == -ENOMEM && hs_pageheap_release(ph, 0))
		err = hs_backend_map(b, &req, extent);
	if (err)
		unreserve_bytes(ph, req.bytes);
	return err;
}

/* Take an extent from the backend, or from a lesser one if that is allowed. */
static int map_extent(struct hs_pageheap *ph, size_t nr_pages, size_t align,
		      struct hs_extent *extent)
{
	struct hs_backend *b = ph->backend;
	int err;

	for (;;) {
		err = map_from(ph, b, nr_pages, align, extent);
		if (!err || !ph->may_fall_back)
			return err;
		b = hs_backend_next(b);
		if (!b)
			return err;
	}
}

/* A chunk with room for nr_pages so aligned, and the carved run. */
static struct hs_run *grow(struct hs_pageheap *ph, size_t nr_pages,
			   size_t align, enum hs_run_state state,
			   unsigned int size_class)
{
	struct hs_chunk *chunk = hs_meta_alloc(sizeof(*chunk));
	struct hs_run *run = hs_meta_alloc(sizeof(*run));

	if (!chunk || !run || map_extent(ph, nr_pages, align, &chunk->extent))
		goto free_records;
	hs_lock(&ph->lock);
	if (hs_pagemap_ensure((uintptr_t)chunk->extent.base,
			      chunk->extent.bytes))
		goto unmap;
	if (ph->mapped_peak_bytes < ph->mapped_bytes)
		ph->mapped_peak_bytes = ph->mapped_bytes;
	chunk_attach(ph, chunk, run);
	retain_note_mapped(ph, chunk->extent.bytes);
	run = carve(ph, run, nr_pages, align, state, size_class);
	hs_unlock(&ph->lock);
	return run;

unmap:
	ph->mapped_bytes -= chunk->extent.bytes;
	hs_unlock(&ph->lock);
	hs_backend_unmap(&chunk->extent);
free_records:
	hs_meta_free(run, sizeof(*run));
	hs_meta_free(chunk, sizeof(*chunk));
	return NULL;
}

struct hs_run *hs_pageheap_alloc(struct hs_pageheap *ph, size_t nr_pages,
				 size_t align, enum hs_run_state state,
				 unsigned int size_class)
{
	struct hs_run *run;

	/* Page counts of a run are 32 bits wide: 32 TiB. */
	if (nr_pages > UINT32_MAX)
		return NULL;
	hs_lock(&ph->lock);
	run = hs_pagebins_best_fit(&ph->bins, nr_pages, align);
	if (run)
		run = carve(ph, run, nr_pages, align, state, size_class);
	hs_unlock(&ph->lock);
	return run ? run : grow(ph, nr_pages, align, state, size_class);
}

/* ---- freeing ------------------------------------------------------------- */

/* A run that left its used state becomes free; returns a chunk to unmap. */
static struct hs_chunk *free_run(struct hs_pageheap *ph, struct hs_run *run)
{
	struct hs_chunk *chunk = run->chunk;

	run_leave_used(ph, run);
	run->zeroed = false;
	run_join(ph, run);
	run_to_free(ph, run);
	if (chunk->used_pages || ph->idle_bytes <= ph->retain_bytes)
		return NULL;
	chunk_detach(ph, chunk);
	retain_note_gone(ph, chunk->extent.bytes);
	return chunk;
}

void hs_pageheap_free(struct hs_pageheap *ph, struct hs_run *run)
{
	struct hs_chunk *chunk, *idle;
	bool has_fallen;

	hs_lock(&ph->lock);
	chunk = run->chunk;
	idle = free_run(ph, run);
	has_fallen = !idle && !chunk->used_pages && retain_has_fallen(ph);
	hs_unlock(&ph->lock);
	if (idle)
		chunk_unmap(idle);
	if (has_fallen)
		hs_pageheap_release(ph, ph->retain_bytes);
}

struct hs_run *hs_pageheap_find_large(uintptr_t addr)
{
	struct hs_run *run = hs_pagemap_run(addr);

	return run && run->state == HS_RUN_LARGE &&
	       hs_run_address(run) == addr ? run : NULL;
}

static bool shrink_locked(struct hs_pageheap *ph, struct hs_run *run,
			  size_t nr_pages)
{
	struct hs_run *tail = hs_meta_alloc(sizeof(*tail));

	if (!tail)
		return false;
	tail->chunk = run->chunk;
	tail->page = run->page + nr_pages;
	tail->nr_pages = run->nr_pages - nr_pages;
	run_resize_large(ph, run, nr_pages);
	run_join(ph, tail);
	run_to_free(ph, tail);
	return true;
}

static bool extend_locked(struct hs_pageheap *ph, struct hs_run *run,
			  size_t nr_pages)
{
	size_t more = nr_pages - run->nr_pages;
	struct hs_run *behind, *tail = NULL;

	behind = free_neighbour(run, hs_run_address(run) + hs_run_bytes(run));
	if (!behind || behind->nr_pages < more)
		return false;
	if (behind->nr_pages > more) {
		tail = hs_meta_alloc(sizeof(*tail));
		if (!tail)
			return false;
	}
	run_leave_free(ph, behind);
	if (tail) {
		run_split(behind, more, tail);
		run_to_free(ph, tail);
	}
	hs_meta_free(behind, sizeof(*behind));
	run_resize_large(ph, run, nr_pages);
	return true;
}

bool hs_pageheap_resize(struct hs_pageheap *ph, struct hs_run *run,
			size_t nr_pages)
{
	HS_GUARD(&ph->lock);
	if (nr_pages == run->nr_pages)
		return true;
	return nr_pages < run->nr_pages ? shrink_locked(ph, run, nr_pages) :
					  extend_locked(ph, run, nr_pages);
}

size_t hs_pageheap_release(struct hs_pageheap *ph, size_t keep_bytes)
{
	struct hs_list *pos, *tmp, idle;
	size_t released = 0;

	hs_list_init(&idle);
	hs_lock(&ph->lock);
	hs_list_for_each_safe(pos, tmp, &ph->chunks) {
		struct hs_chunk *chunk = hs_container(pos, struct hs_chunk,
						      link);

		if (ph->idle_bytes <= keep_bytes)
			break;
		if (chunk->used_pages)
			continue;
		chunk_detach(ph, chunk);
		hs_list_add(&idle, &chunk->link);
		released += chunk->extent.bytes;
	}
	hs_unlock(&ph->lock);
	hs_list_for_each_safe(pos, tmp, &idle) {
		hs_list_del(pos);
		chunk_unmap(hs_container(pos, struct hs_chunk, link));
	}
	return released;
}

/*
 * Other threads may have reserved bytes for extents they were about to map.
 * In the child there are no such threads, and no such extents in the heap.
 */
void hs_pageheap_fork_child(struct hs_pageheap *ph)
{
	struct hs_list *pos;

	if (ph->ready) {
		ph->mapped_bytes = 0;
		hs_list_for_each(pos, &ph->chunks)
			ph->mapped_bytes += hs_container(pos, struct hs_chunk,
							 link)->extent.bytes;
	}
	hs_lock_reset(&ph->lock);
}

void hs_pageheap_init(struct hs_pageheap *ph, struct hs_backend *backend,
		      bool may_fall_back)
{
	memset(ph, 0, sizeof(*ph));
	ph->backend = backend;
	ph->may_fall_back = may_fall_back;
	ph->node = hs_opt.node;
	ph->fork_mode = hs_opt.fork_mode;
	ph->retain_bytes = hs_opt.retain_bytes;
	ph->retain_min_bytes = hs_opt.retain_bytes;
	ph->now_ns = hs_sys_now_ns;
	ph->limit_bytes = hs_opt.limit_bytes;
	hs_list_init(&ph->chunks);
	hs_pagebins_init(&ph->bins);
	ph->ready = true;
}
