// SPDX-License-Identifier: MIT
/*
 * What the C library allocates for its callers comes from malloc as well, and
 * they free it: all of it must be the shim's. So must be what is allocated in
 * dlsym and dlerror, which an allocator that calls dlsym itself gets wrong.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <glob.h>
#include <locale.h>
#include <pthread.h>
#include <regex.h>
#include <search.h>

#include <kselftest_harness.h>

#include "shim.h"

FIXTURE(objects) {
	int unused;
};

FIXTURE_SETUP(objects)
{
	SHIM_SETUP();
}

FIXTURE_TEARDOWN(objects)
{
}

TEST_F(objects, strings_and_streams)
{
	char *p = NULL, *line = NULL;
	size_t size = 0;
	FILE *f;

	p = strdup("a string");
	ASSERT_TRUE(is_ours(p, 9) && !strcmp(p, "a string"));
	free(p);
	p = strndup("a string", 3);
	ASSERT_TRUE(is_ours(p, 4) && !strcmp(p, "a s"));
	free(p);
	ASSERT_TRUE(asprintf(&p, "%0300d", 7) == 300 && is_ours(p, 301));
	free(p);
	p = realpath("/proc/self/../self/status", NULL);
	ASSERT_TRUE(is_ours(p, 1));
	free(p);
	p = getcwd(NULL, 0);
	ASSERT_TRUE(is_ours(p, 1));
	free(p);
	f = fopen("/proc/self/status", "r");
	ASSERT_TRUE(f && getline(&line, &size, f) > 0);
	ASSERT_TRUE(is_ours(line, size));
	fclose(f);
	line = realloc(line, 100000);
	ASSERT_TRUE(line && !strncmp(line, "Name:", 5));
	free(line);
	f = open_memstream(&p, &size);
	ASSERT_TRUE(f && fprintf(f, "%0100000d", 1) == 100000 && !fclose(f));
	ASSERT_TRUE(is_ours(p, 100000) && size == 100000);
	free(p);
}

static int nr_visited;

static void visit(const void *node, VISIT which, int depth)
{
	(void)node, (void)depth;
	nr_visited += which == leaf || which == postorder;
}

static void keep(void *node)
{
	(void)node;
}

static int by_address(const void *a, const void *b)
{
	return a < b ? -1 : a > b;
}

TEST_F(objects, structures)
{
	struct dirent **names;
	void *root = NULL;
	static char nodes[100];
	regex_t re;
	glob_t g;
	int i, nr;

	nr = scandir("/proc/self", &names, NULL, alphasort);
	ASSERT_TRUE(nr > 10 && is_ours(names, nr * sizeof(*names)));
	for (i = 0; i < nr; i++) {
		ASSERT_TRUE(is_ours(names[i], 20));
		free(names[i]);
	}
	free(names);
	ASSERT_TRUE(!glob("/proc/self/*", 0, NULL, &g) && g.gl_pathc > 10);
	globfree(&g);
	ASSERT_TRUE(!regcomp(&re, "^(a|b)*c{3,9}[[:digit:]]+$", REG_EXTENDED));
	ASSERT_TRUE(!regexec(&re, "ababccccc12", 0, NULL, 0));
	regfree(&re);
	for (i = 0; i < 100; i++)
		ASSERT_NE(NULL, tsearch(nodes + i * 37 % 100, &root,
					by_address));
	twalk(root, visit);
	ASSERT_TRUE(nr_visited == 100);
	tdestroy(root, keep);
	ASSERT_NE(NULL, setlocale(LC_ALL, ""));
	ASSERT_TRUE(!setenv("SOME_NAME", "some value", 1) && getenv("SOME_NAME"));
}

/* dlerror keeps its text in memory of the thread that failed. */
static void *fail_to_find(void *arg)
{
	bool ok = true;
	char name[32];
	int i;

	(void)arg;
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "no_such_function_%d", i);
		ok &= !dlsym(RTLD_DEFAULT, name);
		if (i % 2)
			ok &= strstr(dlerror(), name) != NULL;
		ok &= !dlsym(RTLD_NEXT, name);
		ok &= !dlopen("no-such-library.so", RTLD_NOW);
	}
	return ok ? NULL : (void *)1;
}

TEST_F(objects, texts_of_dlerror_in_threads)
{
	pthread_t thread;
	void *failed;
	int i;

	ASSERT_EQ(NULL, fail_to_find(NULL));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, fail_to_find, NULL));
		ASSERT_EQ(0, pthread_join(thread, &failed));
		ASSERT_EQ(NULL, failed);
	}
}

TEST_HARNESS_MAIN
