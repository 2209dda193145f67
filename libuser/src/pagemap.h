/* SPDX-License-Identifier: MIT */
/*
 * The page map: from any address to the run that holds it, in two loads.
 *
 * A two-level radix tree over page numbers. A leaf covers 2 GiB of addresses
 * and holds a byte per page, the size class (0: not a small run), apart from
 * the pointer per page: free() of a small object reads the byte alone. Leaves
 * are mapped when first needed, touched page by page, and never unmapped.
 *
 *   address bits  63..48   47..31    30..13     12..0
 *                 zero     root      leaf       in page
 *
 * Which pages point to their run: every page of a SMALL run; the first and the
 * last of a LARGE or FREE run; no other.
 *
 * Writers hold the page heap's lock. Readers hold nothing: an address that the
 * program holds an object at has entries that do not change under it.
 */
#ifndef HS_PAGEMAP_H
#define HS_PAGEMAP_H

#include <stdint.h>

#include "run.h"

#pragma GCC visibility push(hidden)

#define HS_ADDRESS_BITS 48
#define HS_LEAF_BITS 18
#define HS_ROOT_BITS (HS_ADDRESS_BITS - HS_PAGE_SHIFT - HS_LEAF_BITS)
#define HS_LEAF_PAGES (1ul << HS_LEAF_BITS)
#define HS_ROOT_SHIFT (HS_PAGE_SHIFT + HS_LEAF_BITS)

struct hs_pagemap_leaf {
	uint8_t size_class[HS_LEAF_PAGES];
	struct hs_run *run[HS_LEAF_PAGES];
};

extern struct hs_pagemap_leaf *hs_pagemap_root[1ul << HS_ROOT_BITS];

static inline struct hs_pagemap_leaf *hs_pagemap_leaf(uintptr_t addr)
{
	if (__builtin_expect(addr >> HS_ADDRESS_BITS, 0))
		return NULL;
	return __atomic_load_n(&hs_pagemap_root[addr >> HS_ROOT_SHIFT],
			       __ATOMIC_ACQUIRE);
}

static inline unsigned long hs_pagemap_index(uintptr_t addr)
{
	return (addr >> HS_PAGE_SHIFT) & (HS_LEAF_PAGES - 1);
}

/* The class of the small object at addr; 0 for anything else. */
static inline unsigned int hs_pagemap_class(uintptr_t addr)
{
	const struct hs_pagemap_leaf *leaf = hs_pagemap_leaf(addr);

	return leaf ? leaf->size_class[hs_pagemap_index(addr)] : 0;
}

/* The run that addr's page points to, or NULL. */
static inline struct hs_run *hs_pagemap_run(uintptr_t addr)
{
	const struct hs_pagemap_leaf *leaf = hs_pagemap_leaf(addr);

	return leaf ? leaf->run[hs_pagemap_index(addr)] : NULL;
}

/* Make room for entries of [addr, addr + bytes): 0 or -ENOMEM. Idempotent. */
int hs_pagemap_ensure(uintptr_t addr, size_t bytes);
/* Enter the run as its state says, or take its entries out. */
void hs_pagemap_set(struct hs_run *run);
void hs_pagemap_clear(const struct hs_run *run);

#pragma GCC visibility pop

#endif /* HS_PAGEMAP_H */
