/* SPDX-License-Identifier: MIT */
/* May this process change the system, or only say how? */
#ifndef CLI_RIGHTS_H
#define CLI_RIGHTS_H

/*
 * CLI_OK for root on a real system. Else CLI_FAILED, with a line that says that
 * only root may do the deed ("load the module") and, by the words after the
 * name of this command, how ("pool load 512M").
 */
int rights_check(const char *deed, const char *words, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* CLI_RIGHTS_H */
