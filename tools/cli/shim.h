/* SPDX-License-Identifier: MIT */
/* Where libhugespan-malloc.so is. */
#ifndef CLI_SHIM_H
#define CLI_SHIM_H

#include <limits.h>

#define SHIM_NAME "libhugespan-malloc.so"

/*
 * The absolute path of the shim: beside the libhugespan.so that this command
 * runs with (so in a build tree, too, the two are of one make), else beside
 * the command. 0, or -ENOENT.
 */
int shim_find(char path[PATH_MAX]);

/*
 * May the dynamic loader be given this path in LD_PRELOAD? A sentence why
 * not, or NULL.
 */
const char *shim_bad_path(const char *path);

#endif /* CLI_SHIM_H */
