// SPDX-License-Identifier: MIT
/*
 * The backends as one: choice, locking, counting, and what they share at a
 * fork (backend.h).
 *
 * Locks: each backend's own, taken one at a time; the fork handlers take all
 * of them in order of id.
 */
#include "backend.h"

#include <errno.h>
#include <hugespan.h>

#include "backend_impl.h"
#include "options.h"
#include "sys.h"

#define BACKEND_INIT(id, its_ops)					\
	[id] = {							\
		.ops = &(its_ops),					\
		.fd = -1,						\
		.next_fd = -1,						\
		.extents = { &backends[id].extents, &backends[id].extents }, \
	}

static struct hs_backend backends[HS_NR_BACKENDS] = {
	BACKEND_INIT(HS_BACKEND_DEVICE, hs_device_ops),
	BACKEND_INIT(HS_BACKEND_HUGETLB, hs_hugetlb_ops),
	BACKEND_INIT(HS_BACKEND_THP, hs_thp_ops),
	BACKEND_INIT(HS_BACKEND_PLAIN, hs_plain_ops),
};

struct hs_backend *hs_backend_get(int id)
{
	return id >= 0 && id < HS_NR_BACKENDS ? &backends[id] : NULL;
}

static bool probe_locked(struct hs_backend *b)
{
	b->why[0] = '\0';
	b->usable = !b->ops->probe(b, b->why, sizeof(b->why));
	return b->usable;
}

bool hs_backend_probe(struct hs_backend *b)
{
	bool was_usable, is_usable_now;

	hs_options_load();
	HS_GUARD(&b->lock);
	was_usable = b->usable;
	is_usable_now = probe_locked(b);
	b->usable |= was_usable;
	return is_usable_now;
}

static bool is_usable(struct hs_backend *b)
{
	hs_options_load();
	HS_GUARD(&b->lock);
	return b->usable || probe_locked(b);
}

int hs_backend_select(int wish, struct hs_backend **out)
{
	struct hs_backend *b;

	if (wish == HS_BACKEND_AUTO) {
		for (b = backends; !is_usable(b); b++)
			;	/* ends at plain */
		*out = b;
		return 0;
	}
	b = hs_backend_get(wish);
	if (!b)
		return -EINVAL;
	if (!is_usable(b))
		return -EOPNOTSUPP;
	*out = b;
	return 0;
}

struct hs_backend *hs_backend_next(struct hs_backend *b)
{
	for (b++; b < backends + HS_NR_BACKENDS; b++)
		if (is_usable(b))
			return b;
	return NULL;
}

/* The bytes of whole units, or 0 if that is no size. */
static size_t round_to_units(struct hs_backend *b, size_t bytes)
{
	if (!bytes || bytes > PTRDIFF_MAX - b->unit_bytes)
		return 0;
	return hs_align_up(bytes, b->unit_bytes);
}

static int map_locked(struct hs_backend *b, const struct hs_map_request *req,
		      struct hs_extent *x)
{
	size_t bytes = round_to_units(b, req->bytes);
	int err;

	if (!req->bytes || req->fork_mode > HS_FORK_WIPE || req->node < -1)
		return -EINVAL;
	if (!bytes)
		return -ENOMEM;
	*x = (struct hs_extent) {
		.bytes = bytes,
		.fork_mode = req->fork_mode,
		.backend = b,
	};
	err = b->ops->map(b, req, x);
	if (err)
		return err;
	hs_list_add_tail(&b->extents, &x->link);
	b->nr_mapped += bytes / b->unit_bytes;
	b->nr_mapped_total += bytes / b->unit_bytes;
	return 0;
}

/* @bytes of an extent are no longer of this process. */
static void count_unmapped(struct hs_backend *b, size_t bytes)
{
	b->nr_mapped -= bytes / b->unit_bytes;
	b->nr_unmapped_total += bytes / b->unit_bytes;
}

static void forget(struct hs_extent *x)
{
	hs_list_del(&x->link);
	count_unmapped(x->backend, x->bytes);
	x->base = NULL;
	x->bytes = 0;
}

void hs_backend_unmap(struct hs_extent *x)
{
	struct hs_backend *b = x->backend;

	HS_GUARD(&b->lock);
	if (!x->base)
		return;
	b->ops->unmap(b, x);
	forget(x);
}

int hs_backend_map(struct hs_backend *b, const struct hs_map_request *req,
		   struct hs_extent *out)
{
	bool populate = req->populate ||
			(req->strict && b->ops->populate_if_strict);
	int err;

	if (!is_usable(b))
		return -EOPNOTSUPP;
	hs_lock(&b->lock);
	err = map_locked(b, req, out);
	hs_unlock(&b->lock);
	if (!err && populate && b->ops->populate) {
		err = b->ops->populate(out);
		if (err)
			hs_backend_unmap(out);
	}
	if (err && err != -EINVAL) {
		HS_GUARD(&b->lock);
		b->nr_refused++;
	}
	return err;
}

int hs_backend_trim(struct hs_extent *x, size_t keep_bytes)
{
	struct hs_backend *b = x->backend;
	size_t keep;
	int err;

	HS_GUARD(&b->lock);
	keep = round_to_units(b, keep_bytes);
	if (!keep || keep > x->bytes)
		return -EINVAL;
	if (keep == x->bytes)
		return 0;
	err = b->ops->trim(b, x, keep);
	if (err)
		return err;
	count_unmapped(b, x->bytes - keep);
	x->bytes = keep;
	return 0;
}

void hs_backends_fork_prepare(void)
{
	for (int id = 0; id < HS_NR_BACKENDS; id++) {
		struct hs_backend *b = &backends[id];

		hs_lock(&b->lock);
		b->forking = true;
		if (b->ops->fork_prepare)
			b->ops->fork_prepare(b);
	}
}

void hs_backends_fork_parent(void)
{
	for (int id = HS_NR_BACKENDS - 1; id >= 0; id--) {
		struct hs_backend *b = &backends[id];

		if (b->ops->fork_parent)
			b->ops->fork_parent(b);
		b->forking = false;
		hs_unlock(&b->lock);
	}
}

static void inherit(struct hs_extent *x)
{
	x->inherited = true;
	if (x->fork_mode == HS_FORK_DONTFORK)
		forget(x);
	else if (x->fork_mode == HS_FORK_WIPE)
		hs_anon_replace(x);
}

void hs_backends_fork_child(void)
{
	struct hs_list *pos, *next;

	for (int id = HS_NR_BACKENDS - 1; id >= 0; id--) {
		struct hs_backend *b = &backends[id];

		hs_list_for_each_safe(pos, next, &b->extents)
			inherit(hs_container(pos, struct hs_extent, link));
		if (b->ops->fork_child)
			b->ops->fork_child(b);
		b->forking = false;
		hs_lock_reset(&b->lock);
	}
}
