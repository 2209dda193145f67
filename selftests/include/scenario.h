/* SPDX-License-Identifier: MIT */
/*
 * Tests that need a process of their own: one that starts with other
 * HUGESPAN_* variables, or one that is expected to die and say why.
 *
 * SCENARIO_TEST(fixture, test) { ... } is a TEST_F whose body runs in this
 * same program, started afresh with the environment of the fixture's variant
 * (a member `env`: "NAME=value" strings, ended by NULL). In the body there is
 * no harness: CHILD_CHECK() fails, scenario_skip() skips. SCENARIO_MAIN takes
 * the place of TEST_HARNESS_MAIN.
 */
#ifndef SELFTEST_SCENARIO_H
#define SELFTEST_SCENARIO_H

#include <fcntl.h>
#include <stdarg.h>
#include <sys/resource.h>

#include <kselftest_harness.h>

#include "child.h"
#include "clock.h"

#define SCENARIO_FLAG "--scenario"
#define SCENARIO_FD 917		/* where a scenario says why it skips */
#define SCENARIO_SKIPPED 4

struct scenario {
	const char *name;
	void (*run)(void);
	struct scenario *next;
};

static struct scenario *scenarios;

/* ---- a child that is listened to ----------------------------------------- */

struct outcome {
	int status;		/* as waitpid(2) gives it; -1: took too long */
	char err[8192];		/* what it wrote to stderr, so much as fits */
};

/* All that comes out of @fd until its end; no longer than a child may take. */
HELPER void read_all(int fd, char *buf, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long long end = now_ms() + CHILD_WAIT_MS;
	size_t have = 0;
	char rest[512];

	for (;;) {
		bool room = have < size - 1;
		long long left = end - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			break;
		n = read(fd, room ? buf + have : rest,
			 room ? size - 1 - have : sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (room)
			have += (size_t)n;
	}
	buf[have] = '\0';
}

HELPER void no_core(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
}

/* Run fn(arg) in a forked child; what it prints on stderr is kept. */
HELPER void child_outcome(void (*fn)(void *arg), void *arg, struct outcome *o)
{
	int ends[2];
	pid_t pid;

	o->status = -1;
	o->err[0] = '\0';
	if (pipe2(ends, O_CLOEXEC))
		return;
	pid = child_fork();
	if (pid == 0) {
		no_core();
		dup2(ends[1], STDERR_FILENO);
		fn(arg);
		_exit(0);
	}
	close(ends[1]);
	if (pid > 0) {
		read_all(ends[0], o->err, sizeof(o->err));
		o->status = child_wait(pid);
	}
	close(ends[0]);
}

/* Did it abort, with a line of ours that names the address? */
HELPER bool aborted_naming(const struct outcome *o, const void *ptr)
{
	char text[32];

	snprintf(text, sizeof(text), "%p", ptr);
	return o->status != -1 && WIFSIGNALED(o->status) &&
	       WTERMSIG(o->status) == SIGABRT &&
	       strstr(o->err, "hugespan: ") && strstr(o->err, text);
}

/* ---- a process of its own ------------------------------------------------ */

HELPER void scenario_skip(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

HELPER void scenario_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vdprintf(SCENARIO_FD, fmt, ap);
	va_end(ap);
	_exit(SCENARIO_SKIPPED);
}

/* In the child: become the scenario, or exit with 127. */
HELPER void scenario_exec(const char *const env[], const char *name, int fd)
{
	char *argv[] = { (char *)"/proc/self/exe", (char *)SCENARIO_FLAG,
			 (char *)name, NULL };

	for (; *env; env++)
		putenv((char *)*env);
	if (dup2(fd, SCENARIO_FD) == SCENARIO_FD &&
	    dup2(STDERR_FILENO, STDOUT_FILENO) == STDOUT_FILENO)
		execv(argv[0], argv);
	_exit(127);
}

/* Run it; waitpid's status, with why it skipped in @reason. */
HELPER int scenario_run(const char *const env[], const char *name,
			char *reason, size_t reason_size)
{
	int ends[2], status = -1;
	pid_t pid;

	reason[0] = '\0';
	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = child_fork();
	if (pid == 0)
		scenario_exec(env, name, ends[1]);
	close(ends[1]);
	if (pid > 0) {
		read_all(ends[0], reason, reason_size);
		status = child_wait(pid);
	}
	close(ends[0]);
	return status;
}

HELPER void scenario_test(struct __test_metadata *_metadata,
			  const char *const env[], const char *name)
{
	char reason[512];
	int status = scenario_run(env, name, reason, sizeof(reason));

	if (status != -1 && WIFEXITED(status) &&
	    WEXITSTATUS(status) == SCENARIO_SKIPPED)
		SKIP(return, "%s", reason);
	EXPECT_EQ(0, status) {
		TH_LOG("%s", status == -1 ? "it took too long" :
		       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) :
		       "it failed, as said above");
	}
}

#define SCENARIO_TEST(fixture, test)					\
	static void scenario_##fixture##_##test(void);			\
	static void __attribute__((constructor))			\
	register_scenario_##fixture##_##test(void)			\
	{								\
		static struct scenario s = {				\
			.name = #fixture "." #test,			\
			.run = scenario_##fixture##_##test,		\
		};							\
		s.next = scenarios;					\
		scenarios = &s;						\
	}								\
	TEST_F(fixture, test)						\
	{								\
		scenario_test(_metadata, variant->env,			\
			      #fixture "." #test);			\
	}								\
	static void scenario_##fixture##_##test(void)

HELPER int scenario_main(const char *name)
{
	struct scenario *s;

	/* A scenario that hangs ends, and with it its children. */
	alarm(CHILD_WAIT_MS / 1000);
	for (s = scenarios; s; s = s->next) {
		if (!strcmp(s->name, name)) {
			s->run();
			return 0;
		}
	}
	fprintf(stderr, "# there is no scenario %s\n", name);
	return 1;
}

/* run(argc, argv) goes around the tests, not around the scenarios. */
#define SCENARIO_MAIN_AROUND(run)					\
	static void __attribute__((constructor))			\
	__constructor_order_last(void)					\
	{								\
		if (!__constructor_order)				\
			__constructor_order = _CONSTRUCTOR_ORDER_BACKWARD; \
	}								\
	int main(int argc, char **argv)					\
	{								\
		if (argc == 3 && !strcmp(argv[1], SCENARIO_FLAG))	\
			return scenario_main(argv[2]);			\
		return run(argc, argv);					\
	}

#define SCENARIO_MAIN SCENARIO_MAIN_AROUND(test_harness_run)

#endif /* SELFTEST_SCENARIO_H */
