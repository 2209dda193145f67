/* SPDX-License-Identifier: MIT */
/*
 * Size classes: which sizes share a run layout.
 *
 * Class 0 is "not small". Sizes up to HS_LINEAR_MAX go in steps of
 * HS_MIN_ALIGN; above it each doubling has HS_STEPS classes of equal width, so
 * that the class follows from the leading bits of size - 1.
 */
#ifndef HS_SIZECLASS_H
#define HS_SIZECLASS_H

#include <stddef.h>
#include <stdint.h>

#include "sizeclass_params.h"

struct hs_size_class {
	uint64_t reciprocal;	/* ceil(2^HS_RECIPROCAL_SHIFT / size) */
	uint32_t size;		/* bytes of an object, a multiple of 16 */
	uint16_t run_pages;	/* pages of a run */
	uint16_t nr_objs;	/* objects in a run, <= HS_RUN_OBJECTS_MAX */
	uint16_t batch;		/* objects moved at a time */
	uint16_t cpu_max;	/* at most this many in one CPU's cache */
	uint16_t cpu_begin;	/* its first slot in the CPU's slab, in words */
	uint16_t transfer_max;	/* at most this many in the transfer cache */
};

#include "sizeclass_table.h"	/* HS_NR_CLASSES, HS_SLAB_WORDS and the rows */

extern const struct hs_size_class hs_size_classes[HS_NR_CLASSES]
	__attribute__((visibility("hidden")));

/* 0 < size <= HS_SMALL_MAX; size 0 gives the smallest class. */
static inline unsigned int hs_size_to_class(size_t size)
{
	unsigned int msb, first_shift = __builtin_ctzl(HS_LINEAR_MAX);

	if (size <= HS_LINEAR_MAX)
		return (size + HS_MIN_ALIGN - 1) / HS_MIN_ALIGN + (size == 0);
	size--;
	msb = 63 - __builtin_clzl(size);
	return HS_LINEAR_MAX / HS_MIN_ALIGN + 1 +
	       ((msb - first_shift) << HS_STEPS_SHIFT) +
	       (unsigned int)(size >> (msb - HS_STEPS_SHIFT)) - HS_STEPS;
}

/*
 * The smallest class that fits size and whose objects are all aligned to
 * align, a power of two of at most a page; 0 when only whole pages do.
 */
static inline unsigned int hs_size_to_class_aligned(size_t size, size_t align)
{
	unsigned int c;

	if (size > HS_SMALL_MAX || align > HS_PAGE_BYTES)
		return 0;
	for (c = hs_size_to_class(size); c < HS_NR_CLASSES; c++)
		if (!(hs_size_classes[c].size & (align - 1)))
			return c;
	return 0;
}

/* Which object of a run begins at or before this byte of it. */
static inline unsigned int hs_object_index(const struct hs_size_class *sc,
					   size_t offset)
{
	return (unsigned int)((offset * sc->reciprocal) >> HS_RECIPROCAL_SHIFT);
}

#endif /* HS_SIZECLASS_H */
