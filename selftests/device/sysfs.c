// SPDX-License-Identifier: MIT
/*
 * What sysfs and fdinfo tell is what the commands tell: two views of one pool
 * that disagree send an administrator the wrong way.
 */
#include <kselftest_harness.h>

#include <dirent.h>
#include <sys/stat.h>

#include "child.h"
#include "device.h"
#include "procfs.h"

#define ROOT "/sys/kernel/hugespan"
#define MAX_NODES 64

FIXTURE(sysfs) {
	struct pool_watch watch;
	struct hugespan_info info;
	int nodes[MAX_NODES];
	int nr_nodes;
	int fd;
};

FIXTURE_SETUP(sysfs)
{
	struct dirent *d;
	DIR *dir;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, dev_info(self->fd, &self->info));
	dir = opendir(ROOT);
	ASSERT_NE(NULL, dir);
	while ((d = readdir(dir)) && self->nr_nodes < MAX_NODES) {
		if (sscanf(d->d_name, "node%d", &self->nodes[self->nr_nodes]) == 1)
			self->nr_nodes++;
	}
	closedir(dir);
}

FIXTURE_TEARDOWN(sysfs)
{
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

static long long node_value(int node, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), ROOT "/node%d/%s", node, name);
	return file_number(path, -1000);
}

/* The files of a node against STAT of that node. */
static bool agrees(int fd, int node)
{
	struct hugespan_stat st;
	struct {
		const char *name;
		long long want;
	} files[6];
	size_t i;
	bool same = true;

	if (pool_stat(fd, node, &st))
		return false;
	files[0].name = "nr_units";
	files[0].want = (long long)st.out_nr_units;
	files[1].name = "nr_free";
	files[1].want = (long long)st.out_nr_free;
	files[2].name = "nr_free_clean";
	files[2].want = (long long)st.out_nr_free_clean;
	files[3].name = "nr_granted";
	files[3].want = (long long)st.out_nr_granted;
	files[4].name = "nr_quarantined";
	files[4].want = (long long)st.out_nr_quarantined;
	files[5].name = "largest_free_order";
	files[5].want = st.out_largest_free_order;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		long long got = node_value(node, files[i].name);

		if (got == files[i].want)
			continue;
		diag("node%d/%s is %lld, STAT says %lld", node, files[i].name,
		     got, files[i].want);
		same = false;
	}
	return same;
}

TEST_F(sysfs, constants_are_those_of_info)
{
	EXPECT_EQ(self->info.out_unit_bytes,
		  file_number(ROOT "/unit_bytes", -1));
	EXPECT_EQ(self->info.out_api_version,
		  file_number(ROOT "/api_version", -1));
	EXPECT_EQ(self->info.out_nr_nodes, self->nr_nodes);
}

TEST_F(sysfs, nodes_are_those_of_stat)
{
	uint64_t units = 0;
	int i;

	pool_wait_clean(self->fd);
	for (i = 0; i < self->nr_nodes; i++) {
		EXPECT_TRUE(agrees(self->fd, self->nodes[i]));
		units += (uint64_t)node_value(self->nodes[i], "nr_units");
	}
	EXPECT_EQ(self->watch.before.out_nr_units, units);
}

/* And they follow what happens, up to the last unit. */
TEST_F(sysfs, values_follow_grants)
{
	struct span s;
	int i, step;

	for (step = 0; step < 3; step++) {
		ASSERT_EQ(0, span_alloc(self->fd, step, &s));
		pool_wait_clean(self->fd);
		for (i = 0; i < self->nr_nodes; i++) {
			EXPECT_TRUE(agrees(self->fd, self->nodes[i]));
		}
	}
	while (!span_alloc(self->fd, 0, &s))
		;
	for (i = 0; i < self->nr_nodes; i++) {
		EXPECT_TRUE(agrees(self->fd, self->nodes[i]));
		EXPECT_EQ(0, node_value(self->nodes[i], "nr_free"));
		EXPECT_EQ(-1, node_value(self->nodes[i],
					 "largest_free_order"));
	}
}

/* An administrator sees refusals before the users complain. */
TEST_F(sysfs, refusals_are_counted)
{
	long long before = file_number(ROOT "/refused", -1);
	struct hugespan_stat st;
	struct span s;

	ASSERT_LE(0, before);
	while (!span_alloc(self->fd, 0, &s))
		;
	ASSERT_EQ(-ENOMEM, span_alloc(self->fd, 0, &s));
	EXPECT_EQ(before + 2, file_number(ROOT "/refused", -1));
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
	EXPECT_EQ(before + 2, st.out_nr_refused);
}

/* Figures are for everybody's eyes and nobody's hands. */
TEST_F(sysfs, files_are_read_only)
{
	const char *names[] = { "unit_bytes", "api_version", "refused" };
	const char *per_node[] = { "nr_units", "nr_free", "nr_free_clean",
				   "nr_granted", "nr_quarantined",
				   "largest_free_order" };
	struct stat st;
	char path[128];
	size_t i;
	int n;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), ROOT "/%s", names[i]);
		ASSERT_EQ(0, stat(path, &st)) TH_LOG("%s", path);
		EXPECT_EQ(0444, st.st_mode & 07777);
	}
	for (n = 0; n < self->nr_nodes; n++) {
		for (i = 0; i < ARRAY_SIZE(per_node); i++) {
			snprintf(path, sizeof(path), ROOT "/node%d/%s",
				 self->nodes[n], per_node[i]);
			ASSERT_EQ(0, stat(path, &st)) TH_LOG("%s", path);
			EXPECT_EQ(0444, st.st_mode & 07777);
			EXPECT_GT(0, open(path, O_WRONLY | O_TRUNC) < 0 ?
				  -1 : 0);
		}
	}
}

/* ---- fdinfo ------------------------------------------------------------ */

struct fdinfo {
	uint64_t id, spans, units, bytes;
};

static int fdinfo_of(int fd, struct fdinfo *out)
{
	int err = fdinfo_u64(fd, "hugespan-owner-id", &out->id);

	if (!err)
		err = fdinfo_u64(fd, "hugespan-spans", &out->spans);
	if (!err)
		err = fdinfo_u64(fd, "hugespan-units", &out->units);
	if (!err)
		err = fdinfo_u64(fd, "hugespan-bytes", &out->bytes);
	return err;
}

/* How an administrator finds out who holds the pool. */
TEST_F(sysfs, fdinfo_tells_what_the_file_holds)
{
	struct fdinfo got;
	struct span a, b;

	ASSERT_EQ(0, fdinfo_of(self->fd, &got));
	EXPECT_EQ(dev_owner_id(self->fd), got.id);
	EXPECT_EQ(0, got.spans);
	EXPECT_EQ(0, got.units);
	EXPECT_EQ(0, got.bytes);
	ASSERT_EQ(0, span_alloc(self->fd, 0, &a));
	ASSERT_EQ(0, span_alloc(self->fd, 2, &b));
	ASSERT_EQ(0, fdinfo_of(self->fd, &got));
	EXPECT_EQ(2, got.spans);
	EXPECT_EQ(5, got.units);
	EXPECT_EQ(5 * self->info.out_unit_bytes, got.bytes);
	ASSERT_EQ(0, span_trim(self->fd, b.offset,
			       3 * self->info.out_unit_bytes, NULL));
	ASSERT_EQ(0, span_free(self->fd, a.offset));
	ASSERT_EQ(0, fdinfo_of(self->fd, &got));
	EXPECT_EQ(1, got.spans);
	EXPECT_EQ(3, got.units);
}

/* Another file's fdinfo is another owner's. */
TEST_F(sysfs, fdinfo_is_per_file)
{
	int other = dev_open(O_RDWR | O_CLOEXEC);
	struct fdinfo got;
	struct span s;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, span_alloc(self->fd, 0, &s));
	ASSERT_EQ(0, fdinfo_of(other, &got));
	EXPECT_EQ(dev_owner_id(other), got.id);
	EXPECT_EQ(0, got.spans);
	close(other);
}

/*
 * Reading figures while the pool is busy: never a crash, never a unit more
 * than there is.
 */
TEST_F(sysfs, reading_while_the_pool_is_busy)
{
	uint64_t end = now_ms() + 2000;
	long long units = (long long)self->watch.before.out_nr_units;
	pid_t pid = child_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct span s;

		for (;;) {
			int fd = dev_open(O_RDWR | O_CLOEXEC), i;

			CHILD_CHECK(fd >= 0);
			for (i = 0; i < 20; i++)
				span_alloc(fd, i % 4, &s);
			close(fd);
		}
	}
	while (now_ms() < end) {
		struct hugespan_stat st;
		long long free_units;
		int i;

		for (i = 0; i < self->nr_nodes; i++) {
			free_units = node_value(self->nodes[i], "nr_free");
			ASSERT_LE(0, free_units);
			ASSERT_GE(units, free_units);
		}
		ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
		ASSERT_TRUE(pool_adds_up(&st));
	}
	EXPECT_EQ(0, child_kill(pid));
}

DEVICE_TEST_MAIN
