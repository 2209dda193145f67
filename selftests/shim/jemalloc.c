// SPDX-License-Identifier: MIT
/*
 * jemalloc's interface over our heap. A program that Debian links with
 * libjemalloc mixes it with malloc and free: a pointer of one must be good for
 * the other, and the figures must be of the heap that is used.
 */
#include <errno.h>
#include <stdint.h>

#include <kselftest_harness.h>

#include "shim.h"

#define WEAK __attribute__((weak))

void *mallocx(size_t size, int flags) WEAK;
void *rallocx(void *ptr, size_t size, int flags) WEAK;
size_t xallocx(void *ptr, size_t size, size_t extra, int flags) WEAK;
size_t sallocx(const void *ptr, int flags) WEAK;
void dallocx(void *ptr, int flags) WEAK;
void sdallocx(void *ptr, size_t size, int flags) WEAK;
size_t nallocx(size_t size, int flags) WEAK;
int mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp,
	    size_t newlen) WEAK;
void malloc_stats_print(void (*write_cb)(void *, const char *), void *opaque,
			const char *opts) WEAK;

#define ZERO 0x40
#define LG_ALIGN(lg) (lg)

FIXTURE(jemalloc) {
	int unused;
};

FIXTURE_SETUP(jemalloc)
{
	SHIM_SETUP();
}

FIXTURE_TEARDOWN(jemalloc)
{
}

static bool is_filled(const unsigned char *p, int byte, size_t n)
{
	while (n--)
		if (p[n] != byte)
			return false;
	return true;
}

TEST_F(jemalloc, pointers_are_good_for_both_interfaces)
{
	void *p = mallocx(100, 0);

	ASSERT_TRUE(is_ours(p, 100));
	free(p);
	p = malloc(100);
	ASSERT_LE(100, sallocx(p, 0));
	dallocx(p, 0);
	sdallocx(malloc(5000), 5000, 0);
}

TEST_F(jemalloc, flags_mean_what_they_say)
{
	size_t lg, size;

	for (lg = 0; lg <= 22; lg++) {
		void *p = mallocx(300, LG_ALIGN(lg));

		ASSERT_TRUE(is_ours(p, 300));
		ASSERT_EQ(0, (uintptr_t)p & ((1ul << lg) - 1));
		dallocx(p, LG_ALIGN(lg));
	}
	for (size = 1; size < 4 << 20; size = size * 3 + 1) {
		unsigned char *p = malloc(size);

		memset(p, 0xa5, size);
		free(p);
		p = mallocx(size, ZERO);
		ASSERT_TRUE(is_filled(p, 0, size));
		free(p);
	}
}

TEST_F(jemalloc, reallocation_keeps_the_contents)
{
	unsigned char *p = mallocx(1000, 0);
	size_t old;

	memset(p, 7, 1000);
	p = rallocx(p, 400000, ZERO);
	ASSERT_TRUE(is_filled(p, 7, 1000));
	p = rallocx(p, 100, LG_ALIGN(12));
	ASSERT_EQ(0, (uintptr_t)p & 4095);
	ASSERT_TRUE(is_filled(p, 7, 100));
	/* In place or not at all, and the truth about it. */
	old = sallocx(p, 0);
	ASSERT_EQ(sallocx(p, 0), xallocx(p, old, 0, 0));
	ASSERT_GE(xallocx(p, 1 << 20, 0, 0), old);
	ASSERT_TRUE(is_filled(p, 7, 100));
	free(p);
}

TEST_F(jemalloc, nallocx_is_what_mallocx_gives)
{
	size_t size;

	for (size = 1; size < 3 << 20; size += size / 3 + 1) {
		void *p = mallocx(size, 0);

		ASSERT_EQ(nallocx(size, 0), sallocx(p, 0));
		free(p);
	}
	ASSERT_EQ(0, nallocx(SIZE_MAX - 5, 0));
}

TEST_F(jemalloc, mallctl_answers_for_our_heap)
{
	size_t before, after, len = sizeof(size_t), wrong = 3;
	uint64_t epoch = 1;
	unsigned int narenas;
	const char *version;
	char *p;

	ASSERT_EQ(0, mallctl("stats.allocated", &before, &len, NULL, 0));
	p = malloc(32 << 20);
	len = sizeof(epoch);
	ASSERT_EQ(0, mallctl("epoch", &epoch, &len, &epoch, sizeof(epoch)));
	len = sizeof(size_t);
	ASSERT_EQ(0, mallctl("stats.allocated", &after, &len, NULL, 0));
	ASSERT_GE(after, before + (32 << 20));
	free(p);
	len = sizeof(narenas);
	ASSERT_EQ(0, mallctl("arenas.narenas", &narenas, &len, NULL, 0));
	ASSERT_EQ(0, mallctl("arena.0.purge", NULL, NULL, NULL, 0));
	ASSERT_EQ(0, mallctl("arena.4096.purge", NULL, NULL, NULL, 0));
	len = sizeof(version);
	ASSERT_EQ(0, mallctl("version", &version, &len, NULL, 0));
	ASSERT_EQ(version, strstr(version, "hugespan"));
	ASSERT_EQ(ENOENT, mallctl("no.such.thing", NULL, NULL, NULL, 0));
	ASSERT_EQ(ENOENT, mallctl("arena.purge", NULL, NULL, NULL, 0));
	ASSERT_EQ(EINVAL, mallctl("epoch", &epoch, &wrong, NULL, 0));
	ASSERT_EQ(EINVAL, mallctl("epoch", &epoch, NULL, NULL, 0));
	ASSERT_EQ(EPERM, mallctl("version", NULL, NULL, &version,
				 sizeof(version)));
}

static void collect(void *opaque, const char *text)
{
	strncat(opaque, text, 8000);
}

TEST_F(jemalloc, the_report_is_ours)
{
	char text[8192] = "";

	malloc_stats_print(collect, text, NULL);
	ASSERT_NE(NULL, strstr(text, "hugespan"));
	text[0] = '\0';
	malloc_stats_print(collect, text, "J");
	ASSERT_EQ('{', text[0]);
}

TEST_HARNESS_MAIN
