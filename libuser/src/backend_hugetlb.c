// SPDX-License-Identifier: MIT
/*
 * Backend hugetlb: the kernel's reserved huge pages, of its default size.
 *
 * The kernel reserves the pages when an extent is mapped (no MAP_NORESERVE),
 * so the process itself never meets an empty pool in a fault. A fork changes
 * that: the first write to a page that parent and child share needs a page
 * more, for which nothing is reserved. If the pool is empty then, a child that
 * writes is killed with SIGBUS; if the parent writes first, the kernel takes
 * the page from the child, which meets SIGBUS when it looks there.
 *
 * So a fork that shares promises the child as many pages as it shares, and a
 * mapping takes none that were promised (backend_promise.h). The pool then
 * always has a page for every copy that parent, children and their children
 * may still make. Where it has too few for one child more, nothing is shared
 * with it: it gets a copy of the extents in ordinary pages, made just before
 * the fork. That costs the time of the copy. Objects that another thread
 * writes without a lock meanwhile may be caught half-way, as they may by any
 * fork.
 *
 * What is left: processes outside the family that take pages out of the pool
 * without a reservation of it, or shrink it, after a fork that shared; children
 * made without fork handlers (_Fork, raw clone); and a cgroup's limit or a
 * node's share of the pool that is smaller than what the whole pool has.
 */
#include <errno.h>
#include <hugespan.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "backend_impl.h"
#include "backend_promise.h"
#include "sys.h"

/* Pages of the default size, from /proc/meminfo. */
struct pool {
	uint64_t page_bytes;
	uint64_t nr_total;
	uint64_t nr_free;
	uint64_t nr_reserved;	/* of the free ones, promised to mappings */
	uint64_t nr_surplus;	/* beyond nr_hugepages, on demand */
	uint64_t max_surplus;
};

static int read_pool(struct pool *p)
{
	char text[8192];
	uint64_t kib;
	ssize_t len;

	*p = (struct pool) { 0 };
	len = hs_sys_read_file("/proc/meminfo", text, sizeof(text));
	if (len < 0)
		return (int)len;
	if (hs_sys_text_field(text, "Hugepagesize:", &kib) ||
	    hs_sys_text_field(text, "HugePages_Total:", &p->nr_total) ||
	    hs_sys_text_field(text, "HugePages_Free:", &p->nr_free) ||
	    hs_sys_text_field(text, "HugePages_Rsvd:", &p->nr_reserved) ||
	    hs_sys_text_field(text, "HugePages_Surp:", &p->nr_surplus))
		return -ENOENT;
	p->page_bytes = kib << 10;
	if (hs_sys_read_file("/proc/sys/vm/nr_overcommit_hugepages", text,
			     sizeof(text)) > 0)
		hs_sys_text_field(text, "", &p->max_surplus);
	return 0;
}

static uint64_t nr_available(const struct pool *p)
{
	uint64_t nr = 0;

	if (p->nr_free > p->nr_reserved)
		nr += p->nr_free - p->nr_reserved;
	if (p->max_surplus > p->nr_surplus)
		nr += p->max_surplus - p->nr_surplus;
	return nr;
}

static int hugetlb_probe(struct hs_backend *b, char *why, size_t why_size)
{
	struct pool pool;
	int err = read_pool(&pool);

	if (err == -ENOENT || (!err && !hs_is_pow2(pool.page_bytes))) {
		hs_sys_format(why, why_size,
			      "this kernel has no hugetlb pages");
		return -EOPNOTSUPP;
	}
	if (err) {
		hs_sys_format(why, why_size,
			      "/proc/meminfo cannot be read (error %d): mount /proc",
			      -err);
		return -EOPNOTSUPP;
	}
	b->unit_bytes = pool.page_bytes;
	/* What this process holds already shows that it works. */
	if (nr_available(&pool) || b->nr_mapped)
		return 0;
	hs_sys_format(why, why_size,
		      "none of %lu huge pages is free: reserve more "
		      "(sysctl -w vm.nr_hugepages=%lu)",
		      pool.nr_total, pool.nr_total + 256);
	return -EOPNOTSUPP;
}

/*
 * Has the pool a page for every promise made? Pages that the kernel would add
 * on demand do not count: at a fault it may find none. if_unknown: what to
 * answer where /proc/meminfo cannot be read (a child in a chroot).
 */
static bool holds_all_promised(bool if_unknown)
{
	struct pool pool;

	if (read_pool(&pool))
		return if_unknown;
	return pool.nr_free >= pool.nr_reserved + hs_promise_sum();
}

static bool may_share(uint64_t nr)
{
	if (!hs_promise_to_child(nr))
		return false;
	if (holds_all_promised(false))
		return true;
	hs_promise_less_to_child(nr);
	return false;
}

static int hugetlb_map(struct hs_backend *b, const struct hs_map_request *req,
		       struct hs_extent *x)
{
	static const struct hs_anon_kind kind = {
		.map_flags = MAP_HUGETLB,
		.advice = MADV_NORMAL,
	};
	/* What other handlers of a fork under way map, the child shares. */
	bool is_shared = b->forking && x->fork_mode == HS_FORK_COW;
	uint64_t nr = x->bytes / b->unit_bytes;
	struct hs_promise *to_me;
	int err = -ENOMEM;

	if (is_shared)
		hs_promises_found();
	if (!hs_promises_founded())
		return hs_anon_map(b, req, x, &kind);
	/* Until the kernel has reserved them. */
	to_me = hs_promise_make(nr);
	if (!to_me)
		return -ENOMEM;
	if (is_shared ? may_share(nr) :
	    hs_promise_sum() == nr || holds_all_promised(true)) {
		err = hs_anon_map(b, req, x, &kind);
		if (err && is_shared)
			hs_promise_less_to_child(nr);
	}
	hs_promise_drop(to_me);
	return err;
}

static bool is_shared_by_fork(const struct hs_extent *x)
{
	return x->fork_mode == HS_FORK_COW && !x->is_copied;
}

/* So many bytes of it were given back. */
static void promise_less(struct hs_backend *b, const struct hs_extent *x,
			 size_t bytes)
{
	if (x->inherited && is_shared_by_fork(x))
		hs_promise_less_to_me(bytes / b->unit_bytes);
}

static void hugetlb_unmap(struct hs_backend *b, struct hs_extent *x)
{
	hs_anon_unmap(b, x);
	promise_less(b, x, x->bytes);
}

static int hugetlb_trim(struct hs_backend *b, struct hs_extent *x,
			size_t keep_bytes)
{
	int err = hs_anon_trim(b, x, keep_bytes);

	if (!err)
		promise_less(b, x, x->bytes - keep_bytes);
	return err;
}

/* Units that a child would share until one side writes. */
static uint64_t nr_cow_units(const struct hs_backend *b)
{
	const struct hs_list *pos;
	uint64_t bytes = 0;

	hs_list_for_each(pos, &b->extents) {
		const struct hs_extent *x =
			hs_container(pos, const struct hs_extent, link);

		if (is_shared_by_fork(x))
			bytes += x->bytes;
	}
	/* The unit is not known before the first extent. */
	return bytes ? bytes / b->unit_bytes : 0;
}

/* A copy that only the child will see; false without memory for it. */
static bool make_twin(struct hs_backend *b, struct hs_extent *x)
{
	x->twin = hs_sys_map(x->bytes, b->unit_bytes);
	if (!x->twin)
		return false;
	hs_sys_madvise(x->twin, x->bytes, MADV_HUGEPAGE);
	memcpy(x->twin, x->base, x->bytes);
	hs_sys_madvise(x->base, x->bytes, MADV_DONTFORK);
	return true;
}

static void warn_of_sharing(const struct hs_extent *x)
{
	hs_sys_warn("fork: no memory to copy %zu bytes, and too few free huge "
		    "pages to share them: a child that meets the empty pool "
		    "is killed (SIGBUS); raise vm.nr_hugepages", x->bytes);
}

static void hugetlb_fork_prepare(struct hs_backend *b)
{
	struct hs_list *pos;
	uint64_t need = nr_cow_units(b);

	/* Also without extents: the child's will be of the family. */
	if (need || b->usable)
		hs_promises_found();
	if (!need || may_share(need))
		return;
	hs_list_for_each(pos, &b->extents) {
		struct hs_extent *x = hs_container(pos, struct hs_extent, link);

		if (is_shared_by_fork(x) && !make_twin(b, x))
			warn_of_sharing(x);
	}
}

static void hugetlb_fork_parent(struct hs_backend *b)
{
	struct hs_list *pos;

	hs_promise_fork_parent();
	hs_list_for_each(pos, &b->extents) {
		struct hs_extent *x = hs_container(pos, struct hs_extent, link);

		if (!x->twin)
			continue;
		hs_sys_unmap(x->twin, x->bytes);
		hs_sys_madvise(x->base, x->bytes, MADV_DOFORK);
		x->twin = NULL;
	}
}

static void hugetlb_fork_child(struct hs_backend *b)
{
	struct hs_list *pos;

	hs_promise_fork_child();
	hs_list_for_each(pos, &b->extents) {
		struct hs_extent *x = hs_container(pos, struct hs_extent, link);
		long at;

		if (!x->twin)
			continue;
		at = hs_sys_call(SYS_mremap, (long)x->twin, (long)x->bytes,
				 (long)x->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
				 (long)x->base, 0);
		if (at != (long)x->base)
			hs_sys_die("no memory for the child at %p (%zu bytes): "
				   "error %ld", (void *)x->base, x->bytes, -at);
		x->twin = NULL;
		x->is_copied = true;
	}
}

const struct hs_backend_ops hs_hugetlb_ops = {
	.id = HS_BACKEND_HUGETLB,
	.probe = hugetlb_probe,
	.map = hugetlb_map,
	.populate = hs_anon_populate,
	.populate_if_strict = true,	/* the reservation is of all nodes */
	.unmap = hugetlb_unmap,
	.trim = hugetlb_trim,
	.fork_prepare = hugetlb_fork_prepare,
	.fork_parent = hugetlb_fork_parent,
	.fork_child = hugetlb_fork_child,
};
