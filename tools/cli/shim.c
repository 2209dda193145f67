// SPDX-License-Identifier: MIT
/* Where libhugespan-malloc.so is. */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugespan.h>

#include "shim.h"

/* The shim in the folder of this file, if it is there. */
static int find_beside(const char *file, char path[PATH_MAX])
{
	char real[PATH_MAX];
	char *slash;

	if (!realpath(file, real))
		return -errno;
	slash = strrchr(real, '/');
	if (slash + 1 + sizeof(SHIM_NAME) > real + sizeof(real))
		return -ENAMETOOLONG;
	strcpy(slash + 1, SHIM_NAME);
	if (access(real, R_OK) < 0)
		return -errno;
	strcpy(path, real);
	return 0;
}

int shim_find(char path[PATH_MAX])
{
	Dl_info library;

	if (dladdr((void *)hs_status, &library) && library.dli_fname &&
	    find_beside(library.dli_fname, path) == 0)
		return 0;
	return find_beside("/proc/self/exe", path) ? -ENOENT : 0;
}

const char *shim_bad_path(const char *path)
{
	if (strpbrk(path, ": \t\n"))
		return "LD_PRELOAD cannot hold a path with a space or a colon";
	if (access(path, R_OK) < 0)
		return strerror(errno);
	return NULL;
}
