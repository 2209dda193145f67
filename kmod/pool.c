// SPDX-License-Identifier: GPL-2.0-only
/*
 * The units of one NUMA node; pool.h has the states a unit can be in.
 *
 * Lock order: zero_lock comes before pool->lock, which is innermost. A folio
 * lock is never held together with either.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "core/buddy_check.h"
#include "pool.h"
#include "zero.h"

/* How often and how long hs_pool_put() waits for a passing reference. */
#define PUT_MAX_WAITS		16
#define PUT_WAIT_MIN_US		20
#define PUT_WAIT_MAX_US		200

/* The first and the longest pause between two looks at the quarantine. */
#define QUARANTINE_DELAY_MIN	msecs_to_jiffies(10)
#define QUARANTINE_DELAY_MAX	msecs_to_jiffies(500)

/*
 * Verbs: a unit changes its state, and the counters with it, here only. The
 * caller holds pool->lock; unit numbers are the pool's own.
 */

static void granted_to_free(struct hs_pool *pool, u32 start, u32 nr,
			    bool zeroed)
{
	lockdep_assert_held(&pool->lock);
	if (nr && !WARN_ON_ONCE(buddy_free(&pool->buddy, start, nr, zeroed)))
		pool->nr_granted -= nr;
}

static void granted_to_quarantine(struct hs_pool *pool, u32 unit)
{
	lockdep_assert_held(&pool->lock);
	__set_bit(unit, pool->quarantined);
	pool->nr_granted--;
	pool->nr_quarantined++;
}

static void quarantine_to_free(struct hs_pool *pool, u32 unit)
{
	lockdep_assert_held(&pool->lock);
	if (WARN_ON_ONCE(buddy_free(&pool->buddy, unit, 1, false)))
		return;
	__clear_bit(unit, pool->quarantined);
	pool->nr_quarantined--;
}

int hs_pool_take(struct hs_pool *pool, enum buddy_kind kind, u32 order,
		 u32 *start)
{
	int err;

	spin_lock(&pool->lock);
	err = buddy_alloc(&pool->buddy, kind, order, start);
	if (!err) {
		pool->nr_granted += 1U << order;
		*start += pool->base;
	}
	spin_unlock(&pool->lock);
	return err;
}

bool hs_pool_has_run(struct hs_pool *pool, u32 order)
{
	int largest;

	spin_lock(&pool->lock);
	largest = buddy_largest_order(&pool->buddy, BUDDY_FREE);
	spin_unlock(&pool->lock);
	return largest >= (int)order;
}

void hs_pool_untake(struct hs_pool *pool, u32 start, u32 nr, bool zeroed)
{
	spin_lock(&pool->lock);
	granted_to_free(pool, start - pool->base, nr, zeroed);
	spin_unlock(&pool->lock);
	if (!zeroed)
		hs_zero_kick(pool);
}

static void set_user(struct hs_unit *unit, u64 generation,
		     struct address_space *mapping)
{
	folio_lock(unit->folio);
	unit->generation = generation;
	unit->folio->mapping = mapping;
	folio_unlock(unit->folio);
}

void hs_pool_claim(struct hs_pool *pool, u32 start, u32 nr, u64 generation,
		   struct address_space *mapping)
{
	u32 i;

	for (i = 0; i < nr; i++)
		set_user(hs_unit(pool, start + i), generation, mapping);
}

void hs_pool_revoke(struct hs_pool *pool, u32 start, u32 nr)
{
	hs_pool_claim(pool, start, nr, 0, NULL);
}

void hs_pool_cut(struct hs_pool *pool, u32 start, u32 nr_keep)
{
	spin_lock(&pool->lock);
	WARN_ON_ONCE(buddy_cut(&pool->buddy, start - pool->base, nr_keep));
	spin_unlock(&pool->lock);
}

/* A unit with broken memory is never given to anybody again. */
static bool is_poisoned(struct folio *folio)
{
	u32 i;

	for (i = 0; IS_ENABLED(CONFIG_MEMORY_FAILURE) && i < HS_UNIT_PAGES; i++)
		if (PageHWPoison(folio_page(folio, i)))
			return true;
	return false;
}

/*
 * Does nobody but the pool refer to this unit? The unit is revoked and
 * unmapped, so a count of one cannot grow again by a mapping or a pin; only
 * walkers that look at the struct page and not at its memory may pass by.
 */
static bool is_idle(struct folio *folio)
{
	if (!folio_ref_freeze(folio, 1))
		return false;
	folio_ref_unfreeze(folio, 1);
	return !is_poisoned(folio);
}

/* Spends from *nr_waits, which all units of a call share. */
static bool wait_until_idle(struct folio *folio, u32 *nr_waits)
{
	while (!is_idle(folio)) {
		if (!*nr_waits)
			return false;
		(*nr_waits)--;
		usleep_range(PUT_WAIT_MIN_US, PUT_WAIT_MAX_US);
	}
	return true;
}

void hs_pool_put(struct hs_pool *pool, u32 start, u32 nr, bool may_wait)
{
	u32 unit, end, nr_waits = may_wait ? PUT_MAX_WAITS : 0;
	bool pinned = false;

	start -= pool->base;
	end = start + nr;

	/* [start, unit) is idle and is freed in one go when its end is known. */
	for (unit = start; unit < end; unit++) {
		cond_resched();
		if (wait_until_idle(pool->units[unit].folio, &nr_waits))
			continue;

		spin_lock(&pool->lock);
		if (unit > start)
			WARN_ON_ONCE(buddy_cut(&pool->buddy, start,
					       unit - start));
		WARN_ON_ONCE(buddy_cut(&pool->buddy, unit, 1));
		granted_to_free(pool, start, unit - start, false);
		granted_to_quarantine(pool, unit);
		spin_unlock(&pool->lock);
		start = unit + 1;
		pinned = true;
	}
	spin_lock(&pool->lock);
	granted_to_free(pool, start, end - start, false);
	spin_unlock(&pool->lock);

	if (pinned) {
		WRITE_ONCE(pool->quarantine_delay, QUARANTINE_DELAY_MIN);
		mod_delayed_work(system_unbound_wq, &pool->quarantine_work,
				 QUARANTINE_DELAY_MIN);
	}
	hs_zero_kick(pool);
}

/* Frees the quarantined units whose pins are gone; comes back for the rest. */
static void quarantine_look(struct work_struct *work)
{
	struct hs_pool *pool = container_of(to_delayed_work(work),
					    struct hs_pool, quarantine_work);
	unsigned long delay = READ_ONCE(pool->quarantine_delay);
	bool freed = false, left;
	u32 unit;

	/*
	 * Only this work clears bits, so a bit seen without the lock stays
	 * set; one that is missed is seen next time.
	 */
	for_each_set_bit(unit, pool->quarantined, pool->nr_units) {
		cond_resched();
		if (!is_idle(pool->units[unit].folio))
			continue;
		spin_lock(&pool->lock);
		quarantine_to_free(pool, unit);
		spin_unlock(&pool->lock);
		freed = true;
	}
	if (freed)
		hs_zero_kick(pool);

	spin_lock(&pool->lock);
	left = pool->nr_quarantined;
	spin_unlock(&pool->lock);
	if (!left)
		return;
	delay = min(2 * delay, QUARANTINE_DELAY_MAX);
	WRITE_ONCE(pool->quarantine_delay, delay);
	queue_delayed_work(system_unbound_wq, &pool->quarantine_work, delay);
}

bool hs_pool_begin_zeroing(struct hs_pool *pool, u32 *unit)
{
	int err;

	lockdep_assert_held(&pool->zero_lock);
	spin_lock(&pool->lock);
	err = buddy_find_dirty(&pool->buddy, unit);
	if (!err) {
		*unit += pool->base;
		pool->zeroing = *unit;
	}
	spin_unlock(&pool->lock);
	return !err;
}

void hs_pool_end_zeroing(struct hs_pool *pool, u32 unit)
{
	lockdep_assert_held(&pool->zero_lock);
	spin_lock(&pool->lock);
	pool->zeroing = HS_NO_UNIT;
	/* Refused if it was granted meanwhile: then it does not matter. */
	buddy_set_zeroed(&pool->buddy, unit - pool->base);
	spin_unlock(&pool->lock);
}

bool hs_pool_is_zeroing(struct hs_pool *pool, u32 start, u32 nr)
{
	bool is_zeroing;

	spin_lock(&pool->lock);
	is_zeroing = pool->zeroing != HS_NO_UNIT && pool->zeroing >= start &&
		     pool->zeroing - start < nr;
	spin_unlock(&pool->lock);
	return is_zeroing;
}

void hs_pool_count_grant(struct hs_pool *pool)
{
	spin_lock(&pool->lock);
	pool->nr_grants++;
	spin_unlock(&pool->lock);
}

void hs_pool_count_free(struct hs_pool *pool)
{
	spin_lock(&pool->lock);
	pool->nr_frees++;
	spin_unlock(&pool->lock);
}

void hs_pool_count_refusal(struct hs_pool *pool)
{
	spin_lock(&pool->lock);
	pool->nr_refused++;
	spin_unlock(&pool->lock);
}

static void add_stat(struct hs_pool *pool, struct hs_pool_stat *stat)
{
	spin_lock(&pool->lock);
	stat->nr_units += pool->nr_units;
	stat->nr_free += pool->buddy.nr_free;
	stat->nr_free_zeroed += pool->buddy.nr_zeroed;
	stat->nr_granted += pool->nr_granted;
	stat->nr_quarantined += pool->nr_quarantined;
	stat->nr_grants += pool->nr_grants;
	stat->nr_frees += pool->nr_frees;
	stat->nr_refused += pool->nr_refused;
	stat->largest_free_order =
		max(stat->largest_free_order,
		    buddy_largest_order(&pool->buddy, BUDDY_FREE));
	spin_unlock(&pool->lock);
}

void hs_pool_stat(struct hs_pool *pool, struct hs_pool_stat *stat)
{
	u32 i;

	*stat = (struct hs_pool_stat){ .largest_free_order = -1 };
	if (pool) {
		add_stat(pool, stat);
		return;
	}
	for (i = 0; i < hs_nr_pools(); i++)
		add_stat(hs_pool_at(i), stat);
}

int hs_pool_init(struct hs_pool *pool)
{
	pool->zeroing = HS_NO_UNIT;
	spin_lock_init(&pool->lock);
	mutex_init(&pool->zero_lock);
	INIT_WORK(&pool->zero_work, hs_zero_work);
	INIT_DELAYED_WORK(&pool->quarantine_work, quarantine_look);

	pool->quarantined = bitmap_zalloc(pool->nr_units, GFP_KERNEL);
	pool->buddy_metadata = kvmalloc(buddy_metadata_bytes(pool->nr_units),
					GFP_KERNEL);
	if (!pool->quarantined || !pool->buddy_metadata) {
		bitmap_free(pool->quarantined);
		kvfree(pool->buddy_metadata);
		return -ENOMEM;
	}
	return buddy_init(&pool->buddy, pool->nr_units, pool->buddy_metadata,
			  true);
}

void hs_pool_destroy(struct hs_pool *pool)
{
	const char *broken;
	u32 unit;

	/* The quarantine wakes the zeroing, never the other way round. */
	cancel_delayed_work_sync(&pool->quarantine_work);
	cancel_work_sync(&pool->zero_work);

	broken = buddy_check(&pool->buddy, &unit);
	WARN(broken, "buddy of node %d: %s (unit %u)\n", pool->nid, broken, unit);
	WARN(pool->nr_granted, "%u units of node %d were never freed\n",
	     pool->nr_granted, pool->nid);

	bitmap_free(pool->quarantined);
	kvfree(pool->buddy_metadata);
}
