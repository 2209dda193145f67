/* SPDX-License-Identifier: MIT */
/*
 * The size of the pool as an administrator changes it, by sysfs; and as it was
 * when a test began. After "device.h" and "procfs.h".
 */
#ifndef SELFTEST_POOLSIZE_H
#define SELFTEST_POOLSIZE_H

#include "device.h"
#include "procfs.h"

#define POOL_SYSFS "/sys/kernel/hugespan"
#define POOL_MAX_NODES 8
/* In place of a node: all of them together. */
#define POOL_ALL_NODES (-1)

/* The path of a file of the node, or of all of them. */
HELPER const char *pool_file(char *path, size_t len, int node, const char *name)
{
	if (node == POOL_ALL_NODES)
		snprintf(path, len, POOL_SYSFS "/%s", name);
	else
		snprintf(path, len, POOL_SYSFS "/node%d/%s", node, name);
	return path;
}

HELPER long long pool_value(int node, const char *name)
{
	char path[128];

	return file_number(pool_file(path, sizeof(path), node, name), -1000);
}

/* One write(2), as echo does it: 0 or -errno. */
HELPER int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

HELPER int pool_write(int node, const char *name, long long value)
{
	char path[128], text[32];

	snprintf(text, sizeof(text), "%lld\n", value);
	return file_write(pool_file(path, sizeof(path), node, name), text);
}

/* Ask for so many units: 0 or -errno. */
HELPER int pool_resize(int node, long long nr)
{
	return pool_write(node, "nr_target", nr);
}

struct pool_size {
	int nr_nodes;
	int node[POOL_MAX_NODES];
	long long nr_units[POOL_MAX_NODES];
};

/* Every node has a pool, numbered from 0 on, in the guests. */
HELPER int pool_size_save(struct pool_size *size)
{
	long long nr;
	int node;

	size->nr_nodes = 0;
	for (node = 0; node < POOL_MAX_NODES; node++) {
		nr = pool_value(node, "nr_units");
		if (nr < 0)
			continue;
		size->node[size->nr_nodes] = node;
		size->nr_units[size->nr_nodes++] = nr;
	}
	return size->nr_nodes ? 0 : -ENODEV;
}

/*
 * As many units as before, and, so that the pool is in one piece again, all of
 * them new. Nobody has a span. 0 or -errno.
 */
HELPER int pool_size_restore(const struct pool_size *size)
{
	uint64_t end = now_ms() + SETTLE_MS;
	int i, err = 0, e;

	for (i = 0; i < size->nr_nodes; i++) {
		/* What processes that just ended had may still be on its way. */
		while ((e = pool_resize(size->node[i], 0)) == -EBUSY &&
		       now_ms() < end)
			sleep_ms(5);
		if (!e)
			e = pool_resize(size->node[i], size->nr_units[i]);
		if (e)
			err = e;
	}
	return err;
}

#endif /* SELFTEST_POOLSIZE_H */
