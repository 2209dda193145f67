// SPDX-License-Identifier: MIT
/* The default heap; see heap.h. */
#include "heap.h"

#include <errno.h>
#include <string.h>

#include "backend.h"
#include "central.h"
#include "hs_mode.h"
#include "hugespan.h"
#include "options.h"
#include "pageheap.h"
#include "sys.h"
#include "transfer.h"
#include "trim.h"

static struct hs_lock start_lock;	/* outermost: guards the start */
static int start_error;			/* of the start, once it is done */
static bool started;

/* ---- start --------------------------------------------------------------- */

static int start_locked(void)
{
	struct hs_backend *backend;
	int err;

	hs_sys_on_die = hs_lock_die;
	hs_options_load();
	hs_central_init();
	err = hs_backend_select(hs_opt.backend, &backend);
	if (err) {
		const struct hs_backend *asked = hs_backend_get(hs_opt.backend);

		hs_sys_warn("HUGESPAN_BACKEND=%s cannot serve: %s",
			    hs_backend_name(hs_opt.backend), asked->why);
		return err;
	}
	hs_pageheap_init(&hs_pageheap, backend,
			 hs_opt.backend == HS_BACKEND_AUTO);
	hs_pageheap.retain_adapts = true;
	hs_cpu_init();
	if (hs_opt.verbose)
		hs_sys_warn("%s backend, unit of %zu KiB, %s caches",
			    hs_backend_name(backend->ops->id), backend->unit_bytes >> 10,
			    hs_cache_mode());
	return 0;
}

int hs_heap_start(void)
{
	bool is_first;

	if (__atomic_load_n(&started, __ATOMIC_ACQUIRE))
		return start_error;
	hs_lock(&start_lock);
	is_first = !started;
	if (is_first) {
		start_error = start_locked();
		__atomic_store_n(&started, true, __ATOMIC_RELEASE);
	}
	hs_unlock(&start_lock);
	/* Without the lock: libc allocates when its table of handlers grows. */
	if (is_first)
		hs_fork_register();
	return start_error;
}

struct hs_backend *hs_heap_backend(void)
{
	return hs_heap_start() ? NULL : hs_pageheap.backend;
}

/* The run that begins at ptr; aborts if there is none. */
static struct hs_run *large_run(const void *ptr, const char *what)
{
	struct hs_run *run = hs_pageheap_find_large((uintptr_t)ptr);

	if (!run)
		hs_sys_die("%s of %p: freed already, or not a pointer of hugespan",
			   what, ptr);
	return run;
}

/* ---- allocation ---------------------------------------------------------- */

static void *alloc_pages(size_t size, size_t align)
{
	struct hs_run *run;
	size_t nr_pages;

	if (size > PTRDIFF_MAX - HS_PAGE_BYTES || align > PTRDIFF_MAX - size)
		return NULL;
	nr_pages = hs_align_up(size, HS_PAGE_BYTES) >> HS_PAGE_SHIFT;
	if (!nr_pages)
		nr_pages = 1;
	run = hs_pageheap_alloc(&hs_pageheap, nr_pages, align, HS_RUN_LARGE, 0);
	return run ? (void *)hs_run_address(run) : NULL;
}

HS_NOINLINE void *hs_heap_alloc_slow(size_t size)
{
	if (hs_heap_start())
		return NULL;
	if (size <= HS_SMALL_MAX)
		return hs_cpu_alloc_slow(hs_size_to_class(size));
	return alloc_pages(size, HS_PAGE_BYTES);
}

void *hs_heap_alloc_aligned(size_t size, size_t align)
{
	unsigned int c = hs_size_to_class_aligned(size, align);
	void *ptr;

	if (hs_heap_start())
		return NULL;
	if (!c)
		return alloc_pages(size, align < HS_PAGE_BYTES ?
					 HS_PAGE_BYTES : align);
	ptr = hs_cpu_pop(c);
	return ptr ? ptr : hs_cpu_alloc_slow(c);
}

void *hs_heap_alloc_zeroed(size_t size)
{
	void *ptr = hs_heap_alloc(size);

	if (!ptr)
		return NULL;
	/* Pages straight from the backend are zero, and stay untouched. */
	if (size > HS_SMALL_MAX && large_run(ptr, "calloc")->zeroed)
		return ptr;
	return memset(ptr, 0, size);
}

/* ---- freeing ------------------------------------------------------------- */

HS_NOINLINE void hs_heap_free_slow(void *ptr)
{
	hs_pageheap_free(&hs_pageheap, large_run(ptr, "free"));
	hs_trim_check();
}

HS_NOINLINE void hs_heap_free_uncached(unsigned int size_class, void *ptr,
				       enum hs_push outcome)
{
	hs_cpu_free_slow(size_class, ptr, outcome);
	hs_trim_check();
}

size_t hs_heap_usable(const void *ptr)
{
	unsigned int c = hs_pagemap_class((uintptr_t)ptr);

	if (!c)
		return hs_run_bytes(large_run(ptr, "use"));
	if (hs_opt.check)
		hs_central_check_in_use(c, ptr);
	return hs_size_classes[c].size;
}

/*
 * Small objects stay while the size is of their class or not much less: half
 * of it, as moving costs a copy. Large ones change by whole pages in place.
 */
bool hs_heap_resize(void *ptr, size_t size)
{
	size_t usable = hs_heap_usable(ptr);

	if (hs_pagemap_class((uintptr_t)ptr))
		return size <= usable && size >= usable / 2;
	/* Rounding up to pages must not wrap around. */
	if (size <= HS_SMALL_MAX || size > PTRDIFF_MAX)
		return false;
	if (size <= usable && size > usable - HS_PAGE_BYTES)
		return true;
	return hs_pageheap_resize(&hs_pageheap, large_run(ptr, "realloc"),
				  hs_align_up(size, HS_PAGE_BYTES) >>
					HS_PAGE_SHIFT);
}

static uint64_t returned_bytes(void)
{
	HS_GUARD(&hs_pageheap.lock);
	return hs_pageheap.returned_bytes;
}

/* Units may go back while the caches drain already: count them all. */
size_t hs_heap_release(size_t keep_bytes)
{
	uint64_t before;

	if (hs_heap_start())
		return 0;
	before = returned_bytes();
	hs_cpu_drain();
	hs_transfer_drain();
	hs_pageheap_release(&hs_pageheap, keep_bytes);
	return returned_bytes() - before;
}
