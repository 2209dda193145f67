// SPDX-License-Identifier: MIT
/* Opens a library that only its own RUNPATH leads to. */
#include <dlfcn.h>
#include <stddef.h>

int caller_open(const char *name);

int caller_open(const char *name)
{
	void *handle = dlopen(name, RTLD_NOW);

	if (!handle)
		return 0;
	dlclose(handle);
	return 1;
}
