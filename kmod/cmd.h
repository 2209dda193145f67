/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands of the uAPI, apart from how a caller hands them over.
 *
 * A transport (ioctl) copies the struct in, runs the command, copies the
 * struct out and then says whether that worked. What a command grants becomes
 * the owner's only if it did.
 */
#ifndef HUGESPAN_CMD_H
#define HUGESPAN_CMD_H

#include <linux/types.h>

#include <linux/hugespan.h>

#include "span.h"

/* The struct of any command; each begins with its size. */
union hs_cmd_arg {
	__u32 size;
	struct hugespan_info info;
	struct hugespan_alloc alloc;
	struct hugespan_free free;
	struct hugespan_trim trim;
	struct hugespan_query query;
	struct hugespan_stat stat;
	struct hugespan_set_fork set_fork;
};

/**
 * struct hs_call - a command on its way
 * @owner: the open file it came by
 * @arg: its struct, as large as this kernel knows it
 * @granted: a span that nobody can see yet, owned by the call
 */
struct hs_call {
	struct hs_owner *owner;
	union hs_cmd_arg arg;
	struct hs_span *granted;
};

/**
 * struct hs_cmd - what a transport needs to know of a command
 * @run: checks @arg and does it; 0 or -errno, and then nothing has changed
 * @min_size: bytes of the struct as first published
 * @size: bytes of it as this kernel knows it
 * @has_output: the struct has out_ members
 */
struct hs_cmd {
	int (*run)(struct hs_call *call);
	u32 min_size;
	u32 size;
	bool has_output;
};

/* @nr: _IOC_NR of its code. Return: NULL if there is none such. */
const struct hs_cmd *hs_cmd_find(u32 nr);

/* Ends a call that ran well. @delivered: the caller has the output. */
void hs_cmd_finish(struct hs_call *call, bool delivered);

#endif /* HUGESPAN_CMD_H */
