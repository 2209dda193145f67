// SPDX-License-Identifier: MIT
/* The kernel module: is it loaded, and where is its file? */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kmodule.h"
#include "sysroot.h"

/* Lines of /proc/modules: name, size, users, ... */
static void read_loaded(struct kmodule *module)
{
	FILE *file = sys_open("/proc/modules");
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "hugespan %*u %d", &module->nr_users) == 1)
			module->is_loaded = true;
	if (file)
		fclose(file);
	if (module->is_loaded)
		sys_read(module->version, sizeof(module->version),
			 "/sys/module/hugespan/version");
}

/*
 * depmod's list for the running kernel: "extra/hugespan.ko.xz: other.ko", the
 * paths below the folder of the list or absolute.
 */
static void find_installed(struct kmodule *module)
{
	const char *release = sys_kernel_release();
	FILE *file = sys_open("/lib/modules/%s/modules.dep", release);
	char *line = NULL, *name;
	size_t room = 0;

	while (file && getline(&line, &room, file) >= 0) {
		char *colon = strchr(line, ':');

		if (!colon)
			continue;
		*colon = '\0';
		name = strrchr(line, '/');
		name = name ? name + 1 : line;
		if (strncmp(name, "hugespan.ko", 11) != 0 ||
		    (name[11] && name[11] != '.'))
			continue;
		if (line[0] == '/')
			sys_path(module->path, "%s", line);
		else
			sys_path(module->path, "/lib/modules/%s/%s", release,
				 line);
		module->is_installed = true;
		break;
	}
	free(line);
	if (file)
		fclose(file);
}

/* `make modules` puts it beside this command, in kmod/RELEASE/. */
static void find_built(struct kmodule *module)
{
	char self[PATH_MAX], *slash;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len < 0)
		return;
	self[len] = '\0';
	slash = strrchr(self, '/');
	*slash = '\0';
	if (snprintf(module->path, sizeof(module->path),
		     "%s/kmod/%s/hugespan.ko", self, sys_kernel_release()) >=
		    (int)sizeof(module->path) ||
	    access(module->path, R_OK) < 0)
		module->path[0] = '\0';
}

/* A "name=value" string of the file's .modinfo, which is plain bytes. */
static void find_tag(const char *bytes, size_t nr, const char *tag, char *out,
		     size_t size)
{
	size_t len = strlen(tag), i = 0;
	/* Each string begins after the NUL of the one before. */
	const char *at = memmem(bytes, nr, tag, len);

	while (at && at > bytes && at[-1] != '\0')
		at = memmem(at + 1, nr - (at + 1 - bytes), tag, len);
	if (!at)
		return;
	for (at += len; at < bytes + nr && *at && *at != ' ' && i + 1 < size;
	     at++)
		out[i++] = *at;
	out[i] = '\0';
}

void kmodule_read_file(struct kmodule *module)
{
	int fd = open(module->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *bytes;

	module->file_version[0] = module->file_release[0] = '\0';
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || st.st_size == 0) {
		close(fd);
		return;
	}
	bytes = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return;
	find_tag(bytes, st.st_size, "version=", module->file_version,
		 sizeof(module->file_version));
	find_tag(bytes, st.st_size, "vermagic=", module->file_release,
		 sizeof(module->file_release));
	munmap(bytes, st.st_size);
}

void kmodule_read(struct kmodule *module)
{
	*module = (struct kmodule){ 0 };
	read_loaded(module);
	find_installed(module);
	if (!module->is_installed)
		find_built(module);
	if (module->path[0])
		kmodule_read_file(module);
}
