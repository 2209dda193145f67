/* SPDX-License-Identifier: MIT */
/*
 * What the backends share among themselves; everybody else uses backend.h.
 */
#ifndef HS_BACKEND_IMPL_H
#define HS_BACKEND_IMPL_H

#include "backend.h"

#pragma GCC visibility push(hidden)

extern const struct hs_backend_ops hs_device_ops;
extern const struct hs_backend_ops hs_hugetlb_ops;
extern const struct hs_backend_ops hs_thp_ops;
extern const struct hs_backend_ops hs_plain_ops;

/*
 * The anonymous backends (hugetlb, thp, plain) differ in the kind of mapping
 * and in the advice given for it.
 */
struct hs_anon_kind {
	int map_flags;		/* MAP_HUGETLB or 0 */
	int advice;		/* MADV_*; ignored where the kernel lacks it */
};

int hs_anon_map(struct hs_backend *b, const struct hs_map_request *req,
		struct hs_extent *x, const struct hs_anon_kind *kind);
int hs_anon_populate(struct hs_extent *x);
void hs_anon_unmap(struct hs_backend *b, struct hs_extent *x);
int hs_anon_trim(struct hs_backend *b, struct hs_extent *x,
		 size_t keep_bytes);

/* In the child: zeroed memory of the system over the extent's range. */
void hs_anon_replace(struct hs_extent *x);
/* In the child: nothing there, and nothing else may come to lie there. */
void hs_anon_seal(struct hs_extent *x);

#pragma GCC visibility pop

#endif /* HS_BACKEND_IMPL_H */
