// SPDX-License-Identifier: MIT
/* The host's side: limits, transparent huge pages, hugetlb, cgroups. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "doctor.h"
#include "sysroot.h"
#include "text.h"

/* Below this a limit of a process's memory is a nuisance soon. */
#define SMALL_LIMIT_BYTES (UINT64_C(4) << 30)
/* Descriptors: a few of the library's own, and the program's. */
#define SMALL_NOFILE 64
/* The kernel's default of vm.max_map_count. */
#define USUAL_MAP_COUNT 65530

static bool check_memory_limit(struct doctor *doctor, int which,
			       const char *what, const char *fix)
{
	char text[TEXT_BYTES_MAX];
	struct rlimit limit;

	if (getrlimit(which, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return false;
	doctor_find(doctor, limit.rlim_cur < SMALL_LIMIT_BYTES ? DOCTOR_WARN :
		    DOCTOR_NOTE, "%s of a process is limited to %s; beyond it"
		    " malloc fails, however full the pool is", what,
		    text_bytes(text, limit.rlim_cur));
	doctor_fix(doctor, "%s", fix);
	return true;
}

void doctor_check_limits(struct doctor *doctor)
{
	struct rlimit limit;
	bool found = false;
	int64_t value;

	found |= check_memory_limit(doctor, RLIMIT_AS, "the address space",
				    "ulimit -v unlimited");
	found |= check_memory_limit(doctor, RLIMIT_DATA, "the private memory",
				    "ulimit -d unlimited");
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < SMALL_NOFILE) {
		doctor_find(doctor, DOCTOR_WARN, "a process may open %ju files"
			    " only; the device takes one, and one more at a"
			    " fork", (uintmax_t)limit.rlim_cur);
		doctor_fix(doctor, "ulimit -n 1024");
		found = true;
	}
	if (sys_read_i64(&value, "/proc/sys/vm/overcommit_memory") == 0 &&
	    value == 2) {
		doctor_find(doctor, DOCTOR_WARN, "the kernel never overcommits"
			    " (vm.overcommit_memory is 2): a fork needs free"
			    " memory for all that it might copy");
		doctor_fix(doctor, "sudo sysctl vm.overcommit_memory=0");
		found = true;
	}
	if (sys_read_i64(&value, "/proc/sys/vm/max_map_count") == 0 &&
	    value < USUAL_MAP_COUNT) {
		doctor_find(doctor, DOCTOR_WARN, "a process may have %jd"
			    " mappings only (vm.max_map_count)",
			    (intmax_t)value);
		doctor_fix(doctor, "sudo sysctl vm.max_map_count=%d",
			   USUAL_MAP_COUNT);
		found = true;
	}
	if (!found)
		doctor_find(doctor, DOCTOR_OK, "none that would be in the"
			    " way");
}

void doctor_check_thp(struct doctor *doctor)
{
	static const char thp[] = "/sys/kernel/mm/transparent_hugepage";
	char enabled[64], defrag[64];

	if (sys_read(enabled, sizeof(enabled), "%s/enabled", thp)) {
		doctor_find(doctor, DOCTOR_NOTE, "this kernel has no"
			    " transparent huge pages");
		return;
	}
	sys_read(defrag, sizeof(defrag), "%s/defrag", thp);
	if (strstr(enabled, "[never]")) {
		doctor_find(doctor, DOCTOR_WARN, "transparent huge pages are"
			    " off: without device and hugetlb programs get"
			    " small pages");
		doctor_fix(doctor, "echo madvise | sudo tee %s/enabled", thp);
	} else if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1) {
		doctor_find(doctor, DOCTOR_WARN, "transparent huge pages are"
			    " switched off for this shell and what it starts"
			    " (PR_SET_THP_DISABLE)");
		doctor_fix(doctor, "start from another parent: the service"
			   " manager or container that began this shell set"
			   " it");
	} else if (strstr(defrag, "[always]")) {
		doctor_find(doctor, DOCTOR_NOTE, "page faults may stall to"
			    " make transparent huge pages (defrag is always)");
		doctor_fix(doctor, "echo madvise | sudo tee %s/defrag", thp);
	} else {
		doctor_find(doctor, DOCTOR_OK, "to be had by those who ask"
			    " for them, as the library does");
	}
}

/* "Hugepagesize:    2048 kB" of /proc/meminfo; 0 where there is none. */
static uint64_t hugetlb_kib(void)
{
	FILE *file = sys_open("/proc/meminfo");
	uint64_t kib = 0, value;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Hugepagesize: %ju kB", &value) == 1)
			kib = value;
	if (file)
		fclose(file);
	return kib;
}

void doctor_check_hugetlb(struct doctor *doctor)
{
	uint64_t kib = hugetlb_kib(), nr = 0, nr_free = 0, nr_reserved = 0;
	char pages[128], size[TEXT_BYTES_MAX];

	snprintf(pages, sizeof(pages),
		 "/sys/kernel/mm/hugepages/hugepages-%jukB", (uintmax_t)kib);
	if (!kib || sys_read_u64(&nr, "%s/nr_hugepages", pages)) {
		doctor_find(doctor, DOCTOR_NOTE, "this kernel has no hugetlb"
			    " pages");
		return;
	}
	sys_read_u64(&nr_free, "%s/free_hugepages", pages);
	sys_read_u64(&nr_reserved, "%s/resv_hugepages", pages);
	text_bytes(size, kib * 1024);
	if (!nr) {
		doctor_find(doctor, DOCTOR_NOTE, "no pages of %s are reserved;"
			    " they are the second choice, where there is no"
			    " device", size);
		doctor_fix(doctor, "sudo sysctl vm.nr_hugepages=256");
	} else if (nr_free <= nr_reserved) {
		doctor_find(doctor, DOCTOR_NOTE, "all %ju pages of %s are"
			    " taken", (uintmax_t)nr, size);
		doctor_fix(doctor, "sudo sysctl vm.nr_hugepages=%ju",
			   (uintmax_t)(nr + 256));
	} else {
		doctor_find(doctor, DOCTOR_OK, "%ju of %ju pages of %s free",
			    (uintmax_t)(nr_free - nr_reserved), (uintmax_t)nr,
			    size);
	}
}

/* The path of this process in the hierarchy that `controllers` names. */
static bool cgroup_path(const char *controllers, char path[PATH_MAX])
{
	FILE *file = sys_open("/proc/self/cgroup");
	char *line = NULL, *name, *rest;
	bool found = false;
	size_t room = 0;

	while (file && !found && getline(&line, &room, file) >= 0) {
		rest = line;
		strsep(&rest, ":");
		name = rest ? strsep(&rest, ":") : NULL;
		if (!rest || strcmp(name, controllers) != 0)
			continue;
		rest[strcspn(rest, "\n")] = '\0';
		snprintf(path, PATH_MAX, "%s", rest);
		found = true;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

/* The smallest limit from this group up to the root; UINT64_MAX for none. */
static uint64_t smallest_limit(const char *mount, char path[PATH_MAX],
			       const char *name)
{
	uint64_t limit = UINT64_MAX, value;
	char *slash;

	for (;;) {
		if (sys_read_u64(&value, "%s%s/%s", mount, path, name) == 0 &&
		    value < limit)
			limit = value;
		slash = strrchr(path, '/');
		if (!slash)
			return limit;
		*slash = '\0';
	}
}

void doctor_check_cgroup(struct doctor *doctor)
{
	/* Version 1 says "none" by a number near 2^63. */
	const uint64_t none = UINT64_C(1) << 62;
	char path[PATH_MAX], text[TEXT_BYTES_MAX];
	uint64_t limit = UINT64_MAX;

	if (cgroup_path("memory", path))
		limit = smallest_limit("/sys/fs/cgroup/memory", path,
				       "memory.limit_in_bytes");
	else if (cgroup_path("", path))
		limit = smallest_limit("/sys/fs/cgroup", path, "memory.max");
	if (limit >= none)
		doctor_find(doctor, DOCTOR_OK, "no memory limit");
	else
		doctor_find(doctor, DOCTOR_NOTE, "the group's memory is"
			    " limited to %s; memory of the device does not"
			    " count, pages copied after a fork and those of"
			    " the other backends do",
			    text_bytes(text, limit));
}
