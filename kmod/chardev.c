// SPDX-License-Identifier: GPL-2.0-only
/* The device node /dev/hugespan: an open file is an owner of spans. */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "chardev.h"
#include "ioctl.h"
#include "mmap.h"
#include "span.h"

static int chardev_open(struct inode *inode, struct file *file)
{
	struct hs_owner *owner = hs_owner_create();

	if (IS_ERR(owner))
		return PTR_ERR(owner);
	/* The file owns it until release. */
	file->private_data = owner;
	file->f_mapping = owner->mapping;
	return nonseekable_open(inode, file);
}

/* The last descriptor and the last mapping are gone. */
static int chardev_release(struct inode *inode, struct file *file)
{
	hs_owner_destroy(file->private_data);
	return 0;
}

static void chardev_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct hs_owner *owner = file->private_data;
	u64 nr_spans, nr_units;

	hs_owner_usage(owner, &nr_spans, &nr_units);
	seq_printf(m, "hugespan-owner-id:\t%llu\n", owner->id);
	seq_printf(m, "hugespan-spans:\t%llu\n", nr_spans);
	seq_printf(m, "hugespan-units:\t%llu\n", nr_units);
	seq_printf(m, "hugespan-bytes:\t%llu\n",
		   units_to_bytes(nr_units, HS_UNIT_SHIFT));
}

static const struct file_operations chardev_fops = {
	.owner		= THIS_MODULE,
	.open		= chardev_open,
	.release	= chardev_release,
	.unlocked_ioctl	= hs_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= hs_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
	.show_fdinfo	= chardev_show_fdinfo,
	/* msync(2) wants one; there is nothing to write back. */
	.fsync		= noop_fsync,
};

static struct miscdevice chardev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "hugespan",
	.fops	= &chardev_fops,
	.mode	= 0660,
};

int hs_chardev_register(void)
{
	return misc_register(&chardev);
}

void hs_chardev_unregister(void)
{
	misc_deregister(&chardev);
}
