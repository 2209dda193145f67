/* SPDX-License-Identifier: MIT */
/* The kernel module: is it loaded, and where is its file? */
#ifndef CLI_KMODULE_H
#define CLI_KMODULE_H

#include <limits.h>
#include <stdbool.h>

struct kmodule {
	bool is_loaded;		/* /proc/modules */
	int nr_users;		/* of the loaded one: open files */
	char version[64];	/* of the loaded one; "" when it has none */
	/* The file for the running kernel; "" when there is none. */
	char path[PATH_MAX];
	bool is_installed;	/* modprobe knows it: depmod has seen it */
	/* From the file; "" when it is compressed or not readable. */
	char file_version[64];
	char file_release[128];	/* the kernel it was built for */
};

void kmodule_read(struct kmodule *module);

/* Fill in what the file at module->path says of itself. */
void kmodule_read_file(struct kmodule *module);

#endif /* CLI_KMODULE_H */
