// SPDX-License-Identifier: GPL-2.0-only
/* The address spaces of owners, and the inodes that carry them. */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "mapping.h"
#include "pool.h"

#define PSEUDO_FS_MAGIC		0x68737061

static int init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, PSEUDO_FS_MAGIC) ? 0 : -ENOMEM;
}

/* No .owner: the mount would pin the module, which could never be unloaded. */
static struct file_system_type pseudo_fs = {
	.name		= "hugespan",
	.init_fs_context = init_fs_context,
	.kill_sb	= kill_anon_super,
};

static struct vfsmount *pseudo_mount;

int hs_mappings_init(void)
{
	pseudo_mount = kern_mount(&pseudo_fs);
	return PTR_ERR_OR_ZERO(pseudo_mount);
}

void hs_mappings_exit(void)
{
	kern_unmount(pseudo_mount);
}

struct address_space *hs_mapping_create(void)
{
	struct inode *inode = alloc_anon_inode(pseudo_mount->mnt_sb);

	if (IS_ERR(inode))
		return ERR_CAST(inode);
	/*
	 * Newer kernels map a huge page whole only below the end of the file.
	 * Whether there is a unit at an offset is not for this to say.
	 */
	i_size_write(inode, units_limit_bytes(HS_UNIT_SHIFT));
	return inode->i_mapping;
}

void hs_mapping_destroy(struct address_space *mapping)
{
	iput(mapping->host);
}

void hs_mapping_zap(struct address_space *mapping, u32 start, u32 nr)
{
	/* even_cows = 0: a private copy is the process's own and stays. */
	unmap_mapping_range(mapping, units_to_bytes(start, HS_UNIT_SHIFT),
			    units_to_bytes(nr, HS_UNIT_SHIFT), 0);
}
