/* SPDX-License-Identifier: MIT */
/*
 * Where whole units come from. A backend maps extents: page-aligned runs of
 * units at an address that is a multiple of the unit, zeroed, and backed in
 * full or refused (device, hugetlb; thp and plain are backed by the system as
 * they are touched).
 *
 * Everything above this layer is the same on every backend. Only
 * backend_device.c knows the kernel interface.
 *
 * Fork. The forking thread calls hs_backends_fork_prepare() with all locks
 * above held; then _parent() or _child(). After it:
 *   SHARE     as it was; COW: neither sees the other's writes;
 *   DONTFORK  the child has nothing there; WIPE: the child has zeroes there.
 * The extents of COW that a child inherits are marked so; unmapping them
 * there never takes them from the parent, nor the other way round.
 */
#ifndef HS_BACKEND_H
#define HS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"
#include "lock.h"

#pragma GCC visibility push(hidden)

struct hs_backend;

/*
 * Embedded by whoever holds it; the backend links it while it is mapped. In a
 * child, base is NULL and bytes 0 for what did not come along (DONTFORK);
 * unmapping such an extent does nothing.
 */
struct hs_extent {
	char *base;		/* multiple of the backend's unit */
	size_t bytes;		/* multiple of the unit */
	uint64_t offset;	/* device offset; 0 elsewhere */
	uint64_t owner_id;	/* device: the open file it was granted to */
	uint8_t fork_mode;	/* enum hs_fork_mode */
	bool is_private;	/* device: remapped MAP_PRIVATE at a fork */
	bool inherited;		/* came to this process by fork */
	bool starts_small;	/* thp: small pages until there is another extent */
	bool is_copied;		/* hugetlb: the child's own, of ordinary pages */
	char *twin;		/* hugetlb: that copy while a fork is under way */
	struct hs_list link;	/* in backend->extents, guarded by its lock */
	struct hs_backend *backend;
};

struct hs_map_request {
	size_t bytes;		/* at least 1; rounded up to units */
	int node;		/* or -1 */
	bool strict;		/* only from that node */
	bool populate;		/* no later fault */
	bool may_start_small;	/* thp: see backend_thp.c */
	uint8_t fork_mode;
};

/*
 * All return 0 or -errno: -ENOMEM no room (now), -EOPNOTSUPP not to be had
 * here (why says so). Called with backend->lock held, but for populate.
 */
struct hs_backend_ops {
	int id;			/* enum hs_backend_id */
	/* Is it usable? Fills unit_bytes, and why (a sentence with the fix). */
	int (*probe)(struct hs_backend *b, char *why, size_t why_size);
	/* out->bytes and out->fork_mode are set; fills base and the like. */
	int (*map)(struct hs_backend *b, const struct hs_map_request *req,
		   struct hs_extent *out);
	/*
	 * Have every page there now; takes long, so it is called without the
	 * lock. NULL where map does it.
	 */
	int (*populate)(struct hs_extent *x);
	/* A strict node is only certain once the pages are there. */
	bool populate_if_strict;
	/* Cannot fail. */
	void (*unmap)(struct hs_backend *b, struct hs_extent *x);
	/* Give back [keep_bytes, bytes): whole units. */
	int (*trim)(struct hs_backend *b, struct hs_extent *x,
		    size_t keep_bytes);
	/* All three may be NULL. */
	void (*fork_prepare)(struct hs_backend *b);
	void (*fork_parent)(struct hs_backend *b);
	void (*fork_child)(struct hs_backend *b);
};

struct hs_backend {
	const struct hs_backend_ops *ops;
	struct hs_lock lock;
	bool usable;		/* by a probe, and no use has failed since */
	bool forking;		/* between fork_prepare and its end */
	char why[160];		/* why not usable */
	size_t unit_bytes;
	int fd;			/* device only, else -1 */
	int next_fd;		/* device only: the child's, opened in prepare */
	uint64_t owner_id;	/* device only: proves that fd is still ours */
	uint64_t next_owner_id;
	struct hs_list extents;	/* of this process, guarded by lock */
	/* counters, guarded by lock, in units unless said otherwise */
	uint64_t nr_mapped;
	uint64_t nr_mapped_total;
	uint64_t nr_unmapped_total;
	uint64_t nr_refused;	/* requests, of whatever size */
	uint64_t nr_remapped;	/* made private at a fork */
	uint64_t nr_fd_lost;	/* device only: times the program closed fd */
};

/* The one instance of each backend, by enum hs_backend_id. */
struct hs_backend *hs_backend_get(int id);
/*
 * Look again whether it is usable now; if not, why says so. For whoever asks:
 * one that was usable goes on serving whatever the answer.
 */
bool hs_backend_probe(struct hs_backend *b);
/*
 * The backend for a wish (an id or HS_BACKEND_AUTO): 0 with *out, -EOPNOTSUPP,
 * or -EINVAL for no backend's id. One that was usable is taken to be so still,
 * the others are probed again. AUTO never fails: plain always works.
 */
int hs_backend_select(int wish, struct hs_backend **out);
/* The next lesser usable backend after b, or NULL. */
struct hs_backend *hs_backend_next(struct hs_backend *b);

/*
 * Locked forms of the operations, with the counters. A request that no device
 * would take is -EINVAL. hs_backend_trim rounds keep_bytes up to units; it is
 * -EINVAL for 0 and for more than the extent has.
 */
int hs_backend_map(struct hs_backend *b, const struct hs_map_request *req,
		   struct hs_extent *out);
void hs_backend_unmap(struct hs_extent *x);
int hs_backend_trim(struct hs_extent *x, size_t keep_bytes);

void hs_backends_fork_prepare(void);	/* takes the backends' locks */
void hs_backends_fork_parent(void);	/* releases them */
void hs_backends_fork_child(void);	/* resets them */

#pragma GCC visibility pop

#endif /* HS_BACKEND_H */
