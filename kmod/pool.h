/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pool of a NUMA node: the units (huge pages) that the module has set
 * aside there, and who has each of them.
 *
 * A unit is free (in the buddy), granted (part of a span), quarantined (freed,
 * but the kernel still has references to its page) or absent (a number without
 * a page, for the pool to grow into). Units are numbered through the whole
 * device; a pool has the numbers base .. base + capacity - 1, and base is
 * aligned so that an aligned block of the pool is aligned in the device's
 * offsets too.
 *
 *                  grow              grant               free, pinned
 *          absent <----> free <----------------> granted ------------.
 *                 shrink   ^        free                              |
 *                          `---------------- quarantined <-----------'
 */
#ifndef HUGESPAN_POOL_H
#define HUGESPAN_POOL_H

#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "core/buddy.h"
#include "core/units.h"

#define HS_UNIT_SHIFT		HPAGE_PMD_SHIFT
#define HS_UNIT_BYTES		HPAGE_PMD_SIZE
#define HS_UNIT_PAGES		HPAGE_PMD_NR

/* No unit has this number. */
#define HS_NO_UNIT		U32_MAX

/**
 * struct hs_unit - one huge page
 * @folio: its memory, NULL if it is absent. The pool holds one reference; any
 *         other belongs to a mapping or a pin. Written under pool->lock, and
 *         stays as it is while the unit is granted or quarantined or zero_lock
 *         is held. Whoever has none of that (a fault by a mapping that may be
 *         stale) reads it under RCU, which outlasts the memory. While the unit
 *         is granted, folio->mapping is the owner's address space, else NULL;
 *         guarded as the generation.
 * @generation: of the span it is granted to, 0 if none. Guarded by the folio
 *              lock: a fault compares it and maps the page under that lock.
 */
struct hs_unit {
	struct folio *folio;
	u64 generation;
};

/**
 * struct hs_pool - the units of a node
 * @nid: NUMA node
 * @base: device unit number of units[0]
 * @capacity: entries in @units; the pool never grows beyond
 * @units: all units
 * @lock: guards what is marked [lock]
 * @buddy: the free units; absent ones are allocated blocks of order 0 [lock]
 * @buddy_metadata: its memory
 * @quarantined: bit u: units[u] is quarantined [lock]
 * @nr_granted: units in spans [lock]
 * @nr_quarantined: bits set in @quarantined [lock]
 * @nr_absent: units without a folio [lock]
 * @first_absent: no unit below it is absent [lock]
 * @end: no unit from here on was ever present; never falls (written under
 *       [lock], read without)
 * @nr_grants: ALLOCs that succeeded here since load [lock]
 * @nr_frees: spans freed since load [lock]
 * @nr_refused: ALLOCs refused whose search began here [lock]
 * @nr_grown: units that became present, those of the load too [lock]
 * @nr_shrunk: units given back to the system [lock]
 * @nr_reclaimed: of these, under memory pressure [lock]
 * @nr_target: units it was last asked to have [resize_lock, see pool_resize.c]
 * @nr_floor: units that memory pressure leaves it; one value, no lock
 * @zeroing: the unit that the worker is zeroing, or HS_NO_UNIT; it was free
 *           when the worker began [lock]
 * @zero_lock: held by the worker from before it sets @zeroing until after it
 *             has cleared it; and by who takes units away from the pool
 * @zero_work: zeroes free units, one at a time
 * @quarantine_work: looks whether pins are gone
 * @quarantine_delay: jiffies from one look to the next; grows, and starts over
 *                    with a new arrival (no lock: a lost update delays a look)
 *
 * buddy.nr_free + nr_granted + nr_quarantined + nr_absent == capacity
 * nr_grown - nr_shrunk == capacity - nr_absent
 */
struct hs_pool {
	int nid;
	u32 base;
	u32 capacity;
	struct hs_unit *units;
	spinlock_t lock;
	struct buddy buddy;
	void *buddy_metadata;
	unsigned long *quarantined;
	u32 nr_granted;
	u32 nr_quarantined;
	u32 nr_absent;
	u32 first_absent;
	u32 end;
	u64 nr_grants;
	u64 nr_frees;
	u64 nr_refused;
	u64 nr_grown;
	u64 nr_shrunk;
	u64 nr_reclaimed;
	u64 nr_target;
	u64 nr_floor;
	u32 zeroing;
	struct mutex zero_lock;
	struct work_struct zero_work;
	struct delayed_work quarantine_work;
	unsigned long quarantine_delay;
};

/* How a pool, or all pools together, stood at one moment. */
struct hs_pool_stat {
	u64 nr_units;
	u64 nr_free;
	u64 nr_free_zeroed;
	u64 nr_granted;
	u64 nr_quarantined;
	u64 nr_grants;
	u64 nr_frees;
	u64 nr_refused;
	u64 nr_grown;
	u64 nr_shrunk;
	u64 nr_reclaimed;
	int largest_free_order;
};

/* The memory that the pools may take, see params.c. */
struct hs_limits {
	u32 cap_percent;
	u64 cap_bytes;
	u64 headroom_bytes;
};

struct poolspec;

/**
 * hs_pools_load - make a pool of every node with memory, with the units that
 *                 @spec asks for, zeroed
 * @floor: what memory pressure leaves them, in the same form
 *
 * Takes less where @limits or the memory at hand do not allow more, and says
 * so in the log. Nothing else in this file may be called before it returned
 * or after hs_pools_unload().
 *
 * Return: 0; -EINVAL if a node in either has no memory; -ENOMEM if not a single
 * unit could be had; -EINTR if a fatal signal came.
 */
int hs_pools_load(const struct poolspec *spec, const struct poolspec *floor,
		  const struct hs_limits *limits);

/* Every span is gone. A unit that is still pinned is freed by its last pin. */
void hs_pools_unload(void);

/*
 * For pool_load.c: set up everything of a pool, all units absent; and back,
 * with what is left of them.
 */
int hs_pool_init(struct hs_pool *pool);
void hs_pool_destroy(struct hs_pool *pool);

/* The pools; they stay the same from load to unload. */
u32 hs_nr_pools(void);
struct hs_pool *hs_pool_at(u32 index);
struct hs_pool *hs_pool_of_node(int nid);
struct hs_pool *hs_pool_of_unit(u32 unit);

/* The end of the unit numbers that were ever present. */
u32 hs_device_units(void);
/* The largest order that any pool, as large as it is now, could grant. */
u32 hs_max_order(void);

/* Units of the pool that are not absent. */
u32 hs_pool_nr_present(struct hs_pool *pool);

/**
 * hs_pool_add - make an absent unit a free one
 * @folio: a huge page, zeroed; the pool's from here, with its reference
 *
 * The unit with the lowest number is taken. Return: false, and nothing is
 * done, if none is absent.
 */
bool hs_pool_add(struct hs_pool *pool, struct folio *folio);

/**
 * hs_pool_remove - give free units back to the system
 * @nr: at most so many
 * @nr_keep: the pool keeps so many units, or what it has
 *
 * Takes what is missed least, see buddy_alloc_last(). Sleeps for an RCU grace
 * period and maybe for the zeroing of one unit; takes no lock under which
 * memory is allocated, so reclaim may call it. Return: units given back.
 */
u32 hs_pool_remove(struct hs_pool *pool, u32 nr, u64 nr_keep);

/**
 * hs_pool_take - move a block from free to granted
 * @start: set to its first unit, in device numbers
 *
 * Return: 0 or -ENOMEM. Does not sleep.
 */
int hs_pool_take(struct hs_pool *pool, enum buddy_kind kind, u32 order,
		 u32 *start);

/* Has it a free run of this order, zeroed or not? */
bool hs_pool_has_run(struct hs_pool *pool, u32 order);

/**
 * hs_pool_untake - hs_pool_take() backwards, for units never shown to anyone
 * @zeroed: they are zeroed now
 */
void hs_pool_untake(struct hs_pool *pool, u32 start, u32 nr, bool zeroed);

/**
 * hs_pool_claim - give granted units a generation and an address space;
 *                 mappings work from here on
 * hs_pool_revoke - take both away; no fault maps them from here on
 *
 * Both take the folio locks and may sleep for them.
 */
void hs_pool_claim(struct hs_pool *pool, u32 start, u32 nr, u64 generation,
		   struct address_space *mapping);
void hs_pool_revoke(struct hs_pool *pool, u32 start, u32 nr);

/**
 * hs_pool_cut - make the granted units before and from start + nr_keep
 *               separate blocks, so that they can be put back apart
 *
 * Does not sleep.
 */
void hs_pool_cut(struct hs_pool *pool, u32 start, u32 nr_keep);

/**
 * hs_pool_put - move revoked and unmapped units from granted to free
 * @may_wait: sleep for a moment where a page still has a passing reference
 *
 * Units that somebody has pinned go to quarantine, from where a worker frees
 * them when the pin is gone. What is freed is dirty; the zeroing worker is
 * woken. Cannot fail.
 */
void hs_pool_put(struct hs_pool *pool, u32 start, u32 nr, bool may_wait);

/**
 * hs_pool_begin_zeroing - pick a dirty free unit for the worker
 * hs_pool_end_zeroing - it is zeroed
 *
 * The unit stays free meanwhile, and may be granted: whoever takes it waits
 * for the worker (hs_pool_is_zeroing()) before anybody may write to it. The
 * caller holds zero_lock from the one call to the other.
 *
 * Return of begin: false if no free unit is dirty.
 */
bool hs_pool_begin_zeroing(struct hs_pool *pool, u32 *unit);
void hs_pool_end_zeroing(struct hs_pool *pool, u32 unit);

/* Is the worker zeroing one of these units, just taken? */
bool hs_pool_is_zeroing(struct hs_pool *pool, u32 start, u32 nr);

/* Counters of spans, which the pool keeps for its callers. */
void hs_pool_count_grant(struct hs_pool *pool);
void hs_pool_count_free(struct hs_pool *pool);
void hs_pool_count_refusal(struct hs_pool *pool);
void hs_pool_count_reclaimed(struct hs_pool *pool, u32 nr);

/* For diagnosis; a free unit's state says whether it is zeroed. */
enum hs_unit_state {
	HS_UNIT_ABSENT,
	HS_UNIT_FREE_ZEROED,
	HS_UNIT_FREE_DIRTY,
	HS_UNIT_GRANTED,
	HS_UNIT_QUARANTINED,
};

/*
 * The state of a unit of the pool; @nr: how many from there on are in the same,
 * as seen while going along them.
 */
enum hs_unit_state hs_pool_state_run(struct hs_pool *pool, u32 start, u32 *nr);

/* Free runs of each order. */
void hs_pool_free_runs(struct hs_pool *pool, u32 nr_runs[BUDDY_MAX_ORDER + 1]);

/* @pool: one pool, or NULL for all of them, added up. */
void hs_pool_stat(struct hs_pool *pool, struct hs_pool_stat *stat);

static inline struct hs_unit *hs_unit(const struct hs_pool *pool, u32 unit)
{
	return &pool->units[unit - pool->base];
}

static inline struct folio *hs_unit_folio(const struct hs_pool *pool, u32 unit)
{
	return hs_unit(pool, unit)->folio;
}

#endif /* HUGESPAN_POOL_H */
