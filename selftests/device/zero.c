// SPDX-License-Identifier: MIT
/*
 * What an owner wrote nobody reads after it: however it was written, however
 * the span went back, however the next owner looks at it.
 */
#include <kselftest_harness.h>

#include <sys/uio.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"

/* How the secret comes into the unit. */
enum how {
	STORE,		/* by the owner's own instructions */
	READ,		/* read(2) copies into it */
	PEER,		/* process_vm_writev(2) by another process */
	PROC_MEM,	/* /proc/self/mem */
	PEER_UNTOUCHED,	/* another process writes; the owner never faulted */
};

/* How the owner gives it back. */
enum back { FREED, TRIMMED, CLOSED, KILLED };

#define NR_UNITS 4

FIXTURE(zero) {
	struct pool_watch watch;
	struct line line;
	struct span span;	/* where the secret was */
	uint64_t base;
	size_t unit;
	int other;		/* the next owner */
};

FIXTURE_VARIANT(zero) {
	enum how how;
	enum back back;
	int map;		/* how the next owner maps it */
};

#define ADD(name, ...) FIXTURE_VARIANT_ADD(zero, name) { __VA_ARGS__ }

ADD(stored_freed, STORE, FREED, MAP_SHARED);
ADD(stored_freed_private, STORE, FREED, MAP_PRIVATE);
ADD(stored_trimmed, STORE, TRIMMED, MAP_SHARED);
ADD(stored_closed, STORE, CLOSED, MAP_SHARED);
ADD(stored_killed, STORE, KILLED, MAP_SHARED);
ADD(stored_killed_private, STORE, KILLED, MAP_PRIVATE);
ADD(read_freed, READ, FREED, MAP_SHARED);
ADD(read_killed, READ, KILLED, MAP_SHARED);
ADD(peer_freed, PEER, FREED, MAP_SHARED);
ADD(peer_untouched_freed, PEER_UNTOUCHED, FREED, MAP_SHARED);
ADD(peer_untouched_closed, PEER_UNTOUCHED, CLOSED, MAP_PRIVATE);
ADD(proc_mem_freed, PROC_MEM, FREED, MAP_SHARED);
ADD(proc_mem_killed, PROC_MEM, KILLED, MAP_PRIVATE);

FIXTURE_SETUP(zero)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->base = self->watch.before.out_nr_granted;
	self->unit = dev_unit(self->watch.fd);
	ASSERT_EQ(0, line_open(&self->line));
	self->other = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->other);
}

FIXTURE_TEARDOWN(zero)
{
	close(self->other);
	line_close(&self->line);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* Another process puts @len bytes of @from at @to of the process @pid. */
static bool peer_write(pid_t pid, void *to, void *from, size_t len)
{
	struct iovec local = { from, len }, remote = { to, len };

	return process_vm_writev(pid, &local, 1, &remote, 1, 0) ==
		(ssize_t)len;
}

/* Fill [mem, mem + len) with non-zero bytes in the variant's way. */
static bool make_dirty(enum how how, void *mem, size_t len)
{
	char *src = malloc(len);
	int fd, pipefd[2];
	size_t done = 0;
	ssize_t n = 0;
	pid_t pid;

	if (!src)
		return false;
	memset(src, 0x5e, len);
	switch (how) {
	case STORE:
		memcpy(mem, src, len);
		done = len;
		break;
	case READ:
		if (pipe(pipefd))
			return false;
		while (done < len && write(pipefd[1], src, 4096) == 4096) {
			n = read(pipefd[0], (char *)mem + done, 4096);
			if (n != 4096)
				return false;
			done += (size_t)n;
		}
		break;
	case PEER:
	case PEER_UNTOUCHED:
		if (how == PEER && nonzero_at(mem, len) != -1)
			return false;
		pid = fork();
		if (!pid)
			_exit(!peer_write(getppid(), mem, src, len));
		done = pid > 0 && child_wait(pid) == 0 ? len : 0;
		break;
	case PROC_MEM:
		fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
		while (done < len &&
		       (n = pwrite(fd, src, len - done,
				   (off_t)((uintptr_t)mem + done))) > 0)
			done += (size_t)n;
		close(fd);
		break;
	}
	free(src);
	return done == len;
}

/* The first owner's whole life, in a process of its own. */
static void first_owner(struct line *line, enum how how, enum back back)
{
	int fd = dev_open(O_RDWR | O_CLOEXEC);
	struct span s;
	void *mem;

	CHILD_CHECK(fd >= 0 && !span_alloc(fd, 2, &s));
	CHILD_CHECK(!span_map(fd, &s, MAP_SHARED, &mem));
	CHILD_CHECK(make_dirty(how, mem, s.bytes));
	if (back == FREED)
		CHILD_CHECK(!span_free(fd, s.offset));
	if (back == TRIMMED)
		CHILD_CHECK(!span_trim(fd, s.offset, s.bytes / NR_UNITS,
				       NULL));
	CHILD_CHECK(!line_say(line, 1, s.offset));
	if (back == KILLED)
		pause();
	if (back != CLOSED)
		CHILD_CHECK(!line_hear(line, 1, NULL));
	_exit(0);
}

/* Every byte of the NR_UNITS units, as the next owner sees them. */
static bool next_owner_sees_zero(FIXTURE_DATA(zero) *self, int map,
				 unsigned int first)
{
	unsigned int i, order = first ? 0 : 2;
	struct span s;
	void *p;

	for (i = first; i < NR_UNITS; i += 1u << order) {
		long at;

		if (span_alloc_at(self->other, order,
				  self->span.offset + i * self->unit, &s) ||
		    span_map(self->other, &s, map, &p)) {
			diag("cannot get unit %u again", i);
			return false;
		}
		at = nonzero_at(p, s.bytes);
		munmap(p, s.bytes);
		if (at >= 0) {
			diag("unit %u, byte %ld is another's", i, at);
			return false;
		}
		/* So that the next is looked for among all again. */
		span_free(self->other, s.offset);
	}
	return true;
}

TEST_F(zero, the_next_owner_reads_zero)
{
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid)
		first_owner(&self->line, variant->how, variant->back);
	ASSERT_EQ(0, line_hear(&self->line, 0, &self->span.offset));
	switch (variant->back) {
	case KILLED:
		ASSERT_EQ(0, child_kill(pid));
		break;
	case CLOSED:
		ASSERT_EQ(0, child_wait(pid));
		break;
	case FREED:
	case TRIMMED:
		/* The old owner lives while its units are looked at. */
		break;
	}
	if (variant->back != TRIMMED) {
		ASSERT_EQ(0, pool_settle(&self->watch, self->base));
	}
	EXPECT_TRUE(next_owner_sees_zero(self, variant->map,
					 variant->back == TRIMMED ? 1 : 0));
	if (variant->back == FREED || variant->back == TRIMMED) {
		ASSERT_EQ(0, line_say(&self->line, 0, 1));
		EXPECT_EQ(0, child_wait(pid));
	}
}

/* ---- without variants -------------------------------------------------- */

/*
 * The whole pool dirty at once, to the last byte: the zeroing that keeps up
 * with one span may not keep up with all of them.
 */
TEST(the_whole_pool_is_zero_again)
{
	struct pool_watch watch;
	struct span s;
	uint64_t n[2] = { 0, 0 };
	int round, fd;
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&watch));
	for (round = 0; round < 2; round++) {
		fd = dev_open(O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		while (!span_alloc(fd, 0, &s)) {
			ASSERT_EQ(0, span_map(fd, &s, MAP_SHARED, &p));
			ASSERT_EQ(-1, nonzero_at(p, s.bytes))
				TH_LOG("round %d, unit %llu", round,
				       (unsigned long long)n[round]);
			memset(p, 0xff, s.bytes);
			munmap(p, s.bytes);
			n[round]++;
		}
		close(fd);
	}
	EXPECT_EQ(watch.before.out_nr_free, n[0]);
	EXPECT_EQ(watch.before.out_nr_free, n[1]);
	EXPECT_EQ(0, pool_watch_end(&watch));
}

/* "ALLOC grants it, zeroed" has no exception for the same owner. */
TEST(the_same_owner_gets_it_zero_too)
{
	struct pool_watch watch;
	struct span s, again;
	int fd, i;
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&watch));
	fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, span_alloc(fd, 1, &s));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, span_map(fd, &s, MAP_SHARED, &p));
		ASSERT_EQ(-1, nonzero_at(p, s.bytes));
		memset(p, 0xff, s.bytes);
		munmap(p, s.bytes);
		ASSERT_EQ(0, span_free(fd, s.offset));
		ASSERT_EQ(0, span_alloc_at(fd, 1, s.offset, &again));
	}
	close(fd);
	EXPECT_EQ(0, pool_watch_end(&watch));
}

/*
 * The kernel reads a unit that its new owner never touched: the fault on its
 * behalf must find the zeroed unit as well.
 */
TEST(the_kernel_reads_zero)
{
	struct pool_watch watch;
	char got[PAGE_STEP];
	struct span s, again;
	int fd, other, pipefd[2];
	size_t at;
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&watch));
	ASSERT_EQ(0, pipe(pipefd));
	fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	other = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, span_alloc(fd, 0, &s));
	ASSERT_EQ(0, span_map(fd, &s, MAP_SHARED, &p));
	memset(p, 0xff, s.bytes);
	munmap(p, s.bytes);
	ASSERT_EQ(0, span_free(fd, s.offset));
	ASSERT_EQ(0, span_alloc_at(other, 0, s.offset, &again));
	ASSERT_EQ(0, span_map(other, &again, MAP_SHARED, &p));
	for (at = 0; at < again.bytes; at += PAGE_STEP) {
		ASSERT_EQ(PAGE_STEP, write(pipefd[1], (char *)p + at,
					   PAGE_STEP));
		ASSERT_EQ(PAGE_STEP, read(pipefd[0], got, PAGE_STEP));
		ASSERT_EQ(-1, nonzero_at(got, PAGE_STEP));
	}
	close(pipefd[0]);
	close(pipefd[1]);
	munmap(p, again.bytes);
	close(other);
	close(fd);
	EXPECT_EQ(0, pool_watch_end(&watch));
}

DEVICE_TEST_MAIN
