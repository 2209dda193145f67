// SPDX-License-Identifier: MIT
/* The page map; see pagemap.h. */
#include "pagemap.h"

#include <errno.h>
#include <string.h>

#include "meta.h"

struct hs_pagemap_leaf *hs_pagemap_root[1ul << HS_ROOT_BITS];

int hs_pagemap_ensure(uintptr_t addr, size_t bytes)
{
	const uintptr_t end = 1ul << HS_ADDRESS_BITS;
	uintptr_t root, last = (addr + bytes - 1) >> HS_ROOT_SHIFT;

	if (addr >= end || bytes > end - addr)
		return -ENOMEM;
	for (root = addr >> HS_ROOT_SHIFT; root <= last; root++) {
		struct hs_pagemap_leaf *leaf;

		if (hs_pagemap_root[root])
			continue;
		leaf = hs_meta_map(sizeof(*leaf));
		if (!leaf)
			return -ENOMEM;
		__atomic_store_n(&hs_pagemap_root[root], leaf, __ATOMIC_RELEASE);
	}
	return 0;
}

static void set_page(uintptr_t page, struct hs_run *run, uint8_t size_class)
{
	uintptr_t addr = page << HS_PAGE_SHIFT;
	struct hs_pagemap_leaf *leaf = hs_pagemap_leaf(addr);
	unsigned long i = hs_pagemap_index(addr);

	leaf->run[i] = run;
	/* Classes outside SMALL are 0 already; do not touch their pages. */
	if (leaf->size_class[i] != size_class)
		leaf->size_class[i] = size_class;
}

static void set_run(const struct hs_run *run, struct hs_run *value)
{
	bool small = run->state == HS_RUN_SMALL;
	uint8_t size_class = small && value ? run->size_class : 0;
	uintptr_t page;

	if (!small) {
		set_page(run->page, value, 0);
		set_page(run->page + run->nr_pages - 1, value, 0);
		return;
	}
	for (page = run->page; page < run->page + run->nr_pages; page++)
		set_page(page, value, size_class);
}

void hs_pagemap_set(struct hs_run *run)
{
	set_run(run, run);
}

void hs_pagemap_clear(const struct hs_run *run)
{
	set_run(run, NULL);
}
