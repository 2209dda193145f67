// SPDX-License-Identifier: MIT
/*
 * The shim's dlopen. RTLD_DEEPBIND makes a plugin find libc's malloc before
 * ours, and every allocator that let it through crashes PHP's extensions. But
 * dlopen also searches by its caller's RUNPATH, which it knows by the return
 * address: a wrapper that is a frame of its own breaks such callers.
 */
#include <dlfcn.h>

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

static void *open_plugin(const char *name, int mode)
{
	char path[PATH_MAX];

	shim_build_path(path, sizeof(path), name);
	return dlopen(path, mode);
}

TEST_F(shim, deepbind_is_masked)
{
	void *(*plugin_alloc)(size_t);
	void (*plugin_free)(void *);
	void *plugin, *p;

	plugin = open_plugin("deepbind.so", RTLD_NOW | RTLD_LOCAL |
			     RTLD_DEEPBIND);
	ASSERT_NE(NULL, plugin) {
		TH_LOG("%s", dlerror());
	}
	plugin_alloc = dlsym(plugin, "plugin_alloc");
	plugin_free = dlsym(plugin, "plugin_free");
	p = plugin_alloc(1000);
	ASSERT_TRUE(is_ours(p, 1000));
	free(p);
	plugin_free(malloc(1000));
	plugin_free(malloc(3 << 20));
	ASSERT_EQ(0, dlclose(plugin));
}

TEST_F(shim, the_callers_runpath_is_searched)
{
	int (*caller_open)(const char *);
	void *caller = open_plugin("caller.so", RTLD_NOW);

	ASSERT_NE(NULL, caller) {
		TH_LOG("%s", dlerror());
	}
	caller_open = dlsym(caller, "caller_open");
	/* Only caller.so finds it; from here it is not to be found. */
	ASSERT_EQ(NULL, dlopen("apart.so", RTLD_NOW));
	ASSERT_EQ(1, caller_open("apart.so"));
	ASSERT_EQ(0, caller_open("no-such-library.so"));
}

/* The library holds addresses the kernel knows (rseq): it must never go. */
TEST_F(shim, the_shim_itself_stays)
{
	char path[PATH_MAX];
	void *handle;
	int i;

	shim_build_path(path, sizeof(path), "../../libhugespan-malloc.so");
	handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	ASSERT_NE(NULL, handle);
	/* More often than it was opened: a library that can go is gone then. */
	for (i = 0; i < 10; i++)
		dlclose(handle);
	free(malloc(100));
	ASSERT_NE(NULL, dlopen(path, RTLD_NOW | RTLD_NOLOAD));
}

TEST_HARNESS_MAIN
