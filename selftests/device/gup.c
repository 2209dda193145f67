// SPDX-License-Identifier: MIT
/*
 * To the rest of the kernel a span is ordinary memory: whatever takes a
 * program's pages, to copy, to pin or to hand them to a device, takes these.
 * Each test crosses from one unit into the next, where a driver's mapping
 * breaks first.
 */
#include <kselftest_harness.h>

#include <linux/fs.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/uio.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"
#include "ring.h"

#define TAG 0x90b
#define LEN (64 * 1024)
#define DISK "/dev/nvme0n1"

FIXTURE(gup) {
	struct pool_watch watch;
	struct span span;	/* two units, TAG */
	size_t unit;
	char *mem;
	char *edge;		/* LEN bytes, half of them in either unit */
	char *buf;		/* LEN bytes elsewhere, page-aligned */
	size_t edge_at;
	int fd;
};

FIXTURE_VARIANT(gup) {
	int map;
	bool touched;	/* else the kernel's access is the first of all */
};

FIXTURE_VARIANT_ADD(gup, shared) { MAP_SHARED, true };
FIXTURE_VARIANT_ADD(gup, shared_untouched) { MAP_SHARED, false };
FIXTURE_VARIANT_ADD(gup, private) { MAP_PRIVATE, true };
FIXTURE_VARIANT_ADD(gup, private_untouched) { MAP_PRIVATE, false };

FIXTURE_SETUP(gup)
{
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc(self->fd, 1, &self->span));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	pattern_fill(p, self->span.bytes, TAG);
	munmap(p, self->span.bytes);
	ASSERT_EQ(0, span_map(self->fd, &self->span, variant->map, &p));
	self->mem = p;
	self->edge_at = self->unit - LEN / 2;
	self->edge = self->mem + self->edge_at;
	if (variant->touched) {
		ASSERT_EQ(-1, pattern_differs(p, self->span.bytes, TAG));
	}
	self->buf = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->buf);
}

FIXTURE_TEARDOWN(gup)
{
	munmap(self->mem, self->span.bytes);
	munmap(self->buf, LEN);
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* Does @buf hold what the span has at its edge? */
static bool is_edge(FIXTURE_DATA(gup) *self, const void *buf)
{
	const uint64_t *w = buf;
	size_t i;

	for (i = 0; i < LEN / 8; i++)
		if (w[i] != pattern_word(TAG, self->edge_at + i * 8))
			return false;
	return true;
}

/* Is the edge now what @buf has, and all around it as it was? */
static bool edge_became(FIXTURE_DATA(gup) *self, const void *buf)
{
	const uint64_t *after = (uint64_t *)(self->edge + LEN);

	return !memcmp(self->edge, buf, LEN) &&
	       pattern_differs(self->mem, self->edge_at, TAG) == -1 &&
	       *after == pattern_word(TAG, self->edge_at + LEN);
}

/* ---- copies ------------------------------------------------------------ */

TEST_F(gup, process_vm_readv_reads_it)
{
	struct iovec local = { self->buf, LEN }, remote = { self->edge, LEN };
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(process_vm_readv(getppid(), &local, 1, &remote, 1,
					     0) == LEN);
		_exit(is_edge(self, self->buf) ? 0 : 1);
	}
	EXPECT_EQ(0, child_wait(pid));
}

TEST_F(gup, process_vm_writev_writes_it)
{
	struct iovec local = { self->buf, LEN }, remote = { self->edge, LEN };
	pid_t pid;

	memset(self->buf, 0x77, LEN);
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(process_vm_writev(getppid(), &local, 1, &remote, 1,
					0) == LEN ? 0 : 1);
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_TRUE(edge_became(self, self->buf));
}

TEST_F(gup, proc_mem_reads_and_writes_it)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	off_t at = (off_t)(uintptr_t)self->edge;

	ASSERT_LE(0, fd);
	ASSERT_EQ(LEN, pread(fd, self->buf, LEN, at));
	EXPECT_TRUE(is_edge(self, self->buf));
	memset(self->buf, 0x78, LEN);
	ASSERT_EQ(LEN, pwrite(fd, self->buf, LEN, at));
	EXPECT_TRUE(edge_became(self, self->buf));
	close(fd);
}

/*
 * A debugger writes into memory that its owner may only read: into a private
 * copy, never into the span.
 */
TEST_F(gup, proc_mem_breaks_no_write_protection)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	void *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, mprotect(self->mem, self->span.bytes, PROT_READ));
	if (pwrite(fd, "x", 1, (off_t)(uintptr_t)self->edge) == 1) {
		EXPECT_EQ(MAP_PRIVATE, variant->map);
		EXPECT_EQ('x', *self->edge);
	}
	close(fd);
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	EXPECT_EQ(-1, pattern_differs(p, self->span.bytes, TAG));
	munmap(p, self->span.bytes);
}

TEST_F(gup, ptrace_peeks_and_pokes_it)
{
	uint64_t *word = (uint64_t *)(self->mem + self->unit);
	struct line line;
	int status;
	pid_t pid;

	ASSERT_EQ(0, line_open(&line));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(!line_hear(&line, 1, NULL));
		_exit(*word == 4711 ? 0 : 1);
	}
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, pid, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
	errno = 0;
	EXPECT_EQ(pattern_word(TAG, self->unit),
		  (uint64_t)ptrace(PTRACE_PEEKDATA, pid, word, NULL));
	EXPECT_EQ(0, errno);
	EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, pid, word, 4711));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, pid, NULL, NULL));
	ASSERT_EQ(0, line_say(&line, 0, 1));
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(variant->map == MAP_SHARED ? 4711 :
		  pattern_word(TAG, self->unit), *word);
	line_close(&line);
}

TEST_F(gup, a_pipe_takes_and_gives_it)
{
	int pipefd[2];

	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_LE(LEN, fcntl(pipefd[0], F_SETPIPE_SZ, 2 * LEN));
	ASSERT_EQ(LEN, write(pipefd[1], self->edge, LEN));
	ASSERT_EQ(LEN, read(pipefd[0], self->buf, LEN));
	EXPECT_TRUE(is_edge(self, self->buf));
	memset(self->buf, 0x79, LEN);
	ASSERT_EQ(LEN, write(pipefd[1], self->buf, LEN));
	ASSERT_EQ(LEN, read(pipefd[0], self->edge, LEN));
	EXPECT_TRUE(edge_became(self, self->buf));
	close(pipefd[0]);
	close(pipefd[1]);
}

/* Pages in the pipe, no copies: what is read is what was there. */
TEST_F(gup, vmsplice_takes_it)
{
	struct iovec iov = { self->edge, LEN };
	int pipefd[2];

	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_LE(LEN, fcntl(pipefd[0], F_SETPIPE_SZ, 2 * LEN));
	ASSERT_EQ(LEN, vmsplice(pipefd[1], &iov, 1, 0));
	ASSERT_EQ(LEN, read(pipefd[0], self->buf, LEN));
	EXPECT_TRUE(is_edge(self, self->buf));
	close(pipefd[0]);
	close(pipefd[1]);
}

/* ---- commands whose structs live in a span ----------------------------- */

/*
 * The command reads and writes its struct by faults on this very device. Held
 * locks would wait for themselves.
 */
TEST_F(gup, a_command_s_struct_may_lie_in_a_span)
{
	struct hugespan_stat *st = (void *)(self->mem + self->unit - 16);
	struct hugespan_free *f = (void *)self->mem;
	struct span s;

	memset(st, 0, sizeof(*st));
	st->size = sizeof(*st);
	st->node = HUGESPAN_NODE_ANY;
	EXPECT_EQ(0, dev_ioctl(self->fd, HUGESPAN_IOC_STAT, st));
	EXPECT_EQ(1, st->out_owner_spans);

	ASSERT_EQ(0, span_alloc(self->fd, 0, &s));
	*f = (struct hugespan_free){ .size = sizeof(*f), .offset = s.offset };
	EXPECT_EQ(0, dev_ioctl(self->fd, HUGESPAN_IOC_FREE, f));
	/* The last one: the span in which the struct lies. */
	f->offset = self->span.offset;
	EXPECT_EQ(0, dev_ioctl(self->fd, HUGESPAN_IOC_FREE, f));
}

/* The answer of a TRIM in the part that it cuts off has no place to go. */
TEST_F(gup, a_trim_may_cut_off_its_own_struct)
{
	struct hugespan_trim *t = (void *)(self->mem + self->unit + 64);
	int err;

	*t = (struct hugespan_trim){
		.size = sizeof(*t), .offset = self->span.offset,
		.keep_bytes = self->unit,
	};
	err = dev_ioctl(self->fd, HUGESPAN_IOC_TRIM, t);
	EXPECT_TRUE(err == 0 || err == -EFAULT);
	EXPECT_EQ(-1, pattern_differs(self->mem, self->unit, TAG));
}

/* ---- devices ----------------------------------------------------------- */

/* A scratch disk (tools/vm run --nvme 64M), or -errno. Nothing may mount it. */
static int disk_open(void)
{
	int fd = open(DISK, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

TEST_F(gup, o_direct_writes_from_it)
{
	int fd = disk_open();

	if (fd < 0)
		SKIP(return, "no scratch disk " DISK ": %s", strerror(-fd));
	ASSERT_EQ(LEN, pwrite(fd, self->edge, LEN, 0));
	ASSERT_EQ(LEN, pread(fd, self->buf, LEN, 0));
	EXPECT_TRUE(is_edge(self, self->buf));
	close(fd);
}

TEST_F(gup, o_direct_reads_into_it)
{
	int fd = disk_open();

	if (fd < 0)
		SKIP(return, "no scratch disk " DISK ": %s", strerror(-fd));
	memset(self->buf, 0x7a, LEN);
	ASSERT_EQ(LEN, pwrite(fd, self->buf, LEN, LEN));
	ASSERT_EQ(LEN, pread(fd, self->edge, LEN, LEN));
	EXPECT_TRUE(edge_became(self, self->buf));
	close(fd);
}

/* One request over both units at once: the largest that the disk takes. */
TEST_F(gup, o_direct_takes_whole_units)
{
	int fd = disk_open();
	uint64_t bytes = 0;
	char *copy;

	if (fd < 0)
		SKIP(return, "no scratch disk " DISK ": %s", strerror(-fd));
	ASSERT_EQ(0, ioctl(fd, BLKGETSIZE64, &bytes));
	if (bytes < self->span.bytes)
		SKIP(return, DISK " is smaller than %llu bytes",
		     (unsigned long long)self->span.bytes);
	copy = mmap(NULL, self->span.bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)copy);
	ASSERT_EQ(self->span.bytes, pwrite(fd, self->mem, self->span.bytes,
					   0));
	ASSERT_EQ(self->span.bytes, pread(fd, copy, self->span.bytes, 0));
	EXPECT_EQ(-1, pattern_differs(copy, self->span.bytes, TAG));
	munmap(copy, self->span.bytes);
	close(fd);
}

/* ---- io_uring ---------------------------------------------------------- */

TEST_F(gup, io_uring_reads_and_writes_it)
{
	struct ring ring;
	int err = ring_open(&ring), pipefd[2];

	if (err)
		SKIP(return, "no io_uring here: %s", strerror(-err));
	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_LE(LEN, fcntl(pipefd[0], F_SETPIPE_SZ, 2 * LEN));
	EXPECT_EQ(LEN, ring_do(&ring, IORING_OP_WRITE, pipefd[1], self->edge,
			       LEN, 0));
	ASSERT_EQ(LEN, read(pipefd[0], self->buf, LEN));
	EXPECT_TRUE(is_edge(self, self->buf));
	memset(self->buf, 0x7b, LEN);
	ASSERT_EQ(LEN, write(pipefd[1], self->buf, LEN));
	EXPECT_EQ(LEN, ring_do(&ring, IORING_OP_READ, pipefd[0], self->edge,
			       LEN, 0));
	EXPECT_TRUE(edge_became(self, self->buf));
	close(pipefd[0]);
	close(pipefd[1]);
	ring_close(&ring);
}

/* Registered once, used without being pinned again. Not on 6.1, it says so. */
TEST_F(gup, io_uring_takes_it_as_fixed_buffer)
{
	struct ring ring;
	int err = ring_open(&ring), pipefd[2];

	if (err)
		SKIP(return, "no io_uring here: %s", strerror(-err));
	err = ring_register(&ring, self->mem, self->span.bytes);
	if (err == -EOPNOTSUPP)
		SKIP(return, "this kernel registers no file-backed buffers but shmem's and hugetlb's (as 6.1)");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_LE(LEN, fcntl(pipefd[0], F_SETPIPE_SZ, 2 * LEN));
	EXPECT_EQ(LEN, ring_do(&ring, IORING_OP_WRITE_FIXED, pipefd[1],
			       self->edge, LEN, 0));
	ASSERT_EQ(LEN, read(pipefd[0], self->buf, LEN));
	EXPECT_TRUE(is_edge(self, self->buf));
	memset(self->buf, 0x7c, LEN);
	ASSERT_EQ(LEN, write(pipefd[1], self->buf, LEN));
	EXPECT_EQ(LEN, ring_do(&ring, IORING_OP_READ_FIXED, pipefd[0],
			       self->edge, LEN, 0));
	EXPECT_TRUE(edge_became(self, self->buf));
	EXPECT_EQ(0, ring_unregister(&ring));
	close(pipefd[0]);
	close(pipefd[1]);
	ring_close(&ring);
}

/* ---- futexes ----------------------------------------------------------- */

static long futex(uint32_t *word, int op, uint32_t val)
{
	struct timespec limit = { 20, 0 };

	return syscall(SYS_futex, word, op, val, &limit, NULL, 0);
}

/* Every mutex of a program whose heap is a span. */
TEST_F(gup, a_lock_of_one_process_may_lie_in_it)
{
	uint32_t *word = (uint32_t *)self->mem;

	EXPECT_EQ(0, futex(word, FUTEX_WAKE_PRIVATE, 1));
	EXPECT_EQ(-1, futex(word, FUTEX_WAIT_PRIVATE, *word + 1));
	EXPECT_EQ(EAGAIN, errno);
}

/* A lock between processes is looked up by page: the kernel has to agree. */
TEST_F(gup, a_lock_between_processes_may_lie_in_it)
{
	uint32_t *word;
	pid_t pid;
	void *p;

	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	word = p;
	*word = 0;
	if (futex(word, FUTEX_WAKE, 1) < 0 && errno == EFAULT) {
		munmap(p, self->span.bytes);
		SKIP(return, "the kernel finds no shared futexes in these pages");
	}
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0)
			CHILD_CHECK(!futex(word, FUTEX_WAIT, 0) ||
				    errno == EAGAIN);
		_exit(0);
	}
	sleep_ms(100);
	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
	EXPECT_LE(0, futex(word, FUTEX_WAKE, 1));
	EXPECT_EQ(0, child_wait(pid));
	munmap(p, self->span.bytes);
}

static void *say_hello(void *arg)
{
	*(int *)arg = 1;
	return arg;
}

/*
 * Some programs take their threads' stacks from malloc. The kernel wakes who
 * joins such a thread by a word on that stack, as if it were shared.
 */
TEST_F(gup, a_thread_s_stack_may_lie_in_it)
{
	pthread_attr_t attr;
	pthread_t thread;
	int hello = 0;
	void *result;

	ASSERT_EQ(0, pthread_attr_init(&attr));
	ASSERT_EQ(0, pthread_attr_setstack(&attr, self->mem,
					   self->span.bytes));
	ASSERT_EQ(0, pthread_create(&thread, &attr, say_hello, &hello));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(&hello, result);
	EXPECT_EQ(1, hello);
}

DEVICE_TEST_MAIN
