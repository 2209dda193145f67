/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernels this module is built for, and all that differs between them.
 * The rest of the module is written for the newest; an older kernel gets the
 * new name here. This is the only file that asks for the kernel's version.
 */
#ifndef HUGESPAN_COMPAT_H
#define HUGESPAN_COMPAT_H

#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "hugespan needs Linux 6.1 or newer"
#endif

#ifndef CONFIG_TRANSPARENT_HUGEPAGE
#error "hugespan needs a kernel with CONFIG_TRANSPARENT_HUGEPAGE"
#endif

#ifndef CONFIG_64BIT
#error "hugespan needs a 64-bit kernel"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
/* The caller holds mmap_lock for writing, or the VMA is not visible yet. */
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

/* Here call_rcu() does not put it off to save power. */
#define call_rcu_hurry call_rcu
#endif

#endif /* HUGESPAN_COMPAT_H */
