// SPDX-License-Identifier: MIT
/* Reads /sys/kernel/debug/hugespan/mapN. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cli.h"
#include "mapinfo.h"
#include "sysroot.h"

#define SYSFS "/sys/kernel/hugespan"
#define DEBUGFS "/sys/kernel/debug/hugespan"

const char *const map_state_names[MAP_NR_STATES] = {
	[MAP_ABSENT] = "absent",
	[MAP_FREE_ZEROED] = "free-zeroed",
	[MAP_FREE_DIRTY] = "free-dirty",
	[MAP_GRANTED] = "granted",
	[MAP_QUARANTINED] = "quarantined",
};

/* The value behind "name=" in a line; NULL when it is not there. */
static const char *value_of(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at ? at + strlen(name) : NULL;
}

static void parse_holder(struct map_run *run, const char *line)
{
	const char *owner = value_of(line, " owner=");
	const char *pid = value_of(line, " pid=");
	const char *order = value_of(line, " order=");
	const char *mappings = value_of(line, " mappings=");
	const char *comm = value_of(line, " comm=");

	if (!owner || !pid || !order || !mappings || !comm)
		return;
	run->has_holder = true;
	run->owner = strtoull(owner, NULL, 10);
	run->pid = atoi(pid);
	run->order = strtoul(order, NULL, 10);
	run->nr_mappings = strtoul(mappings, NULL, 10);
	snprintf(run->comm, sizeof(run->comm), "%.*s",
		 (int)strcspn(comm, "\n"), comm);
}

static int parse_run(struct map_run *run, const char *line)
{
	unsigned long long start, nr;
	char name[32];
	int state;

	*run = (struct map_run){ 0 };
	if (sscanf(line, "%llu %llu %31s", &start, &nr, name) != 3 || !nr)
		return -EBADMSG;
	for (state = 0; state < MAP_NR_STATES; state++)
		if (strcmp(name, map_state_names[state]) == 0)
			break;
	if (state == MAP_NR_STATES)
		return -EBADMSG;
	run->start = start;
	run->nr_units = nr;
	run->state = state;
	if (run->state == MAP_GRANTED)
		parse_holder(run, line);
	return 0;
}

static int read_node(struct map_node *node)
{
	FILE *file = sys_open(DEBUGFS "/map%d", node->node);
	int room = 0, err = 0;
	size_t size = 0;
	char *line = NULL;

	if (!file)
		return -errno;
	while (!err && getline(&line, &size, file) > 0) {
		if (node->nr_runs == room) {
			room = room ? 2 * room : 64;
			node->runs = xrealloc(node->runs,
					      room * sizeof(*node->runs));
		}
		err = parse_run(&node->runs[node->nr_runs], line);
		if (!err)
			node->nr_runs++;
	}
	if (!err && ferror(file))
		err = -EIO;
	free(line);
	fclose(file);
	return err;
}

static int by_number(const void *a, const void *b)
{
	const struct map_node *left = a, *right = b;

	return (left->node > right->node) - (left->node < right->node);
}

/* Which nodes there are everybody may see, in sysfs. */
static int find_nodes(struct pool_map *map)
{
	DIR *dir = sys_opendir(SYSFS);
	struct dirent *entry;
	int number;
	char end;

	if (!dir || sys_read_u64(&map->unit_bytes, SYSFS "/unit_bytes")) {
		if (dir)
			closedir(dir);
		return -ENODEV;
	}
	while ((entry = readdir(dir))) {
		if (sscanf(entry->d_name, "node%d%c", &number, &end) != 1)
			continue;
		map->nodes = xrealloc(map->nodes, (map->nr_nodes + 1) *
				      sizeof(*map->nodes));
		map->nodes[map->nr_nodes++] =
			(struct map_node){ .node = number };
	}
	closedir(dir);
	if (map->nr_nodes)
		qsort(map->nodes, map->nr_nodes, sizeof(*map->nodes),
		      by_number);
	return 0;
}

int pool_map_read(struct pool_map *map)
{
	int i, err;

	*map = (struct pool_map){ 0 };
	err = find_nodes(map);
	for (i = 0; !err && i < map->nr_nodes; i++)
		err = read_node(&map->nodes[i]);
	return err;
}

void pool_map_free(struct pool_map *map)
{
	int i;

	for (i = 0; i < map->nr_nodes; i++)
		free(map->nodes[i].runs);
	free(map->nodes);
	*map = (struct pool_map){ 0 };
}

uint64_t map_node_extent(const struct map_node *node)
{
	int i = node->nr_runs;

	while (i > 0 && node->runs[i - 1].state == MAP_ABSENT)
		i--;
	if (i == 0)
		return 0;
	return node->runs[i - 1].start + node->runs[i - 1].nr_units -
	       node->runs[0].start;
}
