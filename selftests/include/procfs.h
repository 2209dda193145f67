/* SPDX-License-Identifier: MIT */
/*
 * What /proc and /sys say about a process's memory and about the module.
 */
#ifndef SELFTEST_PROCFS_H
#define SELFTEST_PROCFS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef HELPER
#define HELPER static inline __attribute__((unused))
#endif

/* The whole file, NUL-terminated and without its last newline: 0 or -errno. */
HELPER int file_read(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (have < len - 1) {
		n = read(fd, buf + have, len - 1 - have);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	close(fd);
	if (n < 0)
		return -EIO;
	while (have && buf[have - 1] == '\n')
		have--;
	buf[have] = '\0';
	return 0;
}

/* A file that holds one number; @fallback when it does not. */
HELPER long long file_number(const char *path, long long fallback)
{
	char buf[64], *end;
	long long v;

	if (file_read(path, buf, sizeof(buf)) || !buf[0])
		return fallback;
	v = strtoll(buf, &end, 0);
	return *end ? fallback : v;
}

/* "MemAvailable" and its kind from /proc/meminfo, in bytes; -1: no such line. */
HELPER long long meminfo_bytes(const char *field)
{
	char line[256];
	long long kb = -1;
	size_t n = strlen(field);
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, n) && line[n] == ':')
			kb = strtoll(line + n + 1, NULL, 10);
	if (f)
		fclose(f);
	return kb < 0 ? -1 : kb * 1024;
}

/*
 * Copy what smaps says in the line @field of the mapping that holds @addr;
 * false when there is no such mapping or line.
 */
HELPER bool smaps_line(const void *addr, const char *field, char *out,
		       size_t len)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	size_t n = strlen(field);
	bool inside = false, found = false;
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f)) {
		unsigned long start, last;

		if (sscanf(line, "%lx-%lx ", &start, &last) == 2) {
			inside = (unsigned long)addr >= start &&
				 (unsigned long)addr < last;
			continue;
		}
		if (!inside || strncmp(line, field, n) || line[n] != ':')
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(out, len, "%s", line + n + 1 +
			 strspn(line + n + 1, " \t"));
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

/* A size from smaps, in bytes; -1 when the mapping or the line is not there. */
HELPER long long smaps_bytes(const void *addr, const char *field)
{
	char buf[128];

	return smaps_line(addr, field, buf, sizeof(buf)) ?
		strtoll(buf, NULL, 10) * 1024 : -1;
}

/* Does VmFlags of the mapping hold the two-letter @flag ("dd", "io", ...)? */
HELPER bool smaps_has_flag(const void *addr, const char *flag)
{
	char buf[256], *save, *word;

	if (!smaps_line(addr, "VmFlags", buf, sizeof(buf)))
		return false;
	for (word = strtok_r(buf, " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		if (!strcmp(word, flag))
			return true;
	return false;
}

/* Is anything mapped at @addr? */
HELPER bool is_mapped(const void *addr)
{
	char buf[32];

	return smaps_line(addr, "Size", buf, sizeof(buf));
}

/* Minor faults of this thread so far. */
HELPER long minor_faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_THREAD, &ru);
	return ru.ru_minflt;
}

/* A line "key: value" of this process's fdinfo of @fd: 0 or -errno. */
HELPER int fdinfo_u64(int fd, const char *key, uint64_t *val)
{
	char path[64], line[256];
	size_t n = strlen(key);
	int err = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (err && fgets(line, sizeof(line), f)) {
		char *end;

		if (strncmp(line, key, n) || line[n] != ':')
			continue;
		*val = strtoull(line + n + 1, &end, 0);
		err = *end == '\n' || *end == '\0' ? 0 : -EBADMSG;
	}
	fclose(f);
	return err;
}

#endif /* SELFTEST_PROCFS_H */
