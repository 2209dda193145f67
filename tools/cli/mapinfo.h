/* SPDX-License-Identifier: MIT */
/* The map of the pool, as the module's files in debugfs have it. */
#ifndef CLI_MAPINFO_H
#define CLI_MAPINFO_H

#include <stdbool.h>
#include <stdint.h>

enum map_state {
	MAP_ABSENT,
	MAP_FREE_ZEROED,
	MAP_FREE_DIRTY,
	MAP_GRANTED,
	MAP_QUARANTINED,
	MAP_NR_STATES,
};

/* As the module names them. */
extern const char *const map_state_names[MAP_NR_STATES];

/* Units side by side in one state, and of one span if they are granted. */
struct map_run {
	uint64_t start;		/* a unit of the device */
	uint64_t nr_units;
	enum map_state state;
	bool has_holder;	/* then what follows holds */
	uint64_t owner;
	int pid;		/* that opened the file */
	unsigned int order;
	unsigned int nr_mappings;
	char comm[80];		/* printable: others are octal escapes */
};

struct map_node {
	int node;
	int nr_runs;
	struct map_run *runs;
};

struct pool_map {
	uint64_t unit_bytes;
	int nr_nodes;
	struct map_node *nodes;	/* by number */
};

/*
 * 0; -ENODEV: the module is not loaded; -EACCES: debugfs is for root; -ENOENT:
 * there is no map (no debugfs, or a module without); -EBADMSG: a line that is
 * not understood. Free it in all cases.
 */
int pool_map_read(struct pool_map *map);
void pool_map_free(struct pool_map *map);

/* The unit after the last one that is not absent, from the first of the node. */
uint64_t map_node_extent(const struct map_node *node);

#endif /* CLI_MAPINFO_H */
