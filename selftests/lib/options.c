// SPDX-License-Identifier: MIT
/*
 * The environment variables: what they take, what they refuse, and what the
 * library does then.
 *
 * Guards against an option that is read differently at start-up than the CLI
 * and the documentation say (all come from one table), against a typing error
 * that is silently ignored, and against a value out of range that becomes
 * another one. The options of a process are read once, so the tests that need
 * them read start this program anew with the environment to be tested.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include <hugespan.h>
#include <kselftest_harness.h>

#include "child.h"
#include "options.h"
#include "sys.h"

struct value_case {
	const char *env;
	const char *value;
	bool ok;
};

static const struct value_case cases[] = {
	{ "HUGESPAN_BACKEND", "auto", true },
	{ "HUGESPAN_BACKEND", "device", true },
	{ "HUGESPAN_BACKEND", "hugetlb", true },
	{ "HUGESPAN_BACKEND", "thp", true },
	{ "HUGESPAN_BACKEND", "plain", true },
	{ "HUGESPAN_BACKEND", "Device", false },
	{ "HUGESPAN_BACKEND", "device ", false },
	{ "HUGESPAN_BACKEND", "?", false },
	{ "HUGESPAN_BACKEND", "0", false },
	{ "HUGESPAN_DEVICE", "/dev/hugespan", true },
	{ "HUGESPAN_DEVICE", "/", true },
	{ "HUGESPAN_DEVICE", "hugespan", false },
	{ "HUGESPAN_DEVICE", " /dev/hugespan", false },
	{ "HUGESPAN_NODE", "any", true },
	{ "HUGESPAN_NODE", "0", true },
	{ "HUGESPAN_NODE", "1023", true },
	{ "HUGESPAN_NODE", "1024", false },
	{ "HUGESPAN_NODE", "-1", false },
	{ "HUGESPAN_NODE", "+1", false },
	{ "HUGESPAN_NODE", "0x1", false },
	{ "HUGESPAN_NODE", "4294967296", false },
	{ "HUGESPAN_RSEQ", "0", true },
	{ "HUGESPAN_RSEQ", "1", true },
	{ "HUGESPAN_RSEQ", "2", false },
	{ "HUGESPAN_RSEQ", "yes", false },
	{ "HUGESPAN_RSEQ", "01", true },
	{ "HUGESPAN_CHECK", "1", true },
	{ "HUGESPAN_CHECK", "true", false },
	{ "HUGESPAN_POPULATE", "auto", true },
	{ "HUGESPAN_POPULATE", "0", true },
	{ "HUGESPAN_POPULATE", "automatic", false },
	{ "HUGESPAN_RETAIN", "0", true },
	{ "HUGESPAN_RETAIN", "8M", true },
	{ "HUGESPAN_RETAIN", "8m", true },
	{ "HUGESPAN_RETAIN", "4096", true },
	{ "HUGESPAN_RETAIN", "1G", true },
	{ "HUGESPAN_RETAIN", "8MB", false },
	{ "HUGESPAN_RETAIN", "8 M", false },
	{ "HUGESPAN_RETAIN", "M", false },
	{ "HUGESPAN_RETAIN", "1.5G", false },
	{ "HUGESPAN_RETAIN", "-8M", false },
	{ "HUGESPAN_RETAIN", " 8M", false },
	{ "HUGESPAN_RETAIN", "8T", false },
	{ "HUGESPAN_LIMIT", "9223372036854775807", true },
	{ "HUGESPAN_LIMIT", "9223372036854775808", false },
	{ "HUGESPAN_LIMIT", "8589934591G", true },
	{ "HUGESPAN_LIMIT", "8589934592G", false },
	{ "HUGESPAN_LIMIT", "18446744073709551615K", false },
	{ "HUGESPAN_LIMIT", "18446744073709551616", false },
	{ "HUGESPAN_LIMIT", "99999999999999999999999999", false },
	{ "HUGESPAN_TRIM", "0", true },
	{ "HUGESPAN_TRIM", "1", true },
	{ "HUGESPAN_TRIM", "2", false },
	{ "HUGESPAN_TRIM", "yes", false },
	{ "HUGESPAN_CPU_CACHE", "3M", true },
	{ "HUGESPAN_CPU_CACHE", "K", false },
	{ "HUGESPAN_FORK", "cow", true },
	{ "HUGESPAN_FORK", "dontfork", true },
	{ "HUGESPAN_FORK", "share", false },	/* a heap cannot be shared */
	{ "HUGESPAN_FORK", "wipe", false },
	{ "HUGESPAN_STATS", "off", true },
	{ "HUGESPAN_STATS", "text", true },
	{ "HUGESPAN_STATS", "json:7", true },
	{ "HUGESPAN_STATS", "json:", false },
	{ "HUGESPAN_STATS", "json:-1", false },
	{ "HUGESPAN_STATS", "json:2147483647", true },
	{ "HUGESPAN_STATS", "json:2147483648", false },
	{ "HUGESPAN_STATS", "xml", false },
	{ "HUGESPAN_STATS", "textual", false },
	{ "HUGESPAN_VERBOSE", "1", true },
	{ "HUGESPAN_VERBOSE", "11", false },
};

TEST(values)
{
	char why[200];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct value_case *c = &cases[i];
		int err = hs_option_check(c->env, c->value, why, sizeof(why));

		EXPECT_EQ(c->ok ? 0 : -EINVAL, err) {
			TH_LOG("%s='%s'", c->env, c->value);
		}
		/* A refusal names the variable, the value and what it takes. */
		EXPECT_EQ(c->ok, !why[0]);
		if (!c->ok) {
			EXPECT_NE(NULL, strstr(why, c->env));
			EXPECT_NE(NULL, strstr(why, c->value));
		}
	}
}

/* No option is so new that the table of cases above has not heard of it. */
TEST(every_option_has_cases)
{
	const struct hs_option_info *info;
	size_t count;

	info = hs_options(&count);
	ASSERT_LT(0, count);
	EXPECT_EQ(info, hs_options(NULL));
	for (size_t i = 0; i < count; i++) {
		bool good = false, bad = false;

		for (size_t j = 0; j < ARRAY_SIZE(cases); j++) {
			if (strcmp(cases[j].env, info[i].env))
				continue;
			good |= cases[j].ok;
			bad |= !cases[j].ok;
		}
		EXPECT_TRUE(good && bad) {
			TH_LOG("%s", info[i].env);
		}
	}
}

/* The table itself: complete, no name twice, defaults that parse. */
TEST(table_is_sound)
{
	const struct hs_option_info *info;
	size_t count;

	info = hs_options(&count);
	for (size_t i = 0; i < count; i++) {
		EXPECT_EQ(0, strncmp(info[i].env, "HUGESPAN_", 9));
		EXPECT_NE('\0', info[i].values[0]);
		EXPECT_EQ('.', info[i].help[strlen(info[i].help) - 1]);
		EXPECT_EQ(0, hs_option_check(info[i].env, info[i].default_value,
					     NULL, 0));
		for (size_t j = 0; j < i; j++) {
			EXPECT_STRNE(info[i].env, info[j].env);
			EXPECT_STRNE(info[i].flag, info[j].flag);
		}
	}
}

/* Every option with every kind of garbage: refused, or taken; never a crash. */
TEST(every_option_with_garbage)
{
	static const char *const garbage[] = {
		" ", "\n", "\t1", "%s%n%s", "-", "--help", "0x", "1e9", "NaN",
		"\xff\xfe", "'; rm", "=", "=1", "1,2", "any any", "99999999999",
	};
	const struct hs_option_info *info;
	char long_text[5000], why[32];
	size_t count;

	memset(long_text, '9', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	info = hs_options(&count);
	for (size_t i = 0; i < count; i++) {
		bool is_size = !strncmp(info[i].values, "bytes", 5);

		for (size_t j = 0; j < ARRAY_SIZE(garbage); j++) {
			if (is_size && garbage[j][0] == '9')
				continue;	/* a fine number of bytes */
			EXPECT_EQ(-EINVAL, hs_option_check(info[i].env,
					garbage[j], why, sizeof(why))) {
				TH_LOG("%s='%s'", info[i].env, garbage[j]);
			}
			EXPECT_LT(0, strlen(why));
		}
		EXPECT_EQ(-EINVAL, hs_option_check(info[i].env, long_text, why,
						   sizeof(why)));
		/* Set to nothing is as not set. */
		EXPECT_EQ(0, hs_option_check(info[i].env, "", NULL, 0));
	}
}

TEST(check_of_what_is_no_option)
{
	char why[100];

	EXPECT_EQ(-EINVAL, hs_option_check("HUGESPAN_NO", "1", why,
					   sizeof(why)));
	EXPECT_NE(NULL, strstr(why, "HUGESPAN_NO"));
	EXPECT_EQ(-EINVAL, hs_option_check("", "1", NULL, 0));
	EXPECT_EQ(-EINVAL, hs_option_check("HUGESPAN_", "1", NULL, 0));
	EXPECT_EQ(-EINVAL, hs_option_check("HUGESPAN_NODE=1", "1", NULL, 0));
	EXPECT_EQ(-EINVAL, hs_option_check("hugespan_node", "1", NULL, 0));
	EXPECT_EQ(-EINVAL, hs_option_check(NULL, "1", NULL, 0));
	EXPECT_EQ(-EINVAL, hs_option_check("HUGESPAN_NODE", NULL, NULL, 0));
	EXPECT_EQ(-EINVAL, hs_option_check("HUGESPAN_NO", "1", why, 0));
}

TEST(backend_names)
{
	EXPECT_STREQ("auto", hs_backend_name(HS_BACKEND_AUTO));
	EXPECT_STREQ("device", hs_backend_name(HS_BACKEND_DEVICE));
	EXPECT_STREQ("hugetlb", hs_backend_name(HS_BACKEND_HUGETLB));
	EXPECT_STREQ("thp", hs_backend_name(HS_BACKEND_THP));
	EXPECT_STREQ("plain", hs_backend_name(HS_BACKEND_PLAIN));
	EXPECT_STREQ("?", hs_backend_name(HS_NR_BACKENDS));
	EXPECT_STREQ("?", hs_backend_name(-2));
}

/* ---- the options of a fresh process ---------------------------------------- */

#define SHOW_ARGUMENT "--show-options"

/*
 * Programs that set their process title write over the strings they were
 * started with: what was read must survive that.
 */
static int show_options(void)
{
	hs_options_load();
	printf("%s", getauxval(AT_SECURE) ? "secure " : "");
	for (char **entry = environ; *entry; entry++)
		memset(*entry, 'x', strlen(*entry));
	printf("%d %s %d %d %d %d %d %zu %zu %zu %d %d %d %d\n",
	       hs_opt.backend, hs_opt.device, hs_opt.node, hs_opt.rseq,
	       hs_opt.check, hs_opt.populate, hs_opt.populate_auto,
	       hs_opt.retain_bytes, hs_opt.cpu_cache_bytes, hs_opt.limit_bytes,
	       hs_opt.fork_mode, hs_opt.stats_fd, hs_opt.stats_format,
	       hs_opt.verbose);
	return 0;
}

#define DEFAULTS "-1 /dev/hugespan -1 1 0 0 1 8388608 3145728 0 1 -1 0 0\n"

/*
 * Start this program, or the copy of it at @path as somebody else, with just
 * @env; what it says on both outputs.
 */
static int show_from(const char *path, char *const env[], char *out, char *err,
		     size_t size)
{
	char *const argv[] = { (char *)"options", (char *)SHOW_ARGUMENT, NULL };
	int fd[2][2];
	pid_t pid;

	if (pipe2(fd[0], O_CLOEXEC) || pipe2(fd[1], O_CLOEXEC))
		return -1;
	pid = child_fork();
	if (pid == 0) {
		dup2(fd[0][1], STDOUT_FILENO);
		dup2(fd[1][1], STDERR_FILENO);
		if (path && setuid(65534))
			_exit(1);
		execve(path ? path : "/proc/self/exe", argv, env);
		_exit(1);
	}
	for (int i = 0; i < 2; i++) {
		char *text = i ? err : out;
		size_t have = 0;
		ssize_t n;

		close(fd[i][1]);
		while ((n = read(fd[i][0], text + have, size - 1 - have)) > 0)
			have += (size_t)n;
		text[have] = '\0';
		close(fd[i][0]);
	}
	return child_wait(pid);
}

static int show(char *const env[], char *out, char *err, size_t size)
{
	return show_from(NULL, env, out, err, size);
}

TEST(load_defaults)
{
	char *const env[] = { NULL };
	char out[4096], err[4096];

	ASSERT_EQ(0, show(env, out, err, sizeof(out)));
	EXPECT_STREQ(DEFAULTS, out);
	EXPECT_STREQ("", err);
}

TEST(load_everything)
{
	char *const env[] = {
		(char *)"HUGESPAN_BACKEND=plain",
		(char *)"HUGESPAN_DEVICE=/dev/other",
		(char *)"HUGESPAN_NODE=3",
		(char *)"HUGESPAN_RSEQ=0",
		(char *)"HUGESPAN_CHECK=1",
		(char *)"HUGESPAN_POPULATE=1",
		(char *)"HUGESPAN_RETAIN=1M",
		(char *)"HUGESPAN_CPU_CACHE=2k",
		(char *)"HUGESPAN_LIMIT=3G",
		(char *)"HUGESPAN_FORK=dontfork",
		(char *)"HUGESPAN_STATS=json:5",
		NULL
	};
	char out[4096], err[4096];

	ASSERT_EQ(0, show(env, out, err, sizeof(out)));
	EXPECT_STREQ("3 /dev/other 3 0 1 1 0 1048576 2048 3221225472 2 5 1 0\n",
		     out);
	EXPECT_STREQ("", err);
}

/* Garbage never stops the program: it is reported, and the default is used. */
TEST(load_reports_garbage)
{
	char *const env[] = {
		(char *)"HUGESPAN_BACKEND=fastest",
		(char *)"HUGESPAN_RETAIN=8Q",
		(char *)"HUGESPAN_NODE=",
		(char *)"HUGESPAN_POPULATE=perhaps",
		(char *)"HUGESPAN_STATS=json:x",
		NULL
	};
	char out[4096], err[4096];

	ASSERT_EQ(0, show(env, out, err, sizeof(out)));
	EXPECT_STREQ(DEFAULTS, out);
	EXPECT_NE(NULL, strstr(err, "HUGESPAN_BACKEND='fastest'"));
	EXPECT_NE(NULL, strstr(err, "auto|device|hugetlb|thp|plain"));
	EXPECT_NE(NULL, strstr(err, "HUGESPAN_RETAIN='8Q'"));
	EXPECT_NE(NULL, strstr(err, "HUGESPAN_POPULATE='perhaps'"));
	EXPECT_NE(NULL, strstr(err, "HUGESPAN_STATS='json:x'"));
	EXPECT_EQ(NULL, strstr(err, "HUGESPAN_NODE"));
}

/* A misspelt name is told with the right one; what is not ours is let be. */
TEST(load_reports_unknown_names)
{
	char *const env[] = {
		(char *)"HUGESPAN_BACKENDS=plain",
		(char *)"HUGESPAN_CPUCACHE=0",
		(char *)"HUGESPAN_ENTIRELY_DIFFERENT=1",
		(char *)"HUGESPAN_=1",
		(char *)"HUGESPAN_CACHE=/tmp",
		(char *)"HUGESPAN_TEST_SEED=1",
		(char *)"HUGESPANX=1",
		(char *)"hugespan_backend=1",
		NULL
	};
	char out[4096], err[4096];

	ASSERT_EQ(0, show(env, out, err, sizeof(out)));
	EXPECT_STREQ(DEFAULTS, out);
	EXPECT_NE(NULL, strstr(err, "no option HUGESPAN_BACKENDS: "
				    "did you mean HUGESPAN_BACKEND?"));
	EXPECT_NE(NULL, strstr(err, "no option HUGESPAN_CPUCACHE: "
				    "did you mean HUGESPAN_CPU_CACHE?"));
	EXPECT_NE(NULL, strstr(err, "no option HUGESPAN_ENTIRELY_DIFFERENT: "
				    "it has no effect"));
	EXPECT_NE(NULL, strstr(err, "no option HUGESPAN_:"));
	EXPECT_EQ(NULL, strstr(err, "HUGESPAN_CACHE:"));
	EXPECT_EQ(NULL, strstr(err, "HUGESPAN_TEST_SEED"));
	EXPECT_EQ(NULL, strstr(err, "HUGESPANX"));
	EXPECT_EQ(NULL, strstr(err, "hugespan_backend"));
}

/*
 * Rationale: a setuid program must not open a file, nor write one, because the
 * environment of whoever starts it says so.
 */
TEST(setuid_programs_ignore_the_environment)
{
	char *const env[] = {
		(char *)"HUGESPAN_DEVICE=/dev/other",
		(char *)"HUGESPAN_STATS=json:1",
		(char *)"HUGESPAN_NONSENSE=1",
		NULL
	};
	char path[] = "/var/tmp/hugespan-test-XXXXXX", command[128];
	char out[4096], err[4096];
	int fd, status;

	if (geteuid())
		SKIP(return, "only root can make a setuid program");
	fd = mkstemp(path);
	ASSERT_LE(0, fd);
	close(fd);
	snprintf(command, sizeof(command), "cp /proc/%d/exe %s", (int)getpid(),
		 path);
	ASSERT_EQ(0, system(command));
	ASSERT_EQ(0, chmod(path, 04755));
	status = show_from(path, env, out, err, sizeof(out));
	unlink(path);
	ASSERT_EQ(0, status);
	if (strncmp(out, "secure ", 7))
		SKIP(return, "/var/tmp is mounted nosuid");
	EXPECT_STREQ(DEFAULTS, out + 7);
	EXPECT_STREQ("", err);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], SHOW_ARGUMENT))
		return show_options();
	return test_harness_run(argc, argv);
}
