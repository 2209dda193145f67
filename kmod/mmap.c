// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of the device.
 *
 * The VMA is an ordinary one of pages with reference counts: no VM_IO,
 * VM_PFNMAP or VM_MIXEDMAP, and no page_mkwrite, any of which would cost
 * direct I/O, io_uring's fixed buffers or the 2 MiB mapping. On the kernels
 * supported nothing can fail in mmap(2) after .mmap has returned 0, so that is
 * where a mapping begins to count.
 */
#include <linux/err.h>
#include <linux/mm.h>

#include <linux/hugespan.h>

#include "compat/compat.h"
#include "core/uapi_check.h"
#include "mmap.h"
#include "span.h"

/* What a fork does with a mapping; fixed while the span is mapped. */
static bool is_inherited(const struct vm_area_struct *vma, u32 fork_mode)
{
	switch (fork_mode) {
	case HUGESPAN_FORK_SHARE:
		return true;
	case HUGESPAN_FORK_COW:
		/* VM_MAYSHARE is MAP_SHARED, of a read-only file too. */
		return !(vma->vm_flags & VM_MAYSHARE);
	default:
		return false;
	}
}

static vm_fault_t fault_barred(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static void hs_vma_open(struct vm_area_struct *vma);
static void hs_vma_close(struct vm_area_struct *vma);

/* Of a mapping that should not be there: it counts, and shows nothing. */
static const struct vm_operations_struct barred_vm_ops = {
	.open		= hs_vma_open,
	.close		= hs_vma_close,
	.fault		= fault_barred,
};

/* A copy of a VMA: by fork, or in the same process by a split or a move. */
static void hs_vma_open(struct vm_area_struct *vma)
{
	u32 fork_mode = hs_span_map_again(vma->vm_private_data);

	/*
	 * VM_DONTCOPY keeps fork away from here, unless madvise(MADV_DOFORK)
	 * has taken it back. Wiping keeps fork from copying page tables.
	 */
	if (vma->vm_mm != current->mm && !is_inherited(vma, fork_mode)) {
		vm_flags_set(vma, VM_WIPEONFORK);
		vma->vm_ops = &barred_vm_ops;
	}
}

static void hs_vma_close(struct vm_area_struct *vma)
{
	/* Drops the VMA's reference: the span may be gone after this. */
	hs_span_unmap(vma->vm_private_data);
}

/*
 * Maps nothing. That there is a .map_pages lets newer kernels handle a fault
 * under the VMA's lock, without mmap_lock.
 */
static vm_fault_t map_no_pages(struct vm_fault *vmf, pgoff_t first,
			       pgoff_t last)
{
	return 0;
}

static const struct vm_operations_struct vm_ops = {
	.open		= hs_vma_open,
	.close		= hs_vma_close,
	.fault		= hs_fault,
	.map_pages	= map_no_pages,
};

int hs_mmap(struct file *file, struct vm_area_struct *vma)
{
	u64 bytes = vma->vm_end - vma->vm_start;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	struct hs_span *span;
	u32 fork_mode;
	int err;

	err = uapi_check_mmap(offset, bytes, HS_UNIT_SHIFT);
	if (err)
		return err;
	if (offset >> HS_UNIT_SHIFT >= hs_device_units())
		return -ENXIO;
	if (bytes >> HS_UNIT_SHIFT > BUDDY_MAX_UNITS)
		return -EINVAL;

	span = hs_span_map(file->private_data, offset >> HS_UNIT_SHIFT,
			   bytes >> HS_UNIT_SHIFT, &fork_mode);
	if (IS_ERR(span))
		return PTR_ERR(span);

	/*
	 * Free memory in a core dump helps nobody; and a mapping must not
	 * grow beyond its span.
	 */
	vm_flags_set(vma, VM_DONTDUMP | VM_DONTEXPAND);
	if (!is_inherited(vma, fork_mode))
		vm_flags_set(vma, VM_DONTCOPY);
	vma->vm_private_data = span;
	vma->vm_ops = &vm_ops;
	return 0;
}
