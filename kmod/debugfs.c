// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debugfs: the map of each pool, and its free runs by order. Nothing is kept
 * for these files: the map is made, run by run, while it is read, so what it
 * says of two places may be of two moments.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "debugfs.h"
#include "pool.h"
#include "span.h"

static struct dentry *root;

static const char * const state_names[] = {
	[HS_UNIT_ABSENT]	= "absent",
	[HS_UNIT_FREE_ZEROED]	= "free-zeroed",
	[HS_UNIT_FREE_DIRTY]	= "free-dirty",
	[HS_UNIT_GRANTED]	= "granted",
	[HS_UNIT_QUARANTINED]	= "quarantined",
};

/* A line of the map: units in one state, and of one span if granted. */
struct map_run {
	u32 start;
	u32 nr;
	enum hs_unit_state state;
	bool has_holder;
	struct hs_holder holder;
};

static void find_run(struct hs_pool *pool, u32 start, struct map_run *run)
{
	u32 left;

	*run = (struct map_run){ .start = start };
	run->state = hs_pool_state_run(pool, start, &run->nr);
	if (run->state != HS_UNIT_GRANTED)
		return;
	run->has_holder = hs_span_holder(start, &run->holder);
	if (!run->has_holder) {
		/* On its way to an owner, or back. */
		run->nr = 1;
		return;
	}
	left = run->holder.start + run->holder.nr_units - start;
	run->nr = min(run->nr, left);
}

/* An open map: the run that is shown next. */
struct map_iter {
	struct hs_pool *pool;
	struct map_run run;
};

/* A position is the number of a unit within the pool, where a run begins. */
static void *map_start(struct seq_file *m, loff_t *pos)
{
	struct map_iter *iter = m->private;

	if (*pos >= iter->pool->capacity)
		return NULL;
	find_run(iter->pool, iter->pool->base + (u32)*pos, &iter->run);
	return iter;
}

static void *map_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct map_iter *iter = v;

	*pos += iter->run.nr;
	return map_start(m, pos);
}

static void map_stop(struct seq_file *m, void *v)
{
}

static int map_show(struct seq_file *m, void *v)
{
	const struct map_iter *iter = v;
	const struct map_run *run = &iter->run;

	seq_printf(m, "%u %u %s", run->start, run->nr, state_names[run->state]);
	if (run->has_holder) {
		seq_printf(m, " owner=%llu pid=%d order=%u mappings=%u comm=",
			   run->holder.owner_id, run->holder.pid,
			   run->holder.order, run->holder.nr_mappings);
		/* A name may hold anything. */
		seq_escape(m, run->holder.comm, " \t\n\\");
	}
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations map_sops = {
	.start	= map_start,
	.next	= map_next,
	.stop	= map_stop,
	.show	= map_show,
};

static int map_open(struct inode *inode, struct file *file)
{
	struct map_iter *iter = __seq_open_private(file, &map_sops,
						   sizeof(*iter));

	if (!iter)
		return -ENOMEM;
	iter->pool = inode->i_private;
	return 0;
}

static const struct file_operations map_fops = {
	.owner		= THIS_MODULE,
	.open		= map_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

static int runs_show(struct seq_file *m, void *v)
{
	u32 nr_runs[BUDDY_MAX_ORDER + 1];
	struct hs_pool *pool;
	u32 i, order, last;

	for (i = 0; i < hs_nr_pools(); i++) {
		pool = hs_pool_at(i);
		hs_pool_free_runs(pool, nr_runs);
		last = buddy_max_order(&pool->buddy);
		seq_printf(m, "node %d:", pool->nid);
		for (order = 0; order <= last; order++)
			seq_printf(m, " %u", nr_runs[order]);
		seq_putc(m, '\n');
	}
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(runs);

void hs_debugfs_create(void)
{
	char name[16];
	u32 i;

	root = debugfs_create_dir("hugespan", NULL);
	debugfs_create_file("runs", 0400, root, NULL, &runs_fops);
	for (i = 0; i < hs_nr_pools(); i++) {
		snprintf(name, sizeof(name), "map%d", hs_pool_at(i)->nid);
		debugfs_create_file(name, 0400, root, hs_pool_at(i),
				    &map_fops);
	}
}

void hs_debugfs_destroy(void)
{
	debugfs_remove(root);
}
