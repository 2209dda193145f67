/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints, below events/hugespan in tracefs. Units are numbered through the
 * whole device (the offset of a span is its first unit times the unit's size);
 * an owner is what INFO and fdinfo call so.
 *
 * This file includes nothing of ours, so that every layer can say what it does.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM hugespan

#if !defined(HUGESPAN_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HUGESPAN_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(hugespan_units,
	TP_PROTO(u64 owner, int nid, u32 start, u32 nr),
	TP_ARGS(owner, nid, start, nr),
	TP_STRUCT__entry(
		__field(u64, owner)
		__field(int, nid)
		__field(u32, start)
		__field(u32, nr)
	),
	TP_fast_assign(
		__entry->owner = owner;
		__entry->nid = nid;
		__entry->start = start;
		__entry->nr = nr;
	),
	TP_printk("owner=%llu node=%d start=%u nr=%u", __entry->owner,
		  __entry->nid, __entry->start, __entry->nr)
);

/* A span is the owner's from here. */
DEFINE_EVENT(hugespan_units, hugespan_grant,
	TP_PROTO(u64 owner, int nid, u32 start, u32 nr),
	TP_ARGS(owner, nid, start, nr)
);

/* A span, or by TRIM its tail, goes back to the pool. */
DEFINE_EVENT(hugespan_units, hugespan_free,
	TP_PROTO(u64 owner, int nid, u32 start, u32 nr),
	TP_ARGS(owner, nid, start, nr)
);

/* Its mappings are about to be taken out of the page tables. */
DEFINE_EVENT(hugespan_units, hugespan_zap,
	TP_PROTO(u64 owner, int nid, u32 start, u32 nr),
	TP_ARGS(owner, nid, start, nr)
);

/* A grant failed: -12 no run is free, -11 by waiting it could be had. */
TRACE_EVENT(hugespan_refuse,
	TP_PROTO(u32 order, int nid, u32 flags, int err),
	TP_ARGS(order, nid, flags, err),
	TP_STRUCT__entry(
		__field(u32, order)
		__field(int, nid)
		__field(u32, flags)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->order = order;
		__entry->nid = nid;
		__entry->flags = flags;
		__entry->err = err;
	),
	TP_printk("order=%u node=%d flags=%#x err=%d", __entry->order,
		  __entry->nid, __entry->flags, __entry->err)
);

/* A page was touched; stale: the mapping's span is no more, so SIGBUS. */
TRACE_EVENT(hugespan_fault,
	TP_PROTO(u64 owner, u32 unit, unsigned long address, bool write,
		 bool stale),
	TP_ARGS(owner, unit, address, write, stale),
	TP_STRUCT__entry(
		__field(u64, owner)
		__field(unsigned long, address)
		__field(u32, unit)
		__field(bool, write)
		__field(bool, stale)
	),
	TP_fast_assign(
		__entry->owner = owner;
		__entry->address = address;
		__entry->unit = unit;
		__entry->write = write;
		__entry->stale = stale;
	),
	TP_printk("owner=%llu unit=%u address=%#lx write=%d stale=%d",
		  __entry->owner, __entry->unit, __entry->address,
		  __entry->write, __entry->stale)
);

/* A freed unit is pinned and waits; or its last pin is gone and it is free. */
TRACE_EVENT(hugespan_quarantine,
	TP_PROTO(int nid, u32 unit, bool enters),
	TP_ARGS(nid, unit, enters),
	TP_STRUCT__entry(
		__field(int, nid)
		__field(u32, unit)
		__field(bool, enters)
	),
	TP_fast_assign(
		__entry->nid = nid;
		__entry->unit = unit;
		__entry->enters = enters;
	),
	TP_printk("node=%d unit=%u %s", __entry->nid, __entry->unit,
		  __entry->enters ? "enters" : "leaves")
);

DECLARE_EVENT_CLASS(hugespan_size,
	TP_PROTO(int nid, u64 nr, u32 nr_units, int err),
	TP_ARGS(nid, nr, nr_units, err),
	TP_STRUCT__entry(
		__field(u64, nr)
		__field(int, nid)
		__field(u32, nr_units)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->nr = nr;
		__entry->nid = nid;
		__entry->nr_units = nr_units;
		__entry->err = err;
	),
	TP_printk("node=%d nr=%llu units=%u err=%d", __entry->nid, __entry->nr,
		  __entry->nr_units, __entry->err)
);

/* The pool has @nr units more, and now @nr_units; @err: why it stopped. */
DEFINE_EVENT(hugespan_size, hugespan_grow,
	TP_PROTO(int nid, u64 nr, u32 nr_units, int err),
	TP_ARGS(nid, nr, nr_units, err)
);

/* The pool has @nr units less. */
DEFINE_EVENT(hugespan_size, hugespan_shrink,
	TP_PROTO(int nid, u64 nr, u32 nr_units, int err),
	TP_ARGS(nid, nr, nr_units, err)
);

#endif /* HUGESPAN_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
