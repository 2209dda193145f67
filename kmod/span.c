// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spans and owners: who has what, and how it is given back.
 *
 * Lock order, outermost first:
 *
 *   mmap_lock              held by the core in mmap, munmap, fork and faults
 *     owners_lock          of the list of owners
 *       xa_lock of an owner  a spinlock: so nothing below it sleeps
 *         pool->lock
 *     folio lock           of a unit; one at a time
 *
 * The folio lock and the xa_lock are never held together. unmap_mapping_range()
 * takes i_mmap_rwsem and page table locks; it is called with none of ours.
 * User memory is touched with none of ours (a fault would take mmap_lock).
 *
 * Freeing, whatever is mapped or pinned (the order matters):
 *
 *   1. The span leaves the owner's table: no new mapping can be made.
 *   2. Each unit loses its generation, under its folio lock. A fault compares
 *      the generation and maps the page under that lock, so from here on no
 *      fault maps it, and what a fault mapped before is seen by step 3. It
 *      loses its folio->mapping too, and with it the address space that is
 *      gone when its owner is; a page that is pinned stays without one.
 *   3. The mappings are zapped, private copies excepted. Without any VMA of
 *      the span there is nothing to zap.
 *   4. A unit whose page has no reference but the pool's goes back to the
 *      buddy, dirty. Any other is pinned and waits in quarantine.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include <linux/hugespan.h>

#include "grant.h"
#include "mapping.h"
#include "span.h"
#include "trace.h"

static atomic64_t last_owner_id = ATOMIC64_INIT(0);
static atomic64_t last_generation = ATOMIC64_INIT(0);

/* All owners; the lock is held where one enters or leaves, and to look. */
static DEFINE_MUTEX(owners_lock);
static LIST_HEAD(owners);

static void span_put(struct hs_span *span)
{
	if (refcount_dec_and_test(&span->refs))
		kfree(span);
}

/* Verbs: the only writers of the table, of its counters and of is_dead. */

static void enter_table(struct hs_owner *owner, struct hs_span *span)
{
	/* The place was reserved: the store allocates nothing. */
	WARN_ON_ONCE(xa_is_err(__xa_store(&owner->spans, span->start, span, 0)));
	owner->nr_spans++;
	owner->nr_units += span->nr_units;
}

/* The table's reference is the caller's from here. */
static void leave_table(struct hs_owner *owner, struct hs_span *span)
{
	__xa_erase(&owner->spans, span->start);
	owner->nr_spans--;
	owner->nr_units -= span->nr_units;
	span->is_dead = true;
}

static void shorten(struct hs_owner *owner, struct hs_span *span, u32 nr_keep)
{
	hs_pool_cut(span->pool, span->start, nr_keep);
	owner->nr_units -= span->nr_units - nr_keep;
	span->nr_units = nr_keep;
}

/*
 * The live span that has this unit. A span of order k begins at a multiple of
 * 2^k, so there are few places to look at.
 */
static struct hs_span *find_span(struct hs_owner *owner, u32 unit)
{
	u32 order;

	for (order = 0; order <= BUDDY_MAX_ORDER; order++) {
		u32 start = round_down(unit, 1U << order);
		struct hs_span *span;

		if (order && start == round_down(unit, 1U << (order - 1)))
			continue;
		span = xa_load(&owner->spans, start);
		if (span)
			return unit - start < span->nr_units ? span : NULL;
	}
	return NULL;
}

/* Steps 2 to 4 for units that no new mapping can reach. */
static void give_back(struct hs_owner *owner, struct hs_pool *pool, u32 start,
		      u32 nr, bool mapped, bool may_wait)
{
	trace_hugespan_free(owner->id, pool->nid, start, nr);
	hs_pool_revoke(pool, start, nr);
	if (mapped) {
		trace_hugespan_zap(owner->id, pool->nid, start, nr);
		hs_mapping_zap(owner->mapping, start, nr);
	}
	hs_pool_put(pool, start, nr, may_wait);
}

/* The caller has taken it out of the table, and gives us that reference. */
static void give_back_span(struct hs_span *span, bool mapped, bool may_wait)
{
	give_back(span->owner, span->pool, span->start, span->nr_units, mapped,
		  may_wait);
	hs_pool_count_free(span->pool);
	span_put(span);
}

struct hs_owner *hs_owner_create(void)
{
	struct hs_owner *owner = kzalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);
	struct address_space *mapping;

	if (!owner)
		return ERR_PTR(-ENOMEM);
	mapping = hs_mapping_create();
	if (IS_ERR(mapping)) {
		kfree(owner);
		return ERR_CAST(mapping);
	}
	owner->mapping = mapping;
	owner->id = atomic64_inc_return(&last_owner_id);
	owner->pid = task_tgid_nr(current);
	get_task_comm(owner->comm, current);
	xa_init_flags(&owner->spans, XA_FLAGS_ACCOUNT);
	mutex_lock(&owners_lock);
	list_add_tail(&owner->link, &owners);
	mutex_unlock(&owners_lock);
	return owner;
}

void hs_owner_destroy(struct hs_owner *owner)
{
	struct hs_span *span;
	unsigned long start;

	mutex_lock(&owners_lock);
	list_del(&owner->link);
	mutex_unlock(&owners_lock);
	xa_for_each(&owner->spans, start, span) {
		xa_lock(&owner->spans);
		leave_table(owner, span);
		xa_unlock(&owner->spans);
		give_back_span(span, false, false);
	}
	xa_destroy(&owner->spans);
	hs_mapping_destroy(owner->mapping);
	kfree(owner);
}

void hs_owner_usage(struct hs_owner *owner, u64 *nr_spans, u64 *nr_units)
{
	xa_lock(&owner->spans);
	*nr_spans = owner->nr_spans;
	*nr_units = owner->nr_units;
	xa_unlock(&owner->spans);
}

struct hs_span *hs_span_create(struct hs_owner *owner,
			       const struct hs_grant_request *request)
{
	bool nowait = request->flags & HUGESPAN_ALLOC_NOWAIT;
	gfp_t gfp = nowait ? GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT :
			     GFP_KERNEL_ACCOUNT;
	struct hs_span *span;
	int err;

	span = kzalloc(sizeof(*span), gfp);
	if (!span)
		return ERR_PTR(nowait ? -EAGAIN : -ENOMEM);
	refcount_set(&span->refs, 1);
	span->owner = owner;
	span->order = request->order;
	span->nr_units = 1U << request->order;
	span->fork_mode = request->fork_mode;
	span->flags = request->flags & HUGESPAN_ALLOC_FREE_ON_UNMAP;
	span->generation = atomic64_inc_return(&last_generation);

	err = hs_grant_units(request, &span->pool, &span->start);
	if (err)
		goto free_span;
	err = xa_reserve(&owner->spans, span->start, gfp);
	if (err) {
		err = nowait ? -EAGAIN : -ENOMEM;
		goto untake;
	}
	hs_pool_claim(span->pool, span->start, span->nr_units,
		      span->generation, owner->mapping);
	return span;

untake:
	hs_pool_untake(span->pool, span->start, span->nr_units, true);
free_span:
	kfree(span);
	return ERR_PTR(err);
}

void hs_span_publish(struct hs_span *span)
{
	struct hs_owner *owner = span->owner;

	/* The pool's counter first: once in the table, it may be freed. */
	hs_pool_count_grant(span->pool);
	trace_hugespan_grant(owner->id, span->pool->nid, span->start,
			     span->nr_units);
	xa_lock(&owner->spans);
	enter_table(owner, span);
	xa_unlock(&owner->spans);
}

void hs_span_abort(struct hs_span *span)
{
	xa_release(&span->owner->spans, span->start);
	hs_pool_revoke(span->pool, span->start, span->nr_units);
	hs_pool_untake(span->pool, span->start, span->nr_units, true);
	span_put(span);
}

int hs_span_free(struct hs_owner *owner, u32 unit)
{
	struct hs_span *span;
	bool mapped;

	xa_lock(&owner->spans);
	span = xa_load(&owner->spans, unit);
	if (!span) {
		xa_unlock(&owner->spans);
		return -ENOENT;
	}
	leave_table(owner, span);
	mapped = span->nr_mappings;
	xa_unlock(&owner->spans);

	give_back_span(span, mapped, true);
	return 0;
}

int hs_span_trim(struct hs_owner *owner, u32 unit, u64 nr_keep, u32 *nr_left)
{
	struct hs_span *span;
	struct hs_pool *pool;
	int err = 0;
	u32 nr_cut;
	bool mapped;

	xa_lock(&owner->spans);
	span = xa_load(&owner->spans, unit);
	if (!span)
		err = -ENOENT;
	else if (nr_keep > span->nr_units)
		err = -EINVAL;
	if (err) {
		xa_unlock(&owner->spans);
		return err;
	}
	nr_cut = span->nr_units - nr_keep;
	if (nr_cut)
		shorten(owner, span, nr_keep);
	*nr_left = span->nr_units;
	mapped = span->nr_mappings;
	/* The tail is ours now; the span may be freed by somebody meanwhile. */
	pool = span->pool;
	xa_unlock(&owner->spans);

	if (nr_cut)
		give_back(owner, pool, unit + nr_keep, nr_cut, mapped, true);
	return 0;
}

int hs_span_set_fork(struct hs_owner *owner, u32 unit, u32 fork_mode)
{
	struct hs_span *span;
	int err = 0;

	xa_lock(&owner->spans);
	span = xa_load(&owner->spans, unit);
	if (!span)
		err = -ENOENT;
	else if (span->nr_mappings)
		err = -EBUSY;
	else
		span->fork_mode = fork_mode;
	xa_unlock(&owner->spans);
	return err;
}

int hs_span_query(struct hs_owner *owner, u32 unit, struct hs_span_view *view)
{
	struct hs_span *span;

	xa_lock(&owner->spans);
	span = find_span(owner, unit);
	if (span)
		*view = (struct hs_span_view){
			.start = span->start,
			.nr_units = span->nr_units,
			.nid = span->pool->nid,
			.fork_mode = span->fork_mode,
			.flags = span->flags,
			.nr_mappings = span->nr_mappings,
		};
	xa_unlock(&owner->spans);
	return span ? 0 : -ENOENT;
}

bool hs_span_holder(u32 unit, struct hs_holder *holder)
{
	struct hs_owner *owner;
	struct hs_span *span = NULL;

	mutex_lock(&owners_lock);
	list_for_each_entry(owner, &owners, link) {
		xa_lock(&owner->spans);
		span = find_span(owner, unit);
		if (span) {
			*holder = (struct hs_holder){
				.owner_id = owner->id,
				.pid = owner->pid,
				.start = span->start,
				.nr_units = span->nr_units,
				.order = span->order,
				.nr_mappings = span->nr_mappings,
			};
			memcpy(holder->comm, owner->comm, sizeof(owner->comm));
		}
		xa_unlock(&owner->spans);
		if (span)
			break;
	}
	mutex_unlock(&owners_lock);
	return span;
}

struct hs_span *hs_span_map(struct hs_owner *owner, u32 unit, u32 nr,
			    u32 *fork_mode)
{
	struct hs_span *span;

	xa_lock(&owner->spans);
	span = find_span(owner, unit);
	if (!span) {
		span = ERR_PTR(-EACCES);
	} else if (nr > span->nr_units - (unit - span->start)) {
		span = ERR_PTR(-EINVAL);
	} else {
		refcount_inc(&span->refs);
		span->nr_mappings++;
		*fork_mode = span->fork_mode;
	}
	xa_unlock(&owner->spans);
	return span;
}

u32 hs_span_map_again(struct hs_span *span)
{
	struct hs_owner *owner = span->owner;
	u32 fork_mode;

	refcount_inc(&span->refs);
	xa_lock(&owner->spans);
	span->nr_mappings++;
	fork_mode = span->fork_mode;
	xa_unlock(&owner->spans);
	return fork_mode;
}

void hs_span_unmap(struct hs_span *span)
{
	struct hs_owner *owner = span->owner;
	bool last;

	xa_lock(&owner->spans);
	last = !--span->nr_mappings && !span->is_dead &&
	       (span->flags & HUGESPAN_ALLOC_FREE_ON_UNMAP);
	if (last)
		leave_table(owner, span);
	xa_unlock(&owner->spans);

	/* mmap_lock is held: no waiting for pins, and no zeroing, here. */
	if (last)
		give_back_span(span, false, false);
	span_put(span);
}
