// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a grant comes from.
 *
 * The pool of the wanted node first, then (unless strict) the others. In a
 * pool a run that is zeroed already is preferred; else any run, which is then
 * zeroed here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/topology.h>

#include <linux/hugespan.h>

#include "grant.h"
#include "trace.h"
#include "zero.h"

/* At most so many lines about refusals in such a time. */
#define LOG_INTERVAL	(60 * HZ)
#define LOG_BURST	5

/* Return: 0, -ENOMEM, or -EAGAIN if it could be had by waiting. */
static int take_from(struct hs_pool *pool, u32 order, bool nowait, u32 *start)
{
	if (!hs_pool_take(pool, BUDDY_ZEROED, order, start))
		return 0;
	if (!nowait)
		return hs_pool_take(pool, BUDDY_FREE, order, start);
	return hs_pool_has_run(pool, order) ? -EAGAIN : -ENOMEM;
}

/* The index of the pool where the search begins. */
static u32 first_pool(int nid)
{
	u32 i;

	if (nid == HUGESPAN_NODE_ANY)
		nid = numa_node_id();
	for (i = 0; i < hs_nr_pools(); i++)
		if (hs_pool_at(i)->nid == nid)
			return i;
	return 0;
}

static void log_refusal(const struct hs_grant_request *request)
{
	/* The flag silences the ratelimit's own line about what it dropped. */
	static struct ratelimit_state limit =
		RATELIMIT_STATE_INIT_FLAGS(limit, LOG_INTERVAL, LOG_BURST,
					   RATELIMIT_MSG_ON_RELEASE);
	struct hs_pool_stat stat;

	if (!__ratelimit(&limit))
		return;
	hs_pool_stat(NULL, &stat);
	pr_info("%s[%d]: no run of order %u%s: %llu of %llu units free, largest order %d, %llu quarantined\n",
		current->comm, task_tgid_nr(current), request->order,
		request->flags & HUGESPAN_ALLOC_STRICT ? " on the node" : "",
		stat.nr_free, stat.nr_units, stat.largest_free_order,
		stat.nr_quarantined);
}

/* Asks the pools in turn, beginning with @first. */
static int take_in_turn(const struct hs_grant_request *request, u32 first,
			struct hs_pool **pool, u32 *start)
{
	bool strict = request->flags & HUGESPAN_ALLOC_STRICT;
	u32 nr = strict ? min(hs_nr_pools(), 1U) : hs_nr_pools();
	bool nowait = request->flags & HUGESPAN_ALLOC_NOWAIT;
	int err = -ENOMEM;
	u32 i;

	for (i = 0; i < nr; i++) {
		int e;

		*pool = hs_pool_at((first + i) % hs_nr_pools());
		e = take_from(*pool, request->order, nowait, start);
		if (!e)
			return 0;
		/* Waiting would help, if only on one of them. */
		if (e == -EAGAIN)
			err = -EAGAIN;
	}
	return err;
}

int hs_grant_units(const struct hs_grant_request *request,
		   struct hs_pool **pool, u32 *start)
{
	u32 first = first_pool(request->nid);
	u32 nr = 1U << request->order;
	int err;

	err = take_in_turn(request, first, pool, start);
	if (err && hs_nr_pools())
		hs_pool_count_refusal(hs_pool_at(first));
	if (err == -ENOMEM)
		log_refusal(request);
	if (err) {
		trace_hugespan_refuse(request->order, request->nid,
				      request->flags, err);
		return err;
	}

	err = hs_zero_granted(*pool, *start, nr);
	if (err)
		hs_pool_untake(*pool, *start, nr, false);
	return err;
}
