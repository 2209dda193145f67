// SPDX-License-Identifier: MIT
/*
 * Every allocation function of the C library is the shim's. One that was
 * forgotten would hand out glibc's memory, which our free aborts on, and does
 * so in some program far away. Answers are those of glibc's manual.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>

#include <kselftest_harness.h>

#include "shim.h"

FIXTURE(shim) {
	int unused;
};

FIXTURE_SETUP(shim)
{
	SHIM_SETUP();
}

FIXTURE_TEARDOWN(shim)
{
}

#define MEG (1ul << 20)

TEST_F(shim, every_function_gives_memory_of_ours)
{
	void *p;

	p = malloc(10);
	ASSERT_TRUE(is_ours(p, 10));
	p = realloc(p, 3 * MEG);
	ASSERT_TRUE(is_ours(p, 3 * MEG));
	p = reallocarray(p, 100, 7);
	ASSERT_TRUE(is_ours(p, 700));
	free(p);
	p = calloc(3, 5);
	ASSERT_TRUE(is_ours(p, 15));
	free(p);
	p = aligned_alloc(64, 128);
	ASSERT_TRUE(is_ours(p, 128));
	free(p);
	p = memalign(4096, 1);
	ASSERT_TRUE(is_ours(p, 1));
	free(p);
	ASSERT_EQ(0, posix_memalign(&p, MEG, 5));
	ASSERT_TRUE(is_ours(p, 5));
	free(p);
	p = valloc(1);
	ASSERT_TRUE(is_ours(p, 1));
	ASSERT_EQ(0, (uintptr_t)p % (size_t)getpagesize());
	free(p);
	p = pvalloc(1);
	ASSERT_TRUE(is_ours(p, (size_t)getpagesize()));
	ASSERT_EQ(0, (uintptr_t)p % (size_t)getpagesize());
	free(p);
	p = strdup("libc's own calls come here too");
	ASSERT_TRUE(is_ours(p, 20));
	free(p);
	ASSERT_LT(0, asprintf((char **)&p, "%0500d", 7));
	ASSERT_TRUE(is_ours(p, 500));
	free(p);
}

/* C23; not in Debian 12's headers, but programs look for them by name. */
TEST_F(shim, sized_frees_are_there)
{
	void (*sized)(void *, size_t) = dlsym(RTLD_DEFAULT, "free_sized");
	void (*aligned)(void *, size_t, size_t) =
		dlsym(RTLD_DEFAULT, "free_aligned_sized");

	ASSERT_NE(NULL, sized);
	ASSERT_NE(NULL, aligned);
	sized(malloc(77), 77);
	sized(NULL, 0);
	aligned(aligned_alloc(256, 512), 256, 512);
	aligned(NULL, 64, 64);
}

TEST_F(shim, refusals_set_errno_and_free_leaves_it)
{
	volatile size_t huge = PTRDIFF_MAX;
	void *p = (void *)&huge;

	errno = 0;
	ASSERT_EQ(NULL, malloc(huge + 1));
	ASSERT_EQ(ENOMEM, errno);
	errno = 0;
	ASSERT_EQ(NULL, pvalloc(SIZE_MAX - 1));
	ASSERT_EQ(ENOMEM, errno);
	errno = 0;
	ASSERT_EQ(NULL, calloc(huge, 16));
	ASSERT_EQ(ENOMEM, errno);
	ASSERT_EQ(EINVAL, posix_memalign(&p, 24, 8));
	ASSERT_EQ((void *)&huge, p);
	errno = EILSEQ;
	free(malloc(100));
	free(malloc(3 * MEG));
	free(NULL);
	ASSERT_EQ(EILSEQ, errno);
	ASSERT_EQ(0, malloc_usable_size(NULL));
}

TEST_F(shim, old_tools_get_their_figures)
{
	struct mallinfo2 before = mallinfo2(), after;
	char *text = NULL, *p = malloc(8 * MEG);
	struct mallinfo narrow;
	size_t size;
	FILE *f;

	after = mallinfo2();
	ASSERT_GE(after.uordblks, before.uordblks + 8 * MEG);
	ASSERT_EQ(after.arena, after.uordblks + after.fordblks);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	narrow = mallinfo();
#pragma GCC diagnostic pop
	ASSERT_GE((size_t)narrow.uordblks, 8 * MEG);

	f = open_memstream(&text, &size);
	ASSERT_NE(NULL, f);
	ASSERT_EQ(0, malloc_info(0, f));
	ASSERT_EQ(EINVAL, malloc_info(1, f));
	fclose(f);
	ASSERT_EQ(text, strstr(text, "<malloc version=\"hugespan"));
	ASSERT_NE(NULL, strstr(text, "</malloc>\n"));
	free(text);
	free(p);
	ASSERT_EQ(1, mallopt(M_MMAP_THRESHOLD, 1 << 20));
	ASSERT_EQ(0, mallopt(M_MXFAST, 100000));
}

/* A trim returns what was freed, and says 1 only when something went back. */
TEST_F(shim, trim_returns_memory)
{
	char *p = malloc(64 * MEG);
	size_t before;

	memset(p, 1, 64 * MEG);
	before = mallinfo2().arena;
	free(p);
	malloc_trim(0);
	ASSERT_LE(mallinfo2().arena, before - 60 * MEG);
	ASSERT_EQ(0, malloc_trim(0));
}

TEST_HARNESS_MAIN
