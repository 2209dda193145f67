/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernels this module is built for, and all that differs between them.
 * The rest of the module is written for the newest; an older kernel gets the
 * new name here. This is the only file that asks for the kernel's version.
 */
#ifndef HUGESPAN_COMPAT_H
#define HUGESPAN_COMPAT_H

#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
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
#endif

/*
 * A shrinker of our own, registered; NULL where there is no memory for it. The
 * older kernels keep it in a struct that is the caller's.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *
compat_shrinker_create(const struct shrinker *like)
{
	struct shrinker *shrinker = kmemdup(like, sizeof(*like), GFP_KERNEL);

	if (shrinker && register_shrinker(shrinker, KBUILD_MODNAME)) {
		kfree(shrinker);
		shrinker = NULL;
	}
	return shrinker;
}

static inline void compat_shrinker_destroy(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#else
static inline struct shrinker *
compat_shrinker_create(const struct shrinker *like)
{
	struct shrinker *shrinker = shrinker_alloc(like->flags, KBUILD_MODNAME);

	if (shrinker) {
		shrinker->count_objects = like->count_objects;
		shrinker->scan_objects = like->scan_objects;
		shrinker->batch = like->batch;
		shrinker->seeks = like->seeks;
		shrinker_register(shrinker);
	}
	return shrinker;
}

static inline void compat_shrinker_destroy(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#endif

#endif /* HUGESPAN_COMPAT_H */
