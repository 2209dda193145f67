// SPDX-License-Identifier: MIT
/*
 * The system layer: memory, files, environment, messages.
 *
 * Guards against what bites an allocator below libc: an errno that free()
 * changed, an environment that is not there yet before main, a formatter that
 * writes past its buffer while the process is dying, and mappings that are not
 * as aligned as the page map believes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "child.h"
#include "pattern.h"
#include "procfs.h"
#include "sys.h"

/*
 * Rationale: hs_sys_format stands in for snprintf where stdio may not be used;
 * both must write the same, return the same, and stop at the same byte.
 */
#define SAME_AS_SNPRINTF(size, ...) do {				\
	char ours[256], theirs[256];					\
	int a, b;							\
									\
	memset(ours, '#', sizeof(ours));				\
	memset(theirs, '#', sizeof(theirs));				\
	a = hs_sys_format(ours, size, __VA_ARGS__);			\
	b = snprintf(theirs, size, __VA_ARGS__);			\
	EXPECT_EQ(a, b);						\
	EXPECT_EQ(0, memcmp(ours, theirs, sizeof(ours))) {		\
		TH_LOG("ours '%.60s' libc's '%.60s'", ours, theirs);	\
	}								\
} while (0)

/* The compiler must not know better than the test what fits. */
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-zero-length"

TEST(format_numbers)
{
	static const long values[] = {
		0, 1, -1, 9, 10, 4095, 4096, INT_MAX, INT_MIN, LONG_MAX,
		LONG_MIN,
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		long v = values[i];

		SAME_AS_SNPRINTF(200, "%d|%i|%u|%x", (int)v, (int)v,
				 (unsigned int)v, (unsigned int)v);
		SAME_AS_SNPRINTF(200, "%ld|%lu|%lx", v, (unsigned long)v,
				 (unsigned long)v);
		SAME_AS_SNPRINTF(200, "%lld|%llu|%llx", (long long)v,
				 (unsigned long long)v, (unsigned long long)v);
		SAME_AS_SNPRINTF(200, "%zu|%zx|%jd", (size_t)v, (size_t)v,
				 (intmax_t)v);
		SAME_AS_SNPRINTF(200, "[%5ld][%-5ld][%05ld][%*ld]", v, v, v, 7,
				 v);
		SAME_AS_SNPRINTF(200, "%hd|%hhu", (short)7, (unsigned char)8);
		SAME_AS_SNPRINTF(200, "%p", (void *)(v | 1));
	}
}

TEST(format_strings)
{
	SAME_AS_SNPRINTF(200, "");
	SAME_AS_SNPRINTF(200, "plain %% text");
	SAME_AS_SNPRINTF(200, "%s|%10s|%-10s|", "abc", "abc", "abc");
	SAME_AS_SNPRINTF(200, "%.2s|%.0s|%.*s|%6.2s|", "abc", "abc", 1, "abc",
			 "abc");
	SAME_AS_SNPRINTF(200, "%c%c|%3c|", 'x', 'y', 'z');
	SAME_AS_SNPRINTF(200, "%s", (const char *)"");
}

/* Every length of buffer, 0 included, for a text that has a bit of all. */
TEST(format_truncates)
{
	for (size_t size = 0; size < 64; size++)
		SAME_AS_SNPRINTF(size, "hugespan: %s %5d %016lx %-8u|", "word",
				 -42, 0xdeadbeefUL, 7u);
}

/* What it does not know must not crash it, nor run for hours. */
TEST(format_survives_nonsense)
{
	const char *volatile nonsense[] = {
		"%", "%-", "%0", "%9", "%l", "%.", "%y", "%%%", "%5%",
		"%99999999999999d", "%-99999999999999c",
	};
	char buf[32];

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		int len = hs_sys_format(buf, sizeof(buf), nonsense[i], 1);
#pragma GCC diagnostic pop
		EXPECT_GE(len, 0);
		EXPECT_LT(strlen(buf), sizeof(buf));
	}
}

/*
 * Rationale: units are found by masking addresses; a mapping that is less
 * aligned than asked for corrupts the page map.
 */
TEST(map_is_aligned_and_zero)
{
	for (size_t align = 0; align <= (size_t)8 << 20;
	     align = align ? align * 4 : 4096) {
		for (size_t bytes = 1; bytes < (size_t)6 << 20; bytes *= 19) {
			char *p = hs_sys_map(bytes, align);

			ASSERT_NE(NULL, p);
			if (align) {
				EXPECT_EQ(0, (uintptr_t)p % align);
			}
			EXPECT_EQ(-1, nonzero_at(p, bytes));
			memset(p, 0x5a, bytes);
			hs_sys_unmap(p, bytes);
			EXPECT_FALSE(is_mapped(p));
		}
	}
}

TEST(map_refuses_what_cannot_be)
{
	EXPECT_EQ(NULL, hs_sys_map(0, 0));
	EXPECT_EQ(NULL, hs_sys_map(SIZE_MAX, 0));
	EXPECT_EQ(NULL, hs_sys_map(SIZE_MAX - 4096, (size_t)1 << 30));
	EXPECT_EQ(NULL, hs_sys_map((size_t)1 << 50, 0));
	EXPECT_EQ(NULL, hs_sys_map(4096, (size_t)1 << 63));
}

/* The trimmed ends of an aligned mapping must not stay behind. */
TEST(map_leaves_nothing_behind)
{
	long long before, after;
	char text[4096];
	void *p[64];

	ASSERT_LT(0, hs_sys_read_file("/proc/self/statm", text, sizeof(text)));
	before = strtoll(text, NULL, 10);
	for (int i = 0; i < 64; i++)
		p[i] = hs_sys_reserve((size_t)3 << 20, (size_t)2 << 20);
	for (int i = 0; i < 64; i++)
		hs_sys_unmap(p[i], (size_t)3 << 20);
	ASSERT_LT(0, hs_sys_read_file("/proc/self/statm", text, sizeof(text)));
	after = strtoll(text, NULL, 10);
	EXPECT_EQ(before, after);
}

TEST(reserve_has_no_rights)
{
	char *p = hs_sys_reserve(1 << 20, 1 << 20);
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	ASSERT_NE(NULL, p);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, p, 1));
	EXPECT_EQ(EFAULT, errno);
	hs_sys_unmap(p, 1 << 20);
	close(fd);
}

/*
 * Rationale: free() must keep errno (POSIX 2024), and so must everything that
 * an allocation does on the way.
 */
TEST(errno_is_never_touched)
{
	char buf[16];
	int err;

	errno = 12345;
	EXPECT_EQ(-EBADF, hs_sys_ioctl(-1, 0, NULL));
	EXPECT_EQ(-ENOENT, hs_sys_open("/no/such/file", O_RDONLY));
	EXPECT_EQ(-ENOENT, hs_sys_read_file("/no/such/file", buf, sizeof(buf)));
	EXPECT_EQ(-EBADF, hs_sys_write_all(-1, "x", 1));
	EXPECT_EQ(NULL, hs_sys_map((size_t)1 << 50, 0));
	EXPECT_NE(0, hs_sys_madvise((void *)1, 4096, MADV_DONTNEED));
	EXPECT_EQ(NULL, hs_sys_mmap(NULL, 0, 0, 0, -1, 0, &err));
	EXPECT_GT(0, err);
	hs_sys_getenv("HOME");
	hs_sys_close(-1);
	EXPECT_EQ(12345, errno);
}

TEST(read_file)
{
	char big[8192], small[16];
	ssize_t len;

	len = hs_sys_read_file("/proc/self/status", big, sizeof(big));
	ASSERT_LT(0, len);
	EXPECT_EQ((size_t)len, strlen(big));
	/* Half a file must not pass for a whole one. */
	EXPECT_EQ(-EFBIG, hs_sys_read_file("/proc/self/status", small,
					   sizeof(small)));
	EXPECT_EQ(-EINVAL, hs_sys_read_file("/proc/self/status", small, 0));
	EXPECT_EQ(-EISDIR, hs_sys_read_file("/proc", small, sizeof(small)));
	EXPECT_EQ(0, hs_sys_read_file("/dev/null", small, sizeof(small)));
	EXPECT_STREQ("", small);
}

TEST(text_field)
{
	static const char text[] = "NotHuge:  9\nHuge:\t 17 kB\nHugeB: x\nZ:5";
	uint64_t value = 0;

	EXPECT_EQ(0, hs_sys_text_field(text, "Huge:", &value));
	EXPECT_EQ(17, value);
	EXPECT_EQ(0, hs_sys_text_field(text, "Z:", &value));
	EXPECT_EQ(5, value);
	EXPECT_EQ(0, hs_sys_text_field("2097152\n", "", &value));
	EXPECT_EQ(2097152, value);
	EXPECT_EQ(-ENOENT, hs_sys_text_field(text, "HugeB:", &value));
	EXPECT_EQ(-ENOENT, hs_sys_text_field(text, "uge:", &value));
	EXPECT_EQ(-ENOENT, hs_sys_text_field("", "Z:", &value));
}

/* Through a pipe that takes it piece by piece. */
TEST(write_all_through_short_writes)
{
	static char data[1 << 20], got[1 << 20];
	size_t have = 0;
	int fd[2];
	pid_t pid;

	pattern_fill(data, sizeof(data), 7);
	ASSERT_EQ(0, pipe(fd));
	pid = child_fork();
	if (pid == 0)
		_exit(hs_sys_write_all(fd[1], data, sizeof(data)) ? 1 : 0);
	close(fd[1]);
	while (have < sizeof(got)) {
		ssize_t n = read(fd[0], got + have, 3000);

		ASSERT_LT(0, n);
		have += (size_t)n;
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(0, memcmp(data, got, sizeof(got)));
}

TEST(getenv_of_the_program)
{
	setenv("HS_SYS_TEST", "one=two", 1);
	setenv("HS_SYS_TEST_LONGER", "no", 1);
	EXPECT_STREQ("one=two", hs_sys_getenv("HS_SYS_TEST"));
	EXPECT_EQ(NULL, hs_sys_getenv("HS_SYS_TES"));
	EXPECT_EQ(NULL, hs_sys_getenv("HS_SYS_NOT_SET"));
	setenv("HS_SYS_TEST", "", 1);
	EXPECT_STREQ("", hs_sys_getenv("HS_SYS_TEST"));
}

/*
 * Rationale: the dynamic linker calls a preloaded malloc before libc has set
 * environ; the options must be found all the same.
 */
TEST(getenv_before_libc)
{
	static char text[1 << 20];
	const char *path;
	char **saved = environ;
	size_t count = 0;
	ssize_t len;

	len = hs_sys_read_file("/proc/self/environ", text, sizeof(text));
	ASSERT_LE(0, len);
	if (!len)
		SKIP(return, "the test was started without an environment");
	environ = NULL;
	for (char *const *entry = hs_sys_environ(); *entry; entry++)
		count++;
	path = strchr(text, '=');
	ASSERT_NE(NULL, path);
	text[path - text] = '\0';
	EXPECT_STREQ(path + 1, hs_sys_getenv(text));
	EXPECT_EQ(NULL, hs_sys_getenv("HS_SYS_NOT_SET"));
	environ = saved;
	text[path - text] = '=';
	for (const char *p = text; p < text + len; p += strlen(p) + 1)
		count--;
	EXPECT_EQ(0, count);
}

/* What a child wrote to stderr, and how it ended. */
static int run_captured(void (*body)(void), char *text, size_t size)
{
	int fd[2], status;
	size_t have = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(fd))
		return -1;
	pid = child_fork();
	if (pid == 0) {
		dup2(fd[1], STDERR_FILENO);
		body();
		_exit(0);
	}
	close(fd[1]);
	while ((n = read(fd[0], text + have, size - 1 - have)) > 0)
		have += (size_t)n;
	text[have] = '\0';
	close(fd[0]);
	status = child_wait(pid);
	return status;
}

static void die_body(void)
{
	hs_sys_die("free of %p: %s", (void *)0x1234, "not ours");
}

/* A report without the address is silence; and it must be one line. */
TEST(die_reports_and_aborts)
{
	char text[1024];
	int status = run_captured(die_body, text, sizeof(text));

	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	EXPECT_STREQ("hugespan: free of 0x1234: not ours\n", text);
}

static void warn_body(void)
{
	char longer[2000];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	hs_sys_warn("%s", longer);
	for (int i = 0; i < 1000; i++)
		hs_sys_warn("again %d", i);
}

/* A warning in a loop must not fill the disk, nor overrun its buffer. */
TEST(warnings_are_few)
{
	char text[8192];
	int status = run_captured(warn_body, text, sizeof(text));
	int lines = 0;

	EXPECT_EQ(0, status);
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	EXPECT_GE(lines, 2);
	EXPECT_LE(lines, 20);
	EXPECT_NE(NULL, strstr(text, "hugespan: again 0\n"));
	EXPECT_NE(NULL, strstr(text, "not shown\n"));
}

TEST_HARNESS_MAIN
