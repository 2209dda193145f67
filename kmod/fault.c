// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fault handler.
 *
 * It returns a page of a unit, locked and referenced; the core maps the whole
 * unit with one entry where the addresses are aligned alike, else that page,
 * or copies it for a private write. The lock is held until that is done, which
 * is what makes freeing safe: see span.c.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "mmap.h"
#include "span.h"

vm_fault_t hs_fault(struct vm_fault *vmf)
{
	const struct hs_span *span = vmf->vma->vm_private_data;
	u64 index = (vmf->pgoff >> HPAGE_PMD_ORDER) - span->start;
	struct hs_unit *unit;
	struct page *page;

	/* mmap and VM_DONTEXPAND see to this; here it is cheap to be sure. */
	if (index >> span->order)
		return VM_FAULT_SIGBUS;

	unit = hs_unit(span->pool, span->start + (u32)index);
	page = folio_page(unit->folio, vmf->pgoff & (HPAGE_PMD_NR - 1));
	folio_lock(unit->folio);
	if (unit->generation != span->generation) {
		folio_unlock(unit->folio);
		return VM_FAULT_SIGBUS;
	}
	if (unlikely(PageHWPoison(page))) {
		folio_unlock(unit->folio);
		return VM_FAULT_HWPOISON;
	}
	/* Only now: a reference taken before the check would outlive a free. */
	folio_get(unit->folio);
	vmf->page = page;
	return VM_FAULT_LOCKED;
}
