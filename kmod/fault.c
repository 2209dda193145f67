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
#include <linux/rcupdate.h>

#include "mmap.h"
#include "span.h"
#include "trace.h"

/*
 * The folio of a unit, locked and referenced, if the unit still belongs to the
 * span with this generation; else NULL.
 *
 * To a stale mapping the unit may be anything: another's, or absent, or about
 * to be. So its folio is looked at under RCU, which keeps the memory the
 * pool's, and gets its reference there, before the lock that it may have to
 * wait for. By the generation, looked at again under the lock, the unit has
 * been the span's all the time, and then the folio is the right one. A stale
 * mapping seldom gets as far as a reference; if it does, a unit that is being
 * freed waits for it as for a pin.
 */
static struct folio *lock_folio(struct hs_unit *unit, u64 generation)
{
	struct folio *folio = NULL;

	rcu_read_lock();
	if (READ_ONCE(unit->generation) == generation) {
		folio = READ_ONCE(unit->folio);
		/* Frozen, or on its way to the system: then it is not ours. */
		if (folio && !folio_try_get(folio))
			folio = NULL;
	}
	rcu_read_unlock();
	if (!folio)
		return NULL;

	folio_lock(folio);
	if (unit->generation == generation)
		return folio;
	folio_unlock(folio);
	folio_put(folio);
	return NULL;
}

vm_fault_t hs_fault(struct vm_fault *vmf)
{
	const struct hs_span *span = vmf->vma->vm_private_data;
	u64 index = (vmf->pgoff >> HPAGE_PMD_ORDER) - span->start;
	struct folio *folio;
	struct page *page;

	/* mmap and VM_DONTEXPAND see to this; here it is cheap to be sure. */
	if (index >> span->order)
		return VM_FAULT_SIGBUS;

	folio = lock_folio(hs_unit(span->pool, span->start + (u32)index),
			   span->generation);
	trace_hugespan_fault(span->owner->id, span->start + (u32)index,
			     vmf->address, vmf->flags & FAULT_FLAG_WRITE,
			     !folio);
	if (!folio)
		return VM_FAULT_SIGBUS;
	page = folio_page(folio, vmf->pgoff & (HPAGE_PMD_NR - 1));
	if (unlikely(PageHWPoison(page))) {
		folio_unlock(folio);
		folio_put(folio);
		return VM_FAULT_HWPOISON;
	}
	vmf->page = page;
	return VM_FAULT_LOCKED;
}
