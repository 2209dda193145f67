// SPDX-License-Identifier: MIT
/*
 * The map of the pool and its free runs, in debugfs: they tell of every unit
 * what the commands know of it, and who has it. A map that is wrong sends whoever
 * looks for a leak to the wrong process.
 */
#include <kselftest_harness.h>

#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "child.h"
#include "poolsize.h"
#include "fault.h"
#include "pattern.h"

#define DEBUGFS "/sys/kernel/debug"
#define FOLDER DEBUGFS "/hugespan"

enum state { ABSENT, FREE_ZEROED, FREE_DIRTY, GRANTED, QUARANTINED, NR_STATES };

static const char * const names[NR_STATES] = {
	"absent", "free-zeroed", "free-dirty", "granted", "quarantined",
};

/* A map, added up; and the line of a unit that was asked for. */
struct map {
	uint64_t nr[NR_STATES];
	uint64_t nr_lines, first, end;	/* units */
	bool is_gapless;
	char line[256];
};

FIXTURE(debugfs) {
	struct pool_watch watch;
	unsigned long long owner;
	size_t unit;
	int fd;
};

FIXTURE_SETUP(debugfs)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	if (access(FOLDER, F_OK))
		mount("none", DEBUGFS, "debugfs", 0, NULL);
	if (access(FOLDER "/runs", R_OK)) {
		SKIP_IN_SETUP("no debugfs: %s", strerror(errno));
	}
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	self->owner = dev_owner_id(self->fd);
}

FIXTURE_TEARDOWN(debugfs)
{
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

static enum state state_named(const char *name)
{
	int i;

	for (i = 0; i < NR_STATES && strcmp(names[i], name); i++)
		;
	return (enum state)i;
}

/* Read a node's map; @unit: whose line is wanted. 0 or -errno. */
static int map_read(struct map *map, int node, uint64_t unit)
{
	char path[64], line[256], name[32];
	unsigned long long start, nr;
	FILE *f;
	int err = 0;

	memset(map, 0, sizeof(*map));
	map->is_gapless = true;
	snprintf(path, sizeof(path), FOLDER "/map%d", node);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!err && fgets(line, sizeof(line), f)) {
		enum state state = NR_STATES;

		if (sscanf(line, "%llu %llu %31s", &start, &nr, name) == 3)
			state = state_named(name);
		if (state == NR_STATES || !nr) {
			diag("not a line of a map: %s", line);
			err = -EBADMSG;
			break;
		}
		if (!map->nr_lines++)
			map->first = map->end = start;
		map->is_gapless &= start == map->end;
		map->end = start + nr;
		map->nr[state] += nr;
		if (unit >= start && unit < start + nr)
			strcpy(map->line, line);
	}
	fclose(f);
	return err;
}

/* The map against STAT of the node, with nobody else about. */
static bool agrees(int fd, const struct map *map, int node)
{
	struct hugespan_stat st;

	if (pool_stat(fd, node, &st))
		return false;
	return map->is_gapless &&
	       map->nr[FREE_ZEROED] + map->nr[FREE_DIRTY] == st.out_nr_free &&
	       map->nr[GRANTED] == st.out_nr_granted &&
	       map->nr[QUARANTINED] == st.out_nr_quarantined &&
	       map->end - map->first == st.out_nr_units + map->nr[ABSENT];
}

TEST_F(debugfs, the_map_has_every_unit_once)
{
	struct span s;
	struct map map;
	int i;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, map_read(&map, 0, 0));
		EXPECT_TRUE(agrees(self->fd, &map, 0));
		ASSERT_EQ(0, span_alloc(self->fd, i % 3, &s));
		if (i % 2)
			ASSERT_EQ(0, span_free(self->fd, s.offset));
	}
	/* There is room to grow in every guest. */
	EXPECT_LT(0, map.nr[ABSENT]);
}

TEST_F(debugfs, the_map_tells_who_holds_a_span)
{
	char want[128], comm[16] = "";
	struct span s;
	struct map map;
	uint64_t unit;
	void *p;

	prctl(PR_GET_NAME, comm);
	ASSERT_EQ(0, span_alloc(self->fd, 2, &s));
	ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
	unit = s.offset / self->unit;
	ASSERT_EQ(0, map_read(&map, 0, unit + 3));
	snprintf(want, sizeof(want), "%llu 4 granted owner=%llu pid=%d order=2 mappings=1 comm=%s\n",
		 (unsigned long long)unit, self->owner, (int)getpid(), comm);
	EXPECT_STREQ(want, map.line);

	/* Two spans side by side are two lines; a trimmed one is shorter. */
	munmap(p, s.bytes);
	ASSERT_EQ(0, span_trim(self->fd, s.offset, 3 * self->unit, NULL));
	ASSERT_EQ(0, map_read(&map, 0, unit));
	snprintf(want, sizeof(want), "%llu 3 granted owner=%llu pid=%d order=2 mappings=0 comm=%s\n",
		 (unsigned long long)unit, self->owner, (int)getpid(), comm);
	EXPECT_STREQ(want, map.line);
	ASSERT_EQ(0, map_read(&map, 0, unit + 3));
	EXPECT_NE(NULL, strstr(map.line, " free-"));
}

TEST_F(debugfs, spans_side_by_side_are_two_lines)
{
	struct span a, b;
	struct map map;

	ASSERT_EQ(0, span_alloc(self->fd, 0, &a));
	ASSERT_EQ(0, span_alloc(self->fd, 0, &b));
	ASSERT_EQ(0, map_read(&map, 0, a.offset / self->unit));
	EXPECT_EQ(2, map.nr[GRANTED]);
	EXPECT_NE(NULL, strstr(map.line, " 1 granted "));
}

/* The name of a process is whatever it chose: it must not make a line of its own. */
TEST_F(debugfs, a_name_cannot_forge_a_line)
{
	struct map map;
	struct span s;
	int fd;

	prctl(PR_SET_NAME, "a\n0 9 absent");
	fd = dev_open(O_RDWR | O_CLOEXEC);
	prctl(PR_SET_NAME, "debugfs");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, span_alloc(fd, 0, &s));
	ASSERT_EQ(0, map_read(&map, 0, s.offset / self->unit));
	EXPECT_TRUE(agrees(self->fd, &map, 0));
	EXPECT_NE(NULL, strstr(map.line, "comm=a\\0120\\0409\\040absent\n"));
	close(fd);
}

TEST_F(debugfs, the_map_shows_a_quarantine)
{
	struct iovec iov;
	struct map map;
	struct span s;
	int ends[2];
	void *p;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, span_alloc(self->fd, 0, &s));
	ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
	ASSERT_EQ(0, fault_write(p, 1));
	iov = (struct iovec){ p, 4096 };
	ASSERT_EQ(4096, vmsplice(ends[1], &iov, 1, 0));
	ASSERT_EQ(0, span_free(self->fd, s.offset));
	ASSERT_EQ(0, map_read(&map, 0, s.offset / self->unit));
	EXPECT_EQ(1, map.nr[QUARANTINED]);
	EXPECT_NE(NULL, strstr(map.line, " 1 quarantined\n"));
	close(ends[0]);
	close(ends[1]);
	munmap(p, s.bytes);
}

/* The runs of each order, as /proc/buddyinfo has them: they make up what is free. */
TEST_F(debugfs, runs_add_up)
{
	struct hugespan_stat st;
	char text[4096], *at;
	uint64_t sum = 0;
	int order, last = -1, len, nr;
	struct span s;

	for (order = 0; order < 3; order++)
		ASSERT_EQ(0, span_alloc(self->fd, order, &s));
	ASSERT_EQ(0, pool_stat(self->fd, 0, &st));
	ASSERT_EQ(0, file_read(FOLDER "/runs", text, sizeof(text)));
	ASSERT_EQ(0, strncmp(text, "node 0:", 7));
	at = text + 7;
	for (order = 0; sscanf(at, " %d%n", &nr, &len) == 1; order++) {
		sum += (uint64_t)nr << order;
		last = nr ? order : last;
		at += len;
	}
	EXPECT_EQ(st.out_nr_free, sum);
	EXPECT_EQ(st.out_largest_free_order, last);
}

/* Who runs what is not for everybody. */
TEST_F(debugfs, only_root_may_look)
{
	const char *files[] = { FOLDER "/runs", FOLDER "/map0" };
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(0, stat(files[i], &st));
		EXPECT_EQ(0400, st.st_mode & 07777);
	}
}

/* Looked at while spans, owners and the size of the pool change. */
TEST_F(debugfs, reading_while_the_pool_is_busy)
{
	uint64_t end = now_ms() + 2000, nr = 0;
	long long units = pool_value(0, "nr_units");
	pid_t pids[2];
	struct map map;
	int i;

	for (i = 0; i < 2; i++) {
		pids[i] = child_fork();
		ASSERT_LE(0, pids[i]);
		while (!pids[i] && i)
			pool_resize(0, units - (nr++ & 7));
		while (!pids[i]) {
			int fd = dev_open(O_RDWR | O_CLOEXEC), order;
			struct span s;

			CHILD_CHECK(fd >= 0);
			for (order = 0; order < 4; order++)
				span_alloc(fd, order, &s);
			close(fd);
		}
	}
	while (now_ms() < end) {
		ASSERT_EQ(0, map_read(&map, 0, 0));
		ASSERT_TRUE(map.is_gapless);
		nr++;
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, child_kill(pids[i]));
	}
	EXPECT_LT(0, nr);
	ASSERT_EQ(0, pool_settle(&self->watch, 0));
	EXPECT_EQ(0, pool_resize(0, 0));
	EXPECT_EQ(0, pool_resize(0, units));
}

DEVICE_TEST_MAIN
