/* SPDX-License-Identifier: MIT */
/*
 * As much of io_uring as the tests need, by bare system calls: a ring of one
 * entry, one operation at a time, registered buffers. Functions answer 0 or a
 * count, or -errno.
 */
#ifndef SELFTEST_RING_H
#define SELFTEST_RING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef HELPER
#define HELPER static inline __attribute__((unused))
#endif

struct ring {
	int fd;
	struct io_uring_params params;
	char *sq;	/* submission ring */
	char *cq;	/* completion ring */
	struct io_uring_sqe *sqe;
	size_t sq_bytes;
	size_t cq_bytes;
	size_t sqe_bytes;
};

HELPER void ring_close(struct ring *r)
{
	if (r->sqe)
		munmap(r->sqe, r->sqe_bytes);
	if (r->cq)
		munmap(r->cq, r->cq_bytes);
	if (r->sq)
		munmap(r->sq, r->sq_bytes);
	if (r->fd >= 0)
		close(r->fd);
	memset(r, 0, sizeof(*r));
	r->fd = -1;
}

HELPER void *ring_part(struct ring *r, size_t len, uint64_t offset)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, (off_t)offset);

	return p == MAP_FAILED ? NULL : p;
}

HELPER int ring_open(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(SYS_io_uring_setup, 1, &r->params);
	if (r->fd < 0)
		return -errno;
	r->sq_bytes = r->params.sq_off.array +
		      r->params.sq_entries * sizeof(uint32_t);
	r->cq_bytes = r->params.cq_off.cqes +
		      r->params.cq_entries * sizeof(struct io_uring_cqe);
	r->sqe_bytes = r->params.sq_entries * sizeof(struct io_uring_sqe);
	r->sq = ring_part(r, r->sq_bytes, IORING_OFF_SQ_RING);
	r->cq = ring_part(r, r->cq_bytes, IORING_OFF_CQ_RING);
	r->sqe = ring_part(r, r->sqe_bytes, IORING_OFF_SQES);
	if (r->sq && r->cq && r->sqe)
		return 0;
	ring_close(r);
	return -ENOMEM;
}

/* Register one buffer; the kernel pins its pages until ring_unregister(). */
HELPER int ring_register(struct ring *r, void *mem, size_t len)
{
	struct iovec iov = { mem, len };

	return syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_BUFFERS,
		       &iov, 1) ? -errno : 0;
}

HELPER int ring_unregister(struct ring *r)
{
	return syscall(SYS_io_uring_register, r->fd,
		       IORING_UNREGISTER_BUFFERS, NULL, 0) ? -errno : 0;
}

/* Do @op on @fd and wait for its result (a count or -errno). */
HELPER int ring_do(struct ring *r, int op, int fd, void *mem, unsigned int len,
		   uint64_t offset)
{
	uint32_t *sq_tail = (uint32_t *)(r->sq + r->params.sq_off.tail);
	uint32_t *array = (uint32_t *)(r->sq + r->params.sq_off.array);
	uint32_t sq_mask = *(uint32_t *)(r->sq + r->params.sq_off.ring_mask);
	uint32_t *cq_head = (uint32_t *)(r->cq + r->params.cq_off.head);
	uint32_t *cq_tail = (uint32_t *)(r->cq + r->params.cq_off.tail);
	uint32_t cq_mask = *(uint32_t *)(r->cq + r->params.cq_off.ring_mask);
	struct io_uring_cqe *cqes =
		(struct io_uring_cqe *)(r->cq + r->params.cq_off.cqes);
	uint32_t at = *sq_tail & sq_mask;
	int res;

	memset(&r->sqe[at], 0, sizeof(*r->sqe));
	r->sqe[at].opcode = (uint8_t)op;
	r->sqe[at].fd = fd;
	r->sqe[at].addr = (uintptr_t)mem;
	r->sqe[at].len = len;
	r->sqe[at].off = offset;
	array[at] = at;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	do {
		res = (int)syscall(SYS_io_uring_enter, r->fd, 1, 1,
				   IORING_ENTER_GETEVENTS, NULL, 0);
	} while (res < 0 && errno == EINTR);
	if (res < 0)
		return -errno;
	if (__atomic_load_n(cq_tail, __ATOMIC_ACQUIRE) == *cq_head)
		return -EIO;
	res = cqes[*cq_head & cq_mask].res;
	__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
	return res;
}

#endif /* SELFTEST_RING_H */
