/* SPDX-License-Identifier: MIT */
/*
 * hs_span_alloc and its kin: whole extents in the program's hands. The public
 * contract is in <hugespan.h>; here is what the fork handlers need.
 */
#ifndef HS_SPAN_H
#define HS_SPAN_H

#pragma GCC visibility push(hidden)

void hs_spans_fork_prepare(void);	/* takes the lock of the table */
void hs_spans_fork_parent(void);
void hs_spans_fork_child(void);

#pragma GCC visibility pop

#endif /* HS_SPAN_H */
