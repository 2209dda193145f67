// SPDX-License-Identifier: MIT
/*
 * A pool that grows and shrinks at run time: it gets what was asked for, or
 * says what stood in the way; the host keeps its head-room; and no unit that
 * somebody holds is ever taken away. For each limit to be the one that is met,
 * the guest has two nodes and a large head-room:
 * guest options: --mem 2G --nodes 2 --pool-arg pool=128M --pool-arg headroom=600M
 */
#include <kselftest_harness.h>

#include <grp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "child.h"
#include "poolsize.h"
#include "fault.h"
#include "pattern.h"

#define MIB (1024 * 1024ll)
#define HEADROOM (600 * MIB)
/* What the kernel's own estimates of available memory may differ by. */
#define SLACK (48 * MIB)
#define TAG 0x512e
/* More than any guest has. */
#define FAR_TOO_MANY 1000000

/* From <numaif.h>, which is another package's. */
#define MPOL_BIND 2

FIXTURE(resize) {
	struct pool_watch watch;
	struct pool_size size;
	size_t unit;
	long long nr;		/* units of the variant's node at first */
	int node;
	int fd;
};

FIXTURE_VARIANT(resize) {
	int nth_node;		/* or POOL_ALL_NODES */
};

FIXTURE_VARIANT_ADD(resize, first_node) { .nth_node = 0 };
FIXTURE_VARIANT_ADD(resize, last_node) { .nth_node = 1 };
FIXTURE_VARIANT_ADD(resize, all_nodes) { .nth_node = POOL_ALL_NODES };

FIXTURE_SETUP(resize)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	ASSERT_EQ(0, pool_size_save(&self->size));
	if (variant->nth_node >= self->size.nr_nodes) {
		SKIP_IN_SETUP("there is no second node");
	}
	self->node = variant->nth_node == POOL_ALL_NODES ? POOL_ALL_NODES :
		     self->size.node[variant->nth_node];
	if (access(POOL_SYSFS "/nr_target", W_OK)) {
		SKIP_IN_SETUP("the pool's size may not be changed: %s",
			      strerror(errno));
	}
	self->nr = pool_value(self->node, "nr_units");
	ASSERT_LT(0, self->nr);
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
}

FIXTURE_TEARDOWN(resize)
{
	close(self->fd);
	EXPECT_EQ(0, pool_settle(&self->watch, 0));
	EXPECT_EQ(0, pool_size_restore(&self->size));
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

static int stat_of(FIXTURE_DATA(resize) *self, struct hugespan_stat *st)
{
	return pool_stat(self->fd, self->node == POOL_ALL_NODES ?
			 HUGESPAN_NODE_ANY : self->node, st);
}

/* The next single unit of the node: 0 or -errno. */
static int take_one(FIXTURE_DATA(resize) *self, struct span *s)
{
	if (self->node == POOL_ALL_NODES)
		return span_alloc(self->fd, 0, s);
	return span_alloc_on(self->fd, 0, HUGESPAN_ALLOC_STRICT, 0, self->node,
			     s);
}

/* What it grew by can be granted, and is zero. */
TEST_F(resize, grows)
{
	long long want = self->nr + 40, i;
	struct hugespan_stat st;
	struct span s;
	void *p;

	ASSERT_EQ(0, pool_resize(self->node, want));
	EXPECT_EQ(want, pool_value(self->node, "nr_units"));
	EXPECT_EQ(want, pool_value(self->node, "nr_target"));
	ASSERT_EQ(0, stat_of(self, &st));
	EXPECT_EQ(want, st.out_nr_units);
	EXPECT_EQ(want, st.out_nr_free);
	EXPECT_TRUE(pool_adds_up(&st));
	for (i = 0; i < want; i++) {
		ASSERT_EQ(0, take_one(self, &s));
		ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
		ASSERT_EQ(-1, nonzero_at(p, s.bytes));
		pattern_dot(p, s.bytes, TAG);
		munmap(p, s.bytes);
	}
	EXPECT_EQ(-ENOMEM, take_one(self, &s));
}

/*
 * What it shrank by the host has again, each time. (But for what the kernel
 * keeps at hand for each CPU.)
 */
TEST_F(resize, shrinks)
{
	long long bytes = 100 * (long long)self->unit, before;
	struct hugespan_stat st;
	int i;

	ASSERT_EQ(0, pool_resize(self->node, self->nr + 100));
	before = meminfo_bytes("MemFree");
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pool_resize(self->node, self->nr));
		ASSERT_EQ(self->nr, pool_value(self->node, "nr_units"));
		EXPECT_LE(before + bytes / 2, meminfo_bytes("MemFree"));
		ASSERT_EQ(0, stat_of(self, &st));
		EXPECT_EQ(self->nr, st.out_nr_units);
		EXPECT_EQ(self->nr, st.out_nr_free);
		ASSERT_EQ(0, pool_resize(self->node, self->nr + 100));
		EXPECT_GE(before + SLACK, meminfo_bytes("MemFree"));
		EXPECT_LE(before - SLACK, meminfo_bytes("MemFree"));
	}
}

/* To nothing and back; a pool of nothing refuses and does no harm. */
TEST_F(resize, to_nothing_and_back)
{
	struct hugespan_stat st;
	struct span s;
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, pool_resize(self->node, 0));
		ASSERT_EQ(0, stat_of(self, &st));
		ASSERT_EQ(0, st.out_nr_units);
		ASSERT_EQ(-1, st.out_largest_free_order);
		ASSERT_EQ(-ENOMEM, take_one(self, &s));
		ASSERT_EQ(0, pool_resize(self->node, self->nr));
		ASSERT_EQ(0, take_one(self, &s));
		ASSERT_EQ(0, span_free(self->fd, s.offset));
	}
}

/* The counters tell the whole history of each node. */
TEST_F(resize, counters_add_up)
{
	int i;

	ASSERT_EQ(0, pool_resize(self->node, self->nr + 20));
	ASSERT_EQ(0, pool_resize(self->node, self->nr - 10));
	for (i = 0; i < self->size.nr_nodes; i++) {
		int node = self->size.node[i];

		EXPECT_EQ(pool_value(node, "nr_units"),
			  pool_value(node, "grown") -
			  pool_value(node, "shrunk"));
	}
}

/* All nodes together change evenly, as the pool was made. */
TEST_F(resize, all_nodes_change_evenly)
{
	long long lo, hi;

	if (self->node != POOL_ALL_NODES)
		SKIP(return, "this is about all nodes");
	ASSERT_EQ(0, pool_resize(self->node, self->nr + 64));
	lo = pool_value(self->size.node[0], "nr_units");
	hi = pool_value(self->size.node[1], "nr_units");
	EXPECT_EQ(self->nr + 64, lo + hi);
	EXPECT_GE(16, llabs(lo - hi));
	EXPECT_EQ(lo, pool_value(self->size.node[0], "nr_target"));
}

/* Nobody's memory is taken away, nor changed; what is free goes. */
TEST_F(resize, granted_units_stay)
{
	struct hugespan_stat st;
	struct span s[6];
	void *p[6];
	int i;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, take_one(self, &s[i]));
		ASSERT_EQ(0, span_map(self->fd, &s[i], MAP_SHARED, &p[i]));
		pattern_fill(p[i], s[i].bytes, TAG + i);
	}
	EXPECT_EQ(-EBUSY, pool_resize(self->node, 0));
	ASSERT_EQ(0, stat_of(self, &st));
	EXPECT_EQ(6, st.out_nr_units);
	EXPECT_EQ(6, st.out_nr_granted);
	EXPECT_EQ(0, st.out_nr_free);
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(-1, pattern_differs(p[i], s[i].bytes, TAG + i));
		munmap(p[i], s[i].bytes);
		EXPECT_EQ(0, span_free(self->fd, s[i].offset));
	}
	EXPECT_EQ(0, pool_resize(self->node, 0));
}

/* Nor is a unit that the kernel has pinned: it may still be written to. */
TEST_F(resize, quarantined_units_stay)
{
	struct hugespan_stat st;
	struct iovec iov;
	struct span s;
	int ends[2];
	void *p;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, take_one(self, &s));
	ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
	ASSERT_EQ(0, fault_write(p, TAG));
	iov = (struct iovec){ p, PAGE_STEP };
	ASSERT_EQ(PAGE_STEP, vmsplice(ends[1], &iov, 1, 0));
	ASSERT_EQ(0, span_free(self->fd, s.offset));
	EXPECT_EQ(-EBUSY, pool_resize(self->node, 0));
	ASSERT_EQ(0, stat_of(self, &st));
	EXPECT_EQ(1, st.out_nr_units);
	EXPECT_EQ(1, st.out_nr_quarantined);
	close(ends[0]);
	close(ends[1]);
	munmap(p, s.bytes);
	ASSERT_EQ(0, pool_settle(&self->watch, 0));
	EXPECT_EQ(0, pool_resize(self->node, 0));
}

/* Single free units between granted ones go before a large run is broken. */
TEST_F(resize, shrinking_spares_large_runs)
{
	struct hugespan_stat before, after;
	struct span s[16];
	int i;

	if (self->node == POOL_ALL_NODES)
		SKIP(return, "this is about a node");
	for (i = 0; i < 16; i++)
		ASSERT_EQ(0, take_one(self, &s[i]));
	for (i = 0; i < 16; i += 2)
		ASSERT_EQ(0, span_free(self->fd, s[i].offset));
	ASSERT_EQ(0, stat_of(self, &before));
	ASSERT_EQ(0, pool_resize(self->node, self->nr - 8));
	ASSERT_EQ(0, stat_of(self, &after));
	EXPECT_EQ(before.out_largest_free_order, after.out_largest_free_order);
	EXPECT_EQ(before.out_nr_free - 8, after.out_nr_free);
}

/* ---- limits ------------------------------------------------------------ */

/* Takes so many bytes of a node and keeps them; ends with the test. */
static pid_t hog(struct line *l, int node, size_t bytes)
{
	unsigned long mask = 1ul << node;
	pid_t pid = child_fork();
	void *p;

	if (pid)
		return pid;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHILD_CHECK(p != MAP_FAILED);
	CHILD_CHECK(!syscall(SYS_mbind, p, bytes, MPOL_BIND, &mask, 64ul, 0));
	CHILD_CHECK(!madvise(p, bytes, MADV_NOHUGEPAGE));
	pattern_dot(p, bytes, TAG);
	line_say(l, 1, 1);
	line_hear(l, 1, NULL);
	_exit(pattern_dots_differ(p, bytes, TAG) == -1 ? 0 : 1);
}

/* MemFree of a node, in bytes; -1 where it is not told. */
static long long node_free_bytes(int node)
{
	char path[64], line[256];
	long long kb = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo",
		 node);
	f = fopen(path, "re");
	while (f && kb < 0 && fgets(line, sizeof(line), f))
		if (strstr(line, "MemFree:"))
			kb = strtoll(strchr(line, ':') + 1, NULL, 10);
	if (f)
		fclose(f);
	return kb < 0 ? -1 : kb * 1024;
}

/* A node gives at most its share, though the host could spare more. */
TEST_F(resize, the_cap_is_kept)
{
	long long got;

	if (self->node == POOL_ALL_NODES)
		SKIP(return, "the head-room comes before the cap");
	EXPECT_EQ(-ENOSPC, pool_resize(self->node, FAR_TOO_MANY));
	got = pool_value(self->node, "nr_units");
	EXPECT_LT(self->nr, got);
	EXPECT_GE(1024 * MIB / 100 * 80, got * (long long)self->unit);
	EXPECT_EQ(-ENOSPC, pool_resize(self->node, got + 1));
	EXPECT_EQ(got, pool_value(self->node, "nr_units"));
}

/* With both nodes growing it is the host's head-room that ends it. */
TEST_F(resize, the_headroom_is_kept)
{
	long long got;

	if (self->node != POOL_ALL_NODES)
		SKIP(return, "the cap comes before the head-room");
	EXPECT_EQ(-ENOMEM, pool_resize(self->node, FAR_TOO_MANY));
	got = pool_value(self->node, "nr_units");
	EXPECT_LT(self->nr, got);
	EXPECT_LE(HEADROOM - SLACK, meminfo_bytes("MemAvailable"));
	EXPECT_EQ(FAR_TOO_MANY, pool_value(self->node, "nr_target"));
}

/* A node whose memory is in use: what it has, and then an answer. */
TEST_F(resize, a_full_node_is_told)
{
	long long leave = 96 * MIB, got;
	struct line l;
	pid_t pid;

	if (variant->nth_node != 1)
		SKIP(return, "the last node has no kernel on it");
	ASSERT_EQ(0, line_open(&l));
	pid = hog(&l, self->node, node_free_bytes(self->node) - leave);
	ASSERT_LE(0, pid);
	ASSERT_EQ(0, line_hear(&l, 0, NULL));
	EXPECT_EQ(-EAGAIN, pool_resize(self->node, FAR_TOO_MANY));
	got = pool_value(self->node, "nr_units");
	EXPECT_GE(self->nr + 2 * leave / (long long)self->unit, got);
	/* Nobody was killed for it. */
	ASSERT_EQ(0, line_say(&l, 0, 1));
	EXPECT_EQ(0, child_wait(pid));
	line_close(&l);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Growing takes time; a signal ends it, and what it has got stays. */
TEST_F(resize, a_signal_ends_growing)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct hugespan_stat st;
	int status, tries = 0;
	long long before;
	pid_t pid;

	before = self->nr;
	do {
		pid = child_fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			sigaction(SIGUSR1, &act, NULL);
			_exit(-pool_resize(self->node, before + 250));
		}
		/* Once it has begun: the signal finds it at work. */
		while (pool_value(self->node, "nr_units") <= before)
			sleep_ms(1);
		kill(pid, SIGUSR1);
		status = child_wait(pid);
		/* A fast machine was done already. */
		if (!status)
			ASSERT_EQ(0, pool_resize(self->node, before));
	} while (!status && ++tries < 10);
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(EINTR, WEXITSTATUS(status));
	ASSERT_EQ(0, stat_of(self, &st));
	EXPECT_LT(before, st.out_nr_units);
	EXPECT_GT(before + 250, st.out_nr_units);
	EXPECT_EQ(st.out_nr_units, st.out_nr_free);
}

/* ---- the file ---------------------------------------------------------- */

/* A typing error must be told, and do nothing. */
TEST_F(resize, what_is_no_number_is_refused)
{
	const char *wrong[] = { "", "\n", "abc", "-1", "1.5", "10 20", "0x10",
				"64M", "99999999999", "18446744073709551616" };
	char path[128];
	size_t i;

	pool_file(path, sizeof(path), self->node, "nr_target");
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		/* An empty string is not written at all. */
		EXPECT_EQ(*wrong[i] ? -EINVAL : 0, file_write(path, wrong[i]))
			TH_LOG("\"%s\"", wrong[i]);
	}
	EXPECT_EQ(self->nr, pool_value(self->node, "nr_units"));
	EXPECT_EQ(self->nr, pool_value(self->node, "nr_target"));
}

/* Everybody may look, and only root may take the host's memory. */
TEST_F(resize, only_root_may)
{
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		CHILD_CHECK(!setgroups(0, NULL));
		CHILD_CHECK(!setgid(65534) && !setuid(65534));
		CHILD_CHECK(pool_value(self->node, "nr_target") == self->nr);
		CHILD_CHECK(pool_resize(self->node, 0) == -EACCES);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(self->nr, pool_value(self->node, "nr_units"));
}

DEVICE_TEST_MAIN
