// SPDX-License-Identifier: MIT
/* What a process has of the device, by fdinfo and smaps. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "cli.h"
#include "procinfo.h"
#include "sysroot.h"

/* A directory entry that is a number, or -1. */
static int entry_number(const struct dirent *entry)
{
	char *end;
	long number = strtol(entry->d_name, &end, 10);

	if (end == entry->d_name || *end || number < 0 || number > INT_MAX)
		return -1;
	return number;
}

/* One descriptor's fdinfo; true when it is a file of the device. */
static bool read_fdinfo(pid_t pid, int fd, struct proc_file *out)
{
	const struct {
		const char *name;
		uint64_t *value;
	} fields[] = {
		{ "hugespan-owner-id:", &out->owner_id },
		{ "hugespan-spans:", &out->nr_spans },
		{ "hugespan-units:", &out->nr_units },
		{ "hugespan-bytes:", &out->bytes },
	};
	FILE *file = sys_open("/proc/%d/fdinfo/%d", pid, fd);
	bool found = false;
	char line[256];
	size_t i;

	*out = (struct proc_file){ .fd = fd };
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		for (i = 0; i < ARRAY_SIZE(fields); i++) {
			size_t len = strlen(fields[i].name);

			if (strncmp(line, fields[i].name, len) == 0) {
				*fields[i].value =
					strtoull(line + len, NULL, 10);
				found = true;
			}
		}
	}
	fclose(file);
	return found;
}

static int by_fd(const void *a, const void *b)
{
	const struct proc_file *left = a, *right = b;

	return (left->fd > right->fd) - (left->fd < right->fd);
}

static void read_files(struct proc_info *info)
{
	DIR *dir = sys_opendir("/proc/%d/fdinfo", info->pid);
	struct proc_file found;
	struct dirent *entry;
	int fd;

	if (!dir) {
		info->files_error = errno;
		return;
	}
	while ((entry = readdir(dir))) {
		fd = entry_number(entry);
		if (fd < 0 || !read_fdinfo(info->pid, fd, &found))
			continue;
		info->files = xrealloc(info->files, (info->nr_files + 1) *
				       sizeof(*info->files));
		info->files[info->nr_files++] = found;
	}
	closedir(dir);
	if (info->nr_files)
		qsort(info->files, info->nr_files, sizeof(*info->files), by_fd);
}

/*
 * Is this the first line of a mapping, "55d0-55d1 rw-p 0 00:05 7  /dev/x"?
 * Then *of_device says whether it is of the device.
 */
static bool is_mapping_line(const char *line, bool *of_device)
{
	const char *device = sys_device_path(), *path;
	uint64_t start, last;
	size_t len;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &last) != 2)
		return false;
	*of_device = false;
	path = strchr(line, '/');
	len = strlen(device);
	if (path && strncmp(path, device, len) == 0)
		*of_device = path[len] == '\n' ||
			     strcmp(path + len, " (deleted)\n") == 0;
	return true;
}

static void add_field(struct proc_maps *maps, const char *line)
{
	const struct {
		const char *name;
		uint64_t *value;
	} fields[] = {
		{ "Size:", &maps->size_bytes },
		{ "Rss:", &maps->rss_bytes },
		{ "Pss:", &maps->pss_bytes },
		{ "Private_Dirty:", &maps->private_dirty_bytes },
		{ "Anonymous:", &maps->anonymous_bytes },
		{ "FilePmdMapped:", &maps->huge_bytes },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t len = strlen(fields[i].name);

		if (strncmp(line, fields[i].name, len) == 0)
			*fields[i].value +=
				1024 * strtoull(line + len, NULL, 10);
	}
}

/* Sum up a file in the format of maps or smaps: 0, or an errno. */
static int sum_maps(pid_t pid, const char *name, struct proc_maps *maps)
{
	FILE *file = sys_open("/proc/%d/%s", pid, name);
	bool of_device = false;
	size_t room = 0;
	char *line = NULL;
	int err;

	if (!file)
		return errno;
	*maps = (struct proc_maps){ 0 };
	errno = 0;
	while (getline(&line, &room, file) >= 0) {
		if (is_mapping_line(line, &of_device))
			maps->nr += of_device;
		else if (of_device)
			add_field(maps, line);
	}
	err = ferror(file) ? errno : 0;
	free(line);
	fclose(file);
	return err;
}

/*
 * The kernel walks all page tables for smaps, and holds the process up
 * meanwhile: only for those that maps says have the device mapped.
 */
static void read_maps(struct proc_info *info)
{
	info->maps_error = sum_maps(info->pid, "maps", &info->maps);
	if (!info->maps_error && info->maps.nr)
		info->maps_error = sum_maps(info->pid, "smaps", &info->maps);
}

int proc_info_read(struct proc_info *info, pid_t pid)
{
	*info = (struct proc_info){ .pid = pid };
	if (sys_read(info->command, sizeof(info->command), "/proc/%d/comm",
		     pid))
		return -ESRCH;
	read_files(info);
	read_maps(info);
	return 0;
}

void proc_info_free(struct proc_info *info)
{
	free(info->files);
	info->files = NULL;
	info->nr_files = 0;
}

static int by_pid(const void *a, const void *b)
{
	const pid_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

pid_t *proc_list(int *nr)
{
	DIR *dir = sys_opendir("/proc");
	struct dirent *entry;
	pid_t *pids = NULL;
	int pid, max = 0;

	*nr = 0;
	while (dir && (entry = readdir(dir))) {
		pid = entry_number(entry);
		if (pid <= 0 || pid == getpid())
			continue;
		if (*nr == max) {
			max = max ? 2 * max : 256;
			pids = xrealloc(pids, max * sizeof(*pids));
		}
		pids[(*nr)++] = pid;
	}
	if (dir)
		closedir(dir);
	if (*nr)
		qsort(pids, *nr, sizeof(*pids), by_pid);
	return pids;
}
