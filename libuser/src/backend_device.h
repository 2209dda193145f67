/* SPDX-License-Identifier: MIT */
/* The two halves of the device backend: spans, and what a fork does to them. */
#ifndef HS_BACKEND_DEVICE_H
#define HS_BACKEND_DEVICE_H

#include "backend_impl.h"

#pragma GCC visibility push(hidden)

/* Does fd still name the open file with that owner id? */
bool hs_device_fd_is_ours(int fd, uint64_t owner_id);
/*
 * Open the device anew: the descriptor and its owner id; or -EOPNOTSUPP with
 * a sentence in why. Fills b->unit_bytes, or refuses a unit that differs.
 */
int hs_device_open(struct hs_backend *b, int *fd, uint64_t *owner_id,
		   char *why, size_t why_size);

void hs_device_fork_prepare(struct hs_backend *b);
void hs_device_fork_parent(struct hs_backend *b);
void hs_device_fork_child(struct hs_backend *b);

#pragma GCC visibility pop

#endif /* HS_BACKEND_DEVICE_H */
