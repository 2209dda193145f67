/* SPDX-License-Identifier: MIT */
/*
 * For programs that test the shim: included, it starts the program again with
 * libhugespan-malloc.so of the same build preloaded, before main. Where that
 * cannot be (a build with sanitizers), SHIM_SETUP() skips with the reason.
 */
#ifndef SELFTEST_SHIM_H
#define SELFTEST_SHIM_H

#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif
/* From the shim; NULL without it. */
size_t hs_malloc_usable_size(void *ptr) __attribute__((weak));
#ifdef __cplusplus
}
#endif

#define SHIM_AGAIN "HUGESPAN_TEST_SHIM_AGAIN"

#if defined(__SANITIZE_ADDRESS__)
#define SHIM_OBSTACLE "a build with sanitizers cannot be preloaded"
#else
#define SHIM_OBSTACLE NULL
#endif

/* The build folder: two above selftests/shim/NAME's own. */
static inline void shim_build_path(char *out, size_t size, const char *name)
{
	char self[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = '\0';
	snprintf(out, size, "%s/%s", dirname(self), name);
}

__attribute__((constructor(150)))
static void shim_start_again(int argc, char **argv, char **envp)
{
	char shim[PATH_MAX];

	(void)argc;
	(void)envp;
	if (hs_malloc_usable_size || SHIM_OBSTACLE || getenv(SHIM_AGAIN))
		return;
	shim_build_path(shim, sizeof(shim), "../../libhugespan-malloc.so");
	setenv("LD_PRELOAD", shim, 1);
	setenv(SHIM_AGAIN, "1", 1);
	execv("/proc/self/exe", argv);
	perror("start again with the shim");
	_exit(1);
}

/* Is it an object of ours? A foreign pointer would abort in here. */
static inline bool is_ours(void *ptr, size_t size)
{
	return ptr && hs_malloc_usable_size(ptr) >= size;
}

/* In a fixture: a return would skip the set-up and run the test. */
#define SHIM_SETUP()							\
	do {								\
		if (SHIM_OBSTACLE)					\
			SKIP(_exit(255), SHIM_OBSTACLE);		\
		ASSERT_NE(NULL, (void *)hs_malloc_usable_size);		\
	} while (0)

#endif /* SELFTEST_SHIM_H */
