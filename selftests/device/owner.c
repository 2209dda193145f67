// SPDX-License-Identifier: MIT
/*
 * A span belongs to the open file it was granted to. Who holds a descriptor of
 * that file may do everything with it; who holds another may do nothing, by
 * whatever door.
 */
#include <kselftest_harness.h>

#include <dirent.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"
#include "procfs.h"

#define TAG 0x0a11

FIXTURE(owner) {
	struct pool_watch watch;
	struct span span;	/* two units, filled with TAG */
	void *mem;
	int mine;
	int other;
};

/* How the stranger came by a file of its own. */
FIXTURE_VARIANT(owner) {
	bool reopened;
};

FIXTURE_VARIANT_ADD(owner, opened_anew) {};
FIXTURE_VARIANT_ADD(owner, reopened_through_proc) { .reopened = true };

FIXTURE_SETUP(owner)
{
	char path[64];

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->mine = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->mine);
	ASSERT_EQ(0, span_alloc(self->mine, 1, &self->span));
	ASSERT_EQ(0, span_map(self->mine, &self->span, MAP_SHARED, &self->mem));
	pattern_fill(self->mem, self->span.bytes, TAG);
	if (variant->reopened) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", self->mine);
		self->other = open(path, O_RDWR | O_CLOEXEC);
	} else {
		self->other = dev_open(O_RDWR | O_CLOEXEC);
	}
	ASSERT_LE(0, self->other);
}

FIXTURE_TEARDOWN(owner)
{
	/* Whatever the stranger tried, the owner's data is what it was. */
	EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes, TAG));
	munmap(self->mem, self->span.bytes);
	close(self->other);
	close(self->mine);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* A stranger's mapping would be a read of another's memory. */
TEST_F(owner, a_stranger_cannot_map)
{
	const int flags[] = { MAP_SHARED, MAP_PRIVATE };
	const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	size_t f, p;
	void *mem;

	for (f = 0; f < ARRAY_SIZE(flags); f++) {
		for (p = 0; p < ARRAY_SIZE(prots); p++) {
			EXPECT_EQ(-EACCES,
				  try_mmap(NULL, self->span.bytes, prots[p],
					   flags[f], self->other,
					   self->span.offset, &mem));
		}
	}
}

/* A second unit of a span is as much the owner's as its first. */
TEST_F(owner, a_stranger_cannot_map_a_part)
{
	uint64_t half = self->span.bytes / 2;
	void *mem;

	EXPECT_EQ(-EACCES, try_mmap(NULL, half, PROT_READ, MAP_SHARED,
				    self->other, self->span.offset + half,
				    &mem));
}

/* Two spans side by side, of two owners: one mapping may not reach over. */
TEST_F(owner, a_mapping_cannot_reach_into_a_strangers_span)
{
	struct span theirs = { 0, 0 };
	int tries;
	void *mem;

	for (tries = 0; tries < 64; tries++) {
		if (span_alloc(self->other, 0, &theirs))
			break;
		if (theirs.offset == self->span.offset + self->span.bytes ||
		    theirs.offset + theirs.bytes == self->span.offset)
			break;
	}
	if (theirs.offset > self->span.offset) {
		EXPECT_EQ(-EINVAL,
			  try_mmap(NULL, self->span.bytes + theirs.bytes,
				   PROT_READ, MAP_SHARED, self->mine,
				   self->span.offset, &mem));
	} else {
		EXPECT_EQ(-EINVAL,
			  try_mmap(NULL, self->span.bytes + theirs.bytes,
				   PROT_READ, MAP_SHARED, self->other,
				   theirs.offset, &mem));
	}
}

TEST_F(owner, a_stranger_cannot_free)
{
	EXPECT_EQ(-ENOENT, span_free(self->other, self->span.offset));
	EXPECT_EQ(2, pool_granted(&self->watch) -
		     (long)self->watch.before.out_nr_granted);
}

TEST_F(owner, a_stranger_cannot_trim)
{
	uint64_t bytes;

	EXPECT_EQ(-ENOENT, span_trim(self->other, self->span.offset,
				     self->span.bytes / 2, &bytes));
	EXPECT_EQ(2, pool_granted(&self->watch) -
		     (long)self->watch.before.out_nr_granted);
}

/* QUERY of a stranger would tell which units are taken, and how. */
TEST_F(owner, a_stranger_cannot_query)
{
	struct hugespan_query q;

	EXPECT_EQ(-ENOENT, span_query(self->other, self->span.offset, &q));
}

TEST_F(owner, a_stranger_cannot_set_the_fork_mode)
{
	struct hugespan_query q;
	struct span s;

	ASSERT_EQ(0, span_alloc(self->mine, 0, &s));
	EXPECT_EQ(-ENOENT, span_set_fork(self->other, s.offset,
					 HUGESPAN_FORK_WIPE));
	ASSERT_EQ(0, span_query(self->mine, s.offset, &q));
	EXPECT_EQ(HUGESPAN_FORK_SHARE, q.out_fork_mode);
}

/*
 * remap_file_pages(2) maps the same file at another offset without mmap(2):
 * the check of the owner must stand in its way too.
 */
TEST_F(owner, remap_file_pages_is_no_door)
{
	size_t unit = dev_unit(self->other);
	struct span s;
	void *mem;
	int err;

	ASSERT_EQ(0, span_alloc(self->other, 0, &s));
	ASSERT_EQ(0, span_map(self->other, &s, MAP_SHARED, &mem));
	*(volatile char *)mem = 1;
	err = remap_file_pages(mem, unit, 0, self->span.offset / PAGE_STEP, 0);
	EXPECT_EQ(-1, err);
	if (!err) {
		EXPECT_NE(-1, pattern_dots_differ(mem, unit, TAG));
	}
	munmap(mem, unit);
}

/* /proc/self/map_files opens a mapping's file again: that is a new owner. */
TEST_F(owner, map_files_is_no_door)
{
	char path[128];
	void *mem;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (unsigned long)self->mem,
		 (unsigned long)self->mem + (unsigned long)self->span.bytes);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "map_files cannot be opened here: %s",
		     strerror(errno));
	EXPECT_EQ(-EACCES, try_mmap(NULL, self->span.bytes, PROT_READ,
				    MAP_SHARED, fd, self->span.offset, &mem));
	EXPECT_EQ(-ENOENT, span_free(fd, self->span.offset));
	close(fd);
}

/* The file has no bytes of its own: no read, write or copy reaches a span. */
TEST_F(owner, reading_and_writing_the_file_is_no_door)
{
	char buf[4096] = { 0 };
	int pipefd[2], fds[2] = { self->other, self->mine };
	off_t at = (off_t)self->span.offset;
	loff_t from = (loff_t)self->span.offset;
	size_t i;

	ASSERT_EQ(0, pipe(pipefd));
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		EXPECT_GE(0, pread(fds[i], buf, sizeof(buf), at));
		EXPECT_GE(0, pwrite(fds[i], buf, sizeof(buf), at));
		EXPECT_GE(0, sendfile(pipefd[1], fds[i], &at, sizeof(buf)));
		EXPECT_GE(0, splice(fds[i], &from, pipefd[1], NULL,
				    sizeof(buf), SPLICE_F_NONBLOCK));
		EXPECT_EQ(-1, ftruncate(fds[i], 0));
		EXPECT_EQ(-1, fallocate(fds[i], FALLOC_FL_PUNCH_HOLE |
					FALLOC_FL_KEEP_SIZE, at, sizeof(buf)));
		posix_fadvise(fds[i], at, sizeof(buf), POSIX_FADV_WILLNEED);
		posix_fadvise(fds[i], at, sizeof(buf), POSIX_FADV_DONTNEED);
		readahead(fds[i], at, sizeof(buf));
	}
	EXPECT_EQ(-1, nonzero_at(buf, sizeof(buf)));
	close(pipefd[0]);
	close(pipefd[1]);
}

/* ---- who else is the owner --------------------------------------------- */

/* dup(2) makes a second descriptor of one open file. */
TEST_F(owner, a_duplicate_is_the_owner)
{
	int dup_fd = dup(self->mine);
	struct hugespan_query q;

	ASSERT_LE(0, dup_fd);
	EXPECT_EQ(dev_owner_id(self->mine), dev_owner_id(dup_fd));
	EXPECT_EQ(0, span_query(dup_fd, self->span.offset, &q));
	close(dup_fd);
}

/* A descriptor sent over a socket is the way to share a span on purpose. */
TEST_F(owner, a_passed_descriptor_is_the_owner)
{
	uint64_t id = dev_owner_id(self->mine);
	struct line line;
	pid_t pid;

	ASSERT_EQ(0, line_open(&line));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct span s;
		void *mem;
		int fd;

		close(self->mine);
		fd = line_recv_fd(&line, 1);
		CHILD_CHECK(fd >= 0);
		CHILD_CHECK(dev_owner_id(fd) == id);
		CHILD_CHECK(!span_map(fd, &self->span, MAP_SHARED, &mem));
		CHILD_CHECK(pattern_differs(mem, self->span.bytes, TAG) == -1);
		CHILD_CHECK(!span_alloc(fd, 0, &s));
		CHILD_CHECK(!span_free(fd, s.offset));
		_exit(0);
	}
	ASSERT_EQ(0, line_send_fd(&line, 0, self->mine));
	EXPECT_EQ(0, child_wait(pid));
	line_close(&line);
}

/* A child inherits the descriptor, and with it everything. */
TEST_F(owner, a_forked_descriptor_is_the_owner)
{
	pid_t pid = child_fork();
	struct span s;

	ASSERT_LE(0, pid);
	if (!pid) {
		void *mem;

		CHILD_CHECK(!span_map(self->mine, &self->span, MAP_SHARED,
				      &mem));
		CHILD_CHECK(pattern_differs(mem, self->span.bytes, TAG) == -1);
		CHILD_CHECK(!span_alloc(self->mine, 0, &s));
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	/* What the child was granted is still the file's, thus the parent's. */
	EXPECT_EQ(3, pool_granted(&self->watch) -
		     (long)self->watch.before.out_nr_granted);
}

/* ---- identity ---------------------------------------------------------- */

/*
 * A descriptor number is reused at once. Who keeps state per descriptor (the
 * library does) can only tell by the id, so no id may ever come twice.
 */
TEST(ids_are_never_reused)
{
	enum { NR = 200 };
	uint64_t seen[2 * NR];
	int fds[NR], i, j, n = 0;

	for (i = 0; i < NR; i++) {
		int fd = dev_open(O_RDWR | O_CLOEXEC);

		ASSERT_LE(0, fd);
		seen[n++] = dev_owner_id(fd);
		close(fd);
		fds[i] = dev_open(O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fds[i]);
		seen[n++] = dev_owner_id(fds[i]);
	}
	for (i = 0; i < n; i++) {
		ASSERT_NE(0, seen[i]);
		for (j = 0; j < i; j++) {
			ASSERT_NE(seen[j], seen[i]);
		}
	}
	for (i = 0; i < NR; i++)
		close(fds[i]);
}

/* Read and write for root and the group, nothing for the world. */
TEST(the_node_is_not_for_everybody)
{
	struct stat st;

	ASSERT_EQ(0, stat(HUGESPAN_DEVICE, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0660, st.st_mode & 07777);
}

/* And the mode is what keeps a user out. */
TEST(a_user_outside_the_group_cannot_open)
{
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(!syscall(SYS_setgroups, 0, NULL));
		CHILD_CHECK(!syscall(SYS_setresgid, 65534, 65534, 65534));
		CHILD_CHECK(!syscall(SYS_setresuid, 65534, 65534, 65534));
		CHILD_CHECK(dev_open(O_RDWR) == -EACCES);
		CHILD_CHECK(dev_open(O_RDONLY) == -EACCES);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
}

DEVICE_TEST_MAIN
