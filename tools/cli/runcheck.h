/* SPDX-License-Identifier: MIT */
/* Will the loader preload into this program? */
#ifndef CLI_RUNCHECK_H
#define CLI_RUNCHECK_H

/*
 * Warn on stderr when LD_PRELOAD will be ignored for the command, as the
 * loader does so without a word: statically linked, for another architecture,
 * or running with rights that its caller has not. Says nothing of what it
 * cannot find or read; exec has its own words for that.
 */
void run_check(const char *command);

#endif /* CLI_RUNCHECK_H */
