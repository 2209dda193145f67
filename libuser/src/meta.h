/* SPDX-License-Identifier: MIT */
/*
 * Memory for the library's own records: ordinary small pages, apart from the
 * objects, never from the backend, never given back. After a fork the child's
 * changes to records therefore never touch an object's page.
 *
 * Blocks are zeroed when they are handed out and aligned to 64 bytes. Freed
 * blocks are kept by size and handed out again.
 */
#ifndef HS_META_H
#define HS_META_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* NULL without memory. bytes is at most HS_META_MAX. Leaf lock: any other lock
 * of the library may be held. */
#define HS_META_MAX 4096u
void *hs_meta_alloc(size_t bytes);
void hs_meta_free(void *block, size_t bytes);
/* Bytes mapped for records so far. */
uint64_t hs_meta_mapped_bytes(void);
/* A large record array (page map leaves): mapped by itself, counted here. */
void *hs_meta_map(size_t bytes);

void hs_meta_fork_prepare(void);
void hs_meta_fork_parent(void);
void hs_meta_fork_child(void);

#pragma GCC visibility pop

#endif /* HS_META_H */
