/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/hugespan: dedicated huge-page memory, granted in spans.
 *
 * Words. A *unit* is one huge page of the pool; its size is what
 * HUGESPAN_IOC_INFO reports in out_unit_bytes and must never be assumed.
 * A *span* is a run of units that is contiguous in the device's offsets, and
 * therefore in a mapping of it. The *owner* of a span is the open file it was
 * granted to: whoever holds a descriptor of that file may map, query and free
 * the span, nobody else can.
 *
 * Life of a span. ALLOC grants it, zeroed and backed in full. mmap(2) at
 * out_offset maps it; one mapping lies within one span. FREE takes it back
 * whatever is mapped or pinned: mappings that are left raise SIGBUS, and units
 * that the kernel still has pinned (O_DIRECT, io_uring) wait in quarantine and
 * rejoin the pool by themselves. A span granted with
 * HUGESPAN_ALLOC_FREE_ON_UNMAP is freed by its last munmap instead. When the
 * last descriptor and the last mapping of a file are gone, by whatever way the
 * processes ended, all its spans are freed.
 *
 * Every command takes a struct whose first member is its size:
 *   - a size smaller than the first published version   -> EINVAL
 *   - a size larger than the kernel knows               -> the excess must be
 *     zero, else E2BIG; above 4096 bytes always E2BIG
 *   - an unknown flag, a non-zero reserved field         -> EINVAL
 * All of it is checked before anything is changed. Members named out_* are
 * written by the kernel and ignored on input, except that a failing command
 * leaves them alone. The struct of a command without such members is not
 * written to. What is beyond the size that the kernel knows is left alone too.
 *
 * Errors have one meaning for all commands:
 *   EFAULT      the struct is not readable or not writable
 *   EINVAL      a field has a value that no device would take: unknown flag,
 *               non-zero reserved field, a size or an offset that is not a
 *               multiple of the unit, an order or node that cannot exist
 *   E2BIG       a larger struct than this kernel knows, with data in its tail
 *   ENOTTY      no such command
 *   ENOENT      no span of this owner starts at that offset
 *   ENOMEM      the pool (or, with HUGESPAN_ALLOC_STRICT, the node) has no run
 *               of free units that is long enough now; also for an order that
 *               only a larger pool could have, or if the kernel itself is out
 *               of memory
 *   EAGAIN      HUGESPAN_ALLOC_NOWAIT was asked for and the grant would have
 *               had to wait (zeroing)
 *   EDQUOT      a quota of the owner would be exceeded; reserved, there are no
 *               quotas yet
 *   EBUSY       the span is mapped and the command needs it not to be
 *   EINTR       a signal came while the command waited; nothing was changed
 *   ENODEV      from open(2) alone: the module is going away
 *
 * mmap(2) on the device:
 *   EINVAL      offset or length is not a multiple of the unit, or the range
 *               crosses the end of the span, or the span is being freed
 *   ENXIO       the offset lies beyond the device
 *   EACCES      the offset is not inside a span of this owner, or the
 *               descriptor's access mode does not allow the mapping
 */
#ifndef _UAPI_LINUX_HUGESPAN_H
#define _UAPI_LINUX_HUGESPAN_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define HUGESPAN_DEVICE		"/dev/hugespan"
#define HUGESPAN_API_VERSION	1

/* One command, one number; the io_uring commands use the same numbers. */
#define HUGESPAN_IOC_MAGIC	0xB6
#define HUGESPAN_IOC_INFO	_IOWR(HUGESPAN_IOC_MAGIC, 0x01, struct hugespan_info)
#define HUGESPAN_IOC_ALLOC	_IOWR(HUGESPAN_IOC_MAGIC, 0x02, struct hugespan_alloc)
#define HUGESPAN_IOC_FREE	_IOWR(HUGESPAN_IOC_MAGIC, 0x03, struct hugespan_free)
#define HUGESPAN_IOC_TRIM	_IOWR(HUGESPAN_IOC_MAGIC, 0x04, struct hugespan_trim)
#define HUGESPAN_IOC_QUERY	_IOWR(HUGESPAN_IOC_MAGIC, 0x05, struct hugespan_query)
#define HUGESPAN_IOC_STAT	_IOWR(HUGESPAN_IOC_MAGIC, 0x06, struct hugespan_stat)
#define HUGESPAN_IOC_SET_FORK	_IOWR(HUGESPAN_IOC_MAGIC, 0x07, struct hugespan_set_fork)

/*
 * What a fork does with a mapping of the span. The mode is the owner's
 * declaration; the kernel enforces its half and the library does the rest.
 *
 * SHARE     parent and child see one memory.
 * COW       writes of either are invisible to the other. The kernel gives a
 *           child only MAP_PRIVATE mappings of such a span; a MAP_SHARED one
 *           is not inherited. Who wants the child to see the content remaps
 *           the span MAP_PRIVATE before the fork: with MAP_FIXED in its
 *           place, but see HUGESPAN_ALLOC_FREE_ON_UNMAP for spans of that.
 * DONTFORK  the child has no mapping of the span.
 * WIPE      as DONTFORK for the kernel; the library puts zero-filled memory
 *           at the same address in the child.
 *
 * madvise(MADV_DOFORK) does not lift a mode: the child then has a mapping that
 * raises SIGBUS.
 */
enum hugespan_fork_mode {
	HUGESPAN_FORK_SHARE	= 0,
	HUGESPAN_FORK_COW	= 1,
	HUGESPAN_FORK_DONTFORK	= 2,
	HUGESPAN_FORK_WIPE	= 3,
};

#define HUGESPAN_NODE_ANY	(-1)

/**
 * struct hugespan_info - what the device is (HUGESPAN_IOC_INFO)
 * @size: sizeof(struct hugespan_info)
 * @flags: must be 0
 * @out_api_version: HUGESPAN_API_VERSION of the module
 * @out_nr_nodes: NUMA nodes that have a pool
 * @out_unit_bytes: bytes in a unit
 * @out_device_bytes: end of the device's offsets, holes included; it moves up
 *                    when the pool grows, and never down
 * @out_owner_id: a number unique to this open file since the module was
 *                loaded; tells a descriptor from another that took its number
 * @out_max_order: the largest order that ALLOC could grant if all of the pool,
 *                 as large as it is now, were free
 * @__reserved: must be 0
 */
struct hugespan_info {
	__u32 size;
	__u32 flags;
	__u32 out_api_version;
	__u32 out_nr_nodes;
	__aligned_u64 out_unit_bytes;
	__aligned_u64 out_device_bytes;
	__aligned_u64 out_owner_id;
	__u32 out_max_order;
	__u32 __reserved;
};

/* @bytes says how much is wanted, instead of @order (which must then be 0). */
#define HUGESPAN_ALLOC_BYTES		(1U << 0)
/* Only from @node, which must be given; else the search just begins there. */
#define HUGESPAN_ALLOC_STRICT		(1U << 1)
/* Never sleep: EAGAIN when no zeroed run is at hand. */
#define HUGESPAN_ALLOC_NOWAIT		(1U << 2)
/*
 * The span is freed when its last mapping, in whatever process, is gone. It
 * must have been mapped once for that; FREE works on it as on any other.
 * mmap(MAP_FIXED) unmaps what is in its way first: over the only mapping of a
 * span, that is its end. To replace that mapping make the new one elsewhere and
 * move it over the old one with mremap(MREMAP_FIXED).
 */
#define HUGESPAN_ALLOC_FREE_ON_UNMAP	(1U << 3)

#define HUGESPAN_ALLOC_FLAGS_ALL \
	(HUGESPAN_ALLOC_BYTES | HUGESPAN_ALLOC_STRICT | \
	 HUGESPAN_ALLOC_NOWAIT | HUGESPAN_ALLOC_FREE_ON_UNMAP)

/**
 * struct hugespan_alloc - grant a span (HUGESPAN_IOC_ALLOC)
 * @size: sizeof(struct hugespan_alloc)
 * @flags: HUGESPAN_ALLOC_*
 * @bytes: with HUGESPAN_ALLOC_BYTES, at least 1; rounded up to 2^k units
 *         (TRIM gives the rest back); else must be 0
 * @order: without HUGESPAN_ALLOC_BYTES, the span is 2^order units
 * @node: a NUMA node that has a pool, or HUGESPAN_NODE_ANY
 * @fork_mode: enum hugespan_fork_mode
 * @__reserved: must be 0
 * @out_offset: where mmap finds the span
 * @out_bytes: its length
 */
struct hugespan_alloc {
	__u32 size;
	__u32 flags;
	__aligned_u64 bytes;
	__u32 order;
	__s32 node;
	__u32 fork_mode;
	__u32 __reserved;
	__aligned_u64 out_offset;
	__aligned_u64 out_bytes;
};

/**
 * struct hugespan_free - give a span back (HUGESPAN_IOC_FREE)
 * @size: sizeof(struct hugespan_free)
 * @flags: must be 0
 * @offset: the out_offset of its ALLOC
 */
struct hugespan_free {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
};

/**
 * struct hugespan_trim - give back the tail of a span (HUGESPAN_IOC_TRIM)
 * @size: sizeof(struct hugespan_trim)
 * @flags: must be 0
 * @offset: the out_offset of its ALLOC
 * @keep_bytes: what stays, from the start: a multiple of the unit, at least
 *              one unit, at most the span's length (then nothing happens)
 * @out_bytes: the span's length now
 *
 * Mappings of the tail raise SIGBUS from here on, as after FREE.
 */
struct hugespan_trim {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 keep_bytes;
	__aligned_u64 out_bytes;
};

/**
 * struct hugespan_query - what a span is (HUGESPAN_IOC_QUERY)
 * @size: sizeof(struct hugespan_query)
 * @flags: must be 0
 * @offset: any multiple of the unit inside the span
 * @out_offset: where the span begins
 * @out_bytes: its length
 * @out_node: the NUMA node of its units
 * @out_fork_mode: enum hugespan_fork_mode
 * @out_alloc_flags: HUGESPAN_ALLOC_FREE_ON_UNMAP if it was granted so
 * @out_nr_mappings: mappings (VMAs) of it in all processes
 */
struct hugespan_query {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 out_offset;
	__aligned_u64 out_bytes;
	__s32 out_node;
	__u32 out_fork_mode;
	__u32 out_alloc_flags;
	__u32 out_nr_mappings;
};

/**
 * struct hugespan_stat - how the pool stands (HUGESPAN_IOC_STAT)
 * @size: sizeof(struct hugespan_stat)
 * @flags: must be 0
 * @node: a NUMA node that has a pool, or HUGESPAN_NODE_ANY for all together
 * @out_largest_free_order: -1 when nothing is free
 * @out_nr_units: free + granted + quarantined
 * @out_nr_free: ready to be granted, zeroed or not
 * @out_nr_free_clean: of these, already zeroed
 * @out_nr_granted: in spans of all owners
 * @out_nr_quarantined: freed, but still pinned by the kernel
 * @out_owner_spans: spans of the calling file (on any node)
 * @out_owner_units: and their units
 * @out_nr_grants: ALLOCs that succeeded since load
 * @out_nr_frees: spans freed since load, in whatever way
 * @out_nr_refused: ALLOCs refused with ENOMEM, EAGAIN or EDQUOT since load
 *
 * The unit counts are read under one lock and add up.
 */
struct hugespan_stat {
	__u32 size;
	__u32 flags;
	__s32 node;
	__s32 out_largest_free_order;
	__aligned_u64 out_nr_units;
	__aligned_u64 out_nr_free;
	__aligned_u64 out_nr_free_clean;
	__aligned_u64 out_nr_granted;
	__aligned_u64 out_nr_quarantined;
	__aligned_u64 out_owner_spans;
	__aligned_u64 out_owner_units;
	__aligned_u64 out_nr_grants;
	__aligned_u64 out_nr_frees;
	__aligned_u64 out_nr_refused;
};

/**
 * struct hugespan_set_fork - change a span's fork mode (HUGESPAN_IOC_SET_FORK)
 * @size: sizeof(struct hugespan_set_fork)
 * @flags: must be 0
 * @offset: the out_offset of its ALLOC
 * @fork_mode: enum hugespan_fork_mode
 * @__reserved: must be 0
 *
 * EBUSY while the span is mapped: a mapping's fate at fork is fixed when it is
 * made.
 */
struct hugespan_set_fork {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__u32 fork_mode;
	__u32 __reserved;
};

#endif /* _UAPI_LINUX_HUGESPAN_H */
