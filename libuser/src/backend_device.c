// SPDX-License-Identifier: MIT
/*
 * Backend device: spans of /dev/hugespan (<linux/hugespan.h>).
 *
 * Spans are granted FREE_ON_UNMAP: the last munmap, in whatever process, gives
 * the units back. So a child just unmaps what it inherited, the parent unmaps
 * its own while children still look at it, and nobody counts.
 *
 * The descriptor. Programs close descriptors they do not know, and open others
 * that get our number. So it lives at a high number, and before every use INFO
 * must answer with the owner id we were given; else the device is opened
 * again. Extents granted to the lost file stay mapped and are unmapped as any
 * other.
 */
#include "backend_device.h"

#include <errno.h>
#include <fcntl.h>
#include <hugespan.h>
#include <linux/hugespan.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "options.h"
#include "sys.h"

_Static_assert((int)HS_FORK_SHARE == HUGESPAN_FORK_SHARE &&
	       (int)HS_FORK_COW == HUGESPAN_FORK_COW &&
	       (int)HS_FORK_DONTFORK == HUGESPAN_FORK_DONTFORK &&
	       (int)HS_FORK_WIPE == HUGESPAN_FORK_WIPE,
	       "the modes of both interfaces have the same numbers");

/*
 * Above what shells, daemons and select(2) loops count through, below the
 * usual limit of 1024.
 */
#define FD_FLOOR 1000
/* A signal may interrupt a grant; a storm of them must not hold us for ever. */
#define MAX_INTERRUPTS 64

static int query_info(int fd, struct hugespan_info *info)
{
	*info = (struct hugespan_info) { .size = sizeof(*info) };
	return hs_sys_ioctl(fd, HUGESPAN_IOC_INFO, info);
}

bool hs_device_fd_is_ours(int fd, uint64_t owner_id)
{
	struct hugespan_info info;

	return fd >= 0 && !query_info(fd, &info) &&
	       info.out_owner_id == owner_id;
}

static void explain_open(int err, char *why, size_t why_size)
{
	const char *path = hs_opt.device;

	switch (err) {
	case -ENOENT:
		hs_sys_format(why, why_size,
			      "%.48s does not exist: load the module (modprobe hugespan)",
			      path);
		break;
	case -EACCES:
	case -EPERM:
		hs_sys_format(why, why_size,
			      "permission denied on %.48s: add the user to its group (usermod -aG hugespan USER)",
			      path);
		break;
	case -ENODEV:
	case -ENXIO:
		hs_sys_format(why, why_size,
			      "%.48s has no driver behind it: load the module (modprobe hugespan)",
			      path);
		break;
	case -EMFILE:
	case -ENFILE:
		hs_sys_format(why, why_size,
			      "no file descriptor left for %.48s: raise the limit (ulimit -n)",
			      path);
		break;
	default:
		hs_sys_format(why, why_size, "%.48s cannot be opened (error %d)",
			      path, -err);
	}
}

/* Out of the way of programs that count descriptors, if the limit allows. */
static int move_high(int fd)
{
	long high = hs_sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FD_FLOOR,
				0, 0, 0);

	if (high < 0)
		return fd;
	hs_sys_close(fd);
	return (int)high;
}

/* Why an open device cannot serve: 0, or -EOPNOTSUPP with the reason. */
static int check_device(struct hs_backend *b, int fd,
			struct hugespan_info *info, char *why, size_t why_size)
{
	struct hugespan_stat stat = {
		.size = sizeof(stat), .node = HUGESPAN_NODE_ANY,
	};
	int err = query_info(fd, info);

	if (err || !hs_is_pow2(info->out_unit_bytes) ||
	    info->out_unit_bytes < hs_sys_page_bytes()) {
		hs_sys_format(why, why_size,
			      "%.48s is not a hugespan device (error %d)",
			      hs_opt.device, -err);
	} else if (b->unit_bytes && b->unit_bytes != info->out_unit_bytes) {
		hs_sys_format(why, why_size,
			      "the unit of %.48s changed while the program ran: start it again",
			      hs_opt.device);
	} else if (hs_sys_ioctl(fd, HUGESPAN_IOC_STAT, &stat) ||
		   !stat.out_nr_units) {
		hs_sys_format(why, why_size,
			      "the pool of %.48s is empty: load the module with memory (modprobe hugespan pool=512M)",
			      hs_opt.device);
	} else {
		return 0;
	}
	return -EOPNOTSUPP;
}

int hs_device_open(struct hs_backend *b, int *out_fd, uint64_t *owner_id,
		   char *why, size_t why_size)
{
	struct hugespan_info info;
	int fd = hs_sys_open(hs_opt.device, O_RDWR | O_NOCTTY);
	int err;

	if (fd < 0) {
		explain_open(fd, why, why_size);
		return -EOPNOTSUPP;
	}
	err = check_device(b, fd, &info, why, why_size);
	if (err) {
		hs_sys_close(fd);
		return err;
	}
	b->unit_bytes = info.out_unit_bytes;
	*owner_id = info.out_owner_id;
	*out_fd = move_high(fd);	/* the file is the backend's now */
	return 0;
}

/* Before every use. A number that is no longer ours is not ours to close. */
static int ensure_open(struct hs_backend *b, char *why, size_t why_size)
{
	int err;

	if (hs_device_fd_is_ours(b->fd, b->owner_id))
		return 0;
	if (b->fd >= 0)
		b->nr_fd_lost++;
	b->fd = -1;
	err = hs_device_open(b, &b->fd, &b->owner_id, why, why_size);
	if (err)
		b->usable = false;
	return err;
}

static int device_probe(struct hs_backend *b, char *why, size_t why_size)
{
	return ensure_open(b, why, why_size);
}

static int alloc_through_signals(struct hs_backend *b,
				 struct hugespan_alloc *alloc)
{
	int err;

	for (int i = 0; i < MAX_INTERRUPTS; i++) {
		err = hs_sys_ioctl(b->fd, HUGESPAN_IOC_ALLOC, alloc);
		if (err != -EINTR)
			return err;
	}
	return err;
}

static int alloc_span(struct hs_backend *b, const struct hs_map_request *req,
		      struct hugespan_alloc *alloc)
{
	int err = alloc_through_signals(b, alloc);

	/* A node without a pool is as good a place to begin as any. */
	if (err == -EINVAL && req->node >= 0 && !req->strict) {
		alloc->node = HUGESPAN_NODE_ANY;
		err = alloc_through_signals(b, alloc);
	}
	switch (err) {
	case 0:
	case -EINVAL:
		return err;
	case -ENODEV:
	case -ENOTTY:
		return -EOPNOTSUPP;
	default:
		/* ENOMEM, EDQUOT, EINTR, ...: none to be had now. */
		return -ENOMEM;
	}
}

static void free_span(struct hs_backend *b, uint64_t offset)
{
	struct hugespan_free arg = { .size = sizeof(arg), .offset = offset };

	hs_sys_ioctl(b->fd, HUGESPAN_IOC_FREE, &arg);
}

static int trim_span(struct hs_backend *b, uint64_t offset, size_t keep_bytes)
{
	struct hugespan_trim arg = {
		.size = sizeof(arg), .offset = offset, .keep_bytes = keep_bytes,
	};

	return hs_sys_ioctl(b->fd, HUGESPAN_IOC_TRIM, &arg);
}

static int map_span(struct hs_backend *b, const struct hs_map_request *req,
		    struct hs_extent *x)
{
	int flags = MAP_FIXED;
	int err;

	/* Other handlers of a fork under way: too late to be remapped. */
	x->is_private = b->forking && x->fork_mode == HS_FORK_COW;
	flags |= x->is_private ? MAP_PRIVATE : MAP_SHARED;
	/* The grant backs it all: populating only saves faults and cannot
	 * fail; a private mapping would be copied by it. */
	if (req->populate && !x->is_private)
		flags |= MAP_POPULATE;
	x->base = hs_sys_reserve(x->bytes, b->unit_bytes);
	if (!x->base)
		return -ENOMEM;
	if (!hs_sys_mmap(x->base, x->bytes, PROT_READ | PROT_WRITE, flags,
			 b->fd, x->offset, &err)) {
		hs_sys_unmap(x->base, x->bytes);
		x->base = NULL;
		return err;
	}
	return 0;
}

/* What no device of this size could grant is not wrong, just too much. */
static bool exceeds_device(struct hs_backend *b, size_t bytes)
{
	struct hugespan_info info;

	return !query_info(b->fd, &info) && bytes > info.out_device_bytes;
}

static int device_map(struct hs_backend *b, const struct hs_map_request *req,
		      struct hs_extent *x)
{
	struct hugespan_alloc alloc = {
		.size = sizeof(alloc),
		.flags = HUGESPAN_ALLOC_BYTES | HUGESPAN_ALLOC_FREE_ON_UNMAP |
			 (req->strict ? HUGESPAN_ALLOC_STRICT : 0),
		.bytes = x->bytes,
		.node = req->node < 0 ? HUGESPAN_NODE_ANY : req->node,
		.fork_mode = x->fork_mode,
	};
	int err = ensure_open(b, b->why, sizeof(b->why));

	if (err)
		return err;
	err = alloc_span(b, req, &alloc);
	if (err)
		return err == -EINVAL && exceeds_device(b, x->bytes) ?
		       -ENOMEM : err;
	/* Ours from here on; FREE_ON_UNMAP waits for the first mapping. */
	x->offset = alloc.out_offset;
	x->owner_id = b->owner_id;
	if (alloc.out_bytes > x->bytes)
		err = trim_span(b, x->offset, x->bytes);
	if (!err)
		err = map_span(b, req, x);
	if (err)
		free_span(b, x->offset);
	return err;
}

static void device_unmap(struct hs_backend *b, struct hs_extent *x)
{
	(void)b;
	hs_sys_unmap(x->base, x->bytes);
}

/* Only this process, and only once, has it mapped. */
static bool is_mapped_once(struct hs_backend *b, struct hs_extent *x)
{
	struct hugespan_query query = {
		.size = sizeof(query), .offset = x->offset,
	};

	return !hs_sys_ioctl(b->fd, HUGESPAN_IOC_QUERY, &query) &&
	       query.out_nr_mappings == 1;
}

/*
 * TRIM takes the tail from everybody: a child that still looks at it would
 * meet SIGBUS. Then, and when the span belongs to a file we lost, the tail is
 * only unmapped; its units go back with the rest of the span.
 */
static int device_trim(struct hs_backend *b, struct hs_extent *x,
		       size_t keep_bytes)
{
	int err;

	if (x->owner_id == b->owner_id &&
	    hs_device_fd_is_ours(b->fd, b->owner_id) && is_mapped_once(b, x)) {
		err = trim_span(b, x->offset, keep_bytes);
		if (err)
			return err;
	}
	hs_sys_unmap(x->base + keep_bytes, x->bytes - keep_bytes);
	return 0;
}

const struct hs_backend_ops hs_device_ops = {
	.id = HS_BACKEND_DEVICE,
	.probe = device_probe,
	.map = device_map,
	.unmap = device_unmap,
	.trim = device_trim,
	.fork_prepare = hs_device_fork_prepare,
	.fork_parent = hs_device_fork_parent,
	.fork_child = hs_device_fork_child,
};
