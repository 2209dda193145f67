/* SPDX-License-Identifier: MIT */
/*
 * How the pool of /dev/hugespan stands: from sysfs, which everybody may read,
 * and from the device, where it can be opened, which adds the counters since
 * load and gives each node's figures under one lock.
 */
#ifndef CLI_POOLINFO_H
#define CLI_POOLINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"

struct pool_node {
	int node;		/* NUMA node */
	int largest_free_order;	/* -1: nothing is free */
	uint64_t nr_units;	/* free + granted + quarantined */
	uint64_t nr_free;
	uint64_t nr_free_clean;	/* of these, zeroed already */
	uint64_t nr_granted;
	uint64_t nr_quarantined;
};

struct pool_info {
	/* the device */
	int open_error;		/* errno of opening it or of INFO; 0 */
	uint64_t device_bytes;	/* with open_error 0 */
	unsigned int max_order;	/* likewise */
	/* the module, by sysfs */
	bool is_loaded;
	unsigned int api_version;
	uint64_t unit_bytes;
	int nr_nodes;
	struct pool_node *nodes;	/* by number of the node */
	struct pool_node total;	/* node is -1 */
	bool has_counters;	/* of the device; else only nr_refused holds */
	uint64_t nr_grants;
	uint64_t nr_frees;
	uint64_t nr_refused;
};

/* 0, or -ENODEV: the module is not loaded. Free it in both cases. */
int pool_info_read(struct pool_info *info);
void pool_info_free(struct pool_info *info);

/* Tables and JSON members that several subcommands print. */
void pool_info_print(const struct pool_info *info, int indent);
void pool_info_json(struct json *json, const struct pool_info *info);

/* cli_error and cli_fix for a module that is not loaded. */
void pool_info_not_loaded(void);

/* Bytes of a number of units. */
static inline uint64_t pool_bytes(const struct pool_info *info,
				  uint64_t nr_units)
{
	return nr_units * info->unit_bytes;
}

/* Bytes of the largest free run; 0 when nothing is free. */
static inline uint64_t pool_largest_bytes(const struct pool_info *info,
					  const struct pool_node *node)
{
	if (node->largest_free_order < 0)
		return 0;
	return info->unit_bytes << node->largest_free_order;
}

#endif /* CLI_POOLINFO_H */
