/* SPDX-License-Identifier: MIT */
/* How the caches run and whether malloc is ours, for hs_status(). */
#ifndef HS_MODE_H
#define HS_MODE_H

#pragma GCC visibility push(hidden)

const char *hs_cache_mode(void);	/* "rseq", "locked", "off" */
const char *hs_cache_reason(void);	/* why not rseq; "" with rseq */
int hs_preloaded(void);			/* 1: malloc is served by hugespan */

#pragma GCC visibility pop

#endif /* HS_MODE_H */
