// SPDX-License-Identifier: GPL-2.0-only
/*
 * The units of one NUMA node; pool.h has the states a unit can be in.
 *
 * Lock order: zero_lock comes before pool->lock, which is innermost. A folio
 * lock is never held together with either. No memory is allocated under any of
 * them, so that reclaim may come here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "core/buddy_check.h"
#include "pool.h"
#include "trace.h"
#include "zero.h"

/* How often and how long hs_pool_put() waits for a passing reference. */
#define PUT_MAX_WAITS		16
#define PUT_WAIT_MIN_US		20
#define PUT_WAIT_MAX_US		200

/* The first and the longest pause between two looks at the quarantine. */
#define QUARANTINE_DELAY_MIN	msecs_to_jiffies(10)
#define QUARANTINE_DELAY_MAX	msecs_to_jiffies(500)

/* Units whose state is looked at in one go. */
#define UNITS_PER_STATE_LOOK	256

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
	trace_hugespan_quarantine(pool->nid, pool->base + unit, true);
}

static void quarantine_to_free(struct hs_pool *pool, u32 unit)
{
	lockdep_assert_held(&pool->lock);
	if (WARN_ON_ONCE(buddy_free(&pool->buddy, unit, 1, false)))
		return;
	__clear_bit(unit, pool->quarantined);
	pool->nr_quarantined--;
	trace_hugespan_quarantine(pool->nid, pool->base + unit, false);
}

/*
 * @unit is the first absent one. Absent units are allocated one by one, so this
 * frees a whole block.
 */
static void absent_to_free(struct hs_pool *pool, u32 unit, struct folio *folio)
{
	lockdep_assert_held(&pool->lock);
	WARN_ON_ONCE(buddy_free(&pool->buddy, unit, 1, true));
	/* Whoever finds the folio finds its contents set up. */
	smp_store_release(&pool->units[unit].folio, folio);
	pool->nr_absent--;
	pool->nr_grown++;
	pool->first_absent = unit + 1;
	WRITE_ONCE(pool->end, max(pool->end, unit + 1));
}

/* The folio is the caller's from here; NULL if no unit is free. */
static struct folio *free_to_absent(struct hs_pool *pool)
{
	struct folio *folio;
	u32 unit;

	lockdep_assert_held(&pool->lock);
	if (buddy_alloc_last(&pool->buddy, BUDDY_FREE, 0, &unit))
		return NULL;
	folio = pool->units[unit].folio;
	WRITE_ONCE(pool->units[unit].folio, NULL);
	pool->nr_absent++;
	pool->nr_shrunk++;
	pool->first_absent = min(pool->first_absent, unit);
	return folio;
}

static u32 nr_present(const struct hs_pool *pool)
{
	return pool->capacity - pool->nr_absent;
}

u32 hs_pool_nr_present(struct hs_pool *pool)
{
	u32 nr;

	spin_lock(&pool->lock);
	nr = nr_present(pool);
	spin_unlock(&pool->lock);
	return nr;
}

bool hs_pool_add(struct hs_pool *pool, struct folio *folio)
{
	bool added;
	u32 unit;

	/*
	 * Nobody writes it back. But a folio that becomes dirty makes a fault
	 * drop its locks to balance dirty memory.
	 */
	folio_set_dirty(folio);

	spin_lock(&pool->lock);
	added = pool->nr_absent;
	if (added) {
		for (unit = pool->first_absent; pool->units[unit].folio; unit++)
			;
		folio->index = (pgoff_t)(pool->base + unit) << HPAGE_PMD_ORDER;
		absent_to_free(pool, unit, folio);
	}
	spin_unlock(&pool->lock);
	return added;
}

u32 hs_pool_remove(struct hs_pool *pool, u32 nr, u64 nr_keep)
{
	struct folio *folio, *next;
	LIST_HEAD(gone);
	u32 i;

	/* The worker must not be zeroing what is somebody else's soon. */
	mutex_lock(&pool->zero_lock);
	for (i = 0; i < nr; i++) {
		spin_lock(&pool->lock);
		folio = nr_present(pool) > nr_keep ? free_to_absent(pool) :
						     NULL;
		spin_unlock(&pool->lock);
		if (!folio)
			break;
		/* Its reference is ours from here. */
		list_add(&folio->lru, &gone);
	}
	mutex_unlock(&pool->zero_lock);
	if (!i)
		return 0;
	trace_hugespan_shrink(pool->nid, i, hs_pool_nr_present(pool), 0);

	/* Expedited: somebody waits for this memory. */
	synchronize_rcu_expedited();
	list_for_each_entry_safe(folio, next, &gone, lru) {
		list_del(&folio->lru);
		folio_put(folio);
	}
	return i;
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
	/* A fault looks at it once without the lock. */
	WRITE_ONCE(unit->generation, generation);
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
	for_each_set_bit(unit, pool->quarantined, pool->capacity) {
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

void hs_pool_count_reclaimed(struct hs_pool *pool, u32 nr)
{
	spin_lock(&pool->lock);
	pool->nr_reclaimed += nr;
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
	stat->nr_units += nr_present(pool);
	stat->nr_free += pool->buddy.nr_free;
	stat->nr_free_zeroed += pool->buddy.nr_zeroed;
	stat->nr_granted += pool->nr_granted;
	stat->nr_quarantined += pool->nr_quarantined;
	stat->nr_grants += pool->nr_grants;
	stat->nr_frees += pool->nr_frees;
	stat->nr_refused += pool->nr_refused;
	stat->nr_grown += pool->nr_grown;
	stat->nr_shrunk += pool->nr_shrunk;
	stat->nr_reclaimed += pool->nr_reclaimed;
	stat->largest_free_order =
		max(stat->largest_free_order,
		    buddy_largest_order(&pool->buddy, BUDDY_FREE));
	spin_unlock(&pool->lock);
}

static enum hs_unit_state state_of(const struct hs_pool *pool, u32 unit)
{
	lockdep_assert_held(&pool->lock);
	if (!pool->units[unit].folio)
		return HS_UNIT_ABSENT;
	if (test_bit(unit, pool->quarantined))
		return HS_UNIT_QUARANTINED;
	if (!buddy_is_free(&pool->buddy, unit))
		return HS_UNIT_GRANTED;
	return test_bit(unit, pool->buddy.zeroed) ? HS_UNIT_FREE_ZEROED :
						    HS_UNIT_FREE_DIRTY;
}

enum hs_unit_state hs_pool_state_run(struct hs_pool *pool, u32 start, u32 *nr)
{
	u32 first = start - pool->base, unit = first + 1;
	enum hs_unit_state state;
	bool more;

	spin_lock(&pool->lock);
	state = state_of(pool, first);
	spin_unlock(&pool->lock);
	do {
		u32 end = min(unit + UNITS_PER_STATE_LOOK, pool->capacity);

		spin_lock(&pool->lock);
		while (unit < end && state_of(pool, unit) == state)
			unit++;
		spin_unlock(&pool->lock);
		more = unit == end && end < pool->capacity;
		cond_resched();
	} while (more);
	*nr = unit - first;
	return state;
}

void hs_pool_free_runs(struct hs_pool *pool, u32 nr_runs[BUDDY_MAX_ORDER + 1])
{
	spin_lock(&pool->lock);
	memcpy(nr_runs, pool->buddy.nr_blocks, sizeof(pool->buddy.nr_blocks));
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

static void free_metadata(struct hs_pool *pool)
{
	kvfree(pool->units);
	kvfree(pool->quarantined);
	kvfree(pool->buddy_metadata);
}

int hs_pool_init(struct hs_pool *pool)
{
	u32 unit;

	pool->zeroing = HS_NO_UNIT;
	spin_lock_init(&pool->lock);
	mutex_init(&pool->zero_lock);
	INIT_WORK(&pool->zero_work, hs_zero_work);
	INIT_DELAYED_WORK(&pool->quarantine_work, quarantine_look);

	pool->units = kvcalloc(pool->capacity, sizeof(*pool->units),
			       GFP_KERNEL);
	pool->quarantined = kvcalloc(BITS_TO_LONGS(pool->capacity),
				     sizeof(long), GFP_KERNEL);
	pool->buddy_metadata = kvmalloc(buddy_metadata_bytes(pool->capacity),
					GFP_KERNEL);
	if (!pool->units || !pool->quarantined || !pool->buddy_metadata ||
	    buddy_init(&pool->buddy, pool->capacity, pool->buddy_metadata,
		       false)) {
		free_metadata(pool);
		return -ENOMEM;
	}
	/* All of them absent, each a block of its own. */
	while (!buddy_alloc(&pool->buddy, BUDDY_FREE, 0, &unit))
		cond_resched();
	pool->nr_absent = pool->capacity;
	return 0;
}

/* Does every unit have a state, and one only? */
static bool adds_up(const struct hs_pool *pool)
{
	u32 unit, nr_absent = 0;

	for (unit = 0; unit < pool->capacity; unit++)
		nr_absent += !pool->units[unit].folio;
	return nr_absent == pool->nr_absent &&
	       pool->buddy.nr_free + pool->nr_granted + pool->nr_quarantined +
	       pool->nr_absent == pool->capacity &&
	       pool->nr_grown - pool->nr_shrunk == nr_present(pool);
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
	WARN(!adds_up(pool), "the units of node %d do not add up\n", pool->nid);

	for (unit = 0; unit < pool->capacity; unit++)
		if (pool->units[unit].folio)
			folio_put(pool->units[unit].folio);
	free_metadata(pool);
}
