// SPDX-License-Identifier: MIT
/*
 * Spans by the public interface: what hs_span_alloc and its kin promise to a
 * program, forks included.
 *
 * Guards against options that are accepted and not honoured, a handle that is
 * freed twice in silence, a fallback where a backend was asked for by name,
 * and fork handlers that a statically linked program does not have.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <hugespan.h>
#include <kselftest_harness.h>

#include "backends.h"
#include "child.h"
#include "fault.h"
#include "pattern.h"
#include "procfs.h"

FIXTURE(span) {
	struct hs_span_options opt;
	struct hs_span *span;
	size_t unit;
	struct line line;	/* the child's end is 1 */
};

BACKEND_VARIANTS(span);

FIXTURE_SETUP(span)
{
	SKIP_UNLESS_USABLE(variant->id);
	self->opt = (struct hs_span_options) {
		.struct_size = sizeof(self->opt),
		.backend = variant->id,
		.node = -1,
		.fork_mode = HS_FORK_COW,
	};
	/* The size of one byte's span is the unit. */
	ASSERT_EQ(0, hs_span_alloc(1, &self->opt, &self->span));
	self->unit = hs_span_bytes(self->span);
	ASSERT_EQ(0, hs_span_free(self->span));
	self->span = NULL;
	ASSERT_EQ(0, line_open(&self->line));
}

FIXTURE_TEARDOWN(span)
{
	line_close(&self->line);
}

TEST_F(span, is_what_was_asked_for)
{
	char *addr;

	ASSERT_EQ(0, hs_span_alloc(2 * self->unit + 1, &self->opt,
				   &self->span));
	addr = hs_span_addr(self->span);
	EXPECT_EQ(3 * self->unit, hs_span_bytes(self->span));
	EXPECT_EQ(variant->id, hs_span_backend(self->span));
	EXPECT_EQ(0, (uintptr_t)addr % self->unit);
	EXPECT_EQ(-1, nonzero_at(addr, 3 * self->unit));
	pattern_fill(addr, 3 * self->unit, 1);
	EXPECT_EQ(-1, pattern_differs(addr, 3 * self->unit, 1));
	EXPECT_EQ(0, hs_span_free(self->span));
	EXPECT_EQ(SIGSEGV, fault_read(addr, NULL));
}

TEST_F(span, trim)
{
	char *addr;

	ASSERT_EQ(0, hs_span_alloc(4 * self->unit, &self->opt, &self->span));
	addr = hs_span_addr(self->span);
	pattern_fill(addr, 4 * self->unit, 2);
	EXPECT_EQ(-EINVAL, hs_span_trim(self->span, 0));
	EXPECT_EQ(-EINVAL, hs_span_trim(self->span, 4 * self->unit + 1));
	EXPECT_EQ(-EINVAL, hs_span_trim(self->span, SIZE_MAX));
	EXPECT_EQ(0, hs_span_trim(self->span, 4 * self->unit));
	EXPECT_EQ(4 * self->unit, hs_span_bytes(self->span));
	/* Twice, and to the same size again. */
	EXPECT_EQ(0, hs_span_trim(self->span, 2 * self->unit));
	EXPECT_EQ(0, hs_span_trim(self->span, 2 * self->unit));
	EXPECT_EQ(0, hs_span_trim(self->span, 1));
	EXPECT_EQ(self->unit, hs_span_bytes(self->span));
	EXPECT_EQ(-EINVAL, hs_span_trim(self->span, 2 * self->unit));
	EXPECT_EQ(addr, hs_span_addr(self->span));
	EXPECT_EQ(-1, pattern_differs(addr, self->unit, 2));
	EXPECT_EQ(SIGSEGV, fault_read(addr + self->unit, NULL));
	EXPECT_EQ(0, hs_span_free(self->span));
}

TEST_F(span, populate)
{
	self->opt.flags = HS_SPAN_POPULATE;
	ASSERT_EQ(0, hs_span_alloc(3 * self->unit, &self->opt, &self->span));
	EXPECT_GE(2, faults_of_writing(hs_span_addr(self->span),
				       3 * self->unit));
	EXPECT_EQ(0, hs_span_free(self->span));
}

/* No backend can give this; a name is not exchanged for another. */
TEST_F(span, too_much_is_enomem)
{
	EXPECT_EQ(-ENOMEM, hs_span_alloc((size_t)1 << 50, &self->opt,
					 &self->span));
	EXPECT_EQ(-ENOMEM, hs_span_alloc(SIZE_MAX, &self->opt, &self->span));
	EXPECT_EQ(-ENOMEM, hs_span_alloc(SIZE_MAX, NULL, &self->span));
	EXPECT_EQ(NULL, self->span);
}

TEST_F(span, bad_options)
{
	const struct hs_span_options good = self->opt;
	struct hs_span *none = NULL;

#define REFUSED(member, value) do {					\
	self->opt = good;						\
	self->opt.member = value;					\
	EXPECT_EQ(-EINVAL, hs_span_alloc(1, &self->opt, &none)) {	\
		TH_LOG("." #member " = " #value);			\
	}								\
} while (0)

	REFUSED(struct_size, 0);
	REFUSED(struct_size, sizeof(good) - 1);
	REFUSED(struct_size, sizeof(good) + 8);
	REFUSED(struct_size, SIZE_MAX);
	REFUSED(backend, HS_NR_BACKENDS);
	REFUSED(backend, -2);
	REFUSED(node, -2);
	REFUSED(node, INT32_MIN);
	REFUSED(fork_mode, -1);
	REFUSED(fork_mode, HS_FORK_WIPE + 1);
	REFUSED(flags, HS_SPAN_STRICT << 1);
	REFUSED(flags, 1u << 31);
	EXPECT_EQ(NULL, none);

	EXPECT_EQ(-EINVAL, hs_span_alloc(0, &good, &none));
	EXPECT_EQ(-EINVAL, hs_span_alloc(0, NULL, &none));
	EXPECT_EQ(-EINVAL, hs_span_alloc(1, &good, NULL));
}

/* ---- forks: by fork(2) itself, with the handlers that the library set ------ */

TEST_F(span, fork_cow)
{
	char *addr;
	pid_t pid;

	ASSERT_EQ(0, hs_span_alloc(2 * self->unit, &self->opt, &self->span));
	addr = hs_span_addr(self->span);
	pattern_fill(addr, 2 * self->unit, 1);
	pid = child_fork();
	if (pid == 0) {
		CHILD_CHECK(hs_span_addr(self->span) == addr);
		CHILD_CHECK(pattern_differs(addr, 2 * self->unit, 1) < 0);
		pattern_fill(addr, 2 * self->unit, 2);
		CHILD_CHECK(!line_say(&self->line, 1, 1));
		CHILD_CHECK(!line_hear(&self->line, 1, NULL));
		CHILD_CHECK(pattern_differs(addr, 2 * self->unit, 2) < 0);
		CHILD_CHECK(hs_span_trim(self->span, 1) == 0);
		CHILD_CHECK(hs_span_free(self->span) == 0);
		_exit(0);
	}
	ASSERT_EQ(0, line_hear(&self->line, 0, NULL));
	EXPECT_EQ(-1, pattern_differs(addr, 2 * self->unit, 1));
	pattern_fill(addr, 2 * self->unit, 3);
	ASSERT_EQ(0, line_say(&self->line, 0, 1));
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(addr, 2 * self->unit, 3));
	EXPECT_EQ(0, hs_span_free(self->span));
}

TEST_F(span, fork_share)
{
	char *addr;
	pid_t pid;

	self->opt.fork_mode = HS_FORK_SHARE;
	ASSERT_EQ(0, hs_span_alloc(2 * self->unit, &self->opt, &self->span));
	addr = hs_span_addr(self->span);
	pattern_fill(addr, 2 * self->unit, 1);
	pid = child_fork();
	if (pid == 0) {
		CHILD_CHECK(pattern_differs(addr, 2 * self->unit, 1) < 0);
		pattern_fill(addr, 2 * self->unit, 2);
		CHILD_CHECK(hs_span_free(self->span) == 0);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(addr, 2 * self->unit, 2));
	EXPECT_EQ(0, hs_span_free(self->span));
}

/* The handle stays one in the child, of nothing. */
TEST_F(span, fork_dontfork)
{
	char *addr;
	pid_t pid;

	self->opt.fork_mode = HS_FORK_DONTFORK;
	ASSERT_EQ(0, hs_span_alloc(2 * self->unit, &self->opt, &self->span));
	addr = hs_span_addr(self->span);
	pattern_fill(addr, 2 * self->unit, 1);
	pid = child_fork();
	if (pid == 0) {
		CHILD_CHECK(hs_span_addr(self->span) == NULL);
		CHILD_CHECK(hs_span_bytes(self->span) == 0);
		CHILD_CHECK(hs_span_backend(self->span) == variant->id);
		CHILD_CHECK(hs_span_trim(self->span, 1) == -EINVAL);
		CHILD_CHECK(fault_read(addr, NULL) == SIGSEGV);
		CHILD_CHECK(hs_span_free(self->span) == 0);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(addr, 2 * self->unit, 1));
	EXPECT_EQ(0, hs_span_free(self->span));
}

TEST_F(span, fork_wipe)
{
	char *addr;
	pid_t pid;

	self->opt.fork_mode = HS_FORK_WIPE;
	ASSERT_EQ(0, hs_span_alloc(2 * self->unit, &self->opt, &self->span));
	addr = hs_span_addr(self->span);
	pattern_fill(addr, 2 * self->unit, 1);
	pid = child_fork();
	if (pid == 0) {
		CHILD_CHECK(hs_span_addr(self->span) == addr);
		CHILD_CHECK(nonzero_at(addr, 2 * self->unit) < 0);
		pattern_fill(addr, 2 * self->unit, 2);
		CHILD_CHECK(hs_span_free(self->span) == 0);
		CHILD_CHECK(fault_read(addr, NULL) == SIGSEGV);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, pattern_differs(addr, 2 * self->unit, 1));
	EXPECT_EQ(0, hs_span_free(self->span));
}

/* ---- threads and forks at once --------------------------------------------- */

struct churn {
	struct hs_span_options opt;
	size_t unit;
	uint64_t seed;
	bool *stop;
};

static const char *churn_span(struct churn *c, uint64_t *state)
{
	size_t units = 1 + rnd_below(state, 2);
	uint64_t tag = rnd(state);
	struct hs_span *span;
	char *addr;
	int err = hs_span_alloc(units * c->unit, &c->opt, &span);

	if (err)
		return err == -ENOMEM ? NULL : "no span";
	addr = hs_span_addr(span);
	if (nonzero_at(addr, 4096) >= 0)
		return "a span was not zero";
	pattern_dot(addr, units * c->unit, tag);
	if (hs_span_trim(span, c->unit))
		return "no trim";
	if (hs_span_bytes(span) != c->unit)
		return "a trim that did not trim";
	if (pattern_dots_differ(addr, c->unit, tag) >= 0)
		return "a span changed while in use";
	hs_span_free(span);
	return NULL;
}

static void *churn_thread(void *arg)
{
	struct churn *c = arg;
	uint64_t state = c->seed;
	const char *fault = NULL;

	while (!__atomic_load_n(c->stop, __ATOMIC_RELAXED) && !fault)
		fault = churn_span(c, &state);
	return (void *)fault;
}

/* An emulated guest does not get through all rounds. */
#define STORM_SECONDS 10

TEST_F(span, forks_while_threads_allocate)
{
	uint64_t seed = test_seed(), rounds = test_ops(6000) / 100;
	time_t end = time(NULL) + STORM_SECONDS;
	struct churn churn[2];
	pthread_t threads[2];
	bool stop = false;
	char *addr;

	ASSERT_EQ(0, hs_span_alloc(1, &self->opt, &self->span));
	addr = hs_span_addr(self->span);
	pattern_dot(addr, self->unit, 1);
	for (unsigned int i = 0; i < 2; i++) {
		churn[i] = (struct churn) {
			.opt = self->opt, .unit = self->unit, .seed = seed + i,
			.stop = &stop,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, churn_thread,
					    &churn[i]));
	}
	for (uint64_t i = 0; i < rounds && time(NULL) < end; i++) {
		pid_t pid = child_fork();

		if (pid == 0) {
			uint64_t state = seed + i;

			CHILD_CHECK(pattern_dots_differ(addr, self->unit,
							1) < 0);
			CHILD_CHECK(!churn_span(&churn[0], &state));
			_exit(0);
		}
		ASSERT_EQ(0, child_wait(pid));
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++) {
		void *fault;

		ASSERT_EQ(0, pthread_join(threads[i], &fault));
		EXPECT_EQ(NULL, fault) {
			TH_LOG("%s", (const char *)fault);
		}
	}
	EXPECT_EQ(-1, pattern_dots_differ(addr, self->unit, 1));
	EXPECT_EQ(0, hs_span_free(self->span));
}

/* ---- handles ---------------------------------------------------------------- */

TEST(no_handle)
{
	EXPECT_EQ(NULL, hs_span_addr(NULL));
	EXPECT_EQ(0, hs_span_bytes(NULL));
	EXPECT_EQ(-EINVAL, hs_span_backend(NULL));
	EXPECT_EQ(-EINVAL, hs_span_trim(NULL, 1));
	EXPECT_EQ(0, hs_span_free(NULL));
}

TEST(defaults)
{
	struct hs_status st = { .struct_size = sizeof(st) };
	struct hs_span *span;
	int best = 0;

	ASSERT_EQ(0, hs_status(&st));
	while (!st.backends[best].usable)
		best++;
	ASSERT_EQ(0, hs_span_alloc(1, NULL, &span));
	/* The best that works; a lesser one only when that is full. */
	EXPECT_LE(best, hs_span_backend(span));
	EXPECT_EQ(0, fault_write(hs_span_addr(span), 1));
	EXPECT_EQ(0, hs_span_free(span));
}

/* A double free is reported with the handle's address, and ends the process. */
TEST(double_free_aborts)
{
	char text[256], address[32];
	struct hs_span *span;
	ssize_t n;
	int fd[2], status;
	pid_t pid;

	ASSERT_EQ(0, hs_span_alloc(1, NULL, &span));
	snprintf(address, sizeof(address), "%p", (void *)span);
	ASSERT_EQ(0, pipe(fd));
	pid = child_fork();
	if (pid == 0) {
		dup2(fd[1], STDERR_FILENO);
		hs_span_free(span);
		hs_span_free(span);
		_exit(0);
	}
	close(fd[1]);
	n = read(fd[0], text, sizeof(text) - 1);
	ASSERT_LT(0, n);
	text[n] = '\0';
	status = child_wait(pid);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	EXPECT_NE(NULL, strstr(text, address)) {
		TH_LOG("%s", text);
	}
	EXPECT_EQ(0, hs_span_free(span));
}

/* Asked for by name, what is not there is refused, and hs_status says why. */
TEST(unusable_by_name)
{
	struct hs_status st = { .struct_size = sizeof(st) };
	struct hs_span_options opt = {
		.struct_size = sizeof(opt), .node = -1,
	};
	struct hs_span *span = NULL;
	bool any = false;

	ASSERT_EQ(0, hs_status(&st));
	for (int id = 0; id < HS_NR_BACKENDS; id++) {
		if (st.backends[id].usable)
			continue;
		any = true;
		opt.backend = id;
		EXPECT_EQ(-EOPNOTSUPP, hs_span_alloc(1, &opt, &span));
	}
	EXPECT_EQ(NULL, span);
	if (!any)
		SKIP(return, "every backend is usable here");
}

BACKENDS_MAIN
