// SPDX-License-Identifier: MIT
/*
 * However a process ends, what it held returns to the pool; and as long as
 * one descriptor or one mapping of the file is left anywhere, it does not.
 */
#include <kselftest_harness.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"
#include "procfs.h"

#define TAG 0x11fe
#define AS_HELPER "HUGESPAN_TEST_HELPER"

/*
 * After exec this same program runs as a helper: it tells that it lives on the
 * descriptor that is its name in the environment and waits to be told to end.
 */
static void __attribute__((constructor)) be_helper(void)
{
	const char *fd = getenv(AS_HELPER);
	struct line line;

	if (!fd)
		return;
	line.end[1] = atoi(fd);
	if (line_say(&line, 1, 1) || line_hear(&line, 1, NULL))
		_exit(1);
	_exit(0);
}

static void exec_helper(struct line *line)
{
	char arg0[] = "helper", env[64];
	char *argv[] = { arg0, NULL }, *envp[] = { env, NULL };
	int fd = dup(line->end[1]);	/* without close-on-exec */

	snprintf(env, sizeof(env), AS_HELPER "=%d", fd);
	execve("/proc/self/exe", argv, envp);
	_exit(1);
}

FIXTURE(lifetime) {
	struct pool_watch watch;
	struct line line;
	uint64_t base;		/* units granted before the test */
};

/* What the process that ends holds. */
FIXTURE_VARIANT(lifetime) {
	int map;		/* 0, MAP_SHARED or MAP_PRIVATE */
	bool close_fd;		/* the mapping outlives the descriptor */
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(lifetime, unmapped) {};
FIXTURE_VARIANT_ADD(lifetime, shared) { .map = MAP_SHARED };
FIXTURE_VARIANT_ADD(lifetime, private) { .map = MAP_PRIVATE };
FIXTURE_VARIANT_ADD(lifetime, shared_fd_closed) {
	.map = MAP_SHARED, .close_fd = true,
};
FIXTURE_VARIANT_ADD(lifetime, private_fd_closed) {
	.map = MAP_PRIVATE, .close_fd = true,
};
FIXTURE_VARIANT_ADD(lifetime, shared_free_on_unmap) {
	.map = MAP_SHARED, .flags = HUGESPAN_ALLOC_FREE_ON_UNMAP,
};

FIXTURE_SETUP(lifetime)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->base = self->watch.before.out_nr_granted;
	ASSERT_EQ(0, line_open(&self->line));
}

FIXTURE_TEARDOWN(lifetime)
{
	line_close(&self->line);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* Three units in two spans, held as the variant says; the descriptor. */
static int hold(const FIXTURE_VARIANT(lifetime) *v, int oflags, void **mem)
{
	struct span s[2];
	int fd = dev_open(O_RDWR | oflags), i;

	*mem = NULL;
	if (fd < 0)
		return fd;
	for (i = 0; i < 2; i++) {
		if (span_alloc_with(fd, i, v->flags, HUGESPAN_FORK_SHARE,
				    &s[i]))
			return -1;
		if (!v->map)
			continue;
		if (span_map(fd, &s[i], v->map, mem))
			return -1;
		pattern_dot(*mem, s[i].bytes, TAG + i);
	}
	if (v->close_fd)
		close(fd);
	return fd;
}

/* The plain way: exit(2) unmaps and closes. */
TEST_F(lifetime, exit_returns_all)
{
	pid_t pid = child_fork();
	void *mem;

	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(hold(variant, O_CLOEXEC, &mem) >= 0);
		CHILD_CHECK(pool_granted(&self->watch) ==
			    (long)self->base + 3);
		_exit(0);
	}
	ASSERT_EQ(0, child_wait(pid));
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
}

/* No destructor runs and no handler: the kernel alone must clean up. */
TEST_F(lifetime, kill_9_returns_all)
{
	pid_t pid = child_fork();
	void *mem;

	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(hold(variant, O_CLOEXEC, &mem) >= 0);
		CHILD_CHECK(!line_say(&self->line, 1, 1));
		pause();
		_exit(1);
	}
	ASSERT_EQ(0, line_hear(&self->line, 0, NULL));
	EXPECT_EQ(self->base + 3, pool_granted(&self->watch));
	ASSERT_EQ(0, child_kill(pid));
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
}

/* exec throws the mappings away, and the descriptor with FD_CLOEXEC. */
TEST_F(lifetime, exec_returns_all)
{
	pid_t pid = child_fork();
	void *mem;

	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(hold(variant, O_CLOEXEC, &mem) >= 0);
		exec_helper(&self->line);
	}
	ASSERT_EQ(0, line_hear(&self->line, 0, NULL));
	/* The process lives on, and holds nothing any more. */
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
	ASSERT_EQ(0, line_say(&self->line, 0, 1));
	EXPECT_EQ(0, child_wait(pid));
}

/* A descriptor that exec keeps keeps its spans, but for FREE_ON_UNMAP. */
TEST_F(lifetime, a_descriptor_kept_over_exec_keeps_spans)
{
	pid_t pid = child_fork();
	unsigned int left = 3;
	void *mem;

	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(hold(variant, 0, &mem) >= 0);
		exec_helper(&self->line);
	}
	if (variant->close_fd || variant->flags & HUGESPAN_ALLOC_FREE_ON_UNMAP)
		left = 0;
	ASSERT_EQ(0, line_hear(&self->line, 0, NULL));
	EXPECT_EQ(0, pool_settle(&self->watch, self->base + left));
	ASSERT_EQ(0, line_say(&self->line, 0, 1));
	ASSERT_EQ(0, child_wait(pid));
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
}

/* A descendant that inherited a mapping or descriptor keeps the spans alive. */
TEST_F(lifetime, a_surviving_child_keeps_spans)
{
	pid_t pid = child_fork();
	uint64_t word = 0;
	void *mem;

	ASSERT_LE(0, pid);
	if (!pid) {
		pid_t grandchild;

		CHILD_CHECK(hold(variant, O_CLOEXEC, &mem) >= 0);
		grandchild = fork();
		CHILD_CHECK(grandchild >= 0);
		if (!grandchild) {
			CHILD_CHECK(!line_hear(&self->line, 1, NULL));
			if (mem && pattern_dots_differ(mem, 2 * 4096,
						       TAG + 1) != -1)
				CHILD_CHECK(!line_say(&self->line, 1, 2));
			CHILD_CHECK(!line_say(&self->line, 1, 1));
			_exit(0);
		}
		_exit(0);
	}
	ASSERT_EQ(0, child_wait(pid));
	EXPECT_EQ(self->base + 3, pool_granted(&self->watch));
	ASSERT_EQ(0, line_say(&self->line, 0, 1));
	ASSERT_EQ(0, line_hear(&self->line, 0, &word));
	EXPECT_EQ(1, word);
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
}

/* ---- mapping and descriptor, one after the other ----------------------- */

FIXTURE(outlive) {
	struct pool_watch watch;
	struct span span;
	uint64_t base;
	void *mem;
	int fd;
};

FIXTURE_SETUP(outlive)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->base = self->watch.before.out_nr_granted;
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, span_alloc(self->fd, 1, &self->span));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &self->mem));
}

FIXTURE_TEARDOWN(outlive)
{
	munmap(self->mem, self->span.bytes);
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/*
 * Programs close the descriptor once the memory is mapped. The mapping must
 * stay good, pages never touched so far included.
 */
TEST_F(outlive, a_mapping_works_without_its_descriptor)
{
	pattern_fill(self->mem, self->span.bytes / 2, TAG);
	close(self->fd);
	sleep_ms(50);
	EXPECT_EQ(self->base + 2, pool_granted(&self->watch));
	ASSERT_EQ(0, fault_write((char *)self->mem + self->span.bytes - 8, 1));
	EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes / 2, TAG));
	munmap(self->mem, self->span.bytes);
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
}

/* One mapped piece of one span keeps every span of the file. */
TEST_F(outlive, any_piece_of_a_mapping_keeps_the_file)
{
	size_t unit = dev_unit(self->fd);
	struct span s;

	ASSERT_EQ(0, span_alloc(self->fd, 2, &s));
	close(self->fd);
	munmap(self->mem, self->span.bytes - unit);
	sleep_ms(50);
	EXPECT_EQ(self->base + 6, pool_granted(&self->watch));
	munmap((char *)self->mem + self->span.bytes - unit, unit);
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
}

/* The other way round: spans stay granted while the file is open. */
TEST_F(outlive, unmapping_does_not_free)
{
	pattern_fill(self->mem, self->span.bytes, TAG);
	munmap(self->mem, self->span.bytes);
	sleep_ms(50);
	EXPECT_EQ(self->base + 2, pool_granted(&self->watch));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &self->mem));
	EXPECT_EQ(-1, pattern_differs(self->mem, self->span.bytes, TAG));
}

/* A descriptor under way in a socket is still a descriptor. */
TEST_F(outlive, a_descriptor_in_flight_keeps_the_file)
{
	struct line line;

	ASSERT_EQ(0, line_open(&line));
	ASSERT_EQ(0, line_send_fd(&line, 0, self->fd));
	munmap(self->mem, self->span.bytes);
	close(self->fd);
	sleep_ms(50);
	EXPECT_EQ(self->base + 2, pool_granted(&self->watch));
	line_close(&line);
	EXPECT_EQ(0, pool_settle(&self->watch, self->base));
}

/* The number of grants that end with their file is counted like any FREE. */
TEST_F(outlive, frees_are_counted_in_whatever_way)
{
	struct hugespan_stat st;
	struct span s;

	ASSERT_EQ(0, span_alloc(self->fd, 0, &s));
	munmap(self->mem, self->span.bytes);
	close(self->fd);
	ASSERT_EQ(0, pool_settle(&self->watch, self->base));
	ASSERT_EQ(0, pool_stat(self->watch.fd, HUGESPAN_NODE_ANY, &st));
	EXPECT_EQ(2, st.out_nr_grants - self->watch.before.out_nr_grants);
	EXPECT_EQ(2, st.out_nr_frees - self->watch.before.out_nr_frees);
}

DEVICE_TEST_MAIN
