// SPDX-License-Identifier: MIT
/*
 * The device backend against the kernel module: who holds which units, and
 * what happens to the descriptor.
 *
 * Guards against units that leak from the pool or come back too early, a
 * program that closes our descriptor or puts its own file at our number, a
 * child that can no longer allocate because it gave up its privileges, and
 * huge pages lost at a fork.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#include <hugespan.h>
#include <kselftest_harness.h>

#include "backend.h"
#include "child.h"
#include "device.h"
#include "fault.h"
#include "forkhandlers.h"
#include "options.h"
#include "pattern.h"
#include "procfs.h"

FIXTURE(device) {
	struct hs_backend *b;
	size_t unit;
	struct pool_watch pool;
	struct line line;	/* the child's end is 1 */
};

FIXTURE_SETUP(device)
{
	self->b = hs_backend_get(HS_BACKEND_DEVICE);
	if (!hs_backend_probe(self->b))
		SKIP_IN_SETUP("%s", self->b->why);
	self->unit = self->b->unit_bytes;
	ASSERT_EQ(0, pool_watch_begin(&self->pool));
	ASSERT_EQ(0, line_open(&self->line));
}

/* Every unit that a test took is back. */
FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(0, pool_settle(&self->pool,
				 self->pool.before.out_nr_granted));
	line_close(&self->line);
}

/* Units granted since the test began. */
static long taken(struct pool_watch *pool)
{
	return pool_granted(pool) - (long)pool->before.out_nr_granted;
}

/* A grant is 2^k units; what is beyond the request goes back at once. */
TEST_F(device, takes_no_more_than_asked)
{
	struct hs_extent x;

	for (size_t units = 1; units <= 7; units++) {
		ASSERT_EQ(0, map(self->b, units * self->unit, HS_FORK_COW, &x));
		EXPECT_EQ((long)units, taken(&self->pool));
		hs_backend_unmap(&x);
		EXPECT_EQ(0, pool_settle(&self->pool,
					 self->pool.before.out_nr_granted));
	}
	ASSERT_EQ(0, map(self->b, 6 * self->unit, HS_FORK_COW, &x));
	ASSERT_EQ(0, hs_backend_trim(&x, 5 * self->unit));
	EXPECT_EQ(5, taken(&self->pool));
	hs_backend_unmap(&x);
}

/* Address space that is refused after the grant gives the grant back. */
TEST_F(device, refused_mapping_frees_the_span)
{
	struct rlimit no_more = { 0, 0 };
	struct hs_extent x;
	pid_t pid;

#ifdef __SANITIZE_ADDRESS__
	SKIP(return, "the address sanitizer needs address space");
#endif
	pid = fork_with_handlers();
	if (pid == 0) {
		CHILD_CHECK(!setrlimit(RLIMIT_AS, &no_more));
		CHILD_CHECK(map(self->b, self->unit, HS_FORK_COW, &x) ==
			    -ENOMEM);
		CHILD_CHECK(pool_settle(&self->pool,
				self->pool.before.out_nr_granted) == 0);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
}

/* The parent's are held until the last process that maps them lets go. */
TEST_F(device, units_live_as_long_as_a_mapping)
{
	struct hs_extent x;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, 4 * self->unit, HS_FORK_COW, &x));
	pid = fork_with_handlers();
	if (pid == 0) {
		CHILD_CHECK(!line_say(&self->line, 1, 1));
		CHILD_CHECK(!line_hear(&self->line, 1, NULL));
		hs_backend_unmap(&x);
		CHILD_CHECK(!line_say(&self->line, 1, 1));
		CHILD_CHECK(!line_hear(&self->line, 1, NULL));
		_exit(0);
	}
	EXPECT_EQ(4, self->b->nr_remapped);
	ASSERT_EQ(0, line_hear(&self->line, 0, NULL));
	hs_backend_unmap(&x);
	EXPECT_EQ(4, taken(&self->pool));
	ASSERT_EQ(0, line_say(&self->line, 0, 1));
	ASSERT_EQ(0, line_hear(&self->line, 0, NULL));
	EXPECT_EQ(0, pool_settle(&self->pool,
				 self->pool.before.out_nr_granted));
	ASSERT_EQ(0, line_say(&self->line, 0, 1));
	EXPECT_EQ(0, child_wait(pid));
}

/* A child that is killed takes nothing with it. */
TEST_F(device, killed_child)
{
	struct hs_extent x;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, 2 * self->unit, HS_FORK_COW, &x));
	pattern_fill(x.base, x.bytes, 1);
	pid = fork_with_handlers();
	if (pid == 0) {
		struct hs_extent mine;

		CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW, &mine));
		pattern_fill(x.base, x.bytes, 2);
		CHILD_CHECK(!line_say(&self->line, 1, 1));
		for (;;)
			pause();
	}
	ASSERT_EQ(0, line_hear(&self->line, 0, NULL));
	EXPECT_EQ(3, taken(&self->pool));
	ASSERT_EQ(0, child_kill(pid));
	EXPECT_EQ(0, pool_settle(&self->pool,
				 self->pool.before.out_nr_granted + 2));
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, 1));
	hs_backend_unmap(&x);
}

/*
 * Rationale: the reason for a swap by mremap. After a fork the memory is
 * private, but what nobody has written since is still mapped as huge pages,
 * and reading it costs no fault.
 */
TEST_F(device, fork_keeps_huge_pages)
{
	struct hs_extent x;
	volatile char *p;
	long faults;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, 4 * self->unit, HS_FORK_COW, &x));
	pattern_dot(x.base, x.bytes, 1);
	EXPECT_EQ((long long)x.bytes, smaps_bytes(x.base, "FilePmdMapped"));
	pid = fork_with_handlers();
	if (pid == 0)
		_exit(0);
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ((long long)x.bytes, smaps_bytes(x.base, "FilePmdMapped"));
	EXPECT_EQ(0, smaps_bytes(x.base, "Anonymous"));
	faults = minor_faults();
	p = x.base;
	for (size_t i = 0; i < x.bytes; i += 4096)
		(void)p[i];
	EXPECT_GE(1, minor_faults() - faults);
	/* One byte written costs one small page, not a huge one. */
	p[0] = 1;
	EXPECT_EQ(4096, smaps_bytes(x.base, "Anonymous"));
	hs_backend_unmap(&x);
}

/* A second fork has nothing left to do. */
TEST_F(device, remapped_once)
{
	struct hs_extent x;

	ASSERT_EQ(0, map(self->b, 2 * self->unit, HS_FORK_COW, &x));
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork_with_handlers();

		if (pid == 0)
			_exit(0);
		EXPECT_EQ(0, child_wait(pid));
		EXPECT_EQ(2, self->b->nr_remapped);
	}
	hs_backend_unmap(&x);
}

/* Readers in other threads never find a hole while the swap is made. */
struct reader {
	struct hs_extent *x;
	bool stop;
	uint64_t nr_reads;
};

static void *reader_thread(void *arg)
{
	struct reader *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		if (pattern_dots_differ(r->x->base, r->x->bytes, 5) >= 0)
			return arg;
		r->nr_reads++;
	}
	return NULL;
}

TEST_F(device, swap_under_readers)
{
	for (int i = 0; i < 20; i++) {
		struct reader r = { 0 };
		struct hs_extent x;
		pthread_t thread;
		void *fault;
		pid_t pid;

		ASSERT_EQ(0, map(self->b, 2 * self->unit, HS_FORK_COW, &x));
		pattern_dot(x.base, x.bytes, 5);
		r.x = &x;
		ASSERT_EQ(0, pthread_create(&thread, NULL, reader_thread, &r));
		sleep_ms(5);
		pid = fork_with_handlers();
		if (pid == 0)
			_exit(0);
		ASSERT_EQ(0, child_wait(pid));
		__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
		ASSERT_EQ(0, pthread_join(thread, &fault));
		EXPECT_EQ(NULL, fault);
		hs_backend_unmap(&x);
	}
}

/* ---- the descriptor -------------------------------------------------------- */

TEST_F(device, descriptor_is_out_of_the_way)
{
	struct rlimit limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_LT(2, self->b->fd);
	if (limit.rlim_cur > 1000) {
		EXPECT_LE(1000, self->b->fd);
	}
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->b->fd, F_GETFD));
}

TEST_F(device, descriptor_closed_by_the_program)
{
	struct hs_extent before, after;

	ASSERT_EQ(0, map(self->b, 3 * self->unit, HS_FORK_COW, &before));
	pattern_fill(before.base, before.bytes, 1);
	ASSERT_EQ(0, close(self->b->fd));
	ASSERT_EQ(0, map(self->b, self->unit, HS_FORK_COW, &after));
	EXPECT_EQ(1, self->b->nr_fd_lost);
	EXPECT_NE(before.owner_id, after.owner_id);
	pattern_fill(after.base, after.bytes, 2);
	EXPECT_EQ(-1, pattern_differs(before.base, before.bytes, 1));
	/* The tail cannot be given back alone any more; it goes with the rest. */
	EXPECT_EQ(0, hs_backend_trim(&before, self->unit));
	EXPECT_EQ(-1, pattern_differs(before.base, before.bytes, 1));
	EXPECT_EQ(4, taken(&self->pool));
	hs_backend_unmap(&before);
	EXPECT_EQ(0, pool_settle(&self->pool,
				 self->pool.before.out_nr_granted + 1));
	EXPECT_EQ(-1, pattern_differs(after.base, after.bytes, 2));
	hs_backend_unmap(&after);
}

/* Another file at our number is not ours to use, nor to close. */
TEST_F(device, descriptor_number_reused)
{
	int number = self->b->fd;
	struct hs_extent x;
	pid_t pid;
	int fd;

	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(number, dup2(fd, number));
	ASSERT_EQ(0, map(self->b, self->unit, HS_FORK_COW, &x));
	EXPECT_NE(number, self->b->fd);
	EXPECT_LE(0, fcntl(number, F_GETFD));
	hs_backend_unmap(&x);

	/* Another open file of the same device is not ours either. */
	number = self->b->fd;
	close(fd);
	fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(number, dup2(fd, number));
	pid = fork_with_handlers();
	if (pid == 0) {
		CHILD_CHECK(fcntl(number, F_GETFD) >= 0);
		CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW, &x));
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	ASSERT_EQ(0, map(self->b, self->unit, HS_FORK_COW, &x));
	EXPECT_LE(0, fcntl(number, F_GETFD));
	hs_backend_unmap(&x);
	EXPECT_EQ(2, self->b->nr_fd_lost);
}

/* A daemon that closed everything and forks: its memory goes along. */
TEST_F(device, fork_after_descriptor_closed)
{
	struct hs_extent x;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, 2 * self->unit, HS_FORK_COW, &x));
	pattern_fill(x.base, x.bytes, 1);
	ASSERT_EQ(0, close(self->b->fd));
	pid = fork_with_handlers();
	if (pid == 0) {
		struct hs_extent mine;

		CHILD_CHECK(pattern_differs(x.base, x.bytes, 1) < 0);
		pattern_fill(x.base, x.bytes, 2);
		CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW, &mine));
		hs_backend_unmap(&x);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, 1));
	/* It is ordinary memory now; trimmed and unmapped as any other. */
	EXPECT_EQ(0, taken(&self->pool));
	EXPECT_EQ(0, hs_backend_trim(&x, self->unit));
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, 1));
	hs_backend_unmap(&x);
}

/*
 * The same with another thread running: nothing can be copied safely. The
 * child has a hole that nothing else fills, the parent keeps all.
 */
TEST_F(device, threaded_fork_after_descriptor_closed)
{
	struct reader r = { 0 };
	struct hs_extent x;
	pthread_t thread;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, 2 * self->unit, HS_FORK_COW, &x));
	pattern_fill(x.base, x.bytes, 5);
	pattern_dot(x.base, x.bytes, 5);
	r.x = &x;
	ASSERT_EQ(0, pthread_create(&thread, NULL, reader_thread, &r));
	ASSERT_EQ(0, close(self->b->fd));
	pid = fork_with_handlers();
	if (pid == 0) {
		char *base = x.base;
		void *p;

		CHILD_CHECK(fault_read(base, NULL) == SIGSEGV);
		CHILD_CHECK(fault_write(base, 1) == SIGSEGV);
		CHILD_CHECK(try_mmap(base, self->unit, PROT_READ,
				     MAP_PRIVATE | MAP_ANONYMOUS |
				     MAP_FIXED_NOREPLACE, -1, 0, &p) ==
			    -EEXIST);
		hs_backend_unmap(&x);
		CHILD_CHECK(self->b->nr_mapped == 0);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-1, pattern_dots_differ(x.base, x.bytes, 5));
	hs_backend_unmap(&x);
}

/*
 * Rationale: prefork servers open the device as root and serve as nobody. The
 * child's file is made before the fork; its own children, forked without the
 * right to open the device, go on with the child's file.
 */
TEST_F(device, child_without_privileges)
{
	struct hs_extent x;
	pid_t pid;

	if (geteuid())
		SKIP(return, "only root can become somebody else");
	ASSERT_EQ(0, map(self->b, self->unit, HS_FORK_COW, &x));
	pid = fork_with_handlers();
	if (pid == 0) {
		struct hs_extent mine, own;

		CHILD_CHECK(!setgid(65534) && !setuid(65534));
		CHILD_CHECK(dev_open(O_RDWR) == -EACCES);
		CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW, &mine));
		pattern_fill(mine.base, mine.bytes, 3);
		pid = fork_with_handlers();
		if (pid == 0) {
			CHILD_CHECK(pattern_differs(mine.base, mine.bytes,
						    3) < 0);
			CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW,
					 &own));
			CHILD_CHECK(taken(&self->pool) == 3);
			CHILD_CHECK(self->b->nr_fd_lost == 0);
			pattern_fill(own.base, own.bytes, 4);
			hs_backend_unmap(&own);
			CHILD_CHECK(!pool_settle(&self->pool,
				self->pool.before.out_nr_granted + 2));
			/* What it does not give back goes with it. */
			CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW,
					 &own));
			_exit(0);
		}
		CHILD_CHECK(child_wait(pid) == 0);
		CHILD_CHECK(!pool_settle(&self->pool,
					 self->pool.before.out_nr_granted + 2));
		CHILD_CHECK(pattern_differs(mine.base, mine.bytes, 3) < 0);
		/* The child itself still can. */
		CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW, &own));
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	hs_backend_unmap(&x);
}

/*
 * The same in a program that dropped its privileges itself, as daemons do: one
 * that lost the file, too, has none to hand on and says why.
 */
TEST_F(device, children_of_a_process_without_privileges)
{
	struct hs_extent x;
	pid_t pid;

	if (geteuid())
		SKIP(return, "only root can become somebody else");
	ASSERT_EQ(0, map(self->b, self->unit, HS_FORK_COW, &x));
	ASSERT_TRUE(!setgid(65534) && !setuid(65534));
	pid = fork_with_handlers();
	if (pid == 0) {
		struct hs_extent own;

		CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW, &own));
		pattern_fill(own.base, own.bytes, 4);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	ASSERT_EQ(0, close(self->b->fd));
	pid = fork_with_handlers();
	if (pid == 0) {
		struct hs_extent own;

		CHILD_CHECK(map(self->b, self->unit, HS_FORK_COW, &own) ==
			    -EOPNOTSUPP);
		CHILD_CHECK(strstr(self->b->why, "usermod"));
		CHILD_CHECK(!self->b->usable);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	hs_backend_unmap(&x);
}

/* Descriptors do not pile up, in parent or child. */
static int count_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 2048; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

TEST_F(device, descriptors_do_not_pile_up)
{
	int before = count_descriptors();

	for (int i = 0; i < 5; i++) {
		pid_t pid = fork_with_handlers();

		if (pid == 0) {
			CHILD_CHECK(count_descriptors() == before);
			_exit(0);
		}
		EXPECT_EQ(0, child_wait(pid));
		EXPECT_EQ(before, count_descriptors());
	}
}

/*
 * No descriptor left for a file of the child's own: the fork is none the worse,
 * and the child goes on with its parent's.
 */
TEST_F(device, fork_without_a_descriptor_left)
{
	struct rlimit limit, few;
	struct hs_extent x, mine, more;
	pid_t pid;

	ASSERT_EQ(0, map(self->b, self->unit, HS_FORK_COW, &x));
	pattern_fill(x.base, x.bytes, 1);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	few = limit;
	few.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	pid = fork_with_handlers();
	if (pid == 0) {
		CHILD_CHECK(pattern_differs(x.base, x.bytes, 1) < 0);
		CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW, &mine));
		CHILD_CHECK(!close(self->b->fd));
		CHILD_CHECK(map(self->b, self->unit, HS_FORK_COW, &more) ==
			    -EOPNOTSUPP);
		CHILD_CHECK(strstr(self->b->why, "ulimit -n"));
		/* And where it passes, the device is found again. */
		CHILD_CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
		CHILD_CHECK(!map(self->b, self->unit, HS_FORK_COW, &more));
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	hs_backend_unmap(&x);
}

/* Pages populated by the request are huge, and there. */
TEST_F(device, populate)
{
	const struct hs_map_request req = {
		.bytes = 4 * self->unit, .node = -1, .populate = true,
		.fork_mode = HS_FORK_COW,
	};
	struct hs_extent x;

	ASSERT_EQ(0, hs_backend_map(self->b, &req, &x));
	EXPECT_EQ((long long)x.bytes, smaps_bytes(x.base, "Rss"));
	EXPECT_EQ((long long)x.bytes, smaps_bytes(x.base, "FilePmdMapped"));
	hs_backend_unmap(&x);
}

DEVICE_TEST_MAIN
