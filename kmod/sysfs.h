/* SPDX-License-Identifier: GPL-2.0-only */
/* /sys/kernel/hugespan; see Documentation/ABI/testing/sysfs-kernel-hugespan. */
#ifndef HUGESPAN_SYSFS_H
#define HUGESPAN_SYSFS_H

/* The pools are loaded, and stay until after hs_sysfs_destroy(). */
int hs_sysfs_create(void);
void hs_sysfs_destroy(void);

#endif /* HUGESPAN_SYSFS_H */
