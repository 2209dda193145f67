/* SPDX-License-Identifier: MIT */
/*
 * The process's default heap: from a size to a cache, a run, or pages, and
 * back. malloc.c gives it the C library's manners.
 */
#ifndef HS_HEAP_H
#define HS_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpucache.h"
#include "pagemap.h"
#include "sizeclass.h"

#pragma GCC visibility push(hidden)

/* NULL: no memory. */
void *hs_heap_alloc_slow(size_t size);
/* size bytes that are all zero. */
void *hs_heap_alloc_zeroed(size_t size);
void *hs_heap_alloc_aligned(size_t size, size_t align);
void hs_heap_free_slow(void *ptr);
/* The CPU's cache did not take it; outcome: what hs_cpu_push said. */
void hs_heap_free_uncached(unsigned int size_class, void *ptr,
			   enum hs_push outcome);
/* Bytes usable at ptr, which is in use; aborts if it is not ours. */
size_t hs_heap_usable(const void *ptr);
/* Can ptr serve size bytes where it is? Then it does. */
bool hs_heap_resize(void *ptr, size_t size);
/* Start the heap if it has not been: 0, or -errno when it cannot serve. */
int hs_heap_start(void);
/* The backend in use, or NULL before the start. */
struct hs_backend *hs_heap_backend(void);
size_t hs_heap_release(size_t keep_bytes);

static inline void *hs_heap_alloc(size_t size)
{
	if (__builtin_expect(size <= HS_SMALL_MAX, 1)) {
		void *ptr = hs_cpu_pop(hs_size_to_class(size));

		if (__builtin_expect(ptr != NULL, 1))
			return ptr;
	}
	return hs_heap_alloc_slow(size);
}

/* ptr is not NULL. */
static inline void hs_heap_free(void *ptr)
{
	unsigned int c = hs_pagemap_class((uintptr_t)ptr);
	enum hs_push outcome;

	if (__builtin_expect(!c, 0)) {
		hs_heap_free_slow(ptr);
		return;
	}
	outcome = hs_cpu_push(c, ptr);
	if (__builtin_expect(outcome != HS_PUSH_DONE, 0))
		hs_heap_free_uncached(c, ptr, outcome);
}

/* Fork: every lock of the library, in rank order. register: once, by the thread
 * that started the heap; it may allocate. */
void hs_fork_register(void);
void hs_fork_prepare(void);
void hs_fork_parent(void);
void hs_fork_child(void);
extern uint64_t hs_nr_forks;

#pragma GCC visibility pop

#endif /* HS_HEAP_H */
