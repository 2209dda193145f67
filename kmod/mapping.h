/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The address space of an owner: what an open file maps.
 *
 * Each owner has one, with an inode of our own to carry it. Offsets mean the
 * same in all of them, but the units of a span belong to that of its owner
 * alone (folio->mapping, set and cleared with the generation). By it the
 * kernel finds the mappings of a page, and the futexes that processes share.
 */
#ifndef HUGESPAN_MAPPING_H
#define HUGESPAN_MAPPING_H

#include <linux/fs.h>
#include <linux/types.h>

/* At load and unload: where the inodes come from. */
int hs_mappings_init(void);
void hs_mappings_exit(void);

/* Return: an address space, or an ERR_PTR(). */
struct address_space *hs_mapping_create(void);
/* No unit belongs to it and no file maps it any more. */
void hs_mapping_destroy(struct address_space *mapping);

/* Zaps all mappings of these units in it; private copies stay. Sleeps. */
void hs_mapping_zap(struct address_space *mapping, u32 start, u32 nr);

#endif /* HUGESPAN_MAPPING_H */
