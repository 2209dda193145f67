// SPDX-License-Identifier: MIT
/*
 * Extents of anonymous memory: what hugetlb, thp and plain have in common.
 *
 * Fork. COW and SHARE are the kernel's own doing (private and shared
 * mappings). WIPE and DONTFORK are advice given when the extent is mapped, so
 * they hold even for children made without fork handlers (_Fork, clone).
 */
#include <errno.h>
#include <hugespan.h>
#include <linux/mempolicy.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "backend_impl.h"
#include "sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Bits of a node mask: as many nodes as the kernel can have. */
#define HS_NODE_BITS 1024
#define HS_BITS_PER_LONG (8 * sizeof(unsigned long))

/*
 * Preferred, the default, takes memory elsewhere when the node is full and
 * costs nothing where it cannot be had; strict must be had.
 */
static int set_node(struct hs_extent *x, const struct hs_map_request *req)
{
	unsigned long mask[HS_NODE_BITS / HS_BITS_PER_LONG] = { 0 };
	size_t node = (size_t)req->node;
	int err;

	if (req->node < 0)
		return 0;
	if (node >= HS_NODE_BITS)
		return -EINVAL;
	mask[node / HS_BITS_PER_LONG] |= 1UL << node % HS_BITS_PER_LONG;
	/* The kernel takes one bit less than it is told. */
	err = (int)hs_sys_call(SYS_mbind, (long)x->base, (long)x->bytes,
			       req->strict ? MPOL_BIND : MPOL_PREFERRED,
			       (long)mask, HS_NODE_BITS + 1, 0);
	if (!req->strict)
		return 0;
	return err == -ENOSYS || err == -EPERM ? -EOPNOTSUPP : err;
}

static int set_fork(struct hs_extent *x)
{
	switch (x->fork_mode) {
	case HS_FORK_DONTFORK:
		return hs_sys_madvise(x->base, x->bytes, MADV_DONTFORK);
	case HS_FORK_WIPE:
		/* Not for hugetlb; hs_anon_replace() then does it all. */
		if (!hs_sys_madvise(x->base, x->bytes, MADV_WIPEONFORK))
			return 0;
		return hs_sys_madvise(x->base, x->bytes, MADV_DONTFORK);
	default:
		return 0;
	}
}

/* Unlike MAP_POPULATE this says when the memory is not there. */
int hs_anon_populate(struct hs_extent *x)
{
	int err = hs_sys_madvise(x->base, x->bytes, MADV_POPULATE_WRITE);

	/* EINVAL: the kernel is older than 5.14 and will fault as we go. */
	return err && err != -EINVAL ? -ENOMEM : 0;
}

int hs_anon_map(struct hs_backend *b, const struct hs_map_request *req,
		struct hs_extent *x, const struct hs_anon_kind *kind)
{
	int flags = MAP_ANONYMOUS | MAP_FIXED | kind->map_flags |
		    (x->fork_mode == HS_FORK_SHARE ? MAP_SHARED : MAP_PRIVATE);
	int err;

	/* A reserve first: mmap aligns no more than it has to. */
	x->base = hs_sys_reserve(x->bytes, b->unit_bytes);
	if (!x->base)
		return -ENOMEM;
	if (!hs_sys_mmap(x->base, x->bytes, PROT_READ | PROT_WRITE, flags, -1,
			 0, &err))
		goto unmap;
	hs_sys_madvise(x->base, x->bytes, kind->advice);
	hs_sys_call(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, (long)x->base,
		    (long)x->bytes, (long)"hugespan", 0);
	err = set_node(x, req);
	if (!err)
		err = set_fork(x);
	if (err)
		goto unmap;
	return 0;

unmap:
	hs_sys_unmap(x->base, x->bytes);
	x->base = NULL;
	return err;
}

void hs_anon_unmap(struct hs_backend *b, struct hs_extent *x)
{
	(void)b;
	hs_sys_unmap(x->base, x->bytes);
}

int hs_anon_trim(struct hs_backend *b, struct hs_extent *x, size_t keep_bytes)
{
	(void)b;
	hs_sys_unmap(x->base + keep_bytes, x->bytes - keep_bytes);
	return 0;
}

static void replace(struct hs_extent *x, int prot, int flags)
{
	int err;

	if (!hs_sys_mmap(x->base, x->bytes, prot,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1,
			 0, &err))
		hs_sys_die("no memory for the child at %p (%zu bytes): error %d",
			   (void *)x->base, x->bytes, -err);
}

void hs_anon_replace(struct hs_extent *x)
{
	replace(x, PROT_READ | PROT_WRITE, 0);
	hs_sys_madvise(x->base, x->bytes,
		       x->backend->ops->id == HS_BACKEND_PLAIN ?
		       MADV_NOHUGEPAGE : MADV_HUGEPAGE);
}

void hs_anon_seal(struct hs_extent *x)
{
	replace(x, PROT_NONE, MAP_NORESERVE);
}
