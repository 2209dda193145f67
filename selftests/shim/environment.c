// SPDX-License-Identifier: MIT
/*
 * The shim and its environment variables, as a user meets them.
 *
 * Guards against a mistyped value that stops somebody's program or is passed
 * over in silence, and against a backend that was asked for by name, cannot be
 * had, and is quietly replaced by another.
 */
#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "scenario.h"

#include "hugespan.h"
#include "shim.h"

extern const struct hs_option_info *hs_options(size_t *count)
	__attribute__((weak));
extern int hs_option_check(const char *env, const char *value, char *why,
			   size_t why_size) __attribute__((weak));

#define MAX_ENV 20

/* A process to be: as whom, with what, doing what. */
struct plan {
	const char *env[MAX_ENV];
	const char *what;
	uid_t uid;
};

static void become(void *arg)
{
	const struct plan *p = arg;
	char *argv[] = { (char *)"/proc/self/exe", (char *)p->what, NULL };
	int i;

	for (i = 0; i < MAX_ENV && p->env[i]; i++)
		putenv((char *)p->env[i]);
	if (p->uid && (setgroups(0, NULL) || setresgid(p->uid, p->uid, p->uid) ||
		       setresuid(p->uid, p->uid, p->uid)))
		_exit(126);
	execv(argv[0], argv);
	_exit(127);
}

static int count(const char *text, const char *word)
{
	int n = 0;

	while ((text = strstr(text, word))) {
		text += strlen(word);
		n++;
	}
	return n;
}

FIXTURE(environment) {
	struct outcome o;
};

FIXTURE_SETUP(environment)
{
	SHIM_SETUP();
	unsetenv("HUGESPAN_BACKEND");
	unsetenv("HUGESPAN_CHECK");
	unsetenv("HUGESPAN_RSEQ");
}

FIXTURE_TEARDOWN(environment)
{
}

/* ---- what the processes do ------------------------------------------------ */

/* Some work that needs the heap. */
static int work(void)
{
	char *p = NULL;
	int i;

	for (i = 1; i < 1000; i++) {
		p = realloc(p, (size_t)i * 1000);
		if (!p)
			return 1;
		p[i] = 1;
	}
	free(p);
	if (dprintf(STDERR_FILENO, "done\n") != 5)
		return 1;
	return 0;
}

/* Without memory: every function says so, and nothing crashes. */
static int starve(void)
{
	void *out = NULL;
	pid_t pid;

	errno = 0;
	if (malloc(1) || errno != ENOMEM)
		return 10;
	errno = 0;
	if (calloc(1, 1) || errno != ENOMEM)
		return 11;
	errno = 0;
	if (realloc(NULL, 1) || errno != ENOMEM)
		return 12;
	errno = 0;
	if (aligned_alloc(64, 64) || errno != ENOMEM)
		return 13;
	errno = 0;
	if (malloc(10000000) || errno != ENOMEM)
		return 14;
	if (posix_memalign(&out, 64, 64) != ENOMEM || out)
		return 15;
	free(NULL);
	if (malloc_usable_size(NULL) || malloc_trim(0))
		return 16;
	if (mallinfo2().arena)
		return 17;
	pid = fork();
	if (pid == 0)
		_exit(malloc(1) ? 1 : 0);
	if (child_wait(pid))
		return 18;
	if (write(STDERR_FILENO, "starved\n", 8) != 8)
		return 19;
	return 0;
}

/* ---- values --------------------------------------------------------------- */

static const char *const garbage[] = {
	"nonsense", "-1", "1e9", "99999999999999999999", " ", "0x10", "yes",
	"12Q", "auto ", "../../etc/passwd", "%s%s%s%n", "json:", "text:-1",
	"\xff\xfe",
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

/* One line that names the variable; the program runs as if it were not set. */
TEST_F(environment, garbage_is_one_line_and_no_harm)
{
	size_t nr_options, i, j;
	const struct hs_option_info *options = hs_options(&nr_options);
	int nr_wrong_values = 0;

	for (i = 0; i < nr_options; i++) {
		for (j = 0; j < ARRAY_SIZE(garbage); j++) {
			char set[600], why[300];
			struct plan plan = { .env = { set }, .what = "--work" };

			if (!hs_option_check(options[i].env, garbage[j], why,
					     sizeof(why)))
				continue;
			snprintf(set, sizeof(set), "%s=%s", options[i].env,
				 garbage[j]);
			child_outcome(become, &plan, &self->o);
			EXPECT_EQ(0, self->o.status);
			EXPECT_EQ(1, count(self->o.err, "hugespan: "));
			EXPECT_EQ(1, count(self->o.err, options[i].env));
			EXPECT_EQ(1, count(self->o.err, "done\n"));
			EXPECT_EQ(2, count(self->o.err, "\n")) {
				TH_LOG("%s: %s", set, self->o.err);
			}
			nr_wrong_values++;
		}
	}
	EXPECT_LT(100, nr_wrong_values);
}

/* All of them at once: no flood, and the last word is the program's. */
TEST_F(environment, everything_garbage)
{
	static char set[MAX_ENV][100];
	size_t nr_options, i;
	const struct hs_option_info *options = hs_options(&nr_options);
	struct plan plan = { .what = "--work" };

	for (i = 0; i < nr_options && i < MAX_ENV; i++) {
		snprintf(set[i], sizeof(set[i]), "%s=,;garbage", options[i].env);
		plan.env[i] = set[i];
	}
	child_outcome(become, &plan, &self->o);
	EXPECT_EQ(0, self->o.status);
	EXPECT_EQ(1, count(self->o.err, "done\n"));
	EXPECT_LE(2, count(self->o.err, "hugespan: "));
	EXPECT_LE(count(self->o.err, "\n"), 12);
}

/* ---- the device ----------------------------------------------------------- */

/* Asked for by name: nothing else will do, and it is said what to do. */
TEST_F(environment, a_device_asked_for_that_is_not_there)
{
	struct plan plan = {
		.env = { "HUGESPAN_BACKEND=device",
			 "HUGESPAN_DEVICE=/nonexistent/hugespan" },
		.what = "--starve",
	};

	child_outcome(become, &plan, &self->o);
	EXPECT_EQ(0, self->o.status);
	EXPECT_EQ(1, count(self->o.err, "starved\n"));
	EXPECT_EQ(1, count(self->o.err, "hugespan: "));
	EXPECT_EQ(1, count(self->o.err, "/nonexistent/hugespan")) {
		TH_LOG("%s", self->o.err);
	}
	EXPECT_EQ(1, count(self->o.err, "modprobe hugespan"));
}

TEST_F(environment, a_device_asked_for_that_is_none)
{
	struct plan plan = {
		.env = { "HUGESPAN_BACKEND=device",
			 "HUGESPAN_DEVICE=/dev/null" },
		.what = "--starve",
	};

	child_outcome(become, &plan, &self->o);
	EXPECT_EQ(0, self->o.status);
	EXPECT_EQ(1, count(self->o.err, "starved\n"));
	EXPECT_EQ(1, count(self->o.err, "/dev/null is not a hugespan device")) {
		TH_LOG("%s", self->o.err);
	}
}

#define NOBODY 65534

TEST_F(environment, a_device_that_may_not_be_opened)
{
	char path[] = "/tmp/hugespan-test-XXXXXX", set[100];
	struct plan plan = {
		.env = { "HUGESPAN_BACKEND=device", set },
		.what = "--starve", .uid = NOBODY,
	};
	int fd = mkstemp(path);

	if (geteuid())
		SKIP(return, "only root can become somebody else");
	ASSERT_LE(0, fd);
	close(fd);
	chmod(path, 0);
	snprintf(set, sizeof(set), "HUGESPAN_DEVICE=%s", path);
	child_outcome(become, &plan, &self->o);
	unlink(path);
	if (WIFEXITED(self->o.status) && WEXITSTATUS(self->o.status) > 125)
		SKIP(return, "nobody may not run this program");
	EXPECT_EQ(0, self->o.status);
	EXPECT_EQ(1, count(self->o.err, "starved\n"));
	EXPECT_EQ(1, count(self->o.err, "permission denied")) {
		TH_LOG("%s", self->o.err);
	}
	EXPECT_EQ(1, count(self->o.err, "usermod -aG hugespan"));
}

/* Not asked for: the next best serves, and nobody is told anything. */
TEST_F(environment, auto_goes_on_without_a_device)
{
	static const char *const devices[] = {
		"HUGESPAN_DEVICE=/nonexistent/hugespan",
		"HUGESPAN_DEVICE=/dev/null", "HUGESPAN_DEVICE=/etc",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		struct plan plan = {
			.env = { devices[i], "HUGESPAN_BACKEND=auto" },
			.what = "--work",
		};

		child_outcome(become, &plan, &self->o);
		EXPECT_EQ(0, self->o.status);
		EXPECT_STREQ("done\n", self->o.err);
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--work"))
		return work();
	if (argc == 2 && !strcmp(argv[1], "--starve"))
		return starve();
	return test_harness_run(argc, argv);
}
