/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spans, and the owners they are granted to.
 *
 * A span is a run of granted units with one owner (an open file). The struct
 * is made anew for each grant, with a generation that is never used again, so
 * whatever still points to it after the span was freed can tell that its units
 * are somebody else's now.
 */
#ifndef HUGESPAN_SPAN_H
#define HUGESPAN_SPAN_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "pool.h"

/**
 * struct hs_owner - an open file of the device
 * @id: unique since load
 * @pid, @comm: who opened it
 * @link: in the list of all owners [owners_lock, see span.c]
 * @mapping: the address space of its mappings
 * @spans: by the device unit number a span begins at. Its xa_lock is the lock
 *         of the owner: it guards the table, the counters below and the fields
 *         of spans that say so.
 * @nr_spans: spans in the table [xa_lock]
 * @nr_units: units of those [xa_lock]
 */
struct hs_owner {
	u64 id;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	struct list_head link;
	struct address_space *mapping;
	struct xarray spans;
	u64 nr_spans;
	u64 nr_units;
};

/**
 * struct hs_span - a grant
 * @refs: the owner's table has one while the span lives, and each VMA has one
 * @owner: outlives every VMA, since a VMA holds the file
 * @pool: where the units are
 * @start: first device unit
 * @order: it was granted 2^order units; no VMA of it reaches beyond
 * @generation: what its units carry while they belong to it
 * @flags: HUGESPAN_ALLOC_FREE_ON_UNMAP or 0
 * @nr_units: what TRIM has left of it [owner's xa_lock]
 * @fork_mode: enum hugespan_fork_mode [owner's xa_lock]
 * @nr_mappings: VMAs of it [owner's xa_lock]
 * @is_dead: it is out of the table [owner's xa_lock]
 */
struct hs_span {
	refcount_t refs;
	struct hs_owner *owner;
	struct hs_pool *pool;
	u32 start;
	u32 order;
	u64 generation;
	u32 flags;
	u32 nr_units;
	u32 fork_mode;
	u32 nr_mappings;
	bool is_dead;
};

/* Return: an owner, or an ERR_PTR(). */
struct hs_owner *hs_owner_create(void);
/* Frees all its spans. No file, and so no mapping, refers to it any more. */
void hs_owner_destroy(struct hs_owner *owner);

/* What it holds, of one moment. */
void hs_owner_usage(struct hs_owner *owner, u64 *nr_spans, u64 *nr_units);

/* What is asked for by an ALLOC. */
struct hs_grant_request {
	u32 order;
	int nid;		/* HUGESPAN_NODE_ANY for wherever the caller runs */
	u32 flags;		/* HUGESPAN_ALLOC_* */
	u32 fork_mode;
};

/**
 * hs_span_create - grant a span, zeroed, that nobody can see yet
 * hs_span_publish - put it into the owner's table; cannot fail
 * hs_span_abort - give it back instead
 *
 * Return of create: a span to publish or to abort, or -ENOMEM, -EAGAIN,
 * -EINTR as in the uAPI header.
 */
struct hs_span *hs_span_create(struct hs_owner *owner,
			       const struct hs_grant_request *request);
void hs_span_publish(struct hs_span *span);
void hs_span_abort(struct hs_span *span);

/**
 * hs_span_free - free the span that starts at @unit
 * hs_span_trim - shorten it to @nr_keep units; @nr_left: its length now
 * hs_span_set_fork - change its fork mode
 *
 * Return: 0, -ENOENT if no span of the owner starts there; of trim also
 * -EINVAL if it has fewer units; of set_fork also -EBUSY while it is mapped.
 * free and trim sleep.
 */
int hs_span_free(struct hs_owner *owner, u32 unit);
int hs_span_trim(struct hs_owner *owner, u32 unit, u64 nr_keep, u32 *nr_left);
int hs_span_set_fork(struct hs_owner *owner, u32 unit, u32 fork_mode);

/* A span as it was when looked at. */
struct hs_span_view {
	u32 start;
	u32 nr_units;
	int nid;
	u32 fork_mode;
	u32 flags;
	u32 nr_mappings;
};

/* The span that has @unit in it. Return: 0 or -ENOENT. */
int hs_span_query(struct hs_owner *owner, u32 unit, struct hs_span_view *view);

/* Who has a granted unit, and by what span. */
struct hs_holder {
	u64 owner_id;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	u32 start;
	u32 nr_units;
	u32 order;
	u32 nr_mappings;
};

/*
 * The holder of @unit, of whatever owner. For diagnosis: looks at all of them,
 * and sleeps. Return: false if no span has it now.
 */
bool hs_span_holder(u32 unit, struct hs_holder *holder);

/* For mappings. */

/**
 * hs_span_map - the span for a new VMA over the units [unit, unit + nr)
 * @fork_mode: set to its mode, which the VMA keeps
 *
 * Return: the span, whose mapping is counted and whose reference belongs to
 * the VMA; -EACCES if @unit is in no span of the owner; -EINVAL if the range
 * leaves the span.
 */
struct hs_span *hs_span_map(struct hs_owner *owner, u32 unit, u32 nr,
			    u32 *fork_mode);
/*
 * One more VMA of a span that has one (fork, split, mremap). Return: the
 * span's fork mode.
 */
u32 hs_span_map_again(struct hs_span *span);
/* A VMA is gone, and its page tables before it. Drops its reference. */
void hs_span_unmap(struct hs_span *span);

#endif /* HUGESPAN_SPAN_H */
