// SPDX-License-Identifier: MIT
/*
 * What every backend promises: whole units at addresses that are multiples of
 * the unit, zero, counted, given back in part and in full; and refusals that
 * leave nothing behind. What forks do to them is in backend_fork.c.
 *
 * Guards against leaks of address space or units on error paths, memory that
 * still holds what its last user wrote, and a heap built on units that are not
 * where the page map looks for them.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#include <hugespan.h>
#include <kselftest_harness.h>

#include "backend.h"
#include "backends.h"
#include "child.h"
#include "fault.h"
#include "options.h"
#include "pattern.h"
#include "procfs.h"
#include "sys.h"

FIXTURE(backend) {
	struct hs_backend *b;
	size_t unit;
};

BACKEND_VARIANTS(backend);

FIXTURE_SETUP(backend)
{
	SKIP_UNLESS_USABLE(variant->id);
	ASSERT_EQ(0, hs_backend_select(variant->id, &self->b));
	self->unit = self->b->unit_bytes;
}

FIXTURE_TEARDOWN(backend)
{
	/* Whatever a test did: what it unmapped is not counted any more. */
	EXPECT_EQ(0, self->b->nr_mapped);
	EXPECT_TRUE(hs_list_empty(&self->b->extents));
}

static const struct hs_map_request one_unit = {
	.bytes = 1, .node = -1, .fork_mode = HS_FORK_COW,
};

TEST_F(backend, unit_is_a_power_of_two)
{
	EXPECT_TRUE(hs_is_pow2(self->unit));
	EXPECT_LE(hs_sys_page_bytes(), self->unit);
	EXPECT_EQ(variant->id, self->b->ops->id);
}

TEST_F(backend, maps_whole_units)
{
	struct hs_map_request req = one_unit;
	struct hs_extent x;

	const size_t sizes[] = {
		1, self->unit - 1, self->unit, self->unit + 1, 3 * self->unit,
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t units = (sizes[i] + self->unit - 1) / self->unit;

		req.bytes = sizes[i];
		ASSERT_EQ(0, hs_backend_map(self->b, &req, &x));
		EXPECT_EQ(0, (uintptr_t)x.base % self->unit);
		EXPECT_EQ(units * self->unit, x.bytes);
		EXPECT_EQ(units, self->b->nr_mapped);
		EXPECT_EQ(self->b, x.backend);
		EXPECT_EQ(-1, nonzero_at(x.base, x.bytes));
		pattern_fill(x.base, x.bytes, i);
		EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, i));
		hs_backend_unmap(&x);
	}
	EXPECT_EQ(self->b->nr_mapped_total, self->b->nr_unmapped_total);
}

/* Unmapped is unmapped, and doing it again is harmless. */
TEST_F(backend, unmap)
{
	struct hs_extent x;
	char *base;

	ASSERT_EQ(0, hs_backend_map(self->b, &one_unit, &x));
	base = x.base;
	EXPECT_EQ(0, fault_write(base, 1));
	hs_backend_unmap(&x);
	EXPECT_EQ(NULL, x.base);
	EXPECT_EQ(SIGSEGV, fault_read(base, NULL));
	hs_backend_unmap(&x);
}

/* What the last user wrote is gone, however often units come round. */
TEST_F(backend, comes_back_zero)
{
	struct hs_map_request req = one_unit;
	struct hs_extent x;

	for (int i = 0; i < 8; i++) {
		req.bytes = (size_t)(1 + i % 3) * self->unit;
		ASSERT_EQ(0, hs_backend_map(self->b, &req, &x));
		ASSERT_EQ(-1, nonzero_at(x.base, x.bytes));
		memset(x.base, 0xee, x.bytes);
		hs_backend_unmap(&x);
	}
}

TEST_F(backend, refuses_nonsense)
{
	struct hs_map_request req = one_unit;
	struct hs_extent x;
	uint64_t refused = self->b->nr_refused;

	req.bytes = 0;
	EXPECT_EQ(-EINVAL, hs_backend_map(self->b, &req, &x));
	req = one_unit;
	req.fork_mode = HS_FORK_WIPE + 1;
	EXPECT_EQ(-EINVAL, hs_backend_map(self->b, &req, &x));
	req = one_unit;
	req.node = -2;
	EXPECT_EQ(-EINVAL, hs_backend_map(self->b, &req, &x));
	EXPECT_EQ(refused, self->b->nr_refused);
}

/* Too much is ENOMEM, is counted, and takes nothing. */
TEST_F(backend, refuses_too_much)
{
	const size_t sizes[] = {
		(size_t)1 << 46, (size_t)1 << 50, PTRDIFF_MAX, SIZE_MAX - 1,
		SIZE_MAX,
	};
	struct hs_map_request req = one_unit;
	uint64_t refused = self->b->nr_refused;
	struct hs_extent x;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		/* Address space is all that thp and plain need at first. */
		if (i == 0 && variant->id >= HS_BACKEND_THP)
			continue;
		req.bytes = sizes[i];
		ASSERT_EQ(-ENOMEM, hs_backend_map(self->b, &req, &x)) {
			TH_LOG("%zu bytes", sizes[i]);
		}
		EXPECT_EQ(NULL, x.base);
		EXPECT_EQ(++refused, self->b->nr_refused);
	}
	ASSERT_EQ(0, hs_backend_map(self->b, &one_unit, &x));
	hs_backend_unmap(&x);
}

/*
 * Out of address space: the refusal comes half-way (the units are granted
 * already) and must take all of it back.
 */
TEST_F(backend, refused_address_space)
{
	struct hs_map_request req = one_unit;
	struct rlimit limit, no_more;
	struct hs_extent x;
	pid_t pid;

#ifdef __SANITIZE_ADDRESS__
	SKIP(return, "the address sanitizer needs address space");
#endif
	pid = child_fork();
	if (pid == 0) {
		CHILD_CHECK(!getrlimit(RLIMIT_AS, &limit));
		no_more = limit;
		no_more.rlim_cur = 0;
		CHILD_CHECK(!setrlimit(RLIMIT_AS, &no_more));
		req.bytes = 4 * self->unit;
		for (int i = 0; i < 500; i++)
			CHILD_CHECK(hs_backend_map(self->b, &req, &x) ==
				    -ENOMEM);
		CHILD_CHECK(self->b->nr_mapped == 0);
		/* More was refused than any pool has: none of it was kept. */
		CHILD_CHECK(!setrlimit(RLIMIT_AS, &limit));
		CHILD_CHECK(!hs_backend_map(self->b, &req, &x));
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
}

TEST_F(backend, populate_leaves_no_faults)
{
	struct hs_map_request req = one_unit;
	struct hs_extent x;

	req.bytes = 4 * self->unit;
	req.populate = true;
	ASSERT_EQ(0, hs_backend_map(self->b, &req, &x));
	/* The test's own stack may have one. */
	EXPECT_GE(2, faults_of_writing(x.base, x.bytes));
	hs_backend_unmap(&x);
}

TEST_F(backend, trim)
{
	struct hs_map_request req = one_unit;
	struct hs_extent x;
	char *base;

	req.bytes = 4 * self->unit;
	ASSERT_EQ(0, hs_backend_map(self->b, &req, &x));
	base = x.base;
	pattern_fill(x.base, x.bytes, 9);

	EXPECT_EQ(-EINVAL, hs_backend_trim(&x, 0));
	EXPECT_EQ(-EINVAL, hs_backend_trim(&x, 4 * self->unit + 1));
	EXPECT_EQ(-EINVAL, hs_backend_trim(&x, SIZE_MAX));
	EXPECT_EQ(0, hs_backend_trim(&x, 4 * self->unit));
	EXPECT_EQ(0, hs_backend_trim(&x, 3 * self->unit + 1));
	EXPECT_EQ(4 * self->unit, x.bytes);

	/* Rounded up to units; twice. */
	EXPECT_EQ(0, hs_backend_trim(&x, 2 * self->unit + 1));
	EXPECT_EQ(3 * self->unit, x.bytes);
	EXPECT_EQ(0, hs_backend_trim(&x, 1));
	EXPECT_EQ(self->unit, x.bytes);
	EXPECT_EQ(1, self->b->nr_mapped);
	EXPECT_EQ(base, x.base);
	EXPECT_EQ(-1, pattern_differs(x.base, x.bytes, 9));
	EXPECT_EQ(SIGSEGV, fault_read(base + self->unit, NULL));
	EXPECT_EQ(SIGSEGV, fault_read(base + 4 * self->unit - 8, NULL));
	EXPECT_EQ(0, hs_backend_trim(&x, self->unit));
	hs_backend_unmap(&x);
	EXPECT_EQ(SIGSEGV, fault_read(base, NULL));
	EXPECT_EQ(-EINVAL, hs_backend_trim(&x, 1));
}

/* All that there is, then one more: a refusal, never a signal. */
TEST_F(backend, runs_dry)
{
	struct hs_extent *x;
	size_t count = 0;
	int err = 0;

	if (variant->id >= HS_BACKEND_THP)
		SKIP(return, "this backend ends with the machine's memory");
	x = calloc(100000, sizeof(*x));
	ASSERT_NE(NULL, x);
	while (count < 100000) {
		err = hs_backend_map(self->b, &one_unit, &x[count]);
		if (err)
			break;
		EXPECT_EQ(0, fault_write(x[count].base, count));
		EXPECT_EQ(0, fault_write(x[count].base + self->unit - 8, 1));
		count++;
	}
	EXPECT_EQ(-ENOMEM, err);
	EXPECT_LT(0, count);
	EXPECT_EQ(count, self->b->nr_mapped);
	/* What is in use keeps the backend usable in its own eyes. */
	EXPECT_TRUE(hs_backend_probe(self->b));
	for (size_t i = 0; i < count; i++) {
		EXPECT_EQ(i, *(uint64_t *)(void *)x[i].base);
		hs_backend_unmap(&x[i]);
	}
	ASSERT_EQ(0, hs_backend_map(self->b, &one_unit, &x[0]));
	hs_backend_unmap(&x[0]);
	free(x);
}

TEST_F(backend, nodes)
{
	struct hs_map_request req = one_unit;
	struct hs_extent x;
	int err;

	/* Preferred: a node that is not there is no reason to refuse. */
	req.node = 0;
	ASSERT_EQ(0, hs_backend_map(self->b, &req, &x));
	hs_backend_unmap(&x);
	req.node = 1000;
	ASSERT_EQ(0, hs_backend_map(self->b, &req, &x));
	hs_backend_unmap(&x);
	/* Strict: it is. */
	req.strict = true;
	err = hs_backend_map(self->b, &req, &x);
	EXPECT_TRUE(err == -EINVAL || err == -EOPNOTSUPP || err == -ENOMEM) {
		TH_LOG("error %d", err);
	}
	req.node = 0;
	err = hs_backend_map(self->b, &req, &x);
	if (err == -EOPNOTSUPP)
		SKIP(return, "this kernel knows no nodes");
	ASSERT_EQ(0, err);
	EXPECT_EQ(0, fault_write(x.base, 1));
	hs_backend_unmap(&x);
}

#define CHURN_SLOTS 4
/* An emulated guest does not get through all operations. */
#define CHURN_SECONDS 15

struct churn {
	struct hs_backend *b;
	uint64_t seed;
	uint64_t ops;
};

/* Map, fill, check, trim, unmap at random; says what went wrong. */
static void *churn_thread(void *arg)
{
	struct hs_map_request req = one_unit;
	struct churn *c = arg;
	struct hs_extent x[CHURN_SLOTS] = { 0 };
	uint64_t tag[CHURN_SLOTS];
	uint64_t state = c->seed;
	time_t end = time(NULL) + CHURN_SECONDS;

	for (uint64_t i = 0; i < c->ops && time(NULL) < end; i++) {
		size_t slot = rnd_below(&state, CHURN_SLOTS);
		int err;

		if (x[slot].base) {
			if (pattern_dots_differ(x[slot].base, x[slot].bytes,
						tag[slot]) >= 0)
				return (void *)"memory changed while in use";
			if (rnd_below(&state, 3) == 0 &&
			    !hs_backend_trim(&x[slot], 1))
				continue;
			hs_backend_unmap(&x[slot]);
			continue;
		}
		req.bytes = (1 + rnd_below(&state, 2)) * c->b->unit_bytes;
		req.populate = rnd_below(&state, 2);
		err = hs_backend_map(c->b, &req, &x[slot]);
		if (err == -ENOMEM)
			continue;
		if (err)
			return (void *)"map failed";
		if (nonzero_at(x[slot].base, 4096) >= 0)
			return (void *)"memory was not zero";
		tag[slot] = rnd(&state);
		pattern_dot(x[slot].base, x[slot].bytes, tag[slot]);
	}
	for (size_t slot = 0; slot < CHURN_SLOTS; slot++)
		hs_backend_unmap(&x[slot]);
	return NULL;
}

TEST_F(backend, threads)
{
	uint64_t seed = test_seed();
	struct churn churn[3];
	pthread_t threads[3];

	for (unsigned int i = 0; i < 3; i++) {
		churn[i] = (struct churn) {
			.b = self->b, .seed = seed + i, .ops = test_ops(15000) / 100,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, churn_thread,
					    &churn[i]));
	}
	for (int i = 0; i < 3; i++) {
		void *fault;

		ASSERT_EQ(0, pthread_join(threads[i], &fault));
		EXPECT_EQ(NULL, fault) {
			TH_LOG("%s", (const char *)fault);
		}
	}
}

/* ---- the choice ------------------------------------------------------------ */

TEST(auto_takes_the_best)
{
	struct hs_backend *b, *next;
	int best = 0;

	while (!hs_backend_probe(hs_backend_get(best)))
		best++;
	ASSERT_EQ(0, hs_backend_select(HS_BACKEND_AUTO, &b));
	EXPECT_EQ(best, b->ops->id);
	/* Downwards, and to an end. */
	while ((next = hs_backend_next(b))) {
		EXPECT_GT(next->ops->id, b->ops->id);
		EXPECT_TRUE(next->usable);
		b = next;
	}
	EXPECT_EQ(HS_BACKEND_PLAIN, b->ops->id);
}

TEST(select_of_what_is_none)
{
	struct hs_backend *b = NULL;

	EXPECT_EQ(-EINVAL, hs_backend_select(HS_NR_BACKENDS, &b));
	EXPECT_EQ(-EINVAL, hs_backend_select(-2, &b));
	EXPECT_EQ(NULL, b);
	EXPECT_EQ(NULL, hs_backend_get(-1));
	EXPECT_EQ(NULL, hs_backend_get(HS_NR_BACKENDS));
}

/* As in a process that has not opened the device yet. */
static void forget_device(struct hs_backend *b)
{
	hs_options_load();
	if (b->fd >= 0)
		hs_sys_close(b->fd);
	b->fd = -1;
	b->usable = false;
}

/*
 * Rationale: "it fails silently" is what users of such devices report. Every
 * way in which a device can be missing has a sentence that names the remedy.
 */
TEST(device_says_why_not)
{
	static const struct {
		const char *path;
		const char *says;
	} cases[] = {
		{ "/no/such/device", "modprobe hugespan" },
		{ "/dev/null", "not a hugespan device" },
		{ "/dev/zero", "not a hugespan device" },
		{ "/proc", "cannot be opened" },
		{ "/", "cannot be opened" },
	};
	struct hs_backend *b = hs_backend_get(HS_BACKEND_DEVICE);
	struct hs_map_request req = one_unit;
	struct hs_backend *got;
	struct hs_extent x;

	forget_device(b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		hs_opt.device = cases[i].path;
		EXPECT_FALSE(hs_backend_probe(b));
		EXPECT_NE(NULL, strstr(b->why, cases[i].says)) {
			TH_LOG("%s: %s", cases[i].path, b->why);
		}
		EXPECT_NE(NULL, strstr(b->why, cases[i].path));
		EXPECT_EQ(-1, b->fd);
		EXPECT_EQ(-EOPNOTSUPP, hs_backend_select(HS_BACKEND_DEVICE,
							 &got));
		EXPECT_EQ(-EOPNOTSUPP, hs_backend_map(b, &req, &x));
	}
}

TEST(device_not_allowed)
{
	struct hs_backend *b = hs_backend_get(HS_BACKEND_DEVICE);
	char path[] = "/tmp/hugespan-test-XXXXXX";
	int fd = mkstemp(path);
	pid_t pid;

	ASSERT_LE(0, fd);
	close(fd);
	if (geteuid()) {
		unlink(path);
		SKIP(return, "only root can become somebody else");
	}
	forget_device(b);
	hs_opt.device = path;
	pid = child_fork();
	if (pid == 0) {
		CHILD_CHECK(!setuid(65534));
		CHILD_CHECK(!hs_backend_probe(b));
		CHILD_CHECK(strstr(b->why, "usermod -aG hugespan"));
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	unlink(path);
}

TEST(no_descriptor_left)
{
	struct hs_backend *b = hs_backend_get(HS_BACKEND_DEVICE);
	struct rlimit none = { 0, 0 };
	pid_t pid;

	forget_device(b);
	hs_opt.device = "/dev/null";
	pid = child_fork();
	if (pid == 0) {
		CHILD_CHECK(!setrlimit(RLIMIT_NOFILE, &none));
		CHILD_CHECK(!hs_backend_probe(b));
		CHILD_CHECK(strstr(b->why, "ulimit -n"));
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
}

BACKENDS_MAIN
