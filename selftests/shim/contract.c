// SPDX-License-Identifier: MIT
/*
 * The malloc family by its plain names, against glibc itself: the table of
 * malloc_table.h and the functions that only the C library has, run in a process
 * with the shim and in one without. Every line must be the same.
 *
 * Guards against an answer that some program relies on and that we give
 * otherwise, be it only the return value of mallopt.
 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "scenario.h"

#include "malloc_table.h"
#include "shim.h"

#define TABLE_BYTES (4ul << 20)

static const struct family libc_family = {
	.malloc = malloc, .free = free, .calloc = calloc,
	.realloc = realloc, .reallocarray = reallocarray,
	.memalign = memalign, .aligned_alloc = aligned_alloc,
	.posix_memalign = posix_memalign,
	.valloc = valloc, .pvalloc = pvalloc,
	.usable_size = malloc_usable_size,
};

/* What a program may set, to what it may be set; answers only. */
static void rows_of_mallopt(void)
{
	static const struct { int param, value; } rows[] = {
		{ M_MXFAST, 0 }, { M_MXFAST, 64 }, { M_MXFAST, 80 * 8 },
		{ M_MXFAST, -1 }, { M_MXFAST, 100000 },
		{ M_TRIM_THRESHOLD, 1 << 20 }, { M_TRIM_THRESHOLD, -1 },
		{ M_TOP_PAD, 0 }, { M_TOP_PAD, 1 << 16 },
		{ M_MMAP_THRESHOLD, 1 << 17 }, { M_MMAP_THRESHOLD, 1 << 25 },
		{ M_MMAP_THRESHOLD, (1 << 25) + 1 }, { M_MMAP_THRESHOLD, 0 },
		{ M_MMAP_THRESHOLD, 1 << 30 },
		{ M_MMAP_MAX, 0 }, { M_MMAP_MAX, 65536 },
		{ M_CHECK_ACTION, 3 }, { M_PERTURB, 0 },
		{ M_ARENA_TEST, 8 }, { M_ARENA_MAX, 4 },
		{ M_ARENA_TEST, 0 }, { M_ARENA_MAX, 0 },
		{ 0, 0 }, { 3, 0 }, { 77, 1 }, { -99, 1 }, { 1000000, 5 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("mallopt(%d, %d): %d\n", rows[i].param, rows[i].value,
		       mallopt(rows[i].param, rows[i].value));
}

static void rows_of_figures(void)
{
	struct mallinfo2 before = mallinfo2(), during, after;
	void *objs[100], *large = malloc(30000000);
	char *xml;
	size_t len;
	FILE *f;
	int i;

	for (i = 0; i < 100; i++)
		objs[i] = malloc(20000);
	during = mallinfo2();
	/* glibc counts what it mapped singly in hblkhd, we all in uordblks. */
	printf("mallinfo2: in use grew as it must: %s\n",
	       during.uordblks + during.hblkhd >=
	       before.uordblks + before.hblkhd + 30000000 + 2000000 ?
	       "yes" : "no");
	printf("mallinfo2: used and free make up the arena: %s\n",
	       during.uordblks + during.fordblks == during.arena ?
	       "yes" : "no");
	for (i = 0; i < 100; i++)
		free(objs[i]);
	free(large);
	after = mallinfo2();
	printf("mallinfo2: in use fell: %s\n",
	       after.uordblks + after.hblkhd < during.uordblks ? "yes" : "no");
	printf("malloc_trim: %s\n", malloc_trim(0) == 1 ? "released" : "no");
	printf("malloc_trim again: %s\n", malloc_trim(0) <= 1 ? "ok" : "no");
	printf("malloc_info(1): %d\n", malloc_info(1, stdout));
	printf("malloc_info(-1): %d\n", malloc_info(-1, stdout));
	f = open_memstream(&xml, &len);
	printf("malloc_info(0): %d\n", malloc_info(0, f));
	fclose(f);
	printf("malloc_info: %s\n", strstr(xml, "<malloc version=") &&
	       strstr(xml, "</malloc>\n") ? "a document" : "no document");
	free(xml);
	malloc_stats();		/* to stderr */
}

/* Everything, as text. */
static int print_rows(void)
{
	static char table[TABLE_BYTES];

	malloc_table(&libc_family, table, sizeof(table));
	fputs(table, stdout);
	rows_of_mallopt();
	rows_of_figures();
	return fflush(stdout);
}

/*
 * This program once more, to print; with the shim or without. The shim gives
 * nothing back unasked, so that there is something for malloc_trim.
 */
static FILE *print_in_another(const char *what, bool with_shim)
{
	char command[PATH_MAX + 100], self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return NULL;
	snprintf(command, sizeof(command), "%s '%s' %s 2>/dev/null",
		 with_shim ? "HUGESPAN_TRIM=0" :
			     "LD_PRELOAD= " SHIM_AGAIN "=1", self, what);
	return popen(command, "r");
}

FIXTURE(contract) {
	int unused;
};

FIXTURE_SETUP(contract)
{
	SHIM_SETUP();
}

FIXTURE_TEARDOWN(contract)
{
}

TEST_F(contract, answers_are_those_of_glibc)
{
	FILE *ours = print_in_another("--rows", true);
	FILE *theirs = print_in_another("--rows", false);
	char mine[512], line[512];
	int nr = 0, nr_wrong = 0;

	ASSERT_TRUE(ours && theirs);
	while (fgets(mine, sizeof(mine), ours) &&
	       fgets(line, sizeof(line), theirs)) {
		nr++;
		if (!strcmp(mine, line))
			continue;
		nr_wrong++;
		TH_LOG("ours:  %s#                       glibc: %s", mine,
		       line);
	}
	EXPECT_EQ(NULL, fgets(line, sizeof(line), theirs));
	EXPECT_EQ(0, pclose(ours));
	EXPECT_EQ(0, pclose(theirs));
	EXPECT_LT(4000, nr);
	EXPECT_EQ(0, nr_wrong);
}

/* For whoever reads malloc_info with an XML parser. */
TEST_F(contract, malloc_info_is_xml)
{
	FILE *f = popen("python3 -c 'import sys, xml.dom.minidom as m; "
			"d = m.parse(sys.stdin).documentElement; "
			"assert d.tagName == \"malloc\"; "
			"s = d.getElementsByTagName(\"system\"); "
			"assert int(s[0].getAttribute(\"size\")) > 0'", "w");
	int status;

	ASSERT_NE(NULL, f);
	signal(SIGPIPE, SIG_IGN);
	EXPECT_EQ(0, malloc_info(0, f));
	status = pclose(f);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		SKIP(return, "no python3 to parse it with");
	EXPECT_EQ(0, status);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--rows"))
		return print_rows();
	return test_harness_run(argc, argv);
}
