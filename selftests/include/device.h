/* SPDX-License-Identifier: MIT */
/*
 * What every device test needs of /dev/hugespan: the commands as functions
 * that return 0 or -errno, spans and their mappings, and the pool's books.
 *
 * Include it after <kselftest_harness.h>. A file that cannot do without the
 * device says DEVICE_TEST_MAIN at its end and is skipped as a whole (exit 4)
 * where there is none.
 *
 * ASSERT and EXPECT of that harness are two statements: brace them in loops.
 */
#ifndef SELFTEST_DEVICE_H
#define SELFTEST_DEVICE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/hugespan.h>

#define HELPER static inline __attribute__((unused))

/*
 * The harness inlines each test beside its setjmp; what a failed assertion
 * jumps over is never looked at again.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wclobbered"
#endif

/* How long a thing that happens by itself (quarantine, exit) may take. */
#define SETTLE_MS 60000

/* mmap wrappers answer 0 or -errno and give the address through a pointer. */
HELPER int try_mmap(void *want, size_t len, int prot, int flags, int fd,
		    uint64_t offset, void **out)
{
	void *p = mmap(want, len, prot, flags, fd, (off_t)offset);

	*out = p == MAP_FAILED ? NULL : p;
	return *out ? 0 : -errno;
}

HELPER void diag(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* A line of TAP diagnostics. */
HELPER void diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("# ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

HELPER uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

HELPER void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

/* ---- commands ---------------------------------------------------------- */

HELPER int dev_ioctl(int fd, unsigned long cmd, void *body)
{
	return ioctl(fd, cmd, body) ? -errno : 0;
}

/* A new open file, thus a new owner: a descriptor, or -errno. */
HELPER int dev_open(int oflags)
{
	int fd = open(HUGESPAN_DEVICE, oflags);

	return fd < 0 ? -errno : fd;
}

HELPER int dev_info(int fd, struct hugespan_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return dev_ioctl(fd, HUGESPAN_IOC_INFO, info);
}

/* Bytes in a unit, or 0. */
HELPER size_t dev_unit(int fd)
{
	struct hugespan_info info;

	return dev_info(fd, &info) ? 0 : (size_t)info.out_unit_bytes;
}

HELPER uint64_t dev_owner_id(int fd)
{
	struct hugespan_info info;

	return dev_info(fd, &info) ? 0 : info.out_owner_id;
}

struct span {
	uint64_t offset;
	uint64_t bytes;
};

HELPER int span_alloc_on(int fd, unsigned int order, unsigned int flags,
			 unsigned int fork_mode, int node, struct span *s)
{
	struct hugespan_alloc a = {
		.size = sizeof(a), .flags = flags, .order = order,
		.node = node, .fork_mode = fork_mode,
	};
	int err = dev_ioctl(fd, HUGESPAN_IOC_ALLOC, &a);

	if (!err) {
		s->offset = a.out_offset;
		s->bytes = a.out_bytes;
	}
	return err;
}

HELPER int span_alloc_with(int fd, unsigned int order, unsigned int flags,
			   unsigned int fork_mode, struct span *s)
{
	return span_alloc_on(fd, order, flags, fork_mode, HUGESPAN_NODE_ANY, s);
}

/* The plain grant most tests want: any node, fork mode SHARE. */
HELPER int span_alloc(int fd, unsigned int order, struct span *s)
{
	return span_alloc_with(fd, order, 0, HUGESPAN_FORK_SHARE, s);
}

/*
 * The plain grant again and again until it begins at @offset: how a test gets
 * units that it knows. What came in between stays granted to the file. -ENOENT
 * when the pool ran out first.
 */
HELPER int span_alloc_at(int fd, unsigned int order, uint64_t offset,
			 struct span *s)
{
	do {
		if (span_alloc(fd, order, s))
			return -ENOENT;
	} while (s->offset != offset);
	return 0;
}

HELPER int span_free(int fd, uint64_t offset)
{
	struct hugespan_free f = { .size = sizeof(f), .offset = offset };

	return dev_ioctl(fd, HUGESPAN_IOC_FREE, &f);
}

HELPER int span_trim(int fd, uint64_t offset, uint64_t keep, uint64_t *bytes)
{
	struct hugespan_trim t = {
		.size = sizeof(t), .offset = offset, .keep_bytes = keep,
	};
	int err = dev_ioctl(fd, HUGESPAN_IOC_TRIM, &t);

	if (!err && bytes)
		*bytes = t.out_bytes;
	return err;
}

HELPER int span_query(int fd, uint64_t offset, struct hugespan_query *q)
{
	memset(q, 0, sizeof(*q));
	q->size = sizeof(*q);
	q->offset = offset;
	return dev_ioctl(fd, HUGESPAN_IOC_QUERY, q);
}

/* VMAs that map the span in all processes, or -errno. */
HELPER int span_nr_mappings(int fd, uint64_t offset)
{
	struct hugespan_query q;
	int err = span_query(fd, offset, &q);

	return err ? err : (int)q.out_nr_mappings;
}

HELPER int span_set_fork(int fd, uint64_t offset, unsigned int mode)
{
	struct hugespan_set_fork f = {
		.size = sizeof(f), .offset = offset, .fork_mode = mode,
	};

	return dev_ioctl(fd, HUGESPAN_IOC_SET_FORK, &f);
}

/* flags: MAP_SHARED or MAP_PRIVATE, and what else mmap takes. */
HELPER int span_map(int fd, const struct span *s, int flags, void **out)
{
	return try_mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, flags, fd,
			s->offset, out);
}

/* ---- the pool's books -------------------------------------------------- */

HELPER int pool_stat(int fd, int node, struct hugespan_stat *st)
{
	memset(st, 0, sizeof(*st));
	st->size = sizeof(*st);
	st->node = node;
	return dev_ioctl(fd, HUGESPAN_IOC_STAT, st);
}

/*
 * The pool as it was when a test began, and a file of its own to look at it
 * with. Tests are alone on the device: what they gave back must be there.
 */
struct pool_watch {
	int fd;
	struct hugespan_stat before;
};

HELPER int pool_watch_begin(struct pool_watch *w)
{
	uint64_t end = now_ms() + SETTLE_MS;
	int err;

	w->fd = dev_open(O_RDWR | O_CLOEXEC);
	if (w->fd < 0)
		return w->fd;
	for (;;) {
		err = pool_stat(w->fd, HUGESPAN_NODE_ANY, &w->before);
		/* A test that died may have left something that still comes. */
		if (err || !w->before.out_nr_quarantined || now_ms() > end)
			return err;
		sleep_ms(2);
	}
}

/* Units granted now, to all owners; -1 when the device would not say. */
HELPER long pool_granted(const struct pool_watch *w)
{
	struct hugespan_stat st;

	return pool_stat(w->fd, HUGESPAN_NODE_ANY, &st) ?
		-1 : (long)st.out_nr_granted;
}

HELPER long pool_quarantined(const struct pool_watch *w)
{
	struct hugespan_stat st;

	return pool_stat(w->fd, HUGESPAN_NODE_ANY, &st) ?
		-1 : (long)st.out_nr_quarantined;
}

HELPER bool pool_adds_up(const struct hugespan_stat *st)
{
	return st->out_nr_units == st->out_nr_free + st->out_nr_granted +
				   st->out_nr_quarantined &&
	       st->out_nr_free_clean <= st->out_nr_free &&
	       (st->out_nr_free == 0) == (st->out_largest_free_order < 0);
}

/*
 * Wait until as many units are granted as @nr_granted says and none is in
 * quarantine; 0, or -ETIMEDOUT with a line that says how the pool stands, or
 * -EINVAL when its figures contradict each other.
 */
HELPER int pool_settle(const struct pool_watch *w, uint64_t nr_granted)
{
	uint64_t end = now_ms() + SETTLE_MS;
	struct hugespan_stat st;
	int err;

	for (;;) {
		err = pool_stat(w->fd, HUGESPAN_NODE_ANY, &st);
		if (err)
			return err;
		if (!pool_adds_up(&st)) {
			err = -EINVAL;
			break;
		}
		if (st.out_nr_granted == nr_granted &&
		    st.out_nr_quarantined == 0)
			return 0;
		if (now_ms() > end) {
			err = -ETIMEDOUT;
			break;
		}
		sleep_ms(2);
	}
	diag("pool: %llu units = %llu free (%llu clean, largest order %d) + %llu granted + %llu quarantined; wanted %llu granted",
	     (unsigned long long)st.out_nr_units,
	     (unsigned long long)st.out_nr_free,
	     (unsigned long long)st.out_nr_free_clean,
	     st.out_largest_free_order,
	     (unsigned long long)st.out_nr_granted,
	     (unsigned long long)st.out_nr_quarantined,
	     (unsigned long long)nr_granted);
	return err;
}

/*
 * For a teardown: everything is back, in one piece, and no unit was lost.
 * 0 or -errno.
 */
HELPER int pool_watch_end(struct pool_watch *w)
{
	struct hugespan_stat st;
	int err = pool_settle(w, w->before.out_nr_granted);

	if (!err)
		err = pool_stat(w->fd, HUGESPAN_NODE_ANY, &st);
	if (!err && (st.out_nr_units != w->before.out_nr_units ||
		     st.out_largest_free_order !=
		     w->before.out_largest_free_order)) {
		diag("pool: was %llu units, largest free order %d; is %llu, %d",
		     (unsigned long long)w->before.out_nr_units,
		     w->before.out_largest_free_order,
		     (unsigned long long)st.out_nr_units,
		     st.out_largest_free_order);
		err = -EINVAL;
	}
	close(w->fd);
	return err;
}

/*
 * Units freed before are still being zeroed: until that is done no two looks
 * are alike, and a grant that does not wait may be refused.
 */
HELPER void pool_wait_clean(int fd)
{
	uint64_t end = now_ms() + SETTLE_MS;
	struct hugespan_stat st;

	while (!pool_stat(fd, HUGESPAN_NODE_ANY, &st) &&
	       st.out_nr_free_clean != st.out_nr_free && now_ms() < end)
		sleep_ms(2);
}

/* What a refused command must not have changed; diagnosed when it has. */
HELPER bool pool_unchanged(const struct hugespan_stat *a,
			   const struct hugespan_stat *b)
{
	bool same = a->out_nr_units == b->out_nr_units &&
		    a->out_nr_free == b->out_nr_free &&
		    a->out_nr_granted == b->out_nr_granted &&
		    a->out_nr_quarantined == b->out_nr_quarantined &&
		    a->out_largest_free_order == b->out_largest_free_order &&
		    a->out_owner_spans == b->out_owner_spans &&
		    a->out_owner_units == b->out_owner_units &&
		    a->out_nr_grants == b->out_nr_grants &&
		    a->out_nr_frees == b->out_nr_frees;

	if (!same)
		diag("pool changed: free %llu -> %llu, granted %llu -> %llu, grants %llu -> %llu, frees %llu -> %llu",
		     (unsigned long long)a->out_nr_free,
		     (unsigned long long)b->out_nr_free,
		     (unsigned long long)a->out_nr_granted,
		     (unsigned long long)b->out_nr_granted,
		     (unsigned long long)a->out_nr_grants,
		     (unsigned long long)b->out_nr_grants,
		     (unsigned long long)a->out_nr_frees,
		     (unsigned long long)b->out_nr_frees);
	return same;
}

/* ---- main -------------------------------------------------------------- */

/* Skip the whole program where the device is missing. */
HELPER void device_required(void)
{
	int fd = dev_open(O_RDWR | O_CLOEXEC);

	if (fd < 0)
		ksft_exit_skip("cannot open %s: %s\n", HUGESPAN_DEVICE,
			       strerror(-fd));
	close(fd);
}

#define DEVICE_TEST_MAIN						\
	static void __attribute__((constructor)) device_required_first(void) \
	{								\
		device_required();					\
	}								\
	TEST_HARNESS_MAIN

/* SKIP() for a FIXTURE_SETUP: the harness of 6.1 would run the test anyway. */
#define SKIP_IN_SETUP(fmt, ...) SKIP(_exit(255), fmt, ##__VA_ARGS__)

#endif /* SELFTEST_DEVICE_H */
