// SPDX-License-Identifier: MIT
/*
 * The device backend at a fork.
 *
 * COW. A MAP_SHARED mapping does not become copy-on-write by forking, and the
 * kernel does not hand one of such a span to a child. So before the fork every
 * extent is mapped MAP_PRIVATE over itself: from then on the writes of parent
 * and child are copied in pieces of 4 KiB, and what nobody writes stays in
 * huge pages that both see. It stays private for good: what the parent has
 * written since lies in its own copies.
 *
 * The swap. The private mapping is made beside the old one and then moved over
 * it (mremap): whatever is refused is refused while the old mapping stands; at
 * every moment one mapping of the span exists, so FREE_ON_UNMAP does not fire;
 * and the kernel does the move under its mmap lock, so that other threads find
 * either the old mapping or the new one, with the same content.
 *
 * The child's file. A child has an open file of its own, made before the fork
 * so that it serves even after the child drops its privileges. Spans granted
 * to the parent's file are not the child's to trim. Where no other could be
 * opened (the parent dropped its own privileges), the child goes on with the
 * file it inherited: what both are granted counts as one owner's, and still
 * goes back by FREE_ON_UNMAP when the last mapping does.
 *
 * Children made without fork handlers (_Fork, raw clone) have no mapping of
 * extents that were never made private.
 */
#include "backend_device.h"

#include <errno.h>
#include <hugespan.h>
#include <linux/mman.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sys.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* Put the mapping at @from over the extent, whole or not at all. */
static int move_over(struct hs_extent *x, char *from)
{
	unsigned char resident;
	long ret = hs_sys_call(SYS_mremap, (long)from, (long)x->bytes,
			       (long)x->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			       (long)x->base, 0);

	if (ret == (long)x->base)
		return 0;
	/*
	 * Only a kernel out of memory for its own records can fail after it
	 * unmapped the old mapping. The content is then gone from its place.
	 */
	if (hs_sys_call(SYS_mincore, (long)x->base,
			(long)hs_sys_page_bytes(), (long)&resident,
			0, 0, 0) == -ENOMEM)
		hs_sys_die("fork: the kernel dropped the memory at %p "
			   "(%zu bytes): error %ld",
			   (void *)x->base, x->bytes, -ret);
	return (int)ret;
}

static int make_private(struct hs_backend *b, struct hs_extent *x)
{
	char *twin;
	int err;

	twin = hs_sys_mmap(NULL, x->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			   b->fd, x->offset, &err);
	if (!twin)
		return err;
	err = move_over(x, twin);
	if (err) {
		hs_sys_unmap(twin, x->bytes);
		return err;
	}
	/* Maps the huge pages again; a write fault would copy small ones. */
	hs_sys_madvise(x->base, x->bytes, MADV_POPULATE_READ);
	return 0;
}

static bool is_single_threaded(void)
{
	char text[4096];
	uint64_t threads;

	return hs_sys_read_file("/proc/self/status", text, sizeof(text)) > 0 &&
	       !hs_sys_text_field(text, "Threads:", &threads) && threads == 1;
}

/*
 * The program closed the file that this span was granted to, so it cannot be
 * mapped again. Where no other thread can write meanwhile, ordinary memory
 * with the same content takes its place.
 */
static int copy_out(struct hs_extent *x)
{
	char *twin;
	int err;

	if (!is_single_threaded())
		return -EBADF;
	twin = hs_sys_map(x->bytes, x->backend->unit_bytes);
	if (!twin)
		return -ENOMEM;
	hs_sys_madvise(twin, x->bytes, MADV_HUGEPAGE);
	memcpy(twin, x->base, x->bytes);
	err = move_over(x, twin);
	if (err)
		hs_sys_unmap(twin, x->bytes);
	return err;
}

static void prepare_extent(struct hs_backend *b, struct hs_extent *x,
			   bool fd_is_ours)
{
	int err;

	if (x->fork_mode != HS_FORK_COW || x->is_private)
		return;
	if (fd_is_ours && x->owner_id == b->owner_id)
		err = make_private(b, x);
	else
		err = copy_out(x);
	if (err) {
		hs_sys_warn("fork: %zu bytes at %p cannot be made copy-on-write "
			    "(%s%d): the child must not touch them",
			    x->bytes, (void *)x->base,
			    err == -EBADF ?
			    "the program closed our file descriptor, error " :
			    "error ", -err);
		return;
	}
	x->is_private = true;
	b->nr_remapped += x->bytes / b->unit_bytes;
}

void hs_device_fork_prepare(struct hs_backend *b)
{
	bool fd_is_ours = hs_device_fd_is_ours(b->fd, b->owner_id);
	struct hs_list *pos;

	if (b->fd < 0 && hs_list_empty(&b->extents))
		return;		/* not in use */
	hs_list_for_each(pos, &b->extents)
		prepare_extent(b, hs_container(pos, struct hs_extent, link),
			       fd_is_ours);
	if (hs_device_open(b, &b->next_fd, &b->next_owner_id, b->why,
			   sizeof(b->why)))
		b->next_fd = -1;
}

void hs_device_fork_parent(struct hs_backend *b)
{
	if (b->next_fd >= 0)
		hs_sys_close(b->next_fd);
	b->next_fd = -1;
}

void hs_device_fork_child(struct hs_backend *b)
{
	struct hs_list *pos;

	/* What the kernel did not hand down must not be somebody else's. */
	hs_list_for_each(pos, &b->extents) {
		struct hs_extent *x = hs_container(pos, struct hs_extent, link);

		if (x->fork_mode == HS_FORK_COW && !x->is_private)
			hs_anon_seal(x);
	}
	if (b->next_fd < 0)
		return;
	if (hs_device_fd_is_ours(b->fd, b->owner_id))
		hs_sys_close(b->fd);
	b->fd = b->next_fd;
	b->owner_id = b->next_owner_id;
	b->next_fd = -1;
}
