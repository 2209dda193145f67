// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bodies of the commands. Each judges its struct first (core/uapi_check.c)
 * and changes nothing before that.
 */
#include <linux/err.h>
#include <linux/nospec.h>

#include "cmd.h"
#include "core/uapi_check.h"

static u64 to_bytes(u64 nr_units)
{
	return units_to_bytes(nr_units, HS_UNIT_SHIFT);
}

/* The unit at an offset; one that no span can have if it is too large. */
static u32 to_unit(u64 offset)
{
	return min_t(u64, offset >> HS_UNIT_SHIFT, U32_MAX);
}

static int run_info(struct hs_call *call)
{
	struct hugespan_info *arg = &call->arg.info;
	int err = uapi_check_info(arg);

	if (err)
		return err;
	arg->out_api_version = HUGESPAN_API_VERSION;
	arg->out_nr_nodes = hs_nr_pools();
	arg->out_unit_bytes = HS_UNIT_BYTES;
	arg->out_device_bytes = to_bytes(hs_device_units());
	arg->out_owner_id = call->owner->id;
	arg->out_max_order = hs_max_order();
	return 0;
}

static int run_alloc(struct hs_call *call)
{
	struct hugespan_alloc *arg = &call->arg.alloc;
	struct hs_grant_request request = {
		.nid = arg->node,
		.flags = arg->flags,
		.fork_mode = arg->fork_mode,
	};
	struct hs_span *span;
	int err;

	err = uapi_check_alloc(arg, HS_UNIT_SHIFT, &request.order);
	if (err)
		return err;
	if (arg->node != HUGESPAN_NODE_ANY && !hs_pool_of_node(arg->node))
		return -EINVAL;

	span = hs_span_create(call->owner, &request);
	if (IS_ERR(span))
		return PTR_ERR(span);
	arg->out_offset = to_bytes(span->start);
	arg->out_bytes = to_bytes(span->nr_units);
	call->granted = span;
	return 0;
}

static int run_free(struct hs_call *call)
{
	struct hugespan_free *arg = &call->arg.free;
	int err = uapi_check_free(arg, HS_UNIT_SHIFT);

	return err ? err : hs_span_free(call->owner, to_unit(arg->offset));
}

static int run_trim(struct hs_call *call)
{
	struct hugespan_trim *arg = &call->arg.trim;
	int err = uapi_check_trim(arg, HS_UNIT_SHIFT);
	u32 nr_left;

	if (err)
		return err;
	err = hs_span_trim(call->owner, to_unit(arg->offset),
			   arg->keep_bytes >> HS_UNIT_SHIFT, &nr_left);
	if (err)
		return err;
	arg->out_bytes = to_bytes(nr_left);
	return 0;
}

static int run_query(struct hs_call *call)
{
	struct hugespan_query *arg = &call->arg.query;
	struct hs_span_view view;
	int err;

	err = uapi_check_query(arg, HS_UNIT_SHIFT);
	if (err)
		return err;
	err = hs_span_query(call->owner, to_unit(arg->offset), &view);
	if (err)
		return err;
	arg->out_offset = to_bytes(view.start);
	arg->out_bytes = to_bytes(view.nr_units);
	arg->out_node = view.nid;
	arg->out_fork_mode = view.fork_mode;
	arg->out_alloc_flags = view.flags;
	arg->out_nr_mappings = view.nr_mappings;
	return 0;
}

static int run_stat(struct hs_call *call)
{
	struct hugespan_stat *arg = &call->arg.stat;
	struct hs_pool *pool = NULL;
	struct hs_pool_stat stat;
	int err;

	err = uapi_check_stat(arg);
	if (err)
		return err;
	if (arg->node != HUGESPAN_NODE_ANY) {
		pool = hs_pool_of_node(arg->node);
		if (!pool)
			return -EINVAL;
	}
	hs_pool_stat(pool, &stat);
	arg->out_largest_free_order = stat.largest_free_order;
	arg->out_nr_units = stat.nr_units;
	arg->out_nr_free = stat.nr_free;
	arg->out_nr_free_clean = stat.nr_free_zeroed;
	arg->out_nr_granted = stat.nr_granted;
	arg->out_nr_quarantined = stat.nr_quarantined;
	arg->out_nr_grants = stat.nr_grants;
	arg->out_nr_frees = stat.nr_frees;
	arg->out_nr_refused = stat.nr_refused;
	hs_owner_usage(call->owner, &arg->out_owner_spans,
		       &arg->out_owner_units);
	return 0;
}

static int run_set_fork(struct hs_call *call)
{
	struct hugespan_set_fork *arg = &call->arg.set_fork;
	int err = uapi_check_set_fork(arg, HS_UNIT_SHIFT);

	if (err)
		return err;
	return hs_span_set_fork(call->owner, to_unit(arg->offset),
				arg->fork_mode);
}

#define CMD(NAME, name, output)						\
	[_IOC_NR(HUGESPAN_IOC_##NAME)] = {				\
		.run = run_##name,					\
		.min_size = HUGESPAN_##NAME##_SIZE_V1,			\
		.size = sizeof(struct hugespan_##name),			\
		.has_output = (output),					\
	}

static const struct hs_cmd cmds[] = {
	CMD(INFO, info, true),
	CMD(ALLOC, alloc, true),
	CMD(FREE, free, false),
	CMD(TRIM, trim, true),
	CMD(QUERY, query, true),
	CMD(STAT, stat, true),
	CMD(SET_FORK, set_fork, false),
};

const struct hs_cmd *hs_cmd_find(u32 nr)
{
	const struct hs_cmd *cmd;

	if (nr >= ARRAY_SIZE(cmds))
		return NULL;
	cmd = &cmds[array_index_nospec(nr, ARRAY_SIZE(cmds))];
	return cmd->run ? cmd : NULL;
}

void hs_cmd_finish(struct hs_call *call, bool delivered)
{
	if (!call->granted)
		return;
	/* From here the owner has it, or the pool has it back. */
	if (delivered)
		hs_span_publish(call->granted);
	else
		hs_span_abort(call->granted);
	call->granted = NULL;
}
