// SPDX-License-Identifier: GPL-2.0-only
/*
 * hugespan: huge pages set aside at load and handed out in spans.
 *
 * The files, each knowing only those before it:
 *
 *   core/          pure C: buddy, uAPI checks, parameter text
 *   pool, zero     the units of a node, and their zeroing
 *   pool_resize    how many they are, on demand
 *   pool_reclaim   and under memory pressure
 *   mapping        the address spaces of owners
 *   grant, span    who gets which units; owners; giving back
 *   mmap, fault    mappings of spans
 *   cmd, ioctl     the commands, and how they come in
 *   chardev        the device node
 *   sysfs, params, debugfs  beside these
 *   trace.h        tracepoints, which any of them may hit
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "chardev.h"
#include "core/poolspec.h"
#include "debugfs.h"
#include "mapping.h"
#include "params.h"
#include "pool.h"
#include "pool_reclaim.h"
#include "sysfs.h"

static int __init hugespan_init(void)
{
	struct hs_pool_stat stat;
	struct hs_limits limits;
	struct poolspec spec, floor;
	int err;

	err = hs_params_read(&spec, &floor, &limits);
	if (err)
		return err;
	err = hs_pools_load(&spec, &floor, &limits);
	if (err)
		return err;
	err = hs_reclaim_start();
	if (err)
		goto unload_pools;
	err = hs_mappings_init();
	if (err)
		goto stop_reclaim;
	err = hs_sysfs_create();
	if (err)
		goto exit_mappings;
	/* Last, for it lets programs in. */
	err = hs_chardev_register();
	if (err)
		goto destroy_sysfs;

	hs_debugfs_create();
	hs_pool_stat(NULL, &stat);
	pr_info("%llu units of %lu KiB on %u node(s)\n", stat.nr_units,
		HS_UNIT_BYTES >> 10, hs_nr_pools());
	return 0;

destroy_sysfs:
	hs_sysfs_destroy();
exit_mappings:
	hs_mappings_exit();
stop_reclaim:
	hs_reclaim_stop();
unload_pools:
	hs_pools_unload();
	return err;
}

static void __exit hugespan_exit(void)
{
	hs_debugfs_destroy();
	hs_chardev_unregister();
	hs_sysfs_destroy();
	hs_mappings_exit();
	hs_reclaim_stop();
	hs_pools_unload();
}

module_init(hugespan_init);
module_exit(hugespan_exit);

MODULE_DESCRIPTION("Huge pages set aside at load and handed out in spans");
MODULE_AUTHOR("The hugespan authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
