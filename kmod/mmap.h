/* SPDX-License-Identifier: GPL-2.0-only */
/* Mappings of spans: the VMAs, and their faults. */
#ifndef HUGESPAN_MMAP_H
#define HUGESPAN_MMAP_H

#include <linux/fs.h>
#include <linux/mm_types.h>

/* file_operations.mmap */
int hs_mmap(struct file *file, struct vm_area_struct *vma);

/* vm_operations_struct.fault, in fault.c */
vm_fault_t hs_fault(struct vm_fault *vmf);

#endif /* HUGESPAN_MMAP_H */
