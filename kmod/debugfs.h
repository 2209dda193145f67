/* SPDX-License-Identifier: GPL-2.0-only */
/* /sys/kernel/debug/hugespan; see Documentation/ABI/testing/debugfs-hugespan. */
#ifndef HUGESPAN_DEBUGFS_H
#define HUGESPAN_DEBUGFS_H

/*
 * The pools are loaded, and stay until after hs_debugfs_destroy(). Cannot fail:
 * a module without these files is as good.
 */
void hs_debugfs_create(void);
void hs_debugfs_destroy(void);

#endif /* HUGESPAN_DEBUGFS_H */
