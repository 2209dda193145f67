// SPDX-License-Identifier: MIT
/*
 * Loading and unloading: garbage in the parameters is refused, sizes beyond
 * reason get what is safe, and the module comes and goes without a trace. The
 * module is unloaded and loaded again many times; at the end it is as it was.
 *
 * guest options: --mem 1G --pool-arg pool=128M
 */
#include <kselftest_harness.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"
#include "procfs.h"

#define MODULE_FILE "/hs-module/hugespan.ko"
#define PARAMS "/sys/module/hugespan/parameters/"
#define MIB (1024 * 1024ll)

static int load(const char *params)
{
	const char *file = getenv("HUGESPAN_TEST_MODULE");
	int fd = open(file ? file : MODULE_FILE, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return err;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "hugespan", O_NONBLOCK) ? -errno : 0;
}

/* Files closed by processes that just ended may take a moment to be gone. */
static int unload_patiently(void)
{
	uint64_t end = now_ms() + SETTLE_MS;
	int err;

	while ((err = unload()) == -EAGAIN && now_ms() < end)
		sleep_ms(5);
	return err;
}

static bool is_loaded(void)
{
	return !access("/sys/module/hugespan", F_OK);
}

FIXTURE(params) {
	char was[512];		/* the parameters it was loaded with */
};

static void remember(char *was, size_t room, const char *name)
{
	char path[128], value[256];

	snprintf(path, sizeof(path), PARAMS "%s", name);
	if (file_read(path, value, sizeof(value)) || !strcmp(value, "(null)"))
		return;
	snprintf(was + strlen(was), room - strlen(was), "%s=%s ", name, value);
}

FIXTURE_SETUP(params)
{
	int err;

	if (!is_loaded()) {
		SKIP_IN_SETUP("the module is not loaded");
	}
	remember(self->was, sizeof(self->was), "pool");
	remember(self->was, sizeof(self->was), "floor");
	remember(self->was, sizeof(self->was), "headroom");
	remember(self->was, sizeof(self->was), "cap_percent");
	if (!getenv("HUGESPAN_TEST_MODULE") && access(MODULE_FILE, R_OK)) {
		SKIP_IN_SETUP("there is no " MODULE_FILE " to load again");
	}
	err = unload_patiently();
	if (err == -EPERM || err == -EBUSY) {
		SKIP_IN_SETUP("the module cannot be unloaded: %s",
			      strerror(-err));
	}
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(params)
{
	if (is_loaded()) {
		EXPECT_EQ(0, unload_patiently());
	}
	EXPECT_EQ(0, load(self->was)) TH_LOG("%s", self->was);
}

/* ---- garbage ----------------------------------------------------------- */

/* Refused, and nothing of the module is left to be seen. */
static bool refuses(const char *params)
{
	int err = load(params);

	if (!err) {
		diag("\"%s\" was taken", params);
		unload_patiently();
		return false;
	}
	if (err != -EINVAL && err != -ERANGE)
		diag("\"%s\": %d", params, err);
	if (is_loaded() || !access(HUGESPAN_DEVICE, F_OK) ||
	    !access("/sys/kernel/hugespan", F_OK)) {
		diag("\"%s\" was refused and left something", params);
		return false;
	}
	return err == -EINVAL || err == -ERANGE;
}

/* A typing error must be told, not be taken for some other size. */
TEST_F(params, a_wrong_pool_is_refused)
{
	const char *wrong[] = {
		"pool=abc", "pool=-1", "pool=", "pool", "pool=1Q", "pool=64MM",
		"pool=64M,", "pool=,64M", "pool=0:", "pool=:64M", "pool=0:64M,",
		"pool=0:64M,0:64M", "pool=0:64M;1:64M", "pool=99:64M",
		"pool=0:64M,99:64M", "pool=-1:64M", "pool=4294967296:64M",
		"pool=18446744073709551615:64M", "pool=18446744073709551616",
		"pool=18446744073709551615T", "pool=99999999999999999999999999",
		"pool=0x4000000", "pool=1e9", "pool=6.4G", "pool=\"64 M\"",
		"pool=\"64M x\"", "pool=0:0:64M", "pool=64M:0", "pool=64MiB",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_TRUE(refuses(wrong[i]));
	}
}

TEST_F(params, a_wrong_cap_is_refused)
{
	const char *wrong[] = { "0", "96", "100", "101", "1000", "-1", "abc",
				"", "50%", "4294967296", "4294967346" };
	char params[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(params, sizeof(params), "pool=16M cap_percent=%s",
			 wrong[i]);
		EXPECT_TRUE(refuses(params));
	}
}

TEST_F(params, a_wrong_headroom_is_refused)
{
	const char *wrong[] = { "abc", "-1", "", "1Q", "0:64M", "64M,",
				"18446744073709551616" };
	char params[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(params, sizeof(params), "pool=16M headroom=%s",
			 wrong[i]);
		EXPECT_TRUE(refuses(params));
	}
}

TEST_F(params, a_wrong_floor_is_refused)
{
	const char *wrong[] = { "abc", "-1", "", "1Q", "0:64M,", "99:64M",
				"0:64M,0:64M", "18446744073709551616" };
	char params[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(params, sizeof(params), "pool=16M floor=%s",
			 wrong[i]);
		EXPECT_TRUE(refuses(params));
	}
}

/* ---- sizes ------------------------------------------------------------- */

static int stat_now(struct hugespan_stat *st, size_t *unit)
{
	int fd = dev_open(O_RDWR | O_CLOEXEC);
	int err;

	if (fd < 0)
		return fd;
	err = pool_stat(fd, HUGESPAN_NODE_ANY, st);
	*unit = dev_unit(fd);
	close(fd);
	return err;
}

/* What was asked for is what one gets, rounded up to whole units. */
TEST_F(params, sizes_are_understood)
{
	const struct {
		const char *params;
		long long bytes;
	} cases[] = {
		{ "pool=64M", 64 * MIB }, { "pool=67108864", 64 * MIB },
		{ "pool=65536K", 64 * MIB }, { "pool=65536k", 64 * MIB },
		{ "pool=0:64M", 64 * MIB }, { "pool=1", 1 },
		{ "pool=0:64m", 64 * MIB }, { "pool=33M", 33 * MIB },
	};
	struct hugespan_stat st;
	size_t unit, i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, load(cases[i].params)) TH_LOG("%s",
							   cases[i].params);
		ASSERT_EQ(0, stat_now(&st, &unit));
		/* A size without a node is shared out among all of them. */
		EXPECT_LE((cases[i].bytes + unit - 1) / unit, st.out_nr_units)
			TH_LOG("%s", cases[i].params);
		EXPECT_GE((cases[i].bytes + unit - 1) / unit + 8,
			  st.out_nr_units);
		EXPECT_EQ(st.out_nr_units, st.out_nr_free);
		ASSERT_EQ(0, unload_patiently());
	}
}

/* No pool is a pool too: commands work, and say that there is nothing. */
TEST_F(params, a_pool_of_nothing_works)
{
	struct hugespan_stat st;
	struct span s;
	size_t unit;
	void *p;
	int fd;

	ASSERT_EQ(0, load("pool=0"));
	ASSERT_EQ(0, stat_now(&st, &unit));
	EXPECT_EQ(0, st.out_nr_units);
	EXPECT_EQ(-1, st.out_largest_free_order);
	fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOMEM, span_alloc(fd, 0, &s));
	EXPECT_EQ(-ENOENT, span_free(fd, 0));
	EXPECT_EQ(-ENXIO, try_mmap(NULL, unit, PROT_READ, MAP_SHARED, fd, 0,
				   &p));
	close(fd);
}

/* What memory pressure leaves: what was asked for, or what floor= says. */
TEST_F(params, the_floor_is_understood)
{
	const struct {
		const char *params;
		long long bytes;
	} cases[] = {
		{ "pool=64M", 64 * MIB }, { "pool=0", 0 },
		{ "pool=0:64M", 64 * MIB }, { "pool=64M floor=0", 0 },
		{ "pool=16M floor=33M", 34 * MIB },
		{ "pool=64M floor=0:32M", 32 * MIB },
	};
	const char *file = "/sys/kernel/hugespan/node0/nr_floor";
	struct hugespan_stat st;
	size_t unit, i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, load(cases[i].params)) TH_LOG("%s",
							   cases[i].params);
		ASSERT_EQ(0, stat_now(&st, &unit));
		EXPECT_EQ(cases[i].bytes / (long long)unit,
			  file_number(file, -1)) TH_LOG("%s", cases[i].params);
		ASSERT_EQ(0, unload_patiently());
	}
}

/*
 * The host comes first. Whatever is asked for, the host must afterwards be
 * able to do what it did before: start a process, use some memory.
 */
TEST_F(params, a_pool_too_large_gets_what_is_safe)
{
	const char *large[] = {
		"pool=1T", "pool=1T cap_percent=95 headroom=0",
		"pool=4611686018427387903", "pool=0:1T", "pool=900M",
		"pool=1023G headroom=1K cap_percent=95",
	};
	long long total = meminfo_bytes("MemTotal");
	struct hugespan_stat st;
	size_t unit, i;

	for (i = 0; i < ARRAY_SIZE(large); i++) {
		pid_t pid;
		int err = load(large[i]);

		TH_LOG("%s: %d", large[i], err);
		if (err) {
			EXPECT_TRUE(err == -ENOMEM || err == -EINVAL);
			continue;
		}
		ASSERT_EQ(0, stat_now(&st, &unit));
		TH_LOG("%lld of %lld MiB taken, %lld MiB available",
		       (long long)(st.out_nr_units * unit) / MIB, total / MIB,
		       meminfo_bytes("MemAvailable") / MIB);
		EXPECT_LT(0, st.out_nr_units);
		EXPECT_GE(total / 100 * 95, st.out_nr_units * unit);
		EXPECT_LE(32 * MIB, meminfo_bytes("MemAvailable"));
		pid = child_fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			char *p = malloc(16 * MIB);

			CHILD_CHECK(p);
			pattern_fill(p, 16 * MIB, 1);
			_exit(pattern_differs(p, 16 * MIB, 1) == -1 ? 0 : 1);
		}
		EXPECT_EQ(0, child_wait(pid));
		ASSERT_EQ(0, unload_patiently());
	}
}

/* The cap is a share of memory, and binds. */
TEST_F(params, the_cap_is_kept)
{
	long long total = meminfo_bytes("MemTotal");
	struct hugespan_stat st;
	size_t unit;

	ASSERT_EQ(0, load("pool=1T cap_percent=10"));
	ASSERT_EQ(0, stat_now(&st, &unit));
	EXPECT_LT(0, st.out_nr_units);
	EXPECT_GE(total / 10, st.out_nr_units * unit);
}

/* So is the head-room. */
TEST_F(params, the_headroom_is_kept)
{
	long long available = meminfo_bytes("MemAvailable");
	char params[64];

	snprintf(params, sizeof(params), "pool=1T cap_percent=95 headroom=%lldM",
		 available / 2 / MIB);
	ASSERT_EQ(0, load(params));
	EXPECT_LE(available / 2 - 32 * MIB, meminfo_bytes("MemAvailable"));
}

/* ---- coming and going -------------------------------------------------- */

/* What the pool took the host has again afterwards. */
TEST_F(params, unloading_gives_all_back)
{
	long long before, after;
	int i;

	ASSERT_EQ(0, load("pool=128M"));
	ASSERT_EQ(0, unload_patiently());
	before = meminfo_bytes("MemFree");
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, load("pool=128M"));
		ASSERT_EQ(0, unload_patiently());
	}
	after = meminfo_bytes("MemFree");
	EXPECT_LE(before - 24 * MIB, after);
}

TEST_F(params, loading_twice_is_refused)
{
	ASSERT_EQ(0, load("pool=16M"));
	EXPECT_EQ(-EEXIST, load("pool=16M"));
}

/* Neither an open file nor a mapping may lose the code under its feet. */
TEST_F(params, in_use_it_cannot_be_unloaded)
{
	struct span s;
	void *p;
	int fd;

	ASSERT_EQ(0, load("pool=16M"));
	fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, unload());
	ASSERT_EQ(0, span_alloc(fd, 0, &s));
	ASSERT_EQ(0, span_map(fd, &s, MAP_SHARED, &p));
	close(fd);
	sleep_ms(50);
	EXPECT_EQ(-EAGAIN, unload());
	EXPECT_EQ(0, fault_write(p, 1));
	munmap(p, s.bytes);
	EXPECT_EQ(0, unload_patiently());
}

/* A pinned page is no file: the module goes, the page stays until it is let go. */
TEST_F(params, a_pinned_page_outlives_the_module)
{
	uint64_t got[512];
	struct iovec iov;
	int fd, pipefd[2], i;
	struct span s;
	void *p;

	ASSERT_EQ(0, load("pool=16M"));
	ASSERT_EQ(0, pipe(pipefd));
	fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, span_alloc(fd, 0, &s));
	ASSERT_EQ(0, span_map(fd, &s, MAP_SHARED, &p));
	pattern_fill(p, 4096, 0x919);
	iov = (struct iovec){ p, 4096 };
	ASSERT_EQ(4096, vmsplice(pipefd[1], &iov, 1, 0));
	munmap(p, s.bytes);
	close(fd);
	ASSERT_EQ(0, unload_patiently());
	ASSERT_EQ(0, load("pool=64M"));
	ASSERT_EQ(4096, read(pipefd[0], got, 4096));
	for (i = 0; i < 512; i++) {
		ASSERT_EQ(pattern_word(0x919, i * 8), got[i]);
	}
	close(pipefd[0]);
	close(pipefd[1]);
}

/* A node of the file system that is older than the module: ENODEV. */
TEST_F(params, a_node_without_the_module_has_no_device)
{
	const char *node = "/dev/hugespan-test-node";
	struct stat st;

	ASSERT_EQ(0, load("pool=16M"));
	ASSERT_EQ(0, stat(HUGESPAN_DEVICE, &st));
	ASSERT_EQ(0, unload_patiently());
	unlink(node);
	ASSERT_EQ(0, mknod(node, S_IFCHR | 0600, st.st_rdev));
	EXPECT_EQ(-1, open(node, O_RDWR | O_CLOEXEC));
	EXPECT_EQ(ENODEV, errno);
	unlink(node);
}

/* Programs that open and use the device while it comes and goes. */
TEST_F(params, opening_while_it_comes_and_goes)
{
	pid_t pids[2];
	int i;

	for (i = 0; i < 2; i++) {
		pids[i] = child_fork();
		ASSERT_LE(0, pids[i]);
		if (pids[i])
			continue;
		for (;;) {
			int fd = dev_open(O_RDWR | O_CLOEXEC);
			struct span s;
			void *p;

			if (fd < 0)
				continue;
			if (!span_alloc(fd, 0, &s) &&
			    !span_map(fd, &s, MAP_SHARED, &p)) {
				CHILD_CHECK(!fault_write(p, 1));
				munmap(p, s.bytes);
			}
			close(fd);
			sleep_ms(1);
		}
	}
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, load("pool=16M"));
		sleep_ms(20);
		ASSERT_EQ(0, unload_patiently());
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, child_kill(pids[i]));
	}
}

TEST_HARNESS_MAIN
