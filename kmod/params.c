// SPDX-License-Identifier: GPL-2.0-only
/* The module's parameters. What is not understood is refused, with its form. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "params.h"

#define CAP_PERCENT_MAX		95

/*
 * The head-room that a host is left with: a sixteenth of its memory, but not
 * less than 64 MiB and, unless asked for, not more than 4 GiB.
 */
#define HEADROOM_SHARE_SHIFT	4
#define HEADROOM_MIN_BYTES	((u64)64 << 20)
#define HEADROOM_DEFAULT_MAX	((u64)4 << 30)

static char *pool = "0";
module_param(pool, charp, 0444);
MODULE_PARM_DESC(pool, "memory to set aside: SIZE over all nodes, or NODE:SIZE,NODE:SIZE; K, M, G, T (default 0)");

static char *floor;
module_param(floor, charp, 0444);
MODULE_PARM_DESC(floor, "memory that the pool keeps under memory pressure, as pool= (default: what pool= says)");

static char *headroom;
module_param(headroom, charp, 0444);
MODULE_PARM_DESC(headroom, "SIZE of memory that must stay available to the host (default 1/16 of it)");

static uint cap_percent = 80;
module_param(cap_percent, uint, 0444);
MODULE_PARM_DESC(cap_percent, "the pool takes at most so many percent of the memory, 1 to 95 (default 80)");

static int read_spec(const char *name, const char *text, struct poolspec *spec)
{
	const char *reason;

	if (!poolspec_parse(text, spec, &reason))
		return 0;
	pr_err("%s=%s: %s; write %s=512M or %s=0:512M,1:256M\n", name, text,
	       reason, name, name);
	return -EINVAL;
}

int hs_params_read(struct poolspec *spec, struct poolspec *floor_spec,
		   struct hs_limits *limits)
{
	u64 ram_bytes = (u64)totalram_pages() << PAGE_SHIFT;

	if (read_spec("pool", pool, spec) ||
	    read_spec("floor", floor ? floor : pool, floor_spec))
		return -EINVAL;
	if (!cap_percent || cap_percent > CAP_PERCENT_MAX) {
		pr_err("cap_percent=%u: must be 1 to %u\n", cap_percent,
		       CAP_PERCENT_MAX);
		return -EINVAL;
	}
	limits->cap_percent = cap_percent;
	limits->cap_bytes = div_u64(ram_bytes, 100) * cap_percent;
	limits->headroom_bytes = min(ram_bytes >> HEADROOM_SHARE_SHIFT,
				     HEADROOM_DEFAULT_MAX);
	if (headroom && poolspec_parse_size(headroom, &limits->headroom_bytes)) {
		pr_err("headroom=%s: not a size; write headroom=256M\n",
		       headroom);
		return -EINVAL;
	}
	if (limits->headroom_bytes < HEADROOM_MIN_BYTES) {
		limits->headroom_bytes = HEADROOM_MIN_BYTES;
		pr_notice("headroom raised to %llu MiB, the least that is safe\n",
			  HEADROOM_MIN_BYTES >> 20);
	}
	return 0;
}
