/* SPDX-License-Identifier: MIT */
/* The part of `hugespan stat` that is about processes. */
#ifndef CLI_PROCSTAT_H
#define CLI_PROCSTAT_H

#include <sys/types.h>

#include "json.h"

struct proc_stat;

/* Every process that has something of the device. */
struct proc_stat *proc_stat_all(void);
/*
 * These processes. One that is not there or may not be read is reported on
 * stderr, and *code becomes CLI_FAILED.
 */
struct proc_stat *proc_stat_some(const pid_t *pids, int nr, int *code);
/* NULL is allowed. */
void proc_stat_free(struct proc_stat *stat);

void proc_stat_print(const struct proc_stat *stat);
void proc_stat_json(struct json *json, const struct proc_stat *stat);

#endif /* CLI_PROCSTAT_H */
