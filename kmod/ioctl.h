/* SPDX-License-Identifier: GPL-2.0-only */
/* ioctl(2) as a transport of commands. */
#ifndef HUGESPAN_IOCTL_H
#define HUGESPAN_IOCTL_H

#include <linux/fs.h>

/* file_operations.unlocked_ioctl */
long hs_ioctl(struct file *file, unsigned int code, unsigned long arg);

#endif /* HUGESPAN_IOCTL_H */
