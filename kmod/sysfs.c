// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/hugespan: how the pools stand, one value a file. The files are
 * described in Documentation/ABI/testing/sysfs-kernel-hugespan.
 */
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/sysfs.h>

#include <linux/hugespan.h>

#include "core/poolspec.h"
#include "pool.h"
#include "pool_resize.h"
#include "sysfs.h"

static struct kobject *root;
/* The folder of the pool with the same index. */
static struct kobject *nodes[POOLSPEC_MAX_NODES];

/* The pool of a folder; NULL for the root, which is for all of them. */
static struct hs_pool *pool_of(const struct kobject *kobj)
{
	u32 i;

	for (i = 0; i < hs_nr_pools(); i++)
		if (nodes[i] == kobj)
			return hs_pool_at(i);
	return NULL;
}

#define STAT_ATTR(name, format, field)					\
static ssize_t name##_show(struct kobject *kobj,			\
			   struct kobj_attribute *attr, char *buf)	\
{									\
	struct hs_pool_stat stat;					\
									\
	hs_pool_stat(pool_of(kobj), &stat);				\
	return sysfs_emit(buf, format "\n", stat.field);		\
}									\
static struct kobj_attribute name##_attr = __ATTR_RO(name)

STAT_ATTR(nr_units, "%llu", nr_units);
STAT_ATTR(nr_free, "%llu", nr_free);
STAT_ATTR(nr_free_clean, "%llu", nr_free_zeroed);
STAT_ATTR(nr_granted, "%llu", nr_granted);
STAT_ATTR(nr_quarantined, "%llu", nr_quarantined);
STAT_ATTR(largest_free_order, "%d", largest_free_order);
STAT_ATTR(refused, "%llu", nr_refused);
STAT_ATTR(grown, "%llu", nr_grown);
STAT_ATTR(shrunk, "%llu", nr_shrunk);
STAT_ATTR(reclaimed, "%llu", nr_reclaimed);

/* A number of units; more than any device could have are no number. */
static int parse_nr(const char *buf, u64 *nr)
{
	return kstrtou64(buf, 10, nr) || *nr > BUDDY_MAX_UNITS ? -EINVAL : 0;
}

static ssize_t nr_target_show(struct kobject *kobj,
			      struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", hs_pool_target(pool_of(kobj)));
}

static ssize_t nr_target_store(struct kobject *kobj,
			       struct kobj_attribute *attr, const char *buf,
			       size_t len)
{
	u64 nr_target;
	int err;

	if (parse_nr(buf, &nr_target))
		return -EINVAL;
	err = hs_pool_resize(pool_of(kobj), nr_target);
	return err ? err : len;
}

static struct kobj_attribute nr_target_attr = __ATTR_RW(nr_target);

/* Of a node only. */
static ssize_t nr_floor_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%llu\n", READ_ONCE(pool_of(kobj)->nr_floor));
}

static ssize_t nr_floor_store(struct kobject *kobj,
			      struct kobj_attribute *attr, const char *buf,
			      size_t len)
{
	u64 nr_floor;

	if (parse_nr(buf, &nr_floor))
		return -EINVAL;
	WRITE_ONCE(pool_of(kobj)->nr_floor, nr_floor);
	return len;
}

static struct kobj_attribute nr_floor_attr = __ATTR_RW(nr_floor);

static ssize_t unit_bytes_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", HS_UNIT_BYTES);
}

static struct kobj_attribute unit_bytes_attr = __ATTR_RO(unit_bytes);

static ssize_t api_version_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", HUGESPAN_API_VERSION);
}

static struct kobj_attribute api_version_attr = __ATTR_RO(api_version);

static struct attribute *root_attrs[] = {
	&unit_bytes_attr.attr,
	&api_version_attr.attr,
	&nr_units_attr.attr,
	&nr_target_attr.attr,
	&refused_attr.attr,
	NULL,
};

static const struct attribute_group root_group = { .attrs = root_attrs };

static struct attribute *node_attrs[] = {
	&nr_units_attr.attr,
	&nr_free_attr.attr,
	&nr_free_clean_attr.attr,
	&nr_granted_attr.attr,
	&nr_quarantined_attr.attr,
	&largest_free_order_attr.attr,
	&nr_target_attr.attr,
	&nr_floor_attr.attr,
	&grown_attr.attr,
	&shrunk_attr.attr,
	&reclaimed_attr.attr,
	NULL,
};

static const struct attribute_group node_group = { .attrs = node_attrs };

static int create_node(u32 index)
{
	char name[16];

	snprintf(name, sizeof(name), "node%d", hs_pool_at(index)->nid);
	/* Known before it has files, so that pool_of() finds it. */
	nodes[index] = kobject_create_and_add(name, root);
	if (!nodes[index])
		return -ENOMEM;
	return sysfs_create_group(nodes[index], &node_group);
}

int hs_sysfs_create(void)
{
	int err;
	u32 i;

	root = kobject_create_and_add("hugespan", kernel_kobj);
	if (!root)
		return -ENOMEM;
	err = sysfs_create_group(root, &root_group);
	for (i = 0; !err && i < hs_nr_pools(); i++)
		err = create_node(i);
	if (err)
		hs_sysfs_destroy();
	return err;
}

/* Dropping a folder removes its files and waits for their readers. */
void hs_sysfs_destroy(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		kobject_put(nodes[i]);
		nodes[i] = NULL;
	}
	kobject_put(root);
	root = NULL;
}
