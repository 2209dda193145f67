// SPDX-License-Identifier: MIT
/*
 * A program with a malloc of its own that counts and passes on: it looks for
 * the next one by dlsym, inside which malloc is called again. The shim is the
 * next one; it must not mind being reached in this way.
 */
#include <dlfcn.h>
#include <stddef.h>

#include <kselftest_harness.h>

#include "shim.h"

static void *(*next_malloc)(size_t size);
static void (*next_free)(void *ptr);
static unsigned long nr_mallocs, nr_frees;
static int looking;
static char early[4096];
static size_t early_used;

#if !defined(__SANITIZE_ADDRESS__)
void *malloc(size_t size)
{
	nr_mallocs++;
	if (!next_malloc) {
		if (looking) {	/* dlsym's own */
			early_used += (size + 15) & ~(size_t)15;
			return early + early_used - ((size + 15) & ~(size_t)15);
		}
		looking = 1;
		next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
		next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
		looking = 0;
	}
	return next_malloc(size);
}

void free(void *ptr)
{
	nr_frees++;
	if ((char *)ptr >= early && (char *)ptr < early + sizeof(early))
		return;
	if (ptr)
		next_free(ptr);
}
#endif

FIXTURE(interposer) {
	int unused;
};

FIXTURE_SETUP(interposer)
{
	SHIM_SETUP();
}

FIXTURE_TEARDOWN(interposer)
{
}

TEST_F(interposer, is_passed_on_to_us)
{
	void *(*volatile take)(size_t) = malloc;
	void *objs[100], *zeroed;
	int i;

	for (i = 0; i < 100; i++) {
		objs[i] = take(i * 1000);
		ASSERT_TRUE(is_ours(objs[i], i * 1000));
	}
	zeroed = calloc(10, 10);	/* the next one's */
	ASSERT_TRUE(is_ours(zeroed, 100));
	objs[0] = realloc(objs[0], 5000);
	for (i = 0; i < 100; i++)
		free(objs[i]);
	free(zeroed);
	ASSERT_TRUE(nr_mallocs >= 100 && nr_frees >= 101);
}

TEST_HARNESS_MAIN
