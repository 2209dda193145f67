// SPDX-License-Identifier: GPL-2.0-only
/*
 * Growing and shrinking.
 *
 * Lock order: resize_lock is outside of all others of the module. Memory is
 * allocated under it, so reclaim must never want it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>

#include "core/poolspec.h"
#include "pool_resize.h"
#include "trace.h"

#define UNIT_GFP	(GFP_KERNEL | __GFP_COMP | __GFP_ZERO | __GFP_NOWARN | \
			 __GFP_RETRY_MAYFAIL | __GFP_THISNODE)

/* So that the numbers of all pools, with holes between, fit in 32 bits. */
#define POOL_MAX_UNITS	(BUDDY_MAX_UNITS / POOLSPEC_MAX_NODES)

/*
 * Units allocated between two looks at the host's memory, and gained by a pool
 * before it is the next one's turn. Giving back costs a wait at the end: so more
 * at once.
 */
#define UNITS_PER_LOOK		16
#define UNITS_PER_GIVING	128

/* Held while the size of any pool changes on demand. */
static DEFINE_MUTEX(resize_lock);

/* Written once, at load. */
static struct hs_limits limits;

/* A pool is growing [resize_lock to write; reclaim reads it]. */
static bool is_growing;

/* What all pools together were last asked to have [resize_lock]. */
static u64 nr_target_all;

void hs_resize_set_limits(const struct hs_limits *new_limits)
{
	limits = *new_limits;
	nr_target_all = 0;
}

u32 hs_resize_capacity(int nid)
{
	u64 nr_pages = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++)
		nr_pages += zone_managed_pages(&NODE_DATA(nid)->node_zones[i]);
	return min_t(u64, div_u64(nr_pages << PAGE_SHIFT, 100) *
		     limits.cap_percent >> HS_UNIT_SHIFT, POOL_MAX_UNITS);
}

/* For a sentence "because of ...". */
static const char *reason_of(int err)
{
	switch (err) {
	case -ENOSPC:
		return "the limit cap_percent";
	case -ENOMEM:
		return "the limit headroom";
	case -EAGAIN:
		return "the huge pages that are free on the node";
	case -EBUSY:
		return "the units that are granted or quarantined";
	case -EINTR:
		return "a signal";
	default:
		return "an error";
	}
}

/*
 * How many units the pool may take before the next look. Return: that, or
 * -ENOSPC or -ENOMEM as hs_pool_grow().
 */
static int units_to_look(struct hs_pool *pool)
{
	u64 available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT;
	u64 taken = 0, room;
	u32 i;

	for (i = 0; i < hs_nr_pools(); i++)
		taken += units_to_bytes(hs_pool_nr_present(hs_pool_at(i)),
					HS_UNIT_SHIFT);
	room = limits.cap_bytes > taken ? limits.cap_bytes - taken : 0;
	room = min(room >> HS_UNIT_SHIFT,
		   (u64)(pool->capacity - hs_pool_nr_present(pool)));
	if (!room)
		return -ENOSPC;
	if (available < limits.headroom_bytes + HS_UNIT_BYTES)
		return -ENOMEM;
	room = min(room, (available - limits.headroom_bytes) >> HS_UNIT_SHIFT);
	return min_t(u64, room, UNITS_PER_LOOK);
}

/* @nr: set to those still wanting when it returns. */
static int take_units(struct hs_pool *pool, u64 *nr, unsigned int state)
{
	int nr_now = 0;

	for (; *nr; (*nr)--, nr_now--) {
		struct page *page;

		cond_resched();
		if (signal_pending_state(state, current))
			return -EINTR;
		if (!nr_now)
			nr_now = units_to_look(pool);
		if (nr_now < 0)
			return nr_now;
		page = alloc_pages_node(pool->nid, UNIT_GFP, HPAGE_PMD_ORDER);
		if (!page)
			return -EAGAIN;
		if (!hs_pool_add(pool, page_folio(page))) {
			__free_pages(page, HPAGE_PMD_ORDER);
			return -ENOSPC;
		}
	}
	return 0;
}

int hs_pool_grow(struct hs_pool *pool, u64 nr, unsigned int state)
{
	u64 nr_left = nr;
	int err = take_units(pool, &nr_left, state);

	trace_hugespan_grow(pool->nid, nr - nr_left, hs_pool_nr_present(pool),
			    err);
	return err;
}

/* One step towards the target. Return: as hs_pool_resize(), 1: not there yet. */
static int step(struct hs_pool *pool, u64 nr_have, u64 nr_target)
{
	u64 nr;
	u32 nr_gone;
	int err;

	if (nr_have < nr_target) {
		nr = min_t(u64, nr_target - nr_have, UNITS_PER_LOOK);
		WRITE_ONCE(is_growing, true);
		err = hs_pool_grow(pool, nr, TASK_INTERRUPTIBLE);
		return err ? err : 1;
	}
	if (signal_pending(current))
		return -EINTR;
	nr = min_t(u64, nr_have - nr_target, UNITS_PER_GIVING);
	nr_gone = hs_pool_remove(pool, nr, 0);
	return nr_gone ? 1 : -EBUSY;
}

bool hs_resize_is_growing(void)
{
	return READ_ONCE(is_growing);
}

/*
 * A pool that is to shrink may lose units to the system meanwhile: what is too
 * few then is not taken back from a host that is short of memory.
 */
static int resize_one(struct hs_pool *pool, u64 nr_target)
{
	u64 nr_have = hs_pool_nr_present(pool);
	bool is_shrinking = nr_have > nr_target;
	int err = 1;

	while (err > 0 && nr_have != nr_target &&
	       is_shrinking == (nr_have > nr_target)) {
		err = step(pool, nr_have, nr_target);
		nr_have = hs_pool_nr_present(pool);
	}
	return min(err, 0);
}

static u64 nr_present_all(void)
{
	u64 nr = 0;
	u32 i;

	for (i = 0; i < hs_nr_pools(); i++)
		nr += hs_pool_nr_present(hs_pool_at(i));
	return nr;
}

/* In turn, until those that can do no more are all of them. */
static int resize_all(u64 nr_target)
{
	u32 turn = 0, nr_stuck = 0;
	int err = 0, e = 0;

	while (nr_stuck < hs_nr_pools()) {
		u64 nr_have = nr_present_all();

		if (nr_have == nr_target)
			return 0;
		e = step(hs_pool_at(turn), nr_have, nr_target);
		if (e == -EINTR)
			return e;
		if (e < 0)
			err = e;
		nr_stuck = e < 0 ? nr_stuck + 1 : 0;
		turn = (turn + 1) % hs_nr_pools();
	}
	return nr_present_all() == nr_target ? 0 : err;
}

void hs_resize_report(const struct hs_pool *pool, u64 nr_have, u64 nr_wanted,
		      int err)
{
	char where[16] = "all nodes";

	if (pool)
		snprintf(where, sizeof(where), "node %d", pool->nid);
	if (nr_have < nr_wanted)
		pr_notice("%s: %llu of the %llu units asked for (%llu of %llu MiB), because of %s\n",
			  where, nr_have, nr_wanted,
			  units_to_bytes(nr_have, HS_UNIT_SHIFT) >> 20,
			  units_to_bytes(nr_wanted, HS_UNIT_SHIFT) >> 20,
			  reason_of(err));
	else
		pr_notice("%s: still %llu units where %llu were asked for (%llu MiB more), because of %s\n",
			  where, nr_have, nr_wanted,
			  units_to_bytes(nr_have - nr_wanted,
					 HS_UNIT_SHIFT) >> 20,
			  reason_of(err));
}

u64 hs_pool_target(const struct hs_pool *pool)
{
	return pool ? READ_ONCE(pool->nr_target) : READ_ONCE(nr_target_all);
}

void hs_pool_set_target(struct hs_pool *pool, u64 nr_target)
{
	u64 sum = 0;
	u32 i;

	WRITE_ONCE(pool->nr_target, nr_target);
	for (i = 0; i < hs_nr_pools(); i++)
		sum += hs_pool_at(i)->nr_target;
	WRITE_ONCE(nr_target_all, sum);
}

/* Each pool is to have what it has come to; all together, what was asked. */
static void set_target_all(u64 nr_target)
{
	struct hs_pool *pool;
	u32 i;

	for (i = 0; i < hs_nr_pools(); i++) {
		pool = hs_pool_at(i);
		hs_pool_set_target(pool, hs_pool_nr_present(pool));
	}
	WRITE_ONCE(nr_target_all, nr_target);
}

static u64 nr_present_of(struct hs_pool *pool)
{
	return pool ? hs_pool_nr_present(pool) : nr_present_all();
}

int hs_pool_resize(struct hs_pool *pool, u64 nr_target)
{
	int err;

	if (mutex_lock_interruptible(&resize_lock))
		return -EINTR;
	if (pool) {
		hs_pool_set_target(pool, nr_target);
		err = resize_one(pool, nr_target);
	} else {
		err = resize_all(nr_target);
		set_target_all(nr_target);
	}
	WRITE_ONCE(is_growing, false);
	if (err && err != -EINTR)
		hs_resize_report(pool, nr_present_of(pool), nr_target, err);
	mutex_unlock(&resize_lock);
	return err;
}
