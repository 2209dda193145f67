/* SPDX-License-Identifier: MIT */
/*
 * What a process has of the device: the spans its open files own (fdinfo),
 * and its mappings of the device (smaps).
 *
 * The two differ on purpose: a file that was inherited or passed on is open
 * in several processes and owns its spans once (compare the owner's number),
 * a mapping may outlive the descriptor, and a span need not be mapped.
 */
#ifndef CLI_PROCINFO_H
#define CLI_PROCINFO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_file {
	int fd;
	uint64_t owner_id;	/* unique since the module was loaded */
	uint64_t nr_spans;
	uint64_t nr_units;
	uint64_t bytes;
};

/* Sums over the process's mappings of the device, in bytes. */
struct proc_maps {
	uint64_t nr;		/* mappings */
	uint64_t size_bytes;
	uint64_t rss_bytes;
	uint64_t pss_bytes;	/* a page shared by n counts an n-th */
	uint64_t private_dirty_bytes;
	uint64_t anonymous_bytes;	/* copied after a fork: not the pool's */
	uint64_t huge_bytes;	/* mapped by whole huge pages */
};

struct proc_info {
	pid_t pid;
	char command[64];	/* as the kernel has it: any bytes */
	int files_error;	/* errno, when fdinfo cannot be read; 0 */
	int nr_files;
	struct proc_file *files;
	int maps_error;		/* errno, when smaps cannot be read; 0 */
	struct proc_maps maps;
};

/*
 * 0, or -ESRCH. What this user may not see of the process is in the *_error
 * members. Free it when 0 was returned.
 */
int proc_info_read(struct proc_info *info, pid_t pid);
void proc_info_free(struct proc_info *info);

static inline bool proc_info_holds(const struct proc_info *info)
{
	return info->nr_files || info->maps.nr;
}

/*
 * The numbers of all processes but this one, ascending, and how many; to be
 * freed.
 */
pid_t *proc_list(int *nr);

#endif /* CLI_PROCINFO_H */
