/* SPDX-License-Identifier: GPL-2.0-only */
/* The device node /dev/hugespan. */
#ifndef HUGESPAN_CHARDEV_H
#define HUGESPAN_CHARDEV_H

/* From here on, programs come in. */
int hs_chardev_register(void);
/* No file is open: each one holds a reference to the module. */
void hs_chardev_unregister(void);

#endif /* HUGESPAN_CHARDEV_H */
