/* SPDX-License-Identifier: MIT */
/*
 * hugespan doctor: checks that look at the system and say what they find.
 *
 * Levels. FAIL: something is broken, or was asked for and is not to be had.
 * WARN: it works, but not as well as it could. NOTE: good to know. OK: looked
 * at, nothing to say. A finding that is not OK carries the command that mends
 * it, unless nothing has to be mended.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <stdbool.h>

#include <hugespan.h>

#include "kmodule.h"
#include "poolinfo.h"

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_NOTE,
	DOCTOR_WARN,
	DOCTOR_FAIL,
	DOCTOR_NR_LEVELS,
};

struct doctor_finding {
	const char *topic;	/* the check's name */
	enum doctor_level level;
	char *text;
	char *fix;		/* a command line, or NULL */
};

struct doctor {
	/* What several checks look at, read once. */
	struct kmodule module;
	struct pool_info pool;
	struct hs_status status;
	int status_error;	/* of hs_status(): 0, or -errno */
	bool wants_device;	/* HUGESPAN_BACKEND=device */

	const char *topic;	/* of the check that runs */
	int nr_findings;
	struct doctor_finding *findings;
};

/*
 * One finding, and (after it) the command that mends it, written with "sudo "
 * where that needs root.
 */
void doctor_find(struct doctor *doctor, enum doctor_level level,
		 const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_fix(struct doctor *doctor, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The level of what only keeps programs from the device. */
enum doctor_level doctor_device_level(const struct doctor *doctor);

/* doctor_device.c: the module, its node, who may open it, the pool */
void doctor_check_module(struct doctor *doctor);
void doctor_check_node(struct doctor *doctor);
void doctor_check_group(struct doctor *doctor);
void doctor_check_udev(struct doctor *doctor);
void doctor_check_pool(struct doctor *doctor);
/* doctor_host.c: limits, and the kernel's own huge pages */
void doctor_check_limits(struct doctor *doctor);
void doctor_check_thp(struct doctor *doctor);
void doctor_check_hugetlb(struct doctor *doctor);
void doctor_check_cgroup(struct doctor *doctor);
/* doctor_library.c: the library, as a program would find it */
void doctor_check_library(struct doctor *doctor);
void doctor_check_environment(struct doctor *doctor);
void doctor_check_backend(struct doctor *doctor);
void doctor_check_rseq(struct doctor *doctor);
void doctor_check_shim(struct doctor *doctor);

#endif /* CLI_DOCTOR_H */
