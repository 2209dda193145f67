// SPDX-License-Identifier: MIT
/* How the pool stands, from sysfs and from the device. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/hugespan.h>

#include "alloc.h"
#include "cli.h"
#include "poolinfo.h"
#include "sysroot.h"
#include "text.h"

#define SYSFS "/sys/kernel/hugespan"

/* The device, or -1 with info->open_error. */
static int open_device(struct pool_info *info)
{
	struct hugespan_info what = { .size = sizeof(what) };
	char path[PATH_MAX];
	int fd;

	fd = open(sys_path(path, "%s", sys_device_path()), O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		info->open_error = errno;
		return -1;
	}
	if (ioctl(fd, HUGESPAN_IOC_INFO, &what) < 0) {
		info->open_error = errno;
		close(fd);
		return -1;
	}
	info->device_bytes = what.out_device_bytes;
	info->max_order = what.out_max_order;
	return fd;
}

static bool stat_node(int fd, int node, struct pool_node *out,
		      struct hugespan_stat *stat)
{
	*stat = (struct hugespan_stat){ .size = sizeof(*stat), .node = node };
	if (fd < 0 || ioctl(fd, HUGESPAN_IOC_STAT, stat) < 0)
		return false;
	*out = (struct pool_node){
		.node = node,
		.largest_free_order = stat->out_largest_free_order,
		.nr_units = stat->out_nr_units,
		.nr_free = stat->out_nr_free,
		.nr_free_clean = stat->out_nr_free_clean,
		.nr_granted = stat->out_nr_granted,
		.nr_quarantined = stat->out_nr_quarantined,
	};
	return true;
}

/* What cannot be read counts as 0: a newer module may have dropped it. */
static void read_node(int node, struct pool_node *out)
{
	const struct {
		const char *name;
		uint64_t *value;
	} attributes[] = {
		{ "nr_units", &out->nr_units },
		{ "nr_free", &out->nr_free },
		{ "nr_free_clean", &out->nr_free_clean },
		{ "nr_granted", &out->nr_granted },
		{ "nr_quarantined", &out->nr_quarantined },
	};
	int64_t order = -1;
	size_t i;

	*out = (struct pool_node){ .node = node };
	for (i = 0; i < ARRAY_SIZE(attributes); i++)
		sys_read_u64(attributes[i].value, SYSFS "/node%d/%s", node,
			     attributes[i].name);
	sys_read_i64(&order, SYSFS "/node%d/largest_free_order", node);
	out->largest_free_order = order;
}

static void add_to_total(struct pool_node *total, const struct pool_node *node)
{
	total->nr_units += node->nr_units;
	total->nr_free += node->nr_free;
	total->nr_free_clean += node->nr_free_clean;
	total->nr_granted += node->nr_granted;
	total->nr_quarantined += node->nr_quarantined;
	if (node->largest_free_order > total->largest_free_order)
		total->largest_free_order = node->largest_free_order;
}

static int by_number(const void *a, const void *b)
{
	const struct pool_node *left = a, *right = b;

	return (left->node > right->node) - (left->node < right->node);
}

static void read_nodes(struct pool_info *info, int fd)
{
	struct hugespan_stat stat;
	struct dirent *entry;
	DIR *dir = sys_opendir(SYSFS);
	int i, number;
	char end;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		struct pool_node *node;

		if (sscanf(entry->d_name, "node%d%c", &number, &end) != 1)
			continue;
		info->nodes = xrealloc(info->nodes, (info->nr_nodes + 1) *
				       sizeof(*info->nodes));
		node = &info->nodes[info->nr_nodes++];
		if (!stat_node(fd, number, node, &stat))
			read_node(number, node);
	}
	closedir(dir);
	if (info->nr_nodes)
		qsort(info->nodes, info->nr_nodes, sizeof(*info->nodes),
		      by_number);
	for (i = 0; i < info->nr_nodes; i++)
		add_to_total(&info->total, &info->nodes[i]);
}

int pool_info_read(struct pool_info *info)
{
	struct hugespan_stat stat;
	uint64_t api_version = 0;
	int fd;

	*info = (struct pool_info){
		.total = { .node = -1, .largest_free_order = -1 },
	};
	fd = open_device(info);
	info->is_loaded = sys_exists(SYSFS);
	if (info->is_loaded) {
		sys_read_u64(&info->unit_bytes, SYSFS "/unit_bytes");
		sys_read_u64(&api_version, SYSFS "/api_version");
		sys_read_u64(&info->nr_refused, SYSFS "/refused");
		info->api_version = api_version;
		read_nodes(info, fd);
		info->has_counters = stat_node(fd, HUGESPAN_NODE_ANY,
					       &info->total, &stat);
	}
	if (info->has_counters) {
		info->nr_grants = stat.out_nr_grants;
		info->nr_frees = stat.out_nr_frees;
		info->nr_refused = stat.out_nr_refused;
	}
	if (fd >= 0)
		close(fd);
	return info->is_loaded ? 0 : -ENODEV;
}

void pool_info_free(struct pool_info *info)
{
	free(info->nodes);
	info->nodes = NULL;
}

static void print_row(struct text_table *table, const struct pool_info *info,
		      const struct pool_node *node)
{
	if (node->node < 0)
		text_cell(table, "all");
	else
		text_cell(table, "%d", node->node);
	text_cell_bytes(table, pool_bytes(info, node->nr_units));
	text_cell_bytes(table, pool_bytes(info, node->nr_free));
	text_cell_bytes(table, pool_bytes(info, node->nr_free_clean));
	text_cell_bytes(table, pool_bytes(info, node->nr_granted));
	text_cell_bytes(table, pool_bytes(info, node->nr_quarantined));
	text_cell_bytes(table, pool_largest_bytes(info, node));
}

void pool_info_print(const struct pool_info *info, int indent)
{
	static const char *const titles[] = {
		"node", ">size", ">free", ">zeroed", ">granted",
		">quarantined", ">largest free",
	};
	struct text_table table;
	int i;

	text_table_begin(&table, titles, ARRAY_SIZE(titles));
	for (i = 0; i < info->nr_nodes; i++)
		print_row(&table, info, &info->nodes[i]);
	if (info->nr_nodes != 1)
		print_row(&table, info, &info->total);
	text_table_end(&table, indent);
}

static void node_json(struct json *json, const char *key,
		      const struct pool_info *info,
		      const struct pool_node *node)
{
	json_object(json, key);
	if (node->node >= 0)
		json_i64(json, "node", node->node);
	json_u64(json, "size_bytes", pool_bytes(info, node->nr_units));
	json_u64(json, "free_bytes", pool_bytes(info, node->nr_free));
	json_u64(json, "free_clean_bytes",
		 pool_bytes(info, node->nr_free_clean));
	json_u64(json, "granted_bytes", pool_bytes(info, node->nr_granted));
	json_u64(json, "quarantined_bytes",
		 pool_bytes(info, node->nr_quarantined));
	json_u64(json, "largest_free_bytes", pool_largest_bytes(info, node));
	json_i64(json, "largest_free_order", node->largest_free_order);
	json_end(json);
}

void pool_info_json(struct json *json, const struct pool_info *info)
{
	int i;

	json_object(json, "pool");
	json_u64(json, "unit_bytes", info->unit_bytes);
	json_array(json, "nodes");
	for (i = 0; i < info->nr_nodes; i++)
		node_json(json, NULL, info, &info->nodes[i]);
	json_end(json);
	node_json(json, "total", info, &info->total);
	if (info->has_counters) {
		json_u64(json, "grants", info->nr_grants);
		json_u64(json, "frees", info->nr_frees);
	} else {
		json_null(json, "grants");
		json_null(json, "frees");
	}
	json_u64(json, "refused", info->nr_refused);
	json_end(json);
}

void pool_info_not_loaded(void)
{
	cli_error("the hugespan module is not loaded (no " SYSFS ")");
	cli_fix("sudo %s pool load 512M", cli_self());
}
