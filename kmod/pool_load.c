// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets the units aside at load and gives them back at unload; keeps the list
 * of pools in between.
 *
 * Every node with memory has a pool, if only an empty one, so that it can grow
 * later; its numbers and its books are made for the most that it may ever have.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/nodemask.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "core/poolspec.h"
#include "pool.h"
#include "pool_resize.h"

/* Written by load and unload only. */
static struct hs_pool *pools[POOLSPEC_MAX_NODES];
static u32 nr_pools;
/* The first number after those of the last pool. */
static u32 next_base;

u32 hs_nr_pools(void)
{
	return nr_pools;
}

struct hs_pool *hs_pool_at(u32 index)
{
	return pools[index];
}

struct hs_pool *hs_pool_of_node(int nid)
{
	u32 i;

	for (i = 0; i < nr_pools; i++)
		if (pools[i]->nid == nid)
			return pools[i];
	return NULL;
}

struct hs_pool *hs_pool_of_unit(u32 unit)
{
	u32 i;

	for (i = 0; i < nr_pools; i++)
		if (unit >= pools[i]->base &&
		    unit - pools[i]->base < pools[i]->capacity)
			return pools[i];
	return NULL;
}

u32 hs_device_units(void)
{
	u32 i, pool_end, end = 0;

	for (i = 0; i < nr_pools; i++) {
		pool_end = READ_ONCE(pools[i]->end);
		if (pool_end)
			end = max(end, pools[i]->base + pool_end);
	}
	return end;
}

u32 hs_max_order(void)
{
	u32 i, nr, order = 0;

	for (i = 0; i < nr_pools; i++) {
		nr = hs_pool_nr_present(pools[i]);
		if (nr)
			order = max(order, (u32)ilog2(nr));
	}
	return order;
}

static int create_pool(int nid)
{
	u32 capacity = hs_resize_capacity(nid);
	struct hs_pool *pool;
	int err;

	if (!capacity)
		return 0;
	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return -ENOMEM;
	pool->nid = nid;
	pool->capacity = capacity;
	pool->base = round_up(next_base, roundup_pow_of_two(capacity));
	err = hs_pool_init(pool);
	if (err) {
		kfree(pool);
		return err;
	}
	next_base = pool->base + capacity;
	/* The list owns it until unload. */
	pools[nr_pools++] = pool;
	return 0;
}

static int create_pools(void)
{
	int nid, err;

	for_each_node_state(nid, N_MEMORY) {
		if (nr_pools == ARRAY_SIZE(pools)) {
			pr_notice("no pool on node %d and later ones\n", nid);
			break;
		}
		err = create_pool(nid);
		if (err)
			return err;
	}
	return 0;
}

/* Less than what is wanted is no error, but for a fatal signal. */
static int load_pool(int nid, u64 bytes)
{
	u64 wanted = DIV_ROUND_UP_ULL(bytes, HS_UNIT_BYTES);
	struct hs_pool *pool = hs_pool_of_node(nid);
	int err;

	if (!wanted)
		return 0;
	if (!pool) {
		pr_notice("node %d: too small for a pool\n", nid);
		return 0;
	}
	hs_pool_set_target(pool, wanted);
	err = hs_pool_grow(pool, wanted, TASK_KILLABLE);
	if (err == -EINTR)
		return err;
	if (err)
		hs_resize_report(pool, hs_pool_nr_present(pool), wanted, err);
	return 0;
}

static int set_floor(int nid, u64 bytes)
{
	struct hs_pool *pool = hs_pool_of_node(nid);

	if (pool)
		WRITE_ONCE(pool->nr_floor,
			   DIV_ROUND_UP_ULL(bytes, HS_UNIT_BYTES));
	return 0;
}

/* @parameter: for the log. */
static bool nodes_exist(const struct poolspec *spec, const char *parameter)
{
	u32 i;

	for (i = 0; i < spec->nr_nodes; i++) {
		u32 nid = spec->node[i];

		if (nid >= MAX_NUMNODES || !node_state(nid, N_MEMORY)) {
			pr_err("%s=: there is no node %u with memory\n",
			       parameter, nid);
			return false;
		}
	}
	return true;
}

static int spread(u64 bytes, int (*do_node)(int nid, u64 bytes))
{
	u32 left = num_node_state(N_MEMORY);
	int nid, err;

	for_each_node_state(nid, N_MEMORY) {
		/* An even share of what is left, rounded up to a unit. */
		u64 share = round_up(div_u64(bytes + left - 1, left),
				     HS_UNIT_BYTES);

		share = min(share, bytes);
		err = do_node(nid, share);
		if (err)
			return err;
		bytes -= share;
		if (!--left)
			break;
	}
	return 0;
}

/* Calls @do_node with what @spec says of each node, until it fails. */
static int share_out(const struct poolspec *spec,
		     int (*do_node)(int nid, u64 bytes))
{
	u32 i;
	int err;

	if (!spec->nr_nodes)
		return spread(spec->bytes[0], do_node);
	for (i = 0; i < spec->nr_nodes; i++) {
		err = do_node(spec->node[i], spec->bytes[i]);
		if (err)
			return err;
	}
	return 0;
}

int hs_pools_load(const struct poolspec *spec, const struct poolspec *floor,
		  const struct hs_limits *limits)
{
	struct hs_pool_stat stat;
	bool wanted = false;
	u32 i;
	int err;

	if (!nodes_exist(spec, "pool") || !nodes_exist(floor, "floor"))
		return -EINVAL;
	for (i = 0; i < max(spec->nr_nodes, 1U); i++)
		wanted |= spec->bytes[i];
	hs_resize_set_limits(limits);
	err = create_pools();
	if (!err)
		err = share_out(floor, set_floor);
	if (!err)
		err = share_out(spec, load_pool);
	hs_pool_stat(NULL, &stat);
	if (!err && wanted && !stat.nr_units)
		err = -ENOMEM;
	if (err)
		hs_pools_unload();
	return err;
}

void hs_pools_unload(void)
{
	while (nr_pools) {
		struct hs_pool *pool = pools[--nr_pools];

		hs_pool_destroy(pool);
		kfree(pool);
	}
	next_base = 0;
}
