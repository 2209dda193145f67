// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zeroing of units.
 *
 * A freed unit goes back to the buddy at once, marked dirty, and the worker
 * zeroes it there while nobody needs it, one unit at a time. The unit stays
 * free, so that no grant fails for the worker's sake.
 *
 * A grant that gets dirty units zeroes them itself. If one of them is in the
 * worker's hands, it waits for the worker first: else the worker would go on
 * writing zeroes over the data of the unit's new owner.
 */
#include <linux/highmem.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "zero.h"

/* Pages zeroed between two offers to let others run. */
#define PAGES_PER_TURN	64

static void zero_unit(struct folio *folio)
{
	u32 i;

	for (i = 0; i < HS_UNIT_PAGES; i++) {
		if (i % PAGES_PER_TURN == 0)
			cond_resched();
		clear_highpage(folio_page(folio, i));
	}
}

void hs_zero_kick(struct hs_pool *pool)
{
	queue_work_node(pool->nid, system_unbound_wq, &pool->zero_work);
}

void hs_zero_work(struct work_struct *work)
{
	struct hs_pool *pool = container_of(work, struct hs_pool, zero_work);
	bool found;
	u32 unit;

	do {
		mutex_lock(&pool->zero_lock);
		found = hs_pool_begin_zeroing(pool, &unit);
		if (found) {
			zero_unit(hs_unit_folio(pool, unit));
			hs_pool_end_zeroing(pool, unit);
		}
		mutex_unlock(&pool->zero_lock);
		cond_resched();
	} while (found);
}

int hs_zero_granted(struct hs_pool *pool, u32 start, u32 nr)
{
	u32 unit;

	if (hs_pool_is_zeroing(pool, start, nr)) {
		if (mutex_lock_killable(&pool->zero_lock))
			return -EINTR;
		mutex_unlock(&pool->zero_lock);
	}
	for (unit = start; unit < start + nr; unit++) {
		if (buddy_was_zeroed(&pool->buddy, unit - pool->base))
			continue;
		if (fatal_signal_pending(current))
			return -EINTR;
		zero_unit(hs_unit_folio(pool, unit));
	}
	return 0;
}
